"""Train a family of light networks with several seeds each: accuracy against bytes, multiply-accumulates and memory.

usage: python benchmarks/frontier.py [--only NAME …] [--workers N]

Each run is a process of its own on one core and, once it has ended, one row of results/frontier.json; a run that was
killed begins anew, a finished one is never lost or repeated. Validation images are 5,000 of the training images;
whatever is chosen, is chosen by them. The test images are read once a run, when its training has ended. The weights
are left in build/frontier.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, wait
from pathlib import Path

from edgelab.artifacts import write_atomic
from edgelab.course.results.benchmarks import measured, results_folder, save_measured
from edgelab.course.results.recorded import machine
from edgelab.data import load_mnist
from edgelab.train.networks.family import FAMILY, Recipe

FIVE_SEEDS = ("tiny", "small", "best")  # the others have three
WEIGHTS = Path(__file__).resolve().parents[1] / "build" / "frontier"


def planned(names: Iterable[str]) -> list[tuple[str, int]]:
    """Return the runs, (name, seed): all first seeds, then all second ones, so that early rows show every network."""
    return [(name, seed) for seed in (1, 2, 3, 4, 5) for name in names if seed <= (5 if name in FIVE_SEEDS else 3)]


def written(recipe: Recipe) -> dict:
    """Return a recipe as a row holds it."""
    return {**recipe._asdict(), "augment": recipe.augment._asdict()}


def left(runs: Iterable[tuple[str, int]], rows: Iterable[Mapping], family: Mapping[str, Recipe]) -> list:
    """Return the runs that have no row; one of another recipe does not count."""
    done = [(row["name"], row["seed"], row["recipe"]) for row in rows]
    return [(name, seed) for name, seed in runs if (name, seed, written(family[name])) not in done]


def train(name: str, recipe: Recipe, seed: int, tell: Callable[[int], None], weights: Path, images: int | None) -> dict:
    """Train one network with one seed, save it, and return its row. Minutes to half an hour of one core."""
    import keras
    from _cores import use_cores
    from make_models import convert

    from edgelab.train.costs.counting import count
    from edgelab.train.judging.evaluation import evaluate
    from edgelab.train.networks.family import train_recipe
    from edgelab.train.networks.models import to_keras_bytes

    use_cores(1)
    mnist, begin = load_mnist(), time.perf_counter()
    each = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: tell(1))
    model, history = train_recipe(
        recipe, mnist.x_train[:images], mnist.y_train[:images], seed, name, progress=False, callbacks=[each]
    )
    seconds = round(time.perf_counter() - begin)
    write_atomic(weights / f"{name}_{seed}.keras", to_keras_bytes(model))
    cost, (tflite, int8) = count(model), convert(model, "int8", mnist)
    where = machine()
    return {
        "name": name,
        "seed": seed,
        "recipe": written(recipe),
        "params": cost.params,
        "deployed": cost.deployed,
        "macs": cost.macs,
        "activation_bytes": cost.activation_bytes_at("int8"),
        "int8_bytes": cost.weight_bytes("int8"),
        "tflite_bytes": len(tflite),
        "validation": round(history["val_accuracy"][-1], 4),
        "float32": round(evaluate(model, mnist.x_test, mnist.y_test).accuracy, 4),
        "int8": round(int8, 4),
        "seconds": seconds,
        "cpu": where["cpu"],
        "versions": where["packages"],
    }


def frontier(
    family: Mapping[str, Recipe],
    runs: list[tuple[str, int]],
    workers: int = 2,
    folder: Path | None = None,
    weights: Path = WEIGHTS,
    images: int | None = None,
) -> None:
    """Train what has no row yet, and write each row as soon as its run has ended.

    folder: of frontier.json, default benchmarks/results. images: train on so many only, for a trial.
    """
    from tqdm import tqdm

    path = (folder or results_folder()) / "frontier.json"
    rows = measured("frontier", folder)["rows"] if path.is_file() else []
    order = planned(family)
    rows = [row for row in rows if row["recipe"] == written(family[row["name"]])]  # others are of an older recipe
    todo = left(runs, rows, family)
    spawn = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    with spawn.Manager() as manager, tqdm(total=sum(family[name].epochs for name, _ in todo), unit="epoch") as bar:
        told = manager.Queue()
        # A process a run: what Keras leaves behind goes with it.
        with ProcessPoolExecutor(workers, spawn, max_tasks_per_child=1) as pool:
            waiting = {pool.submit(train, n, family[n], seed, told.put, weights, images) for n, seed in todo}
            while waiting:
                finished, waiting = wait(waiting, timeout=1)
                for run in finished:
                    rows = sorted([*rows, run.result()], key=lambda row: order.index((row["name"], row["seed"])))
                    save_measured("frontier", rows, folder)
                while not told.empty():
                    bar.update(told.get())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(FAMILY), default=list(FAMILY), help="these networks")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time, a core each (default: 2)")
    options = parser.parse_args()
    frontier(FAMILY, planned(options.only), options.workers)


if __name__ == "__main__":
    main()
