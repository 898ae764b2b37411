"""A file for pruned, clustered, Huffman-coded networks: its writer, and a decoder that needs NumPy alone.

All numbers are little-endian. The file: "ELPK" · version u8 · layers u8 · bytes of the whole file u32 · the layers ·
CRC-32 of all before it u32 (zlib's). A layer:

    length of name u8, name in UTF-8 · kind u8 (number in KINDS) · relu u8 · pool u8 · shape u32 × 2 (dense) or × 4
    codebook: entries − 1 u8, an array · bias: 0 or 1 u8, an array if 1
    index bits u8: 0 where each weight has its code; else first a stream of gaps, then the codes that are not 0
    a stream: symbols u32 · bytes u32 · bits a length u8 · their count − 1 u8 · lengths of the codes · the codes
    an array: type u8 (number in FLOATS), the values; how many, the shape says

Weights stand output by output: one output's inputs have their zeros in long runs, where no pixel ever has ink. Gaps are
the relative indices of Deep Compression, how many zeros stand before the next weight. Where the paper stores a weight
of value 0 when a gap is too long for its bits, here the largest gap stands for zeros alone.
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
from edgelab.shrink.compress.huffman import code_lengths, decode, encode

MAGIC, VERSION = b"ELPK", 1
KINDS = ("dense", "conv2d")
FLOATS = ("float32", "float16")
MOST_WEIGHTS = 2**27  # a damaged shape must not ask for all memory


class Layer(NamedTuple):
    """A layer as the file holds it.

    kind: "dense", w (inputs, outputs); "conv2d", w (height, width, in, out), stride 1, padding "valid". codebook: float
    (entries,), float32 or float16. codes: uint8 of the shape of w; w = codebook[codes], and most codes are 0 where
    pruned. b: (outputs,), float32 or float16, or None. relu: whether one follows. pool: size of the max pooling after.

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


def to_gaps(mask: np.ndarray, bits: int) -> np.ndarray:
    """Return the places of the weights that stay as gaps: how many zeros stand before each, in the order of the mask.

    mask: bool, any shape, True where a weight stays. bits: of a gap, 1 to 8. The largest number that they hold,
    2^bits − 1, stands for so many zeros and no weight: longer gaps begin with it. Returns uint8 (gaps,). Raises
    ValueError for other bits. Han et al. 2016, section 2, with a filler that needs no weight.

    >>> to_gaps(np.array([1, 0, 0, 0, 0, 1, 0, 1], bool), bits=2).tolist()
    [0, 3, 1, 1]
    """
    if bits not in range(1, 9):
        raise ValueError(f"bits is {bits!r}; expected 1 to 8")
    most = 2**bits - 1
    fillers, rest = np.divmod(np.diff(np.flatnonzero(mask), prepend=-1) - 1, most)
    gaps = np.full(fillers.sum() + len(rest), most, np.uint8)
    gaps[np.cumsum(fillers + 1) - 1] = rest
    return gaps


def from_gaps(gaps: np.ndarray, bits: int) -> np.ndarray:
    """Return the flat indices of the weights that `to_gaps` described, int64 (weights,), rising.

    gaps: integers (gaps,). bits: those they were made with. Raises ValueError for a gap that bits can't hold.

    >>> from_gaps(np.array([0, 3, 1, 1]), bits=2).tolist()
    [0, 5, 7]
    """
    gaps = np.asarray(gaps)
    if gaps.max(initial=0) >= 2**bits:
        raise ValueError(f"a gap of {gaps.max()} in {bits} bits; expected at most {2**bits - 1}")
    weight = gaps < 2**bits - 1
    return (np.cumsum(gaps + weight, dtype=np.int64) - 1)[weight]


def pack(layers: Sequence[Layer]) -> bytes:
    """Return the bytes of a file with these layers; write them with `edgelab.artifacts.write_atomic`.

    layers: in the order in which they run. For each the size of a gap is chosen that makes it smallest. Raises
    ValueError or TypeError naming the layer and what is wrong with it: kind, shapes, types, NaN, a code without entry.

    >>> layer = Layer("d", "dense", np.float32([0, 0.5]), np.eye(100, 10, dtype=np.uint8), np.zeros(10, np.float16))
    >>> len(pack([layer])), (unpack(pack([layer]))[0].w == layer.w).all()
    (97, np.True_)
    """
    names = [layer.name for layer in layers]
    if not 1 <= len(layers) <= 255 or len(set(names)) < len(names):
        raise ValueError(f"{len(layers)} layers of the names {names}; expected 1 to 255, each with another name")
    body = b"".join(pack_layer(layer) for layer in layers)
    head = MAGIC + struct.pack("<BBI", VERSION, len(layers), len(body) + 14)
    return head + body + struct.pack("<I", zlib.crc32(head + body))


