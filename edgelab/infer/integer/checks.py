"""Checks of a graph before the engine runs it, and of images: one function for each kind of fault.

All that can be checked before running is checked here, once, when a model is opened; the families' files rely on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from edgelab.infer.integer.operators import RULES, STEPS, find_place, images_together, prepare
from edgelab.infer.integer.place import Place, Step
from edgelab.infer.tflite import PRODUCTS, Graph, Operator, Tensor

# Operators that run other subgraphs: loops and branches.
CONTROL_FLOW = {"WHILE", "IF", "CALL", "CALL_ONCE", "STABLEHLO_WHILE", "STABLEHLO_CASE"}


def check_graph(graph: Graph, runtime: str) -> None:
    """Raise ValueError for a graph that the engine can't run as a runtime does: the ends, each operator, one image.

    The message names the operator with its number in the graph and, where known, the tensor that it makes.

    >>> check_graph(Graph((), (), (), ()), "xnnpack")
    Traceback (most recent call last):
        ...
    ValueError: model in memory: 0 inputs and 0 outputs; expected at least one of each
    """
    if runtime not in RULES:
        raise ValueError(f"unknown runtime {runtime!r}; the runtimes are: {', '.join(RULES)}")
    if not graph.inputs or not graph.outputs:
        raise ValueError(
            f"{graph.name}: {len(graph.inputs)} inputs and {len(graph.outputs)} outputs; expected at least one of each"
        )
    _refuse_floats(graph)
    for number in range(len(graph.operators)):
        _check_operator(graph, number, runtime)
    for number in graph.inputs:
        if graph.tensors[number].data is not None:
            raise ValueError(f"{graph.name}: its input {graph.tensors[number].name!r} is a constant. Convert it again")
    together = images_together(graph)
    _run_black_image(graph, [prepare(graph, number, runtime, together) for number in range(len(graph.operators))])


def check_inputs(graph: Graph, xs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the inputs of a graph as arrays. Raises TypeError for another type, ValueError for another shape.

    xs: an array for each input, in the graph's order, (n, …) without the file's batch of 1.

    >>> check_inputs(Graph((Tensor("x", (1, 3), "int8"),), (), (0,), (0,)), [np.zeros((2, 3), np.int8)])[0].shape
    (2, 3)
    """
    if len(xs) != len(graph.inputs):
        names = ", ".join(repr(graph.tensors[number].name) for number in graph.inputs)
        raise ValueError(f"{len(xs)} inputs given; {graph.name} takes {len(graph.inputs)}, in this order: {names}")
    found = [_checked_input(graph, number, x) for number, x in zip(graph.inputs, xs, strict=True)]
    if len({len(x) for x in found}) > 1:
        raise ValueError(f"inputs of {[len(x) for x in found]} images; expected as many in each")
    return found


def _checked_input(graph: Graph, number: int, x: np.ndarray) -> np.ndarray:
    taken, x = graph.tensors[number], np.asarray(x)
    shape = taken.shape[1:] if taken.shape[:1] == (1,) else taken.shape
    name = graph.name if len(graph.inputs) == 1 else f"the input {taken.name!r} of {graph.name}"
    if x.shape[1:] != tuple(shape) or x.ndim != len(shape) + 1:
        raise ValueError(f"x has shape {x.shape}; {name} takes (n, {', '.join(map(str, shape))}). One image: x[None]")
    if x.dtype != taken.dtype:
        how = {
            "int8": "Quantize it: edgelab.shrink.quantize.quantize(x, scale, zero_point) with those of the tensor",
            "float32": "uint8 images: x.astype('float32') / 255",
        }.get(taken.dtype, f"Whole numbers: x.astype({taken.dtype!r})")
        raise TypeError(f"x is {x.dtype}; {name} takes {taken.dtype}. {how}")
    return x


def _refuse_floats(graph: Graph) -> None:
    """Name the float operators of a file that is int8 elsewhere: layers that the converter has no int8 form for."""

    def has(dtype: str, operator: Operator) -> bool:
        return any(graph.tensors[i].dtype == dtype for i in operator.outputs)

    inner = [o for o in graph.operators if o.kind not in ("QUANTIZE", "DEQUANTIZE")]
    floats = sorted({o.kind for o in inner if has("float32", o)})
    if floats and any(has("int8", o) for o in inner):
        count = sum(has("float32", o) for o in inner)
        raise ValueError(
            f"{graph.name}: {count} of {len(inner)} operators compute in float32: {', '.join(floats)}; expected int8. "
            "The converter writes so what has no int8 form, such as LayerNormalization or ELU. Replace that layer, or "
            "run the file with edgelab.infer.runner.Runner"
        )


