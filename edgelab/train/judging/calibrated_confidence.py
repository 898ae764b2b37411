"""How far a classifier's confidence can be trusted: calibration, and a threshold below which it abstains.

Confidence is the largest of an image's probabilities, that of the answer.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgelab.maths.activations import softmax
from edgelab.maths.checks import check_labels


def confidence(probabilities: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the confidence of each answer, and whether the answer is right.

    probabilities: (n, classes), rows that add up to 1. y: int (n,). Returns float (n,) and bool (n,).
    Raises ValueError or TypeError for logits, NaN, or labels that don't fit.

    >>> confidence(np.array([[0.75, 0.25], [0.5, 0.5]]), np.array([0, 1]))
    (array([0.75, 0.5 ]), array([ True, False]))
    """
    try:
        probabilities, y = check_labels(probabilities, y)
    except (TypeError, ValueError) as error:  # its message says logits
        raise type(error)(str(error).replace("logits", "probabilities")) from None
    # float32 softmax adds up to 1 within some 1e-6; logits, or percent, are further off.
    if not (probabilities.min() >= 0 and np.abs(probabilities.sum(axis=1) - 1).max() < 1e-3):
        raise ValueError(
            f"probabilities run from {probabilities.min():.4g} to {probabilities.max():.4g}, and their rows add up to "
            f"{probabilities.sum(axis=1).min():.4g} or more; expected 0 to 1, and rows that add up to 1: take softmax "
            "of logits"
        )
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == y


class Reliability(NamedTuple):
    """Hold what `reliability` measures in each bin of confidence, the lowest first.

    count: int (bins,), the answers in the bin. confidence, accuracy: float (bins,), their means; NaN in an empty bin.

    >>> Reliability(np.array([4]), np.array([0.9]), np.array([0.75])).accuracy
    array([0.75])
    """

    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def reliability(probabilities: np.ndarray, y: np.ndarray, bins: int = 10) -> Reliability:
    """Sort answers into bins of equal width by confidence, and compare confidence with accuracy in each.

    probabilities: (n, classes). y: int (n,). Bin m holds the confidences above (m - 1) / bins, up to m / bins.
    Raises ValueError or TypeError as `confidence` does, and for fewer bins than 1. Guo et al. 2017, section 2.

    >>> found = reliability(np.array([[0.9, 0.1], [0.2, 0.8], [0.9, 0.1]]), np.array([0, 1, 1]), bins=5)
    >>> found.count.tolist(), found.accuracy[3:].round(3).tolist()
    ([0, 0, 0, 1, 2], [1.0, 0.5])
    """
    if bins < 1:
        raise ValueError(f"bins is {bins}; expected at least 1")
    sure, right = confidence(probabilities, y)
    place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], sure)  # the bin: how many inner edges are lower
    count = np.bincount(place, minlength=bins)
    some = np.where(count, count, np.nan)
    means = [np.bincount(place, weights=values, minlength=bins) / some for values in (sure, right)]
    return Reliability(count, *means)


def expected_calibration_error(probabilities: np.ndarray, y: np.ndarray, bins: int = 10) -> float:
    """Return how far confidence and accuracy lie apart, on average over all answers.

    probabilities: (n, classes). y: int (n,). Returns 0 (they are equal in each bin) to 1. Raises as
    `reliability` does. Naeini, Cooper and Hauskrecht 2015; Guo et al. 2017, equation 3.

    >>> round(expected_calibration_error(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1])), 6)
    0.4
    """
    found = reliability(probabilities, y, bins)
    return float(np.nansum(found.count * np.abs(found.accuracy - found.confidence)) / found.count.sum())


def fit_temperature(logits: np.ndarray, y: np.ndarray) -> float:
    """Find the temperature T for which softmax(logits / T) has the smallest cross-entropy; no answer changes.

    logits: (n, classes) of images that were not trained on. y: int (n,). T > 1: the confidence was too high. The slope
    of the cross-entropy against 1 / T grows with 1 / T; bisection finds where it is 0. Raises ValueError where no T is
    best: all answers are right, or they are no better than chance. Guo et al. 2017, section 4.2.

    >>> z = np.log(np.array([[0.99, 0.01]] * 4))
    >>> round(fit_temperature(z, np.array([0, 0, 0, 1])), 3)  # right in 3 of 4 cases: log 99 / log 3
    4.183
    """
    z, y = check_labels(logits, y)
    of_label = z[np.arange(len(y)), y]

    def slope(log_inverse: float) -> float:
        return float(((softmax(np.exp(log_inverse) * z) * z).sum(axis=1) - of_label).mean())

    low, high = np.log(1e-3), np.log(1e3)
    if not slope(low) < 0 < slope(high):
        what = "no better than chance" if slope(low) >= 0 else "right on every image"
        raise ValueError(f"the logits are {what}, so no temperature from 0.001 to 1000 is best; take more images")
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return float(np.exp(-(low + high) / 2))


class Abstention(NamedTuple):
    """Hold what `abstention` computes for each threshold, the highest first.

    threshold: float (m,), answers with at least this confidence are given. answered, accuracy: float (m,), the share of
    images that are answered, and the share of those answers that are right.

    >>> Abstention(np.array([0.5]), np.array([1.0]), np.array([0.99])).answered
    array([1.])
    """

    threshold: np.ndarray
    answered: np.ndarray
    accuracy: np.ndarray


def abstention(probabilities: np.ndarray, y: np.ndarray) -> Abstention:
    """Compute for each possible threshold the share of images answered, and the share of those answers that is right.

    probabilities: (n, classes). y: int (n,). Returns one row for each distinct confidence, the highest first: in the
    first row only the answers of that confidence are given, in the last row all are. Raises as `confidence` does.
    Chow 1970; El-Yaniv and Wiener 2010 (risk = 1 - accuracy, coverage).

    >>> found = abstention(np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), np.array([0, 1, 1]))
    >>> found.threshold.tolist(), found.accuracy.round(3).tolist()
    ([0.9, 0.8, 0.6], [1.0, 1.0, 0.667])
    """
    sure, right = confidence(probabilities, y)
    order = np.argsort(-sure, kind="stable")
    sure, given = sure[order], np.arange(1, len(sure) + 1)
    last = np.append(sure[1:] != sure[:-1], True)  # answers of equal confidence are given or withheld together
    return Abstention(sure[last], given[last] / len(sure), (np.cumsum(right[order]) / given)[last])


def choose_threshold(probabilities: np.ndarray, y: np.ndarray, accuracy: float) -> float:
    """Return the threshold at which most images are answered with at least this accuracy; use validation images.

    probabilities: (n, classes). y: int (n,). accuracy: wanted of the answers given, 0 to 1. Raises ValueError where no
    threshold reaches it, naming the best accuracy. Bounds for other images: Geifman and El-Yaniv 2017.

    >>> choose_threshold(np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), np.array([0, 1, 1]), accuracy=0.95)
    0.8
    """
    found = abstention(probabilities, y)
    enough = np.flatnonzero(found.accuracy >= accuracy)
    if len(enough) == 0:
        best = found.accuracy.max()
        found = f"no threshold reaches it on these {len(y)} images; the best has {best}"
        raise ValueError(f"accuracy is {accuracy}; {found}. Lower it, or take a better model")
    return float(found.threshold[enough[-1]])
