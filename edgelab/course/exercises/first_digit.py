"""Exercises of notebook 01."""

import numpy as np

from edgelab.course.exercises._cases import first_digit as cases
from edgelab.course.exercises.engine.check import BODY, Boundary, Mistake, exercise


@exercise(
    cases=cases.surest,
    hint="Each row is one image, and its ten probabilities add up to 1. Over which axis must the sum run?",
    mistakes=[
        Mistake("e / e.sum(axis=1, keepdims=True)", "e / e.sum()", "this divides by one sum for the whole batch"),
        Mistake(
            " - logits.max(axis=1, keepdims=True)", "", "e to the power of a large logit is more than a float holds"
        ),
        Mistake(
            "logits.max(axis=1, keepdims=True)",
            "logits.max()",
            "each image needs its own maximum: far below the maximum of the batch, every exp rounds to 0",
        ),
        Mistake(").max(axis=1)", ").max(axis=0)", "this takes the largest for each digit, not for each image"),
        Mistake(").max(axis=1)", ").argmax(axis=1)", "that is the digit, not its probability"),
        Mistake(").max(axis=1)", ").min(axis=1)", "that is the least likely digit"),
        Mistake(
            "(e / e.sum(axis=1, keepdims=True))", "logits", "that is the largest logit; logits are no probabilities"
        ),
        Mistake("(e / e.sum(axis=1, keepdims=True))", "e", "the powers of e must be divided by their sum"),
        Mistake(
            "(e / e.sum(axis=1, keepdims=True))",
            "(1 / (1 + np.exp(-logits)))",
            "that is the sigmoid of each logit: the digits exclude each other, so their probabilities share one sum",
        ),
        Mistake(
            "(e / e.sum(axis=1, keepdims=True)).max(axis=1)",
            "(logits / logits.sum(axis=1, keepdims=True)).max(axis=1)",
            "softmax divides powers of e by their sum, not the logits themselves",
        ),
    ],
    boundaries=[
        Boundary(
            lambda logits: np.abs(logits).max() > 700, "exp of a large number overflows, of a very small one is 0"
        ),
        Boundary(lambda logits: len(logits) > 1, "it is right for one image alone: the images of a batch are mixed up"),
        Boundary(lambda logits: len(logits) == 1, "it is wrong for a batch of one image only"),
    ],
    bug=("e.sum(axis=1, keepdims=True)", "e.sum(axis=0)"),
)
def surest(logits: np.ndarray) -> np.ndarray:
    """Return for each image the softmax probability of its likeliest digit, (n,). logits: (n, 10), large ones too."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True)).max(axis=1)


@exercise(
    cases=cases.centre_of_mass,
    hint="Take the mean of the rows' numbers (np.arange), in which a row counts as much as it has ink.",
    mistakes=[
        Mistake(
            "weight = image.astype(float)",
            "weight = (image > 0).astype(float)",
            "here a faint pixel counts as much as a dark one",
        ),
        Mistake("return row, column", "return column, row", "the row comes first, as in image[row, column]"),
        Mistake(
            BODY,
            "weight = image.astype(float)\n"
            "rows = (weight * np.arange(1, len(image) + 1)[:, None]).sum() / weight.sum()\n"
            "return rows, (weight * np.arange(1, image.shape[1] + 1)).sum() / weight.sum()",
            "rows and columns are counted from 0",
        ),
        Mistake("np.arange(len(weight))", "np.arange(1, len(weight) + 1)", "rows are counted from 0"),
        Mistake(
            BODY,
            "return (len(image) - 1) / 2, (image.shape[1] - 1) / 2",
            "that is the middle of the image, wherever its ink is",
        ),
        Mistake(
            BODY,
            "i, j = np.nonzero(image)\nreturn (i.min() + i.max()) / 2, (j.min() + j.max()) / 2",
            "that is the middle of the box around the ink; the mean weighs each pixel by its ink",
        ),
        Mistake(
            BODY,
            "row, column = np.unravel_index(image.argmax(), image.shape)\nreturn float(row), float(column)",
            "that is the darkest pixel; all pixels count, each by its ink",
        ),
        Mistake(
            "weight = image.astype(float)",
            "weight = 255.0 - image",
            "a high number is ink, 0 is paper: here the paper is weighed",
        ),
        Mistake(
            BODY,
            "row = (image.sum(axis=1) * np.arange(len(image))).sum() / image.size\n"
            "return row, (image.sum(axis=0) * np.arange(image.shape[1])).sum() / image.size",
            "divide by all the ink, not by the number of pixels",
        ),
        Mistake(
            BODY,
            "row = (image.sum(axis=1) * np.arange(len(image))).sum() / 255\n"
            "return row, (image.sum(axis=0) * np.arange(image.shape[1])).sum() / 255",
            "a mean is divided by the sum of its weights, which is all the ink",
        ),
    ],
    boundaries=[
        Boundary(lambda image: image.shape[0] != image.shape[1], "look at images that are not square"),
    ],
)
def centre_of_mass(image: np.ndarray) -> tuple[float, float]:
    """Return row and column, counted from 0, of the point on which the ink of an image would balance.

    image: uint8 (rows, columns); a pixel weighs its value, 0 (paper) to 255 (ink). Some pixel is not 0.
    """
    weight = image.astype(float)
    row = (weight.sum(axis=1) * np.arange(len(weight))).sum() / weight.sum()
    column = (weight.sum(axis=0) * np.arange(weight.shape[1])).sum() / weight.sum()
    return row, column


@exercise(
    cases=cases.line_carries,
    hint="A file's size is given in bytes, a line's speed in bits. How many bits has a byte?",
    mistakes=[
        Mistake("8 * image_bytes", "image_bytes / 8", "a byte has eight bits, so there are more bits than bytes"),
        Mistake("1e6", "2**20", "a megabit is a million bits, not 2 to the power of 20"),
        Mistake("1e6", "1e3", "both sides must be in bits: a megabit is a million of them"),
        Mistake(" * 1e6", "", "both sides must be in bits: a megabit is a million of them"),
        Mistake("* images_per_second", "/ images_per_second if images_per_second else 0", "more images are more bits"),
        Mistake(" * images_per_second", "", "the line must carry all images of a second, not one image"),
        Mistake("<=", "<", "a line that is full to the last bit still carries the images"),
        Mistake("<=", ">=", "the comparison is the wrong way round"),
    ],
    boundaries=[
        Boundary(
            lambda size, rate, line: 8 * size * rate == line * 1e6,
            "a line that is full to the last bit still carries the images",
        ),
        Boundary(lambda size, rate, line: rate == 0, "a camera that sends nothing needs no line"),
    ],
    bug=("8 * image_bytes", "image_bytes"),
)
def line_carries(image_bytes: int, images_per_second: float, megabits_per_second: float) -> bool:
    """Say whether a line carries all images, exactly full included. A megabit is a million bits."""
    return 8 * image_bytes * images_per_second <= megabits_per_second * 1e6


@exercise(
    cases=cases.days_on_battery,
    hint="A watt is a joule a second, so a watt-hour is as many joules as an hour has seconds.",
    mistakes=[
        Mistake("3600 * ", "", "a watt-hour is not a joule"),
        Mistake("3600", "60", "an hour has 60 minutes of 60 seconds"),
        Mistake("3600 * watt_hours", "watt_hours / 3600", "a watt-hour is many joules, not a small part of one"),
        Mistake("3600", "1000", "a watt-hour is a watt for an hour: count its seconds"),
        Mistake("3600", "86400", "a watt-hour is a watt for an hour, not for a day"),
        Mistake(
            "(joules_per_image * images_per_day)",
            "joules_per_image * images_per_day",
            "with more images a day, the battery is empty sooner",
        ),
        Mistake(
            "(joules_per_image * images_per_day)",
            "images_per_day * joules_per_image / joules_per_image",
            "an image that takes more energy empties the battery sooner",
        ),
        Mistake(
            "/ (joules_per_image * images_per_day)",
            "* joules_per_image / images_per_day",
            "an image that takes more energy empties the battery sooner",
        ),
        Mistake("(joules_per_image * images_per_day)", "joules_per_image", "that is a number of images, not of days"),
        Mistake("images_per_day)", "images_per_day) / 24", "the images are counted per day, so the result is in days"),
        Mistake(
            "images_per_day)", "images_per_day * 86_400)", "the images are counted per day, so the result is in days"
        ),
    ],
)
def days_on_battery(watt_hours: float, joules_per_image: float, images_per_day: float) -> float:
    """Return how many days a battery lasts when all its energy goes into the images: a float, not rounded."""
    return 3600 * watt_hours / (joules_per_image * images_per_day)
