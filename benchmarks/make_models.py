"""Make the shipped models of data/models: train, convert, evaluate once on the test images, record the hashes.

usage: python benchmarks/make_models.py [--output data/models]

Of the light networks, the seed that was best on the validation images is shipped. Its weights are taken from
build/frontier, where benchmarks/frontier.py leaves them, and trained anew where it never ran: half an hour of one core.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgelab.artifacts import write_atomic
from edgelab.course.results.benchmarks import measured
from edgelab.data import Mnist, load_mnist, split, to_input
from edgelab.infer.runner import Runner
from edgelab.shrink.convert.converter import to_tflite
from edgelab.train.fitting.training import fit, set_seed
from edgelab.train.judging.evaluation import evaluate, scores
from edgelab.train.networks.family import FAMILY, train_recipe
from edgelab.train.networks.models import build, to_keras_bytes

if TYPE_CHECKING:
    import keras

RECIPES = {
    "dense128": {"epochs": 6, "seed": 1, "modes": ["int8"]},
    "small_cnn": {"epochs": 6, "seed": 1, "npz": True, "modes": ["float32", "int8", "int8_float_io"]},
}
LIGHT = ("tiny", "small", "best")
LIGHT_MODES = ["float32", "int8", "int8_float_io"]
CALIBRATION_SAMPLES = 500
FRONTIER = Path(__file__).resolve().parents[1] / "build" / "frontier"


def train(name: str, epochs: int, seed: int, mnist: Mnist) -> tuple[keras.Model, dict[str, list[float]]]:
    """Train one model of the course by the one recipe; return it with its history."""
    set_seed(seed)
    model = build(name)
    return model, fit(model, mnist.x_train, mnist.y_train, epochs=epochs, seed=seed)


def chosen(name: str, rows: list[dict]) -> dict:
    """Return the frontier's row of the seed that was best on the validation images; the first of equals."""
    return max((row for row in rows if row["name"] == name), key=lambda row: row["validation"])


def light_network(row: dict, mnist: Mnist, weights: Path = FRONTIER) -> keras.Model:
    """Return the network of a row: as the frontier left it, else trained anew by its recipe."""
    import keras

    path = weights / f"{row['name']}_{row['seed']}.keras"
    if path.is_file():
        return keras.models.load_model(path)
    return train_recipe(FAMILY[row["name"]], mnist.x_train, mnist.y_train, row["seed"], row["name"])[0]


def convert(model: keras.Model, mode: str, mnist: Mnist) -> tuple[bytes, float]:
    """Convert a model, calibrated on training images; return the file and its accuracy on the test images."""
    fraction = CALIBRATION_SAMPLES / len(mnist.x_train)
    _, _, images, labels = split(mnist.x_train, mnist.y_train, fraction, seed=0)
    tflite = to_tflite(model, mode, to_input(images), labels)
    predicted = Runner(tflite).predict(to_input(mnist.x_test)).argmax(axis=1)
    return tflite, scores(mnist.y_test, predicted).accuracy


def to_npz(model: keras.Model) -> bytes:
    """Return the weights as the bytes of an .npz, for those who read them without Keras: NumPy, C, other languages.

    Layers with weights are called by kind and number, from the input on: conv1_w, conv1_b, …, dense1_w, …; float32,
    in Keras' layouts. Equal weights give equal bytes: no compression, and no date of today in the archive.
    """
    arrays, counts = {}, {"conv": 0, "dense": 0}
    for layer in model.layers:
        if layer.weights:
            kind = {"Conv2D": "conv", "Dense": "dense"}[type(layer).__name__]
            counts[kind] += 1
            for letter, array in zip("wb", layer.get_weights(), strict=True):
                arrays[f"{kind}{counts[kind]}_{letter}"] = array
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array, np.float32), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), content.getvalue())
    return stream.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "data" / "models")
    output = parser.parse_args().output
    mnist = load_mnist()
    entries = []

    def record(name: str, file: str, data: bytes, accuracy: float, recipe: dict) -> None:
        write_atomic(output / file, data)
        entries.append(
            {
                "name": name,
                "file": file,
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "test_accuracy": round(accuracy, 4),
                "command": "make models",
                "seed": recipe["seed"],
                "epochs": recipe["epochs"],
                **{key: recipe[key] for key in ("plan", "learning_rate", "augment") if key in recipe},
            }
        )
        print(f"{file:32} {len(data):>9,} bytes  {accuracy:.4f}", flush=True)

    rows = measured("frontier")["rows"]
    light = {name: chosen(name, rows) for name in LIGHT}
    recipes = RECIPES | {
        name: {**row["recipe"], "seed": row["seed"], "modes": LIGHT_MODES} for name, row in light.items()
    }
    for name, recipe in recipes.items():
        if name in light:
            model = light_network(light[name], mnist)
        else:
            model, _ = train(name, recipe["epochs"], recipe["seed"], mnist)
        accuracy = evaluate(model, mnist.x_test, mnist.y_test).accuracy
        record(name, f"{name}.keras", to_keras_bytes(model), accuracy, recipe)
        if recipe.get("npz"):
            record(f"{name}_npz", f"{name}.npz", to_npz(model), accuracy, recipe)
        for mode in recipe["modes"]:
            tflite, accuracy = convert(model, mode, mnist)
            record(f"{name}_{mode}", f"{name}_{mode}.tflite", tflite, accuracy, recipe)
    index = {"made_by": "make models", "calibration_samples": CALIBRATION_SAMPLES, "models": entries}
    write_atomic(output / "models.json", json.dumps(index, indent=2) + "\n")


if __name__ == "__main__":
    main()
