"""CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED: sums of products of int8, exact, and what each runtime makes of them.

All runtimes compute the same sums. How sums are rounded to int8 is in `edgelab.infer.integer.rounding`; which rule a
runtime uses is in the table at the end of this file. checks.py has checked the graph before.
"""

from __future__ import annotations

import math

import numpy as np

from edgelab.infer.integer.fast_products import Window, in_blocks, raw_conv2d, raw_depthwise
from edgelab.infer.integer.fast_requantize import fast_requantizer
from edgelab.infer.integer.place import Entry, Place, Step
from edgelab.infer.integer.rounding import activation_range, quantize_multiplier
from edgelab.maths.windows import windows


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

    x: int8 (n, height, width, channels). w: int8 (outputs, height, width, channels / groups). b: int32 (outputs,) or 0.
    Pixels outside the image are real zeros: x = zero point. Returns int32 (n, rows, columns, outputs). Raises
    ValueError as `exact_float` and `group_count` do. Source: Jacob et al. 2018, eq. 7 to 9, not rearranged.

    >>> conv2d_sums(np.full((1, 3, 3, 1), 5, np.int8), np.ones((1, 2, 2, 1), np.int8), 7, zero_point=4).ravel().tolist()
    [11, 11, 11, 11]
    """
    outputs, *size, depth = w.shape
    kind, groups = exact_float(w), group_count(x, w)
    seen = windows(x.astype(kind) - kind(zero_point), tuple(size), stride, padding, dilation)
    acc = np.empty((*seen.shape[:3], outputs), np.int32)
    each = outputs // groups
    for g in range(groups):
        patches = seen[..., g * depth : (g + 1) * depth].reshape(-1, w[0].size)
        kernels = w[g * each : (g + 1) * each].reshape(each, -1).astype(kind)
        acc[..., g * each : (g + 1) * each] = (patches @ kernels.T).reshape(*seen.shape[:3], each)
    return acc + np.asarray(b, np.int32)


def group_count(x: np.ndarray, w: np.ndarray) -> int:
    """Return the groups of a convolution: output k reads the channels of group k * groups // outputs.

    x: (n, height, width, channels). w: (outputs, height, width, channels / groups). Raises ValueError where channels or
    outputs do not divide into groups.

    >>> group_count(np.zeros((1, 4, 4, 6)), np.zeros((4, 3, 3, 3)))
    2
    """
    outputs, depth = len(w), w.shape[-1]
    groups, left = divmod(x.shape[3], depth)
    if left or not groups or outputs % groups:
        raise ValueError(f"{outputs} kernels of {depth} channels, x has {x.shape[3]}; expected whole groups of both")
    return groups


def depthwise_sums(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | int,
    zero_point: int,
    stride: tuple[int, int] = (1, 1),
    padding: str = "valid",
    dilation: tuple[int, int] = (1, 1),
) -> np.ndarray:
    """Sum (x - zero point) * w + b over every window of each channel, with that channel's own kernels.

    x: int8 (n, height, width, channels). w: int8 (1, height, width, channels * multiplier): output k reads channel
    k // multiplier. b: int32 (outputs,) or 0. Returns int32 (n, rows, columns, outputs).

    >>> x = np.array([[[[1, 2]]]], np.int8)
    >>> depthwise_sums(x, np.array([[[[1, 10, 1, 10]]]], np.int8), 0, zero_point=0).ravel().tolist()
    [1, 10, 2, 20]
    """
    if w.shape[3] % x.shape[3]:
        raise ValueError(f"{w.shape[3]} kernels for {x.shape[3]} channels; expected a multiple of {x.shape[3]}")
    repeated = np.repeat(x.astype(np.int32) - np.int32(zero_point), w.shape[3] // x.shape[3], axis=3)
    seen = windows(repeated, w.shape[1:3], stride, padding, dilation)
    n, rows, columns = seen.shape[:3]
    acc = np.zeros((n, rows, columns, w.shape[3]), np.int32) + np.asarray(b, np.int32)
    # With a stride of 1 a row of the image is one stretch of memory. Taken as a whole, it spares NumPy a loop a pixel.
    together = columns if stride[1] == 1 else 1
    lines = acc.reshape(n, rows, columns // together, -1)
    for i, j in np.ndindex(*w.shape[1:3]):
        lines += seen[:, :, :, i, j].reshape(lines.shape) * np.tile(w[0, i, j].astype(np.int32), together)
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


def exact_float(w: np.ndarray) -> type:
    """Return the float type in which sums of (x - zero point) * w have no rounding error.

    w: integers (outputs, …). All products and partial sums are integers, and floats hold each integer up to 2^24
    (float32) or 2^53 (float64) exactly. So a matrix product of floats, much faster in NumPy than one of integers, gives
    the same sums in any order of adding. |x - zero point| is at most 255. Raises ValueError where a sum may exceed the
    32 bits of an accumulator.

    >>> exact_float(np.full((8, 3, 3, 16), -127)).__name__, exact_float(np.full((8, 3, 3, 64), -127)).__name__
    ('float32', 'float64')
    """
    largest = 255 * int(np.abs(w.astype(np.int64)).reshape(len(w), -1).sum(axis=1).max(initial=0))
    if largest >= 2**31:
        raise ValueError(f"sums of products may reach {largest:,}; an accumulator of 32 bits holds less than 2^31")
    return np.float32 if largest < 2**24 else np.float64


def _products(p: Place) -> Step:
    """Make the step of a convolution, a depthwise one or a fully connected layer: sums, then a multiplier a channel.

    It computes `conv2d_sums` and its like, then `requantize`, in the faster ways of fast_products.py.
    """
    options, x_zero_point, w = p.operator.options, p.affine(p.inputs[0])[1], p.inputs[1].data
    (y_scale, y_zero_point), rule = p.affine(p.y), p.rule()
    b = p.inputs[2].data if len(p.inputs) > 2 and p.inputs[2] is not None else 0
    kernels = np.moveaxis(w, 3, 0)[..., None] if p.kind == "DEPTHWISE_CONV_2D" else w
    flat = kernels.reshape(len(kernels), -1).astype(np.int64)
    weights = w.astype(exact_float(kernels))
    offset = np.broadcast_to(np.asarray(b, np.int64), len(flat)) - x_zero_point * flat.sum(axis=1)
    low, high = activation_range(options["fusedActivationFunction"], y_scale, y_zero_point, even=rule == "float32")
    multiplier = quantize_multiplier(_product_multiplier(p))
    rescaled = fast_requantizer(offset, 128 * np.abs(flat).sum(axis=1), *multiplier, (y_zero_point, low, high), rule)
    if p.kind == "FULLY_CONNECTED":
        shape = p.y.shape[1:]
        return lambda x: rescaled(x.reshape(-1, w.shape[1]).astype(weights.dtype) @ weights.T).reshape(-1, *shape)
    window = Window(
        (options["strideH"], options["strideW"]), p.padding, (options["dilationHFactor"], options["dilationWFactor"])
    )
    sums = raw_depthwise if p.kind == "DEPTHWISE_CONV_2D" else raw_conv2d
    return in_blocks(lambda x: rescaled(sums(x, weights, x_zero_point, window)), math.prod(p.y.shape))


def _product_multiplier(p: Place) -> np.ndarray:
    """Return scale_x * scale_w / scale_y, one a channel or one for all, in the types in which kernels multiply."""
    x_scale, y_scale, weights, rule = p.affine(p.inputs[0])[0], p.affine(p.y)[0], p.inputs[1], p.rule()
    if rule == "float32":
        return (weights.scale * x_scale / y_scale).astype(np.float64)
    if rule == "builtin" and p.kind == "FULLY_CONNECTED" and len(weights.scale) == 1:
        return (weights.scale * x_scale).astype(np.float64) / float(y_scale)
    return weights.scale.astype(np.float64) * float(x_scale) / float(y_scale)


def _product_kernels(p: Place) -> str:
    runtime, weights, w = p.runtime, p.inputs[1], p.inputs[1].data
    if runtime == "xnnpack" and weights.dtype == "int4" and (p.kind != "FULLY_CONNECTED" or w.shape[1] % 2):
        runtime = "builtin"  # XNNPACK leaves these to the optimised kernels;
    if runtime == "builtin" and p.kind == "CONV_2D" and w.shape[3] != p.inputs[0].shape[3]:
        runtime = "reference"  # these leave convolutions in groups to the reference kernels.
    return runtime


PRODUCT_OPERATORS = {
    #                                     reference builtin     xnnpack    micro
    "CONV_2D":           Entry(_products, "double", "builtin",  "float32", "double", _product_kernels),
    "DEPTHWISE_CONV_2D": Entry(_products, "double", "builtin8", "float32", "double", _product_kernels),
    "FULLY_CONNECTED":   Entry(_products, "single", "builtin",  "float32", "double", _product_kernels),
}  # fmt: skip
