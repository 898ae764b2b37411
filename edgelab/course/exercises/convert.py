"""Exercises of notebook 07."""

import numpy as np

from edgelab.course.exercises.engine.check import Mistake, exercise


@exercise(
    cases=lambda rng: [
        (0.0, 1.0),
        (-1.0, 1.0),
        (2.0, 6.0),
        (-6.0, -2.0),
        *(tuple(sorted(rng.normal(size=2) * 10 ** rng.uniform(-2, 2))) for _ in range(20)),
    ],
    hint="Where the data run from 2 to 6, which range must the integers cover, so that 0 is exact?",
    mistakes=[
        Mistake(
            "min(low, 0.0), max(high, 0.0)", "low, high", "the range must contain 0, or Z does not fit into eight bits"
        ),
        Mistake("/ 255", "/ 256", "256 values are 255 steps apart"),
        Mistake("round(low / scale)", "int(low / scale)", "the zero point is rounded, not cut off"),
        Mistake("-128 - round", "-round", "the smallest integer is -128, not 0: that is Z for unsigned bytes"),
        Mistake("-128 - round", "-128 + round", "low itself must land on -128: S (-128 - Z) = low"),
    ],
)
def scale_and_zero_point(low: float, high: float) -> tuple[float, int]:
    """Return (S, Z) of the int8 values that cover low … high. Data may lie on one side of 0 only; low < high."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255
    return scale, int(-128 - round(low / scale))


@exercise(
    cases=lambda rng: [
        (np.array([-128, 127, 0, 1], np.int8), 1 / 255, -128),
        (np.array([-128, 127, 0, 1], np.int8), 0.2, 30),
        *(
            (rng.integers(-128, 128, (4, 5)).astype(np.int8), float(rng.uniform(0.01, 1)), z)
            for z in (-128, -5, 0, 127)
        ),
    ],
    hint="Try q = 127, Z = -128 by hand. Then print (q - zero_point).dtype.",
    bug=("q.astype(np.int32) - zero_point", "q - zero_point"),
    mistakes=[
        Mistake("q.astype(np.int32)", "q.astype(np.uint8).astype(np.int32)", "q is signed: its bytes are not 0 to 255"),
        Mistake("- zero_point", "+ zero_point", "q = Z stands for 0, so Z is taken off"),
        Mistake(
            "(q.astype(np.int32) - zero_point)", "q - zero_point", "Z counts steps, so it is taken off before scaling"
        ),
        Mistake("scale * (", "(", "the steps are counted, but not yet worth anything"),
    ],
)
def restored(q: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Return the real numbers that q stands for. q: int8, any shape."""
    return scale * (q.astype(np.int32) - zero_point)


