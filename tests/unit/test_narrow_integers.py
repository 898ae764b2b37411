"""The same values where NumPy's default integer has 32 bits: 32-bit boards, WebAssembly.

There are none here, so the functions of NumPy whose results or arguments have the default integer are replaced, file by
file, by ones that act as there: they return int32, and refuse int64 where it would have to be narrowed.
"""

import importlib

import numpy as np
import pytest

FILES = [
    "edgelab.infer.ink",
    "edgelab.infer.preprocess",
    "edgelab.infer.tflite_constants",
    "edgelab.maths.conv",
    "edgelab.shrink.compress.cluster",
    "edgelab.shrink.compress.huffman",
    "edgelab.shrink.compress.packed_reader",
    "edgelab.shrink.compress.packed_writer",
    "edgelab.shrink.compress.prune",
    "edgelab.shrink.quantize.ranges",
]


class Narrow:
    """NumPy, with a default integer of 32 bits."""

    intp = np.int32

    def __getattr__(self, name):
        return getattr(np, name)

    def _narrow(self, found, dtype=None):
        return found.astype(np.int32) if dtype is None and found.dtype == np.int64 else found

    def _index(self, values, name):
        values = np.asarray(values)
        if values.dtype == np.int64 and values.ndim:
            raise TypeError(f"{name}: cannot cast array data from int64 to int32 according to the rule 'safe'")
        return values

    def arange(self, *limits, dtype=None):
        wide = any(getattr(n, "dtype", None) == np.int64 for n in limits)
        found = np.arange(*limits, dtype=dtype)
        return found if wide else self._narrow(found, dtype)

    def prod(self, values, *others, dtype=None, **named):
        return np.prod(values, *others, dtype=np.int32 if dtype is None else dtype, **named)

    def repeat(self, values, counts, **named):
        return np.repeat(values, self._index(counts, "repeat"), **named)

    def bincount(self, values, *others, **named):
        found = np.bincount(self._index(values, "bincount"), *others, **named)
        return found if "weights" in named else self._narrow(found)

    def flatnonzero(self, values):
        return self._narrow(np.flatnonzero(values))

    def argsort(self, *values, **named):
        return self._narrow(np.argsort(*values, **named))

    def append(self, *values, **named):
        return self._narrow(np.append(*values, **named))  # of int32 and a plain number

    def searchsorted(self, *values, **named):
        return self._narrow(np.searchsorted(*values, **named))


class _Add:
    """np.add, whose reduceat takes indices."""

    reduceat = staticmethod(lambda values, at: np.add.reduceat(values, Narrow()._index(at, "reduceat")))
    at = staticmethod(np.add.at)


Narrow.add = _Add


def drawing():
    """A dark eight on paper lit from one side, large: the sums of cubes exceed 32 bits."""
    y, x = np.mgrid[:560, :560]
    ring = [np.abs(np.hypot(x - 280, y - centre) - 80) < 20 for centre in (200, 360)]
    return np.where(ring[0] | ring[1], 20, 150 + x // 6).astype(np.uint8)


def to_mnist():
    from edgelab.infer.preprocess import to_mnist

    return to_mnist(drawing())


def white():
    """On the largest picture that it gets, where nearly all pixels differ."""
    from edgelab.infer.ink import white_on_black

    return white_on_black(np.where(np.indices((280, 280)).sum(axis=0) % 7 < 1, 0, 255).astype(np.uint8))


def plane():
    """Sides of 2,000 pixels, which a caller of its own may have."""
    from edgelab.infer.ink import background

    return background(np.tile(np.linspace(0, 255, 2000).astype(np.uint8), (2000, 1)))


def huffman():
    from edgelab.shrink.compress.huffman import code_lengths, decode, encode

    symbols = np.random.default_rng(0).geometric(0.3, 5000) % 20
    lengths = code_lengths(np.bincount(symbols))
    return np.concatenate(
        [np.frombuffer(encode(symbols, lengths), np.uint8), decode(encode(symbols, lengths), lengths, 5000)]
    )


def packed():
    from edgelab.shrink.compress.packed_reader import Layer, unpack
    from edgelab.shrink.compress.packed_writer import pack

    rng = np.random.default_rng(1)
    codes = (rng.integers(1, 9, (300, 50)) * (rng.random((300, 50)) < 0.05)).astype(np.uint8)
    return unpack(pack([Layer("d", "dense", rng.normal(size=9).astype(np.float32), codes, None)]))[0].codes


def macs():
    from edgelab.maths.conv import conv2d_macs

    return np.array([conv2d_macs((3000, 3000), (3, 3, 64, 64), padding="same")], object)


def gradient():
    from edgelab.shrink.compress.cluster import codebook_gradient

    return codebook_gradient(np.ones((30, 40)), np.arange(1200).reshape(30, 40) % 7, 7)


def sparse_weights():
    from _sparse import sparse

    from edgelab.infer.tflite_constants import densify

    dense = (np.arange(96).reshape(8, 12) % 5 * (np.arange(12) % 3 == 0)).astype(np.int8)
    values, how = sparse(dense, [0, 1], [], [], [0, 1])
    return densify(values.view(np.uint8), "int8", dense.shape, how)


def entropy():
    from edgelab.shrink.quantize.ranges import entropy_range

    return np.array(entropy_range(np.random.default_rng(0).normal(size=20_000)))


def pruned():
    from edgelab.shrink.compress.prune import two_of_four_mask

    return two_of_four_mask(np.random.default_rng(0).normal(size=(16, 8)))


@pytest.mark.parametrize(
    "compute", [to_mnist, white, plane, huffman, packed, macs, gradient, sparse_weights, entropy, pruned]
)
def test_values_do_not_depend_on_the_default_integer(compute, monkeypatch):
    """`white_on_black` overflowed there, and `encode` raised a TypeError."""
    wide = compute()
    for name in FILES:
        monkeypatch.setattr(importlib.import_module(name), "np", Narrow())
    narrow = compute()
    np.testing.assert_array_equal(narrow, wide)
    assert narrow.dtype == wide.dtype
