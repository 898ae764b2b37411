"""The LSTM against Keras, forward and backward; its two states handed on."""

import numpy as np
import pytest
from _recurrent import case, close, compare, in_keras, on_many_shapes

from edgelab.maths.lstm import lstm, lstm_grad

RNG = np.random.default_rng(0)
X, W, U, B = RNG.normal(size=(2, 5, 3)), RNG.normal(size=(3, 16)), RNG.normal(size=(4, 16)), RNG.normal(size=16)


def test_states_and_gradients_equal_keras():
    """Gates in another order, or c handed on without its mask, show here."""
    on_many_shapes(lambda index: compare(index, "LSTM", case(index, 4, 2), lstm, lstm_grad))


def test_float32_over_28_steps_equals_keras():
    """1e-4: each of 28 steps rounds by 6e-8 of its sums, and c carries every error on to the end. Rolled, here."""
    given = {"x": RNG.normal(size=(3, 28, 28)), "w": RNG.normal(size=(28, 64)) / 5, "u": RNG.normal(size=(16, 64)) / 4}
    given |= {"b": RNG.normal(size=64), "h0": np.ones((3, 16)), "c0": np.ones((3, 16))}
    given = {**{name: value.astype(np.float32) for name, value in given.items()}, "mask": None}
    dy = RNG.normal(size=(3, 28, 16)).astype(np.float32)
    h, c = lstm(**given)
    y, last, gradients = in_keras("LSTM", given, dy, "float32")
    assert h.dtype == c.dtype == np.float32
    close(h, y, 1e-4)
    close(c[:, -1], last[1], 1e-4)
    for ours, theirs in zip(lstm_grad(dy, **given), gradients, strict=True):
        assert ours.dtype == np.float32
        close(ours, theirs, 1e-4)


def test_a_long_run_equals_windows_that_hand_both_states_on():
    """Exact: the same sums in the same order. With h alone handed on, the second window differs."""
    h, c = lstm(X, W, U, B)
    h1, c1 = lstm(X[:, :2], W, U, B)
    h2, c2 = lstm(X[:, 2:], W, U, B, h1[:, -1], c1[:, -1])
    np.testing.assert_array_equal(np.concatenate([h1, h2], axis=1), h)
    np.testing.assert_array_equal(np.concatenate([c1, c2], axis=1), c)
    assert np.abs(lstm(X[:, 2:], W, U, B, h1[:, -1])[0] - h2).max() > 1e-3


def test_masked_steps_leave_both_states():
    mask = np.arange(5) < np.array([[3], [5]])
    h, c = lstm(X, W, U, B, mask=mask)
    for state in (h, c):
        np.testing.assert_array_equal(state[0, 3:], np.repeat(state[0, 2:3], 2, axis=0))
    # Another batch size lets the matrix product add in another order: the last bits differ.
    np.testing.assert_allclose(h[:1, :3], lstm(X[:1, :3], W, U, B)[0], rtol=1e-12)


def test_large_inputs_saturate_without_a_warning():
    """exp(1000) overflows in a naive sigmoid; warnings are errors here."""
    with np.errstate(all="raise", under="ignore"):
        h, _ = lstm(1e3 * X, W, U, B)
    assert np.isfinite(h).all()


def test_another_shape_of_dy_is_named():
    with pytest.raises(ValueError, match=r"dy has shape \(2, 4\), the states \(2, 5, 4\)"):
        lstm_grad(np.ones((2, 4)), X, W, U, B)
    with pytest.raises(ValueError, match=r"c0 has shape \(2, 3\).*expected \(2, 4\)"):
        lstm(X, W, U, B, c0=np.ones((2, 3)))
