"""What recurrent layers refuse and how; clipping against TensorFlow's."""

import numpy as np
import pytest
from _examples import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from edgelab.maths.gru import gru, gru_grad
from edgelab.maths.lstm import lstm, lstm_grad
from edgelab.maths.rnn import rnn, rnn_grad
from edgelab.maths.sequence import check_sequence, check_upstream, clip_by_global_norm

LAYERS = [(rnn, rnn_grad, 1), (lstm, lstm_grad, 4), (gru, gru_grad, 3)]
SHAPES = {"x": (2, 5, 3), "w": (3, 4), "u": (4, 4)}


@pytest.mark.parametrize("forward, backward, gates", LAYERS)
@pytest.mark.parametrize(
    "name, shape, words",
    [
        ("x", (5, 3), r"x has shape \(5, 3\); expected \(n, steps, inputs\)"),
        ("x", (2, 0, 3), r"x has shape \(2, 0, 3\); .*each at least 1"),
        ("x", (0, 5, 3), r"x has shape \(0, 5, 3\); .*each at least 1"),
        ("x", (2, 5, 2), r"x has shape \(2, 5, 2\), w \(3, \d+\): axis 2 of x and axis 0 of w"),
        ("w", (3, 5), r"w has shape \(3, \d+\), u \(4, \d+\): axis 1 of both"),
        ("w", (4,), r"w has shape \(\d+,\); expected \(inputs, "),
        ("u", (5, 4), r"u has shape \(5, \d+\); expected \(units, .*: axis 1 is \d+, not \d+"),
        ("u", (0, 0), r"u has shape \(0, 0\); .*each at least 1"),
        ("b", (5,), r"b has shape \(5,\) where w has \(3, \d+\); expected \("),
        ("h0", (4,), r"h0 has shape \(4,\) where x has \(2, 5, 3\), u \(4, \d+\); expected \(2, 4\)"),
        ("h0", (1, 4), r"h0 has shape \(1, 4\) where"),
        ("mask", (2, 4), r"mask has shape \(2, 4\) where x has \(2, 5, 3\); expected \(2, 5\)"),
        ("mask", (5,), r"mask has shape \(5,\) where"),
    ],
)
def test_shapes_that_do_not_fit_are_named(forward, backward, gates, name, shape, words):
    """NumPy would broadcast some of these without a word: a state (1, units) for a whole batch, a mask (steps,)."""
    shapes = {**SHAPES, name: shape}
    made = {k: np.ones((*s[:-1], s[-1] * gates) if k in ("w", "u") else s, bool) for k, s in shapes.items()}
    made = {k: v if k == "mask" else v.astype(float) for k, v in made.items()}
    with pytest.raises(ValueError, match=words):
        forward(**made)
    with pytest.raises(ValueError, match=words):
        backward(np.ones((2, 5, 4)), **made)


@pytest.mark.parametrize("forward, backward, gates", LAYERS)
def test_wrong_types_are_named(forward, backward, gates):
    """A mask of floats is a weight to some people; text and complex numbers have no tanh gate."""
    x, w, u = np.ones((2, 5, 3)), np.ones((3, 4 * gates)), np.ones((4, 4 * gates))
    with pytest.raises(TypeError, match="mask is float64; expected bool"):
        forward(x, w, u, mask=np.ones((2, 5)))
    with pytest.raises(TypeError, match="expected real numbers"):
        forward(x.astype(str), w, u)
    with pytest.raises(TypeError, match="expected real numbers"):
        forward(x, w * 1j, u)
    with pytest.raises(TypeError, match="dy is complex128"):
        backward(np.ones((2, 5, 4)) * 1j, x, w, u)
    with pytest.raises(ValueError, match=r"dy has shape \(2, 5, 1\), the states \(2, 5, 4\)"):
        backward(np.ones((2, 5, 1)), x, w, u)


