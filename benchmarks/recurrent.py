"""Convert a GRU as a loop and unrolled, and see what int8 costs it: with biases of zero, with random ones, and trained.

usage: python benchmarks/recurrent.py        resumes where it was stopped; delete results/recurrent.json to begin anew

The network is gru64, which reads an image row by row. It is converted three times: as it is initialised, where all
biases are zero; with the same weights and random biases; and trained by the recipe of seeds.py. Every file is made in a
child process, those in int8 are calibrated on 100 training images. A file that `refuse_unsafe` refuses for LiteRT's
default kernels runs with the builtin ones. A loop has no file in int8: to_tflite refuses it. sqnr_db compares the
logits with Keras' on 1,000 test images; accuracy is that of all test images. Files of one network differ, so int8 is
made REPEATS times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from make_models import RECIPES, train

from edgelab.course.results.benchmarks import measured, results_folder, save_measured
from edgelab.data import load_mnist, split, to_input
from edgelab.infer.runner import Runner
from edgelab.infer.tflite import read
from edgelab.shrink.convert.child_process import convert_apart
from edgelab.shrink.quantize.by_layer import sqnr_db
from edgelab.train.fitting.training import set_seed
from edgelab.train.judging.evaluation import evaluate
from edgelab.train.networks.models import gru64

if TYPE_CHECKING:
    import keras

NETWORKS = ("biases zero", "biases random", "trained")
MODES = ("float32", "float16", "dynamic")  # of the loop
EPOCHS, SEED, CALIBRATION, IMAGES, REPEATS = RECIPES["small_cnn"]["epochs"], 1, 100, 1000, 3


def network(name: str, mnist) -> keras.Model:
    """Return gru64, as a loop, with the weights of that name."""
    if name == "trained":
        return train("gru64", EPOCHS, SEED, mnist)[0]
    set_seed(0)
    model, normal = gru64(), np.random.default_rng(1).normal
    if name == "biases random":
        model.set_weights([normal(0, 0.3, w.shape) if w.name == "bias" else w.numpy() for w in model.weights])
    return model


def opens(content: bytes) -> bool:
    """Say whether a file may be given to LiteRT's default kernels, and opens there."""
    try:
        Runner(content)
    except ValueError:
        return False
    return True


def row(model: keras.Model, content: bytes, mnist) -> dict:
    """Return what one file of a network holds, and how far it is from Keras."""
    graph = read(content)
    scales = [float(t.scale.min()) for t in graph.tensors if t.scale is not None and t.data is None]
    default, x = opens(content), to_input(mnist.x_test)
    found = Runner(content, kernels="xnnpack" if default else "builtin").predict(x)
    return {
        "bytes": len(content),
        "operators": len(graph.operators),
        "smallest_scale": float(f"{min(scales):.3g}") if scales else None,
        "default_kernels_open_it": default,
        "sqnr_db": round(sqnr_db(model(x[:IMAGES]).numpy(), found[:IMAGES]), 1),
        "accuracy": round(float((found.argmax(axis=1) == mnist.y_test).mean()), 4),
        "keras_accuracy": round(evaluate(model, mnist.x_test, mnist.y_test).accuracy, 4),
    }


def main() -> None:
    mnist = load_mnist()
    _, _, few, labels = split(mnist.x_train, mnist.y_train, fraction=500 / 60_000, seed=0)
    calibration = to_input(few[:CALIBRATION]), labels[:CALIBRATION]
    rows = measured("recurrent")["rows"] if (results_folder() / "recurrent.json").is_file() else []
    for name in NETWORKS:
        if any(found["network"] == name for found in rows):
            continue
        model, unrolled = network(name, mnist), gru64(unroll=True)
        unrolled.set_weights(model.get_weights())
        files = [("loop", mode, convert_apart(model, mode)) for mode in MODES]
        files += [("unrolled", "int8", convert_apart(unrolled, "int8", *calibration)) for _ in range(REPEATS)]
        for form, mode, content in files:
            key = {"network": name, "form": form, "mode": mode}
            rows.append({**key, **row(model, content, mnist)})
            print(rows[-1], flush=True)
        save_measured("recurrent", rows)


if __name__ == "__main__":
    main()
