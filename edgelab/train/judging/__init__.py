"""Judge a classifier: its scores, and how far its confidence can be trusted."""

from edgelab.train.judging.calibrated_confidence import (
    Abstention,
    Reliability,
    abstention,
    choose_threshold,
    confidence,
    expected_calibration_error,
    fit_temperature,
    reliability,
)
from edgelab.train.judging.evaluation import Evaluation, evaluate, predict, scores
