"""Weight sharing: the k-means that scikit-learn finds from the same start, zeros apart, every edge of a histogram."""

import itertools

import numpy as np
import pytest
from _examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.cluster import KMeans

from edgelab.shrink.compress.cluster import STARTS, cluster_weights, codebook_gradient, first_codebook, lloyd

# Small integers, as floats: ties, repeats and empty clusters are what breaks a k-means.
lattice = hnp.arrays(np.float32, st.integers(1, 60), elements=st.integers(-20, 20).map(float))


def error(w: np.ndarray, codebook: np.ndarray, codes: np.ndarray) -> float:
    return float(((w.astype(float) - codebook[codes]) ** 2).sum())


@pytest.mark.parametrize("clusters", [2, 5, 16, 32])
@pytest.mark.parametrize("initial", ["linear", "density"])
def test_scikit_learn_finds_the_same_clusters_from_the_same_start(clusters, initial):
    """Values with heavy tails, as weights have; scikit-learn moves an empty cluster elsewhere, so none may be empty."""
    w = np.random.default_rng(clusters).uniform(-1, 1, 3000)
    start = first_codebook(w, clusters, initial)
    codebook, codes = cluster_weights(w, clusters, initial, iterations=1000, keep_zeros=False)
    theirs = KMeans(clusters, init=start[:, None], n_init=1, max_iter=1000, tol=0, algorithm="lloyd").fit(w[:, None])
    # Ours are rounded to float32: half a unit in the last place of numbers below 1 is 3e-8.
    np.testing.assert_allclose(codebook, np.sort(theirs.cluster_centers_.ravel()), atol=1e-6)
    # Thus an error differs by n × 3e-8² at most, besides the rounding of its sum.
    assert error(w, codebook, codes) == pytest.approx(theirs.inertia_, rel=1e-6)


@settings(max_examples=examples(200, 80), deadline=None)
@given(lattice, st.integers(1, 12), st.sampled_from(STARTS), st.integers(0, 99))
def test_each_weight_is_nearest_to_its_entry_and_each_entry_the_mean_of_its_weights(w, clusters, initial, seed):
    """The two halves of Lloyd's step; once nothing changes, both hold. 1000 steps suffice for 60 values."""
    codebook, codes = cluster_weights(w, clusters, initial, 1000, seed, keep_zeros=False)
    assert len(codebook) == min(clusters, len(np.unique(w)))
    assert (np.diff(codebook) > 0).all()
    distance = np.abs(w[:, None] - codebook)
    assert (distance[np.arange(len(w)), codes] <= distance.min(axis=1) + 1e-5).all()  # float32 means of numbers < 21
    for entry, value in enumerate(codebook):
        assert w[codes == entry].mean() == pytest.approx(value, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.float32, st.integers(1, 9), elements=st.integers(-20, 20).map(float)), st.integers(1, 4))
def test_no_division_into_intervals_is_better_than_some_start_finds(w, clusters):
    """Brute force over all divisions: a start may end in a worse one, never in a better one than there is."""
    ordered = np.sort(w).astype(float)
    cuts = itertools.combinations_with_replacement(range(len(w) + 1), clusters - 1)
    parts = ([p for p in np.split(ordered, cut) if len(p)] for cut in cuts)
    best = min(sum(((p - p.mean()) ** 2).sum() for p in division) for division in parts)
    found = [error(w, *cluster_weights(w, clusters, start, 1000, 0, keep_zeros=False)) for start in STARTS]
    assert min(found) >= best - 1e-6


@settings(max_examples=100, deadline=None)
@given(lattice, st.integers(1, 12))
def test_pruned_weights_stay_zero_and_others_do_not_become_pruned(w, clusters):
    codebook, codes = cluster_weights(w, clusters)
    assert codebook[0] == 0
    np.testing.assert_array_equal(codes == 0, w == 0)
    assert codes.shape == w.shape
    assert (codebook.dtype, codes.dtype) == (np.float32, np.uint8)
    others = w[w != 0]
    if len(others):
        alone, numbers = cluster_weights(others, clusters, keep_zeros=False)
        np.testing.assert_array_equal(codebook[1:], alone)
        np.testing.assert_array_equal(codes[w != 0], numbers + 1)


