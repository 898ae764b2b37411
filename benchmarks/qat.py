"""Compare integers after training with integers in training, 8 and 4 bits, against floats trained as long.

usage: python benchmarks/qat.py [--only NAME …] [--seeds N …] [--workers N]

Each network of the frontier has its BatchNorm folded and is then trained some epochs more: not at all, in float (the
control), or with weights rounded to 8 or 4 bits. What was trained in float is quantized afterwards. Each run is a
process of its own on one core and gives one row of results/qat.json for each file it makes; a run that was killed
begins anew, a finished one is never repeated. The validation images are the 5,000 that the network never saw; whatever
is chosen, is chosen by them. The test images are read once a row, by the finished file on the runtime.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from frontier import WEIGHTS

from edgelab.artifacts import write_atomic
from edgelab.course.results.benchmarks import measured, results_folder, save_measured
from edgelab.course.results.recorded import machine
from edgelab.data import Mnist, load_mnist, split, to_input
from edgelab.train.networks.family import FAMILY, train_recipe

if TYPE_CHECKING:
    import keras

TRAININGS = ("none", "float", "qat8", "qat4")


class Tuning(NamedTuple):
    """How long a network is trained once more, and the highest learning rate, reached after an eighth."""

    epochs: int
    learning_rate: float


TUNINGS = {"small": Tuning(8, 2e-3), "tiny": Tuning(20, 2e-3)}


def planned(names: Iterable[str], seeds: Iterable[int]) -> list[tuple[str, int, str]]:
    """Return the runs, (name, seed, training): all of the first seed first."""
    return [(name, seed, training) for seed in seeds for name in names for training in TRAININGS]


def digest(name: str, seed: int, weights: Path = WEIGHTS) -> str:
    """Return what tells the weights that a run begins with from others; "" where they have to be trained first."""
    path = weights / f"{name}_{seed}.keras"
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.is_file() else ""


def depends(name: str, seed: int, training: str, weights: Path = WEIGHTS) -> dict:
    """Return what a run's rows depend on, as they hold it."""
    tuning = TUNINGS[name] if training != "none" else Tuning(0, 0.0)
    found = {"name": name, "seed": seed, "training": training, **tuning._asdict()}
    return {**found, "plan": FAMILY[name].plan, "begins": digest(name, seed, weights)}


def left(runs: Iterable[tuple[str, int, str]], rows: Iterable[Mapping], weights: Path = WEIGHTS) -> list:
    """Return the runs that have no row yet; one of other weights or another tuning does not count."""
    rows = list(rows)
    return [run for run in runs if not any(depends(*run, weights).items() <= row.items() for row in rows)]


def constant_bytes(tflite: bytes) -> int:
    """Return the bytes of all constant buffers of a .tflite: weights, biases, shapes, and the file's own notes."""
    from edgelab.infer.tflite_tables import unpack_tables

    buffers = unpack_tables(tflite).buffers
    return sum(len(buffer.data) for buffer in buffers if buffer.data is not None)


def begun(name: str, seed: int, mnist: Mnist, weights: Path) -> keras.Model:
    """Return the frontier's network, trained anew where it left none, with its BatchNorm folded."""
    import keras

    from edgelab.shrink.convert.folding import fold
    from edgelab.train.networks.models import to_keras_bytes

    path = weights / f"{name}_{seed}.keras"
    if not path.is_file():
        model, _ = train_recipe(FAMILY[name], mnist.x_train, mnist.y_train, seed, name, progress=False)
        write_atomic(path, to_keras_bytes(model))
    return fold(keras.models.load_model(path))


def files(model: keras.Model, training: str, mnist: Mnist) -> dict[str, bytes]:
    """Return the .tflite files that a run ends with: of a network trained in float, one for each number of bits."""
    from edgelab.shrink.convert.converter import to_tflite
    from edgelab.shrink.quantize.quantization_aware import learn_ranges, quantize_aware, to_tflite_qat

    if training.startswith("qat"):
        return {f"int{training[3:]}": to_tflite_qat(model)}
    _, _, images, labels = split(mnist.x_train, mnist.y_train, 500 / len(mnist.x_train), seed=0)
    four = quantize_aware(model, bits=4)
    learn_ranges(four, images)
    return {
        "float32": to_tflite(model, "float32"),
        "int8": to_tflite(model, "int8", to_input(images), labels),
        "int4": to_tflite_qat(four),
    }


