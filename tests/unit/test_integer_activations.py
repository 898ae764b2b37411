"""Softmax and sigmoid of int8 against the real ones, by tables and in integers alone."""

import numpy as np
from _int8 import INT8, random_int8, scales, zero_points
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelab.infer.integer.activations import (
    exp_fixed,
    logistic_fixed,
    logistic_table,
    newton_reciprocal,
    reciprocal_fixed,
    saturating,
    softmax_fixed,
    softmax_table,
)


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


def test_the_integer_reciprocal_is_the_real_one():
    """Its last bits go into every softmax, sigmoid and tanh by the rule "fixed"."""
    a = np.random.default_rng(0).integers(0, 2**31, 10_000)
    real = 2.0**30 / (1 + a / 2**31)
    assert np.abs(newton_reciprocal(a) - real).max() <= 4
    assert np.abs(reciprocal_fixed(a) - 2 * real).max() <= 8


def test_far_from_zero_a_curve_is_flat():
    """Where a step is wider than the curve, the multiplier would not fit: only the ends are left."""
    q = np.arange(-128, 128).astype(np.int8)
    for scale, middle in ((4.5, 0), (9.0, -128)):
        found = saturating(q, scale, 0, lambda *_: 1 / 0)
        assert found.tolist() == [-128] * 128 + [middle] + [127] * 127
    assert (
        saturating(q, 0.5, 10, lambda x, *_: 0 * x) == 0
    ).sum() == 29  # fewer than 15 steps from zero: real inputs below 7.5
