"""The packed file: read back as it was written, run by NumPy, and refused when a single byte differs."""

import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from _examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelab.artifacts import write_atomic
from edgelab.course.copy.select import copy_source
from edgelab.shrink.compress.cluster import cluster_weights
from edgelab.shrink.compress.packed_reader import MAGIC, MOST_WEIGHTS, Layer, from_gaps, run, unpack
from edgelab.shrink.compress.packed_writer import pack, to_gaps
from edgelab.shrink.compress.prune import magnitude_mask


def made(seed: int, sparsity: float = 0.9) -> list[Layer]:
    """A small network of both kinds of layers, pruned and clustered."""
    rng = np.random.default_rng(seed)
    layers = []
    for name, kind, shape, relu, pool in (
        ("first", "conv2d", (3, 3, 1, 4), True, 2),
        ("größer", "conv2d", (2, 2, 4, 6), False, 1),
        ("hidden", "dense", (96, 20), True, 1),
        ("logits", "dense", (20, 10), False, 1),
    ):
        w = rng.normal(size=shape).astype(np.float32)
        codebook, codes = cluster_weights(w * magnitude_mask(w, sparsity), clusters=int(rng.integers(1, 16)))
        b = rng.normal(size=shape[-1]).astype(rng.choice(["float16", "float32"]))
        layers.append(Layer(name, kind, codebook, codes, None if name == "hidden" else b, relu, pool))
    return layers


def same(found: list[Layer], layers: list[Layer]) -> None:
    assert len(found) == len(layers)
    for a, b in zip(found, layers, strict=True):
        assert (a.name, a.kind, a.relu, a.pool) == (b.name, b.kind, b.relu, b.pool)
        for x, y in ((a.codebook, b.codebook), (a.codes, b.codes), (a.b, b.b)):
            if y is None:
                assert x is None
            else:
                assert x.dtype == y.dtype
                np.testing.assert_array_equal(x, y)


def signed(body: bytes) -> bytes:
    """Give a changed file the length and the checksum that its writer would have given it."""
    body = body[:6] + struct.pack("<I", len(body) + 4) + body[10:]
    return body + struct.pack("<I", zlib.crc32(body))


FILE = pack(made(0))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.5, 0.9, 0.99]))
def test_a_file_is_read_back_exactly(seed, sparsity):
    layers = made(seed, sparsity)
    same(unpack(pack(layers)), layers)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.booleans(), max_size=2000), st.integers(1, 8))
def test_gaps_are_places(mask, bits):
    mask = np.array(mask, bool)
    gaps = to_gaps(mask, bits)
    assert from_gaps(gaps, bits).tolist() == np.flatnonzero(mask).tolist()
    assert gaps.max(initial=0) < 2**bits


def test_the_gaps_of_the_paper():
    """Han et al. 2016, figure 2: weights at 1, 4 and 15 of 16, gaps of 3 bits; one filler of 8 in between.

    The paper's filler covers 2^bits − 1 zeros and a weight of 0; ours the zeros alone, so the rest is one more.
    """
    mask = np.zeros(16, bool)
    mask[[1, 4, 15]] = True
    assert to_gaps(mask, 3).tolist() == [1, 2, 7, 3]


def test_edges_are_read_back():
    """No weight left, all alike, every entry of a codebook in use, one weight."""
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    layers = [
        Layer("nothing", "dense", np.zeros(1, np.float32), np.zeros((300, 7), np.uint8), None),
        Layer("alike", "dense", np.float16([3]), np.zeros((40, 7), np.uint8), None),
        Layer("all", "dense", np.arange(256, dtype=np.float32), every, np.zeros(16, np.float16)),
        Layer("one", "conv2d", np.float32([0, 1]), np.ones((1, 1, 1, 1), np.uint8), None, pool=3),
        Layer("last of many", "dense", np.float32([0, 1]), np.eye(1, 5000, 4999, dtype=np.uint8), None),
    ]
    same(unpack(pack(layers)), layers)


