"""Run an int8 .tflite with NumPy alone, in the integers of a runtime of your choice, bit for bit."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from edgelab.infer.integer.rules import RULES
from edgelab.infer.integer.steps import STEPS, Place, Step
from edgelab.infer.tflite import Graph, Operator, Tensor, read

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

    >>> x, y = (Tensor(name, (1, 3), "int8", np.float32([0.5]), np.array([0])) for name in "xy")
    >>> graph = Graph((x, y), (Operator("RELU", (0,), (1,), {}),), (0,), (1,))
    >>> IntegerModel(graph).run(np.array([[-5, 0, 5]], np.int8)).tolist()
    [[0, 0, 5]]
    """

    def __init__(self, tflite: bytes | str | Path | Graph, runtime: str = "reference") -> None:
        if runtime not in RULES:
            raise ValueError(f"unknown runtime {runtime!r}; the runtimes are: {', '.join(RULES)}")
        self.graph = tflite if isinstance(tflite, Graph) else read(tflite)
        self.runtime = runtime
        if len(self.graph.inputs) != 1 or len(self.graph.outputs) != 1:
            raise ValueError(
                f"{self.graph.name}: {len(self.graph.inputs)} inputs and {len(self.graph.outputs)} outputs; "
                "expected one of each"
            )
        self._steps = [prepare(self.graph, number, runtime) for number in range(len(self.graph.operators))]
        self.input, self.output = (self.graph.tensors[i[0]] for i in (self.graph.inputs, self.graph.outputs))
        self._try()

    def run(self, x: np.ndarray) -> np.ndarray:
        """Return the output for a batch of images, in the integers that the runtime would give.

        x: int8 (n, height, width, channels), as the input tensor's scale and zero point have it (`quantize`); float32
        where the model's input is. Returns int8, or float32 where its output is, (n, …). Big batches go through in
        chunks, so memory stays small. Raises TypeError for another type, and ValueError for another shape, NaN, and
        floats of more than 2^31 steps of the scale.
        """
        x = self._checked(x)
        parts = [self._through(x[i : i + CHUNK])[self.graph.outputs[0]] for i in range(0, len(x), CHUNK)]
        return np.concatenate(parts) if parts else np.empty((0, *self.output.shape[1:]), self.output.dtype)

    def tensors(self, x: np.ndarray) -> dict[int, np.ndarray]:
        """Return every tensor between the operators, by its number in the graph: input and output are among them.

        x: as for `run`; a few images, as all is kept. Each array is (n, …); `model.graph.tensors[number]` has its name,
        scale and zero point. What the runtime itself holds there may already be overwritten: it reuses memory.
        """
        return self._through(self._checked(x))

    def _through(self, x: np.ndarray) -> dict[int, np.ndarray]:
        """Run the operators one after another; return what the tensors hold."""
        values = {self.graph.inputs[0]: x}
        for reads, number, step in self._steps:
            values[number] = step(*(values[i] for i in reads))
        return values

    def _try(self) -> None:
        """Run one black image, so that a damaged graph is found before it gives a wrong number."""
        graph, values = self.graph, {self.graph.inputs[0]: np.zeros(self.input.shape, self.input.dtype)}
        for number, (reads, made, step) in enumerate(self._steps):
            where = f"{graph.name}: operator {number}, {graph.operators[number].kind},"
            missing = [graph.tensors[i].name for i in reads if i not in values]
            if missing:
                raise ValueError(
                    f"{where} reads {missing[0]!r}, which nothing before it makes. Convert the model again"
                )
            try:
                values[made] = step(*(values[i] for i in reads))
            except (ValueError, IndexError, TypeError) as error:
                raise ValueError(f"{where} doesn't fit what it reads ({error}). Convert the model again") from error
            if values[made].shape != graph.tensors[made].shape:
                found = f"{values[made].shape}, and the file says {graph.tensors[made].shape}"
                raise ValueError(f"{where} makes {found}. Convert the model again")
        if graph.outputs[0] not in values:
            raise ValueError(f"{graph.name}: nothing makes its output {self.output.name!r}. Convert the model again")

    def _checked(self, x: np.ndarray) -> np.ndarray:
        """Return x as an array, or say what the model takes."""
        x, (_, *shape) = np.asarray(x), self.input.shape
        if x.shape[1:] != tuple(shape) or x.ndim != len(shape) + 1:
            raise ValueError(
                f"x has shape {x.shape}; {self.graph.name} takes (n, {', '.join(map(str, shape))}). One image: x[None]"
            )
        if x.dtype != self.input.dtype:
            how = "edgelab.shrink.quantize.quantize(x, scale, zero_point) with those of the input tensor"
            raise TypeError(
                f"x is {x.dtype}; {self.graph.name} takes {self.input.dtype}. "
                + (f"Quantize it: {how}" if self.input.dtype == "int8" else "uint8 images: x.astype('float32') / 255")
            )
        return x


