"""Reading .tflite files, and their counts against those of the Keras models that they were converted from."""

import contextlib
import functools
import math

import numpy as np
import pytest
from _export_once import export_once
from _tflite import File
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelab.artifacts import shipped
from edgelab.infer.tflite import Graph, Operator, Tensor, read
from edgelab.infer.tflite_constants import value_bits
from edgelab.infer.tflite_cost import count_tflite
from edgelab.quiet import quiet
from edgelab.shrink.convert.converter import to_tflite
from edgelab.train.costs.counting import Cost, count
from edgelab.train.networks.blocks import channel_shuffle, conv_bn, group_conv_bn
from edgelab.train.networks.family import light

# Without TensorFlow's order of branches to depend on; depthwise, residual, pooling and strides are all in them.
PLANS = ["c8k5s2 c16 p m16 d32", "c4 m4 p d6s2", "d3k5 m8s2 m8"]


def trained(model):
    """Give a model weights of which none is zero or equal: the converter drops zero biases and merges equal arrays."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.uniform(0.1, 1, weight.shape))
    return model


def raw(model, **settings) -> bytes:
    """Convert as TensorFlow's own documentation does, in modes that to_tflite may not have."""
    import keras
    import tensorflow as tf

    inputs = keras.Input(model.input_shape[1:], batch_size=1)
    with export_once(), quiet():
        converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(inputs, model(inputs, training=False)))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        for name, value in settings.items():
            setattr(converter.target_spec, name, value)
        converter.representative_dataset = lambda: ([image[None]] for image in images())
        return converter.convert()


def images():
    return np.random.default_rng(1).random((100, 28, 28, 1), np.float32)


def equal(file: Cost, keras: Cost, precision: str) -> None:
    """Compare what a file and a Keras model cost: products, numbers, bytes and the peak of memory, all exactly."""
    assert file.macs == keras.macs
    assert file.params == file.deployed == keras.deployed
    assert file.weight_bytes() == file.weight_bytes(precision) == keras.weight_bytes(precision)
    assert file.activation_bytes == keras.activation_bytes_at(precision)


@functools.cache
def counted(plan: str) -> tuple:
    """What a network of the family costs: its files by mode, and in Keras."""
    model = trained(light(plan))
    with export_once():
        return {mode: count_tflite(to_tflite(model, mode, images())) for mode in ("float32", "int8")}, count(model)


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("mode", ["float32", "int8"])
def test_light_networks_cost_what_their_files_cost(plan, mode):
    """BatchNorm folded, ReLU fused, one bias a channel: what count supposes is what the converter does."""
    file, cost = counted(plan)
    equal(file[mode], cost, mode)
    assert file[mode].bytes_moved() == cost.bytes_moved(mode)


@pytest.mark.parametrize("name", ["small_cnn", "dense128"])
def test_shipped_models(name):
    import keras

    model = keras.models.load_model(shipped(name))
    equal(count_tflite(shipped(f"{name}_int8")), count(model), "int8")
    if name == "small_cnn":
        equal(count_tflite(shipped("small_cnn_float32")), count(model), "float32")
        mixed = count_tflite(shipped("small_cnn_int8_float_io"))
        assert (mixed.macs, mixed.params) == (count(model).macs, count(model).params)
        assert mixed.rows[0].live_bytes == 784 * (4 + 1), "the image in float32, and quantized"
        assert mixed.rows[-1].moved_bytes == 10 * (1 + 4)


def test_batchnorm_that_stays_and_groups_and_shuffles():
    """A scale and a shift where nothing can be folded; a grouped kernel sees only some of the channels."""
    from keras import Input, Model, layers

    image = Input((28, 28, 1))
    x = layers.BatchNormalization()(layers.MaxPooling2D()(conv_bn(image, 6)))
    x = group_conv_bn(channel_shuffle(x, 3), 12, groups=3, size=3, stride=2)
    x = layers.Dense(5)(layers.SeparableConv2D(8, 3, use_bias=False)(x))
    model = trained(Model(image, layers.Flatten()(x)))
    with export_once():
        file = to_tflite(model, "float32")
    equal(count_tflite(file), count(model), "float32")


@pytest.mark.slow
def test_mobilenet_v2():
    """Hundreds of operators and ten additions; 0.35 wide on 96 pixels, to be quick.

    Its ZeroPadding2D layers equal the "same" padding of the convolutions that follow, so the converter leaves them out,
    and the file needs less memory than the layers do.
    """
    import keras

    model = keras.applications.MobileNetV2((96, 96, 3), 0.35, weights=None, classes=10)
    file, layers = count_tflite(to_tflite(trained(model), "float32")), count(model)
    assert (file.macs, file.params, file.weight_bytes()) == (layers.macs, layers.deployed, layers.weight_bytes())
    assert "PAD" not in {row.kind for row in file.rows}
    padding = {row.live_bytes for row in layers.rows if row.kind == "ZeroPadding2D"}
    assert layers.activation_bytes == max(padding) > file.activation_bytes


