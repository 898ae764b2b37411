"""Quantizing a trained .tflite: types in the file, which layers, calibration, and what is refused."""

import subprocess
import sys

import numpy as np
import pytest
from _examples import examples
from _tflite import File
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelab.artifacts import shipped
from edgelab.data import load_mnist, to_input
from edgelab.infer.parity import differences
from edgelab.infer.runner import Runner
from edgelab.infer.tflite import Tensor, read
from edgelab.shrink.quantize.post_training import (
    RECIPES,
    layer_names,
    quantize_each,
    quantize_file,
    real_values,
    tensor_values,
)

LAYERS = ["conv2d_1", "max_pooling2d_1", "conv2d_1_2", "max_pooling2d_1_2", "flatten_1_1", "dense_1_1", "logits_1"]
WITH_WEIGHTS = ["conv2d_1", "conv2d_1_2", "dense_1_1", "logits_1"]


@pytest.fixture(scope="module")
def cnn():
    return shipped("small_cnn_float32").read_bytes()


@pytest.fixture(scope="module")
def digits():
    mnist = load_mnist()
    return to_input(mnist.x_train[:150]), mnist.y_train[:150], to_input(mnist.x_test[:200])


@pytest.fixture(scope="module")
def quantized(cnn, digits):
    return {recipe: quantize_file(cnn, recipe, digits[0], digits[1]) for recipe in RECIPES if recipe != "float"}


def weights(tflite):
    """Return the weights of a file by layer, whether the layer reads them as they are or dequantized."""
    graph = read(tflite)
    before = {o.outputs[0]: o.inputs[0] for o in graph.operators if o.kind == "DEQUANTIZE"}
    found = {}
    for operator, name in zip(graph.operators, layer_names(graph), strict=True):
        if operator.kind in ("CONV_2D", "FULLY_CONNECTED"):
            found[name] = graph.tensors[before.get(operator.inputs[1], operator.inputs[1])]
    return found


def ends(tflite):
    graph = read(tflite)
    return graph.tensors[graph.inputs[0]].dtype, graph.tensors[graph.outputs[0]].dtype


def test_layers_have_the_names_that_the_converter_wrote(cnn):
    """The last output is called StatefulPartitionedCall: its weights must name the layer."""
    assert layer_names(cnn) == LAYERS
    assert list(weights(cnn)) == WITH_WEIGHTS


def test_layers_without_names_are_told_apart():
    """A report by name would lose one of two layers of the same name."""
    file = File()
    x, y, z = (file.tensor((1, 3), dtype="float32", name=name) for name in ("a", "b", "c"))
    for numbers in ((x, y), (y, z)):
        file.operator("RELU", numbers[:1], numbers[1:])
    assert layer_names(file.bytes([x], [z])) == ["relu", "relu 2"]


@pytest.mark.parametrize("recipe", [name for name in RECIPES if name != "float"])
def test_weights_and_ends_have_the_types_of_the_recipe(recipe, quantized):
    expected = "int4" if "4" in recipe else "int8"
    assert {name: w.dtype for name, w in weights(quantized[recipe]).items()} == dict.fromkeys(WITH_WEIGHTS, expected)
    activations = {"static8": "int8", "static4": "int8", "static8x16": "int16"}.get(recipe, "float32")
    assert ends(quantized[recipe]) == (activations, activations)


@pytest.mark.parametrize("recipe", ["static8", "static4", "dynamic8", "dynamic4", "weights8", "weights4"])
def test_the_answers_stay(recipe, cnn, digits, quantized):
    """Weights of 8 bits move logits by parts of a percent, of 4 bits by some; few digits are that close."""
    answers = Runner(cnn).predict(digits[2]).argmax(axis=1)
    agree = (Runner(quantized[recipe]).predict(digits[2]).argmax(axis=1) == answers).mean()
    assert agree >= (0.99 if "8" in recipe else 0.96)


def test_four_bits_take_half_the_bytes_of_eight(quantized):
    """Two in a byte: an int4 that fills a byte would save nothing."""
    for eight, four in (("static8", "static4"), ("weights8", "weights4")):
        sizes = [sum(w.bytes for w in weights(quantized[name]).values()) for name in (eight, four)]
        assert sizes[1] == sizes[0] // 2
        assert len(quantized[eight]) - len(quantized[four]) > 0.9 * sizes[1]


