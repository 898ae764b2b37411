"""From a 32-bit sum to 8 bits with integers alone: multipliers as mantissa and shift, and the runtimes' roundings.

The tables of the families (products.py, pooling.py and others) say which runtime uses which rule in which operator.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

ROUNDINGS = ("double", "single", "builtin", "float32", "builtin8", "builtin16")


def quantize_multiplier(real: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Write a multiplier as mantissa * 2^(shift - 31), the mantissa in [2^30, 2^31): 31 bits of precision.

    real: number or array, at least 0. Returns int32 mantissa and shift of its shape; (0, 0) for 0 and below 2^-32, as
    in TensorFlow Lite. Raises ValueError below 0, above 2^29, for NaN. Source: Jacob et al. 2018, section 2.2, eq. 6.

    >>> mantissa, shift = quantize_multiplier(0.1)
    >>> int(mantissa), int(shift), float(mantissa * 2.0 ** (shift - 31)) - 0.1 < 2**-34
    (1717986918, -3, True)
    """
    fraction, shift = np.frexp(check_multiplier(real))
    mantissa = np.floor(fraction * 2.0**31 + 0.5).astype(np.int64)
    # A fraction just below 1 rounds up to 2^31, which is one more than int32 holds.
    full = mantissa == 2**31
    mantissa, shift = np.where(full, 2**30, mantissa), np.where(full, shift + 1, shift)
    lost = shift < -31
    return np.where(lost, 0, mantissa).astype(np.int32), np.where(lost, 0, shift).astype(np.int32)


def check_multiplier(real: float | np.ndarray) -> np.ndarray:
    """Return multipliers as float64. Raises ValueError for a negative number, NaN, and more than 2^29.

    >>> check_multiplier([0.25, 1]).tolist()
    [0.25, 1.0]
    """
    real = np.asarray(real, np.float64)
    wrong = ~((real >= 0) & (real <= 2**29))
    if wrong.any():
        raise ValueError(
            f"a multiplier is {real[wrong][0]}; expected 0 <= multiplier <= 2^29. It is scale_x * scale_w / scale_y: "
            "look for a scale that is 0, negative or NaN"
        )
    return real


