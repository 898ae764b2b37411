"""Latency, power and traffic of two ways to process images: on a server, or on the device that takes them."""

from __future__ import annotations

import math
from typing import NamedTuple


class Budget(NamedTuple):
    """The cost of processing a steady stream of images.

    latency: seconds from taking an image to its answer; inf where images arrive faster than they are processed.
    watts: power that the device needs for sending or computing. bits_per_second: traffic that leaves the device.
    keeps_up: whether images are processed as fast as they arrive.

    >>> Budget(latency=0.1, watts=0.5, bits_per_second=8, keeps_up=True).bytes_per_day
    86400.0
    """

    latency: float
    watts: float
    bits_per_second: float
    keeps_up: bool

    @property
    def bytes_per_day(self) -> float:
        """Bytes that leave the device in a day; 0 means that no image leaves it."""
        return self.bits_per_second / 8 * 86_400


def cloud(
    image_bytes: float,
    images_per_second: float,
    uplink_bits_per_second: float,
    round_trip_seconds: float,
    joules_per_bit: float = 438.39e-9,
) -> Budget:
    """Send every image to a server that needs no time itself: latency 8B/C + T, power 8Br e, while 8Br <= C.

    image_bytes: B. images_per_second: r, evenly spaced. uplink_bits_per_second: C. round_trip_seconds: T, of an empty
    message and its answer. joules_per_bit: e, by default that of LTE, 438.39 mW per Mbit/s (3G 868.98e-9, Wi-Fi
    283.17e-9: Huang et al. 2012, table 4, α_u). The radio's base power is left out, which favours the cloud. Raises
    ValueError naming an argument that is not a finite number above 0 (T and e may be 0).

    >>> round(cloud(3_000, 10, 1_000_000, 0.05).latency, 3)
    0.074
    """
    check_positive(image_bytes=image_bytes, images_per_second=images_per_second)
    check_positive(uplink_bits_per_second=uplink_bits_per_second)
    check_positive(or_zero=True, round_trip_seconds=round_trip_seconds, joules_per_bit=joules_per_bit)
    bits = 8 * image_bytes
    keeps_up = bits * images_per_second <= uplink_bits_per_second
    latency = bits / uplink_bits_per_second + round_trip_seconds if keeps_up else math.inf
    sent = min(bits * images_per_second, uplink_bits_per_second)
    return Budget(latency, sent * joules_per_bit, sent, keeps_up)


def edge(macs: float, images_per_second: float, macs_per_second: float, joules_per_mac: float = 280e-12) -> Budget:
    """Process every image on the device: latency M/F, power M r e, while M r <= F. No image leaves the device.

    macs: M, multiply-accumulates of one image. images_per_second: r. macs_per_second: F. joules_per_mac: e, by default
    four instructions of 70 pJ on a plain 45 nm processor; the arithmetic alone takes 0.3 pJ of that in 8 bits, 4.6 pJ
    in float32 (Horowitz 2014, figure 1.1.9). Raises ValueError naming an argument that is not a finite number above 0
    (e may be 0).

    >>> edge(700_000, 10, 7_000_000).latency
    0.1
    """
    check_positive(macs=macs, images_per_second=images_per_second, macs_per_second=macs_per_second)
    check_positive(or_zero=True, joules_per_mac=joules_per_mac)
    keeps_up = macs * images_per_second <= macs_per_second
    latency = macs / macs_per_second if keeps_up else math.inf
    computed = min(macs * images_per_second, macs_per_second)
    return Budget(latency, computed * joules_per_mac, 0.0, keeps_up)


def check_positive(or_zero: bool = False, **values: float) -> None:
    """Raise ValueError naming the first value that is not a finite number above 0.

    or_zero: allow 0 as well.

    >>> check_positive(metres=-1)
    Traceback (most recent call last):
    ValueError: metres is -1; expected a finite number above 0
    """
    for name, value in values.items():
        if not (0 < value < math.inf or (or_zero and value == 0)):
            raise ValueError(f"{name} is {value!r}; expected a finite number {'of at least' if or_zero else 'above'} 0")
