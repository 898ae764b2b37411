"""Biases of quantized files: what a tool wrote, against the float ones, as runtimes use them."""

import keras
import numpy as np
import pytest
from _export_once import export_once
from keras import Input, Model, Sequential, layers

from edgelab.infer.integer import IntegerModel
from edgelab.infer.runner import Runner
from edgelab.infer.tflite import Graph, Operator, Tensor, read
from edgelab.infer.tflite_tables import pack_tables, unpack_tables
from edgelab.shrink.convert.biases import (
    PLACES,
    Bias,
    check_biases,
    float_biases,
    integer_biases,
    repair_biases,
    stated_biases,
    uneven_biases,
)
from edgelab.shrink.convert.converter import to_tflite
from edgelab.shrink.quantize.post_training import quantize_each, quantize_file
from edgelab.shrink.quantize.quantization_aware import learn_ranges, quantize_aware, to_tflite_qat

X = np.random.default_rng(0).random((120, 8, 8, 1), np.float32)
IMAGES = np.random.default_rng(0).integers(0, 256, (120, 8, 8, 1), np.uint8)
BIASES = [0.4, 0.5, -0.6, 0.3]


def network(scale, biases=BIASES):
    """A convolution, a depthwise one and a dense layer, in each of which the weights of channel 1 are scaled."""
    keras.utils.set_random_seed(1)
    model = Sequential(
        [Input((8, 8, 1)), layers.Conv2D(4, 3), layers.DepthwiseConv2D(3), layers.Flatten(), layers.Dense(4)]
    )
    for layer in (model.layers[0], model.layers[1], model.layers[3]):
        w, b = layer.get_weights()
        w[(..., 1, slice(None)) if w.shape[-1] == 1 else (..., 1)] *= scale
        b[:] = biases
        layer.set_weights([w, b])
    return model


def agree(file, exact):
    """Each bias of the file is the float one, to a step of the scale that runtimes use."""
    graph = read(file)
    found = integer_biases(graph)
    for bias, values in zip(found, float_biases(read(exact), graph, found), strict=True):
        assert (np.abs(bias.values - values) <= bias.step + 1e-5 * np.abs(values)).all(), bias
        assert (np.abs(bias.values) <= bias.most * 1.001 * bias.step).all(), bias
    return len(found)


@pytest.fixture(scope="module", params=[1.0, 1e-4, 1e-6, 0.0])
def dying(request):
    """The network, its float32 file and its other files, made once. Weights of channel 1: as they are, to all zeros."""
    model = network(request.param)
    with export_once():
        exact = to_tflite(model, "float32")
        files = {mode: to_tflite(model, mode, X) for mode in ("int8", "int8_float_io", "int16x8")}
    files |= {recipe: quantize_file(exact, recipe, X) for recipe in ("static8", "static8x16", "static4")}
    return model, exact, files


@pytest.mark.parametrize("how", ["int8", "int8_float_io", "int16x8", "static8", "static8x16", "static4"])
def test_the_bias_of_a_channel_without_weights_stays(how, dying):
    """A scale of the weights alone is too fine for the bias: it was clipped to -2**31 steps, almost 0."""
    model, exact, files = dying
    assert agree(files[how], exact) == (2 if how == "static4" else 3)  # of 4 bits, depthwise layers stay float
    right = model(X[:20]).numpy()
    # 0.02 is twice the largest error of the network without such a channel, 0.25 that of 4 bits.
    for kernels in ("xnnpack", "builtin", "reference"):
        error = np.abs(Runner(files[how], kernels=kernels).predict(X[:20]) - right).max()
        assert error < (0.25 if how == "static4" else 0.02) * max(1.0, np.abs(right).max()), kernels


def test_repaired_files_are_those_of_the_integer_engine(dying):
    files = dying[2]
    for how in ("int8", "static8"):
        runner = Runner(files[how], kernels="reference")
        q = runner.as_input(X[:20])
        expected = np.concatenate([runner.infer(each[None]).copy() for each in q])
        np.testing.assert_array_equal(IntegerModel(files[how], "reference").run(q), expected)


def test_one_layer_at_a_time_too(dying):
    model, exact, _ = dying
    right = model(X[:20]).numpy()
    for name, file in quantize_each(exact, "static8", X).items():
        assert agree(file, exact) == 1, name
        assert np.abs(Runner(file).predict(X[:20]) - right).max() < 0.02, name


