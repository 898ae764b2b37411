"""Exercises of notebook 09."""

import numpy as np

from edgelab.course.exercises.engine.check import Mistake, exercise


def _some_steps(rng: np.random.Generator) -> list[tuple]:
    found = []
    for n in (4, 1, 7, 20):
        mask = rng.random(n) < 0.5
        found.append((rng.normal(size=n) * mask, rng.normal(size=n), rng.normal(size=n), mask, 0.1, 0.9))
    return found


@exercise(
    cases=_some_steps,
    hint="The momentum still remembers the gradients of weights that were there before. What moves a weight last?",
    bug=("(w + velocity) * mask", "w * mask + velocity"),
    mistakes=[
        Mistake("learning_rate * dw", "learning_rate * dw * mask", "what the momentum remembers is not to be changed"),
        Mistake("velocity - learning_rate", "velocity + learning_rate", "a step goes down the gradient"),
        Mistake("(w + velocity) * mask", "(w + velocity) * ~mask", "True is a weight that stays"),
        Mistake("return w, velocity", "return w, velocity * mask", "what the momentum remembers is not to be changed"),
    ],
)
def step_with_mask(
    w: np.ndarray, velocity: np.ndarray, dw: np.ndarray, mask: np.ndarray, learning_rate: float, momentum: float
) -> tuple[np.ndarray, np.ndarray]:
    """Take one step of gradient descent with momentum, after which pruned weights are 0. Return w and velocity.

    mask: bool, True where a weight stays. It masks w alone: the velocity returned is momentum × velocity −
    learning_rate × dw, pruned weights included.
    """
    velocity = momentum * velocity - learning_rate * dw
    w = (w + velocity) * mask
    return w, velocity


@exercise(
    cases=lambda rng: [
        ([np.array([[0.9, -0.1], [0.2, -0.8]]), np.array([0.05, 0.3])], 0.5),
        ([np.array([0.1, -0.2]), np.array([3.0, -4.0])], 0.5),
        ([np.array([0.1, -0.2, 0.3]), np.array([3.0])], 0.75),
        ([np.array([1.0, 2.0])], 0.0),
        *(
            ([rng.normal(size=(4, 3)), rng.normal(size=6) * 3, rng.normal(size=(2, 5)) / 3], s)
            for s in (0.25, 0.5, 6 / 7)
        ),
    ],
    hint="Which single number separates all weights of the network into those that go and those that stay?",
    mistakes=[
        Mistake(
            "magnitudes = np.sort(np.concatenate([np.abs(w).ravel() for w in weights]))\n"
            "    gone = round(sparsity * len(magnitudes))\n"
            "    threshold = magnitudes[gone]\n"
            "    return [np.abs(w) >= threshold for w in weights]",
            "return [np.abs(w) >= np.sort(np.abs(w).ravel())[round(sparsity * w.size)] for w in weights]",
            "so each layer loses the same share; here the smallest of all go, wherever they are",
        ),
        Mistake("[np.abs(w).ravel() for", "[w.ravel() for", "a large negative weight is not a small one"),
        Mistake(
            "np.abs(w) >= threshold",
            "np.abs(w) > threshold",
            "as many go as are asked for; look at the weight that has just the magnitude of the threshold",
        ),
        Mistake("np.abs(w) >= threshold", "np.abs(w) < threshold", "True is a weight that stays"),
    ],
)
def masks_over_all(weights: list[np.ndarray], sparsity: float) -> list[np.ndarray]:
    """Return a mask for each layer, True where a weight stays, when the smallest of all layers together go.

    Of all weights the nearest whole number to sparsity × their number goes; no two have the same magnitude.
    """
    magnitudes = np.sort(np.concatenate([np.abs(w).ravel() for w in weights]))
    gone = round(sparsity * len(magnitudes))
    threshold = magnitudes[gone]
    return [np.abs(w) >= threshold for w in weights]


