"""Exercises of notebook 09: pruned weights, and how they are stored."""

import numpy as np

from edgelab.course.exercises._cases import compress as cases
from edgelab.course.exercises.engine.check import BODY, Boundary, Mistake, exercise

EACH_LAYER = """\
masks = []
for w in weights:
    order, mask = np.argsort(np.abs(w), axis=None), np.ones(w.size, bool)
    mask[order[: round(sparsity * w.size)]] = False
    masks.append(mask.reshape(w.shape))
return masks"""
ZEROS = "zeros = np.diff(np.flatnonzero(mask), prepend=-1) - 1\n"


@exercise(
    cases=cases.step_with_mask,
    hint="The momentum still holds the gradients of weights that were there before. What moves a weight last?",
    bug=("(w + velocity) * mask", "w * mask + velocity"),
    mistakes=[
        Mistake(
            "learning_rate * dw", "learning_rate * dw * mask", "the mask is for w alone: the velocity is not masked"
        ),
        Mistake(
            "return w, velocity", "return w, velocity * mask", "the mask is for w alone: the velocity is not masked"
        ),
        Mistake("velocity - learning_rate", "velocity + learning_rate", "a step goes down the gradient"),
        Mistake("w + velocity", "w - velocity", "the velocity holds the minus of the gradient already: it is added"),
        Mistake("(w + velocity) * mask", "(w + velocity) * ~mask", "True is a weight that stays"),
        Mistake("(w + velocity) * mask", "w + velocity", "the pruned weights must be 0 after the step"),
        Mistake("(w + velocity) * mask", "w + velocity * mask * learning_rate", "the learning rate is in the velocity"),
        Mistake(
            "(w + velocity) * mask", "w + velocity * mask", "pruned weights are 0 after the step, whatever they were"
        ),
        Mistake("(w + velocity) * mask", "(w - learning_rate * dw) * mask", "the momentum moves the weights, too"),
        Mistake("momentum * velocity - ", "-", "the velocity that was there counts `momentum` times"),
        Mistake("momentum * velocity", "velocity", "the velocity that was there counts `momentum` times"),
        Mistake(
            "momentum * velocity", "(1 - momentum) * velocity", "the velocity that was there counts `momentum` times"
        ),
        Mistake(
            "- learning_rate * dw", "- learning_rate * (1 - momentum) * dw", "dw counts with the learning rate alone"
        ),
        Mistake("- learning_rate * dw", "- dw", "dw counts `learning_rate` times"),
        Mistake(
            BODY,
            "new = momentum * velocity - learning_rate * dw\nreturn (w + velocity) * mask, new",
            "the weights move by the new velocity, not by the one before",
        ),
        Mistake(
            BODY,
            "new = momentum * velocity - learning_rate * dw\n"
            "return (w + momentum * new - learning_rate * dw) * mask, new",
            "that is Nesterov's momentum; here the weights move by the new velocity",
        ),
    ],
    boundaries=[
        Boundary(lambda w, velocity, dw, mask, *rest: not mask.all(), "it is right where nothing is pruned only"),
        Boundary(lambda w, *rest: w.ndim > 1, "weights may have any shape"),
    ],
)
def step_with_mask(
    w: np.ndarray, velocity: np.ndarray, dw: np.ndarray, mask: np.ndarray, learning_rate: float, momentum: float
) -> tuple[np.ndarray, np.ndarray]:
    """Take one step of gradient descent with momentum, after which pruned weights are 0. Return w and velocity.

    mask: bool, True where a weight stays. It masks w alone: the velocity returned is momentum × velocity −
    learning_rate × dw, pruned weights included, and w moves by it. A pruned weight need not be 0 before the step. The
    arguments stay as they are.
    """
    velocity = momentum * velocity - learning_rate * dw
    w = (w + velocity) * mask
    return w, velocity


