"""Pruning while training: masks that hold, a schedule that is kept, and smaller models that compute the same."""

import numpy as np
import pytest
from _eager import eagerly

from edgelab.shrink.compress.prune import (
    channel_scores,
    keep_channels,
    magnitude_mask,
    sparsity_schedule,
    two_of_four_mask,
)
from edgelab.shrink.compress.prune_train import prune_channels, pruning


@pytest.fixture(scope="module")
def digits():
    from edgelab.data import load_mnist

    mnist = load_mnist()
    return mnist.x_train[:1200], mnist.y_train[:1200].astype(int)


def network(seed: int = 1):
    from keras import Input, Sequential, layers

    from edgelab.train.fitting.training import set_seed

    set_seed(seed)
    hidden = [layers.Conv2D(8, 5, strides=2, activation="relu", name="c"), layers.MaxPooling2D(), layers.Flatten()]
    return Sequential([Input((28, 28, 1)), *hidden, layers.Dense(32, "relu", name="d"), layers.Dense(10, name="e")])


def shares(model, names: str = "cde") -> list[float]:
    return [float((model.get_layer(name).kernel.numpy() == 0).mean()) for name in names]


def test_weights_are_pruned_along_the_schedule_and_stay_zero(digits):
    """Adam remembers past gradients and moves a masked weight again at the next batch; the mask must win each time."""
    import keras

    from edgelab.train.fitting.training import fit

    model, seen = network(), []
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(shares(model)))
    callback = pruning({"c": 0.5, "d": 0.9}, begin=2, end=12, every=5)
    # 1,080 images to learn from in batches of 60: 18 an epoch.
    fit(model, *digits, epochs=2, batch_size=60, callbacks=[callback, watch], progress=False)
    seen = np.array(seen)
    assert (seen[:, 2] == 0).all(), "a layer that was not named was pruned"
    assert (np.diff(seen, axis=0) >= 0).all(), "a pruned weight came back"
    for step, now in ((2, 1), (7, 6), (12, 11), (36, 35)):
        expected = [sparsity_schedule(step, 2, 12, final=s) for s in (0.5, 0.9)]
        sizes = [model.get_layer(name).kernel.numpy().size for name in "cd"]
        assert seen[now, :2] == pytest.approx([round(s * n) / n for s, n in zip(expected, sizes, strict=True)])
    assert (callback.masks["d"] == (model.get_layer("d").kernel.numpy() != 0)).all()


def test_a_second_training_goes_on_from_the_zeros_there_are(digits):
    from edgelab.train.fitting.training import fit

    model = network()
    how = {"epochs": 1, "batch_size": 60, "progress": False}
    with eagerly():
        fit(model, *digits, callbacks=[pruning(0.5, begin=1, end=1)], **how)
    zeros = {name: model.get_layer(name).kernel.numpy() == 0 for name in "cde"}
    assert shares(model) == pytest.approx([0.5] * 3)
    with eagerly():
        fit(model, *digits, callbacks=[pruning(0.8, begin=1, end=17)], **how)
    assert shares(model) == pytest.approx([0.8] * 3, abs=1e-3)  # rounded to whole weights
    for name, before in zeros.items():
        assert not (before & (model.get_layer(name).kernel.numpy() != 0)).any()


def test_another_mask_serves_too(digits):
    from edgelab.train.fitting.training import fit

    model = network()
    callback = pruning({"d": 0.5}, begin=1, end=5, mask=lambda w, share: two_of_four_mask(w))
    with eagerly():
        fit(model, *digits, epochs=1, callbacks=[callback], progress=False)
    w = model.get_layer("d").kernel.numpy()
    assert ((w.reshape(-1, 4, 32) != 0).sum(axis=1) == 2).all()


def test_what_can_not_be_pruned_is_named(digits):
    from edgelab.train.fitting.training import fit

    for arguments, says in (
        ((1.0, 1, 10), "the sparsity of every layer is 1.0"),
        (({"d": 1.0}, 1, 10), "the sparsity of d is 1.0"),
        ((0.5, 10, 5), "begin is 10, end 5"),
        ((0.5, 0, 5), "begin is 0, end 5"),
        ((0.5, 1, 5, 0), "every 0"),
    ):
        with pytest.raises(ValueError, match=says):
            pruning(*arguments)
    how = {"epochs": 1, "batch_size": 60, "progress": False}
    with pytest.raises(ValueError, match="no Dense or Conv2D layer is called x; expected names of c, d, e"):
        fit(network(), *digits, callbacks=[pruning({"x": 0.5}, 1, 5)], **how)
    with pytest.raises(ValueError, match="training ends after 18 batches, pruning after 19"):
        fit(network(), *digits, callbacks=[pruning(0.5, 1, 19)], **how)