@exercise(
    cases=lambda rng: [
        (np.array([0.0, 0.2, 1.0, 1.4]), np.array([0.1, 1.2])),
        (np.array([0.0, 0.2, 1.0]), np.array([0.1, 5.0, 0.9])),
        (np.array([-1.0, -1.0]), np.array([-2.0, 0.5])),
        *((rng.normal(size=30), np.sort(rng.normal(size=k)) * 3) for k in (2, 5, 9, 12)),
    ],
    hint="What is the mean of no values at all? And where does a pruned weight come from that nobody pruned?",
    bug=("np.where(counts > 0, sums / np.maximum(counts, 1), codebook)", "sums / np.maximum(counts, 1)"),
    mistakes=[
        Mistake(", codebook)", ", values.mean())", "an entry without values stays where it is"),
        Mistake("np.abs(values[:, None] - codebook)", "(values[:, None] - codebook)", "the nearest, on either side"),
        Mistake("weights=values, ", "", "that counts the values; it does not add them up"),
        Mistake("np.maximum(counts, 1)", "np.mean(counts)", "each entry is the mean of its own values"),
    ],
)
def moved_codebook(values: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    """Take one step of k-means: each entry becomes the mean of the values that are nearest to it.

    values: floats (n,). codebook: floats (entries,). An entry to which no value is nearest stays where it is.
    """
    codes = np.abs(values[:, None] - codebook).argmin(axis=1)
    counts = np.bincount(codes, minlength=len(codebook))
    sums = np.bincount(codes, weights=values, minlength=len(codebook))
    return np.where(counts > 0, sums / np.maximum(counts, 1), codebook)


@exercise(
    cases=lambda rng: [
        (16, 4),
        (1000, 17),
        (10, 2),
        (235_200, 16),
        (25, 32),
        *((int(rng.integers(20, 10_000)), int(rng.integers(2, 257))) for _ in range(10)),
    ],
    hint="Count the bits of all codes, then those of the codebook. How many bits does one of five codes take?",
    mistakes=[
        Mistake("np.ceil(np.log2(clusters))", "np.log2(clusters)", "a code of fixed length has a whole number of bits"),
        Mistake(" + 32 * clusters", "", "whoever reads the codes needs the codebook too"),
        Mistake("np.ceil(np.log2(clusters))", "np.ceil(np.log(clusters))", "a bit tells two codes apart"),
        Mistake("32 * n /", "n /", "each weight was a float32 before"),
    ],
)
def sharing_ratio(n: int, clusters: int) -> float:
    """Return how many times fewer bits n float32 weights take when they share so many float32 values.

    All codes have the same length.
    """
    after = n * np.ceil(np.log2(clusters)) + 32 * clusters
    return float(32 * n / after)


@exercise(
    cases=lambda rng: [
        (np.array([1, 0, 0, 0, 0, 1], bool), 2),
        (np.array([0, 0, 0, 1], bool), 2),
        (np.array([0] * 8 + [1], bool), 2),
        (np.array([0] * 31 + [1], bool), 5),
        (np.array([0] * 32 + [1], bool), 5),
        (np.ones(5, bool), 3),
        *((rng.random(400) < 0.03, bits) for bits in (1, 2, 3, 5)),
    ],
    hint="Write out four zeros and a weight with gaps of two bits. A filler takes a place of its own.",
    bug=("// 2**bits", "// (2**bits - 1)"),
    mistakes=[
        Mistake(" - 1\n", "\n", "a gap is the number of zeros between, not the distance"),
        Mistake("// 2**bits", "// bits", "with so many bits one counts further"),
        Mistake("len(zeros) + ", "", "the weights that stay are stored too"),
        Mistake(
            "prepend=-1", "prepend=0", "the first weight has zeros before it as well; and how many, if it is at 0?"
        ),
    ],
)
def entries_with_fillers(mask: np.ndarray, bits: int) -> int:
    """Return how many entries Deep Compression stores for a pruned layer: weights that stay, and fillers.

    mask: bool (n,), True where a weight stays. With each entry goes a gap, how many zeros stand before it, of at
    most 2**bits - 1. Where there are more, an entry of value 0 is put between: a filler, in the place of a zero.
    """
    zeros = np.diff(np.flatnonzero(mask), prepend=-1) - 1
    return len(zeros) + int((zeros // 2**bits).sum())


@exercise(
    cases=lambda rng: [
        (0.5, 4.0),
        (0.9, 20.0),
        (0.9, 1.0),
        (0.0, 3.0),
        (1.0, 3.0),
        *((float(rng.random()), float(rng.uniform(1, 20))) for _ in range(10)),
    ],
    hint="What stands before the teacher's gradient, and what before that of the labels, in each of the two losses?",
    mistakes=[
        Mistake("(1 - alpha) * temperature**2", "(1 - alpha) * temperature", "the gradient shrinks twice: look again"),
        Mistake("(1 - alpha) * temperature**2", "(1 - alpha)", "that is the weight with the factor"),
        Mistake(
            "alpha / (alpha + (1 - alpha) * temperature**2)",
            "alpha * temperature**2 / (alpha * temperature**2 + 1 - alpha)",
            "without the factor the teacher counts for less, not for more",
        ),
        Mistake(
            "alpha / (alpha + (1 - alpha) * temperature**2)",
            "alpha / temperature**2",
            "the two weights of a loss with the factor add up to 1",
        ),
    ],
)
def alpha_in_effect(alpha: float, temperature: float) -> float:
    """Return the alpha that someone in effect trains with who forgot the factor T² before the teacher's part.

    Without it the loss is alpha H(p, q) + (1 − alpha) H(label, q). That is some constant times β T² H(p, q) +
    (1 − β) H(label, q): return β. temperature: T.
    """
    return alpha / (alpha + (1 - alpha) * temperature**2)
