"""What can be wrong with an operator of a graph: one function for each kind of fault, and which operator has which.

A list of what is allowed, not of what is forbidden: the families' files rely on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgelab.infer.integer.curves import hard_swish_multipliers
from edgelab.infer.integer.elementwise import ELEMENTWISE_OPERATORS
from edgelab.infer.integer.moves import MOVE_OPERATORS
from edgelab.infer.integer.place import MISSING, Entry, Place  # noqa: F401 (Entry for the example)
from edgelab.infer.integer.resize import bilinear_places
from edgelab.infer.tflite import PRODUCTS, Operator, Tensor  # noqa: F401 (Operator for the example)


def fault(p: Place) -> str | None:
    """Return what is wrong with an operator that the engine has, as the end of a sentence, or None.

    Raises KeyError, IndexError, TypeError or AttributeError where it lacks what it needs.

    >>> x = Tensor("x", (1, 3), "float32")
    >>> fault(Place("here", Operator("RELU", (0,), (0,), {}), (x,), (x,), "micro", Entry(lambda place: None)))[:33]
    "has 'x' in float32; expected int8"
    """
    concerns = (_computes, _types, _shapes, _scales, _kernel, *CONCERNS.get(p.kind, ()))
    return next((wrong for concern in concerns if (wrong := concern(p))), None)


# Each function returns what is wrong, or None. First those for every operator.


def _computed(p: Place) -> list[Tensor]:
    return [tensor for tensor in p.inputs if tensor is not None and tensor.data is None]


def _numbers(p: Place) -> list[Tensor]:
    """Return the computed inputs, the output, and constants that are added or multiplied."""
    return [*(p.inputs if p.kind in (*ELEMENTWISE_OPERATORS, "PRELU", "CONCATENATION") else _computed(p)), *p.outputs]


def _computes(p: Place) -> str | None:
    if not _computed(p):
        return (
            "reads constants alone, as in a float model that stores its weights in fewer bits; expected an int8 model. "
            'Convert the Keras model with edgelab.shrink.convert.to_tflite(model, "int8", calibration)'
        )


def _types(p: Place) -> str | None:
    numbers = _numbers(p)
    places = [(i, t) for i, t in enumerate(p.inputs) if any(t is n for n in numbers)]
    for number, tensor in places:
        if tensor.dtype in ("int32", "int64") and number not in p.entry.reads:
            return f"computes its input {number}, {tensor.name!r} in {tensor.dtype}; expected a constant there"
    allowed = [(t, p.entry.reads.get(number, ("int8",))) for number, t in places]
    for tensor, types in (*allowed, *((t, p.entry.makes) for t in p.outputs)):
        if tensor.dtype not in types:
            how = 'edgelab.shrink.convert.to_tflite(model, "int8", calibration)'
            return f"has {tensor.name!r} in {tensor.dtype}; expected {' or '.join(types)}. Convert the model with {how}"


def _shapes(p: Place) -> str | None:
    for tensor in (*_computed(p), *p.outputs):
        if min(tensor.shape, default=1) < 1:
            return (
                f"has {tensor.name!r} of shape {tensor.shape}; expected no size left open but the batch. "
                "Give the Keras model's Input its sizes and convert it again"
            )
        if math.prod(tensor.shape) > 2**28:
            return f"has {tensor.name!r} of shape {tensor.shape}; expected at most 2^28 values"
    if not p.y.shape and p.kind not in ("RESHAPE", "SQUEEZE"):
        return f"makes {p.y.name!r}, a single number without axes; expected at least one axis"


def _scales(p: Place) -> str | None:
    for tensor in (t for t in (p.inputs[0], *_numbers(p)) if t is not None and t.dtype == "int8"):
        if tensor.scale is None or len(tensor.scale) != 1:
            found = "no scale" if tensor.scale is None or not len(tensor.scale) else f"{len(tensor.scale)} scales"
            return f"has {found} for {tensor.name!r}; expected one. Convert the model again"
        scale, zero_point = p.affine(tensor)
        if not 0 < scale < np.inf or not -128 <= zero_point <= 127:
            return (
                f"has scale {scale} and zero point {zero_point} for {tensor.name!r}; expected a positive scale and a "
                "zero point of int8. Convert the model again"
            )


def _kernel(p: Place) -> str | None:
    if p.rule() == MISSING:
        names = {"reference": "LiteRT's reference kernels", "micro": "TensorFlow Lite Micro"}
        there = [
            runtime for runtime in ("reference", "builtin", "xnnpack", "micro") if getattr(p.entry, runtime) != MISSING
        ]
        return (
            f"has no int8 kernel in {names.get(p.kernels, p.kernels)}; {' and '.join(there)} have one. Choose one of "
            "these runtimes, or replace the layer"
        )


def _constants(p: Place) -> str | None:
    """Weights, bias, axes and margins must be constants."""
    for number, tensor in enumerate((*p.inputs, None)):
        if (tensor is None and number == 1) or (tensor is not None and tensor.data is None and number > 0):
            return f"computes its input {number}; expected a constant there"


def _weights(p: Place) -> str | None:
    weights, w, bias = p.inputs[1], p.inputs[1].data, p.inputs[2] if len(p.inputs) > 2 else None
    channels = w.shape[-1 if p.kind == "DEPTHWISE_CONV_2D" else 0]
    if weights.scale is None or len(weights.scale) not in (1, channels) or np.any(weights.zero_point):
        return "has weights without a scale, or with a zero point; expected scales and 0"
    if not (np.isfinite(weights.scale) & (weights.scale > 0)).all():
        return "has weights without a scale that is positive. Convert the model again"
    if w.dtype != np.int8:
        return f"has weights in {weights.dtype}; expected int8 or int4"
    if bias is not None and (bias.data.dtype != np.int32 or bias.data.shape != (channels,)):
        return f"has a bias in {bias.data.dtype} of shape {bias.data.shape}; expected int32, one a channel"


def _multiplier(p: Place) -> str | None:
    largest = (p.inputs[1].scale * p.affine(p.inputs[0])[0] / p.affine(p.y)[0]).max()
    if p.rule() == "float32" and largest >= 256:
        return f"has a multiplier of {largest:g}; XNNPACK takes them below 256 only. Give the output a larger scale"


def _fits_16_bits(p: Place) -> str | None:
    """The vectors of the optimised kernels have 16 bits here: larger values would wrap around."""
    (scale_a, _), (scale_b, _), (scale_y, _) = map(p.affine, (p.inputs[0], p.inputs[1], p.y))
    ratios = float(scale_a / scale_y), float(scale_b / scale_y)
    largest = 255 * sum(ratios) if p.kind == "ADD" else 255 * 255 * float(scale_a * scale_b / scale_y)
    if p.kernels == "builtin" and largest > 2**15 - 1 - 128:
        return (
            f"may reach {largest:,.0f} steps of its output, and LiteRT's optimised kernel wraps around at 16 bits, "
            "to a wrong number. Give the output a larger scale"
        )


def _small_enough(p: Place) -> str | None:
    """The kernels take multipliers of the common scale below 1 only."""
    (scale_a, _), (scale_b, _), (scale_y, _) = map(p.affine, (p.inputs[0], p.inputs[1], p.y))
    common = 2 * float(max(scale_a, scale_b))
    largest = common**2 / 2**14 if p.kind == "SQUARED_DIFFERENCE" else common / 2**20
    if scale_y <= largest:
        return f"has an output scale of {scale_y:g}; expected more than {largest:g}, which its inputs' scales require"
    if len(p.y.shape) > 5 and p.inputs[0].shape != p.inputs[1].shape:
        return f"makes {p.y.name!r} of {len(p.y.shape)} axes from inputs that broadcast; expected at most 5"


def _bends(p: Place) -> str | None:
    """The shifts of HARD_SWISH are of 16 bits."""
    (scale, _), (y_scale, _) = p.affine(p.inputs[0]), p.affine(p.y)
    (_, output), (_, gate) = hard_swish_multipliers(scale, y_scale)
    if not (-15 <= output <= 0 and -15 <= gate <= 15):
        return (
            f"has scales {scale:g} and {y_scale:g}; the kernels' shifts of 16 bits fit output scales from 1/128 to 256 "
            "times the input's. Calibrate and convert the model again"
        )


def _from_zero(p: Place) -> str | None:
    """The kernels stop at a value below zero, so the type must not hold one."""
    if p.affine(p.inputs[0])[1] != -128:
        return (
            f"may read values below zero (zero point {p.affine(p.inputs[0])[1]}), where the kernels stop; expected "
            "zero point -128. Put a ReLU in front of it"
        )


def _classes(p: Place) -> str | None:
    if p.rule() == "fixed" and p.inputs[0].shape[-1] > 4095:
        return f"is over {p.inputs[0].shape[-1]} classes; expected at most 4,095, whose sum fits into 12 bits"
    if not 0 <= p.operator.options.get("beta", 1) < 2**31:
        return f"has beta {p.operator.options['beta']}; expected a finite factor, 0 or more. Convert the model again"


def _pool_scale(p: Place) -> str | None:
    if p.affine(p.inputs[0]) != p.affine(p.y):
        return "changes scale or zero point; expected the same on both sides"
    (_, *image, channels), options = p.inputs[0].shape, p.operator.options
    rows, columns = options["filterHeight"], options["filterWidth"]
    # The windows' margins would take all memory, or their places without end, one after another.
    if (rows + image[0]) * (columns + image[1]) * channels > 2**28 or rows * columns > 2**18:
        return f"has windows of {rows} × {columns} on an image of {image[0]} × {image[1]}. Convert the model again"


def _same_scale(p: Place) -> str | None:
    """An operator that only moves values does not rescale them."""
    for tensor in p.inputs:
        if tensor is not None and tensor.dtype == "int8" and p.affine(tensor) != p.affine(p.y):
            return f"has {tensor.name!r} on another scale than its output; expected the same"


def _fixed_output(p: Place) -> str | None:
    """These have an output scale of their own, which the kernels don't read."""
    share, zero_point = {"TANH": (128, 0), "LOG_SOFTMAX": (16, 127)}.get(p.kind, (256, -128))
    scale, found = p.affine(p.y)
    if (scale, found) != (1 / share, zero_point):
        return f"makes values with scale {scale:g} and zero point {found}; expected 1/{share} and {zero_point}"


