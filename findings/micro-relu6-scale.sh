#!/usr/bin/env bash
# Does RELU6 in TensorFlow Lite Micro respect the scale of its output, as RELU does?
#
# Guess: yes. Input and output have their own scale in the file, and RELU next to it rescales.
# Seen:  RELU does, RELU6 does not: it clips the integers of the input and copies them. With half the input's scale at
#        the output, 6.0 comes out as 3.0, without an error. LiteRT rescales both. A RELU6 that the converter fused into
#        the layer before it is right; this is about one that stands alone.
# With:  tflite-micro 0.dev20261023182759 (x86-64 Linux wheel) against ai-edge-litert 2.3.0; the files, one operator
#        each, are written here with LiteRT's own schema.
# Course: the engine's rule "micro" in `edgelab.infer.integer` clips as this runtime does, and tests compare the two.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
  tflite-micro==0.dev20261023182759 ai-edge-litert==2.3.0 numpy==2.4.6 flatbuffers==25.12.19

"$folder/env/bin/python" - <<'EOF'
import sys

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from tflite_micro import runtime

ZERO = -128


def one_operator(kind, x_scale, y_scale):
    tensors = [
        schema.TensorT(
            name=name,
            shape=[1, 16],
            type=schema.TensorType.INT8,
            buffer=0,
            quantization=schema.QuantizationParametersT(scale=[scale], zeroPoint=[ZERO]),
        )
        for name, scale in (("x", x_scale), ("y", y_scale))
    ]
    code = getattr(schema.BuiltinOperator, kind)
    operators = [schema.OperatorT(0, [0], [1])]
    graph = schema.SubGraphT(tensors=tensors, inputs=[0], outputs=[1], operators=operators, name="main")
    codes = [schema.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=code, version=2)]
    builder = flatbuffers.Builder()
    model = schema.ModelT(3, operatorCodes=codes, subgraphs=[graph], buffers=[schema.BufferT()])
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


x = np.arange(-128, 128, 16, dtype=np.int8)[None]  # real numbers 0, 0.8, 1.6 … 12
as_described = True
for kind in ("RELU", "RELU6"):
    for y_scale in (0.05, 0.025):
        file = one_operator(kind, 0.05, y_scale)
        lite = Interpreter(model_content=file)
        lite.allocate_tensors()
        lite.set_tensor(0, x)
        lite.invoke()
        micro = runtime.Interpreter.from_bytes(file)
        micro.set_input(x, 0)
        micro.invoke()
        largest = [(int(y.max()) - ZERO) * y_scale for y in (lite.get_tensor(1), micro.get_output(0))]
        print(f"{kind}, scales 0.05 and {y_scale}: 12.0 becomes {largest[0]:.2f} in LiteRT, {largest[1]:.2f} in Micro")
        same = np.array_equal(lite.get_tensor(1), micro.get_output(0))
        as_described &= same == (kind == "RELU" or y_scale == 0.05)
sys.exit(0 if as_described else "This is no longer what micro-relu6-scale.sh describes.")
EOF
