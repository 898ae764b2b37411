"""The Keras models of the course. Input: float32 images in [0, 1], (n, 28, 28, 1). Output: 10 logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgelab.train.networks.blocks import conv_bn, inverted_residual, mbconv, shuffle_unit
from edgelab.train.networks.family import FAMILY, light
from edgelab.train.networks.scaling import round_filters, round_repeats
from edgelab.train.structure import every_layer

if TYPE_CHECKING:
    import keras


def dense128() -> keras.Model:
    """Build a multilayer perceptron with one hidden layer of 128: 101,770 parameters.

    Returns an untrained model from float32 (n, 28, 28, 1) to logits (n, 10).
    Source: Rumelhart, Hinton and Williams 1986; the size is that of many introductions to MNIST.

    >>> dense128().count_params()
    101770
    """
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input((28, 28, 1), name="image"),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, name="logits"),
        ],
        name="dense128",
    )


def small_cnn() -> keras.Model:
    """Build a small convolutional network (16 and 32 kernels, 64 hidden units): 56,714 parameters.

    Returns an untrained model from float32 (n, 28, 28, 1) to logits (n, 10). Dropout has no parameters and does
    nothing in inference. Source: after LeCun et al. 1998, section II-B (LeNet), with ReLU and max pooling.

    >>> small_cnn().count_params()
    56714
    """
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input((28, 28, 1), name="image"),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.25),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.25),
            layers.Dense(10, name="logits"),
        ],
        name="small_cnn",
    )


def gru64(unroll: bool = False) -> keras.Model:
    """Build a recurrent network that reads the image row by row with a GRU of 64 units: 18,698 parameters.

    unroll: build the 28 steps one after another instead of a loop: same weights, slower to train, a larger file.
    Conversion to int8 needs it: the converter does not support the loop there.
    Returns an untrained model from float32 (n, 28, 28, 1) to logits (n, 10). Source: Cho et al. 2014, section 2.3.

    >>> gru64().count_params()  # 3 (28 * 64 + 64 * 64 + 2 * 64) + 64 * 10 + 10
    18698
    """
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input((28, 28, 1), name="image"),
            layers.Reshape((28, 28)),
            layers.GRU(64, unroll=unroll),
            layers.Dense(10, name="logits"),
        ],
        name="gru64",
    )


def mobilenet_v1_small() -> keras.Model:
    """Build a small network of depthwise-separable convolutions: 6,314 parameters.

    Returns an untrained model from float32 (n, 28, 28, 1) to logits (n, 10). The first layer, a 5×5 convolution of
    stride 2, leaves 14×14 positions. Source: after Howard et al. 2017 (MobileNet), table 1.

    >>> mobilenet_v1_small().count_params()
    6314
    """
    return light("c8k5s2 d16 d32s2 d32 d64", "mobilenet_v1_small")


def mobilenet_v2_small() -> keras.Model:
    """Build a small network of inverted residuals: 10,138 parameters.

    Returns an untrained model from float32 (n, 28, 28, 1) to logits (n, 10).
    Source: after Sandler et al. 2018 (MobileNetV2), table 2.

    >>> mobilenet_v2_small().count_params()
    10138
    """
    from keras import Input

    image = Input((28, 28, 1), name="image")
    x = conv_bn(image, 8, size=5, stride=2)
    x = inverted_residual(x, 8, expansion=1)
    x = inverted_residual(x, 16, expansion=4, stride=2)
    x = inverted_residual(x, 16, expansion=4)
    x = inverted_residual(x, 16, expansion=4)
    return _classifier(image, conv_bn(x, 64, size=1), "mobilenet_v2_small")


def shufflenet_small() -> keras.Model:
    """Build a small network of shuffle units with three groups: 6,334 parameters.

    Returns an untrained model from float32 (n, 28, 28, 1) to logits (n, 10).
    Source: after Zhang et al. 2018 (ShuffleNet), table 1.

    >>> shufflenet_small().count_params()
    6334
    """
    from keras import Input

    image = Input((28, 28, 1), name="image")
    x = conv_bn(image, 12, size=5, stride=2)
    x = shuffle_unit(x, 48, groups=3, stride=2)
    x = shuffle_unit(x, 48, groups=3)
    x = shuffle_unit(x, 96, groups=3, stride=2)
    x = shuffle_unit(x, 96, groups=3)
    return _classifier(image, x, "shufflenet_small")


def efficientnet_small(width: float = 1.0, depth: float = 1.0) -> keras.Model:
    """Build a small network of inverted residuals with squeeze-and-excitation: 13,582 parameters unless scaled.

    width, depth: factors for channels and repeats, as `compound_scaling` returns; channels are rounded to multiples of
    8. Returns an untrained model from float32 (n, 28, 28, 1) to logits (n, 10). Raises ValueError for a factor that
    is not positive. Source: after Tan and Le 2019 (EfficientNet), table 1 and section 3.3.

    >>> efficientnet_small().count_params()
    13582
    """
    from keras import Input

    image = Input((28, 28, 1), name="image")
    x = conv_bn(image, round_filters(8, width), size=5, stride=2)
    for filters, expansion, size, stride, repeats in ((8, 1, 3, 1, 1), (16, 4, 3, 2, 2), (24, 4, 5, 2, 1)):
        for i in range(round_repeats(repeats, depth)):
            x = mbconv(x, round_filters(filters, width), expansion, size, 1 if i else stride)
    return _classifier(image, conv_bn(x, round_filters(64, width), size=1), "efficientnet_small")


def tiny() -> keras.Model:
    """Build the smallest network of the family: 672 parameters, 598 after folding BatchNorm.

    Returns an untrained model from float32 (n, 28, 28, 1) to logits (n, 10). `FAMILY["tiny"]` is the recipe to train
    it. Source: after Chollet 2017 (Xception), section 4.7, and Howard et al. 2017, table 1.

    >>> tiny().count_params()
    672
    """
    return light(FAMILY["tiny"].plan, "tiny")


def small() -> keras.Model:
    """Build the family's network for a microcontroller: 7,910 parameters.

    Returns an untrained model from float32 (n, 28, 28, 1) to logits (n, 10). Source: after Chollet 2017 (Xception),
    section 4.7, and Howard et al. 2017 (MobileNet), table 1.

    >>> small().count_params()
    7910
    """
    return light(FAMILY["small"].plan, "small")


def best() -> keras.Model:
    """Build the most accurate network of the family: 38,778 parameters.

    Returns an untrained model from float32 (n, 28, 28, 1) to logits (n, 10). Source: after Chollet 2017 (Xception),
    section 4.7, and Howard et al. 2017 (MobileNet), table 1.

    >>> best().count_params()
    38778
    """
    return light(FAMILY["best"].plan, "best")


def _classifier(image: keras.KerasTensor, x: keras.KerasTensor, name: str) -> keras.Model:
    """Add the last two layers, global average pooling and ten logits, and return the model."""
    from keras import Model, layers

    x = layers.GlobalAveragePooling2D()(x)
    return Model(image, layers.Dense(10, name="logits")(x), name=name)


BUILDERS = {
    "dense128": dense128,
    "small_cnn": small_cnn,
    "gru64": gru64,
    "tiny": tiny,
    "small": small,
    "best": best,
    "mobilenet_v1_small": mobilenet_v1_small,
    "mobilenet_v2_small": mobilenet_v2_small,
    "shufflenet_small": shufflenet_small,
    "efficientnet_small": efficientnet_small,
}


def names() -> list[str]:
    """Return the names of the models that `build` can build.

    >>> names()[:3]
    ['dense128', 'small_cnn', 'gru64']
    """
    return list(BUILDERS)


def build(name: str) -> keras.Model:
    """Build an untrained model of the course by its name.

    Returns a Keras model from float32 (n, 28, 28, 1) in [0, 1] to logits (n, 10).
    Raises ValueError for an unknown name; the message lists all names.

    >>> build("small_cnn").output_shape
    (None, 10)
    """
    if name not in BUILDERS:
        raise ValueError(f"unknown model {name!r}; the course has: {', '.join(BUILDERS)}")
    return BUILDERS[name]()


def to_keras_bytes(model: keras.Model) -> bytes:
    """Return the bytes of a .keras file with the architecture and the weights, without the optimizer's state.

    Adam's state is twice as large as the weights and is needed only to resume a training. Equal models give equal
    bytes, whatever the date: all dates in the file are 1980-01-01. Raises ValueError naming layers that can't be built
    again from text.

    >>> to_keras_bytes(dense128())[:2]
    b'PK'
    """
    import io
    import json
    import tempfile
    import zipfile
    from pathlib import Path

    try:
        bare = type(model).from_config(model.get_config())  # clone_model would copy the optimizer too
    except (NotImplementedError, TypeError, ValueError) as error:
        own = [layer for layer in every_layer(model) if not type(layer).__module__.startswith("keras.")]
        named = ", ".join(f"{layer.name!r}, a {type(layer).__name__}" for layer in own) or "a Lambda, or its own call()"
        raise ValueError(
            f"model {model.name!r} can't be stored as it is: {named} can't be built from text. Give such a class a "
            "get_config() and the decorator keras.saving.register_keras_serializable(), or use Keras' own layers"
        ) from error
    bare.set_weights(model.get_weights())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        bare.save(path)
        with zipfile.ZipFile(path) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
    metadata = json.loads(files["metadata.json"])
    files["metadata.json"] = json.dumps(metadata | {"date_saved": "1980-01-01@00:00:00"}).encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
    return stream.getvalue()
