"""The runner: three kernels, every bad input and every bad file."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
from _tflite import File

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
        (b"\x1c\x00\x00\x00TFL3" + b"\xff" * 64, "a damaged .tflite"),
        ("half", "a damaged .tflite .*Is it cut off"),
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
    monkeypatch.setattr(device, "probe", lambda path, timeout: probed.append(path))
    Runner(path)
    Runner(shipped("small_cnn_int8"))
    assert probed == [path]


ENDED = "was seen to end: signal"


@pytest.mark.parametrize(
    "program, words",
    [
        ("import time; time.sleep(60)", r"takes more than 1 s .*may be busy, or the file .*timeout=120"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", f"{ENDED} {signal.SIGTERM:d}, SIGTERM. It was not"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
            f"{ENDED} 9, SIGKILL, usually .* no memory was left",
        ),
        ("import sys; print('no such operator', file=sys.stderr); sys.exit(3)", "LiteRT can run .no such operator."),
        ("raise MemoryError('too much')", "failed .MemoryError: too much., which says nothing about the file"),
        ("import a_package_that_is_missing", "failed .ModuleNotFoundError.*, which says nothing about the file"),
        ("import os; os._exit(7)", "failed .no message., which says nothing about the file"),
    ],
)
def test_probe_says_what_it_saw_and_no_more(tmp_path, monkeypatch, program, words):
    """A busy machine, no memory left and a missing package are no damage of the file."""
    monkeypatch.setattr(device, "PROBE", program)
    with pytest.raises(ValueError, match=rf"m\.tflite: .*{words}") as caught:
        probe(tmp_path / "m.tflite", timeout=1 if "sleep" in program else 60)
    assert "damaged" not in str(caught.value)


def test_a_slow_machine_can_be_given_more_time(tmp_path, monkeypatch):
    path, given = tmp_path / "mine.tflite", []
    path.write_bytes(shipped("small_cnn_int8").read_bytes())
    monkeypatch.setattr(device, "probe", lambda path, timeout: given.append(timeout))
    Runner(path, timeout=120)
    Runner(path)
    assert given == [120, 20]


def one_operator(kind, taken, given, others=(), **options) -> bytes:
    """A file of one operator. taken, given: shape and type of its ends; others: constants that it reads besides."""
    file = File()
    x = file.tensor(**taken)
    numbers = [file.tensor(np.shape(data), dtype=dtype, data=data) for dtype, data in others]
    y = file.tensor(**given)
    file.operator(kind, [x, *numbers], [y], **options)
    return file.bytes([x], [y])


def end(shape, dtype="float32", **others):
    return {"shape": shape, "dtype": dtype, **others}


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("kernels", KERNELS)
def test_an_argmax_is_returned_as_it_is(dtype, kernels):
    """Its output has no scale; as scale 0 it turned every class into 0."""
    axis = [("int32", np.int32(1))]
    file = one_operator("ARG_MAX", end((1, 5)), end((1,), dtype), axis, outputType=2 if dtype == "int32" else 4)
    x = np.random.default_rng(0).random((20, 5), np.float32)
    found = Runner(file, kernels).predict(x)
    assert (found.shape, found.dtype) == ((20, 1), dtype)
    np.testing.assert_array_equal(found[:, 0], x.argmax(axis=1))


def test_a_comparison_is_returned_as_it_is():
    x = np.random.default_rng(0).random((20, 5), np.float32)
    file = one_operator("GREATER_EQUAL", end((1, 5)), end((1, 5), "bool"), [("float32", np.full((1, 5), 0.5))])
    np.testing.assert_array_equal(Runner(file).predict(x), x >= 0.5)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
def test_integers_without_a_scale_are_taken_as_they_are(dtype):
    """Pixels, or numbers of words: divided by a scale of 0 they all became one number."""
    runner = Runner(one_operator("CAST", end((1, 4), dtype), end((1, 4))))
    x = np.random.default_rng(0).integers(0, 100, (20, 4)).astype(dtype)
    np.testing.assert_array_equal(runner.predict(x), x.astype(np.float32))
    with pytest.raises(
        TypeError, match=f"x is float32; .* takes {dtype}. Its input has no scale: give the values them"
    ):
        runner.predict(x.astype(np.float32) / 255)
    other = "int16" if dtype == "int64" else "int64"
    with pytest.raises(TypeError, match=f"x is {other}; .* takes {dtype}. Its input has no scale"):
        runner.predict(x.astype(other))
    assert benchmark(runner, x, runs=3, warmup=0).runs == 3


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_a_scale_on_one_end_only(dtype):
    """Each end has its own rule, and uint8 and int16 have the formula of int8."""
    x = np.random.default_rng(0).random((20, 4), np.float32)
    scaled = end((1, 4), dtype, scale=0.01, zero_point=0 if dtype == "int16" else 3)
    found = Runner(one_operator("DEQUANTIZE", scaled, end((1, 4)))).predict(x)
    np.testing.assert_allclose(found, np.round(x / 0.01) * 0.01, atol=1e-6)
    found = Runner(one_operator("QUANTIZE", end((1, 4)), scaled), "reference").predict(x)
    np.testing.assert_allclose(found, x, atol=0.005001)


@pytest.mark.parametrize("shape", [(1, 1, 1, 6), (6,), (1, 6)])
def test_a_vector_may_have_axes_of_one_around_it(shape):
    """Classifiers from before 2019 end in (1, 1, 1, classes)."""
    x = np.random.default_rng(0).random((3, 2, 3), np.float32)
    file = one_operator("RESHAPE", end((1, 2, 3)), end(shape), [("int32", np.int32(shape))])
    np.testing.assert_array_equal(Runner(file).predict(x), x.reshape(3, 6))


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (lambda: one_operator("RELU", end((1, 8, 8, 2)), end((1, 8, 8, 2))), r"gives float32 of shape \[1, 8, 8, 2\]"),
        (lambda: one_operator("RELU", end((1, 4, 1)), end((1, 4, 1))), r"gives float32 of shape \[1, 4, 1\]"),
        (lambda: one_operator("RELU", end((4, 3)), end((4, 3))), r"takes a batch of shape \[4, 3\]"),
        (lambda: one_operator("RELU", end((3,)), end((3,))), r"takes a batch of shape \[3\]"),
        (
            lambda: one_operator("RELU", end((1, 1, 3), signature=[1, -1, 3]), end((1, 1, 3))),
            r"leaves sizes of its input \[1, -1, 3\] open",
        ),
        (lambda: one_operator("RELU", end((1, 3), scale=-0.5), end((1, 3), scale=-0.5)), r"has the scale -0\.5"),
    ],
)
def test_other_models_are_refused_when_opened(file, says):
    """Not later, with NumPy's words about shapes. Each message names the way that remains."""
    with pytest.raises(ValueError, match=f"model in memory: .*{says}.*Other models: .*open_interpreter"):
        Runner(file())


