"""Exercises of notebook 05: how good a network is, and what to do with its answers."""

import numpy as np

from edgelab.course.exercises._cases import train_mnist as cases
from edgelab.course.exercises.engine.check import Boundary, Mistake, exercise


@exercise(
    cases=cases.images_needed,
    hint="Set 1.96 σ equal to half_width, square both sides, solve for N.",
    mistakes=[
        Mistake("half_width**2", "half_width", "the width falls with the square root of N, so N grows with its square"),
        Mistake("1.96**2", "1.96", "the 1.96 is squared with the rest"),
        Mistake("1.96**2 * ", "", "that is for one σ, which holds 68 % of all samples, not 95 %"),
        Mistake("1.96**2", "1.645**2", "95 % lie within 1.96 σ, on both sides together"),
        Mistake("1.96**2", "2.576**2", "95 % lie within 1.96 σ; 2.576 σ holds 99 %"),
        Mistake("1.96**2", "4", "use 1.96, not 2"),
        Mistake("half_width**2", "(half_width / 2) ** 2", "half_width is on one side: it is not halved again"),
        Mistake("half_width**2", "(2 * half_width) ** 2", "half_width is on one side, as 1.96 σ is: it is not doubled"),
        Mistake("* (1 - accuracy)", "", "the variance is a (1 - a): at 99 % few images tell more than at 50 %"),
        Mistake("accuracy * (1 - accuracy)", "0.25", "the variance is a (1 - a), which depends on the accuracy"),
        Mistake("accuracy * (1 - accuracy)", "(1 - accuracy)", "the variance is a (1 - a)"),
        Mistake("accuracy * (1 - accuracy)", "(accuracy * (1 - accuracy)) ** 0.5", "σ² has a (1 - a), not its root"),
        Mistake(
            "int(np.ceil(needed))", "int(np.ceil(needed**0.5))", "N is under a root in σ: it is squared, not rooted"
        ),
        Mistake("int(np.ceil(needed))", "int(needed)", "with that one image less, the interval is still too wide"),
        Mistake(
            "int(np.ceil(needed))", "round(needed)", "rounded down, one image is missing and the interval is too wide"
        ),
        Mistake("int(np.ceil(needed))", "int(needed) + 1", "where the result is a whole number, no image is added"),
        Mistake("int(np.ceil(needed))", "float(needed)", "there is no part of an image: which way must it be rounded?"),
    ],
    boundaries=[
        Boundary(
            lambda accuracy, half_width: (accuracy, half_width) in ((0.5, 0.0392), (0.6, 0.0784), (0.5, 0.0196)),
            "look at results that are whole numbers before they are rounded",
        ),
    ],
)
def images_needed(accuracy: float, half_width: float) -> int:
    """Return the smallest number of test images for which 1.96 σ of the measured accuracy is at most half_width.

    The 95 % interval is then accuracy ± half_width, or narrower. accuracy: the true one, a share. half_width: a share.
    """
    needed = 1.96**2 * accuracy * (1 - accuracy) / half_width**2
    return int(np.ceil(needed))


RECALLS = "np.mean([np.mean(answers[labels == c] == c) for c in np.unique(labels)])"


