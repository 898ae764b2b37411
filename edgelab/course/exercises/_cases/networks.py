"""Inputs for the exercises of notebook 02."""

import numpy as np


def parameters(rng: np.random.Generator) -> list[tuple]:
    """One layer, two, layers of one neuron, then random networks."""
    known = [[784, 10], [784, 128, 10], [3, 1, 1], [1, 1], [5, 7, 2, 3]]
    return [(sizes,) for sizes in known + [rng.integers(1, 300, int(rng.integers(2, 6))).tolist() for _ in range(20)]]


def neuron(rng: np.random.Generator) -> list[tuple]:
    """Whole numbers, one input, a bias alone, then random neurons."""
    known = [(np.arange(1.0, 6.0), 1.0, 0.0), (np.array([0.0]), 1.0, 0.0), (np.array([-2.0, 1.0]), 0.5, 2.0)]
    random = [(np.round(rng.normal(size=n), 2), *np.round(rng.normal(size=2), 2).tolist()) for n in [4] * 10 + [1] * 5]
    return known + random


def log_probabilities(rng: np.random.Generator) -> list[tuple]:
    """Equal logits, one class, moderate ones, then logits whose exp overflows or rounds to 0."""
    known = [np.array([[0.0, 0.0]]), np.array([[2.0]]), np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 3.0]])]
    moderate = [np.round(rng.uniform(-1.5, 1.5, (n, k)), 2) for n, k in ((2, 4), (1, 3), (3, 2), (4, 5), (6, 10))]
    large = [[[1000.0, 0.0], [-1000.0, 1000.0]], [[1000.0, 0.0], [0.0, -1000.0]], [[-1000.0, -1001.0]]]
    apart = [np.array([[900.0, 901.0], [-900.0, -902.0]])]
    random = [rng.normal(scale=5, size=(int(rng.integers(1, 8)), int(rng.integers(2, 12)))) for _ in range(12)]
    return [(logits,) for logits in [*known, *moderate, *map(np.array, large), *apart, *random]]


def linear_gradients(rng: np.random.Generator) -> list[tuple]:
    """Batches, inputs and outputs of all sizes, one of each among them."""
    sizes = [(2, 1, 2), (1, 1, 1), (1, 3, 2), (3, 2, 1), (2, 2, 2), (4, 3, 2), (5, 1, 3), (6, 4, 5)]
    shapes = [((n, inputs), (n, outputs), (inputs, outputs)) for n, inputs, outputs in sizes]
    return [tuple(np.round(rng.normal(size=shape), 1) for shape in each) for each in shapes]


def early_stopping(rng: np.random.Generator) -> list[tuple]:
    """A best that comes too late, a second best in between, ends without a stop, equal losses, then random ones."""
    known = [
        ([5.0, 4.0, 3.0, 3.5, 3.2, 3.1, 2.0], 3),
        ([5.0, 4.0, 4.5, 3.0, 3.5, 2.0, 2.5, 2.6], 2),
        ([1.0], 1),
        ([3.0, 2.0, 1.0], 2),
        ([2.0, 2.0, 2.0, 2.0], 2),
        ([2.0, 2.0, 2.0, 1.0], 2),
        ([3.0, 2.0, 2.0, 2.5, 1.0], 3),
        ([3.0, 1.0, 1.0], 5),
        ([1.0, 2.0, 0.5], 1),
        ([1.0, 2.0, 3.0, 4.0], 3),
    ]
    random = []
    for _ in range(30):
        epochs = np.arange(int(rng.integers(1, 25)))
        losses = np.round(1 + 0.01 * (epochs - 8) ** 2 + rng.normal(scale=0.1, size=len(epochs)), 2)
        random.append((losses.tolist(), int(rng.integers(1, 5))))
    return known + random
