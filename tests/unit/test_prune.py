"""Pruning: exact counts, ties that are settled, groups of four, channels, the schedule."""

import numpy as np
import pytest
from _examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgelab.shrink.compress.prune import (
    channel_scores,
    check_sparsity,
    check_weights,
    keep_channels,
    magnitude_mask,
    sparsity_schedule,
    two_of_four_mask,
)

# Few different values: ties are the rule.
weights = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=1, max_dims=4, max_side=6), elements=st.integers(-3, 3).map(float)
)
shares = st.floats(0, 1, exclude_max=True)


@settings(max_examples=examples(200, 80), deadline=None)
@given(weights, shares)
def test_as_many_weights_go_as_were_asked_for_and_they_are_the_smallest(w, sparsity):
    mask = magnitude_mask(w, sparsity)
    assert mask.shape == w.shape
    assert (~mask).sum() == min(round(sparsity * w.size), w.size - 1)
    if not mask.all():
        assert np.abs(w[~mask]).max() <= np.abs(w[mask]).min()


@settings(max_examples=examples(200, 80), deadline=None)
@given(weights, shares, shares)
def test_what_is_pruned_stays_pruned(w, first, second):
    """Gradual pruning computes masks again and again: a weight must not come back as another of its size goes."""
    first, second = sorted([first, second])
    once = magnitude_mask(w, first)
    again = magnitude_mask(w * once, second)
    assert not (again & ~once).any()
    np.testing.assert_array_equal(magnitude_mask(w * once, first), once)


def test_of_equal_weights_the_earlier_ones_go():
    assert magnitude_mask(np.array([1.0, -1.0, 1.0, 1.0]), 0.5).tolist() == [False, False, True, True]
    assert magnitude_mask(np.ones(5), 0.999).tolist() == [False] * 4 + [True]


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 2**31), st.sampled_from([0, 1, -1, -2]))
def test_two_of_each_four_stay(groups, others, seed, axis):
    """Compared with a loop over groups that sorts each."""
    shape = [others, others]
    shape[axis] = 4 * groups
    w = np.random.default_rng(seed).integers(-3, 4, shape).astype(float)
    mask = np.moveaxis(two_of_four_mask(w, axis), axis, -1).reshape(-1, 4)
    rows = np.moveaxis(w, axis, -1).reshape(-1, 4)
    for row, kept in zip(rows, mask, strict=True):
        gone = sorted(range(4), key=lambda i: (abs(row[i]), i))[:2]
        assert kept.tolist() == [i not in gone for i in range(4)]


def test_groups_lie_along_the_input_axis_of_a_kernel():
    w = np.random.default_rng(0).normal(size=(3, 3, 8, 5))
    assert (two_of_four_mask(w).reshape(3, 3, 2, 4, 5).sum(axis=3) == 2).all()


@pytest.mark.parametrize(
    ("w", "axis", "says"),
    [
        (np.ones((5, 5, 1, 6)), -2, r"axis -2 of w \(5, 5, 1, 6\) has size 1; expected a multiple of 4"),
        (np.ones((6, 4)), 0, "has size 6"),
        (np.ones((4, 4)), 2, r"axis is 2, w has shape \(4, 4\)"),
        (np.ones(4), -2, "axis is -2"),
    ],
)
def test_groups_that_are_not_whole_are_named(w, axis, says):
    with pytest.raises(ValueError, match=says):
        two_of_four_mask(w, axis)


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(np.float64, (3, 3, 2, 7), elements=st.integers(-3, 3).map(float)), shares)
def test_the_channels_that_stay_score_highest(w, sparsity):
    scores = channel_scores(w)
    assert scores.tolist() == [float(np.abs(w[..., c]).sum()) for c in range(7)]
    kept = keep_channels(scores, sparsity)
    assert len(kept) == max(7 - round(7 * sparsity), 1)
    assert (np.diff(kept) > 0).all()
    gone = np.setdiff1d(np.arange(7), kept)
    if len(gone):
        assert scores[gone].max() <= scores[kept].min()


@settings(max_examples=100, deadline=None)
@given(st.integers(-5, 5), st.integers(1, 50), shares, shares)
def test_the_schedule_runs_from_initial_to_final_without_turning_back(begin, steps, initial, final):
    values = [sparsity_schedule(begin + t, begin, begin + steps, initial, final) for t in range(-2, steps + 3)]
    assert values[:3] == pytest.approx([initial] * 3)
    assert values[-3:] == pytest.approx([final] * 3)
    changes = np.diff(values) * (1 if final >= initial else -1)
    assert (changes >= -1e-12).all()  # rounding
    # It slows down: a step is never larger than the one before it, once it has begun.
    assert (np.diff(changes[2:]) <= 1e-12).all()


def test_the_schedule_is_the_papers():
    """Zhu and Gupta 2017, equation 1, with their own symbols: n = 10 prunings, dt = 100 steps apart, from t0 = 200."""
    s_i, s_f, t0, n, dt = 0.1, 0.8, 200, 10, 100
    for k in range(n + 1):
        s_t = s_f + (s_i - s_f) * (1 - ((t0 + k * dt) - t0) / (n * dt)) ** 3
        assert sparsity_schedule(t0 + k * dt, t0, t0 + n * dt, s_i, s_f) == pytest.approx(s_t)


@pytest.mark.parametrize("function", [magnitude_mask, keep_channels])
@pytest.mark.parametrize(
    ("sparsity", "raised", "says"),
    [
        (1.0, ValueError, "sparsity is 1.0; expected a share of the weights, at least 0 and below 1$"),
        (-0.1, ValueError, "sparsity is -0.1"),
        (90, ValueError, "For 90 % give 0.9"),
        (float("nan"), ValueError, "sparsity is nan"),
        ("0.9", TypeError, "sparsity is '0.9'"),
        (True, TypeError, "sparsity is True"),
    ],
)
def test_a_sparsity_out_of_range_is_named(function, sparsity, raised, says):
    with pytest.raises(raised, match=says):
        function(np.array([0.5, 0.25]), sparsity)


@pytest.mark.parametrize("function", [lambda w: magnitude_mask(w, 0.5), two_of_four_mask, channel_scores])
@pytest.mark.parametrize(
    ("w", "raised", "says"),
    [
        (np.ones((4, 4), np.int8), TypeError, "w is int8; expected floats"),
        (np.zeros((0, 4)), ValueError, r"w has shape \(0, 4\)"),
        (np.array([[1.0, 2.0], [np.nan, 1.0]]), ValueError, r"w is nan at \(1, 0\)"),
        (np.array([[1.0, -np.inf]]), ValueError, r"w is -inf at \(0, 1\)"),
    ],
)
def test_weights_that_are_no_weights_are_named(function, w, raised, says):
    with pytest.raises(raised, match=says):
        function(w)


def test_other_arguments_are_named():
    with pytest.raises(ValueError, match=r"w has shape \(4,\); expected a kernel"):
        channel_scores(np.ones(4))
    with pytest.raises(ValueError, match="the smallest is -1"):
        keep_channels(np.array([1.0, -1.0]), 0.5)
    with pytest.raises(ValueError, match="begin is 5, end is 5"):
        sparsity_schedule(1, 5, 5)
    with pytest.raises(ValueError, match="final is 1.5"):
        sparsity_schedule(1, 0, 5, final=1.5)
    assert check_sparsity(np.float32(0.5)) == 0.5
    assert check_weights(np.float16([1])).dtype == np.float16