def _resized(p: Place) -> str | None:
    x, y, options = p.inputs[0].shape, p.y.shape, p.operator.options
    if len(x) != 4 or len(y) != 4 or [int(n) for n in np.ravel(p.inputs[1].data)] != list(y[1:3]):
        return f"resizes {x} to {y} by the sizes {p.inputs[1].data}; expected images, and the output's rows and columns"
    if options["alignCorners"] and options["halfPixelCenters"]:
        return "has alignCorners and halfPixelCenters; the runtimes take one of them at most. Convert the model again"
    if max(x[1:3]) >= 2**15:
        return f"resizes {x}; LiteRT counts rows and columns in 16 bits, expected less than {2**15:,}"
    if p.rule() == "shift":
        modes = bool(options["alignCorners"]), bool(options["halfPixelCenters"])
        if any(bilinear_places(n, m, *modes)[-1] >= n << 10 for n, m in zip(x[1:3], y[1:3], strict=True)):
            return f"resizes {x} to {y}, where steps of 1/1024 pixel miss the image. Resize in two stages"


def _reduced(p: Place) -> str | None:
    shape, axes = p.inputs[0].shape, [int(a) for a in np.ravel(p.inputs[1].data)]
    if not all(-len(shape) <= a < len(shape) for a in axes):
        return f"is over the axes {axes} of {shape}; expected each from {-len(shape)} to {len(shape) - 1}"


