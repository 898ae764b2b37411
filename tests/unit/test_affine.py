"""Affine quantization, its rounding rules in integers of any size, and the ranges that calibration chooses."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from _examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgelab.infer.integer.rounding import ROUNDINGS, check_bounds, check_multiplier, rescale_in_vectors
from edgelab.shrink.quantize.affine import (
    check_channels,
    check_floats,
    check_integers,
    check_range,
    choose_channel_qparams,
    choose_qparams,
    dequantize,
    high_product,
    integer_range,
    quantize,
    quantize_multiplier,
    requantize,
    rescale,
    shift_right,
)
from edgelab.shrink.quantize.ranges import entropy_range, min_max_range, mse_range, percentile_range

bits = st.integers(2, 16)
reals = st.floats(-1e6, 1e6, width=32)
int32 = st.integers(-(2**31), 2**31 - 1)


def half_up(x: Fraction) -> int:
    return floor(x + Fraction(1, 2))


def half_away(x: Fraction) -> int:
    return half_up(x) if x >= 0 else -half_up(-x)


# Scale and zero point.


@settings(deadline=None, max_examples=200)
@given(reals, reals, bits, st.booleans(), st.sampled_from([None, False, True]))
def test_zero_is_an_integer_and_the_range_is_covered(a, b, bits, symmetric, narrow):
    """A zero that isn't exact makes padding add something; a range cut short saturates what calibration saw."""
    low, high = min(a, b), max(a, b)
    scale, zero_point = choose_qparams(low, high, bits, symmetric, narrow)
    least, largest = integer_range(bits, symmetric if narrow is None else narrow)
    assert least <= zero_point <= largest
    assert scale > 0
    assert (zero_point == 0) or not symmetric
    assert dequantize(quantize(np.float32([0.0]), scale, zero_point, bits), scale, zero_point) == 0
    # The zero point is rounded, so both ends move by half a step at most; 1e-9 for the division in float64.
    reach = np.array([least - zero_point, largest - zero_point]) * scale
    assert reach[0] <= min(low, 0) + scale * (0.5 + 1e-9)
    assert reach[1] >= max(high, 0) - scale * (0.5 + 1e-9)


@settings(deadline=None, max_examples=200)
@given(hnp.arrays(np.float64, st.integers(1, 50), elements=st.floats(-1000, 1000)), bits, st.booleans())
def test_the_error_is_at_most_half_a_step_inside_the_range(x, bits, symmetric):
    scale, zero_point = choose_qparams(*min_max_range(x), bits, symmetric)
    error = np.abs(scale * (quantize(x, scale, zero_point, bits).astype(np.int64) - zero_point) - x)
    # Half a step more at the ends, where the nudged range may fall short by that and cut off; 1e-9: float64.
    assert (error <= scale * (1 + 1e-9)).all()
    inside = np.abs(x) <= min(-(integer_range(bits)[0] - zero_point), integer_range(bits)[1] - zero_point) * scale
    assert (error[inside] <= scale * (0.5 + 1e-9)).all()


def test_the_error_of_many_values_is_spread_evenly():
    """Its variance is scale²/12 (Bennett 1948): a rounding that only cuts off would have four times that square."""
    x = np.random.default_rng(0).uniform(-1, 1, 200_000)
    scale, zero_point = choose_qparams(-1, 1)
    error = dequantize(quantize(x, scale, zero_point), scale, zero_point) - x
    # 200,000 values: the variance of a uniform error is known to 0.2 % (1/sqrt(n) times sqrt(4/5)); five of those.
    assert np.isclose(error.var(), scale**2 / 12, rtol=0.01)
    assert abs(error.mean()) < 5 * scale / np.sqrt(12 * len(x))


def test_quantized_values_come_back_as_themselves():
    q = np.arange(-128, 128).astype(np.int8)
    for scale in (1e-6, 0.003, 1.0, 77.7):
        for zero_point in (-128, 0, 127):
            np.testing.assert_array_equal(quantize(dequantize(q, scale, zero_point), scale, zero_point), q)


