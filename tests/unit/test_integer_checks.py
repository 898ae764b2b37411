"""Every model that the integer engine must refuse, and images that a model doesn't take."""

import numpy as np
import pytest
from _tflite import File

from edgelab.artifacts import shipped
from edgelab.infer.integer.checks import check_graph, check_inputs
from edgelab.infer.integer.concerns import fault
from edgelab.infer.integer.model import IntegerModel
from edgelab.infer.integer.operators import RULES, find_place
from edgelab.infer.parity import runtime_outputs
from edgelab.infer.smallest import relu_tflite
from edgelab.infer.tflite import Graph, read
from edgelab.shrink.quantize.post_training import quantize_file

QUANTIZED = {"scale": 0.1, "zero_point": 3}


def one(kind, shape=(1, 4, 4, 2), out=None, others=(), x=QUANTIZED, y=QUANTIZED, **options):
    """Write a .tflite of one operator. others: keyword arguments of further tensors, or -1."""
    file = File()
    first = file.tensor(shape, **x)
    more = [other if other == -1 else file.tensor(**other) for other in others]
    last = file.tensor(out or shape, **y, name="made")
    file.operator(kind, [first, *more], [last], **options)
    return file.bytes([first], [last])


def conv(w=None, b=None, **options):
    """Write a convolution, with something wrong in its weights, its bias or its options."""
    weights = {"shape": (3, 1, 1, 2), "scale": 0.1, "data": np.ones((3, 1, 1, 2))} | (w or {})
    bias = {"shape": (3,), "dtype": "int32", "scale": 0.01, "data": np.ones(3)} | (b or {})
    options = {"strideH": 1, "strideW": 1, "padding": 1} | options
    return one("CONV_2D", out=(1, 4, 4, 3), others=[weights, bias], **options)


def depthwise(shape, **options):
    """Write a depthwise convolution with weights of a shape."""
    weights = {"shape": shape, "scale": 0.1, "data": np.ones(shape), "axis": 3}
    return one("DEPTHWISE_CONV_2D", others=[weights], **{"strideH": 1, "strideW": 1, "padding": 1} | options)


def without_options(content: bytes) -> Graph:
    graph = read(content)
    return graph._replace(operators=tuple(o._replace(options={}) for o in graph.operators))


