"""ADD, SUB, MUL, SQUARED_DIFFERENCE, MAXIMUM, MINIMUM of two tensors, which may broadcast; one may be constant.

MUL is one product and one rounding. ADD and SUB need a common scale, and there runtimes differ in more than one
rounding. What each does was found by comparing with LiteRT over whole tables of int8 pairs.
"""

from __future__ import annotations

import functools
import math
import re
from itertools import groupby

import numpy as np

from edgelab.infer.integer.place import Entry, Place, Step
from edgelab.infer.integer.rounding import (
    activation_range,
    high_product,
    left_over,
    quantize_multiplier,
    requantizer,
    rescale,
)


def add_double(
    a: np.ndarray,
    b: np.ndarray,
    scales: tuple[float, float, float],
    zero_points: tuple[int, int],
    first: str = "double",
    sign: int = 1,
) -> np.ndarray:
    """Add two int8 tensors in steps of the output, as TensorFlow Lite does: both on a common scale with 20 more bits.

    a, b: int8 that broadcast. scales: of a, b and the output. zero_points: of a and b. first: the rounding of the two
    inputs; the optimised kernels use "single", or "floor": the high product, shifted without rounding. sign: -1
    subtracts b. Returns int64, without the output's zero point.

    >>> add_double(np.array([3], np.int8), np.array([4], np.int8), (0.5, 1.0, 0.25), (0, 0)).tolist()
    [22]
    """
    scale_a, scale_b, scale_y = map(float, scales)
    common = 2 * max(scale_a, scale_b)
    total = np.int64(0)
    for q, scale, zero_point, of in ((a, scale_a, zero_points[0], 1), (b, scale_b, zero_points[1], sign)):
        raised = (q.astype(np.int32) - np.int32(zero_point)) << 20
        mantissa, shift = quantize_multiplier(scale / common)
        if first == "floor":  # the ratio is at most 1/2, so the shift is to the right
            total = total + of * (high_product(raised, mantissa, shift) >> -shift)
        else:
            total = total + of * rescale(raised, mantissa, shift, first)
    return rescale(total, *quantize_multiplier(common / (2.0**20 * scale_y)), "double")


