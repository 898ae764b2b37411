"""The report of errors by layer: its figures by hand, and that it finds the layer that was spoiled."""

import flatbuffers
import numpy as np
import pytest
from _tflite import File
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelab.artifacts import shipped
from edgelab.data import load_mnist, to_input
from edgelab.infer.runner import Runner
from edgelab.infer.tflite import read
from edgelab.shrink.quantize.affine import choose_qparams, dequantize, quantize
from edgelab.shrink.quantize.by_layer import LayerError, layer_errors, one_layer_errors, sqnr_db, table
from edgelab.shrink.quantize.post_training import quantize_file

CONVERTED = ["CONV_2D", "MAX_POOL_2D", "CONV_2D", "MAX_POOL_2D", "RESHAPE", "FULLY_CONNECTED", "FULLY_CONNECTED"]


@pytest.fixture(scope="module")
def cnn():
    return shipped("small_cnn_float32").read_bytes()


@pytest.fixture(scope="module")
def digits():
    mnist = load_mnist()
    return to_input(mnist.x_train[:120]), to_input(mnist.x_test[:20])


def with_outliers(tflite, layer, size):
    """Return a float32 file with one weight of each output of a layer made so large."""
    model = schema.ModelT.InitFromPackedBuf(tflite, 0)
    (tensor,) = (t for t in model.subgraphs[0].tensors if t.name.endswith(layer.encode()))
    w = np.frombuffer(model.buffers[tensor.buffer].data.tobytes(), np.float32).reshape(tensor.shape).copy()
    w.reshape(len(w), -1)[:, 0] = size
    model.buffers[tensor.buffer].data = np.frombuffer(w.tobytes(), np.uint8)
    builder = flatbuffers.Builder(len(tflite))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100), st.floats(1e-4, 1))
def test_sqnr_is_a_ratio(seed, unit, share):
    """In other units it is the same; an error of a given share of the signal has -20 log10(share) dB."""
    x = np.random.default_rng(seed).normal(size=50)
    assert sqnr_db(unit * x, unit * x * (1 + share)) == pytest.approx(-20 * np.log10(share), abs=1e-6)


@pytest.mark.parametrize("bits", [4, 6, 8, 10])
def test_a_bit_more_is_six_decibels_more(bits):
    """Values spread evenly over the range: error variance scale²/12, so 20 log10(2^bits - 1) dB."""
    x = np.random.default_rng(0).uniform(-1, 1, 100_000)
    scale, zero_point = choose_qparams(-1.0, 1.0, bits)
    rounded = dequantize(quantize(x, scale, zero_point, bits), scale, zero_point)
    assert sqnr_db(x, rounded) == pytest.approx(20 * np.log10(2**bits - 1), abs=0.1)  # of 100,000 values


def test_sqnr_at_the_ends():
    assert sqnr_db(np.ones(3), np.ones(3)) == float("inf")
    assert sqnr_db(np.zeros(3), np.zeros(3)) == float("inf")
    assert sqnr_db(np.zeros(3), np.ones(3)) == float("-inf")
    with pytest.raises(ValueError, match=r"shapes \(3,\) and \(1,\) differ"):
        sqnr_db(np.ones(3), np.ones(1))  # would broadcast


def test_the_converters_int8_file_against_its_float_one(cnn, digits):
    """Each row is a layer, and the last row's figures are those of the logits that the runtime gives."""
    int8 = shipped("small_cnn_int8").read_bytes()
    rows = layer_errors(cnn, int8, digits[1])
    assert [row.kind for row in rows] == CONVERTED
    assert rows[0].name == "conv2d_1"
    assert rows[-1].name == "logits_1"
    exact, rounded = (Runner(file, "builtin").predict(digits[1]) for file in (cnn, int8))
    expected = 10 * np.log10((exact.astype(float) ** 2).sum() / ((exact.astype(float) - rounded) ** 2).sum())
    assert rows[-1].sqnr_db == pytest.approx(expected, abs=1e-6)
    assert rows[-1].max_error == pytest.approx(np.abs(exact - rounded).max(), rel=1e-6)
    assert rows[-1].scale == pytest.approx(Runner(int8).output_quantization[0])
    assert [row.weights_db is None for row in rows] == [k not in ("CONV_2D", "FULLY_CONNECTED") for k in CONVERTED]
    # Rounding alone leaves an error of scale/√12; weights of 8 bits and sums of them some more.
    assert all(row.sqnr_db > 30 for row in rows)


def test_the_weights_figure_is_that_of_their_rounding(cnn):
    """By hand for the first convolution: symmetric scales for each output channel."""
    rows = layer_errors(cnn, quantize_file(cnn, "weights8"), np.zeros((1, 28, 28, 1), np.float32))
    graph = read(cnn)
    w = graph.tensors[graph.operators[0].inputs[1]].data.astype(float)
    scale = np.abs(w).max(axis=(1, 2, 3), keepdims=True) / 127
    rounded = np.rint(w / scale) * scale
    expected = 10 * np.log10((w**2).sum() / ((w - rounded) ** 2).sum())
    assert rows[0].weights_db == pytest.approx(expected, abs=1e-3)  # the file's scales are float32


def test_a_file_against_itself_has_no_error(cnn, digits):
    for row in layer_errors(cnn, cnn, digits[1][:2]):
        assert (row.scale, row.sqnr_db, row.max_error, row.saturated) == (None, float("inf"), 0, 0)


