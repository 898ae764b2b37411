"""Moved images, compared with SciPy's resampling; the draws, their limits and their seeds."""

import numpy as np
import pytest
from _examples import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from edgelab.train.fitting.augmentation import Augment, augmented, warp

small = {"max_examples": examples(40, 15), "deadline": None}


def scipy_warp(image, rotation, scale, shear, right, down):
    """Move one image (h, w) about its centre by SciPy's matrix from output to input coordinates, (row, column)."""
    turn = np.array([[np.cos(rotation), -np.sin(rotation)], [np.sin(rotation), np.cos(rotation)]])  # of (row, column)
    lean = np.array([[1, 0], [shear, 1]])
    back = np.linalg.inv(scale * turn @ lean)
    centre = (np.array(image.shape) - 1) / 2
    shifted = centre - back @ (centre + np.array([down, right]))
    return ndimage.affine_transform(image, back, shifted, order=1, mode="grid-constant")


@settings(**small)
@given(
    st.floats(-3, 3), st.floats(0.5, 2), st.floats(-0.5, 0.5), st.floats(-4, 4), st.floats(-4, 4), st.integers(0, 99)
)
@example(0.7, 1.3, 0.2, 1.6, -2.3, 0)
@example(-2.1, 0.6, -0.4, -3.2, 0.5, 1)
def test_warp_equals_scipy(rotation, scale, shear, right, down, seed):
    image = np.random.default_rng(seed).random((9, 12)).astype(np.float32)
    ours = warp(image[None, ..., None], rotation, scale, shear, right, down)[0, ..., 0].numpy()
    theirs = scipy_warp(image.astype(float), rotation, scale, shear, right, down)
    # float32 coordinates up to 20 pixels are off by 2e-6 pixels, and neighbours differ by 1 at most.
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_moves_go_where_their_names_say():
    """A sign error would augment alike, and only mislead who shows one move."""
    image = np.zeros((1, 29, 29, 1), np.float32)
    image[0, 14, 24] = 1  # right of the centre

    def place(**move):
        return np.argwhere(warp(image, **move)[0, ..., 0].numpy() > 0.9).tolist()

    assert place() == [[14, 24]]
    assert place(rotation=np.pi / 2) == [[4, 14]], "counter-clockwise: from the right to the top"
    assert place(right=3) == [[14, 27]]
    assert place(down=3) == [[17, 24]]
    image = np.roll(image, (5, -10), axis=(1, 2))  # five below the centre
    assert place(shear=1.0) == [[19, 19]], "to the right for each pixel down"


@settings(**small)
@given(st.integers(0, 2**31), st.integers(0, 2**31))
def test_equal_seeds_move_alike_and_each_image_differently(one, two):
    images = np.zeros((8, 28, 28, 1), np.uint8)
    images[:, 8:20, 12:16] = 255
    first = augmented(images, Augment(), (one, two)).numpy()
    np.testing.assert_array_equal(first, augmented(images, Augment(), (one, two)).numpy())
    assert len({image.tobytes() for image in first}) == 8
    assert np.abs(first - augmented(images, Augment(), (one, two + 1)).numpy()).max() > 1


def test_moves_stay_within_their_limits_and_reach_them():
    images = np.zeros((4000, 21, 21, 1), np.uint8)
    images[:, 10, 10] = 200
    moved = augmented(images, Augment(rotation=0, scale=0, shear=0, shift=3.0), (1, 2)).numpy()[..., 0]
    total = moved.sum(axis=(1, 2))
    np.testing.assert_allclose(total, 200, rtol=1e-4)  # bilinear weights sum to 1; nothing left the image
    right = (moved.sum(axis=1) @ np.arange(21)) / total - 10
    down = (moved.sum(axis=2) @ np.arange(21)) / total - 10
    for shift in (right, down):
        assert 2.9 < shift.max() <= 3.001
        assert -3.001 <= shift.min() < -2.9
        assert abs(shift.mean()) < 0.1  # a standard error of 3 / √(3 · 4000) = 0.027, four of them
    assert abs(np.corrcoef(right, down)[0, 1]) < 0.1


def test_no_limits_change_nothing():
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 2)).astype(np.uint8)
    still = augmented(images, Augment(0, 0, 0, 0)).numpy()
    np.testing.assert_allclose(still, images, atol=1e-3)


@pytest.mark.parametrize("how", [Augment(rotation=-0.1), Augment(scale=1.0), Augment(shift=-1)])
def test_impossible_limits_are_named(how):
    with pytest.raises(ValueError, match="expected limits from 0 on, and scale below 1"):
        augmented(np.zeros((1, 8, 8, 1), np.uint8), how)


def test_images_without_channels_are_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 28, 28\); expected \(n, height, width, channels\)"):
        warp(np.zeros((2, 28, 28), np.uint8))