@exercise(
    cases=cases.masks_over_all,
    hint="Which single number separates all weights of the network into those that go and those that stay?",
    mistakes=[
        Mistake(
            BODY, EACH_LAYER, "each layer loses the same share here; the smallest of all must go, wherever they are"
        ),
        Mistake(
            BODY,
            EACH_LAYER.replace("round(", "int("),
            "each layer loses the same share here; the smallest of all must go, wherever they are",
        ),
        Mistake("[np.abs(w).ravel() for", "[w.ravel() for", "a large negative weight is not a small one"),
        Mistake(
            BODY,
            "every = np.sort(np.concatenate([w.ravel() for w in weights]))\n"
            "return [w >= every[round(sparsity * len(every))] for w in weights]",
            "a large negative weight is not a small one",
        ),
        Mistake("round(sparsity", "int(sparsity", "the nearest whole number goes: that rounds down always"),
        Mistake(
            "round(sparsity * len(magnitudes))",
            "min(int(np.ceil(sparsity * len(magnitudes))), len(magnitudes) - 1)",
            "the nearest whole number goes: that rounds up always",
        ),
        Mistake(
            "magnitudes[gone]",
            "np.quantile(magnitudes, sparsity)",
            "count how many go: np.quantile and np.percentile interpolate between weights",
        ),
        Mistake(
            "np.abs(w) >= threshold",
            "np.abs(w) > np.quantile(magnitudes, sparsity)",
            "count how many go: np.quantile and np.percentile interpolate between weights",
        ),
        Mistake(
            "np.abs(w) >= threshold",
            "np.abs(w) > threshold",
            "one too many goes: look at the weight that has just the magnitude of the threshold",
        ),
        Mistake(
            "magnitudes[gone]",
            "magnitudes[gone - 1]",
            "one too few goes: look at the weight that has just the magnitude of the threshold",
        ),
        Mistake("np.abs(w) >= threshold", "np.abs(w) < threshold", "True is a weight that stays"),
        Mistake("np.abs(w) >= threshold", "np.abs(w) <= threshold", "True is a weight that stays"),
        Mistake(
            "np.abs(w) >= threshold",
            "w * (np.abs(w) >= threshold)",
            "masks of bools are asked for, not the weights themselves",
        ),
        Mistake("np.abs(w) >= threshold", "w >= threshold", "a large negative weight is not a small one"),
        Mistake("sparsity *", "(1 - sparsity) *", "sparsity is the share that goes, not the share that stays"),
        Mistake(
            "magnitudes[gone]",
            "sparsity * magnitudes[-1]",
            "sparsity is a share of the number of weights, not of the largest one",
        ),
        Mistake("magnitudes[gone]", "sparsity", "sparsity is a share of the number of weights, not a threshold"),
    ],
    boundaries=[
        Boundary(
            lambda weights, sparsity: len(weights) > 1, "it is right for one layer only: all layers share one threshold"
        ),
        Boundary(lambda weights, sparsity: sparsity == 0, "with a sparsity of 0, all weights stay"),
        Boundary(
            lambda weights, sparsity: (sum(w.size for w in weights) * sparsity % 1) > 0.5,
            "look at numbers that are rounded up",
        ),
        Boundary(
            lambda weights, sparsity: 0 < (sum(w.size for w in weights) * sparsity % 1) < 0.5,
            "look at numbers that are rounded down",
        ),
    ],
)
def masks_over_all(weights: list[np.ndarray], sparsity: float) -> list[np.ndarray]:
    """Return a mask for each layer, True where a weight stays, when the smallest of all layers together go.

    Smallest in magnitude. The nearest whole number to sparsity × the number of all weights goes, some stay; no two have
    the same magnitude. A mask is bool, in the shape of its layer.
    """
    magnitudes = np.sort(np.concatenate([np.abs(w).ravel() for w in weights]))
    gone = round(sparsity * len(magnitudes))
    threshold = magnitudes[gone]
    return [np.abs(w) >= threshold for w in weights]


