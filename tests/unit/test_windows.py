"""Where a kernel fits and what it sees: counted by hand, by Keras, and by changing pixels one at a time."""

import math

import numpy as np
import pytest
from _examples import examples
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from edgelab.maths.windows import add_windows, check_axis, margins, output_size, pair, receptive_field, windows

ENOUGH = settings(max_examples=examples(200, 50), deadline=None)
AXIS = {
    "size": st.integers(1, 40),
    "kernel": st.integers(1, 7),
    "stride": st.integers(1, 5),
    "padding": st.sampled_from(["valid", "same"]),
    "dilation": st.integers(1, 4),
}


@st.composite
def geometries(draw):
    """An image's shape, and keywords of a window that fits into it; both axes are drawn on their own."""
    padding = draw(st.sampled_from(["valid", "same"]))
    size, stride, dilation = (tuple(draw(st.integers(1, most)) for _ in "hw") for most in (4, 4, 3))
    least = [(size[a] - 1) * dilation[a] + 1 if padding == "valid" else 1 for a in (0, 1)]
    height, width = (least[a] + draw(st.integers(0, 8)) for a in (0, 1))
    shape = (draw(st.integers(0, 3)), height, width, draw(st.integers(1, 3)))
    return shape, size, {"stride": stride, "padding": padding, "dilation": dilation}


@given(**AXIS)
@example(size=7, kernel=3, stride=2, padding="valid", dilation=1)
@example(size=8, kernel=3, stride=2, padding="same", dilation=1)  # one pixel of padding, the last
@example(size=10, kernel=4, stride=3, padding="valid", dilation=2)
@example(size=10, kernel=4, stride=3, padding="same", dilation=2)
@example(size=5, kernel=1, stride=3, padding="same", dilation=4)  # a stride larger than the kernel
@example(size=1, kernel=7, stride=1, padding="same", dilation=1)
@ENOUGH
def test_output_size_counts_the_places_one_by_one(size, kernel, stride, padding, dilation):
    """The formula's floor and ceiling, against putting the kernel down and looking whether it is still inside."""
    before, after = margins(size, kernel, stride, "same", dilation) if padding == "same" else (0, 0)
    last = size + before + after - (kernel - 1) * dilation - 1
    places = len(range(0, last + 1, stride))
    assume(places > 0)
    assert output_size(size, kernel, stride, padding, dilation) == places


@given(**AXIS)
@example(size=7, kernel=3, stride=2, padding="valid", dilation=1)
@example(size=8, kernel=3, stride=2, padding="same", dilation=1)  # one pixel of padding, the last
@example(size=10, kernel=4, stride=3, padding="valid", dilation=2)
@example(size=10, kernel=4, stride=3, padding="same", dilation=2)
@example(size=5, kernel=1, stride=3, padding="same", dilation=4)  # a stride larger than the kernel
@example(size=1, kernel=7, stride=1, padding="same", dilation=1)
@ENOUGH
def test_same_pads_no_more_than_needed_and_the_odd_pixel_last(size, kernel, stride, padding, dilation):
    """Padding symmetrically shifts a strided network by a pixel, which costs accuracy and raises nothing."""
    before, after = margins(size, kernel, stride, "same", dilation)
    assert 0 <= after - before <= 1
    assert output_size(size, kernel, stride, "same", dilation) == math.ceil(size / stride)
    if before + after:
        ends = (math.ceil(size / stride) - 1) * stride + (kernel - 1) * dilation
        assert ends == size + before + after - 1


def test_valid_pads_nothing_and_still_says_what_does_not_fit():
    assert margins(28, 3, 2, "valid", 2) == (0, 0)
    with pytest.raises(ValueError, match="spans 5 pixels, the image has 4"):
        margins(4, 5)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"size": 4, "kernel": 5}, "kernel of 5 with dilation 1 spans 5 pixels, the image has 4: it fits nowhere"),
        ({"size": 4, "kernel": 3, "dilation": 2}, "kernel of 3 with dilation 2 spans 5 pixels, the image has 4"),
        ({"size": 4, "kernel": 3, "stride": 0}, "stride is 0; expected at least 1"),
        ({"size": 4, "kernel": 3, "dilation": -1}, "dilation is -1; expected at least 1"),
        ({"size": 0, "kernel": 3, "padding": "same"}, "size is 0; expected at least 1"),
        ({"size": 4, "kernel": 0}, "kernel is 0; expected at least 1"),
        ({"size": 4, "kernel": 3, "padding": "SAME"}, "padding is 'SAME'; expected 'valid' or 'same'"),
        ({"size": 4, "kernel": 3, "padding": 1}, "padding is 1; expected 'valid' or 'same'"),
    ],
)
def test_what_does_not_fit_is_named(arguments, says):
    with pytest.raises(ValueError, match=says):
        output_size(**arguments)
    with pytest.raises(ValueError, match=says):
        check_axis(**{"stride": 1, "padding": "valid", "dilation": 1, **arguments})


@pytest.mark.parametrize("value", [2.0, "2", (1, 2, 3), (1,), None, (1, 1.5)])
def test_a_pair_is_two_integers(value):
    """A stride of 2.0 from a computed size would fail deep inside a slice, without its name."""
    with pytest.raises(ValueError, match="stride is .*; expected an integer, or a pair"):
        pair(value, "stride")


def test_pairs_may_be_numpy_integers_and_no_less_than_one():
    assert pair(np.int64(3)) == (3, 3)
    assert pair(np.array([1, 2])) == (1, 2)
    with pytest.raises(ValueError, match=r"dilation is \(1, 0\); expected at least 1"):
        pair((1, 0), "dilation")


