"""The sums of products.py in floats throughout: one matrix product, the zero point and the bias folded in.

The readable functions of products.py say what is computed; those here are compared with them in the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from edgelab.maths.windows import margins, windows

# Values of an output computed at a time: their float64 stay in a core's own cache.
BLOCK = 65_536


class Window(NamedTuple):
    """How a kernel slides: stride, padding and dilation of a convolution.

    >>> Window().stride
    (1, 1)
    """

    stride: tuple[int, int] = (1, 1)
    padding: str = "valid"
    dilation: tuple[int, int] = (1, 1)


def raw_conv2d(x: np.ndarray, w: np.ndarray, zero_point: int, window: Window) -> np.ndarray:
    """Sum x * w over every window, x not less its zero point: float (n, rows, columns, outputs), whole numbers.

    x: int8 (n, height, width, channels). w: float32 or float64 (outputs, height, width, channels / groups), of the type
    that `exact_float` names. Pixels outside the image are the zero point.

    >>> raw_conv2d(np.full((1, 2, 2, 1), 5, np.int8), np.ones((1, 2, 2, 1), np.float32), 4, Window()).ravel().tolist()
    [20.0]
    """
    outputs, height, width, depth = w.shape
    groups, left = divmod(x.shape[3], depth)
    if left or not groups or outputs % groups:
        raise ValueError(f"{outputs} kernels of {depth} channels, x has {x.shape[3]}; expected whole groups of both")
    image = x.astype(w.dtype)
    if w.shape[1:3] == window.stride == (1, 1) and depth == x.shape[3]:
        return (image.reshape(-1, depth) @ w.reshape(outputs, -1).T).reshape(*x.shape[:3], outputs)
    seen = windows(image, (height, width), *window, fill=zero_point)
    place = seen.shape[:3]
    if depth < 4 and groups == 1:  # NumPy copies long rows fast: of few channels, one value of all windows at a time
        patches = seen.transpose(3, 4, 5, 0, 1, 2).reshape(w[0].size, -1).T
        return (patches @ w.reshape(outputs, -1).T).reshape(*place, outputs)
    each, sums = outputs // groups, np.empty((*place, outputs), w.dtype)
    for g in range(groups):
        patches = seen[..., g * depth : (g + 1) * depth].reshape(-1, w[0].size)
        kernels = w[g * each : (g + 1) * each].reshape(each, -1)
        sums[..., g * each : (g + 1) * each] = (patches @ kernels.T).reshape(*place, each)
    return sums


def raw_depthwise(x: np.ndarray, w: np.ndarray, zero_point: int, window: Window) -> np.ndarray:
    """Sum x * w over every window of each channel, x not less its zero point; types as for `raw_conv2d`.

    x: int8 (n, height, width, channels). w: float (1, height, width, channels * multiplier).

    >>> w = np.ones((1, 1, 1, 4), np.float32)
    >>> raw_depthwise(np.array([[[[1, 2]]]], np.int8), w, 0, Window()).ravel().tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    _, height, width, outputs = w.shape
    if outputs % x.shape[3]:
        raise ValueError(f"{outputs} kernels for {x.shape[3]} channels; expected a multiple of {x.shape[3]}")
    (down, across), (lower, right) = window.stride, window.dilation
    sides = [
        margins(x.shape[1 + a], w.shape[1 + a], window.stride[a], window.padding, window.dilation[a]) for a in (0, 1)
    ]
    image = x.astype(w.dtype)
    if outputs != x.shape[3]:
        image = np.repeat(image, outputs // x.shape[3], axis=3)
    if np.any(sides):
        image = np.pad(image, ((0, 0), *sides, (0, 0)), constant_values=zero_point)
    rows = (image.shape[1] - (height - 1) * lower - 1) // down + 1
    columns = (image.shape[2] - (width - 1) * right - 1) // across + 1
    # Columns that a stride visits together, side by side: then a row is one stretch of memory, and NumPy loops over it.
    phases = [np.ascontiguousarray(image[:, :, i::across]) for i in range(min(across, image.shape[2]))]
    sums, product = np.empty((2, len(x), rows, columns * outputs), w.dtype)
    for i, j in np.ndindex(height, width):
        skipped, phase = divmod(j * right, across)
        top = i * lower
        seen = phases[phase][:, top : top + (rows - 1) * down + 1 : down, skipped : skipped + columns]
        first = (i, j) == (0, 0)
        np.multiply(seen.reshape(sums.shape), np.tile(w[0, i, j], columns), out=sums if first else product)
        if not first:
            sums += product
    return sums.reshape(len(x), rows, columns, outputs)


def in_blocks(run: Callable[[np.ndarray], np.ndarray], values: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that takes a few images at a time, so that what it computes on the way stays in the cache.

    run: from (n, …) to (n, …), each image on its own. values: how many it computes for an image.

    >>> in_blocks(np.negative, BLOCK)(np.array([[1], [2]])).tolist()
    [[-1], [-2]]
    """
    size = max(1, BLOCK // max(1, values))

    def step(x: np.ndarray) -> np.ndarray:
        if len(x) <= size:
            return run(x)
        return np.concatenate([run(x[i : i + size]) for i in range(0, len(x), size)])

    return step
