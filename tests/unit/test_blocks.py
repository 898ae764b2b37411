"""Blocks of light networks: counts and outputs against keras.applications, NumPy and the papers; conversion; errors."""

import numpy as np
import pytest
from _efficientnet import efficientnet
from _examples import examples
from _export_once import export_once
from _shufflenet import CHANNELS, MILLION_MACS, shufflenet_v1
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgelab.infer.runner import Runner
from edgelab.shrink.convert.converter import to_tflite
from edgelab.train.costs import shapes_only
from edgelab.train.networks.blocks import (
    channel_shuffle,
    check_shuffle,
    check_sizes,
    conv_bn,
    depthwise_bn,
    depthwise_separable,
    group_conv_bn,
    inverted_residual,
    mbconv,
    separable,
    shuffle_unit,
    squeeze_excite,
)

# What LiteRT has as built-in, TensorFlow Lite Micro registers too, and the blocks may turn into.
OPERATORS = {
    "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "LOGISTIC", "MEAN",
    "MUL", "RELU", "RESHAPE", "TRANSPOSE",
}  # fmt: skip


def network(block, shape=(8, 8, 12)):
    """Return a model of one block alone."""
    from keras import Input, Model

    x = Input(shape)
    return Model(x, block(x))


def randomised(model, seed=0):
    """Give a model random weights, the averages of BatchNorm included, else 0 and 1 there hide what is missing."""
    rng = np.random.default_rng(seed)

    def values(weight):
        if len(weight.shape) > 1:  # sums over all but the last axis stay near 1
            return rng.normal(0, np.prod(weight.shape[:-1]) ** -0.5, weight.shape)
        return (
            rng.uniform(0.5, 1.5, weight.shape)
            if weight.name in ("gamma", "moving_variance")
            else rng.normal(0, 0.2, weight.shape)
        )

    model.set_weights([values(weight) for weight in model.weights])
    return model


def answer(model, x):
    """Run a model as in inference, without the trace that `predict` would make of it first."""
    return model(x, training=False).numpy()


def images(n, shape=(8, 8, 12), seed=1):
    return np.random.default_rng(seed).random((n, *shape), np.float32)


def macs(model, *kinds):
    """Count the multiply-accumulates of convolutions by their kernels and outputs: each position uses all weights."""
    from keras import layers

    found = [layer for layer in model.layers if isinstance(layer, kinds or (layers.Conv2D, layers.DepthwiseConv2D))]
    return sum(int(np.prod(layer.kernel.shape)) * int(np.prod(layer.output.shape[1:3])) for layer in found)


def weights_of(model):
    """Count the numbers in convolution kernels."""
    return sum(int(np.prod(w.shape)) for w in model.weights if len(w.shape) == 4)


@settings(max_examples=examples(12, 4), deadline=None)
@given(st.integers(1, 12), st.integers(1, 40), st.sampled_from([1, 3, 5]), st.sampled_from([1, 2]))
@example(channels=3, filters=8, size=5, stride=2)
@example(channels=4, filters=6, size=3, stride=1)
def test_depthwise_separable_costs_one_over_n_plus_one_over_d_squared(channels, filters, size, stride):
    """Howard et al. 2017, section 3.1; the rule holds for weights, and for multiply-accumulates with any stride."""
    shape = (9, 9, channels)
    with shapes_only():
        light = network(lambda x: depthwise_separable(x, filters, size, stride), shape)
        full = network(lambda x: conv_bn(x, filters, size, stride), shape)
    ratio = 1 / filters + 1 / size**2
    assert weights_of(light) / weights_of(full) == pytest.approx(ratio)
    assert macs(light) / macs(full) == pytest.approx(ratio)
    assert light.output_shape == full.output_shape
    norm = 4 * (channels + filters)
    assert light.count_params() == weights_of(light) + norm


def test_separable_is_the_convolution_of_its_product():
    """Nothing stands between its halves, so it equals one full convolution whose kernel is the product of both."""
    from keras import layers

    model = randomised(network(lambda x: separable(x, 5, size=3, stride=2)))
    depthwise, pointwise = (layer.kernel.numpy() for layer in model.layers if hasattr(layer, "kernel"))
    full = network(lambda x: layers.Conv2D(5, 3, strides=2, use_bias=False)(x))
    full.set_weights([depthwise * pointwise])  # (3, 3, 12, 1) times (1, 1, 12, 5)
    norm = next(layer for layer in model.layers if isinstance(layer, layers.BatchNormalization))
    x = images(3)
    # Sums of 9 × 12 products of order 1 in float32, in another order
    np.testing.assert_allclose(model(x), np.maximum(norm(full(x)), 0), atol=1e-5)


