"""SOFTMAX, LOGISTIC, and RELU, RELU6, RELU_N1_TO_1, RELU_0_TO_1 as operators of their own.

Runtimes compute softmax and sigmoid in two ways: by tables of exponentials, or with integers alone. An activation that
is fused into the operator before it is a range to clip to: `activation_range` in `edgelab.infer.integer.rounding`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgelab.infer.integer.place import MISSING, Entry, Place, Step, over_axis_0, tabulated
from edgelab.infer.integer.rounding import (
    activation_range,
    half_away,
    high_product,
    quantize_multiplier,
    requantizer,
    shift_right,
)

# exp(-1/4), exp(-1/2), … exp(-16), in steps of 2^-31: the factors for the bits of an exponent below zero.
POWERS = tuple(int(np.rint(np.exp(-(2.0**k)) * 2**31)) for k in range(-2, 5))


def softmax_table(q: np.ndarray, scale: float, beta: float = 1.0) -> np.ndarray:
    """Return the softmax over the last axis as int8 with scale 1/256 and zero point -128, in float32.

    q: int8 (…, classes). The distance to the largest logit is one of 256 integers, so a table holds all exponentials.
    Sums and products are in the order of LiteRT's optimised kernel, because float32 rounds each of them.

    >>> softmax_table(np.array([[10, 10, -128]], np.int8), 0.1).tolist()
    [[0, 0, -128]]
    """
    below = np.float32(-np.float32(scale) * np.float32(beta)) * np.arange(256, dtype=np.float32)
    table = np.exp(below.astype(np.float64)).astype(np.float32)
    numbers = q.astype(np.int64)
    found = table[numbers.max(axis=-1, keepdims=True) - numbers]
    total = np.add.accumulate(found, axis=-1)[..., -1:]  # one by one, as the runtime adds; np.sum adds in pairs
    share = found * (np.float32(1) / (total * np.float32(1 / 256)))
    return np.clip(np.floor(share.astype(np.float64) + 0.5) - 128, -128, 127).astype(np.int8)


def exp_fixed(a: np.ndarray, bits: int = 5) -> np.ndarray:
    """Return exp(a / 2^(31 - bits)) * 2^31 for integers a <= 0, as gemmlowp computes it: no floating point.

    a: int64 with so many bits before the point, at most 5. The part below a quarter goes through a polynomial of degree
    four around -1/8; each bit above it multiplies by a constant. Returns int64 in [0, 2^31).
    Source: gemmlowp, fixedpoint.h, exp_on_negative_values.

    >>> (exp_fixed(np.array([0, -(2**26), -10 * 2**26])) / 2**31).round(6).tolist()
    [1.0, 0.36788, 4.5e-05]
    """
    quarter = 1 << (29 - bits)
    rest = (a & (quarter - 1)) - quarter
    x = (rest << bits) + (1 << 28)
    x2 = high_product(x, x, 0)
    x3, x4 = high_product(x2, x, 0), high_product(x2, x2, 0)
    third = high_product(shift_right(x4, 2) + x3, round(2**31 / 3), 0)
    middle = round(np.exp(-1 / 8) * 2**31)
    y = middle + high_product(x + shift_right(third + x2, 1), middle, 0)
    for bit, power in enumerate(POWERS[: bits + 2]):
        y = np.where((rest - a) & (quarter << bit), high_product(y, power, 0), y)
    return np.where(a == 0, 2**31 - 1, y)


def reciprocal_fixed(a: np.ndarray) -> np.ndarray:
    """Return 2^31 / (1 + a / 2^31) for integers 0 <= a < 2^31.

    Returns int64 in (2^30, 2^31). Source: gemmlowp, fixedpoint.h, one_over_one_plus_x_for_x_in_0_1.

    >>> (reciprocal_fixed(np.array([0, 2**30, 2**31 - 1])) / 2**31).round(6).tolist()
    [1.0, 0.666667, 0.5]
    """
    return np.minimum(newton_reciprocal(a) << 1, 2**31 - 1)


def newton_reciprocal(a: np.ndarray) -> np.ndarray:
    """Return 2^30 / (1 + a / 2^31) for integers 0 <= a < 2^31, by three steps of Newton's method in integers.

    Returns int64 in about 2^29 to 2^30: 2 / (1 + a / 2^31) with 29 bits after the point.

    >>> (newton_reciprocal(np.array([0, 2**30, 2**31 - 1])) / 2**30).round(6).tolist()
    [1.0, 0.666667, 0.5]
    """
    half = (a + 2**31) >> 1  # (1 + a) / 2, with 31 bits after the point
    x = round(48 / 17 * 2**29) + high_product(half, round(-32 / 17 * 2**29), 0)  # 29 bits after the point
    for _ in range(3):
        x = x + (high_product(x, (1 << 29) - high_product(half, x, 0), 0) << 2)
    return x


def softmax_fixed(q: np.ndarray, scale: float, beta: float = 1.0) -> np.ndarray:
    """Return the softmax over the last axis as int8 with scale 1/256 and zero point -128, with integers alone.

    q: int8 (…, classes). TensorFlow Lite Micro and LiteRT's reference kernels compute it so.
    Source: gemmlowp's fixed point, as tensorflow/lite/kernels/internal/reference/softmax.h uses it.

    >>> softmax_fixed(np.array([[10, 10, -128]], np.int8), 0.1).tolist()
    [[0, 0, -128]]
    """
    # The multiplier may reach 2^31 here, so a quarter of it is quantized, and its shift is 2 more.
    mantissa, left = quantize_multiplier(min(float(beta) * float(scale) * 2**26, 2**31 - 1.0) / 4)
    left = left + 2
    below = q.astype(np.int64) - q.max(axis=-1, keepdims=True)
    # Beyond this distance the exponent would exceed its 5 bits; exp(-31) is 0 in 8 bits anyway.
    near = below >= -int(31 * 2.0**26 / 2.0 ** int(left))
    powers = np.where(near, exp_fixed(np.where(near, high_product(below, mantissa, left), 0)), 0)
    total = shift_right(powers, 12).sum(axis=-1, keepdims=True)  # 12 bits before the point: up to 4,096 classes
    bits = np.frexp(total.astype(np.float64))[1]  # exact: below 2^53
    inverse = reciprocal_fixed((total << (32 - bits)) - 2**31)
    y = shift_right(high_product(powers, inverse, 0), bits - 20 + 31 - 8)
    return np.where(near, np.minimum(y - 128, 127), -128).astype(np.int8)


def logistic_table(q: np.ndarray, scale: float, zero_point: int, rule: str) -> np.ndarray:
    """Return the sigmoid of int8 inputs as int8 with scale 1/256 and zero point -128, by a table of 256 entries.

    q: int8, any shape. rule: "away" (LiteRT's own kernels) computes in float32 and rounds halves away from zero; "even"
    (XNNPACK) computes the sigmoid in float64, rounds it to float32, adds the zero point and rounds halves to even.

    >>> logistic_table(np.array([-128, 0, 127], np.int8), 0.05, 0, "away").tolist()
    [-128, 0, 127]
    """
    x = np.float32(scale) * (np.arange(-128, 128) - np.float32(zero_point)).astype(np.float32)
    with np.errstate(over="ignore"):  # 1 / (1 + infinity) is 0, which is right
        # In float64 for both: NumPy's float32 exponential may be off in its last bit, C's is not.
        power = np.exp(-x.astype(np.float64))
        if rule == "even":
            table = np.rint((1 / (1 + power)).astype(np.float32) * np.float32(256) - np.float32(128))
        else:
            table = half_away(np.float32(256) / (1 + power.astype(np.float32))) - 128
    return np.minimum(table, 127).astype(np.int8)[q.astype(np.int64) + 128]


def logistic_fixed(q: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Return the sigmoid of int8 inputs as int8 with scale 1/256 and zero point -128, with integers alone.

    q: int8, any shape. TensorFlow Lite Micro computes it so.
    Source: gemmlowp's fixed point, as tensorflow/lite/kernels/internal/reference/integer_ops/logistic.h uses it.

    >>> logistic_fixed(np.array([-128, 0, 127], np.int8), 0.05, 0).tolist()
    [-128, 0, 127]
    """

    def curve(x: np.ndarray, mantissa: np.ndarray, left: np.ndarray) -> np.ndarray:
        share = reciprocal_fixed(exp_fixed(-np.abs(high_product(x, mantissa, left)), bits=4))
        share = np.where(x < 0, 2**31 - 1 - share, share)
        return np.where(x == 0, 0, np.minimum(shift_right(share, 23) - 128, 127))

    return saturating(q, scale, zero_point, curve)


def saturating(q: np.ndarray, scale: float, zero_point: int, curve: Callable[..., np.ndarray]) -> np.ndarray:
    """Return a curve from -128 to 127 that is flat far from zero, as Micro computes sigmoid and tanh.

    q: int8, any shape. curve: of x = q - zero_point and the multiplier by which x gets 4 bits before the point and 27
    after it, as mantissa and shift. It is used for real inputs up to a limit from 7.5 to 15, which depends on the
    mantissa; beyond it the ends are taken. Returns int8.

    >>> saturating(np.array([-100, 3, 100], np.int8), 0.25, 0, lambda x, mantissa, shift: x).tolist()
    [-128, 3, 127]
    """
    x = q.astype(np.int64) - zero_point
    if scale > 4:  # a step of the input is wider than the curve: all but 0 lie at its ends, and from 8 on 0 does too
        return np.where(x == 0, 0 if scale < 8 else -128, np.where(x < 0, -128, 127)).astype(np.int8)
    mantissa, left = quantize_multiplier(float(scale) * 2**27)  # 4 bits before the point, 27 after
    near = np.abs(x) < int(15 * 2.0**27 / 2.0 ** int(left))
    return np.where(near, curve(np.where(near, x, 0), mantissa, left), np.where(x < 0, -128, 127)).astype(np.int8)


def _softmax(p: Place) -> Step:
    softmax, beta = softmax_fixed if p.rule() == "fixed" else softmax_table, p.operator.options["beta"]
    scale, _ = p.affine(p.inputs[0])
    return lambda x: softmax(x, scale, beta)


def _logistic(p: Place) -> Step:
    (scale, zero_point), rule = p.affine(p.inputs[0]), p.rule()
    if rule == "fixed":
        return tabulated(lambda x: logistic_fixed(x, scale, zero_point))
    return tabulated(lambda x: logistic_table(x, scale, zero_point, rule))


def _relu(p: Place) -> Step:
    """Make the step that changes the scale and clips to the activation's bounds."""
    (x_scale, x_zero_point), (scale, zero_point) = p.affine(p.inputs[0]), p.affine(p.y)
    activation = {"RELU": 1, "RELU6": 3, "RELU_N1_TO_1": 2, "RELU_0_TO_1": 1}[p.kind]
    if p.rule() == "clip":
        low, high = activation_range(activation, x_scale, x_zero_point)
        return lambda x: np.clip(x, low, high)
    rescaled = requantizer(p.multiplier(x_scale), "double", scale, zero_point, activation)
    # Of a fused activation there is none up to 1 alone.
    high = activation_range(2, scale, zero_point)[1] if p.kind == "RELU_0_TO_1" else 127
    return tabulated(lambda x: np.minimum(rescaled(x.astype(np.int32) - x_zero_point), np.int8(high)))


ACTIVATION_OPERATORS = {
    #                                reference builtin  xnnpack  micro
    "SOFTMAX":      Entry(_softmax,  "fixed",  "table", "table", "fixed", mixes=over_axis_0),
    "LOGISTIC":     Entry(_logistic, "away",   "away",  "even",  "fixed"),
    "RELU":         Entry(_relu),
    # TensorFlow Lite Micro clips only, though its output may have another scale.
    "RELU6":        Entry(_relu, micro="clip"),
    "RELU_N1_TO_1": Entry(_relu, micro=MISSING),
    "RELU_0_TO_1":  Entry(_relu, micro=MISSING),
}  # fmt: skip
