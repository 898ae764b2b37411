"""Exercises of notebook 06."""

import numpy as np

from edgelab.course.exercises.engine.check import Mistake, exercise


@exercise(
    cases=lambda rng: [
        (28, 3, 8, 16, 2),
        (28, 3, 1, 8, 1),
        (7, 3, 8, 8, 2),
        (1, 5, 2, 3, 2),
        *(tuple(int(rng.integers(*span)) for span in ((1, 60), (1, 8), (1, 40), (1, 40), (1, 4))) for _ in range(20)),
    ],
    hint="How many places has the kernel, along one side, when it moves by the stride? And over the whole image?",
    bug=("(-(-side // stride)) ** 2", "side**2 // stride"),
    mistakes=[
        Mistake(
            "(-(-side // stride)) ** 2",
            "(side // stride) ** 2",
            'with padding "same" the last place may hang over the edge, and it counts',
        ),
        Mistake(
            "(-(-side // stride)) ** 2",
            "((side - kernel) // stride + 1) ** 2",
            'that is the number of places without padding; "same" has one for each step of the stride',
        ),
        Mistake("* channels", "", "each kernel reads all channels of the image, not one"),
        Mistake("kernel**2", "kernel", "a kernel is a square of weights"),
        Mistake("* filters", "* filters + filters", "a bias is added, not multiplied: it is no multiply-accumulate"),
    ],
)
def convolution_macs(side: int, kernel: int, channels: int, filters: int, stride: int) -> int:
    """Return the MACs of a convolution on a square image, padding "same"; products with padding count."""
    places = (-(-side // stride)) ** 2
    return places * kernel**2 * channels * filters


def _chain(rng: np.random.Generator) -> tuple[list[int], tuple[int, int]]:
    tensors = int(rng.integers(3, 9))
    first = int(rng.integers(0, tensors - 2))
    return rng.integers(1, 1000, tensors).tolist(), (first, int(rng.integers(first + 1, tensors - 1)))


@exercise(
    cases=lambda rng: [
        ([100, 10, 10, 100], (0, 2)),
        ([10, 60, 60, 10, 10], (0, 3)),
        ([900, 1, 1, 1], (0, 2)),
        ([5, 5, 5], (0, 1)),
        *(_chain(rng) for _ in range(20)),
    ],
    hint="Draw the tensors as boxes in a row. Which of them must exist while layer i runs, for i from a to b?",
    mistakes=[
        Mistake(" + sizes[a] * (a < i <= b)", "", "the tensor that is read again later must be kept until then"),
        Mistake(
            "(a < i <= b)",
            "(a < i < b)",
            "while layer b runs it reads tensor a, so that must still be there",
        ),
        Mistake(
            "(a < i <= b)",
            "(a <= i <= b)",
            "while layer a runs, tensor a is its input: one copy of it is enough",
        ),
        Mistake(
            "sizes[i] + sizes[i + 1] + ", "sizes[i + 1] + ", "a layer reads one tensor and writes another: both exist"
        ),
        Mistake("max(", "sum(", "memory is given back; the largest moment counts, not all of them together"),
    ],
)
def peak_values(sizes: list[int], skip: tuple[int, int]) -> int:
    """Return the most values that are live at once in a chain of layers with one skip connection.

    sizes: of the tensors. Layer i reads tensor i and writes tensor i + 1; the input is tensor 0.
    skip: (a, b) with a < b: layer b reads tensor a once more.
    """
    a, b = skip
    return max(sizes[i] + sizes[i + 1] + sizes[a] * (a < i <= b) for i in range(len(sizes) - 1))


def _features(rng: np.random.Generator, n: int, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    channels = int(rng.integers(2, 9))
    return rng.normal(size=(n, side, side, channels)), rng.normal(size=(channels, 10)), rng.normal(size=10)


@exercise(
    cases=lambda rng: [_features(rng, n, side) for n, side in ((1, 7), (2, 7), (10, 3), (7, 1), (3, 4), (5, 2))],
    hint="What is the shape of the result for one image? A dense layer works on the last axis and leaves the others.",
    bug=("features.mean(axis=(1, 2))", "features"),
    mistakes=[
        Mistake(
            "features.mean(axis=(1, 2))",
            "features.mean(axis=(0, 1, 2))[None]",
            "images must not be averaged with each other",
        ),
        Mistake(
            "features.mean(axis=(1, 2))",
            "features.max(axis=(1, 2))",
            "that keeps the largest place of each channel; the mean is asked for",
        ),
        Mistake(
            "features.mean(axis=(1, 2))",
            "features.sum(axis=(1, 2))",
            "a sum grows with the image: the dense layer was trained on means",
        ),
        Mistake(
            "features.mean(axis=(1, 2))",
            "features[:, 0, 0]",
            "that looks at one corner of the image; all places count alike",
        ),
    ],
)
def classify(features: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the logits, (n, classes), of feature maps (n, height, width, channels): the mean over places, dense."""
    pooled = features.mean(axis=(1, 2))
    return pooled @ w + b


@exercise(
    cases=lambda rng: [
        (8, 16, 6, 3),
        (1, 1, 2, 1),
        (16, 16, 2, 5),
        *(tuple(int(rng.integers(*span)) for span in ((1, 65), (1, 65), (2, 8), (1, 8))) for _ in range(20)),
    ],
    hint="Three convolutions: 1×1 to the wide middle, depthwise in it, 1×1 out of it. Each has a normalisation.",
    mistakes=[
        Mistake(
            "kernel**2 * wide",
            "kernel**2 * wide * wide",
            "a depthwise layer has one kernel for each channel, it mixes nothing",
        ),
        Mistake("kernel**2 * wide", "kernel**2 * channels", "the depthwise layer works on the widened channels"),
        Mistake(
            "4 * (wide + wide + filters)",
            "2 * (wide + wide + filters)",
            "Keras also counts the two averages, of mean and variance, that a normalisation keeps for each channel",
        ),
        Mistake(
            "4 * (wide + wide + filters)",
            "4 * (wide + filters)",
            "three convolutions, three normalisations",
        ),
        Mistake(
            "4 * (wide + wide + filters)",
            "wide + wide + filters",
            "a normalisation has four numbers for each channel, not one",
        ),
    ],
)
def inverted_residual_params(channels: int, filters: int, expansion: int, kernel: int) -> int:
    """Return the parameters of MobileNetV2's block in Keras' count, BatchNorm included; expansion is 2 or more."""
    wide = expansion * channels
    convolutions = channels * wide + kernel**2 * wide + wide * filters
    return convolutions + 4 * (wide + wide + filters)


@exercise(
    cases=lambda rng: [
        (np.arange(6), 3),
        (np.arange(6), 2),
        (np.arange(6), 1),
        (np.arange(9), 3),
        (np.arange(24).reshape(2, 12), 4),
        *((rng.normal(size=(2, 3, 3, groups * each)), groups) for groups, each in ((2, 4), (3, 2), (4, 3), (5, 5))),
    ],
    hint="Shuffle 0 1 2 3 4 5 with three groups by hand, and look at where 0, 1 and 2 have gone.",
    mistakes=[
        Mistake(
            "-1, groups)",
            "groups, -1)",
            "that shuffles a second time, which leads back only where a group has as many channels as there are groups",
        ),
        Mistake(".swapaxes(-1, -2)", "", "folding and unfolding moves nothing; between them the axes change places"),
        Mistake(
            "return apart.swapaxes(-1, -2).reshape(x.shape)",
            "return x[..., ::-1]",
            "a shuffle is not undone by reading the channels backwards",
        ),
    ],
)
def unshuffle(x: np.ndarray, groups: int) -> np.ndarray:
    """Undo a channel shuffle with this number of groups: put each channel, last axis, back where it was."""
    apart = x.reshape(*x.shape[:-1], -1, groups)
    return apart.swapaxes(-1, -2).reshape(x.shape)


def _networks(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return sizes and accuracies, some of the one or of the other equal, no two networks the same in both."""
    sizes, hits = rng.integers(1, 8, n) * 500, rng.permutation(n) // 2
    pairs = sorted(set(zip(sizes.tolist(), hits.tolist(), strict=True)), key=lambda _: rng.random())
    return np.array([size for size, _ in pairs]), 0.9 + 0.09 * np.array([hit for _, hit in pairs]) / n


@exercise(
    cases=lambda rng: [
        (np.array([500, 1000, 2000, 4000]), np.array([0.98, 0.99, 0.97, 0.985])),
        (np.array([4000, 500]), np.array([0.99, 0.98])),
        (np.array([700, 700]), np.array([0.97, 0.98])),
        (np.array([700, 900]), np.array([0.98, 0.98])),
        (np.array([700]), np.array([0.9])),
        *(_networks(rng, n) for n in (5, 8, 12, 12, 20)),
    ],
    hint="Follow the first case by hand: what is `best` when the last network is looked at?",
    bug=("            best = accuracies[i]", "        best = accuracies[i]"),
    mistakes=[
        Mistake(
            "accuracies[i] > best",
            "accuracies[i] >= best",
            "a larger network that is only as accurate as a smaller one is beaten by it",
        ),
        Mistake(
            "np.lexsort((-accuracies, sizes))",
            "np.lexsort((accuracies, sizes))",
            "of two networks of one size, only the more accurate one is worth having",
        ),
        Mistake(
            "np.lexsort((-accuracies, sizes))",
            "range(len(sizes))",
            "the networks come in any order; begin with the smallest",
        ),
        Mistake(
            "np.lexsort((-accuracies, sizes))",
            "np.argsort(-accuracies)",
            "the most accurate first leaves no other: begin with the smallest",
        ),
    ],
)
def on_the_frontier(sizes: np.ndarray, accuracies: np.ndarray) -> list[int]:
    """Return the indices, smallest network first, of those that none of their size or smaller equals or beats."""
    best, kept = -1.0, []
    for i in np.lexsort((-accuracies, sizes)):
        if accuracies[i] > best:
            kept.append(int(i))
            best = accuracies[i]
    return kept


@exercise(
    cases=lambda rng: [
        (18, 1, 3),
        (1, 5, 2),
        (2, 1, 3),
        (27, 2, 3),
        (8, 1, 2),
        *(tuple(int(rng.integers(*span)) for span in ((1, 200), (1, 10), (2, 6))) for _ in range(20)),
    ],
    hint="Write down two columns, rung by rung: how many plans are trained, and for how many epochs each.",
    mistakes=[
        Mistake("total += plans * epochs", "total += plans", "that counts the runs; each takes several epochs"),
        Mistake("epochs * eta", "epochs", "those that stay are trained for eta times as many epochs"),
        Mistake("while plans:", "while plans > 1:", "one that is left alone is trained once more, for longest"),
        Mistake("plans // eta", "max(plans - eta, 0)", "a share of 1/eta stays; not all but eta"),
    ],
)
def halving_epochs(plans: int, epochs: int, eta: int) -> int:
    """Return all epochs of successive halving: so many plans, the first rung's epochs, eta as in the text.

    Each rung trains from scratch; the number of plans that stay is rounded down, and the search ends when none stays.
    """
    total = 0
    while plans:
        total += plans * epochs
        plans, epochs = plans // eta, epochs * eta
    return total


def _normalisation(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    channels = int(rng.integers(2, 9))
    gamma, beta, mean = (rng.normal(size=channels) for _ in range(3))
    return rng.normal(size=(n, channels)), gamma, beta, mean, rng.uniform(0.1, 2, channels)


@exercise(
    cases=lambda rng: [_normalisation(rng, n) for n in (1, 2, 5, 40)],
    hint="Follow one image alone through it, n = 1. What is left of what distinguishes this image from others?",
    bug=("centre, spread = mean, variance", "centre, spread = x.mean(axis=0), x.var(axis=0)"),
    mistakes=[
        Mistake(
            "centre, spread = mean, variance", "centre, spread = x.mean(axis=0), variance", "the mean is learnt too"
        ),
        Mistake(
            "np.sqrt(spread + 1e-3)",
            "(spread + 1e-3)",
            "one divides by the standard deviation, the root of the variance",
        ),
        Mistake("+ beta", "", "the learnt shift comes last"),
        Mistake("gamma * ", "", "the learnt scale is part of the layer"),
    ],
)
def normalise_frozen(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, mean: np.ndarray, variance: np.ndarray
) -> np.ndarray:
    """Apply a frozen BatchNorm to features (n, channels): learnt scale gamma, shift beta, averages mean, variance."""
    centre, spread = mean, variance
    return gamma * (x - centre) / np.sqrt(spread + 1e-3) + beta