def _check_operator(graph: Graph, number: int, runtime: str) -> None:
    """Check one operator for all faults."""
    kind, inputs, outputs, _ = graph.operators[number]
    where = f"{graph.name}: operator {number}, {kind},"
    if not inputs or not outputs:
        raise ValueError(f"{where} has {len(inputs)} inputs and {len(outputs)} outputs; expected at least one of each")
    where = f"{where} which makes {graph.tensors[outputs[0]].name!r},"
    if kind in CONTROL_FLOW:
        raise ValueError(
            f"{where} runs another subgraph of the file, as a recurrent layer that isn't unrolled does; the engine "
            "runs the first subgraph alone. Give the Keras layer unroll=True and convert it again"
        )
    if kind not in STEPS:
        raise ValueError(f"{where} isn't supported; the engine has: {', '.join(STEPS)}")
    p = find_place(graph, number, runtime)
    try:
        for concern in (_computes, _types, _shapes, _scales, *CONCERNS.get(kind, ())):
            if wrong := concern(p):
                raise ValueError(f"{where} {wrong}")
        prepare(graph, number, runtime)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"{where} lacks what it needs ({error!r}); the file is damaged. Convert it again") from error


def _run_black_image(graph: Graph, steps: list[tuple[tuple[int, ...], tuple[int, ...], Step]]) -> None:
    """Run one black image, so that a damaged graph fails here and not later."""
    values = {i: np.zeros(graph.tensors[i].shape, graph.tensors[i].dtype) for i in graph.inputs}
    for number, (reads, makes, step) in enumerate(steps):
        where = f"{graph.name}: operator {number}, {graph.operators[number].kind},"
        missing = [graph.tensors[i].name for i in reads if i not in values]
        if missing:
            raise ValueError(f"{where} reads {missing[0]!r}, which nothing before it makes. Convert the model again")
        try:
            made = step(*(values[i] for i in reads))
            values.update(zip(makes, made if isinstance(made, tuple) else (made,), strict=True))
        except (ValueError, IndexError, TypeError) as error:
            raise ValueError(f"{where} doesn't fit what it reads ({error}). Convert the model again") from error
        for i in makes:
            if values[i].shape != graph.tensors[i].shape:
                found = f"{values[i].shape}, and the file says {graph.tensors[i].shape}"
                raise ValueError(f"{where} makes {found}. Convert the model again")
    for i in graph.outputs:
        if i not in values:
            raise ValueError(
                f"{graph.name}: nothing makes its output {graph.tensors[i].name!r}. Convert the model again"
            )


# Each function returns what is wrong with an operator, or None. First those for every operator.


def _computed(p: Place) -> list[Tensor]:
    return [tensor for tensor in p.inputs if tensor is not None and tensor.data is None]


def _numbers(p: Place) -> list[Tensor]:
    """Return the computed inputs, the output, and constants that are added or multiplied."""
    return [*(p.inputs if p.kind in ("ADD", "MUL", "CONCATENATION") else _computed(p)), *p.outputs]


def _computes(p: Place) -> str | None:
    if not _computed(p):
        return (
            "reads constants alone, as in a float model that stores its weights in fewer bits; expected an int8 model. "
            'Convert the Keras model with edgelab.shrink.convert.to_tflite(model, "int8", calibration)'
        )


def _types(p: Place) -> str | None:
    numbers = _numbers(p)
    allowed = [(t, p.entry.reads.get(i, ("int8",))) for i, t in enumerate(p.inputs) if any(t is n for n in numbers)]
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


def _resized(p: Place) -> str | None:
    x, y, options = p.inputs[0].shape, p.y.shape, p.operator.options
    if len(x) != 4 or len(y) != 4 or [int(n) for n in np.ravel(p.inputs[1].data)] != list(y[1:3]):
        return f"resizes {x} to {y} by the sizes {p.inputs[1].data}; expected images, and the output's rows and columns"
    if options["alignCorners"] and options["halfPixelCenters"]:
        return "has alignCorners and halfPixelCenters; the runtimes take one of them at most. Convert the model again"
    if max(x[1:3]) >= 2**15:
        return f"resizes {x}; LiteRT counts rows and columns in 16 bits, expected less than {2**15:,}"


def _reduced(p: Place) -> str | None:
    shape, axes = p.inputs[0].shape, [int(a) for a in np.ravel(p.inputs[1].data)]
    if not all(-len(shape) <= a < len(shape) for a in axes):
        return f"is over the axes {axes} of {shape}; expected each from {-len(shape)} to {len(shape) - 1}"


def _axes(p: Place) -> str | None:
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
    **dict.fromkeys(("ADD", "MUL"), (_fits_16_bits,)),
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), (_same_scale,)),
    **dict.fromkeys(("SOFTMAX", "LOGISTIC"), (_shares,)),
    "MEAN": (_constants, _axes),
    "PAD": (_same_scale, _constants),
    "TRANSPOSE": (_same_scale, _constants),
    "RESIZE_NEAREST_NEIGHBOR": (_same_scale, _constants, _resized),
    **dict.fromkeys(("REDUCE_MAX", "REDUCE_MIN"), (_same_scale, _constants, _reduced)),
    "CONCATENATION": (_same_scale, _axes),
}
