"""Exercises of notebook 06."""

from edgelab.course.exercises.light_networks.costs import convolution_macs, inverted_residual_params, peak_values
from edgelab.course.exercises.light_networks.layers import classify, normalise_frozen, unshuffle
from edgelab.course.exercises.light_networks.search import halving_epochs, on_the_frontier

__all__ = [
    "classify",
    "convolution_macs",
    "halving_epochs",
    "inverted_residual_params",
    "normalise_frozen",
    "on_the_frontier",
    "peak_values",
    "unshuffle",
]