@pytest.fixture(scope="module")
def mobilenet_v2():
    import keras

    return keras.applications.MobileNetV2(input_shape=(64, 64, 3), weights=None)


@pytest.mark.parametrize(
    ("block", "filters", "expansion", "stride"),
    [(0, 16, 1, 1), (1, 24, 6, 2), (2, 24, 6, 1), (7, 64, 6, 1), (13, 160, 6, 2), (16, 320, 6, 1)],
)
def test_inverted_residual_is_that_of_keras_applications(mobilenet_v2, block, filters, expansion, stride):
    """Same weights in, same numbers out. Inputs are small: Keras cuts at 6 where ours goes on."""
    from keras import Model

    layers, prefix = mobilenet_v2.layers, f"block_{block}_" if block else "expanded_conv_"
    inside = [i for i, layer in enumerate(layers) if layer.name.startswith(prefix)]
    source = layers[inside[0]].input
    theirs = Model(source, layers[inside[-1]].output)
    ours = network(lambda x: inverted_residual(x, filters, expansion, stride=stride), source.shape[1:])
    assert ours.count_params() == theirs.count_params()
    randomised(theirs)
    ours.set_weights(theirs.get_weights())
    x = 0.3 * images(2, source.shape[1:])
    expected = answer(theirs, x)
    # float32 sums of up to 960 products of order 1, in the same order: 1e-5 is a hundred roundings
    np.testing.assert_allclose(answer(ours, x), expected, atol=1e-5 * np.abs(expected).max())


def test_efficientnet_b0_from_mbconv_is_that_of_keras_applications():
    """All its 16 blocks, weights copied: the same count, and the same logits for images 64×64."""
    import keras

    theirs = keras.applications.EfficientNetB0(weights=None, input_shape=(64, 64, 3), classifier_activation=None)
    [norm] = [layer for layer in theirs.layers if isinstance(layer, keras.layers.Normalization)]
    standard = norm.get_weights()
    randomised(theirs)
    norm.set_weights(standard)  # mean 0, variance 1, no image counted: it leaves pixels / 255 as they are
    ours = efficientnet(side=64)
    assert theirs.count_params() == 5_330_571, "as published with Keras"
    assert ours.count_params() == theirs.count_params() - norm.count_params()
    own = {id(weight) for weight in norm.weights}
    ours.set_weights([weight.numpy() for weight in theirs.weights if id(weight) not in own])
    x = images(2, (64, 64, 3))
    expected = answer(theirs, 255 * x)
    # 81 layers of float32, of which pixels * 255 / 255 is the only difference: far below 1e-4 of the spread
    np.testing.assert_allclose(answer(ours, x), expected, atol=1e-4 * expected.std())


@pytest.mark.parametrize("groups", CHANNELS)
def test_shufflenet_v1_has_the_published_complexity(groups):
    """Zhang et al. 2018, table 1: the paper's millions are those of the convolutions, without the dense layer."""
    with shapes_only():
        model = shufflenet_v1(groups)
    stages = [layer.output.shape[1:] for layer in model.layers if layer.name.startswith("concatenate")]
    assert stages == [(side, side, filters) for side, filters in zip((28, 14, 7), CHANNELS[groups], strict=True)]
    assert round(macs(model) / 1e6) == MILLION_MACS[groups]


@pytest.mark.parametrize("activation", ["relu", "swish"])
def test_squeeze_excite_in_numpy(activation):
    """Hu et al. 2018, equations 2 to 4."""
    model = randomised(network(lambda x: squeeze_excite(x, 4, activation)))
    w1, b1, w2, b2 = (w.astype(float) for w in model.get_weights())
    assert w1.shape == (1, 1, 12, 3)
    x = images(5)
    z = x.mean(axis=(1, 2), dtype=float) @ w1[0, 0] + b1
    z = np.maximum(z, 0) if activation == "relu" else z / (1 + np.exp(-z))
    s = 1 / (1 + np.exp(-(z @ w2[0, 0] + b2)))
    # products of numbers below 1 in float32
    np.testing.assert_allclose(answer(model, x), x * s[:, None, None, :], atol=1e-6)
    assert model.count_params() == 2 * 12 * 3 + 3 + 12


def test_mbconv_squeezes_to_a_share_of_its_narrow_input():
    """Counted from the wide middle it would be six times as large: the mistake of the first ports of EfficientNet."""
    kernels = [w.shape for w in network(lambda x: mbconv(x, 16, 6, ratio=4)).weights if len(w.shape) == 4]
    assert (1, 1, 72, 3) in kernels
    kernels = [w.shape for w in network(lambda x: mbconv(x, 16, 6, ratio=50)).weights if len(w.shape) == 4]
    assert (1, 1, 72, 1) in kernels, "never less than one"


