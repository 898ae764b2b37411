"""Weight sharing in Keras: the gradient of a codebook, zeros that stay, and the file that answers as the model does."""

import numpy as np
import pytest

from edgelab.data import to_input
from edgelab.shrink.compress.cluster import codebook_gradient
from edgelab.shrink.compress.cluster_train import share, to_layers
from edgelab.shrink.compress.packed_reader import run, unpack
from edgelab.shrink.compress.packed_writer import pack
from edgelab.shrink.compress.prune import magnitude_mask


@pytest.fixture(scope="module")
def digits():
    from edgelab.data import load_mnist

    mnist = load_mnist()
    return mnist.x_train[:1200], mnist.y_train[:1200].astype(int)


def network():
    """A small LeNet with pruned weights and biases that are not 0."""
    from keras import Input, Sequential, layers

    from edgelab.train.fitting.training import set_seed

    set_seed(1)
    model = Sequential(
        [
            Input((28, 28, 1)),
            layers.Conv2D(4, 5, name="c1"),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Conv2D(6, 5, activation="relu", use_bias=False, name="c2"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(20, "relu", name="d1"),
            layers.Dense(10, name="d2"),
        ],
        name="small",
    )
    rng = np.random.default_rng(0)
    for name in ("c1", "c2", "d1", "d2"):
        w, *b = model.get_layer(name).get_weights()
        model.get_layer(name).set_weights([w * magnitude_mask(w, 0.6), *(rng.normal(0, 0.1, a.shape) for a in b)])
    return model


def test_the_gradient_of_a_codebook_is_the_sum_over_its_weights(digits):
    """TensorFlow's gradient by a codebook against its own by the kernel, summed by us; no kernel trains beside it."""
    import keras
    import tensorflow as tf

    model = network()
    shared = share(model, clusters=5)
    for layer in model.layers:  # the plain model with the shared weights
        if hasattr(layer, "kernel"):
            other = shared.get_layer(layer.name)
            layer.kernel.assign(other.codebook()[other.codes])
    x, y = to_input(digits[0][:50]), digits[1][:50]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    gradients = []
    for each in (model, shared):
        with tf.GradientTape() as tape:
            value = loss(y, each(x, training=False))
        found = tape.gradient(value, [v.value for v in each.trainable_variables])
        gradients.append({v.path: g for v, g in zip(each.trainable_variables, found, strict=True)})
    kernels = {path.split("/")[-2]: g for path, g in gradients[0].items() if path.endswith("kernel")}
    books = {path.split("/")[-2]: g for path, g in gradients[1].items() if path.endswith("entries")}
    assert set(kernels) == set(books) == {"c1", "c2", "d1", "d2"}
    for name, dw in kernels.items():
        expected = codebook_gradient(np.asarray(dw), shared.get_layer(name).codes, 6)[1:]
        # float32 sums of thousands of terms
        np.testing.assert_allclose(books[name], expected, rtol=1e-3, atol=1e-6)
    biases = [path for path in gradients[1] if path.endswith("bias")]
    assert len(biases) == 3
    assert len(gradients[1]) == 7


def test_training_moves_codebooks_and_leaves_zeros_and_codes(digits):
    from edgelab.train.fitting.training import fit

    model = network()
    shared = share(model, {"c1": 3, "c2": 4, "d1": 5, "d2": 6})
    before = {n: (shared.get_layer(n).codebook(), shared.get_layer(n).codes.copy()) for n in ("c1", "c2", "d1", "d2")}
    fit(shared, *digits, epochs=1, progress=False)
    for name, (codebook, codes) in before.items():
        now = shared.get_layer(name)
        assert now.codebook()[0] == 0
        assert (now.codebook()[1:] != codebook[1:]).all()
        np.testing.assert_array_equal(now.codes, codes)
        np.testing.assert_array_equal(codes == 0, model.get_layer(name).kernel.numpy() == 0)


@pytest.mark.parametrize(("float_type", "tolerance"), [("float32", 1e-4), ("float16", 3e-2)])
def test_the_file_answers_as_the_model_does(digits, float_type, tolerance):
    """Keras against NumPy from the decoded bytes. float16 moves weights by 1/2048, logits of a few units by 1e-2."""
    shared = share(network(), clusters=8)
    x = to_input(digits[0][:100])
    layers = unpack(pack(to_layers(shared, float_type)))
    assert [(a.name, a.relu, a.pool) for a in layers] == [
        ("c1", True, 2),
        ("c2", True, 2),
        ("d1", True, 1),
        ("d2", False, 1),
    ]
    np.testing.assert_allclose(run(layers, x), shared(x, training=False), atol=tolerance)


def test_what_the_file_can_not_hold_is_named():
    from keras import Input, Sequential, layers

    def made(*parts):
        return share(Sequential([Input((8, 8, 1)), *parts, layers.Flatten(), layers.Dense(2)]), 2)

    for parts, says in (
        ([layers.Conv2D(2, 3, strides=2, name="a")], "layer a has another stride"),
        ([layers.Conv2D(2, 3, padding="same", name="a")], "layer a .*expected stride 1, padding valid"),
        ([layers.Conv2D(2, 3, activation="tanh", name="a")], "layer a .* ReLU or no activation"),
        ([layers.Conv2D(2, 3), layers.MaxPooling2D(3, strides=2, name="p")], r"layer p: .*expected square max pooling"),
        ([layers.Conv2D(2, 3), layers.BatchNormalization(name="n")], "layer n is a BatchNormalization; expected"),
        ([layers.MaxPooling2D(2, name="p")], "layer p is a MaxPooling2D; expected"),
        ([layers.Conv2D(2, 3), layers.MaxPooling2D(), layers.ReLU(name="r")], "layer r is a ReLU"),
    ):
        with pytest.raises(ValueError, match=says):
            to_layers(made(*parts))
    with pytest.raises(ValueError, match="clusters are given for a; expected the layers with kernels, b"):
        share(Sequential([Input((4,)), layers.Dense(2, name="b")]), {"a": 2})


def test_layers_of_other_kinds_keep_what_they_learned():
    """Cloning makes BatchNorm anew, with means of 0: the shared model would answer as an untrained one."""
    from keras import Input, Sequential, layers

    parts = [layers.Conv2D(3, 3, name="c"), layers.BatchNormalization(name="n"), layers.Flatten()]
    model = Sequential([Input((6, 6, 1)), *parts, layers.Dense(2, name="d")])
    rng = np.random.default_rng(0)
    model.set_weights([rng.choice([0.5, 1.0, 2.0], w.shape) for w in model.get_weights()])
    shared = share(model, clusters=3)
    x = rng.random((4, 6, 6, 1)).astype(np.float32)
    # Three values, three clusters: nothing is lost but the order of float32 sums.
    np.testing.assert_allclose(shared(x, training=False), model(x, training=False), rtol=1e-5)
