"""Integer pooling against loops over pixels, and the runtimes' means against the real mean."""

import numpy as np
import pytest
from _int8 import random_int8, scales, zero_points
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelab.infer.integer.pooling import average_pool, max_pool, mean_builtin, mean_double, mean_float32


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_pooling_looks_at_the_image_only(padding):
    """With "same", what lies outside neither wins nor counts; halves of the mean go away from zero."""
    x = random_int8(np.random.default_rng(3), 2, 5, 7, 3)
    largest, mean = max_pool(x, (2, 3), (2, 2), padding), average_pool(x, (2, 3), (2, 2), padding)
    for n, row, column, c in np.ndindex(*largest.shape):
        # 5 rows in steps of 2 lack one below; 7 columns lack one on each side.
        top, left = row * 2, column * 2 - (padding == "same")
        pixels = x[n, top : top + 2, max(left, 0) : left + 3, c].astype(int)
        assert largest[n, row, column, c] == pixels.max()
        assert mean[n, row, column, c] == np.sign(pixels.sum()) * np.floor(abs(pixels.mean()) + 0.5)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), scales, zero_points, scales, zero_points)
def test_means_are_the_real_mean_to_a_step(seed, x_scale, x_zero_point, y_scale, y_zero_point):
    rng = np.random.default_rng(seed)
    x = random_int8(rng, 2, *rng.integers(1, 9, 2), 18)
    real = x_scale * (x.mean(axis=(1, 2), dtype=np.float64) - x_zero_point) / y_scale
    # Half a step of rounding; "double" rounds twice and cuts its mantissa off, "builtin" rounds the zero point apart.
    # Beside that, 31 or 24 bits of a number that may be 1,000 times the largest int8.
    slack = np.abs(x).max() * x_scale / y_scale * 2**-20
    assert np.abs(mean_double(x, x_scale, x_zero_point, y_scale) - real).max() <= 1 + slack
    assert np.abs(mean_builtin(x, x_scale, x_zero_point, y_scale) - real).max() <= 1.5 + slack
    float32 = mean_float32(x, x_scale, x_zero_point, y_scale, y_zero_point)
    assert np.abs(float32 - y_zero_point - real).max() <= 0.5 + slack + 1e-3
