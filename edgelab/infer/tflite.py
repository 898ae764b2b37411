"""Read a .tflite without running it. Needs LiteRT's schema, never TensorFlow.

A .tflite is a FlatBuffer: tables of tensors and operators that refer to each other by number, and buffers of constants.
`edgelab.infer.tflite_cost` counts what it costs.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

# The operators whose second input holds weights.
PRODUCTS = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}


class Tensor(NamedTuple):
    """A tensor of a .tflite.

    shape: -1 for a size left open (the batch is the file's, usually 1). dtype: NumPy's name for it, or int4. scale,
    zero_point: float32 and int64 (channels,) or (1,), None where the tensor isn't quantized; axis: of the channels.
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

    kind: its name in the schema. inputs, outputs: numbers of tensors, -1 for an input left out. options: by their names
    in the schema, such as strideH; enumerations are numbers.

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
        raise ValueError(f"a tensor of type {dtype} has no fixed number of bits; expected a type of numbers")
    return int(found[1]) if found else 8


def read(tflite: bytes | str | Path) -> Graph:
    """Read the operators, tensors, scales and constants of a .tflite.

    tflite: its bytes, or its path. Of several subgraphs (the bodies of loops) only the first is read.
    Raises FileNotFoundError, and ValueError for a file that is no .tflite, is cut off or damaged, or holds constants of
    a type that can't be read. Source: tensorflow/lite/schema/schema.fbs; its numbers are little-endian.

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
            # Old files have the number in a byte, new ones in an int; the other field is 0, or a smaller placeholder.
            kind = kinds[max(code.builtinCode, code.deprecatedBuiltinCode)]
            places = [tuple(map(int, () if p is None else p)) for p in (found.inputs, found.outputs)]
            operators.append(Operator(kind, *places, vars(found.builtinOptions) if found.builtinOptions else {}))
        ends = [tuple(map(int, () if p is None else p)) for p in (part.inputs, part.outputs)]
    # Damage can make the generated reader fail in any way: wrong offsets, impossible lengths, text that is no UTF-8.
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
        raise ValueError(f"the constants of {name!r} lie outside the tables, which can't be read (files above 2 GB)")
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
