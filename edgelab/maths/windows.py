"""The geometry of sliding windows: how many places a kernel has, and which pixels it covers. Images are NHWC."""

from operator import index

import numpy as np

PADDINGS = ("valid", "same")


def pair(value: int | tuple[int, int], name: str = "value") -> tuple[int, int]:
    """Return one integer twice, or a pair as it is: (vertical, horizontal).

    name: the argument's name for the error message. Raises ValueError unless both are integers of at least 1.

    >>> pair(2), pair((1, 3))
    ((2, 2), (1, 3))
    """
    try:
        vertical, horizontal = map(index, value if np.ndim(value) else (value, value))
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {value!r}; expected an integer, or a pair (vertical, horizontal)") from None
    if min(vertical, horizontal) < 1:
        raise ValueError(f"{name} is {value!r}; expected at least 1 in both directions")
    return vertical, horizontal


def output_size(size: int, kernel: int, stride: int = 1, padding: str = "valid", dilation: int = 1) -> int:
    """Count the places of a kernel along one axis: floor((size - extent) / stride) + 1, or ceil(size / stride).

    size: pixels of the image along the axis. The kernel's extent is (kernel - 1) dilation + 1. padding: "valid" (the
    kernel stays inside the image) or "same" (zeros around the image), as in Keras.
    Raises ValueError as `check_axis` does.
    Dumoulin and Visin 2016, A guide to convolution arithmetic, relationships 6 and 15.

    >>> output_size(28, 3), output_size(28, 3, stride=2, padding="same"), output_size(28, 3, dilation=2)
    (26, 14, 24)
    """
    check_axis(size, kernel, stride, padding, dilation)
    if padding == "same":
        return -(-size // stride)  # rounds size / stride up
    extent = (kernel - 1) * dilation + 1
    return (size - extent) // stride + 1


def check_axis(size: int, kernel: int, stride: int, padding: str, dilation: int) -> None:
    """Raise ValueError where a kernel has no place along an axis, or an argument is out of range.

    size, kernel, stride, dilation: at least 1. padding: one of PADDINGS. With "valid" the kernel's extent,
    (kernel - 1) dilation + 1, may be at most `size`.

    >>> check_axis(28, 3, 0, "valid", 1)
    Traceback (most recent call last):
    ValueError: stride is 0; expected at least 1
    """
    for name, value in {"size": size, "kernel": kernel, "stride": stride, "dilation": dilation}.items():
        if value < 1:
            raise ValueError(f"{name} is {value}; expected at least 1")
    if padding not in PADDINGS:
        raise ValueError(f"padding is {padding!r}; expected {' or '.join(map(repr, PADDINGS))}, in small letters")
    extent = (kernel - 1) * dilation + 1
    if padding == "valid" and extent > size:
        raise ValueError(
            f"a kernel of {kernel} with dilation {dilation} spans {extent} pixels, the image has {size}: it fits "
            'nowhere. Use a smaller kernel or padding="same"'
        )


def margins(size: int, kernel: int, stride: int = 1, padding: str = "valid", dilation: int = 1) -> tuple[int, int]:
    """Return how many pixels of padding TensorFlow and Keras add before and after an axis.

    "same" adds the pixels that the kernel needs at its last place: half before, half after, an odd one after. Arguments
    and errors as for `output_size`.

    >>> margins(28, 3, padding="same"), margins(28, 2, padding="same"), margins(28, 3, 2, "same")
    ((1, 1), (0, 1), (0, 1))
    """
    places = output_size(size, kernel, stride, padding, dilation)
    if padding == "valid":
        return 0, 0
    missing = max(0, (places - 1) * stride + (kernel - 1) * dilation + 1 - size)
    return missing // 2, missing - missing // 2


def windows(
    x: np.ndarray,
    size: int | tuple[int, int],
    stride: int | tuple[int, int] = 1,
    padding: str = "valid",
    dilation: int | tuple[int, int] = 1,
    fill: float = 0.0,
) -> np.ndarray:
    """Return the pixels that a kernel covers at each of its places, as a read-only view: no window is copied.

    x: (n, height, width, channels). size: the kernel's. Returns (n, rows, columns, kernel height, kernel width,
    channels), of the dtype of x; pixels of the padding have the value `fill`. Raises ValueError where x does not have
    four axes, or as `output_size` does.

    >>> windows(np.arange(9).reshape(1, 3, 3, 1), 2)[0, 1, 0, :, :, 0].tolist()
    [[3, 4], [6, 7]]
    """
    if np.ndim(x) != 4:
        raise ValueError(f"x has shape {np.shape(x)}; expected images (n, height, width, channels). One image: x[None]")
    size, stride, dilation = pair(size, "size"), pair(stride, "stride"), pair(dilation, "dilation")
    sides = [margins(x.shape[1 + a], size[a], stride[a], padding, dilation[a]) for a in (0, 1)]
    if np.any(sides):
        x = np.pad(x, ((0, 0), *sides, (0, 0)), constant_values=fill)
    extent = [(size[a] - 1) * dilation[a] + 1 for a in (0, 1)]
    view = np.lib.stride_tricks.sliding_window_view(x, extent, axis=(1, 2))
    view = view[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]
    return view.transpose(0, 1, 2, 4, 5, 3)


def add_windows(
    dwindows: np.ndarray,
    shape: tuple[int, int, int, int],
    stride: int | tuple[int, int] = 1,
    padding: str = "valid",
    dilation: int | tuple[int, int] = 1,
) -> np.ndarray:
    """Add the values of overlapping windows up, pixel by pixel: the gradient of `windows`.

    dwindows: (n, rows, columns, kernel height, kernel width, channels). shape: that of the images. Each pixel gets the
    sum over all windows that contain it; values on the padding are dropped. Returns an array of that shape.

    >>> add_windows(np.ones((1, 2, 2, 2, 2, 1)), (1, 3, 3, 1))[0, :, :, 0].tolist()
    [[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]
    """
    (n, height, width, channels), (rows, columns, *size) = shape, dwindows.shape[1:5]
    stride, dilation = pair(stride, "stride"), pair(dilation, "dilation")
    (top, bottom), (left, right) = (margins(shape[1 + a], size[a], stride[a], padding, dilation[a]) for a in (0, 1))
    dx = np.zeros((n, top + height + bottom, left + width + right, channels), dwindows.dtype)
    for i, j in np.ndindex(*size):
        down = slice(i * dilation[0], i * dilation[0] + rows * stride[0], stride[0])
        across = slice(j * dilation[1], j * dilation[1] + columns * stride[1], stride[1])
        dx[:, down, across] += dwindows[:, :, :, i, j]
    return dx[:, top : top + height, left : left + width]


def receptive_field(layers: list[tuple[int, ...]]) -> tuple[int, int]:
    """Return two sizes along one axis: the receptive field of one output, and the distance of neighbouring outputs.

    layers: (kernel, stride) or (kernel, stride, dilation) of each convolution or pooling, the first layer first. Both
    sizes are in pixels of the input. Raises ValueError for a value below 1.
    Araujo, Norris and Sim 2019, Computing receptive fields, equations 1 and 2.

    >>> receptive_field([(3, 1), (2, 2), (3, 1)])
    (8, 2)
    """
    field = step = 1
    for layer in layers:
        kernel, stride, dilation = (*layer, 1)[:3]
        if min(kernel, stride, dilation) < 1:
            raise ValueError(f"a layer is {tuple(layer)}; expected kernel, stride and dilation, each at least 1")
        field += (kernel - 1) * dilation * step
        step *= stride
    return field, step
