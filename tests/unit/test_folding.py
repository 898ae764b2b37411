"""BatchNorm folded away: the same answers from fewer numbers, and what can't be folded is named."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from edgelab.shrink.convert.folding import fold, fold_batch_norm
from edgelab.train.costs.counting import count
from edgelab.train.networks.family import FAMILY, light
from edgelab.train.networks.models import build


def used(model, seed=0):
    """Give each BatchNorm averages and factors as a training leaves them: 0 and 1 would hide a wrong formula."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            for weight in layer.weights:
                spread = weight.name in ("gamma", "moving_variance")
                weight.assign(rng.uniform(0.5, 2, weight.shape) if spread else rng.normal(0, 0.3, weight.shape))
    return model


def agree(model, folded, shape, seed=1):
    x = np.random.default_rng(seed).random((4, *shape), np.float32)
    expected = model(x).numpy()
    # Sums of up to 800 products of float32 in another order, relative to the largest
    np.testing.assert_allclose(folded(x).numpy(), expected, atol=1e-5 * max(1, np.abs(expected).max()))


@given(st.integers(1, 5), st.integers(0, 2**32 - 1), st.booleans())
def test_one_affine_map_equals_two(channels, seed, biased):
    """In float64, straight from the definition: the layer, then the normalisation."""
    rng = np.random.default_rng(seed)
    w, x = rng.normal(size=(7, channels)), rng.normal(size=(3, 7))
    b = rng.normal(size=channels) if biased else None
    gamma, beta, mean = rng.normal(size=(3, channels))
    variance = rng.uniform(0, 2, channels)
    y = x @ w + (0 if b is None else b)
    expected = gamma * (y - mean) / np.sqrt(variance + 1e-3) + beta
    kernel, bias = fold_batch_norm(w, b, gamma, beta, mean, variance)
    # Eight sums in float64; 1 / sqrt(1e-3) = 32 makes the largest of order 1,000
    np.testing.assert_allclose(x @ kernel + bias, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["mobilenet_v1_small", "mobilenet_v2_small", "efficientnet_small", "small_cnn"])
def test_the_courses_networks_answer_as_before(name):
    model = used(build(name))
    folded = fold(model)
    assert not [layer for layer in folded.layers if isinstance(layer, layers.BatchNormalization)]
    assert folded.name == name
    agree(model, folded, (28, 28, 1))


@pytest.mark.parametrize("name", FAMILY)
def test_what_is_left_is_what_the_cost_calls_deployed(name):
    """The family's sizes are published without BatchNorm; here they are counted by Keras."""
    model = used(light(FAMILY[name].plan))
    folded = fold(model)
    agree(model, folded, (28, 28, 1))
    # A convolution without bias and without BatchNorm has none in Keras, and zeros for one in a .tflite.
    bare = sum(layer.output.shape[-1] for layer in folded.layers if hasattr(layer, "kernel") and not layer.use_bias)
    assert folded.count_params() + bare == count(model).deployed == count(folded).deployed


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 99))
def test_each_kind_of_layer(channels, multiplier, biased, centred, scaled, seed):
    """Depthwise kernels keep their outputs in two axes; gamma, beta and biases may be missing."""
    model = keras.Sequential(
        [
            keras.Input((6, 5, channels)),
            layers.DepthwiseConv2D(3, depth_multiplier=multiplier, use_bias=biased),
            layers.BatchNormalization(center=centred, scale=scaled),
            layers.ReLU(),
            layers.Conv2D(4, 2, use_bias=biased),
            layers.BatchNormalization(center=centred, scale=scaled, epsilon=0.1),
            layers.Flatten(),
            layers.Dense(3, use_bias=biased),
            layers.BatchNormalization(center=centred, scale=scaled),
        ]
    )
    used(model, seed)
    before = [w.copy() for w in model.get_weights()]
    folded = fold(model)
    agree(model, folded, (6, 5, channels), seed)
    for weight, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, then, err_msg="the given model was changed")


def test_what_cannot_be_folded_is_named():
    x = keras.Input((8, 8, 2))
    active = layers.BatchNormalization(name="after_relu")(layers.Conv2D(3, 3, activation="relu", name="first")(x))
    with pytest.raises(ValueError, match=r"after_relu follows first \(Conv2D, read 1 times\); expected a Conv2D"):
        fold(keras.Model(x, active))
    y = layers.Conv2D(3, 3, name="read_twice")(x)
    both = layers.Add()([layers.BatchNormalization(name="one")(y), y])
    with pytest.raises(ValueError, match=r"one follows read_twice \(Conv2D, read 2 times\)"):
        fold(keras.Model(x, both))
    first = layers.BatchNormalization(name="in_front")(x)
    with pytest.raises(ValueError, match="in_front follows"):
        fold(keras.Model(x, layers.Conv2D(3, 3)(first)))
    w = np.ones((3, 3, 1, 2))
    with pytest.raises(ValueError, match=r"mean has shape \(3,\); expected \(2,\), the channels of w"):
        fold_batch_norm(w, None, np.ones(2), np.zeros(2), np.zeros(3), np.ones(2))
