"""Transfer learning with few labels: keep the features of a trained network, and train it for new classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgelab.data import check_images
from edgelab.train.fitting.augmentation import Augment
from edgelab.train.fitting.batches import stream
from edgelab.train.fitting.callbacks import guard
from edgelab.train.judging.evaluation import predict
from edgelab.train.structure import calls, check_classifier, check_declared, every_layer, rebuilt

if TYPE_CHECKING:
    import keras


def few_labels(y: np.ndarray, per_class: int, classes: Sequence[int] | None = None, seed: int = 0) -> np.ndarray:
    """Draw the same number of samples of each class: return their indices into y.

    y: int (n,). classes: which ones (default: all that occur). Returns int (classes × per_class,), class after class.
    Draws of one seed are nested: its ten of a class contain its five, so a larger draw only adds samples. Raises
    ValueError naming a class that has too few.

    >>> y = np.array([5, 6, 5, 6, 6, 7])
    >>> y[few_labels(y, 2, classes=[5, 6])].tolist()
    [5, 5, 6, 6]
    """
    y, drawn = np.asarray(y), []
    if y.ndim != 1 or len(y) == 0 or per_class < 1:
        raise ValueError(
            f"y has shape {y.shape}, per_class is {per_class}; expected labels (n,), and at least 1 a class"
        )
    for label in np.unique(y) if classes is None else classes:
        members = np.flatnonzero(y == label)
        if len(members) < per_class:
            raise ValueError(
                f"class {label} has {len(members)} samples, {per_class} a class are needed; label more of them, lower "
                "per_class, or leave the class out of classes"
            )
        # One generator for each class: its draw does not depend on the other classes.
        drawn.append(np.random.default_rng([seed, int(label)]).permutation(members)[:per_class])
    return np.concatenate(drawn)


def turned(images: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Make a task that needs no labels: turn or mirror each image in one of eight ways, and predict which one.

    images: (n, h, h) or (n, h, h, c), any dtype. Returns images of the same shape and dtype, and ways, int64 (n,):
    way % 4 quarter turns, counter-clockwise as seen, after a mirroring left to right where way ≥ 4. Raises ValueError
    for images that are not square. Source: Gidaris, Singh and Komodakis 2018, section 3.1, with mirrorings added.

    >>> image = np.array([[[1, 2], [3, 4]]])
    >>> turned(np.repeat(image, 8, axis=0), seed=0)[0].shape
    (8, 2, 2)
    """
    if images.ndim not in (3, 4) or images.shape[1] != images.shape[2]:
        raise ValueError(f"images have shape {images.shape}; expected square ones, (n, h, h) or (n, h, h, channels)")
    ways, result = np.random.default_rng(seed).integers(8, size=len(images)), np.empty_like(images)
    for way in range(8):
        chosen = images[ways == way]
        result[ways == way] = np.rot90(chosen[:, :, ::-1] if way >= 4 else chosen, way % 4, axes=(1, 2))
    return result, ways


def cut_head(model: keras.Model, pool: int | None = None) -> keras.Model:
    """Cut the dense layers off a classifier: return a copy of what comes before them, from images to features.

    model: a Keras classifier that ends in global average pooling and dense layers, in it or in an inner model. pool:
    None keeps that pooling: one feature for each channel, without its place. A number averages over pool × pool pixels
    of the last map and flattens the result: more features, with their places. Returns a model (n, h, w, c) -> (n,
    features). Raises ValueError for a model without global average pooling.

    >>> from keras import Input, Sequential, layers
    >>> last = [layers.Conv2D(16, 3, strides=2), layers.GlobalAveragePooling2D(), layers.Dense(10)]
    >>> model = Sequential([Input((28, 28, 1)), *last])
    >>> cut_head(model).output_shape, cut_head(model, pool=2).output_shape
    ((None, 16), (None, 784))
    """
    from keras import Model, layers

    model = rebuilt(model)  # without inner models, and the copy that is returned
    pooled = [node for node in calls(model) if isinstance(node.operation, layers.GlobalAveragePooling2D)]
    if not pooled:
        found = ", ".join(type(layer).__name__ for layer in model.layers[-3:])
        raise ValueError(f"{model.name} ends in {found}; expected a GlobalAveragePooling2D before its dense layers")
    features = pooled[-1].outputs[0]
    if pool is not None:
        features = layers.Flatten()(layers.AveragePooling2D(pool, padding="same")(pooled[-1].input_tensors[0]))
    return Model(model.inputs[0], features)


