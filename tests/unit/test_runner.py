"""The runner: three kernels, every bad input and every bad file."""

import json
import subprocess
import sys

import numpy as np
import pytest

from edgelab.artifacts import shipped
from edgelab.data import load_mnist, to_input
from edgelab.infer import runner as device
from edgelab.infer.integer import IntegerModel
from edgelab.infer.runner import KERNELS, Latency, Runner, benchmark, open_interpreter, probe
from edgelab.quiet import without_info

MODELS = ["small_cnn_float32", "small_cnn_int8", "small_cnn_int8_float_io"]


@pytest.fixture(scope="module")
def digits():
    mnist = load_mnist()
    return to_input(mnist.x_test[:500]), mnist.y_test[:500]


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("name", MODELS)
def test_every_kernel_recognises_digits(name, kernels, digits):
    logits = Runner(shipped(name), kernels=kernels).predict(digits[0])
    assert logits.shape == (500, 10)
    assert logits.dtype == np.float32
    assert (logits.argmax(axis=1) == digits[1]).mean() > 0.97


@pytest.mark.parametrize("kernels", ["builtin", "reference"])
def test_an_interpreter_keeps_what_lies_between_operators_where_asked(kernels):
    """Else LiteRT uses the memory again, and a tensor holds what a later operator wrote there."""
    path, x = shipped("small_cnn_int8"), np.random.default_rng(0).integers(-128, 128, (1, 28, 28, 1)).astype(np.int8)
    tensors, same = IntegerModel(path, kernels).tensors(x), {}
    for keep in (True, False):
        interpreter = open_interpreter(path.read_bytes(), kernels, keep=keep)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
        interpreter.invoke()
        same[keep] = [np.array_equal(interpreter.get_tensor(number), value) for number, value in tensors.items()]
    assert all(same[True])
    assert not all(same[False])


def test_int8_input_and_float_input_give_the_same_logits(digits):
    """The quantization of the input is checked against the formula with the parameters the file states."""
    runner = Runner(shipped("small_cnn_int8"))
    scale, zero_point = runner.input_quantization
    q = np.clip(np.round(digits[0].astype(np.float64) / scale) + zero_point, -128, 127).astype(np.int8)
    np.testing.assert_array_equal(runner.as_input(digits[0]), q)
    np.testing.assert_array_equal(runner.predict(digits[0]), runner.predict(q))


def test_logits_are_dequantized_by_the_models_own_parameters(digits):
    runner = Runner(shipped("small_cnn_int8"))
    scale, zero_point = runner.output_quantization
    raw = runner.infer(runner.as_input(digits[0][:1]))
    assert raw.dtype == np.int8
    np.testing.assert_allclose(runner.predict(digits[0][:1]), (raw.astype(float) - zero_point) * scale, rtol=1e-6)


