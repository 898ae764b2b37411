"""Run an int8 .tflite with NumPy alone, in the integers of a runtime of your choice, bit for bit.

The forward pass. What an operator does is in the file of its family, what a graph must be in checks.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgelab.infer.integer.checks import check_graph, check_images
from edgelab.infer.integer.operators import prepare
from edgelab.infer.smallest import relu_tflite  # noqa: F401 (for the example)
from edgelab.infer.tflite import Graph, read

# Images that go through the network together: enough for matrix products, few enough for the caches.
CHUNK = 32


class IntegerModel:
    """An int8 .tflite that runs in NumPy, rounding as one of the runtimes does.

    tflite: its bytes, its path, or what `edgelab.infer.tflite.read` returned. runtime: "reference" (LiteRT's plain
    kernels), "builtin" (its optimised ones), "xnnpack" (its default) or "micro" (TensorFlow Lite Micro).
    The model takes one image and gives one tensor; both ends int8, or float32 around an int8 network. A batch that the
    file leaves open is a batch of 1: each image gives what the runtime gives for it alone. A runtime resized to more
    counts the vectors of "builtin" over all images together, and may round some values otherwise.
    Raises FileNotFoundError, and ValueError for a damaged file, an unknown runtime, a float model, a size left open,
    and an operator that isn't supported, named with its number in the graph and the tensor that it makes.
    Source: Jacob et al. 2018, section 2; where runtimes differ, see `edgelab.infer.integer`.

    >>> IntegerModel(relu_tflite()).run(np.array([[-5, 0, 5]], np.int8)).tolist()
    [[0, 0, 5]]
    """

    def __init__(self, tflite: bytes | str | Path | Graph, runtime: str = "reference") -> None:
        self.graph = tflite if isinstance(tflite, Graph) else read(tflite)
        self.runtime = runtime
        check_graph(self.graph, runtime)
        self._steps = [prepare(self.graph, number, runtime) for number in range(len(self.graph.operators))]
        self.input, self.output = (self.graph.tensors[i[0]] for i in (self.graph.inputs, self.graph.outputs))

    def run(self, x: np.ndarray) -> np.ndarray:
        """Return the output for a batch of images, in the integers that the runtime would give.

        x: int8 (n, height, width, channels), as the input tensor's scale and zero point have it (`quantize`); float32
        where the model's input is. Returns int8, or float32 where its output is, (n, …). Big batches go through in
        chunks, so memory stays small. Raises TypeError for another type, and ValueError for another shape, NaN, and
        floats of more than 2^31 steps of the scale.
        """
        x = check_images(self.graph, x)
        parts = [self._through(x[i : i + CHUNK])[self.graph.outputs[0]] for i in range(0, len(x), CHUNK)]
        return np.concatenate(parts) if parts else np.empty((0, *self.output.shape[1:]), self.output.dtype)

    def tensors(self, x: np.ndarray) -> dict[int, np.ndarray]:
        """Return every tensor between the operators, by its number in the graph: input and output are among them.

        x: as for `run`; a few images, as all is kept. Each array is (n, …); `model.graph.tensors[number]` has its name,
        scale and zero point. What the runtime itself holds there may already be overwritten: it reuses memory.
        """
        return self._through(check_images(self.graph, x))

    def _through(self, x: np.ndarray) -> dict[int, np.ndarray]:
        """Run the operators one after another; return what the tensors hold."""
        values = {self.graph.inputs[0]: x}
        for reads, number, step in self._steps:
            values[number] = step(*(values[i] for i in reads))
        return values
