"""Transfer learning: fair draws, a head that is the one scikit-learn solved, and what stays frozen."""

import numpy as np
import pytest
from _eager import eagerly
from _examples import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from edgelab.data import load_mnist
from edgelab.train.fitting.augmentation import Augment
from edgelab.train.fitting.training import set_seed
from edgelab.train.judging.evaluation import predict
from edgelab.train.networks.family import light
from edgelab.train.transfer import cut_head, few_labels, fine_tune, probe, turned

PLAN = "c4k5s2 p d8"


@pytest.fixture(scope="module")
def digits():
    """60 images of each of the digits 5 to 9, and their classes 0 to 4."""
    mnist = load_mnist()
    chosen = few_labels(mnist.y_train, 60, classes=range(5, 10))
    return mnist.x_train[chosen], mnist.y_train[chosen].astype(int) - 5


@pytest.fixture
def network():
    """An untrained classifier whose BatchNorm statistics are those of no image, so that a change is seen."""
    set_seed(1)
    model = light(PLAN, classes=3)
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.1, 0.5, w.shape).astype(np.float32) for w in model.get_weights()])
    return model


@settings(max_examples=examples(60, 30), deadline=None)
@given(st.lists(st.integers(0, 4), min_size=5, max_size=80), st.integers(1, 4), st.integers(0, 2**31))
@example([0, 2, 4] * 7 + [1] * 5, 4, 1)
@example([3, 1, 3, 1, 1, 3, 3], 2, 5)
def test_draws_are_balanced_without_repeats_and_nested(y, per_class, seed):
    """An unbalanced draw favours whoever knows the priors; draws that aren't nested add the luck of a second one."""
    y = np.array(y)
    if np.bincount(y)[np.unique(y)].min() < per_class + 1:
        with pytest.raises(ValueError, match="class"):
            few_labels(y, len(y) + 1)
        return
    few, more = few_labels(y, per_class, seed=seed), few_labels(y, per_class + 1, seed=seed)
    assert len(set(few.tolist())) == len(few)
    assert set(few.tolist()) < set(more.tolist())
    assert y[few].tolist() == np.repeat(np.unique(y), per_class).tolist()


def test_other_seeds_draw_others_and_other_classes_change_nothing():
    y = np.random.default_rng(0).integers(0, 10, 1000)
    assert few_labels(y, 5, [3], seed=1).tolist() != few_labels(y, 5, [3], seed=2).tolist()
    assert few_labels(y, 5, [3, 7], seed=1)[:5].tolist() == few_labels(y, 5, [3], seed=1).tolist()


@pytest.mark.parametrize(
    ("y", "per_class", "classes", "says"),
    [
        ([0, 0, 1], 2, None, r"class 1 has 1 samples, 2 a class"),
        ([0, 0, 1], 1, [0, 7], r"class 7 has 0 samples"),
        ([0, 0, 1], 0, None, r"per_class is 0"),
        ([], 1, None, r"shape \(0,\)"),
        ([[0, 1]], 1, None, r"shape \(1, 2\)"),
    ],
)
def test_a_draw_that_is_impossible_names_the_class(y, per_class, classes, says):
    with pytest.raises(ValueError, match=says):
        few_labels(np.array(y, int), per_class, classes)


def test_the_eight_ways_are_all_different_and_undone_by_pillow(digits):
    """A way that occurs twice under two labels can't be learned, and the loss would never say why."""
    from PIL import Image

    x = np.repeat(digits[0][:1], 400, axis=0)
    images, ways = turned(x, seed=3)
    assert images.dtype == np.uint8
    assert np.bincount(ways, minlength=8).min() > 20  # 50 expected; 20 is 4.5 standard deviations below
    for way in range(8):
        picture = Image.fromarray(x[0])
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if way >= 4 else picture
        expected = np.asarray(picture.rotate(90 * (way % 4)))
        assert all((image == expected).all() for image in images[ways == way])
    assert len({image.tobytes() for image in images}) == 8


def test_colour_images_keep_their_channels_and_oblong_ones_are_refused():
    x = np.random.default_rng(0).integers(0, 256, (20, 6, 6, 3), np.uint8)
    images, _ = turned(x)
    np.testing.assert_array_equal(images.sum(axis=(1, 2)), x.sum(axis=(1, 2)))
    with pytest.raises(ValueError, match=r"\(2, 6, 7\); expected square"):
        turned(np.zeros((2, 6, 7)))


def test_features_times_the_head_are_the_logits(network, digits):
    """The cut must fall where the head begins, and hold the trained weights, not fresh ones."""
    x = digits[0][:20]
    w, b = network.layers[-1].get_weights()
    # 32 channels of float32 summed in another order: far below 1e-4 of logits around 1.
    np.testing.assert_allclose(predict(cut_head(network), x) @ w + b, predict(network, x), rtol=1e-4, atol=1e-5)


