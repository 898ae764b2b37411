"""The Keras models of the course. Input: float32 images in [0, 1], (n, 28, 28, 1). Output: 10 logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def dense128() -> keras.Model:
    """Build a multilayer perceptron with one hidden layer of 128: 101,770 parameters.

    Returns an untrained model from float32 (n, 28, 28, 1) to logits (n, 10).
    Source: Rumelhart, Hinton and Williams 1986; the size is the customary first MNIST network.

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

    Returns an untrained model from float32 (n, 28, 28, 1) to logits (n, 10). Dropout has no parameters and is
    absent from inference. Source: after LeCun et al. 1998, section II-B (LeNet), with ReLU and max pooling.

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


BUILDERS = {"dense128": dense128, "small_cnn": small_cnn}


def names() -> list[str]:
    """Return the names that `build` knows.

    >>> names()
    ['dense128', 'small_cnn']
    """
    return list(BUILDERS)


def build(name: str) -> keras.Model:
    """Build an untrained model of the course by its name.

    Returns a Keras model from float32 (n, 28, 28, 1) in [0, 1] to logits (n, 10).
    Raises ValueError for an unknown name; the message lists the known ones.

    >>> build("small_cnn").output_shape
    (None, 10)
    """
    if name not in BUILDERS:
        raise ValueError(f"unknown model {name!r}; the course has: {', '.join(BUILDERS)}")
    return BUILDERS[name]()


def to_keras_bytes(model: keras.Model) -> bytes:
    """Return the bytes of a .keras file with the architecture and the weights, without the optimizer's state.

    The state of Adam alone is twice the weights, and only resuming a training needs it.

    >>> to_keras_bytes(dense128())[:2]
    b'PK'
    """
    import tempfile
    from pathlib import Path

    bare = type(model).from_config(model.get_config())  # clone_model would copy the optimizer too
    bare.set_weights(model.get_weights())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        bare.save(path)
        return path.read_bytes()
