"""LOG_SOFTMAX: the logarithm of a softmax, by a table of exponentials or with integers alone."""

from __future__ import annotations

import numpy as np

from edgelab.infer.integer.activations import exp_fixed, reciprocal_fixed
from edgelab.infer.integer.place import Entry, Place, Step, over_axis_0
from edgelab.infer.integer.rounding import high_product, quantize_multiplier, rescale, shift_right


def log_softmax_table(q: np.ndarray, scale: float) -> np.ndarray:
    """Return the logarithm of the softmax over the last axis as int8 with scale 1/16 and zero point 127, in float32.

    q: int8 (…, classes). LiteRT's optimised kernels compute it so, a table holding all exponentials.

    >>> log_softmax_table(np.array([[10, 10, -128]], np.int8), 0.1).tolist()
    [[116, 116, -105]]
    """
    scale = np.float32(scale)
    table = np.exp((-scale * np.arange(256, dtype=np.float32)).astype(np.float64)).astype(np.float32)
    numbers = q.astype(np.int64)
    largest = numbers.max(axis=-1, keepdims=True)
    total = np.add.accumulate(table[largest - numbers], axis=-1)[..., -1:]  # one by one, as the runtime adds
    logs = np.log(total.astype(np.float64)).astype(np.float32)
    taken = (scale * largest.astype(np.float32) + logs) * np.float32(16)
    y = np.rint(scale * np.float32(16) * numbers.astype(np.float32) - taken) + 127
    return np.clip(y, -128, 127).astype(np.int8)


def log_fixed(a: np.ndarray) -> np.ndarray:
    """Return log(a / 2^19) * 2^26 for integers 2^19 <= a < 2^31, without floating point.

    a: int64. It is split into a power of 2 and a rest around 1, of which a rational function takes the logarithm.
    Returns int64. Source: TensorFlow Lite's log_x_for_x_greater_than_or_equal_to_1, in internal/common.h.

    >>> (log_fixed(np.array([2**19, 10 * 2**19])) / 2**26).round(4).tolist()
    [0.0, 2.3026]
    """

    def h(x: np.ndarray, y: np.ndarray | int) -> np.ndarray:
        return high_product(x, np.int64(y), 0)

    most = 2**31 - 1
    root, fourth_root = round(2**31 * 0.5**0.5), round(2**31 * 0.5**0.25)
    # Two ways to split: a rest times a power of 2, or that and another half of a power. The smaller rest is right.
    zeros = 32 - np.frexp(a.astype(np.float64))[1]
    rest = np.minimum(h(a << (zeros - 1), root) << 1, most)
    power = ((12 - zeros) << 25) + 2**23  # with 25 bits after the point
    other_zeros = 31 - np.frexp(h(a, root).astype(np.float64))[1]
    rest = np.minimum(rest, np.minimum(a << other_zeros, most))
    power = np.maximum(power, ((12 - other_zeros) << 25) - 2**23)
    middle, q = (rest + fourth_root + 1) >> 1, (rest - fourth_root) * 2
    square, fourth = h(q, q), 2**0.25 * 2**31
    above = h(q, rest) + h(h(q, square), round(11 / 240 * fourth))
    below = h(middle, round(2 * 2**31 / 2**0.25 - fourth) + q + h(square, round(fourth / 20))) + h(q, round(fourth / 4))
    quotient = high_product(shift_right(above, 6), reciprocal_fixed(below), 0)
    return np.minimum((h(power, round(2**31 * np.log(2))) + quotient) << 1, most)


def log_softmax_fixed(q: np.ndarray, scale: float) -> np.ndarray:
    """Return the logarithm of the softmax over the last axis as int8 with scale 1/16 and zero point 127, in integers.

    q: int8 (…, classes), at most 4,095 classes. TensorFlow Lite Micro and LiteRT's reference kernels compute it so.
    Source: gemmlowp's fixed point, as tensorflow/lite/kernels/internal/reference/integer_ops/log_softmax.h uses it.

    >>> log_softmax_fixed(np.array([[10, 10, -128]], np.int8), 0.1).tolist()
    [[116, 116, -105]]
    """
    # As in `softmax_fixed`: the multiplier may reach 2^31, so a quarter of it is quantized.
    mantissa, left = quantize_multiplier(min(float(scale) * 2**26, 2**31 - 1.0) / 4)
    left = int(left) + 2
    least = -int(31 * 2.0**26 / 2.0**left)
    below = q.astype(np.int64) - q.max(axis=-1, keepdims=True)
    near = below >= least
    exponents = high_product(np.where(near, below, 0), mantissa, left)
    total = np.where(near, shift_right(exp_fixed(exponents), 12), 0).sum(axis=-1, keepdims=True)
    logs = log_fixed(total)
    # Beyond this distance the result would leave 32 bits; it is -16 and below anyway.
    back, back_shift = quantize_multiplier(2.0 ** (31 - left) / float(mantissa))
    least = np.maximum(least - 1, rescale(logs - 2**31, back, back_shift, "double"))
    y = np.clip(shift_right(exponents - logs, 22) + 127, -128, 127)
    return np.where(below > least, y, -128).astype(np.int8)


def _log_softmax(p: Place) -> Step:
    function = log_softmax_fixed if p.rule() == "fixed" else log_softmax_table
    scale, _ = p.affine(p.inputs[0])
    return lambda x: function(x, scale)


LOG_SOFTMAX_OPERATORS = {
    #                            reference builtin  xnnpack  micro
    "LOG_SOFTMAX": Entry(_log_softmax, "fixed", "table", "table", "fixed", mixes=over_axis_0),
}