@exercise(
    cases=cases.balanced_accuracy,
    hint="First the recall of one class: of the images labelled c, which share was called c? Then take the mean.",
    mistakes=[
        Mistake(
            RECALLS,
            "np.mean(answers == labels)",
            "that is plain accuracy: a frequent class counts more than a rare one",
        ),
        Mistake("answers[labels == c] == c", "labels[answers == c] == c", "that is precision, of the images called c"),
        Mistake(
            RECALLS,
            "np.mean([np.mean(labels[answers == c] == c) for c in np.unique(answers)])",
            "that is precision, of the images called c",
        ),
        Mistake(
            RECALLS,
            "np.mean([np.mean(labels[answers == c] == c) if c in answers else 0 for c in np.unique(labels)])",
            "that is precision, of the images called c",
        ),
        Mistake(
            "np.unique(labels)", "range(10)", "a class of which there is no image has no recall, and does not count"
        ),
        Mistake(
            RECALLS,
            "sum(np.mean(answers[labels == c] == c) for c in np.unique(labels)) / 10",
            "a class of which there is no image has no recall, and does not count",
        ),
        Mistake(
            RECALLS,
            "np.mean([np.mean(answers[labels == c] == c) if c in labels else 0 for c in range(10)])",
            "a class of which there is no image has no recall, and does not count",
        ),
        Mistake(
            RECALLS,
            "np.mean([np.mean(answers[labels == c] == c) if c in labels else 0 for c in np.union1d(labels, answers)])",
            "a class of which there is no image has no recall, and does not count",
        ),
        Mistake(
            RECALLS,
            "sum(np.mean(answers[labels == c] == c) for c in np.unique(labels)) / (labels.max() + 1)",
            "a class of which there is no image has no recall, and does not count",
        ),
        Mistake("np.unique(labels)", "np.unique(answers)", "a class that is never the answer has recall 0, and counts"),
        Mistake(
            "in np.unique(labels)",
            "in np.intersect1d(labels, answers)",
            "a class that is never the answer has recall 0, and counts",
        ),
        Mistake("np.mean([np", "np.sum([np", "the mean over the classes is asked for, not the sum"),
        Mistake("np.mean([np", "np.min([np", "the mean over the classes is asked for, not the worst"),
        Mistake("np.mean([np", "np.median([np", "the mean over the classes is asked for, not the median"),
        Mistake(
            "answers[labels == c] == c) for", "(answers == c) & (labels == c)) for", "divide by the images of the class"
        ),
    ],
)
def balanced_accuracy(labels: np.ndarray, answers: np.ndarray) -> float:
    """Return the mean recall over the classes that occur among the labels. labels, answers: integers 0 to 9, (n,)."""
    return float(np.mean([np.mean(answers[labels == c] == c) for c in np.unique(labels)]))


@exercise(
    cases=cases.worth_answering,
    hint="Write down what an answer costs on average. How likely is it to be wrong?",
    mistakes=[
        Mistake("1 - probabilities.max(axis=1)", "probabilities.max(axis=1)", "that is how likely it is to be right"),
        Mistake(
            "1 - probabilities.max(axis=1)",
            "probabilities.min(axis=1)",
            "that is one of the other classes; the answer is wrong when any of them is right",
        ),
        Mistake(
            "1 - probabilities.max(axis=1)",
            "np.sort(probabilities, axis=1)[:, -2]",
            "that is one of the other classes; the answer is wrong when any of them is right",
        ),
        Mistake("max(axis=1)", "mean(axis=1)", "the answer is the likeliest class"),
        Mistake("risk * wrong < asking", "risk < asking", "a mistake that costs more needs to be less likely"),
        Mistake("risk * wrong < asking", "risk * wrong > asking", "that says when to ask"),
        Mistake("risk * wrong < asking", "risk * wrong <= asking", "where both cost the same, answering costs no less"),
        Mistake(
            "risk * wrong < asking",
            "risk < 0.5",
            "compare with what asking costs: the threshold comes from the two costs",
        ),
        Mistake("risk * wrong < asking", "risk * asking < wrong", "the costs are mixed up: what does a mistake cost?"),
        Mistake(
            "risk * wrong < asking",
            "risk * wrong < (1 - risk) * asking",
            "asking costs the same whoever would be right",
        ),
        Mistake("risk * wrong < asking", "risk * (wrong - asking) < asking", "who answers does not pay for asking"),
        Mistake(
            "return risk * wrong < asking", "return risk * wrong", "that is a cost: say whether it is the lower one"
        ),
    ],
    boundaries=[
        Boundary(
            lambda probabilities, wrong, asking: ((1 - probabilities.max(axis=1)) * wrong == asking).any(),
            "where both cost the same, answering costs no less",
        ),
        Boundary(lambda probabilities, wrong, asking: asking > wrong, "asking may cost more than a wrong answer"),
    ],
)
def worth_answering(probabilities: np.ndarray, wrong: float, asking: float) -> np.ndarray:
    """Return for each image whether answering costs less, on average, than asking a person.

    probabilities: (n, classes), assumed to be correct; the answer is the likeliest class. wrong, asking: the cost of a
    wrong answer and of asking; a right answer costs nothing. Returns bool (n,); False where both cost the same.
    """
    risk = 1 - probabilities.max(axis=1)
    return risk * wrong < asking