def twins():
    """Two convolutions with the same weights and biases, after inputs of two scales."""
    image = Input((8, 8, 1))
    a, b = layers.Conv2D(4, 3, padding="same"), layers.Conv2D(4, 3, padding="same")
    wide = layers.MaxPooling2D(2, 1, padding="same")(layers.Rescaling(4.0)(image))
    model = Model(image, layers.Dense(4)(layers.Flatten()(layers.Add()([a(image), b(wide)]))))
    a.bias.assign(BIASES)
    b.set_weights(a.get_weights())
    return model


@pytest.mark.parametrize(
    "make", [twins, lambda: network(1.0), lambda: network(1.0, [0.5] * 4), lambda: network(1.0, 0)]
)
def test_layers_with_equal_biases_keep_their_own(make):
    """With int16 activations the converter stores equal biases once, in the scale of the first layer."""
    keras.utils.set_random_seed(0)
    model = make()
    right = model(X[:20]).numpy()
    with export_once():
        exact = to_tflite(model, "float32")
        files = [to_tflite(model, "int16x8", X), to_tflite(model, "int8", X), quantize_file(exact, "static8x16", X)]
    for file in files:
        assert agree(file, exact) >= 2
        # int8 of these networks is off by 0.012 of the largest answer; one wrong bias by 0.1.
        assert np.abs(Runner(file).predict(X[:20]) - right).max() < 0.02 * np.abs(right).max()


