#!/usr/bin/env bash
# What does LiteRT answer when a pixel of its input is NaN or infinite?
#
# Guess: an error, or at least NaN in the output, so that a check of the output finds a broken sensor or a 0/0.
# Seen:  no error on any kernel. A float32 file on XNNPACK answers NaN in all classes, whose argmax is 0, a digit. An
#        int8 file with float32 ends answers ordinary finite logits: QUANTIZE turns NaN into an integer, and nothing
#        after it can tell. On x86-64 the reference and builtin kernels even turn -inf into the largest integer.
# With:  ai-edge-litert 2.3.0, x86-64; files of data/models of this clone.
# Course: notebook 10 checks inputs; `Runner.predict` of `edgelab.infer.runner` refuses them, naming the first one.
set -euo pipefail
clone=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check ai-edge-litert==2.3.0 numpy==2.4.6

"$folder/env/bin/python" - "$clone/data/models" <<'EOF'
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

KERNELS = {
    "reference": OpResolverType.BUILTIN_REF,
    "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "xnnpack": OpResolverType.BUILTIN,
}


def answer(file, kernels, pixel):
    model = Interpreter(f"{sys.argv[1]}/{file}.tflite", experimental_op_resolver_type=KERNELS[kernels])
    model.allocate_tensors()
    image = np.zeros((1, 28, 28, 1), np.float32)
    image[0, 14, 14, 0] = pixel
    model.set_tensor(model.get_input_details()[0]["index"], image)
    model.invoke()
    return model.get_tensor(model.get_output_details()[0]["index"])[0]


broken = answer("small_float32", "xnnpack", np.nan)
print(f"float32, xnnpack, a pixel NaN: {np.isnan(broken).sum()} of 10 logits NaN, argmax {broken.argmax()}")
as_described = np.isnan(broken).all() and broken.argmax() == 0
for kernels in KERNELS:
    nan, minus, plus = (answer("small_int8_float_io", kernels, value) for value in (np.nan, -np.inf, np.inf))
    finite, mixed_up = np.isfinite(nan).all(), np.array_equal(minus, plus)
    print(f"int8, {kernels}, a pixel NaN: finite {finite}, argmax {nan.argmax()}; -inf answers as +inf: {mixed_up}")
    as_described &= finite and mixed_up == (kernels != "xnnpack")
sys.exit(0 if as_described else "This is no longer what nan-becomes-a-digit.sh describes.")
EOF
