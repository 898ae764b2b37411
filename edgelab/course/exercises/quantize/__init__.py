"""Exercises of notebook 08."""

from edgelab.course.exercises.quantize.arithmetic import (
    products_that_fit,
    rounded_shift,
    straight_through,
    with_zeros_around,
)
from edgelab.course.exercises.quantize.ranges import bits_lost, bits_needed, depthwise_scales

__all__ = [
    "bits_lost",
    "bits_needed",
    "depthwise_scales",
    "products_that_fit",
    "rounded_shift",
    "straight_through",
    "with_zeros_around",
]