def test_one_outlier_in_the_weights_is_found(cnn, digits):
    """The case the report is for: a weight a hundred times the others takes the whole scale, and accuracy falls."""
    spoiled = with_outliers(cnn, "conv2d_1_2/convolution", 15.0)
    rows = layer_errors(spoiled, quantize_file(spoiled, "static8", digits[0]), digits[1])
    figures = {row.name: row.weights_db for row in rows if row.weights_db is not None}
    healthy = {r.name: r.weights_db for r in layer_errors(cnn, quantize_file(cnn, "weights8"), digits[1][:1])}
    # The figure counts the outlier as signal; the others' error grows all the same.
    alone = one_layer_errors(spoiled, digits[1], digits[0], "weights4")
    assert min(alone, key=alone.get) == "conv2d_1_2"
    assert {name for name in figures if abs(figures[name] - healthy[name]) > 0.5} == {"conv2d_1_2"}


def test_layers_are_looked_at_one_by_one(cnn, digits):
    """With four bits, each layer alone hurts more than with eight; weights alone never more than all together."""
    eight, four = (one_layer_errors(cnn, digits[1], digits[0], f"weights{bits}") for bits in (8, 4))
    assert list(eight) == list(four) == ["conv2d_1", "conv2d_1_2", "dense_1_1", "logits_1"]
    assert all(eight[name] > four[name] + 12 for name in eight)  # 4 bits are 24 dB, half of it left as a margin
    together = layer_errors(cnn, quantize_file(cnn, "weights4"), digits[1])[-1].sqnr_db
    assert together < min(four.values())


def test_what_is_cut_off_is_counted(cnn, digits):
    """The quantizer's own ranges cut logits off, those of min-max none."""
    cut = {
        ranges: layer_errors(cnn, quantize_file(cnn, "static8", digits[0], ranges=ranges), digits[0])[-1]
        for ranges in ("min_max", "moving_average")
    }
    assert cut["min_max"].saturated == 0
    assert cut["moving_average"].saturated > 0.01
    assert cut["min_max"].sqnr_db > cut["moving_average"].sqnr_db + 6


def test_zeros_of_a_relu_do_not_count_as_cut_off():
    """They sit at -128, the end of the range, and are exact."""
    files = []
    for dtype in ("float32", "int8"):
        file = File()
        quantization = () if dtype == "float32" else (1 / 255, -128)
        x, y = (file.tensor((1, 4), *quantization, dtype=dtype) for _ in range(2))
        file.operator("RELU", [x], [y])
        files.append(file.bytes([x], [y]))
    (row,) = layer_errors(*files, np.float32([[0, 0, 0.5, 1]]))
    assert row.saturated == 0
    assert row.max_error <= 0.5 / 255 + 1e-6
    (row,) = layer_errors(*files, np.float32([[0, 0, 0.5, 2]]))
    assert row.saturated == 0.25


def chain(*kinds):
    """Return a float32 file of one-input operators on (1, 4); the last makes "y", others t1, t2, …"""
    file = File()
    number = first = file.tensor((1, 4), dtype="float32", name="x")
    shape = file.tensor((2,), dtype="int32", data=[1, 4], name="shape")
    for n, kind in enumerate(kinds):
        made = file.tensor((1, 4), dtype="float32", name="y" if n == len(kinds) - 1 else f"t{n}")
        file.operator(kind, [number, shape] if kind == "RESHAPE" else [number], [made])
        number = made
    return file.bytes([first], [number])


def test_layers_are_matched_by_name_where_one_file_has_more():
    """A converter may leave a reshape standing in one mode; the others must not move up."""
    x = np.float32([[-1, 2, 3, 9]])
    assert [row.kind for row in layer_errors(chain("RELU6"), chain("RESHAPE", "RELU6"), x)] == ["RELU6"]
    with pytest.raises(ValueError, match=r"different networks: 2 layers and 1; RESHAPE which makes 't0'"):
        layer_errors(chain("RESHAPE", "RELU6"), chain("RELU6"), x)


def test_files_that_do_not_belong_together(cnn, digits):
    dense, int8 = (shipped(name).read_bytes() for name in ("dense128_int8", "small_cnn_int8"))
    with pytest.raises(ValueError, match=r"of different networks: 7 layers and 3; CONV_2D which makes .*conv2d_1"):
        layer_errors(cnn, dense, digits[1])
    with pytest.raises(ValueError, match="the first file is quantized; expected the float32 one"):
        layer_errors(int8, int8, digits[1])
    with pytest.raises(ValueError, match="damaged"):
        layer_errors(cnn, int8[: len(int8) // 2], digits[1])


def test_the_table_has_a_line_a_layer_in_columns():
    rows = [
        LayerError("stem", "DEPTHWISE_CONV_2D", (14, 14, 8), 0.02, 31.54, 0.04, 0.001, 40.1),
        LayerError("a_layer_with_a_long_name", "MEAN", (8,), None, float("inf"), 0.0, 0.0, None),
    ]
    lines = table(rows).split("\n")
    assert len(lines) == 3
    assert len(lines[0]) == len(lines[1])
    assert lines[1].split() == ["stem", "DEPTHWISE_CONV_2D", "14×14×8", "0.02", "31.5", "0.04", "0.1", "%", "40.1"]
    assert lines[2].split() == ["a_layer_with_a_long_name", "MEAN", "8", "float", "inf", "0", "0.0", "%"]
    assert table([]).startswith("layer  operator")