@pytest.mark.parametrize("mode", ["float16", "int16x8"])
def test_bytes_of_the_other_modes(mode):
    """PRECISIONS says what a weight, a bias and an activation take; here is what the converter writes."""
    import tensorflow as tf

    model = trained(light("c6 p d8"))
    sixteen = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    how = {"float16": {"supported_types": [tf.float16]}, "int16x8": {"supported_ops": [sixteen]}}
    file = count_tflite(raw(model, **how[mode]))
    assert file.weight_bytes() == count(model).weight_bytes(mode)
    assert file.macs == count(model).macs
    # Between them lie the tensors of the file's float32 ends, in the int16 mode; the peak is elsewhere.
    assert file.activation_bytes == count(model).activation_bytes_at(mode)


def test_an_unrolled_gru_saves_the_product_with_its_first_state():
    """The state begins with zeros, and the converter sees that; a rolled one is a loop, and is refused."""
    from keras import Input, Sequential, layers

    unrolled, rolled = (
        trained(Sequential([Input((4, 5)), layers.GRU(6, unroll=unroll), layers.Dense(3)])) for unroll in (True, False)
    )
    with export_once():
        file, loop = (to_tflite(model, "float32") for model in (unrolled, rolled))
    assert count_tflite(file).macs == count(unrolled).macs - 6 * 3 * 6
    with pytest.raises(ValueError, match=r"operator \d+, WHILE, can't be counted; .*unroll=True"):
        count_tflite(loop)


