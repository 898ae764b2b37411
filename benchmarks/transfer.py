"""Teach a small network the digits 5 to 9 from 1, 5, 10 or 100 labels each, after it learned something else or nothing.

usage: python benchmarks/transfer.py [--validation]     resumes where it was stopped

Two backbones never see a 5 to 9: one learned to tell 0 to 4 apart, the other in which of eight ways images of 0 to 4
were turned or mirrored, without their labels. Each row is one draw of labels and reads the test images of 5 to 9 once.
Settings were chosen on training images kept for it, with other draws; --validation judges the chosen ones there, with
two draws, and writes nothing. It takes about 20 minutes of one core; backbones are left in build/transfer.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from _cores import use_cores

from edgelab.artifacts import write_atomic
from edgelab.course.results.benchmarks import measured, results_folder, save_measured
from edgelab.data import Mnist, load_mnist, split
from edgelab.train.fitting.augmentation import Augment
from edgelab.train.fitting.training import fit, set_seed
from edgelab.train.judging.evaluation import predict
from edgelab.train.networks.family import light
from edgelab.train.networks.models import to_keras_bytes
from edgelab.train.transfer import cut_head, few_labels, fine_tune, probe, turned

PLAN = "c8k5s2 c16 p c16 d32"
DRAWS = {1: 5, 5: 5, 10: 5, 100: 3}  # labels a class: draws
BACKBONE_SEEDS = 3
WEIGHTS = Path(__file__).resolve().parents[1] / "build" / "transfer"


class Method(NamedTuple):
    """A way to learn from few labels.

    backbone: what it learned before, "digits", "turns" or "nothing"; None: there is none. head: "nearest" neighbour,
    "linear" (logistic regression) or "random" (a fresh dense layer). pool: of `cut_head`. strength: of `probe`; many or
    large features need to be held back more than few or small ones. tune: arguments of `fine_tune`; None leaves the
    backbone frozen.
    """

    backbone: str | None
    head: str
    pool: int | None = None
    strength: float = 1.0
    tune: dict | None = None


FRESH = {"learning_rate": 1e-2, "batch_statistics": True}  # statistics of nothing are of no use
MOVED = {"augment": Augment(shear=0.1)}
FASTER = {"learning_rate": 3e-3}  # images that differ each time can't be learned by heart
METHODS = {
    "pixels, nearest": Method(None, "nearest"),
    "pixels, linear": Method(None, "linear", strength=0.1),
    "scratch": Method("nothing", "random", tune=FRESH),
    "scratch, moved": Method("nothing", "random", tune=FRESH | MOVED),
    "untrained, frozen": Method("nothing", "linear", 2, strength=100.0),
    "digits averaged, frozen": Method("digits", "linear", strength=10.0),
    "digits averaged, tuned": Method("digits", "linear", strength=10.0, tune={}),
    "digits, frozen": Method("digits", "linear", 2),
    "digits, tuned": Method("digits", "linear", 2, tune={}),
    "digits, tuned, batch statistics": Method("digits", "linear", 2, tune={"batch_statistics": True}),
    "digits, tuned, moved": Method("digits", "linear", 2, tune=MOVED | FASTER),
    "turns, frozen": Method("turns", "linear", 2),
    "turns, tuned, moved": Method("turns", "linear", 2, tune=MOVED | FASTER),
}


def planned(first: int = 1) -> list[tuple[str, int, int]]:
    """Return the rows of a full result, (method, labels a class, seed): first seeds first."""
    return [
        (name, labels, first + draw)
        for draw in range(max(DRAWS.values()))
        for labels, draws in DRAWS.items()
        if draw < draws
        for name in METHODS
    ]


def backbone(task: str, seed: int, x: np.ndarray, y: np.ndarray) -> keras.Model:
    """Train the network on digits 0 to 4 or on their turns, or take what an earlier run of this script trained."""
    set_seed(seed)
    if task == "nothing":
        return light(PLAN, classes=5)
    path = WEIGHTS / f"{task}_{seed}.keras"
    if not path.is_file():
        images, labels = turned(x, seed) if task == "turns" else (x, y)
        model = light(PLAN, classes=8 if task == "turns" else 5)
        history = fit(model, images, labels, epochs=2, learning_rate=5e-3, seed=seed, progress=False)
        print(f"{task} {seed}: {history['val_accuracy'][-1]:.4f} of its own task", flush=True)
        write_atomic(path, to_keras_bytes(model))
    return keras.models.load_model(path)


def nearest(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Give each new image the label of the image with the least squared distance, pixel by pixel."""
    known, asked = (images.reshape(len(images), -1) / 255 for images in (x, new))
    return y[((known**2).sum(axis=1) - 2 * asked @ known.T).argmin(axis=1)]


def adapted(method: Method, trained: keras.Model | None, x: np.ndarray, y: np.ndarray, seed: int) -> keras.Model:
    """Teach a network few labels in one of the ways."""
    if method.head == "random":
        model = trained
    else:
        flat = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten()])
        model = probe(cut_head(trained, method.pool) if trained else flat, x, y, method.strength)
    return model if method.tune is None else fine_tune(model, x, y, seed=seed, **method.tune)


def run(name: str, labels: int, seed: int, mnist: Mnist, validation: bool) -> dict:
    """Draw labels, learn from them, judge once: return the row."""
    keras.backend.clear_session()
    low, high, tested = mnist.y_train < 5, mnist.y_train >= 5, mnist.y_test >= 5
    x, y, x_asked, y_asked = split(mnist.x_train[high], mnist.y_train[high].astype(int) - 5, 0.04, seed=0)
    if not validation:
        x_asked, y_asked = mnist.x_test[tested], mnist.y_test[tested].astype(int) - 5
    drawn = few_labels(y, labels, seed=seed)
    method, trained = METHODS[name], None
    before = (seed - 1) % BACKBONE_SEEDS + 1 if method.backbone in ("digits", "turns") else seed
    if method.backbone:
        trained = backbone(method.backbone, before, mnist.x_train[low], mnist.y_train[low])
    begin = time.process_time()
    if method.head == "nearest":
        params, answers = 0, nearest(x[drawn], y[drawn], x_asked)
    else:
        model = adapted(method, trained, x[drawn], y[drawn], seed)
        seconds = time.process_time() - begin
        params, answers = model.count_params(), predict(model, x_asked).argmax(axis=1)
    return {
        "method": name,
        "labels": labels,
        "seed": seed,
        "backbone": method.backbone,
        "backbone_seed": before if method.backbone else None,
        "params": params,
        "seconds": round(seconds if params else time.process_time() - begin, 1),
        "validation" if validation else "test": round(float((answers == y_asked).mean()), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--validation", action="store_true", help="two other draws on validation images, kept nowhere")
    validation = parser.parse_args().validation
    use_cores(1)
    mnist = load_mnist()
    if validation:
        for name, labels, seed in planned(first=101):
            if seed <= 102:
                print(run(name, labels, seed, mnist, validation=True), flush=True)
        return
    rows = measured("transfer")["rows"] if (results_folder() / "transfer.json").is_file() else []
    done = {(row["method"], row["labels"], row["seed"]) for row in rows}
    for each in planned():
        if each not in done:
            rows.append(run(*each, mnist, validation=False))
            print(rows[-1], flush=True)
            save_measured("transfer", rows)


if __name__ == "__main__":
    main()
