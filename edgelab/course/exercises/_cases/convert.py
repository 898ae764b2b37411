"""Inputs for the exercises of notebook 07."""

import numpy as np


def scale_and_zero_point(rng: np.random.Generator) -> list[tuple]:
    """Ranges that begin or end at 0, that lie on one side of it, that contain it; no zero point is a rounded half."""
    known = [(0.0, 1.0), (-1.0, 2.0), (2.0, 6.0), (-6.0, -2.0), (-1.0, 0.0), (-0.1, 6.0), (0.5, 0.6), (-3.0, -2.9)]
    random = [rng.normal(size=2) * 10 ** rng.uniform(-2, 2) for _ in range(20)]
    return known + [tuple(sorted(float(f"{end:.3g}") for end in ends)) for ends in random]


def restored(rng: np.random.Generator) -> list[tuple]:
    """The ends of int8 with zero points at both ends and between, in one, two and three dimensions."""
    ends = np.array([-128, 127, 0, 1], np.int8)
    shapes = [((2, 3), -128), ((3, 2), -5), ((2, 1, 3), 0), ((4, 5), 127), ((1,), 100), ((4, 5), 33)]
    random = [
        (rng.integers(-128, 128, shape).astype(np.int8), round(float(rng.uniform(0.01, 1)), 3), z)
        for shape, z in shapes
    ]
    return [(ends, 1 / 255, -128), (ends, 0.2, 30), (ends, 0.5, 127), (ends, 0.25, 0), *random]


def calibration_samples(rng: np.random.Generator) -> list[tuple]:
    """Few images of all, all of them, one, many; each image has a 0 and a 255, and its first pixel is its own."""
    found = []
    for n, size, count in ((3, (1, 4), 2), (12, (2, 3), 3), (7, (3, 3), 7), (100, (4, 5), 30), (5, (2, 2), 1)):
        images = rng.integers(0, 256, (n, *size)).astype(np.uint8)
        images[:, 0, 0], images[:, -1, -2], images[:, -1, -1] = 2 * np.arange(n) + 1, 0, 255
        found.append((images, count))
    return found


def calibration_view(samples: list, images: np.ndarray, count: int) -> dict:
    """Return what counts of samples: their form and values, and where they come from, not which ones they are."""
    kinds = list | tuple | np.ndarray
    if not isinstance(samples, kinds) or not all(isinstance(sample, kinds) for sample in samples):
        raise ValueError("is not a list of lists of arrays")
    if any(isinstance(sample, np.ndarray) and sample.ndim < 5 for sample in samples):
        raise ValueError("holds arrays; expected a list for each image")
    inputs = [list(sample) for sample in samples]
    arrays = [array for sample in inputs for array in sample]
    if not all(isinstance(array, np.ndarray) for array in arrays):
        raise ValueError("is not a list of lists of arrays")
    fitting = [array.astype(float) for array in arrays if array.size == images[0].size]
    # The first pixel tells which image it is; the last two tell how pixels were scaled.
    marks = [(array.flat[0] - array.flat[-2]) / (array.flat[-1] - array.flat[-2] or 1) * 255 for array in fitting]
    where = [round((mark - 1) / 2) for mark in marks if mark == mark]
    same = [
        np.allclose(
            (array.ravel() - array.flat[-2]) / (array.flat[-1] - array.flat[-2] or 1) * 255,
            images[i].ravel(),
            atol=1e-2,
        )
        for array, i in zip(fitting, where, strict=False)
        if 0 <= i < len(images)
    ]
    return {
        "the number of samples": len(inputs),
        "the number of inputs in each sample": [len(sample) for sample in inputs],
        "the shape of each input": [array.shape for array in arrays],
        "the dtype of each input": [str(array.dtype) for array in arrays],
        "what a pixel of 0 becomes": [round(float(array.flat[-2]), 4) for array in fitting],
        "what a pixel of 255 becomes": [round(float(array.flat[-1]), 4) for array in fitting],
        "that all are images of the data, scaled alike,": len(same) == len(arrays) and all(same),
        "that all are different images": len(set(where)) == len(where),
        "that they come from the whole data": count < 10 or max(where, default=0) >= len(images) // 2,
    }


def certain_share(rng: np.random.Generator) -> list[tuple]:
    """Margins that are just a step, a little more, a little less; equal logits, two classes; then random ones."""
    known = [
        (np.array([[0.0, 1.0, 3.0], [0.0, 2.0, 2.6], [5.0, 0.0, 0.0], [1.5, 1.0, 0.0]]), 1.0),
        (np.array([[0.0, 1.0, 3.0], [0.0, 2.0, 3.0], [1.0, 1.0, 0.0]]), 1.0),
        (np.array([[0.5, 0.0], [0.0, 0.25], [0.0, 0.75]]), 0.5),
        (np.array([[4.0, 1.0, 2.0]]), 1.5),
        (np.array([[-4.0, -1.0, -2.5], [-1.0, -3.0, -1.25]]), 1.0),
        (np.array([[9.0, 1.0, 0.0], [0.0, 7.0, 6.0]]), 3.0),
    ]
    return known + [(np.round(rng.normal(size=(50, 10)) * 3, 3), step) for step in (0.1003, 0.5003, 1.0003, 2.0003)]


def constant_bytes(rng: np.random.Generator) -> list[tuple]:
    """One layer and several, in float32 and in int8."""
    known = [([(9, 1)], 1), ([(9, 1)], 4), ([(45, 5), (25, 5), (80, 10)], 1), ([(45, 5), (25, 5), (80, 10)], 4)]
    return known + [
        ([tuple(map(int, rng.integers(1, 500, 2))) for _ in range(int(rng.integers(1, 6)))], size)
        for size in (1, 4, 1, 4, 1, 4)
    ]


def fold_into_next(rng: np.random.Generator) -> list[tuple]:
    """As many inputs as outputs, which hides a wrong axis, more, fewer, one of each."""
    sizes = [(2, 1), (1, 2), (2, 2), (3, 2), (1, 1), (4, 3), (3, 3), *rng.integers(1, 9, (8, 2)).tolist()]
    return [tuple(np.round(rng.normal(size=s), 1) for s in ((m, n), (n,), (m,), (m,))) for m, n in sizes]


def last_states(rng: np.random.Generator) -> list[tuple]:
    """One image and several, one row and several, another number of columns than of units."""
    sizes = [(1, 1, 1, 2), (2, 1, 2, 1), (2, 2, 1, 2), (1, 5, 3, 4), (2, 5, 3, 4), (6, 4, 2, 2), (3, 1, 4, 3)]
    return [
        tuple(np.round(rng.normal(size=s), 1) for s in ((n, rows, columns), (columns, units), (units, units)))
        for n, rows, columns, units in sizes
    ]
