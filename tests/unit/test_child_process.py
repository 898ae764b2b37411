"""A process of its own: results come back, and what dies there is named and kills nothing here."""

import os
import subprocess
import sys

import numpy as np
import pytest

from edgelab.artifacts import shipped
from edgelab.data import load_mnist, to_input
from edgelab.infer.tflite import read
from edgelab.quiet import quiet
from edgelab.shrink.convert import child_process as apart
from edgelab.shrink.convert.child_process import convert_apart, run_apart, unchecked
from edgelab.shrink.convert.converter import MODES, check_conversion, to_tflite
from edgelab.train.networks.models import gru64, to_keras_bytes


def doubled(x: np.ndarray) -> np.ndarray:
    return 2 * x


def die(code):
    import os
    import signal

    print("the last words", flush=True, file=__import__("sys").stderr)
    os._exit(code) if code >= 0 else os.kill(os.getpid(), signal.Signals(-code))


def sleep():
    import time

    time.sleep(60)


def divide(x):
    return x / 0


def process():
    import os

    return os.getpid(), "PYTHONDONTWRITEBYTECODE" in os.environ


def test_a_result_comes_back():
    """np is there, as it is in every file of the course."""
    np.testing.assert_array_equal(run_apart(doubled, np.arange(3)), [0, 2, 4])


