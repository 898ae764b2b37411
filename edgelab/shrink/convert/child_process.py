"""Run a function, or convert a model, in a process of its own: where that one ends, the caller's goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelab.shrink.convert.converter import CALIBRATED, check_conversion, repaired
from edgelab.train.networks.models import to_keras_bytes
from edgelab.train.structure import every_layer

if TYPE_CHECKING:
    import keras

# The child's program. The result's file gets its final name only when it is complete.
CHILD = """
import os, pickle, sys
import numpy as np
with open(sys.argv[1], "rb") as file:
    source, name, arguments = pickle.load(file)
space = {"np": np, "__name__": "apart"}
exec(source, space)
try:
    result = True, space[name](*arguments)
except Exception as error:
    result = False, f"{type(error).__name__}: {error}"
with open(sys.argv[1] + ".part", "wb") as file:
    pickle.dump(result, file)
os.replace(sys.argv[1] + ".part", sys.argv[1] + ".result")
"""


def run_apart(function: Callable[..., Any], *arguments: Any, timeout: float = 300.0) -> Any:
    """Run a function in a process of its own and return what it returns.

    function: written with def, in a file or a notebook's cell. Its source is sent, so it must import all that it needs,
    except np. arguments: any that pickle can store. timeout: seconds, the start of Python included. Raises
    ChildProcessError when the process dies (by a library, or for want of memory), TimeoutError when it takes too long,
    RuntimeError with the message of an exception there, and ValueError for a function whose source can't be found.

    >>> import textwrap
    >>> run_apart(textwrap.indent, "digits", "> ")
    '> digits'
    """
    import inspect
    import os
    import pickle
    import subprocess
    import sys
    import tempfile
    import textwrap
    from pathlib import Path

    name = getattr(function, "__name__", repr(function))
    try:
        source = "from __future__ import annotations\n" + textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError) as error:
        raise ValueError(f"the source of {name} can't be found ({error}); write it with def, in a file") from error
    # Without bytecode files TensorFlow would be compiled again, which takes longer than a conversion.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder:
        call = Path(folder, "call")
        call.write_bytes(pickle.dumps((source, name, arguments)))
        command, silent = [sys.executable, "-c", CHILD, str(call)], subprocess.DEVNULL
        try:
            child = subprocess.run(
                command, stdin=silent, capture_output=True, timeout=timeout, check=False, env=environment
            )
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"{name} was stopped: it took more than {timeout:g} s in its own process") from error
        result = Path(folder, "call.result")
        if not result.is_file():
            raise ChildProcessError(describe_exit(name, child.returncode, child.stderr))
        worked, value = pickle.loads(result.read_bytes())
    if not worked:
        raise RuntimeError(f"{name}, run in its own process: {value}")
    return value


def describe_exit(name: str, code: int, stderr: bytes) -> str:
    """Describe how a process ended that left no result: its signal or exit code, then the last lines that it printed.

    name: of the function that it ran. code: its exit code, negative for a signal, as in subprocess. stderr: what it
    wrote there.

    >>> describe_exit("convert", -6, b"terminate called").split("\\n")
    ['the process that ran convert died: signal 6, SIGABRT', 'It printed last:', 'terminate called']
    """
    import signal

    known = {int(s): s.name for s in signal.Signals}
    how = f"signal {-code}, {known.get(-code, 'without a name')}" if code < 0 else f"exit code {code}"
    if known.get(-code) == "SIGKILL":
        how += ", usually because no memory was left"
    lines = stderr.decode(errors="replace").strip().splitlines()[-8:]
    return "\n".join([f"the process that ran {name} died: {how}", *(["It printed last:", *lines] if lines else [])])


def unchecked(keras_file: bytes, mode: str = "float32", samples: np.ndarray | None = None) -> bytes:
    """Convert the bytes of a .keras file with TensorFlow's converter, without checking the samples or the layers.

    mode: as for `to_tflite`, which checks both. samples: float32 (n, *input shape), for the modes with calibration. The
    batch is fixed to 1. Returns the .tflite's bytes. All imports are inside, so that `run_apart` can run it.
    Raises ValueError for the loop of a recurrent layer in a mode with calibration, and what the converter raises.

    >>> import contextlib, io
    >>> from keras import Input, Sequential, layers
    >>> with contextlib.redirect_stdout(io.StringIO()):
    ...     file = unchecked(to_keras_bytes(Sequential([Input((4,)), layers.Dense(2)])))
    >>> file[4:8]
    b'TFL3'
    """
    import tempfile
    from pathlib import Path

    import keras
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        path.write_bytes(keras_file)
        model = keras.models.load_model(path, compile=False)
    every = model._flatten_layers(include_self=False)
    loops = [layer.name for layer in every if isinstance(layer, keras.layers.RNN) and not layer.unroll]
    if loops and "int" in mode:
        raise ValueError(f"recurrent layer {loops[0]!r} is a loop, which mode {mode!r} does not support")
    image = keras.Input(model.input_shape[1:], batch_size=1, name="image")
    fixed = keras.Model(image, model(image, training=False), name=model.name)
    converter = tf.lite.TFLiteConverter.from_keras_model(fixed)
    if mode != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if mode == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if samples is not None:
        converter.representative_dataset = lambda: ([sample[None]] for sample in samples)
        kernels = tf.lite.OpsSet.TFLITE_BUILTINS_INT8
        if mode == "int16x8":
            kernels = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [kernels]
    if mode == "int8":
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def convert_apart(
    model: keras.Model,
    mode: str,
    calibration: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    input_range: tuple[float, float] = (0.0, 1.0),
    timeout: float = 300.0,
) -> bytes:
    """Convert a Keras model to a .tflite in a process of its own, with a limit of time.

    mode, calibration, labels, input_range: as for `to_tflite`. timeout: seconds; starting TensorFlow takes some of
    them. Returns the file's bytes. Raises ValueError or TypeError as `to_tflite` does, and for a layer of one's own,
    which another process can't load; ChildProcessError when the process ends without a result, TimeoutError when it
    takes too long, both naming model and mode; RuntimeError with the converter's message when it fails.

    >>> convert_apart(None, "int4")
    Traceback (most recent call last):
    ValueError: unknown mode 'int4'; the modes are: float32, float16, dynamic, int8, int8_float_io, int16x8
    """
    check_conversion(model, mode, calibration, labels, input_range)
    for layer in every_layer(model):
        if type(layer).__name__ == "Lambda" or not type(layer).__module__.startswith("keras."):
            raise ValueError(
                f"layer {layer.name!r} of {model.name!r} is a {type(layer).__name__}, whose code no file holds: "
                "the other process can't build it. Convert with to_tflite, or build the model of Keras' own layers"
            )
    samples = np.asarray(calibration) if mode in CALIBRATED else None
    try:
        tflite = run_apart(unchecked, to_keras_bytes(model), mode, samples, timeout=timeout)
    except (ChildProcessError, TimeoutError) as error:
        first, *others = str(error).splitlines()
        advice = "try mode float32 or dynamic, or leave layers out to find the one"
        if isinstance(error, TimeoutError):
            advice = "pass a longer timeout, or fewer calibration samples"
        raise type(error)("\n".join([f"{model.name!r} to {mode}: {first}; {advice}", *others])) from error
    return tflite if samples is None else repaired(tflite, model, samples, mode)
