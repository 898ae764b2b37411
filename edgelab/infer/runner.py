"""Run a .tflite on the device: checked inputs, float logits, measured latency. Needs LiteRT, never TensorFlow."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgelab.artifacts import recorded_sha256, verify
from edgelab.infer.ends import check_ends, set_open_batch
from edgelab.infer.refusals import refuse_unsafe
from edgelab.infer.smallest import relu_tflite  # noqa: F401 (for the examples)
from edgelab.infer.tflite import read
from edgelab.quiet import without_info

KERNELS = {
    "xnnpack": "AUTO",
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}

# What the child process runs: open the file and infer once on zeros.
PROBE = """
import sys, numpy as np
from ai_edge_litert.interpreter import Interpreter
try:
    interpreter = Interpreter(model_content=open(sys.argv[1], "rb").read())
    interpreter.allocate_tensors()
    for d in interpreter.get_input_details():
        interpreter.set_tensor(d["index"], np.zeros(d["shape"], d["dtype"]))
    interpreter.invoke()
except (ValueError, RuntimeError) as error:
    print(str(error).strip(), file=sys.stderr)
    sys.exit(3)
"""
REFUSED = 3  # the child's exit code where LiteRT itself refuses the file


def probe(path: str | Path, timeout: float = 20.0) -> None:
    """Open a model file in a child process first: what happens to that one does not happen to the caller's.

    timeout: seconds, the start of Python and LiteRT included (about half a second, more on a busy machine). Raises
    ValueError naming the file and what happened there.

    >>> Path("relu.tflite").write_bytes(relu_tflite()) > 0
    True
    >>> probe("relu.tflite")
    """
    try:
        child = subprocess.run(
            [sys.executable, "-c", PROBE, str(path)],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(
            f"{path}: opening it takes more than {timeout:g} s in a process of its own: the machine may be busy, or "
            "the file keeps the runtime busy without end. Allow more, such as timeout=120"
        ) from error
    reason = (child.stderr.strip().splitlines() or ["no message"])[-1]
    if child.returncode == REFUSED:
        raise ValueError(
            f"{path}: not a model that LiteRT can run ({reason}). Convert the model again, or take one of data/models."
        )
    if child.returncode < 0:
        known = {int(s): s.name for s in signal.Signals}
        how = f"signal {-child.returncode}, {known.get(-child.returncode, 'without a name')}"
        how += ", usually because no memory was left" if how.endswith("SIGKILL") else ""
        raise ValueError(f"{path}: the process that opened it was seen to end: {how}. It was not opened in this one")
    if child.returncode > 0:
        raise ValueError(f"{path}: the process that should try it failed ({reason}), which says nothing about the file")


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
    what the model was trained on. A path is compared with the SHA-256 in the models.json beside it. A file without such
    a record must be readable by `edgelab.infer.tflite.read` and pass `edgelab.infer.refusals.refuse_unsafe`; a path is
    then first opened in a child process, which may take timeout seconds. A batch that the file leaves open is set to 1.
    Raises FileNotFoundError, or ValueError naming the file when it is missing, differs from its record, can't be
    opened, or is not a .tflite of one image in and one vector of logits out. Other models: `open_interpreter`.
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
        timeout: float = 20.0,
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
        recorded = not isinstance(model, bytes) and recorded_sha256(model) is not None
        if not recorded:
            refuse_unsafe(read(model), kernels)
        if not isinstance(model, bytes) and not recorded:
            probe(model, timeout)
        try:
            self._interpreter = open_interpreter(content, kernels, threads)
            set_open_batch(self._interpreter)
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"{self.name}: LiteRT cannot open it ({error}). Convert the model again.") from error
        self._input, self._output = check_ends(self._interpreter, self.name)
        self.input_shape = tuple(int(n) for n in self._input["shape"])
        self.input_dtype = self._input["dtype"]
        self.input_quantization = self._input["quantization"]  # (scale, zero_point); (0.0, 0) for one without a scale
        self.output_quantization = self._output["quantization"]
        self.kernels, self.threads, self.input_range = kernels, threads, input_range
        self.bytes = len(content)

    def as_input(self, x: np.ndarray) -> np.ndarray:
        """Return x as the model's input tensor takes it, after every check.

        x: float32 (n, …) in input_range, quantized here if the model takes integers with a scale: q = round(x / scale)
        + zero_point; or (n, …) in the integers that the model takes, as it is: pixels, or numbers of words, for one
        whose input has no scale. Raises TypeError or ValueError naming what was found and what to do.
        """
        x = np.asarray(x)
        if x.ndim != len(self.input_shape) or x.shape[1:] != self.input_shape[1:]:
            wanted = ", ".join(map(str, self.input_shape[1:]))
            raise ValueError(f"x has shape {x.shape}; {self.name} takes (n, {wanted}). One image: x[None]")
        takes, (scale, zero_point) = np.dtype(self.input_dtype), self.input_quantization
        quantizes = bool(scale) and np.issubdtype(takes, np.integer)
        if x.dtype == takes and not np.issubdtype(takes, np.floating):
            return x
        if x.dtype != takes and not (quantizes and x.dtype == np.float32):
            accepted = " or ".join(dict.fromkeys(["float32"] * quantizes + [takes.name]))
            how = "uint8 images: edgelab.data.to_input(x)"
            if not quantizes and takes != np.float32:
                how = f"Its input has no scale: give the values themselves as {takes.name}, such as pixels of 0 to 255"
            raise TypeError(f"x is {x.dtype}; {self.name} takes {accepted}. {how}")
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
        if not quantizes:
            return x
        limits = np.iinfo(takes)
        q = x / np.float32(scale)  # the rest in place: 10,000 digits take 31 MB, and each copy as much again
        np.rint(q, out=q)
        q += zero_point
        np.clip(q, limits.min, limits.max, out=q)
        return q.astype(takes)

    def infer(self, x: np.ndarray) -> np.ndarray:
        """Run one inference on what `as_input` returned, shape input_shape; return the raw output tensor."""
        self._interpreter.set_tensor(self._input["index"], x)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output["index"])

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the logits for a batch of images, one inference each.

        x: as `as_input` takes it: float32 (n, …) in input_range, or the model's own integers. Returns (n, classes),
        (n, 1) for a model that gives one number: float32, which is scale * (q - zero_point) where the output is
        integers with a scale; integers without a scale and bool, as an argmax or a comparison gives them, are returned
        as they are. Raises TypeError or ValueError as `as_input` does, and ValueError for an output whose length
        depends on the image.

        >>> Runner(relu_tflite(), input_range=(-1, 1)).predict(np.array([[-1, 0.5, 1]], np.float32))
        array([[0. , 0.5, 1. ]], dtype=float32)
        """
        tensor = self.as_input(x)
        raw = np.empty((len(tensor), int(np.prod(self._output["shape"], dtype=np.int64))), self._output["dtype"])
        for i in range(len(tensor)):
            # A fused LSTM keeps its state from one call to the next; an image must not depend on the one before.
            self._interpreter.reset_all_variables()
            answer = self.infer(tensor[i : i + 1])
            if answer.size != raw.shape[1]:
                raise ValueError(
                    f"{self.name}: image {i} gives an output of shape {answer.shape}, another than the file says, "
                    f"{self._output['shape'].tolist()}; expected a vector of one length for all images"
                )
            raw[i] = answer.reshape(-1)
        scale, zero_point = self.output_quantization
        if not scale or not np.issubdtype(raw.dtype, np.integer):
            return raw
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
