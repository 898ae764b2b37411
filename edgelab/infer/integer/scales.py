"""QUANTIZE and DEQUANTIZE: from float32 to int8, from one scale of int8 to another, and back to float32.

They stand at both ends of a model, and between its branches. The plain formulas, which no runtime follows to the last
bit, are in `edgelab.shrink.quantize`.
"""

from __future__ import annotations

import numpy as np

from edgelab.infer.integer.place import Entry, Place, Step
from edgelab.infer.integer.rounding import half_away, left_over, requantizer


def quantize_input(x: np.ndarray, scale: float, zero_point: int, rule: str) -> np.ndarray:
    """Quantize float32 to int8 as the QUANTIZE operator does; some values differ from those of `quantize`.

    x: float32 (n, …). rule: "away" divides by the scale and rounds halves away from zero; "inverse" multiplies by the
    rounded 1 / scale and rounds halves to even; "inverse8" does so in vectors of 8 values counted over the whole image,
    and divides the values left over in float64, halves away from zero. Returns int8 of x's shape.
    Raises ValueError for NaN, and for more than 2^31 steps, where some kernels wrap around to the other end.

    >>> x = np.float32([[0.25, 0.75, -0.25]])
    >>> quantize_input(x, 0.5, 0, "away").tolist(), quantize_input(x, 0.5, 0, "inverse").tolist()
    ([[1, 2, -1]], [[0, 2, 0]])
    """
    scale = np.float32(scale)
    # With a zero point of int8 added, the largest number that fits into 32 bits.
    wrong = ~(np.abs(x) <= (2**31 - 128) * np.float64(scale))
    if wrong.any():
        raise ValueError(f"x holds {x[wrong][0]}, and a step is {scale}; expected numbers of less than 2^31 steps")
    if rule == "away":
        q = half_away(x / scale)
    else:
        q = np.rint(x * (np.float32(1) / scale))
        if rule == "inverse8":
            q = np.where(left_over(x.shape, 8), half_away(x / np.float64(scale)), q)
    return np.clip(q + zero_point, -128, 127).astype(np.int8)


def convert_8bit(q: np.ndarray, x_scale: float, x_zero_point: int, y_scale: float) -> np.ndarray:
    """Turn int8 of one scale into steps of another, as XNNPACK does: the ratio has only 8 bits after the point.

    q: int8. Returns int64, without the output's zero point; halves go up.

    >>> convert_8bit(np.array([10, -10], np.int8), 0.1, 0, 0.3).tolist()
    [3, -3]
    """
    ratio = np.int64(np.rint(np.float32(256) * (np.float32(x_scale) / np.float32(y_scale))))
    return ((q.astype(np.int64) - x_zero_point) * ratio + 128) >> 8


def _quantize(p: Place) -> Step:
    x, (scale, zero_point) = p.inputs[0], p.affine(p.y)
    if x.dtype == "float32":
        rule = getattr(SCALE_OPERATORS["QUANTIZE float32"], p.runtime)
        return p.in_front(lambda x: quantize_input(x, scale, zero_point, rule))
    x_scale, x_zero_point = p.affine(x)
    if p.rule() == "8bit":
        return lambda x: np.clip(convert_8bit(x, x_scale, x_zero_point, scale) + zero_point, -128, 127).astype(np.int8)
    rescaled = requantizer(float(x_scale) / float(scale), p.rule(), scale, zero_point)
    # As one row: vectors run over the whole image here, not over its channels.
    return p.in_front(lambda x: rescaled(x.reshape(len(x), -1).astype(np.int32) - x_zero_point).reshape(x.shape))


def _quantize_kernels(p: Place) -> str:
    """Return whose kernels run it: beyond these ratios of scales XNNPACK leaves it to the optimised kernels."""
    if p.runtime != "xnnpack" or p.inputs[0].dtype == "float32":
        return p.runtime
    return p.runtime if 2**-8 <= p.affine(p.inputs[0])[0] / p.affine(p.y)[0] <= 2**7 else "builtin"


def dequantize_output(q: np.ndarray, scale: float, zero_point: int, rule: str) -> np.ndarray:
    """Dequantize int8 to float32 as the DEQUANTIZE operator does.

    q: int8 (n, …). rule: "exact" is scale * (q - zero_point); "vectors" rounds scale * q and scale * zero_point
    separately, in vectors of 8 values counted over the whole image, and is exact in the values left over.

    >>> dequantize_output(np.array([[-128, 0]], np.int8), 0.1, -28, "exact").tolist() == [[-10.0, np.float32(2.8)]]
    True
    """
    scale = np.float32(scale)
    exact = scale * (q.astype(np.int32) - np.int32(zero_point)).astype(np.float32)
    if rule == "exact":
        return exact
    return np.where(left_over(q.shape, 8), exact, q.astype(np.float32) * scale - np.float32(zero_point) * scale)


def _dequantize(p: Place) -> Step:
    (scale, zero_point), rule = p.affine(p.inputs[0]), p.rule()
    return p.in_front(lambda x: dequantize_output(x, scale, zero_point, rule))


SCALE_OPERATORS = {
    #                                      reference builtin      xnnpack    micro
    "QUANTIZE":         Entry(_quantize,   "double", "builtin16", "8bit",    "double", _quantize_kernels,
                              reads={0: ("int8", "float32")}),
    "QUANTIZE float32": Entry(_quantize,   "away",   "inverse8",  "inverse", "away"),
    "DEQUANTIZE":       Entry(_dequantize, "exact",  "vectors",   "exact",   "exact", makes=("float32",)),
}  # fmt: skip