def moved(content: bytes, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> Graph:
    """Let the first operator read and make other tensors."""
    graph = read(content)
    first = graph.operators[0]._replace(inputs=inputs, outputs=outputs)
    return graph._replace(operators=(first, *graph.operators[1:]))


AXES = {"shape": (2,), "dtype": "int32", "data": [1, 2]}
HALF = {"scale": 0.05, "zero_point": 3}
SHARES = {"scale": 1 / 256, "zero_point": -128}
POOL = {"filterHeight": 2, "filterWidth": 2, "strideH": 2, "strideW": 2, "padding": 1}

REFUSED = {
    "float": (lambda: shipped("small_cnn_float32"), "operator 0, CONV_2D, which makes '.*', has .* in float32; exp"),
    "float with int8 weights": (
        lambda: quantize_file(shipped("small_cnn_float32").read_bytes(), "weights8"),
        "DEQUANTIZE, which makes '.*', reads constants alone, as in a float model that stores its weights",
    ),
    "float inside": (lambda: one("RELU", x={"dtype": "float32"}, y={"dtype": "float32"}), "in float32; expected int8"),
    "int16": (lambda: one("RELU", x=QUANTIZED | {"dtype": "int16"}), "in int16; expected int8"),
    "uint8": (lambda: one("RELU", y=QUANTIZED | {"dtype": "uint8"}), "'made' in uint8; expected int8"),
    "unknown operator": (lambda: one("NEG"), "operator 0, NEG, which makes 'made', isn't supported"),
    "no kernel": (lambda: one("ELU"), "no int8 kernel in LiteRT's reference kernels; builtin and xnnpack and micro"),
    "join other ranks": (
        lambda: one("CONCATENATION", others=[QUANTIZED | {"shape": (2,), "data": [1, 2]}], axis=0),
        "joins tensors of different ranks",
    ),
    "open size": (lambda: one("RELU", x=QUANTIZED | {"signature": [1, -1, 4, 2]}), "no size left open"),
    "huge": (lambda: one("RELU", (1, 2**20, 2**10)), "expected at most 2\\^28 values"),
    "no scale": (lambda: one("RELU", x={}), "has no scale for 't0'; expected one"),
    "two scales": (lambda: one("RELU", x={"scale": [0.1, 0.2]}), "has 2 scales for 't0'"),
    "scale 0": (lambda: one("RELU", y={"scale": 0.0}), "scale"),
    "scale nan": (lambda: one("RELU", x={"scale": np.nan}), "scale"),
    "zero point": (lambda: one("RELU", x={"scale": 0.1, "zero_point": 300}), "zero point"),
    "activation": (lambda: conv(fusedActivationFunction=4), "fused activation 4 can't be run in integers"),
    "computed weights": (
        lambda: conv(w={"shape": (1, 1, 1, 2), "data": None}),
        "computes its input 1; expected a constant",
    ),
    "weights without scale": (lambda: conv(w={"scale": None}), "weights without a scale"),
    "weights with zero point": (lambda: conv(w={"zero_point": 1}), "weights without a scale, or with a zero point"),
    "scales of some channels": (lambda: conv(w={"scale": [0.1, 0.2]}), "weights without a scale"),
    "int16 weights": (lambda: conv(w={"dtype": "int16"}), "weights in int16; expected int8 or int4"),
    "channels": (lambda: conv(w={"shape": (3, 1, 1, 3), "data": np.ones((3, 1, 1, 3))}), "doesn't fit what it reads"),
    "depthwise channels": (lambda: depthwise((1, 1, 1, 3), out=(1, 4, 4, 3)), "doesn't fit what it reads"),
    "depthwise stride 0": (lambda: depthwise((1, 1, 1, 2), strideH=0, strideW=0), "doesn't fit what it reads"),
    "depthwise kernel beyond the image": (lambda: depthwise((1, 7, 7, 2)), "doesn't fit what it reads"),
    "bias of another length": (lambda: conv(b={"shape": (1,), "data": np.ones(1)}), r"int32 of shape \(1,\); expected"),
    "bias in float": (lambda: conv(b={"dtype": "float32"}), r"float32 of shape \(3,\); expected int32"),
    "weights of scale 0": (lambda: conv(w={"scale": 0.0}), "weights without a scale"),
    "kernel beyond the image": (
        lambda: conv(w={"shape": (3, 5, 5, 2), "data": np.ones((3, 5, 5, 2))}),
        "doesn't fit what it reads .*fits nowhere",
    ),
    "stride 0": (lambda: conv(strideH=0), "doesn't fit what it reads .*stride"),
    "padding": (lambda: conv(padding=7), "lacks what it needs"),
    "other shape than said": (lambda: one("MAX_POOL_2D", **POOL), r"makes \(1, 2, 2, 2\), and the file says \(1, 4,"),
    "pool rescales": (lambda: one("MAX_POOL_2D", y=HALF, **POOL), "changes scale or zero point"),
    "mean of channels": (lambda: one("MEAN", others=[AXES | {"data": [1, 3]}]), "expected rows and columns: 1 and 2"),
    "mean of computed axes": (lambda: one("MEAN", others=[AXES | {"data": None}]), "computes its input 1, 't1' in int"),
    "join other scales": (lambda: one("CONCATENATION", y=HALF, axis=3), "has 't0' on another scale than its output"),
    "reshape rescales": (lambda: one("RESHAPE", y=HALF), "on another scale than its output"),
    "pool of a damaged size": (
        lambda: one("MAX_POOL_2D", **{**POOL, "filterHeight": 2**31 - 1, "padding": 0}),
        "has windows of 2147483647 × 2 on an image of 4 × 4",
    ),
    "pool of very many places": (
        lambda: one("MAX_POOL_2D", **POOL | {"filterHeight": 3000, "filterWidth": 3000, "padding": 0}),
        "has windows of 3000 × 3000 on an image of 4 × 4",
    ),
    "softmax": (lambda: one("SOFTMAX", beta=1.0), "expected 1/256 and -128"),
    "softmax of a NaN": (lambda: one("SOFTMAX", y=SHARES, beta=float("nan")), "has beta nan; expected a finite"),
    "logistic": (lambda: one("LOGISTIC"), "expected 1/256 and -128"),
    "tanh": (lambda: one("TANH"), "expected 1/128 and 0"),
    "log_softmax": (lambda: one("LOG_SOFTMAX"), "expected 1/16 and 127"),
    "log_softmax of many": (
        lambda: one("LOG_SOFTMAX", (1, 4096), y={"scale": 1 / 16, "zero_point": 127}),
        "is over 4096 classes; expected at most 4,095",
    ),
    "root below zero": (lambda: one("RSQRT"), "may read values below zero .zero point 3"),
    "hard_swish": (lambda: one("HARD_SWISH", y={"scale": 60.0, "zero_point": 3}), "from 1/128 to 256 times the input"),
    "maximum of other scales": (lambda: one("MAXIMUM", others=[HALF | {"shape": (2,), "data": [1, 2]}]), "'t1' on ano"),
    "difference too large": (
        lambda: one("SQUARED_DIFFERENCE", y={"scale": 2e-6}, others=[QUANTIZED | {"shape": (2,), "data": [1, 2]}]),
        "has an output scale of 2e-06; expected more than 2.44",
    ),
    "six axes": (
        lambda: one("SUB", (1, 1, 1, 1, 1, 2), others=[QUANTIZED | {"shape": (2,), "data": [1, 2]}]),
        "of 6 axes from inputs that broadcast; expected at most 5",
    ),
    "add of one": (lambda: one("ADD"), "lacks what it needs"),
    "add of a constant without scale": (
        lambda: one("ADD", others=[{"shape": (2,), "dtype": "int8", "data": [1, 2]}]),
        "has no scale",
    ),
    "add of floats": (
        lambda: one("ADD", others=[{"shape": (2,), "dtype": "float32", "scale": 1, "data": [1, 2]}]),
        "in float32; expected int8",
    ),
    "constants alone": (
        lambda: one("ADD", x=QUANTIZED | {"data": np.ones((1, 4, 4, 2))}, others=[{"shape": (2,), "data": [1, 2]}]),
        "operator 0, ADD, which makes 'made', reads constants alone",
    ),
    "no options": (lambda: without_options(conv()), "lacks what it needs .*'fused"),
    "reads its own output": (lambda: moved(relu_tflite(), (1,), (1,)), "reads 'y', which nothing before it makes"),
    "makes nothing": (lambda: moved(relu_tflite(), (0,), ()), "has 1 inputs and 0 outputs"),
    "no operator": (lambda: read(relu_tflite())._replace(operators=()), "nothing makes its output 'y'"),
    "empty": (lambda: b"", "not a .tflite \\(0 bytes"),
    "truncated": (lambda: shipped("small_cnn_int8").read_bytes()[:3000], "a damaged .tflite"),
    "garbage": (lambda: b"\0\0\0\0TFL3" + bytes(range(256)), "a damaged .tflite"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_cannot_run_is_named(name):
    """With the operator's number, kind and tensor: where in a graph of a hundred to look."""
    make, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        IntegerModel(make())


def test_each_message_says_which_operator():
    """The second of two, by number and by what it makes."""
    file = File()
    x, between = (file.tensor((1, 3), 0.1) for _ in "xy")
    last = file.tensor((1, 3), 0.1, name="the wrong one")
    file.operator("RELU", [x], [between])
    file.operator("NEG", [between], [last])
    with pytest.raises(ValueError, match="operator 1, NEG, which makes 'the wrong one', isn't supported"):
        IntegerModel(file.bytes([x], [last]))


def test_missing_files_and_unknown_runtimes():
    with pytest.raises(FileNotFoundError):
        IntegerModel("nowhere.tflite")
    with pytest.raises(ValueError, match="unknown runtime 'onnx'; the runtimes are: reference, builtin, xnnpack"):
        IntegerModel(relu_tflite(), "onnx")
    with pytest.raises(ValueError, match="unknown runtime 'onnx'"):
        runtime_outputs(relu_tflite(), np.zeros((1, 3), np.int8), "onnx")


def test_input_of_another_shape_or_type():
    model = IntegerModel(shipped("small_cnn_int8"))
    for run in (model.run, model.tensors):
        with pytest.raises(ValueError, match=r"takes \(n, 28, 28, 1\). One image: x\[None\]"):
            run(np.zeros((28, 28, 1), np.int8))
        with pytest.raises(TypeError, match="x is float32; .* takes int8. Quantize it: edgelab"):
            run(np.zeros((1, 28, 28, 1), np.float32))
    model = IntegerModel(shipped("small_cnn_int8_float_io"))
    with pytest.raises(TypeError, match="x is uint8; .* takes float32. uint8 images"):
        model.run(np.zeros((1, 28, 28, 1), np.uint8))
    for wrong in (np.nan, np.inf, -1e9):
        with pytest.raises(ValueError, match=f"x holds {np.float32(wrong)}, and a step is 0.0039"):
            model.run(np.full((1, 28, 28, 1), wrong, np.float32))


def products(kind, multiplier):
    return one(
        kind, out=(1, 4, 4, 2), y={"scale": 0.1 * 0.1 / multiplier},
        others=[{"shape": (1, 4, 4, 2), "scale": 0.1, "data": np.ones((1, 4, 4, 2))}],
    )  # fmt: skip


def test_multipliers_that_a_runtime_takes_wrongly():
    """XNNPACK refuses such convolutions; the optimised MUL and ADD would wrap around 16 bits without a word."""
    steep = one(
        "FULLY_CONNECTED", (1, 2), (1, 1), y={"scale": 1e-5},
        others=[{"shape": (1, 2), "scale": 0.1, "data": [[1, 2]]}],
    )  # fmt: skip
    assert IntegerModel(steep, "reference").run(np.array([[3, 4]], np.int8)).tolist() == [[127]]
    with pytest.raises(ValueError, match="has a multiplier of 1000; XNNPACK takes them below 256 only"):
        IntegerModel(steep, "xnnpack")
    with pytest.raises(RuntimeError, match="failed to create XNNPACK runtime"):
        runtime_outputs(steep, np.array([[3, 4]], np.int8), "xnnpack")
    for kind in ("MUL", "ADD"):
        steep = products(kind, 400)
        for runtime in ("builtin", "xnnpack"):
            with pytest.raises(ValueError, match="wraps around at 16 bits"):
                IntegerModel(steep, runtime)
        IntegerModel(steep, "reference")


@pytest.mark.parametrize("runtime", RULES)
def test_what_can_be_run_passes(runtime):
    """A check that refuses everything would pass the tests above."""
    graph = read(shipped("small_cnn_int8_float_io"))
    check_graph(graph, runtime)
    assert {fault(find_place(graph, number, runtime)) for number in range(len(graph.operators))} == {None}
    assert check_inputs(graph, [np.zeros((3, 28, 28, 1), np.float32)])[0].shape == (3, 28, 28, 1)
    assert check_inputs(read(relu_tflite()), [np.int8([[1, 2, 3]])])[0].tolist() == [[1, 2, 3]]
