"""HARD_SWISH, LEAKY_RELU, PRELU, ABS, RSQRT: functions of one value with integers alone.

All runtimes round them alike, XNNPACK's LEAKY_RELU excepted. LiteRT divides scales in float32 and TensorFlow Lite Micro
in float64, though: of 0.21 and 0.14 the one makes 1.5 and the other a bit less, and halves part.
"""

from __future__ import annotations

import numpy as np

from edgelab.infer.integer.place import Entry, Place, Step, tabulated
from edgelab.infer.integer.rounding import high_product, quantize_multiplier, rescale, shift_right


def hard_swish(
    q: np.ndarray, scales: tuple[float, float], zero_points: tuple[int, int], number: type = np.float32
) -> np.ndarray:
    """Return x * min(max(x + 3, 0), 6) / 6 of int8 values with 16-bit products, as all runtimes compute it.

    q: int8, any shape. scales, zero_points: of input and output; `hard_swish_multipliers` says which scales fit.
    number: as there. Returns int8.
    Source: Howard et al. 2019 (MobileNetV3), section 5.2; TensorFlow Lite's reference/hard_swish.h.

    >>> hard_swish(np.array([-30, 0, 15, 40], np.int8), (0.1, 0.1), (0, 0)).tolist()
    [0, 0, 11, 40]
    """
    (output, output_shift), (gate, gate_shift) = hard_swish_multipliers(*scales, number)
    x = (q.astype(np.int64) - zero_points[0]) << 7
    y = _high_16(x, output)
    # The gate is x / 3 with 15 bits after the point, cut off at -1 and 1, and then moved to 0…1.
    share = _clip_16(x << max(gate_shift - 1, 0))
    share = _high_16(share, gate)
    share = _clip_16(share << 1) if gate_shift > 0 else shift_right(share, -gate_shift)
    product = ((share + 2**15) >> 1) * y
    product = np.sign(product) * (np.abs(product) >> 15)  # rounded towards zero, against the bias of the steps before
    return np.clip(shift_right(product, -output_shift) + zero_points[1], -128, 127).astype(np.int8)


