"""Run an int8 .tflite with NumPy alone, bit for bit as a runtime of your choice.

This file has the forward pass. Operators are in the files of their families, checks of a graph in checks.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgelab.infer.integer.checks import check_graph, check_images
from edgelab.infer.integer.operators import prepare
from edgelab.infer.smallest import relu_tflite  # noqa: F401 (for the example)
from edgelab.infer.tflite import Graph, read

# Images computed together: enough for fast matrix products, few enough for the caches.
CHUNK = 32


class IntegerModel:
    """An int8 .tflite that runs in NumPy and rounds as one of the runtimes does.

    tflite: its bytes, its path, or what `edgelab.infer.tflite.read` returned. runtime: "reference" (LiteRT's plain
    kernels), "builtin" (its optimised ones), "xnnpack" (its default) or "micro" (TensorFlow Lite Micro).
    The model has one input and one output, int8, or float32 around an int8 network. If the file leaves the batch open,
    it is 1: each image gives the runtime's result for this image alone. A runtime resized to a larger batch counts the
    vectors of "builtin" over all images together, and may round some values in another way.
    Raises FileNotFoundError, and ValueError for a damaged file, an unknown runtime, a float model, a size left open,
    and an operator that isn't supported, with its number in the graph and the tensor that it makes.
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
        """Return the output for a batch of images, equal to the runtime's.

        x: int8 (n, height, width, channels), from `quantize` with the input tensor's scale and zero point; float32 if
        the model's input is. Returns int8, or float32 if the model's output is, (n, …). Large batches are computed in
        chunks, so memory stays small. Raises TypeError for another type, and ValueError for another shape, NaN, and
        floats of more than 2^31 steps of the scale.
        """
        x = check_images(self.graph, x)
        parts = [self._through(x[i : i + CHUNK])[self.graph.outputs[0]] for i in range(0, len(x), CHUNK)]
        return np.concatenate(parts) if parts else np.empty((0, *self.output.shape[1:]), self.output.dtype)

    def tensors(self, x: np.ndarray) -> dict[int, np.ndarray]:
        """Return every tensor between the operators, by its number in the graph: input and output are among them.

        x: as for `run`; a few images, as all values are kept. Each array is (n, …); `model.graph.tensors[number]` has
        its name, scale and zero point. The runtime itself reuses this memory, so there values may be overwritten.
        """
        return self._through(check_images(self.graph, x))

    def _through(self, x: np.ndarray) -> dict[int, np.ndarray]:
        """Run the operators one after another; return all values by tensor."""
        values = {self.graph.inputs[0]: x}
        for reads, number, step in self._steps:
            values[number] = step(*(values[i] for i in reads))
        return values