def test_checked_arrays_are_of_one_float_type():
    ints = check_sequence(np.ones((1, 2, 3), np.uint8), np.ones((3, 4), int), np.ones((4, 4), int), None, 1, h0=None)
    assert [a.dtype.name for a in ints] == ["float64"] * 4 + ["bool", "float64"]
    single = check_sequence(*(np.ones(s, np.float32) for s in SHAPES.values()), None, 1)
    assert {a.dtype.name for a in single} == {"float32", "bool"}
    assert check_upstream(np.ones((1, 2, 3)), np.ones((1, 2, 3), np.float32)).dtype == np.float64


GRADIENTS = st.lists(
    arrays(np.float64, array_shapes(max_dims=3, max_side=4), elements=st.floats(-1e6, 1e6)), min_size=1, max_size=5
)


@settings(max_examples=examples(300, 40), deadline=None)
@given(GRADIENTS, st.floats(1e-3, 1e6))
@example([np.array([3.0]), np.array([[0.0, 4.0]])], 1.0)
@example([np.array([3.0]), np.array([[0.0, 4.0]])], 7.0)
@example([np.full((2, 3, 4), -1e6), np.full(3, 1e-6)], 0.5)
def test_clipping_equals_tensorflows(gradients, limit):
    """1e-12: both square, add and multiply in float64, a few hundred numbers at most, in another order."""
    import tensorflow as tf

    clipped, norm = clip_by_global_norm(gradients, limit)
    theirs, their_norm = tf.clip_by_global_norm([tf.constant(g) for g in gradients], limit)
    np.testing.assert_allclose(norm, their_norm, rtol=1e-12, atol=1e-150)  # squares under 1e-308 are lost in theirs
    for ours, expected in zip(clipped, theirs, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-150)


@settings(max_examples=examples(200, 40), deadline=None)
@given(GRADIENTS, st.floats(1e-3, 1e6))
@example([np.array([3.0]), np.array([[-1.0, 4.0]])], 1.0)
@example([np.array([3.0]), np.array([[-1.0, 4.0]])], 7.0)
def test_clipping_keeps_the_direction_and_holds_the_limit(gradients, limit):
    """Clipping each number by itself would turn the gradient."""
    clipped, norm = clip_by_global_norm(gradients, limit)
    before, after = (np.concatenate([g.ravel() for g in group]) for group in (gradients, clipped))
    assert np.linalg.norm(after) <= limit * (1 + 1e-12)
    if norm <= limit:
        np.testing.assert_array_equal(after, before)
    elif norm < 1e8:
        np.testing.assert_allclose(after * norm, before * limit, rtol=1e-9, atol=1e-9 * limit)


def test_squares_that_overflow_do_not():
    """1e30 in float32 squares to infinity, and TensorFlow then answers NaN for every gradient."""
    clipped, norm = clip_by_global_norm([np.full(4, 1e30, np.float32)], 1.0)
    assert norm == pytest.approx(2e30, rel=1e-6)
    np.testing.assert_allclose(clipped[0], 0.5, rtol=1e-6)
    assert clipped[0].dtype == np.float32
    assert clip_by_global_norm([np.array([3e200, 4e200])], 1.0)[1] == pytest.approx(5e200)


def test_unfit_gradients_are_named():
    with pytest.raises(ValueError, match="limit is 0; expected a positive number"):
        clip_by_global_norm([np.ones(2)], 0)
    with pytest.raises(ValueError, match="limit is nan"):
        clip_by_global_norm([np.ones(2)], float("nan"))
    with pytest.raises(ValueError, match="no gradients"):
        clip_by_global_norm([], 1)
    with pytest.raises(ValueError, match="gradient 1 holds NaN or infinity"):
        clip_by_global_norm([np.ones(2), np.array([1, np.inf])], 1)
    clipped, norm = clip_by_global_norm([np.array([3, 4])], 1)
    assert norm == 5
    np.testing.assert_allclose(clipped[0], [0.6, 0.8])


def test_a_gradient_of_nothing_stays():
    clipped, norm = clip_by_global_norm([np.zeros(3), np.zeros((0, 2))], 1)
    assert norm == 0
    assert [g.shape for g in clipped] == [(3,), (0, 2)]
