"""Operators that only move values, left in float by the converter inside an integer file: back to integers.

TensorFlow 2.21's converter quantizes the SPLIT of an unrolled GRU's first step in some runs and not in others, with the
same model and calibration data.
"""

from __future__ import annotations

from typing import Any

from edgelab.infer.tflite import Graph, read
from edgelab.infer.tflite_tables import pack_tables, unpack_tables

# Operators that move values, with the input that holds them.
MOVING = {"SPLIT": 1, "SPLIT_V": 0, "UNPACK": 0, "SLICE": 0, "STRIDED_SLICE": 0, "TRANSPOSE": 0, "RESHAPE": 0}


def float_moves(graph: Graph) -> list[int]:
    """Return the numbers of the operators that move floats from a DEQUANTIZE to nothing but QUANTIZE.

    >>> float_moves(Graph((), (), (), ()))
    []
    """
    makers = {made: operator for operator in graph.operators for made in operator.outputs}
    found = []
    for number, operator in enumerate(graph.operators):
        if operator.kind not in MOVING:
            continue
        source = makers.get(operator.inputs[MOVING[operator.kind]])
        readers = [o.kind for o in graph.operators if set(o.inputs) & set(operator.outputs)]
        inside = not set(operator.outputs) & set(graph.outputs)
        if inside and source and source.kind == "DEQUANTIZE" and set(readers) == {"QUANTIZE"}:
            found.append(number)
    return found


def move_integers(tflite: bytes) -> bytes:
    """Return a .tflite in which what only moves values between DEQUANTIZE and QUANTIZE moves integers.

    The outputs take the scale of the integers before the DEQUANTIZE, and each QUANTIZE after them brings them to the
    scale that it had. Returns the given bytes where there is no such operator. Raises ValueError as
    `edgelab.infer.tflite.read` does.

    >>> move_integers(b"1234TFL2")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: model in memory: not a .tflite (8 bytes, no TFL3 mark at byte 4). Convert a Keras model with ...
    """
    from copy import deepcopy

    graph = read(tflite)
    numbers = float_moves(graph)
    if not numbers:
        return tflite
    model = unpack_tables(tflite)
    part = model.subgraphs[0]
    for number in numbers:
        operator, place = part.operators[number], MOVING[graph.operators[number].kind]
        before = next(o for o in part.operators if operator.inputs[place] in o.outputs)
        x = part.tensors[before.inputs[0]]
        operator.inputs = [before.inputs[0] if i == place else n for i, n in enumerate(operator.inputs)]
        for made in operator.outputs:
            part.tensors[made].type, part.tensors[made].quantization = x.type, deepcopy(x.quantization)
        after = [o for o in part.operators if set(o.inputs) & set(operator.outputs)]
        for each in (operator, *after):
            code = model.operatorCodes[each.opcodeIndex]
            if graph.operators[number].kind != "RESHAPE" or each is not operator:
                code.version = max(code.version, 2)  # the first that takes integers
    part.operators = [o for o in part.operators if not _unread(o, model, part)]
    return pack_tables(model)


def _unread(operator: Any, model: Any, part: Any) -> bool:
    """Say whether an operator is a DEQUANTIZE whose floats nothing reads any more."""
    from ai_edge_litert import schema_py_generated as schema

    kind = model.operatorCodes[operator.opcodeIndex].builtinCode
    read_by = {number for o in part.operators for number in o.inputs} | set(part.outputs)
    return kind == schema.BuiltinOperator.DEQUANTIZE and not read_by & set(operator.outputs)