@exercise(
    cases=cases.entries_with_fillers,
    hint="Write out four zeros and a weight with gaps of two bits. A filler takes a place of its own.",
    bug=("// 2**bits", "// (2**bits - 1)"),
    mistakes=[
        Mistake(" - 1\n", "\n", "a gap is the number of zeros between, not the distance"),
        Mistake("// 2**bits", "// bits", "with so many bits one counts further"),
        Mistake("// 2**bits", "// (2 * bits)", "with so many bits one counts further"),
        Mistake(
            "// 2**bits", "// (2**bits + 1)", "the longest gap is 2**bits - 1: how many places does a filler use up?"
        ),
        Mistake("// 2**bits", "// 2 ** (bits - 1)", "a gap has no sign: all bits count"),
        Mistake("len(zeros) + ", "", "the weights that stay are stored too"),
        Mistake("len(zeros) + int((zeros // 2**bits).sum())", "len(zeros)", "the fillers are missing"),
        Mistake("len(zeros) + int((zeros // 2**bits).sum())", "len(mask)", "zeros that a gap counts are not stored"),
        Mistake("(zeros // 2**bits).sum()", "(zeros >= 2**bits).sum()", "a long gap may need more than one filler"),
        Mistake(
            "(zeros // 2**bits).sum()",
            "(zeros > 2**bits).sum()",
            "look at gaps that are one too long, and at very long ones",
        ),
        Mistake("(zeros // 2**bits).sum()", "(zeros >= 2**bits - 1).sum()", "a gap of 2**bits - 1 still fits"),
        Mistake("(zeros // 2**bits).sum()", "(zeros > 2**bits - 1).sum()", "a long gap may need more than one filler"),
        Mistake(
            "(zeros // 2**bits).sum()",
            "(np.maximum(zeros - 1, 0) // (2**bits - 1)).sum()",
            "a filler stands in the place of a zero, so it uses up one more place than its gap",
        ),
        Mistake(
            "(zeros // 2**bits).sum()",
            "(np.maximum(zeros - 1, 0) // 2**bits).sum()",
            "the longest gap is 2**bits - 1, not 2**bits",
        ),
        Mistake(
            "(zeros // 2**bits).sum()",
            "(-(-zeros // 2**bits)).sum()",
            "a gap that fits needs no filler: that rounds up",
        ),
        Mistake(
            "(zeros // 2**bits).sum()",
            "(-(-zeros // (2**bits - 1))).sum()",
            "a gap that fits needs no filler: that rounds up",
        ),
        Mistake(
            "(zeros // 2**bits).sum()",
            "np.maximum(zeros - 2**bits + 1, 0).sum()",
            "a filler has a gap of its own: not each zero beyond the longest gap needs one",
        ),
        Mistake(
            "(zeros // 2**bits).sum()",
            "zeros.sum() // 2**bits",
            "each gap begins anew: zeros of several gaps do not add up",
        ),
        Mistake(
            "(zeros // 2**bits).sum()",
            "(~mask).sum() // 2**bits",
            "each gap begins anew: zeros of several gaps do not add up",
        ),
        Mistake(
            "prepend=-1", "prepend=0", "the first weight has zeros before it as well; and how many, if it is at 0?"
        ),
        Mistake(
            ZEROS + "    return len(zeros) + ",
            "zeros = np.diff(np.flatnonzero(mask)) - 1\n    return int(mask.sum()) + ",
            "the first weight has zeros before it as well",
        ),
        Mistake(
            ZEROS + "    return len(zeros) + ",
            "zeros = np.diff([*np.flatnonzero(mask), len(mask)], prepend=-1) - 1\n    return int(mask.sum()) + ",
            "zeros behind the last weight are not stored",
        ),
    ],
    boundaries=[
        Boundary(lambda mask, bits: not mask[-1], "zeros behind the last weight are not stored"),
        Boundary(lambda mask, bits: not mask[0], "look at the zeros before the first weight"),
        Boundary(lambda mask, bits: mask[0], "look at a first weight that has no zeros before it"),
        Boundary(lambda mask, bits: mask.all(), "look at a layer without zeros"),
        Boundary(lambda mask, bits: _gaps(mask).max() >= 2 ** (bits + 1), "a very long gap needs more than one filler"),
        Boundary(
            lambda mask, bits: _gaps(mask).max() >= 2**bits,
            "look at gaps that are too long for their bits: how many fillers?",
        ),
        Boundary(
            lambda mask, bits: (_gaps(mask) >= 2**bits - 1).any(),
            "look at the longest gap that fits, and at longer ones",
        ),
    ],
)
def entries_with_fillers(mask: np.ndarray, bits: int) -> int:
    """Return how many entries Deep Compression stores for a pruned layer: weights that stay, and fillers.

    mask: bool (n,), True where a weight stays. With each entry goes a gap, how many zeros stand before it, of at
    most 2**bits - 1. Where there are more, an entry of value 0 is inserted: a filler, in the place of a zero.
    Zeros behind the last weight need no entry. Some weight stays.
    """
    zeros = np.diff(np.flatnonzero(mask), prepend=-1) - 1
    return len(zeros) + int((zeros // 2**bits).sum())


def _gaps(mask: np.ndarray) -> np.ndarray:
    return np.diff(np.flatnonzero(mask), prepend=-1) - 1
