"""The functions under the integer engine, against loops over pixels and against real arithmetic."""

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelab.infer.integer.elementwise import (
    add_builtin,
    add_double,
    add_shift,
    convert_8bit,
    dequantize_output,
    mean_builtin,
    mean_double,
    mean_float32,
    quantize_input,
)
from edgelab.infer.integer.kernels import (
    activation_range,
    average_pool,
    conv2d_sums,
    dense_sums,
    depthwise_sums,
    exact_float,
    max_pool,
)
from edgelab.infer.integer.rounding import half_away
from edgelab.infer.integer.softmax import (
    exp_fixed,
    logistic_fixed,
    logistic_table,
    reciprocal_fixed,
    softmax_fixed,
    softmax_table,
)

INT8 = np.arange(-128, 128).astype(np.int8)
# All pairs of int8, as two images of 256 by 256.
PAIRS = np.repeat(INT8, 256).reshape(1, 256, 256), np.tile(INT8, 256).reshape(1, 256, 256)
scales = st.floats(2**-10, 1.0, width=32)
zero_points = st.integers(-128, 127)


def random_int8(rng, *shape):
    return rng.integers(-128, 128, shape).astype(np.int8)


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
    for depth, outputs in ((3, 2), (5, 2), (2, 3)):
        with pytest.raises(ValueError, match="expected whole groups of both"):
            conv2d_sums(x, np.zeros((outputs, 1, 1, depth), np.int8), 0, 0)
    with pytest.raises(ValueError, match="6 kernels for 4 channels; expected a multiple"):
        depthwise_sums(x, np.zeros((1, 1, 1, 6), np.int8), 0, 0)


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


def test_fused_activations_cut_off_at_the_integers_of_their_bounds():
    assert activation_range(0, 0.1, 5) == (-128, 127)
    assert activation_range(1, 0.1, 5) == (5, 127)
    assert activation_range(2, 0.1, 5) == (-5, 15)
    assert activation_range(3, 0.1, 5) == (5, 65)
    assert activation_range(3, 0.001, 100) == (100, 127), "6 lies beyond int8"
    assert activation_range(2, 2.0, 5) == (4, 6), "halves away from zero"
    assert activation_range(2, 2.0, 5, even=True) == (4, 6)
    assert activation_range(2, 2.0, 4, even=True) == (4, 4), "XNNPACK: 3.5 and 4.5 to even"
    with pytest.raises(ValueError, match="fused activation 4 can't be run in integers"):
        activation_range(4, 0.1, 0)


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


@settings(deadline=None, max_examples=20)
@given(scales, zero_points, scales, zero_points, st.floats(0.3, 10))
def test_sums_are_the_real_sum_to_a_step_for_all_pairs(scale_a, zero_a, scale_b, zero_b, times):
    scale_y = max(scale_a, scale_b) * times
    a, b = PAIRS
    real = (scale_a * (a.astype(float) - zero_a) + scale_b * (b.astype(float) - zero_b)) / scale_y
    for add in (add_double, add_builtin, add_shift):
        y = add(a, b, (scale_a, scale_b, scale_y), (zero_a, zero_b))
        # Half a step; multipliers of 20 bits move sums of up to 1,700 steps by a hundredth.
        assert np.abs(y - real).max() <= 0.5 + 0.02, add


def test_the_optimised_addition_rounds_its_vectors_otherwise():
    """Found in LiteRT: the first 16 of 17 values are rounded once, the 17th twice."""
    a, b = np.full((1, 17), -125, np.int8), np.full((1, 17), 13, np.int8)
    given = a, b, np.float32([0.03, 0.05, 0.06]), (-9, 4)
    quick, exact = add_double(*given, "single")[0, 0], add_double(*given)[0, 0]
    assert quick != exact
    assert add_builtin(*given).tolist() == [[quick] * 16 + [exact]]
    row = np.full((1, 4, 17), -125, np.int8)
    assert add_builtin(row, b[:, None], *given[2:]).tolist() == [[[quick] * 16 + [exact]] * 4], "row by row"
    whole = add_builtin(row, np.full((1, 4, 17), 13, np.int8), *given[2:]).ravel()
    assert whole.tolist() == [quick] * 64 + [exact] * 4, "over the whole image"


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


