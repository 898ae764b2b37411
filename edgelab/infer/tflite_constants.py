"""The values of a constant in a .tflite: few bits packed, text, and sparse weights, as NumPy arrays."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import numpy as np

# More values than any network here has: a shape in a few bytes of sparse values must not allocate all memory.
MOST_SPARSE = 2**28


def value_bits(dtype: str) -> int:
    """Return the bits of one value of a type of the schema. Raises ValueError for one without a fixed size.

    >>> value_bits("int8"), value_bits("int4"), value_bits("bool")
    (8, 4, 8)
    """
    found = re.match(r"(?:u?int|b?float|complex)(\d+)", dtype)
    if not found and dtype != "bool":
        raise ValueError(f"a tensor of type {dtype} has no fixed number of bits; expected a type of numbers")
    return int(found[1]) if found else 8


def constant_values(raw: np.ndarray, dtype: str, shape: tuple[int, ...], sparsity: Any = None) -> np.ndarray:
    """Return the values that a buffer of a .tflite holds.

    raw: uint8 (bytes,). dtype: the schema's name for the type, such as int4. shape: of the tensor. sparsity: the
    schema's SparsityParametersT of sparse weights, else None. Returns an array of that shape in NumPy's type of that
    name; int2 and int4 as int8, uint4 as uint8, bfloat16 and the two float8 as float32, all exactly; string as bytes
    objects. Raises ValueError where raw has not the bytes that shape and type take.
    Source: tensorflow/lite/schema/schema.fbs; numbers are little-endian, the first of a byte is in its low bits.

    >>> constant_values(np.array([0xF1], np.uint8), "int4", (2,)).tolist()
    [1, -1]
    """
    if sparsity is not None:
        return densify(raw, dtype, shape, sparsity)
    if dtype == "string":
        texts = _read_texts(raw.tobytes())
        if len(texts) != math.prod(shape):
            raise ValueError(f"holds {len(texts)} texts, and its shape {shape} has {math.prod(shape)}")
        return np.array([*texts, None], object)[:-1].reshape(shape)  # with the None NumPy makes no array of characters
    expected = -(-math.prod(shape) * value_bits(dtype) // 8)
    if len(raw) != expected:
        raise ValueError(f"is {dtype} of shape {shape}, which takes {expected:,} bytes, and has {len(raw):,}")
    return _unpack_values(raw, dtype, math.prod(shape)).reshape(shape)


def _unpack_values(raw: np.ndarray, dtype: str, count: int) -> np.ndarray:
    """Return so many values of a type from their bytes."""
    bits = value_bits(dtype)
    if bits < 8:
        parts = np.stack([(raw >> at) & (2**bits - 1) for at in range(0, 8, bits)], axis=1).reshape(-1)[:count]
        if dtype.startswith("u"):
            return parts
        parts = parts.astype(np.int8)  # in two's complement
        return parts - 2**bits * (parts >= 2 ** (bits - 1)).astype(np.int8)
    if dtype == "bfloat16":  # the upper half of a float32
        return (np.frombuffer(raw.tobytes(), "<u2").astype(np.uint32) << 16).view(np.float32)
    if dtype == "float8_e5m2":  # the upper half of a float16
        return (raw.astype(np.uint16) << 8).view(np.float16).astype(np.float32)
    if dtype == "float8_e4m3fn":
        exponent, fraction = (raw >> 3) & 15, (raw & 7).astype(np.float32)
        size = np.where(exponent, np.ldexp(8 + fraction, exponent.astype(np.int32) - 10), np.ldexp(fraction, -9))
        size[(raw & 127) == 127] = np.nan
        return np.where(raw & 128, -size, size).astype(np.float32)
    return np.frombuffer(raw.tobytes(), np.dtype(dtype).newbyteorder("<"))


def _read_texts(raw: bytes) -> list[bytes]:
    """Return the texts of a string tensor: their number, where each begins, where the last ends, all int32; then they.

    Source: tensorflow/lite/string_util.h.
    """
    count = int.from_bytes(raw[:4], "little")
    if len(raw) < 4 * (count + 2):
        raise ValueError(f"says that it holds {count:,} texts in {len(raw):,} bytes")
    places = [int(p) for p in np.frombuffer(raw, "<i4", count + 1, 4)]
    if any(not 0 <= a <= b <= len(raw) for a, b in itertools.pairwise(places)):
        raise ValueError(f"has texts that lie outside of its {len(raw):,} bytes")
    return [raw[a:b] for a, b in itertools.pairwise(places)]


def densify(raw: np.ndarray, dtype: str, shape: tuple[int, ...], sparsity: Any) -> np.ndarray:
    """Return sparse weights with their zeros.

    raw, dtype, shape: as for `constant_values`. sparsity: levels from the outermost to the innermost, in the order
    traversalOrder; each is dense (all its denseSize indices) or sparse (the indices arrayIndices, from arraySegments[p]
    to arraySegments[p + 1] for entry p of the level before). Levels beyond the tensor's own axes are the places inside
    a block, along the axes blockMap. Raises ValueError for levels that don't fit shape or raw.
    Source: tensorflow/lite/schema/schema.fbs, SparsityParameters; Kjolstad et al. 2017, section 3.

    >>> from types import SimpleNamespace as Table
    >>> rows = Table(format=0, denseSize=2, arraySegments=None, arrayIndices=None)
    >>> columns = Table(format=1, denseSize=0, arraySegments=Table(values=[0, 1, 2]), arrayIndices=Table(values=[2, 0]))
    >>> how = Table(traversalOrder=[0, 1], blockMap=None, dimMetadata=[rows, columns])
    >>> densify(np.array([5, 6], np.uint8), "int8", (2, 3), how).tolist()
    [[0, 0, 5], [6, 0, 0]]
    """
    order = [int(d) for d in (() if sparsity.traversalOrder is None else sparsity.traversalOrder)]
    blocks = [int(d) for d in (() if sparsity.blockMap is None else sparsity.blockMap)]
    rank, levels = len(shape), sparsity.dimMetadata or []
    if sorted(order) != list(range(rank + len(blocks))) or len(levels) != len(order):
        raise ValueError(f"is sparse with levels {order} for a shape {shape} with blocks along {blocks}")
    if any(not 0 <= axis < rank for axis in blocks) or math.prod(shape) > MOST_SPARSE:
        raise ValueError(f"is sparse of shape {shape} with blocks along {blocks}; expected at most 2^28 values")
    sizes = {d: int(level.denseSize) for d, level in zip(order, levels, strict=True) if d >= rank}
    if any(size < 1 for size in sizes.values()):
        raise ValueError(f"is sparse with blocks of the sizes {list(sizes.values())}; expected at least 1")
    inside = [math.prod(sizes[rank + k] for k, axis in enumerate(blocks) if axis == a) for a in range(rank)]
    limits = [
        *(n // size for n, size in zip(shape, inside, strict=True)),
        *(sizes[rank + k] for k in range(len(blocks))),
    ]
    places: dict[int, np.ndarray] = {}
    count = 1
    for d, level in zip(order, levels, strict=True):
        index, parent = _sparse_level(level, limits[d], count)
        places = {axis: values[parent] for axis, values in places.items()} | {d: index}
        count = len(index)
    values = constant_values(raw, dtype, (count,))
    at = []
    for axis in range(rank):
        position = places[axis]
        for d in (d for d in order if d >= rank and blocks[d - rank] == axis):
            position = position * sizes[d] + places[d]
        at.append(position)
    dense = np.zeros(shape, values.dtype)
    dense[tuple(at)] = values
    return dense


def _sparse_level(level: Any, limit: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of a level's entries, and for each the entry of the level before. limit: of the indices."""
    if level.format == 0:
        if level.denseSize != limit or limit * count > MOST_SPARSE:
            raise ValueError(f"is sparse with a dense level of {level.denseSize} for {limit} places")
        parent = np.repeat(np.arange(count, dtype=np.int64), limit)
        return np.tile(np.arange(limit, dtype=np.int64), count), parent
    begins, index = (
        np.asarray(() if part is None or part.values is None else part.values, np.int64)
        for part in (level.arraySegments, level.arrayIndices)
    )
    lengths = np.diff(begins).astype(np.intp)  # the type that np.repeat takes, also on a 32-bit machine
    if len(begins) != count + 1 or begins[0] != 0 or begins[-1] != len(index) or (lengths < 0).any():
        raise ValueError(f"is sparse with {len(begins)} segments of {len(index)} indices for {count} entries")
    if len(index) and not 0 <= index.min() <= index.max() < limit:
        raise ValueError(f"is sparse with indices from {index.min()} to {index.max()} for {limit} places")
    return index, np.repeat(np.arange(count, dtype=np.int64), lengths)
