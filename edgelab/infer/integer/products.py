"""The operators of an integer network, one small function each: int8 in, 32-bit sums or int8 out.

Images are NHWC, weights lie as in a .tflite. Arithmetic is exact; the rounding is the business of
`edgelab.infer.integer`, and what belongs to one runtime alone of `edgelab.infer.integer`.
"""

from __future__ import annotations

import numpy as np

from edgelab.maths.windows import windows


def exact_float(w: np.ndarray) -> type:
    """Return the float type in which sums of (x - zero point) * w have no rounding error at all.

    w: integers (outputs, …). All products and all partial sums are integers, and a float holds each integer up to 2^24
    (float32) or 2^53 (float64) exactly. So a matrix product in floating point, which is many times faster in NumPy than
    one of integers, gives the same sums, in whatever order it adds. |x - zero point| is at most 255.
    Raises ValueError where a sum may leave the 32 bits of an accumulator.

    >>> exact_float(np.full((8, 3, 3, 16), -127)).__name__, exact_float(np.full((8, 3, 3, 64), -127)).__name__
    ('float32', 'float64')
    """
    largest = 255 * int(np.abs(w.astype(np.int64)).reshape(len(w), -1).sum(axis=1).max(initial=0))
    if largest >= 2**31:
        raise ValueError(f"sums of products may reach {largest:,}; an accumulator of 32 bits ends at 2^31")
    return np.float32 if largest < 2**24 else np.float64


def conv2d_sums(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | int,
    zero_point: int,
    stride: tuple[int, int] = (1, 1),
    padding: str = "valid",
    dilation: tuple[int, int] = (1, 1),
) -> np.ndarray:
    """Sum (x - zero point) * w + b over every window: the accumulators of a convolution.

    x: int8 (n, height, width, channels). w: int8 (outputs, height, width, channels / groups): output k belongs to group
    k * groups // outputs. b: int32 (outputs,) or 0. Pixels outside the image are real zeros: x = zero point.
    Returns int32 (n, rows, columns, outputs). Source: Jacob et al. 2018, eq. 7 to 9, without their rearrangement.

    >>> conv2d_sums(np.full((1, 3, 3, 1), 5, np.int8), np.ones((1, 2, 2, 1), np.int8), 7, zero_point=4).ravel().tolist()
    [11, 11, 11, 11]
    """
    outputs, *size, depth = w.shape
    kind, (groups, left) = exact_float(w), divmod(x.shape[3], depth)
    if left or not groups or outputs % groups:
        raise ValueError(f"{outputs} kernels of {depth} channels, x has {x.shape[3]}; expected whole groups of both")
    seen = windows(x.astype(kind) - kind(zero_point), tuple(size), stride, padding, dilation)
    acc = np.empty((*seen.shape[:3], outputs), np.int32)
    each = outputs // groups
    for g in range(groups):
        patches = seen[..., g * depth : (g + 1) * depth].reshape(-1, w[0].size)
        kernels = w[g * each : (g + 1) * each].reshape(each, -1).astype(kind)
        acc[..., g * each : (g + 1) * each] = (patches @ kernels.T).reshape(*seen.shape[:3], each)
    return acc + np.asarray(b, np.int32)


