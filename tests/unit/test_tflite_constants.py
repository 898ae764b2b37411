"""Every way in which a .tflite stores the values of a constant, against LiteRT or written out here."""

import numpy as np
import pytest
from _examples import examples
from _sparse import sparse
from _tflite import File
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelab.artifacts import shipped
from edgelab.infer.parity import expose, layer_differences
from edgelab.infer.runner import open_interpreter
from edgelab.infer.tflite import read
from edgelab.infer.tflite_constants import constant_values, densify, value_bits
from edgelab.infer.tflite_cost import count_tflite
from edgelab.infer.tflite_tables import pack_tables, unpack_tables

# Levels of a matrix: order, blocked axes, sizes of blocks, formats; then of a kernel (outputs, rows, columns, inputs).
MATRIX = [
    ([0, 1], [], [], [0, 1]),
    ([0, 1], [], [], [1, 1]),
    ([0, 1], [], [], [0, 0]),
    ([1, 0], [], [], [0, 1]),
    ([0, 1, 2], [1], [4], [0, 1, 0]),
    ([0, 1, 2], [0], [2], [0, 1, 0]),
    ([0, 1, 2, 3], [0, 1], [2, 4], [0, 1, 0, 0]),
    ([1, 0, 2, 3], [0, 1], [2, 2], [1, 1, 0, 0]),
]
KERNEL = [([0, 1, 2, 3], [], [], [0, 0, 0, 1]), ([0, 1, 2, 3, 4], [3], [4], [0, 1, 0, 1, 0])]


def densified(dense, how, dtype, vector):
    """Return what LiteRT's DENSIFY makes of sparse weights, and what the reader does."""
    values, levels = sparse(dense, *how, vector)
    file = File()
    w, y = file.tensor(dense.shape, dtype=dtype, data=values), file.tensor(dense.shape, dtype=dtype)
    file.tensors[w].sparsity = levels
    file.operator("DENSIFY", [w], [y])
    content = file.bytes([], [y])
    interpreter = open_interpreter(content, "reference")
    interpreter.invoke()
    return interpreter.get_tensor(y), read(content).tensors[w].data


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
@settings(deadline=None, max_examples=examples(60, 15))
@given(st.data())
def test_sparse_weights_are_those_of_the_runtime(dtype, data):
    """Sparse or dense levels, blocks along any axis, indices of 8, 16 and 32 bits, channels that are all zero."""
    shape, ways = data.draw(st.sampled_from([((8, 12), MATRIX), ((4, 3, 3, 8), KERNEL)]))
    how, vector = data.draw(st.sampled_from(ways)), data.draw(st.sampled_from([1, 2, 3]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    share = data.draw(st.sampled_from([0, 0.1, 0.5, 1]))
    dense = (rng.integers(-100, 100, shape) * (rng.random(shape) < share)).astype(dtype)
    if np.count_nonzero(dense) > 250:
        vector = 1  # the segments of 8 bits count to 255
    if not dense.any() and how[3] != [0] * len(how[3]):
        values, levels = sparse(dense, *how, vector)  # without values it is no constant to LiteRT
        np.testing.assert_array_equal(densify(values.view(np.uint8), dtype, shape, levels), dense)
        return
    for found in densified(dense, how, dtype, vector):
        np.testing.assert_array_equal(found, dense)


def test_a_sparse_layer_answers_as_its_weights_say():
    """The reader's weights, multiplied here, are LiteRT's output; the cost counts the layer's weights once."""
    rng = np.random.default_rng(3)
    dense = (rng.normal(size=(8, 16)) * np.repeat(rng.random((8, 4)) < 0.4, 4, axis=1)).astype(np.float32)
    values, levels = sparse(dense, *MATRIX[4])
    file = File()
    x, full, y = (file.tensor(shape, dtype="float32") for shape in ((1, 16), (8, 16), (1, 8)))
    w = file.tensor((8, 16), dtype="float32", data=values)
    file.tensors[w].sparsity = levels
    file.operator("DENSIFY", [w], [full])
    file.operator("FULLY_CONNECTED", [x, full, -1], [y])
    content, image = file.bytes([x], [y]), rng.random((1, 16), np.float32)
    interpreter = open_interpreter(content, "reference")
    interpreter.set_tensor(x, image)
    interpreter.invoke()
    np.testing.assert_allclose(interpreter.get_tensor(y), image @ read(content).tensors[w].data.T, rtol=1e-5)
    assert (count_tflite(content).macs, count_tflite(content).params) == (128, 128)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda how: setattr(how, "traversalOrder", np.int32([0, 0])), r"levels \[0, 0\] for a shape \(4, 6\)"),
        (lambda how: setattr(how, "dimMetadata", how.dimMetadata[:1]), r"levels \[0, 1\]"),
        (lambda how: setattr(how.dimMetadata[0], "denseSize", 5), "a dense level of 5 for 4 places"),
        (lambda how: setattr(how.dimMetadata[1].arrayIndices, "values", np.int32([9] * 24)), "indices from 9 to 9"),
        (lambda how: setattr(how.dimMetadata[1].arraySegments, "values", np.int32([0, 9])), "2 segments of"),
        (lambda how: setattr(how.dimMetadata[1], "arraySegments", None), "0 segments of 24 indices for 4 entries"),
    ],
)
def test_sparse_levels_that_do_not_fit(spoil, says):
    values, how = sparse(np.ones((4, 6), np.int8), [0, 1], [], [], [0, 1])
    spoil(how)
    with pytest.raises(ValueError, match=says):
        densify(values.view(np.uint8), "int8", (4, 6), how)


