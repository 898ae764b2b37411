"""Networks that are only counted: Keras builds them without values for their weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def shapes_only() -> Iterator[None]:
    """Let Keras build networks whose weights have shapes and types but never values: faster, and enough for `count`.

    >>> from keras import Input, Sequential, layers
    >>> with shapes_only():
    ...     model = Sequential([Input((28, 28, 1)), layers.Conv2D(16, 3)])
    >>> model.count_params()
    160
    """
    import keras
    from keras.src.backend.common import global_state

    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        # Keras lists the weights without values, and would draw them all while it builds the next network.
        global_state.set_global_attribute("uninitialized_variables", [])
