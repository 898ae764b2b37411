"""Every operator that the engine runs: the tables of the families, joined, and the functions on arrays made from them.

The operators themselves are in the files of the families.
"""

from __future__ import annotations

from edgelab.infer.integer.activations import ACTIVATION_OPERATORS
from edgelab.infer.integer.curves import CURVE_OPERATORS
from edgelab.infer.integer.elementwise import ELEMENTWISE_OPERATORS
from edgelab.infer.integer.log_softmax import LOG_SOFTMAX_OPERATORS
from edgelab.infer.integer.moves import MOVE_OPERATORS
from edgelab.infer.integer.place import Place, Step
from edgelab.infer.integer.pooling import POOLING_OPERATORS
from edgelab.infer.integer.products import PRODUCT_OPERATORS
from edgelab.infer.integer.reductions import REDUCTION_OPERATORS
from edgelab.infer.integer.resize import RESIZE_OPERATORS
from edgelab.infer.integer.scales import SCALE_OPERATORS
from edgelab.infer.integer.shapes import SHAPE_OPERATORS
from edgelab.infer.integer.tables import TABLE_OPERATORS
from edgelab.infer.tflite import Graph, Operator, Tensor

OPERATORS = {
    **PRODUCT_OPERATORS,
    **POOLING_OPERATORS,
    **REDUCTION_OPERATORS,
    **RESIZE_OPERATORS,
    **ELEMENTWISE_OPERATORS,
    **SHAPE_OPERATORS,
    **MOVE_OPERATORS,
    **ACTIVATION_OPERATORS,
    **TABLE_OPERATORS,
    **CURVE_OPERATORS,
    **LOG_SOFTMAX_OPERATORS,
    **SCALE_OPERATORS,
}

# LiteRT's plain kernels, the reference for other implementations; its optimised kernels without a delegate, on x86-64
# (the last digit depends on the processor's family); XNNPACK, LiteRT's default; TensorFlow Lite Micro. The rules were
# found by comparing with each of them, over whole tables of int8 pairs and thousands of random networks.
RUNTIMES = ("reference", "builtin", "xnnpack", "micro")

# {runtime: {operator: rule}}. Operators without a rule are the same in all runtimes: mostly pooling, ReLU and moves.
RULES = {
    runtime: {kind: rule for kind, entry in OPERATORS.items() if (rule := getattr(entry, runtime))}
    for runtime in RUNTIMES
}
STEPS = {kind: entry.step for kind, entry in OPERATORS.items() if kind != "QUANTIZE float32"}


def find_place(graph: Graph, number: int, runtime: str, together: bool = True) -> Place:
    """Return an operator of a graph, by its number, with its tensors and its line of the table.

    >>> x, y = (Tensor(name, (1, 3), "int8") for name in "xy")
    >>> find_place(Graph((x, y), (Operator("RELU", (0,), (1,), {}),), (0,), (1,)), 0, "micro").where
    "model in memory: operator 0, RELU, which makes 'y',"
    """
    operator: Operator = graph.operators[number]
    inputs: tuple[Tensor | None, ...] = tuple(None if i == -1 else graph.tensors[i] for i in operator.inputs)
    outputs = tuple(graph.tensors[i] for i in operator.outputs)
    where = f"{graph.name}: operator {number}, {operator.kind}, which makes {outputs[0].name!r},"
    return Place(where, operator, inputs, outputs, runtime, OPERATORS[operator.kind], together)


def images_together(graph: Graph) -> bool:
    """Say whether several images can be computed at once: the file's batch of 1 stays in front everywhere.

    graph: all its operators in `OPERATORS`. Where a tensor has no batch in front, as after RESHAPE from (1, 5, 4) to
    (5, 4), or an operator moves or joins along axis 0, images must be computed one by one, in the file's own shapes.

    >>> x, y = (Tensor(name, shape, "int8") for name, shape in {"x": (1, 5, 4), "y": (5, 4)}.items())
    >>> images_together(Graph((x, y), (Operator("RESHAPE", (0,), (1,), {}),), (0,), (1,)))
    False
    """
    made = (number for operator in graph.operators for number in operator.outputs)
    if any(graph.tensors[number].shape[:1] != (1,) for number in (*graph.inputs, *made)):
        return False
    places = (find_place(graph, number, "reference") for number in range(len(graph.operators)))
    return not any(place.entry.mixes and place.entry.mixes(place) for place in places)


def prepare(
    graph: Graph, number: int, runtime: str, together: bool = True
) -> tuple[tuple[int, ...], tuple[int, ...], Step]:
    """Return the tensors that an operator reads, those that it makes, and the function that computes them.

    graph: one that `check_graph` accepts. number: of the operator. runtime: one of `RULES`. together: as in `Place`.
    Constants are inside the function.

    >>> import numpy as np
    >>> x, y = (Tensor(name, (1, 3), "int8", np.float32([0.5]), np.array([0])) for name in "xy")
    >>> reads, makes, step = prepare(Graph((x, y), (Operator("RELU", (0,), (1,), {}),), (0,), (1,)), 0, "reference")
    >>> reads, makes, step(np.array([[-5, 0, 5]], np.int8)).tolist()
    ((0,), (1,), [[0, 0, 5]])
    """
    p = find_place(graph, number, runtime, together)
    reads = tuple(i for i in p.operator.inputs if i != -1 and graph.tensors[i].data is None)
    return reads, p.operator.outputs, p.entry.step(p)
