"""Count what a .tflite costs on one image, operator by operator, without running it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np  # noqa: F401 (for the example)

from edgelab.infer.tflite import PRODUCTS, Graph, Operator, Tensor, read  # noqa: F401 (for the example)
from edgelab.maths.cost_table import Cost, Row, live_bytes

# Constants that these add or multiply are weights, for example of a BatchNorm that could not be folded.
ARITHMETIC = {"ADD", "SUB", "MUL", "DIV", "PRELU"}
# The runtime keeps the output of these in the memory of their input.
VIEWS = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS"}
# Weights kept in another form: in float16, or without their zeros.
UNPACKED = {"DEQUANTIZE", "DENSIFY"}
WITHOUT_PRODUCTS = ARITHMETIC | VIEWS | {
    "ABS", "ARG_MAX", "AVERAGE_POOL_2D", "CAST", "CONCATENATION", "DEQUANTIZE", "ELU", "EXP", "FILL", "GELU",
    "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "LOG_SOFTMAX", "MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM",
    "MIRROR_PAD", "NEG", "PACK", "PAD", "PADV2", "POW", "QUANTIZE", "REDUCE_MAX", "RELU", "RELU6",
    "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "RSQRT", "SHAPE", "SLICE", "SOFTMAX", "SPLIT", "SPLIT_V",
    "SQRT", "SQUARE", "SQUARED_DIFFERENCE", "STRIDED_SLICE", "SUM", "TANH", "TILE", "TRANSPOSE", "UNPACK",
}  # fmt: skip


def count_tflite(tflite: bytes | str | Path | Graph) -> Cost:
    """Count what a .tflite costs on one image, in the types that its own tensors have.

    tflite: as in `read`, or what `read` returned. params is the number of values in the file's weights and biases,
    without scales and zero points. The rest is counted as in `edgelab.train.costs`, one row an operator; each operator
    except a reshape writes a new tensor. `weight_bytes()` is what the file stores, `weight_bytes("int4")` what these
    values would take as int4; sparse weights count with their zeros. LiteRT's arena takes more than `activation_bytes`:
    it keeps the input to the end, begins each tensor at a multiple of 64 bytes, and has scratch memory. Raises
    ValueError as `read` does, for a size left open, and for an operator that can't be counted.

    >>> x, w, y = Tensor("x", (1, 4)), Tensor("w", (3, 4), data=np.ones((3, 4), np.float32)), Tensor("y", (1, 3))
    >>> count_tflite(Graph((x, w, y), (Operator("FULLY_CONNECTED", (0, 1, -1), (2,), {}),), (0,), (2,))).macs
    12
    """
    graph = tflite if isinstance(tflite, Graph) else read(tflite)
    constants = {i: t for i, t in enumerate(graph.tensors) if t.data is not None}
    held, seen, rows, steps = {i: i for i in range(len(graph.tensors))}, set(), [], []
    for number, (kind, inputs, outputs, _) in enumerate(graph.operators):
        where = f"{graph.name}: operator {number}, {kind},"
        if not outputs or len(inputs) <= (kind in PRODUCTS):
            wanted = f"expected at least {1 + (kind in PRODUCTS)} and 1. Convert the model again"
            raise ValueError(f"{where} has {len(inputs)} inputs and {len(outputs)} outputs; {wanted}")
        if kind in UNPACKED and inputs[0] in constants:
            constants[outputs[0]] = constants[inputs[0]]
            continue
        reads, y = [i for i in inputs if i != -1 and i not in constants], graph.tensors[outputs[0]]
        macs, stored = _work(graph, kind, inputs, outputs, constants, where)
        fresh = {i: t for i, t in stored.items() if id(constants[i]) not in seen}
        seen |= {id(t) for t in fresh.values()}
        if kind in VIEWS and reads:
            held[outputs[0]] = held[reads[0]]
        steps.append(([held[i] for i in reads], [held[i] for i in outputs]))
        sizes = [math.prod(t.shape) for t in fresh.values()]
        weights = sum(size for i, size in zip(fresh, sizes, strict=True) if i not in inputs[2:])
        moved = 0 if kind in VIEWS else sum(graph.tensors[i].bytes for i in (*reads, *outputs))
        stored_bytes = sum(t.bytes for t in fresh.values())
        rows.append(
            Row(
                _short(y.name),
                kind,
                y.shape[1:],
                sum(sizes),
                macs,
                weights,
                sum(sizes) - weights,
                stored_bytes,
                0,
                moved,
            )
        )
    live = live_bytes(steps, dict(enumerate(t.bytes for t in graph.tensors)), [held[i] for i in graph.outputs])
    return Cost(Path(graph.name).name, tuple(r._replace(live_bytes=n) for r, n in zip(rows, live, strict=True)))


def _short(name: str) -> str:
    """Return the layer's part of a tensor's name, which the converter writes as model_1/model_1/conv2d_1/Relu;…"""
    first, *others = name.partition(";")[0].split("/")
    return "/".join(part for part in others if part != first) or first


def _work(
    graph: Graph, kind: str, inputs: tuple[int, ...], outputs: tuple[int, ...], constants: dict[int, Tensor], where: str
) -> tuple[int, dict[int, Tensor]]:
    """Return an operator's MACs, and which of its inputs are weights or biases. where: the beginning of a message."""
    y = graph.tensors[outputs[0]].shape
    if kind not in PRODUCTS | WITHOUT_PRODUCTS:
        raise ValueError(
            f"{where} can't be counted; of operators with products, these can: {', '.join(sorted(PRODUCTS))}. "
            "A recurrent layer becomes such operators when it is built with unroll=True"
        )
    if any(n < 0 for i in (*inputs, *outputs) if i != -1 for n in graph.tensors[i].shape):
        raise ValueError(f"{where} has a size left open; give the Keras model's Input a size and convert it again")
    weights = {i: constants[i] for i in inputs if i in constants}
    if kind not in PRODUCTS:
        return 0, {i: t for i, t in weights.items() if kind in ARITHMETIC and t.shape}
    if inputs[1] not in weights or not weights[inputs[1]].shape:
        raise ValueError(f"{where} has no constant weights, so its parameters can't be counted")
    kernel = weights[inputs[1]].shape
    # Depthwise kernels are (1, height, width, outputs), the others have their outputs first.
    return math.prod(kernel) * math.prod(y) // kernel[-1 if kind == "DEPTHWISE_CONV_2D" else 0], weights
