"""Exercises of notebook 05."""

import numpy as np

from edgelab.course.exercises.engine.check import Mistake, exercise


@exercise(
    cases=lambda rng: [
        (28, (16, 32)),
        (32, (16, 32)),
        (28, (8,)),
        *((int(rng.integers(40, 200)), tuple(rng.integers(1, 64, rng.integers(1, 4)).tolist())) for _ in range(20)),
    ],
    hint="Follow one side of the image: the convolution takes two pixels off it, the pooling halves the rest.",
    mistakes=[
        Mistake(
            "(side - 2) // 2", "side // 2", "a convolution without padding leaves no room for its kernel at the edge"
        ),
        Mistake("(side - 2) // 2", "(side - 3) // 2", "a kernel of three fits n - 2 times into n pixels"),
        Mistake("(side - 2) // 2", "(side - 1) // 2", "pooling drops an odd last row, it does not round up"),
        Mistake("kernels[-1]", "sum(kernels)", "a layer's channels replace those before it, they do not add up"),
    ],
)
def values_left(side: int, kernels: tuple[int, ...]) -> int:
    """Return how many values reach the first dense layer.

    side: of the square image. kernels: how many each 3×3 convolution has; each is followed by 2×2 pooling.
    """
    for _ in kernels:
        side = (side - 2) // 2
    return side * side * kernels[-1]


def _probabilities(rng: np.random.Generator, n: int) -> np.ndarray:
    x = np.exp(rng.normal(size=(n, 10)))
    return x / x.sum(axis=1, keepdims=True)


@exercise(
    cases=lambda rng: [
        (_probabilities(rng, 1), np.array([0])),
        (_probabilities(rng, 1), np.array([9])),
        *((_probabilities(rng, n), rng.integers(0, 10, n)) for n in (2, 7, 10, 128)),
    ],
    hint="Print what is multiplied with the logarithms, for the labels 0 and 9. Which row should that be?",
    bug=("np.eye(10)[labels]", "labels[:, None]"),
    mistakes=[
        Mistake("np.eye(10)[labels]", "np.eye(11)[labels][:, 1:]", "the first class is 0, not 1"),
        Mistake("-(one_hot", "(one_hot", "the logarithm of a probability is negative, a loss is not"),
        Mistake(".sum(axis=1).mean()", ".mean()", "the mean over all ten columns is a tenth of the loss of an image"),
        Mistake(".sum(axis=1).mean()", ".sum()", "a sum over the batch grows with the batch"),
    ],
)
def categorical_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean of -log p of the right class. probabilities: (n, 10). labels: integers 0 to 9, (n,)."""
    one_hot = np.eye(10)[labels]
    return float(-(one_hot * np.log(probabilities)).sum(axis=1).mean())


@exercise(
    cases=lambda rng: [
        (60_000, 128),
        (128, 128),
        (1, 32),
        *((int(rng.integers(1, 5000)), int(rng.integers(2, 300))) for _ in range(20)),
    ],
    hint="Seven images in batches of three make 3 + 3 + 1.",
    mistakes=[
        Mistake("-(-images // batch_size)", "images // batch_size", "the last, smaller batch is a step too"),
        Mistake(
            "-(-images // batch_size)",
            "images // batch_size + 1",
            "where the division leaves no rest, no batch is added",
        ),
        Mistake("-(-images // batch_size)", "images / batch_size", "a part of a batch is a whole step"),
    ],
)
def steps_in_an_epoch(images: int, batch_size: int) -> int:
    """Return how many steps the optimiser makes in one epoch."""
    return -(-images // batch_size)


@exercise(
    cases=lambda rng: [
        (0.99, 0.001),
        (0.5, 0.01),
        (0.9, 0.5),
        *((float(rng.uniform(0.5, 0.999)), float(rng.uniform(0.0005, 0.02))) for _ in range(20)),
    ],
    hint="Set 1.96 σ equal to half_width, square both sides, solve for N.",
    mistakes=[
        Mistake("half_width**2", "half_width", "the width falls with the square root of N, so N grows with its square"),
        Mistake("1.96**2", "1.96", "the 1.96 is squared with the rest"),
        Mistake("1.96**2 * ", "", "that is for one σ, which holds 68 % of all samples, not 95 %"),
        Mistake("* (1 - accuracy)", "", "the variance is a (1 - a): at 99 % few images tell more than at 50 %"),
        Mistake("int(np.ceil(needed))", "int(needed)", "with that one image less, the interval is still too wide"),
    ],
)
def images_needed(accuracy: float, half_width: float) -> int:
    """Return the smallest number of test images whose 95 % interval is accuracy ± half_width, or narrower."""
    needed = 1.96**2 * accuracy * (1 - accuracy) / half_width**2
    return int(np.ceil(needed))


def _answers(rng: np.random.Generator, classes: int, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Return labels 0 … classes - 1, unequally frequent, and answers of which most are right."""
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, n) * rng.integers(0, 2, n)])
    return labels, np.where(rng.random(len(labels)) < 0.7, labels, rng.integers(0, 10, len(labels)))


