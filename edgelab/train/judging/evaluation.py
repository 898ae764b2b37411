"""Evaluate a classifier on images: its logits, and scikit-learn's scores of its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgelab.data import check_images
from edgelab.train.structure import check_classifier, check_declared

if TYPE_CHECKING:
    import keras


def predict(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """Return a model's logits for uint8 images.

    x: uint8 (n, h, w) or (n, h, w, channels). Returns float32 (n, classes). Raises TypeError or ValueError for images
    that do not fit, and for a model without one declared input and one output.

    >>> import keras
    >>> model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.GlobalMaxPooling2D()])
    >>> predict(model, np.full((2, 28, 28), 255, np.uint8)).tolist()
    [[1.0], [1.0]]
    """
    check_declared(model, outputs=1)
    check_images(x, size=tuple(model.inputs[0].shape[1:]))
    images = x if x.ndim == 4 else x[..., None]
    batches = (images[i : i + 100].astype(np.float32) / 255 for i in range(0, len(images), 100))
    # Called directly, batch by batch: Keras' own predict takes 80 MB more for the same logits.
    return np.concatenate([model(batch, training=False).numpy() for batch in batches])


class Evaluation(NamedTuple):
    """Hold a classifier's scores: accuracy over all samples, the others for each class.

    accuracy: share of samples that are right. precision, recall, f1: float (classes,). confusion: int
    (classes, classes), row = true class, column = predicted class.

    >>> scores([0, 1, 1], [0, 1, 0]).recall.tolist()
    [1.0, 0.5]
    """

    accuracy: float
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    confusion: np.ndarray


def scores(y: np.ndarray, y_pred: np.ndarray, classes: int | None = None) -> Evaluation:
    """Score predicted classes against the true ones, with scikit-learn's definitions.

    y, y_pred: int (n,). classes: how many there are (default: the largest seen, plus one). A class that is never
    predicted has precision 0. Raises ValueError when the lengths differ or there are no samples.

    >>> scores([0, 1, 1], [0, 1, 0]).confusion.tolist()
    [[1, 0], [1, 1]]
    """
    from sklearn import metrics

    y, y_pred = np.asarray(y), np.asarray(y_pred)
    if y.shape != y_pred.shape or y.ndim != 1 or len(y) == 0:
        raise ValueError(f"y has shape {y.shape}, y_pred {y_pred.shape}; expected the same (n,), n at least 1")
    labels = np.arange(classes or int(max(y.max(), y_pred.max())) + 1)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(y, y_pred, labels=labels, zero_division=0.0)
    confusion = metrics.confusion_matrix(y, y_pred, labels=labels)
    return Evaluation(float(metrics.accuracy_score(y, y_pred)), precision, recall, f1, confusion)


def evaluate(model: keras.Model, x: np.ndarray, y: np.ndarray) -> Evaluation:
    """Evaluate a Keras classifier on uint8 images.

    x: uint8 (n, h, w) or (n, h, w, channels). y: int (n,). Returns an Evaluation. Raises TypeError or ValueError when
    images and labels do not fit.

    >>> import keras
    >>> model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    >>> evaluate(model, np.zeros((4, 28, 28), np.uint8), np.zeros(4, int)).accuracy
    1.0
    """
    size, classes = check_classifier(model)
    check_images(x, y, classes=classes, size=size)
    logits = predict(model, x)
    return scores(np.asarray(y), logits.argmax(axis=1), classes=logits.shape[1])