def test_features_that_say_where_average_to_those_that_do_not(network, digits):
    """Pooling over 7 × 7 pixels, the whole map, is global pooling; over 1 × 1 it is the map itself."""
    x = digits[0][:20]
    everywhere = predict(cut_head(network, pool=1), x).reshape(20, 49, 8)
    np.testing.assert_allclose(everywhere.mean(axis=1), predict(cut_head(network), x), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(predict(cut_head(network, pool=7), x), predict(cut_head(network), x), rtol=1e-4)
    assert cut_head(network, pool=2).output_shape == (None, 4 * 4 * 8)


def test_a_network_without_global_pooling_is_named():
    from edgelab.train.networks.models import build

    with pytest.raises(ValueError, match="dense128 ends in .*Dense; expected a GlobalAveragePooling2D"):
        cut_head(build("dense128"))


@pytest.mark.parametrize("classes", [2, 5])
def test_the_head_answers_as_scikit_learn_does(network, digits, classes):
    """Also with two classes, of which scikit-learn keeps one row of weights only."""
    x, y = digits[0][digits[1] < classes], digits[1][digits[1] < classes]
    backbone = cut_head(network, pool=2)
    model = probe(backbone, x[::6], y[::6], strength=0.1)
    theirs = LogisticRegression(C=0.1, max_iter=1000).fit(predict(backbone, x[::6]), y[::6])
    logits = predict(model, x).astype(float)
    softmax = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax /= softmax.sum(axis=1, keepdims=True)
    # float32 logits of size 10 are exact to 1e-6, and a probability moves by at most a quarter of its logit.
    np.testing.assert_allclose(softmax, theirs.predict_proba(predict(backbone, x)), atol=1e-4)
    assert (softmax.argmax(axis=1) == y).mean() > 1.5 / classes  # better than guessing


@pytest.mark.parametrize("y", [[0, 2, 2], [1, 1, 2], [0, 0, 0], [-1, 0, 1]])
def test_labels_with_a_gap_are_refused(network, y):
    """Digits 5 to 9 left as they are would make a head of ten, five of them never trained."""
    with pytest.raises(ValueError, match="expected 0, 1, … without a gap"):
        probe(cut_head(network), np.zeros((3, 28, 28), np.uint8), np.array(y))


def test_the_backbone_stays_what_it_was(network, digits):
    """Five draws from one backbone: the second must not begin where the first ended."""
    x, y = digits[0][::20], digits[1][::20]
    before = [w.copy() for w in network.get_weights()]
    with eagerly():
        fine_tune(probe(cut_head(network), x, y), x, y, steps=3, batch_statistics=True)
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert all(layer.trainable for layer in network.layers)


def normalised(model):
    """Return each BatchNorm's mean and variance, then its scale and offset, then the kernels."""
    layers = [layer.get_weights() for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
    kernels = [layer.get_weights()[0] for layer in model.layers if "Conv" in type(layer).__name__]
    return [w for gamma, beta, *_ in layers for w in (gamma, beta)], [w for *_, m, v in layers for w in (m, v)], kernels


@pytest.mark.parametrize("batch_statistics", [False, True])
def test_statistics_stay_unless_asked_for_and_everything_else_learns(network, digits, batch_statistics):
    """The mistake: five images' means and variances replace those of thousands, without a word."""
    x, y = digits[0][::60], digits[1][::60]
    model = probe(cut_head(network), x, y)
    old = normalised(model)
    with eagerly():
        new = normalised(fine_tune(model, x, y, steps=3, batch_statistics=batch_statistics))
    for before, after in zip(old[1], new[1], strict=True):
        assert np.array_equal(before, after) != batch_statistics
    for before, after in zip(old[2], new[2], strict=True):
        assert np.abs(before - after).max() > 1e-4


def test_fine_tuning_learns_its_images_and_the_same_on_each_run(digits):
    """What can't be repeated can't be compared; what doesn't fit ten images is no training."""
    x, y = digits[0][::30], digits[1][::30]

    def tuned(**how):
        set_seed(1)
        model = fine_tune(
            light("c8k5s2 p c16", classes=5), x, y, learning_rate=1e-2, batch_statistics=True, seed=2, **how
        )
        return np.concatenate([w.ravel() for w in model.get_weights()]), predict(model, x).argmax(axis=1)

    assert (tuned(steps=60)[1] == y).mean() >= 0.8  # chance is 0.2
    with eagerly():
        first, again, moved = tuned(steps=3), tuned(steps=3), tuned(steps=3, augment=Augment(shift=1.0))
    np.testing.assert_array_equal(first[0], again[0])
    assert np.abs(first[0] - moved[0]).max() > 1e-3


def test_a_loss_that_is_no_number_and_foreign_labels_stop_it(network):
    x = np.zeros((4, 28, 28), np.uint8)
    with pytest.raises(ValueError, match="labels run from 0 to 7"):
        fine_tune(network, x, np.array([0, 1, 2, 7]))
    network.set_weights([w * np.nan for w in network.get_weights()])
    with pytest.raises(FloatingPointError, match="step 1"), eagerly():
        fine_tune(network, x, np.array([0, 1, 2, 2]))
