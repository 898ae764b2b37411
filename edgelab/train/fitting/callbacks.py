"""Callbacks of a training: a progress bar, and a guard that stops it when the loss is NaN or infinite."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def progress_bar(epochs: int, steps: int) -> keras.callbacks.Callback:
    """Make a Keras callback that shows one progress bar for the whole training, on standard output.

    >>> type(progress_bar(1, 10)).__name__
    'Progress'
    """
    import sys

    import keras
    from tqdm import tqdm

    class Progress(keras.callbacks.Callback):
        bar = None

        def on_train_begin(self, logs=None):
            self.bar = tqdm(total=epochs * steps, file=sys.stdout, unit="batch", mininterval=0.5, ncols=100)

        def on_train_batch_end(self, batch, logs=None):
            self.bar.update()

        def on_epoch_end(self, epoch, logs=None):
            logs = logs or {}
            shown = {k: f"{logs[k]:.4f}" for k in ("loss", "val_accuracy") if k in logs}
            self.bar.set_description(f"epoch {epoch + 1}/{epochs}", refresh=False)
            self.bar.set_postfix(shown)

        def on_train_end(self, logs=None):
            if self.bar is not None:
                self.bar.close()

    return Progress()


def guard() -> keras.callbacks.Callback:
    """Make a Keras callback that stops a training when its loss is NaN or infinite, and keeps the best weights.

    The callback's `best` is the list of weights of the epoch with the lowest validation loss, None before the first
    epoch ends; `best_epoch` counts from 1. Raises FloatingPointError during the training, naming the step, the epoch
    and the learning rate at which the loss became infinite or NaN.

    >>> guard().best is None
    True
    """
    import math

    import keras

    class Guard(keras.callbacks.Callback):
        best, best_epoch, lowest, epoch = None, 0, math.inf, 0

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            loss = float((logs or {}).get("loss", 0.0))
            if not math.isfinite(loss):
                step = int(self.model.optimizer.iterations)
                rate = float(self.model.optimizer.learning_rate)
                raise FloatingPointError(
                    f"the loss is {loss} at step {step} (epoch {self.epoch + 1}, batch {batch + 1}), learning rate "
                    f"{rate:.3g}. Lower the learning rate, lengthen the warm-up, or look for NaN in the images"
                )

        def on_epoch_end(self, epoch, logs=None):
            loss = (logs or {}).get("val_loss", math.inf)
            if loss < self.lowest:
                self.best, self.best_epoch, self.lowest = self.model.get_weights(), epoch + 1, loss

    return Guard()
