#!/usr/bin/env bash
# TensorFlow's converter calibrates an int8 file on the images it is given. What does it say to a single black one?
#
# Guess: an error or a warning: a range from 0 to 0 cannot be divided into 256 steps. Or else a file that does not open.
# Seen:  neither. It writes a file of the usual size that opens and runs. The scale of its input is a tiny number where
#        1/255 belongs, so that every grey pixel saturates, and it is right on about one digit in eight. The same call
#        with 200 images keeps the accuracy. Only the accuracy shows such a mistake in the calibration data.
# With:  tensorflow-cpu 2.21.0 (x86-64 Linux), keras 3.15.1, ai-edge-litert 2.3.0: 1.6 GB, removed at the end; the model
#        is data/models/small_cnn.keras of this clone, the first 1,000 test images.
# Course: notebook 07 shows it; `check_calibration` of `edgelab.shrink.convert` refuses such images and says why.
set -euo pipefail
clone=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
  tensorflow-cpu==2.21.0 keras==3.15.1 ai-edge-litert==2.3.0 numpy==2.4.6

# TensorFlow's many lines on stderr go to a file, whose end is shown where Python fails.
export TF_CPP_MIN_LOG_LEVEL=3
"$folder/env/bin/python" - "$clone/data" 2> "$folder/log" <<'EOF' || { tail -n 5 "$folder/log" && exit 1; }
import contextlib
import gzip
import io
import sys
import warnings

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

data = sys.argv[1]


def idx(name, header):
    with gzip.open(f"{data}/mnist/{name}.gz") as file:
        return np.frombuffer(file.read()[header:], np.uint8)


train = idx("train-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28, 1)[:200].astype(np.float32) / 255
images, labels = idx("t10k-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28, 1)[:1000], idx("t10k-labels-idx1-ubyte", 8)
network = keras.models.load_model(f"{data}/models/small_cnn.keras")
model = keras.Sequential([keras.Input((28, 28, 1), batch_size=1), network])


def converted(samples):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample] for sample in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one about statistics, which each conversion in int8 gives
        return converter.convert()


def right(file):
    interpreter = Interpreter(model_content=file)
    interpreter.allocate_tensors()
    x, y = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = x["quantization"]
    count = 0
    for image, label in zip(images, labels[:1000], strict=True):
        q = np.clip(np.rint(image / 255 / scale) + zero_point, -128, 127).astype(np.int8)
        interpreter.set_tensor(x["index"], q)
        interpreter.invoke()
        count += int(interpreter.get_tensor(y["index"])[0].argmax() == label)
    return count / len(images), scale


found = {}
for what, samples in (("200 digits", train), ("one black image", np.zeros_like(train[:1]))):
    file = converted(samples)
    accuracy, scale = found[what] = right(file)
    print(f"calibrated on {what}: {len(file):,} bytes, input scale {scale:.3g}, {accuracy:.1%} right")
(good, usual), (bad, tiny) = found.values()
as_described = good > 0.95 and abs(usual - 1 / 255) < 1e-4 and bad < 0.3 and tiny < usual / 10
sys.exit(0 if as_described else "This is no longer what converter-takes-one-black-image.sh describes.")
EOF