def unpack(packed: bytes | str | Path) -> list[Layer]:
    """Read a file that `pack` wrote, exactly as it was written.

    packed: its bytes, or its path. Raises FileNotFoundError, and ValueError naming the file, the place and what is
    wrong: no such file format, another version, cut short, a checksum that differs, a value that can't be.

    >>> unpack(b"ELPK")
    Traceback (most recent call last):
    ValueError: file in memory: cut short: it has 4 bytes, the shortest one has 14. Copy or write it again
    """
    name = "file in memory" if isinstance(packed, bytes | bytearray) else str(packed)
    data = bytes(packed) if isinstance(packed, bytes | bytearray) else Path(packed).read_bytes()
    advice = "Copy or write it again"
    if data[:4] != MAGIC[: len(data)]:
        raise ValueError(f"{name}: begins with {data[:4]!r}, expected {MAGIC!r}: not a file of edgelab.shrink.compress")
    if len(data) < 14:
        raise ValueError(f"{name}: cut short: it has {len(data)} bytes, the shortest one has 14. {advice}")
    version, count, size = struct.unpack_from("<BBI", data, 4)
    if version != VERSION:
        raise ValueError(f"{name}: byte 4: version {version}; this reads version {VERSION}. Take a newer edgelab")
    if len(data) != size:
        what = "cut short" if len(data) < size else "too long"
        raise ValueError(f"{name}: {what}: it has {len(data):,} bytes, byte 6 says {size:,}. {advice}")
    (expected,), found = struct.unpack_from("<I", data, size - 4), zlib.crc32(data[:-4])
    if found != expected:
        raise ValueError(f"{name}: damaged: CRC-32 is {found:08x}, its last four bytes say {expected:08x}. {advice}")
    cursor = _Cursor(data[:-4], 10)
    try:
        layers = [_unpacked(cursor) for _ in range(count)]
        cursor.require(count > 0, "no layers")
        cursor.require(len({layer.name for layer in layers}) == count, "two layers of one name")
        cursor.require(cursor.at == size - 4, "bytes after the last layer")
    except ValueError as error:
        raise ValueError(f"{name}: byte {cursor.begun:,}: {error}; whatever wrote it is wrong") from None
    return layers


