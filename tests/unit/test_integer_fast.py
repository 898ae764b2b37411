"""The engine's fast ways against its readable ones: equal for every sum, window, rule and zero point."""

import numpy as np
import pytest
from _int8 import random_int8, zero_points
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelab.artifacts import shipped
from edgelab.infer.integer.fast_products import BLOCK, Window, in_blocks, raw_conv2d, raw_depthwise
from edgelab.infer.integer.fast_requantize import fast_requantizer, float_requantizer, proved
from edgelab.infer.integer.model import IntegerModel
from edgelab.infer.integer.products import conv2d_sums, depthwise_sums, exact_float
from edgelab.infer.integer.rounding import ROUNDINGS, quantize_multiplier, requantize

CHANNELS = 11  # full vectors of 8 and some left over


def sums_to_try(rng, multiplier, offset, bound, zero_point):
    """Whole sums (many, CHANNELS) within the bound: at random, small, both ends, and around each step of the output."""
    steps = (np.arange(-129, 129)[:, None] - zero_point - 0.5) / np.maximum(multiplier, 1e-12) - offset
    near = [np.rint(steps) + i for i in range(-4, 5)]
    some = [rng.integers(-bound, bound + 1, (500, CHANNELS)), rng.integers(-300, 300, (500, CHANNELS))]
    return np.clip(np.concatenate([*near, *some, [-bound, bound]]), -bound, bound)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(ROUNDINGS),
    zero_points,
    st.sampled_from(["none", "relu", "narrow"]),
    st.integers(-34, 8),
    st.integers(1, 30),
)
def test_fast_requantization_is_requantization(seed, rule, zero_point, activation, power, bits):
    """A proof that let one wrong sum pass would change an output, in one model of many."""
    rng = np.random.default_rng(seed)
    multiplier = rng.choice([1.0, 0.5, 0.75, rng.uniform(0.5, 1), 0.0], CHANNELS, p=[0.1, 0.2, 0.2, 0.45, 0.05])
    multiplier *= 2.0**power
    mantissa, shift = quantize_multiplier(multiplier)
    bound = rng.integers(2 ** (bits - 1), 2**bits, CHANNELS)
    offset = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) + 1, CHANNELS)
    low, high = {"none": (-128, 127), "relu": (zero_point, 127), "narrow": (-7, 9)}[activation]
    fast = fast_requantizer(offset, bound, mantissa, shift, (zero_point, low, high), rule)
    sums = sums_to_try(rng, multiplier, offset, bound, zero_point)
    wanted = requantize((sums.astype(np.int64) + offset).astype(np.int32), mantissa, shift, zero_point, low, high, rule)
    for kind in (np.float32, np.float64) if bits <= 24 else (np.float64,):
        made = fast(sums.astype(kind))
        assert made.dtype == np.int8
        np.testing.assert_array_equal(made, wanted)


@pytest.mark.parametrize("rule", ["double", "builtin", "single", "float32"])
@pytest.mark.parametrize("low", [-128, -5])
def test_usual_layers_are_proved(rule, low):
    """A proof that always failed would give right answers, slowly."""
    rng = np.random.default_rng(1)
    mantissa, shift = quantize_multiplier(rng.uniform(2**-12, 2**-6, 64))
    fast = fast_requantizer(rng.integers(-999, 999, 64), np.full(64, 90_000), mantissa, shift, (-5, low, 127), rule)
    assert fast.__name__ != "exact"


@pytest.mark.parametrize("way, rule", [("up", "double"), ("up", "float32"), ("away", "builtin"), ("even", "single")])
def test_a_wrong_way_is_not_proved(way, rule):
    """Halves, and the second of two roundings, differ between the rules at a few sums of thousands."""
    mantissa, shift = quantize_multiplier(np.full(4, 0.25))
    offset, bound, clip = np.zeros(4, int), np.full(4, 5000), (3, -128, 127)

    def exact(sums):
        return requantize(sums.astype(np.int32), mantissa, shift, *clip, rule)

    fast = float_requantizer(offset, mantissa, shift, clip, rule, way)
    assert not proved(fast, exact, offset, bound, mantissa, shift, clip[0])
    assert proved(exact, exact, offset, bound, mantissa, shift, clip[0])
    assert not proved(exact, exact, offset, bound * 10**6, mantissa, shift, clip[0])  # beyond an accumulator's 32 bits


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=120, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.builds(Window, pairs, st.sampled_from(["valid", "same"]), pairs),
    pairs,
    zero_points,
    st.sampled_from([(1, 3, 2), (1, 1, 5), (2, 2, 4), (3, 1, 3), (1, 8, 4)]),
    st.integers(1, 3),
    st.sampled_from([8, 128]),
)
def test_fast_sums_are_the_readable_ones(seed, window, size, zero_point, shape, multiplier, largest):
    """Strides, paddings, dilations, groups, multipliers of depthwise convolutions; weights of 4 and 8 bits."""
    rng = np.random.default_rng(seed)
    groups, depth, outputs = shape
    x = random_int8(rng, 2, *rng.integers(7, 11, 2), groups * depth)
    w = rng.integers(-largest, largest, (outputs, *size, depth)).astype(np.int8)
    kind = exact_float(w)
    offset = -zero_point * w.reshape(outputs, -1).astype(int).sum(axis=1)
    raw = raw_conv2d(x, w.astype(kind), zero_point, window)
    assert raw.dtype == kind
    np.testing.assert_array_equal(raw + offset, conv2d_sums(x, w, 0, zero_point, *window))
    w = rng.integers(-largest, largest, (1, *size, x.shape[3] * multiplier)).astype(np.int8)
    raw = raw_depthwise(x, w.astype(np.float32), zero_point, window)
    offset = -zero_point * w.astype(int).sum(axis=(0, 1, 2))
    np.testing.assert_array_equal(raw + offset, depthwise_sums(x, w, 0, zero_point, *window))


@pytest.mark.parametrize("images", [1, 3, 7])
def test_blocks_of_images_are_put_together(images):
    """The last block is smaller; one image may be larger than a block."""
    x = np.arange(images * 2).reshape(images, 2)
    for values in (1, BLOCK // 3, BLOCK * 2):
        np.testing.assert_array_equal(in_blocks(np.negative, values)(x), -x)


def test_a_run_drops_what_no_operator_reads_again():
    """A deep network would keep all its tensors to the end; `tensors` must keep them."""
    model, x = IntegerModel(shipped("tiny_int8")), np.zeros((2, 28, 28, 1), np.int8)
    left, kept = model._through([x], keep=False), model.tensors(x)
    assert set(left) == set(model.graph.outputs)
    assert len(kept) > len(model.graph.operators)
    np.testing.assert_array_equal(model.run(x), kept[model.graph.outputs[0]])
