"""BatchNorm's averages, measured on images as they are after a training on warped ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgelab.train.structure import every_layer

if TYPE_CHECKING:
    import keras


def settle(model: keras.Model, x: np.ndarray, batch_size: int = 500) -> None:
    """Measure BatchNorm's means and variances anew, on the images given, in place of the averages from training.

    Training leaves averages over the last batches, and these were augmented. Interpolation blurs warped images, and
    their digits are in other places, so their means and variances differ from those of the images to come. model: its
    BatchNormalization layers change, also those in inner models; its other weights stay. x: uint8 (n, h, w) or (n, h,
    w, channels), training images without augmentation. Does nothing to a model without BatchNorm. Source: Wu and
    Johnson 2021 (Rethinking "Batch" in BatchNorm), section 3.1 (PreciseBN) and section 4.

    >>> import keras
    >>> model = keras.Sequential([keras.Input((1, 1, 1)), keras.layers.BatchNormalization()])
    >>> settle(model, np.full((4, 1, 1), 51, np.uint8))
    >>> round(float(model.layers[0].moving_mean[0]), 3)
    0.2
    """
    from keras import layers

    normalising = [layer for layer in every_layer(model) if isinstance(layer, layers.BatchNormalization)]
    momenta = [layer.momentum for layer in normalising]
    images = x if x.ndim == 4 else x[..., None]
    try:
        for k, begin in enumerate(range(0, len(images) if normalising else 0, batch_size)):
            for layer in normalising:
                layer.momentum = k / (k + 1)  # the mean of k + 1 batches, all with the same weight
            model(images[begin : begin + batch_size].astype(np.float32) / 255, training=True)
    finally:
        for layer, momentum in zip(normalising, momenta, strict=True):
            layer.momentum = momentum
