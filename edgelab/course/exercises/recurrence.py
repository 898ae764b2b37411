"""Exercises of notebook 04."""

import numpy as np

from edgelab.course.exercises._cases import recurrence as cases
from edgelab.course.exercises.engine.check import BODY, Boundary, Mistake, exercise

SIGMOID = "1 / (1 + np.exp(-(w * value + u * h + b)))"


@exercise(
    cases=cases.scalar_states,
    hint="The first state of the article's example is σ(1·1 + 1·0 + 1) = σ(2). Follow each of the three terms to exp.",
    bug=("+ u * h + b)", "+ u * h) + b"),
    mistakes=[
        Mistake("u * h", "u * value", "the state before must come in, or nothing is remembered"),
        Mistake(" + u * h", "", "the state before must come in, or nothing is remembered"),
        Mistake(SIGMOID, "np.tanh(w * value + u * h + b)", "σ is asked for, not tanh"),
        Mistake(SIGMOID, "w * value + u * h + b", "the sum must go through σ"),
        Mistake("u * h + b)", "u * h + b * len(states))", "the bias is the same at each step"),
        Mistake("u * h + b)", "u * h)", "the bias is missing"),
        Mistake("u * h +", "u +", "u weighs the state before; it isn't added by itself"),
        Mistake("h, states = 0.0, []", "h, states = 1.0, []", "the state starts from 0"),
        Mistake("h, states = 0.0, []", "h, states = 0.5, []", "the state starts from 0"),
        Mistake("np.exp(-(w", "np.exp((w", "that is σ of the negative sum: look at the sign in exp"),
        Mistake("states.append(h)", "states.append(w * value + u * h + b)", "the states are what comes out of σ"),
        Mistake(
            "h = 1 / (1 + np.exp(-(w * value + u * h + b)))\n        states.append(h)",
            "states.append(h)\n        h = 1 / (1 + np.exp(-(w * value + u * h + b)))",
            "the first state is the one after the first number; the 0 before it is not asked for",
        ),
        Mistake("w * value + u * h + b", "w * value + u * h + u * b", "the bias is added as it is"),
        Mistake("w * value + u * h", "u * value + w * h", "w weighs the number, u the state before"),
    ],
    boundaries=[
        Boundary(lambda x, w, u, b: len(x) > 1, "it is right for one step: what goes from a step to the next?")
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
    cases=cases.state_gradients,
    hint="In dL/dh_t = dy_t + dL/dh_(t+1) · dh_(t+1)/dh_t, which of the three terms belong to t, and which to t + 1?",
    bug=("flow[t + 1] * (1 - h[t + 1] ** 2)", "flow[t] * (1 - h[t] ** 2)"),
    mistakes=[
        Mistake(
            "(1 - h[t + 1] ** 2)", "(1 - h[t] ** 2)", "the slope is that of step t + 1, which took h_t as its input"
        ),
        Mistake(
            "flow[t + 1] * (",
            "dy[t + 1] * (",
            "what comes back from t + 1 must be complete: it includes all later steps, not dy alone",
        ),
        Mistake("flow[t] +=", "flow[t] =", "the loss may also read h_t itself: dy_t adds to what comes back"),
        Mistake(
            "reversed(range(len(flow) - 1))",
            "range(len(flow) - 1)",
            "what comes back from t + 1 must be complete: it includes all later steps, not dy alone",
        ),
        Mistake(" * u", "", "h_t went into step t + 1 with the factor u"),
        Mistake(" * (1 - h[t + 1] ** 2)", "", "h_t went into step t + 1 through tanh: its slope is missing"),
        Mistake("(1 - h[t + 1] ** 2)", "(1 - h[t + 1])", "the slope of tanh is 1 - h²"),
        Mistake("(1 - h[t + 1] ** 2)", "h[t + 1] * (1 - h[t + 1])", "that is the slope of σ; these states are a tanh"),
        Mistake(
            "(1 - h[t + 1] ** 2)",
            "(1 - np.tanh(h[t + 1]) ** 2)",
            "h is the tanh already: do not take it once more",
        ),
        Mistake(
            "(1 - h[t + 1] ** 2)",
            "h[t + 1]",
            "what comes back is multiplied with the slope of tanh, not with the state",
        ),
        Mistake("flow[t] += flow[t + 1]", "flow[t] -= flow[t + 1]", "what comes back is added"),
        Mistake(
            BODY,
            "back = [dy[-1]]\nfor t in reversed(range(len(dy) - 1)):\n"
            "    back.append(dy[t] + back[-1] * (1 - h[t + 1] ** 2) * u)\n"
            "return np.array(back)",
            "steps are collected from the last to the first: turn them round",
        ),
    ],
    boundaries=[
        Boundary(lambda dy, h, u: len(h) > 2, "it is right for two steps: what comes back over several steps?")
    ],
)
def state_gradients(dy: np.ndarray, h: np.ndarray, u: float) -> np.ndarray:
    """Return dL/dh_t for all t. h: states of h_t = tanh(w x_t + u h_(t-1)). dy: what the loss itself adds at each t."""
    flow = np.array(dy, float)
    for t in reversed(range(len(flow) - 1)):
        flow[t] += flow[t + 1] * (1 - h[t + 1] ** 2) * u
    return flow


@exercise(
    cases=cases.gru_weights_for_keras,
    hint="Two things differ: which axis holds the gates, and which gate comes first. np.split cuts along an axis.",
    mistakes=[
        Mistake("([z, r, g])", "([r, z, g])", "PyTorch has the reset gate first, Keras the update gate"),
        Mistake("([z, r, g]).T", "([z, r, g]).reshape(weight.shape[::-1])", "a reshape is no transposition"),
        Mistake("([z, r, g]).T", "([z, r, g])", "Keras' weights are (inputs, gates × units): the transpose is missing"),
        Mistake("([z, r, g])", "([g, z, r])", "the candidate g is last in both"),
        Mistake("([z, r, g])", "([z, g, r])", "the candidate g is last in both"),
        Mistake(
            "([z, r, g])", "([g, r, z])", "the candidate g is last in both; it is the other two that change places"
        ),
        Mistake("([z, r, g])", "([r, g, z])", "the candidate g is last in both"),
        Mistake(
            BODY,
            "units = len(weight) // 3\n"
            "order = np.arange(3 * units).reshape(units, 3)[:, [1, 0, 2]].ravel()\n"
            "return weight[order].T",
            "a gate's rows stand together: first all of r, then all of z, then all of g",
        ),
        Mistake("([z, r, g]).T", "([z.T, r.T, g.T])", "after transposing, the gates lie along axis 1"),
        Mistake("np.concatenate([z, r, g]).T", "weight[::-1].T", "whole gates change places, not single rows"),
    ],
    boundaries=[Boundary(lambda weight: len(weight) > 3, "it is right for one unit only: each gate has several rows")],
)
def gru_weights_for_keras(weight: np.ndarray) -> np.ndarray:
    """Return a PyTorch GRU's weight as Keras' w.

    weight: (3 * units, inputs); along axis 0 the gates r (reset), z (update), g (candidate). Keras' w is
    (inputs, 3 * units), with its gates in Keras' order.
    """
    r, z, g = np.split(weight, 3)
    return np.concatenate([z, r, g]).T


@exercise(
    cases=cases.gru_parameters,
    hint="Three gates, each with weights for x, weights for h, and a bias: two rows of it with reset_after.",
    mistakes=[
        Mistake("1 + reset_after", "1", "with reset_after, h u has a bias of its own"),
        Mistake("1 + reset_after", "2", "without reset_after there is one bias, not two"),
        Mistake("1 + reset_after", "2 - reset_after", "the second bias comes with reset_after, not without it"),
        Mistake("(inputs + units + 1 + reset_after)", "(inputs + units)", "the biases count as well"),
        Mistake("3 * units", "4 * units", "four is an LSTM: a GRU has z, r and the candidate"),
        Mistake("3 * units", "2 * units", "the candidate has weights as well as z and r"),
        Mistake("inputs + units + 1", "inputs + 1", "the state has weights too"),
        Mistake("inputs + units + 1", "units + 1", "the inputs have weights too"),
        Mistake("3 * units", "units", "each gate has weights of its own"),
        Mistake(BODY, "return 3 * units * (inputs + units + 1) + reset_after", "each unit of each gate has a bias"),
        Mistake(BODY, "return 3 * units * (inputs + units + 1) + units * reset_after", "each gate has the second bias"),
        Mistake(BODY, "return 3 * (units * (inputs + units) + 1 + reset_after)", "each unit of each gate has a bias"),
        Mistake(BODY, "return 3 * units * (inputs + units) + 1 + reset_after", "each unit of each gate has a bias"),
        Mistake(
            BODY, "return 3 * units * (inputs + units) + (1 + reset_after) * units", "each gate has biases of its own"
        ),
        Mistake("units * (inputs + units", "inputs * (inputs + units", "each unit reads the inputs and all units"),
    ],
    boundaries=[
        Boundary(lambda inputs, units, reset_after: reset_after, "look at reset_after: h u has a bias of its own"),
        Boundary(lambda inputs, units, reset_after: not reset_after, "look at a GRU without reset_after: one bias"),
    ],
)
def gru_parameters(inputs: int, units: int, reset_after: bool) -> int:
    """Return how many parameters a GRU of Keras has, biases included."""
    return 3 * units * (inputs + units + 1 + reset_after)


@exercise(
    cases=cases.masked_loss,
    hint="How many steps are real? A padded step may have any loss, so what should it weigh?",
    mistakes=[
        Mistake("losses[mask].mean()", "losses.mean()", "padded steps must not count"),
        Mistake("losses[mask].mean()", "(losses * mask).mean()", "divide by the number of real steps, not of all"),
        Mistake("losses[mask].mean()", "losses[mask].sum()", "the mean is asked for, not the sum"),
        Mistake(
            "losses[mask].mean()", "losses[mask].sum() / len(losses)", "the mean is over steps, not over sequences"
        ),
        Mistake(
            "losses[mask].mean()", "losses[mask].sum() / losses.shape[1]", "divide by the number of all real steps"
        ),
        Mistake("losses[mask].mean()", "(losses[~mask].mean() if not mask.all() else 0.0)", "True marks a real step"),
        Mistake("losses[mask].mean()", "losses[mask].max()", "the mean is asked for"),
        Mistake("losses[mask].mean()", "np.median(losses[mask])", "the mean is asked for, not the median"),
        Mistake(
            "losses[mask].mean()",
            "((losses * mask).sum(axis=1) / mask.sum(axis=1)).mean()",
            "this weighs short sequences more: each real step should count the same",
        ),
        Mistake(
            "losses[mask].mean()",
            "((losses * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1)).mean()",
            "this weighs short sequences more: each real step should count the same",
        ),
        Mistake(
            "losses[mask].mean()",
            "np.nanmean((losses * mask).sum(axis=1) / mask.sum(axis=1))",
            "this weighs short sequences more: each real step should count the same",
        ),
    ],
    boundaries=[
        Boundary(lambda losses, mask: not mask.any(axis=1).all(), "a sequence may be all padding"),
        Boundary(lambda losses, mask: not mask.all(), "it is right without padding only"),
    ],
)
def masked_loss(losses: np.ndarray, mask: np.ndarray) -> float:
    """Return the mean loss of all real steps, each counting the same. losses: (n, steps), all finite.

    mask: bool (n, steps), False where padded. Some sequences may be padding only, but at least one step is real.
    """
    return float(losses[mask].mean())
