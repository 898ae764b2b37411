"""A file for pruned, clustered, Huffman-coded networks: its format, and a reader that needs NumPy alone.

All numbers are little-endian. The file: "ELPK" · version u8 · layers u8 · bytes of the whole file u32 · the layers ·
CRC-32 of all bytes before it u32 (zlib's). A layer:

    length of name u8, name in UTF-8 · kind u8 (index in KINDS) · relu u8 · pool u8 · shape u32 × 2 (dense) or × 4
    codebook: entries − 1 u8, an array · bias: 0 or 1 u8, an array if 1
    bits of a gap u8: 0 where each weight has its code; else first a stream of gaps, then a stream of the codes ≠ 0
    a stream: symbols u32 · bytes u32 · bits of a code length u8 · code lengths − 1 u8 · the lengths · the codes
    an array: type u8 (index in FLOATS) · the values, as many as the codebook or the shape says

Weights are stored one output after another: the weights of one output from pixels that never have ink form long runs
of zeros. Gaps are the relative indices of Deep Compression: how many zeros stand before the next weight. For a gap too
large for its bits the paper stores a filler, a weight of value 0; here the largest gap stands for zeros alone.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgelab.maths.activations import relu
from edgelab.maths.conv import conv2d
from edgelab.maths.nn import dense
from edgelab.maths.pool import max_pool2d
from edgelab.shrink.compress.huffman import decode

MAGIC, VERSION = b"ELPK", 1
KINDS = ("dense", "conv2d")
FLOATS = ("float32", "float16")
MOST_WEIGHTS = 2**27  # a damaged shape must not allocate all memory


class Layer(NamedTuple):
    """A layer as the file stores it.

    kind: "dense", w (inputs, outputs); "conv2d", w (height, width, in, out), stride 1, padding "valid". codebook: float
    (entries,), float32 or float16. codes: uint8 of the shape of w; w = codebook[codes]; in a pruned layer most codes
    are 0. b: (outputs,), float32 or float16, or None. relu: whether a ReLU follows. pool: size of the max pooling that
    follows, 1 for none.

    >>> Layer("d", "dense", np.float32([0, 0.5]), np.uint8([[1], [0]]), None).w.tolist()
    [[0.5], [0.0]]
    """

    name: str
    kind: str
    codebook: np.ndarray
    codes: np.ndarray
    b: np.ndarray | None
    relu: bool = False
    pool: int = 1

    @property
    def w(self) -> np.ndarray:
        """The weights, float32."""
        return self.codebook.astype(np.float32)[self.codes]


def from_gaps(gaps: np.ndarray, bits: int) -> np.ndarray:
    """Return the flat indices of the weights that `to_gaps` described, int64 (weights,), rising.

    gaps: integers (gaps,). bits: of a gap, as given to `to_gaps`. Raises ValueError for a gap that needs more bits.

    >>> from_gaps(np.array([0, 3, 1, 1]), bits=2).tolist()
    [0, 5, 7]
    """
    gaps = np.asarray(gaps)
    if gaps.max(initial=0) >= 2**bits:
        raise ValueError(f"a gap of {gaps.max()} in {bits} bits; expected at most {2**bits - 1}")
    weight = gaps < 2**bits - 1
    return (np.cumsum(gaps + weight, dtype=np.int64) - 1)[weight]


def unpack(packed: bytes | str | Path) -> list[Layer]:
    """Read the layers of a file that `pack` wrote, exactly as they were given to it.

    packed: its bytes, or its path. Raises FileNotFoundError, and ValueError naming the file, the place and what is
    wrong: another file format, another version, cut short, a wrong checksum, an impossible value.

    >>> unpack(b"ELPK")
    Traceback (most recent call last):
    ValueError: file in memory: cut short: it has 4 bytes, expected at least 14. Copy or write it again
    """
    name = "file in memory" if isinstance(packed, bytes | bytearray) else str(packed)
    data = bytes(packed) if isinstance(packed, bytes | bytearray) else Path(packed).read_bytes()
    advice = "Copy or write it again"
    if data[:4] != MAGIC[: len(data)]:
        raise ValueError(
            f"{name}: begins with {data[:4]!r}, expected {MAGIC!r}. Give a file that edgelab.shrink.compress.pack wrote"
        )
    if len(data) < 14:
        raise ValueError(f"{name}: cut short: it has {len(data)} bytes, expected at least 14. {advice}")
    version, count, size = struct.unpack_from("<BBI", data, 4)
    if version != VERSION:
        raise ValueError(
            f"{name}: byte 4: version {version}; expected {VERSION}. Read it with the edgelab that wrote it"
        )
    if len(data) != size:
        what = "cut short" if len(data) < size else "too long"
        raise ValueError(f"{name}: {what}: it has {len(data):,} bytes, expected {size:,} by its bytes 6 to 9. {advice}")
    (expected,), found = struct.unpack_from("<I", data, size - 4), zlib.crc32(data[:-4])
    if found != expected:
        raise ValueError(
            f"{name}: damaged: the CRC-32 is {found:08x}, expected {expected:08x} by its last four bytes. {advice}"
        )
    cursor = _Cursor(data[:-4], 10)
    try:
        layers = [_unpacked(cursor) for _ in range(count)]
        cursor.require(count > 0, "no layers; expected at least one")
        cursor.require(len({layer.name for layer in layers}) == count, "two layers have the same name")
        cursor.require(cursor.at == size - 4, f"{size - 4 - cursor.at:,} bytes follow the last layer; expected none")
    except ValueError as error:
        wrong = "The checksum is right, so the program that wrote the file is wrong"
        raise ValueError(f"{name}: byte {cursor.begun:,}: {error}. {wrong}") from None
    return layers


def run(layers: Sequence[Layer], x: np.ndarray, batch_size: int = 250) -> np.ndarray:
    """Return the logits of a network as the file describes it, computed by NumPy.

    x: float (n, height, width, channels) or (n, inputs), n ≥ 1, as the first layer takes it. A dense layer flattens
    its input. batch_size: images computed at a time, which bounds the memory of a convolution. Returns (n, classes),
    float32 for float32 x. Raises ValueError naming the layer whose shapes do not fit.

    >>> layer = Layer("d", "dense", np.float32([0, 0.5]), np.uint8([[1], [0]]), np.float32([0.25]))
    >>> run([layer], np.float32([[1, 3]])).tolist()
    [[0.75]]
    """
    w = [layer.w for layer in layers]
    b = [np.zeros(each.codes.shape[-1], "f4") if each.b is None else each.b.astype("f4") for each in layers]
    return np.concatenate([_run(layers, w, b, x[i : i + batch_size]) for i in range(0, max(len(x), 1), batch_size)])


def _run(layers: Sequence[Layer], w: list[np.ndarray], b: list[np.ndarray], x: np.ndarray) -> np.ndarray:
    """Return the logits of one batch."""
    for i, layer in enumerate(layers):
        try:
            x = dense(x.reshape(len(x), -1), w[i], b[i]) if layer.kind == "dense" else conv2d(x, w[i], b[i])
            x = relu(x) if layer.relu else x
            x = max_pool2d(x, layer.pool) if layer.pool > 1 else x
        except ValueError as error:
            raise ValueError(f"layer {layer.name!r}: {error}") from None
    return x


class _Cursor:
    """A place in the file, which advances as fields are read; begun: where the latest field begins."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at, self.begun = data, at, at

    def take(self, size: int, what: str) -> bytes:
        self.begun = self.at
        self.require(
            self.at + size <= len(self.data), f"{what} takes {size:,} bytes, {len(self.data) - self.at:,} left"
        )
        self.at += size
        return self.data[self.begun : self.at]

    def numbers(self, types: str, what: str) -> tuple[int, ...]:
        return struct.unpack(f"<{types}", self.take(struct.calcsize(f"<{types}"), what))

    def require(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise ValueError(otherwise)


def _unpacked(cursor: _Cursor) -> Layer:
    """Read one layer, checking each value before it is used."""
    name = cursor.take(*cursor.numbers("B", "the length of a name"), "a name").decode()
    kind, relu_after, pool = cursor.numbers("BBB", f"the kind of layer {name!r}")
    cursor.require(
        kind < len(KINDS) and relu_after < 2 and pool > 0,
        f"layer {name!r} has kind {kind}, relu {relu_after}, pool {pool}; expected kind 0 or 1, relu 0 or 1, pool ≥ 1",
    )
    shape = cursor.numbers("IIII" if KINDS[kind] == "conv2d" else "II", f"the shape of layer {name!r}")
    size = math.prod(shape)
    cursor.require(
        1 <= size <= MOST_WEIGHTS, f"layer {name!r} of shape {shape}; expected 1 to {MOST_WEIGHTS:,} weights"
    )
    (entries,) = cursor.numbers("B", "the size of a codebook")
    codebook = _values(cursor, entries + 1, f"the codebook of {name!r}")
    (biased,) = cursor.numbers("B", "the mark of a bias")
    cursor.require(biased < 2, f"the mark of a bias is {biased}; expected 0 (no bias) or 1")
    b = _values(cursor, shape[-1], f"the bias of {name!r}") if biased else None
    (bits,) = cursor.numbers("B", f"the bits of a gap of {name!r}")
    cursor.require(bits <= 8, f"a gap of {name!r} has {bits} bits; expected 0 to 8")
    places = from_gaps(_symbols(cursor, f"the gaps of {name!r}"), bits) if bits else slice(None)
    found = _symbols(cursor, f"the codes of {name!r}")
    count, last = (len(places), places.max(initial=0)) if bits else (size, 0)
    cursor.require(last < size, f"a weight of {name!r} at index {last:,}; expected an index below {size:,}")
    cursor.require(len(found) == count, f"{name!r} has {len(found):,} codes for {count:,} weights; expected one each")
    most = found.max(initial=0)
    cursor.require(most <= entries, f"{name!r} has the code {most}; expected at most {entries}, the last entry")
    codes = np.zeros(size, np.uint8)
    codes[places] = found
    codes = np.ascontiguousarray(np.moveaxis(codes.reshape(shape[-1], *shape[:-1]), 0, -1))
    return Layer(name, KINDS[kind], codebook, codes, b, bool(relu_after), pool)


def _values(cursor: _Cursor, count: int, what: str) -> np.ndarray:
    """Read a float array of count values."""
    (number,) = cursor.numbers("B", f"the type of {what}")
    cursor.require(number < len(FLOATS), f"type {number} of {what}; expected 0 (float32) or 1 (float16)")
    dtype = np.dtype(FLOATS[number])
    values = np.frombuffer(cursor.take(count * dtype.itemsize, what), dtype.newbyteorder("<")).astype(dtype)
    cursor.require(bool(np.isfinite(values).all()), f"NaN or infinity in {what}; expected finite numbers")
    return values


def _symbols(cursor: _Cursor, what: str) -> np.ndarray:
    """Read a Huffman-coded stream."""
    count, size, width, last = cursor.numbers("IIBB", what)
    cursor.require(width <= 6, f"a code length takes {width} bits in {what}; expected at most 6")
    bits = np.unpackbits(np.frombuffer(cursor.take(-(-width * (last + 1) // 8), f"code lengths of {what}"), np.uint8))
    lengths = bits[: width * (last + 1)].reshape(last + 1, width) @ (1 << np.arange(width, dtype=np.int64)[::-1])
    try:
        return decode(cursor.take(size, what), lengths, count)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None