def high_product(acc: np.ndarray, mantissa: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Return the rounded upper half of a product: floor(acc * 2^max(shift, 0) * mantissa / 2^31 + 1/2).

    acc, mantissa, shift: int32 that broadcast. Returns int64 with values of int32. A positive shift is applied before
    the product; bits that it moves beyond 32 are lost, as in the runtimes.
    Source: gemmlowp's SaturatingRoundingDoublingHighMul, Arm's instruction SQRDMULH.

    >>> high_product(np.array([3, -3]), np.int32(2**30), np.int32(0)).tolist()
    [2, -1]
    """
    left = (np.asarray(acc, np.int64) << np.maximum(shift, 0)).astype(np.int32)
    product = np.multiply(left, mantissa, dtype=np.int64)
    product += 1 << 30
    product >>= 31
    return product


def shift_right(x: np.ndarray, bits: np.ndarray | int) -> np.ndarray:
    """Return x / 2^bits rounded, halves away from zero: gemmlowp's RoundingDivideByPOT.

    x: int64. bits: at least 0, broadcast against x. Returns int64.

    >>> shift_right(np.array([-6, -5, 5, 6]), 2).tolist(), shift_right(np.array([-6]), 0).tolist()
    ([-2, -1, 1, 2], [-6])
    """
    half = (np.int64(1) << np.asarray(bits, np.int64)) >> 1
    # One less below zero sends -0.5 to -1. For bits = 0 the half is 0, and nothing is rounded.
    return (x + half - ((x < 0) & (half > 0))) >> bits


def half_away(x: np.ndarray) -> np.ndarray:
    """Return floats rounded to whole numbers, halves away from zero as in C; NumPy's rint rounds them to even.

    x: float, any shape. Returns float64 of that shape: in float32, adding 0.5 may round once more.

    >>> half_away(np.float32([0.5, 1.5, -0.5])).tolist()
    [1.0, 2.0, -1.0]
    """
    return np.trunc(x.astype(np.float64) + np.copysign(0.5, x))


def rescale(acc: np.ndarray, mantissa: np.ndarray, shift: np.ndarray, rule: str) -> np.ndarray:
    """Return acc * mantissa * 2^(shift - 31) as an integer, rounded by one of the runtimes' rules.

    acc: int32, channels last. mantissa, shift: from `quantize_multiplier`. Rules:
    "double": rounds the high product, then the shift to the right, halves away from zero (gemmlowp);
    "builtin": the same, halves up both times (LiteRT's optimised kernels on x86);
    "builtin8", "builtin16": "builtin" in full vectors of 8 or 16 channels, "double" in the channels left over;
    "single": rounds the 64-bit product once, halves up;
    "float32": acc and multiplier as float32, their product rounded, halves to even (XNNPACK).
    Returns int64 (float32: integers in float32). Raises ValueError for another rule.

    >>> mantissa, shift = quantize_multiplier(0.25)
    >>> {rule: rescale(np.array([-6, 1, 6]), mantissa, shift, rule).astype(int).tolist() for rule in ROUNDINGS[:4]}
    {'double': [-2, 1, 2], 'single': [-1, 0, 2], 'builtin': [-1, 1, 2], 'float32': [-2, 0, 2]}
    """
    mantissa, shift = np.asarray(mantissa), np.asarray(shift)
    if rule in ("double", "builtin"):
        high, right = high_product(acc, mantissa, shift), np.maximum(-np.asarray(shift, np.int64), 0)
        return shift_right(high, right) if rule == "double" else (high + ((np.int64(1) << right) >> 1)) >> right
    if rule == "single":
        right = 31 - np.asarray(shift, np.int64)
        product = np.multiply(acc, mantissa, dtype=np.int64)
        product += np.int64(1) << (right - 1)
        return product >> right
    if rule == "float32":
        return np.rint(np.asarray(acc).astype(np.float32) * np.ldexp(mantissa.astype(np.float32), shift - 31))
    if rule not in ROUNDINGS:
        raise ValueError(f"unknown rounding {rule!r}; the rules are: {', '.join(ROUNDINGS)}")
    return rescale_in_vectors(acc, mantissa, shift, lanes=int(rule.removeprefix("builtin")))


def rescale_in_vectors(acc: np.ndarray, mantissa: np.ndarray, shift: np.ndarray, lanes: int) -> np.ndarray:
    """Rescale by the rule "builtin" in full vectors of so many channels, by "double" in the channels left over.

    acc, mantissa, shift: as in `rescale`. Returns int64 of acc's shape.

    >>> rescale_in_vectors(np.full(5, -6), *quantize_multiplier(0.25), lanes=4).tolist()
    [-1, -1, -1, -1, -2]
    """
    channels = np.shape(acc)[-1]
    whole = channels - channels % lanes
    parts = [(np.s_[..., :whole], "builtin"), (np.s_[..., whole:], "double")]
    mantissa, shift = (np.broadcast_to(p, channels) for p in (mantissa, shift))
    return np.concatenate([rescale(acc[part], mantissa[part], shift[part], rule) for part, rule in parts], axis=-1)


def requantize(
    acc: np.ndarray,
    mantissa: np.ndarray,
    shift: np.ndarray,
    zero_point: int,
    low: int = -128,
    high: int = 127,
    rule: str = "double",
) -> np.ndarray:
    """Turn sums into the integers of the output: q = clip(round(acc * multiplier) + zero_point, low, high).

    acc: int32, channels last. mantissa, shift: from `quantize_multiplier` of scale_x * scale_w / scale_y, for all or
    for each channel. low, high: from `activation_range`. rule: as in `rescale`. Returns int8 of acc's shape. Raises
    ValueError for bounds outside int8, and for another rule. Source: Jacob et al. 2018, eq. 5 and section 2.4.

    >>> mantissa, shift = quantize_multiplier(0.002)
    >>> requantize(np.array([-9_000, 250, 9_000]), mantissa, shift, zero_point=-3).tolist()
    [-21, -2, 15]
    """
    check_bounds(low, high)
    rounded = rescale(acc, mantissa, shift, rule)
    # Clip before the zero point is added: the rule "float32" may return numbers far outside of int32.
    np.clip(rounded, low - zero_point, high - zero_point, out=rounded)
    return (rounded + zero_point).astype(np.int8)


def check_bounds(low: int, high: int) -> None:
    """Raise ValueError for bounds outside int8, or in the wrong order.

    >>> check_bounds(-128, 127)
    """
    if not -128 <= low <= high <= 127:
        raise ValueError(f"the output is clipped to {low}…{high}; expected bounds of int8, -128 <= low <= high <= 127")


def requantizer(
    multiplier: float | np.ndarray, rule: str, scale: float, zero_point: int, activation: int = 0
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from sums to an output's int8: `requantize`, its constants computed once.

    multiplier: scale_x * scale_w / scale_y. rule: as in `rescale`. scale, zero_point: of the output. activation: as in
    `activation_range`. Raises ValueError as these do.

    >>> requantizer(0.25, "double", 0.05, -10, activation=1)(np.array([-40, 6, 40])).tolist()
    [-10, -8, 0]
    """
    low, high = activation_range(activation, scale, zero_point, even=rule == "float32")
    mantissa, shift = quantize_multiplier(multiplier)
    return lambda acc: requantize(acc, mantissa, shift, zero_point, low, high, rule)


def activation_range(activation: int, scale: float, zero_point: int, even: bool = False) -> tuple[int, int]:
    """Return the least and the largest int8 that an output with a fused activation may take.

    activation: number in the schema: 0 none, 1 ReLU, 2 between -1 and 1, 3 ReLU6. scale, zero_point: of the output.
    even: round the bounds as XNNPACK does, the zero point included and halves to even; else halves away from zero.
    Raises ValueError for another activation. Source: Jacob et al. 2018, section 2.4.

    >>> activation_range(0, 0.05, -10), activation_range(1, 0.05, -10), activation_range(3, 0.05, -10)
    ((-128, 127), (-10, 127), (-10, 110))
    """
    bounds = {0: (-np.inf, np.inf), 1: (0, np.inf), 2: (-1, 1), 3: (0, 6)}
    if activation not in bounds:
        raise ValueError(
            f"fused activation {activation} can't be run in integers; expected 0 to 3: none, ReLU, ±1, ReLU6"
        )
    steps = np.array(bounds[activation], np.float32) / np.float32(scale)
    away = np.trunc(steps + np.copysign(np.float32(0.5), steps)) + zero_point
    low, high = np.clip(np.rint(steps + zero_point) if even else away, -128, 127)
    return int(low), int(high)


def left_over(shape: tuple[int, ...], lanes: int, row: int = 0) -> np.ndarray:
    """Return which values of each image are left over after full vectors of so many lanes.

    shape: (n, …). row: how many values a row has, counted on its own; 0: the whole image is one row. Returns bool
    (1, …).

    >>> left_over((5, 6), 4).astype(int).tolist(), left_over((5, 6), 2, row=3).astype(int).tolist()
    ([[0, 0, 0, 0, 1, 1]], [[0, 0, 1, 0, 0, 1]])
    """
    size = math.prod(shape[1:])
    row = row or size
    return (np.arange(size) % row >= row // lanes * lanes).reshape(1, *shape[1:])
