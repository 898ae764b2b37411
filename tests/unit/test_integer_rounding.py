"""Bounds of fused activations, halves, vectors and what is left over of them; test_affine.py has the rules."""

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelab.infer.integer.rounding import (
    ROUNDINGS,
    activation_range,
    half_away,
    left_over,
    quantize_multiplier,
    requantize,
    requantizer,
)


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


@given(st.floats(-(2**30), 2**30, width=32) | st.integers(-1000, 1000).map(lambda k: k / 2))
def test_halves_go_away_from_zero(x):
    expected = Decimal(x).to_integral_value(ROUND_HALF_UP)  # the decimal module means away from zero by it
    assert half_away(np.float32([x])).tolist() == [float(expected)]


def test_vectors_are_counted_over_the_image_or_along_its_rows():
    """An image of 2 rows of 3: in vectors of 4 its last two values are left over, in rows all are."""
    assert left_over((7, 2, 3), 4).astype(int).tolist() == [[[0, 0, 0], [0, 1, 1]]]
    assert left_over((7, 2, 3), 2, row=3).astype(int).tolist() == [[[0, 0, 1], [0, 0, 1]]]
    assert left_over((7, 2, 3), 4, row=3).all()
    assert not left_over((7, 2, 3), 3).any()


@pytest.mark.parametrize("rule", ROUNDINGS)
def test_the_requantizer_of_an_output_is_requantize_within_its_activation(rule):
    """One scale for all channels or one for each; the bounds round as the rule does."""
    acc = np.arange(-40_000, 40_000, 7)[:11_421].reshape(-1, 9)
    for multiplier in (0.01, np.linspace(0.001, 0.1, 9)):
        low, high = activation_range(2, 0.4, 5, even=rule == "float32")
        expected = requantize(acc, *quantize_multiplier(multiplier), 5, low, high, rule)
        np.testing.assert_array_equal(requantizer(multiplier, rule, 0.4, 5, activation=2)(acc), expected)
