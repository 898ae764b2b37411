"""Operators whose arithmetic differs between runtimes by more than one rounding: mean, addition, product, and others.

What each does was found by comparing with LiteRT over whole tables of int8 pairs; `edgelab.infer.integer` says which
runtime does which.
"""

from __future__ import annotations

import math
import re
from itertools import groupby

import numpy as np

from edgelab.infer.integer.rounding import half_away, high_product, quantize_multiplier, rescale


def mean_double(x: np.ndarray, x_scale: float, x_zero_point: int, y_scale: float) -> np.ndarray:
    """Return the mean over rows and columns in steps of the output, as TensorFlow Lite's reference kernels round it.

    x: int8 (n, height, width, channels). The division by the number of pixels goes into the mantissa, cut off instead
    of rounded, after a shift that keeps its bits. Returns int64 (n, channels), the zero point not yet added.

    >>> mean_double(np.arange(6, dtype=np.int8).reshape(1, 2, 3, 1), 1.0, 0, 0.5).tolist()
    [[5]]
    """
    count = x.shape[1] * x.shape[2]
    acc = x.astype(np.int32).sum(axis=(1, 2), dtype=np.int32) - np.int32(count * x_zero_point)
    mantissa, shift = quantize_multiplier(float(x_scale) / float(y_scale))
    kept = min(count.bit_length() - 1, 32, 31 + int(shift))
    return rescale(acc, np.int32((int(mantissa) << kept) // count), shift - np.int32(kept), "double")


def mean_builtin(x: np.ndarray, x_scale: float, x_zero_point: int, y_scale: float) -> np.ndarray:
    """Return the mean over rows and columns in steps of the output, as LiteRT's optimised kernels round it.

    x: int8 (n, height, width, channels). The sum is of the stored integers; the zero point's part is rounded apart, so
    the result may be off by one. Vectors hold 16 channels; what is left over goes through other code, which rounds as
    the reference does. Returns int64 (n, channels), the output's zero point not yet added.

    >>> mean_builtin(np.arange(6, dtype=np.int8).reshape(1, 2, 3, 1), 1.0, 0, 0.5).tolist()
    [[5]]
    """
    x_scale, y_scale, count = np.float32(x_scale), np.float32(y_scale), np.float32(x.shape[1] * x.shape[2])
    mantissa, shift = quantize_multiplier(float(x_scale / (count * y_scale)))
    offset = np.float32(x_zero_point) * x_scale / y_scale
    offset = int(np.trunc(offset + np.copysign(np.float32(0.5), offset)))
    return rescale(x.sum(axis=(1, 2), dtype=np.int32), mantissa, shift, "builtin16") - offset


def mean_float32(x: np.ndarray, x_scale: float, x_zero_point: int, y_scale: float, y_zero_point: int) -> np.ndarray:
    """Return the mean over rows and columns in steps of the output, zero point included, as XNNPACK rounds it.

    x: int8 (n, height, width, channels). In float32, with both zero points in one offset, and rounded once, halves to
    even. Returns float32 integers (n, channels).

    >>> mean_float32(np.arange(6, dtype=np.int8).reshape(1, 2, 3, 1), 1.0, 0, 0.5, 7).tolist()
    [[12.0]]
    """
    count = np.float32(x.shape[1] * x.shape[2])
    scale = np.float32(x_scale) / np.float32(y_scale) * (np.float32(1) / count)
    offset = np.float32(y_zero_point) - np.float32(x_zero_point) * count * scale
    return np.rint(x.sum(axis=(1, 2), dtype=np.int32).astype(np.float32) * scale + offset)


def add_double(
    a: np.ndarray,
    b: np.ndarray,
    scales: tuple[float, float, float],
    zero_points: tuple[int, int],
    first: str = "double",
) -> np.ndarray:
    """Add two int8 tensors in steps of the output, as TensorFlow Lite does: both on a common scale with 20 more bits.

    a, b: int8 that broadcast. scales: of a, b and the output. zero_points: of a and b. first: the rounding of the two
    inputs; the optimised kernels take "single", or "floor": the high product with its last bits cut off. Returns int64,
    the output's zero point not yet added.

    >>> add_double(np.array([3], np.int8), np.array([4], np.int8), (0.5, 1.0, 0.25), (0, 0)).tolist()
    [22]
    """
    scale_a, scale_b, scale_y = map(float, scales)
    common = 2 * max(scale_a, scale_b)
    total = np.int64(0)
    for q, scale, zero_point in ((a, scale_a, zero_points[0]), (b, scale_b, zero_points[1])):
        raised = (q.astype(np.int32) - np.int32(zero_point)) << 20
        mantissa, shift = quantize_multiplier(scale / common)
        if first == "floor":  # the ratio is at most 1/2, so the shift is to the right
            total = total + (high_product(raised, mantissa, shift) >> -shift)
        else:
            total = total + rescale(raised, mantissa, shift, first)
    return rescale(total, *quantize_multiplier(common / (2.0**20 * scale_y)), "double")


def add_builtin(
    a: np.ndarray, b: np.ndarray, scales: tuple[float, float, float], zero_points: tuple[int, int]
) -> np.ndarray:
    """Add two int8 tensors in steps of the output, as LiteRT's optimised kernels do: `add_double`, in vectors.

    a, b: int8 that broadcast, one of them (n, …) of as many axes as the result. Equal last axes are a row, which goes
    through in vectors of 16 values whose inputs round by "single". Where the last axis of one input is 1, a single
    value meets a row of the other: vectors of 8, and "floor". What is left over of a row goes through the reference's
    code, and so does all where the inputs broadcast by turns more often than the kernel has loops. Returns int64.
    Source: TensorFlow Lite's process_broadcast_shapes.h, and BinaryBroadcastFiveFold in its optimized_ops.h.

    >>> add_builtin(np.array([[3]], np.int8), np.array([[4]], np.int8), (0.5, 1.0, 0.25), (0, 0)).tolist()
    [[22]]
    """
    exact = add_double(a, b, scales, zero_points)
    # Stretches of axes, the last first, along which both have values ("="), or a alone, or b.
    sizes = zip(*(_image_shape(x, exact.ndim)[::-1] for x in (a, b)), strict=True)
    named = [("=" if m == n else "a" if n == 1 else "b", max(m, n)) for m, n in sizes if max(m, n) > 1]
    runs = [(who, math.prod(n for _, n in run)) for who, run in groupby(named, key=lambda each: each[0])]
    if not re.fullmatch("=?(a=?)?(b=?)?|=?(b=?)?(a=?)?", "".join(who for who, _ in runs)):
        return exact
    who, row = runs[0] if runs else ("=", 1)
    lanes, first = (16, "single") if who == "=" else (8, "floor")
    return np.where(_left_over(exact.shape, lanes, row), exact, add_double(a, b, scales, zero_points, first))


def _image_shape(x: np.ndarray, axes: int) -> tuple[int, ...]:
    """Return the shape of one image among so many axes; a constant may have fewer."""
    return ((1,) * (axes - x.ndim) + x.shape)[1:]


def _left_over(shape: tuple[int, ...], lanes: int, row: int = 0) -> np.ndarray:
    """Return which values of each image don't fill a vector of so many, counted along rows or over the whole image."""
    size = math.prod(shape[1:])
    row = row or size
    return (np.arange(size) % row >= row // lanes * lanes).reshape(1, *shape[1:])


def add_shift(
    a: np.ndarray, b: np.ndarray, scales: tuple[float, float, float], zero_points: tuple[int, int]
) -> np.ndarray:
    """Add two int8 tensors in steps of the output, as XNNPACK does: two multipliers of 21 bits and one shift.

    a, b: int8 that broadcast. scales: of a, b and the output. zero_points: of a and b. Halves go up.
    Returns int64, the output's zero point not yet added.

    >>> add_shift(np.array([3], np.int8), np.array([4], np.int8), (0.5, 1.0, 0.25), (0, 0)).tolist()
    [22]
    """
    ratio_a, ratio_b = (np.float32(scale) / np.float32(scales[2]) for scale in scales[:2])
    shift = 21 - int(np.frexp(max(ratio_a, ratio_b))[1])
    multiplier_a, multiplier_b = (np.int64(np.rint(np.ldexp(ratio, shift))) for ratio in (ratio_a, ratio_b))
    acc = (a.astype(np.int64) - zero_points[0]) * multiplier_a + (b.astype(np.int64) - zero_points[1]) * multiplier_b
    return (acc + (1 << (shift - 1))) >> shift


def convert_8bit(q: np.ndarray, x_scale: float, x_zero_point: int, y_scale: float) -> np.ndarray:
    """Turn int8 of one scale into steps of another, as XNNPACK does: the ratio has just 8 bits after the point.

    q: int8. Returns int64, the output's zero point not yet added; halves go up.

    >>> convert_8bit(np.array([10, -10], np.int8), 0.1, 0, 0.3).tolist()
    [3, -3]
    """
    ratio = np.int64(np.rint(np.float32(256) * (np.float32(x_scale) / np.float32(y_scale))))
    return ((q.astype(np.int64) - x_zero_point) * ratio + 128) >> 8


def quantize_input(x: np.ndarray, scale: float, zero_point: int, rule: str) -> np.ndarray:
    """Quantize float32 to int8 as the QUANTIZE operator does, which is not quite `quantize`.

    x: float32 (n, …). rule: "away" divides by the scale and sends halves away from zero; "inverse" multiplies by the
    rounded 1 / scale and sends halves to even; "inverse8" does so in vectors of 8 values counted over the whole image,
    and what is left over it divides in float64, halves away from zero. Returns int8 of the shape of x.
    Raises ValueError for NaN, and for what is more than 2^31 steps: there some kernels wrap around to the other end.

    >>> x = np.float32([[0.25, 0.75, -0.25]])
    >>> quantize_input(x, 0.5, 0, "away").tolist(), quantize_input(x, 0.5, 0, "inverse").tolist()
    ([[1, 2, -1]], [[0, 2, 0]])
    """
    scale = np.float32(scale)
    # With a zero point of int8 on top, the last that 32 bits hold.
    wrong = ~(np.abs(x) <= (2**31 - 128) * np.float64(scale))
    if wrong.any():
        raise ValueError(f"x holds {x[wrong][0]}, and a step is {scale}; expected numbers of less than 2^31 steps")
    if rule == "away":
        q = half_away(x / scale)
    else:
        q = np.rint(x * (np.float32(1) / scale))
        if rule == "inverse8":
            q = np.where(_left_over(x.shape, 8), half_away(x / np.float64(scale)), q)
    return np.clip(q + zero_point, -128, 127).astype(np.int8)


def dequantize_output(q: np.ndarray, scale: float, zero_point: int, rule: str) -> np.ndarray:
    """Return the float32 that the DEQUANTIZE operator makes of int8.

    q: int8 (n, …). rule: "exact" is scale * (q - zero_point); "vectors" rounds scale * q and scale * zero_point apart,
    in vectors of 8 values counted over the whole image, and is exact in what is left over.

    >>> dequantize_output(np.array([[-128, 0]], np.int8), 0.1, -28, "exact").tolist() == [[-10.0, np.float32(2.8)]]
    True
    """
    scale = np.float32(scale)
    exact = scale * (q.astype(np.int32) - np.int32(zero_point)).astype(np.float32)
    if rule == "exact":
        return exact
    return np.where(_left_over(q.shape, 8), exact, q.astype(np.float32) * scale - np.float32(zero_point) * scale)
