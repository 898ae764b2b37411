"""Latency of one digit, batch 1: Keras predict, model(x), a compiled tf.function, and LiteRT, in turns in one run.

usage: python benchmarks/latency.py

All runtimes are measured in short rounds, one after the other, so that whatever else the machine does meets all of
them. A row gives the median of the rounds' medians, and its ratio to LiteRT float32 round by round.
"""

import time
from collections.abc import Callable

import numpy as np

from edgelab.artifacts import shipped
from edgelab.course.results.benchmarks import save_measured
from edgelab.data import load_mnist, to_input
from edgelab.infer.runner import Runner

ROUNDS = 15


def callables(image: np.ndarray) -> dict[str, tuple[Callable[[], object], int]]:
    """Return {runtime: (one inference, how many a round)}."""
    import keras
    import tensorflow as tf

    model = keras.models.load_model(shipped("small_cnn"))
    compiled = tf.function(lambda x: model(x, training=False), input_signature=[tf.TensorSpec(image.shape, tf.float32)])
    tensor = tf.constant(image)
    measured: dict[str, tuple[Callable[[], object], int]] = {
        "Keras predict": (lambda: model.predict(image, verbose=0), 10),
        "Keras model(x)": (lambda: model(tensor, training=False).numpy(), 50),
        "tf.function": (lambda: compiled(tensor).numpy(), 200),
    }
    for mode in ("float32", "int8", "int8_float_io"):
        for kernels in ("xnnpack", "builtin", "reference"):
            runner = Runner(shipped(f"small_cnn_{mode}"), kernels=kernels)
            x = runner.as_input(image)
            measured[f"LiteRT {mode} {kernels}"] = (lambda runner=runner, x=x: runner.infer(x), 500)
    return measured


def main() -> None:
    image = to_input(load_mnist().x_test[:1])
    measured = callables(image)
    medians: dict[str, list[float]] = {name: [] for name in measured}
    for infer, _ in measured.values():
        for _ in range(20):
            infer()
    for _ in range(ROUNDS):
        for name, (infer, runs) in measured.items():
            times = np.empty(runs)
            for i in range(runs):
                start = time.perf_counter()
                infer()
                times[i] = time.perf_counter() - start
            medians[name].append(float(np.median(times)) * 1e3)
    base = np.array(medians["LiteRT float32 xnnpack"])
    rows = []
    for name, values in medians.items():
        ratios = np.array(values) / base
        row = {
            "runtime": name,
            "p50_ms": float(f"{np.median(values):.3g}"),
            "ratio": float(f"{np.median(ratios):.3g}"),
            "ratio_low": float(f"{ratios.min():.3g}"),
            "ratio_high": float(f"{ratios.max():.3g}"),
            "rounds": ROUNDS,
        }
        rows.append(row)
        print(f"{name:32} {row['p50_ms']:9.4g} ms   {row['ratio']:9.4g} x")
    save_measured("latency", rows)


if __name__ == "__main__":
    main()