@pytest.mark.parametrize("name", ["small_cnn_float32", "small_cnn_int8", "small_cnn_int8_float_io", "dense128_int8"])
def test_the_peak_against_the_runtimes_arena(name):
    """The reference kernels need no scratch: at least the peak, at most the kept input and 64 bytes a tensor more.

    The runtime never lets another tensor lie where the input is, and begins each at a multiple of 64 bytes.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    graph = read(shipped(name))
    interpreter = Interpreter(str(shipped(name)), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    spans = []
    for i, tensor in enumerate(graph.tensors):
        if tensor.data is None:
            array = interpreter.tensor(i)()
            assert array.nbytes == tensor.bytes
            spans.append((array.__array_interface__["data"][0], array.nbytes))
    arena = max(start + size for start, size in spans) - min(start for start, _ in spans)
    kept = sum(graph.tensors[i].bytes for i in graph.inputs)
    peak = count_tflite(graph).activation_bytes
    assert peak <= arena <= peak + kept + 64 * len(spans)


@pytest.mark.parametrize("name", ["small_cnn_float32", "small_cnn_int8"])
def test_reading_agrees_with_the_runtime(name):
    """Shapes, types, scales, zero points and constants, as LiteRT itself reports them."""
    from ai_edge_litert.interpreter import Interpreter

    graph = read(shipped(name))
    interpreter = Interpreter(str(shipped(name)))
    details = {d["index"]: d for d in interpreter.get_tensor_details()}
    assert list(graph.inputs) == [d["index"] for d in interpreter.get_input_details()]
    assert list(graph.outputs) == [d["index"] for d in interpreter.get_output_details()]
    for i, tensor in enumerate(graph.tensors):
        found = details[i]
        assert tensor.name == found["name"]
        assert tensor.shape == tuple(found["shape"])
        assert np.dtype(tensor.dtype) == found["dtype"]
        scales = found["quantization_parameters"]["scales"]
        if len(scales):
            np.testing.assert_array_equal(tensor.scale, scales)
            np.testing.assert_array_equal(tensor.zero_point, found["quantization_parameters"]["zero_points"])
            assert tensor.axis == found["quantization_parameters"]["quantized_dimension"]
        else:
            assert tensor.scale is None
        if tensor.data is not None:
            np.testing.assert_array_equal(tensor.data, interpreter.get_tensor(i))
    assert [o.kind for o in graph.operators][:2] == ["CONV_2D", "MAX_POOL_2D"]
    assert graph.operators[1].options["filterWidth"] == 2


def test_int4_is_unpacked_in_order():
    """Written by another tool; swapped halves would put every other weight in its neighbour's place."""
    from ai_edge_quantizer import quantizer, recipe

    source = shipped("small_cnn_float32")
    work = quantizer.Quantizer(str(source), recipe.weight_only_wi4_afp32())
    with quiet():
        graph = read(bytes(work.quantize().quantized_model))
    small = [t for t in graph.tensors if t.dtype == "int4"]
    floats = {t.shape: t.data for t in read(source).tensors if t.data is not None}
    assert small
    for tensor in small:
        shape = [-1 if i == tensor.axis else 1 for i in range(len(tensor.shape))]
        back = tensor.data * np.reshape(tensor.scale, shape if len(tensor.scale) > 1 else ())
        # Half a step, and a little for the float32 product.
        assert np.abs(back - floats[tensor.shape]).max() <= 0.501 * tensor.scale.max()
        assert tensor.bytes == -(-math.prod(tensor.shape) // 2)
        assert -8 <= tensor.data.min() < tensor.data.max() <= 7
    assert count_tflite(graph).macs == count_tflite(source).macs


def test_each_of_the_sixteen_int4_is_its_twos_complement():
    """Symmetric quantizers never write -8, so no file of theirs tells it from +8."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    values = [*range(8), *range(-8, 0)]
    raw = [(low & 15) | (high & 15) << 4 for low, high in zip(values[::2], values[1::2], strict=True)]
    tensor = schema.TensorT(shape=[1, 16], type=schema.TensorType.INT4, name="w", buffer=1)
    part = schema.SubGraphT(tensors=[tensor], inputs=[], outputs=[0])
    builder = flatbuffers.Builder()
    model = schema.ModelT(3, subgraphs=[part], buffers=[schema.BufferT(), schema.BufferT(data=raw)])
    builder.Finish(model.Pack(builder), b"TFL3")
    assert read(bytes(builder.Output())).tensors[0].data.tolist() == [values]


def test_what_is_no_tflite_says_what_it_expects(tmp_path):
    with pytest.raises(ValueError, match=r"small_cnn.keras: not a .tflite \(260,261 bytes.*to_tflite"):
        read(shipped("small_cnn"))
    with pytest.raises(ValueError, match=r"model in memory: not a .tflite \(0 bytes"):
        read(b"")
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.tflite")


def test_an_operator_that_makes_nothing_is_refused_by_name():
    """-1 leaves an input out; as an output it ended in a KeyError where the cost was counted."""
    file = File()
    x = file.tensor((1, 4), 0.1, 0)
    file.operator("RELU", [x], [-1])
    with pytest.raises(ValueError, match="a damaged .tflite: it has 1 tensors and uses number -1"):
        read(file.bytes([x], [x]))


@given(st.integers(8, 64_000))
@settings(max_examples=30, deadline=None)
def test_a_file_cut_off_is_refused(end):
    """The tables stand behind the constants or before them: wherever it is cut, something is missing."""
    content = shipped("small_cnn_int8").read_bytes()
    with pytest.raises(ValueError, match="a damaged .tflite .*Is it cut off"):
        read(content[:end])


@given(st.lists(st.tuples(st.integers(8, 64_055), st.integers(0, 255)), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_damage_is_a_value_error_or_harmless(changes):
    """No other exception, whatever the offsets point at."""
    content = bytearray(shipped("small_cnn_int8").read_bytes())
    for place, value in changes:
        content[place] = value
    with contextlib.suppress(ValueError):
        count_tflite(bytes(content))


def test_impossible_graphs_are_refused():
    """By hand, what no converter writes."""
    x, y = Tensor("x", (1, 4)), Tensor("y", (1, 3))
    w = Tensor("w", (3, 4), data=np.ones((3, 4), np.float32))

    def graph(kind, inputs, *tensors):
        return Graph(tensors, (Operator(kind, inputs, (len(tensors) - 1,), {}),), (0,), (len(tensors) - 1,), "made")

    assert count_tflite(graph("FULLY_CONNECTED", (0, 1, -1), x, w, y)).macs == 12
    with pytest.raises(ValueError, match=r"made: operator 0, CUSTOM, can't be counted"):
        count_tflite(graph("CUSTOM", (0,), x, y))
    with pytest.raises(ValueError, match="FULLY_CONNECTED, has no constant weights"):
        count_tflite(graph("FULLY_CONNECTED", (0, 1, -1), x, w._replace(data=None), y))
    with pytest.raises(
        ValueError, match="made: operator 0, FULLY_CONNECTED, has 1 inputs and 1 outputs; expected at least 2 and 1"
    ):
        count_tflite(graph("FULLY_CONNECTED", (0,), x, y))
    with pytest.raises(ValueError, match="a size left open; give the Keras model's Input a size"):
        count_tflite(graph("TANH", (0,), Tensor("x", (1, -1)), y))
    with pytest.raises(ValueError, match="type string has no fixed number of bits"):
        value_bits("string")


def test_shared_constants_are_held_once():
    x, y, z = (Tensor(name, (1, 4)) for name in "xyz")
    w = Tensor("w", (4, 4), data=np.ones((4, 4), np.float32))
    twice = tuple(Operator("FULLY_CONNECTED", (i, 1, -1), (o,), {}) for i, o in ((0, 2), (2, 3)))
    cost = count_tflite(Graph((x, w, y, z), twice, (0,), (3,)))
    assert (cost.params, cost.macs, cost.weight_bytes(), cost.activation_bytes) == (16, 32, 64, 32)
