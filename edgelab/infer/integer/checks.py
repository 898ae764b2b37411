"""Checks of a graph before the engine runs it, and of its inputs.

All that can be checked before running is checked once, when a model is opened; the families' files rely on it. What can
be wrong with an operator is in concerns.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np

from edgelab.infer.integer.concerns import fault
from edgelab.infer.integer.operators import RULES, STEPS, find_place, images_together, prepare
from edgelab.infer.integer.place import Step
from edgelab.infer.tflite import Graph, Operator, Tensor  # noqa: F401 (Tensor for the example)

# Operators that run other subgraphs: loops and branches.
CONTROL_FLOW = {"WHILE", "IF", "CALL", "CALL_ONCE", "STABLEHLO_WHILE", "STABLEHLO_CASE"}


# What `prepare` returns: the tensors that an operator reads, those that it makes, and its function.
Prepared = tuple[tuple[int, ...], tuple[int, ...], Step]


def check_graph(graph: Graph, runtime: str) -> tuple[bool, list[Prepared]]:
    """Check that the engine can run a graph as a runtime does: the ends, each operator, one image.

    Returns whether several images can be computed together (see `images_together`), and each operator as `prepare`
    returns it: making them takes most of the time. Raises ValueError with the number of the operator at fault and,
    where known, the tensor that it makes.

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
    steps = [_prepared(graph, number, runtime, together) for number in range(len(graph.operators))]
    _run_black_image(graph, steps)
    return together, steps


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
    with _naming_what_lacks(where):
        if wrong := fault(p):
            raise ValueError(f"{where} {wrong}")
        if p.entry.mixes:
            p.entry.mixes(p)  # `images_together` asks again, for all operators


def _prepared(graph: Graph, number: int, runtime: str, together: bool) -> Prepared:
    with _naming_what_lacks(find_place(graph, number, runtime).where):
        return prepare(graph, number, runtime, together)


@contextlib.contextmanager
def _naming_what_lacks(where: str) -> Iterator[None]:
    """Turn the errors of options and inputs that an operator should have into a ValueError."""
    try:
        yield
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"{where} lacks what it needs ({error!r}). Convert the model again") from error


def _run_black_image(graph: Graph, steps: list[Prepared]) -> None:
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
