"""A .tflite from elsewhere as ai-edge-quantizer takes it: what older and other converters write differently."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelab.infer.smallest import relu_tflite  # noqa: F401 (for the examples)
from edgelab.infer.tflite import Graph, read
from edgelab.infer.tflite_tables import pack_tables, unpack_tables


def float_graph(tflite: bytes) -> Graph:
    """Return the graph of a float32 .tflite with one input and one output.

    Raises ValueError for another file, naming the tensor and its type, and as `edgelab.infer.tflite.read` does.

    >>> float_graph(relu_tflite())
    Traceback (most recent call last):
        ...
    ValueError: model in memory: quantized already: 'x' is int8. Start from to_tflite(model, "float32")
    """
    graph = read(tflite)
    if (len(graph.inputs), len(graph.outputs)) != (1, 1):
        raise ValueError(
            f"{graph.name}: {len(graph.inputs)} inputs, {len(graph.outputs)} outputs; expected one of each"
        )
    ends = [("input", graph.tensors[graph.inputs[0]]), ("output", graph.tensors[graph.outputs[0]])]
    advice = 'Start from to_tflite(model, "float32")'
    for tensor in (*(t for _, t in ends), *graph.tensors):
        if not tensor.dtype.startswith("float") and (tensor.scale is not None or tensor.dtype in ("int4", "int2")):
            raise ValueError(f"{graph.name}: quantized already: {tensor.name!r} is {tensor.dtype}. {advice}")
        if tensor.dtype in ("float16", "bfloat16"):
            raise ValueError(f"{graph.name}: holds {tensor.name!r} in {tensor.dtype}; expected float32. {advice}")
    for place, tensor in ends:
        if tensor.dtype != "float32":
            raise ValueError(
                f"{graph.name}: its {place} {tensor.name!r} is {tensor.dtype}, without a scale; expected float32. "
                "Leave what comes before or after the float32 network out of the model"
            )
    return graph


def as_quantizer_input(tflite: bytes) -> bytes:
    """Return the same float32 model in the form that ai-edge-quantizer understands; the same bytes where it is that.

    The quantizer reads kinds of operators from the field builtinCode alone, which files from before TensorFlow 2.4
    leave 0 (LiteRT takes the larger of builtinCode and deprecatedBuiltinCode); it finds the input by a signature, which
    files from before 2.5 and of other converters lack; it tells tensors apart by their names; and it takes sparse
    weights for dense ones. Raises ValueError as `read` does.

    >>> file = as_quantizer_input(relu_tflite())
    >>> unpack_tables(file).signatureDefs[0].signatureKey, read(file).operators[0].kind
    (b'serving_default', 'RELU')
    """
    from ai_edge_litert import schema_py_generated as schema

    model, before = unpack_tables(tflite), pack_tables(unpack_tables(tflite))
    graph = model.subgraphs[0]
    for code in model.operatorCodes or ():
        code.builtinCode = max(code.builtinCode, code.deprecatedBuiltinCode)
    _densify(model, read(tflite))
    seen: set[str] = set()
    for number, tensor in enumerate(graph.tensors):
        name = (tensor.name or b"").decode(errors="replace") or f"tensor;{number}"
        while name in seen:
            name += f";{number}"
        seen.add(name)
        if name.encode() != tensor.name:
            tensor.name = name
    if not any(s.subgraphIndex == 0 for s in model.signatureDefs or ()):
        ends = [
            [schema.TensorMapT(name=f"{kind}_{i}", tensorIndex=int(n)) for i, n in enumerate(numbers)]
            for kind, numbers in (("input", graph.inputs), ("output", graph.outputs))
        ]
        made = schema.SignatureDefT(*ends, signatureKey="serving_default", subgraphIndex=0)
        model.signatureDefs = [*(model.signatureDefs or ()), made]
    after = pack_tables(model)
    return tflite if after == before else after


def _densify(model: Any, graph: Graph) -> None:
    """Give sparse weights their zeros in the tables; operators DENSIFY go."""
    tables = model.subgraphs[0]
    kinds = [operator.kind for operator in graph.operators]
    for tensor, found in zip(tables.tensors, graph.tensors, strict=True):
        if tensor.sparsity is not None and found.data is not None:
            tensor.sparsity = None
            model.buffers[tensor.buffer].data = np.frombuffer(np.ascontiguousarray(found.data).tobytes(), np.uint8)
    operators = list(zip(tables.operators or (), kinds, strict=True))
    made = {int(o.outputs[0]): int(o.inputs[0]) for o, kind in operators if kind == "DENSIFY"}
    tables.operators = [o for o, kind in operators if kind != "DENSIFY"]
    if not made:
        return
    # Each constant takes the place of what DENSIFY made of it, and the numbers of the others close up.
    kept = [number for number in range(len(tables.tensors)) if number not in made]
    new = {number: place for place, number in enumerate(kept)} | {-1: -1}
    new |= {made_of: new[number] for made_of, number in made.items()}
    tables.tensors = [tables.tensors[number] for number in kept]
    tables.inputs, tables.outputs = ([new[int(i)] for i in part] for part in (tables.inputs, tables.outputs))
    for operator in tables.operators:
        for field in ("inputs", "outputs", "intermediates"):
            numbers = getattr(operator, field)
            setattr(operator, field, None if numbers is None else [new[int(i)] for i in numbers])
    for signature in model.signatureDefs or ():
        for end in (*signature.inputs, *signature.outputs) if signature.subgraphIndex == 0 else ():
            end.tensorIndex = new[end.tensorIndex]
