"""Training and evaluation: what is fed, what is reported, what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelab.data import load_mnist
from edgelab.train import fit as fitting
from edgelab.train.fit import Evaluation, check_images, evaluate, fit, predict, progress_bar, scores, set_seed, stream
from edgelab.train.models import build


@pytest.fixture(scope="module")
def few():
    mnist = load_mnist()
    return mnist.x_train[:2000], mnist.y_train[:2000]


def test_same_seed_same_weights_other_seed_other_weights(few):
    """A stored notebook and a shipped model are worth nothing when a run cannot be repeated."""

    def weights(seed):
        set_seed(seed)
        model = build("dense128")
        fit(model, *few, epochs=1, seed=seed, progress=False)
        return np.concatenate([w.ravel() for w in model.get_weights()])

    first = weights(1)
    np.testing.assert_array_equal(first, weights(1))
    assert np.abs(first - weights(2)).max() > 1e-3


def test_training_learns_and_reports_every_epoch(few, capsys):
    set_seed(3)
    model = build("dense128")
    history = fit(model, *few, epochs=4, learning_rate=5e-3)
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(history)
    assert all(len(values) == 4 and all(type(v) is float for v in values) for values in history.values())
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["val_accuracy"][-1] > 0.8
    printed = capsys.readouterr()
    assert "epoch 4/4" in printed.out
    assert printed.err == ""


def test_validation_images_are_never_trained_on(few, monkeypatch):
    """A leak would make every validation figure of the course worthless."""
    fed = []

    def spy(x, y=None, batch_size=128, seed=None):
        fed.append(x)
        return stream(x, y, batch_size, seed)

    monkeypatch.setattr(fitting, "stream", spy)
    marked = np.zeros((200, 28, 28), np.uint8)
    marked[:, 0, 0] = np.arange(200)
    fit(build("dense128"), marked, np.arange(200) % 10, epochs=1, validation=0.25, progress=False)
    train, held_out = (set(x[:, 0, 0].tolist()) for x in fed)
    assert len(train) == 150
    assert len(held_out) == 50
    assert not train & held_out


def test_stream_feeds_each_image_once_an_epoch_as_floats_in_0_1():
    x = np.arange(100, dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), np.uint8)
    data = stream(x, np.arange(100), batch_size=32, seed=0)
    orders = []
    for _ in range(2):
        seen = []
        for images, labels in data:
            assert images.dtype == "float32"
            np.testing.assert_allclose(images[:, 0, 0, 0] * 255, labels, rtol=1e-6)
            seen += labels.numpy().tolist()
        assert sorted(seen) == list(range(100))
        orders.append(seen)
    assert orders[0] != orders[1], "the order should change from epoch to epoch"


def test_predict_equals_the_model_called_on_floats(few):
    model = build("small_cnn")
    x = few[0][:50]
    np.testing.assert_allclose(predict(model, x), model(x[..., None].astype(np.float32) / 255), atol=1e-5)


def test_evaluate_agrees_with_counting_by_hand(few):
    model = build("dense128")
    x, y = few[0][:300], few[1][:300]
    found = evaluate(model, x, y)
    assert isinstance(found, Evaluation)
    predicted = predict(model, x).argmax(axis=1)
    assert found.accuracy == pytest.approx((predicted == y).mean())
    assert found.confusion.shape == (10, 10)
    assert found.confusion[3, 5] == ((y == 3) & (predicted == 5)).sum()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
def test_scores_equal_their_definitions(pairs):
    y, y_pred = np.array(pairs).T
    found = scores(y, y_pred, classes=5)
    assert found.confusion.sum() == len(y)
    for c in range(5):
        hits = ((y == c) & (y_pred == c)).sum()
        precision = hits / max(1, (y_pred == c).sum())
        recall = hits / max(1, (y == c).sum())
        assert found.precision[c] == pytest.approx(precision)
        assert found.recall[c] == pytest.approx(recall)
        assert found.f1[c] == pytest.approx(2 * precision * recall / (precision + recall) if hits else 0)


@pytest.mark.parametrize(
    "x, y, error, words",
    [
        (np.zeros((4, 28, 28), np.float32), np.zeros(4, int), TypeError, "images are float32; expected uint8"),
        (np.zeros((28, 28), np.uint8), np.zeros(28, int), ValueError, r"shape \(28, 28\)"),
        (np.zeros((0, 28, 28), np.uint8), np.zeros(0, int), ValueError, r"shape \(0, 28, 28\)"),
        (np.zeros((4, 28, 28), np.uint8), np.zeros(3, int), ValueError, r"labels have shape \(3,\)"),
        (np.zeros((4, 28, 28), np.uint8), np.zeros((4, 10), int), ValueError, r"labels have shape \(4, 10\)"),
        (np.zeros((4, 28, 28), np.uint8), np.zeros(4), TypeError, "labels are float64"),
        (np.zeros((4, 28, 28), np.uint8), np.array([0, 1, 2, 10]), ValueError, "from 0 to 10; the model has 10"),
        (np.zeros((4, 28, 28), np.uint8), np.array([0, 1, 2, -1]), ValueError, "from -1 to 2"),
        ([[0]], [0], TypeError, "images are list"),
    ],
)
def test_unfit_data_is_named(x, y, error, words):
    with pytest.raises(error, match=words):
        check_images(x, y, classes=10)


def test_scores_refuse_other_lengths_and_nothing():
    with pytest.raises(ValueError, match=r"y has shape \(2,\), y_pred \(3,\)"):
        scores([0, 1], [0, 1, 1])
    with pytest.raises(ValueError, match="n at least 1"):
        scores([], [])


def test_progress_bar_counts_every_batch(capsys):
    bar = progress_bar(epochs=2, steps=3)
    bar.on_train_begin()
    for epoch in range(2):
        for step in range(3):
            bar.on_train_batch_end(step)
        bar.on_epoch_end(epoch, {"loss": 0.5})
    assert bar.bar.n == bar.bar.total == 6
    bar.on_train_end()
    assert "loss=0.5" in capsys.readouterr().out
