"""Augmentation: small turns, changes of size, shears and shifts that do not change the label."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf


class Augment(NamedTuple):
    """The limits of random warps: each amount is drawn evenly from −limit to +limit, anew for each image.

    rotation: radians. scale: 0.1 is from 0.9 to 1.1 times the size. shear: pixels sideways for each pixel down.
    shift: pixels along each axis. Source: Simard, Steinkraus and Platt 2003, section 2 (affine distortions).

    >>> Augment(shift=1.0)
    Augment(rotation=0.18, scale=0.1, shear=0.0, shift=1.0)
    """

    rotation: float = 0.18
    scale: float = 0.1
    shear: float = 0.0
    shift: float = 2.0


def warp(
    images: np.ndarray | tf.Tensor,
    rotation: float | tf.Tensor = 0.0,
    scale: float | tf.Tensor = 1.0,
    shear: float | tf.Tensor = 0.0,
    right: float | tf.Tensor = 0.0,
    down: float | tf.Tensor = 0.0,
) -> tf.Tensor:
    """Turn, resize, shear and shift images about their centre, with bilinear interpolation and 0 outside.

    images: (n, h, w, c), uint8 or float. rotation: radians, counter-clockwise as seen. scale: 2 doubles the size.
    shear: pixels to the right for each pixel down. right, down: pixels. Each is one number, or one for each image,
    (n,). Returns float32 (n, h, w, c) in the range of the input. Raises ValueError when images have another shape.

    >>> import numpy as np
    >>> image = np.zeros((1, 3, 3, 1), np.uint8); image[0, 1, 0] = 9
    >>> warp(image, right=2)[0, :, :, 0].numpy().tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 9.0], [0.0, 0.0, 0.0]]
    """
    import keras
    import tensorflow as tf

    if len(images.shape) != 4:
        raise ValueError(f"images have shape {tuple(images.shape)}; expected (n, height, width, channels)")
    images = tf.cast(images, tf.float32)
    ones = tf.ones(tf.shape(images)[0])
    rotation, scale, shear, right, down = (tf.cast(v, tf.float32) * ones for v in (rotation, scale, shear, right, down))
    x, y = (images.shape[2] - 1) / 2, (images.shape[1] - 1) / 2
    # A pixel of the result is looked up in the image: undo the shift, then the turn and the size, then the shear.
    cos, sin = tf.cos(rotation) / scale, tf.sin(rotation) / scale
    a0, a1, b0, b1 = cos - shear * sin, -sin - shear * cos, sin, cos
    a2 = x - a0 * (x + right) - a1 * (y + down)
    b2 = y - b0 * (x + right) - b1 * (y + down)
    transform = tf.stack([a0, a1, a2, b0, b1, b2, 0 * ones, 0 * ones], axis=1)
    return keras.ops.image.affine_transform(images, transform, "bilinear", data_format="channels_last")


def augmented(images: np.ndarray | tf.Tensor, how: Augment, seed: tf.Tensor | tuple[int, int] = (0, 0)) -> tf.Tensor:
    """Warp each image a little, at random: equal seeds warp equal batches alike.

    images: (n, h, w, c), uint8 or float. how: the limits. seed: two integers. Returns float32 (n, h, w, c) in the range
    of the input. Raises ValueError when a limit is negative, or scale is 1 or more: an image could shrink to nothing.

    >>> import numpy as np
    >>> moved = augmented(np.full((4, 28, 28, 1), 255, np.uint8), Augment(), seed=(1, 2))
    >>> moved.shape, float(moved[0, 14, 14, 0])
    (TensorShape([4, 28, 28, 1]), 255.0)
    """
    import tensorflow as tf

    if min(how) < 0 or how.scale >= 1:
        raise ValueError(f"{how}: expected limits from 0 on, and scale below 1")
    n = tf.shape(images)[0]
    draws = tf.random.stateless_uniform([5, n], seed, -1.0, 1.0)
    rotation, scale, shear, right, down = tf.unstack(draws)
    return warp(
        images, rotation * how.rotation, 1 + scale * how.scale, shear * how.shear, right * how.shift, down * how.shift
    )