def hard_swish_multipliers(
    x_scale: float, y_scale: float, number: type = np.float32
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return HARD_SWISH's two multipliers, of the output and of the gate, each as 16-bit mantissa and shift.

    number: in which scales are divided; in TensorFlow Lite Micro np.float64. The kernels shift 16 bits: the shifts must
    be at least -15, and the first at most 0.

    >>> hard_swish_multipliers(0.1, 0.1)
    ((16384, -6), (17476, 4))
    """
    fine = np.float32(x_scale) / np.float32(128)
    found = []
    for scale in (np.float32(y_scale), np.float32(3) / np.float32(32768)):
        real = number(fine) / number(scale)
        mantissa, shift = quantize_multiplier(float(real))
        found.append((int(min((int(mantissa) + 2**15) >> 16, 2**15 - 1)), int(shift)))
    return found[0], found[1]


def _high_16(a: np.ndarray, b: int) -> np.ndarray:
    """Return a * b / 2^15 rounded, halves up: `high_product` in 16 bits."""
    return _clip_16((a * b + 2**14) >> 15)


def _clip_16(a: np.ndarray) -> np.ndarray:
    return np.clip(a, -(2**15), 2**15 - 1)


def leaky_relu(
    q: np.ndarray, zero_points: tuple[int, int], multipliers: tuple[float, float], rule: str = "double"
) -> np.ndarray:
    """Return int8 values times one multiplier from zero up and another below zero.

    q: int8, any shape. zero_points: of input and output. multipliers: scale_x / scale_y, and that times the slope,
    which may be negative. rule: "double" as in `rescale`; "8bit" (XNNPACK) has 8 bits after the multiplier's point and
    sends halves up. Returns int8.

    >>> leaky_relu(np.array([-20, 0, 20], np.int8), (0, 0), (1.0, 0.1)).tolist()
    [-2, 0, 20]
    """
    x = q.astype(np.int64) - zero_points[0]
    if rule == "8bit":
        above, below = ((x * int(np.rint(256 * m)) + 128) >> 8 for m in multipliers)
    else:
        above, below = (_signed(x, m) for m in multipliers)
    return np.clip(np.where(x < 0, below, above) + zero_points[1], -128, 127).astype(np.int8)


def prelu(
    q: np.ndarray, slopes: np.ndarray, zero_points: tuple[int, int, int], multipliers: tuple[float, float]
) -> np.ndarray:
    """Return int8 values, those below zero times a slope of their own.

    q, slopes: int8 that broadcast. zero_points: of both and of the output. multipliers: scale_x / scale_y, and
    scale_x * scale_slopes / scale_y. Returns int8. Source: He et al. 2015, eq. 1.

    >>> prelu(np.array([-20, 20], np.int8), np.array([5], np.int8), (0, 0, 0), (1.0, 0.1)).tolist()
    [-10, 20]
    """
    x, slopes = q.astype(np.int64) - zero_points[0], slopes.astype(np.int64) - zero_points[1]
    y = np.where(x < 0, _signed(x * slopes, multipliers[1]), _signed(x, multipliers[0]))
    return np.clip(y + zero_points[2], -128, 127).astype(np.int8)


def absolute(q: np.ndarray, zero_points: tuple[int, int], multiplier: float) -> np.ndarray:
    """Return int8 values without their sign. multiplier: scale_x / scale_y. Returns int8.

    >>> absolute(np.array([-20, 20], np.int8), (0, -128), 2.0).tolist()
    [-88, -88]
    """
    y = _signed(np.abs(q.astype(np.int64) - zero_points[0]), multiplier)
    return np.clip(y + zero_points[1], -128, 127).astype(np.int8)


def reciprocal_root(q: np.ndarray, zero_points: tuple[int, int], multiplier: float) -> np.ndarray:
    """Return 1 / sqrt of int8 values at or above their zero point; at the zero point itself 127.

    q: int8, any shape. multiplier: 1 / (sqrt(scale_x) * scale_y). Returns int8.

    >>> reciprocal_root(np.array([0, 1, 4], np.int8), (0, 0), 100.0).tolist()
    [127, 100, 50]
    """
    x = np.maximum(q.astype(np.int64) - zero_points[0], 0)
    mantissa, shift = quantize_multiplier(multiplier)
    y = rescale(root_fixed(np.maximum(x, 1)), mantissa, shift - 20, "double") + zero_points[1]
    return np.where(x == 0, 127, np.clip(y, -128, 127)).astype(np.int8)


def root_fixed(x: np.ndarray) -> np.ndarray:
    """Return 2^20 / sqrt(x) for integers 1 <= x < 2^27, by five steps of Newton's method in integers.

    Returns int64. Source: TensorFlow Lite's GetInvSqrtQuantizedMultiplierExp, in internal/common.h.

    >>> root_fixed(np.array([1, 2, 4, 100])).tolist()
    [1048576, 741454, 524288, 104858]
    """
    bits = np.frexp(x.astype(np.float64))[1]
    pairs = (31 - bits) // 2 - 1
    a = (x << (2 * pairs)) >> 1  # x times a power of 4, in 0.5…2, with 28 bits after the point
    y = np.full_like(a, 1 << 28)
    for _ in range(5):  # y becomes 1 / sqrt(a): y (3 - a y^2) / 2
        cube = high_product(high_product(y, y, 0), y, 0) << 6
        y = (high_product(y, 3 << 27, 0) - high_product(shift_right(a, 1), cube, 0)) << 3
    y = high_product(y, round(2**31 / np.sqrt(2)), 0)
    return high_product(np.ones_like(a), y, pairs + 9)


def _signed(x: np.ndarray, multiplier: float) -> np.ndarray:
    """Return x times a multiplier of either sign, rounded twice, the sign last."""
    return rescale(x, *quantize_multiplier(abs(multiplier)), "double") * (-1 if multiplier < 0 else 1)


def _hard_swish(p: Place) -> Step:
    (x_scale, x_zero_point), (scale, zero_point) = p.affine(p.inputs[0]), p.affine(p.y)
    number = np.float64 if p.kernels == "micro" else np.float32
    return tabulated(lambda q: hard_swish(q, (x_scale, scale), (x_zero_point, zero_point), number))


def _leaky_relu(p: Place) -> Step:
    (scale, zero_point), rule = p.affine(p.inputs[0]), p.rule()
    slope, zero_points = np.float32(p.operator.options["alpha"]), (zero_point, p.affine(p.y)[1])
    multipliers = p.multiplier(scale), p.multiplier(scale, slope)
    if rule == "8bit":
        multipliers = multipliers[0], np.float32(multipliers[0]) * slope
    return tabulated(lambda q: leaky_relu(q, zero_points, multipliers, rule))


def _leaky_relu_kernels(p: Place) -> str:
    """Return whose kernels run it: XNNPACK leaves multipliers beyond its 8 bits to the optimised kernels."""
    ratio = p.affine(p.inputs[0])[0] / p.affine(p.y)[0]
    sizes = ratio, abs(ratio * np.float32(p.operator.options["alpha"]))
    return p.runtime if p.runtime != "xnnpack" or 2**-8 <= min(sizes) <= max(sizes) <= 2**7 else "builtin"


def _prelu(p: Place) -> Step:
    (scale, zero_point), (slope_scale, slope_zero_point) = map(p.affine, p.inputs)
    zero_points = zero_point, slope_zero_point, p.affine(p.y)[1]
    multipliers = p.multiplier(scale), p.multiplier(scale, slope_scale)
    return p.with_constants(lambda x, slopes: prelu(x, slopes, zero_points, multipliers))


def _abs(p: Place) -> Step:
    (scale, zero_point), y_zero_point = p.affine(p.inputs[0]), p.affine(p.y)[1]
    return tabulated(lambda q: absolute(q, (zero_point, y_zero_point), p.multiplier(scale)))


def _rsqrt(p: Place) -> Step:
    (scale, zero_point), (y_scale, y_zero_point) = p.affine(p.inputs[0]), p.affine(p.y)
    multiplier = 1 / float(np.sqrt(scale) * y_scale)
    return tabulated(lambda q: reciprocal_root(q, (zero_point, y_zero_point), multiplier))


CURVE_OPERATORS = {
    #                                reference builtin   xnnpack   micro
    "HARD_SWISH": Entry(_hard_swish),
    "LEAKY_RELU": Entry(_leaky_relu, "double", "double", "8bit",   "double", _leaky_relu_kernels),
    "PRELU":      Entry(_prelu,      "double", "double", "double", "double"),
    "ABS":        Entry(_abs,        "double", "double", "double", "double"),
    "RSQRT":      Entry(_rsqrt),
}  # fmt: skip
