"""Run a .tflite on the device: checked inputs, float logits, measured latency. Needs LiteRT, never TensorFlow."""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgelab.artifacts import recorded_sha256, verify
from edgelab.infer.smallest import relu_tflite  # noqa: F401 (for the examples)
from edgelab.quiet import without_info

KERNELS = {
    "xnnpack": "AUTO",
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}

# What the child process runs: open the file and infer once on zeros, as an untrusted file may hang or crash there.
PROBE = """
import sys, numpy as np
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(model_content=open(sys.argv[1], "rb").read())
interpreter.allocate_tensors()
for d in interpreter.get_input_details():
    interpreter.set_tensor(d["index"], np.zeros(d["shape"], d["dtype"]))
interpreter.invoke()
"""


def probe(path: str | Path, timeout: float = 20.0) -> None:
    """Open a model file in a child process first: a damaged one may hang or crash the process that opens it.

    timeout: seconds, the start of Python and LiteRT included (about half a second). Raises ValueError naming the file
    and what happened there.

    >>> Path("relu.tflite").write_bytes(relu_tflite()) > 0
    True
    >>> probe("relu.tflite")
    """
    advice = "Convert the model again, or take one of data/models."
    try:
        child = subprocess.run(
            [sys.executable, "-c", PROBE, str(path)], capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"{path}: opening it takes more than {timeout:g} s; the file is damaged. {advice}") from error
    if child.returncode < 0:
        raise ValueError(f"{path}: opening it crashes the runtime (signal {-child.returncode}). {advice}")
    if child.returncode > 0:
        reason = (child.stderr.strip().splitlines() or ["no message"])[-1]
        raise ValueError(f"{path}: not a model that LiteRT can run ({reason}). {advice}")


