"""BatchNorm's averages after training on moved images, compared with means and variances that NumPy takes."""

import keras
import numpy as np
import pytest
from _eager import eagerly
from keras import layers

from edgelab.data import load_mnist
from edgelab.train.fitting.augmentation import Augment
from edgelab.train.fitting.batch_norm import settle
from edgelab.train.fitting.training import fit, hold_out, set_seed
from edgelab.train.networks.family import light


@pytest.fixture(scope="module")
def few():
    mnist = load_mnist()
    return mnist.x_train[:2000], mnist.y_train[:2000]


def test_averages_become_those_of_the_images(few):
    x = few[0][:1500]
    inputs = keras.Input((28, 28, 1))
    first = layers.Conv2D(4, 5, strides=2, use_bias=False)
    second = layers.Conv2D(3, 3, use_bias=False)
    norms = [layers.BatchNormalization(momentum=0.9, name=name) for name in ("one", "two")]
    middle = layers.ReLU()(norms[0](first(inputs)))
    model = keras.Model(inputs, layers.GlobalAveragePooling2D()(norms[1](second(middle))))
    gamma, beta = (rng.normal(1, 0.1, 4).astype(np.float32) for rng in map(np.random.default_rng, (1, 2)))
    norms[0].gamma.assign(gamma)
    norms[0].beta.assign(beta)
    before = [w.numpy() for w in model.trainable_weights]
    settle(model, x, batch_size=500)

    batches = [x[i : i + 500, ..., None].astype(np.float32) / 255 for i in (0, 500, 1000)]
    outputs = [first(batch).numpy() for batch in batches]
    mean = np.mean([y.mean(axis=(0, 1, 2)) for y in outputs], axis=0)
    variance = np.mean([y.var(axis=(0, 1, 2)) for y in outputs], axis=0)
    # float32 sums of 72,000 numbers near 0.1.
    np.testing.assert_allclose(norms[0].moving_mean, mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(norms[0].moving_variance, variance, rtol=1e-4)
    # The second layer sees what the first one lets through when each batch is normalised by itself.
    deeper = []
    for y in outputs:
        z = (y - y.mean(axis=(0, 1, 2))) / np.sqrt(y.var(axis=(0, 1, 2)) + norms[0].epsilon) * gamma + beta
        deeper.append(second(np.maximum(z, 0)).numpy())
    np.testing.assert_allclose(
        norms[1].moving_mean, np.mean([y.mean(axis=(0, 1, 2)) for y in deeper], axis=0), rtol=1e-3, atol=1e-5
    )
    assert [layer.momentum for layer in norms] == [0.9, 0.9]
    for now, then in zip(model.trainable_weights, before, strict=True):
        np.testing.assert_array_equal(now.numpy(), then)


def test_training_on_moved_images_ends_with_the_averages_of_unmoved_ones(few):
    """Else inference would subtract the means of blurred images: it cost 0.3 points where it was noticed."""
    x, y = (part[:500] for part in few)
    set_seed(1)
    model = light("c4k5s2 p c8")
    with eagerly():
        history = fit(model, x, y, epochs=2, augment=Augment(), progress=False)
    kept = [w.copy() for w in model.get_weights()]
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    learn, _ = hold_out(y, 0.1, 10, 0)
    settle(model, x[learn])
    for now, then in zip(model.get_weights(), kept, strict=True):
        np.testing.assert_allclose(now, then, rtol=1e-6)


def test_a_model_without_batchnorm_is_left_alone():
    model = keras.Sequential([keras.Input((2, 2, 1)), layers.Flatten(), layers.Dense(2)])
    before = model.get_weights()
    settle(model, np.zeros((3, 2, 2), np.uint8))
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
