"""edgelab.maths.optim: step by step what Keras' optimisers do, and bad input."""

import numpy as np
import pytest

from edgelab.maths.checks import check_rates
from edgelab.maths.optim import AdamState, adam, sgd

SHAPES = [(3, 4), (4,), (1,)]
STEPS = 20


@pytest.fixture(scope="module")
def keras():
    """Keras: imported when the first test needs it, 3 s."""
    import keras

    return keras


def gradients(seed: int) -> list[list[np.ndarray]]:
    """Gradients of 20 steps, of very different sizes, one of them 0 throughout."""
    rng = np.random.default_rng(seed)
    scale = [1.0, 1e-4, 0.0]
    return [
        [np.float32(s * rng.normal(size=shape)) for s, shape in zip(scale, SHAPES, strict=True)] for _ in range(STEPS)
    ]


def keras_steps(optimizer, keras, seed: int) -> list[list[np.ndarray]]:
    """What Keras' optimiser makes of parameters that are all 1, after each step."""
    variables = [keras.Variable(np.ones(shape, np.float32)) for shape in SHAPES]
    steps = []
    for each in gradients(seed):
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in each], variables)
        steps.append([v.value.numpy() for v in variables])
    return steps


def agree(ours: list[np.ndarray], theirs: list[np.ndarray], step: float) -> None:
    """Within 1e-3 of a step, and float32's rounding near 1 in each of 20 steps: 20 × 6e-8."""
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-3 * step + STEPS * 6e-8)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("seed", [0, 1])
def test_sgd_equals_keras(keras, momentum, seed):
    """A wrong sign of the momentum, or a learning rate outside the velocity, differs from the second step on."""
    theirs = keras_steps(keras.optimizers.SGD(0.05, momentum=momentum), keras, seed)
    params, velocity = [np.ones(shape, np.float32) for shape in SHAPES], None
    for each, expected in zip(gradients(seed), theirs, strict=True):
        params, velocity = sgd(params, each, velocity, learning_rate=0.05, momentum=momentum)
        agree(params, expected, 0.0)


@pytest.mark.parametrize("options", [{}, {"beta_1": 0.5, "beta_2": 0.9}, {"epsilon": 1e-3}])
@pytest.mark.parametrize("seed", [0, 1])
def test_adam_equals_keras(keras, options, seed):
    """Keras computes 1 - 0.999ᵗ in float32, which at t = 1 is right to 6e-8 / 1e-3 = 6e-5 only, and its root to 3e-5.

    So 20 steps may differ by 1e-3 of one step. Without bias correction the first step is wrong by a factor of 3; with
    epsilon in the wrong place (inside the root) the small gradients' steps differ by a part of a step.
    """
    theirs = keras_steps(keras.optimizers.Adam(0.01, **options), keras, seed)
    params, state = [np.ones(shape, np.float32) for shape in SHAPES], None
    for each, expected in zip(gradients(seed), theirs, strict=True):
        params, state = adam(params, each, state, learning_rate=0.01, **options)
        agree(params, expected, 0.01)
    assert isinstance(state, AdamState)
    assert state.step == STEPS


def test_the_first_step_of_adam_has_the_size_of_the_learning_rate():
    """Whatever the size of the gradient: that is what the bias correction is for."""
    for size in (1e-3, 1.0, 1e3):
        (moved,), _ = adam([np.zeros(1)], [np.array([size])], learning_rate=0.1)
        # epsilon, uncorrected, is 1e-7 / √0.001 = 3.2e-6 beside a gradient of 1e-3: 0.3 % of it
        np.testing.assert_allclose(moved, [-0.1], rtol=4e-3)


def test_nothing_is_changed_in_place_and_nothing_is_remembered():
    """State that hides in a function makes the second training of a notebook start where the first ended."""
    w, g = np.ones(3), np.arange(3.0)
    for step in (sgd, adam):
        first = step([w], [g])
        step([w], [g], first[1])
        again = step([w], [g])
        np.testing.assert_array_equal(first[0][0], again[0][0])
        np.testing.assert_array_equal(first[1][0][0], again[1][0][0])
    assert w.tolist() == [1, 1, 1]
    assert g.tolist() == [0, 1, 2]


@pytest.mark.parametrize("step", [sgd, adam])
def test_dtypes(step):
    """The parameters' type goes: one float64 gradient, or a rate from NumPy, must not widen a float32 network."""
    for given, expected in ((np.float32, np.float32), (np.float64, np.float64), (np.int64, np.float64)):
        params, state = step([np.ones(2, given)], [np.ones(2)], learning_rate=np.float64(0.1))
        assert params[0].dtype == expected
        assert state[0][0].dtype == expected if step is sgd else state.m[0].dtype == expected


def test_rates_become_python_floats_and_may_lie_on_the_closed_bound():
    """A NumPy float64 would make float32 parameters wider. Momentum and betas may be 0, a learning rate may not."""
    rates = check_rates(learning_rate=np.float64(0.1), momentum=np.float32(0), beta_1=0, epsilon=1e-7)
    assert rates == [0.1, 0.0, 0.0, 1e-7]
    assert {type(rate) for rate in rates} == {float}
    with pytest.raises(ValueError, match="^epsilon is 0; expected a number above 0$"):
        check_rates(learning_rate=0.1, epsilon=0)


W = [np.ones((2, 3))]
BAD = [
    (sgd, (W, W), {"learning_rate": 0}, ValueError, "learning_rate is 0; expected a number above 0"),
    (sgd, (W, W), {"learning_rate": float("nan")}, ValueError, "learning_rate is nan"),
    (sgd, (W, W), {"momentum": 1.0}, ValueError, "momentum is 1.0; expected from 0 up to but not including 1"),
    (sgd, (W, W), {"momentum": -0.9}, ValueError, "momentum is -0.9"),
    (sgd, (W[0], W), {}, TypeError, "params is ndarray; expected a list of arrays"),
    (sgd, (W, W + W), {}, ValueError, "1 params and 2 gradients; expected as many"),
    (sgd, (W, [np.ones(3)]), {}, ValueError, "gradients[0] has shape (3,), params[0] (2, 3)"),
    (sgd, (W, W, [np.ones(3)]), {}, ValueError, "velocity[0] has shape (3,), params[0] (2, 3)"),
    (sgd, ([np.array(["a"])], W), {}, TypeError, "params[0] is <U1; expected real numbers"),
    (adam, (W, W), {"learning_rate": -1e-3}, ValueError, "learning_rate is -0.001"),
    (adam, (W, W), {"beta_2": 1}, ValueError, "beta_2 is 1; expected from 0 up to"),
    (adam, (W, W), {"epsilon": 0}, ValueError, "epsilon is 0; expected a number above 0"),
    (adam, (W, [np.ones(3)]), {}, ValueError, "gradients[0] has shape (3,), params[0] (2, 3)"),
    (adam, (W, W, AdamState([np.ones(3)], W, 1)), {}, ValueError, "m[0] has shape (3,), params[0] (2, 3)"),
]


@pytest.mark.parametrize("step, arguments, options, error, says", BAD, ids=[f"{b[0].__name__}: {b[4]}" for b in BAD])
def test_bad_input_is_named(step, arguments, options, error, says):
    """NumPy would broadcast a gradient of another shape, and train nonsense."""
    with pytest.raises(error) as caught:
        step(*arguments, **options)
    assert says in str(caught.value)
