"""Affine quantization: real numbers as integers of a few bits, x = scale * (q - zero_point), and back."""

from __future__ import annotations

from operator import index

import numpy as np

from edgelab.infer.integer.rounding import high_product, quantize_multiplier, requantize, rescale, shift_right

__all__ = [
    "choose_channel_qparams",
    "choose_qparams",
    "dequantize",
    "high_product",
    "integer_range",
    "quantize",
    "quantize_multiplier",
    "requantize",
    "rescale",
    "shift_right",
]


def integer_range(bits: int = 8, narrow: bool = False) -> tuple[int, int]:
    """Return the least and the largest signed integer of so many bits.

    bits: 2 to 16. narrow: leave out the least one, so that -q exists for each q. Raises ValueError for other bits.

    >>> integer_range(8), integer_range(4, narrow=True)
    ((-128, 127), (-7, 7))
    """
    if not isinstance(bits, int | np.integer) or not 2 <= bits <= 16:
        raise ValueError(f"bits is {bits!r}; expected an integer from 2 to 16")
    half = 2 ** (int(bits) - 1)
    return -half + bool(narrow), half - 1


def choose_qparams(
    low: float | np.ndarray,
    high: float | np.ndarray,
    bits: int = 8,
    symmetric: bool = False,
    narrow: bool | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Choose scale and zero point so that integers of so many bits reach from low to high.

    low, high: of x; numbers, or arrays with one value for each channel. The range is widened to contain 0, and moved by
    less than half a step so that 0 is exact. symmetric: zero point 0, both sides as wide as the wider one. narrow: as
    in `integer_range`; None: as symmetric. A range of only 0 gets scale 1. Returns scale (float64, units of x a step)
    and zero point (int64), of low's shape. Raises ValueError for other bits than 2 to 16, NaN, infinity, low > high.
    Source: Jacob et al. 2018, eq. 1 and section 3; Nagel et al. 2021, sections 2.2 and 2.3.

    >>> scale, zero_point = choose_qparams(-1.0, 3.0)
    >>> float(scale) == 4 / 255, int(zero_point)
    (True, -64)
    """
    least, largest = integer_range(bits, symmetric if narrow is None else narrow)
    low, high = check_range(low, high)
    # Divide each end on its own: the width of a range up to the largest float would be infinite.
    scale = np.maximum(-low, high) / largest if symmetric else high / (largest - least) - low / (largest - least)
    empty = scale < np.finfo(np.float32).tiny  # only 0, or too narrow for the float32 scale of a file
    scale = np.where(empty, 1.0, scale)
    zero_point = np.zeros(low.shape) if symmetric else np.clip(np.rint(least - low / scale), least, largest)
    return scale, np.where(empty, 0, zero_point).astype(np.int64)


def check_range(low: float | np.ndarray, high: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both ends of a range as float64 arrays, widened to contain 0.

    Raises ValueError for shapes that differ, NaN, infinity, and low above high.

    >>> [end.tolist() for end in check_range([1, -2], [3, -1])]
    [[0.0, -2.0], [3.0, 0.0]]
    """
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    if low.shape != high.shape:
        raise ValueError(f"low has shape {low.shape} and high {high.shape}; expected the same shape for both")
    if not (np.isfinite(low) & np.isfinite(high)).all():
        raise ValueError(f"the range is {low} to {high}; expected finite numbers. Was there NaN in the data?")
    if (low > high).any():
        raise ValueError(f"low is {low}, high is {high}; expected low <= high. Are they in the wrong order?")
    return np.minimum(low, 0.0), np.maximum(high, 0.0)


def choose_channel_qparams(w: np.ndarray, axis: int = -1, bits: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Choose symmetric scales for weights, one for each channel along an axis, from its largest magnitude.

    w: floats. axis: of the output channels; the last in Keras' layouts. Returns scale (float64) and zero point (int64,
    all 0), both (channels,). Raises ValueError for an axis that w does not have, no weights, NaN, and other bits.
    Source: Krishnamoorthi 2018, Quantizing deep convolutional networks for efficient inference; Nagel et al. 2021.

    >>> choose_channel_qparams(np.array([[127.0, -1.0], [0.0, 254.0]]), axis=1)[0].tolist()
    [1.0, 2.0]
    """
    w = check_channels(w, axis)
    largest = np.abs(np.moveaxis(w, axis, 0).reshape(w.shape[axis], -1)).max(axis=1)
    return choose_qparams(-largest, largest, bits, symmetric=True)


def check_channels(w: np.ndarray, axis: int) -> np.ndarray:
    """Return weights as an array. Raises ValueError for an axis that w does not have, and for no weights.

    >>> check_channels([[1.0, 2.0]], axis=1).shape
    (1, 2)
    """
    w = np.asarray(w)
    if not -w.ndim <= axis < w.ndim:
        raise ValueError(f"axis is {axis}; w has shape {w.shape}, so expected {-w.ndim} to {w.ndim - 1}")
    if w.size == 0:
        raise ValueError(f"w has shape {w.shape}, so there is no value to find a range of; expected at least one")
    return w


def quantize(
    x: np.ndarray, scale: float | np.ndarray, zero_point: int | np.ndarray = 0, bits: int = 8, axis: int | None = None
) -> np.ndarray:
    """Quantize x to integers: q = clip(round(x / scale) + zero_point), halves to the even integer.

    x: floats, any shape. scale > 0 in units of x a step; zero_point: an integer of so many bits. Both are numbers, or
    have one value for each channel along axis. Returns int8 (int16 for more than 8 bits) of x's shape. Raises TypeError
    for other dtypes; ValueError for NaN, infinity, and bits, scale, zero point or axis that do not fit.
    Source: Jacob et al. 2018, eq. 1; Nagel et al. 2021, section 2.2.

    >>> quantize(np.array([-1.0, 0.0, 0.26, 9.0]), 0.1, 3).tolist()
    [-7, 3, 6, 93]
    """
    x, (least, largest) = check_floats(x), integer_range(bits)
    scale, zero_point = broadcast_qparams(x, scale, zero_point, least, largest, axis)
    # Divide in the dtype of x, as runtimes do: in float64 some values would round to another integer.
    q = np.rint(x / scale.astype(x.dtype)) + zero_point
    return np.clip(q, least, largest).astype(np.int8 if bits <= 8 else np.int16)


def check_floats(x: np.ndarray) -> np.ndarray:
    """Return x as an array. Raises TypeError for a dtype other than float, ValueError for NaN and infinity.

    >>> check_floats([0.5, 1.0]).dtype
    dtype('float64')
    """
    x = np.asarray(x)
    if not np.issubdtype(x.dtype, np.floating):
        raise TypeError(f"x is {x.dtype}; expected floats. uint8 images: x.astype('float32') / 255")
    if not np.isfinite(x).all():
        raise ValueError(
            f"x holds NaN or infinity (first at {np.argwhere(~np.isfinite(x))[0].tolist()}); expected finite numbers"
        )
    return x


def dequantize(
    q: np.ndarray, scale: float | np.ndarray, zero_point: int | np.ndarray = 0, axis: int | None = None
) -> np.ndarray:
    """Return the real numbers that integers stand for: x = scale * (q - zero_point).

    q: integers, any shape. scale > 0, zero_point: numbers, or one value for each channel along axis. Returns float32
    of q's shape. Raises TypeError for other dtypes; ValueError for scale, zero point or axis that do not fit.
    Source: Jacob et al. 2018, eq. 1.

    >>> dequantize(np.array([-7, 3, 6], np.int8), 0.5, 3).tolist()
    [-5.0, 0.0, 1.5]
    """
    q, (least, largest) = check_integers(q)
    scale, zero_point = broadcast_qparams(q, scale, zero_point, least, largest, axis)
    return scale.astype(np.float32) * (q.astype(np.int64) - zero_point).astype(np.float32)


def check_integers(q: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Return q as an array, and the least and the largest number of its dtype. Raises TypeError unless q is integer.

    >>> check_integers(np.array([3], np.int8))[1]
    (-128, 127)
    """
    q = np.asarray(q)
    if not np.issubdtype(q.dtype, np.integer):
        raise TypeError(f"q is {q.dtype}; expected integers, as quantize returns them")
    return q, (np.iinfo(q.dtype).min, np.iinfo(q.dtype).max)


def broadcast_qparams(
    x: np.ndarray, scale: float | np.ndarray, zero_point: int | np.ndarray, least: int, largest: int, axis: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Check scale and zero point, and reshape them to broadcast against x.

    x: any shape. scale, zero_point: one for all, or one a channel along axis. least, largest: bounds of the zero point.
    Returns scale as float64 and zero_point as int64: of shape () without an axis, else of x.ndim axes. Raises
    ValueError for a scale that is not positive, a zero point that is not an integer within the bounds, an axis that x
    does not have, and a count other than 1 and the channels of that axis.

    >>> scale, zero_point = broadcast_qparams(np.zeros((2, 3)), [0.5, 1, 2], 0, -128, 127, axis=1)
    >>> scale.tolist(), zero_point.tolist()
    ([[0.5, 1.0, 2.0]], [[0, 0, 0]])
    """
    scale, zero_point = np.asarray(scale, np.float64), np.asarray(zero_point)
    if not (np.isfinite(scale) & (scale > 0)).all():
        raise ValueError(f"scale is {scale}; expected positive numbers, in units of x a step")
    if (zero_point != np.rint(zero_point)).any() or (zero_point < least).any() or (zero_point > largest).any():
        raise ValueError(f"zero_point is {zero_point}; expected integers from {least} to {largest}")
    if axis is None:
        if scale.size != 1 or zero_point.size != 1:
            raise ValueError(f"{scale.size} scales and {zero_point.size} zero points: say along which axis")
        return scale.reshape(()), zero_point.reshape(()).astype(np.int64)
    if not -x.ndim <= index(axis) < x.ndim:
        raise ValueError(f"axis is {axis}; the array has shape {x.shape}, so expected {-x.ndim} to {x.ndim - 1}")
    channels = x.shape[axis]
    if {scale.size, zero_point.size} - {1, channels}:
        raise ValueError(
            f"{scale.size} scales and {zero_point.size} zero points; axis {axis} of {x.shape} has {channels} channels: "
            "expected one for all, or one for each"
        )
    shape = [1] * x.ndim
    shape[axis] = channels
    scale, zero_point = (np.broadcast_to(p.reshape(-1), channels).reshape(shape) for p in (scale, zero_point))
    return scale, zero_point.astype(np.int64)
