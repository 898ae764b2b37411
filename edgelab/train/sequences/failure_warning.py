"""Sequences of unequal length, the two small recurrent networks that watch a machine, and how a warning is judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import keras


def pad(sequences: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Bring sequences to one length by zeros after their end, and say which steps are real.

    sequences: arrays (steps, …), of unequal steps and else of one shape. Returns an array (n, longest, …) of their
    dtype and a mask, bool (n, longest). Raises ValueError for no sequence, an empty one, or unequal shapes.

    >>> pad([np.ones((2, 1)), np.ones((3, 1))])[1].tolist()
    [[True, True, False], [True, True, True]]
    """
    arrays = [np.asarray(a) for a in sequences]
    if not arrays or any(a.ndim == 0 or len(a) == 0 for a in arrays):
        raise ValueError(
            f"{len(arrays)} sequences, or one of no steps; expected at least one, each of at least one step"
        )
    for i, a in enumerate(arrays):
        if a.shape[1:] != arrays[0].shape[1:]:
            raise ValueError(f"sequence {i} has shape {a.shape}, sequence 0 {arrays[0].shape}: only axis 0 may differ")
    longest = max(map(len, arrays))
    padded = np.zeros((len(arrays), longest, *arrays[0].shape[1:]), np.result_type(*arrays))
    for i, a in enumerate(arrays):
        padded[i, : len(a)] = a
    return padded, np.arange(longest) < np.array([len(a) for a in arrays])[:, None]


