"""Sequences of unequal length, two small recurrent networks for the life of a machine, and how warnings are judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import keras


def pad(sequences: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Pad sequences with zeros after their end to one length, and return which steps are real.

    sequences: arrays (steps, …); only steps may differ. Returns an array (n, longest, …) of their dtype and a mask,
    bool (n, longest), True for real steps. Raises ValueError for no sequence, an empty one, or unequal shapes.

    >>> pad([np.ones((2, 1)), np.ones((3, 1))])[1].tolist()
    [[True, True, False], [True, True, True]]
    """
    arrays = [np.asarray(a) for a in sequences]
    if not arrays:
        raise ValueError("0 sequences given; expected at least one")
    for i, a in enumerate(arrays):
        if a.ndim == 0 or len(a) == 0:
            raise ValueError(f"sequence {i} has shape {a.shape}, no steps; expected (steps, …), at least one step")
        if a.shape[1:] != arrays[0].shape[1:]:
            raise ValueError(f"sequence {i} has shape {a.shape}, sequence 0 {arrays[0].shape}; only axis 0 may differ")
    longest = max(map(len, arrays))
    padded = np.zeros((len(arrays), longest, *arrays[0].shape[1:]), np.result_type(*arrays))
    for i, a in enumerate(arrays):
        padded[i, : len(a)] = a
    return padded, np.arange(longest) < np.array([len(a) for a in arrays])[:, None]