def run(layers: Sequence[Layer], x: np.ndarray, batch_size: int = 250) -> np.ndarray:
    """Return the logits of a network as the file describes it, computed by NumPy.

    x: float (n, height, width, channels) or (n, inputs), n ≥ 1, as the first layer takes it. A dense layer flattens
    what it is given. batch_size: images at a time, for a convolution takes memory. Returns (n, classes), float32 for
    float32 x. Raises ValueError naming the layer whose shapes don't fit.

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


def pack_layer(layer: Layer) -> bytes:
    """Return the bytes of one layer, by the table at the top of this file, after every check.

    Sparse codes are stored as gaps, of whatever number of bits makes them shortest. Raises ValueError for what the
    format can't hold, naming the layer.

    >>> layer = Layer("d", "dense", np.float32([0, 1]), np.eye(3, dtype=np.uint8), np.float32([1, 2, 3]))
    >>> pack_layer(layer)[:2]
    b'\\x01d'
    """
    name, kind, codebook, codes, b, *_ = layer
    where, text = f"layer {name!r}", name.encode()
    if not 1 <= len(text) <= 255 or kind not in KINDS:
        raise ValueError(f"{where}: kind {kind!r}; expected a name of 1 to 255 bytes, and a kind in {KINDS}")
    if not 1 <= layer.pool <= (255 if kind == "conv2d" else 1):
        raise ValueError(f"{where}: pool is {layer.pool}; expected 1 to 255 after a convolution, 1 after a dense layer")
    rank = 4 if kind == "conv2d" else 2
    if codes.dtype != np.uint8 or codes.ndim != rank or not 1 <= codes.size <= MOST_WEIGHTS:
        raise ValueError(f"{where}: codes are {codes.dtype} {codes.shape}; expected uint8 of {rank} axes, some weights")
    if codebook.ndim != 1 or not codes.max() < len(codebook) <= 256:
        raise ValueError(
            f"{where}: codebook {codebook.shape}, codes to {codes.max()}; expected ≤ 256 entries, all used"
        )
    if b is not None and b.shape != codes.shape[-1:]:
        raise ValueError(f"{where}: b has shape {b.shape}, w {codes.shape}; expected {codes.shape[-1:]}")
    flags = struct.pack(f"<BBB{rank}I", KINDS.index(kind), layer.relu, layer.pool, *codes.shape)
    head = bytes([len(text)]) + text + flags + bytes([len(codebook) - 1]) + _array(codebook, f"{where}: codebook")
    head += bytes([b is not None]) + (b"" if b is None else _array(b, f"{where}: b"))
    ordered = np.moveaxis(codes, -1, 0).ravel()
    weights = _stream(ordered[ordered != 0])
    streams = [bytes([bits]) + _stream(to_gaps(ordered != 0, bits)) + weights for bits in range(1, 9)]
    return head + min([b"\0" + _stream(ordered), *streams], key=len)


def _array(values: np.ndarray, where: str) -> bytes:
    """Return the type and the values of a float array."""
    if values.dtype.name not in FLOATS or not np.isfinite(values).all():
        raise ValueError(f"{where} is {values.dtype}; expected finite numbers, float32 or float16")
    return bytes([FLOATS.index(values.dtype.name)]) + values.astype(values.dtype.newbyteorder("<")).tobytes()


def _stream(symbols: np.ndarray) -> bytes:
    """Return symbols in their Huffman code, after the lengths of its codes, each in as few bits as hold the longest."""
    lengths = code_lengths(np.bincount(symbols, minlength=1))
    data, width = encode(symbols, lengths), int(lengths.max()).bit_length()
    table = np.packbits((lengths[:, None] >> np.arange(width)[::-1]) & 1).tobytes()
    return struct.pack("<IIBB", len(symbols), len(data), width, len(lengths) - 1) + table + data


class _Cursor:
    """A place in the file, which moves on as it is read; begun: where the field in hand begins."""

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
    cursor.require(kind < len(KINDS) and relu_after < 2 and pool > 0, f"kind {kind}, relu {relu_after}, pool {pool}")
    shape = cursor.numbers("IIII" if KINDS[kind] == "conv2d" else "II", f"the shape of layer {name!r}")
    size = math.prod(shape)
    cursor.require(
        1 <= size <= MOST_WEIGHTS, f"layer {name!r} of shape {shape}; expected 1 to {MOST_WEIGHTS:,} weights"
    )
    (entries,) = cursor.numbers("B", "the size of a codebook")
    codebook = _values(cursor, entries + 1, f"the codebook of {name!r}")
    (biased,) = cursor.numbers("B", "the mark of a bias")
    cursor.require(biased < 2, f"mark of a bias {biased}")
    b = _values(cursor, shape[-1], f"the bias of {name!r}") if biased else None
    (bits,) = cursor.numbers("B", f"the index bits of {name!r}")
    cursor.require(bits <= 8, f"{bits} index bits")
    places = from_gaps(_symbols(cursor, f"the gaps of {name!r}"), bits) if bits else slice(None)
    found = _symbols(cursor, f"the codes of {name!r}")
    count, last = (len(places), places.max(initial=0)) if bits else (size, 0)
    cursor.require(last < size, f"a weight of {name!r} at {last:,} of {size:,}")
    cursor.require(len(found) == count, f"{count:,} places and {len(found):,} codes in {name!r}")
    cursor.require(found.max(initial=0) <= entries, f"code {found.max(initial=0)}, {entries + 1} entries in {name!r}")
    codes = np.zeros(size, np.uint8)
    codes[places] = found
    codes = np.ascontiguousarray(np.moveaxis(codes.reshape(shape[-1], *shape[:-1]), 0, -1))
    return Layer(name, KINDS[kind], codebook, codes, b, bool(relu_after), pool)


def _values(cursor: _Cursor, count: int, what: str) -> np.ndarray:
    """Read a float array of so many values."""
    (number,) = cursor.numbers("B", f"the type of {what}")
    cursor.require(number < len(FLOATS), f"type {number} of {what}")
    dtype = np.dtype(FLOATS[number])
    values = np.frombuffer(cursor.take(count * dtype.itemsize, what), dtype.newbyteorder("<")).astype(dtype)
    cursor.require(bool(np.isfinite(values).all()), f"NaN or infinity in {what}")
    return values


def _symbols(cursor: _Cursor, what: str) -> np.ndarray:
    """Read a Huffman-coded stream."""
    count, size, width, last = cursor.numbers("IIBB", what)
    cursor.require(width <= 6, f"{width} bits a code length in {what}")
    bits = np.unpackbits(np.frombuffer(cursor.take(-(-width * (last + 1) // 8), f"code lengths of {what}"), np.uint8))
    lengths = bits[: width * (last + 1)].reshape(last + 1, width) @ (1 << np.arange(width)[::-1])
    try:
        return decode(cursor.take(size, what), lengths, count)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None
