"""Compress LeNet-300-100 and LeNet-5 as Deep Compression does: prune, share weights, Huffman, a file that NumPy runs.

usage: python benchmarks/compress.py [--only NETWORK …] [--seeds N …]

For each network and seed: train it; then level by level prune it further, its uncompressed self as teacher; share its
weights and tune the codebooks; write the file, read it back, and let NumPy answer from it. Level 0 is the network
uncompressed. Whatever is chosen, is chosen by 5,000 of the training images, held out; the test images are read once a
level, from the finished file. A row of results/compress.json is a level; what is trained lies in build/compress, so
that a run that was killed goes on with the level it was at. One core. Source: Han, Mao and Dally 2016.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgelab.artifacts import write_atomic
from edgelab.course.results.benchmarks import measured, results_folder, save_measured
from edgelab.data import Mnist, load_mnist, to_input
from edgelab.shrink.compress.packed_reader import Layer, run, unpack
from edgelab.shrink.compress.packed_writer import pack
from edgelab.train.fitting.augmentation import Augment

if TYPE_CHECKING:
    import keras

WORK = Path(__file__).resolve().parents[1] / "build" / "compress"


class Plan(NamedTuple):
    """How a network is compressed. keep: for each level, the share of weights that stays in each layer."""

    keep: tuple[dict[str, float], ...]
    clusters: dict[str, int]
    train_epochs: int
    prune_epochs: int
    tune_epochs: int
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    prune_rate: float = 2e-3
    tune_rate: float = 5e-4
    temperature: float = 4.0
    alpha: float = 0.9
    augment: Augment = Augment(rotation=0.1, scale=0.1, shear=0.1, shift=1.0)


PLANS = {
    "lenet_300_100": Plan(
        (
            {"ip1": 0.08, "ip2": 0.09, "ip3": 0.26},  # the paper's, table 2
            {"ip1": 0.05, "ip2": 0.08, "ip3": 0.25},
            {"ip1": 0.03, "ip2": 0.06, "ip3": 0.20},
            {"ip1": 0.02, "ip2": 0.05, "ip3": 0.20},
        ),
        {"ip1": 16, "ip2": 16, "ip3": 16},
        train_epochs=30,
        prune_epochs=20,
        tune_epochs=3,
    ),
    "lenet_5": Plan(
        (
            {"conv1": 0.66, "conv2": 0.12, "ip1": 0.08, "ip2": 0.19},  # the paper's, table 3
            {"conv1": 0.50, "conv2": 0.10, "ip1": 0.04, "ip2": 0.15},
            {"conv1": 0.40, "conv2": 0.08, "ip1": 0.02, "ip2": 0.12},
            {"conv1": 0.30, "conv2": 0.06, "ip1": 0.01, "ip2": 0.10},
        ),
        {"conv1": 32, "conv2": 16, "ip1": 16, "ip2": 16},
        train_epochs=20,
        prune_epochs=10,
        tune_epochs=2,
        learning_rate=1e-3,
        prune_rate=1e-3,
        augment=Augment(),
    ),
}


def build(network: str) -> keras.Model:
    """Build one of the two networks of the paper, with ReLU: 266,610 parameters, or Caffe's LeNet-5 of 431,080."""
    from keras import Input, Sequential, layers

    image = Input((28, 28, 1), name="image")
    if network == "lenet_300_100":
        hidden = [layers.Dense(300, "relu", name="ip1"), layers.Dense(100, "relu", name="ip2")]
        return Sequential([image, layers.Flatten(), *hidden, layers.Dense(10, name="ip3")], name=network)
    convolutions = [
        layers.Conv2D(20, 5, activation="relu", name="conv1"),
        layers.MaxPooling2D(),
        layers.Conv2D(50, 5, activation="relu", name="conv2"),
        layers.MaxPooling2D(),
    ]
    ends = [layers.Flatten(), layers.Dense(500, "relu", name="ip1"), layers.Dense(10, name="ip2")]
    return Sequential([image, *convolutions, *ends], name=network)


def written(plan: Plan, level: int, file: bool = True) -> dict:
    """Return what a level depends on, as its row holds it. file: or what its weights depend on before the file."""
    found = {**plan._asdict(), "keep": list(plan.keep[:level]), "augment": plan.augment._asdict()}
    unused = [] if file and level else ["clusters", "tune_epochs", "tune_rate"]
    unused += [] if level else ["prune_epochs", "prune_rate", "temperature", "alpha", "keep"]
    return {name: value for name, value in found.items() if name not in unused}


