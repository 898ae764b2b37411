"""Exercises of notebook 07."""

from edgelab.course.exercises.convert.integers import (
    calibration_samples,
    certain_share,
    restored,
    scale_and_zero_point,
)
from edgelab.course.exercises.convert.layers import constant_bytes, fold_into_next, last_states

__all__ = [
    "calibration_samples",
    "certain_share",
    "constant_bytes",
    "fold_into_next",
    "last_states",
    "restored",
    "scale_and_zero_point",
]