def test_it_is_another_process_that_may_keep_bytecode(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    number, refused = run_apart(process)
    assert number != os.getpid()
    assert not refused


def test_a_function_within_a_function_can_be_sent():
    def inner(x):
        return x + 1

    assert run_apart(inner, 1) == 2


@pytest.mark.parametrize(
    "code, says",
    [(-15, "signal 15, SIGTERM"), (-9, "signal 9, SIGKILL, usually because no memory was left")],
)
def test_how_a_process_ended_is_named(code, says):
    with pytest.raises(ChildProcessError, match=f"the process that ran die died: {says}\n.*\nthe last words"):
        run_apart(die, code)


@pytest.mark.parametrize("code", [0, 3])
def test_an_exit_without_a_result_is_no_result(code):
    with pytest.raises(ChildProcessError, match=f"exit code {code}"):
        run_apart(die, code)


def test_time_has_an_end():
    with pytest.raises(TimeoutError, match="sleep was stopped: it took more than 0.5 s"):
        run_apart(sleep, timeout=0.5)


def test_an_exception_is_told_in_its_words():
    with pytest.raises(RuntimeError, match="divide, run in its own process: ZeroDivisionError: division by zero"):
        run_apart(divide, 1)


def test_what_needs_more_than_itself_is_told():
    with pytest.raises(RuntimeError, match="NameError: name 'shipped' is not defined"):
        run_apart(needs_more)


def needs_more():
    return shipped("small_cnn")


@pytest.mark.parametrize("function", [len, eval("lambda: 1")])
def test_a_function_without_source_is_refused(function):
    with pytest.raises(ValueError, match="source of .* can't be found"):
        run_apart(function)


def test_it_works_from_a_script(tmp_path):
    """Its own process must not run the script a second time, as multiprocessing's would without a guard."""
    path = tmp_path / "script.py"
    path.write_text(
        "from edgelab.shrink.convert import run_apart\n\n\ndef one():\n    return 1\n\n\nprint('once', run_apart(one))"
    )
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "once 1\n"


def test_unknown_mode_and_missing_or_unfit_calibration_need_no_process(monkeypatch):
    monkeypatch.setattr(apart, "run_apart", lambda *_: pytest.fail("started a process"))
    model = gru64()
    with pytest.raises(ValueError, match="unknown mode 'int4'; the modes are: float32, float16"):
        convert_apart(model, "int4")
    with pytest.raises(ValueError, match="'int8' needs calibration data"):
        convert_apart(model, "int8")
    with pytest.raises(ValueError, match="constant"):
        convert_apart(model, "int8", np.zeros((100, 28, 28, 1), np.float32))


def test_death_and_delay_name_the_model_and_the_mode(monkeypatch):
    def dies(*arguments, timeout):
        raise ChildProcessError("the process that ran unchecked died: signal 15, SIGTERM\nIt printed last:\nwords")

    def lasts(*arguments, timeout):
        raise TimeoutError(f"unchecked was stopped: it took more than {timeout:g} s")

    monkeypatch.setattr(apart, "run_apart", dies)
    with pytest.raises(
        ChildProcessError, match=r"'gru64' to dynamic: .*signal 15, SIGTERM; .*leave layers out.*\nIt printed last:"
    ):
        convert_apart(gru64(), "dynamic")
    monkeypatch.setattr(apart, "run_apart", lasts)
    with pytest.raises(TimeoutError, match=r"'gru64' to float32: .* more than 7 s; .*longer timeout"):
        convert_apart(gru64(), "float32", timeout=7)


@pytest.fixture(scope="module")
def digits():
    return to_input(load_mnist().x_train[:100])


# One mode with calibration is enough to see a drift at once.
@pytest.mark.parametrize("mode", [m if m == "int8" else pytest.param(m, marks=pytest.mark.slow) for m in MODES])
def test_unchecked_makes_what_to_tflite_makes(mode, digits):
    """Two ways to one file: what they store must not part. Names may differ, by how often Keras was called before."""
    import keras

    path = shipped("tiny")
    with quiet():
        found = read(unchecked(path.read_bytes(), mode, digits if "int" in mode else None))
    expected = read(to_tflite(keras.models.load_model(path), mode, digits))
    assert [o.kind for o in found.operators] == [o.kind for o in expected.operators]
    assert [t.dtype for t in found.tensors] == [t.dtype for t in expected.tensors]
    for here, there in zip(found.tensors, expected.tensors, strict=True):
        np.testing.assert_array_equal(here.scale, there.scale)
        np.testing.assert_array_equal(here.data, there.data)


@pytest.mark.parametrize("mode", ["int8", "int8_float_io", "int16x8"])
def test_a_loop_is_refused_before_a_process_is_started(mode, digits, monkeypatch):
    monkeypatch.setattr(apart, "run_apart", lambda *_, **__: pytest.fail("started a process"))
    with pytest.raises(
        ValueError, match=f"recurrent layer 'gru.*' is a loop, which mode '{mode}' does not support.*unroll"
    ):
        convert_apart(gru64(), mode, digits)


def test_a_loop_is_refused_without_other_checks_too(digits):
    """`unchecked` leaves out the checks of the samples, not this one."""
    with pytest.raises(ValueError, match="recurrent layer 'gru.*' is a loop, which mode 'int8' does not support"):
        unchecked(to_keras_bytes(gru64()), "int8", digits)


@pytest.mark.slow
def test_unrolled_it_converts_apart(digits):
    model = gru64(unroll=True)
    file = convert_apart(model, "int8", digits)
    kinds = [o.kind for o in read(file).operators]
    assert kinds.count("FULLY_CONNECTED") == 56
    assert "WHILE" not in kinds


@pytest.mark.slow
def test_a_file_that_does_not_load_there_is_told():
    """Keras' own words change, so only that they come."""
    with pytest.raises(RuntimeError, match=r"unchecked, run in its own process: \w+Error: .+"):
        run_apart(unchecked, b"no file of Keras")


@pytest.mark.parametrize(
    ("mode", "words"),
    [("int3", "unknown mode 'int3'"), ("int8", "needs calibration data"), ("float32", "is a Sequential without")],
)
def test_the_same_is_checked_with_and_without_a_process(mode, words):
    """Two copies of the checks would drift apart: both call check_conversion."""
    from keras import Sequential, layers

    model = Sequential([layers.Dense(2)])
    for convert in (to_tflite, convert_apart, lambda *a: check_conversion(*a, None, None, (0.0, 1.0))):
        with pytest.raises(ValueError, match=words):
            convert(model, mode)
