"""Inputs for the exercises of notebook 03."""

import numpy as np


def all_places(rng: np.random.Generator) -> list[tuple]:
    """An image and a kernel of one size, kernels of one pixel, a row, a column, then random ones, mostly not square."""
    known = [
        (np.arange(1.0, 10).reshape(3, 3), np.array([[1.0, 0, -1], [0, 1, 0], [1, 0, -1]])),
        (np.array([[1.0, 2, 3], [4, 5, 6]]), np.array([[1.0, 2]])),
        (np.array([[1.0, 2, 3], [4, 5, 6]]), np.array([[1.0], [3]])),
        (np.array([[1.0, 2], [3, 5]]), np.array([[2.0]])),
        (np.array([[7.0]]), np.array([[3.0]])),
    ]
    random = []
    for _ in range(20):
        w = rng.integers(-3, 4, rng.integers(1, 5, 2)).astype(float)
        random.append((rng.integers(0, 10, np.add(w.shape, rng.integers(0, 6, 2))).astype(float), w))
    return known + random


def zeros_to_keep_size(rng: np.random.Generator) -> list[tuple]:
    """Odd and even kernels, one pixel, with and without dilation."""
    known = [(3, 1), (3, 2), (1, 1), (1, 4), (2, 1), (4, 3), (5, 1)]
    return known + [(int(rng.integers(1, 12)), int(rng.integers(1, 6))) for _ in range(20)]


def convolve_row(rng: np.random.Generator) -> list[tuple]:
    """A single bright pixel, a kernel that shifts, one as long as the row, one of one weight, then random ones."""
    known = [
        (np.array([0.0, 0, 1, 0, 0]), np.array([1.0, 2, 3])),
        (np.arange(6.0), np.array([1.0, 0, 0])),
        (np.array([1.0, 2, 4]), np.array([3.0, 5, 9])),
        (np.array([1.0, 2, 4]), np.array([3.0])),
        (np.array([1.0, 2, 4, 9]), np.array([1.0, -1])),
    ]
    random = [(k, k + int(rng.integers(0, 8))) for k in rng.integers(1, 6, 15).tolist()]
    return known + [(np.round(rng.normal(size=n), 1), np.round(rng.normal(size=k), 1)) for k, n in random]


def separable_cost(rng: np.random.Generator) -> list[tuple]:
    """A usual layer, one channel to one, a kernel of one pixel, then random layers."""
    known = [(3, 16, 32), (3, 1, 1), (1, 8, 8), (5, 8, 2)]
    return known + [tuple(int(rng.integers(1, most)) for most in (8, 100, 100)) for _ in range(20)]


def weight_gradient(rng: np.random.Generator) -> list[tuple]:
    """Places that matter alone, no stride, one weight, pixels that no place reaches, then random ones."""
    known = [
        (np.array([1.0, 0, 0]), np.arange(8.0), 3, 2),
        (np.array([0.0, 0, 1]), np.arange(8.0), 3, 2),
        (np.array([1.0, 2]), np.arange(4.0), 3, 1),
        (np.array([1.0, 2, 4]), np.array([1.0, 5, 3]), 1, 1),
        (np.array([2.0]), np.array([1.0, 5, 3]), 3, 2),
        (np.array([1.0, 3]), np.array([1.0, 2, 4, 8, 9, 5, 7, 6]), 2, 4),
    ]
    random = []
    for _ in range(20):
        kernel, stride, places = (int(rng.integers(1, most)) for most in (6, 4, 7))
        length = (places - 1) * stride + kernel + int(rng.integers(0, stride))
        random.append((np.round(rng.normal(size=places), 1), np.round(rng.normal(size=length), 1), kernel, stride))
    return known + random


def layers_needed(rng: np.random.Generator) -> list[tuple]:
    """The digit, kernels that fit exactly and that do not, one pixel, then random ones."""
    known = [(28, 3), (28, 5), (1, 3), (2, 2), (5, 3), (9, 5), (2, 7), (7, 7), (8, 7)]
    return known + [(int(rng.integers(1, 200)), int(rng.integers(2, 12))) for _ in range(20)]
