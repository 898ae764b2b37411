"""Prune the shipped dense128 to fewer and fewer weights, at once and gradually in training; count answers and bytes.

usage: python benchmarks/sparsity.py     resumes where it was stopped; delete results/sparsity.json to begin anew

From row to row half of the weights of each layer go. Each is pruned twice: at once, without training; and gradually,
over EPOCHS epochs on the training images. Nothing is chosen. The bytes are those of the float32 .tflite, of the same
compressed by gzip, and of the file of edgelab.shrink.compress.pack with 16 shared values a layer.
"""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from edgelab.artifacts import shipped
from edgelab.course.results.benchmarks import measured, results_folder, save_measured
from edgelab.data import load_mnist, to_input
from edgelab.shrink.compress.packed_reader import run, unpack
from edgelab.shrink.compress.packed_writer import pack

if TYPE_CHECKING:
    import keras

HALVINGS, EPOCHS, SEED = range(8), 6, 1


def pruned(halvings: int, gradual: bool, x, y) -> keras.Model:
    """Return dense128 with 1/2^halvings of the weights of each layer."""
    import keras

    from edgelab.shrink.compress.prune import magnitude_mask
    from edgelab.shrink.compress.prune_train import pruning
    from edgelab.train.fitting.training import fit, set_seed

    set_seed(SEED)
    model, sparsity = keras.models.load_model(shipped("dense128")), 1 - 0.5**halvings
    if gradual:
        steps = EPOCHS * -(-len(x) * 9 // 10 // 128)
        fit(
            model, x, y, epochs=EPOCHS, learning_rate=1e-3, seed=SEED, progress=False,
            callbacks=[pruning(sparsity, begin=1, end=steps // 2, every=50)],
        )  # fmt: skip
        return model
    for layer in model.layers:
        if layer.weights:
            layer.kernel.assign(layer.kernel * magnitude_mask(layer.kernel.numpy(), sparsity))
    return model


def row(model: keras.Model, mnist) -> dict:
    """Return accuracy and bytes of a pruned network, as floats and as the file that NumPy runs."""
    from edgelab.shrink.compress.cluster_train import share, to_layers
    from edgelab.shrink.convert.converter import to_tflite
    from edgelab.train.judging.evaluation import evaluate

    tflite, file = to_tflite(model, "float32"), pack(to_layers(share(model, 16)))
    right = run(unpack(file), to_input(mnist.x_test)).argmax(axis=1) == mnist.y_test
    return {
        "accuracy": round(evaluate(model, mnist.x_test, mnist.y_test).accuracy, 4),
        "file_accuracy": round(float(right.mean()), 4),
        "tflite_bytes": len(tflite),
        "gzip_bytes": len(gzip.compress(tflite, mtime=0)),
        "file_bytes": len(file),
    }


def main() -> None:
    from _cores import use_cores

    use_cores(1)
    import keras

    mnist = load_mnist()
    rows = measured("sparsity")["rows"] if (results_folder() / "sparsity.json").is_file() else []
    for halvings in HALVINGS:
        for way in ("at once", "gradually"):
            key = {"model": "dense128", "halvings": halvings, "kept": 0.5**halvings, "way": way}
            if any(key.items() <= found.items() for found in rows):
                continue
            keras.backend.clear_session()
            model = pruned(halvings, way == "gradually", mnist.x_train, mnist.y_train.astype(int))
            rows.append({**key, "epochs": EPOCHS * (way == "gradually"), **row(model, mnist)})
            print(rows[-1], flush=True)
            save_measured("sparsity", rows)


if __name__ == "__main__":
    main()