def windows(sequence: np.ndarray, targets: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut a sequence into all windows of a length, each with the target of its last step.

    sequence: (length, …). targets: (length,). Returns views (length - steps + 1, steps, …) and (length - steps + 1,).
    Raises ValueError where they don't fit each other, or the sequence is shorter than a window.

    >>> windows(np.arange(4), np.arange(4) * 10, 3)[1].tolist()
    [20, 30]
    """
    sequence, targets = np.asarray(sequence), np.asarray(targets)
    if targets.shape != sequence.shape[:1]:
        raise ValueError(f"targets have shape {targets.shape}, the sequence {sequence.shape}; expected one a step")
    if not 1 <= steps <= len(sequence):
        raise ValueError(f"steps is {steps}; expected 1 to {len(sequence)}, the length of the sequence")
    view = np.lib.stride_tricks.sliding_window_view(sequence, steps, axis=0)
    return np.moveaxis(view, -1, 1), targets[steps - 1 :]


def split_machines(n: int, validation: int, test: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split machines, not windows, into training, validation and test: three arrays of indices.

    Neighbouring windows of one machine share most of their days; split by window, the test would ask what the training
    has answered. Raises ValueError when fewer than one machine is left to train on.

    >>> [len(part) for part in split_machines(20, 4, 6)]
    [10, 4, 6]
    """
    if min(validation, test) < 0 or validation + test >= n:
        raise ValueError(f"{n} machines, {validation} to validate and {test} to test; none is left to train on")
    order = np.random.default_rng(seed).permutation(n)
    return tuple(np.sort(part) for part in np.split(order, [n - validation - test, n - test]))


def warning_gru(features: int, units: int = 12) -> keras.Model:
    """Build a GRU that says at each step whether a failure is near, from all steps so far.

    Returns an untrained model from float32 (n, steps, features) to logits (n, steps, 1).
    Source: Cho et al. 2014, section 2.3.

    >>> warning_gru(7).count_params()  # 3 (7 * 12 + 12 * 12 + 2 * 12) + 12 + 1
    769
    """
    from keras import Input, Sequential, layers

    parts = [Input((None, features)), layers.GRU(units, return_sequences=True), layers.Dense(1, name="logit")]
    return Sequential(parts, name="warning_gru")


def life_lstm(steps: int, features: int, units: Sequence[int] = (16, 16)) -> keras.Model:
    """Build a stacked LSTM that estimates from a window how much life is left.

    Returns an untrained model from float32 (n, steps, features) to (n, 1): remaining life in units of its cap.
    Source: Zheng et al. 2017, "Long short-term memory network for remaining useful life estimation", section III.

    >>> life_lstm(20, 7).count_params()  # 4 (7 + 16 + 1) 16 + 4 (16 + 16 + 1) 16 + 16 + 1
    3665
    """
    from keras import Input, Sequential, layers

    stack = [layers.LSTM(u, return_sequences=i < len(units) - 1) for i, u in enumerate(units)]
    return Sequential([Input((steps, features)), *stack, layers.Dense(1, name="life")], name="life_lstm")


def fit_sequences(
    model: keras.Model,
    training: tuple[np.ndarray, ...],
    validation: tuple[np.ndarray, ...],
    loss: str | keras.Loss,
    epochs: int = 20,
    batch_size: int = 64,
    learning_rate: float = 1e-2,
) -> dict[str, list[float]]:
    """Train a recurrent network with Adam and a clipped gradient; keep the weights of the best epoch on validation.

    training, validation: (x, y) or (x, y, weights), weights 0 for padded steps. The rate falls along a cosine to zero.
    Returns loss and val_loss, one float an epoch; gradients are cut to a global norm of 1.
    Source: Pascanu, Mikolov and Bengio 2013, section 3.2.

    >>> x = np.random.default_rng(0).normal(size=(64, 5, 1)).astype(np.float32)
    >>> history = fit_sequences(life_lstm(5, 1, (4,)), (x, x[:, -1]), (x, x[:, -1]), "mse", epochs=5, batch_size=8)
    >>> history["val_loss"][-1] < history["val_loss"][0]
    True
    """
    import keras

    batches = epochs * -(-len(training[0]) // batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, batches)
    model.compile(keras.optimizers.Adam(schedule, global_clipnorm=1.0), loss, jit_compile=False)
    model.optimizer.build(model.trainable_variables)  # in the first trace, they would make TensorFlow trace again
    x, y, *weights = training
    best = keras.callbacks.EarlyStopping("val_loss", patience=epochs, restore_best_weights=True)
    history = model.fit(
        x, y, batch_size, epochs, 0, [best], validation_data=validation, sample_weight=weights[0] if weights else None
    )
    return {name: [float(v) for v in values] for name, values in history.history.items()}


def step_model(model: keras.Model) -> keras.Model:
    """Build the one-step form of a `warning_gru`, with its weights, the state carried by the caller.

    Returns a model from float32 (n, features + units), a step and the state before it, to (n, 1 + units), the logit
    and the state after it: one vector in and one out, as a runtime on a device likes it. Begin with zeros.

    >>> step_model(warning_gru(7, units=12)).output_shape
    (None, 13)
    """
    from keras import Input, Model, layers

    gru, dense = model.layers
    features, units = model.input_shape[-1], gru.units
    vector = Input((features + units,), name="step_and_state")
    cell = layers.GRU(units, unroll=True)
    h = cell(vector[:, None, :features], initial_state=vector[:, features:])
    logit = layers.Dense(1)
    one = Model(vector, layers.Concatenate()([logit(h), h]), name=f"{model.name}_step")
    cell.set_weights(gru.get_weights())
    logit.set_weights(dense.get_weights())
    return one


class Alarms(NamedTuple):
    """How the alarms of one threshold did on several machines.

    leads: int, days between the first alarm and the failure, one a machine; 0 where it never came in time. in_time:
    leads of 1 to `early` days. false: leads above that: the alarm came of nothing. missed: leads of 0.

    >>> Alarms(np.array([0, 8, 60]), 1, 1, 1).in_time
    1
    """

    leads: np.ndarray
    in_time: int
    false: int
    missed: int


def judge(scores: Sequence[np.ndarray], remaining: Sequence[np.ndarray], threshold: float, early: int = 20) -> Alarms:
    """Judge the first alarm of each machine: the first day on which its score exceeds the threshold.

    scores, remaining: one array (days,) a machine; remaining in days. early: an alarm more days ahead is a false one.
    Raises ValueError where a machine's arrays differ in length.

    >>> judge([np.array([0, 0, 1, 1])], [np.array([3, 2, 1, 0])], 0.5).leads.tolist()
    [1]
    """
    leads = []
    for i, (score, left) in enumerate(zip(scores, remaining, strict=True)):
        if len(score) != len(left):
            raise ValueError(f"machine {i} has {len(score)} scores and {len(left)} days; expected as many")
        alarms = np.flatnonzero(np.asarray(score) > threshold)
        leads.append(int(left[alarms[0]]) if len(alarms) else 0)
    leads = np.array(leads)
    false, missed = int((leads > early).sum()), int((leads == 0).sum())
    return Alarms(leads, len(leads) - false - missed, false, missed)


def choose_threshold(scores: Sequence[np.ndarray], remaining: Sequence[np.ndarray], early: int = 20) -> float:
    """Choose the threshold that warns most machines in time, on validation machines; the middle one of the best.

    scores, remaining, early: as in `judge`. Raises ValueError where they don't fit each other.

    >>> choose_threshold([np.array([0.0, 0.2, 0.8, 0.9])], [np.array([3, 2, 1, 0])], early=1)
    0.5
    """
    values = np.unique(np.concatenate([np.asarray(s, float) for s in scores]))
    between = (values[1:] + values[:-1]) / 2 if len(values) > 1 else values
    tried = np.quantile(between, np.linspace(0, 1, min(len(between), 500)))
    in_time = np.array([judge(scores, remaining, t, early).in_time for t in tried])
    best = np.flatnonzero(in_time == in_time.max())
    return float(tried[best[len(best) // 2]])
