#!/usr/bin/env bash
# A tensor holds one number eleven times. Does QUANTIZE make eleven equal integers of it?
#
# Guess: yes. An elementwise operator treats all elements alike.
# Seen:  not with LiteRT's builtin kernels on x86-64. They work in vectors of 8 and multiply by 1 / scale there; what is
#        left over is divided by the scale, and halves go another way. So 8 elements get one integer, and the last 3 its
#        neighbour, where the number lies in the middle between two. A tensor of 16 has no such rest. Reference kernels
#        and XNNPACK treat all elements alike.
# With:  ai-edge-litert 2.3.0, x86-64; the file, one QUANTIZE, is written here with LiteRT's own schema.
# Course: `quantize_input` of `edgelab.infer.integer` follows it as the rule "inverse8"; see CHANGELOG.md.
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

SCALE = 0.1


def quantize_file(size):
    affine = schema.QuantizationParametersT(scale=[SCALE], zeroPoint=[0])
    tensors = [
        schema.TensorT(name="x", shape=[1, size], type=schema.TensorType.FLOAT32, buffer=0),
        schema.TensorT(name="y", shape=[1, size], type=schema.TensorType.INT8, buffer=0, quantization=affine),
    ]
    code = schema.BuiltinOperator.QUANTIZE
    graph = schema.SubGraphT(tensors=tensors, inputs=[0], outputs=[1], operators=[schema.OperatorT(0, [0], [1])])
    codes = [schema.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=code, version=1)]
    builder = flatbuffers.Builder()
    model = schema.ModelT(3, operatorCodes=codes, subgraphs=[graph], buffers=[schema.BufferT()])
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def uneven(name, size):
    """How many of 200 numbers in the middle of two integers get more than one integer, and the first such tensor."""
    interpreter = Interpreter(model_content=quantize_file(size), experimental_op_resolver_type=OpResolverType[name])
    interpreter.allocate_tensors()
    found = []
    for step in range(-100, 100):
        number = np.float32((step + 0.5) * np.float32(SCALE))
        interpreter.set_tensor(0, np.full((1, size), number, np.float32))
        interpreter.invoke()
        integers = interpreter.get_tensor(1)[0].tolist()
        if len(set(integers)) > 1:
            found.append((float(number), integers))
    return len(found), found[:1]


as_described = True
for name in ("BUILTIN_REF", "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "BUILTIN"):
    for size in (11, 16):
        count, first = uneven(name, size)
        shown = f", as {first[0][0]:.2f}: {first[0][1]}" if first else ""
        print(f"{name}, {size} equal elements: {count} of 200 numbers are rounded by position{shown}")
        as_described &= (count > 0) == (name == "BUILTIN_WITHOUT_DEFAULT_DELEGATES" and size == 11)
sys.exit(0 if as_described else "This is no longer what quantize-by-position.sh describes.")
EOF