def depthwise_sums(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | int,
    zero_point: int,
    stride: tuple[int, int] = (1, 1),
    padding: str = "valid",
    dilation: tuple[int, int] = (1, 1),
) -> np.ndarray:
    """Sum (x - zero point) * w + b over every window, each channel with kernels of its own.

    x: int8 (n, height, width, channels). w: int8 (1, height, width, channels * multiplier): output k sees channel
    k // multiplier. b: int32 (outputs,) or 0. Returns int32 (n, rows, columns, outputs).

    >>> x = np.array([[[[1, 2]]]], np.int8)
    >>> depthwise_sums(x, np.array([[[[1, 10, 1, 10]]]], np.int8), 0, zero_point=0).ravel().tolist()
    [1, 10, 2, 20]
    """
    if w.shape[3] % x.shape[3]:
        raise ValueError(f"{w.shape[3]} kernels for {x.shape[3]} channels; expected a multiple of them")
    repeated = np.repeat(x.astype(np.int32) - np.int32(zero_point), w.shape[3] // x.shape[3], axis=3)
    seen = windows(repeated, w.shape[1:3], stride, padding, dilation)
    acc = np.zeros((*seen.shape[:3], w.shape[3]), np.int32) + np.asarray(b, np.int32)
    for i, j in np.ndindex(*w.shape[1:3]):
        acc += seen[:, :, :, i, j] * w[0, i, j].astype(np.int32)
    return acc


def dense_sums(x: np.ndarray, w: np.ndarray, b: np.ndarray | int, zero_point: int) -> np.ndarray:
    """Sum (x - zero point) * w + b over the inputs: the accumulators of a fully connected layer.

    x: int8 (…, inputs). w: int8 (outputs, inputs). b: int32 (outputs,) or 0. Returns int32 (…, outputs).

    >>> dense_sums(np.array([[1, 2]], np.int8), np.array([[3, 4], [5, 6]], np.int8), np.array([100, 0]), -1).tolist()
    [[118, 28]]
    """
    kind = exact_float(w)
    acc = (x.astype(kind) - kind(zero_point)) @ w.T.astype(kind)
    return acc.astype(np.int32) + np.asarray(b, np.int32)


def max_pool(x: np.ndarray, size: tuple[int, int], stride: tuple[int, int], padding: str = "valid") -> np.ndarray:
    """Return the largest value of each window; what lies outside the image never wins.

    x: int8 (n, height, width, channels). Returns int8 (n, rows, columns, channels).

    >>> max_pool(np.arange(9, dtype=np.int8).reshape(1, 3, 3, 1), (2, 2), (1, 1)).ravel().tolist()
    [4, 5, 7, 8]
    """
    seen = windows(x, size, stride, padding, fill=-128)
    y = seen[:, :, :, 0, 0].copy()
    for i, j in np.ndindex(*size):
        np.maximum(y, seen[:, :, :, i, j], out=y)
    return y


def average_pool(x: np.ndarray, size: tuple[int, int], stride: tuple[int, int], padding: str = "valid") -> np.ndarray:
    """Return the rounded mean of each window's pixels inside the image, halves away from zero.

    x: int8 (n, height, width, channels). Returns int32 (n, rows, columns, channels); input and output share their scale
    and zero point, so nothing is rescaled, and all runtimes agree.

    >>> average_pool(np.array([-3, 0, 1], np.int8).reshape(1, 1, 3, 1), (1, 2), (1, 1)).ravel().tolist()
    [-2, 1]
    """
    seen = windows(x, size, stride, padding)
    count = windows(np.ones((1, *x.shape[1:3], 1), np.int32), size, stride, padding).sum(axis=(3, 4), dtype=np.int32)
    total = np.zeros(seen.shape[:3] + x.shape[3:], np.int32)
    for i, j in np.ndindex(*size):
        total += seen[:, :, :, i, j]
    return np.sign(total) * ((np.abs(total) + count // 2) // count)


def activation_range(activation: int, scale: float, zero_point: int, even: bool = False) -> tuple[int, int]:
    """Return the least and the largest int8 that an output with a fused activation may take.

    activation: number in the schema: 0 none, 1 ReLU, 2 between -1 and 1, 3 ReLU6. scale, zero_point: of the output.
    even: round the bounds as XNNPACK does, zero point included and halves to even, instead of away from zero.
    Raises ValueError for another activation. Source: Jacob et al. 2018, section 2.4.

    >>> activation_range(0, 0.05, -10), activation_range(1, 0.05, -10), activation_range(3, 0.05, -10)
    ((-128, 127), (-10, 127), (-10, 110))
    """
    bounds = {0: (-np.inf, np.inf), 1: (0, np.inf), 2: (-1, 1), 3: (0, 6)}
    if activation not in bounds:
        raise ValueError(f"fused activation {activation} can't be run in integers; expected none, ReLU, ±1 or ReLU6")
    steps = np.array(bounds[activation], np.float32) / np.float32(scale)
    away = np.trunc(steps + np.copysign(np.float32(0.5), steps)) + zero_point
    low, high = np.clip(np.rint(steps + zero_point) if even else away, -128, 127)
    return int(low), int(high)
