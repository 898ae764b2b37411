"""Does a training wait for its images? A step fed by the course's stream, moved images or not, and fed from memory.

usage: python benchmarks/feeding.py

One network, the frontier's "small", takes the same number of steps with each feed, in turns. Ready float batches in
memory are the fastest feed there is; what the others take beyond that is spent on gathering, dividing and moving.
On one core nothing overlaps; on two the next batch is made while the network learns from this one.
"""

import multiprocessing
import os
import statistics
import time

from _cores import use_cores

from edgelab.course.results.benchmarks import save_measured
from edgelab.data import load_mnist
from edgelab.train.fitting.augmentation import Augment

BATCH, STEPS, ROUNDS = 128, 60, 9


def measure(cores: int) -> list[dict]:
    """Return one row a feed: the median time of a step over the rounds, and its ratio to the feed from memory."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    import keras

    from edgelab.train.fitting.batches import stream
    from edgelab.train.fitting.training import set_seed
    from edgelab.train.networks.family import FAMILY, light

    use_cores(cores)
    mnist, n = load_mnist(), BATCH * STEPS
    x, y = mnist.x_train[:n], mnist.y_train[:n]
    feeds = {
        "from memory": stream(x, y, BATCH).cache(),
        "stream": stream(x, y, BATCH, seed=1),
        "stream, moved": stream(x, y, BATCH, seed=1, augment=Augment()),
    }
    set_seed(1)
    model = light(FAMILY["small"].plan)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(1e-3), loss, metrics=["accuracy"])
    times: dict[str, list[float]] = {name: [] for name in feeds}
    for _ in range(ROUNDS + 1):
        for name, feed in feeds.items():
            start = time.perf_counter()
            model.fit(feed, epochs=1, shuffle=False, verbose=0)
            times[name].append((time.perf_counter() - start) / STEPS)
    medians = {name: statistics.median(each[1:]) for name, each in times.items()}  # the first round fills caches
    return [
        {
            "feed": name,
            "cores": cores,
            "p50_ms_step": float(f"{1e3 * median:.3g}"),
            "ratio": float(f"{median / medians['from memory']:.3g}"),
        }
        for name, median in medians.items()
    ]


def main() -> None:
    rows = []
    for cores in (1, 2):  # a process each: TensorFlow's threads are set once
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows += pool.apply(measure, (cores,))
        print(*rows[-3:], sep="\n", flush=True)
    save_measured("feeding", rows)


if __name__ == "__main__":
    main()