def _copies(p: Place) -> str | None:
    """LiteRT refuses to open the others on two scales."""
    if p.kind not in ("STRIDED_SLICE", "GATHER", "TILE", "BROADCAST_TO", "REVERSE_V2"):
        return _same_scale_of_all(p)
    return None


def _same_scale_of_all(p: Place) -> str | None:
    """As `_same_scale`, for each of several outputs."""
    x = next(t for t in p.inputs if t is not None and t.dtype == "int8")
    for tensor in (*p.inputs, *p.outputs):
        if tensor is not None and tensor.dtype == "int8" and p.affine(tensor) != p.affine(x):
            return f"has {tensor.name!r} on another scale than {x.name!r}; expected the same"


def _known(p: Place) -> str | None:
    """Axes, margins and numbers of pieces must be constants."""
    variable = {"GATHER": (0, 1), "SPLIT": (1,)}.get(p.kind, (0,))
    for number, tensor in enumerate(p.inputs):
        if p.kind != "PACK" and number not in variable and (tensor is None or tensor.data is None):
            return f"computes its input {number}; expected a constant there"
    if p.kind == "GATHER" and p.operator.options["batchDims"]:
        return f"gathers with {p.operator.options['batchDims']} batch axes; expected 0"
    if p.kind in ("SPACE_TO_DEPTH", "DEPTH_TO_SPACE") and len(p.y.shape) != 4:
        return f"moves blocks of {p.inputs[0].shape}; expected 4 axes"
    if p.kind == "STRIDED_SLICE" and 0 in np.ravel(p.inputs[3].data):
        return "has a stride of 0; expected another number"


