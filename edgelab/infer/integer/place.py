"""From the operators of a .tflite to functions on arrays: what each needs is read and checked once, before it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

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
    max_pool,
)
from edgelab.infer.integer.rounding import quantize_multiplier, requantize
from edgelab.infer.integer.rules import RULES
from edgelab.infer.integer.softmax import logistic_fixed, logistic_table, softmax_fixed, softmax_table
from edgelab.infer.tflite import Operator, Tensor

Step = Callable[..., np.ndarray]


class Place(NamedTuple):
    """An operator with its tensors: what a step is made of. where: begins a message. runtime: one of `RULES`.

    >>> Place("operator 0, RELU,", Operator("RELU", (0,), (1,), {}), (), Tensor("y", (1, 3)), "xnnpack").kind
    'RELU'
    """

    where: str
    operator: Operator
    inputs: tuple[Tensor | None, ...]
    y: Tensor
    runtime: str

    @property
    def kind(self) -> str:
        return self.operator.kind

    def rule(self, runtime: str = "") -> str:
        """Return how the runtime rounds here; another one where it leaves the operator to that."""
        return RULES[runtime or self.runtime].get(self.kind, "")

    def constant(self, number: int) -> np.ndarray:
        """Return the values of an input that must be constant, such as weights."""
        tensor = self.inputs[number] if number < len(self.inputs) else None
        if tensor is None or tensor.data is None:
            raise ValueError(f"{self.where} computes its input {number}; expected a constant there")
        return tensor.data

    def affine(self, tensor: Tensor) -> tuple[np.float32, int]:
        """Return the one scale and zero point of a tensor."""
        if tensor.scale is None or len(tensor.scale) != 1:
            found = "no scale" if tensor.scale is None or not len(tensor.scale) else f"{len(tensor.scale)} scales"
            raise ValueError(f"{self.where} has {found} for {tensor.name!r}; expected one. Convert the model again")
        scale, zero_point = np.float32(tensor.scale[0]), int(tensor.zero_point[0])
        if not 0 < scale < np.inf or not -128 <= zero_point <= 127:
            raise ValueError(
                f"{self.where} has scale {scale} and zero point {zero_point} for {tensor.name!r}; expected a positive "
                "scale and a zero point of int8. Convert the model again"
            )
        return scale, zero_point


def _rescaled(p: Place, multiplier: np.ndarray, rule: str, activation: int = 0) -> Step:
    """Return the function from sums to the output's int8."""
    scale, zero_point = p.affine(p.y)
    low, high = activation_range(activation, scale, zero_point, even=rule == "float32")
    mantissa, shift = quantize_multiplier(multiplier)
    return lambda acc: requantize(acc, mantissa, shift, zero_point, low, high, rule)


def _products(p: Place) -> Step:
    """A convolution, a depthwise one or a fully connected layer: sums of products, then one multiplier a channel."""
    x, options = p.inputs[0], p.operator.options
    w, b = p.constant(1), p.constant(2) if len(p.inputs) > 2 and p.inputs[2] is not None else None
    (x_scale, x_zero_point), (y_scale, _), weights = p.affine(x), p.affine(p.y), p.inputs[1]
    channels = w.shape[-1 if p.kind == "DEPTHWISE_CONV_2D" else 0]
    if weights.scale is None or len(weights.scale) not in (1, channels) or np.any(weights.zero_point):
        raise ValueError(f"{p.where} has weights without a scale, or with a zero point; expected scales and 0")
    if not (np.isfinite(weights.scale) & (weights.scale > 0)).all():
        raise ValueError(f"{p.where} has weights without a scale that is positive. Convert the model again")
    if w.dtype != np.int8:
        raise ValueError(f"{p.where} has weights in {weights.dtype}; expected int8 or int4")
    if b is not None and (b.dtype != np.int32 or b.shape != (channels,)):
        raise ValueError(f"{p.where} has a bias in {b.dtype} of shape {b.shape}; expected int32, one a channel")
    b = 0 if b is None else b
    runtime = p.runtime
    if runtime == "xnnpack" and weights.dtype == "int4" and (p.kind != "FULLY_CONNECTED" or w.shape[1] % 2):
        runtime = "builtin"  # XNNPACK leaves these to the optimised kernels,
    if runtime == "builtin" and p.kind == "CONV_2D" and w.shape[3] != x.shape[3]:
        runtime = "reference"  # and they leave convolutions in groups to the reference's.
    rule = p.rule(runtime)
    multiplier = weights.scale.astype(np.float64) * float(x_scale) / float(y_scale)
    if rule == "float32":
        multiplier = (weights.scale * x_scale / y_scale).astype(np.float64)
        if multiplier.max() >= 256:
            raise ValueError(f"{p.where} has a multiplier of {multiplier.max():g}; XNNPACK takes them below 256 only")
    elif rule == "builtin" and p.kind == "FULLY_CONNECTED" and len(weights.scale) == 1:
        multiplier = (weights.scale * x_scale).astype(np.float64) / float(y_scale)
    rescaled = _rescaled(p, multiplier, rule, options["fusedActivationFunction"])
    if p.kind == "FULLY_CONNECTED":
        shape = p.y.shape[1:]
        return lambda x: rescaled(dense_sums(x.reshape(-1, w.shape[1]), w, b, x_zero_point)).reshape(len(x), *shape)
    stride = options["strideH"], options["strideW"]
    dilation = options["dilationHFactor"], options["dilationWFactor"]
    sums = depthwise_sums if p.kind == "DEPTHWISE_CONV_2D" else conv2d_sums
    padding = _padding(p)
    return lambda x: rescaled(sums(x, w, b, x_zero_point, stride, padding, dilation))


