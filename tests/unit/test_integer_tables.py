"""Tables of real functions, and Micro's integer tanh, against the real ones and every entry of LiteRT's."""

import numpy as np
import pytest
from _int8 import INT8, scales, zero_points
from _tflite import RUNTIMES, File
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgelab.infer.integer.model import IntegerModel
from edgelab.infer.integer.operators import OPERATORS
from edgelab.infer.integer.place import MISSING
from edgelab.infer.integer.tables import elu, gelu, quantize_table, tanh_fixed
from edgelab.infer.parity import runtime_outputs


def test_gelu_is_the_one_of_keras():
    import keras

    x = np.linspace(-6, 6, 101).astype(np.float32)
    for approximate in (False, True):
        found = np.array(keras.activations.gelu(x, approximate=approximate))
        np.testing.assert_allclose(gelu(x, approximate), found, atol=2e-6)  # float32 there


def test_elu_is_the_real_one():
    x = np.linspace(-10, 3, 101).astype(np.float32)
    real = np.where(x < 0, np.expm1(x.astype(float)), x)
    for twice in (False, True):
        np.testing.assert_allclose(elu(x, twice), real, atol=1.2e-7)  # a float32 below 1


def test_a_table_clips_what_exceeds_int8():
    """The exponential of a large value is infinite, and int8's ends are as far as it goes."""
    y = np.float32([-np.inf, -1e30, 1e30, np.inf])
    for rule in ("away", "even", "down"):
        assert quantize_table(y, 0.5, 3, rule).tolist() == [-128, -128, 127, 127], rule


@settings(deadline=None, max_examples=60)
@given(scales, zero_points)
def test_the_integer_tanh_is_the_real_one_to_a_step(scale, zero_point):
    real = np.clip(np.tanh(scale * (INT8.astype(float) - zero_point)) * 128, -128, 127)
    assert np.abs(tanh_fixed(INT8, scale, zero_point) - real).max() <= 0.51


@pytest.mark.parametrize("kind", ["TANH", "GELU", "ELU", "EXP", "LOG", "SQRT"])
@settings(deadline=None, max_examples=12)
@given(st.floats(-12, 4), st.floats(-6, 6), zero_points, zero_points)
@example(np.log2(0.0009), np.log2(0.0003791946 / 0.0009), 0, 0)  # where ELU rounded twice is another step
def test_every_entry_is_the_one_of_litert(kind, scale, ratio, zero_x, zero_y):
    """Scales far from those of a layer: tables of which most entries are clipped."""
    scale, file = 2.0**scale, File()
    y = (1 / 128, 0) if kind == "TANH" else (scale * 2.0**ratio, zero_y)
    x, y = file.tensor((1, 1), scale, -128 if kind == "SQRT" else zero_x), file.tensor((1, 1), *y)
    file.operator(kind, [x], [y])
    tflite, q = file.bytes([x], [y]), INT8[:, None]
    for runtime in RUNTIMES:
        if getattr(OPERATORS[kind], runtime) == MISSING:
            with pytest.raises(ValueError, match="has no int8 kernel"):
                IntegerModel(tflite, runtime)
            with pytest.raises(ValueError, match=kind):
                runtime_outputs(tflite, q, runtime)
            continue
        found = runtime_outputs(tflite, q, runtime)[0]
        np.testing.assert_array_equal(IntegerModel(tflite, runtime).run(q), found, err_msg=runtime)