def _places_type(p: Place) -> str | None:
    if p.kernels == "micro" and p.y.dtype != "int32":
        return (
            f"makes {p.y.name!r} in {p.y.dtype}; TensorFlow Lite Micro makes int32 only. Give it output_type=tf.int32"
        )


def _axes_fit(p: Place) -> str | None:
    """A mean is over rows and columns; what is joined has as many images."""
    shape = p.inputs[0].shape
    if p.kind == "MEAN":
        axes = {int(a) % len(shape) for a in np.ravel(p.inputs[1].data)}
        if len(shape) != 4 or axes != {1, 2}:
            return f"is over the axes {sorted(axes)} of {shape}; expected rows and columns: 1 and 2"
    elif p.kind == "CONCATENATION":
        wrong = [t for t in p.inputs if t is None or len(t.shape) != len(p.y.shape)]
        if wrong:
            return "joins tensors of different ranks; expected as many axes in each"


CONCERNS: dict[str, tuple[Callable[[Place], str | None], ...]] = {
    **dict.fromkeys(PRODUCTS, (_constants, _weights, _multiplier)),
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), (_pool_scale,)),
    "ADD": (_fits_16_bits, _small_enough),
    "MUL": (_fits_16_bits,),
    **dict.fromkeys(("SUB", "SQUARED_DIFFERENCE"), (_small_enough,)),
    **dict.fromkeys(("MAXIMUM", "MINIMUM"), (_same_scale,)),
    "HARD_SWISH": (_bends,),
    **dict.fromkeys(("SQRT", "RSQRT"), (_from_zero,)),
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), (_same_scale,)),
    **dict.fromkeys(("SOFTMAX", "LOG_SOFTMAX"), (_fixed_output, _classes)),
    **dict.fromkeys(("LOGISTIC", "TANH"), (_fixed_output,)),
    "MEAN": (_constants, _axes_fit),
    "PAD": (_same_scale, _constants),
    "TRANSPOSE": (_same_scale, _constants),
    **dict.fromkeys(("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR"), (_same_scale, _constants, _resized)),
    **dict.fromkeys(("REDUCE_MAX", "REDUCE_MIN"), (_same_scale, _constants, _reduced)),
    "CONCATENATION": (_same_scale, _axes_fit),
    **dict.fromkeys(MOVE_OPERATORS, (_known, _copies)),
    **dict.fromkeys(("ARG_MAX", "ARG_MIN"), (_known, _places_type)),
}
