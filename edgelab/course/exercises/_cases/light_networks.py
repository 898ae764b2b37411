"""Inputs for the exercises of notebook 06."""

import numpy as np


def _integers(rng: np.random.Generator, *spans: tuple[int, int]) -> tuple[int, ...]:
    return tuple(int(rng.integers(*span)) for span in spans)


def convolution_macs(rng: np.random.Generator) -> list[tuple]:
    """Strides that divide the side and that do not, a kernel larger than the image, then random layers."""
    known = [(28, 3, 8, 16, 2), (28, 3, 1, 8, 1), (7, 3, 8, 8, 2), (1, 5, 2, 3, 2), (9, 2, 4, 5, 3), (10, 5, 3, 2, 3)]
    return known + [_integers(rng, (1, 60), (1, 8), (1, 40), (1, 40), (1, 4)) for _ in range(20)]


def peak_values(rng: np.random.Generator) -> list[tuple]:
    """Chains whose peak lies inside, at the ends of, before and behind the skip connection; then random ones."""
    known = [
        ([100, 10, 10, 100], (0, 2)),
        ([10, 60, 60, 10, 10], (0, 3)),
        ([900, 1, 1, 1], (0, 2)),
        ([5, 5, 5], (0, 1)),
        ([50, 1, 1, 40], (0, 2)),
        ([1, 30, 1, 1, 60], (1, 2)),
        ([9, 9, 1, 1, 1], (2, 3)),
        ([1, 1, 5, 50, 40], (0, 2)),
    ]
    random = []
    for _ in range(25):
        tensors = int(rng.integers(3, 9))
        first = int(rng.integers(0, tensors - 2))
        random.append((rng.integers(1, 1000, tensors).tolist(), (first, int(rng.integers(first + 1, tensors - 1)))))
    return known + random


def classify(rng: np.random.Generator) -> list[tuple]:
    """One image and several, maps that are not square, of one place, with as many channels as classes."""
    shapes = [(1, 2, 1, 2, 3), (2, 1, 2, 2, 2), (2, 2, 2, 1, 2), (1, 7, 7, 4, 10), (2, 7, 5, 3, 10), (10, 3, 3, 8, 10)]
    shapes += [(7, 1, 1, 5, 10), (3, 4, 4, 4, 4), (5, 2, 2, 6, 10)]
    return [
        tuple(np.round(rng.normal(size=shape), 1) for shape in ((n, h, w, channels), (channels, classes), (classes,)))
        for n, h, w, channels, classes in shapes
    ]


def inverted_residual_params(rng: np.random.Generator) -> list[tuple]:
    """A usual block, one of single channels, as many filters as channels, then random blocks."""
    known = [(8, 16, 6, 3), (1, 1, 2, 1), (16, 16, 2, 5), (4, 2, 3, 3)]
    return known + [_integers(rng, (1, 65), (1, 65), (2, 8), (1, 8)) for _ in range(20)]


def unshuffle(rng: np.random.Generator) -> list[tuple]:
    """Channels in order, groups as large as there are groups, one group, groups of one; then random maps."""
    known = [(np.arange(6.0), 3), (np.arange(6.0), 2), (np.arange(6.0), 1), (np.arange(9.0), 3), (np.arange(4.0), 4)]
    maps = [(np.arange(24.0).reshape(2, 12), 4), (np.arange(24.0).reshape(1, 2, 1, 12), 3)]
    sizes = ((2, 4), (3, 2), (4, 3), (5, 5))
    random = [(np.round(rng.normal(size=(2, 3, 3, groups * each)), 1), groups) for groups, each in sizes]
    return known + maps + random


def on_the_frontier(rng: np.random.Generator) -> list[tuple]:
    """Networks in order and not, equal in size, equal in accuracy, one alone, never right; then random ones."""
    known = [
        ([500, 1000, 2000, 4000], [0.98, 0.99, 0.97, 0.985]),
        ([4000, 500], [0.99, 0.98]),
        ([700, 700], [0.97, 0.98]),
        ([700, 900], [0.98, 0.98]),
        ([900, 700], [0.98, 0.98]),
        ([700], [0.9]),
        ([100, 200, 300], [0.0, 0.5, 0.4]),
        ([100, 200, 300], [0.9, 0.8, 0.85]),
        ([300, 100, 200], [0.8, 0.9, 0.95]),
        ([100, 200, 300], [0.7, 0.8, 0.9]),
    ]
    random = []
    for n in (5, 8, 12, 12, 20):
        sizes, hits = rng.integers(1, 8, n) * 500, rng.permutation(n) // 2
        pairs = sorted(set(zip(sizes.tolist(), hits.tolist(), strict=True)), key=lambda _: rng.random())
        random.append(([size for size, _ in pairs], [round(0.9 + 0.09 * hit / n, 4) for _, hit in pairs]))
    return [(np.array(sizes), np.array(accuracies)) for sizes, accuracies in known + random]


def halving_epochs(rng: np.random.Generator) -> list[tuple]:
    """Numbers that eta divides to the end and that it does not, one plan, fewer than eta; then random ones."""
    known = [(18, 1, 3), (1, 5, 2), (2, 1, 3), (27, 2, 3), (8, 1, 2), (3, 4, 3), (7, 2, 2), (10, 1, 4)]
    return known + [_integers(rng, (1, 200), (1, 10), (2, 6)) for _ in range(20)]


def normalise_frozen(rng: np.random.Generator) -> list[tuple]:
    """One image and several; variances small enough for the epsilon to count."""
    found = []
    for n, channels in ((1, 2), (2, 2), (1, 5), (2, 3), (5, 8), (40, 4)):
        gamma, beta, mean = (np.round(rng.normal(size=channels), 1) for _ in range(3))
        variance = np.round(rng.uniform(0.02, 2, channels), 2)
        found.append((np.round(rng.normal(size=(n, channels)), 1), gamma, beta, mean, variance))
    return found
