"""The integer engine against LiteRT on networks and layers as Keras and the converter make them."""

import keras
import numpy as np
import pytest
from _tflite import RUNTIMES
from keras import Input, Model, layers, ops

from edgelab.infer.integer.operators import OPERATORS
from edgelab.infer.integer.place import MISSING
from edgelab.infer.parity import layer_differences
from edgelab.infer.tflite import read
from edgelab.shrink.convert.converter import to_tflite


def shaken(model, seed=0):
    """Return the model with random weights and statistics: fresh ones leave many channels without a range."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        weights = layer.get_weights()
        if isinstance(layer, layers.BatchNormalization):
            n = len(weights[0])
            spread, shift = rng.uniform(0.5, 1.5, n), rng.normal(0, 0.3, n)
            layer.set_weights([spread, shift, rng.normal(0, 0.3, n), rng.uniform(0.3, 2, n)])
        elif weights and not isinstance(layer, layers.Normalization):
            sizes = [max(1, np.prod(w.shape[:-1])) if w.ndim > 1 else 100 for w in weights]
            layer.set_weights([rng.normal(0, n**-0.5, w.shape) for w, n in zip(weights, sizes, strict=True)])
    return model


def check(model, kinds, size, count=4) -> None:
    """Convert a model and compare every tensor between its operators in every runtime that has them all."""
    rng = np.random.default_rng(1)
    tflite = to_tflite(model, "int8", rng.uniform(0, 1, (100, *size)).astype(np.float32))
    graph = read(tflite)
    found = {operator.kind for operator in graph.operators}
    assert kinds <= found
    q = rng.integers(-128, 128, (count, *size)).astype(np.int8)
    for runtime in RUNTIMES:
        if all(getattr(OPERATORS[kind], runtime) != MISSING for kind in found):
            differing = {i: share for i, share in layer_differences(tflite, q, runtime).items() if share}
            assert not differing, (runtime, differing)


def bent(*bends):
    """A model of which each layer is a convolution and one of the bends, all of them added."""
    keras.utils.set_random_seed(0)
    x = Input((8, 8, 3))
    outputs = [bend(layers.Conv2D(6, 3)(x)) for bend in bends]
    y = layers.GlobalAveragePooling2D()(layers.Add()(outputs))
    return Model(x, layers.Dense(4)(y))


def test_the_layers_of_keras():
    """What each layer becomes depends on the converter, and its scales are not those that a test would choose."""
    bends = {
        "HARD_SWISH": layers.Activation("hard_swish"),
        "LEAKY_RELU": layers.LeakyReLU(0.1),
        "PRELU": layers.PReLU(shared_axes=(1, 2), alpha_initializer=keras.initializers.RandomUniform(-0.2, 0.4)),
        "GELU": layers.Activation("gelu"),
        "TANH": layers.Activation("tanh"),
        "LOGISTIC": layers.Activation("silu"),
        "MINIMUM": layers.ReLU(max_value=1),
        "MAXIMUM": lambda x: layers.Maximum()([x, layers.Conv2D(6, 1)(x)]),
        "SUB": lambda x: layers.Subtract()([x, layers.Conv2D(6, 1)(x)]),
        "ABS": ops.abs,
        "MUL": layers.Activation("hard_sigmoid"),
    }
    check(bent(*bends.values()), set(bends), (8, 8, 3))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV2", "MobileNetV3Small", "MobileNetV3Large"])
def test_the_networks_of_keras_applications(name):
    """Every tensor between their 100 operators and more, in the three runtimes."""
    options = {"include_preprocessing": False} if "V3" in name else {}
    model = getattr(keras.applications, name)(weights=None, input_shape=(64, 64, 3), classes=10, **options)
    check(shaken(model), {"HARD_SWISH"} if "V3" in name else {"DEPTHWISE_CONV_2D"}, (64, 64, 3))
