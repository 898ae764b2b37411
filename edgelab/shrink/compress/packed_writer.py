"""Write a pruned, clustered, Huffman-coded network into a file: the format is described in packed_reader.py."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np

from edgelab.shrink.compress.huffman import code_lengths, encode
from edgelab.shrink.compress.packed_reader import (
    FLOATS,
    KINDS,
    MAGIC,
    MOST_WEIGHTS,
    VERSION,
    Layer,
    unpack,  # noqa: F401 (for the example)
)


def to_gaps(mask: np.ndarray, bits: int) -> np.ndarray:
    """Return the places of the weights that stay as gaps: how many zeros stand before each, in the order of the mask.

    mask: bool, any shape, True where a weight stays. bits: of a gap, 1 to 8. The largest gap, 2^bits − 1, stands for
    2^bits − 1 zeros and no weight: a longer run of zeros is written as several gaps. Returns uint8 (gaps,). Raises
    ValueError for other bits. Han et al. 2016, section 2, but here a filler takes no place in the mask.

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


def pack(layers: Sequence[Layer]) -> bytes:
    """Return the bytes of a file with these layers; write them with `edgelab.artifacts.write_atomic`.

    layers: in the order in which they run. For each layer the number of bits of a gap is chosen that makes it smallest.
    Raises ValueError naming the layer and what is wrong with it: kind, shapes, types, NaN, a code without an entry.

    >>> layer = Layer("d", "dense", np.float32([0, 0.5]), np.eye(100, 10, dtype=np.uint8), np.zeros(10, np.float16))
    >>> len(pack([layer])), (unpack(pack([layer]))[0].w == layer.w).all()
    (97, np.True_)
    """
    names = [layer.name for layer in layers]
    if not 1 <= len(layers) <= 255 or len(set(names)) < len(names):
        raise ValueError(f"{len(layers)} layers of the names {names}; expected 1 to 255 layers, each with its own name")
    body = b"".join(pack_layer(layer) for layer in layers)
    head = MAGIC + struct.pack("<BBI", VERSION, len(layers), len(body) + 14)
    return head + body + struct.pack("<I", zlib.crc32(head + body))


def pack_layer(layer: Layer) -> bytes:
    """Return the bytes of one layer, by the table at the top of packed_reader.py, after every check.

    The codes are stored in the smallest of nine ways: each weight its code, or gaps of 1 to 8 bits and the codes that
    are not 0. Raises ValueError naming the layer for what the format cannot store.

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
        raise ValueError(
            f"{where}: codes are {codes.dtype} {codes.shape}; expected uint8 of {rank} axes, 1 to {MOST_WEIGHTS:,}"
        )
    if codebook.ndim != 1 or not codes.max() < len(codebook) <= 256:
        raise ValueError(
            f"{where}: codebook of shape {codebook.shape}, codes up to {codes.max()}; expected a codebook (entries,) "
            "of at most 256 entries, one for each code"
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
    if values.dtype.name not in FLOATS:
        raise ValueError(f"{where} is {values.dtype}; expected float32 or float16")
    if not np.isfinite(values).all():
        raise ValueError(f"{where} contains NaN or infinity; expected finite numbers")
    return bytes([FLOATS.index(values.dtype.name)]) + values.astype(values.dtype.newbyteorder("<")).tobytes()


def _stream(symbols: np.ndarray) -> bytes:
    """Return symbols in their Huffman code, after the code lengths, each in as few bits as the longest needs."""
    lengths = code_lengths(np.bincount(symbols, minlength=1))
    data, width = encode(symbols, lengths), int(lengths.max()).bit_length()
    table = np.packbits((lengths[:, None] >> np.arange(width)[::-1]) & 1).tobytes()
    return struct.pack("<IIBB", len(symbols), len(data), width, len(lengths) - 1) + table + data