def test_it_quantizes_as_tensorflow_lites_own_parameters_say():
    """What the file of a shipped model states for its input: a digit's 0 is -128, and its 255 is 127."""
    from edgelab.artifacts import shipped
    from edgelab.infer.tflite import read

    graph = read(shipped("small_cnn_int8"))
    x = graph.tensors[graph.inputs[0]]
    scale, zero_point = choose_qparams(0, 1)
    assert np.float32(scale) == x.scale[0]
    assert zero_point == x.zero_point[0]
    pixels = (np.arange(256) / 255).astype(np.float32)
    np.testing.assert_array_equal(quantize(pixels, x.scale, x.zero_point), np.arange(-128, 128))


def test_a_range_of_nothing_but_zero_has_scale_1():
    scale, zero_point = choose_qparams(np.array([0.0, -1.0]), np.array([0.0, 1.0]))
    assert (scale[0], zero_point[0]) == (1, 0)
    assert choose_qparams(0.0, 1e-44)[0] == 1, "float32 would call this scale 0"
    assert np.isfinite(choose_qparams(-1.7e308, 1.7e308)[0]), "the width of the range is infinite in float64"


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_channels_are_quantized_as_if_alone(axis):
    w = np.random.default_rng(0).normal(size=(3, 4, 5)) * np.arange(1, 6)
    scale, zero_point = choose_channel_qparams(w, axis)
    together = quantize(w, scale, zero_point, axis=axis)
    back = dequantize(together, scale, zero_point, axis=axis)
    for c in range(w.shape[axis]):
        alone = np.take(w, c, axis)
        np.testing.assert_array_equal(np.take(together, c, axis), quantize(alone, *choose_channel_qparams_of(alone)))
        np.testing.assert_array_equal(np.take(back, c, axis), dequantize(np.take(together, c, axis), scale[c]))
    assert np.abs(together).max() == 127


def choose_channel_qparams_of(w):
    return choose_qparams(-np.abs(w).max(), np.abs(w).max(), symmetric=True)


BAD = [
    (lambda: integer_range(1), "bits is 1; expected an integer from 2 to 16"),
    (lambda: integer_range(8.0), "bits is 8.0; expected an integer"),
    (lambda: choose_qparams(0, 1, bits=32), "bits is 32"),
    (lambda: choose_qparams(np.nan, 1), "expected finite numbers. Was there NaN"),
    (lambda: choose_qparams(0, np.inf), "expected finite numbers"),
    (lambda: choose_qparams(2, 1), "expected low <= high. Are they in the wrong order"),
    (lambda: choose_qparams(np.zeros(2), np.ones(3)), r"low has shape \(2,\) and high \(3,\)"),
    (lambda: choose_channel_qparams(np.ones((2, 3)), axis=2), r"axis is 2; w has shape \(2, 3\), so expected -2 to 1"),
    (lambda: choose_channel_qparams(np.ones((0, 3))), "there is no value"),
    (lambda: choose_channel_qparams(np.full((2, 3), np.nan)), "expected finite numbers"),
    (lambda: quantize(np.float32([np.nan]), 1.0), "holds NaN or infinity"),
    (lambda: quantize(np.float32([1]), 0.0), "scale is 0.0; expected positive numbers"),
    (lambda: quantize(np.float32([1]), -1.0), "expected positive numbers"),
    (lambda: quantize(np.float32([1]), np.nan), "expected positive numbers"),
    (lambda: quantize(np.float32([1]), 1.0, 128), "zero_point is 128; expected integers from -128 to 127"),
    (lambda: quantize(np.float32([1]), 1.0, 8, bits=4), "expected integers from -8 to 7"),
    (lambda: quantize(np.float32([1]), 1.0, 0.5), "zero_point is 0.5; expected integers"),
    (lambda: quantize(np.float32([1]), 1.0, bits=17), "bits is 17"),
    (lambda: quantize(np.float32([1, 2]), [1.0, 2.0]), "2 scales and 1 zero points: say along which axis"),
    (lambda: quantize(np.ones((2, 3)), [1.0, 2.0], axis=1), "has 3 channels"),
    (lambda: quantize(np.ones((2, 3)), [1.0, 2.0], axis=2), r"axis is 2; the array has shape \(2, 3\)"),
    (lambda: dequantize(np.int8([1]), 0.0), "expected positive numbers"),
    (lambda: dequantize(np.int8([1]), 1.0, 200), "expected integers from -128 to 127"),
    (lambda: quantize_multiplier(-0.1), "a multiplier is -0.1; expected 0 <= multiplier"),
    (lambda: quantize_multiplier([0.1, np.nan]), "a multiplier is nan"),
    (lambda: quantize_multiplier(np.inf), "a multiplier is inf"),
    (lambda: quantize_multiplier(2.0**31), "a multiplier is 2147483648.0"),
    (lambda: rescale(np.array([1]), 1, 0, "nearest"), "unknown rounding 'nearest'; the rules are: double"),
    (lambda: requantize(np.array([1]), 1, 0, 0, low=-129), "clipped to -129…127; expected bounds of int8"),
    (lambda: requantize(np.array([1]), 1, 0, 0, low=5, high=4), "clipped to 5…4"),
    (lambda: min_max_range(np.array([])), "there is no value in it"),
    (lambda: percentile_range(np.array([])), "there is no value in it"),
    (lambda: mse_range(np.array([])), "there is no value in it"),
    (lambda: entropy_range(np.array([])), "there is no value in it"),
    (lambda: min_max_range(np.array([1, np.nan])), r"first at \[1\]"),
    (lambda: percentile_range(np.ones(3), 0), "percent is 0; expected more than 0"),
    (lambda: percentile_range(np.ones(3), 101), "percent is 101"),
    (lambda: mse_range(np.ones(3), steps=0), "steps is 0; expected at least 1"),
    (lambda: mse_range(np.ones(3), bits=1), "bits is 1"),
    (lambda: entropy_range(np.ones(3), bins=100), "100 bins for 128 levels"),
]


