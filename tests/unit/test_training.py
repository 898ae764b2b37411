"""Training and evaluation: what is fed, what is reported, what is refused."""

import keras
import numpy as np
import pytest
from _eager import eagerly
from _examples import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgelab.data import check_images, load_mnist
from edgelab.train.fitting import training as fitting
from edgelab.train.fitting.augmentation import Augment
from edgelab.train.fitting.batches import stream
from edgelab.train.fitting.callbacks import progress_bar
from edgelab.train.fitting.training import fit, hold_out, set_seed
from edgelab.train.judging.evaluation import Evaluation, evaluate, predict, scores
from edgelab.train.networks.models import build


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

    def spy(x, y=None, batch_size=128, seed=None, augment=None):
        fed.append((x, augment))
        return stream(x, y, batch_size, seed, augment)

    monkeypatch.setattr(fitting, "stream", spy)
    marked = np.zeros((200, 28, 28), np.uint8)
    marked[:, 0, 0] = np.arange(200)
    y = np.arange(200) % 10
    with eagerly():
        fit(build("dense128"), marked, y, epochs=1, validation=0.25, progress=False, augment=Augment())
    train, held_out = (set(x[:, 0, 0].tolist()) for x, _ in fed)
    assert [moved for _, moved in fed] == [Augment(), None], "validation images must stay as they are"
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


@settings(max_examples=examples(50, 25), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
@example([(0, 1), (1, 1), (2, 1), (3, 3), (3, 0), (4, 4)])
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


def test_augmented_stream_moves_images_anew_each_epoch_and_alike_each_run():
    """The same moves each epoch would be no augmentation; others on each run, no repeatable training."""
    x = np.zeros((64, 28, 28), np.uint8)
    x[:, 10:18, 12:16] = 255

    def epochs():
        data = stream(x, np.arange(64), batch_size=16, seed=3, augment=Augment())
        read = []
        for _ in range(2):
            images, labels = (np.concatenate(part) for part in zip(*data.as_numpy_iterator(), strict=True))
            assert images.shape == (64, 28, 28, 1)
            assert images.dtype == np.float32
            assert images.min() >= 0
            assert images.max() <= 1 + 1e-6  # bilinear weights are floats that sum to 1 up to rounding
            read.append(images[np.argsort(labels)])
        return read

    first, second = epochs()
    assert np.abs(first - second).max() > 0.5
    again, _ = epochs()
    np.testing.assert_array_equal(first, again)


def test_labels_stay_with_their_augmented_images():
    x = np.arange(50, dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), np.uint8)
    for images, labels in stream(x, np.arange(50), batch_size=7, seed=0, augment=Augment()):
        np.testing.assert_allclose(images[:, 14, 14, 0] * 255, labels, rtol=1e-5)


def test_a_class_missing_from_the_split_is_named():
    y = np.repeat(np.arange(10), 20)
    with pytest.raises(ValueError, match="class 7 has 0 images; expected 2 or more"):
        hold_out(y[y != 7], 0.2, classes=10)
    with pytest.raises(ValueError, match="class 3 has 1 images"):
        hold_out(np.concatenate([y[y != 3], [3]]), 0.2, classes=10)
    rare = np.concatenate([np.repeat(np.arange(9), 1005), [9, 9]])
    with pytest.raises(ValueError, match="class 9 is missing from the validation split"):
        hold_out(rare, 0.1, classes=10)
    with pytest.raises(ValueError, match="cannot hold 10 classes on both sides"):
        hold_out(y, 0.01, classes=10)
    with pytest.raises(ValueError, match="validation share is 0; expected a number between 0 and 1"):
        hold_out(y, 0, classes=10)


@settings(max_examples=examples(50, 20), deadline=None)
@given(st.integers(2, 6), st.integers(20, 200), st.floats(0.15, 0.85), st.integers(0, 9))
def test_a_split_is_a_partition_with_every_class_in_proportion(classes, each, share, seed):
    y = np.repeat(np.arange(classes), each)
    parts = hold_out(y, share, classes, seed)
    assert sorted(np.concatenate(parts)) == list(range(len(y)))
    held_out = np.bincount(y[parts[1]], minlength=classes)
    assert np.abs(held_out - share * each).max() <= 1 + 1 / classes  # whole images, and the total rounded up


def test_a_loss_that_is_no_number_stops_with_step_and_learning_rate(few):
    """A NaN that trains on wastes the night and overwrites the weights."""
    set_seed(0)
    model = build("dense128")
    poison = FailAt(step=4, value=np.nan)
    with (
        pytest.raises(
            FloatingPointError, match=r"the loss is nan at step \d+ \(epoch 1, batch \d+\), learning rate"
        ) as stopped,
        eagerly(),
    ):
        fit(model, *few, epochs=2, progress=False, callbacks=[poison])
    assert "learning rate 0.00" in str(stopped.value)


def test_interrupted_training_keeps_the_best_weights(few, capsys):
    """Ctrl-C in the third epoch must not leave half an epoch's weights, nor lose two epochs' work."""
    set_seed(0)
    model = build("dense128")
    interrupt = FailAt(step=2 * 15 + 5)
    with pytest.raises(KeyboardInterrupt) as stopped:
        fit(model, *few, epochs=4, callbacks=[interrupt])
    assert "The model holds the weights of epoch 2, the best so far." in stopped.value.__notes__
    for kept, best in zip(model.get_weights(), interrupt.at_epoch_end[2], strict=True):
        np.testing.assert_array_equal(kept, best)
    assert capsys.readouterr().err == ""


def test_a_loss_that_is_no_number_keeps_the_best_weights_of_the_epochs_before(few):
    set_seed(0)
    model = build("dense128")
    poison = FailAt(step=20, value=np.nan)
    with pytest.raises(FloatingPointError):
        fit(model, *few, epochs=4, progress=False, callbacks=[poison])
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_patience_stops_and_keeps_the_best_epoch():
    """Random labels cannot be learnt: the validation loss only rises after it was lowest."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (400, 28, 28)).astype(np.uint8), np.arange(400) % 10
    set_seed(0)
    model = build("dense128")
    record = FailAt(step=-1)
    history = fit(
        model, x, y, epochs=40, validation=0.25, patience=2, warmup_epochs=0, progress=False, callbacks=[record]
    )
    best = int(np.argmin(history["val_loss"]))
    assert len(history["val_loss"]) == best + 3 < 40
    for kept, then in zip(model.get_weights(), record.at_epoch_end[best + 1], strict=True):
        np.testing.assert_array_equal(kept, then)


class FailAt(keras.callbacks.Callback):
    """After a step, interrupt the training or spoil a weight; remember the weights at each epoch's end."""

    def __init__(self, step: int, value: float | None = None):
        super().__init__()
        self.step, self.value, self.at_epoch_end = step, value, {}

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == self.step:
            if self.value is None:
                raise KeyboardInterrupt
            self.model.layers[-1].bias.assign(np.full(10, self.value, np.float32))

    def on_epoch_end(self, epoch, logs=None):
        self.at_epoch_end[epoch + 1] = self.model.get_weights()
