"""Float files from elsewhere are quantized as those of today's converter are, or refused with what they are."""

import numpy as np
import pytest
from _sparse import sparse
from _tflite import File

from edgelab.artifacts import shipped
from edgelab.infer.runner import Runner
from edgelab.infer.tflite import read
from edgelab.infer.tflite_tables import pack_tables, unpack_tables
from edgelab.shrink.quantize.by_layer import layer_errors
from edgelab.shrink.quantize.post_training import quantize_each, quantize_file, tensor_values
from edgelab.shrink.quantize.quantizer_input import as_quantizer_input, float_graph

RNG = np.random.default_rng(5)
X = RNG.random((100, 8), np.float32)
RECIPES = ("static8", "dynamic8", "weights4")


def dense_file(names=("x", "w", "h", "v", "y")) -> bytes:
    """Two dense layers of 64 and 6 units: the quantizer leaves smaller weights alone."""
    rng, file = np.random.default_rng(0), File()
    x = file.tensor((1, 8), dtype="float32")
    w = file.tensor((64, 8), dtype="float32", data=rng.normal(size=(64, 8)))
    h = file.tensor((1, 64), dtype="float32")
    v = file.tensor((6, 64), dtype="float32", data=rng.normal(size=(6, 64)))
    y = file.tensor((1, 6), dtype="float32")
    file.operator("FULLY_CONNECTED", [x, w, -1], [h])
    file.operator("FULLY_CONNECTED", [h, v, -1], [y])
    for tensor, name in zip(file.tensors, names, strict=True):
        tensor.name = name
    return file.bytes([x], [y])


def old_codes(model):
    for code in model.operatorCodes:
        code.builtinCode = 0


def own_signature(model, output=4):
    from ai_edge_litert import schema_py_generated as schema

    ends = [[schema.TensorMapT(name=n, tensorIndex=i)] for n, i in (("bild", 0), ("zahl", output))]
    return schema.SignatureDefT(*ends, signatureKey="classify", subgraphIndex=0)


def two_signatures(model):
    model.signatureDefs = [own_signature(model), own_signature(model)]
    model.signatureDefs[1].signatureKey = "again"


def open_batch(model):
    for number, size in ((0, 8), (4, 6)):
        model.subgraphs[0].tensors[number].shapeSignature = [-1, size]


CHANGES = {
    "no signature": lambda m: None,
    "old codes": old_codes,
    "its own signature": lambda m: setattr(m, "signatureDefs", [own_signature(m)]),
    "two signatures": two_signatures,
    "no names": lambda m: [setattr(t, "name", None) for t in m.subgraphs[0].tensors],
    "one name": lambda m: [setattr(t, "name", "same") for t in m.subgraphs[0].tensors],
    "no name of the graph": lambda m: setattr(m.subgraphs[0], "name", None),
    "an open batch": lambda m: [
        setattr(m.subgraphs[0].tensors[i], "shapeSignature", [-1, n]) for i, n in ((0, 8), (4, 6))
    ],
    "scales of zero on floats": lambda m: setattr(m.subgraphs[0].tensors[2], "quantization", _scale(0.0)),
}


def _scale(value):
    from ai_edge_litert import schema_py_generated as schema

    return schema.QuantizationParametersT(scale=[value], zeroPoint=[0])


def changed(change, content=None) -> bytes:
    model = unpack_tables(content or dense_file())
    change(model)
    return pack_tables(model)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("change", CHANGES)
def test_files_of_other_forms_are_quantized_like_the_plain_one(change, recipe):
    """With old codes the tool returned the float file, without a signature it died of a KeyError."""
    file = changed(CHANGES[change])
    found, plain = (quantize_file(f, recipe, X) for f in (file, dense_file()))
    types = {"static8": {"int8"}, "dynamic8": {"int8", "float32"}, "weights4": {"int4", "float32"}}[recipe]
    assert {t.dtype for t in read(found).tensors} - {"int32"} == types
    np.testing.assert_array_equal(Runner(found).predict(X[:20]), Runner(plain).predict(X[:20]))


@pytest.mark.parametrize("change", ["old codes", "no names", "one name"])
def test_one_layer_at_a_time_in_files_of_other_forms(change):
    """The quantizer's recipes name tensors: of equal names it would quantize both layers, or none."""
    files = quantize_each(changed(CHANGES[change]), "weights4")
    assert [[t.dtype for t in read(f).tensors].count("int4") for f in files.values()] == [1, 1]


def test_a_file_of_todays_converter_stays_as_it_is():
    content = shipped("small_cnn_float32").read_bytes()
    assert as_quantizer_input(content) is content
    assert float_graph(content).name == "model in memory"


