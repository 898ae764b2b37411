"""Quantization: integers with scale and zero point, calibration, files, errors layer by layer, and training."""

from edgelab.shrink.quantize.affine import (
    broadcast_qparams,
    check_channels,
    check_floats,
    check_integers,
    check_range,
    choose_channel_qparams,
    choose_qparams,
    dequantize,
    integer_range,
    quantize,
)
from edgelab.shrink.quantize.by_layer import LayerError, layer_errors, one_layer_errors, sqnr_db, table
from edgelab.shrink.quantize.post_training import layer_names, quantize_each, quantize_file, real_values, tensor_values
from edgelab.shrink.quantize.quantization_aware import (
    fake_quantize,
    fake_quantize_kernel,
    learn_ranges,
    moving_range,
    quantize_aware,
    rounded,
    to_tflite_qat,
)
from edgelab.shrink.quantize.quantizer_input import as_quantizer_input, float_graph
from edgelab.shrink.quantize.ranges import (
    check_values,
    entropy_range,
    merged_divergence,
    min_max_range,
    mse_range,
    percentile_range,
)
