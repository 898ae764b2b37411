#!/usr/bin/env bash
# A functional Keras model calls a backbone inside it as base(x, training=False). Does its BatchNorm stay as it is?
#
# Guess: yes. Keras' guide to transfer learning says that this call keeps it in inference mode, also after unfreezing.
# Seen:  no. The outer model, called with training=True, as fit() does, passes that on to the inner one in place of the
#        False in the call, and the moving means move as if it had not been written. `trainable = False` on the
#        BatchNorm holds them.
# With:  keras 3.15.1 on tensorflow-cpu 2.21.0 (x86-64 Linux): 1.6 GB, removed at the end.
# Course: `fine_tune` of `edgelab.train.transfer` sets `trainable = False` on each BatchNorm.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
  tensorflow-cpu==2.21.0 keras==3.15.1 numpy==2.4.6

# TensorFlow's many lines on stderr go to a file, whose end is shown where Python fails.
export TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow
"$folder/env/bin/python" - 2> "$folder/log" <<'EOF' || { tail -n 5 "$folder/log" && exit 1; }
import sys

import keras
import numpy as np
from keras import layers

images = np.random.default_rng(0).normal(3, 2, (64, 8, 8, 1)).astype(np.float32)


def moved(held, fitted, **called):
    """Where the moving mean of an inner model's BatchNorm stands, which began at 0, after one call or one epoch."""
    norm = layers.BatchNormalization()
    norm.trainable = not held
    base = keras.Sequential([keras.Input((8, 8, 1)), norm])
    x = keras.Input((8, 8, 1))
    model = keras.Model(x, layers.Dense(1)(layers.Flatten()(base(x, **called))))
    model.compile("sgd", "mse")
    if fitted:
        model.fit(images, np.zeros(64), shuffle=False, verbose=0)
    else:
        model(images, training=True)
    return float(norm.moving_mean.numpy()[0])


as_described = True
for fitted, how in ((False, "model(images, training=True)"), (True, "fit(), one epoch")):
    plain, told, held = moved(False, fitted), moved(False, fitted, training=False), moved(True, fitted)
    print(f"{how}: base(x) {plain:.4f}, base(x, training=False) {told:.4f}, trainable = False {held:.4f}")
    as_described &= plain > 0.01 and abs(told - plain) < 1e-4 and held == 0
sys.exit(0 if as_described else "This is no longer what inner-model-trains-anyway.sh describes.")
EOF
