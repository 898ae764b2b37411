"""Quantize the small convolutional network to fewer and fewer bits, in floating point, and count its right answers.

Every weight and every tensor between the layers is rounded to the numbers that integers of so many bits stand for.
The ranges of those tensors are the ones with the least squared error on 100 training images.

usage: python benchmarks/bits.py         resumes where it was stopped; delete results/bits.json to begin anew
"""

from collections.abc import Callable

import numpy as np

from edgelab.artifacts import shipped
from edgelab.course.results.benchmarks import measured, results_folder, save_measured
from edgelab.data import load_mnist, split, to_input
from edgelab.maths.conv import conv2d
from edgelab.maths.nn import dense, relu
from edgelab.maths.pool import max_pool2d
from edgelab.shrink.quantize.affine import choose_channel_qparams, choose_qparams, dequantize, quantize
from edgelab.shrink.quantize.ranges import mse_range

WEIGHTS, ACTIVATIONS, SCALES = (8, 7, 6, 5, 4, 3, 2), (8, 4), ("channel", "tensor")
IMAGES, CALIBRATION = 2000, 100


def forward(x: np.ndarray, weights: dict[str, np.ndarray], between: Callable) -> np.ndarray:
    """Run small_cnn; between takes name and values of each tensor, and what it returns goes on."""
    for name in ("conv1", "conv2"):
        x = between(name, relu(conv2d(x, weights[f"{name}_w"], weights[f"{name}_b"])))
        x = max_pool2d(x, 2)
    x = between("dense1", relu(dense(x.reshape(len(x), -1), weights["dense1_w"], weights["dense1_b"])))
    return between("dense2", dense(x, weights["dense2_w"], weights["dense2_b"]))


def rounded(weights: dict[str, np.ndarray], bits: int, scales: str) -> dict[str, np.ndarray]:
    """Return the weights as integers of so many bits have them; biases, of 32 bits there, stay."""
    found = dict(weights)
    for name, w in weights.items():
        if name.endswith("_w"):
            largest = np.abs(w).max()
            one = choose_qparams(-largest, largest, bits, symmetric=True)
            scale, zero_point = choose_channel_qparams(w, -1, bits) if scales == "channel" else one
            axis = -1 if scales == "channel" else None
            found[name] = dequantize(quantize(w, scale, zero_point, bits, axis), scale, zero_point, axis)
    return found


def main() -> None:
    mnist = load_mnist()
    few = split(mnist.x_train, mnist.y_train, fraction=500 / 60_000, seed=0)[2][:CALIBRATION]
    x, y = to_input(mnist.x_test[:IMAGES]), mnist.y_test[:IMAGES]
    with np.load(shipped("small_cnn_npz")) as archive:
        weights = dict(archive)
    tensors: dict[str, np.ndarray] = {}
    forward(to_input(few), weights, lambda name, values: tensors.setdefault(name, values))
    rows = measured("bits")["rows"] if (results_folder() / "bits.json").is_file() else []
    for activations in ACTIVATIONS:
        qparams = {
            name: choose_qparams(*mse_range(values, activations, 50), activations) for name, values in tensors.items()
        }

        def between(name: str, values: np.ndarray, bits: int = activations, qparams: dict = qparams) -> np.ndarray:
            return dequantize(quantize(values, *qparams[name], bits), *qparams[name])

        for bits in WEIGHTS:
            for scales in SCALES:
                key = {"model": "small_cnn", "weights": bits, "activations": activations, "scales": scales}
                if any(key.items() <= row.items() for row in rows):
                    continue
                right = forward(x, rounded(weights, bits, scales), between).argmax(axis=1) == y
                size = -(-sum(w.size for name, w in weights.items() if name.endswith("_w")) * bits // 8)
                rows.append({**key, "images": IMAGES, "accuracy": round(float(right.mean()), 4), "bytes": size})
                print(rows[-1], flush=True)
                save_measured("bits", rows)


if __name__ == "__main__":
    main()