@pytest.mark.parametrize("call, words", BAD, ids=[words[:40] for _, words in BAD])
def test_bad_input_is_named(call, words):
    """NumPy would return integers for all of these, and the accuracy would say so much later."""
    with pytest.raises(ValueError, match=words):
        call()


def test_a_wrong_type_is_named():
    with pytest.raises(TypeError, match="x is uint8; expected floats"):
        quantize(np.arange(3, dtype=np.uint8), 1.0)
    with pytest.raises(TypeError, match="q is float64; expected integers"):
        dequantize(np.ones(3), 1.0)


# Multipliers and rounding, against fractions of integers without a limit.


@settings(deadline=None, max_examples=examples(300, 100))
@given(st.floats(2.0**-32, 2.0**29))
def test_a_multiplier_keeps_31_bits(real):
    mantissa, shift = quantize_multiplier(real)
    assert 2**30 <= mantissa < 2**31
    # Half a step of the mantissa, relative to one of at least 2^30.
    assert abs(Fraction(int(mantissa)) * Fraction(2) ** (int(shift) - 31) / Fraction(real) - 1) <= Fraction(1, 2**31)


def test_multipliers_at_the_ends():
    """A fraction just below 1 rounds to 2^31, which int32 can't hold: TensorFlow Lite had that bug, and halves it."""
    mantissa, shift = quantize_multiplier([0.0, 1.0, np.nextafter(1, 0), 2.0**-33])
    assert mantissa.tolist() == [0, 2**30, 2**30, 0]
    assert shift.tolist() == [0, 1, 1, 0]
    assert mantissa.dtype == shift.dtype == np.int32
    assert rescale(np.array([7]), *quantize_multiplier(2.0**29), "single").tolist() == [7 * 2**29]


