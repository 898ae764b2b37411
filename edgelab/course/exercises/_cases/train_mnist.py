"""Inputs for the exercises of notebook 05."""

import numpy as np


def values_left(rng: np.random.Generator) -> list[tuple]:
    """The digit, sides that pooling halves and sides that it cuts, one convolution and several."""
    known = [(28, (16, 32)), (32, (16, 32)), (28, (8,)), (27, (8,)), (7, (3,)), (64, (4, 8, 2))]
    return known + [
        (int(rng.integers(40, 200)), tuple(rng.integers(1, 64, rng.integers(1, 4)).tolist())) for _ in range(20)
    ]


def probabilities(rng: np.random.Generator, n: int, classes: int = 10, decimals: int = 3) -> np.ndarray:
    """Return n rows that sum to 1, none of their numbers 0 or hardly more."""
    x = np.exp(0.7 * rng.normal(size=(n, classes)))
    rounded = np.round(x / x.sum(axis=1, keepdims=True), decimals)
    rounded[:, -1] = np.round(1 - rounded[:, :-1].sum(axis=1), decimals)
    return rounded


def categorical_loss(rng: np.random.Generator) -> list[tuple]:
    """One image of the first and of the last class, then batches."""
    known = [(probabilities(rng, 1), np.array([label])) for label in (0, 9, 1)]
    return known + [(probabilities(rng, n), rng.integers(0, 10, n)) for n in (2, 2, 7, 10, 128)]


def steps_in_an_epoch(rng: np.random.Generator) -> list[tuple]:
    """Divisions with and without a rest, a batch that is larger than the data, one image a batch."""
    known = [(60_000, 128), (128, 128), (1, 32), (7, 3), (6, 3), (10, 1), (9, 4)]
    return known + [(int(rng.integers(1, 5000)), int(rng.integers(2, 300))) for _ in range(20)]


def images_needed(rng: np.random.Generator) -> list[tuple]:
    """Results that are whole before rounding (exactly, whichever way one computes), then random ones."""
    known = [(0.99, 0.001), (0.5, 0.0392), (0.5, 0.01), (0.6, 0.0784), (0.9, 0.5), (0.5, 0.0196), (0.8, 0.07)]
    return known + [
        (round(float(rng.uniform(0.5, 0.999)), 3), round(float(rng.uniform(0.0005, 0.02)), 4)) for _ in range(20)
    ]


def balanced_accuracy(rng: np.random.Generator) -> list[tuple]:
    """A frequent class, a class that is never an answer, an answer that is no label, one class; then random ones."""
    known = [
        (np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, 1]), np.zeros(10, int)),
        (np.array([3, 3, 5]), np.array([3, 5, 5])),
        (np.array([1, 1, 1, 2]), np.array([1, 7, 1, 2])),
        (np.array([4, 4]), np.array([4, 9])),
        (np.array([0, 1, 1, 2, 2, 2]), np.array([0, 1, 0, 0, 2, 2])),
    ]
    random = []
    for classes in (2, 5, 10, 10):
        labels = np.concatenate([np.arange(classes), rng.integers(0, classes, 200) * rng.integers(0, 2, 200)])
        random.append((labels, np.where(rng.random(len(labels)) < 0.7, labels, rng.integers(0, 10, len(labels)))))
    return known + random


def standardise(rng: np.random.Generator) -> list[tuple]:
    """Test images that are darker, lighter, few, one; pixels at the edge are darker than in the middle."""

    def pixels(n: int, side: int = 4) -> np.ndarray:
        return np.round(rng.random((n, side, side)) * rng.uniform(0.3, 1), 2)

    small = [(pixels(2, 2), pixels(1, 2)), (pixels(3, 2), pixels(2, 2))]
    known = [(pixels(20), 0.5 * pixels(1)), (pixels(30), 1 - pixels(10))]
    return [*small, *known, *((pixels(12), pixels(n)) for n in (1, 3, 12))]


def worth_answering(rng: np.random.Generator) -> list[tuple]:
    """Both ways, a tie of the two costs, mistakes that cost less than asking, then random ones."""
    known = [
        (np.array([[0.9, 0.1], [0.5, 0.5]]), 10.0, 2.0),
        (np.array([[0.75, 0.25], [0.5, 0.5], [0.875, 0.125]]), 8.0, 2.0),
        (np.array([[0.25, 0.25, 0.5], [0.7, 0.2, 0.1]]), 4.0, 2.0),
        (np.array([[0.6, 0.3, 0.1], [0.1, 0.1, 0.8]]), 1.0, 2.0),
    ]
    some = [(30, 1.0, 0.5), (25, 20.0, 9.0), (2, 3.0, 1.7), (2, 5.0, 3.3)]
    random = [(n, 10.0, round(float(rng.uniform(4, 8)), 3)) for n in (1, 2, 12, 50)]
    return known + [(probabilities(rng, n), wrong, asking + 0.0004) for n, wrong, asking in some + random]
