"""The integer engine against LiteRT on networks that it was not written for."""

import numpy as np
import pytest
from _random_tflite import IMAGES, VECTORS, networks
from _tflite import RUNTIMES
from hypothesis import HealthCheck, given, settings

from edgelab.shrink.integer import IntegerModel
from edgelab.shrink.parity import runtime_outputs

# Building a network takes many draws, none of them large.
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])


def check(case) -> None:
    tflite, x = case
    for runtime in RUNTIMES:
        found, computed = runtime_outputs(tflite, x, runtime)[0], IntegerModel(tflite, runtime).run(x)
        np.testing.assert_array_equal(computed, found, err_msg=runtime)


@pytest.mark.parametrize("kind", IMAGES + VECTORS)
def test_each_operator(kind):
    """Strides, paddings, dilations, odd sizes, scales with exact halves, fused activations: 15 operators, 300 files."""

    @settings(CALM, max_examples=20)
    @given(networks(kind))
    def run(case):
        check(case)

    run()


@settings(CALM, max_examples=40)
@given(networks(layers=4))
def test_chains_of_operators(case):
    """Each reads what another made, and ADD, MUL and CONCATENATION what lies further back."""
    check(case)


@pytest.mark.slow
@pytest.mark.parametrize("kind", IMAGES + VECTORS)
def test_each_operator_many_times(kind):
    @settings(CALM, max_examples=400)
    @given(networks(kind, images=16))
    def run(case):
        check(case)

    run()


@pytest.mark.slow
@settings(CALM, max_examples=1000)
@given(networks(layers=6))
def test_long_chains_of_operators(case):
    check(case)
