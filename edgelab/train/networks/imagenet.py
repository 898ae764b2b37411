"""Backbones trained on ImageNet, from Keras Applications; weights are downloaded only on request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

# The backbones of Keras Applications that suit a small device, and the module that scales their input.
BACKBONES = {
    "MobileNetV2": "mobilenet_v2",
    "MobileNetV3Small": "mobilenet_v3",
    "EfficientNetB0": "efficientnet",
    "EfficientNetV2B0": "efficientnet_v2",
}


def to_backbone_input(
    images: np.ndarray | keras.KerasTensor, size: int = 96, name: str = "MobileNetV2"
) -> tf.Tensor | keras.KerasTensor:
    """Turn images into the input of a backbone: resized, in three channels, in the range that it was trained with.

    images: float (n, h, w, 1) or (n, h, w, 3) in [0, 1], an array or a Keras tensor. size: height and width of the
    result, in pixels. name: one of BACKBONES; MobileNetV2 takes −1 to 1, the others take 0 to 255. Returns
    float32 (n, size, size, 3), resized bilinearly. Raises ValueError for another name or shape.

    >>> x = to_backbone_input(np.ones((2, 28, 28, 1), np.float32), size=96)
    >>> x.shape, float(x[0, 0, 0, 2])
    (TensorShape([2, 96, 96, 3]), 1.0)
    """
    from keras import applications, layers, ops

    if name not in BACKBONES:
        raise ValueError(f"unknown backbone {name!r}; expected one of: {', '.join(BACKBONES)}")
    if len(images.shape) != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(f"images have shape {tuple(images.shape)}; expected (n, h, w, 1) or (n, h, w, 3)")
    if images.shape[-1] == 1:
        images = layers.Concatenate()([images] * 3)
    images = ops.image.resize(images, (size, size), "bilinear", data_format="channels_last")
    return getattr(applications, BACKBONES[name]).preprocess_input(images * 255.0)


def imagenet_backbone(
    name: str = "MobileNetV2",
    size: int = 96,
    weights: str | Path | None = "imagenet",
    image: tuple[int, int, int] = (28, 28, 1),
) -> keras.Model:
    """Build a backbone of Keras Applications for images of any size: a model from images to features.

    name: one of BACKBONES. size: 96, 128, 160, 192 or 224 pixels, to which images are resized. weights: "imagenet"
    downloads them, once, to ~/.keras/models (9 MB for MobileNetV2); a path reads such a file (.h5, .weights.h5) without
    a network connection; None leaves them random. image: height, width and channels of the images, float32 in [0, 1].
    Returns a model (n, *image) -> (n, features), for `probe` and `fine_tune`. Raises FileNotFoundError for a path
    without a file, OSError if the download fails, ValueError for another name or size or for weights of another model.
    Source: Sandler et al. 2018 (MobileNetV2), table 2.

    >>> imagenet_backbone("MobileNetV3Small", 96, weights=None).output_shape
    (None, 576)
    """
    from keras import Input, Model, applications

    if size not in (96, 128, 160, 192, 224):
        raise ValueError(f"size is {size}; expected 96, 128, 160, 192 or 224 pixels")
    download = weights == "imagenet"
    if not download and weights is not None and not Path(weights).is_file():
        raise FileNotFoundError(f'{weights}: no such file; expected weights of {name}, or "imagenet" to download them')
    images = Input(image, name="image")
    x = to_backbone_input(images, size, name)
    how = {"input_tensor": x, "input_shape": (size, size, 3), "include_top": False, "pooling": "avg"}
    try:
        model = getattr(applications, name)(weights="imagenet" if download else None, **how)
    except Exception as error:  # Keras raises a bare Exception when a download fails
        raise OSError(
            f"the weights of {name} were not fetched: {error}\nOffline, give the path of a file as weights, "
            "or None for random ones. If an earlier download was cut off, delete its file in ~/.keras/models"
        ) from error
    if not download and weights is not None:
        try:
            model.load_weights(weights)
        except (ValueError, OSError, KeyError) as error:
            raise ValueError(f"{weights}: not the weights of {name} without its dense layers ({error})") from error
    return Model(images, model.output, name=name)  # the application's own expects a list of inputs
