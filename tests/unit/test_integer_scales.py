"""From float32 to int8 and back, and from one scale to another, as the runtimes' operators do it."""

import numpy as np
import pytest
from _int8 import INT8, scales, zero_points
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelab.infer.integer.scales import convert_8bit, dequantize_output, quantize_input


@settings(deadline=None, max_examples=60)
@given(scales, zero_points, st.floats(0.01, 50))
def test_a_change_of_scale_by_8_bits_is_off_by_as_much(scale, zero_point, ratio):
    """The ratio is known to 1/512, and values reach 255 of them: half a step more."""
    real = (INT8.astype(float) - zero_point) * ratio
    y = convert_8bit(INT8, np.float32(scale * ratio), zero_point, np.float32(scale))
    assert np.abs(y - real).max() <= 1 + np.abs(real).max() * 1e-6


@settings(deadline=None, max_examples=60)
@given(scales, zero_points)
def test_the_ends_quantize_and_come_back(scale, zero_point):
    for rule in ("exact", "vectors"):
        x = dequantize_output(INT8[None], scale, zero_point, rule)
        assert x.dtype == np.float32
        for way in ("away", "inverse", "inverse8"):
            np.testing.assert_array_equal(quantize_input(x, scale, zero_point, way), INT8[None])
    far = quantize_input(np.float32([-1e6, 1e6]), scale, zero_point, "away")
    assert far.tolist() == [-128, 127]


def test_what_is_left_over_of_a_vector_is_quantized_otherwise():
    """Found in LiteRT: halves go to even among the first 8 values of each image, and away from zero after them."""
    x = np.tile(np.float32([0.25, -0.25]), 10).reshape(2, 10)
    assert quantize_input(x, 0.5, 7, "inverse8").tolist() == [[7] * 8 + [8, 6]] * 2
    # In float32, 0.35 / 0.1 is just below 3.5, which is what a division in float32 would round it to.
    x = np.full((1, 9), 0.35, np.float32)
    assert quantize_input(x, 0.1, 0, "inverse8").tolist() == [[4] * 8 + [3]]
    assert quantize_input(x, 0.1, 0, "away").tolist() == [[4] * 9]


@pytest.mark.parametrize("rule", ["away", "inverse", "inverse8"])
def test_floats_that_no_kernel_quantizes_alike_are_refused(rule):
    """LiteRT gives -128 for 1e20 by some kernels and 127 by others, and for NaN either."""
    for wrong in (np.nan, np.inf, -np.inf, 1e20, -(2.0**31)):
        with pytest.raises(ValueError, match="expected numbers of less than 2\\^31 steps"):
            quantize_input(np.float32([[0, wrong]]), 1.0, 0, rule)
    assert quantize_input(np.float32([[2**31 - 128]]), 1.0, 127, rule).tolist() == [[127]]