@settings(deadline=None, max_examples=examples(500, 150))
@given(st.integers(-(2**24), 2**24), st.integers(2**30, 2**31 - 1), st.integers(-31, 6))
def test_each_rule_is_what_its_name_says(acc, mantissa, shift):
    """Half a unit of the last bit decides one logit in a hundred; each rule puts it elsewhere."""
    exact = Fraction(acc * mantissa) * Fraction(2) ** (shift - 31)
    high, right = half_up(Fraction(acc * 2 ** max(shift, 0) * mantissa, 2**31)), 2 ** max(-shift, 0)
    expected = {
        "double": half_away(Fraction(high, right)),
        "single": half_up(exact),
        "builtin": half_up(Fraction(high, right)),
        "builtin8": half_away(Fraction(high, right)),  # one channel is no whole vector
        "builtin16": half_away(Fraction(high, right)),
    }
    given = np.array([acc]), np.int32(mantissa), np.int32(shift)
    for rule, value in expected.items():
        assert rescale(*given, rule).tolist() == [value], rule
    scale = np.float32(mantissa) * np.float32(2.0 ** (shift - 31))
    assert rescale(*given, "float32").tolist() == [np.rint(np.float32(acc) * scale)]
    assert {*expected, "float32"} == set(ROUNDINGS)
    # All agree with the real number to one step, as a rounding may: half a step, and half of a rounded half. float32
    # has 24 bits, so its product is off by a few parts in 2^24.
    for rule in ROUNDINGS:
        assert abs(Fraction(float(rescale(*given, rule)[0])) - exact) <= 1 + abs(exact) / 2**22, rule


@settings(deadline=None, max_examples=200)
@given(int32, st.integers(2**30, 2**31 - 1))
def test_the_high_product_rounds_halves_up(acc, mantissa):
    assert int(high_product(np.array(acc), np.int32(mantissa), np.int32(0))) == half_up(Fraction(acc * mantissa, 2**31))


def test_a_positive_shift_wraps_around_32_bits_as_in_the_runtimes():
    assert int(high_product(np.array(2**30), np.int32(2**30), np.int32(1))) == -(2**30)


@settings(deadline=None, max_examples=200)
@given(int32, st.integers(0, 31))
def test_a_shift_to_the_right_rounds_halves_away_from_zero(x, bits):
    assert int(shift_right(np.int64(x), bits)) == half_away(Fraction(x, 2**bits))


def test_vectors_of_channels_round_unlike_the_channels_left_over():
    """-6/4: up it is -1, away from zero -2."""
    acc = np.full((2, 19), -6)
    mantissa, shift = quantize_multiplier(np.full(19, 0.25))
    assert rescale(acc, mantissa, shift, "builtin8")[1].tolist() == [-1] * 16 + [-2] * 3
    assert rescale(acc, mantissa, shift, "builtin16")[1].tolist() == [-1] * 16 + [-2] * 3
    assert rescale(acc[:, :8], mantissa[:8], shift[:8], "builtin8")[1].tolist() == [-1] * 8
    assert rescale(acc[:, :8], mantissa[:8], shift[:8], "builtin16")[1].tolist() == [-2] * 8


@pytest.mark.parametrize("rule", ROUNDINGS)
def test_requantize_cuts_off_and_adds_the_zero_point(rule):
    """Also far outside of int8, where a cast alone would wrap around to a small number."""
    mantissa, shift = quantize_multiplier(1.0)
    acc = np.array([-(2**29), -200, -5, 0, 5, 200, 2**29])
    assert requantize(acc, mantissa, shift, 7, rule=rule).tolist() == [-128, -128, 2, 7, 12, 127, 127]
    assert requantize(acc, mantissa, shift, 7, low=7, high=10, rule=rule).tolist() == [7, 7, 7, 7, 10, 10, 10]
    assert requantize(acc, mantissa, shift, 7, rule=rule).dtype == np.int8


def test_channels_have_multipliers_of_their_own():
    mantissa, shift = quantize_multiplier([0.5, 0.25, 3.0])
    acc = np.full((2, 4, 4, 3), 16, np.int32)
    assert requantize(acc, mantissa, shift, 0, rule="single")[1, 2, 3].tolist() == [8, 4, 48]


# Ranges.


def test_each_range_keeps_what_it_promises():
    """On values as an activation has them, with one outlier that would cost min and max four of eight bits."""
    x = np.append(np.random.default_rng(0).normal(size=20_000), 50.0)
    assert min_max_range(x) == (x.min(), 50.0)
    low, high = percentile_range(x, 99.9)
    assert np.mean((x >= low) & (x <= high)) == pytest.approx(0.999, abs=1e-4)
    for bits in (4, 8):
        error = {name: mse(x[:-1], found(x, bits), bits) for name, found in CHOOSERS.items()}
        assert error["percentile"] < error["min_max"] / 5, "without the outlier itself"
        assert mse(x[:-1], entropy_range(x, bits), bits) < error["min_max"] / 5
        # Of the ranges that it tries, which shrink both ends alike: these are all of them.
        low, high = min_max_range(x)
        tried = [mse(x, (low * f, high * f), bits) for f in np.linspace(1, 0, 200, endpoint=False)]
        assert mse(x, CHOOSERS["mse"](x, bits), bits) == min(tried) < tried[0]


