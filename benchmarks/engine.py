"""The integer engine: in how many logits each of its rules differs from each runtime, and how many images a second.

usage: python benchmarks/engine.py

All 10,000 test images through each shipped int8 model. A row is a model on one runtime of LiteRT: the logits, of
100,000, in which the engine differs from that runtime by each rule, and the engine's images a second, batch of 1,000,
by the rule of that name; beside it those of the runtime, which takes one image at a time. Both on one thread, wall
clock, medians of five, the two in turns; run it on an idle machine. engine_mb: the most memory that NumPy's arrays take
during such a batch, images and model apart.
"""

import json
import os
import time
import tracemalloc
from collections.abc import Callable

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is imported: the runtime has one thread, too

import numpy as np

from edgelab.artifacts import shipped
from edgelab.course.results.benchmarks import save_measured
from edgelab.data import load_mnist, to_input
from edgelab.infer.integer.model import IntegerModel
from edgelab.infer.parity import RESOLVERS, runtime_outputs
from edgelab.infer.runner import Runner
from edgelab.shrink.quantize.affine import quantize

BATCH, TURNS = 1000, 5


def images_per_s(ways: dict[str, Callable[[], object]], images: int, turns: int = TURNS) -> dict[str, int]:
    """Return how many images a second each way takes: median over turns, after one that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns + 1):
        for name, run in ways.items():
            begin = time.perf_counter()
            run()
            if turn:
                seconds[name].append(time.perf_counter() - begin)
    return {name: round(images / float(np.median(each))) for name, each in seconds.items()}


def peak_mb(run: Callable[[], object]) -> float:
    """Return the most megabytes (10^6) that Python's and NumPy's objects take while a function runs."""
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return round(peak / 1e6, 1)


def measure(name: str, images: np.ndarray, turns: int = TURNS) -> list[dict]:
    """Return the rows of one shipped model. images: uint8 (n, 28, 28), at least BATCH for a figure that counts."""
    path = shipped(name)
    model = IntegerModel(path)
    x = to_input(images)
    q = quantize(x, model.input.scale[0], model.input.zero_point[0])
    computed = {rule: IntegerModel(path, rule).run(q) for rule in RESOLVERS}
    rows = []
    for runtime in RESOLVERS:
        found = runtime_outputs(path, q, runtime)[0]
        engine, runner = IntegerModel(path, runtime), Runner(path, kernels=runtime)
        ways = {"engine": lambda e=engine: e.run(q[:BATCH]), "runtime": lambda r=runner: r.predict(x[:BATCH])}
        rows.append(
            {
                "model": name,
                "runtime": runtime,
                "logits": found.size,
                "differ": {rule: int(np.sum(found != ours)) for rule, ours in computed.items()},
                "images_per_s": images_per_s(ways, min(BATCH, len(x)), turns),
                "engine_mb": peak_mb(ways["engine"]),
            }
        )
    return rows


def main() -> None:
    models = json.loads(shipped("small_cnn_int8").with_name("models.json").read_text(encoding="utf-8"))["models"]
    images, rows = load_mnist().x_test, []
    for name in (each["name"] for each in models if each["name"].endswith("_int8")):
        rows += measure(name, images)
        for row in rows[-len(RESOLVERS) :]:
            print(f"{name:15} {row['runtime']:10} {row['differ']}  {row['images_per_s']} images/s", flush=True)
    save_measured("engine", rows)


if __name__ == "__main__":
    main()
