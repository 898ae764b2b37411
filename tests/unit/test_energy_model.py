"""Energy of an inference: the figures of the source, the units, what is refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelab.maths.offload import edge
from edgelab.train.costs.counting import Cost, Row
from edgelab.train.costs.energy_model import Energy, energy, joules_per_byte, joules_per_mac

# Horowitz 2014, figure 1.1.9, in picojoules: product, sum; a 64-bit access.
PRODUCT_AND_SUM = {"int8": (0.2, 0.1), "int32": (3.1, 0.1), "float16": (1.1, 0.4), "float32": (3.7, 0.9)}
ACCESS = {"8 kB": 10, "32 kB": 20, "1 MB": 100, "DRAM": 1300}


@pytest.mark.parametrize("precision", PRODUCT_AND_SUM)
def test_a_mac_is_a_product_and_a_sum(precision):
    """A sum in the wrong type, or femtojoules for picojoules."""
    assert math.isclose(joules_per_mac(precision), sum(PRODUCT_AND_SUM[precision]) * 1e-12)


@pytest.mark.parametrize("memory", ACCESS)
def test_a_byte_is_an_eighth_of_an_access_of_64_bits(memory):
    """Energy of an access taken for that of a byte: eight times too much."""
    assert math.isclose(joules_per_byte(memory) * 8, ACCESS[memory] * 1e-12)


def test_the_defaults_are_int8_and_a_small_memory():
    assert math.isclose(energy(1, 0).total, joules_per_mac("int8"))
    assert math.isclose(energy(0, 1).total, joules_per_byte("32 kB"))


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_energy_is_additive(macs, moved):
    """Two memories are two estimates added up; that holds only while nothing is rounded or shared."""
    both, one, other = energy(macs, moved), energy(macs, 0), energy(0, moved)
    assert both == Energy(one.arithmetic, other.memory)
    assert math.isclose(both.total, one.total + other.total)


def test_a_whole_processor_uses_far_more():
    """The estimate is of the arithmetic alone; what a plain processor spends on a MAC is in maths.offload."""
    assert edge(1, 1, 1).watts > 500 * energy(1, 0).total


def test_a_cost_has_what_it_needs():
    """Weights once, activations as often as they are read or written, in the precision that is asked for."""
    cost = Cost("one", (Row("conv", "Conv2D", (2,), 12, 100, 10, 2, 48, 80, 40),), "float32")
    assert cost.bytes_moved() == 48 + 40
    assert cost.bytes_moved("int8") == 10 + 4 * 2 + 40 // 4
    assert math.isclose(energy(cost.macs, cost.bytes_moved("int8")).memory, 28 * joules_per_byte("32 kB"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"macs": -1, "bytes_moved": 0}, "macs is -1"),
        ({"macs": 0, "bytes_moved": math.nan}, "bytes_moved is nan"),
        ({"macs": 0, "bytes_moved": 0, "per_mac": math.inf}, "per_mac is inf"),
        ({"macs": 0, "bytes_moved": 0, "per_byte": -1e-12}, "per_byte is -1e-12"),
    ],
)
def test_what_is_no_amount_is_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        energy(**arguments)


def test_unknown_types_and_memories_name_the_known_ones():
    with pytest.raises(ValueError, match=r"'int4'; expected one of: int8, int32, float16, float32"):
        joules_per_mac("int4")
    with pytest.raises(ValueError, match=r"'2 MB'; expected one of: 8 kB, 32 kB, 1 MB, DRAM"):
        joules_per_byte("2 MB")
