"""edgelab.train.judging: calibration and abstention against scikit-learn, SciPy, plain loops and exact cases."""

import itertools

import numpy as np
import pytest
from _examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from edgelab.maths.activations import softmax
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

cases = st.builds(
    lambda seed, n, classes, spread, steps: made(np.random.default_rng(seed), n, classes, spread, steps),
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 60),
    classes=st.integers(2, 12),
    spread=st.floats(0, 8),
    steps=st.sampled_from([0, 4, 10]),
)
bins_of = st.integers(1, 20)


def made(rng: np.random.Generator, n: int, classes: int, spread: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels; steps: all probabilities multiples of 1 / steps, so that many tie or hit an edge."""
    p = softmax(spread * rng.normal(size=(n, classes)))
    if steps:
        p = rng.multinomial(steps, p) / steps
    return p, rng.integers(0, classes, n)


def drawn(n: int, seed: int = 0, factor: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a model that knows the odds, times a factor, and labels drawn from those odds."""
    rng = np.random.default_rng(seed)
    z = 2 * rng.normal(size=(n, 5))
    y = (softmax(z).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=4)
    return factor * z, y


@given(case=cases, bins=bins_of)
def test_bins_equal_scikit_learns(case, bins):
    """A confidence on an edge counted in the bin above, or an off-by-one bin, differs. They leave empty bins out."""
    sure, right = confidence(*case)
    found = reliability(*case, bins)
    accuracy, mean = calibration_curve(right, sure, n_bins=bins, pos_label=True)
    some = found.count > 0
    # Means of at most 60 numbers up to 1, summed in another order: 60 roundings of 2e-16.
    np.testing.assert_allclose(found.accuracy[some], accuracy, rtol=0, atol=60 * 2e-16)
    np.testing.assert_allclose(found.confidence[some], mean, rtol=0, atol=60 * 2e-16)
    assert isinstance(found, Reliability)
    assert found.count.sum() == len(case[1])
    assert np.isnan(found.accuracy[~some]).all()


@given(case=cases, bins=bins_of)
def test_calibration_error_equals_the_formula_in_loops(case, bins):
    """Bins must be weighted by their answers, not each the same; written anew, with intervals instead of a search."""
    p, y = case
    sure, right = p.max(axis=1), p.argmax(axis=1) == y
    edges = np.linspace(0, 1, bins + 1)
    expected = 0.0
    for low, high in itertools.pairwise(edges):
        inside = (sure > low) & (sure <= high)
        if high == 1:
            inside |= sure > 1  # a softmax may round to 1 + 2e-16
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    assert expected_calibration_error(p, y, bins) == pytest.approx(expected, abs=1e-12)  # 60 sums of numbers below 1


@given(case=cases, bins=bins_of, parts=st.integers(2, 4))
def test_finer_bins_never_lower_the_error(case, bins, parts):
    """By the triangle inequality: what cancels in a bin need not cancel in its parts. One bin compares two means."""
    p, y = case
    sure, right = confidence(p, y)
    coarse, fine = (expected_calibration_error(p, y, b) for b in (bins, bins * parts))
    # 3/7 and 6/14 may be different floats, and an answer between them would then change its bin: set aside.
    if np.isin(np.linspace(0, 1, bins + 1), np.linspace(0, 1, bins * parts + 1)).all():
        assert fine >= coarse - 1e-12
    assert 0 <= coarse <= 1
    assert expected_calibration_error(p, y, 1) == pytest.approx(abs(right.mean() - sure.mean()), abs=1e-12)


def test_a_model_that_knows_the_odds_is_calibrated():
    """And the same model twice as loud is not.

    A bin of m draws is off by 0.8 * 0.5 / sqrt(m) on average at most; ten bins share 40,000: 0.4 * sqrt(10 / 40,000)
    = 0.0063. Twice that is allowed.
    """
    z, y = drawn(40_000)
    assert expected_calibration_error(softmax(z), y) < 0.013 < 0.05 < expected_calibration_error(softmax(2 * z), y)


@pytest.mark.parametrize("factor", [0.3, 1.0, 2.5])
def test_temperature_undoes_a_factor(factor):
    """Labels are drawn from softmax(z), so z times a factor must be divided by it: within 3 σ, 3 % at 20,000 draws."""
    z, y = drawn(20_000, factor=factor)
    assert fit_temperature(z, y) == pytest.approx(factor, rel=0.03)


@settings(max_examples=examples(30, 10))
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(20, 60), factor=st.floats(0.2, 5))
def test_temperature_is_scipys_minimum(seed, n, factor):
    """Bisection of the slope against SciPy's search on scikit-learn's loss."""
    z, y = drawn(n, seed, factor)
    found = fit_temperature(z, y)

    def loss(log_t: float) -> float:
        return log_loss(y, softmax(z / np.exp(log_t)), labels=range(5))

    best = minimize_scalar(loss, bounds=(np.log(found) - 2, np.log(found) + 2), method="bounded")
    assert loss(np.log(found)) <= best.fun + 1e-9  # theirs stops at 1e-5 in log T, where the loss is flat: 1e-10


