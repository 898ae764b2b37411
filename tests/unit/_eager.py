"""Training of a few steps without a trace, which takes longer than they do."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def eagerly() -> Iterator[None]:
    """Let TensorFlow run each operation at once while this lasts; what `tf.data` does stays a graph.

    For tests whose claim is about seeds, data or which weights change; one run of each kind of training stays traced,
    as a reader has it.
    """
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Even though the `tf.config.experimental_run_functions_eagerly`")
            yield
    finally:
        tf.config.run_functions_eagerly(False)