@settings(max_examples=examples(400, 120), deadline=None)
@given(st.integers(0, len(FILE) - 1), st.integers(1, 255))
def test_any_flipped_byte_is_refused(at, change):
    with pytest.raises(ValueError, match=r"file in memory: (begins|byte 4|cut short|too long|damaged)"):
        unpack(FILE[:at] + bytes([FILE[at] ^ change]) + FILE[at + 1 :])


def test_any_cut_and_any_surplus_is_refused():
    for size in range(len(FILE)):
        with pytest.raises(ValueError, match=rf"file in memory: cut short: it has {size:,} bytes"):
            unpack(FILE[:size])
    with pytest.raises(ValueError, match="too long"):
        unpack(FILE + b"\0")


@settings(max_examples=examples(500, 150), deadline=None)
@given(st.lists(st.tuples(st.integers(10, len(FILE) - 5), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_file_that_was_written_wrongly_is_refused_or_makes_sense(changes):
    """With the checksum set right, each value is on its own: no crash, no endless loop, no code without an entry."""
    body = bytearray(FILE[:-4])
    for at, value in changes:
        body[at] = value
    layers, refused = [], None
    try:
        layers = unpack(signed(bytes(body)))
    except ValueError as error:
        refused = str(error)
    assert refused is None or "file in memory: byte " in refused
    for layer in layers:
        assert np.isfinite(layer.w).all()
        assert layer.b is None or np.isfinite(layer.b).all()


SMALL = [Layer("a", "dense", np.float32([0, 2]), np.uint8([[0, 1], [1, 0], [0, 0]]), np.zeros(2, np.float16))]


@pytest.mark.parametrize(
    ("at", "value", "says"),
    [
        (5, 0, "no layers"),
        (5, 2, "the length of a name takes 1 bytes, 0 left"),
        (10, 200, "a name takes 200 bytes"),
        (11, 255, "can't decode"),
        (12, 7, "kind 7"),
        (13, 2, "relu 2"),
        (14, 0, "pool 0"),
        (15, 0, "of shape (0, 2); expected 1 to"),
        (18, 255, f"of shape (4278190083, 2); expected 1 to {MOST_WEIGHTS:,}"),
        (23, 255, "takes 1,024 bytes"),
        (24, 9, "type 9 of the codebook of 'a'"),
        (28, 127, None),  # 0 becomes 1.7e38: a number like any other
        (33, 2, "mark of a bias is 2"),
        (39, 9, "has 9 bits; expected 0 to 8"),
    ],
)
def test_an_impossible_value_is_named_with_its_place(at, value, says):
    body = bytearray(pack(SMALL)[:-4])
    body[at] = value
    if says is None:
        assert unpack(signed(bytes(body)))[0].codebook[0] > 1e38
        return
    with pytest.raises(ValueError, match="file in memory: byte ") as found:
        unpack(signed(bytes(body)))
    assert says in str(found.value)


def test_another_format_or_version_is_named(tmp_path):
    path = write_atomic(tmp_path / "a.elpk", b"PK\3\4" + FILE[4:])
    with pytest.raises(ValueError, match=r"a\.elpk: begins with b'PK"):
        unpack(path)
    with pytest.raises(ValueError, match="byte 4: version 9; expected 1"):
        unpack(MAGIC + b"\x09" + FILE[5:])
    with pytest.raises(FileNotFoundError):
        unpack(tmp_path / "b.elpk")
    same(unpack(write_atomic(path, FILE)), made(0))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kind": "lstm"}, "layer 'a': kind 'lstm'"),
        ({"name": ""}, "expected a name of 1 to 255 bytes"),
        ({"pool": 2}, "pool is 2; expected .* 1 after a dense layer"),
        ({"codes": np.zeros((2, 2))}, "codes are float64"),
        ({"codes": np.zeros((0, 2), np.uint8)}, r"codes are uint8 \(0, 2\)"),
        ({"kind": "conv2d"}, "expected uint8 of 4 axes"),
        ({"codes": np.full((3, 2), 2, np.uint8)}, "codes up to 2"),
        ({"codebook": np.float32([0, np.nan])}, "codebook contains NaN or infinity"),
        ({"codebook": np.float64([0, 1])}, "codebook is float64"),
        ({"b": np.zeros(3, np.float32)}, r"b has shape \(3,\), w \(3, 2\)"),
    ],
)
def test_what_can_not_be_packed_is_named(changes, says):
    with pytest.raises(ValueError, match=says):
        pack([SMALL[0]._replace(**changes)])


def test_names_must_differ():
    with pytest.raises(ValueError, match=r"2 layers of the names \['a', 'a'\]"):
        pack(SMALL * 2)
    with pytest.raises(ValueError, match="0 layers"):
        pack([])


def test_a_file_is_about_as_small_as_its_entropy():
    """Weights without structure: places cost H(p) a weight, values 4 bits; what is above is tables and rounding."""
    rng = np.random.default_rng(3)
    codes = np.where(rng.random((784, 300)) < 0.05, rng.integers(1, 17, (784, 300)), 0).astype(np.uint8)
    layer = Layer("a", "dense", np.arange(17, dtype=np.float32), codes, None)
    p = (codes != 0).mean()
    least = codes.size * (-(p * np.log2(p) + (1 - p) * np.log2(1 - p)) + 4 * p) / 8
    # Huffman of gaps that are geometric loses below 1 %; tables take some 200 bytes of 14,000.
    assert least < len(pack([layer])) < 1.03 * least


def test_numpy_runs_what_was_packed_as_another_implementation_does():
    """SciPy's correlation, not ours: an axis mixed up in the file would pass a comparison with itself."""
    from scipy.signal import correlate

    layers = unpack(pack(made(5, 0.3)))
    x = np.random.default_rng(1).random((3, 12, 12, 1)).astype(np.float32)
    y = x
    for layer in layers:
        if layer.kind == "conv2d":
            channels = range(layer.w.shape[3])
            y = np.stack([[correlate(image, layer.w[..., c], "valid")[..., 0] for image in y] for c in channels], -1)
        else:
            y = y.reshape(3, -1) @ layer.w
        y = y + (0 if layer.b is None else layer.b.astype(np.float32))
        y = np.maximum(y, 0) if layer.relu else y
        if layer.pool == 2:
            y = np.maximum.reduce(
                [y[:, i : y.shape[1] // 2 * 2 : 2, j : y.shape[2] // 2 * 2 : 2] for i in (0, 1) for j in (0, 1)]
            )
    assert run(layers, x).shape == (3, 10)
    np.testing.assert_allclose(run(layers, x, batch_size=2), run(layers, x), rtol=1e-4, atol=1e-4)
    # float32 sums of up to 96 products in another order
    np.testing.assert_allclose(run(layers, x), y, rtol=1e-4, atol=1e-4)


def test_a_layer_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match="layer 'first': "):
        run(made(0), np.zeros((0, 12, 12, 1), np.float32))
    with pytest.raises(ValueError, match=r"layer 'hidden': x has shape \(1, 150\), w \(96, 20\)"):
        run(made(0), np.zeros((1, 15, 15, 1), np.float32))


def test_the_decoder_needs_numpy_alone(tmp_path):
    """Copied into a folder of its own, it reads and runs the file in a Python that has no edgelab."""
    (tmp_path / "decoder.py").write_text(copy_source("compress.unpack"))
    (tmp_path / "runner.py").write_text(copy_source("compress.run"))
    write_atomic(tmp_path / "a.elpk", FILE)
    x = np.random.default_rng(1).random((2, 12, 12, 1)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import numpy as np, decoder, runner\n"
        f"y = runner.run(decoder.unpack({str(tmp_path / 'a.elpk')!r}), np.load({str(tmp_path / 'x.npy')!r}))\n"
        "others = {m.split('.')[0] for m in sys.modules} - sys.stdlib_module_names - {'numpy', 'decoder', 'runner'}\n"
        "assert not others & {'edgelab', 'keras', 'tensorflow', 'ai_edge_litert', 'scipy'}, others\n"
        f"np.save({str(tmp_path / 'y.npy')!r}, y)\n"
    )
    subprocess.run([sys.executable, "-I", "-c", code], check=True, timeout=60)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), run(unpack(FILE), x))
