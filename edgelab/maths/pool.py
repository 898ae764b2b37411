"""Pooling as Keras computes it, forward and backward: the largest value, or the mean, of each window."""

import numpy as np

from edgelab.maths.shapes import as_images, upstream
from edgelab.maths.windows import add_windows, windows


def max_pool2d(
    x: np.ndarray, size: int | tuple[int, int], stride: int | tuple[int, int] | None = None, padding: str = "valid"
) -> np.ndarray:
    """Take the largest value of each window, channel by channel.

    x: (n, height, width, channels). stride: None means `size`, so that windows do not overlap. With padding "same" the
    padding counts as minus infinity. Returns (n, rows, columns, channels), float for integers too.
    Raises ValueError as `edgelab.maths.windows.output_size` does. Keras' MaxPooling2D.

    >>> max_pool2d(np.arange(16).reshape(1, 4, 4, 1), 2)[0, :, :, 0].tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """
    return windows(as_images(x), size, size if stride is None else stride, padding, fill=-np.inf).max(axis=(3, 4))


def max_pool2d_grad(
    dy: np.ndarray,
    x: np.ndarray,
    size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: str = "valid",
) -> np.ndarray:
    """Return dx of `max_pool2d`: the dy of a window goes to its largest pixel.

    dy: (n, rows, columns, channels). x and the others: as in the forward pass. Where several pixels are the largest,
    the first one, row by row, gets all of dy, as in TensorFlow. Returns an array of the shape of x.

    >>> max_pool2d_grad(np.ones((1, 1, 1, 1)), np.ones((1, 2, 2, 1)), 2)[0, :, :, 0].tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    x, stride = as_images(x), size if stride is None else stride
    view = windows(x, size, stride, padding, fill=-np.inf)
    n, rows, columns, height, width, channels = view.shape
    dy = upstream(dy, (n, rows, columns, channels))
    seen = view.reshape(n, rows, columns, height * width, channels)
    dwindows = np.zeros(seen.shape, np.result_type(dy, x))
    np.put_along_axis(dwindows, seen.argmax(axis=3)[:, :, :, None], dy[:, :, :, None], axis=3)
    return add_windows(dwindows.reshape(view.shape), x.shape, stride, padding)


def avg_pool2d(
    x: np.ndarray, size: int | tuple[int, int], stride: int | tuple[int, int] | None = None, padding: str = "valid"
) -> np.ndarray:
    """Take the mean of each window, channel by channel, over the pixels that lie inside the image.

    x, size, stride, padding, result and errors: as for `max_pool2d`. With padding "same" a window at the border is
    divided by the number of its pixels in the image, not by its size. Keras' AveragePooling2D.

    >>> avg_pool2d(np.ones((1, 3, 3, 1)), 2, padding="same")[0, :, :, 0].tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    x, stride = as_images(x), size if stride is None else stride
    inside = windows(np.ones((1, *x.shape[1:3], 1), x.dtype), size, stride, padding).sum(axis=(3, 4))
    return windows(x, size, stride, padding).sum(axis=(3, 4)) / inside


def avg_pool2d_grad(
    dy: np.ndarray,
    x: np.ndarray,
    size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: str = "valid",
) -> np.ndarray:
    """Return dx of `avg_pool2d`: the dy of a window is divided equally among its pixels.

    dy: (n, rows, columns, channels). x (only its shape is used) and the others: as in the forward pass.

    >>> avg_pool2d_grad(np.ones((1, 1, 1, 1)), np.zeros((1, 2, 2, 1)), 2)[0, :, :, 0].tolist()
    [[0.25, 0.25], [0.25, 0.25]]
    """
    x, stride = as_images(x), size if stride is None else stride
    view = windows(np.ones((1, *x.shape[1:3], 1), x.dtype), size, stride, padding)
    dy = upstream(dy, (len(x), *view.shape[1:3], x.shape[3]))
    share = (dy / view.sum(axis=(3, 4)))[:, :, :, None, None]
    return add_windows(np.broadcast_to(share, (*dy.shape[:3], *view.shape[3:5], x.shape[3])), x.shape, stride, padding)