def prepare(graph: Graph, number: int, runtime: str) -> tuple[tuple[int, ...], int, Step]:
    """Return the tensors that an operator reads, the one it makes, and the function from those to this.

    number: of the operator. runtime: one of `RULES`. Arrays have the batch in front; constants are inside the function.
    Raises ValueError for an operator that isn't supported, or not with these types, shapes or options.

    >>> x, y = (Tensor(name, (1, 3), "int8", np.float32([0.5]), np.array([0])) for name in "xy")
    >>> reads, makes, step = prepare(Graph((x, y), (Operator("RELU", (0,), (1,), {}),), (0,), (1,)), 0, "reference")
    >>> reads, makes, step(np.array([[-5, 0, 5]], np.int8)).tolist()
    ((0,), 1, [[0, 0, 5]])
    """
    operator: Operator = graph.operators[number]
    where = f"{graph.name}: operator {number}, {operator.kind},"
    if not operator.inputs or len(operator.outputs) != 1:
        raise ValueError(
            f"{where} has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs; expected some and one"
        )
    y = graph.tensors[operator.outputs[0]]
    where = f"{where} which makes {y.name!r},"
    if operator.kind not in STEPS:
        raise ValueError(f"{where} isn't supported; these are: {', '.join(STEPS)}")
    inputs = tuple(None if i == -1 else graph.tensors[i] for i in operator.inputs)
    place = Place(where, operator, inputs, y, runtime)
    reads = tuple(i for i in operator.inputs if i != -1 and graph.tensors[i].data is None)
    if not reads:
        raise ValueError(
            f"{where} reads constants alone, as in a float model that stores its weights in fewer bits; expected an "
            'int8 model. Convert the Keras model with edgelab.shrink.convert.to_tflite(model, "int8", calibration)'
        )
    for tensor in (*(graph.tensors[i] for i in reads), y):
        _check(place, tensor)
    try:
        return reads, operator.outputs[0], STEPS[operator.kind](place)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"{where} lacks what it needs ({error!r}); the file is damaged. Convert it again") from error


def _check(p: Place, tensor: Tensor) -> None:
    """Raise ValueError for an activation that can't be run: its type, or its shape."""
    floats = {"QUANTIZE": p.inputs[0], "DEQUANTIZE": p.y}.get(p.kind)
    expected = "float32" if tensor is floats and tensor.dtype == "float32" else "int8"
    if tensor.dtype != expected:
        raise ValueError(
            f"{p.where} has {tensor.name!r} in {tensor.dtype}; expected int8. Convert the model with "
            'edgelab.shrink.convert.to_tflite(model, "int8", calibration)'
        )
    if min(tensor.shape, default=0) < 1 or tensor.shape[0] != 1:
        raise ValueError(
            f"{p.where} has {tensor.name!r} of shape {tensor.shape}; expected a batch of 1 in front and no size left "
            "open. Give the Keras model's Input its sizes and convert it again (to_tflite fixes the batch)"
        )
    if math.prod(tensor.shape) > 2**28:
        raise ValueError(f"{p.where} has {tensor.name!r} of shape {tensor.shape}; expected at most 2^28 values")
    if tensor.dtype == "int8":
        p.affine(tensor)
