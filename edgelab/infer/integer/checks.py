"""Checks of a graph before the engine runs it, and of images: one function for each kind of fault.

All that can be checked before running is checked here, once, when a model is opened; the families' files rely on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgelab.infer.integer.operators import RULES, STEPS, find_place, prepare
from edgelab.infer.integer.place import Place, Step
from edgelab.infer.tflite import PRODUCTS, Graph, Tensor


def check_graph(graph: Graph, runtime: str) -> None:
    """Raise ValueError for a graph that the engine can't run as a runtime does: the ends, each operator, one image.

    The message names the operator with its number in the graph and, where known, the tensor that it makes.

    >>> check_graph(Graph((), (), (0,), ()), "xnnpack")
    Traceback (most recent call last):
        ...
    ValueError: model in memory: 1 inputs and 0 outputs; expected one of each
    """
    if runtime not in RULES:
        raise ValueError(f"unknown runtime {runtime!r}; the runtimes are: {', '.join(RULES)}")
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ValueError(
            f"{graph.name}: {len(graph.inputs)} inputs and {len(graph.outputs)} outputs; expected one of each"
        )
    _run_black_image(graph, [_checked(graph, number, runtime) for number in range(len(graph.operators))])


def check_images(graph: Graph, x: np.ndarray) -> np.ndarray:
    """Return images as an array. Raises TypeError for another type than the graph takes, ValueError for another shape.

    >>> check_images(Graph((Tensor("x", (1, 3), "int8"),), (), (0,), (0,)), np.zeros((2, 3), np.int8)).shape
    (2, 3)
    """
    taken = graph.tensors[graph.inputs[0]]
    x, (_, *shape) = np.asarray(x), taken.shape
    if x.shape[1:] != tuple(shape) or x.ndim != len(shape) + 1:
        raise ValueError(
            f"x has shape {x.shape}; {graph.name} takes (n, {', '.join(map(str, shape))}). One image: x[None]"
        )
    if x.dtype != taken.dtype:
        how = "edgelab.shrink.quantize.quantize(x, scale, zero_point) with those of the input tensor"
        raise TypeError(
            f"x is {x.dtype}; {graph.name} takes {taken.dtype}. "
            + (f"Quantize it: {how}" if taken.dtype == "int8" else "uint8 images: x.astype('float32') / 255")
        )
    return x


def _checked(graph: Graph, number: int, runtime: str) -> tuple[tuple[int, ...], int, Step]:
    """Check one operator for all faults; return what `prepare` returns for it."""
    kind, inputs, outputs, _ = graph.operators[number]
    where = f"{graph.name}: operator {number}, {kind},"
    if not inputs or len(outputs) != 1:
        raise ValueError(
            f"{where} has {len(inputs)} inputs and {len(outputs)} outputs; expected one input or more, and one output"
        )
    where = f"{where} which makes {graph.tensors[outputs[0]].name!r},"
    if kind not in STEPS:
        raise ValueError(f"{where} isn't supported; the engine has: {', '.join(STEPS)}")
    p = find_place(graph, number, runtime)
    try:
        for concern in (_computes, _types, _shapes, _scales, *CONCERNS.get(kind, ())):
            if wrong := concern(p):
                raise ValueError(f"{where} {wrong}")
        return prepare(graph, number, runtime)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"{where} lacks what it needs ({error!r}); the file is damaged. Convert it again") from error


def _run_black_image(graph: Graph, steps: list[tuple[tuple[int, ...], int, Step]]) -> None:
    """Run one black image, so that a damaged graph fails here and not later."""
    image, end = (graph.tensors[i[0]] for i in (graph.inputs, graph.outputs))
    values = {graph.inputs[0]: np.zeros(image.shape, image.dtype)}
    for number, (reads, made, step) in enumerate(steps):
        where = f"{graph.name}: operator {number}, {graph.operators[number].kind},"
        missing = [graph.tensors[i].name for i in reads if i not in values]
        if missing:
            raise ValueError(f"{where} reads {missing[0]!r}, which nothing before it makes. Convert the model again")
        try:
            values[made] = step(*(values[i] for i in reads))
        except (ValueError, IndexError, TypeError) as error:
            raise ValueError(f"{where} doesn't fit what it reads ({error}). Convert the model again") from error
        if values[made].shape != graph.tensors[made].shape:
            found = f"{values[made].shape}, and the file says {graph.tensors[made].shape}"
            raise ValueError(f"{where} makes {found}. Convert the model again")
    if graph.outputs[0] not in values:
        raise ValueError(f"{graph.name}: nothing makes its output {end.name!r}. Convert the model again")


# Each function returns what is wrong with an operator, or None. First those for every operator.


def _computed(p: Place) -> list[Tensor]:
    return [tensor for tensor in p.inputs if tensor is not None and tensor.data is None]


def _numbers(p: Place) -> list[Tensor]:
    """Return the computed inputs, the output, and constants that are added or multiplied."""
    return [*(p.inputs if p.kind in ("ADD", "MUL") else _computed(p)), p.y]


def _computes(p: Place) -> str | None:
    if not _computed(p):
        return (
            "reads constants alone, as in a float model that stores its weights in fewer bits; expected an int8 model. "
            'Convert the Keras model with edgelab.shrink.convert.to_tflite(model, "int8", calibration)'
        )


def _types(p: Place) -> str | None:
    floats = {"QUANTIZE": p.inputs[0], "DEQUANTIZE": p.y}.get(p.kind)
    for tensor in _numbers(p):
        if tensor.dtype != ("float32" if tensor is floats and tensor.dtype == "float32" else "int8"):
            how = 'edgelab.shrink.convert.to_tflite(model, "int8", calibration)'
            return f"has {tensor.name!r} in {tensor.dtype}; expected int8. Convert the model with {how}"


def _shapes(p: Place) -> str | None:
    for tensor in (*_computed(p), p.y):
        if min(tensor.shape, default=0) < 1 or tensor.shape[0] != 1:
            return (
                f"has {tensor.name!r} of shape {tensor.shape}; expected a batch of 1 in front and no size left open. "
                "Give the Keras model's Input its sizes and convert it again (to_tflite fixes the batch)"
            )
        if math.prod(tensor.shape) > 2**28:
            return f"has {tensor.name!r} of shape {tensor.shape}; expected at most 2^28 values"


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


def _pool_scale(p: Place) -> str | None:
    if p.affine(p.inputs[0]) != p.affine(p.y):
        return "changes scale or zero point; expected the same on both sides"


def _same_scale(p: Place) -> str | None:
    """An operator that only moves values does not rescale them."""
    for tensor in p.inputs:
        if tensor is not None and tensor.dtype == "int8" and p.affine(tensor) != p.affine(p.y):
            return f"has {tensor.name!r} on another scale than its output; expected the same"


def _shares(p: Place) -> str | None:
    if p.affine(p.y) != (1 / 256, -128):
        return f"makes values with scale and zero point {p.affine(p.y)}; expected 1/256 and -128"


def _axes(p: Place) -> str | None:
    """A mean is over rows and columns; no operator may join or move the images of a batch."""
    shape, rank = p.inputs[0].shape, len(p.y.shape)
    if p.kind == "MEAN":
        axes = {int(a) % len(shape) for a in np.ravel(p.inputs[1].data)}
        if len(shape) != 4 or axes != {1, 2}:
            return f"is over the axes {sorted(axes)} of {shape}; expected rows and columns: 1 and 2"
    elif p.kind == "PAD" and p.inputs[1].data[0].any():
        return "pads the batch; expected margins around each image only"
    elif p.kind == "TRANSPOSE" and int(p.inputs[1].data[0]) != 0:
        return "moves the batch, axis 0; expected it to stay in front"
    elif p.kind == "CONCATENATION":
        axis = p.operator.options["axis"]
        if axis % rank == 0 or any(t is None or t.data is not None for t in p.inputs):
            return "joins images or constants; expected computed tensors, along another axis than 0"


CONCERNS: dict[str, tuple[Callable[[Place], str | None], ...]] = {
    **dict.fromkeys(PRODUCTS, (_constants, _weights, _multiplier)),
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), (_pool_scale,)),
    **dict.fromkeys(("ADD", "MUL"), (_fits_16_bits,)),
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), (_same_scale,)),
    **dict.fromkeys(("SOFTMAX", "LOGISTIC"), (_shares,)),
    "MEAN": (_constants, _axes),
    "PAD": (_same_scale, _constants, _axes),
    "TRANSPOSE": (_same_scale, _constants, _axes),
    "CONCATENATION": (_same_scale, _axes),
}
