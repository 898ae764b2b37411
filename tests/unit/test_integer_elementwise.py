"""The runtimes' integer additions against the real sum, and against what was found in LiteRT."""

import numpy as np
from _int8 import PAIRS, scales, zero_points
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelab.infer.integer.elementwise import add_builtin, add_double, add_shift, squared_difference


@settings(deadline=None, max_examples=20)
@given(scales, zero_points, scales, zero_points, st.floats(0.3, 10))
def test_sums_are_the_real_sum_to_a_step_for_all_pairs(scale_a, zero_a, scale_b, zero_b, times):
    scale_y = max(scale_a, scale_b) * times
    a, b = PAIRS
    real = (scale_a * (a.astype(float) - zero_a) + scale_b * (b.astype(float) - zero_b)) / scale_y
    for add in (add_double, add_builtin, add_shift):
        y = add(a, b, (scale_a, scale_b, scale_y), (zero_a, zero_b))
        # Half a step; multipliers of 20 bits move sums of up to 1,700 steps by a hundredth.
        assert np.abs(y - real).max() <= 0.5 + 0.02, add


@settings(deadline=None, max_examples=20)
@given(scales, zero_points, scales, zero_points, st.floats(0.3, 10))
def test_differences_are_the_real_ones_to_a_step_for_all_pairs(scale_a, zero_a, scale_b, zero_b, times):
    """Of the common scale's 7 bits more, the square keeps fewer where an input's scale is far below the other's."""
    larger = max(scale_a, scale_b)
    a, b = PAIRS
    real = scale_a * (a.astype(float) - zero_a) - scale_b * (b.astype(float) - zero_b)
    for add in (add_double, add_shift):
        y = add(a, b, (scale_a, scale_b, larger * times), (zero_a, zero_b), sign=-1)
        assert np.abs(y - real / (larger * times)).max() <= 0.5 + 0.02, add
    scale_y = larger**2 * times * 100
    y = squared_difference(a, b, (scale_a, scale_b, scale_y), (zero_a, zero_b))
    # Each difference is right to a step of larger / 64; its square to twice that times the difference.
    assert (np.abs(y - real**2 / scale_y) <= 0.51 + 2 * np.abs(real) * larger / 64 / scale_y).all()


def test_the_optimised_addition_rounds_its_vectors_otherwise():
    """Found in LiteRT: the first 16 of 17 values are rounded once, the 17th twice."""
    a, b = np.full((1, 17), -125, np.int8), np.full((1, 17), 13, np.int8)
    given = a, b, np.float32([0.03, 0.05, 0.06]), (-9, 4)
    quick, exact = add_double(*given, "single")[0, 0], add_double(*given)[0, 0]
    assert quick != exact
    assert add_builtin(*given).tolist() == [[quick] * 16 + [exact]]
    row = np.full((1, 4, 17), -125, np.int8)
    assert add_builtin(row, b[:, None], *given[2:]).tolist() == [[[quick] * 16 + [exact]] * 4], "row by row"
    whole = add_builtin(row, np.full((1, 4, 17), 13, np.int8), *given[2:]).ravel()
    assert whole.tolist() == [quick] * 64 + [exact] * 4, "over the whole image"


def test_the_optimised_addition_counts_its_vectors_by_what_broadcasts():
    """Found in LiteRT: rows of what both share, rows that one value meets, and the plain loops for all else."""
    rest = np.float32([0.03, 0.05, 0.06]), (-9, 4)
    quick, exact = (add_double(np.int8([-125]), np.int8([13]), *rest, first)[0] for first in ("single", "double"))
    floor = add_double(np.int8([-125]), np.int8([13]), *rest, "floor")[0]
    assert len({quick, exact}) == 2
    for shape_a, shape_b, row in (
        ((1, 4, 17), (1, 17), [quick] * 16 + [exact]),
        ((1, 4, 17), (1, 1, 17), [quick] * 16 + [exact]),
        ((1, 4, 17), (1, 4, 1), [floor] * 16 + [exact]),
        ((1, 4, 1), (1, 4, 17), [floor] * 16 + [exact]),
        ((1, 4, 17), (), [floor] * 64 + [exact] * 4),
        ((1, 4, 17), (1, 4, 17), [quick] * 64 + [exact] * 4),
        ((1, 4, 2, 17), (1, 1, 2, 17), [quick] * 32 + [exact] * 2),
        ((1, 4, 3, 17), (1, 1, 3, 1), [exact]),
    ):
        y = add_builtin(np.full(shape_a, -125, np.int8), np.full(shape_b, 13, np.int8), *rest).ravel()
        assert y.tolist() == row * (y.size // len(row)), (shape_a, shape_b)
