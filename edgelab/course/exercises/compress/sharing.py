"""Exercises of notebook 09: shared weights, and a teacher's."""

import numpy as np

from edgelab.course.exercises._cases import compress as cases
from edgelab.course.exercises.engine.check import BODY, Boundary, Mistake, exercise

BITS = "np.ceil(np.log2(clusters))"
ALPHA = "alpha / (alpha + (1 - alpha) * temperature**2)"


def _has_an_unused_entry(values: np.ndarray, codebook: np.ndarray) -> bool:
    return len(np.unique(np.abs(values[:, None] - codebook).argmin(axis=1))) < len(codebook)


@exercise(
    cases=cases.moved_codebook,
    hint="What is the mean of no values at all? And where does a pruned weight come from that nobody pruned?",
    bug=("np.where(counts > 0, sums / np.maximum(counts, 1), codebook)", "sums / np.maximum(counts, 1)"),
    mistakes=[
        Mistake(", codebook)", ", values.mean())", "an entry without values stays where it is"),
        Mistake(", codebook)", ", np.nan)", "an entry without values stays where it is"),
        Mistake(", codebook)", ", np.resize(values, len(codebook)))", "an entry without values stays where it is"),
        Mistake(
            "return np.where(counts > 0, sums / np.maximum(counts, 1), codebook)",
            "return (sums / np.maximum(counts, 1))[counts > 0]",
            "an entry without values stays where it is: it is not removed",
        ),
        Mistake(
            "sums / np.maximum(counts, 1), codebook)", "sums, codebook)", "that is the sum of the values; divide it"
        ),
        Mistake("sums / np.maximum(counts, 1)", "sums / len(values)", "each entry is the mean of its own values"),
        Mistake("np.abs(values[:, None] - codebook)", "(values[:, None] - codebook)", "the nearest, on either side"),
        Mistake("argmin(axis=1)", "argmax(axis=1)", "that is the farthest entry"),
        Mistake("weights=values, ", "", "that counts the values; it does not add them up"),
        Mistake("np.maximum(counts, 1)", "np.mean(counts)", "each entry is the mean of its own values"),
        Mistake(
            "np.maximum(counts, 1)", "(counts + 1)", "each entry is the mean of its own values, and of nothing else"
        ),
        Mistake(
            "sums / np.maximum(counts, 1), codebook",
            "(codebook + sums / np.maximum(counts, 1)) / 2, codebook",
            "an entry becomes the mean of its values: its old place does not count",
        ),
        Mistake(
            "sums / np.maximum(counts, 1), codebook",
            "(codebook + sums) / (counts + 1), codebook",
            "an entry becomes the mean of its values: its old place does not count",
        ),
        Mistake(
            BODY,
            "codes = np.abs(values[:, None] - codebook).argmin(axis=1)\n"
            "mine = [values[codes == i] for i in range(len(codebook))]\n"
            "return np.array([np.median(m) if m.size else c for m, c in zip(mine, codebook)])",
            "the mean is asked for, not the median",
        ),
        Mistake(
            BODY,
            "found = np.array(codebook)\n"
            "for i in range(len(found)):\n"
            "    mine = np.abs(values[:, None] - found).argmin(axis=1) == i\n"
            "    found[i] = values[mine].mean() if mine.any() else found[i]\n"
            "return found",
            "find the nearest entry of all values first; move the entries after that",
        ),
        Mistake(
            "return np.where(counts > 0, sums / np.maximum(counts, 1), codebook)",
            "return np.sort(np.where(counts > 0, sums / np.maximum(counts, 1), codebook))",
            "the entries keep their order",
        ),
    ],
    boundaries=[
        Boundary(_has_an_unused_entry, "an entry without values stays where it is"),
        Boundary(lambda values, codebook: (np.diff(codebook) < 0).any(), "the entries may come in any order"),
        Boundary(lambda values, codebook: len(values) == 1, "look at one value and one entry"),
    ],
)
def moved_codebook(values: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    """Take one step of k-means: each entry becomes the mean of the values that are nearest to it.

    values: floats (n,). codebook: floats (entries,), in any order. An entry to which no value is nearest stays where it
    is (the course's `lloyd` moves it). The arguments stay as they are.
    """
    codes = np.abs(values[:, None] - codebook).argmin(axis=1)
    counts = np.bincount(codes, minlength=len(codebook))
    sums = np.bincount(codes, weights=values, minlength=len(codebook))
    return np.where(counts > 0, sums / np.maximum(counts, 1), codebook)


@exercise(
    cases=cases.sharing_ratio,
    hint="Count the bits of all codes, then those of the codebook. How many bits does one of five codes take?",
    mistakes=[
        Mistake(BITS, "np.log2(clusters)", "a code of fixed length has a whole number of bits"),
        Mistake(
            BITS, "np.floor(np.log2(clusters))", "with a part of a bit less, not all entries have a code: round up"
        ),
        Mistake(
            BITS, "np.round(np.log2(clusters))", "with a part of a bit less, not all entries have a code: round up"
        ),
        Mistake(BITS, "(np.floor(np.log2(clusters)) + 1)", "look at powers of two: they need no bit more"),
        Mistake(BITS, "clusters", "a code counts the entries: how many bits count so far?"),
        Mistake(BITS, "8", "a code takes as many bits as it needs, not whole bytes"),
        Mistake(BITS, "(8 * np.ceil(np.log2(clusters) / 8))", "a code takes as many bits as it needs, not whole bytes"),
        Mistake(
            "np.ceil(np.log2(clusters))", "np.ceil(np.log(clusters))", "a bit tells two codes apart: the base is 2"
        ),
        Mistake(" + 32 * clusters", "", "whoever reads the codes needs the codebook, too"),
        Mistake("32 * clusters", "clusters", "an entry of the codebook is a float32: it has 32 bits"),
        Mistake("32 * clusters", "4 * clusters", "codes are counted in bits, so the codebook must be, too"),
        Mistake("32 * clusters", "32 * n", "the codebook has so many entries, not one for each weight"),
        Mistake("32 * clusters", "8 * clusters", "an entry of the codebook is a float32: it has 32 bits"),
        Mistake("32 * n /", "n /", "each weight was a float32 before"),
        Mistake("32 * n /", "4 * n /", "codes are counted in bits, so the weights must be, too"),
        Mistake("32 * n / after", "after / (32 * n)", "how many times fewer: before, divided by after"),
        Mistake("32 * n / after", "1 - after / (32 * n)", "that is the share that is saved"),
        Mistake("32 * n / after", "32 * n - after", "how many times fewer, not how many fewer"),
    ],
    boundaries=[
        Boundary(lambda n, clusters: clusters & (clusters - 1) == 0, "look at powers of two"),
        Boundary(lambda n, clusters: clusters & (clusters - 1) != 0, "it is right for powers of two only"),
    ],
)
def sharing_ratio(n: int, clusters: int) -> float:
    """Return how many times fewer bits n float32 weights take when they share so many float32 values: before / after.

    After: a code for each weight, and the codebook. All codes have the same whole number of bits, the least that does.
    clusters: 2 or more.
    """
    after = n * np.ceil(np.log2(clusters)) + 32 * clusters
    return float(32 * n / after)


@exercise(
    cases=cases.alpha_in_effect,
    hint="What stands before the teacher's loss, and what before that of the labels, in each of the two losses?",
    mistakes=[
        Mistake("(1 - alpha) * temperature**2", "(1 - alpha) * temperature", "the factor is T², not T"),
        Mistake("(1 - alpha) * temperature**2", "(1 - alpha)", "that is the weight with the factor"),
        Mistake(
            "(1 - alpha) * temperature**2",
            "(1 - alpha) / temperature**2",
            "without the factor the teacher counts for less, not for more",
        ),
        Mistake(
            ALPHA,
            "alpha * temperature**2 / (alpha * temperature**2 + 1 - alpha)",
            "without the factor the teacher counts for less, not for more",
        ),
        Mistake(ALPHA, "alpha * temperature**2", "without the factor the teacher counts for less, not for more"),
        Mistake(ALPHA, "alpha / temperature**2", "the two weights of a loss with the factor add up to 1"),
        Mistake(ALPHA, "alpha / temperature", "the factor is T², and the two weights of a loss with it add up to 1"),
        Mistake(
            ALPHA,
            "(1 - alpha) * temperature**2 / (alpha + (1 - alpha) * temperature**2)",
            "that is the weight of the labels",
        ),
        Mistake(
            ALPHA,
            "(1 - alpha) / (1 - alpha + alpha * temperature**2)",
            "that is the weight of the labels, or the other way round",
        ),
        Mistake(
            ALPHA,
            "alpha / (alpha * temperature**2 + 1 - alpha)",
            "β T² is what stands before the teacher's loss, up to a constant: compare both weights",
        ),
        Mistake(ALPHA, "alpha / (1 + temperature**2)", "the weight of the labels, 1 - alpha, counts as well"),
        Mistake(ALPHA, "alpha / (alpha + temperature**2)", "the weight of the labels is 1 - alpha, not 1"),
    ],
    boundaries=[
        Boundary(lambda alpha, temperature: alpha == 1, "an alpha of 1 is the teacher alone"),
        Boundary(lambda alpha, temperature: alpha == 0, "an alpha of 0 is the labels alone"),
        Boundary(lambda alpha, temperature: temperature == 1, "at T = 1 the factor changes nothing"),
        Boundary(
            lambda alpha, temperature: temperature != 1,
            "it is right at T = 1 only: the factor that was forgotten is T²",
        ),
    ],
)
def alpha_in_effect(alpha: float, temperature: float) -> float:
    """Return the alpha that training really uses if the factor T² before the teacher's part is missing.

    Without it the loss is alpha H(p, q) + (1 − alpha) H(label, q). That is some constant times β T² H(p, q) +
    (1 − β) H(label, q): return β. alpha: 0 to 1. temperature: T.
    """
    return alpha / (alpha + (1 - alpha) * temperature**2)
