"""Inputs for the exercises of notebook 08."""

import numpy as np


def bits_needed(rng: np.random.Generator) -> list[tuple]:
    """Ranges that just fit (in numbers that a float holds exactly), that just do not, one bit; then random ones."""
    known = [
        (0.0, 3.5, 0.25),
        (0.0, 1.0, 0.0021),
        (0.0, 255.0, 0.5),
        (-7.0, 8.0, 0.5),
        (0.0, 1.0, 0.5),
        (-20.0, 40.0, 0.1),
        (0.0, 16.0, 0.5),
        (-0.4, 0.6, 0.2),
        (-8.0, 0.0, 0.5),
        (0.0, 1.0, 2.0),
    ]
    random = [(-rng.random(), rng.random(), 10 ** rng.uniform(-4, -1.5)) for _ in range(20)]
    return known + [tuple(float(f"{number:.3g}") for number in each) for each in random]


def depthwise_scales(rng: np.random.Generator) -> list[tuple]:
    """Kernels with one and with several outputs a channel; one all negative."""
    known = [
        np.array([1.0, -2.54, 0.5, 1.27]).reshape(1, 1, 2, 2),
        np.array([0.5, -1.0, 2.0, 0.25]).reshape(2, 1, 2, 1),
    ]
    random = [(3, 3, 4, 1), (3, 3, 4, 2), (5, 5, 3, 3), (1, 1, 6, 2), (3, 3, 1, 4), (2, 3, 2, 3), (2, 1, 1, 2)]
    return [(w,) for w in [*known, -rng.random((3, 3, 5, 1)), *(np.round(rng.normal(size=s), 2) for s in random)]]


def bits_lost(rng: np.random.Generator) -> list[tuple]:
    """Data on one side of 0 and on both; outliers on either side, and values that are none."""
    known = [
        (np.array([0.0, 0.5, 1.0]), 4.0),
        (np.array([-1.0, 0.5, 1.0]), 3.0),
        (np.array([2.0, 3.0, 4.0]), 8.0),
        (np.array([-4.0, -1.0]), 4.0),
        (np.array([-1.0, 1.0]), -9.0),
        (np.array([-1.0, 1.0]), 0.5),
        (np.array([2.0, 4.0]), 1.0),
        (np.array([-2.0, -3.0]), -10.0),
    ]
    return known + [(np.round(rng.normal(size=n), 2), round(float(rng.normal() * 20), 1)) for n in [4] * 8 + [50] * 4]


def with_zeros_around(rng: np.random.Generator) -> list[tuple]:
    """Zero points at both ends and between, no margin, several images and channels."""
    sizes = [((1, 2, 2, 1), -128, 1), ((1, 1, 1, 3), -3, 2), ((1, 1, 2, 1), 0, 1), ((1, 3, 2, 1), 127, 0)]
    sizes += [((2, 3, 4, 2), 5, 1), ((3, 2, 2, 1), 127, 2)]
    return [(rng.integers(-128, 128, size).astype(np.int8), z, margin) for size, z, margin in sizes]


def products_that_fit(rng: np.random.Generator) -> list[tuple]:
    """Usual accumulators, and one that is too small for any product."""
    return [(bits,) for bits in (16, 20, 24, 32, 40, 64, 8, 15, 17, 18, 19, 21)]


def rounded_shift(rng: np.random.Generator) -> list[tuple]:
    """Halves on both sides of 0, all remainders of 4, one bit; then random accumulators."""
    known = [
        (np.array([3, 4, 5, 6, 7, 8, 10]), 2),
        (np.array([-1, -2, -3, -4, -5, -6, -7]), 2),
        (np.array([1, -1, 0, 3, -3]), 1),
        (np.array([5, 9, 11, 13, -5, -9, -11]), 3),
        (np.array([8, -8, 16]), 2),
        (np.array([0]), 5),
    ]
    return known + [(rng.integers(-(2**20), 2**20, 8), int(rng.integers(1, 16))) for _ in range(8)]


def straight_through(rng: np.random.Generator) -> list[tuple]:
    """Values on both ends of the range, inside and outside; arrays of several shapes."""
    known = [
        (np.array([1.0, 2.0, -3.0, 4.0]), np.array([-0.5, 0.3, 0.9, 1.2]), 0.0, 1.0),
        (np.array([1.0, 2.0, 3.0, -4.0]), np.array([0.0, 1.0, 0.5, 1.5]), 0.0, 1.0),
        (np.array([5.0, -2.0]), np.array([-1.0, 2.0]), -1.0, 2.0),
    ]
    sizes = [((8,), -1.0, 2.0), ((2, 3), 0.0, 1.5), ((5,), -0.1, 0.1), ((3, 4), 0.5, 2.5)]
    random = [(np.round(rng.normal(size=s), 1), np.round(2 * rng.normal(size=s), 2), a + 0.003, b) for s, a, b in sizes]
    return known + random
