"""Splits, batches, model inputs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelab import data

counts = st.lists(st.integers(1, 40), min_size=1, max_size=6)


@settings(deadline=None)
@given(counts=counts, fraction=st.floats(0.01, 0.99), seed=st.integers(0, 2**31))
def test_split_is_a_partition_and_stratified(counts, fraction, seed):
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    x = np.arange(len(y))
    x_a, y_a, x_b, y_b = data.split(x, y, fraction, seed)
    assert np.array_equal(np.sort(np.concatenate([x_a, x_b])), x), "each sample in exactly one part"
    assert np.array_equal(y[x_a], y_a), "labels stay with their samples"
    assert np.array_equal(y[x_b], y_b)
    assert np.all(np.diff(x_a) > 0), "order is kept"
    for label in set(y.tolist()):
        n, in_b = np.sum(y == label), np.sum(y_b == label)
        assert in_b == (0 if n == 1 else min(max(np.floor(n * fraction + 0.5), 1), n - 1))
    again = data.split(x, y, fraction, seed)
    assert all(np.array_equal(one, other) for one, other in zip((x_a, y_a, x_b, y_b), again, strict=True))


def test_split_rounds_each_class_to_the_nearest_count():
    y = np.repeat([0, 1, 2], [13, 14, 3])
    assert np.bincount(data.split(y, y, 0.2)[3]).tolist() == [3, 3, 1]


def test_split_depends_on_the_seed():
    y = np.zeros(100, int)
    assert data.split(y.cumsum(), y, 0.5, 0)[2].shape == (50,)
    assert not np.array_equal(data.split(np.arange(100), y, 0.5, 0)[2], data.split(np.arange(100), y, 0.5, 1)[2])


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 20, float("nan")])
def test_split_refuses_a_fraction_that_empties_a_part(fraction):
    with pytest.raises(ValueError, match="fraction is"):
        data.split(np.zeros((4, 2)), np.zeros(4), fraction)


@settings(deadline=None)
@given(n=st.integers(1, 60), size=st.integers(1, 70), seed=st.none() | st.integers(0, 2**31))
def test_batches_give_each_sample_once(n, size, seed):
    y = np.arange(n)
    parts = list(data.batches(y.reshape(n, 1) * 10, y, size, seed))
    assert [len(yb) for _, yb in parts] == [size] * (n // size) + [n % size] * (n % size > 0)
    order = np.concatenate([yb for _, yb in parts])
    assert np.array_equal(np.sort(order), y)
    assert np.array_equal(np.concatenate([xb for xb, _ in parts])[:, 0], order * 10), "images stay with their labels"
    if seed is None:
        assert np.array_equal(order, y)
    else:
        again = np.concatenate([yb for _, yb in data.batches(y, y, size, seed)])
        assert np.array_equal(order, again)


def test_batches_shuffle_and_copy():
    """A batch changed in place (augmentation) must not change the data."""
    y = np.arange(100)
    assert not np.array_equal(next(data.batches(y, y, 100, seed=0))[1], y)
    next(data.batches(y, y, 100))[1][:] = 7
    assert y[0] == 0


@pytest.mark.parametrize("size", [0, -1, 2.0, "8", None])
def test_batches_refuse_a_batch_size_at_once(size):
    """At the call, not at the first batch."""
    with pytest.raises(ValueError, match="batch_size is"):
        data.batches(np.zeros(3), np.zeros(3), size)


@pytest.mark.parametrize(("x", "y"), [((3, 2), (4,)), ((3, 2), (3, 1)), ((0, 2), (0,)), ((), (1,))])
def test_samples_and_labels_must_match(x, y):
    for function, argument in ((data.split, 0.5), (data.batches, 2)):
        with pytest.raises(ValueError, match=r"expected shapes \(n, …\) and \(n,\)"):
            function(np.zeros(x), np.zeros(y), argument)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((28, 28), (1, 28, 28, 1)),
        ((5, 28, 28), (5, 28, 28, 1)),
        ((0, 28, 28), (0, 28, 28, 1)),
        ((5, 9, 7, 3), (5, 9, 7, 3)),
        ((5, 9, 7, 1), (5, 9, 7, 1)),
    ],
)
def test_to_input_adds_axes_and_divides_by_255(shape, expected):
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    x = data.to_input(images)
    assert x.shape == expected
    assert x.dtype == np.float32
    assert np.array_equal(x.ravel(), images.ravel().astype(np.float32) / np.float32(255))


def test_to_input_covers_zero_to_one_exactly():
    assert data.to_input(np.array([[0, 255]], np.uint8)).ravel().tolist() == [0.0, 1.0]


@pytest.mark.parametrize("images", [np.zeros((28, 28), np.float32), np.zeros((28, 28), int), [[0, 255]], "digit.png"])
def test_to_input_refuses_what_is_not_uint8(images):
    """Images scaled twice are almost black and still give an answer."""
    with pytest.raises(TypeError, match="expected a uint8 array"):
        data.to_input(images)


@pytest.mark.parametrize("shape", [(), (784,), (480, 640, 3), (1, 28, 28, 2), (1, 1, 28, 28, 1)])
def test_to_input_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match="images have shape"):
        data.to_input(np.zeros(shape, np.uint8))
