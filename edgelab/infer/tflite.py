"""Read a .tflite without running it, and count what it costs. Needs LiteRT's schema, never TensorFlow.

A .tflite is a FlatBuffer: tables of tensors and operators that point at each other by number, and buffers of constants.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgelab.maths.cost_table import Cost, Row, live_bytes

PRODUCTS = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
# What these add or multiply may be weights: BatchNorm that could not be folded, for one.
ARITHMETIC = {"ADD", "SUB", "MUL", "DIV", "PRELU"}
# The runtime lets the output of these lie where their input is.
VIEWS = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS"}
WITHOUT_PRODUCTS = ARITHMETIC | VIEWS | {
    "ABS", "ARG_MAX", "AVERAGE_POOL_2D", "CAST", "CONCATENATION", "DEQUANTIZE", "ELU", "EXP", "FILL", "GELU",
    "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "LOG_SOFTMAX", "MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM",
    "MIRROR_PAD", "NEG", "PACK", "PAD", "PADV2", "POW", "QUANTIZE", "REDUCE_MAX", "RELU", "RELU6",
    "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "RSQRT", "SHAPE", "SLICE", "SOFTMAX", "SPLIT", "SPLIT_V",
    "SQRT", "SQUARE", "SQUARED_DIFFERENCE", "STRIDED_SLICE", "SUM", "TANH", "TILE", "TRANSPOSE", "UNPACK",
}  # fmt: skip


class Tensor(NamedTuple):
    """A tensor of a .tflite.

    shape: -1 for a size left open (the batch stands as the file has it, mostly 1). dtype: as NumPy calls it; also int4.
    scale, zero_point: float32 and int64 (channels,) or (1,), None where it isn't quantized; axis: of the channels.
    data: the values of a constant, of that shape (int4 as int8), else None.

    >>> Tensor("w", (3, 3), "int4").bytes
    5
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    scale: np.ndarray | None = None
    zero_point: np.ndarray | None = None
    axis: int = 0
    data: np.ndarray | None = None

    @property
    def bytes(self) -> int:
        """Bytes of its values; two int4 share one."""
        return -(-math.prod(self.shape) * value_bits(self.dtype) // 8)


class Operator(NamedTuple):
    """An operator of a .tflite.

    kind: as the schema calls it. inputs, outputs: numbers of tensors, -1 for an input left out. options: as the schema
    calls them, such as strideH; enumerations are numbers.

    >>> Operator("CONV_2D", (0, 1, -1), (2,), {"strideH": 2}).kind
    'CONV_2D'
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any]


class Graph(NamedTuple):
    """What a .tflite computes: its operators in the order in which they run. inputs, outputs: numbers of tensors.

    >>> Graph((Tensor("x", (1, 4)),), (), (0,), (0,)).tensors[0].shape
    (1, 4)
    """

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    name: str = "model in memory"


def value_bits(dtype: str) -> int:
    """Return the bits of one value of a type of the schema. Raises ValueError for one without a fixed size.

    >>> value_bits("int8"), value_bits("int4"), value_bits("bool")
    (8, 4, 8)
    """
    found = re.match(r"(?:u?int|b?float|complex)(\d+)", dtype)
    if not found and dtype != "bool":
        raise ValueError(f"a tensor of type {dtype} has no fixed number of bits; expected numbers")
    return int(found[1]) if found else 8


def read(tflite: bytes | str | Path) -> Graph:
    """Read the operators, tensors, scales and constants of a .tflite.

    tflite: its bytes, or its path. Of several subgraphs (the bodies of loops) the first is read.
    Raises FileNotFoundError, and ValueError for what is no .tflite, is cut off or damaged, or holds constants of a type
    that it can't read. Source: tensorflow/lite/schema/schema.fbs; its numbers are little-endian.

    >>> import flatbuffers
    >>> from ai_edge_litert import schema_py_generated as schema
    >>> part = schema.SubGraphT(tensors=[schema.TensorT(shape=[1, 4], name="x")], inputs=[0], outputs=[0])
    >>> builder = flatbuffers.Builder()
    >>> model = schema.ModelT(3, subgraphs=[part], buffers=[schema.BufferT()])
    >>> size = builder.Finish(model.Pack(builder), b"TFL3")
    >>> read(bytes(builder.Output())).tensors[0].shape
    (1, 4)
    """
    name = "model in memory" if isinstance(tflite, bytes | bytearray) else str(tflite)
    content = bytes(tflite) if isinstance(tflite, bytes | bytearray) else Path(tflite).read_bytes()
    if content[4:8] != b"TFL3":
        raise ValueError(
            f"{name}: not a .tflite ({len(content):,} bytes, no TFL3 mark at byte 4). Convert a Keras model with "
            "edgelab.shrink.convert.to_tflite"
        )
    from ai_edge_litert import schema_py_generated as schema

    kinds = {number: kind for kind, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    dtypes = {number: kind.lower() for kind, number in vars(schema.TensorType).items() if isinstance(number, int)}
    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        part = model.subgraphs[0]
        tensors = tuple(_tensor(t, model.buffers, dtypes) for t in part.tensors)
        operators = []
        for found in part.operators if part.operators is not None else ():
            code = model.operatorCodes[found.opcodeIndex]
            # Old files have the number in a byte, new ones in an int; the other one is 0, or says "look there".
            kind = kinds[max(code.builtinCode, code.deprecatedBuiltinCode)]
            places = [tuple(map(int, () if p is None else p)) for p in (found.inputs, found.outputs)]
            operators.append(Operator(kind, *places, vars(found.builtinOptions) if found.builtinOptions else {}))
        ends = [tuple(map(int, () if p is None else p)) for p in (part.inputs, part.outputs)]
    # Damage can make the generated reader stumble in any way: wrong offsets, impossible lengths, text that is no UTF-8.
    except Exception as error:
        raise ValueError(
            f"{name}: a damaged .tflite ({len(content):,} bytes; {type(error).__name__}: {error}). Is it cut off? Copy "
            "or convert it again"
        ) from error
    used = {*ends[0], *ends[1], *(t for o in operators for t in (*o.inputs, *o.outputs) if t != -1)}
    wrong = sorted(t for t in used if not 0 <= t < len(tensors))
    if wrong:
        raise ValueError(
            f"{name}: a damaged .tflite: it has {len(tensors)} tensors and uses number {wrong[0]}. "
            "Copy or convert it again"
        )
    return Graph(tensors, tuple(operators), *ends, name)


def _tensor(found: Any, buffers: list[Any], dtypes: dict[int, str]) -> Tensor:
    """Return a tensor of the schema with its constant values, if it has any."""
    name = found.name.decode() if found.name else ""
    shape = [int(n) for n in (() if found.shape is None else found.shape)]
    signature = () if found.shapeSignature is None else found.shapeSignature
    shape[1:] = [-1 if s == -1 else n for n, s in zip(shape, [*signature, *shape[len(signature) :]], strict=True)][1:]
    dtype, q, stored = dtypes[found.type], found.quantization, buffers[found.buffer]
    scale, zero_point = (None, None) if q is None else (q.scale, q.zeroPoint)
    if stored.offset > 1 or found.externalBuffer:
        raise ValueError(f"the constants of {name!r} lie outside the tables, as in files above 2 GB")
    data = None
    if stored.data is not None and len(stored.data):
        raw = np.asarray(stored.data, np.uint8)
        expected = Tensor(name, tuple(shape), dtype).bytes
        if len(raw) != expected:
            raise ValueError(f"{name!r} is {dtype} of shape {tuple(shape)}, {expected} bytes, and has {len(raw)}")
        if dtype == "int4":  # the first of two in the low half, in two's complement
            halves = np.stack([raw & 15, raw >> 4], axis=1).reshape(-1)[: math.prod(shape)].astype(np.int8)
            data = (halves - 16 * (halves > 7)).astype(np.int8).reshape(shape)
        else:
            data = np.frombuffer(raw.tobytes(), np.dtype(dtype).newbyteorder("<")).reshape(shape)
    return Tensor(name, tuple(shape), dtype, scale, zero_point, int(q.quantizedDimension) if q else 0, data)


def count_tflite(tflite: bytes | str | Path | Graph) -> Cost:
    """Count what a .tflite costs on one image, in the types that its own tensors have.

    tflite: as in `read`, or what `read` returned. params are the values in the weights and biases that the file holds,
    scales and zero points apart; the rest is counted as in `edgelab.train.costs`, one row an operator, and each
    operator but a reshape writes a tensor of its own. `weight_bytes()` is what the file stores,
    `weight_bytes("int4")` what these numbers would take as int4. LiteRT's arena takes more than `activation_bytes`: it
    keeps the input to the end, begins each tensor at a multiple of 64 bytes, and has scratch memory. Raises ValueError
    as `read` does, for a size left open, and for an operator that can't be counted.

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
            raise ValueError(f"{where} has {len(inputs)} inputs and {len(outputs)} outputs; the file is damaged")
        if kind == "DEQUANTIZE" and inputs[0] in constants:  # a weight kept in float16
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
    """Return the layer's part of a tensor's name: the converter writes model_1/model_1/conv2d_1/Relu;model_1/…"""
    first, *others = name.partition(";")[0].split("/")
    return "/".join(part for part in others if part != first) or first


def _work(
    graph: Graph, kind: str, inputs: tuple[int, ...], outputs: tuple[int, ...], constants: dict[int, Tensor], where: str
) -> tuple[int, dict[int, Tensor]]:
    """Return an operator's MACs, and which of its inputs are weights or biases. where: begins a message."""
    y = graph.tensors[outputs[0]].shape
    if kind not in PRODUCTS | WITHOUT_PRODUCTS:
        raise ValueError(
            f"{where} can't be counted; those with products that can: {', '.join(sorted(PRODUCTS))}. A "
            "recurrent layer becomes such operators when it is built with unroll=True"
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
