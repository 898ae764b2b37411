"""Conversion: parity with Keras, the input and output types of each mode, fixed batch, silence, calibration checks."""

import numpy as np
import pytest
from _export_once import export_once

from edgelab.artifacts import shipped
from edgelab.data import load_mnist, to_input
from edgelab.infer.runner import Runner
from edgelab.infer.tflite import read
from edgelab.quiet import quiet
from edgelab.shrink.convert.converter import CALIBRATED, MODES, check_calibration, refuse_loops, to_tflite
from edgelab.train.networks.models import gru64


@pytest.fixture(scope="module")
def cnn():
    import keras

    return keras.models.load_model(shipped("small_cnn"))


@pytest.fixture(scope="module")
def digits():
    mnist = load_mnist()
    return to_input(mnist.x_train[:300]), mnist.y_train[:300], to_input(mnist.x_test[:300])


@pytest.fixture(scope="module")
def converted(cnn, digits):
    with export_once():
        return {mode: to_tflite(cnn, mode, digits[0], digits[1]) for mode in MODES}


def test_an_export_without_the_layers_gives_the_same_file(cnn, digits, converted):
    """Many tests convert such an export: what they show holds for Keras' own, since both files are equal."""
    assert to_tflite(cnn, "int8", digits[0], digits[1]) == converted["int8"]


def test_float32_equals_keras(cnn, digits, converted):
    """1e-4 on logits of up to 30: both sum the same 800 products in float32, in another order."""
    np.testing.assert_allclose(Runner(converted["float32"]).predict(digits[2]), cnn(digits[2]), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("mode", ["int8", "int8_float_io"])
def test_int8_modes_keep_the_answers(cnn, digits, converted, mode):
    keras_answer = np.asarray(cnn(digits[2])).argmax(axis=1)
    agree = (Runner(converted[mode]).predict(digits[2]).argmax(axis=1) == keras_answer).mean()
    assert agree >= 0.99
    assert len(converted[mode]) < 0.3 * len(converted["float32"]), "int8 weights are a quarter of float32's bytes"


def test_float16_halves_the_file_and_keeps_the_answers(cnn, digits, converted):
    logits = Runner(converted["float16"]).predict(digits[2])
    # Weights rounded to 11 bits, a relative error of 2^-12 each, in sums of up to 800
    np.testing.assert_allclose(logits, cnn(digits[2]), atol=0.05)
    assert 0.5 < len(converted["float16"]) / len(converted["float32"]) < 0.55


def test_dynamic_has_the_weights_of_int8_and_needs_no_calibration(cnn, digits, converted):
    answer = np.asarray(cnn(digits[2])).argmax(axis=1)
    assert (Runner(converted["dynamic"]).predict(digits[2]).argmax(axis=1) == answer).mean() >= 0.99
    assert len(converted["dynamic"]) < 0.3 * len(converted["float32"])
    types = {t.dtype for t in read(converted["dynamic"]).tensors if t.data is not None and t.data.size > 1000}
    assert "int8" in types


def test_int16_activations_are_nearer_to_float_than_int8_ones(cnn, digits, converted):
    """The same int8 weights, so what is left of int8's error is that of its activations."""
    expected = np.asarray(cnn(digits[2]))
    error = {mode: np.abs(Runner(converted[mode]).predict(digits[2]) - expected).mean() for mode in MODES}
    assert error["int16x8"] < error["int8"]
    graph = read(converted["int16x8"])
    assert {graph.tensors[o.outputs[0]].dtype for o in graph.operators if o.kind == "CONV_2D"} == {"int16"}


def test_both_int8_modes_are_the_same_network(digits, converted):
    np.testing.assert_array_equal(
        Runner(converted["int8"]).predict(digits[2]), Runner(converted["int8_float_io"]).predict(digits[2])
    )


@pytest.mark.parametrize("mode, dtype", [(mode, np.int8 if mode == "int8" else np.float32) for mode in MODES])
def test_input_type_and_fixed_batch(converted, mode, dtype):
    runner = Runner(converted[mode])
    assert runner.input_dtype == dtype
    assert runner.input_shape == (1, 28, 28, 1)


def test_the_converter_is_silent(cnn, capfd):
    to_tflite(cnn, "float32")
    assert capfd.readouterr() == ("", "")


def test_quiet_tells_what_it_held_back_when_the_work_fails(capfd):
    import os

    with pytest.raises(RuntimeError, match=r"ZeroDivisionError(.|\n)*from Python(.|\n)*from C"), quiet():
        print("from Python")
        os.write(2, b"from C\n")
        1 / 0  # noqa: B018
    print("after")
    assert capfd.readouterr().out == "after\n"


def test_unsupported_model_fails_with_the_converters_words():
    import keras
    import tensorflow as tf

    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Lambda(lambda x: tf.linalg.det(x[:, :, None] * x[:, None]))]
    )
    with pytest.raises(RuntimeError, match="MatrixDeterminant"):
        to_tflite(model, "float32")


