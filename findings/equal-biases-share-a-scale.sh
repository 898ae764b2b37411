#!/usr/bin/env bash
# Two layers of a network have the same bias, 0.5 in each channel. Does a file with int16 activations keep both?
#
# Guess: yes. A bias is kept in steps of input scale times weight scale, which differ from layer to layer, so equal
#        numbers become different integers. Whether two biases are equal cannot matter.
# Seen:  in int16x8 both layers get one bias tensor, in the first layer's steps. Kernels do not read the scale of that
#        tensor, so the second layer adds a bias of another size: the answers are off by 0.47. With 0.501 in the second
#        layer there are two tensors, and the error is 0.004. In int8 the same network has two in either case.
# With:  tensorflow-cpu 2.21.0 (x86-64 Linux), keras 3.15.1, ai-edge-litert 2.3.0: 1.6 GB, removed at the end.
# Course: `repair_biases` of `edgelab.shrink.convert.biases` gives each layer its own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
  tensorflow-cpu==2.21.0 keras==3.15.1 ai-edge-litert==2.3.0 numpy==2.4.6

# TensorFlow's many lines on stderr go to a file, whose end is shown where Python fails.
export TF_CPP_MIN_LOG_LEVEL=3
"$folder/env/bin/python" - 2> "$folder/log" <<'EOF' || { tail -n 5 "$folder/log" && exit 1; }
import contextlib
import io
import sys
import warnings

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from keras import layers

keras.utils.set_random_seed(0)
samples = np.random.default_rng(0).uniform(-1, 1, (50, 1, 16)).astype(np.float32)


def network(nudge):
    """Two dense layers with the same bias of 0.5 and weights of different sizes; nudge is added to the second bias."""
    large = keras.initializers.RandomNormal(stddev=1.0, seed=1)
    small = keras.initializers.RandomNormal(stddev=0.02, seed=2)
    first = layers.Dense(16, kernel_initializer=large, bias_initializer=keras.initializers.Constant(0.5))
    second = layers.Dense(16, kernel_initializer=small, bias_initializer=keras.initializers.Constant(0.5 + nudge))
    return keras.Sequential([keras.Input((16,), batch_size=1), first, layers.ReLU(), second])


def converted(model, ops, io_type):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample] for sample in samples)
    converter.target_spec.supported_ops = [ops]
    converter.inference_input_type = converter.inference_output_type = io_type
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one about statistics, which each such conversion gives
        return converter.convert()


def error(model, file):
    """The largest difference between the answers of a file and of its model, and how many biases the file has."""
    interpreter = Interpreter(model_content=file)
    interpreter.allocate_tensors()
    given, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    worst = 0.0
    for sample in samples:
        (scale, zero_point), limits = given["quantization"], np.iinfo(given["dtype"])
        integers = np.clip(np.rint(sample / scale) + zero_point, limits.min, limits.max).astype(given["dtype"])
        interpreter.set_tensor(given["index"], integers)
        interpreter.invoke()
        scale, zero_point = made["quantization"]
        y = (interpreter.get_tensor(made["index"]).astype(np.float64) - zero_point) * scale
        worst = max(worst, float(np.abs(y - model(sample).numpy()).max()))
    kinds = [(tensor["dtype"], tensor["shape"].tolist()) for tensor in interpreter.get_tensor_details()]
    return worst, sum(dtype in (np.int32, np.int64) and shape == [16] for dtype, shape in kinds)


int8, wide = tf.lite.OpsSet.TFLITE_BUILTINS_INT8, (
    tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
)
found = {}
for nudge in (0.0, 1e-3):
    model = network(nudge)
    for name, ops, io_type in (("int8", int8, tf.int8), ("int16x8", wide, tf.int16)):
        found[name, nudge] = error(model, converted(model, ops, io_type))
        worst, biases = found[name, nudge]
        print(f"biases 0.5 and {0.5 + nudge}, {name}: {biases} biases in the file, largest error {worst:.4f}")
as_described = found["int16x8", 0.0][0] > 0.1 and found["int16x8", 0.0][1] == 1
as_described &= all(worst < 0.05 and n == 2 for key, (worst, n) in found.items() if key != ("int16x8", 0.0))
sys.exit(0 if as_described else "This is no longer what equal-biases-share-a-scale.sh describes.")
EOF