def kept_in(work: Path, name: str, plan: Plan, seed: int, level: int) -> Path:
    """Return where a level's weights are kept; of another plan they lie in another file."""
    digest = hashlib.sha256(json.dumps(written(plan, level, file=False)).encode()).hexdigest()[:8]
    return work / f"{name}_{seed}_{level}_{digest}.keras"


def planned(plans: Mapping[str, Plan], seeds: Iterable[int]) -> list[tuple[str, int, int]]:
    """Return the rows of a full result, (network, seed, level): the first seed of each network first."""
    return [
        (name, seed, level) for seed in seeds for name, plan in plans.items() for level in range(len(plan.keep) + 1)
    ]


def accuracy(layers: list[Layer], x: np.ndarray, y: np.ndarray) -> float:
    """Return the share of images that the file's layers answer right, by NumPy alone."""
    return round(float((run(layers, to_input(x)).argmax(axis=1) == y).mean()), 4)


def accounts(layers: list[Layer]) -> dict[str, int]:
    """Return what the network takes in the paper's own format at two stages, in bytes, before Huffman coding.

    pruned: float32 weights, each with a gap of 5 bits (8 in convolutions); where a gap is longer, a weight of 0 as a
    filler. shared: the same with codes of as many bits as the codebook needs, and the codebook in float32.
    """
    pruned = shared = 0.0
    for layer in layers:
        bits = 8 if layer.kind == "conv2d" else 5
        zeros = np.diff(np.flatnonzero(np.moveaxis(layer.codes, -1, 0)), prepend=-1) - 1
        stored = len(zeros) + int((zeros // 2**bits).sum())
        code, biases = np.ceil(np.log2(len(layer.codebook))), 4 * layer.codes.shape[-1]
        pruned += stored * (bits + 32) / 8 + biases
        shared += stored * (bits + code) / 8 + 4 * len(layer.codebook) + biases
    return {"pruned_bytes": round(pruned), "shared_bytes": round(shared)}


class Data(NamedTuple):
    """What one run learns from, and what it is judged by."""

    x: np.ndarray
    y: np.ndarray
    held_out: np.ndarray
    mnist: Mnist


def gathered(seed: int, images: int | None) -> Data:
    """Load the images and find those that `fit` holds out with this seed. images: so many only, for a trial."""
    from edgelab.train.fitting.training import hold_out

    mnist = load_mnist()
    x, y = mnist.x_train[:images], mnist.y_train[:images].astype(int)
    return Data(x, y, hold_out(y, 1 / 12, 10, seed)[1], mnist)


def trained(name: str, plan: Plan, seed: int, level: int, data: Data, work: Path, tell: Callable) -> keras.Model:
    """Return the network pruned to a level (0: not at all), trained now or by an earlier run."""
    import keras

    from edgelab.shrink.compress.distillation import distil
    from edgelab.shrink.compress.prune_train import pruning
    from edgelab.train.fitting.training import fit, set_seed
    from edgelab.train.networks.models import to_keras_bytes

    path = kept_in(work, name, plan, seed, level)
    if path.is_file():
        return keras.models.load_model(path)
    how = {"validation": 1 / 12, "augment": plan.augment, "seed": seed, "progress": False}
    each = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: tell(1))
    if level == 0:
        set_seed(seed)
        model = build(name)
        rate = {"epochs": plan.train_epochs, "learning_rate": plan.learning_rate, "weight_decay": plan.weight_decay}
        fit(model, data.x, data.y, callbacks=[each], **rate, **how)
    else:
        teacher = trained(name, plan, seed, 0, data, work, tell)
        model = trained(name, plan, seed, level - 1, data, work, tell)
        steps = -(-(len(data.x) - len(data.held_out)) // 128) * plan.prune_epochs
        # The last two fifths of the training have all weights that will be left, and let them settle.
        sparsity = {layer: 1 - keep for layer, keep in plan.keep[level - 1].items()}
        less = pruning(sparsity, begin=1, end=steps * 3 // 5, every=50)
        rate = {"epochs": plan.prune_epochs, "learning_rate": plan.prune_rate, "weight_decay": plan.weight_decay}
        distil(model, teacher, data.x, data.y, plan.temperature, plan.alpha, callbacks=[less, each], **rate, **how)
    write_atomic(path, to_keras_bytes(model))
    return model


def compressed(name: str, plan: Plan, seed: int, level: int, data: Data, work: Path, tell: Callable) -> dict:
    """Train what is missing for a level, write its file, read it, and return its row."""
    import keras

    from edgelab.shrink.compress.cluster_train import share, to_layers
    from edgelab.shrink.compress.distillation import distil
    from edgelab.train.fitting.training import set_seed
    from edgelab.train.judging.evaluation import evaluate

    keras.backend.clear_session()
    begin = time.process_time()
    x, y, mnist = data.x[data.held_out], data.y[data.held_out], data.mnist
    model = trained(name, plan, seed, level, data, work, tell)
    size = 4 * model.count_params()
    row = {"network": name, "seed": seed, "level": level, "plan": written(plan, level), "params": model.count_params()}
    validation = {"trained": round(evaluate(model, x, y).accuracy, 4)}
    if level == 0:
        test, bytes_ = round(evaluate(model, mnist.x_test, mnist.y_test).accuracy, 4), size
        more = {"weights": model.count_params()}
    else:
        set_seed(seed)
        teacher = trained(name, plan, seed, 0, data, work, tell)
        shared = share(model, plan.clusters)
        validation["shared"] = round(evaluate(shared, x, y).accuracy, 4)
        each = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: tell(1))
        how = {"validation": 1 / 12, "augment": plan.augment, "seed": seed, "progress": False, "callbacks": [each]}
        rate = {"epochs": plan.tune_epochs, "learning_rate": plan.tune_rate}
        distil(shared, teacher, data.x, data.y, plan.temperature, plan.alpha, **rate, **how)
        path = write_atomic(work / f"{name}_{seed}_{level}.elpk", pack(to_layers(shared)))
        layers = unpack(path)
        validation["file"] = accuracy(layers, x, y)
        test, bytes_ = accuracy(layers, mnist.x_test, mnist.y_test), path.stat().st_size
        kept = {layer.name: int(np.count_nonzero(layer.codes)) for layer in layers}
        more = {"weights": sum(kept.values()), "kept": kept, **accounts(layers)}
    seconds = round(time.process_time() - begin)
    sizes = {"float_bytes": size, "file_bytes": bytes_, "ratio": round(size / bytes_, 1)}
    return {**row, **more, **sizes, "validation": validation, "test": test, "seconds": seconds}


def compress(
    plans: Mapping[str, Plan],
    seeds: Iterable[int] = (1,),
    folder: Path | None = None,
    work: Path = WORK,
    images: int | None = None,
) -> None:
    """Make each row that is missing, and write it as soon as it is there. images: train on so many, for a trial."""
    from tqdm import tqdm

    path = (folder or results_folder()) / "compress.json"
    rows = measured("compress", folder)["rows"] if path.is_file() else []

    def done(name: str, seed: int, level: int) -> bool:
        wanted = (name, seed, level, written(plans[name], level))
        return wanted in [(r["network"], r["seed"], r["level"], r["plan"]) for r in rows]

    todo = [each for each in planned(plans, seeds) if not done(*each)]
    epochs = {n: {0: p.train_epochs} for n, p in plans.items()}
    total = sum(epochs[n].get(lv, plans[n].prune_epochs + plans[n].tune_epochs) for n, _, lv in todo)
    with tqdm(total=total, unit="epoch") as bar:
        for name, seed, level in todo:
            bar.set_description(f"{name} {seed}, level {level}")
            row = compressed(name, plans[name], seed, level, gathered(seed, images), work, bar.update)
            same = (name, seed, level)
            rows = [r for r in rows if (r["network"], r["seed"], r["level"]) != same] + [row]
            rows.sort(key=lambda r: (list(PLANS).index(r["network"]), r["seed"], r["level"]))
            save_measured("compress", rows, folder)
            bar.write(
                f"{name} {seed}.{level}: {row['file_bytes']:,} bytes, {row['ratio']}×, {row['validation']}, "
                f"test {row['test']:.4f}, {row['seconds']} s"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(PLANS), default=list(PLANS), help="these networks")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3], help="default: 1 2 3")
    options = parser.parse_args()
    from _cores import use_cores

    use_cores(1)
    compress({name: PLANS[name] for name in options.only}, options.seeds)


if __name__ == "__main__":
    main()
