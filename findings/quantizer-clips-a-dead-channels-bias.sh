#!/usr/bin/env bash
# A channel of a layer has weights of 0 and a bias of 0.5. What does ai-edge-quantizer make of it in an int8 file?
#
# Guess: such a channel is the simplest one: it answers 0.5 whatever comes in. Or an error that names the channel.
# Seen:  neither. The weights' scale of the channel becomes a tiny number, as their range is 0, and the bias, which is
#        kept in steps of input scale times weight scale, takes more steps than an int32 has. It ends at -2^31, and the
#        channel answers 0. All that is said is NumPy's "invalid value encountered in cast", which names no layer.
#        The channel next to it, with the same bias and ordinary weights, is right. Pruning makes such channels, and so
#        does training with ReLU and weight decay.
# With:  ai-edge-quantizer 0.10.0, ai-edge-litert 2.3.0; the file, one FULLY_CONNECTED, is written here with LiteRT's
#        own schema.
# Course: `repair_biases` of `edgelab.shrink.convert.biases` writes the bias again, with a coarser scale of the weights.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
  ai-edge-quantizer==0.10.0 ai-edge-litert==2.3.0 numpy==2.4.6 flatbuffers==25.12.19

"$folder/env/bin/python" - <<'EOF'
import contextlib
import io
import sys
import warnings

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from ai_edge_quantizer import quantizer, recipe

WIDTH = 8
BIAS = np.full(2, 0.5, np.float32)
KERNELS = ("BUILTIN_REF", "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "AUTO")


def dense_file(weights):
    """A float32 file of one dense layer, weights (2, WIDTH), with a signature, which the quantizer asks for."""
    arrays = [None, weights, BIAS]
    buffers = [schema.BufferT()] + [schema.BufferT(data=np.frombuffer(a.tobytes(), np.uint8)) for a in arrays[1:]]
    tensors = [
        schema.TensorT(name=name, shape=shape, type=schema.TensorType.FLOAT32, buffer=buffer)
        for name, shape, buffer in (("x", [1, WIDTH], 0), ("w", [2, WIDTH], 1), ("b", [2], 2), ("y", [1, 2], 0))
    ]
    options = schema.FullyConnectedOptionsT()
    operator = schema.OperatorT(0, [0, 1, 2], [3], schema.BuiltinOptions.FullyConnectedOptions, options)
    code = schema.BuiltinOperator.FULLY_CONNECTED
    model = schema.ModelT(
        3,
        operatorCodes=[schema.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=code, version=1)],
        subgraphs=[schema.SubGraphT(tensors=tensors, inputs=[0], outputs=[3], operators=[operator], name="main")],
        buffers=buffers,
        signatureDefs=[
            schema.SignatureDefT([schema.TensorMapT("x", 0)], [schema.TensorMapT("y", 3)], "serving_default", 0)
        ],
    )
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def quantized(file, samples):
    """The int8 file, and the warnings."""
    said = io.StringIO()  # a progress bar
    with (
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        warnings.catch_warnings(record=True) as warned,
    ):
        warnings.simplefilter("always")
        made = quantizer.Quantizer(file, recipe.static_wi8_ai8())
        ranges = made.calibrate({"serving_default": [{"x": sample} for sample in samples]})
        int8 = bytes(made.quantize(ranges).quantized_model)
    texts = [str(warning.message) for warning in warned]
    return int8, [text for text in texts if "debugging purposes" not in text]  # LiteRT's, of the calibration


def answer(file, x, kernels):
    interpreter = Interpreter(model_content=file, experimental_op_resolver_type=OpResolverType[kernels])
    interpreter.allocate_tensors()
    given, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    if given["dtype"] == np.int8:
        scale, zero_point = given["quantization"]
        x = np.clip(np.rint(x / scale) + zero_point, -128, 127).astype(np.int8)
    interpreter.set_tensor(given["index"], x)
    interpreter.invoke()
    y = interpreter.get_tensor(made["index"])[0]
    if made["dtype"] == np.int8:
        scale, zero_point = made["quantization"]
        y = (y.astype(np.float32) - zero_point) * scale
    return y


random = np.random.default_rng(0)
samples = random.uniform(-1, 1, (50, 1, WIDTH)).astype(np.float32)
samples[:, 0, :2] = -1, 1  # the same range in each: calibration takes a moving mean of the ranges
weights = random.normal(size=(2, WIDTH)).astype(np.float32)
weights[1] = 0
file = dense_file(weights)
int8, warned = quantized(file, samples)
graph = schema.ModelT.InitFromObj(schema.Model.GetRootAs(int8, 0))
layer = next(o for o in graph.subgraphs[0].operators if len(o.inputs) == 3)
w, b = (graph.subgraphs[0].tensors[number] for number in layer.inputs[1:])
steps = np.frombuffer(graph.buffers[b.buffer].data.tobytes(), np.int32)
print(f"weights' scales {w.quantization.scale.tolist()}, bias in steps {steps.tolist()}, warnings: {warned}")
x = samples[0]
print(f"float32: {answer(file, x, 'AUTO').tolist()}")
as_described = warned == ["invalid value encountered in cast"] and steps[1] in (-(2**31), 2**31 - 1)
for kernels in KERNELS:
    found = answer(int8, x, kernels)
    error = np.abs(found - answer(file, x, "AUTO"))
    print(f"int8, {kernels}: {found.tolist()}")
    as_described &= bool(error[0] < 0.05 and error[1] > 0.4)
sys.exit(0 if as_described else "This is no longer what quantizer-clips-a-dead-channels-bias.sh describes.")
EOF
