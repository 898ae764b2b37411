"""A .tflite in integers, checked after the converter: float operators inside, copies between scales, versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgelab.infer.runner import open_interpreter
from edgelab.infer.tflite import Graph, Tensor, read
from edgelab.infer.tflite_tables import pack_tables, unpack_tables

if TYPE_CHECKING:
    import keras

INTEGERS = ("int8", "int16", "uint8")
# Operators that copy integers of their first input to their one output, and never look at a scale.
COPYING = (
    "REVERSE_V2", "RESHAPE", "TRANSPOSE", "STRIDED_SLICE", "SLICE", "GATHER", "GATHER_ND", "TILE", "EXPAND_DIMS",
    "SQUEEZE", "BROADCAST_TO", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND",
)  # fmt: skip


def float_operators(tflite: bytes | Graph) -> list[tuple[str, str]]:
    """Return the operators of an integer .tflite that compute in float: (operator, name of the tensor it makes).

    tflite: its bytes, or what `edgelab.infer.tflite.read` returned. QUANTIZE of the file's inputs and DEQUANTIZE of its
    outputs are not among them: they are the ends of a file that takes and gives float. Returns [] for a file that can
    run where only integers can. Raises ValueError as `read` does.

    >>> float_operators(Graph((), (), (), ()))
    []
    """
    graph = tflite if isinstance(tflite, Graph) else read(tflite)
    found = []
    for operator in graph.operators:
        inputs = [number for number in operator.inputs if number != -1]
        first = operator.kind == "QUANTIZE" and set(inputs) <= set(graph.inputs)
        last = operator.kind == "DEQUANTIZE" and set(operator.outputs) <= set(graph.outputs)
        floats = [
            n for n in (*inputs, *operator.outputs) if graph.tensors[n].dtype in ("float32", "float16", "float64")
        ]
        if floats and not first and not last:
            found.append((operator.kind, graph.tensors[operator.outputs[0]].name))
    return found


def scales_apart(graph: Graph) -> list[int]:
    """Return the numbers of operators that copy integers between two scales, so that they stand for other values.

    >>> scales_apart(Graph((), (), (), ()))
    []
    """
    found = []
    for number, operator in enumerate(graph.operators):
        if operator.kind in COPYING:
            x, y = (graph.tensors[ends[0]] for ends in (operator.inputs, operator.outputs))
            if x.dtype == y.dtype and x.dtype in INTEGERS and _scale(x) and _scale(y) and _scale(x) != _scale(y):
                found.append(number)
    return found


def _scale(tensor: Tensor) -> tuple[float, int] | None:
    if tensor.scale is None or len(tensor.scale) != 1:
        return None
    return float(tensor.scale[0]), int(tensor.zero_point[0])


def repair_scales(tflite: bytes) -> bytes:
    """Return a .tflite in which no operator copies integers between two scales: a QUANTIZE follows such an operator.

    The converter gives the output of REVERSE_V2 (Bidirectional layers, keras.ops.flip) a scale of its own, and the
    kernels copy the integers as they are. Returns the given bytes where nothing is wrong. Raises ValueError as
    `edgelab.infer.tflite.read` does.

    >>> repair_scales(b"1234TFL2")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: model in memory: not a .tflite (8 bytes, no TFL3 mark at byte 4). Convert a Keras model with ...
    """
    from copy import deepcopy

    from ai_edge_litert import schema_py_generated as schema

    graph = read(tflite)
    wrong = scales_apart(graph)
    if not wrong:
        return tflite
    model = unpack_tables(tflite)
    part, kind = model.subgraphs[0], schema.BuiltinOperator.QUANTIZE
    model.operatorCodes.append(schema.OperatorCodeT(builtinCode=kind, deprecatedBuiltinCode=kind, version=2))
    options = schema.BuiltinOptions.QuantizeOptions, schema.QuantizeOptionsT()
    for number in reversed(wrong):
        operator = part.operators[number]
        made, between = int(operator.outputs[0]), len(part.tensors)
        copy = deepcopy(part.tensors[made])
        copy.name, copy.quantization = (
            copy.name + b"_as_it_was",
            deepcopy(part.tensors[operator.inputs[0]].quantization),
        )
        part.tensors.append(copy)
        operator.outputs = [between]
        added = schema.OperatorT(len(model.operatorCodes) - 1, [between], [made], *options)
        part.operators.insert(number + 1, added)
    return pack_tables(model)


def fold_constants(tflite: bytes) -> bytes:
    """Return an integer .tflite without the float operators that read constants alone: their results are constants.

    The converter leaves such operators where a recurrent layer begins with a state of zeros. Returns the given bytes
    where there are none. Raises ValueError as `edgelab.infer.tflite.read` does.

    >>> fold_constants(b"1234TFL2")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: model in memory: not a .tflite (8 bytes, no TFL3 mark at byte 4). Convert a Keras model with ...
    """
    from ai_edge_litert import schema_py_generated as schema

    graph = read(tflite)
    known = {number for number, tensor in enumerate(graph.tensors) if tensor.data is not None}
    constant = []
    for number, operator in enumerate(graph.operators):
        if all(each in known or each == -1 for each in operator.inputs):
            known.update(operator.outputs)
            constant.append(number)
    ends = {each for number in constant for each in graph.operators[number].outputs}
    floats = {number for number in constant for each in _ends(graph, number) if graph.tensors[each].dtype == "float32"}
    if not floats or ends & set(graph.outputs):
        return tflite
    interpreter = open_interpreter(tflite, "builtin", keep=True)
    for number in graph.inputs:
        interpreter.set_tensor(number, np.zeros_like(interpreter.get_tensor(number)))
    interpreter.invoke()
    model = unpack_tables(tflite)
    part = model.subgraphs[0]
    read_later = {
        each
        for n, operator in enumerate(graph.operators)
        if n not in constant
        for each in operator.inputs
        if each in ends
    }
    for number in sorted(read_later):
        part.tensors[number].buffer = len(model.buffers)
        values = np.ascontiguousarray(interpreter.get_tensor(number))
        model.buffers.append(schema.BufferT(data=np.frombuffer(values.tobytes(), np.uint8)))
    part.operators = [operator for n, operator in enumerate(part.operators) if n not in constant]
    return pack_tables(model)


def _ends(graph: Graph, number: int) -> list[int]:
    operator = graph.operators[number]
    return [each for each in (*operator.inputs, *operator.outputs) if each != -1]


def for_all_kernels(tflite: bytes) -> bytes:
    """Return the file with operator versions for which all of LiteRT's kernels are registered.

    The converter writes version 7 of the depthwise convolution for int4 weights, and 3 of TILE for integers
    (UpSampling2D). The reference kernels run those too, but are registered for versions up to 6 and 2, so the file
    would not open.

    >>> from ai_edge_litert import schema_py_generated as schema
    >>> code = schema.OperatorCodeT(builtinCode=schema.BuiltinOperator.TILE, version=3)
    >>> file = for_all_kernels(pack_tables(schema.ModelT(3, operatorCodes=[code], buffers=[schema.BufferT()])))
    >>> schema.Model.GetRootAs(file).OperatorCodes(0).Version()
    2
    """
    from ai_edge_litert import schema_py_generated as schema

    most = {schema.BuiltinOperator.DEPTHWISE_CONV_2D: (7, 6), schema.BuiltinOperator.TILE: (3, 2)}
    content = bytearray(tflite)
    model = schema.Model.GetRootAs(content)
    for code in map(model.OperatorCodes, range(model.OperatorCodesLength())):
        written, wanted = most.get(code.BuiltinCode(), (0, 0))
        if written and code.Version() == written:
            place = code._tab.Pos + code._tab.Offset(8)  # of the field "version" in the table
            content[place : place + 4] = wanted.to_bytes(4, "little")
    return bytes(content)


def warn_of_float(tflite: bytes, mode: str, name: str) -> None:
    """Warn, by a UserWarning, of the operators of an integer .tflite that compute in float, naming them.

    mode, name: of the conversion and the model, for the message. Of a layer's operators one is named.

    >>> from ai_edge_litert import schema_py_generated as schema
    >>> warn_of_float(pack_tables(schema.ModelT(3, subgraphs=[schema.SubGraphT(tensors=[], inputs=[], outputs=[])],
    ...                                    buffers=[schema.BufferT()])), "int8", "net")
    """
    import warnings

    found = [(kind, made) for kind, made in float_operators(tflite) if kind not in ("QUANTIZE", "DEQUANTIZE")]
    if found:
        named = dict.fromkeys(f"{kind} ({_layer(made)})" for kind, made in found)
        shown = ", ".join(list(named)[:4]) + (" …" if len(named) > 4 else "")
        warnings.warn(
            f"{name!r} in mode {mode}: {len(found)} operators stay float32, between DEQUANTIZE and QUANTIZE: {shown}. "
            "The file does not run where only integers can, and is slower. Where that matters, use other layers, such "
            "as BatchNormalization in place of LayerNormalization, and ReLU in place of ELU or a slope",
            UserWarning,
            stacklevel=4,  # who called to_tflite, or convert_apart
        )


def _layer(made: str) -> str:
    """Return a layer's name from that of its operator's output, such as net_1/net_1/elu_1/Elu;…"""
    parts = made.partition(";")[0].split("/")
    return parts[-2] if len(parts) > 1 else made


def warn_of_error(tflite: bytes, model: keras.Model, x: np.ndarray, mode: str) -> None:
    """Warn, by a UserWarning, where a converted file answers otherwise than its Keras model, far beyond rounding.

    model: with one output, others are not compared. x: float32 (n, …), a few real inputs. mode: for the message. The
    error must be more than 0.3 of the answers (10 dB, both as root mean squares) and two steps of the output.

    >>> from inspect import signature
    >>> list(signature(warn_of_error).parameters)
    ['tflite', 'model', 'x', 'mode']
    """
    import warnings

    if len(model.outputs) != 1:
        return
    interpreter = open_interpreter(tflite, "builtin")
    (start,), (end,) = interpreter.get_input_details(), interpreter.get_output_details()
    answers = []
    for sample in x:
        interpreter.set_tensor(start["index"], _as(sample[None], start))
        interpreter.invoke()
        answers.append(interpreter.get_tensor(end["index"])[0].astype(np.float32))
    scale, zero_point = end["quantization"]
    found = np.stack(answers) if not scale else (np.stack(answers) - zero_point) * np.float32(scale)
    right = np.asarray(model(x, training=False), np.float32)
    error, size = (float(np.sqrt(np.mean(np.square(each)))) for each in (found - right, right))
    if error > max(0.3 * size, 2 * scale):
        warnings.warn(
            f"{model.name!r} in mode {mode} answers {len(x)} of the calibration samples with an error of {error:.3g}, "
            f"where Keras' answers are {size:.3g} (root mean squares). Find the layer with layer_errors of "
            "edgelab.shrink.quantize, give calibration data like the real inputs, or use mode int16x8",
            UserWarning,
            stacklevel=4,  # who called to_tflite, or convert_apart
        )


def _as(x: np.ndarray, end: dict[str, Any]) -> np.ndarray:
    """Return an input as the file takes it: float32, or integers."""
    scale, zero_point = end["quantization"]
    if not scale:
        return x.astype(end["dtype"])
    limits = np.iinfo(end["dtype"])
    return np.clip(np.rint(x / np.float32(scale)) + zero_point, limits.min, limits.max).astype(end["dtype"])
