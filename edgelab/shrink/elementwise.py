"""Operators whose arithmetic differs between runtimes by more than one rounding: mean, addition, product, and others.

What each does was found by comparing with LiteRT over whole tables of int8 pairs; `edgelab.shrink.integer` says which
runtime does which.
"""

from __future__ import annotations

import numpy as np

from edgelab.shrink.rounding import quantize_multiplier, rescale


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
    inputs; the optimised kernels take "single". Returns int64, the output's zero point not yet added.

    >>> add_double(np.array([3], np.int8), np.array([4], np.int8), (0.5, 1.0, 0.25), (0, 0)).tolist()
    [22]
    """
    scale_a, scale_b, scale_y = map(float, scales)
    common = 2 * max(scale_a, scale_b)
    total = np.int64(0)
    for q, scale, zero_point in ((a, scale_a, zero_points[0]), (b, scale_b, zero_points[1])):
        raised = (q.astype(np.int32) - np.int32(zero_point)) << 20
        total = total + rescale(raised, *quantize_multiplier(scale / common), first)
    return rescale(total, *quantize_multiplier(common / (2.0**20 * scale_y)), "double")


def add_builtin(
    a: np.ndarray, b: np.ndarray, scales: tuple[float, float, float], zero_points: tuple[int, int]
) -> np.ndarray:
    """Add two int8 tensors in steps of the output, as LiteRT's optimised kernels do: `add_double`, in vectors.

    a, b: int8 (n, …). Vectors of 16 values, counted over the whole image or, where one input broadcasts, over its last
    axis, round the inputs by "single"; what is left over goes through the reference's code. Returns int64.

    >>> add_builtin(np.array([[3]], np.int8), np.array([[4]], np.int8), (0.5, 1.0, 0.25), (0, 0)).tolist()
    [[22]]
    """
    exact, quick = (add_double(a, b, scales, zero_points, first) for first in ("double", "single"))
    row = exact[0].size if a.shape[1:] == b.shape[1:] else exact.shape[-1]
    left_over = np.arange(exact[0].size) % row >= row // 16 * 16
    return np.where(left_over.reshape(1, *exact.shape[1:]), exact, quick)


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

    x: float32. rule: "away" divides by the scale and sends halves away from zero (the reference kernels); "inverse"
    multiplies by the rounded 1 / scale and sends halves to even. Returns int8 of the shape of x.

    >>> x = np.float32([0.25, 0.75, -0.25])
    >>> quantize_input(x, 0.5, 0, "away").tolist(), quantize_input(x, 0.5, 0, "inverse").tolist()
    ([1, 2, -1], [0, 2, 0])
    """
    if rule == "inverse":
        q = np.rint(x * (np.float32(1) / np.float32(scale)))
    else:
        q = x / np.float32(scale)
        q = np.trunc(q.astype(np.float64) + np.copysign(0.5, q))
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
    apart, size = q.astype(np.float32) * scale - np.float32(zero_point) * scale, exact[0].size
    return np.where((np.arange(size) < size // 8 * 8).reshape(exact[0].shape), apart, exact)
