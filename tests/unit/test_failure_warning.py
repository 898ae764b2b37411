"""Padding, windows and splits; the two recurrent networks, in Keras and on LiteRT; how alarms are judged."""

import numpy as np
import pytest
from _eager import eagerly
from _examples import examples
from _export_once import export_once
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgelab.infer.runner import Runner
from edgelab.maths.rnn import gru
from edgelab.shrink.convert.converter import to_tflite
from edgelab.train.fitting.training import set_seed
from edgelab.train.sequences.failure_warning import (
    Alarms,
    choose_threshold,
    fit_sequences,
    judge,
    life_lstm,
    pad,
    split_machines,
    step_model,
    warning_gru,
    windows,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 20, 7)).astype(np.float32)


@settings(max_examples=examples(200, 40), deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
@example([1])
@example([3, 9, 1, 9])
def test_padding_loses_and_invents_nothing(lengths):
    made = [np.full((n, 2), i + 1.0) for i, n in enumerate(lengths)]
    x, mask = pad(made)
    assert x.shape == (len(lengths), max(lengths), 2)
    assert mask.sum(axis=1).tolist() == lengths
    assert not x[~mask].any()
    np.testing.assert_array_equal(x[mask], np.concatenate(made))


def test_padding_equals_keras():
    import keras

    made = [RNG.normal(size=(n, 3)).astype(np.float32) for n in (4, 1, 6)]
    theirs = keras.utils.pad_sequences(made, dtype="float32", padding="post")
    np.testing.assert_array_equal(pad(made)[0], theirs)


@pytest.mark.parametrize(
    "made, words",
    [
        ([], "0 sequences"),
        ([np.ones((0, 2))], "no steps"),
        ([np.ones((2, 2)), np.ones((2, 3))], r"sequence 1 .*\(2, 3\)"),
    ],
)
def test_what_cannot_be_padded_is_named(made, words):
    with pytest.raises(ValueError, match=words):
        pad(made)


@settings(max_examples=examples(200, 50), deadline=None)
@given(st.integers(1, 20), st.integers(1, 20))
@example(1, 1)
@example(9, 9)
@example(9, 10)
@example(12, 4)
def test_each_window_ends_at_its_target(length, steps):
    """A target one step off gives a model that looks into the future, and a fine figure."""
    x = np.arange(length)[:, None] * np.ones((1, 3))
    if steps > length:
        with pytest.raises(ValueError, match=f"steps is {steps}; expected 1 to {length}"):
            windows(x, x[:, 0], steps)
        return
    cut, targets = windows(x, x[:, 0], steps)
    assert cut.shape == (length - steps + 1, steps, 3)
    np.testing.assert_array_equal(cut[:, -1, 0], targets)
    np.testing.assert_array_equal(np.diff(cut[:, :, 0], axis=1), 1)


def test_targets_of_another_length_are_named():
    with pytest.raises(ValueError, match=r"targets have shape \(4,\), the sequence \(5, 2\)"):
        windows(np.ones((5, 2)), np.ones(4), 2)


@settings(max_examples=examples(200, 50), deadline=None)
@given(st.integers(1, 60), st.integers(0, 30), st.integers(0, 30), st.integers(0, 3))
@example(20, 9, 10, 0)
@example(20, 10, 10, 0)
@example(20, 3, 0, 1)
@example(50, 7, 9, 2)
def test_no_machine_is_in_two_parts(n, validation, test, seed):
    if validation + test >= n:
        with pytest.raises(ValueError, match="none is left to train on"):
            split_machines(n, validation, test, seed)
        return
    parts = split_machines(n, validation, test, seed)
    assert [len(part) for part in parts] == [n - validation - test, validation, test]
    assert sorted(np.concatenate(parts).tolist()) == list(range(n))


def test_other_seeds_split_otherwise():
    assert split_machines(50, 10, 10, 0)[2].tolist() != split_machines(50, 10, 10, 1)[2].tolist()


@pytest.fixture(scope="module")
def warning():
    set_seed(0)
    return warning_gru(7, 12)


def test_parameters_are_those_counted_by_hand():
    """A GRU of Keras has two rows of biases; an LSTM's second layer reads the first one's units."""
    assert warning_gru(5, 6).count_params() == 3 * 6 * (5 + 6 + 2) + 6 + 1
    assert life_lstm(20, 5, (6, 8)).count_params() == 4 * 6 * (5 + 6 + 1) + 4 * 8 * (6 + 8 + 1) + 8 + 1
    assert life_lstm(20, 5).output_shape == (None, 1)


def test_step_by_step_equals_the_whole_sequence(warning):
    """In Keras, in NumPy and on LiteRT: a state that isn't carried shows from the second step on.

    1e-5: float32, twenty steps of a unit whose states are below 1.
    """
    whole = warning(X).numpy()[:, :, 0]
    w, u, b, dense_w, dense_b = warning.get_weights()
    np.testing.assert_allclose((gru(X, w, u, b) @ dense_w + dense_b)[:, :, 0], whole, atol=1e-5)
    step = step_model(warning)
    with export_once():
        runner = Runner(to_tflite(step, "float32"), input_range=(-10, 10))
    for run in (lambda v: step(v).numpy(), runner.predict):
        h, logits = np.zeros((len(X), 12), np.float32), []
        for t in range(X.shape[1]):
            out = run(np.concatenate([X[:, t], h], axis=1))
            h = out[:, 1:]
            logits.append(out[:, 0])
        np.testing.assert_allclose(np.stack(logits, axis=1), whole, atol=1e-5)


def test_both_networks_agree_with_litert(warning):
    """Rolled, batch 1, a window of fixed length; twice, since a state kept between two runs would change the second."""
    import keras

    last = keras.Sequential([keras.Input((20, 7)), keras.layers.GRU(12), keras.layers.Dense(1)])
    last.set_weights(warning.get_weights())
    for model in (last, life_lstm(20, 7)):
        with export_once():
            runner = Runner(to_tflite(model, "float32"), input_range=(-10, 10))
        for _ in range(2):
            np.testing.assert_allclose(runner.predict(X), model(X).numpy(), atol=1e-5)


def test_the_best_epoch_on_validation_is_kept():
    """The last epoch's weights would be overfitted ones; x_val is answered wrongly on purpose, so this gets worse."""
    set_seed(1)
    model = life_lstm(4, 1, (4,))
    x = RNG.normal(size=(64, 4, 1)).astype(np.float32)
    with eagerly():
        history = fit_sequences(model, (x, x[:, -1]), (x, -3 * x[:, -1]), "mse", epochs=5)
    assert history["val_loss"][0] < history["val_loss"][-1]
    kept = float(((model(x).numpy() + 3 * x[:, -1]) ** 2).mean())
    assert kept == pytest.approx(min(history["val_loss"]), rel=1e-3)


def test_padded_steps_of_weight_0_teach_nothing():
    """The same weights after training, whatever the targets of padded steps say."""
    x, y = X[:, :, :2], RNG.random((5, 20, 1)).astype(np.float32)
    weights = (np.arange(20) < np.array([[5], [20], [11], [8], [2]])).astype(np.float32)
    trained = []
    for padding in (0.0, 9.0):
        set_seed(2)
        model = warning_gru(2, 3)
        targets = np.where(weights[:, :, None] > 0, y, padding).astype(np.float32)
        with eagerly():
            fit_sequences(model, (x, targets, weights), (x, targets, weights), "mse", epochs=2)
        trained.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    np.testing.assert_array_equal(*trained)


def test_alarms_are_judged_by_the_first():
    left = np.arange(30)[::-1]
    scores = [left < 8, left == 25, left < 0, left == 0]
    found = judge([s.astype(float) for s in scores], [left] * 4, 0.5)
    assert isinstance(found, Alarms)
    assert found.leads.tolist() == [7, 25, 0, 0], "on the day of the failure a warning is none"
    assert (found.in_time, found.false, found.missed) == (1, 1, 2)


def test_an_alarm_as_early_as_allowed_is_no_false_one():
    """early counts the days that may lie between: the last of them is in time, one more is not."""
    found = judge([np.ones(1), np.ones(1)], [np.array([20]), np.array([21])], 0.5, early=20)
    assert (found.in_time, found.false, found.missed) == (1, 1, 0)


def test_scores_of_another_length_are_named():
    with pytest.raises(ValueError, match="machine 1 has 2 scores and 3 days"):
        judge([np.ones(3), np.ones(2)], [np.arange(3)[::-1]] * 2, 0)


@settings(max_examples=examples(100, 25), deadline=None)
@given(st.integers(0, 2**31))
def test_no_other_threshold_warns_more_machines(seed):
    """Compared with every value there is, as long as there are fewer than the 500 that are tried."""
    rng = np.random.default_rng(seed)
    left = [np.arange(n)[::-1] for n in rng.integers(5, 40, 6)]
    scores = [rng.normal(size=len(d)) - 0.1 * d for d in left]
    best = max(judge(scores, left, t).in_time for t in np.concatenate(scores))
    assert judge(scores, left, choose_threshold(scores, left)).in_time >= best