def test_temperature_changes_no_answer_and_keeps_float32():
    z, y = drawn(500)
    z = z.astype(np.float32)
    t = fit_temperature(z, y)
    assert (softmax(z / t).argmax(axis=1) == z.argmax(axis=1)).all()
    assert t == pytest.approx(fit_temperature(z.astype(float), y), rel=1e-4)  # slope in float32: 1e-7 × some hundreds


@given(case=cases)
def test_abstention_equals_counting_at_each_threshold(case):
    """Equally sure answers given one by one would show accuracies that no threshold has."""
    p, y = case
    found = abstention(p, y)
    sure, right = p.max(axis=1), p.argmax(axis=1) == y
    assert isinstance(found, Abstention)
    assert found.threshold.tolist() == sorted(set(sure), reverse=True)
    for threshold, answered, accuracy in zip(*found, strict=True):
        given_ = sure >= threshold
        assert answered == pytest.approx(given_.mean())
        assert accuracy == pytest.approx(right[given_].mean())
    assert found.answered[-1] == 1
    assert found.accuracy[-1] == pytest.approx(right.mean())


@given(case=cases, accuracy=st.floats(0, 1))
def test_a_threshold_answers_as_many_as_it_may(case, accuracy):
    """The first threshold from above that fits would keep back more than needed."""
    p, y = case
    found = abstention(p, y)
    enough = found.threshold[found.accuracy >= accuracy]
    if len(enough):
        assert choose_threshold(p, y, accuracy) == enough.min()
    else:
        with pytest.raises(ValueError, match=f"no threshold reaches it on these {len(y)} images; the best has"):
            choose_threshold(p, y, accuracy)


P, Y = np.array([[0.75, 0.25], [0.5, 0.5]]), np.array([0, 1])
BAD = {
    "logits": (np.array([[4.0, -2.0], [1.0, 1.0]]), Y, ValueError, "run from -2 to 4.*take softmax of logits"),
    "percent": (100 * P, Y, ValueError, "rows add up to 100"),
    "NaN": (P * np.nan, Y, ValueError, "nan"),
    "one confidence an image": (P.max(axis=1), Y, ValueError, r"probabilities have shape \(2,\)"),
    "no images": (P[:0], Y[:0], ValueError, r"probabilities have shape \(0, 2\)"),
    "one label short": (P, Y[:1], ValueError, r"y has shape \(1,\)"),
    "one-hot labels": (P, np.eye(2, dtype=int), ValueError, "one-hot"),
    "float labels": (P, Y / 1.0, TypeError, "y is float64; expected integers"),
    "a label too many": (P, Y + 1, ValueError, r"y\[1\] is 2; expected 0 to 1.*probabilities have 2 columns"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize(
    "function",
    [confidence, reliability, expected_calibration_error, abstention, lambda p, y: choose_threshold(p, y, 0)],
)
def test_bad_input_is_named(name, function):
    """A confidence of 400 % would land in the last bin and look like a fine model."""
    p, y, error, message = BAD[name]
    with pytest.raises(error, match=message):
        function(p, y)


def test_bins_and_logits_are_checked():
    with pytest.raises(ValueError, match="bins is 0; expected at least 1"):
        reliability(P, Y, 0)
    with pytest.raises(ValueError, match="right on every image, so no temperature"):
        fit_temperature(np.eye(3), np.arange(3))
    with pytest.raises(ValueError, match="no better than chance, so no temperature"):
        fit_temperature(np.ones((3, 3)), np.arange(3))
    with pytest.raises(ValueError, match="y has shape"):
        fit_temperature(np.eye(3), np.arange(2))