def _padding(p: Place) -> str:
    return ("same", "valid")[p.operator.options["padding"]]


def _pool(p: Place) -> Step:
    options, (scale, zero_point) = p.operator.options, p.affine(p.y)
    if p.affine(p.inputs[0]) != (scale, zero_point):
        raise ValueError(f"{p.where} changes scale or zero point; expected the same on both sides")
    low, high = activation_range(options["fusedActivationFunction"], scale, zero_point)
    pool = max_pool if p.kind == "MAX_POOL_2D" else average_pool
    size, stride = (options["filterHeight"], options["filterWidth"]), (options["strideH"], options["strideW"])
    padding = _padding(p)
    return lambda x: np.clip(pool(x, size, stride, padding), low, high).astype(np.int8)


def _mean(p: Place) -> Step:
    x, axes = p.inputs[0], {int(a) % len(p.inputs[0].shape) for a in np.ravel(p.constant(1))}
    if len(x.shape) != 4 or axes != {1, 2}:
        raise ValueError(f"{p.where} is over the axes {sorted(axes)} of {x.shape}; expected rows and columns: 1 and 2")
    (x_scale, x_zero_point), (y_scale, y_zero_point), shape = p.affine(x), p.affine(p.y), p.y.shape[1:]
    # The optimised kernel is for what keeps its axes; without them, the reference's runs.
    mean = mean_builtin if p.rule() == "builtin16" and p.operator.options["keepDims"] else mean_double

    def run(x: np.ndarray) -> np.ndarray:
        if p.rule() == "float32":
            y = mean_float32(x, x_scale, x_zero_point, y_scale, y_zero_point)
        else:
            y = mean(x, x_scale, x_zero_point, y_scale) + y_zero_point
        return np.clip(y, -128, 127).astype(np.int8).reshape(len(x), *shape)

    return run


def _add(p: Place) -> Step:
    (scale_a, zero_a), (scale_b, zero_b), (scale_y, zero_y) = map(p.affine, (p.inputs[0], p.inputs[1], p.y))
    ratios, rule = (float(scale_a / scale_y), float(scale_b / scale_y)), p.rule()
    if rule == "shift" and not 2**-10 <= min(ratios) <= max(ratios) < 2**8:
        rule = p.rule("builtin")  # beyond these XNNPACK leaves it to the optimised kernels
    if rule == "builtin":
        _fits_16_bits(p, 255 * sum(ratios))
    add = {"double": add_double, "builtin": add_builtin, "shift": add_shift}[rule]
    low, high = activation_range(p.operator.options["fusedActivationFunction"], scale_y, zero_y, rule == "shift")
    scales, zero_points = (scale_a, scale_b, scale_y), (zero_a, zero_b)
    return _with_constants(p, lambda a, b: np.clip(add(a, b, scales, zero_points) + zero_y, low, high).astype(np.int8))


def _mul(p: Place) -> Step:
    (scale_a, zero_a), (scale_b, zero_b), (scale_y, _) = map(p.affine, (p.inputs[0], p.inputs[1], p.y))
    multiplier, rule = float(scale_a * scale_b / scale_y), p.rule()
    if rule == "float32" and multiplier >= 2**8:
        rule = p.rule("builtin")
    if p.runtime == "builtin" or rule != p.rule():
        _fits_16_bits(p, 255 * 255 * multiplier)
    rescaled = _rescaled(p, multiplier, rule, p.operator.options["fusedActivationFunction"])
    return _with_constants(p, lambda a, b: rescaled((a.astype(np.int32) - zero_a) * (b.astype(np.int32) - zero_b)))


def _fits_16_bits(p: Place, largest: float) -> None:
    """Raise ValueError where the optimised kernels' vectors, 16 bits wide here, would wrap around."""
    if largest > 2**15 - 1 - 128:
        raise ValueError(
            f"{p.where} may make {largest:,.0f} steps of its output, and LiteRT's optimised kernel wraps around at 16 "
            "bits: a wrong number. Give the output a larger scale"
        )