@settings(max_examples=examples(15, 6), deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.integers(1, 4))
@example(groups=2, each=3, height=2, width=3)
@example(groups=5, each=4, height=1, width=2)
def test_channel_shuffle_in_numpy_and_undone_by_the_other_factor(groups, each, height, width):
    shape = (height, width, groups * each)
    x = images(2, shape)
    dealt = network(lambda x: channel_shuffle(x, groups), shape)(x)
    order = [i * each + k for k in range(each) for i in range(groups)]
    np.testing.assert_array_equal(dealt, x[..., order])
    back = network(lambda x: channel_shuffle(channel_shuffle(x, groups), each), shape)
    np.testing.assert_array_equal(back(x), x)


def test_a_shuffle_that_moves_nothing_is_left_out():
    """Not only to save operators: TensorFlow's graph optimiser turned a 1×1 image of such a shuffle on its side."""
    for groups in (1, 12):
        assert len(network(lambda x, groups=groups: channel_shuffle(x, groups)).layers) == 1
    x = images(2, (1, 1, 2))
    twice = network(lambda x: channel_shuffle(channel_shuffle(x, 2), 1), (1, 1, 2))
    np.testing.assert_array_equal(answer(twice, x), x)


@pytest.mark.parametrize(("groups", "size", "stride"), [(1, 1, 1), (3, 1, 1), (4, 3, 2), (12, 3, 1)])
def test_a_group_convolution_is_separate_convolutions_side_by_side(groups, size, stride):
    import keras

    model = randomised(network(lambda x: group_conv_bn(x, 24, groups, size, stride)))
    kernel, gamma, beta, mean, variance = model.get_weights()
    x = images(3)
    parts = [
        keras.ops.conv(part, w, strides=stride, padding="same")
        for part, w in zip(np.split(x, groups, axis=-1), np.split(kernel, groups, axis=-1), strict=True)
    ]
    y = gamma * (np.concatenate(parts, axis=-1) - mean) / np.sqrt(variance + 1e-3) + beta
    # at most 108 products of order 0.1, summed in float32 in another order
    np.testing.assert_allclose(answer(model, x), np.maximum(y, 0), atol=1e-5)
    assert model.count_params() == size**2 * 12 * 24 // groups + 4 * 24


def test_the_shuffle_lets_groups_see_each_other():
    """Two group convolutions in a row without it: an output depends on a third of the inputs, whatever the depth."""

    def seen(block):
        """Return how many inputs the first output depends on; weights of one sign, so that no change cancels."""
        model = network(block, (1, 1, 12))
        model.set_weights([np.ones(w.shape) for w in model.weights])
        x = np.ones((13, 1, 1, 12), np.float32)
        x[np.arange(12), 0, 0, np.arange(12)] += 1
        y = answer(model, x)[:, 0, 0, 0]
        return int((y[:12] != y[12]).sum())

    def block(x, shuffle):
        x = group_conv_bn(x, 12, 3)
        return group_conv_bn(channel_shuffle(x, 3) if shuffle else x, 12, 3)

    assert seen(lambda x: block(x, shuffle=False)) == 4
    assert seen(lambda x: block(x, shuffle=True)) == 12


def test_shuffle_unit_joins_as_in_figure_2():
    """With all weights of the branch at 0, the input is added to nothing, or stands first beside it, averaged."""
    x = images(2)
    same = network(lambda x: shuffle_unit(x, 12, 3))
    same.set_weights([0 * w for w in same.get_weights()])
    np.testing.assert_array_equal(answer(same, x), x)
    half = network(lambda x: shuffle_unit(x, 24, 3, stride=2))
    half.set_weights([0 * w for w in half.get_weights()])
    y = answer(half, x)
    # A 3×3 mean, nine numbers below 1 in float32; the last window hangs over the edge and averages what is there.
    np.testing.assert_allclose(y[:, 0, 0, :12], x[:, :3, :3].mean(axis=(1, 2)), atol=1e-6)
    np.testing.assert_allclose(y[:, 3, 3, :12], x[:, 6:, 6:].mean(axis=(1, 2)), atol=1e-6)
    np.testing.assert_array_equal(y[..., 12:], 0)


@pytest.mark.parametrize("relu", [True, False])
def test_relu_can_be_left_out(relu):
    for block in (lambda x: conv_bn(x, 6, relu=relu), lambda x: depthwise_bn(x, relu=relu)):
        model = randomised(network(block))
        assert (answer(model, images(4)).min() >= 0) == relu


