"""The integer engine: runs an int8 .tflite in NumPy alone, bit for bit as a runtime of your choice.

model.py is the forward pass. Each family of operators has a file with the arithmetic, the variants of each runtime, and
a table with a line for each operator. The roundings that families share are in rounding.py:

    products.py     CONV_2D  DEPTHWISE_CONV_2D  FULLY_CONNECTED
    pooling.py      AVERAGE_POOL_2D  MAX_POOL_2D  MEAN
    reductions.py   REDUCE_MAX  REDUCE_MIN
    resize.py       RESIZE_NEAREST_NEIGHBOR  RESIZE_BILINEAR
    elementwise.py  ADD  SUB  MUL  SQUARED_DIFFERENCE  MAXIMUM  MINIMUM
    activations.py  SOFTMAX  LOGISTIC  RELU  RELU6  RELU_N1_TO_1  RELU_0_TO_1
    tables.py       TANH  GELU  ELU  EXP  LOG  SQRT
    curves.py       HARD_SWISH  LEAKY_RELU  PRELU  ABS  RSQRT
    log_softmax.py  LOG_SOFTMAX
    scales.py       QUANTIZE  DEQUANTIZE
    shapes.py       RESHAPE  SQUEEZE  EXPAND_DIMS  PAD  TRANSPOSE  CONCATENATION
    moves.py        SLICE  STRIDED_SLICE  SPLIT  SPLIT_V  PACK  UNPACK  GATHER  TILE  BROADCAST_TO  REVERSE_V2
                    MIRROR_PAD  PADV2  SPACE_TO_DEPTH  DEPTH_TO_SPACE  ARG_MAX  ARG_MIN

operators.py joins the tables, place.py is an operator with its tensors, checks.py and concerns.py refuse what the
engine can't run.

x, a, b: int8 with the batch in front, images (n, height, width, channels). w: int8 as in the file: CONV_2D (outputs,
height, width, channels), DEPTHWISE_CONV_2D (1, height, width, outputs), FULLY_CONNECTED (outputs, inputs); bias b:
int32 (outputs,). acc: int32 sums. A tensor's real values are scale * (q - zero_point), scale float32.
"""

from edgelab.infer.integer.activations import (
    exp_fixed,
    logistic_fixed,
    logistic_table,
    newton_reciprocal,
    reciprocal_fixed,
    saturating,
    softmax_fixed,
    softmax_table,
)
from edgelab.infer.integer.checks import check_graph, check_inputs
from edgelab.infer.integer.concerns import fault
from edgelab.infer.integer.curves import (
    absolute,
    hard_swish,
    hard_swish_multipliers,
    leaky_relu,
    prelu,
    reciprocal_root,
    root_fixed,
)
from edgelab.infer.integer.elementwise import add_builtin, add_double, add_shift, squared_difference
from edgelab.infer.integer.fast_products import Window, in_blocks, raw_conv2d, raw_depthwise
from edgelab.infer.integer.fast_requantize import fast_requantizer, float_requantizer, proved
from edgelab.infer.integer.log_softmax import log_fixed, log_softmax_fixed, log_softmax_table
from edgelab.infer.integer.model import IntegerModel
from edgelab.infer.integer.moves import depth_to_space, space_to_depth, strided_index
from edgelab.infer.integer.operators import OPERATORS, RULES, STEPS, find_place, images_together, prepare
from edgelab.infer.integer.place import MISSING, Entry, Place, over_axis_0, tabulated
from edgelab.infer.integer.pooling import average_pool, max_pool, mean_builtin, mean_double, mean_float32
from edgelab.infer.integer.products import conv2d_sums, dense_sums, depthwise_sums, exact_float, group_count
from edgelab.infer.integer.resize import (
    bilinear_float32,
    bilinear_places,
    bilinear_shift,
    nearest_rows,
    nearest_rows_fixed,
)
from edgelab.infer.integer.rounding import (
    ROUNDINGS,
    activation_range,
    check_bounds,
    check_multiplier,
    half_away,
    high_product,
    left_over,
    quantize_multiplier,
    requantize,
    requantizer,
    rescale,
    rescale_in_vectors,
    shift_right,
)
from edgelab.infer.integer.scales import convert_8bit, dequantize_output, quantize_input
from edgelab.infer.integer.tables import elu, gelu, quantize_table, tanh_fixed