@pytest.mark.parametrize("recipe", ["static8", "static4"])
def test_static_files_are_integers_throughout(recipe, digits, quantized):
    """The integer engine, which refuses floats, gives every logit of LiteRT's reference kernels."""
    x = Runner(quantized[recipe]).as_input(digits[2][:50])
    assert differences(quantized[recipe], x, ["reference"]) == {("reference", "reference"): 0.0}


def test_min_max_reaches_to_the_largest_value_and_the_quantizers_average_does_not(cnn, digits):
    """The tool's own average over single images cuts off the logits of the surest: found by the report of errors."""
    exact = tensor_values(cnn, digits[0])[read(cnn).outputs[0]]
    cut = {}
    for ranges in ("min_max", "moving_average"):
        graph = read(quantize_file(cnn, "static8", digits[0], ranges=ranges))
        y = graph.tensors[graph.outputs[0]]
        low, high = ((q - y.zero_point[0]) * y.scale[0] for q in (-128, 127))
        cut[ranges] = ((exact < low - y.scale[0] / 2) | (exact > high + y.scale[0] / 2)).mean()
    assert cut["min_max"] == 0
    assert cut["moving_average"] > 0.01


def test_the_last_recipe_that_finds_a_layer_counts(cnn, digits):
    file = quantize_file(cnn, {".*": "weights8", "conv2d": "weights4", "conv2d_1_2": "float"}, digits[0])
    types = {name: w.dtype for name, w in weights(file).items()}
    assert types == {"conv2d_1": "int4", "conv2d_1_2": "float32", "dense_1_1": "int8", "logits_1": "int8"}


def test_layers_that_nothing_names_stay_as_they_are(cnn):
    file = quantize_file(cnn, {"^dense": "weights4"})
    before, after = weights(cnn), weights(file)
    assert {name: w.dtype for name, w in after.items()} == {
        name: "int4" if name == "dense_1_1" else "float32" for name in WITH_WEIGHTS
    }
    for name in set(WITH_WEIGHTS) - {"dense_1_1"}:
        np.testing.assert_array_equal(after[name].data, before[name].data)


def test_a_static_network_can_keep_its_last_layer_in_float(cnn, digits):
    """Found by the weights' name: by the output's, StatefulPartitionedCall, nobody would look."""
    file = quantize_file(cnn, {".*": "static8", "logits": "float"}, digits[0])
    assert ends(file) == ("int8", "float32")
    assert weights(file)["logits_1"].dtype == "float32"


def test_equal_arguments_give_equal_bytes(cnn, digits, quantized):
    assert quantize_file(cnn, "static8", digits[0], digits[1]) == quantized["static8"]


def test_one_layer_at_a_time(cnn, digits):
    """Each file has one layer in integers and the others as they were."""
    files = quantize_each(cnn, "static8", digits[0])
    assert list(files) == WITH_WEIGHTS
    for name, file in files.items():
        assert {n: w.dtype for n, w in weights(file).items()} == {
            n: "int8" if n == name else "float32" for n in WITH_WEIGHTS
        }


def test_values_between_the_layers_are_those_of_the_runtime(cnn, quantized, digits):
    """The last of them is what predict gives; in real numbers, whatever the file holds."""
    for file in (cnn, quantized["static8"], quantized["dynamic8"], quantized["weights4"]):
        values = tensor_values(file, digits[2][:8])
        expected = Runner(file, "builtin").predict(digits[2][:8])
        np.testing.assert_array_equal(values[read(file).outputs[0]], expected)
        assert all(len(y) == 8 for y in values.values())


def test_values_of_int16_activations(quantized, cnn, digits):
    """The input is quantized to int16, not cut to int8. 40 dB: a hundredth of the logits' size, from int8 weights."""
    exact, rounded = (tensor_values(f, digits[2][:8])[read(f).outputs[0]] for f in (cnn, quantized["static8x16"]))
    assert np.abs(exact - rounded).max() < 0.01 * np.abs(exact).max()