def open_interpreter(content: bytes, kernels: str = "xnnpack", threads: int = 1, keep: bool = False) -> Any:
    """Open a .tflite in LiteRT's interpreter, allocate its tensors and drop its INFO lines.

    kernels: one of `KERNELS`. keep: keep the tensors between operators too; otherwise LiteRT reuses their memory.
    Raises ValueError or RuntimeError with LiteRT's message for a file that it can't open.

    >>> open_interpreter(relu_tflite()).get_input_details()[0]["shape"].tolist()
    [1, 3]
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType[KERNELS[kernels]]
    with without_info(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*experimental_preserve_all_tensors")  # it warns of the memory taken
        interpreter = Interpreter(
            model_content=content,
            num_threads=threads,
            experimental_op_resolver_type=resolver,
            experimental_preserve_all_tensors=keep,
        )
        interpreter.allocate_tensors()
    return interpreter


class Runner:
    """A .tflite that is open for inference on this machine.

    model: path of a .tflite, or its bytes. kernels: "xnnpack" (the default of the runtime, fastest), "builtin"
    (without delegates) or "reference" (plain C++, slow, to compare with). threads: used by the kernels. input_range:
    what the model was trained on. A path is compared with the SHA-256 in the models.json beside it; without such a
    record it is first opened in a child process. Bytes are opened as they are.
    Raises FileNotFoundError, or ValueError naming the file when it is missing, damaged or not a .tflite of one image
    in and one vector of logits out.
    One Runner serves one thread: the interpreter under it is not safe to share.

    >>> runner = Runner(relu_tflite())
    >>> runner.input_dtype.__name__, runner.input_shape, runner.input_quantization
    ('int8', (1, 3), (0.5, 0))
    """

    def __init__(
        self,
        model: str | Path | bytes,
        kernels: str = "xnnpack",
        threads: int = 1,
        input_range: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        if kernels not in KERNELS:
            raise ValueError(f"unknown kernels {kernels!r}; the runtime has: {', '.join(KERNELS)}")
        if not isinstance(threads, int) or threads < 1:
            raise ValueError(f"threads is {threads!r}; expected an integer of at least 1")
        self.name = "model in memory" if isinstance(model, bytes) else str(model)
        content = model if isinstance(model, bytes) else verify(model)
        if content[4:8] != b"TFL3":
            raise ValueError(
                f"{self.name}: not a .tflite ({len(content):,} bytes, no TFL3 mark at byte 4). "
                "A .keras file must be converted first: edgelab.shrink.convert.to_tflite"
            )
        if not isinstance(model, bytes) and recorded_sha256(model) is None:
            probe(model)
        try:
            self._interpreter = open_interpreter(content, kernels, threads)
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"{self.name}: LiteRT cannot open it ({error}). Convert the model again.") from error
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ValueError(f"{self.name}: {len(inputs)} inputs and {len(outputs)} outputs; expected one of each")
        self._input, self._output = inputs[0], outputs[0]
        self.input_shape = tuple(int(n) for n in self._input["shape"])
        if self.input_shape[:1] != (1,) or -1 in self._input["shape_signature"]:
            raise ValueError(
                f"{self.name}: takes a batch of {self._input['shape_signature'].tolist()}; expected one image. "
                "Convert it with the batch fixed to 1 (edgelab.shrink.convert.to_tflite does)"
            )
        self.input_dtype = self._input["dtype"]
        self.input_quantization = self._input["quantization"]  # (scale, zero_point); (0.0, 0) for a float input
        self.output_quantization = self._output["quantization"]
        self.kernels, self.threads, self.input_range = kernels, threads, input_range
        self.bytes = len(content)

    def as_input(self, x: np.ndarray) -> np.ndarray:
        """Return x as the model's input tensor takes it, after every check.

        x: float32 (n, …) in input_range, quantized here if the model takes int8: q = round(x / scale) + zero_point;
        or int8 (n, …) as it is. Raises TypeError or ValueError naming what was found and what to do.
        """
        x = np.asarray(x)
        if x.ndim != len(self.input_shape) or x.shape[1:] != self.input_shape[1:]:
            wanted = ", ".join(map(str, self.input_shape[1:]))
            raise ValueError(f"x has shape {x.shape}; {self.name} takes (n, {wanted}). One image: x[None]")
        if x.dtype == self.input_dtype and x.dtype != np.float32:
            return x
        if x.dtype != np.float32:
            accepted = " or ".join(dict.fromkeys(["float32", np.dtype(self.input_dtype).name]))
            raise TypeError(f"x is {x.dtype}; {self.name} takes {accepted}. uint8 images: edgelab.data.to_input(x)")
        if not np.isfinite(x).all():
            bad = np.argwhere(~np.isfinite(x))[0].tolist()
            raise ValueError(
                f"x contains NaN or infinity (first at {bad}); expected finite numbers. The runtime would raise no "
                "error and return some class: drop this image, or repair its source"
            )
        low, high = self.input_range
        if len(x) and (x.min() < low or x.max() > high):
            raise ValueError(
                f"x runs from {x.min():g} to {x.max():g}; expected {low:g} to {high:g}. "
                "Divide by 255, or give the uint8 images to edgelab.data.to_input"
            )
        if self.input_dtype == np.float32:
            return x
        scale, zero_point = self.input_quantization
        limits = np.iinfo(self.input_dtype)
        q = x / np.float32(scale)  # the rest in place: 10,000 digits take 31 MB, and each copy as much again
        np.rint(q, out=q)
        q += zero_point
        np.clip(q, limits.min, limits.max, out=q)
        return q.astype(self.input_dtype)

    def infer(self, x: np.ndarray) -> np.ndarray:
        """Run one inference on what `as_input` returned, shape input_shape; return the raw output tensor."""
        self._interpreter.set_tensor(self._input["index"], x)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output["index"])

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the logits for a batch of images, one inference each.

        x: float32 (n, …) in input_range, or int8 (n, …) for an int8 model. Returns float32 (n, classes):
        scale * (q - zero_point) where the model's output is int8. Raises TypeError or ValueError as `as_input` does.

        >>> Runner(relu_tflite(), input_range=(-1, 1)).predict(np.array([[-1, 0.5, 1]], np.float32))
        array([[0. , 0.5, 1. ]], dtype=float32)
        """
        tensor = self.as_input(x)
        classes = int(self._output["shape"][-1])
        raw = np.empty((len(tensor), classes), self._output["dtype"])
        for i in range(len(tensor)):
            # A fused LSTM keeps its state from one call to the next; an image must not depend on the one before.
            self._interpreter.reset_all_variables()
            raw[i] = self.infer(tensor[i : i + 1])
        if raw.dtype == np.float32:
            return raw
        scale, zero_point = self.output_quantization
        return (raw.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


class Latency(NamedTuple):
    """Time of one inference in milliseconds: median, 90th and 99th percentile, and how it was measured.

    >>> Latency(0.1, 0.2, 0.3, 1000, 1, "xnnpack").p50_ms
    0.1
    """

    p50_ms: float
    p90_ms: float
    p99_ms: float
    runs: int
    threads: int
    kernels: str


def benchmark(runner: Runner, x: np.ndarray, runs: int = 1000, warmup: int = 50) -> Latency:
    """Measure one inference, batch 1: input copied in, invoke, output copied out.

    x: images as `Runner.predict` takes them, used in turn. warmup: inferences before the clock starts (caches, lazily
    packed weights). Percentiles, not a mean: one interruption can take as long as a thousand inferences.
    Raises ValueError for no images or runs below 1.

    >>> latency = benchmark(Runner(relu_tflite()), np.zeros((1, 3), np.float32), runs=10)
    >>> latency.p50_ms <= latency.p99_ms
    True
    """
    tensor = runner.as_input(x)
    if len(tensor) == 0 or runs < 1 or warmup < 0:
        raise ValueError(f"{len(tensor)} images, runs={runs}, warmup={warmup}; expected at least one image and one run")
    for i in range(warmup):
        runner.infer(tensor[i % len(tensor)][None])
    times = np.empty(runs)
    for i in range(runs):
        image = tensor[i % len(tensor)][None]
        start = time.perf_counter()
        runner.infer(image)
        times[i] = time.perf_counter() - start
    p50, p90, p99 = (float(p) * 1e3 for p in np.percentile(times, [50, 90, 99]))
    return Latency(p50, p90, p99, runs, runner.threads, runner.kernels)