@pytest.mark.parametrize("recipe", RECIPES)
def test_sparse_weights_are_quantized_with_their_zeros(recipe):
    """The tool takes the stored values for all values."""
    rng = np.random.default_rng(1)
    dense = (rng.normal(size=(64, 8)) * np.repeat(rng.random((64, 2)) < 0.3, 4, axis=1)).astype(np.float32)
    outputs = []
    for stored in (sparse(dense, [0, 1, 2], [1], [4], [0, 1, 0]), (dense, None)):
        file = File()
        x, y = file.tensor((1, 8), dtype="float32"), file.tensor((1, 64), dtype="float32")
        w = file.tensor((64, 8), dtype="float32", data=stored[0])
        file.tensors[w].sparsity = stored[1]
        if stored[1] is not None:
            full = file.tensor((64, 8), dtype="float32")
            file.operator("DENSIFY", [w], [full])
        file.operator("FULLY_CONNECTED", [x, w if stored[1] is None else full, -1], [y])
        content = changed(lambda m, y=y: setattr(m, "signatureDefs", [own_signature(m, y)]), file.bytes([x], [y]))
        small = quantize_file(content, recipe, X)
        outputs.append(Runner(small).predict(X[:20]))
        rows = layer_errors(content, small, X[:20])
        assert len(rows) == 1
        assert 10 < rows[0].weights_db < 60
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: setattr(f.tensors[0], "type", 2), "its input 't0' is int32, without a scale; expected float32"),
        (lambda f: setattr(f.tensors[1], "type", 4), "its output 't1' is int64, without a scale; expected float32"),
        (lambda f: f.tensor((2,), dtype="float16", data=[1, 2], name="half"), "holds 'half' in float16; .*Start from"),
        (lambda f: f.tensor((2,), 0.5, dtype="uint8", data=[1, 2], name="w"), "quantized already: 'w' is uint8"),
        (lambda f: f.tensor((2,), dtype="int4", data=[1, 2], name="w"), "quantized already: 'w' is int4"),
    ],
)
def test_other_files_are_refused_with_what_they_are(spoil, says):
    """An input of whole numbers is not "quantized already"."""
    file = File()
    x, y = (file.tensor((1, 3), dtype="float32") for _ in range(2))
    file.operator("RELU", [x], [y])
    spoil(file)
    with pytest.raises(ValueError, match=says):
        quantize_file(file.bytes([x], [y]), "weights8")


def test_several_inputs_are_refused():
    file = File()
    x, y, z = (file.tensor((1, 3), dtype="float32") for _ in range(3))
    file.operator("ADD", [x, y], [z])
    content = file.bytes([x, y], [z])
    with pytest.raises(ValueError, match="2 inputs, 1 outputs; expected one of each"):
        quantize_file(content, "static8", X)
    with pytest.raises(ValueError, match="2 inputs; expected one"):
        tensor_values(content, X[:, :3])


def test_values_of_an_input_without_scale_are_refused_and_of_uint8_quantized():
    """A scale that isn't there was read as its first entry."""
    file = File()
    x, y = file.tensor((1, 3), dtype="uint8"), file.tensor((1, 3), dtype="float32")
    file.operator("CAST", [x], [y])
    with pytest.raises(ValueError, match=r"takes uint8 of shape \(1, 3\) without a scale; expected one float image"):
        tensor_values(file.bytes([x], [y]), X[:2, :3])
    file = File()
    x, y = file.tensor((1, 3), 0.01, 7, dtype="uint8"), file.tensor((1, 3), dtype="float32")
    file.operator("DEQUANTIZE", [x], [y])
    found = tensor_values(file.bytes([x], [y]), X[:2, :3])[y]
    np.testing.assert_allclose(found, np.round(X[:2, :3] / 0.01) * 0.01, atol=1e-6)
    for shape in ((4, 3), (3,)):
        file = File()
        x, y = (file.tensor(shape, dtype="float32") for _ in range(2))
        file.operator("RELU", [x], [y])
        with pytest.raises(ValueError, match="expected one float image"):
            tensor_values(file.bytes([x], [y]), X[:4, :3])


def test_errors_of_an_output_that_is_no_number():
    """Comparisons give bool, argmax int64, both without a scale."""
    file = File()
    x, y, h = (
        file.tensor((1, 3), dtype="float32"),
        file.tensor((1, 3), dtype="bool"),
        file.tensor((1, 3), dtype="float32"),
    )
    file.operator("RELU", [x], [h])
    file.operator("GREATER_EQUAL", [h, x], [y])
    content = file.bytes([x], [y])
    assert [(row.scale, row.max_error) for row in layer_errors(content, content, X[:4, :3])] == [(None, 0.0)] * 2


def test_an_lstm_begins_anew_for_each_image():
    """Its state stays from call to call: the values of an image depended on the images before."""
    from edgelab.shrink.convert.fused_lstm import lstm_tflite

    rng = np.random.default_rng(2)
    file = lstm_tflite(rng.normal(size=(3, 16)), rng.normal(size=(4, 16)), rng.normal(size=16), 5)
    x = rng.random((4, 5, 3), np.float32)
    (number,) = read(file).outputs
    np.testing.assert_array_equal(tensor_values(file, x)[number][::-1], tensor_values(file, x[::-1])[number])