def add_builtin(
    a: np.ndarray, b: np.ndarray, scales: tuple[float, float, float], zero_points: tuple[int, int]
) -> np.ndarray:
    """Add two int8 tensors in steps of the output, as LiteRT's optimised kernels do: `add_double`, in vectors.

    a, b: int8 that broadcast, one of them (n, …) of as many axes as the result. Where the last axes are equal, they are
    a row, computed in vectors of 16 values whose inputs round by "single". Where the last axis of one input is 1, one
    value is added to a row of the other, in vectors of 8 by "floor". Values left over round as in the reference
    kernels; so does everything if the inputs broadcast in turns more often than the kernel has loops. Returns int64.
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
    return np.where(left_over(exact.shape, lanes, row), exact, add_double(a, b, scales, zero_points, first))


def _image_shape(x: np.ndarray, axes: int) -> tuple[int, ...]:
    """Return the shape of one image among so many axes; a constant may have fewer."""
    return ((1,) * (axes - x.ndim) + x.shape)[1:]


def add_shift(
    a: np.ndarray, b: np.ndarray, scales: tuple[float, float, float], zero_points: tuple[int, int], sign: int = 1
) -> np.ndarray:
    """Add two int8 tensors in steps of the output, as XNNPACK does: two multipliers of 21 bits and one shift.

    a, b: int8 that broadcast. scales: of a, b and the output. zero_points: of a and b. sign: -1
    subtracts b. Halves go up. Returns int64, without the output's zero point.

    >>> add_shift(np.array([3], np.int8), np.array([4], np.int8), (0.5, 1.0, 0.25), (0, 0)).tolist()
    [22]
    """
    ratio_a, ratio_b = (np.float32(scale) / np.float32(scales[2]) for scale in scales[:2])
    shift = 21 - int(np.frexp(max(ratio_a, ratio_b))[1])
    multiplier_a, multiplier_b = (np.int64(np.rint(np.ldexp(ratio, shift))) for ratio in (ratio_a, ratio_b))
    acc = (a.astype(np.int64) - zero_points[0]) * multiplier_a
    acc = acc + sign * (b.astype(np.int64) - zero_points[1]) * multiplier_b
    return (acc + (1 << (shift - 1))) >> shift


def squared_difference(
    a: np.ndarray, b: np.ndarray, scales: tuple[float, float, float], zero_points: tuple[int, int]
) -> np.ndarray:
    """Return (a - b)^2 of two int8 tensors in steps of the output: both on a common scale with 7 more bits.

    a, b: int8 that broadcast. scales: of a, b and the output. zero_points: of a and b. Returns int64, without the
    output's zero point. All runtimes round as gemmlowp does.

    >>> squared_difference(np.array([3], np.int8), np.array([9], np.int8), (0.5, 0.5, 0.25), (0, 0)).tolist()
    [36]
    """
    scale_a, scale_b, scale_y = map(float, scales)
    common = 2 * max(scale_a, scale_b)
    raised_a, raised_b = (
        rescale((q.astype(np.int32) - np.int32(zero_point)) << 7, *quantize_multiplier(scale / common), "double")
        for q, scale, zero_point in ((a, scale_a, zero_points[0]), (b, scale_b, zero_points[1]))
    )
    difference = raised_a - raised_b
    return rescale(difference * difference, *quantize_multiplier(common**2 / (2.0**14 * scale_y)), "double")


def _add(p: Place) -> Step:
    (scale_a, zero_a), (scale_b, zero_b), (scale_y, zero_y) = map(p.affine, (p.inputs[0], p.inputs[1], p.y))
    rule = p.rule()
    add = {"double": add_double, "builtin": add_builtin, "shift": add_shift}[rule]
    if p.kind == "SUB":
        add = functools.partial(add, sign=-1)
    low, high = activation_range(p.operator.options["fusedActivationFunction"], scale_y, zero_y, rule == "shift")
    scales, zero_points = (scale_a, scale_b, scale_y), (zero_a, zero_b)
    return p.with_constants(lambda a, b: np.clip(add(a, b, scales, zero_points) + zero_y, low, high).astype(np.int8))


def _add_kernels(p: Place) -> str:
    """Return whose kernels run it: beyond these ratios XNNPACK leaves an addition to the optimised kernels."""
    (scale_a, _), (scale_b, _), (scale_y, _) = map(p.affine, (p.inputs[0], p.inputs[1], p.y))
    ratios = float(scale_a / scale_y), float(scale_b / scale_y)
    return "builtin" if p.runtime == "xnnpack" and not 2**-10 <= min(ratios) <= max(ratios) < 2**8 else p.runtime


def _mul(p: Place) -> Step:
    (scale_a, zero_a), (scale_b, zero_b), (scale_y, zero_y) = map(p.affine, (p.inputs[0], p.inputs[1], p.y))
    rescaled = requantizer(
        p.multiplier(scale_a, scale_b), p.rule(), scale_y, zero_y, p.operator.options["fusedActivationFunction"]
    )
    return p.with_constants(lambda a, b: rescaled((a.astype(np.int32) - zero_a) * (b.astype(np.int32) - zero_b)))


def _mul_kernels(p: Place) -> str:
    """Return whose kernels run it: from this multiplier on XNNPACK leaves a product to the optimised kernels."""
    (scale_a, _), (scale_b, _), (scale_y, _) = map(p.affine, (p.inputs[0], p.inputs[1], p.y))
    return "builtin" if p.runtime == "xnnpack" and float(scale_a * scale_b / scale_y) >= 2**8 else p.runtime


def _squared_difference(p: Place) -> Step:
    (scale_a, zero_a), (scale_b, zero_b), (scale_y, zero_y) = map(p.affine, (p.inputs[0], p.inputs[1], p.y))
    scales, zero_points = (scale_a, scale_b, scale_y), (zero_a, zero_b)
    return p.with_constants(
        lambda a, b: np.clip(squared_difference(a, b, scales, zero_points) + zero_y, -128, 127).astype(np.int8)
    )


def _larger(p: Place) -> Step:
    return p.with_constants(np.maximum)


def _smaller(p: Place) -> Step:
    return p.with_constants(np.minimum)


ELEMENTWISE_OPERATORS = {
    #                  reference builtin    xnnpack    micro
    "ADD": Entry(_add, "double", "builtin", "shift",   "double", _add_kernels),
    "SUB": Entry(_add, "double", "double",  "shift",   "double", _add_kernels),
    "MUL": Entry(_mul, "double", "double",  "float32", "double", _mul_kernels),
    "SQUARED_DIFFERENCE": Entry(_squared_difference),
    # Of the integers themselves: the scales must be equal.
    "MAXIMUM": Entry(_larger),
    "MINIMUM": Entry(_smaller),
}  # fmt: skip
