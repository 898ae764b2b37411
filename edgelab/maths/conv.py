"""Convolutions as Keras computes them, forward and backward. Images are NHWC, kernels HWIO."""

import numpy as np

from edgelab.maths.pool import avg_pool2d, avg_pool2d_grad, max_pool2d, max_pool2d_grad
from edgelab.maths.shapes import operands, plus_bias, upstream
from edgelab.maths.windows import add_windows, margins, output_size, pair, receptive_field, windows

__all__ = [
    "avg_pool2d",
    "avg_pool2d_grad",
    "conv2d",
    "conv2d_grad",
    "conv2d_loops",
    "conv2d_macs",
    "depthwise_conv2d",
    "depthwise_conv2d_grad",
    "max_pool2d",
    "max_pool2d_grad",
    "output_size",
    "pointwise_conv2d",
    "pointwise_conv2d_grad",
    "receptive_field",
    "true_conv2d",
]


def conv2d_loops(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    stride: int | tuple[int, int] = 1,
    padding: str = "valid",
    dilation: int | tuple[int, int] = 1,
) -> np.ndarray:
    """Cross-correlate images with kernels by the definition, one product at a time: for reading, far too slow for use.

    Arguments, result and errors: as for `conv2d`.

    >>> conv2d_loops(np.arange(9).reshape(1, 3, 3, 1), np.ones((2, 2, 1, 1)))[0, :, :, 0].tolist()
    [[8.0, 12.0], [20.0, 24.0]]
    """
    x, w = operands(x, w)
    (sh, sw), (dh, dw) = pair(stride, "stride"), pair(dilation, "dilation")
    height, width = x.shape[1:3]
    top, left = (margins(x.shape[1 + a], w.shape[a], (sh, sw)[a], padding, (dh, dw)[a])[0] for a in (0, 1))
    rows = output_size(height, w.shape[0], sh, padding, dh)
    columns = output_size(width, w.shape[1], sw, padding, dw)
    y = np.zeros((len(x), rows, columns, w.shape[3]), x.dtype)
    for n, p, q, o in np.ndindex(y.shape):
        for i, j, c in np.ndindex(w.shape[:3]):
            row, column = p * sh + i * dh - top, q * sw + j * dw - left
            if 0 <= row < height and 0 <= column < width:
                y[n, p, q, o] += x[n, row, column, c] * w[i, j, c, o]
    return plus_bias(y, b)


