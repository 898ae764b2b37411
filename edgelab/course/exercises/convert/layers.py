"""Exercises of notebook 07: layers in a file, and layers that run."""

import numpy as np

from edgelab.course.exercises._cases import convert as cases
from edgelab.course.exercises.engine.check import BODY, Boundary, Mistake, exercise

INT8 = "weights + 4 * channels + 12 * channels * 2"


@exercise(
    cases=cases.constant_bytes,
    hint="In int8, what does a channel have besides its weights? Count the bias, and the scale and zero point of both.",
    mistakes=[
        Mistake("12 * channels * 2", "12 * channels", "the bias has scales and zero points of its own"),
        Mistake("12 * channels * 2", "8 * channels * 2", "a zero point is an integer of 64 bits, whatever it holds"),
        Mistake("12 * channels * 2", "5 * channels * 2", "a zero point is an integer of 64 bits, whatever it holds"),
        Mistake("12 * channels * 2", "4 * channels * 2", "each scale has a zero point beside it"),
        Mistake("12 * channels * 2", "16 * channels * 2", "a scale is a float32: it has four bytes"),
        Mistake(" + 12 * channels * 2", "", "the scales and zero points are missing"),
        Mistake(
            "12 * channels * 2", "12 * 2 * len(layers)", "each channel has a scale and a zero point, not each layer"
        ),
        Mistake("12 * channels * 2", "12 * (weights + channels)", "each channel has a scale, not each weight"),
        Mistake("4 * channels +", "channels +", "a bias has 32 bits in int8 too: it is added to a sum of products"),
        Mistake("4 * channels + 12", "12", "each channel has a bias as well"),
        Mistake("weights + 4 * channels", "4 * weights + 4 * channels", "in int8 a weight has one byte"),
        Mistake("return 4 * (weights + channels)", "return 4 * weights", "each channel has a bias as well"),
        Mistake("return 4 * (weights + channels)", "return weights + channels", "a float32 has four bytes"),
        Mistake(
            "return 4 * (weights + channels)",
            "return 4 * (weights + channels) + 24 * channels",
            "a float32 file has no scales and zero points",
        ),
        Mistake("size == 4", "size == 1", "it is the eight-bit file that has scales"),
        Mistake(
            BODY, "return sum(size * (weights + channels) for weights, channels in layers)", "int8 needs scales, too"
        ),
    ],
    boundaries=[
        Boundary(lambda layers, size: size == 4, "float32 is wrong: weights and biases, nothing else"),
        Boundary(lambda layers, size: len(layers) > 1, "it is right for one layer only"),
    ],
)
def constant_bytes(layers: list[tuple[int, int]], size: int) -> int:
    """Return the bytes of weights, biases, scales and zero points in a file; size: 4 for float32, 1 for int8.

    layers: (number of weights, number of output channels) of each; each channel has a bias. In float32 there are no
    scales. In int8, weights have one byte and biases four (int32); both have a scale (float32) and a zero point (int64)
    a channel; the scales of activations are left out.
    """
    weights, channels = (sum(column) for column in zip(*layers, strict=True))
    if size == 4:
        return 4 * (weights + channels)
    return weights + 4 * channels + 12 * channels * 2


@exercise(
    cases=cases.fold_into_next,
    hint="Write y = (s x + t) w + b, multiply out, and see which row of w each s belongs to.",
    mistakes=[
        Mistake("scale[:, None] * w", "w * scale[:, None].mean()", "each input has a scale of its own"),
        Mistake(
            "scale[:, None] * w",
            "np.resize(scale, w.shape[1]) * w",
            "the scale belongs to the inputs, the rows of w, not to its columns",
        ),
        Mistake("scale[:, None] * w", "w / scale[:, None]", "the scale is multiplied, not divided out"),
        Mistake("scale[:, None] * w", "w", "the scale is missing in the weights"),
        Mistake("scale[:, None] * w", "scale[:, None] * w + shift[:, None]", "the shift goes into the bias alone"),
        Mistake("b + shift @ w", "b", "the shift goes through the weights into the bias"),
        Mistake("b + shift @ w", "shift @ w", "the layer's own bias stays"),
        Mistake("b + shift @ w", "b + shift.sum()", "the shift goes through the weights into the bias"),
        Mistake("shift @ w", "(shift * scale) @ w", "the shift is added after scaling, so it isn't scaled again"),
        Mistake("b + shift @ w", "b - shift @ w", "the shift is added, not subtracted"),
        Mistake("b + shift @ w", "b * scale.mean() + shift @ w", "the bias comes after the scale: it is not scaled"),
        Mistake("b + shift @ w", "b + (shift @ w) / scale.mean()", "the shift is added after scaling"),
    ],
    boundaries=[
        Boundary(lambda w, b, scale, shift: w.shape[0] != w.shape[1], "it is right only for as many inputs as outputs"),
        Boundary(lambda w, b, scale, shift: len(scale) > 1, "it is right for one input only"),
    ],
)
def fold_into_next(w: np.ndarray, b: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return weights and bias of the one dense layer that equals scale * x + shift and then x @ w + b.

    w: (inputs, outputs), b: (outputs,), scale and shift: (inputs,).
    """
    return scale[:, None] * w, b + shift @ w


@exercise(
    cases=cases.last_states,
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
            "each row must take in the state that the rows before it have left",
        ),
        Mistake("h @ u)", "u @ h)", "a state is a row: h u, not u h"),
        Mistake(" + h @ u", "", "each row must take in the state that the rows before it have left"),
        Mistake("np.tanh(row @ w + h @ u)", "row @ w + h @ u", "the sum must go through tanh"),
        Mistake("np.tanh(row @ w + h @ u)", "1 / (1 + np.exp(-(row @ w + h @ u)))", "tanh is asked for, not σ"),
        Mistake(
            "            h = np.tanh(row @ w + h @ u)\n        found.append(h)",
            "            h = np.tanh(row @ w + h @ u)\n            found.append(h)",
            "the state after the last row is asked for, not that after each row",
        ),
        Mistake("np.array(found)", "np.array(found)[-1]", "the state of each image is asked for, not that of the last"),
        Mistake("found.append(h)", "found.append(h.sum())", "the state of an image has a number for each unit"),
        Mistake(
            BODY,
            "h = np.zeros((len(images), len(u)))\n"
            "for row in images.swapaxes(0, 1)[:1]:\n"
            "    h = np.tanh(row @ w + h @ u)\n"
            "return h",
            "all rows are read, not the first one alone",
        ),
        Mistake(
            BODY,
            "return np.tanh(images[:, -1] @ w)",
            "each row must take in the state that the rows before it have left",
        ),
        Mistake(
            BODY,
            "h = np.zeros((len(images), len(u)))\n"
            "for row in images.swapaxes(0, 1):\n"
            "    h = h + np.tanh(row @ w + h @ u)\n"
            "return h",
            "the state is replaced at each row, not added to",
        ),
    ],
    boundaries=[
        Boundary(
            lambda images, w, u: len(images) > 1, "it is right for one image alone: the next one must begin at zero"
        ),
        Boundary(lambda images, w, u: images.shape[1] > 1, "it is right for one row alone"),
    ],
)
def last_states(images: np.ndarray, w: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return the state after the last row of each image, (n, units), of a recurrent layer h = tanh(row w + h u).

    Each image starts from h = 0. images: (n, rows, columns), w: (columns, units), u: (units, units).
    """
    found = []
    for image in images:
        h = np.zeros(len(u))
        for row in image:
            h = np.tanh(row @ w + h @ u)
        found.append(h)
    return np.array(found)