CHOOSERS = {
    "min_max": lambda x, bits: min_max_range(x),
    "percentile": lambda x, bits: percentile_range(x),
    "mse": lambda x, bits: mse_range(x, bits, steps=200),
    "entropy": lambda x, bits: entropy_range(x, bits, bins=512),
}


def mse(x, found, bits):
    scale, zero_point = choose_qparams(*found, bits)
    return np.mean((dequantize(quantize(x, scale, zero_point, bits), scale, zero_point) - x) ** 2)


@settings(deadline=None, max_examples=20)
@given(hnp.arrays(np.float64, st.integers(1, 40), elements=st.floats(-100, 100)))
def test_no_range_leaves_the_data(x):
    """A range wider than the data wastes integers; ReLU's zeros at the lower end are to stay the lower end."""
    for name, found in CHOOSERS.items():
        low, high = found(x, 4)
        # Zero is in every range of integers, if not in the data. Percentiles interpolate: the last bit may leave it.
        assert min(x.min(), 0) - 1e-9 <= low <= high <= max(x.max(), 0) + 1e-9, name
        if (x >= 0).all():
            assert low >= 0, name


def test_a_rectified_activation_keeps_its_zero():
    x = np.maximum(np.random.default_rng(0).normal(size=5_000), 0)
    for name, found in CHOOSERS.items():
        low, high = found(x, 8)
        assert low == 0, name
        assert 0 < high <= x.max(), name


def test_entropy_prefers_the_threshold_with_the_least_divergence():
    """Against the pseudocode of the talk, written out bin by bin."""
    x = np.random.default_rng(1).laplace(size=4_000)
    bins, levels = 512, 128
    counts, edges = np.histogram(np.abs(x), bins, (0, np.abs(x).max()))
    divergence = {}
    for i in range(levels, bins + 1):
        p = counts[:i].astype(float)
        p[i - 1] += counts[i:].sum()
        q = np.zeros(i)
        for level in range(levels):
            start, stop = level * i // levels, (level + 1) * i // levels
            used = [j for j in range(start, stop) if counts[j]]
            for j in used:
                q[j] = counts[start:stop].sum() / len(used)
        p, q = p / p.sum(), q / q.sum()
        with np.errstate(divide="ignore"):
            divergence[i] = sum(a * np.log(a / b) for a, b in zip(p, q, strict=True) if a)
    best = min(divergence, key=divergence.get)
    assert entropy_range(x, bins=bins) == (max(x.min(), -edges[best]), min(x.max(), edges[best]))


def test_checked_arrays_come_back_as_the_formulas_need_them():
    """The functions that refuse also convert: a list, or a range that lacks 0, would else go through the arithmetic."""
    assert [end.tolist() for end in check_range([1, -2], [3, -1])] == [[0.0, -2.0], [3.0, 0.0]]
    assert check_channels([[1.0, 2.0]], axis=-1).shape == (1, 2)
    assert check_floats([0.5]).dtype == np.float64
    q, (least, largest) = check_integers(np.arange(3, dtype=np.int16))
    assert (q.tolist(), least, largest) == ([0, 1, 2], -(2**15), 2**15 - 1)
    assert check_multiplier([0, 2**29]).dtype == np.float64
    assert check_bounds(-128, 127) is None


def test_each_vector_of_channels_rounds_as_a_whole():
    """Three lanes of five channels: -6/4 goes up to -1 in the vector, away from zero to -2 beside it."""
    mantissa, shift = quantize_multiplier(0.25)
    assert rescale_in_vectors(np.full((2, 5), -6), mantissa, shift, lanes=3).tolist() == [[-1, -1, -1, -2, -2]] * 2
