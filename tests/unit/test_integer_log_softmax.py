"""The logarithm of a softmax, by a table and in integers alone, against the real one."""

import numpy as np
from _int8 import random_int8
from _tflite import File
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelab.infer.integer.log_softmax import log_fixed, log_softmax_fixed, log_softmax_table
from edgelab.infer.integer.model import IntegerModel
from edgelab.infer.integer.place import over_axis_0  # noqa: F401 (named: what it decides is tested below)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.floats(2**-10, 2.0, width=32), st.integers(1, 40))
def test_log_softmax_is_the_real_one_to_a_step(seed, scale, classes):
    q = random_int8(np.random.default_rng(seed), 20, classes)
    x = scale * (q.astype(float) - q.max(axis=-1, keepdims=True))
    real = np.clip((x - np.log(np.exp(x).sum(axis=-1, keepdims=True))) * 16 + 127, -128, 127)
    for function in (log_softmax_table, log_softmax_fixed):
        y = function(q, scale)
        assert y.dtype == np.int8
        assert np.abs(y - real).max() <= 0.51, function


def test_a_softmax_of_the_only_axis_adds_no_images():
    """Shape (1,) is the batch and the classes at once: a batch of 6 was one image of 6 classes."""
    for kind, y in (("SOFTMAX", (1 / 256, -128)), ("LOG_SOFTMAX", (1 / 16, 127))):
        file = File()
        first, last = file.tensor((1,), 0.1), file.tensor((1,), *y)
        file.operator(kind, [first], [last], **({"beta": 1.0} if kind == "SOFTMAX" else {}))
        assert IntegerModel(file.bytes([first], [last])).run(np.arange(6).astype(np.int8)).tolist() == [127] * 6


def test_logarithms_of_integers():
    """To a few parts in 2^26 from 1 to 4,096."""
    a = np.unique(np.logspace(19, 30.99, 5_000, base=2).astype(np.int64))
    assert np.abs(log_fixed(a) / 2**26 - np.log(a / 2.0**19)).max() < 1e-6