@settings(deadline=None, max_examples=examples(50, 20))
@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_real_values_are_scale_times_the_distance_from_zero_point(channels, seed):
    """Per channel along the tensor's own axis, written out here as a loop."""
    rng = np.random.default_rng(seed)
    q = rng.integers(-128, 128, (3, channels, 2)).astype(np.int8)
    scale, zero = rng.uniform(0.01, 2, channels).astype(np.float32), rng.integers(-128, 128, channels)
    found = real_values(q, Tensor("w", q.shape, "int8", scale, zero, axis=1))
    for c in range(channels):
        np.testing.assert_array_equal(found[:, c], scale[c] * (q[:, c].astype(np.float32) - np.float32(zero[c])))
    floats = rng.normal(size=3)
    assert real_values(floats, Tensor("x", (3,))) is floats


def test_tensorflow_is_not_needed():
    """A device quantizes its own model: the import alone would take half a gigabyte."""
    code = (
        "import sys; from edgelab.artifacts import shipped; from edgelab.shrink.quantize import quantize_file; "
        "quantize_file(shipped('small_cnn_float32').read_bytes(), 'weights4'); "
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_it_is_quiet(cnn, capfd):
    """The quantizer prints a bar and a report: a notebook's stored output would have both."""
    quantize_file(cnn, "weights8")
    out, err = capfd.readouterr()
    assert out == err == ""


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ("int5", "unknown recipe 'int5'; the recipes are: static8"),
        ({".*": "static8", "dense": "static3"}, "unknown recipe 'static3'"),
        ({"densely": "weights8"}, "'densely' finds no layer; there are: conv2d_1, max_pooling2d_1"),
        ({"(": "weights8"}, "'\\(' is not a regular expression"),
        ("static8", "needs calibration data"),
    ],
)
def test_recipes_that_cannot_be(recipe, says, cnn):
    with pytest.raises(ValueError, match=says):
        quantize_file(cnn, recipe)


def test_an_unknown_way_to_find_ranges(cnn, digits):
    with pytest.raises(ValueError, match="unknown ranges 'percentile'; expected min_max or moving_average"):
        quantize_file(cnn, "static8", digits[0], ranges="percentile")


@pytest.mark.parametrize(
    ("spoil", "error", "says"),
    [
        (lambda x: x[:20], ValueError, "20 calibration samples"),
        (lambda x: x[:, :27], ValueError, "calibration data has shape"),
        (lambda x: (x * 255).astype(np.uint8), TypeError, "calibration data is uint8"),
        (lambda x: x * 255, ValueError, "calibration data runs from 0 to 255"),
        (lambda x: np.repeat(x[:1], 120, axis=0), ValueError, "constant"),
        (lambda x: np.where(x > 0.9, np.nan, x), ValueError, "NaN"),
    ],
)
def test_calibration_data_that_cannot_be(spoil, error, says, cnn, digits):
    """Each of these was accepted by the tool and gave a model of some accuracy or other."""
    for quantize in (quantize_file, quantize_each):
        with pytest.raises(error, match=says):
            quantize(cnn, "static8", spoil(digits[0]))


def test_a_class_without_calibration_samples(cnn, digits):
    with pytest.raises(ValueError, match=r"no calibration sample of class \[7\]"):
        quantize_file(cnn, "static8", digits[0], np.where(digits[1] == 7, 1, digits[1]))


def test_files_that_cannot_be(cnn):
    with pytest.raises(ValueError, match=r"quantized already: .* is int8. Start from to_tflite\(model, .float32"):
        quantize_file(shipped("small_cnn_int8").read_bytes(), "weights8")
    for part in (b"", cnn[:100], cnn[: len(cnn) // 2], b"PK" + cnn):
        with pytest.raises(ValueError, match="not a .tflite|damaged"):
            quantize_file(part, "weights8")
    file = File()
    x, y, z = (file.tensor((1, 3), dtype="float32") for _ in range(3))
    file.operator("RELU", [x], [y])
    file.operator("RELU", [y], [z])
    with pytest.raises(ValueError, match="1 inputs, 2 outputs; expected one of each"):
        quantize_file(file.bytes([x], [y, z]), "weights8")


@pytest.mark.parametrize(
    "x", [np.zeros((2, 27, 28, 1), np.float32), np.zeros((2, 28, 28, 1)), np.zeros((0, 28, 28, 1), np.float32)]
)
def test_images_that_do_not_fit(x, cnn):
    with pytest.raises(ValueError, match=r"expected float32 \(n, 28, 28, 1\), n at least 1"):
        tensor_values(cnn, x)