@pytest.mark.parametrize(
    "biases, bits",
    [([-0.3] * 4, 8), ([0.0] * 4, 8), ([0.5] * 4, 4), ([0.1, 400.0, -3.0, 0.1], 8), ([0.1, 9000.0, -3.0, 0.1], 4)],
)
def test_quantization_aware_files_have_the_biases_of_their_layers(biases, bits):
    """All of one value were written as the first channel's integer; large ones of weak channels were clipped."""
    model = network(0.0 if max(biases) > 1 else 1.0, biases)
    aware = quantize_aware(model, bits)
    learn_ranges(aware, IMAGES, len(IMAGES))
    before = aware.get_weights()
    file = to_tflite_qat(aware)
    for old, new in zip(before, aware.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    x = IMAGES[:20].astype(np.float32) / 255
    graph, right = read(file), aware(x, training=False).numpy()
    step = float(graph.tensors[graph.outputs[0]].scale[0])
    # A rounding of each of the layers may fall to the other side: two steps of the output
    assert np.abs(Runner(file, kernels="builtin").predict(x) - right).max() <= 2.01 * step
    check_biases(file, [layer.layer for layer in aware.layers if hasattr(layer, "layer")])


def test_a_file_with_other_biases_is_refused_by_the_layers_name():
    dense = layers.Dense(4, name="dense")
    aware = quantize_aware(Sequential([Input((8, 8, 1)), layers.Flatten(), dense]))
    aware.get_layer("dense").layer.bias.assign([1.0, 2.0, 3.0, 4.0])
    learn_ranges(aware, IMAGES)
    file = to_tflite_qat(aware)
    check_biases(file, [aware.get_layer("dense").layer])
    dense.bias.assign([1.0, 2.0, 3.5, 4.0])
    with pytest.raises(RuntimeError, match=r"layer 'dense' has the bias \[1.0, 2.0, 3.5, 4.0\], which .* not write"):
        check_biases(file, [dense])


def test_biases_are_as_before_whatever_happens():
    layer = layers.Dense(3, bias_initializer="ones")
    layer.build((None, 2))
    with pytest.raises(RuntimeError, match="stop"), uneven_biases([layer]):
        assert len(set(layer.bias.numpy().tolist())) == 2
        raise RuntimeError("stop")
    assert layer.bias.numpy().tolist() == [1.0, 1.0, 1.0]


def made(data, dtype="int32", scale=1e-6):
    """A graph of one dense layer with these integers as its bias."""
    one = np.float32([1e-3])
    tensors = [
        Tensor("x", (1, 2), "int8", one, np.array([0])),
        Tensor("w", (2, 2), "int8", one, np.array([0]), data=np.zeros((2, 2), np.int8)),
        Tensor("b", (2,), dtype, np.float32([scale]), np.array([0]), data=np.array(data, dtype)),
        Tensor("y", (1, 2), "int8", one, np.array([0])),
    ]
    return Graph(tuple(tensors), (Operator("FULLY_CONNECTED", (0, 1, 2), (3,), {}),), (0,), (3,))


def test_clipped_biases_are_named_unless_a_layer_tells_them():
    graph = made([2**31 - 1, 1000])
    found = integer_biases(graph)
    assert found[0][:2] == Bias(0, "y", np.zeros(2), np.zeros(2), 2**30)[:2]
    with pytest.raises(RuntimeError, match="'y': the bias of channel 0 was clipped to 2147483647"):
        stated_biases(graph, found)
    for known in ([np.array([9000.0, 0.5])], [np.array([-9000.0, 1e-3])], [np.array([5.0, 1e-3])], [np.zeros(3)]):
        with pytest.raises(RuntimeError, match="clipped"):
            stated_biases(graph, found, known)
    (values,) = stated_biases(graph, found, [np.zeros(2), np.array([9000.0, 1e-3])])
    assert values.tolist() == [9000.0, 1e-3]
    assert stated_biases(made([5, 7], scale=1e-3), integer_biases(made([5, 7])))[0] == pytest.approx([5e-3, 7e-3])


def test_a_scale_that_is_infinite_is_named():
    """With int16 activations the converter writes one for a layer that answers 0 to all calibration samples."""
    image = Input((8, 8, 1))
    dead = layers.ReLU()(layers.Conv2D(2, 3, kernel_initializer="zeros")(image))
    model = Model(image, layers.Dense(2, bias_initializer="ones")(layers.Flatten()(dead)))
    with pytest.raises(RuntimeError, match="infinite scale, as all their values are 0"):
        to_tflite(model, "int16x8", X)


def test_other_networks_are_no_truth():
    graph = made([1, 2])
    with pytest.raises(RuntimeError, match="1 operators with weights, 0 in the float file"):
        float_biases(Graph((), (), (), ()), graph, integer_biases(graph))


def test_right_files_are_left_as_they_are_and_written_ones_are_aligned(dying):
    """The generated code puts buffers anywhere; kernels on small processors need multiples of four, LiteRT's 16."""
    from ai_edge_litert import schema_py_generated as schema

    for file in dying[2].values():
        assert repair_biases(file) is file
        assert repair_biases(file, dying[1]) is file
        again = pack_tables(unpack_tables(file))
        np.testing.assert_array_equal(Runner(again).predict(X[:5]), Runner(file).predict(X[:5]))
        model = schema.Model.GetRootAs(again)
        for buffer in map(model.Buffers, range(model.BuffersLength())):
            if buffer.DataLength():
                assert (buffer._tab.Vector(buffer._tab.Offset(4))) % 16 == 0


def test_a_repair_keeps_constants_that_lie_behind_the_tables():
    """The quantizer writes a file above one mebibyte so: writing a bias dropped the weights of the other layers."""
    x = np.random.default_rng(0).random((100, 1100), np.float32)
    model = Sequential([Input((1100,)), layers.Dense(1100, activation="relu"), layers.Dense(4)])
    w, b = model.layers[0].get_weights()
    w[:, 3], b[:] = 0, 0.5
    model.layers[0].set_weights([w, b])
    file = quantize_file(to_tflite(model, "float32"), "static8", x)
    assert len(file) > 2**20
    right = model(x[:20]).numpy()
    assert np.abs(Runner(file).predict(x[:20]) - right).max() < 0.05 * np.abs(right).max()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_random_networks_keep_their_biases(seed):
    """Random layers, dead channels, repeated and equal biases, in all modes and recipes."""
    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    parts = []
    for _ in range(rng.integers(1, 4)):
        kind = rng.integers(3)
        parts.append(
            [layers.Conv2D(int(rng.integers(1, 6)), 3, padding="same"), layers.DepthwiseConv2D(3, padding="same"),
             layers.Conv2DTranspose(int(rng.integers(1, 6)), 2)][kind]
        )  # fmt: skip
    model = Sequential([Input((8, 8, 1)), *parts, layers.Flatten(), layers.Dense(4)])
    for layer in model.layers:
        if layer.weights:
            w, b = layer.get_weights()
            if not isinstance(layer, layers.Conv2DTranspose | layers.DepthwiseConv2D):
                # Not all channels: what is 0 throughout has no scale
                w[..., 1:] *= rng.choice([0, 1e-7, 1e-4, 1, 1, 1], (w.shape[-1] - 1,))
            b[:] = rng.choice([0.0, 0.5, float(rng.normal())]) if rng.random() < 0.5 else rng.normal(size=b.shape)
            layer.set_weights([w, b])
    exact = to_tflite(model, "float32")
    right = model(X[:20]).numpy()
    for how in ("int8", "int16x8", "static8", "static8x16"):
        file = quantize_file(exact, how, X) if how.startswith("static") else to_tflite(model, how, X)
        agree(file, exact)
        # XNNPACK opens no layer whose scales are too far apart, which random weights may bring about.
        found = Runner(file, kernels="builtin").predict(X[:20])
        assert np.abs(found - right).max() < 0.1 * max(0.1, np.abs(right).max()), how
    assert set(PLACES) >= {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"}
