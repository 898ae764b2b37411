"""Exercises of notebook 01."""

import numpy as np

from edgelab.course.exercises.engine.check import Mistake, exercise


def _batches(rng: np.random.Generator) -> list[tuple]:
    batches = [(rng.normal(0, 4, (n, 10)),) for n in (3, 1, 10, 64)]
    return [*batches, (np.array([[1000.0, 0.0, 999.0], [-800.0, -900.0, -1000.0]]),)]


@exercise(
    cases=_batches,
    hint="Each row is one image, and its ten probabilities add up to 1. Over which axis must the sum run?",
    mistakes=[
        Mistake("e / e.sum(axis=1, keepdims=True)", "e / e.sum()", "all images share one sum of 1"),
        Mistake(
            " - logits.max(axis=1, keepdims=True)", "", "e to the power of a large logit is more than a float holds"
        ),
        Mistake(").max(axis=1)", ").max(axis=0)", "the largest is asked for each image, not for each digit"),
        Mistake(").max(axis=1)", ").argmax(axis=1)", "that is the digit, not its probability"),
    ],
    bug=("e.sum(axis=1, keepdims=True)", "e.sum(axis=0)"),
)
def surest(logits: np.ndarray) -> np.ndarray:
    """Return for each image the probability of its likeliest digit: logits (n, 10) to (n,)."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True)).max(axis=1)


def _images(rng: np.random.Generator) -> list[tuple]:
    stroke = np.zeros((28, 28), np.uint8)
    stroke[5:9, 20], stroke[8, 3:21] = 255, 40
    sizes = [(28, 28), (3, 7), (1, 1), (12, 5)]
    return [(stroke,), *((rng.integers(1, 256, size).astype(np.uint8),) for size in sizes)]


@exercise(
    cases=_images,
    hint="Take the mean of the rows' numbers (np.arange), in which a row counts as much as it has ink.",
    mistakes=[
        Mistake(
            "weight = image.astype(float)",
            "weight = (image > 0).astype(float)",
            "a faint pixel weighs as much as a dark one",
        ),
        Mistake("return row, column", "return column, row", "the row comes first, as in image[row, column]"),
        Mistake("np.arange(len(weight))", "np.arange(1, len(weight) + 1)", "rows are counted from 0"),
    ],
)
def centre_of_mass(image: np.ndarray) -> tuple[float, float]:
    """Return row and column of the point on which the ink of an image would balance; pixels weigh 0 to 255."""
    weight = image.astype(float)
    row = (weight.sum(axis=1) * np.arange(len(weight))).sum() / weight.sum()
    column = (weight.sum(axis=0) * np.arange(weight.shape[1])).sum() / weight.sum()
    return row, column


def _lines(rng: np.random.Generator) -> list[tuple]:
    known = [(784, 1.0, 0.001), (12_500, 10.0, 1.0), (12_500, 11.0, 1.0), (100_000, 1.0, 1.0), (131_072, 1.0, 1.0)]
    return known + [
        (int(rng.integers(100, 10**6)), float(rng.uniform(0.1, 60)), 10.0 ** rng.uniform(-1, 3)) for _ in range(40)
    ]


@exercise(
    cases=_lines,
    hint="A file's size is given in bytes, a line's speed in bits. How many bits has a byte?",
    mistakes=[
        Mistake("8 * image_bytes", "image_bytes / 8", "a byte has eight bits, so there are more bits than bytes"),
        Mistake("1e6", "2**20", "a megabit is a million bits"),
        Mistake(" * 1e6", "", "a megabit is not a bit"),
        Mistake("* images_per_second", "/ images_per_second", "the more images a second, the more bits"),
        Mistake("<=", "<", "a line that is full to the last bit still carries them"),
    ],
    bug=("8 * image_bytes", "image_bytes"),
)
def line_carries(image_bytes: int, images_per_second: float, megabits_per_second: float) -> bool:
    """Say whether a line of so many megabits (millions of bits) a second carries all images."""
    return 8 * image_bytes * images_per_second <= megabits_per_second * 1e6


def _batteries(rng: np.random.Generator) -> list[tuple]:
    return [(1.0, 0.001, 86_400.0), (0.6, 1e-4, 24.0), *(tuple(10.0 ** rng.uniform(-3, 3, 3)) for _ in range(10))]


@exercise(
    cases=_batteries,
    hint="A watt is a joule a second, so a watt-hour is as many joules as an hour has seconds.",
    mistakes=[
        Mistake("3600 * ", "", "a watt-hour is not a joule"),
        Mistake("3600", "60", "an hour has more seconds than that"),
        Mistake(
            "(joules_per_image * images_per_day)", "joules_per_image * images_per_day", "more images empty it sooner"
        ),
        Mistake("images_per_day)", "images_per_day) / 24", "days are asked for, and it is per day already"),
    ],
)
def days_on_battery(watt_hours: float, joules_per_image: float, images_per_day: float) -> float:
    """Return for how many days a battery lasts that only pays for the images."""
    return 3600 * watt_hours / (joules_per_image * images_per_day)
