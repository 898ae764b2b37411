"""Read a .tflite without running it. Needs LiteRT's schema, never TensorFlow.

A .tflite is a FlatBuffer: tables of tensors and operators that refer to each other by number, and buffers of constants.
`edgelab.infer.tflite_cost` counts what it costs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgelab.infer.tflite_constants import constant_values, value_bits
from edgelab.infer.tflite_tables import unpack_tables

# The operators whose second input holds weights.
PRODUCTS = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}


class Tensor(NamedTuple):
    """A tensor of a .tflite.

    shape: -1 for a size left open (the batch is the file's, usually 1). dtype: the schema's name for it in small
    letters: NumPy's, or one such as int4. scale, zero_point: float32 and int64 (channels,) or (1,), None where the
    tensor isn't quantized; axis: of the channels. data: the values of a constant, of that shape and with all zeros of
    sparse weights, as `constant_values` returns them (int4 as int8), else None.

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

    kind: its name in the schema; CUSTOM:name for one that isn't part of LiteRT. inputs, outputs: numbers of tensors, -1
    for an input left out. options: by their names in the schema, such as strideH; enumerations are numbers.

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


def read(tflite: bytes | str | Path) -> Graph:
    """Read the operators, tensors, scales and constants of a .tflite.

    tflite: its bytes, or its path. Of several subgraphs (the bodies of loops) only the first is read.
    Raises FileNotFoundError, and ValueError for a file that is no .tflite, is cut off or damaged, keeps its constants
    in another file, or has a part that can't be read, named. Source: tensorflow/lite/schema/schema.fbs.

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
    from ai_edge_litert import schema_py_generated as schema

    kinds = {number: kind for kind, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    dtypes = {number: kind.lower() for kind, number in vars(schema.TensorType).items() if isinstance(number, int)}
    model = unpack_tables(content, name)
    if not model.subgraphs:
        raise ValueError(f"{name}: a .tflite without a subgraph: nothing in it can run. Convert the model again")
    part = model.subgraphs[0]
    tensors = tuple(_read_tensor(t, model, dtypes, name) for t in part.tensors or ())
    operators = tuple(
        _read_operator(o, n, model.operatorCodes or (), kinds, name) for n, o in enumerate(part.operators or ())
    )
    ends = [_places_of(p) for p in (part.inputs, part.outputs)]
    # An operator may leave an input out by -1, never what it makes.
    used = {*ends[0], *ends[1], *(t for o in operators for t in (*(i for i in o.inputs if i != -1), *o.outputs))}
    wrong = sorted(t for t in used if not 0 <= t < len(tensors))
    if wrong:
        raise ValueError(
            f"{name}: a damaged .tflite: it has {len(tensors)} tensors and uses number {wrong[0]}. "
            "Copy or convert it again"
        )
    return Graph(tensors, operators, *ends, name)


def _places_of(found: Any) -> tuple[int, ...]:
    return () if found is None else tuple(map(int, found))


def _read_operator(found: Any, number: int, codes: Sequence[Any], kinds: dict[int, str], file: str) -> Operator:
    """Return an operator of the schema. number: its place; codes: the file's table of kinds of operators."""
    if found.opcodeIndex >= len(codes):
        raise ValueError(
            f"{file}: operator {number} has code {found.opcodeIndex}, and the file's table has {len(codes)}: "
            "LiteRT refuses it, too. Copy or convert it again"
        )
    code = codes[found.opcodeIndex]
    # Old files have the number in a byte, new ones in an int; the other field is 0, or a smaller placeholder.
    value = max(code.builtinCode, code.deprecatedBuiltinCode)
    if value not in kinds:
        raise ValueError(
            f"{file}: operator {number} is of kind {value}, and the schema here ends at {max(kinds)}. "
            "Is the file newer than the installed ai-edge-litert?"
        )
    kind = kinds[value]
    if kind == "CUSTOM" and code.customCode:
        kind += ":" + code.customCode.decode(errors="replace")
    options = found.builtinOptions or found.builtinOptions2
    return Operator(kind, _places_of(found.inputs), _places_of(found.outputs), vars(options) if options else {})


def _read_tensor(found: Any, model: Any, dtypes: dict[int, str], file: str) -> Tensor:
    """Return a tensor of the schema with its constant values, if it has any."""
    name = found.name.decode(errors="replace") if found.name else ""
    shape, signature = _places_of(found.shape), _places_of(found.shapeSignature)
    if found.type not in dtypes or min(shape, default=0) < 0:
        raise ValueError(
            f"{file}: {name!r} has type {found.type} and shape {shape}; expected a type up to {max(dtypes)} and no "
            "size below 0. Is the file newer than the installed ai-edge-litert?"
        )
    dtype, buffers = dtypes[found.type], model.buffers or ()
    if found.externalBuffer:
        raise ValueError(
            f"{file}: the values of {name!r} lie in a file of their own (external buffer {found.externalBuffer}), "
            "which can't be read. Convert the model with its weights inside"
        )
    if found.buffer >= max(len(buffers), 1):
        raise ValueError(
            f"{file}: {name!r} has its values in buffer {found.buffer}, and the file's table has {len(buffers)}: "
            "LiteRT refuses it, too. Copy or convert it again"
        )
    # Buffer 0 means no values, whatever it holds.
    stored = buffers[found.buffer].data if found.buffer else None
    data = None
    if stored is not None and len(stored):
        try:
            data = constant_values(np.asarray(stored, np.uint8), dtype, shape, found.sparsity)
        except ValueError as error:
            raise ValueError(
                f"{file}: the constant {name!r} {error}. Either the file is damaged, or it stores values in a way that "
                "is unknown here"
            ) from error
    elif found.buffer and 0 in shape and dtype != "string":
        data = constant_values(np.empty(0, np.uint8), dtype, shape)
    elif len(signature) == len(shape):  # of a constant, the shape says all
        shape = (*shape[:1], *(-1 if s == -1 else n for n, s in zip(shape[1:], signature[1:], strict=True)))
    q = found.quantization
    if q is None or q.scale is None or not len(q.scale):
        return Tensor(name, shape, dtype, data=data)
    zero_point = np.zeros(len(q.scale), np.int64) if q.zeroPoint is None or not len(q.zeroPoint) else q.zeroPoint
    return Tensor(name, shape, dtype, q.scale, zero_point, int(q.quantizedDimension), data)
