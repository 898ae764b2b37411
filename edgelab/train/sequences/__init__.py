"""Sequences: a simulated machine whose bearing fails, and recurrent networks that warn before it does."""

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
from edgelab.train.sequences.vibration import FEATURES, Life, blows, defect_frequency, features, machine
