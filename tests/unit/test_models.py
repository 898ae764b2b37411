"""The Keras zoo: sizes that can be counted by hand, and the conventions every model keeps."""

import io
import runpy
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from _export_once import export_once

from edgelab.artifacts import find, read_index, shipped
from edgelab.data import load_mnist, to_input
from edgelab.infer.runner import Runner
from edgelab.shrink.convert.converter import to_tflite
from edgelab.train.costs import shapes_only
from edgelab.train.networks.models import (
    best,
    build,
    dense128,
    efficientnet_small,
    gru64,
    mobilenet_v1_small,
    mobilenet_v2_small,
    names,
    shufflenet_small,
    small,
    small_cnn,
    tiny,
    to_keras_bytes,
)
from edgelab.train.networks.scaling import compound_scaling


def conv(size, before, after):
    """Count a convolution without bias and the four BatchNorm numbers of each of its outputs."""
    return size**2 * before * after + 4 * after


def depthwise(size, channels):
    return size**2 * channels + 4 * channels


def separable(before, after):
    return depthwise(3, before) + conv(1, before, after)


def chain(*widths):
    """Count separable convolutions one after another, each with nothing between its halves."""
    return sum(3**2 * before + conv(1, before, after) for before, after in pairwise(widths))


def inverted(before, after, expansion, size=3):
    wide = expansion * before
    widen = conv(1, before, wide) if expansion > 1 else 0
    return widen + depthwise(size, wide) + conv(1, wide, after)


def mbconv(before, after, expansion, size=3):
    squeeze = before // 4
    return inverted(before, after, expansion, size) + 2 * expansion * before * squeeze + squeeze + expansion * before


def shuffle(before, after):
    """Count a unit of three groups; one that changes the number of channels brings only those that are missing."""
    branch = after if before == after else after - before
    quarter = after // 4
    return (before * quarter + quarter * branch) // 3 + 4 * (quarter + branch) + depthwise(3, quarter)


# Counted by hand, layer by layer: inputs * outputs + biases; a 3x3 kernel has 9 * channels_in weights a channel.
COUNTS = {
    "dense128": (784 * 128 + 128) + (128 * 10 + 10),
    "small_cnn": (9 * 1 * 16 + 16) + (9 * 16 * 32 + 32) + (5 * 5 * 32 * 64 + 64) + (64 * 10 + 10),
    "gru64": 3 * (28 * 64 + 64 * 64 + 64 + 64) + (64 * 10 + 10),  # two biases a gate, as Keras' default has them
    "tiny": conv(3, 1, 5) + chain(5, 5, 7, 8, 8) + (8 * 10 + 10),
    "small": conv(3, 1, 12) + chain(12, 20, 32, 40, 40, 40) + (40 * 10 + 10),
    "best": conv(3, 1, 24) + chain(24, 56, 72, 88, 104, 112) + (112 * 10 + 10),
    "mobilenet_v1_small": conv(5, 1, 8)
    + separable(8, 16)
    + separable(16, 32)
    + separable(32, 32)
    + separable(32, 64)
    + (64 * 10 + 10),
    "mobilenet_v2_small": conv(5, 1, 8)
    + inverted(8, 8, 1)
    + inverted(8, 16, 4)
    + 2 * inverted(16, 16, 4)
    + conv(1, 16, 64)
    + (64 * 10 + 10),
    "shufflenet_small": conv(5, 1, 12)
    + shuffle(12, 48)
    + shuffle(48, 48)
    + shuffle(48, 96)
    + shuffle(96, 96)
    + (96 * 10 + 10),
    "efficientnet_small": conv(5, 1, 8)
    + mbconv(8, 8, 1)
    + mbconv(8, 16, 4)
    + mbconv(16, 16, 4)
    + mbconv(16, 24, 4, size=5)
    + conv(1, 24, 64)
    + (64 * 10 + 10),
}


def test_every_model_has_a_count_here():
    assert list(COUNTS) == names(), "in the course's order"


@pytest.mark.parametrize("name", names())
def test_parameters_input_and_logits(name):
    model = build(name)
    assert model.name == name
    assert model.count_params() == COUNTS[name]
    assert model.input_shape == (None, 28, 28, 1)
    assert model.output_shape == (None, 10)
    logits = model(np.random.default_rng(0).random((4, 28, 28, 1), np.float32), training=False).numpy()
    assert not np.allclose(logits.sum(axis=1), 1, atol=1e-3), "the output is probabilities; logits are agreed"


def descend(model, x, y, steps: int, batch: int = 32) -> list[float]:
    """Train with steps of one size for each weight array, 0.005 in the root mean square; return each loss.

    Adam's steps are as large, but tracing Keras' optimiser and metrics takes longer than 20 of them.
    """
    import keras
    import tensorflow as tf

    of_logits = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def step(x, y):
        weights = [weight.value for weight in model.trainable_weights]
        with tf.GradientTape() as tape:
            loss = of_logits(y, model(x, training=True))
        for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
            weight.assign_sub(5e-3 * gradient / (tf.sqrt(tf.reduce_mean(gradient**2)) + 1e-7))
        return loss

    cut = [slice(i, i + batch) for i in range(0, len(x), batch)]
    return [float(step(x[cut[i % len(cut)]], y[cut[i % len(cut)]])) for i in range(steps)]


