"""edgelab.maths.offload: what a formula says of latency and backlog, an uplink that is followed bit by bit does."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelab.maths.offload import Budget, check_positive, cloud, edge


def watch(work: float, per_second: float, speed: float, seconds: float, tick: float) -> tuple[list[float], float]:
    """Follow a queue by the clock: each tick deals with speed * tick of the oldest work; nothing is divided.

    work: of one image, in bits or in MACs. Returns how long each image that was finished took, and the work done.
    """
    queue: list[list[float]] = []
    taken, done, took, now = 0, 0.0, [], 0.0
    while now < seconds:
        if now * per_second >= taken:
            queue.append([now, work])
            taken += 1
        left = speed * tick
        while queue and left > 0:
            part = min(left, queue[0][1])
            queue[0][1] -= part
            left -= part
            done += part
            if queue[0][1] <= 1e-9 * work:
                took.append(now + tick - queue.pop(0)[0])
        now += tick
    return took, done


LOADS = st.floats(0.05, 0.9) | st.floats(1.2, 4)
# Log-uniform sizes: from a byte a minute to gigabits.
SCALES = st.floats(-1, 6).map(lambda power: 10**power)


@settings(max_examples=40, deadline=None)
@given(work=SCALES, per_second=st.floats(0.5, 50), load=LOADS)
def test_latency_and_backlog_are_those_of_a_queue_that_is_watched(work, per_second, load):
    """Bits for bytes, a forgotten queue, or a wait that is counted although none waits: each shows here."""
    speed, tick = work * per_second / load, 1 / per_second / 200
    seconds = 60 / per_second  # sixty images
    took, done = watch(work, per_second, speed, seconds, tick)
    for budget, factor in (
        (cloud(work / 8, per_second, speed, 0.0, joules_per_bit=2e-3), 2e-3),
        (edge(work, per_second, speed, joules_per_mac=2e-3), 2e-3),
    ):
        assert budget.keeps_up == (load < 1)
        if load < 1:
            # An image is seen up to one tick after it was taken, and ends up to one tick early or late.
            assert budget.latency == pytest.approx(took[-1], abs=2 * tick)
            assert took[0] == pytest.approx(took[-1], abs=2 * tick), "no image waits for another"
        else:
            # Each image waits longer than the one before by what the queue grew: work/speed - 1/r a turn.
            growth = (1 - 1 / load) * load / per_second
            assert (took[-1] - took[0]) / (len(took) - 1) == pytest.approx(growth, abs=2 * tick)
            assert budget.latency == math.inf
        # The last of sixty images may be under way, and the clock may run a tick too long: 1/60 + 1/12,000.
        assert budget.watts * seconds == pytest.approx(done * factor, rel=0.02)


@given(image=SCALES, bit=SCALES, mac=SCALES, per_second=st.floats(0.1, 100))
def test_break_even_is_where_the_bits_cost_what_the_macs_cost(image, bit, mac, per_second):
    """Below 8B e_bit / e_mac multiply-accumulates an image the edge takes less power, above it more."""
    even = 8 * image * bit / mac
    sent = cloud(image, per_second, 1e15, 0.0, bit).watts
    assert edge(even, per_second, 1e30, mac).watts == pytest.approx(sent)
    assert edge(even * 0.99, per_second, 1e30, mac).watts < sent < edge(even * 1.01, per_second, 1e30, mac).watts


def test_what_leaves_is_counted_in_bytes_and_nothing_leaves_the_edge():
    """A day of one 784-byte digit a second, by hand: 784 * 86,400 bytes."""
    assert cloud(784, 1, 1e6, 0.0).bytes_per_day == 67_737_600
    assert edge(706_752, 1, 1e9).bytes_per_day == 0
    assert cloud(784, 1_000, 1_000, 0.0).bits_per_second == 1_000, "no more than the line carries"
    assert Budget(0.0, 0.0, 16.0, True).bytes_per_day == 172_800


def test_a_line_that_is_full_to_the_last_bit_still_keeps_up():
    """At exactly 1 the next image is taken in the moment in which the line is free."""
    assert cloud(125, 2, 2_000, 0.25) == Budget(0.75, 2_000 * 438.39e-9, 2_000.0, True)
    assert not cloud(126, 2, 2_000, 0.25).keeps_up
    assert edge(500, 2, 1_000).keeps_up
    assert not edge(501, 2, 1_000).keeps_up


def test_the_default_energies_are_those_of_the_sources():
    """Huang et al. 2012: 438.39 mW for each Mbit/s. Horowitz 2014: 70 pJ an instruction, four of them."""
    assert cloud(125_000, 1, 1e7, 0.0).watts == pytest.approx(0.43839)
    assert edge(1_000_000, 1, 1e9).watts == pytest.approx(4 * 70e-12 * 1e6)


CALLS = {
    "image_bytes": lambda value: cloud(value, 1, 1, 0),
    "images_per_second": lambda value: cloud(1, value, 1, 0),
    "uplink_bits_per_second": lambda value: cloud(1, 1, value, 0),
    "macs": lambda value: edge(value, 1, 1),
    "macs_per_second": lambda value: edge(1, 1, value),
}
OR_ZERO = {
    "round_trip_seconds": lambda value: cloud(1, 1, 1, value),
    "joules_per_bit": lambda value: cloud(1, 1, 1, 0, value),
    "joules_per_mac": lambda value: edge(1, 1, 1, value),
}


@pytest.mark.parametrize("name", [*CALLS, *OR_ZERO])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf, -math.inf])
def test_a_number_that_means_nothing_is_named(name, value):
    """NaN passes every comparison the wrong way round: the table would say that it keeps up."""
    expected = "above 0" if name in CALLS else "of at least 0"
    with pytest.raises(ValueError, match=rf"^{name} is {value!r}; expected a finite number {expected}$"):
        (CALLS | OR_ZERO)[name](value)


@pytest.mark.parametrize("name", CALLS)
def test_nothing_is_no_size_and_no_speed(name):
    with pytest.raises(ValueError, match=f"{name} is 0; "):
        CALLS[name](0)


def test_an_empty_round_trip_and_free_bits_are_fine():
    assert cloud(125, 1, 1_000, 0, 0) == Budget(1.0, 0.0, 1_000.0, True)
    assert edge(1, 1, 1, 0).watts == 0


def test_the_first_bad_value_is_named():
    check_positive(a=1, b=1e-300)
    with pytest.raises(ValueError, match="b is 0; expected a finite number above 0"):
        check_positive(a=1, b=0, c=-1)
