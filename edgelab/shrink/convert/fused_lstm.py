"""Write a .tflite by hand: an LSTM as the one operator that older converters wrote, which keeps its state."""

from __future__ import annotations

import numpy as np


def lstm_tflite(w: np.ndarray, u: np.ndarray, b: np.ndarray, steps: int) -> bytes:
    """Write a .tflite of one fused LSTM, from the weights of a Keras layer, without a converter.

    w: float (inputs, 4 units), u: (units, 4 units), b: (4 units,), gates in Keras' order i f c o. The file's input is
    float32 (1, steps, inputs), its output (1, steps, units): all states h. h and c begin at zero in the first call, and
    in the next where the last one ended. Returns the file's bytes. Raises ValueError for shapes that don't fit and
    steps below 1.
    Source: Hochreiter and Schmidhuber 1997; tensorflow/lite/schema/schema.fbs, UNIDIRECTIONAL_SEQUENCE_LSTM.

    >>> file = lstm_tflite(np.zeros((3, 8)), np.zeros((2, 8)), np.zeros(8), steps=5)
    >>> file[4:8], len(file) < 2000
    (b'TFL3', True)
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    units = np.shape(u)[0]
    if np.ndim(w) != 2 or np.shape(w)[1:] != (4 * units,) or np.shape(u) != (units, 4 * units):
        raise ValueError(f"w has shape {np.shape(w)}, u {np.shape(u)}; expected (inputs, 4 units), (units, 4 units)")
    if np.shape(b) != (4 * units,) or steps < 1:
        raise ValueError(f"b has shape {np.shape(b)}, steps is {steps}; expected ({4 * units},) and at least 1")
    gates = [part.T for part in (*np.split(w, 4, axis=1), *np.split(u, 4, axis=1))] + np.split(b, 4)
    stored = [np.ascontiguousarray(part, "<f4") for part in gates]
    buffers = [schema.BufferT()] + [schema.BufferT(data=np.frombuffer(a.tobytes(), np.uint8)) for a in stored]
    tensors = [schema.TensorT(name="x", shape=[1, steps, len(w)], buffer=0)]
    tensors += [schema.TensorT(name=f"w{i}", shape=list(a.shape), buffer=i) for i, a in enumerate(stored, start=1)]
    # Variable: their values stay from one call to the next.
    tensors += [schema.TensorT(name=n, shape=[1, units], buffer=0, isVariable=True) for n in ("h", "c")]
    tensors += [schema.TensorT(name="y", shape=[1, steps, units], buffer=0)]
    # The operator's 24 inputs: x, 8 weights, 3 of peepholes, 4 biases, 2 of a projection, h, c, 4 of norms; -1: none.
    inputs = [0, *range(1, 9), -1, -1, -1, *range(9, 13), -1, -1, 13, 14, -1, -1, -1, -1]
    number, kind = schema.BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM, "UnidirectionalSequenceLSTMOptions"
    options = schema.UnidirectionalSequenceLSTMOptionsT(schema.ActivationFunctionType.TANH)
    operator = schema.OperatorT(0, inputs, [15], getattr(schema.BuiltinOptions, kind), options)
    graph = schema.SubGraphT(tensors=tensors, inputs=[0], outputs=[15], operators=[operator])
    code = schema.OperatorCodeT(builtinCode=number, deprecatedBuiltinCode=number, version=1)
    builder = flatbuffers.Builder()
    model = schema.ModelT(3, operatorCodes=[code], subgraphs=[graph], buffers=buffers)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