def test_sparse_weights_take_no_more_memory_than_a_network_has():
    """A few bytes can claim any shape."""
    _, how = sparse(np.ones((1, 1), np.int8), [0, 1], [], [], [0, 1])
    with pytest.raises(ValueError, match="at most 2\\^28 values"):
        densify(np.ones(1, np.uint8), "int8", (2**20, 2**20), how)


@pytest.mark.parametrize("count", range(9))
@pytest.mark.parametrize("dtype", ["int4", "uint4", "int2"])
def test_few_bits_are_unpacked_from_the_low_end(dtype, count):
    """Odd sizes too, where the last byte is not full. Written out bit by bit."""
    bits, rng = value_bits(dtype), np.random.default_rng(count)
    q = rng.integers(0, 2**bits, count) if dtype[0] == "u" else rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), count)
    text = "".join(format(int(v) & (2**bits - 1), f"0{bits}b")[::-1] for v in q)
    raw = [int(text[i : i + 8].ljust(8, "0")[::-1], 2) for i in range(0, len(text), 8)]
    found = constant_values(np.array(raw, np.uint8), dtype, (count,))
    np.testing.assert_array_equal(found, q)
    assert found.dtype == ("uint8" if dtype[0] == "u" else "int8")


def test_uint4_and_int4_are_what_the_runtime_casts_them_to():
    for dtype, low, high in (("int4", -8, 8),):
        q = np.arange(low, high, dtype=np.int8)[:15]
        file = File()
        w, y = file.tensor((15,), dtype=dtype, data=q), file.tensor((15,), dtype="float32")
        file.operator("CAST", [w], [y])
        interpreter = open_interpreter(content := file.bytes([], [y]), "reference")
        interpreter.invoke()
        np.testing.assert_array_equal(read(content).tensors[w].data, interpreter.get_tensor(y))


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e5m2", "float8_e4m3fn"])
def test_small_floats_are_exact(dtype):
    """Every value there is, against ml_dtypes, which TensorFlow brings along."""
    import ml_dtypes

    values = np.arange(256, dtype=np.uint8)
    raw = np.repeat(values, 2) if dtype == "bfloat16" else values
    found = constant_values(raw, dtype, (256,))
    np.testing.assert_array_equal(found, raw.view(getattr(ml_dtypes, dtype)).astype(np.float32))
    assert found.dtype == np.float32


@pytest.mark.parametrize("dtype", ["float16", "float64", "int16", "int64", "uint32", "bool", "complex64", "complex128"])
@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (0,), (2, 0)])
def test_types_and_shapes_are_those_of_the_runtime(dtype, shape):
    """Scalars and shapes without values too. LiteRT hands out constants as they are."""
    data = (np.arange(np.prod(shape, dtype=int)) % 2).astype(dtype).reshape(shape)
    file = File()
    x, y = file.tensor((1, 2), dtype="float32"), file.tensor((1, 2), dtype="float32")
    w = file.tensor(shape, dtype=dtype, data=data)
    file.operator("RELU", [x], [y])
    content = file.bytes([x], [y])
    tensor = read(content).tensors[w]
    np.testing.assert_array_equal(tensor.data, data)
    assert (tensor.data.dtype, tensor.data.shape, tensor.dtype) == (data.dtype, shape, dtype)
    if data.size:
        np.testing.assert_array_equal(open_interpreter(content).get_tensor(w), data)


