"""Search plans under a budget, at random and by successive halving with as many epochs, against networks made by hand.

usage: python benchmarks/search.py       resumes where it was stopped; delete results/search.json to begin anew

Everything is chosen on 5,000 of the training images. The winners and the hand-made networks are then trained for
longer, with three seeds, and measured on 5,000 others that no choice has seen. The test set is never read.
"""

import math
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from _cores import use_cores

from edgelab.course.results.benchmarks import measured, results_folder, save_measured
from edgelab.data import load_mnist
from edgelab.train.networks.search import plan_cost, random_plans, successive_halving, winner

SETTINGS = {
    "max_bytes": 4_000,
    "max_macs": 250_000,
    "least": 0.5,
    "plans": 18,  # 18 for 1 epoch, 6 for 3, 2 for 9: 54 epochs
    "random_plans": 6,  # 6 for 9 epochs: 54 again
    "eta": 3,
    "rungs": 3,
    "images": 10_000,
    "learning_rate": 1e-2,
    "final_epochs": 15,
}
BY_HAND = ("c8k5s2 d16 d16s2 d24 d32", "c8k5s2 c8 p c16 d32")
SEEDS = (1, 2, 3)
# The first of the 5,000 images of each accuracy.
PARTS = {"validation": 50_000, "fresh": 55_000}


def train(plan: str, epochs: int, seed: int, settings: dict, parts: tuple[str, ...]) -> dict:
    """Train a plan from scratch; return its accuracy on each part of the images, and the seconds."""
    from edgelab.train.fitting.training import fit, set_seed
    from edgelab.train.judging.evaluation import evaluate
    from edgelab.train.networks.family import light

    mnist, n, begin = load_mnist(), settings["images"], time.perf_counter()
    x, y = mnist.x_train, mnist.y_train
    set_seed(seed)
    model = light(plan)
    # fit wants a split to watch; the least of one, since the images to choose by lie further on.
    options = {"learning_rate": settings["learning_rate"], "validation": 0.02, "seed": seed, "progress": False}
    fit(model, x[:n], y[:n], epochs=epochs, **options)
    there = {part: slice(PARTS[part], PARTS[part] + 5_000) for part in parts}
    accuracies = {part: round(evaluate(model, x[at], y[at]).accuracy, 4) for part, at in there.items()}
    return {**accuracies, "seconds": round(time.perf_counter() - begin, 1)}


def main(settings: dict, name: str = "search", by_hand: tuple[str, ...] = BY_HAND, seeds: tuple[int, ...] = SEEDS):
    path = results_folder() / f"{name}.json"
    rows = measured(name)["rows"] if path.is_file() else [{"search": "settings", **settings}]
    if rows[0] != {"search": "settings", **settings}:
        raise SystemExit(f"{path}: measured with other settings, {rows[0]}. Delete it to begin anew")

    def trained(plan: str, epochs: int, seed: int, search: str, rung: int = 0) -> float:
        """Return the validation accuracy of a row, made now unless it is there."""
        same = [r for r in rows[1:] if (r["plan"], r["epochs"], r["seed"]) == (plan, epochs, seed)]
        row = next((r for r in same if (r["search"], r["rung"]) == (search, rung)), None)
        if row is None:
            cost = plan_cost(plan)
            row = {"search": search, "rung": rung, "plan": plan, "epochs": epochs, "seed": seed, **cost._asdict()}
            if same:  # both searches may train the same plan as long: the same seed, so the same result
                row |= {key: same[0][key] for key in ("validation", "seconds")}
            else:
                parts = tuple(PARTS) if search == "final" else ("validation",)
                row |= pool.submit(train, plan, epochs, seed, settings, parts).result()
            print(row, flush=True)
            rows.append(row)
            save_measured(name, rows)
        return row["validation"]

    plans = random_plans(settings["plans"], settings["max_bytes"], settings["max_macs"], least=settings["least"])
    eta, rungs = settings["eta"], settings["rungs"]
    longest = eta ** (rungs - 1)
    # A process for each eight trainings: Keras leaves some 40 MB behind after each, whatever is cleared.
    new = {"mp_context": get_context("spawn"), "max_tasks_per_child": 8, "initializer": use_cores}
    with ProcessPoolExecutor(1, **new) as pool:
        halving = successive_halving(
            plans, lambda plan, n: trained(plan, n, 0, "halving", round(math.log(n, eta))), eta=eta, rungs=rungs
        )
        few = plans[: settings["random_plans"]]
        random = successive_halving(few, lambda plan, n: trained(plan, n, 0, "random"), longest, rungs=1)
        spent = [sum(trial.epochs for trial in trials) for trials in (halving, random)]
        print(f"epochs spent: successive halving {spent[0]}, random search {spent[1]}")
        for plan in by_hand:
            trained(plan, longest, 0, "hand")
        for seed in seeds:
            for plan in dict.fromkeys([winner(halving).plan, winner(random).plan, *by_hand]):
                trained(plan, settings["final_epochs"], seed, "final")


if __name__ == "__main__":
    main(SETTINGS)
