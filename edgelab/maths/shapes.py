"""Checks of arguments for `conv` and `pool`: images, kernels, biases and upstream gradients of matching shapes."""

import numpy as np


def as_images(x: np.ndarray) -> np.ndarray:
    """Return a batch of images as floats: floats keep their type, uint8 and other small integers become float32.

    x: (n, height, width, channels). Raises ValueError for another number of axes, and where an axis is empty.

    >>> as_images(np.zeros((1, 28, 28, 1), np.uint8)).dtype.name
    'float32'
    """
    x = np.asarray(x)
    if x.ndim != 4:
        raise ValueError(f"x has shape {x.shape}; expected images (n, height, width, channels). One image: x[None]")
    if x.size == 0:
        axis = x.shape.index(0)
        raise ValueError(f"x has shape {x.shape}: axis {axis} of (n, height, width, channels) is empty; expected >= 1")
    return x.astype(np.result_type(x, np.float32), copy=False)


def operands(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return images and kernels as floats of one dtype, after checking that their channels match.

    x: (n, height, width, channels). w: (height, width, channels, outputs), or (…, multiplier) for a depthwise layer.
    Raises ValueError naming both shapes and the axis that differs.

    >>> [a.dtype.name for a in operands(np.zeros((1, 8, 8, 3), np.uint8), np.zeros((3, 3, 3, 4)))]
    ['float64', 'float64']
    """
    x, w = as_images(x), np.asarray(w)
    if w.ndim != 4 or 0 in w.shape:
        raise ValueError(f"w has shape {w.shape}; expected kernels (height, width, channels, outputs), each at least 1")
    if x.shape[3] != w.shape[2]:
        raise ValueError(
            f"x of shape {x.shape} has {x.shape[3]} channels (axis 3), w of shape {w.shape} has {w.shape[2]} (axis 2); "
            "expected the same number. Kernels are (height, width, channels, outputs)"
        )
    dtype = np.result_type(x, w)
    return x.astype(dtype, copy=False), w.astype(dtype, copy=False)


def plus_bias(y: np.ndarray, b: np.ndarray | None) -> np.ndarray:
    """Return y plus one bias for each channel, or y itself where b is None.

    y: (…, channels). b: (channels,) or None. Raises ValueError naming both shapes where they do not match.

    >>> plus_bias(np.zeros((1, 1, 1, 2)), np.array([1, 2])).tolist()
    [[[[1.0, 2.0]]]]
    """
    if b is None:
        return y
    if np.shape(b) != y.shape[-1:]:
        raise ValueError(
            f"b has shape {np.shape(b)}; expected {y.shape[-1:]}, one bias for each channel of the output {y.shape}"
        )
    return y + np.asarray(b)


def upstream(dy: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the upstream gradient dy as an array, after checking that it has the shape of the output.

    dy: the gradient of the loss with respect to the layer's output. shape: that of the output. Raises ValueError naming
    both shapes.

    >>> upstream([[1.0, 2.0]], (1, 2)).shape
    (1, 2)
    """
    dy = np.asarray(dy)
    if dy.shape != tuple(shape):
        raise ValueError(
            f"dy has shape {dy.shape}, the layer's output {tuple(shape)}; expected the same. "
            "Stride, padding and dilation must be those of the forward pass"
        )
    return dy