def conv2d(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    stride: int | tuple[int, int] = 1,
    padding: str = "valid",
    dilation: int | tuple[int, int] = 1,
) -> np.ndarray:
    """Cross-correlate images with kernels: at each place, the sum of weights times the pixels under them, plus a bias.

    x: (n, height, width, in). w: (height, width, in, out). b: (out,) or None. stride, dilation: an integer, or a pair
    (vertical, horizontal). padding: "valid" or "same", as in Keras. Returns (n, rows, columns, out): float64 where x or
    w is, else float32. Raises ValueError naming the shapes that do not match.
    Goodfellow, Bengio and Courville 2016, Deep Learning, equation 9.6.

    >>> conv2d(np.arange(9).reshape(1, 3, 3, 1), np.ones((2, 2, 1, 1)))[0, :, :, 0].tolist()
    [[8.0, 12.0], [20.0, 24.0]]
    """
    x, w = operands(x, w)
    view = windows(x, w.shape[:2], stride, padding, dilation)
    places, outputs = view.shape[:3], w.shape[3]
    seen = view.reshape(np.prod(places), w.size // outputs)  # one row for each place: the pixels under the kernel
    return plus_bias((seen @ w.reshape(-1, outputs)).reshape(*places, outputs), b)


def conv2d_grad(
    dy: np.ndarray,
    x: np.ndarray,
    w: np.ndarray,
    stride: int | tuple[int, int] = 1,
    padding: str = "valid",
    dilation: int | tuple[int, int] = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (dx, dw, db) of `conv2d`, given dy, the gradient of the loss with respect to its output.

    dy: (n, rows, columns, out). x, w, stride, padding, dilation: as in the forward pass. dw sums x times dy over all
    places; dx sums, for each pixel, w times dy over the places that cover it; db sums dy. Raises ValueError as `conv2d`
    does, and where dy does not have the shape of the output. Dumoulin and Visin 2016, section 4.

    >>> [d.shape for d in conv2d_grad(np.ones((1, 2, 2, 5)), np.ones((1, 4, 4, 3)), np.ones((3, 3, 3, 5)))]
    [(1, 4, 4, 3), (3, 3, 3, 5), (5,)]
    """
    x, w = operands(x, w)
    view = windows(x, w.shape[:2], stride, padding, dilation)
    places, outputs = view.shape[:3], w.shape[3]
    dy = upstream(dy, (*places, outputs)).reshape(np.prod(places), outputs)
    seen = view.reshape(np.prod(places), w.size // outputs)
    dwindows = (dy @ w.reshape(-1, outputs).T).reshape(view.shape)
    return add_windows(dwindows, x.shape, stride, padding, dilation), (seen.T @ dy).reshape(w.shape), dy.sum(axis=0)


def true_conv2d(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    stride: int | tuple[int, int] = 1,
    padding: str = "valid",
    dilation: int | tuple[int, int] = 1,
) -> np.ndarray:
    """Convolve in the strict sense: flip the kernel in both directions, then cross-correlate.

    Arguments, result and errors: as for `conv2d`. The layers of frameworks do not flip: training would learn the kernel
    flipped, with the same outputs. Goodfellow, Bengio and Courville 2016, Deep Learning, equation 9.5.

    >>> x, w = np.arange(1, 10).reshape(1, 3, 3, 1), np.array([[1, 0, -1], [0, 1, 0], [1, 0, -1]]).reshape(3, 3, 1, 1)
    >>> conv2d(x, w).item(), true_conv2d(x, w).item()
    (1.0, 9.0)
    """
    return conv2d(x, np.asarray(w)[::-1, ::-1], b, stride, padding, dilation)


def depthwise_conv2d(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    stride: int | tuple[int, int] = 1,
    padding: str = "valid",
    dilation: int | tuple[int, int] = 1,
) -> np.ndarray:
    """Cross-correlate each channel with kernels of its own: channels do not mix.

    x: (n, height, width, channels). w: (height, width, channels, multiplier). b: (channels × multiplier,) or None.
    multiplier: the number of kernels for each channel. Returns (n, rows, columns, channels × multiplier); output
    c × multiplier + m is made from channel c. Everything else as for `conv2d`.
    Howard et al. 2017, MobileNets, equation 3; Keras' DepthwiseConv2D.

    >>> depthwise_conv2d(np.ones((1, 3, 3, 2)), np.ones((2, 2, 2, 1))).shape
    (1, 2, 2, 2)
    """
    x, w = operands(x, w)
    view = windows(x, w.shape[:2], stride, padding, dilation)
    y = np.zeros((*view.shape[:3], *w.shape[2:]), x.dtype)
    for i, j in np.ndindex(*w.shape[:2]):
        y += view[:, :, :, i, j, :, None] * w[i, j]
    return plus_bias(y.reshape(*view.shape[:3], w.shape[2] * w.shape[3]), b)


def depthwise_conv2d_grad(
    dy: np.ndarray,
    x: np.ndarray,
    w: np.ndarray,
    stride: int | tuple[int, int] = 1,
    padding: str = "valid",
    dilation: int | tuple[int, int] = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (dx, dw, db) of `depthwise_conv2d`, given dy, the gradient of the loss with respect to its output.

    dy: (n, rows, columns, channels × multiplier). Arguments as in the forward pass, errors as for `conv2d_grad`.

    >>> [d.shape for d in depthwise_conv2d_grad(np.ones((1, 2, 2, 3)), np.ones((1, 4, 4, 3)), np.ones((3, 3, 3, 1)))]
    [(1, 4, 4, 3), (3, 3, 3, 1), (3,)]
    """
    x, w = operands(x, w)
    view = windows(x, w.shape[:2], stride, padding, dilation)
    dy = upstream(dy, (*view.shape[:3], w.shape[2] * w.shape[3]))
    split = dy.reshape(*view.shape[:3], *w.shape[2:])
    dw, dwindows = np.zeros(w.shape, x.dtype), np.zeros(view.shape, x.dtype)
    for i, j in np.ndindex(*w.shape[:2]):
        dw[i, j] = (view[:, :, :, i, j, :, None] * split).sum(axis=(0, 1, 2))
        dwindows[:, :, :, i, j] = (w[i, j] * split).sum(axis=-1)
    return add_windows(dwindows, x.shape, stride, padding, dilation), dw, dy.sum(axis=(0, 1, 2))


def pointwise_conv2d(x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
    """Mix the channels of each pixel with a kernel of 1×1: the same dense layer at every pixel.

    x: (n, height, width, in). w: (1, 1, in, out). b: (out,) or None. Returns (n, height, width, out).
    Raises ValueError as `conv2d` does, and for a kernel larger than 1×1. Lin, Chen and Yan 2014, Network in network.

    >>> pointwise_conv2d(np.ones((1, 2, 2, 3)), np.ones((1, 1, 3, 5))).shape
    (1, 2, 2, 5)
    """
    x, w = operands(x, w)
    if w.shape[:2] != (1, 1):
        raise ValueError(f"w has shape {w.shape}; expected (1, 1, channels, outputs). For a larger kernel use conv2d")
    return plus_bias(x @ w[0, 0], b)


def pointwise_conv2d_grad(dy: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (dx, dw, db) of `pointwise_conv2d`: the gradients of a dense layer, with dw and db summed over all pixels.

    dy: (n, height, width, out). x, w: as in the forward pass. Raises ValueError as `conv2d_grad` does.

    >>> [d.shape for d in pointwise_conv2d_grad(np.ones((1, 2, 2, 5)), np.ones((1, 2, 2, 3)), np.ones((1, 1, 3, 5)))]
    [(1, 2, 2, 3), (1, 1, 3, 5), (5,)]
    """
    x, w = operands(x, w)
    if w.shape[:2] != (1, 1):
        raise ValueError(
            f"w has shape {w.shape}; expected (1, 1, channels, outputs). For a larger kernel use conv2d_grad"
        )
    dy = upstream(dy, (*x.shape[:3], w.shape[3]))
    dw = np.tensordot(x, dy, axes=((0, 1, 2), (0, 1, 2)))
    return dy @ w[0, 0].T, dw[None, None], dy.sum(axis=(0, 1, 2))


def conv2d_macs(
    image: tuple[int, int],
    kernel: tuple[int, int, int, int],
    stride: int | tuple[int, int] = 1,
    padding: str = "valid",
    dilation: int | tuple[int, int] = 1,
) -> int:
    """Count the multiply-accumulates of a convolution on one image: each weight is used once at each place.

    image: (height, width). kernel: the shape of w, (height, width, in, out), or (height, width, channels, multiplier)
    for a depthwise layer. Products with the zeros of the padding count, since frameworks compute them; biases do not.
    Raises ValueError as `output_size` does.

    >>> conv2d_macs((28, 28), (3, 3, 1, 16))
    97344
    """
    stride, dilation = pair(stride, "stride"), pair(dilation, "dilation")
    places = [output_size(image[a], kernel[a], stride[a], padding, dilation[a]) for a in (0, 1)]
    return int(np.prod([*places, *kernel], dtype=np.int64))
