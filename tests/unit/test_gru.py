"""The GRU against Keras, forward and backward, with the reset gate before and after the product."""

import numpy as np
import pytest
from _recurrent import case, close, compare, in_keras, on_many_shapes

from edgelab.maths.gru import gru, gru_grad

RNG = np.random.default_rng(0)
X, W, U, B = RNG.normal(size=(2, 5, 3)), RNG.normal(size=(3, 12)), RNG.normal(size=(4, 12)), RNG.normal(size=(2, 12))


@pytest.mark.parametrize("reset_after", [True, False])
def test_states_and_gradients_equal_keras(reset_after):
    """z and r swapped, z and 1 - z swapped, r on the wrong side of the product: each shows here."""
    bias = (2,) if reset_after else ()
    on_many_shapes(lambda i: compare(i, "GRU", case(i, 3, 1, bias), gru, gru_grad, reset_after=reset_after))


@pytest.mark.parametrize("reset_after", [True, False])
def test_float32_over_28_steps_equals_keras(reset_after):
    """1e-4: each of 28 steps rounds by 6e-8 of its sums, and z hands nearly every error on to the end. Rolled, here."""
    shape = (2, 48) if reset_after else (48,)
    given = {"x": RNG.normal(size=(3, 28, 28)), "w": RNG.normal(size=(28, 48)) / 5, "u": RNG.normal(size=(16, 48)) / 4}
    given |= {"b": RNG.normal(size=shape), "h0": np.ones((3, 16))}
    given = {**{name: value.astype(np.float32) for name, value in given.items()}, "mask": None}
    dy = RNG.normal(size=(3, 28, 16)).astype(np.float32)
    h = gru(**given, reset_after=reset_after)
    y, _, gradients = in_keras("GRU", given, dy, "float32", reset_after=reset_after)
    assert h.dtype == np.float32
    close(h, y, 1e-4)
    for ours, theirs in zip(gru_grad(dy, **given, reset_after=reset_after), gradients, strict=True):
        assert ours.dtype == np.float32
        close(ours, theirs, 1e-4)


def test_the_two_orders_are_two_functions():
    """Weights trained for the one give garbage in the other, without an error when there is no bias."""
    assert np.abs(gru(X, W, U) - gru(X, W, U, reset_after=False)).max() > 1e-2


@pytest.mark.parametrize("reset_after", [True, False])
def test_a_long_run_equals_windows_that_hand_their_state_on(reset_after):
    """Exact: the same sums in the same order."""
    whole = gru(X, W, U, reset_after=reset_after)
    first = gru(X[:, :3], W, U, reset_after=reset_after)
    rest = gru(X[:, 3:], W, U, h0=first[:, -1], reset_after=reset_after)
    np.testing.assert_array_equal(np.concatenate([first, rest], axis=1), whole)


def test_masked_steps_leave_the_state():
    mask = np.arange(5) < np.array([[3], [5]])
    h = gru(X, W, U, B, mask=mask)
    np.testing.assert_array_equal(h[0, 3:], np.repeat(h[0, 2:3], 2, axis=0))
    # Another batch size lets the matrix product add in another order: the last bits differ.
    np.testing.assert_allclose(h[1:], gru(X[1:], W, U, B), rtol=1e-12)


def test_a_bias_for_the_other_order_is_named():
    """Keras' two forms of bias are the way to see which order a file of weights was made for."""
    with pytest.raises(ValueError, match=r"b has shape \(12,\) where w has \(3, 12\); expected \(2, 12\)"):
        gru(X, W, U, B[0])
    with pytest.raises(ValueError, match=r"b has shape \(2, 12\) .*expected \(12,\)"):
        gru(X, W, U, B, reset_after=False)