def _with_constants(p: Place, run: Step) -> Step:
    """Return a function of the two inputs as one of those that aren't constant."""
    for tensor in p.inputs:
        if tensor.dtype != "int8":
            raise ValueError(f"{p.where} has {tensor.name!r} in {tensor.dtype}; expected int8")
    constants, axes = [tensor.data for tensor in p.inputs], len(p.y.shape)

    def step(*computed: np.ndarray) -> np.ndarray:
        # Shapes broadcast from their last axes; of two ranks, one would have its batch beside the other's rows.
        aligned = (x.reshape(len(x), *[1] * (axes - x.ndim), *x.shape[1:]) for x in computed)
        return run(*(next(aligned) if c is None else c for c in constants))

    return step


def _rescale(p: Place) -> Step:
    """RELU, RELU6, and QUANTIZE from one scale to another."""
    x = p.inputs[0]
    (scale, zero_point), kinds = p.affine(p.y), {"RELU": 1, "RELU6": 3, "RELU_N1_TO_1": 2}
    if x.dtype == "float32":
        return lambda x: quantize_input(x, scale, zero_point, RULES[p.runtime]["QUANTIZE float32"])
    x_scale, x_zero_point = p.affine(x)
    rule = p.rule()
    if rule == "8bit" and not 2**-8 <= x_scale / scale <= 2**7:
        rule = p.rule("builtin")
    if rule == "8bit":
        return lambda x: np.clip(convert_8bit(x, x_scale, x_zero_point, scale) + zero_point, -128, 127).astype(np.int8)
    if rule == "clip":
        low, high = activation_range(kinds[p.kind], x_scale, x_zero_point)
        return lambda x: np.clip(x, low, high)
    rescaled = _rescaled(p, float(x_scale) / float(scale), rule or "double", kinds.get(p.kind, 0))
    # As one row: vectors run over the whole image here, not over its channels.
    return lambda x: rescaled(x.reshape(len(x), -1).astype(np.int32) - x_zero_point).reshape(x.shape)


def _dequantize(p: Place) -> Step:
    scale, zero_point = p.affine(p.inputs[0])
    return lambda x: dequantize_output(x, scale, zero_point, p.rule())


def _share(p: Place) -> Step:
    """SOFTMAX and LOGISTIC: shares of 1, in steps of 1/256."""
    if p.affine(p.y) != (1 / 256, -128):
        raise ValueError(f"{p.where} makes values with scale and zero point {p.affine(p.y)}; expected 1/256 and -128")
    scale, zero_point = p.affine(p.inputs[0])
    if p.kind == "LOGISTIC":
        rule = p.rule()
        if rule == "fixed":
            return lambda x: logistic_fixed(x, scale, zero_point)
        return lambda x: logistic_table(x, scale, zero_point, rule)
    softmax, beta = softmax_fixed if p.rule() == "fixed" else softmax_table, p.operator.options["beta"]
    return lambda x: softmax(x, scale, beta)


def _same_scale(p: Place) -> None:
    """Raise ValueError where an operator that only moves values would have to rescale them."""
    for tensor in p.inputs:
        if tensor is not None and tensor.dtype == "int8" and p.affine(tensor) != p.affine(p.y):
            raise ValueError(f"{p.where} has {tensor.name!r} on another scale than its output; expected the same")


def _view(p: Place) -> Step:
    """RESHAPE, SQUEEZE and EXPAND_DIMS: the values stay where they are."""
    _same_scale(p)
    shape = p.y.shape[1:]
    return lambda x: x.reshape(len(x), *shape)


def _pad(p: Place) -> Step:
    _same_scale(p)
    margins, zero_point = p.constant(1), p.affine(p.y)[1]
    if margins[0].any():
        raise ValueError(f"{p.where} pads the batch; expected margins around each image only")
    return lambda x: np.pad(x, margins, constant_values=zero_point)


def _transpose(p: Place) -> Step:
    _same_scale(p)
    axes = [int(a) for a in p.constant(1)]
    if axes[0] != 0:
        raise ValueError(f"{p.where} moves the batch, axis 0; expected it to stay in front")
    return lambda x: np.ascontiguousarray(x.transpose(axes))


def _concatenate(p: Place) -> Step:
    _same_scale(p)
    rank, axis = len(p.y.shape), p.operator.options["axis"]
    if axis % rank == 0 or any(t is None or t.data is not None for t in p.inputs):
        raise ValueError(f"{p.where} joins images or constants; expected computed tensors, along another axis than 0")
    return lambda *parts: np.concatenate(parts, axis)


STEPS = {
    "CONV_2D": _products,
    "DEPTHWISE_CONV_2D": _products,
    "FULLY_CONNECTED": _products,
    "AVERAGE_POOL_2D": _pool,
    "MAX_POOL_2D": _pool,
    "MEAN": _mean,
    "ADD": _add,
    "MUL": _mul,
    "RESHAPE": _view,
    "SQUEEZE": _view,
    "EXPAND_DIMS": _view,
    "PAD": _pad,
    "TRANSPOSE": _transpose,
    "CONCATENATION": _concatenate,
    "SOFTMAX": _share,
    "LOGISTIC": _share,
    "RELU": _rescale,
    "RELU6": _rescale,
    "RELU_N1_TO_1": _rescale,
    "QUANTIZE": _rescale,
    "DEQUANTIZE": _dequantize,
}
