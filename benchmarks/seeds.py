"""Train the dense, the convolutional and the recurrent network of the course with five seeds each, by one recipe.

Each is read once on the 10,000 test images, in float32, and in int8 where it converts: the converter does not
support a recurrent layer that is rolled up in int8, so the GRU has none. Beside that, what each costs.

usage: python benchmarks/seeds.py        resumes where it was stopped; delete results/seeds.json to begin anew
"""

from make_models import RECIPES, convert, train

from edgelab.course.results.benchmarks import measured, results_folder, save_measured
from edgelab.data import load_mnist
from edgelab.train.costs.counting import count
from edgelab.train.judging.evaluation import evaluate
from edgelab.train.networks.models import build

MODELS = ("dense128", "small_cnn", "gru64")
IN_INT8 = ("dense128", "small_cnn")
SEEDS = (1, 2, 3, 4, 5)
EPOCHS = RECIPES["small_cnn"]["epochs"]


def cost(name: str) -> dict[str, int]:
    """Count a network: numbers, multiply-accumulates of one image, bytes of its float32 weights."""
    found = count(build(name))
    return {"params": found.params, "macs": found.macs, "bytes": found.weight_bytes("float32")}


def main() -> None:
    mnist = load_mnist()
    rows = measured("seeds")["rows"] if (results_folder() / "seeds.json").is_file() else []
    for name in MODELS:
        costs = cost(name)
        rows = [{**row, **costs} if row["model"] == name else row for row in rows]
        for seed in SEEDS:
            if any((row["model"], row["seed"]) == (name, seed) for row in rows):
                continue
            model, history = train(name, EPOCHS, seed, mnist)
            row = {"model": name, "seed": seed, "epochs": EPOCHS, "validation": round(history["val_accuracy"][-1], 4)}
            row["float32"] = round(evaluate(model, mnist.x_test, mnist.y_test).accuracy, 4)
            if name in IN_INT8:
                row["int8"] = round(convert(model, "int8", mnist)[1], 4)
            rows.append({**row, **costs})
            print(rows[-1], flush=True)
            save_measured("seeds", sorted(rows, key=lambda r: (MODELS.index(r["model"]), r["seed"])))


if __name__ == "__main__":
    main()