@exercise(
    cases=lambda rng: [
        (np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, 1]), np.zeros(10, int)),
        (np.array([3, 3, 5]), np.array([3, 5, 5])),
        *(_answers(rng, classes) for classes in (2, 5, 10, 10)),
    ],
    hint="First the recall of one class: of the images labelled c, which share was called c? Then take the mean.",
    mistakes=[
        Mistake(
            "np.mean([np.mean(answers[labels == c] == c) for c in np.unique(labels)])",
            "np.mean(answers == labels)",
            "that is plain accuracy: a frequent class counts more than a rare one",
        ),
        Mistake("answers[labels == c] == c", "labels[answers == c] == c", "that is precision, of the images called c"),
        Mistake("np.unique(labels)", "range(10)", "a class of which there is no image has no recall"),
        Mistake("np.unique(labels)", "np.unique(answers)", "a class that is never the answer has recall 0, and counts"),
    ],
)
def balanced_accuracy(labels: np.ndarray, answers: np.ndarray) -> float:
    """Return the mean recall over the classes that occur among the labels. labels, answers: integers, (n,)."""
    return float(np.mean([np.mean(answers[labels == c] == c) for c in np.unique(labels)]))


def _pixels(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.random((n, 4, 4)) * rng.uniform(0.3, 1)


@exercise(
    cases=lambda rng: [
        (_pixels(rng, 20), 0.5 * _pixels(rng, 1)),
        (_pixels(rng, 30), 1 - _pixels(rng, 10)),
        *((_pixels(rng, 12), _pixels(rng, int(n))) for n in (1, 3, 12)),
    ],
    hint="A device sees one image at a time. Which mean does it know?",
    bug=("(test - mean) / std", "(test - test.mean()) / test.std()"),
    mistakes=[
        Mistake("(test - mean) / std", "(test - mean) / test.std()", "the scale of the test images is unknown as well"),
        Mistake("(test - mean) / std", "(test - test.mean()) / std", "a brighter test image would be made as dark"),
        Mistake("(test - mean) / std", "test", "the network learns from standardised images, and reads others here"),
        Mistake("train.std()", "train.var()", "the standard deviation has the unit of a pixel, the variance has not"),
        Mistake(
            "mean, std = train.mean(), train.std()",
            "mean, std = np.concatenate([train, test]).mean(), np.concatenate([train, test]).std()",
            "the test images must not help to choose the numbers either",
        ),
    ],
)
def standardise(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both with the mean of the training images taken off, divided by their standard deviation. (n, h, w)."""
    mean, std = train.mean(), train.std()
    return (train - mean) / std, (test - mean) / std


@exercise(
    cases=lambda rng: [
        (np.array([[0.9, 0.1], [0.5, 0.5]]), 10.0, 2.0),
        *((_probabilities(rng, n), wrong, asking) for n, wrong, asking in ((30, 1.0, 0.5), (25, 20.0, 9.0))),
        *((_probabilities(rng, n), 10.0, float(rng.uniform(4, 8))) for n in (1, 12, 50)),
    ],
    hint="Write down what an answer costs on average. How likely is it to be wrong?",
    mistakes=[
        Mistake("1 - probabilities.max(axis=1)", "probabilities.max(axis=1)", "that is how likely it is to be right"),
        Mistake(
            "1 - probabilities.max(axis=1)",
            "probabilities.min(axis=1)",
            "that is the least likely class; the answer is wrong when any of the others is right",
        ),
        Mistake("risk * wrong < asking", "risk < asking", "a mistake that costs more needs to be less likely"),
        Mistake("risk * wrong < asking", "risk * wrong > asking", "that says when to ask"),
        Mistake(
            "risk * wrong < asking",
            "risk * wrong < (1 - risk) * asking",
            "asking costs the same whoever would be right",
        ),
    ],
)
def worth_answering(probabilities: np.ndarray, wrong: float, asking: float) -> np.ndarray:
    """Return for each image whether answering costs less, on average, than asking a person.

    probabilities: (n, classes), to be believed. wrong, asking: what a wrong answer costs, and what asking costs; a
    right answer costs nothing. Returns bool (n,).
    """
    risk = 1 - probabilities.max(axis=1)
    return risk * wrong < asking
