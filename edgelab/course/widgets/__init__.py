"""All widgets of the course but the drawing pad: each function returns an `Explorer`, to be displayed."""

from edgelab.course.explorables.compress import sparsity_against_accuracy as sparsity_against_accuracy
from edgelab.course.explorables.compress import temperature_in_distillation as temperature_in_distillation
from edgelab.course.explorables.device import cloud_or_edge as cloud_or_edge
from edgelab.course.explorables.layers import kernel_over_digit as kernel_over_digit
from edgelab.course.explorables.layers import receptive_field_by_layers as receptive_field_by_layers
from edgelab.course.explorables.layers import vanishing_gradient as vanishing_gradient
from edgelab.course.explorables.light import split_convolution as split_convolution
from edgelab.course.explorables.networks import activation_and_gradient as activation_and_gradient
from edgelab.course.explorables.networks import learning_rate_on_surface as learning_rate_on_surface
from edgelab.course.explorables.quantize import bits_against_accuracy as bits_against_accuracy
from edgelab.course.explorables.quantize import scale_and_zero_point_on_weights as scale_and_zero_point_on_weights
from edgelab.course.explorer import Explorer as Explorer
