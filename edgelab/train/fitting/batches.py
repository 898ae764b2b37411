"""The batches of a training: floats, made from checked uint8 images without a float copy of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgelab.train.fitting.augmentation import Augment, augmented

if TYPE_CHECKING:
    import tensorflow as tf


def stream(
    x: np.ndarray, y: np.ndarray, batch_size: int = 128, seed: int | None = None, augment: Augment | None = None
) -> tf.data.Dataset:
    """Feed uint8 images as float32 batches in [0, 1], in a new order each epoch when a seed is given.

    x: uint8 (n, h, w) or (n, h, w, channels). y: int (n,). augment: the limits of random warps, drawn anew each
    time an image is read. Returns a dataset of pairs: images float32 (batch, h, w, channels), labels int32 (batch,).
    Only the current batch exists as float: 60,000 images take 47 MB, not 188.

    >>> images, labels = next(iter(stream(np.full((3, 28, 28), 255, np.uint8), np.arange(3), batch_size=2)))
    >>> images.shape
    TensorShape([2, 28, 28, 1])
    """
    import tensorflow as tf

    images = tf.constant(x if x.ndim == 4 else x[..., None])
    labels = tf.constant(np.asarray(y, np.int32))

    def batch(index):
        return tf.cast(tf.gather(images, index), tf.float32) / 255.0, tf.gather(labels, index)

    order = tf.data.Dataset.range(len(x))
    if seed is not None:
        order = order.shuffle(len(x), seed=seed, reshuffle_each_iteration=True)
    batches = order.batch(batch_size).map(batch, num_parallel_calls=1, deterministic=True)
    if augment is not None:
        # Two numbers seed the warps of a batch; they are drawn anew in each epoch, and are the same in each run.
        seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)
        batches = tf.data.Dataset.zip(batches, seeds).map(
            lambda batch, two: (augmented(batch[0], augment, two), batch[1]), num_parallel_calls=1, deterministic=True
        )
    # There is nothing to tune, and the tuner's thread sleeps for seconds before an epoch's iterator is freed.
    options = tf.data.Options()
    options.autotune.enabled = False
    # Nor to rewrite: the rewritten graph would hold a second copy of all images.
    options.experimental_optimization.apply_default_optimizations = False
    return batches.prefetch(2).with_options(options)