def test_unknown_mode_lists_the_known_ones(cnn):
    with pytest.raises(ValueError, match="unknown mode 'int4'; the modes are: float32, float16, dynamic, int8"):
        to_tflite(cnn, "int4")


def test_int8_without_calibration_is_refused(cnn):
    with pytest.raises(ValueError, match="'int8' needs calibration data"):
        to_tflite(cnn, "int8")


@pytest.mark.parametrize("mode", ["int8", "int8_float_io", "int16x8"])
def test_a_loop_that_the_converter_does_not_support_is_named(mode, digits):
    """It must not reach the converter, which raises no error of its own there."""
    with pytest.raises(ValueError, match=f"recurrent layer 'gru.*' is a loop.*mode '{mode}'.*unroll=True"):
        to_tflite(gru64(), mode, digits[0])


def test_loops_are_refused_in_modes_with_calibration_alone():
    for mode in MODES:
        if mode in CALIBRATED:
            with pytest.raises(ValueError, match="is a loop"):
                refuse_loops(gru64(), mode)
        else:
            refuse_loops(gru64(), mode)
        refuse_loops(gru64(unroll=True), mode)


def test_a_loop_within_a_wrapper_is_found(digits):
    import keras

    both = keras.layers.Bidirectional(keras.layers.LSTM(4, name="inside"))
    rows = [keras.Input((28, 28, 1)), keras.layers.Reshape((28, 28)), both, keras.layers.Dense(10)]
    with pytest.raises(ValueError, match="recurrent layer '.*inside' is a loop"):
        to_tflite(keras.Sequential([keras.Input((28, 28, 1)), keras.Sequential(rows)]), "int8", digits[0])


def test_a_loop_converts_to_the_modes_without_calibration(digits):
    import keras

    keras.utils.set_random_seed(0)
    model = gru64()
    expected = model.predict(digits[2][:20], verbose=0)
    with export_once():
        files = {mode: to_tflite(model, mode) for mode in ("float32", "dynamic")}
    for mode, file in files.items():
        found = Runner(file).predict(digits[2][:20])
        # float32: 28 steps of sums in another order; dynamic: weights and activations rounded to 8 bits each step
        np.testing.assert_allclose(found, expected, atol=1e-4 if mode == "float32" else 0.1)


def test_open_dimension_and_two_inputs_are_refused():
    import keras

    with pytest.raises(ValueError, match=r"takes \(None, None, 4\); only the batch may be open"):
        to_tflite(keras.Sequential([keras.Input((None, 4)), keras.layers.Dense(2)]), "float32")
    two = [keras.Input((2,)), keras.Input((2,))]
    with pytest.raises(ValueError, match="2 inputs; expected one"):
        to_tflite(keras.Model(two, keras.layers.Add()(two)), "float32")


GOOD = np.random.default_rng(0).random((120, 28, 28, 1), np.float32)


@pytest.mark.parametrize(
    "calibration, labels, error, words",
    [
        (GOOD[:1] * 0, None, ValueError, "1 calibration samples; expected at least 100"),
        (GOOD * 0, None, ValueError, "constant"),
        (np.repeat(GOOD[:1], 120, axis=0), None, ValueError, "constant"),
        (GOOD * 255, None, ValueError, "from .* to 25.*; expected 0 to 1"),
        (GOOD - 1, None, ValueError, "expected 0 to 1"),
        (np.where(GOOD == GOOD.max(), np.nan, GOOD), None, ValueError, "NaN"),
        (GOOD.astype(np.float64), None, TypeError, "float64; expected float32"),
        ((GOOD * 255).astype(np.uint8), None, TypeError, "uint8; expected float32"),
        (GOOD[..., 0], None, ValueError, r"shape \(120, 28, 28\); expected \(n, 28, 28, 1\)"),
        (GOOD, np.zeros(120, int), ValueError, r"no calibration sample of class \[1, 2, 3, 4, 5, 6, 7, 8, 9\]"),
        (GOOD, np.zeros(119, int), ValueError, r"labels have shape \(119,\)"),
    ],
)
def test_unfit_calibration_is_named(calibration, labels, error, words):
    """One black image is accepted by the converter without a word, and gives 11 %."""
    with pytest.raises(error, match=words):
        check_calibration(calibration, (28, 28, 1), labels, classes=10)


def test_to_tflite_checks_its_calibration(cnn):
    with pytest.raises(ValueError, match="constant"):
        to_tflite(cnn, "int8", GOOD * 0)
    with pytest.raises(ValueError, match="no calibration sample of class"):
        to_tflite(cnn, "int8", GOOD, np.arange(120) % 9)
