"""The sums under convolutions and fully connected layers, against loops over pixels."""

import numpy as np
import pytest
from _int8 import random_int8

from edgelab.infer.integer.products import conv2d_sums, dense_sums, depthwise_sums, exact_float, group_count


@pytest.mark.parametrize("stride, dilation", [((1, 1), (1, 1)), ((2, 3), (1, 1)), ((1, 1), (2, 1))])
@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_sums_what_loops_sum(stride, dilation, groups):
    """Five loops over Python integers; the edge is real zero, which is the zero point."""
    rng = np.random.default_rng(0)
    x, w, b = random_int8(rng, 2, 6, 7, 4), random_int8(rng, 6, 3, 2, 4 // groups), rng.integers(-999, 999, 6)
    acc = conv2d_sums(x, w, b, -5, stride, "valid", dilation)
    assert acc.dtype == np.int32
    for n, row, column, k in np.ndindex(*acc.shape):
        first = k // (6 // groups) * (4 // groups)
        total = int(b[k])
        for i, j, c in np.ndindex(*w.shape[1:]):
            pixel = x[n, row * stride[0] + i * dilation[0], column * stride[1] + j * dilation[1], first + c]
            total += (int(pixel) + 5) * int(w[k, i, j, c])
        assert acc[n, row, column, k] == total
    same = conv2d_sums(x, w, b, -5, stride, "same", dilation)
    padded = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=-5)
    if stride == dilation == (1, 1):
        np.testing.assert_array_equal(same, conv2d_sums(padded, w, b, -5)[:, 1:-1, 2:-1])
    assert same.shape[1:3] == (-(-6 // stride[0]), -(-7 // stride[1]))


def test_depthwise_is_a_convolution_in_as_many_groups_as_channels():
    rng = np.random.default_rng(1)
    x, w, b = random_int8(rng, 3, 5, 5, 3), random_int8(rng, 1, 3, 3, 6), rng.integers(-999, 999, 6)
    grouped = conv2d_sums(x, w.transpose(3, 1, 2, 0), b, 7, (2, 1), "same")
    np.testing.assert_array_equal(depthwise_sums(x, w, b, 7, (2, 1), "same"), grouped)


def test_fully_connected_is_a_convolution_of_one_pixel():
    rng = np.random.default_rng(2)
    x, w, b = random_int8(rng, 3, 50), random_int8(rng, 8, 50), rng.integers(-999, 999, 8)
    np.testing.assert_array_equal(
        dense_sums(x, w, b, -128), conv2d_sums(x[:, None, None], w[:, None, None], b, -128)[:, 0, 0]
    )


@pytest.mark.parametrize("inputs", [1, 511, 513, 60_000])
def test_sums_are_exact_up_to_the_largest_there_are(inputs):
    """float32 would lose the last bits of the third, the reason why exact_float looks at the weights."""
    x, w = np.full((1, inputs), 127, np.int8), np.full((2, inputs), -128, np.int8)
    w[1, 0] = 1
    assert dense_sums(x, w, 0, -128).tolist() == [[-255 * 128 * inputs, -255 * 128 * (inputs - 1) + 255]]
    assert exact_float(w) is (np.float32 if inputs < 514 else np.float64)


def test_sums_beyond_32_bits_are_refused():
    with pytest.raises(ValueError, match="sums of products may reach 2,284,800,000; an accumulator of 32 bits"):
        dense_sums(np.zeros((1, 70_000), np.int8), np.full((1, 70_000), -128, np.int8), 0, 0)


def test_kernels_that_do_not_divide_the_channels_are_refused():
    """They would leave some channels out, or memory as it was found."""
    x = np.zeros((1, 4, 4, 4), np.int8)
    assert [group_count(x, np.zeros((4, 1, 1, depth))) for depth in (4, 2, 1)] == [1, 2, 4]
    for depth, outputs in ((3, 2), (5, 2), (2, 3)):
        with pytest.raises(ValueError, match="expected whole groups of both"):
            conv2d_sums(x, np.zeros((outputs, 1, 1, depth), np.int8), 0, 0)
    with pytest.raises(ValueError, match="6 kernels for 4 channels; expected a multiple"):
        depthwise_sums(x, np.zeros((1, 1, 1, 6), np.int8), 0, 0)


@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (1, 2), (2, 2)])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_depthwise_in_whole_rows_and_pixel_by_pixel(stride, padding):
    """Rows are taken as a whole where the stride is 1; dilation, two kernels a channel and extremes must not mix."""
    rng = np.random.default_rng(3)
    x, w, b = random_int8(rng, 2, 7, 9, 3), random_int8(rng, 1, 3, 2, 6), rng.integers(-999, 999, 6)
    x[0, :4], x[0, 4:], w[..., 0], w[..., 1] = -128, 127, -128, 127
    for zero_point, dilation in ((127, (1, 1)), (-128, (1, 1)), (4, (2, 3))):
        grouped = conv2d_sums(x, w.transpose(3, 1, 2, 0), b, zero_point, stride, padding, dilation)
        np.testing.assert_array_equal(depthwise_sums(x, w, b, zero_point, stride, padding, dilation), grouped)
