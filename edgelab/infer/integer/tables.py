"""TANH, GELU, ELU, EXP, LOG, SQRT: a real function of int8 values is a table of 256 entries.

Runtimes make the table with floats when they load the model, and differ in how they round it. TensorFlow Lite Micro has
integers for TANH instead, and no int8 kernel for most of the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgelab.infer.integer.activations import exp_fixed, newton_reciprocal, saturating
from edgelab.infer.integer.place import MISSING, Entry, Place, Step, tabulated
from edgelab.infer.integer.rounding import half_away, rescale, shift_right


def quantize_table(y: np.ndarray, scale: float, zero_point: int, rule: str) -> np.ndarray:
    """Quantize the values of a table as a runtime does when it loads a model.

    y: float32. rule: "away" multiplies by the rounded 1 / scale and rounds halves away from zero (LiteRT's own
    kernels); "even" adds the zero point before it rounds halves to even (XNNPACK); "down" divides by the scale and
    drops the fraction (SQRT). Returns int8 of y's shape; what exceeds int8, infinity too, is clipped.

    >>> y = np.float32([0.25, 0.75, -0.25])
    >>> [quantize_table(y, 0.5, 0, rule).tolist() for rule in ("away", "even", "down")]
    [[1, 2, -1], [0, 2, 0], [0, 1, 0]]
    """
    scale = np.float32(scale)
    with np.errstate(over="ignore"):
        if rule == "down":
            q = np.trunc(y / scale) + zero_point
        elif rule == "even":
            q = np.rint(y * (np.float32(1) / scale) + np.float32(zero_point))
        else:
            q = half_away(y * (np.float32(1) / scale)) + zero_point
    return np.clip(q, -128, 127).astype(np.int8)


def gelu(x: np.ndarray, approximate: bool = False) -> np.ndarray:
    """Return x times the normal distribution's share below x, each step rounded to float32. approximate: by tanh.

    x: float32, any shape. Source: Hendrycks and Gimpel 2016, section 2.

    >>> gelu(np.float32([-1, 0, 1])).round(4).tolist() == np.float32([-0.1587, 0, 0.8413]).tolist()
    True
    """
    one, half, x = np.float32(1), np.float32(0.5), np.asarray(x, np.float32)
    with np.errstate(over="ignore"):
        if approximate:
            inner = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x * x * x)
            return half * x * (one + np.tanh(inner.astype(np.float64)).astype(np.float32))
        inner = x * np.float32(-math.sqrt(0.5))
        return half * x * np.vectorize(math.erfc, otypes=[np.float32])(inner)


def elu(x: np.ndarray, twice: bool = False) -> np.ndarray:
    """Return exp(x) - 1 below zero and x above, in float32.

    x: float32. twice: round the exponential to float32, too, before 1 is taken away (TensorFlow Lite Micro).

    >>> elu(np.float32([-1, 0, 2])).round(4).tolist() == np.float32([-0.6321, 0, 2]).tolist()
    True
    """
    below = np.minimum(x, 0).astype(np.float64)
    curve = np.expm1(below).astype(np.float32)
    if twice:
        curve = np.exp(below).astype(np.float32) - np.float32(1)
    return np.where(x < 0, curve, x)


def tanh_fixed(q: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Return the hyperbolic tangent of int8 inputs as int8 with scale 1/128 and zero point 0, with integers alone.

    q: int8, any shape. TensorFlow Lite Micro computes it so: (1 - e) / (1 + e), where e is exp(-2 |x|).
    Source: gemmlowp's fixed point, as tensorflow/lite/kernels/internal/reference/integer_ops/tanh.h uses it.

    >>> tanh_fixed(np.array([-128, 0, 127], np.int8), 0.01, 0).tolist()
    [-110, 0, 109]
    """

    def curve(x: np.ndarray, mantissa: np.ndarray, left: np.ndarray) -> np.ndarray:
        a = rescale(x, mantissa, left, "double")
        # The same bits with 5 of them before the point are 2 |x|.
        share = np.minimum((newton_reciprocal(exp_fixed(-np.abs(a))) - (1 << 29)) << 2, 2**31 - 1)
        return np.clip(shift_right(np.sign(a) * share, 24), -128, 127)

    return saturating(q, scale, zero_point, curve)


def _table(p: Place, function: Callable[[np.ndarray], np.ndarray]) -> Step:
    """Return the step that looks a real function up, rounded by the place's rule. function: of float32."""
    (scale, zero_point), (y_scale, y_zero_point), rule = p.affine(p.inputs[0]), p.affine(p.y), p.rule()

    def values(q: np.ndarray) -> np.ndarray:
        x = scale * (q.astype(np.float32) - np.float32(zero_point))
        with np.errstate(over="ignore"):
            return quantize_table(function(x).astype(np.float32), y_scale, y_zero_point, rule)

    return tabulated(values)


def _tanh(p: Place) -> Step:
    if p.rule() == "fixed":
        scale, zero_point = p.affine(p.inputs[0])
        return tabulated(lambda q: tanh_fixed(q, scale, zero_point))
    # In float64 here and below: NumPy's float32 functions may be off in their last bit. So may be the C library's tanh,
    # which the runtimes call, before glibc 2.41: with XNNPACK one of 256,000 entries was another.
    return _table(p, lambda x: np.tanh(x.astype(np.float64)))


def _gelu(p: Place) -> Step:
    approximate = bool(p.operator.options.get("approximate"))
    return _table(p, lambda x: gelu(x, approximate))


def _elu(p: Place) -> Step:
    twice = p.kernels == "micro"
    return _table(p, lambda x: elu(x, twice))


def _exp(p: Place) -> Step:
    return _table(p, lambda x: np.exp(x.astype(np.float64)))


def _log(p: Place) -> Step:
    """Make the logarithm's step; at zero and below it is the least value of the output."""
    scale, zero_point = p.affine(p.y)
    least = np.float32(-128 - zero_point) * scale
    return _table(p, lambda x: np.where(x > 0, np.log(np.where(x > 0, x, 1).astype(np.float64)), least))


def _sqrt(p: Place) -> Step:
    return _table(p, lambda x: np.sqrt(np.maximum(x, np.float32(0))))


TABLE_OPERATORS = {
    #                    reference builtin xnnpack micro
    "TANH": Entry(_tanh, "away",   "away", "even", "fixed"),
    "GELU": Entry(_gelu, "away",   "away", "away", MISSING),
    "ELU":  Entry(_elu,  MISSING,  "away", "even", "away"),
    "EXP":  Entry(_exp,  "away",   "away", "away", MISSING),
    "LOG":  Entry(_log,  "away",   "away", "away", MISSING),
    "SQRT": Entry(_sqrt, "down",   "down", "down", MISSING),
}  # fmt: skip