def chain(flat: bool):
    """A chain of all kinds of layers that can be cut, with random weights."""
    from keras import Input, Sequential, layers

    end = [layers.Flatten()] if flat else [layers.GlobalAveragePooling2D()]
    model = Sequential(
        [
            Input((13, 11, 2)),
            layers.Conv2D(6, 3, padding="same", use_bias=False, name="a"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.DepthwiseConv2D(3, depth_multiplier=2),
            layers.Activation("relu"),
            layers.Conv2D(5, 2, name="b"),
            layers.LeakyReLU(),
            layers.AveragePooling2D(2, padding="same"),
            *end,
            layers.Dropout(0.5),
            layers.Dense(9, "relu", name="d"),
            layers.Dense(4, name="logits"),
        ]
    )
    rng = np.random.default_rng(0)
    signs = {True: [-1, 1], False: [1]}  # a variance must be positive
    model.set_weights(
        [rng.uniform(0.1, 1, w.shape) * rng.choice(signs[w.ndim > 1], w.shape) for w in model.get_weights()]
    )
    return model


KEEP = {"a": np.array([0, 3, 4]), "b": np.array([1, 4]), "d": np.array([2, 3, 5, 8])}


@pytest.mark.parametrize("flat", [True, False])
def test_a_smaller_model_computes_what_is_left(flat):
    """The oracle is the whole model, layer by layer, with the outputs of all channels that go set to 0."""
    import keras

    model = chain(flat)
    small = prune_channels(model, KEEP)
    x = np.random.default_rng(1).normal(size=(5, 13, 11, 2)).astype(np.float32)
    y, kept = x, None
    for layer in model.layers:
        quiet = isinstance(layer, keras.layers.BatchNormalization | keras.layers.Dropout)
        y = layer(y, training=False) if quiet else layer(y)
        kept = KEEP[layer.name] if layer.name in KEEP else kept_after(layer, y, kept)
        mask = np.zeros(y.shape[-1], np.float32)
        mask[slice(None) if kept is None else kept] = 1
        y = y * mask
    # float32 sums in another order
    np.testing.assert_allclose(small(x).numpy(), y, rtol=1e-4, atol=1e-5)
    assert small.count_params() < model.count_params() / 2
    assert [layer.output.shape[-1] for layer in small.layers if layer.name in KEEP] == [3, 2, 4]


def kept_after(layer, y, kept):
    """Return which channels of a layer's output are left when it is not cut itself."""
    from keras import layers

    if kept is None or isinstance(layer, layers.Dense | layers.Conv2D):
        return None
    if isinstance(layer, layers.DepthwiseConv2D):
        return np.flatnonzero(np.repeat(np.isin(np.arange(y.shape[-1] // 2), kept), 2))
    if isinstance(layer, layers.Flatten):
        _, height, width, channels = layer.input.shape
        alive = np.zeros((height, width, channels), bool)
        alive[..., kept] = True
        return np.flatnonzero(alive)
    return kept


def test_nothing_pruned_is_a_copy_and_the_model_stays_as_it_was():
    model = chain(True)
    before = [w.copy() for w in model.get_weights()]
    copy = prune_channels(model, {})
    small = prune_channels(model, {"b": keep_channels(channel_scores(model.get_layer("b").kernel.numpy()), 0.5)})
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    assert all((a == b).all() for a, b in zip(before, copy.get_weights(), strict=True))
    assert small.get_layer("b").kernel.shape[-1] == 3  # of five, round(2.5) = 2 go


def test_a_model_made_layer_by_layer_is_a_chain_too():
    """Keras calls all layers anew at each add: between two of them stands another tensor each time."""
    from keras import Input, Sequential, layers

    model = Sequential([Input((8, 8, 1))])
    for layer in (layers.Conv2D(4, 3, name="first"), layers.ReLU(), layers.Flatten(), layers.Dense(2)):
        model.add(layer)
    assert prune_channels(model, {"first": [1]}).count_params() == 10 + 36 * 2 + 2


def test_a_functional_chain_is_cut_and_a_branch_is_refused():
    from keras import Input, Model, layers

    image = Input((8, 8, 1))
    first = layers.Conv2D(4, 3, name="first")(image)
    plain = Model(image, layers.Dense(2, name="last")(layers.Flatten()(first)))
    assert prune_channels(plain, {"first": [1]}).count_params() == 10 + 36 * 2 + 2
    second = layers.Conv2D(4, 3, padding="same", name="second")(first)
    branched = Model(image, layers.Dense(2)(layers.Flatten()(layers.Add()([first, second]))))
    with pytest.raises(ValueError, match="is a Add of 1 groups; expected one group, and one of Conv2D"):
        prune_channels(branched, {"first": [0]})
    late = layers.Dense(2, name="late")(layers.Flatten(name="flat")(first))
    two = Model(image, [late, layers.Dense(2, name="other")(layers.Flatten(name="flat2")(second))])
    with pytest.raises(ValueError, match="does not read the layer before it alone"):
        prune_channels(two, {"first": [0]})


@pytest.mark.parametrize(
    ("keep", "says"),
    [
        ({"z": [0]}, "no Conv2D or Dense layer is called z; expected one of a, b, d, logits"),
        ({"logits": [0]}, "logits is the last one"),
        ({"a": [0, 6]}, r"a keeps array\(\[0, 6\]\); expected rising integers from 0 to 5"),
        ({"a": [3, 1]}, "rising"),
        ({"a": []}, "rising"),
        ({"a": [-1, 2]}, "rising"),
        ({"a": np.ones(6, bool)}, "rising"),
    ],
)
def test_channels_that_can_not_be_kept_are_named(keep, says):
    with pytest.raises(ValueError, match=says):
        prune_channels(chain(True), keep)


def test_masks_are_what_magnitude_says(digits):
    """The callback's mask is magnitude_mask of the weights as they are at that batch, not of those before it."""
    import keras

    from edgelab.train.fitting.training import fit

    model, seen = network(), {}
    callback = pruning({"d": 0.7}, begin=3, end=3)
    look = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.setdefault(batch, model.get_layer("d").kernel.numpy())
    )
    fit(model, *digits, epochs=1, batch_size=60, callbacks=[look, callback], progress=False)
    np.testing.assert_array_equal(callback.masks["d"], magnitude_mask(seen[2], 0.7))
