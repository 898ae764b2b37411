"""The integer engine: an int8 .tflite in NumPy alone, bit for bit as the runtime of one's choice."""

from edgelab.infer.integer.elementwise import (
    add_builtin,
    add_double,
    add_shift,
    convert_8bit,
    dequantize_output,
    mean_builtin,
    mean_double,
    mean_float32,
    quantize_input,
)
from edgelab.infer.integer.kernels import (
    activation_range,
    average_pool,
    conv2d_sums,
    dense_sums,
    depthwise_sums,
    exact_float,
    max_pool,
)
from edgelab.infer.integer.model import IntegerModel, prepare
from edgelab.infer.integer.rounding import (
    ROUNDINGS,
    half_away,
    high_product,
    quantize_multiplier,
    requantize,
    rescale,
    shift_right,
)
from edgelab.infer.integer.rules import RULES
from edgelab.infer.integer.softmax import (
    exp_fixed,
    logistic_fixed,
    logistic_table,
    reciprocal_fixed,
    softmax_fixed,
    softmax_table,
)
from edgelab.infer.integer.steps import Place

__all__ = [
    "ROUNDINGS",
    "RULES",
    "IntegerModel",
    "Place",
    "activation_range",
    "add_builtin",
    "add_double",
    "add_shift",
    "average_pool",
    "conv2d_sums",
    "convert_8bit",
    "dense_sums",
    "depthwise_sums",
    "dequantize_output",
    "exact_float",
    "exp_fixed",
    "half_away",
    "high_product",
    "logistic_fixed",
    "logistic_table",
    "max_pool",
    "mean_builtin",
    "mean_double",
    "mean_float32",
    "prepare",
    "quantize_input",
    "quantize_multiplier",
    "reciprocal_fixed",
    "requantize",
    "rescale",
    "shift_right",
    "softmax_fixed",
    "softmax_table",
]
