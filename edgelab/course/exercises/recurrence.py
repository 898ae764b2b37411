"""Exercises of notebook 04."""

import numpy as np

from edgelab.course.exercises.engine.check import Mistake, exercise


@exercise(
    cases=lambda rng: [
        (np.array([1.0, 2, 3, 4, 5]), 1.0, 1.0, 1.0),
        (np.array([0.0]), 1.0, 1.0, -2.0),
        (np.array([0.0, 0.0, 0.0]), 1.0, 3.0, 0.0),
        *((rng.normal(size=int(rng.integers(1, 9))), *rng.normal(size=3).tolist()) for _ in range(20)),
    ],
    hint="The first state of the article's example is σ(1·1 + 1·0 + 1) = σ(2). Follow each of the three terms to exp.",
    bug=("+ u * h + b)", "+ u * h) + b"),
    mistakes=[
        Mistake("u * h", "u * value", "the state before must come in, or nothing is remembered"),
        Mistake(
            "1 / (1 + np.exp(-(w * value + u * h + b)))", "np.tanh(w * value + u * h + b)", "σ is asked for, not tanh"
        ),
        Mistake("u * h + b)", "u * h + b * len(states))", "the bias is the same at each step"),
        Mistake("u * h +", "u +", "u weighs the state before; it isn't added by itself"),
    ],
)
def scalar_states(x: np.ndarray, w: float, u: float, b: float) -> np.ndarray:
    """Return the states of h = σ(w·x + u·h + b) over the numbers x, starting from h = 0: as many as x has."""
    h, states = 0.0, []
    for value in x:
        h = 1 / (1 + np.exp(-(w * value + u * h + b)))
        states.append(h)
    return np.array(states)


@exercise(
    cases=lambda rng: [
        (np.array([0.0, 0.0, 1.0]), np.array([0.5, 0.5, 0.5]), 2.0),
        (np.array([1.0, 1.0, 1.0]), np.array([0.1, -0.8, 0.3]), 0.5),
        (np.array([2.0]), np.array([0.3]), 1.0),
        *((rng.normal(size=n), rng.uniform(-0.9, 0.9, n), float(rng.normal())) for n in rng.integers(2, 9, 20)),
    ],
    hint="In dL/dh_t = dy_t + dL/dh_(t+1) · dh_(t+1)/dh_t, which of the three terms belong to t, and which to t + 1?",
    bug=("flow[t + 1] * (1 - h[t + 1] ** 2)", "flow[t] * (1 - h[t] ** 2)"),
    mistakes=[
        Mistake(
            "(1 - h[t + 1] ** 2)", "(1 - h[t] ** 2)", "the slope is that of step t + 1, which took h_t as its input"
        ),
        Mistake("flow[t] +=", "flow[t] =", "the loss may also read h_t itself: dy_t adds to what comes back"),
        Mistake(
            "reversed(range(len(flow) - 1))",
            "range(len(flow) - 1)",
            "dL/dh_(t+1) must be complete before it is passed on",
        ),
        Mistake(" * u", "", "h_t went into step t + 1 with the factor u"),
    ],
)
def state_gradients(dy: np.ndarray, h: np.ndarray, u: float) -> np.ndarray:
    """Return dL/dh_t for all t. h: states of h_t = tanh(w x_t + u h_(t-1)). dy: what the loss itself adds at each t."""
    flow = np.array(dy, float)
    for t in reversed(range(len(flow) - 1)):
        flow[t] += flow[t + 1] * (1 - h[t + 1] ** 2) * u
    return flow


@exercise(
    cases=lambda rng: [
        (np.arange(18.0).reshape(9, 2),),
        *((rng.normal(size=(3 * units, int(rng.integers(1, 6)))),) for units in (1, 2, 3, 5)),
    ],
    hint="Two things differ: which axis holds the gates, and which gate comes first. np.split cuts along an axis.",
    mistakes=[
        Mistake("([z, r, g])", "([r, z, g])", "PyTorch has the reset gate first, Keras the update gate"),
        Mistake("([z, r, g]).T", "([z, r, g]).reshape(weight.shape[::-1])", "a reshape is no transposition"),
        Mistake("([z, r, g])", "([g, z, r])", "the candidate is last in both"),
    ],
)
def gru_weights_for_keras(weight: np.ndarray) -> np.ndarray:
    """Return a PyTorch GRU's weight (3 * units, inputs), gates r, z, g on axis 0, as Keras' w (inputs, 3 * units)."""
    r, z, g = np.split(weight, 3)
    return np.concatenate([z, r, g]).T


@exercise(
    cases=lambda rng: [
        (7, 12, True),
        (7, 12, False),
        (1, 1, True),
        *((int(rng.integers(1, 40)), int(rng.integers(1, 70)), bool(rng.integers(2))) for _ in range(20)),
    ],
    hint="Three gates, each with weights for x, weights for h, and a bias: two rows of it with reset_after.",
    mistakes=[
        Mistake("1 + reset_after", "1", "with reset_after, h u has a bias of its own"),
        Mistake("3 * units", "4 * units", "four is an LSTM: a GRU has z, r and the candidate"),
        Mistake("inputs + units + 1", "inputs + 1", "the state has weights too"),
        Mistake("3 * units", "units", "each gate has weights of its own"),
    ],
)
def gru_parameters(inputs: int, units: int, reset_after: bool) -> int:
    """Return how many parameters a GRU of Keras has, biases included."""
    return 3 * units * (inputs + units + 1 + reset_after)


@exercise(
    cases=lambda rng: [
        (np.array([[1.0, 2.0, 9.0], [3.0, 9.0, 9.0]]), np.array([[True, True, False], [True, False, False]])),
        (np.ones((2, 3)), np.array([[True, False, False], [True, True, True]])),
        *((rng.exponential(size=(4, 6)), np.arange(6) < rng.integers(1, 7, 4)[:, None]) for _ in range(20)),
    ],
    hint="How many steps are real? A padded step may hold anything, so what should it weigh?",
    mistakes=[
        Mistake("losses[mask].mean()", "losses.mean()", "padded steps must not count"),
        Mistake("losses[mask].mean()", "(losses * mask).mean()", "divide by the number of real steps, not of all"),
        Mistake(
            "losses[mask].mean()",
            "((losses * mask).sum(axis=1) / mask.sum(axis=1)).mean()",
            "this weighs short sequences more: each real step should count the same",
        ),
    ],
)
def masked_loss(losses: np.ndarray, mask: np.ndarray) -> float:
    """Return the mean loss of the real steps. losses: (n, steps). mask: bool (n, steps), False where padded."""
    return float(losses[mask].mean())
