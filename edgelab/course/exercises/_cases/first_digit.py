"""Inputs for the exercises of notebook 01."""

import numpy as np


def surest(rng: np.random.Generator) -> list[tuple]:
    """Small batches, then logits that overflow exp, then rows that underflow beside each other's maximum."""
    small = [(np.round(rng.normal(0, 3, (n, 10)), 1),) for n in (2, 1, 3, 10, 64)]
    large = np.array([[1000.0, 999.0, 0, 0, 0, 0, 0, 0, 0, 0]])
    apart = np.array([[1000.0, 998.0, 0, 0, 0, 0, 0, 0, 0, 0], [-900.0, -800, -900, -801, *[-900.0] * 6]])
    return [*small, (large,), (apart,), (np.zeros((2, 10)),)]


def centre_of_mass(rng: np.random.Generator) -> list[tuple]:
    """A faint and a dark pixel, one pixel alone, then random images, most of them not square."""
    spots = np.zeros((3, 4), np.uint8)
    spots[0, 1], spots[2, 3] = 200, 50
    alone = np.zeros((2, 5), np.uint8)
    alone[1, 3] = 7
    stroke = np.zeros((28, 28), np.uint8)
    stroke[5:9, 20], stroke[8, 3:21] = 255, 40
    sizes = [(3, 3), (1, 1), (3, 7), (12, 5), (28, 28)]
    return [(spots,), (alone,), (stroke,), *((rng.integers(1, 256, size).astype(np.uint8),) for size in sizes)]


def line_carries(rng: np.random.Generator) -> list[tuple]:
    """Lines that are full to the last bit, nearly full, and random ones."""
    known = [(784, 1.0, 0.001), (12_500, 10.0, 1.0), (12_500, 11.0, 1.0), (100_000, 1.0, 1.0), (131_072, 1.0, 1.0)]
    full = [(125_000, 4.0, 4.0), (62_500, 0.5, 0.25), (1_000, 0.0, 1.0), (250_000, 50.0, 100.0)]
    random = [
        (int(rng.integers(100, 10**6)), round(float(rng.uniform(0.1, 60)), 2), round(10.0 ** rng.uniform(-1, 3), 2))
        for _ in range(40)
    ]
    return known + full + random


def days_on_battery(rng: np.random.Generator) -> list[tuple]:
    """Round numbers, then any, over six powers of ten."""
    known = [(1.0, 0.001, 86_400.0), (0.6, 1e-4, 24.0), (2.0, 0.5, 1.0), (10.0, 0.25, 1000.0)]
    return known + [tuple(float(f"{10.0 ** rng.uniform(-3, 3):.3g}") for _ in range(3)) for _ in range(10)]
