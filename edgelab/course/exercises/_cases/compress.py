"""Inputs for the exercises of notebook 09."""

import numpy as np


def step_with_mask(rng: np.random.Generator) -> list[tuple]:
    """Some weights pruned, all, none; one with momentum left where nothing else moves it, one not yet 0."""
    found = [
        (np.array([0.0, 0.5]), np.array([1.0, 0.0]), np.array([0.0, 2.0]), np.array([False, True]), 0.1, 0.5),
        (np.array([0.3, 0.5]), np.array([1.0, 0.0]), np.array([0.0, 2.0]), np.array([False, True]), 0.1, 0.5),
    ]
    for n in (2, 3, 1, 4, 7, 20):
        mask = rng.random(n) < (0.5 if n != 3 else 1)
        w, velocity, dw = (np.round(rng.normal(size=n), 1) for _ in range(3))
        found.append((w * mask, velocity, dw, mask, 0.1, 0.9))
    shape = (2, 2)
    w, velocity, dw = (np.round(rng.normal(size=shape), 1) for _ in range(3))
    return [*found, (w * np.eye(2), velocity, dw, np.eye(2) == 1, 0.5, 0.25)]


def masks_over_all(rng: np.random.Generator) -> list[tuple]:
    """Layers of other scales, one layer, nothing to prune, numbers that round up and down (never a half)."""
    known = [
        ([np.array([[0.9, -0.1], [0.2, -0.8]]), np.array([0.05, 0.3])], 0.5),
        ([np.array([0.1, -0.2]), np.array([3.0, -4.0])], 0.5),
        ([np.array([0.1, -0.2, 0.3]), np.array([3.0])], 0.75),
        ([np.array([1.0, 2.0])], 0.0),
        ([np.array([0.3, -0.1, 0.2])], 0.4),
        ([np.array([0.3, -0.1, 0.2])], 0.6),
        ([np.array([[0.5, -0.6], [0.1, 0.7]])], 0.5),
        ([np.array([-0.3, 0.5, 0.1]), np.array([0.2, -0.4])], 0.35),
        ([np.array([-0.3, 0.5, 0.1]), np.array([0.2, -0.4])], 0.25),
        ([np.array([0.4, 0.1, -0.2, 0.3, 0.6])], 0.8),
    ]
    random = [
        ([rng.normal(size=(4, 3)), rng.normal(size=6) * 3, rng.normal(size=(2, 5)) / 3], sparsity)
        for sparsity in (0.25, 0.3, 0.35, 0.5, 6 / 7, 0.9)
    ]
    return known + [([np.round(w, 5) for w in weights], sparsity) for weights, sparsity in random]


def moved_codebook(rng: np.random.Generator) -> list[tuple]:
    """All entries in use, one that is not, entries in any order; then random ones. No value has two nearest entries."""
    known = [
        (np.array([0.0, 0.2, 1.0, 1.5]), np.array([0.1, 1.2])),
        (np.array([0.0, 0.2, 1.0]), np.array([0.1, 5.0, 0.9])),
        (np.array([-1.0, -1.0]), np.array([-2.0, 0.75])),
        (np.array([1.0, 2.0, 4.0, 9.0]), np.array([8.0, 2.0])),
        (np.array([3.0]), np.array([0.5])),
        (np.array([-3.0, -1.0, 2.0, 2.5, 3.5]), np.array([-9.0, -2.25, 2.75])),
    ]
    random = [(rng.normal(size=30), np.sort(rng.normal(size=k)) * 3) for k in (2, 5, 9, 12)]
    return known + [(np.round(values, 4), np.round(codebook, 4) + 3e-6) for values, codebook in random]


def sharing_ratio(rng: np.random.Generator) -> list[tuple]:
    """Powers of two, numbers just above and below one, more entries than weights; then random ones."""
    known = [(16, 4), (1000, 17), (1000, 16), (1000, 15), (10, 2), (235_200, 16), (25, 32), (640, 3), (5000, 256)]
    return known + [(int(rng.integers(20, 10_000)), int(rng.integers(2, 257))) for _ in range(10)]


def entries_with_fillers(rng: np.random.Generator) -> list[tuple]:
    """Gaps that just fit and that are one too long, for one filler and for two; zeros at both ends; no zeros."""
    known = [
        ([1, 0, 0, 0, 0, 1], 2),
        ([0, 0, 0, 1], 2),
        ([1, 0, 0, 0, 1], 2),
        ([0, 0, 0, 0, 1], 2),
        ([0] * 8 + [1], 2),
        ([0] * 7 + [1], 2),
        ([1, 0, 0, 0, 0, 0], 1),
        ([1, 0, 1], 1),
        ([1, 0, 0, 1], 1),
        ([1, 0, 0, 1, 0, 0, 1], 2),
        ([1, 0, 0, 0, 1, 0, 0, 0, 1], 2),
        ([1] * 5, 3),
        ([0, 1], 3),
        ([1], 2),
        ([0] * 31 + [1], 5),
        ([0] * 32 + [1], 5),
        ([0] * 64 + [1, 1] + [0] * 40, 5),
    ]
    sparse = [(rng.random(400) < 0.03, bits) for bits in (1, 2, 3, 5)]
    return [(np.array(mask, bool), bits) for mask, bits in known] + sparse


def alpha_in_effect(rng: np.random.Generator) -> list[tuple]:
    """Both ends of alpha, a temperature of 1; then random ones."""
    known = [(0.5, 4.0), (0.9, 20.0), (0.9, 1.0), (0.0, 3.0), (1.0, 3.0), (0.25, 2.0)]
    return known + [(round(float(rng.random()), 3), round(float(rng.uniform(1, 20)), 2)) for _ in range(10)]
