"""From a Keras model to a .tflite or .onnx: modes, labels, folding, a process of its own."""

from edgelab.shrink.convert.biases import (
    Bias,
    check_biases,
    float_biases,
    integer_biases,
    repair_biases,
    stated_biases,
    uneven_biases,
)
from edgelab.shrink.convert.child_process import convert_apart, describe_exit, run_apart, unchecked
from edgelab.shrink.convert.converter import (
    MODES,
    check_calibration,
    check_conversion,
    check_convertible,
    label_count,
    refuse_loops,
    repaired,
    to_tflite,
)
from edgelab.shrink.convert.folding import fold, fold_batch_norm
from edgelab.shrink.convert.fused_lstm import lstm_tflite
from edgelab.shrink.convert.moves import float_moves, move_integers
from edgelab.shrink.convert.onnx_export import (
    LAST,
    OnnxGraph,
    add_convolution,
    add_flatten,
    to_onnx,
    weight_or_default,
    window_attributes,
)
from edgelab.shrink.convert.whole_integer import (
    float_operators,
    fold_constants,
    for_all_kernels,
    repair_scales,
    scales_apart,
    warn_of_error,
    warn_of_float,
)