def string_file(raw, shape):
    file = File()
    x, y = file.tensor((1, 2), dtype="float32"), file.tensor((1, 2), dtype="float32")
    file.operator("RELU", [x], [y])
    w = file.tensor(shape, dtype="int8", data=np.frombuffer(raw, np.int8))
    file.tensors[w].type = 5  # STRING
    return file.bytes([x], [y]), w


def test_texts():
    """Also a text of no bytes, and bytes that are no text."""
    texts = [b"zero", b"", b"eins", b"\xff\x00", b"one"]
    places = np.cumsum([4 * 7, *map(len, texts)]).astype("<i4").tobytes()
    content, w = string_file(np.int32(5).tobytes() + places + b"".join(texts), (5,))
    assert read(content).tensors[w].data.tolist() == texts
    for raw, shape, says in (
        (b"\x01\0\0\0\x09\0\0\0\xff\0\0\0", (1,), "texts that lie outside"),
        (b"\xff\xff\xff\x7f", (1,), "2,147,483,647 texts in 4 bytes"),
        (np.int32([0, 8]).tobytes(), (2,), r"holds 0 texts, and its shape \(2,\) has 2"),
    ):
        with pytest.raises(ValueError, match=f"the constant 't2' .*{says}.*damaged, or .* in a way that is unknown"):
            read(string_file(raw, shape)[0])


def behind(content: bytes, gap: int = 13) -> bytes:
    """Return the same .tflite with all constants behind its tables, as files above 2 GB have them."""
    model = unpack_tables(content)
    kept = [(b, bytes(b.data)) for b in model.buffers if b.data is not None and len(b.data)]
    for place in range(2):  # the offsets change no sizes, so the second time they are right
        at = len(pack_tables(model)) + gap if place else 2
        for buffer, data in kept:
            buffer.data, buffer.offset, buffer.size = None, at, len(data)
            at += len(data)
    return pack_tables(model) + bytes(gap) + b"".join(data for _, data in kept)


@pytest.mark.parametrize("name", ["small_cnn_float32", "small_cnn_int8"])
def test_constants_behind_the_tables(name):
    """LiteRT opens such a file; the reader once called it damaged, and packing it again lost the weights."""
    content = shipped(name).read_bytes()
    moved = behind(content)
    assert len(open_interpreter(moved).get_tensor_details()) == len(read(moved).tensors)
    for a, b in zip(read(content).tensors, read(moved).tensors, strict=True):
        assert a.name == b.name
        np.testing.assert_array_equal(a.data, b.data)
    assert count_tflite(moved).weight_bytes() == count_tflite(content).weight_bytes()
    if name == "small_cnn_int8":
        x = np.random.default_rng(0).integers(-128, 128, (3, 28, 28, 1)).astype(np.int8)
        assert set(layer_differences(moved, x).values()) == {0.0}
        assert len(read(expose(moved)).outputs) == len(read(content).operators)


def test_constants_behind_the_end_are_proof_of_damage():
    moved = behind(shipped("small_cnn_int8").read_bytes())
    with pytest.raises(ValueError, match=r"a damaged .tflite: buffer \d+ would lie from byte .* the file ends after"):
        read(moved[:-5])


def test_a_file_of_the_quantizer_above_one_mebibyte():
    """ai-edge-quantizer moves the constants behind the tables when the file that it was given was that large."""
    from edgelab.shrink.quantize.post_training import quantize_file

    rng, file = np.random.default_rng(0), File()
    x, y = file.tensor((1, 520), dtype="float32", name="x"), file.tensor((1, 520), dtype="float32", name="y")
    w = file.tensor((520, 520), dtype="float32", data=rng.normal(size=(520, 520)), name="w")
    file.operator("FULLY_CONNECTED", [x, w, -1], [y])
    small = quantize_file(file.bytes([x], [y]), "weights8")
    assert any(b.offset > 1 for b in _raw_buffers(small)), "else this test proves nothing"
    stored = next(t for t in read(small).tensors if t.dtype == "int8")
    back = stored.data * (stored.scale[:, None] if len(stored.scale) > 1 else stored.scale)
    assert np.abs(back - read(file.bytes([x], [y])).tensors[w].data).max() <= 0.501 * stored.scale.max()


def _raw_buffers(content):
    from ai_edge_litert import schema_py_generated as schema

    return schema.ModelT.InitFromPackedBuf(content, 0).buffers


