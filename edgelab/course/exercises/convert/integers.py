"""Exercises of notebook 07: from real numbers to integers and back."""

import numpy as np

from edgelab.course.exercises._cases import convert as cases
from edgelab.course.exercises.engine.check import BODY, Boundary, Mistake, exercise

CHOSEN = "images[:: len(images) // count][:count]"


@exercise(
    cases=cases.scale_and_zero_point,
    hint="Where the data run from 2 to 6, which range must the integers cover, so that 0 is exact?",
    mistakes=[
        Mistake(
            "min(low, 0.0), max(high, 0.0)", "low, high", "the range must contain 0, or Z does not fit into eight bits"
        ),
        Mistake("min(low, 0.0), max(high, 0.0)", "min(low, 0.0), high", "data may also lie below 0 only"),
        Mistake("min(low, 0.0), max(high, 0.0)", "low, max(high, 0.0)", "data may also lie above 0 only"),
        Mistake(
            "min(low, 0.0), max(high, 0.0)",
            "-max(abs(low), abs(high)), max(abs(low), abs(high))",
            "the range need not be symmetric: that wastes integers",
        ),
        Mistake(
            BODY,
            "return max(abs(low), abs(high)) / 127, 0",
            "the range need not be symmetric: that wastes integers",
        ),
        Mistake("/ 255", "/ 256", "256 values are 255 steps apart"),
        Mistake("/ 255", "/ 254", "all of -128 to 127 are used: count the steps between them"),
        Mistake("/ 255", "/ 127", "all of -128 to 127 are used: count the steps between them"),
        Mistake(
            "round(low / scale)", "int(low / scale)", "the zero point is rounded to the nearest integer, not cut off"
        ),
        Mistake(
            "round(low / scale)",
            "np.floor(low / scale)",
            "the zero point is rounded to the nearest integer, not cut off",
        ),
        Mistake(
            "round(low / scale)",
            "np.ceil(low / scale)",
            "the zero point is rounded to the nearest integer, not cut off",
        ),
        Mistake("-128 - round", "-round", "the smallest integer is -128, not 0: that is Z for unsigned bytes"),
        Mistake("-128 - round", "-127 - round", "the smallest integer is -128"),
        Mistake("-128 - round(low / scale)", "127 - round(low / scale)", "low itself belongs to -128, not to 127"),
        Mistake("-128 - round", "-128 + round", "low itself must become -128: S (-128 - Z) = low"),
        Mistake("-128 - round(low / scale)", "0", "0 is not always in the middle: low itself must become -128"),
        Mistake("-128 - round(low / scale)", "-128", "-128 stands for low, which need not be 0"),
        Mistake("-128 - round(low / scale)", "round((low + high) / 2 / scale)", "low itself must become -128"),
    ],
    boundaries=[
        Boundary(lambda low, high: low > 0, "data may lie above 0 only: which range contains 0?"),
        Boundary(lambda low, high: high < 0, "data may lie below 0 only: which range contains 0?"),
        Boundary(lambda low, high: low > 0 or high < 0, "data may lie on one side of 0 only: the range must contain 0"),
        Boundary(lambda low, high: low == 0 or high == 0, "look at ranges that begin or end at 0"),
    ],
)
def scale_and_zero_point(low: float, high: float) -> tuple[float, int]:
    """Return (S, Z) of the int8 values -128 … 127 that cover low … high and 0, which must be exact; low < high.

    Data may lie on one side of 0 only. Z: the nearest integer.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255
    return scale, int(-128 - round(low / scale))


@exercise(
    cases=cases.restored,
    hint="Try q = 127, Z = -128 by hand. Then print (q - zero_point).dtype.",
    bug=("q.astype(np.int32) - zero_point", "q - zero_point"),
    mistakes=[
        Mistake("q.astype(np.int32)", "q.astype(np.uint8).astype(np.int32)", "q is signed: its bytes are not 0 to 255"),
        Mistake("- zero_point", "+ zero_point", "q = Z stands for 0, so Z is subtracted"),
        Mistake("- zero_point", "", "q = Z stands for 0, so Z is subtracted"),
        Mistake("(q.astype(np.int32) - zero_point)", "(zero_point - q.astype(np.int32))", "the sign is the wrong one"),
        Mistake(
            "(q.astype(np.int32) - zero_point)", "q - zero_point", "Z counts steps, so it is subtracted before scaling"
        ),
        Mistake(
            "(q.astype(np.int32) - zero_point)",
            "q.astype(float) - zero_point",
            "Z counts steps, so it is subtracted before scaling",
        ),
        Mistake("scale * (", "(", "those are steps: each is worth so much"),
        Mistake("scale * (", "1 / scale * (", "a step is worth `scale`: multiply, don't divide"),
        Mistake(
            BODY,
            "return scale * np.clip(q.astype(np.int32) - zero_point, -128, 127)",
            "the difference may leave -128 to 127: it is not clipped",
        ),
        Mistake(
            BODY,
            "return scale * (q - np.int8(zero_point))",
            "the difference may leave -128 to 127, and then int8 wraps round",
        ),
        Mistake(
            BODY,
            "return np.clip(scale * (q.astype(float) - zero_point), 0, 1)",
            "real numbers may be of any size: they are not clipped",
        ),
    ],
    boundaries=[
        Boundary(
            lambda q, scale, z: np.abs(q.astype(int) - z).max() > 127, "the difference may leave the range of int8"
        ),
        Boundary(lambda q, scale, z: q.ndim > 1, "q may have any shape"),
    ],
)
def restored(q: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Return the real numbers that q stands for, floats in the shape of q. q: int8, any shape."""
    return scale * (q.astype(np.int32) - zero_point)