def probe(backbone: keras.Model, x: np.ndarray, y: np.ndarray, strength: float = 1.0) -> keras.Model:
    """Put a dense layer on a frozen backbone: logistic regression on features that are computed once.

    backbone: Keras model from images in [0, 1] to features (n, d). x: uint8 (n, h, w) or (n, h, w, c). y: int (n,),
    0 to classes − 1. strength: the C of scikit-learn, 1 over the weight decay. Returns a model to logits (n, classes)
    with a copy of the backbone, which itself never changes. Raises ValueError where a class has no image.
    Source: Alain and Bengio 2017 (linear probes).

    >>> import keras
    >>> pool = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.GlobalAveragePooling2D()])
    >>> x = np.repeat(np.uint8([0, 255]), 784).reshape(2, 28, 28)
    >>> predict(probe(pool, x, np.array([0, 1])), x).argmax(axis=1).tolist()
    [0, 1]
    """
    from keras import Model, layers
    from sklearn.linear_model import LogisticRegression

    check_declared(backbone, outputs=1)
    check_images(x, y)
    if not np.array_equal(np.unique(y), np.arange(max(2, np.max(y) + 1))):
        raise ValueError(f"labels are of classes {np.unique(y).tolist()}; expected 0, 1, … without a gap, two or more")
    solved = LogisticRegression(C=strength, max_iter=1000).fit(predict(backbone, x), y)
    w, b = solved.coef_.T, solved.intercept_
    if w.shape[1] == 1:  # of two classes, scikit-learn keeps the difference of their logits
        w, b = np.hstack([-w, w]) / 2, np.hstack([-b, b]) / 2
    copy, head = rebuilt(backbone), layers.Dense(w.shape[1], name="new_logits")
    model = Model(copy.inputs[0], head(copy.outputs[0]))
    head.set_weights([w, b])
    return model


def fine_tune(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    *,
    steps: int = 200,
    learning_rate: float = 1e-3,
    batch_statistics: bool = False,
    augment: Augment | None = None,
    seed: int = 0,
) -> keras.Model:
    """Train all layers further on few images, at a low learning rate; too few for a validation split.

    model: to logits, with a trained head (see `probe`): the gradients of a random one would first distort the features.
    x: uint8 (n, h, w) or (n, h, w, c). y: int (n,). learning_rate: the first; it falls to 0 along a cosine.
    batch_statistics: False leaves each BatchNorm as in inference, frozen with the means and variances of the images it
    was trained on before; True trains it, on the few. Returns the model itself, changed. Raises TypeError or
    ValueError when images and labels do not fit, FloatingPointError when the loss is NaN or infinite.
    Source: Kumar et al. 2022, "Fine-tuning can distort pretrained features" (first the head, then everything).

    >>> from keras import Input, Sequential, layers
    >>> model = Sequential([Input((28, 28, 1)), layers.GlobalAveragePooling2D(), layers.Dense(2)])
    >>> x = np.repeat(np.uint8([0, 255]), 784).reshape(2, 28, 28)
    >>> fine_tune(model, x, np.array([0, 1]), steps=2) is model
    True
    """
    import keras

    size, classes = check_classifier(model)
    check_images(x, y, classes=classes, size=size)
    for layer in every_layer(model):  # also those of a backbone inside the model
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = batch_statistics  # Keras runs an untrainable BatchNorm as in inference
    if not model.trainable_variables:
        raise ValueError(
            f"model {model.name!r} has no trainable weights. Set trainable = True on it, or on some layers"
        )
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    model.compile(keras.optimizers.Adam(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.build(model.trainable_variables)  # made in the first trace, they would cause a second
    batches = stream(x, y, min(32, len(x)), seed, augment).repeat()
    model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[guard()])
    return model
