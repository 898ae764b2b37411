"""Inputs for the exercises of notebook 04."""

import numpy as np


def scalar_states(rng: np.random.Generator) -> list[tuple]:
    """The article's example, one step, inputs that are all 0, then random ones."""
    known = [
        (np.array([1.0, 2, 3, 4, 5]), 1.0, 1.0, 1.0),
        (np.array([0.0]), 1.0, 1.0, -2.0),
        (np.array([0.0, 0.0, 0.0]), 1.0, 3.0, 0.0),
        (np.array([1.0, -1.0]), 0.5, -2.0, 0.25),
    ]
    lengths = rng.integers(1, 8, 20).tolist()
    return known + [(np.round(rng.normal(size=n), 1), *np.round(rng.normal(size=3), 1).tolist()) for n in lengths]


def state_gradients(rng: np.random.Generator) -> list[tuple]:
    """A loss that reads the last state only, one that reads all, one step, then random ones."""
    known = [
        (np.array([0.0, 0.0, 1.0]), np.array([0.5, 0.2, -0.4]), 2.0),
        (np.array([1.0, 1.0, 1.0]), np.array([0.1, -0.8, 0.3]), 0.5),
        (np.array([2.0]), np.array([0.3]), 1.0),
        (np.array([0.0, 1.0]), np.array([0.5, 0.2]), -3.0),
    ]
    lengths = rng.integers(2, 8, 20).tolist()
    return known + [
        (np.round(rng.normal(size=n), 1), np.round(rng.uniform(-0.9, 0.9, n), 2), round(float(rng.normal()), 2))
        for n in lengths
    ]


def gru_weights_for_keras(rng: np.random.Generator) -> list[tuple]:
    """One unit, numbers that show where they came from, as many inputs as rows, then random weights."""
    counted = [np.arange(float(3 * units * inputs)).reshape(3 * units, inputs) for units, inputs in ((2, 2), (1, 2))]
    sizes = [(1, 1), (1, 3), (2, 6), (2, 3), (3, 1), (5, 4)]
    random = [np.round(rng.normal(size=(3 * units, inputs)), 1) for units, inputs in sizes]
    return [(weight,) for weight in [*counted, *random]]


def gru_parameters(rng: np.random.Generator) -> list[tuple]:
    """With and without reset_after, one unit, then random sizes."""
    known = [(7, 12, True), (7, 12, False), (1, 1, True), (1, 1, False), (5, 2, True), (2, 5, False)]
    return known + [(int(rng.integers(1, 40)), int(rng.integers(1, 70)), bool(rng.integers(2))) for _ in range(20)]


def masked_loss(rng: np.random.Generator) -> list[tuple]:
    """Sequences of several lengths; also without padding, and one that is all padding."""
    short = np.array([[1.0, 2.0, 9.0], [3.0, 9.0, 9.0]])
    known = [
        (short, np.array([[True, True, False], [True, False, False]])),
        (np.array([[4.0, 1.0], [2.0, 3.0]]), np.array([[True, False], [True, True]])),
        (np.array([[4.0, 1.0], [2.0, 3.5]]), np.ones((2, 2), bool)),
        (np.array([[5.0, 1.0, 3.0]]), np.array([[True, True, False]])),
        (short, np.array([[True, False, False], [False, False, False]])),
    ]
    random = [
        (np.round(rng.exponential(size=(4, 6)), 2), np.arange(6) < rng.integers(1, 7, 4)[:, None]) for _ in range(15)
    ]
    return known + random