def test_threads_do_not_change_the_answer(digits):
    one, two = (Runner(shipped("small_cnn_int8"), threads=n).predict(digits[0][:50]) for n in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_an_image_does_not_depend_on_the_one_before(digits):
    runner = Runner(shipped("small_cnn_float32"))
    together = runner.predict(digits[0][:20])
    np.testing.assert_array_equal(together[::-1], runner.predict(digits[0][:20][::-1]))


GOOD = np.zeros((2, 28, 28, 1), np.float32)


@pytest.mark.parametrize(
    "x, error, words",
    [
        (GOOD[0], ValueError, r"shape \(28, 28, 1\).*takes \(n, 28, 28, 1\)\. One image: x\[None\]"),
        (GOOD[..., 0], ValueError, r"shape \(2, 28, 28\)"),
        (np.zeros((1, 32, 32, 1), np.float32), ValueError, r"shape \(1, 32, 32, 1\)"),
        (GOOD.astype(np.float64), TypeError, "x is float64"),
        (GOOD.astype(np.uint8), TypeError, r"x is uint8; .*to_input"),
        (GOOD + np.nan, ValueError, r"NaN or infinity \(first at \[0, 0, 0, 0\]\)"),
        (GOOD + np.inf, ValueError, "NaN or infinity"),
        (GOOD + 255, ValueError, "x runs from 255 to 255; expected 0 to 1"),
        (GOOD - 0.5, ValueError, "expected 0 to 1"),
    ],
)
@pytest.mark.parametrize("name", ["small_cnn_float32", "small_cnn_int8"])
def test_unfit_input_is_named(name, x, error, words):
    """The runtime itself answers class 0 to NaN, without a word."""
    with pytest.raises(error, match=words):
        Runner(shipped(name)).predict(x)


def test_a_float_model_takes_no_int8():
    with pytest.raises(TypeError, match="x is int8; .* takes float32"):
        Runner(shipped("small_cnn_float32")).predict(GOOD.astype(np.int8))


def test_empty_batch_gives_no_logits():
    assert Runner(shipped("small_cnn_int8")).predict(GOOD[:0]).shape == (0, 10)


def test_unknown_kernels_and_threads_are_named():
    with pytest.raises(ValueError, match="unknown kernels 'gpu'; the runtime has: xnnpack, builtin, reference"):
        Runner(shipped("small_cnn_int8"), kernels="gpu")
    with pytest.raises(ValueError, match="threads is 0"):
        Runner(shipped("small_cnn_int8"), threads=0)


def test_a_recorded_model_with_one_byte_flipped_is_refused(tmp_path):
    data = bytearray(shipped("small_cnn_int8").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "small_cnn_int8.tflite").write_bytes(data)
    (tmp_path / "models.json").write_text((shipped("small_cnn_int8").parent / "models.json").read_text())
    with pytest.raises(ValueError, match=r"small_cnn_int8\.tflite: SHA-256 is"):
        Runner(tmp_path / "small_cnn_int8.tflite")


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "is empty"),
        (b"PK\x03\x04 a .keras file", "not a .tflite .* must be converted first"),
        (b"\x1c\x00\x00\x00TFL3" + b"\xff" * 64, "not a model that LiteRT can run|crashes the runtime"),
        ("half", "not a model that LiteRT can run|crashes the runtime"),
    ],
)
def test_broken_files_without_a_record_are_named(tmp_path, content, words):
    if content == "half":
        content = shipped("small_cnn_int8").read_bytes()[:20_000]
    path = tmp_path / "broken.tflite"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"broken\.tflite.*({words})"):
        Runner(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.tflite.*Shipped models: .*small_cnn_int8"):
        Runner(tmp_path / "gone.tflite")


def test_a_file_without_record_is_opened_in_a_child_first(tmp_path, monkeypatch):
    path = tmp_path / "mine.tflite"
    path.write_bytes(shipped("small_cnn_int8").read_bytes())
    probed = []
    monkeypatch.setattr(device, "probe", probed.append)
    Runner(path)
    Runner(shipped("small_cnn_int8"))
    assert probed == [path]


@pytest.mark.parametrize(
    "program, words",
    [
        ("import time; time.sleep(60)", "takes more than 1 s"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashes the runtime"),
        ("raise ValueError('Model provided has model identifier')", "not a model that LiteRT can run"),
    ],
)
def test_probe_survives_what_a_damaged_file_can_do(tmp_path, monkeypatch, program, words):
    monkeypatch.setattr(device, "PROBE", program)
    with pytest.raises(ValueError, match=rf"m\.tflite.*{words}"):
        probe(tmp_path / "m.tflite", timeout=1)


def test_dynamic_batch_is_refused():
    import keras
    import tensorflow as tf

    from edgelab.quiet import quiet

    with quiet():
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    with pytest.raises(ValueError, match=r"takes a batch of \[-1, 4\]; expected one image"):
        Runner(content)


def test_benchmark_measures_every_run_and_orders_its_percentiles(digits):
    latency = benchmark(Runner(shipped("small_cnn_int8"), kernels="builtin"), digits[0][:7], runs=30, warmup=3)
    assert isinstance(latency, Latency)
    assert 0 < latency.p50_ms <= latency.p90_ms <= latency.p99_ms
    assert (latency.runs, latency.threads, latency.kernels) == (30, 1, "builtin")
    with pytest.raises(ValueError, match="0 images, runs=30"):
        benchmark(Runner(shipped("small_cnn_int8")), GOOD[:0], runs=30)


def test_info_lines_are_dropped_and_others_pass(capfd):
    import os

    with without_info():
        os.write(2, b"INFO: Created a delegate.\nERROR: out of memory\n")
    assert capfd.readouterr().err == "ERROR: out of memory\n"


def test_no_tensorflow_is_imported(tmp_path):
    """A board has LiteRT's 60 MB, not TensorFlow's 1.5 GB."""
    program = (
        "import sys, numpy as np, json\n"
        "from edgelab.artifacts import shipped\n"
        "from edgelab.infer.runner import Runner, benchmark\n"
        "runner = Runner(shipped('small_cnn_int8'))\n"
        "benchmark(runner, np.zeros((1, 28, 28, 1), np.float32), runs=3)\n"
        "print(json.dumps(sorted({m.split('.')[0] for m in sys.modules} & {'tensorflow', 'keras', 'sklearn'})))"
    )
    child = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(child.stdout) == []
    assert child.stderr == ""
