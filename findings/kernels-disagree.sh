#!/usr/bin/env bash
# Does one int8 .tflite give the same integers on all of LiteRT's kernels?
#
# Guess: yes. Everything in the file is an integer or a fixed scale, and integer sums have no rounding error.
# Seen:  no. The sums are equal, but each set of kernels rounds in its own way when it brings a sum back to 8 bits:
#        reference, builtin and XNNPACK differ from each other in a fifth and more of the logits, by 1 or 2 steps. The
#        answers are equal nearly always. A stored output holds for one set of kernels; between sets allow for steps.
# With:  ai-edge-litert 2.3.0, x86-64; the file is data/models/small_int8.tflite of this clone, 1,000 test images.
# Course: notebook 08 derives the rules; benchmarks/README.md has the table "The integer engine".
set -euo pipefail
clone=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check ai-edge-litert==2.3.0 numpy==2.4.6

"$folder/env/bin/python" - "$clone/data" <<'EOF'
import gzip
import itertools
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

data = sys.argv[1]
with gzip.open(f"{data}/mnist/t10k-images-idx3-ubyte.gz") as file:
    images = np.frombuffer(file.read()[16:], np.uint8).reshape(-1, 1, 28, 28, 1)[:1000]


def logits(resolver):
    model = Interpreter(f"{data}/models/small_int8.tflite", experimental_op_resolver_type=resolver)
    model.allocate_tensors()
    x, y = model.get_input_details()[0]["index"], model.get_output_details()[0]["index"]
    rows = []
    for image in images:
        model.set_tensor(x, (image.astype(np.int16) - 128).astype(np.int8))
        model.invoke()
        rows.append(model.get_tensor(y)[0].astype(int))
    return np.array(rows)


found = {
    "reference": logits(OpResolverType.BUILTIN_REF),
    "builtin": logits(OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES),
    "xnnpack": logits(OpResolverType.BUILTIN),
}
as_described = True
for (one, a), (other, b) in itertools.combinations(found.items(), 2):
    steps, answers = np.abs(a - b), (a.argmax(1) != b.argmax(1)).sum()
    share = np.mean(steps > 0)
    print(f"{one} and {other}: {share:.0%} of 10,000 logits differ, by {steps.max()} at most; {answers} answers differ")
    as_described &= 0.05 < share < 0.6 and steps.max() <= 3 and answers <= 5
sys.exit(0 if as_described else "This is no longer what kernels-disagree.sh describes.")
EOF
