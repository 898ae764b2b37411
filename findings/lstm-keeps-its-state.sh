#!/usr/bin/env bash
# Does a .tflite with a fused LSTM give the same output for the same input, call after call?
#
# Guess: yes. A sequence goes in whole, so each call begins from the zero state, as predict() does in Keras; and if not,
#        allocate_tensors() starts afresh.
# Seen:  the cell begins where the last call ended, on all kernels. allocate_tensors() again does not reset it;
#        reset_all_variables() does. Accuracy measured over a test set in one loop is then that of another model.
# With:  ai-edge-litert 2.3.0; the file, one UNIDIRECTIONAL_SEQUENCE_LSTM, is written here with LiteRT's own schema.
# Course: notebook 07 measures what it costs on MNIST's rows; `lstm_tflite` of `edgelab.shrink.convert` writes the file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
  ai-edge-litert==2.3.0 numpy==2.4.6 flatbuffers==25.12.19

"$folder/env/bin/python" - <<'EOF'
import sys

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

UNITS, INPUTS, STEPS, OUTPUT = 4, 3, 5, 15
random = np.random.default_rng(0)

# The weights of the four gates, for the input and for the state, and the biases; then the two states, which are kept.
shapes = [(UNITS, INPUTS)] * 4 + [(UNITS, UNITS)] * 4 + [(UNITS,)] * 4
weights = [random.normal(size=shape).astype("<f4") for shape in shapes]
buffers = [schema.BufferT(), *(schema.BufferT(data=np.frombuffer(w.tobytes(), np.uint8)) for w in weights)]
tensors = [schema.TensorT(name="x", shape=[1, STEPS, INPUTS], buffer=0)]
tensors += [schema.TensorT(name=f"w{i}", shape=list(w.shape), buffer=i) for i, w in enumerate(weights, start=1)]
tensors += [schema.TensorT(name=name, shape=[1, UNITS], buffer=0, isVariable=True) for name in ("h", "c")]
tensors += [schema.TensorT(name="y", shape=[1, STEPS, UNITS], buffer=0)]
code = schema.BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM
options = schema.UnidirectionalSequenceLSTMOptionsT(schema.ActivationFunctionType.TANH)
inputs = [0, *range(1, 9), -1, -1, -1, *range(9, 13), -1, -1, 13, 14, -1, -1, -1, -1]
kind = schema.BuiltinOptions.UnidirectionalSequenceLSTMOptions
graph = schema.SubGraphT(
    tensors=tensors,
    inputs=[0],
    outputs=[OUTPUT],
    operators=[schema.OperatorT(0, inputs, [OUTPUT], kind, options)],
)
codes = [schema.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=code, version=1)]
builder = flatbuffers.Builder()
model = schema.ModelT(3, operatorCodes=codes, subgraphs=[graph], buffers=buffers)
builder.Finish(model.Pack(builder), b"TFL3")
file = bytes(builder.Output())

x = random.normal(size=(1, STEPS, INPUTS)).astype("f4")


def ask(interpreter):
    interpreter.set_tensor(0, x)
    interpreter.invoke()
    return interpreter.get_tensor(OUTPUT).copy()


as_described = True
for name in ("BUILTIN_REF", "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "BUILTIN"):
    interpreter = Interpreter(model_content=file, experimental_op_resolver_type=OpResolverType[name])
    interpreter.allocate_tensors()
    first, second = ask(interpreter), ask(interpreter)
    interpreter.allocate_tensors()
    allocated = ask(interpreter)
    interpreter.reset_all_variables()
    reset = ask(interpreter)
    same = [np.array_equal(first, each) for each in (second, allocated, reset)]
    print(f"{name}: as the first call: the second {same[0]}, after allocate_tensors {same[1]}, after a reset {same[2]}")
    as_described &= same == [False, False, True]
sys.exit(0 if as_described else "This is no longer what lstm-keeps-its-state.sh describes.")
EOF
