#!/usr/bin/env bash
# MAX_POOL_2D with a fused ReLU6 only compares. Do LiteRT's kernels agree on the largest integer that it lets through?
#
# Guess: yes. Input and output share their scale, nothing is rescaled, so there is nothing to round.
# Seen:  the bound 6 is rounded itself, to an integer of the tensor. Where 6 / scale lies in the middle between two,
#        reference and builtin kernels round it away from zero, and XNNPACK adds the zero point and rounds to even. With
#        a stride larger than the window XNNPACK leaves the operator to the builtin kernels, and the same file with
#        another stride saturates one integer higher.
# With:  ai-edge-litert 2.3.0, x86-64; the file, one MAX_POOL_2D, is written here with LiteRT's own schema.
# Course: `MAX_POOL_2D` in edgelab/infer/integer/pooling.py follows it; tests draw such bounds.
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

WINDOW = 2


def pool_file(scale, stride):
    affine = schema.QuantizationParametersT(scale=[float(scale)], zeroPoint=[0])
    side = (7 - WINDOW) // stride + 1
    tensors = [
        schema.TensorT(name=name, shape=shape, type=schema.TensorType.INT8, buffer=0, quantization=affine)
        for name, shape in (("x", [1, 7, 7, 1]), ("y", [1, side, side, 1]))
    ]
    options = schema.Pool2DOptionsT(
        padding=schema.Padding.VALID, strideW=stride, strideH=stride, filterWidth=WINDOW, filterHeight=WINDOW,
        fusedActivationFunction=schema.ActivationFunctionType.RELU6,
    )
    operator = schema.OperatorT(0, [0], [1], schema.BuiltinOptions.Pool2DOptions, options)
    code = schema.BuiltinOperator.MAX_POOL_2D
    graph = schema.SubGraphT(tensors=tensors, inputs=[0], outputs=[1], operators=[operator])
    codes = [schema.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=code, version=2)]
    builder = flatbuffers.Builder()
    model = schema.ModelT(3, operatorCodes=codes, subgraphs=[graph], buffers=[schema.BufferT()])
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def largest(name, scale, stride):
    """What a tensor full of 127 comes out as."""
    interpreter = Interpreter(
        model_content=pool_file(scale, stride), experimental_op_resolver_type=OpResolverType[name]
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, np.full((1, 7, 7, 1), 127, np.int8))
    interpreter.invoke()
    return int(interpreter.get_tensor(1).max())


as_described = True
for below in (60, 80, 100):  # even: halves to even go down, halves away from zero up
    scale = np.float32(6 / (below + 0.5))
    assert np.float32(6) / scale == below + 0.5, "the bound must lie in the middle"
    for stride in (1, 2, 3):
        found = {name: largest(name, scale, stride) for name in ("BUILTIN_REF", "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "AUTO")}
        print(f"6 is {below + 0.5} steps, window {WINDOW}, stride {stride}: {found}")
        as_described &= list(found.values()) == [below + 1, below + 1, below + 1 if stride > WINDOW else below]
sys.exit(0 if as_described else "This is no longer what max-pool-bound-by-stride.sh describes.")
EOF