def windows(sequence: np.ndarray, targets: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut a sequence into all windows of `steps` steps, each with the target of its last step.

    sequence: (length, …). targets: (length,). Returns views (length - steps + 1, steps, …) and (length - steps + 1,).
    Raises ValueError for lengths that differ, or a sequence shorter than a window.

    >>> windows(np.arange(4), np.arange(4) * 10, 3)[1].tolist()
    [20, 30]
    """
    sequence, targets = np.asarray(sequence), np.asarray(targets)
    if targets.shape != sequence.shape[:1]:
        raise ValueError(f"targets have shape {targets.shape}, the sequence {sequence.shape}; expected a target a step")
    if not 1 <= steps <= len(sequence):
        raise ValueError(f"steps is {steps}; expected 1 to {len(sequence)}, the length of the sequence")
    view = np.lib.stride_tricks.sliding_window_view(sequence, steps, axis=0)
    return np.moveaxis(view, -1, 1), targets[steps - 1 :]


def split_machines(n: int, validation: int, test: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split machines, not windows, into training, validation and test: three arrays of indices.

    Neighbouring windows of one machine share most of their days: a split of windows would put near-copies of the
    training data into the test. Raises ValueError when no machine is left to train on.

    >>> [len(part) for part in split_machines(20, 4, 6)]
    [10, 4, 6]
    """
    if min(validation, test) < 0 or validation + test >= n:
        raise ValueError(f"{n} machines, {validation} for validation, {test} for the test: none is left to train on")
    order = np.random.default_rng(seed).permutation(n)
    return tuple(np.sort(part) for part in np.split(order, [n - validation - test, n - test]))


def warning_gru(features: int, units: int = 12) -> keras.Model:
    """Build a GRU that estimates at each step, from all steps so far, whether a failure is near.

    Returns an untrained model from float32 (n, steps, features) to logits (n, steps, 1).
    Source: Cho et al. 2014, section 2.3.

    >>> warning_gru(7).count_params()  # 3 (7 * 12 + 12 * 12 + 2 * 12) + 12 + 1
    769
    """
    from keras import Input, Sequential, layers

    parts = [Input((None, features)), layers.GRU(units, return_sequences=True), layers.Dense(1, name="logit")]
    return Sequential(parts, name="warning_gru")


def life_lstm(steps: int, features: int, units: Sequence[int] = (16, 16)) -> keras.Model:
    """Build a stack of LSTMs, each reading all states of the one before, that estimates the life left from a window.

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
    """Train a recurrent network with Adam and clipped gradients; keep the weights of the best epoch on validation.

    training, validation: (x, y) or (x, y, weights), weights 0 for padded steps. The learning rate falls along half a
    cosine wave to zero; gradients are clipped to a global norm of 1. Returns loss and val_loss, one float an epoch.
    Source: Pascanu, Mikolov and Bengio 2013, section 3.2.

    >>> x = np.random.default_rng(0).normal(size=(64, 5, 1)).astype(np.float32)
    >>> history = fit_sequences(life_lstm(5, 1, (4,)), (x, x[:, -1]), (x, x[:, -1]), "mse", epochs=5, batch_size=8)
    >>> history["val_loss"][-1] < history["val_loss"][0]
    True
    """
    import gc

    import keras

    batches = epochs * -(-len(training[0]) // batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, batches)
    model.compile(keras.optimizers.Adam(schedule, global_clipnorm=1.0), loss, jit_compile=False)
    model.optimizer.build(model.trainable_variables)  # or TensorFlow would trace the first step twice
    x, y, *weights = training
    # patience=epochs: training never stops early; the callback only restores the best weights at the end.
    best = keras.callbacks.EarlyStopping("val_loss", patience=epochs, restore_best_weights=True)
    history = model.fit(
        x, y, batch_size, epochs, 0, [best], validation_data=validation, sample_weight=weights[0] if weights else None
    )
    model.train_function = model.test_function = None  # the traced graphs, 15 MB that nothing needs any more
    gc.collect()
    return {name: [float(v) for v in values] for name, values in history.history.items()}


def step_model(model: keras.Model) -> keras.Model:
    """Build the one-step form of a `warning_gru`, with its weights; the caller carries the state.

    Returns a model from float32 (n, features + units), a step and the state before it, to (n, 1 + units), the logit and
    the state after it: one vector in, one vector out, no loop. The first state is zeros. Raises ValueError for a model
    of other layers.

    >>> step_model(warning_gru(7, units=12)).output_shape
    (None, 13)
    """
    from keras import Input, Model, layers

    kinds = [type(layer).__name__ for layer in model.layers]
    if kinds != ["GRU", "Dense"] or not model.built:
        raise ValueError(
            f"model {model.name!r} consists of {', '.join(kinds)}; expected a GRU and a Dense: warning_gru(7)"
        )
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
    """The alarms of one threshold on several machines, counted.

    leads: int, days from the first alarm to the failure, one a machine; 0 where no alarm came before the day of the
    failure. in_time: how many leads are 1 to `early` days. false: how many are above. missed: how many are 0.

    >>> Alarms(np.array([0, 8, 60]), 1, 1, 1).in_time
    1
    """

    leads: np.ndarray
    in_time: int
    false: int
    missed: int


def judge(scores: Sequence[np.ndarray], remaining: Sequence[np.ndarray], threshold: float, early: int = 20) -> Alarms:
    """Judge the first alarm of each machine: the first day on which its score exceeds the threshold.

    scores, remaining: one array (days,) a machine; remaining in days. early: an alarm more days ahead is false; none
    before the day of the failure is missed. Raises ValueError where a machine's arrays differ in length.

    >>> judge([np.array([0, 0, 1, 1])], [np.array([3, 2, 1, 0])], 0.5).leads.tolist()
    [1]
    """
    leads = []
    for i, (score, left) in enumerate(zip(scores, remaining, strict=True)):
        if len(score) != len(left):
            raise ValueError(f"machine {i} has {len(score)} scores and {len(left)} days; expected one score a day")
        alarms = np.flatnonzero(np.asarray(score) > threshold)
        leads.append(int(left[alarms[0]]) if len(alarms) else 0)
    leads = np.array(leads)
    false, missed = int((leads > early).sum()), int((leads == 0).sum())
    return Alarms(leads, len(leads) - false - missed, false, missed)


def choose_threshold(scores: Sequence[np.ndarray], remaining: Sequence[np.ndarray], early: int = 20) -> float:
    """Choose the threshold that warns of most machines in time; of several equally good ones, the middle one.

    scores, remaining, early: as in `judge`, of validation machines. At most 500 thresholds are tried, between scores
    that occur. Raises ValueError where a machine's arrays differ in length.

    >>> choose_threshold([np.array([0.0, 0.2, 0.8, 0.9])], [np.array([3, 2, 1, 0])], early=1)
    0.5
    """
    values = np.unique(np.concatenate([np.asarray(s, float) for s in scores]))
    between = (values[1:] + values[:-1]) / 2 if len(values) > 1 else values
    tried = np.quantile(between, np.linspace(0, 1, min(len(between), 500)))
    judge(scores, remaining, tried[0])  # for its checks
    in_time = np.zeros(len(tried), int)
    for score, left in zip(scores, remaining, strict=True):
        # The first score above a threshold stands where the running maximum first exceeds it.
        first = np.searchsorted(np.maximum.accumulate(np.asarray(score, float)), tried, side="right")
        leads = np.append(left, 0)[first]
        in_time += (leads > 0) & (leads <= early)
    best = np.flatnonzero(in_time == in_time.max())
    return float(tried[best[len(best) // 2]])
