"""`requantize` in a few operations on floats, used only where a proof for all sums of the layer succeeds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgelab.infer.integer.rounding import quantize_multiplier, requantize  # noqa: F401 (for the example)

# Ways to round in floats: each is tried until one is proved equal.
WAYS = ("even", "up", "away")


def fast_requantizer(
    offset: np.ndarray,
    bound: np.ndarray,
    mantissa: np.ndarray,
    shift: np.ndarray,
    clip: tuple[int, int, int],
    rule: str,
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from sums to int8 that equals `requantize(sums + offset)`, in floats where that is proved.

    offset: integers (outputs,), for example the bias. bound: (outputs,), the largest |sum| of each output. mantissa,
    shift, rule: as for `requantize`. clip: zero point, low, high. The function takes whole numbers as floats
    (…, outputs). Where no way of rounding in floats is proved (`proved`), it is `requantize` itself.

    >>> mantissa, shift = quantize_multiplier(np.array([0.25]))
    >>> fast = fast_requantizer(np.array([2]), np.array([1000]), mantissa, shift, (-3, -128, 127), "double")
    >>> fast(np.float32([[-20], [3], [900]])).ravel().tolist()
    [-8, -1, 127]
    """
    outputs = len(offset)
    mantissa, shift = np.broadcast_to(mantissa, outputs), np.broadcast_to(shift, outputs)
    zero_point, low, high = clip

    def exact(sums: np.ndarray) -> np.ndarray:
        acc = (sums.astype(np.int64) + offset).astype(np.int32)
        return requantize(acc, mantissa, shift, zero_point, low, high, rule)

    for way in WAYS[:1] if rule == "float32" else WAYS[1:]:
        fast = float_requantizer(offset, mantissa, shift, clip, rule, way)
        if proved(fast, exact, offset, bound, mantissa, shift, zero_point):
            return fast
    return exact


def float_requantizer(
    offset: np.ndarray, mantissa: np.ndarray, shift: np.ndarray, clip: tuple[int, int, int], rule: str, way: str
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from sums to int8 in floats, which `proved` has to compare with `requantize`.

    Arguments as for `fast_requantizer`. With s the shift to the right, two roundings one after another raise a sum to q
    from q - 1/2 - 2^-(s+1) on. way: "even": a product of float32, halves to even; "up": one floor in float64;
    "away": the same on both sides of zero. "up" also serves "double" where a ReLU leaves nothing below zero.

    >>> run = float_requantizer(np.array([0]), np.array([2**30]), np.array([-1]), (0, -128, 127), "single", "up")
    >>> run(np.float32([[5], [6]])).ravel().tolist()
    [1, 2]
    """
    zero_point, low, high = clip
    if way == "even":
        multiplier = np.ldexp(mantissa.astype(np.float32), shift - 31)

        def even(sums: np.ndarray) -> np.ndarray:
            y = (sums + offset.astype(sums.dtype)).astype(np.float32, copy=False)
            y *= multiplier
            np.rint(y, out=y)
            np.clip(y, low - zero_point, high - zero_point, out=y)
            y += np.float32(zero_point)
            return y.astype(np.int8)

        return even
    real, right = np.ldexp(mantissa.astype(np.float64), shift - 31), np.maximum(-shift, 0).astype(np.float64)
    early = np.where((right > 0) & (rule != "single"), 2.0 ** -(right + 1), 0.0)
    # Exact products are multiples of 2^-(31+s): a quarter of that keeps ties on their side in spite of float64.
    start = offset * real + 2.0 ** -(33 + right)
    if way == "up":
        start = start + (0.5 + early + zero_point)

    def run(sums: np.ndarray) -> np.ndarray:
        y = np.multiply(sums, real, dtype=np.float64)
        y += start
        if way == "away":
            y += np.copysign(0.5 + early, y)
            np.trunc(y, out=y)
            y += zero_point
        np.clip(y, low, high, out=y)
        return (np.floor(y, out=y) if way == "up" else y).astype(np.int8)

    return run


def proved(
    fast: Callable[[np.ndarray], np.ndarray],
    exact: Callable[[np.ndarray], np.ndarray],
    offset: np.ndarray,
    bound: np.ndarray,
    mantissa: np.ndarray,
    shift: np.ndarray,
    zero_point: int,
) -> bool:
    """Return whether both functions are equal on all whole sums from -bound to bound, by trying a few of them.

    Both never fall as a sum grows: multiplying by a number >= 0, adding, rounding and clipping keep the order, as long
    as no left shift loses bits, which is checked here. So if they agree at two sums p < q, and have the same value at
    both, they agree at all between. It is enough to try both ends and the sums around each step from one int8 to the
    next, and to see that neighbours tried have equal values, or lie one apart. Arguments as for `fast_requantizer`.

    >>> ends = np.array([0]), np.array([50]), np.array([2**30]), np.array([0]), 0
    >>> half_up = lambda sums: np.floor(sums / 2 + 0.5).clip(-128, 127).astype(np.int8)
    >>> proved(half_up, half_up, *ends), proved(lambda sums: np.rint(sums / 2).astype(np.int8), half_up, *ends)
    (True, False)
    """
    largest = (bound.astype(np.int64) + np.abs(offset.astype(np.int64))).astype(np.float64)
    if (largest * 2.0 ** np.maximum(shift, 0) >= 2**31).any():
        return False
    real = np.ldexp(mantissa.astype(np.float64), shift - 31)
    steps = np.arange(-128, 128)[:, None] - zero_point - 0.5
    at = np.floor(steps / np.maximum(real, 2.0**-40)) - offset
    tried = np.concatenate([at + i for i in range(-2, 4)] + [np.stack([-bound, bound])])
    tried = np.sort(np.clip(tried, -bound, bound), axis=0)
    wanted = exact(tried)
    whole = (np.diff(tried, axis=0) <= 1) | (np.diff(wanted.astype(int), axis=0) == 0)
    kinds = (np.float32, np.float64) if bound.max(initial=0) < 2**24 else (np.float64,)
    return bool(whole.all()) and all((fast(tried.astype(kind)) == wanted).all() for kind in kinds)