@given(geometries(), st.integers(0, 2**32 - 1))
@example(((2, 8, 11, 3), (3, 4), {"stride": (2, 3), "padding": "same", "dilation": (1, 2)}), 0)
@example(((1, 10, 9, 2), (4, 2), {"stride": (3, 2), "padding": "valid", "dilation": (2, 3)}), 1)
@example(((3, 1, 2, 1), (3, 4), {"stride": (1, 1), "padding": "same", "dilation": (3, 2)}), 2)
@example(((0, 5, 5, 1), (2, 2), {"stride": (1, 1), "padding": "valid", "dilation": (1, 1)}), 3)
@ENOUGH
def test_windows_hold_the_pixels_that_their_indices_say(geometry, seed):
    """Each element looked up in the padded image by its own arithmetic."""
    shape, size, keywords = geometry
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    view = windows(x, size, **keywords, fill=7.0)
    (sh, sw), (dh, dw) = keywords["stride"], keywords["dilation"]
    top = margins(shape[1], size[0], sh, keywords["padding"], dh)[0]
    left = margins(shape[2], size[1], sw, keywords["padding"], dw)[0]
    for _ in range(20 if view.size else 0):
        n, p, q, i, j, c = (int(rng.integers(axis)) for axis in view.shape)
        row, column = p * sh + i * dh - top, q * sw + j * dw - left
        inside = 0 <= row < shape[1] and 0 <= column < shape[2]
        assert view[n, p, q, i, j, c] == (x[n, row, column, c] if inside else 7.0)


@given(geometries(), st.integers(0, 2**32 - 1))
@example(((2, 8, 11, 3), (3, 4), {"stride": (2, 3), "padding": "same", "dilation": (1, 2)}), 0)
@example(((1, 10, 9, 2), (4, 2), {"stride": (3, 2), "padding": "valid", "dilation": (2, 3)}), 1)
@example(((3, 1, 2, 1), (3, 4), {"stride": (1, 1), "padding": "same", "dilation": (3, 2)}), 2)
@example(((0, 5, 5, 1), (2, 2), {"stride": (1, 1), "padding": "valid", "dilation": (1, 1)}), 3)
@ENOUGH
def test_adding_is_the_transpose_of_taking_windows(geometry, seed):
    """<windows(x), v> = <x, add_windows(v)>: the definition of a gradient of a linear map, at every geometry."""
    shape, size, keywords = geometry
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    view = windows(x, size, **keywords)
    v = rng.normal(size=view.shape)
    back = add_windows(v, shape, **keywords)
    assert back.shape == shape
    # Sums of at most 3e4 products of size 1: rounding stays below 1e-16 * 3e4 * a few.
    assert np.vdot(view, v) == pytest.approx(np.vdot(x, back), rel=1e-9, abs=1e-9)


def test_windows_copy_nothing_and_cannot_be_written():
    """Writing into a window would change the image in up to nine places."""
    x = np.zeros((1, 5, 5, 1))
    view = windows(x, 3)
    assert np.shares_memory(view, x)
    assert not view.flags.writeable


def test_windows_of_one_image_say_what_is_missing():
    with pytest.raises(ValueError, match=r"x has shape \(5, 5, 1\); expected images .* One image: x\[None\]"):
        windows(np.zeros((5, 5, 1)), 3)


LAYERS = st.lists(
    st.tuples(st.sampled_from(["conv", "pool"]), st.integers(1, 4), st.integers(1, 2), st.integers(1, 3)),
    min_size=1,
    max_size=4,
)


@given(LAYERS)
@example([("conv", 3, 2, 1), ("conv", 4, 1, 3), ("pool", 2, 2, 1), ("conv", 3, 1, 2)])
@example([("pool", 3, 1, 1), ("pool", 4, 2, 1), ("conv", 1, 2, 1), ("conv", 2, 1, 2)])
@settings(max_examples=examples(60, 25), deadline=None)
def test_the_receptive_field_is_what_a_keras_network_sees(layers):
    """Change one input pixel at a time, and count those that reach an output; the next output tells the distance."""
    import keras
    import tensorflow as tf

    # A pooling has no dilation; where there is one, Keras wants stride 1.
    layers = [(k, s, 1 if kind == "pool" or s > 1 else d, kind) for kind, k, s, d in layers]
    field, step = receptive_field([layer[:3] for layer in layers])
    size = field + step  # just enough for two outputs
    y = tf.constant(np.concatenate([np.zeros((1, size)), np.eye(size)])[:, :, None, None])
    for kernel, stride, dilation, kind in layers:
        if kind == "pool":
            y = keras.ops.average_pool(y, (kernel, 1), (stride, 1))
        else:
            w = np.ones((kernel, 1, 1, 1))  # positive: contributions cannot cancel
            y = keras.ops.conv(y, w, stride, "valid", dilation_rate=(dilation, 1))
    y = y.numpy()[:, :, 0, 0]
    assert y.shape == (size + 1, 2)
    first, second = (np.flatnonzero(y[1:, i] != y[0, i]) for i in (0, 1))
    assert np.ptp(first) + 1 == field
    assert second[0] - first[0] == step


def test_a_layer_of_nothing_has_no_receptive_field():
    assert receptive_field([]) == (1, 1)
    with pytest.raises(ValueError, match=r"a layer is \(3, 0\); expected kernel, stride and dilation"):
        receptive_field([(3, 1), (3, 0)])
