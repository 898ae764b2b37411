"""A family of light networks for 28×28 digits, each written as one line: "c8k5s2 c16 p d32"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgelab.train.fitting.augmentation import Augment
from edgelab.train.fitting.training import fit, set_seed
from edgelab.train.networks.blocks import conv_bn, depthwise_separable, inverted_residual, separable

if TYPE_CHECKING:
    import keras


class Step(NamedTuple):
    """One step of a plan: its kind, number of filters, kernel size and stride.

    kind: "c" convolution, "d" depthwise-separable convolution, "s" the same without padding and without BatchNorm and
    ReLU after the depthwise part, "m" inverted residual (expansion 3), "p" 2×2 max pooling. filters: output channels,
    0 for "p".

    >>> Step("c", 16, 3, 1).filters
    16
    """

    kind: str
    filters: int
    size: int
    stride: int


def parse_plan(plan: str) -> list[Step]:
    """Parse a plan: steps separated by spaces, each a letter, the filters, k and the kernel size, s and the stride.

    plan: e.g. "c8k5s2 c16 p d32"; k3 and s1 may be left out. Raises ValueError naming the first text that is no step.

    >>> parse_plan("c8k5s2 p")
    [Step(kind='c', filters=8, size=5, stride=2), Step(kind='p', filters=0, size=2, stride=2)]
    """
    import re

    steps = []
    for text in plan.split():
        found = re.fullmatch(r"([cdms])([1-9]\d*)(?:k([1-9]))?(?:s([12]))?", text)
        if found:
            kind, filters, size, stride = found.groups()
            steps.append(Step(kind, int(filters), int(size or 3), int(stride or 1)))
        elif text == "p":
            steps.append(Step("p", 0, 2, 2))
        else:
            raise ValueError(
                f"plan {plan!r}: {text!r} is not a step; expected c, d, m or s with its filters, optionally k and a "
                'kernel size 1 to 9, optionally s and a stride 1 or 2 (such as "c8k5s2"); or p for pooling'
            )
    if not steps:
        raise ValueError(f'plan {plan!r} has no step; expected something like "c8k5s2 c16 p d32"')
    return steps


def light(plan: str, name: str = "light", classes: int = 10) -> keras.Model:
    """Build a light network from its plan; it ends with global average pooling and one dense layer.

    plan: see `parse_plan`. Returns an untrained model from float32 (n, 28, 28, 1) in [0, 1] to logits (n, classes).
    Raises ValueError for a plan that can't be parsed.

    >>> light("c8k5s2 c16 p c16 d32").count_params()
    4994
    """
    from keras import Input, Model, layers

    image = x = Input((28, 28, 1), name="image")
    for kind, filters, size, stride in parse_plan(plan):
        if kind == "c":
            x = conv_bn(x, filters, size, stride)
        elif kind == "d":
            x = depthwise_separable(x, filters, size, stride)
        elif kind == "s":
            x = separable(x, filters, size, stride)
        elif kind == "m":
            x = inverted_residual(x, filters, 3, size, stride)
        else:
            x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D()(x)
    return Model(image, layers.Dense(classes, name="logits")(x), name=name)


class Recipe(NamedTuple):
    """How a network of the family is built and trained.

    plan: see `parse_plan`. epochs: over the training images. learning_rate: the highest. augment: how far images are
    moved; small for the smallest networks, which have too few parameters for strongly moved images.

    >>> Recipe("c8k5s2 d16", epochs=20).augment
    Augment(rotation=0.18, scale=0.1, shear=0.0, shift=2.0)
    """

    plan: str
    epochs: int
    learning_rate: float = 1e-2
    augment: Augment = Augment()


def train_recipe(
    recipe: Recipe,
    x: np.ndarray,
    y: np.ndarray,
    seed: int,
    name: str = "light",
    progress: bool = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> tuple[keras.Model, dict[str, list[float]]]:
    """Build and train a network of the family: AdamW, an eighth of the epochs to warm up, moved images.

    x: uint8 (n, 28, 28). y: int (n,), 0 to 9; a twelfth of both, 5,000 of MNIST's training images, is held out for
    validation. seed: of the weights, the split, the order and the moves. Returns the model and the history that `fit`
    returns. Raises what `fit` raises.

    >>> x = np.repeat(np.uint8(range(0, 250, 25)), 30)[:, None, None] * np.ones((1, 28, 28), np.uint8)
    >>> model, history = train_recipe(Recipe("c4k5s2", epochs=2), x, np.repeat(range(10), 30), seed=1, progress=False)
    >>> model.count_params(), len(history["val_loss"])
    (166, 2)
    """
    set_seed(seed)
    model = light(recipe.plan, name)
    history = fit(
        model,
        x,
        y,
        epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        warmup_epochs=recipe.epochs / 8,
        weight_decay=1e-3,
        augment=recipe.augment,
        validation=1 / 12,
        seed=seed,
        progress=progress,
        callbacks=callbacks,
    )
    return model, history


GENTLE = Augment(rotation=0.1, scale=0.05, shift=1.0)

FAMILY = {
    "tiny": Recipe("c5s2 s5 s7 s8 s8", 100, 2e-2, Augment(rotation=0.1, scale=0.05, shift=0.5)),
    "light1k": Recipe("c6s2 s8 s10 s12 s12", 24, 2e-2, GENTLE),
    "light3k": Recipe("c8s2 s16 s20 s24 s24", 24),
    "small": Recipe("c12s2 s20 s32 s40 s40 s40", 24),
    "light16k": Recipe("c16s2 s32 s48 s56 s64 s64", 12),
    "best": Recipe("c24s2 s56 s72 s88 s104 s112", 16),
}
