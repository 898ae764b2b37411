"""Integer functions of one value against the real ones, and against LiteRT where the rules part."""

import numpy as np
import pytest
from _int8 import INT8, scales, zero_points
from _tflite import RUNTIMES, File
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgelab.infer.integer.curves import (
    absolute,
    hard_swish,
    hard_swish_multipliers,
    leaky_relu,
    prelu,
    reciprocal_root,
    root_fixed,
)
from edgelab.infer.integer.model import IntegerModel
from edgelab.infer.integer.place import tabulated
from edgelab.infer.parity import runtime_outputs

ALL = INT8.astype(float)
ratios = st.floats(0.3, 10)


def one(kind, x, y, **options) -> bytes:
    """Write a .tflite of one operator. x, y: scale and zero point."""
    file = File()
    first, last = file.tensor((1, 1), *x), file.tensor((1, 1), *y)
    file.operator(kind, [first], [last], **options)
    return file.bytes([first], [last])


def quantized(real, scale, zero_point):
    return np.clip(real / scale + zero_point, -128, 127)


@settings(deadline=None, max_examples=60)
@given(scales, zero_points, ratios, zero_points)
def test_curves_are_the_real_ones_to_a_step(scale, zero_x, ratio, zero_y):
    """A slip in a shift or a sign is off by many steps; two roundings, the second of halves, by at most 3/4."""
    x, scale_y, zero_points = scale * (ALL - zero_x), scale * ratio, (zero_x, zero_y)
    real = quantized(np.where(x < 0, 0.1 * x, x), scale_y, zero_y)
    assert np.abs(leaky_relu(INT8, zero_points, (1 / ratio, 0.1 / ratio)) - real).max() <= 0.76
    # 8 bits after the point: 255 steps times half of 1/256.
    assert np.abs(leaky_relu(INT8, zero_points, (1 / ratio, 0.1 / ratio), "8bit") - real).max() <= 1.01
    real = quantized(np.where(x < 0, 0.1 * x, x), scale_y, zero_y)
    slopes = np.full(256, 10, np.int8)
    assert np.abs(prelu(INT8, slopes, (zero_x, 0, zero_y), (1 / ratio, 0.01 / ratio)) - real).max() <= 0.76
    assert np.abs(absolute(INT8, zero_points, 1 / ratio) - quantized(np.abs(x), scale_y, zero_y)).max() <= 0.76
    real = quantized(x * np.clip(x + 3, 0, 6) / 6, scale_y, zero_y)
    # The gate has 15 bits, and of a small x few of them are left: up to half a step more.
    assert np.abs(hard_swish(INT8, (scale, scale_y), zero_points) - real).max() <= 1


def test_hard_swish_multipliers_are_the_real_ones_in_16_bits():
    for x_scale, y_scale in ((0.1, 0.1), (0.004, 0.9), (2.0, 0.1)):
        (output, output_shift), (gate, gate_shift) = hard_swish_multipliers(x_scale, y_scale)
        assert abs(output * 2.0 ** (output_shift - 15) / (x_scale / 128 / y_scale) - 1) < 2**-14
        assert abs(gate * 2.0 ** (gate_shift - 15) / (x_scale / 128 / 3 * 32768) - 1) < 2**-14


def test_roots_are_the_real_ones():
    """Newton's method leaves one step more than rounding, at 2, 8 and 131 alone."""
    x = np.arange(1, 256)
    assert np.abs(root_fixed(x) - 2**20 / np.sqrt(x)).max() < 1.5
    for zero_point, multiplier in ((-128, 300.0), (-5, 1000.0)):
        q = INT8[INT8 >= zero_point]
        steps = q.astype(float) - zero_point
        real = np.where(steps == 0, 127, np.minimum(multiplier / np.sqrt(np.maximum(steps, 1)) - 100, 127))
        assert np.abs(reciprocal_root(q, (zero_point, -100), multiplier) - real).max() <= 0.76


def test_a_table_is_the_function_of_each_value():
    q = np.array([[[-128, 3], [127, -1]]], np.int8)
    assert tabulated(lambda q: q.astype(np.int16) * 2)(q.transpose(0, 2, 1)).tolist() == [[[-256, 254], [6, -2]]]


@pytest.mark.parametrize("kind", ["RELU", "RELU6", "RELU_0_TO_1", "ABS", "LEAKY_RELU"])
def test_litert_divides_scales_in_float32(kind):
    """Found in LiteRT: 0.21 / 0.14 is 1.5 in float32 and less in float64: half of all values were a step off."""
    options = {"alpha": 0.5} if kind == "LEAKY_RELU" else {}
    tflite = one(kind, (0.21, 0), (0.14, 0), **options)
    for runtime in RUNTIMES:
        y = IntegerModel(tflite, runtime).run(INT8[:, None])
        np.testing.assert_array_equal(y, runtime_outputs(tflite, INT8[:, None], runtime)[0], err_msg=runtime)
        if kind in ("RELU", "ABS") and runtime == "reference":
            assert (IntegerModel(tflite, "micro").run(INT8[:, None]) != y).mean() > 0.1, "in float64 it is another"


@pytest.mark.parametrize(
    "kind", ["HARD_SWISH", "ABS", "LEAKY_RELU", "RSQRT", "RELU", "RELU6", "RELU_0_TO_1", "LOGISTIC"]
)
@settings(deadline=None, max_examples=40)
@given(st.floats(-12, 4), st.floats(-6, 6), zero_points, zero_points)
@example(-5.0421972, -0.99210, 11, -103)  # a product of 16 bits at a half, one value of one table in ten thousand
def test_every_input_is_computed_as_by_litert(kind, scale, ratio, zero_x, zero_y):
    """Layers draw values, and meet few of a table: HARD_SWISH was a step off for one input of a MobileNetV3."""
    x = np.float32(2.0**scale), -128 if kind == "RSQRT" else zero_x
    y = (1 / 256, -128) if kind == "LOGISTIC" else (np.float32(2.0 ** (scale + ratio)), zero_y)
    tflite = one(kind, x, y, **({"alpha": 0.3} if kind == "LEAKY_RELU" else {}))
    for runtime in RUNTIMES:
        found = runtime_outputs(tflite, INT8[:, None], runtime)[0]
        np.testing.assert_array_equal(IntegerModel(tflite, runtime).run(INT8[:, None]), found, err_msg=runtime)


@pytest.mark.parametrize("slope", [0.0, 0.0038, 0.0040, 0.1, 0.5, 2.0, 200.0, -0.0038, -0.5])
@pytest.mark.parametrize("ratio", [2**-8.1, 2**-8, 0.1, 0.107, 128, 130])
def test_xnnpack_leaves_slopes_beyond_its_8_bits_to_other_kernels(ratio, slope):
    """Found in LiteRT, on both sides of each limit: what it leaves is rounded as by the optimised kernels."""
    tflite = one("LEAKY_RELU", (0.05 * ratio, 3), (0.05, -5), alpha=slope)
    for runtime in RUNTIMES:
        found = runtime_outputs(tflite, INT8[:, None], runtime)[0]
        np.testing.assert_array_equal(IntegerModel(tflite, runtime).run(INT8[:, None]), found, err_msg=runtime)