BLOCKS = {
    "depthwise_separable": lambda x: depthwise_separable(x, 16, stride=2),
    "separable": lambda x: separable(x, 16, stride=2),
    "inverted_residual": lambda x: inverted_residual(x, 12, 3),
    "mbconv": lambda x: mbconv(x, 12, 3, size=5),
    "mbconv_swish": lambda x: mbconv(x, 16, 1, stride=2, swish=True),
    "channel_shuffle": lambda x: channel_shuffle(x, 4),
    "group_conv_bn": lambda x: group_conv_bn(x, 24, 4, size=3, stride=2),
    "shuffle_unit": lambda x: shuffle_unit(x, 12, 3),
    "shuffle_unit_2": lambda x: shuffle_unit(x, 24, 3, stride=2),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_converted_blocks_agree_with_keras_on_every_kernel(name):
    """Each device has other kernels; an operator that one of them lacks or counts otherwise is found here."""
    from ai_edge_litert.interpreter import Interpreter
    from keras import Model, layers

    block = network(BLOCKS[name])
    model = randomised(Model(block.input, layers.Dense(4)(layers.Flatten()(block.output))))
    x = images(100)
    expected = answer(model, x)
    with export_once():
        files = {mode: to_tflite(model, mode, x) for mode in ("float32", "int8")}
    for mode, converted in files.items():
        operators = {op["op_name"] for op in Interpreter(model_content=converted)._get_ops_details()}
        assert operators - {"DELEGATE"} <= OPERATORS
        # float32: roundings. int8: each layer rounds to a 255th of its range; a tenth of the spread is several of them.
        tolerance = 1e-5 * np.abs(expected).max() if mode == "float32" else 0.1 * expected.std()
        for kernels in ("xnnpack", "builtin", "reference"):
            found = Runner(converted, kernels=kernels).predict(x)
            error = np.abs(found - expected).max() if mode == "float32" else np.abs(found - expected).mean()
            assert error < tolerance, (mode, kernels)


@pytest.mark.parametrize(
    ("block", "says"),
    [
        (lambda x: channel_shuffle(x, 5), "groups is 5; expected a divisor of 12, the channels of x"),
        (lambda x: channel_shuffle(x, 0), "groups is 0; expected a divisor of 12"),
        (lambda x: channel_shuffle(x, -3), "groups is -3; expected a divisor"),
        (lambda x: group_conv_bn(x, 12, 5), "groups is 5; expected a divisor of 12, the channels of x"),
        (lambda x: group_conv_bn(x, 16, 3), "groups is 3; expected a divisor of 16, the filters"),
        (lambda x: shuffle_unit(x, 12, 3, stride=3), "stride is 3; expected 1 or 2"),
        (lambda x: shuffle_unit(x, 24, 3), "filters is 24, x has 12 channels; with stride 1 they must be equal"),
        (lambda x: shuffle_unit(x, 12, 3, stride=2), "filters is 12, x has 12 channels; with stride 2 .* exceed"),
        (lambda x: shuffle_unit(x, 30, 3, stride=2), "filters is 30; expected a multiple of 4"),
        (
            lambda x: shuffle_unit(x, 28, 3, stride=2),
            "groups is 3; expected a divisor of 7, the quarter of the filters",
        ),
        (
            lambda x: shuffle_unit(x, 32, 8, stride=2),
            "groups is 8; expected a divisor of 20, the channels of the branch",
        ),
        (lambda x: shuffle_unit(x, 24, 3, 2, first_groups=5), "groups is 5; expected a divisor of 12"),
        (lambda x: mbconv(x, 16, stride=3), "stride is 3; expected 1 or 2"),
        (lambda x: mbconv(x, 16, expansion=0), "expansion is 0; expected 1 or more"),
        (lambda x: mbconv(x, 16, ratio=0), "ratio is 0; expected 1 or more"),
        (lambda x: squeeze_excite(x, 0), "ratio is 0; expected 1 or more"),
    ],
)
def test_what_does_not_fit_is_named(block, says):
    with pytest.raises(ValueError, match=says):
        network(block)


def test_an_open_image_size_cannot_be_shuffled():
    with pytest.raises(ValueError, match=r"shape \(None, None, None, 12\); expected a fixed height and width"):
        network(lambda x: channel_shuffle(x, 3), (None, None, 12))


def test_checked_sizes_pass_and_others_are_named():
    """The blocks rely on them: a size that slips through would build another network than the one asked for."""
    assert check_shuffle((None, 7, 5, 12), 4) == (None, 7, 5, 12)
    check_sizes(2, expansion=1, ratio=4)
    with pytest.raises(ValueError, match=r"shape \(None, 7, None, 12\); expected a fixed height and width"):
        check_shuffle((None, 7, None, 12), 4)
    with pytest.raises(ValueError, match="ratio is 0; expected 1 or more"):
        check_sizes(expansion=1, ratio=0)
    with pytest.raises(ValueError, match="stride is 0; expected 1 or 2"):
        check_sizes(0)