@settings(max_examples=100, deadline=None)
@given(lattice, st.integers(1, 12), st.sampled_from(STARTS))
def test_more_steps_are_never_worse(w, clusters, initial):
    """Each step of Lloyd lowers the error or leaves it, also where an empty cluster moves."""
    errors = [error(w, *cluster_weights(w, clusters, initial, n, keep_zeros=False)) for n in (1, 2, 5, 100)]
    assert all(b <= a + 1e-4 for a, b in itertools.pairwise(errors)), errors  # float32 means of 60 numbers < 21


def test_empty_clusters_move_to_where_the_error_is_largest():
    """An outlier leaves most of a linear start without a weight; such clusters would be bits for nothing."""
    w = np.concatenate([np.random.default_rng(0).normal(0, 0.01, 500), [1.0]])
    codebook, codes = cluster_weights(w, 16, "linear")
    assert np.bincount(codes, minlength=17)[1:].min() > 0
    assert len(codebook) == 17
    found = lloyd(np.array([0.0, 1.0, 10.0]), np.ones(3), np.array([0.0, 50.0, 60.0]), 5)
    assert found.tolist() == [0.0, 1.0, 10.0]


def test_starts_are_what_the_paper_describes():
    w = np.random.default_rng(0).normal(size=10_001)
    assert np.allclose(np.diff(first_codebook(w, 9, "linear")), np.ptp(w) / 8)
    shares = (w[:, None] < first_codebook(w, 10, "density")).mean(axis=0)
    np.testing.assert_allclose(shares, np.arange(0.05, 1, 0.1), atol=1 / len(w))
    first, again, other = (first_codebook(w, 5, "random", seed) for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()
    assert set(first) <= set(w)


@pytest.mark.parametrize(
    ("w", "arguments", "raised", "says"),
    [
        ([1, 2], {"clusters": 2}, TypeError, "int64"),
        (np.zeros(0), {"clusters": 2}, ValueError, r"shape \(0,\)"),
        ([[0.0, np.nan]], {"clusters": 2}, ValueError, r"w is nan at \(0, 1\)"),
        ([0.5], {"clusters": 0}, ValueError, "clusters is 0; expected an integer from 1 to 255"),
        ([0.5], {"clusters": 256}, ValueError, "from 1 to 255"),
        ([0.5], {"clusters": 257, "keep_zeros": False}, ValueError, "from 1 to 256"),
        ([0.5], {"clusters": 2.0}, ValueError, "clusters is 2.0"),
        ([0.5], {"clusters": 1, "iterations": 0}, ValueError, "iterations is 0"),
        ([0.5, 0.6, 0.7], {"clusters": 2, "initial": "kmeans++"}, ValueError, "'linear', 'density', 'random'"),
    ],
)
def test_what_can_not_be_clustered_is_named(w, arguments, raised, says):
    with pytest.raises(raised, match=says):
        cluster_weights(np.asarray(w), **arguments)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 9))
def test_the_gradient_of_a_codebook_is_that_of_differences(seed, entries):
    """The loss is a function of the codebook alone once codes are fixed; here a cubic one, by central differences."""
    rng = np.random.default_rng(seed)
    codes, a = rng.integers(0, entries, (4, 5)), rng.normal(size=(4, 5))
    codebook = rng.normal(size=entries)

    def loss(values):
        return (a * values[codes] ** 3).sum()

    dw = 3 * a * codebook[codes] ** 2
    h = 1e-5
    numeric = [(loss(codebook + step) - loss(codebook - step)) / (2 * h) for step in h * np.eye(entries)]
    # h² times the third derivative is 1e-9; rounding 1e-16 / h.
    np.testing.assert_allclose(codebook_gradient(dw, codes, entries, keep_zeros=False), numeric, atol=1e-6)
    assert codebook_gradient(dw, codes, entries).tolist()[0] == 0


def test_a_gradient_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"dw has shape \(2,\), codes \(3,\)"):
        codebook_gradient(np.zeros(2), np.zeros(3, int), 2)
    with pytest.raises(ValueError, match="codes run from 0 to 2; expected 0 to 1"):
        codebook_gradient(np.zeros(2), np.array([0, 2]), 2)
