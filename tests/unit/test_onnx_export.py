"""Keras to ONNX: the same digits in ONNX Runtime, for the course's networks and for random ones; the rest is named."""

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from keras import layers

from edgelab.artifacts import shipped
from edgelab.shrink.convert.onnx_export import OnnxGraph, to_onnx
from edgelab.train.networks.models import build


def answers(file, x):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": x})[0]


def used(model, seed=0):
    """Give each weight and average a value of its own: zeros and ones would hide a wrong place."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        spread = any(word in weight.path for word in ("variance", "gamma"))
        weight.assign(rng.uniform(0.5, 2, weight.shape) if spread else rng.normal(0, 0.4, weight.shape))
    return model


def agree(model, n=3, seed=1):
    x = np.random.default_rng(seed).random((n, *model.input_shape[1:]), np.float32)
    expected = model(x).numpy()
    found = answers(to_onnx(model), x)
    assert found.shape == expected.shape
    # Sums of up to a few hundred products of float32 in another order, relative to the largest
    np.testing.assert_allclose(found, expected, atol=2e-5 * max(1.0, float(np.abs(expected).max())))


sides = st.integers(1, 3)
SAME = st.sampled_from(["same", "valid"])
ONE_OR_TWO = st.sampled_from([1, 2])
# Layers by name and arguments: Keras draws random numbers when it makes one.
STEPS = st.one_of(
    st.tuples(
        st.just("Conv2D"),
        st.fixed_dictionaries(
            {
                "filters": st.sampled_from([2, 3, 4]),
                "kernel_size": st.tuples(sides, sides),
                "strides": st.sampled_from([1, 2, (1, 2)]),
                "padding": SAME,
                "activation": st.sampled_from([None, "relu", "relu6", "tanh"]),
                "use_bias": st.booleans(),
            }
        ),
    ),
    st.tuples(
        st.just("Conv2D"),
        st.fixed_dictionaries({"filters": sides, "kernel_size": sides, "dilation_rate": ONE_OR_TWO, "padding": SAME}),
    ),
    st.tuples(
        st.just("DepthwiseConv2D"),
        st.fixed_dictionaries(
            {"kernel_size": sides, "depth_multiplier": sides, "strides": ONE_OR_TWO, "padding": SAME}
        ),
    ),
    st.tuples(
        st.just("SeparableConv2D"),
        st.fixed_dictionaries({"filters": sides, "kernel_size": sides, "depth_multiplier": sides, "padding": SAME}),
    ),
    st.tuples(
        st.sampled_from(["MaxPooling2D", "AveragePooling2D"]),
        st.fixed_dictionaries({"pool_size": sides, "strides": sides, "padding": SAME}),
    ),
    st.tuples(st.just("BatchNormalization"), st.fixed_dictionaries({"scale": st.booleans(), "center": st.booleans()})),
    st.tuples(st.just("ReLU"), st.fixed_dictionaries({"max_value": st.sampled_from([None, 6.0])})),
    st.tuples(
        st.just("Activation"), st.fixed_dictionaries({"activation": st.sampled_from(["sigmoid", "softmax", "linear"])})
    ),
)


# Networks are slow to shrink: a failing one is shown as it was found.
@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    st.tuples(st.integers(9, 12), st.integers(9, 12), sides),
    st.lists(STEPS, min_size=1, max_size=4),
    st.sampled_from(["flatten", "mean", "mean kept", "image"]),
    st.integers(0, 2**32 - 1),
)
def test_random_networks_answer_as_in_keras(shape, steps, end, seed):
    """Odd sizes, strides and paddings that differ by axis: where a transposition or an odd pad goes wrong."""
    x = image = keras.Input(shape)
    for kind, arguments in steps:
        if arguments.get("padding") != "valid" or min(x.shape[1:3]) >= 7:
            x = getattr(layers, kind)(**arguments)(x)
    if end == "flatten":
        x = layers.Dense(4, activation="softmax")(layers.Flatten()(x))
    elif end != "image":
        x = layers.GlobalAveragePooling2D(keepdims=end == "mean kept")(x)
    agree(used(keras.Model(image, x), seed))


@pytest.mark.parametrize("name", ["small_cnn", "tiny"])
def test_the_shipped_networks_answer_as_in_keras_also_one_by_one(name):
    model = keras.models.load_model(shipped(name))
    agree(model, n=20)
    agree(model, n=1)


@pytest.mark.parametrize("name", ["dense128", "mobilenet_v1_small", "mobilenet_v2_small"])
def test_the_courses_other_networks_too(name):
    """Residual sums and a Dense right behind the image among them."""
    agree(used(build(name)))


def test_the_file_is_valid_has_its_names_and_is_the_same_each_time():
    model = build("small_cnn")
    file = to_onnx(model)
    assert file == to_onnx(model)
    read = onnx.load_from_string(file)
    onnx.checker.check_model(read, full_check=True)
    assert [(v.name, len(v.type.tensor_type.shape.dim)) for v in (*read.graph.input, *read.graph.output)] == [
        ("image", 4),
        ("logits", 2),
    ]
    stored = sum(np.prod(c.dims) for c in read.graph.initializer)
    assert stored == model.count_params()


def test_a_vector_in_needs_no_transposition():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(4, activation="relu"), layers.BatchNormalization()])
    agree(used(model))
    assert [node.op_type for node in onnx.load_from_string(to_onnx(model)).graph.node].count("Transpose") == 0


def test_the_graph_keeps_arrays_as_constants():
    graph = OnnxGraph()
    assert graph.add("Gemm", "x", np.eye(2), name="y") == "y"
    assert list(graph.nodes[0].input) == ["x", graph.constants[0].name]


def chain(*steps, shape=(8, 8, 2)):
    return keras.Sequential([keras.Input(shape), *steps])


@pytest.mark.parametrize("shape", [(5,), (5, 4), (6, 5, 4), (3, 6, 5, 4)])
@pytest.mark.parametrize("kind", ["softmax", "relu", "tanh", "sigmoid", "relu6", "linear"])
def test_activations_of_any_number_of_axes(shape, kind):
    """Softmax over the second axis is that over the channels only for vectors and images."""
    agree(chain(layers.Activation(kind), shape=shape))
    x = keras.Input(shape)
    agree(keras.Model(x, layers.Add()([x, layers.Activation(kind)(x)])))
    agree(keras.Model(x, layers.Activation(kind)(x) + x))


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(4, 3, activation="softmax"),
        layers.Conv2D(4, 3, dilation_rate=(2, 3), padding="same"),
        layers.Conv2D(6, 3, groups=3),
        layers.DepthwiseConv2D(3, depth_multiplier=2, strides=2, padding="same"),
        layers.SeparableConv2D(5, 3, dilation_rate=2, depth_multiplier=2),
        layers.AveragePooling2D((3, 2), 2, padding="same"),
        layers.MaxPooling2D((2, 3)),
        layers.BatchNormalization(axis=3, center=False, scale=False),
        layers.GlobalAveragePooling2D(keepdims=True),
    ],
    ids=lambda layer: layer.name,
)
def test_options_of_layers(layer):
    agree(used(chain(layer, shape=(9, 8, 3))))


def test_additions_that_stretch_an_image_of_one_pixel():
    x = keras.Input((6, 5, 3))
    agree(keras.Model(x, layers.Add()([x, layers.GlobalAveragePooling2D(keepdims=True)(x)])))


def of_different_ranks():
    x = keras.Input((3, 3, 3))
    return keras.Model(x, layers.Add(name="both")([x, layers.GlobalAveragePooling2D()(x)]))


def with_a_constant():
    x = keras.Input((3, 3, 3))
    return keras.Model(x, x + 1.0)


def shared_activation():
    x, relu = keras.Input((8, 8, 2)), layers.Activation("relu", name="relu")
    return keras.Model(x, relu(layers.Conv2D(4, 3)(relu(x))))


def own_functions():
    def relu(x):
        return keras.ops.maximum(x, 0.5)

    def linear(x):
        return 2 * x

    return relu, linear


class Conv2D(layers.Conv2D):
    def call(self, x):
        return 2 * super().call(x)


def reused():
    image, conv = keras.Input((8, 8, 2)), layers.Conv2D(2, 3, padding="same", name="twice")
    return keras.Model(image, conv(conv(image)))


def two_inputs():
    ends = [keras.Input((4,)), keras.Input((4,))]
    return keras.Model(ends, layers.Add()(ends))


@pytest.mark.parametrize(
    "made, says",
    [
        (
            lambda: chain(layers.GRU(3, name="loop"), shape=(8, 2)),
            "layer 'loop' is a GRU; to_onnx can write",
        ),
        (lambda: chain(layers.LeakyReLU(name="leaks")), "layer 'leaks' is a LeakyReLU"),
        (lambda: chain(keras.Sequential([layers.Flatten()], name="inner")), "layer 'inner' is a Sequential"),
        (lambda: chain(layers.ReLU(negative_slope=0.1, name="slopes")), "layer 'slopes', a ReLU, has a slope"),
        (lambda: chain(layers.Conv2D(2, 1, activation="gelu", name="bent")), "layer 'bent' has the activation gelu"),
        (lambda: chain(layers.Dense(3, name="early")), r"layer 'early', a Dense, reads \(None, 8, 8, 2\).*Flatten"),
        (lambda: chain(layers.BatchNormalization(axis=1, name="rows")), "layer 'rows'.* has axis 1"),
        (lambda: chain(layers.MaxPooling2D(data_format="channels_first", name="first")), "'first'.*channels first"),
        (reused, "layer 'twice', a Conv2D, is used twice"),
        (shared_activation, "layer 'relu', a Activation, is used twice"),
        (of_different_ranks, r"layer 'both', a Add, reads .*\(None, 3\)\]; expected .* same number of axes"),
        (with_a_constant, "a Add, has a call of its own, or reads a constant"),
        (lambda: chain(Conv2D(3, 3, name="mine")), "layer 'mine', a Conv2D, has a call of its own"),
        (lambda: chain(layers.Activation(own_functions()[0], name="mine")), "layer 'mine' has the activation relu"),
        (lambda: chain(layers.Conv2D(2, 1, activation=own_functions()[1])), "has the activation linear; expected"),
        (lambda: chain(layers.Conv2D(2, 1, dtype="mixed_float16"), layers.ReLU()), "computes in float16"),
        (lambda: chain(layers.Softmax(axis=[1, 2])), "is a Softmax; to_onnx can write"),
        (lambda: chain(layers.Activation("log_softmax")), "has the activation log_softmax"),
        (lambda: chain(layers.ReLU(max_value=3.0)), "has a slope, threshold or limit"),
        (lambda: chain(layers.ReLU(threshold=0.5)), "has a slope, threshold or limit"),
        (two_inputs, "has 2 inputs, 1 outputs; expected one"),
        (lambda: chain(layers.ReLU(), shape=(None, 8, 2)), r"has an end of float32 \(None, None, 8, 2\)"),
    ],
)
def test_what_has_no_counterpart_is_named(made, says):
    """A file that answers wrongly would be worse than none."""
    with pytest.raises(ValueError, match=says):
        to_onnx(made())