@pytest.mark.parametrize("name", names())
def test_every_model_learns_and_converts(name):
    """A block without gradients on this machine, or one that a runtime refuses, is found before an hour of training."""
    import keras

    mnist = load_mnist()
    x, y = to_input(mnist.x_train[:128]), mnist.y_train[:128]
    keras.utils.set_random_seed(0)
    model = build(name)
    before = [w.numpy().copy() for w in model.trainable_weights]
    losses = descend(model, x, y.astype(int), steps=20)
    # The first and the last epoch of four batches: the smallest, of five channels, comes down by 12 %.
    assert np.mean(losses[-4:]) < 0.95 * np.mean(losses[:4])
    for weight, first in zip(model.trainable_weights, before, strict=True):
        assert (weight.numpy() != first).any(), f"{weight.path} was not trained"

    whole = gru64(unroll=True) if name == "gru64" else model
    whole.set_weights(model.get_weights())
    with export_once():
        converted = {"float32": to_tflite(model, "float32"), "int8": to_tflite(whole, "int8", x)}
    expected = model(x, training=False).numpy()
    for kernels in ("xnnpack", "builtin"):
        found = Runner(converted["float32"], kernels=kernels).predict(x)
        # float32: sums of at most 800 products of order 1, in another order
        np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-4)
        found = Runner(converted["int8"], kernels=kernels).predict(x)
        # int8: each layer rounds to a 255th of its range; a tenth of the spread is several of them
        assert np.abs(found - expected).mean() < 0.1 * expected.std()


def test_the_unrolled_gru_is_the_same_network():
    import keras

    keras.utils.set_random_seed(0)
    loop, unrolled = gru64(), gru64(unroll=True)
    unrolled.set_weights(loop.get_weights())
    x = np.random.default_rng(0).random((3, 28, 28, 1), np.float32)
    # 28 steps of float32 with states below 1
    np.testing.assert_allclose(loop(x), unrolled(x), atol=1e-5)


def test_a_deeper_efficientnet_halves_the_image_as_often():
    """A stage strides once, whatever its repeats: one stride for each would leave a map of one pixel."""
    with shapes_only():
        deep = [efficientnet_small(depth=depth) for depth in (1.0, 2.0)]
    maps = [[layer.output.shape for layer in model.layers if layer.output.ndim == 4] for model in deep]
    sides = [shapes[-1][1] for shapes in maps]  # of the last convolution
    assert sides == [4, 4]


def test_efficientnet_small_grows_as_it_is_told():
    scaling = compound_scaling(4)
    with shapes_only():
        plain, scaled = efficientnet_small(), efficientnet_small(scaling.width, scaling.depth)
    blocks = [sum("depthwise" in layer.name for layer in model.layers) for model in (plain, scaled)]
    assert blocks == [4, 3 + 5 + 3]  # one block times 2.07, rounded up; two times 2.07; one times 2.07
    assert scaled.layers[-2].output.shape[-1] == 96  # 64 times 1.46
    with pytest.raises(ValueError, match="width 0"):
        efficientnet_small(width=0)


@pytest.mark.parametrize(
    "builder",
    [
        dense128,
        small_cnn,
        tiny,
        small,
        best,
        mobilenet_v1_small,
        mobilenet_v2_small,
        shufflenet_small,
        efficientnet_small,
    ],
)
def test_builders_give_their_network_its_name(builder):
    with shapes_only():
        model = builder()
    assert model.name == builder.__name__


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=f"unknown model 'lenet'; the course has: {', '.join(COUNTS)}$"):
        build("lenet")


def test_saved_bytes_hold_the_weights_and_no_optimizer(tmp_path):
    import keras

    model = build("dense128")
    model.compile(optimizer="adam", loss="mse")
    model.fit(np.zeros((4, 28, 28, 1)), np.zeros((4, 10)), verbose=0)
    data = to_keras_bytes(model)
    assert len(data) < 4 * model.count_params() + 30_000
    (tmp_path / "m.keras").write_bytes(data)
    again = keras.models.load_model(tmp_path / "m.keras")
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_equal_models_are_equal_bytes_on_another_day(monkeypatch):
    """The recorded hashes would else change with each `make models`, though nothing was learnt."""
    import datetime

    import keras.src.saving.saving_lib as saving

    class Tomorrow(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return super().now(tz) + datetime.timedelta(days=1)

    model = build("tiny")
    today = to_keras_bytes(model)
    monkeypatch.setattr(saving.datetime, "datetime", Tomorrow)
    assert to_keras_bytes(model) == today


def test_the_weights_without_keras_are_those_of_the_keras_file():
    """NumPy's network must be the one whose accuracy is recorded, and an export on another day the same bytes."""
    import keras

    script = runpy.run_path(str(Path(__file__).resolve().parents[2] / "benchmarks" / "make_models.py"))
    model = keras.models.load_model(shipped("small_cnn"))
    data = script["to_npz"](model)
    assert find("small_cnn_npz").name == "small_cnn.npz"
    assert data == shipped("small_cnn_npz").read_bytes()
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        names = [f"{layer}_{letter}" for layer in ("conv1", "conv2", "dense1", "dense2") for letter in "wb"]
        assert arrays.files == names
        for name, weights in zip(names, model.get_weights(), strict=True):
            assert arrays[name].dtype == np.float32
            np.testing.assert_array_equal(arrays[name], weights)
    entries = {entry["name"]: entry for entry in read_index(shipped("small_cnn_npz").parent)}
    of_both = ("test_accuracy", "seed", "epochs", "command")
    assert {key: entries["small_cnn_npz"][key] for key in of_both} == {
        key: entries["small_cnn"][key] for key in of_both
    }