def test_two_inputs_are_refused():
    file = File()
    x, y, z = (file.tensor((1, 3), dtype="float32") for _ in range(3))
    file.operator("ADD", [x, y], [z])
    with pytest.raises(ValueError, match="2 inputs and 1 outputs; expected one of each. Other models"):
        Runner(file.bytes([x, y], [z]))


def test_an_output_that_grows_with_the_image_is_named():
    """WHERE gives as many rows as there are true values."""
    file = File()
    ends = (((1, 3), "bool"), ((1, 3), "bool"), ((1, 2), "int64"), ((1,), "int64"))
    x, h, y, z = (file.tensor(shape, dtype=dtype) for shape, dtype in ends)
    axes = file.tensor((1,), dtype="int32", data=[1])
    file.operator("LOGICAL_NOT", [x], [h])
    file.operator("WHERE", [h], [y])
    file.operator("SUM", [y, axes], [z])
    runner = Runner(file.bytes([x], [z]))
    assert runner.predict(np.array([[True, False, True]])).tolist() == [[1]]
    with pytest.raises(ValueError, match=r"image 0 gives an output of shape \(2,\), another than the file says"):
        runner.predict(np.array([[False, False, True]]))


@pytest.mark.parametrize("stored", [1, 7])
@pytest.mark.parametrize("kernels", KERNELS)
def test_an_open_batch_is_set_to_one(kernels, stored):
    """As TensorFlow's own converter leaves it; whatever the file has in its place."""
    file = File()
    w = np.random.default_rng(1).normal(size=(2, 4)).astype(np.float32)
    x = file.tensor((stored, 4), dtype="float32", signature=[-1, 4])
    y = file.tensor((stored, 2), dtype="float32", signature=[-1, 2])
    file.operator("FULLY_CONNECTED", [x, file.tensor((2, 4), dtype="float32", data=w), -1], [y])
    images = np.random.default_rng(0).random((20, 4), np.float32)
    runner = Runner(file.bytes([x], [y]), kernels)
    assert runner.input_shape == (1, 4)
    np.testing.assert_allclose(runner.predict(images), images @ w.T, rtol=1e-5, atol=1e-6)


def test_a_file_of_tensorflows_converter_with_its_open_batch():
    import keras
    import tensorflow as tf

    from edgelab.quiet import quiet

    with quiet():
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    x = np.random.default_rng(0).random((5, 4), np.float32)
    np.testing.assert_allclose(Runner(content).predict(x), model(x), rtol=1e-5, atol=1e-6)


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
