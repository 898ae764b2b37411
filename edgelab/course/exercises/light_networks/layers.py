"""Exercises of notebook 06: what layers do."""

import numpy as np

from edgelab.course.exercises._cases import light_networks as cases
from edgelab.course.exercises.engine.check import BODY, Boundary, Mistake, exercise

POOLED = "features.mean(axis=(1, 2))"


@exercise(
    cases=cases.classify,
    hint="What is the shape of the result for one image? A dense layer works on the last axis and leaves the others.",
    bug=(POOLED, "features"),
    mistakes=[
        Mistake(POOLED, "features.mean(axis=(0, 1, 2))[None]", "images must not be averaged with each other"),
        Mistake(POOLED, "features.mean(axis=(0, 1, 2))", "images must not be averaged with each other"),
        Mistake(
            POOLED, "features.max(axis=(1, 2))", "that keeps the largest place of each channel; the mean is asked for"
        ),
        Mistake(
            POOLED, "features.sum(axis=(1, 2))", "a sum grows with the image: the dense layer was trained on means"
        ),
        Mistake(POOLED, "features[:, 0, 0]", "that looks at one corner of the image; all places count alike"),
        Mistake(POOLED, "features.mean(axis=1)", "the mean runs over both height and width"),
        Mistake(POOLED, "features.mean(axis=2)", "the mean runs over both height and width"),
        Mistake(POOLED, "features.mean(axis=(1, 2), keepdims=True)", "the axes of height and width must go"),
        Mistake(
            POOLED, "features.mean(axis=(2, 3))", "channels are the last axis: the mean runs over height and width"
        ),
        Mistake(POOLED, "np.median(features, axis=(1, 2))", "the mean is asked for, not the median"),
        Mistake(POOLED, "features.reshape(len(features), -1)", "the mean over places is missing"),
        Mistake("@ w + b", "@ w", "the bias is missing"),
        Mistake("return pooled @ w + b", "return pooled", "the dense layer is missing"),
        Mistake(
            "return pooled @ w + b",
            "z = np.exp(pooled @ w + b)\n    return z / z.sum(axis=1, keepdims=True)",
            "logits are asked for, not probabilities",
        ),
        Mistake("pooled @ w + b", "np.maximum(pooled @ w + b, 0)", "logits have no activation: they may be negative"),
        Mistake(
            "pooled @ w + b", "np.maximum(pooled, 0) @ w + b", "there is no activation between mean and dense layer"
        ),
        Mistake("pooled @ w + b", "(pooled + b) @ w", "the bias is added after the weights"),
    ],
    boundaries=[
        Boundary(lambda features, w, b: len(features) > 1, "it is right for one image: images are mixed up"),
        Boundary(lambda features, w, b: features[0, ..., 0].size > 1, "it is right for maps of one place only"),
        Boundary(lambda features, w, b: len(features) == 1, "it is wrong for a batch of one image only"),
    ],
)
def classify(features: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the logits, (n, classes), of feature maps (n, height, width, channels).

    Average each channel over all positions, then apply a dense layer.

    w: (channels, classes). b: (classes,).
    """
    pooled = features.mean(axis=(1, 2))
    return pooled @ w + b


@exercise(
    cases=cases.unshuffle,
    hint="Shuffle 0 1 2 3 4 5 with three groups by hand, and look at where 0, 1 and 2 have gone.",
    mistakes=[
        Mistake(
            "-1, groups)",
            "groups, -1)",
            "that shuffles a second time, which leads back only where a group has as many channels as there are groups",
        ),
        Mistake(".swapaxes(-1, -2)", "", "folding and unfolding moves nothing; between them the axes change places"),
        Mistake(BODY, "return x[..., ::-1]", "a shuffle is not undone by reading the channels backwards"),
        Mistake(BODY, "return np.sort(x)", "a shuffle is undone by place: values are not sorted"),
        Mistake(
            BODY,
            "parts = np.split(x, groups, axis=-1)\nreturn np.concatenate(parts[::-1], axis=-1)",
            "that turns the order of the groups round; a shuffle deals one channel of each group in turn",
        ),
        Mistake(
            BODY,
            "return np.roll(x, -groups, axis=-1)",
            "a shuffle deals one channel of each group in turn: it is no roll",
        ),
        Mistake(
            BODY,
            "apart = x.reshape(-1, groups)\nreturn apart.T.reshape(x.shape)",
            "only the last axis is shuffled: the others must stay as they are",
        ),
        Mistake(
            BODY,
            "apart = x.reshape(*x.shape[:-1], -1, groups)\nreturn apart[..., ::-1, :].reshape(x.shape)",
            "between folding and unfolding the axes change places",
        ),
    ],
    boundaries=[
        Boundary(lambda x, groups: x.ndim > 1, "it is right for channels alone: the other axes must stay as they are"),
        Boundary(
            lambda x, groups: groups**2 != x.shape[-1],
            "it is right only where a group has as many channels as there are groups",
        ),
        Boundary(lambda x, groups: groups == 1, "one group: nothing moves"),
    ],
)
def unshuffle(x: np.ndarray, groups: int) -> np.ndarray:
    """Undo a channel shuffle with this number of groups. The last axis of x holds the channels.

    The shuffle takes the first channel of each group, then the second channel of each group, and so on.
    """
    apart = x.reshape(*x.shape[:-1], -1, groups)
    return apart.swapaxes(-1, -2).reshape(x.shape)


@exercise(
    cases=cases.normalise_frozen,
    hint="Follow one image alone through it, n = 1. What is left of what distinguishes this image from others?",
    bug=("centre, spread = mean, variance", "centre, spread = x.mean(axis=0), x.var(axis=0)"),
    mistakes=[
        Mistake(
            "centre, spread = mean, variance", "centre, spread = x.mean(axis=0), variance", "the mean is learnt, too"
        ),
        Mistake(
            "centre, spread = mean, variance", "centre, spread = mean, x.var(axis=0)", "the variance is learnt, too"
        ),
        Mistake(
            "centre, spread = mean, variance",
            "centre, spread = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)",
            "each channel has its own learnt mean and variance; an image has no say in them",
        ),
        Mistake("centre, spread = mean, variance", "centre, spread = 0, variance", "the mean is to be subtracted"),
        Mistake(
            "np.sqrt(spread + 1e-3)",
            "(spread + 1e-3)",
            "one divides by the standard deviation, the root of the variance",
        ),
        Mistake("np.sqrt(spread + 1e-3)", "np.sqrt(spread)", "the epsilon is missing"),
        Mistake("np.sqrt(spread + 1e-3)", "(np.sqrt(spread) + 1e-3)", "the epsilon stands under the root"),
        Mistake("1e-3", "1e-5", "the epsilon is another one"),
        Mistake(" / np.sqrt(spread + 1e-3)", "", "the division by the standard deviation is missing"),
        Mistake(" / np.sqrt(spread + 1e-3)", " * np.sqrt(spread + 1e-3)", "one divides by the standard deviation"),
        Mistake("+ beta", "", "the learnt shift comes last"),
        Mistake("+ beta", "- beta", "the learnt shift is added"),
        Mistake("gamma * ", "", "the learnt scale is part of the layer"),
        Mistake(
            "gamma * (x - centre) / np.sqrt(spread + 1e-3) + beta",
            "gamma * ((x - centre) / np.sqrt(spread + 1e-3) + beta)",
            "the learnt shift is added after the learnt scale was multiplied",
        ),
        Mistake(
            "gamma * (x - centre) / np.sqrt(spread + 1e-3) + beta",
            "beta * (x - centre) / np.sqrt(spread + 1e-3) + gamma",
            "gamma is the scale, beta the shift",
        ),
    ],
    boundaries=[Boundary(lambda x, *rest: len(x) == 1, "it is wrong for a batch of one image only")],
)
def normalise_frozen(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, mean: np.ndarray, variance: np.ndarray
) -> np.ndarray:
    """Apply a frozen BatchNorm to features (n, channels): learnt scale gamma, shift beta, averages mean, variance.

    Keras' epsilon, 0.001, is added to the variance.
    """
    centre, spread = mean, variance
    return gamma * (x - centre) / np.sqrt(spread + 1e-3) + beta
