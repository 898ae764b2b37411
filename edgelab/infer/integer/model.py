"""Run an int8 .tflite with NumPy alone, bit for bit as a runtime of your choice.

This file has the forward pass. Operators are in the files of their families, checks of a graph in checks.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgelab.infer.integer.checks import check_graph, check_inputs
from edgelab.infer.smallest import relu_tflite  # noqa: F401 (for the example)
from edgelab.infer.tflite import Graph, read

# Images computed together: enough for fast matrix products, few enough for the caches.
CHUNK = 32


class IntegerModel:
    """An int8 .tflite that runs in NumPy and rounds as one of the runtimes does.

    tflite: its bytes, its path, or what `edgelab.infer.tflite.read` returned. runtime: "reference" (LiteRT's plain
    kernels), "builtin" (its optimised ones), "xnnpack" (its default) or "micro" (TensorFlow Lite Micro).
    Inputs and outputs are int8, or float32 around an int8 network. If the file leaves the batch open, it is 1: each
    image gives the runtime's result for this image alone. A runtime resized to a larger batch counts the vectors of
    "builtin" over all images together, and may round some values in another way. together: whether several images are
    computed at once; where a tensor of the file has no batch in front, they are computed one by one.
    Raises FileNotFoundError, and ValueError for a damaged file, an unknown runtime, a float model, a size left open,
    and an operator that isn't supported, with its number in the graph and the tensor that it makes.
    Source: Jacob et al. 2018, section 2; where runtimes differ, see `edgelab.infer.integer`.

    >>> IntegerModel(relu_tflite()).run(np.array([[-5, 0, 5]], np.int8)).tolist()
    [[0, 0, 5]]
    """

    def __init__(self, tflite: bytes | str | Path | Graph, runtime: str = "reference") -> None:
        self.graph = tflite if isinstance(tflite, Graph) else read(tflite)
        self.runtime = runtime
        self.together, self._steps = check_graph(self.graph, runtime)
        last = {i: n for n, (reads, _, _) in enumerate(self._steps) for i in reads if i not in self.graph.outputs}
        self._dead_after = [[i for i, at in last.items() if at == n] for n in range(len(self._steps))]
        self.inputs, self.outputs = (tuple(self.graph.tensors[i] for i in ends) for ends in self.graph[2:4])
        self.input, self.output = self.inputs[0], self.outputs[0]

    def run(self, *x: np.ndarray) -> np.ndarray | tuple[np.ndarray, ...]:
        """Return the output for a batch of images, equal to the runtime's; a tuple where the model has several.

        x: one array for each input of the model, in the file's order: int8 (n, height, width, channels), from
        `quantize` with the input tensor's scale and zero point; float32 if the model's input is. An input whose shape
        in the file does not begin with a batch of 1 takes (n, *shape). Returns int8, or float32 if the model's output
        is, (n, …). Large batches are computed in chunks, so memory stays small. Raises TypeError for another type, and
        ValueError for another shape or number of inputs, NaN, and floats of more than 2^31 steps of the scale.
        """
        xs = check_inputs(self.graph, x)
        chunk = CHUNK if self.together else 1
        made = [self._through([each[i : i + chunk] for each in xs], keep=False) for i in range(0, len(xs[0]), chunk)]
        found = tuple(
            np.concatenate([values[number] for values in made]) if made else self._nothing(number)
            for number in self.graph.outputs
        )
        return found if len(found) > 1 else found[0]

    def tensors(self, *x: np.ndarray) -> dict[int, np.ndarray]:
        """Return every tensor between the operators, by its number in the graph: input and output are among them.

        x: as for `run`; a few images, as all values are kept. Each array is (n, …); `model.graph.tensors[number]` has
        its name, scale and zero point. The runtime itself reuses this memory, so there values may be overwritten.
        """
        xs = check_inputs(self.graph, x)
        if self.together:
            return self._through(xs)
        made = [self._through([each[i : i + 1] for each in xs]) for i in range(len(xs[0]))]
        return {number: np.concatenate([values[number] for values in made]) for number in made[0]} if made else {}

    def _through(self, xs: list[np.ndarray], keep: bool = True) -> dict[int, np.ndarray]:
        """Run the operators one after another; return values by tensor, the images in front: all, or those still read.

        keep: False drops each tensor after the last operator that reads it; the model's outputs stay.
        """
        tensors = self.graph.tensors
        values = dict(zip(self.graph.inputs, xs, strict=True))
        if not self.together:
            values = {i: x.reshape(tensors[i].shape) for i, x in values.items()}
        for (reads, makes, step), dead in zip(self._steps, self._dead_after, strict=True):
            made = step(*(values[i] for i in reads))
            values.update(zip(makes, made if isinstance(made, tuple) else (made,), strict=True))
            for i in () if keep else dead:
                del values[i]
        if self.together:
            return values
        return {i: y if tensors[i].shape[:1] == (1,) else y[None] for i, y in values.items()}

    def _nothing(self, number: int) -> np.ndarray:
        shape, dtype = self.graph.tensors[number].shape, self.graph.tensors[number].dtype
        return np.empty((0, *(shape[1:] if shape[:1] == (1,) else shape)), dtype)