@exercise(
    cases=cases.calibration_samples,
    view=cases.calibration_view,
    hint="Calibration must see what the device will see. What did training do to the pixels?",
    bug=(".astype(np.float32) / 255", ".astype(np.float32)"),
    mistakes=[
        Mistake("/ 255", "/ 127.5 - 1", "this model was trained on 0 to 1, not on -1 to 1"),
        Mistake("/ 255", "/ 256", "training divided by 255"),
        Mistake(".astype(np.float32) / 255", "/ 255", "the model takes float32; this is float64"),
        Mistake(".astype(np.float32) / 255", "", "the pixels must be scaled as in training, and be float32"),
        Mistake("(np.float32) / 255", "(np.float32) / 255 / 255", "the pixels are scaled twice"),
        Mistake(CHOSEN, "images[:count]", "the first images may all be of one kind; take them from the whole data"),
        Mistake(CHOSEN, "images[:: len(images) // count]", "that may be more than `count`"),
        Mistake(CHOSEN, "images", "that may be more than `count`"),
        Mistake(CHOSEN, "images[: len(images) // count]", "that is not `count` images"),
        Mistake(CHOSEN, "[images[-1]] * count", "the images must be different ones"),
        Mistake(CHOSEN, "[images[0]] * count", "the images must be different ones"),
        Mistake("image[None, ..., None]", "image[..., None]", "the model takes a batch, of one image"),
        Mistake("image[None, ..., None]", "image[None]", "the model takes a channel axis, of one grey value"),
        Mistake("image[None, ..., None]", "image", "the model takes a batch of one image, with a channel axis"),
        Mistake(
            BODY,
            "chosen = images[:: len(images) // count][:count]\n"
            "return [image[None, ..., None].astype(np.float32) / 255 for image in chosen]",
            "each sample is a list, of the model's only input",
        ),
        Mistake(
            BODY,
            "chosen = images[:: len(images) // count][:count]\n"
            "return [[image[None, ..., None].astype(np.float32) / 255 for image in chosen]]",
            "each image is a sample of its own, a list of one input",
        ),
        Mistake(
            BODY,
            "return [[images[:: len(images) // count][:count, ..., None].astype(np.float32) / 255]]",
            "each image is a sample of its own, a list of one input",
        ),
    ],
    boundaries=[
        Boundary(lambda images, count: len(images) % count > 0, "count need not divide the number of images"),
        Boundary(lambda images, count: count == len(images), "count may be the number of images"),
    ],
)
def calibration_samples(images: np.ndarray, count: int) -> list[list[np.ndarray]]:
    """Return what a converter asks for: for each of `count` images a list of the model's only input.

    images: uint8 (n, height, width), count ≤ n. Take different images from the whole data, not only from its beginning:
    at even distances or at random. An input is float32, (1, height, width, 1), scaled as in training.
    """
    chosen = images[:: len(images) // count][:count]
    return [[image[None, ..., None].astype(np.float32) / 255] for image in chosen]


@exercise(
    cases=cases.certain_share,
    hint="Two logits matter. How far can the best fall and the second rise, when each is off by half a step?",
    mistakes=[
        Mistake("> step)", "> step / 2)", "the best can fall by half a step while the second rises by half a step"),
        Mistake("> step)", "> 2 * step)", "a rounded value is off by half a step at most, not by a whole one"),
        Mistake("> step)", ">= step)", "a margin of exactly a step is not sure"),
        Mistake("> step)", "< step)", "that is the share that is not sure"),
        Mistake("> step)", "<= step)", "that is the share that is not sure"),
        Mistake("> step)", "> 0)", "a margin must be larger than what rounding can do to it"),
        Mistake("ranked[:, -2]", "ranked[:, 0]", "the answer changes to the second best, not to the worst"),
        Mistake("ranked[:, -2]", "logits.mean(axis=1)", "the answer changes to the second best, not to the mean"),
        Mistake("- ranked[:, -2]", "", "it is the margin that matters, not the largest logit alone"),
        Mistake(
            "np.sort(logits, axis=1)",
            "logits",
            "the logits come in the order of the classes: which two are the largest?",
        ),
        Mistake(
            "np.sort(logits, axis=1)", "np.sort(-logits, axis=1)", "the two largest logits count, not the smallest"
        ),
        Mistake(
            "axis=1)\n    return float((ranked[:, -1] - ranked[:, -2] > step)",
            "axis=0)\n    return float((ranked[-1] - ranked[-2 if len(ranked) > 1 else -1] > step)",
            "classes compete within an image, images do not",
        ),
        Mistake(".mean())", ".sum())", "the share is asked for, not the number"),
        Mistake(
            BODY,
            "e = np.exp(logits - logits.max(axis=1, keepdims=True))\n"
            "ranked = np.sort(e / e.sum(axis=1, keepdims=True), axis=1)\n"
            "return float((ranked[:, -1] - ranked[:, -2] > step).mean())",
            "the margin is one of logits, not of probabilities",
        ),
    ],
    boundaries=[
        Boundary(
            lambda logits, step: (np.diff(np.sort(logits, axis=1)[:, -2:]) == step).any(),
            "a margin of exactly a step is not sure",
        ),
        Boundary(
            lambda logits, step: logits.shape[1] > 2, "it is right for two classes only: which two logits matter?"
        ),
        Boundary(lambda logits, step: len(logits) > 1, "it is right for one image only"),
    ],
)
def certain_share(logits: np.ndarray, step: float) -> float:
    """Return the share of images whose answer is sure to stay when each logit may be off by half a step, either way.

    logits: (n, classes). Judge by the margin, the distance of the largest logit from the second; one of exactly a step
    is not sure.
    """
    ranked = np.sort(logits, axis=1)
    return float((ranked[:, -1] - ranked[:, -2] > step).mean())