def edited(change) -> bytes:
    """Return a small file of which something was changed in its tables."""
    file = File()
    x, y = file.tensor((1, 2), dtype="float32", name="x"), file.tensor((1, 2), dtype="float32", name="y")
    file.tensor((2,), dtype="float32", data=[1, 2], name="w")
    file.operator("RELU", [x], [y])
    model = unpack_tables(file.bytes([x], [y]))
    change(model)
    return pack_tables(model)


def custom(model):
    model.operatorCodes[0].builtinCode = model.operatorCodes[0].deprecatedBuiltinCode = 32
    model.operatorCodes[0].customCode = "Detect"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda m: setattr(m.subgraphs[0].tensors[2], "externalBuffer", 7),
            r"'w' lie in a file of their own .*buffer 7",
        ),
        (lambda m: setattr(m.subgraphs[0].tensors[2], "buffer", 9), "'w' has its values in buffer 9, .* table has 2"),
        (lambda m: setattr(m, "operatorCodes", None), "operator 0 has code 0, and the file's table has 0"),
        (lambda m: setattr(m.operatorCodes[0], "builtinCode", 9999), "operator 0 is of kind 9999.*newer than"),
        (lambda m: setattr(m.subgraphs[0].tensors[2], "type", 99), "'w' has type 99 .*newer than"),
        (lambda m: setattr(m, "subgraphs", None), "without a subgraph"),
        (
            lambda m: setattr(m.buffers[1], "data", np.uint8([1, 2, 3])),
            "8 bytes, and has 3. Either the file is damaged, or",
        ),
    ],
)
def test_what_cannot_be_read_is_named(change, says):
    """Of these only bytes that point outside of the file are proof of damage."""
    with pytest.raises(ValueError, match=says) as caught:
        read(edited(change))
    assert "a damaged" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        (custom, lambda g: g.operators[0].kind == "CUSTOM:Detect"),
        (lambda m: setattr(m.subgraphs[0].tensors[0], "name", None), lambda g: g.tensors[0].name == ""),
        (lambda m: setattr(m.subgraphs[0].tensors[0], "name", b"\xff"), lambda g: g.tensors[0].name == "\ufffd"),
        (
            lambda m: setattr(m.subgraphs[0].tensors[0], "shapeSignature", [-1, 2]),
            lambda g: g.tensors[0].shape == (1, 2),
        ),
        (
            lambda m: setattr(m.subgraphs[0].tensors[0], "shapeSignature", [1, -1]),
            lambda g: g.tensors[0].shape == (1, -1),
        ),
        (lambda m: setattr(m.subgraphs[0].tensors[0], "shapeSignature", [1]), lambda g: g.tensors[0].shape == (1, 2)),
        (lambda m: setattr(m.subgraphs[0].tensors[2], "shapeSignature", [-1]), lambda g: g.tensors[2].data.size == 2),
        (lambda m: setattr(m.subgraphs[0].tensors[0], "isVariable", True), lambda g: g.tensors[0].data is None),
        (lambda m: m.subgraphs.append(m.subgraphs[0]), lambda g: len(g.operators) == 1),
        (lambda m: setattr(m.subgraphs[0], "operators", None), lambda g: g.operators == ()),
    ],
)
def test_forms_that_are_sound(change, holds):
    assert holds(read(edited(change)))


def test_scales_without_zero_points_and_without_scales():
    """Old files leave zero points out, and write tables of scales that are empty."""
    from ai_edge_litert import schema_py_generated as schema

    def scales(*values):
        q = schema.QuantizationParametersT(scale=np.float32(values), min=np.float32([0]), max=np.float32([1]))
        return read(edited(lambda m: setattr(m.subgraphs[0].tensors[0], "quantization", q))).tensors[0]

    assert scales().scale is scales().zero_point is None
    assert (scales(0.5).scale.tolist(), scales(0.5).zero_point.tolist()) == ([0.5], [0])


def test_options_of_a_custom_operator_behind_the_tables():
    model = unpack_tables(edited(custom))
    operator = model.subgraphs[0].operators[0]
    operator.largeCustomOptionsOffset, operator.largeCustomOptionsSize = 8, 4
    content = pack_tables(model)
    assert bytes(unpack_tables(content).subgraphs[0].operators[0].customOptions) == content[8:12]
    operator.largeCustomOptionsOffset = 2**20
    with pytest.raises(ValueError, match=r"damaged .tflite: the options of operator 0 would lie"):
        read(pack_tables(model))
