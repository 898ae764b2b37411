"""Compound scaling against the published EfficientNets, and Keras' rounding of channels."""

import keras
import pytest
from _efficientnet import efficientnet
from hypothesis import given
from hypothesis import strategies as st

from edgelab.train.costs import shapes_only
from edgelab.train.networks.scaling import Scaling, compound_scaling, round_filters, round_repeats

# Width, depth and side of the image of B0 to B7: the reference implementation of Tan and Le 2019, and Keras.
PUBLISHED = [
    (1.0, 1.0, 224),
    (1.0, 1.1, 240),
    (1.1, 1.2, 260),
    (1.2, 1.4, 300),
    (1.4, 1.8, 380),
    (1.6, 2.2, 456),
    (1.8, 2.6, 528),
    (2.0, 3.1, 600),
]


@pytest.mark.parametrize(("b", "phi"), [(0, 0), (1, 0.5), (2, 1), (3, 2)])
def test_b0_to_b3_follow_the_rule(b, phi):
    """Published with one decimal, and with sides that suit the strides: 296 pixels of the rule became 300."""
    width, depth, side = PUBLISHED[b]
    scaling = compound_scaling(phi)
    assert (round(scaling.width, 1), round(scaling.depth, 1)) == (width, depth)
    assert 224 * scaling.resolution == pytest.approx(side, rel=0.02)


@pytest.mark.parametrize("b", [4, 5, 6, 7])
def test_from_b4_on_the_published_sizes_follow_it_roughly(b):
    """With phi equal to their number they have the width and side of the rule within 5 %, but up to 14 % less depth."""
    width, depth, side = PUBLISHED[b]
    scaling = compound_scaling(b)
    assert scaling.width == pytest.approx(width, rel=0.05)
    assert 224 * scaling.resolution == pytest.approx(side, rel=0.05)
    assert 0.86 < depth / scaling.depth < 0.9


def test_one_step_doubles_the_work():
    """Tan and Le 2019, eq. 3: alpha beta² gamma² is about 2 for the published factors."""
    scaling = compound_scaling(1)
    assert scaling == Scaling(width=1.1, depth=1.2, resolution=1.15)
    assert scaling.depth * scaling.width**2 * scaling.resolution**2 == pytest.approx(2, rel=0.05)


@given(st.floats(0, 8), st.floats(0, 8))
def test_steps_add_up(a, b):
    for one, other, both in zip(compound_scaling(a), compound_scaling(b), compound_scaling(a + b), strict=True):
        assert one * other == pytest.approx(both)


@given(st.integers(1, 2000), st.floats(0.1, 3), st.sampled_from([4, 8, 16]))
def test_channels_are_rounded_as_keras_does(filters, width, divisor):
    """MobileNetV2's rule in Keras has the scaled number as its argument."""
    rounded = round_filters(filters, width, divisor)
    assert rounded == keras.src.applications.mobilenet_v2._make_divisible(filters * width, divisor)
    assert rounded % divisor == 0
    assert rounded >= 0.9 * filters * width


@pytest.mark.parametrize(("b", "parameters"), [(1, 7_856_239), (2, 9_177_569), (3, 12_320_535)])
def test_scaled_networks_have_the_published_parameters(b, parameters):
    """Keras' counts hold seven numbers of its normalisation of the image: three means, three variances, one counter."""
    width, depth, _ = PUBLISHED[b]
    with shapes_only():
        model = efficientnet(width, depth, side=32)
    assert model.count_params() == parameters - 7


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: compound_scaling(1, alpha=0), "alpha is 0; expected a finite number above 0"),
        (lambda: compound_scaling(1, gamma=float("nan")), "gamma is nan; expected a finite number above 0"),
        (lambda: round_filters(0), "filters 0, width 1.0, divisor 8; expected positive numbers"),
        (lambda: round_filters(8, -1.0), "width -1.0"),
        (lambda: round_filters(8, divisor=0), "divisor 0"),
        (lambda: round_repeats(0), "repeats 0, depth 1.0; expected positive numbers"),
        (lambda: round_repeats(2, 0), "depth 0"),
    ],
)
def test_what_cannot_be_scaled_is_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()
