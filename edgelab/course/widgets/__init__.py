"""Widgets: each function returns an `Explorer`, to be displayed; and the drawing pad."""

from edgelab.course.widgets.compress import sparsity_against_accuracy, temperature_in_distillation
from edgelab.course.widgets.device import cloud_or_edge
from edgelab.course.widgets.drawing_pad import DrawingPad, drawing, pen
from edgelab.course.widgets.explorer import Explorer, choice, log_slider, number_field, slider
from edgelab.course.widgets.layers import kernel_over_digit, receptive_field_by_layers, vanishing_gradient
from edgelab.course.widgets.light_networks import split_convolution
from edgelab.course.widgets.networks import activation_and_gradient, learning_rate_on_surface
from edgelab.course.widgets.quantize import bits_against_accuracy, scale_and_zero_point_on_weights
