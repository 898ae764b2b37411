"""Operators that pick, repeat, turn or join int8 values and change none, and ARG_MAX, which says where one is.

SLICE, STRIDED_SLICE, SPLIT, SPLIT_V, PACK, UNPACK, GATHER, TILE, BROADCAST_TO, REVERSE_V2, MIRROR_PAD, PADV2,
SPACE_TO_DEPTH, DEPTH_TO_SPACE, ARG_MAX, ARG_MIN. No arithmetic, so no rules: all runtimes agree. `mixes` says where the
first axis, the batch, is among those that move.
"""

from __future__ import annotations

import numpy as np

from edgelab.infer.integer.place import MISSING, Entry, Place, Step


def space_to_depth(x: np.ndarray, block: int) -> np.ndarray:
    """Move each block of block x block pixels into the channels.

    x: (n, height, width, channels), sides multiples of block. Returns (n, height / block, width / block, block *
    block * channels). Source: tf.nn.space_to_depth, NHWC.

    >>> space_to_depth(np.arange(4).reshape(1, 2, 2, 1), 2).tolist()
    [[[[0, 1, 2, 3]]]]
    """
    n, height, width, channels = x.shape
    blocks = x.reshape(n, height // block, block, width // block, block, channels)
    return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(n, height // block, width // block, block * block * channels)


def depth_to_space(x: np.ndarray, block: int) -> np.ndarray:
    """Move the channels into blocks of block x block pixels: the inverse of `space_to_depth`.

    x: (n, height, width, block * block * channels). Returns (n, height * block, width * block, channels).

    >>> depth_to_space(np.arange(4).reshape(1, 1, 1, 4), 2)[0, :, :, 0].tolist()
    [[0, 1], [2, 3]]
    """
    n, height, width, depth = x.shape
    channels = depth // (block * block)
    blocks = x.reshape(n, height, width, block, block, channels)
    return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(n, height * block, width * block, channels)


def strided_index(
    shape: tuple[int, ...], begin: list[int], end: list[int], strides: list[int], options: dict
) -> tuple[slice | int | None, ...]:
    """Return the NumPy index for which STRIDED_SLICE stands: x[index].

    shape: of x. begin, end, strides: a number an axis, of the first axes. options: beginMask, endMask, shrinkAxisMask,
    newAxisMask and ellipsisMask, a bit an axis, as the schema has them. A number shrinks its axis away, None makes a
    new one. Source: tf.strided_slice.

    >>> strided_index((4, 5), [1, 0], [3, 0], [1, 2], {"endMask": 2})
    (slice(1, 3, 1), slice(0, None, 2), Ellipsis)
    """

    def has(mask: str, place: int) -> bool:
        return bool(options.get(mask, 0) >> place & 1)

    index: list = []
    for place, (first, last, step) in enumerate(zip(begin, end, strides, strict=True)):
        if has("ellipsisMask", place):
            index.append(...)
        elif has("newAxisMask", place):
            index.append(None)
        elif has("shrinkAxisMask", place):
            index.append(first)
        else:
            start = None if has("beginMask", place) else first
            stop = None if has("endMask", place) else last
            if options.get("offset") and stop is not None:
                stop += first
            index.append(slice(start, stop, step))
    return (*index, *([] if ... in index else [...]))


def _constant_values(p: Place, place: int) -> list[int]:
    """Return the values of a constant input."""
    return [int(n) for n in np.ravel(p.inputs[place].data)]


def _slice(p: Place) -> Step:
    begin, size = _constant_values(p, 1), _constant_values(p, 2)
    index = [slice(b, None if n == -1 else b + n) for b, n in zip(begin, size, strict=True)]
    if p.together:
        index[0] = slice(None)
    return lambda x: np.ascontiguousarray(x[tuple(index)])


def _slice_mixes(p: Place) -> bool:
    return _constant_values(p, 1)[0] != 0


def _strided_slice(p: Place) -> Step:
    index = strided_index(p.inputs[0].shape, *(_constant_values(p, place) for place in (1, 2, 3)), p.operator.options)
    if p.together:
        index = (slice(None), *index[1:]) if index[0] is not ... else index
    return lambda x: np.ascontiguousarray(x[index])


def _strided_slice_mixes(p: Place) -> bool:
    """The first axis must be taken whole, as it is."""
    first = strided_index(p.inputs[0].shape, *(_constant_values(p, place) for place in (1, 2, 3)), p.operator.options)[
        0
    ]
    return not (first is ... or (isinstance(first, slice) and range(1)[first] == range(1)))


def _split(p: Place) -> Step:
    data = p.inputs[1] if p.kind == "SPLIT" else p.inputs[0]
    axis = _split_axis(p) % len(data.shape)
    cuts = np.cumsum([y.shape[axis] for y in p.outputs])[:-1]
    return lambda x: tuple(np.ascontiguousarray(part) for part in np.split(x, cuts, axis))


def _split_axis(p: Place) -> int:
    return _constant_values(p, 0 if p.kind == "SPLIT" else 2)[0]


def _pack(p: Place) -> Step:
    axis, constants = p.operator.options["axis"], [tensor.data for tensor in p.inputs]

    def step(*computed: np.ndarray) -> np.ndarray:
        given, shape = iter(computed), computed[0].shape
        return np.stack([next(given) if c is None else np.broadcast_to(c, shape) for c in constants], axis)

    return step


def _unpack(p: Place) -> Step:
    axis = p.operator.options["axis"]
    return lambda x: tuple(np.ascontiguousarray(part) for part in np.moveaxis(x, axis, 0))


def _gather(p: Place) -> Step:
    axis, (x, indices) = p.operator.options["axis"], (p.inputs[0].data, p.inputs[1].data)
    if x is not None:
        return lambda indices: np.take(x, indices, axis)
    if indices is not None:
        return lambda x: np.take(x, indices, axis)
    return lambda x, indices: np.take(x, indices, axis)


def _gather_mixes(p: Place) -> bool:
    return p.inputs[1].data is None or p.operator.options["axis"] % len(p.inputs[0].shape) == 0


def _tile(p: Place) -> Step:
    times = _constant_values(p, 1)
    return lambda x: np.tile(x, times)


def _broadcast(p: Place) -> Step:
    shape = p.y.shape
    return lambda x: np.ascontiguousarray(np.broadcast_to(x, (len(x), *shape[1:]) if p.together else shape))


def _reverse(p: Place) -> Step:
    axes = tuple(_constant_values(p, 1))
    return lambda x: np.ascontiguousarray(np.flip(x, axes))


def _mirror_pad(p: Place) -> Step:
    margins, mode = p.inputs[1].data, ("reflect", "symmetric")[p.operator.options["mode"]]
    return lambda x: np.pad(x, margins, mode)


def _pad_value(p: Place) -> Step:
    margins, value = p.inputs[1].data, _constant_values(p, 2)[0]
    return lambda x: np.pad(x, margins, constant_values=value)


def _blocks(p: Place) -> Step:
    move, block = space_to_depth if p.kind == "SPACE_TO_DEPTH" else depth_to_space, p.operator.options["blockSize"]
    return lambda x: move(x, block)


def _arg(p: Place) -> Step:
    find, axis, dtype = np.argmax if p.kind == "ARG_MAX" else np.argmin, _constant_values(p, 1)[0], p.y.dtype
    return lambda x: find(x, axis).astype(dtype)  # of equal values the first


def _first(place: int):
    """Return the `mixes` for operators with axes in an input: is axis 0 among them?"""
    return lambda p: any(axis % len(p.inputs[0].shape) == 0 for axis in _constant_values(p, place))


def _pads_first(p: Place) -> bool:
    return bool(np.any(p.inputs[1].data[0]))


INDEX = ("int32", "int64")
MOVE_OPERATORS = {
    "SLICE": Entry(_slice, mixes=_slice_mixes),
    "STRIDED_SLICE": Entry(_strided_slice, mixes=_strided_slice_mixes),
    "SPLIT": Entry(_split, mixes=lambda p: _split_axis(p) % len(p.y.shape) == 0),
    "SPLIT_V": Entry(_split, mixes=lambda p: _split_axis(p) % len(p.y.shape) == 0),
    "PACK": Entry(_pack, mixes=lambda p: p.operator.options["axis"] % len(p.y.shape) == 0),
    "UNPACK": Entry(_unpack, mixes=lambda p: p.operator.options["axis"] % len(p.inputs[0].shape) == 0),
    "GATHER": Entry(_gather, mixes=_gather_mixes, reads={1: INDEX}),
    "TILE": Entry(_tile, micro=MISSING, mixes=lambda p: _constant_values(p, 1)[0] != 1),
    "BROADCAST_TO": Entry(_broadcast, mixes=lambda p: len(p.inputs[0].shape) != len(p.y.shape)),
    "REVERSE_V2": Entry(_reverse, mixes=_first(1)),
    "MIRROR_PAD": Entry(_mirror_pad, mixes=_pads_first),
    "PADV2": Entry(_pad_value, mixes=_pads_first),
    "SPACE_TO_DEPTH": Entry(_blocks),
    "DEPTH_TO_SPACE": Entry(_blocks),
    "ARG_MAX": Entry(_arg, mixes=_first(1), makes=INDEX),
    "ARG_MIN": Entry(_arg, mixes=_first(1), makes=INDEX),
}
