"""Inputs for the exercises of notebook 10."""

import json

import numpy as np


def as_int8(rng: np.random.Generator) -> list[tuple]:
    """Values in range and a little out of it, far beyond int16, int32 and int64; none is a rounded half."""
    known = [
        (np.array([0.0, 0.31, 1.0, 1.2, -0.11]), 1 / 255, -128),
        (np.array([0.0, 0.4, -0.4, 1.7]), 0.5, 3),
        (np.array([-64.0, -63.7, 63.7, 63.6]), 0.5, 0),
        (np.array([1e3, -1e3, 0.0]), 0.01, 0),
        (np.array([1e7, -1e7, 0.013]), 0.01, -5),
        (np.array([1e30, -1e30]), 1 / 255, -128),
        (np.array([1e30, -1e30, 2.0]), 0.5, 10),
    ]
    shapes = [((3, 4), z) for z in (-128, -1, 0, 20, 127)] + [((1, 2, 2, 1), -128), ((1,), 60)]
    return known + [(np.round(rng.normal(size=shape), 3), float(rng.uniform(0.005, 0.05)), z) for shape, z in shapes]


def unfit(rng: np.random.Generator) -> list[tuple]:
    """Both ends of the range, just outside, infinite, NaN in good and in bad company; then random images."""
    known = [
        [0.0, 0.5, 1.0],
        [0.0, np.nan, 1.0],
        [0.0, 0.5, np.inf],
        [-np.inf, 0.5],
        [-0.01, 0.5, 1.0],
        [0.0, 0.5, 1.01],
        [0.0, 128.0, 255.0],
        [np.nan],
        [np.nan, 2.0],
        [0.0],
        [1.0, 1.0],
        [0.25, 0.75],
        [-0.5, 1.5],
    ]
    spans = ((0, 1), (0, 1), (-0.2, 1), (0.5, 1))
    return [(np.array(x),) for x in known] + [(np.round(rng.random((2, 3)) * high + low, 3),) for low, high in spans]


def reply(rng: np.random.Generator) -> list[tuple]:
    """Logits that are moderate, that overflow exp, that are all far below 0; then random ones."""
    known = [[0.0, 2.0, 1.0], [0.0, 1000.0, 999.0], [-1000.0, -1001.0, -1000.5], [3.0, 0.5]]
    return [(np.array(logits),) for logits in known] + [(np.round(rng.normal(size=10) * 3, 1),) for _ in range(10)]


def reply_view(text: str, logits: np.ndarray) -> dict:
    """Return what a JSON text says; blanks, order and further decimals do not count."""
    if not isinstance(text, str):
        raise ValueError(f"is of type {type(text).__name__}; expected a text, in JSON")
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON: {error.msg} at character {error.pos + 1}") from None
    if not isinstance(found, dict):
        raise ValueError("is JSON, but not an object in braces with the keys that the task names")
    if isinstance(found.get("probability"), str):
        found["probability"] = "a text"  # whatever it says
    return found


def steady_rate(rng: np.random.Generator) -> list[tuple]:
    """A few slow ones, all alike; then random times.

    Around the usual percentiles the times are equal, so that all definitions agree.
    """
    known = [
        np.concatenate([np.full(95, 2.0), np.full(5, 20.0)]),
        np.repeat([3.0, 5.0, 500.0, 900.0], [100, 190, 8, 2]),
        np.full(3, 4.0),
    ]
    spread = np.concatenate([np.full(880, 4.0), np.full(60, 8.0), np.full(55, 10.0), np.full(5, 50.0)])
    known.append(spread)
    for _ in range(5):
        times = np.sort(np.round(rng.exponential(size=1000) + 0.5, 3))
        for share in (0.01, 0.5, 0.9, 0.95, 0.98, 0.99):
            near = slice(int(1000 * share) - 8, int(1000 * share) + 6)
            times[near] = times[int(1000 * share)]
        known.append(rng.permutation(times))
    return [(times,) for times in known]
