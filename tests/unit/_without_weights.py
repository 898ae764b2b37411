"""Networks that are only counted: their shapes without their numbers, which take three quarters of the building."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_weights() -> Iterator[None]:
    """Let Keras build networks while this lasts whose weights have shapes and types, but no values, now or later."""
    import keras
    from keras.src.backend.common import global_state

    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        # Keras keeps a list of what it left out, and would draw all of it while it builds the next network.
        global_state.set_global_attribute("uninitialized_variables", [])
