"""Distil a large network into smaller ones, and count what each small one gains over learning from labels alone.

usage: python benchmarks/distil.py [--validation]

The protocol of Hinton, Vinyals and Dean 2015, section 3, on one core. The teacher has two layers of 1,200 with dropout
and learns from images that are moved by up to two pixels. A student has two smaller layers, no dropout, and sees
images that are never moved; it learns twice from the same start, in the same order, for as many epochs and with the
same rates: from labels alone, and from labels and the teacher. Nothing else differs. Three seeds of students, one
teacher. A row of results/distil.json is a student; finished rows are not repeated.

Temperatures are the paper's: 20, and 4 for the small student ("2.5 to 4 worked significantly better"). With
--validation, students of another seed try others, are judged by 5,000 of the training images, and nothing is kept. The
test images are read once a row. The teacher's weights lie in build/distil.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edgelab.artifacts import write_atomic
from edgelab.course.results.benchmarks import measured, results_folder, save_measured
from edgelab.data import load_mnist
from edgelab.train.fitting.augmentation import Augment

if TYPE_CHECKING:
    import keras

WORK = Path(__file__).resolve().parents[1] / "build" / "distil"
SEEDS = (1, 2, 3)


class Protocol(NamedTuple):
    """What is trained, how long, and at which temperatures each student listens (0: to labels alone)."""

    teacher: int = 1200
    teacher_epochs: int = 120
    students: tuple[tuple[int, tuple[float, ...]], ...] = ((800, (0, 20.0)), (30, (0, 4.0)))
    student_epochs: int = 40
    learning_rate: float = 1e-3
    alpha: float = 0.9


PROTOCOL = Protocol()


def build(units: int, dropout: float = 0.0) -> keras.Model:
    """Build a network of two hidden layers of so many units."""
    from keras import Input, Sequential, layers

    def hidden():
        return [layers.Dense(units, activation="relu"), *([layers.Dropout(dropout)] if dropout else [])]

    parts = [Input((28, 28, 1), name="image"), layers.Flatten(), *hidden(), *hidden(), layers.Dense(10, name="logits")]
    return Sequential(parts, name=f"dense_{units}_{units}")


def errors(model: keras.Model, x, y) -> int:
    """Return how many images a model answers wrong."""
    from edgelab.train.judging.evaluation import predict

    return int((predict(model, x).argmax(axis=1) != y).sum())


def teacher_of(protocol: Protocol, x, y, work: Path = WORK) -> keras.Model:
    """Train the teacher, or take what an earlier run of this script trained."""
    import keras

    from edgelab.train.fitting.training import fit, set_seed
    from edgelab.train.networks.models import to_keras_bytes

    path = work / f"teacher_{protocol.teacher}_{protocol.teacher_epochs}_{len(x)}.keras"
    if not path.is_file():
        set_seed(0)
        model = build(protocol.teacher, dropout=0.5)
        moved = Augment(rotation=0.0, scale=0.0, shear=0.0, shift=2.0)
        fit(model, x, y, epochs=protocol.teacher_epochs, learning_rate=1e-3, augment=moved, validation=1 / 12)
        write_atomic(path, to_keras_bytes(model))
    return keras.models.load_model(path)


def student(protocol: Protocol, units: int, temperature: float, seed: int, teacher: keras.Model, x, y) -> dict:
    """Train one student; return the row without its test errors, and the student."""
    from edgelab.shrink.compress.distillation import distil
    from edgelab.train.fitting.training import fit, set_seed

    set_seed(seed)
    model, begin = build(units), time.process_time()
    how = {"epochs": protocol.student_epochs, "learning_rate": protocol.learning_rate, "validation": 1 / 12}
    how |= {"seed": seed, "progress": False}
    if temperature:
        history = distil(model, teacher, x, y, temperature, protocol.alpha, **how)
    else:
        history = fit(model, x, y, **how)
    row = {"units": units, "temperature": temperature, "seed": seed, "params": model.count_params()}
    row |= {"epochs": protocol.student_epochs, "validation": round(history["val_accuracy"][-1], 4)}
    return row | {"seconds": round(time.process_time() - begin), "model": model}


def distilled(
    protocol: Protocol = PROTOCOL, folder: Path | None = None, work: Path = WORK, images: int | None = None
) -> None:
    """Train each student that has no row yet; the teacher has one too. images: train on so many, for a trial."""
    from tqdm import tqdm

    path, mnist = (folder or results_folder()) / "distil.json", load_mnist()
    rows = measured("distil", folder)["rows"] if path.is_file() else []
    x, y = mnist.x_train[:images], mnist.y_train[:images].astype(int)
    plan = {**protocol._asdict(), "students": [[units, list(t)] for units, t in protocol.students]}
    rows = [row for row in rows if row["protocol"] == plan]
    done = {(row["units"], row["temperature"], row["seed"]) for row in rows}

    def keep(row: Mapping, model: keras.Model) -> None:
        rows.append({**row, "protocol": plan, "errors": errors(model, mnist.x_test, mnist.y_test)})
        save_measured("distil", rows, folder)
        print(
            f"{row['units']} units, T {row['temperature']}, seed {row['seed']}: {rows[-1]['errors']} errors", flush=True
        )

    teacher = teacher_of(protocol, x, y, work)
    if (protocol.teacher, None, 0) not in done:
        keep({"units": protocol.teacher, "temperature": None, "seed": 0, "params": teacher.count_params()}, teacher)
    runs = [(units, t, seed) for seed in SEEDS for units, temperatures in protocol.students for t in temperatures]
    for units, temperature, seed in tqdm([run for run in runs if run not in done], unit="student"):
        row = student(protocol, units, temperature, seed, teacher, x, y)
        keep(row, row.pop("model"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--validation", action="store_true", help="other temperatures on validation images, kept nowhere"
    )
    validation = parser.parse_args().validation
    from _cores import use_cores

    use_cores(1)
    if not validation:
        distilled()
        return
    mnist, protocol = load_mnist(), PROTOCOL
    x, y = mnist.x_train, mnist.y_train.astype(int)
    teacher = teacher_of(protocol, x, y)
    for units, temperatures in {800: (0, 4.0, 20.0), 30: (0, 2.0, 4.0, 8.0)}.items():
        for temperature in temperatures:
            row = student(protocol, units, temperature, 101, teacher, x, y)
            print({name: value for name, value in row.items() if name != "model"}, flush=True)


if __name__ == "__main__":
    main()