@given(st.floats(-(2**30), 2**30, width=32) | st.integers(-1000, 1000).map(lambda k: k / 2))
def test_halves_go_away_from_zero(x):
    expected = Decimal(x).to_integral_value(ROUND_HALF_UP)  # the decimal module means away from zero by it
    assert half_away(np.float32([x])).tolist() == [float(expected)]


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


def test_the_optimised_addition_counts_its_vectors_by_what_broadcasts():
    """Found in LiteRT: rows of what both share, rows that one value meets, and the plain loops for all else."""
    rest = np.float32([0.03, 0.05, 0.06]), (-9, 4)
    quick, exact = (add_double(np.int8([-125]), np.int8([13]), *rest, first)[0] for first in ("single", "double"))
    floor = add_double(np.int8([-125]), np.int8([13]), *rest, "floor")[0]
    assert len({quick, exact}) == 2
    for shape_a, shape_b, row in (
        ((1, 4, 17), (1, 17), [quick] * 16 + [exact]),
        ((1, 4, 17), (1, 1, 17), [quick] * 16 + [exact]),
        ((1, 4, 17), (1, 4, 1), [floor] * 16 + [exact]),
        ((1, 4, 1), (1, 4, 17), [floor] * 16 + [exact]),
        ((1, 4, 17), (), [floor] * 64 + [exact] * 4),
        ((1, 4, 17), (1, 4, 17), [quick] * 64 + [exact] * 4),
        ((1, 4, 2, 17), (1, 1, 2, 17), [quick] * 32 + [exact] * 2),
        ((1, 4, 3, 17), (1, 1, 3, 1), [exact]),
    ):
        y = add_builtin(np.full(shape_a, -125, np.int8), np.full(shape_b, 13, np.int8), *rest).ravel()
        assert y.tolist() == row * (y.size // len(row)), (shape_a, shape_b)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.floats(2**-10, 2.0, width=32), st.integers(1, 40), st.sampled_from([0.5, 1.0]))
def test_softmax_is_the_real_one_to_a_step(seed, scale, classes, beta):
    """Shares of 1 in steps of 1/256, in integers alone or with a table."""
    q = random_int8(np.random.default_rng(seed), 20, classes)
    power = np.exp(beta * scale * (q.astype(float) - q.max(axis=-1, keepdims=True)))
    real = np.clip(power / power.sum(axis=-1, keepdims=True) * 256 - 128, -128, 127)
    for softmax in (softmax_table, softmax_fixed):
        y = softmax(q, scale, beta)
        assert y.dtype == np.int8
        # Half a step, and the errors of 31 bits and of float32, which are far smaller.
        assert np.abs(y - real).max() <= 0.51, softmax


@settings(deadline=None, max_examples=60)
@given(scales, zero_points)
def test_the_sigmoid_is_the_real_one_to_a_step(scale, zero_point):
    real = np.minimum(256 / (1 + np.exp(-scale * (INT8.astype(float) - zero_point))) - 128, 127)
    for rule in ("away", "even"):
        assert np.abs(logistic_table(INT8, scale, zero_point, rule) - real).max() <= 0.5 + 1e-4
    assert np.abs(logistic_fixed(INT8, scale, zero_point) - real).max() <= 0.51


def test_exponentials_and_reciprocals_of_integers():
    """To a few parts in 2^31 over their whole range, as the polynomial and three steps of Newton's method allow."""
    a = -np.concatenate([[0, 1], np.logspace(0, np.log10(2**31 - 1), 2_000).astype(np.int64)])
    for bits in (4, 5):
        assert np.abs(exp_fixed(a, bits) - np.exp(a / 2.0 ** (31 - bits)) * 2**31).max() < 2**31 * 1e-6
    b = np.linspace(0, 2**31 - 1, 2_000).astype(np.int64)
    assert np.abs(reciprocal_fixed(b) - 2**31 / (1 + b / 2**31)).max() < 2**31 * 1e-7
