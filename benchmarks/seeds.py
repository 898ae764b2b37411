"""Train the small CNN with five seeds; accuracy in float32 and int8 on the 10,000 test images, each read once a seed.

usage: python benchmarks/seeds.py        resumes where it was stopped; delete results/seeds.json to begin anew
"""

from make_models import RECIPES, convert, train

from edgelab.course.measured import measured, results_folder, save_measured
from edgelab.data import load_mnist
from edgelab.train.fit import evaluate

SEEDS = (1, 2, 3, 4, 5)


def main() -> None:
    mnist = load_mnist()
    rows = measured("seeds")["rows"] if (results_folder() / "seeds.json").is_file() else []
    for seed in SEEDS:
        if any(row["seed"] == seed for row in rows):
            continue
        model, history = train("small_cnn", RECIPES["small_cnn"]["epochs"], seed, mnist)
        row = {
            "model": "small_cnn",
            "seed": seed,
            "epochs": RECIPES["small_cnn"]["epochs"],
            "validation": round(history["val_accuracy"][-1], 4),
            "float32": round(evaluate(model, mnist.x_test, mnist.y_test).accuracy, 4),
            "int8": round(convert(model, "int8", mnist)[1], 4),
        }
        print(row, flush=True)
        rows.append(row)
        save_measured("seeds", rows)


if __name__ == "__main__":
    main()