def run(name: str, seed: int, training: str, weights: Path = WEIGHTS, images: int | None = None) -> list[dict]:
    """Make the files of one run and return their rows. images: train on so many only, for a trial."""
    from _cores import use_cores

    from edgelab.infer.runner import Runner
    from edgelab.shrink.quantize.quantization_aware import learn_ranges, quantize_aware
    from edgelab.train.fitting.training import fit, hold_out, set_seed

    use_cores(1)
    mnist = load_mnist()
    x, y = mnist.x_train[:images], mnist.y_train[:images].astype(int)
    model = begun(name, seed, mnist, weights)
    begin, recipe = time.perf_counter(), FAMILY[name]
    learn, held_out = hold_out(y, 1 / 12, 10, seed)
    set_seed(seed)
    if training.startswith("qat"):
        model = quantize_aware(model, bits=int(training[3:]))
        learn_ranges(model, x[learn[:500]])
    if training != "none":
        epochs, rate = TUNINGS[name]
        how = {"warmup_epochs": epochs / 8, "augment": recipe.augment, "validation": 1 / 12, "seed": seed}
        fit(model, x, y, epochs=epochs, learning_rate=rate, progress=False, **how)
    made, rows, where = files(model, training, mnist), [], machine()
    seconds = round(time.perf_counter() - begin)

    def accuracy(runner: Runner, images: np.ndarray, labels: np.ndarray) -> float:
        return round(float((runner.predict(to_input(images)).argmax(axis=1) == labels).mean()), 4)

    for weights_in, tflite in made.items():
        runner = Runner(tflite)
        rows.append(
            {
                **depends(name, seed, training, weights),
                "weights": weights_in,
                "validation": accuracy(runner, x[held_out], y[held_out]),
                "test": accuracy(runner, mnist.x_test, mnist.y_test),
                "tflite_bytes": len(tflite),
                "constant_bytes": constant_bytes(tflite),
                "seconds": seconds,
                "cpu": where["cpu"],
                "versions": where["packages"],
            }
        )
    return rows


def compare(
    runs: list[tuple[str, int, str]],
    workers: int = 2,
    folder: Path | None = None,
    weights: Path = WEIGHTS,
    images: int | None = None,
) -> None:
    """Do the runs that are left, and write their rows as soon as each has ended. folder: of qat.json."""
    from tqdm import tqdm

    path = (folder or results_folder()) / "qat.json"
    rows = measured("qat", folder)["rows"] if path.is_file() else []
    todo = left(runs, rows, weights)
    order = {training: n for n, training in enumerate(TRAININGS)}
    spawn = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    # A process a run: what Keras leaves behind goes with it.
    with tqdm(total=len(todo), unit="run") as bar, ProcessPoolExecutor(workers, spawn, max_tasks_per_child=1) as pool:
        waiting = {pool.submit(run, *each, weights, images) for each in todo}
        while waiting:
            finished, waiting = wait(waiting, timeout=1)
            for each in finished:
                new = each.result()
                same = {(row["name"], row["seed"], row["training"]) for row in new}
                rows = [row for row in rows if (row["name"], row["seed"], row["training"]) not in same] + new
                rows.sort(key=lambda row: (list(TUNINGS).index(row["name"]), row["seed"], order[row["training"]]))
                save_measured("qat", rows, folder)
                bar.update()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(TUNINGS), default=list(TUNINGS), help="these networks")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3], help="default: 1 2 3")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time, a core each (default: 2)")
    options = parser.parse_args()
    compare(planned(options.only, options.seeds), options.workers)


if __name__ == "__main__":
    main()
