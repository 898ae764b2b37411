"""The simple recurrent layer against Keras, forward and backward, and how its gradient fades."""

import numpy as np
import pytest
from _recurrent import case, close, compare, in_keras, on_many_shapes

from edgelab.maths import rnn as module
from edgelab.maths.rnn import gradient_norms, gru, gru_grad, lstm, lstm_grad, rnn, rnn_grad

RNG = np.random.default_rng(0)
X, W, U, B = RNG.normal(size=(2, 5, 3)), RNG.normal(size=(3, 4)), RNG.normal(size=(4, 4)), RNG.normal(size=4)


def test_states_and_gradients_equal_keras():
    """A bias added twice, a transposed u, a state from the wrong step: each shows on some shape."""
    on_many_shapes(lambda index: compare(index, "SimpleRNN", case(index, 1, 1), rnn, rnn_grad))


@pytest.mark.parametrize("mask", [None, RNG.random((3, 28)) < 0.7])
def test_float32_over_28_steps_equals_keras(mask):
    """1e-4: each of 28 steps rounds by 6e-8 of its sums, and with |u| about 1 the next passes nearly all of it on."""
    given = {"x": RNG.normal(size=(3, 28, 28)), "w": RNG.normal(size=(28, 16)) / 5, "u": RNG.normal(size=(16, 16)) / 4}
    given = {k: v.astype(np.float32) for k, v in {**given, "b": RNG.normal(size=16), "h0": np.ones((3, 16))}.items()}
    given["mask"] = mask
    dy = RNG.normal(size=(3, 28, 16)).astype(np.float32)
    if mask is not None:
        dy *= np.logical_or.accumulate(mask, axis=1)[:, :, None]
    h = rnn(**given)
    _, last, gradients = in_keras("SimpleRNN", given, dy, "float32")
    assert h.dtype == np.float32
    close(h[:, -1], last[0], 1e-4)
    for ours, theirs in zip(rnn_grad(dy, **given), gradients, strict=True):
        assert ours.dtype == np.float32
        close(ours, theirs, 1e-4)


def test_a_long_run_equals_windows_that_hand_their_state_on():
    """What a device does that sees one window at a time; exact, since the same sums are made in the same order."""
    whole, h, parts = rnn(X, W, U, B), None, []
    for start in (0, 2, 3):
        part = rnn(X[:, start : [2, 3, 5][len(parts)]], W, U, B, h0=h)
        h = part[:, -1]
        parts.append(part)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_a_masked_step_leaves_the_state_as_it_was():
    mask = np.array([[True, False, True, False, False], [False, True, True, True, True]])
    h = rnn(X, W, U, B, h0=np.ones((2, 4)), mask=mask)
    np.testing.assert_array_equal(h[0, 1], h[0, 0])
    np.testing.assert_array_equal(h[0, 4], h[0, 2])
    np.testing.assert_array_equal(h[1, 0], 1)
    short = rnn(X[:1, [0, 2]], W, U, B, h0=np.ones((1, 4)))
    # Another batch size lets the matrix product add in another order: the last bits differ.
    np.testing.assert_allclose(h[0, -1], short[0, -1], rtol=1e-12)


def test_padding_takes_no_part_in_the_gradient():
    """A padded batch must train as its sequences would alone: what stands in the padding is nobody's business."""
    mask = np.arange(5) < np.array([[3], [5]])
    other = np.where(mask[:, :, None], X, 1e3)
    dy = np.random.default_rng(1).normal(size=(2, 5, 4))
    for ours, theirs in zip(rnn_grad(dy, X, W, U, B, mask=mask), rnn_grad(dy, other, W, U, B, mask=mask), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_integers_are_computed_in_float():
    """np.empty_like of an integer input would cut every state to -1, 0 or 1."""
    x = np.array([[[1], [2]]])
    np.testing.assert_allclose(rnn(x, [[1]], [[0]]), np.tanh(x), rtol=1e-15)
    assert rnn_grad(np.ones((1, 2, 1), int), x, [[1]], [[0]])[0].dtype == np.float64


def test_a_plain_scalar_case_by_hand():
    """σ would be 0.881 here, tanh is not: tanh(1 + 0 + 1), then tanh(2 + tanh 2 + 1)."""
    h = rnn([[[1.0], [2.0]]], [[1.0]], [[1.0]], [1.0])
    np.testing.assert_allclose(h.ravel(), [np.tanh(2), np.tanh(3 + np.tanh(2))], rtol=1e-15)


def test_arguments_are_not_changed():
    kept = [a.copy() for a in (X, W, U, B)]
    rnn_grad(np.ones((2, 5, 4)), X, W, U, B, h0=None)
    for now, before in zip((X, W, U, B), kept, strict=True):
        np.testing.assert_array_equal(now, before)


@pytest.mark.parametrize("u", [0.5, 1.0, 2.0])
def test_gradient_norms_of_a_scalar_are_the_products_of_its_slopes(u):
    x = np.random.default_rng(3).normal(size=(1, 12, 1))
    slopes = u * (1 - rnn(x, [[1.0]], [[u]]).ravel() ** 2)
    expected = [np.prod(slopes[12 - k :]) for k in range(12)]
    np.testing.assert_allclose(gradient_norms(rnn, rnn_grad, x, [[1.0]], [[u]]), expected, rtol=1e-12)


@pytest.mark.parametrize("forward, backward, gates, states", [(rnn, rnn_grad, 1, 1), (gru, gru_grad, 3, 1)])
def test_gradient_norms_equal_tensorflows(forward, backward, gates, states):
    """By gradients of the last state with respect to each first state; the mean over the batch, not the whole norm."""
    rng = np.random.default_rng(4)
    x, w, u = rng.normal(size=(3, 6, 2)), rng.normal(size=(2, gates * 5)), rng.normal(size=(5, gates * 5))
    h = forward(x, w, u)
    expected = [1.0]
    for distance in range(1, 6):
        tail = {"x": x[:, 6 - distance :], "w": w, "u": u, "b": None, "h0": h[:, 5 - distance], "mask": None}
        dy = np.zeros((3, distance, 5))
        dy[:, -1] = 5**-0.5
        d_state = in_keras({1: "SimpleRNN", 3: "GRU"}[gates], tail, dy, unroll=True)[2][-1]
        expected.append(np.linalg.norm(d_state, axis=1).mean())
    np.testing.assert_allclose(gradient_norms(forward, backward, x, w, u), expected, rtol=1e-6)


def test_an_open_forget_gate_keeps_the_gradient():
    """In an LSTM with f near 1 the gradient of c passes undiminished; a simple layer with a small u loses it."""
    x, units = np.random.default_rng(5).normal(size=(4, 40, 2)), 3
    w, b = np.zeros((2, 4 * units)), np.repeat([0.0, 20.0, 0.0, 20.0], units)
    norms = gradient_norms(lstm, lstm_grad, x, w, np.zeros((units, 4 * units)), b)
    np.testing.assert_allclose(norms, 1, rtol=1e-6)  # o = f = 1 up to σ(-20) = 2e-9, tanh'(0) = 1
    assert gradient_norms(rnn, rnn_grad, x, np.ones((2, units)), np.eye(units) / 2)[-1] < 1e-9


def test_all_six_are_found_in_one_place():
    assert {"rnn", "lstm", "gru", "rnn_grad", "lstm_grad", "gru_grad"} <= set(module.__all__)
