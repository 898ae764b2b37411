"""Train a Keras classifier on uint8 images, with a validation split that it is never trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgelab.data import check_images
from edgelab.train.fitting.augmentation import Augment
from edgelab.train.fitting.batch_norm import settle
from edgelab.train.fitting.batches import stream
from edgelab.train.fitting.callbacks import guard, progress_bar
from edgelab.train.structure import check_classifier

if TYPE_CHECKING:
    import keras


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow, so that the same machine trains the same weights again.

    Other machines differ: the order of floating-point sums depends on the processor.

    >>> set_seed(1); first = np.random.rand()
    >>> set_seed(1); bool(first == np.random.rand())
    True
    """
    import keras

    keras.utils.set_random_seed(seed)


def hold_out(y: np.ndarray, share: float, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Divide samples into those to train on and those to validate on, each class in proportion.

    y: int (n,). share: of the samples held out, between 0 and 1. classes: how many there must be, 0 to classes − 1.
    Returns the indices of both, int. Raises ValueError when the share is out of range, or naming the classes that one
    of the two would lack.

    >>> learn, validate = hold_out(np.repeat([0, 1], 10), 0.2, classes=2)
    >>> len(learn), len(validate)
    (16, 4)
    """
    from sklearn.model_selection import train_test_split

    y = np.asarray(y)
    if not 0 < share < 1:
        raise ValueError(f"the validation share is {share}; expected a number between 0 and 1, such as 0.1")
    images = np.bincount(y, minlength=classes)
    single = np.flatnonzero(images < 2)
    if len(single):
        raise ValueError(
            f"class {', '.join(map(str, single))} has {', '.join(map(str, images[single]))} images; expected 2 or "
            "more, one to train on and one to validate on. Add images, or leave the class out of the model"
        )
    if len(y) * share < classes or len(y) * (1 - share) < classes:
        raise ValueError(
            f"a validation share of {share:g} of {len(y)} images cannot hold {classes} classes on both sides; expected "
            "at least as many images as classes on each. Take another share, or more images"
        )
    learn, validate = train_test_split(np.arange(len(y)), test_size=share, stratify=y, random_state=seed)
    for name, part in (("training", learn), ("validation", validate)):
        missing = np.flatnonzero(np.bincount(y[part], minlength=classes) == 0)
        if len(missing):
            raise ValueError(
                f"class {', '.join(map(str, missing))} is missing from the {name} split ({len(part)} images of "
                f"{len(y)}); expected every class on both sides. Add images of it, or take another share than {share:g}"
            )
    return learn, validate


def fit(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    *,
    epochs: int = 6,
    batch_size: int = 128,
    learning_rate: float = 2e-3,
    warmup_epochs: float = 0.5,
    weight_decay: float = 0.0,
    augment: Augment | None = None,
    validation: float = 0.1,
    patience: int | None = None,
    seed: int = 0,
    progress: bool = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, list[float]]:
    """Train a classifier with Adam, a warm-up and a cosine schedule, and evaluate a validation split each epoch.

    model: Keras model from float32 images in [0, 1] to logits. x: uint8 (n, h, w) or (n, h, w, channels).
    y: int (n,). learning_rate: the highest, reached after warmup_epochs. weight_decay: decoupled (AdamW). augment: the
    limits of random warps of the training images; BatchNorm's averages are then taken from unwarped ones (`settle`).
    validation: the share held out, each class in proportion. patience: stop when the validation loss has not fallen for
    so many epochs, and keep the best weights; None trains to the end and keeps the last. seed: of the split, the order
    and the warps (the initial weights come from `set_seed` before the model is built). callbacks: further ones.
    Returns the history: loss, accuracy, val_loss, val_accuracy, one float an epoch. Raises TypeError or ValueError
    when images and labels do not fit or a split lacks a class, FloatingPointError when the loss is NaN or infinite.
    Interrupted by Ctrl-C or by such a loss, it leaves the model with its best weights so far before it raises.
    Sources: Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2017, eq. 5; 2019, algorithm 2 (AdamW).

    >>> x = np.repeat(np.uint8([0, 255]), 50)[:, None, None] * np.ones((1, 28, 28), np.uint8)
    >>> import keras
    >>> model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    >>> history = fit(model, x, np.repeat([0, 1], 50), epochs=3, batch_size=10, progress=False)
    >>> history["val_accuracy"][-1]
    1.0
    """
    import keras

    y = np.asarray(y)
    size, classes = check_classifier(model)
    check_images(x, y, classes=classes, size=size)
    if not model.trainable_variables:
        raise ValueError(
            f"model {model.name!r} has no trainable weights. Set trainable = True on it, or on some layers"
        )
    train, held_out = hold_out(y, validation, classes, seed)
    steps = -(-len(train) // batch_size)
    warmup = int(warmup_epochs * steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(1, epochs * steps - warmup),  # counted from the end of the warm-up
        warmup_target=learning_rate,
        warmup_steps=warmup,
    )
    # A decay of 0 changes no weight, and AdamW would compute the schedule anew for each variable.
    rule = keras.optimizers.AdamW(schedule, weight_decay) if weight_decay else keras.optimizers.Adam(schedule)
    model.compile(
        rule,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy")],
    )
    # TensorFlow traces a step twice if the first trace creates variables, such as Adam's moments.
    model.optimizer.build(model.trainable_variables)
    watch = guard()
    bar = [progress_bar(epochs, steps)] if progress else []
    if augment is not None:
        # Before each validation, since the model that is validated and returned is for images that are not warped.
        unmoved = x[train[:5000]]
        callbacks = [*callbacks, keras.callbacks.LambdaCallback(on_test_begin=lambda logs: settle(model, unmoved))]
    stop = [] if patience is None else [keras.callbacks.EarlyStopping("val_loss", patience=patience)]
    try:
        history = model.fit(
            stream(x[train], y[train], batch_size, seed, augment),
            validation_data=stream(x[held_out], y[held_out], 250),
            epochs=epochs,
            shuffle=False,  # the stream shuffles
            verbose=0,
            callbacks=[watch, *bar, *stop, *callbacks],
        )
    except (KeyboardInterrupt, FloatingPointError) as error:
        if watch.best is not None:
            model.set_weights(watch.best)
            error.add_note(f"The model holds the weights of epoch {watch.best_epoch}, the best so far.")
        raise
    finally:
        for shown in bar:
            shown.on_train_end()
    if patience is not None and watch.best is not None:
        model.set_weights(watch.best)
    return {name: [float(v) for v in values] for name, values in history.history.items()}