@exercise(
    cases=lambda rng: [
        (rng.integers(0, 256, (12, 2, 3)).astype(np.uint8), 3),
        (rng.integers(0, 256, (7, 3, 3)).astype(np.uint8), 7),
        (rng.integers(0, 256, (100, 4, 4)).astype(np.uint8), 30),
        (rng.integers(0, 256, (5, 2, 2)).astype(np.uint8), 1),
    ],
    hint="Calibration must see what the device will see. What did training do to the pixels?",
    bug=(".astype(np.float32) / 255", ".astype(np.float32)"),
    mistakes=[
        Mistake("/ 255", "/ 127.5 - 1", "this model was trained on 0 to 1, not on -1 to 1"),
        Mistake(
            "images[:: len(images) // count][:count]",
            "images[:count]",
            "the first images may all be of one kind; take them from the whole data",
        ),
        Mistake(
            "images[:: len(images) // count][:count]",
            "images[:: len(images) // count]",
            "that may be more than `count`",
        ),
        Mistake("image[None, ..., None]", "image[..., None]", "the model takes a batch, of one image"),
        Mistake("image[None, ..., None]", "image[None]", "the model takes a channel axis, of one grey value"),
    ],
)
def calibration_samples(images: np.ndarray, count: int) -> list[list[np.ndarray]]:
    """Return what a converter asks for: for each of `count` images a list of the model's only input.

    images: uint8 (n, height, width), count ≤ n. An input is float32, (1, height, width, 1), scaled as in training.
    """
    chosen = images[:: len(images) // count][:count]
    return [[image[None, ..., None].astype(np.float32) / 255] for image in chosen]


@exercise(
    cases=lambda rng: [
        (np.array([[0.0, 1.0, 3.0], [0.0, 2.0, 2.6], [5.0, 0.0, 0.0], [1.5, 1.0, 0.0]]), 1.0),
        *((rng.normal(size=(50, 10)) * 3, float(step)) for step in (0.1, 0.5, 1.0, 2.0)),
    ],
    hint="Two logits matter. How far can the best fall and the second rise, when each is off by half a step?",
    mistakes=[
        Mistake("> step)", "> step / 2)", "the best can fall by half a step while the second rises by half a step"),
        Mistake("> step)", "> 2 * step)", "a rounded value is off by half a step at most, not by a whole one"),
        Mistake("ranked[:, -2]", "ranked[:, 0]", "the answer changes to the second best, not to the worst"),
        Mistake("axis=1", "axis=0", "classes compete within an image, images do not"),
    ],
)
def certain_share(logits: np.ndarray, step: float) -> float:
    """Return the share of images whose answer is sure to stay when each logit may be off by half a step, either way.

    logits: (n, classes). Judge by the margin; one of exactly a step is not sure.
    """
    ranked = np.sort(logits, axis=1)
    return float((ranked[:, -1] - ranked[:, -2] > step).mean())


@exercise(
    cases=lambda rng: [
        ([(9, 1)], 1),
        ([(45, 5), (25, 5), (80, 10)], 1),
        ([(45, 5), (25, 5), (80, 10)], 4),
        *(
            ([tuple(map(int, rng.integers(1, 500, 2))) for _ in range(int(rng.integers(1, 6)))], b)
            for b in (1, 4, 1, 4)
        ),
    ],
    hint="In int8, what does a channel have besides its weights? Count the bias, and the scale and zero point of both.",
    mistakes=[
        Mistake("12 * channels * 2", "12 * channels", "the bias has scales and zero points of its own"),
        Mistake("12 * channels * 2", "8 * channels * 2", "a zero point is an integer of 64 bits, whatever it holds"),
        Mistake("4 * channels +", "channels +", "a bias has 32 bits in int8 too: it is added to a sum of products"),
        Mistake("return 4 * (weights + channels)", "return 4 * weights", "each channel has a bias as well"),
        Mistake("size == 4", "size == 1", "it is the eight-bit file that has scales"),
    ],
)
def constant_bytes(layers: list[tuple[int, int]], size: int) -> int:
    """Return the bytes of weights, biases, scales and zero points in a file; size: 4 for float32, 1 for int8.

    layers: (number of weights, number of output channels) of each; each channel has a bias. In int8, weights and
    biases have a scale (float32) and a zero point (int64) a channel; the scales of activations are left out.
    """
    weights, channels = (sum(column) for column in zip(*layers, strict=True))
    if size == 4:
        return 4 * (weights + channels)
    return weights + 4 * channels + 12 * channels * 2


@exercise(
    cases=lambda rng: [
        tuple(rng.normal(size=shape) for shape in ((4, 3), (3,), (4,), (4,))),
        tuple(rng.normal(size=shape) for shape in ((3, 3), (3,), (3,), (3,))),
        *(
            tuple(rng.normal(size=shape) for shape in ((m, n), (n,), (m,), (m,)))
            for m, n in rng.integers(1, 9, (10, 2)).tolist()
        ),
    ],
    hint="Write y = (s x + t) w + b, multiply out, and see which row of w each s belongs to.",
    mistakes=[
        Mistake("scale[:, None] * w", "w * scale[:, None].mean()", "each input has a scale of its own"),
        Mistake("b + shift @ w", "b", "the shift goes through the weights into the bias"),
        Mistake("shift @ w", "(shift * scale) @ w", "the shift is added after scaling, so it isn't scaled again"),
        Mistake("b + shift @ w", "b - shift @ w", "the shift is added, not taken off"),
    ],
)
def fold_into_next(w: np.ndarray, b: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return weights and bias of the one dense layer that equals scale * x + shift and then x @ w + b.

    w: (inputs, outputs), b: (outputs,), scale and shift: (inputs,).
    """
    return scale[:, None] * w, b + shift @ w


@exercise(
    cases=lambda rng: [
        tuple(rng.normal(size=shape) for shape in ((n, steps, 3), (3, 4), (4, 4)))
        for n, steps in ((1, 1), (1, 5), (2, 5), (6, 4), (3, 1))
    ],
    hint="The first image is right. Give it twice: what differs the second time?",
    bug=(
        """    found = []
    for image in images:
        h = np.zeros(len(u))
""",
        """    found, h = [], np.zeros(len(u))
    for image in images:
""",
    ),
    mistakes=[
        Mistake("        for row in image:", "        for row in image[::-1]:", "the rows are read from top to bottom"),
        Mistake("h = np.zeros(len(u))", "h = np.ones(len(u))", "a state begins at zero"),
        Mistake(
            "        h = np.zeros(len(u))\n        for row in image:\n",
            "        for row in image:\n            h = np.zeros(len(u))\n",
            "within an image the state must be kept from row to row",
        ),
    ],
)
def last_states(images: np.ndarray, w: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return the state after the last row of each image, (n, units), of a recurrent layer h = tanh(row w + h u).

    images: (n, rows, columns), w: (columns, units), u: (units, units).
    """
    found = []
    for image in images:
        h = np.zeros(len(u))
        for row in image:
            h = np.tanh(row @ w + h @ u)
        found.append(h)
    return np.array(found)
