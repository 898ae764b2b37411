"""AVERAGE_POOL_2D, MAX_POOL_2D and MEAN: one value from many, in each channel separately.

Pooling keeps its scale, so all runtimes agree except in the bounds of a fused activation. A mean over rows and columns
changes the scale, and runtimes differ in more than one rounding. What each does was found by comparing with LiteRT.
"""

from __future__ import annotations

import numpy as np

from edgelab.infer.integer.place import Entry, Place, Step
from edgelab.infer.integer.rounding import activation_range, quantize_multiplier, rescale
from edgelab.maths.windows import windows


def max_pool(x: np.ndarray, size: tuple[int, int], stride: tuple[int, int], padding: str = "valid") -> np.ndarray:
    """Return the largest value of each window, of the pixels inside the image.

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


def _pool(p: Place) -> Step:
    options, (scale, zero_point) = p.operator.options, p.affine(p.y)
    low, high = activation_range(options["fusedActivationFunction"], scale, zero_point, even=p.rule() == "even")
    pool = max_pool if p.kind == "MAX_POOL_2D" else average_pool
    size, stride = (options["filterHeight"], options["filterWidth"]), (options["strideH"], options["strideW"])
    padding = p.padding
    return lambda x: np.clip(pool(x, size, stride, padding), low, high).astype(np.int8)


def _max_pool_kernels(p: Place) -> str:
    """Return whose kernels run it: XNNPACK leaves windows with gaps between them to the optimised kernels."""
    options = p.operator.options
    gaps = options["strideH"] > options["filterHeight"] or options["strideW"] > options["filterWidth"]
    return "builtin" if p.runtime == "xnnpack" and gaps else p.runtime


def mean_double(x: np.ndarray, x_scale: float, x_zero_point: int, y_scale: float) -> np.ndarray:
    """Return the mean over rows and columns in steps of the output, as TensorFlow Lite's reference kernels round it.

    x: int8 (n, height, width, channels). The mantissa is divided by the number of pixels, rounded down, after a shift
    that keeps its bits. Returns int64 (n, channels), without the zero point.

    >>> mean_double(np.arange(6, dtype=np.int8).reshape(1, 2, 3, 1), 1.0, 0, 0.5).tolist()
    [[5]]
    """
    count = x.shape[1] * x.shape[2]
    acc = x.astype(np.int32).sum(axis=(1, 2), dtype=np.int32) - np.int32(count * x_zero_point)
    mantissa, shift = quantize_multiplier(float(x_scale) / float(y_scale))
    kept = min(count.bit_length() - 1, 32, 31 + int(shift))
    return rescale(acc, np.int32((int(mantissa) << kept) // count), shift - np.int32(kept), "double")


def mean_builtin(x: np.ndarray, x_scale: float, x_zero_point: int, y_scale: float) -> np.ndarray:
    """Return the mean over rows and columns in steps of the output, as LiteRT's optimised kernels round it.

    x: int8 (n, height, width, channels). Sums the stored integers; the zero point's share is rounded separately, so the
    result may be off by one. Vectors have 16 channels; the channels left over round as in the reference kernels.
    Returns int64 (n, channels), without the output's zero point.

    >>> mean_builtin(np.arange(6, dtype=np.int8).reshape(1, 2, 3, 1), 1.0, 0, 0.5).tolist()
    [[5]]
    """
    x_scale, y_scale, count = np.float32(x_scale), np.float32(y_scale), np.float32(x.shape[1] * x.shape[2])
    mantissa, shift = quantize_multiplier(float(x_scale / (count * y_scale)))
    offset = np.float32(x_zero_point) * x_scale / y_scale
    offset = int(np.trunc(offset + np.copysign(np.float32(0.5), offset)))
    return rescale(x.sum(axis=(1, 2), dtype=np.int32), mantissa, shift, "builtin16") - offset


def mean_float32(x: np.ndarray, x_scale: float, x_zero_point: int, y_scale: float, y_zero_point: int) -> np.ndarray:
    """Return the mean over rows and columns in steps of the output, zero point included, as XNNPACK rounds it.

    x: int8 (n, height, width, channels). In float32, with both zero points in one offset, and rounded once, halves to
    even. Returns float32 integers (n, channels).

    >>> mean_float32(np.arange(6, dtype=np.int8).reshape(1, 2, 3, 1), 1.0, 0, 0.5, 7).tolist()
    [[12.0]]
    """
    count = np.float32(x.shape[1] * x.shape[2])
    scale = np.float32(x_scale) / np.float32(y_scale) * (np.float32(1) / count)
    offset = np.float32(y_zero_point) - np.float32(x_zero_point) * count * scale
    return np.rint(x.sum(axis=(1, 2), dtype=np.int32).astype(np.float32) * scale + offset)


def _mean(p: Place) -> Step:
    (x_scale, x_zero_point), (y_scale, y_zero_point), shape = p.affine(p.inputs[0]), p.affine(p.y), p.y.shape[1:]
    rule = p.rule()
    mean = mean_builtin if rule == "builtin16" else mean_double

    def run(x: np.ndarray) -> np.ndarray:
        if rule == "float32":
            y = mean_float32(x, x_scale, x_zero_point, y_scale, y_zero_point)
        else:
            y = mean(x, x_scale, x_zero_point, y_scale) + y_zero_point
        return np.clip(y, -128, 127).astype(np.int8).reshape(-1, *shape)

    return run


def _mean_kernels(p: Place) -> str:
    """Return whose kernels run it: the optimised kernel needs keepDims; otherwise the reference's runs."""
    return "reference" if p.runtime == "builtin" and not p.operator.options["keepDims"] else p.runtime


POOLING_OPERATORS = {
    #                               reference builtin      xnnpack    micro
    "AVERAGE_POOL_2D": Entry(_pool),
    "MAX_POOL_2D":     Entry(_pool, xnnpack="even", kernels=_max_pool_kernels),
    "MEAN":            Entry(_mean, "double", "builtin16", "float32", "double", _mean_kernels),
}  # fmt: skip
