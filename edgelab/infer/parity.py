"""Compare the integer engine with the runtimes: which rounding rule equals which runtime, and where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from edgelab.infer.integer.model import IntegerModel
from edgelab.infer.integer.operators import RULES
from edgelab.infer.refusals import refuse_unsafe
from edgelab.infer.runner import open_interpreter
from edgelab.infer.smallest import relu_tflite  # noqa: F401 (for the examples)
from edgelab.infer.tflite import Graph, read
from edgelab.infer.tflite_tables import pack_tables, unpack_tables

# The sets of kernels that LiteRT can be told to use, the plainest first.
RESOLVERS = ("reference", "builtin", "xnnpack")


def runtime_outputs(
    tflite: bytes | str | Path, x: np.ndarray | Sequence[np.ndarray], runtime: str = "reference"
) -> list[np.ndarray]:
    """Return a runtime's outputs, image by image, in the integers of the file.

    x: (n, …) in the type of the model's input; for several inputs a list, in the file's order. runtime: "reference",
    "builtin" or "xnnpack" of LiteRT, or "micro", which needs the package tflite-micro. Returns one array (n, …) for
    each of the model's outputs. Inputs and outputs that do not begin with a batch of 1 in the file get one in front.
    Raises ValueError for another runtime and what `refuse_unsafe` refuses, ImportError where tflite-micro is missing.

    >>> runtime_outputs(relu_tflite(), np.array([[-5, 0, 5]], np.int8))[0].tolist()
    [[0, 0, 5]]
    """
    if runtime not in RULES:
        raise ValueError(f"unknown runtime {runtime!r}; the runtimes are: {', '.join(RULES)}")
    content = tflite if isinstance(tflite, bytes) else Path(tflite).read_bytes()
    graph = read(content)
    refuse_unsafe(graph, runtime)
    xs = [x] if isinstance(x, np.ndarray) else list(x)
    run = _micro(content) if runtime == "micro" else _litert(content, graph, runtime)
    shapes = [graph.tensors[i].shape for i in graph.inputs]
    answers = [run([each[i].reshape(shape) for each, shape in zip(xs, shapes, strict=True)]) for i in range(len(xs[0]))]
    with_batch = [graph.tensors[i].shape[:1] == (1,) for i in graph.outputs]
    return [
        np.concatenate([each if batch else each[None] for each in parts])
        for parts, batch in zip(zip(*answers, strict=True), with_batch, strict=True)
    ]


def _litert(content: bytes, graph: Graph, kernels: str):
    """Return the function from one image to the outputs of LiteRT's interpreter."""
    interpreter = open_interpreter(content, kernels)

    def run(image: list[np.ndarray]) -> list[np.ndarray]:
        for number, each in zip(graph.inputs, image, strict=True):
            interpreter.set_tensor(number, each)
        interpreter.reset_all_variables()  # of an LSTM: the image before must not matter
        interpreter.invoke()
        return [interpreter.get_tensor(number) for number in graph.outputs]

    return run


def _micro(content: bytes):
    """Return the function from one image to the outputs of TensorFlow Lite Micro's interpreter."""
    try:
        from tflite_micro import runtime
    except ImportError as error:
        raise ImportError("TensorFlow Lite Micro isn't installed; try: pip install tflite-micro") from error
    interpreter = runtime.Interpreter.from_bytes(content)
    outputs = range(len(read(content).outputs))

    def run(image: list[np.ndarray]) -> list[np.ndarray]:
        for number, each in enumerate(image):
            interpreter.set_input(each, number)
        interpreter.invoke()
        return [interpreter.get_output(number).copy() for number in outputs]

    return run


def differences(
    tflite: bytes | str | Path, x: np.ndarray, runtimes: Iterable[str] = RESOLVERS
) -> dict[tuple[str, str], float]:
    """Return, for each runtime and each rule, the share of outputs in which the engine with that rule differs from it.

    x: (n, …) in the type of the model's input; for several inputs a list. runtimes: as in `runtime_outputs`; a rule
    has the name of the runtime that it should equal. Returns {(runtime, rule): share from 0 to 1}, all pairs. Where
    both names agree, expect 0.

    >>> differences(relu_tflite(), np.array([[-5, 0, 5]], np.int8), ["reference"])
    {('reference', 'reference'): 0.0}
    """
    runtimes = list(runtimes)
    found = {runtime: runtime_outputs(tflite, x, runtime) for runtime in runtimes}
    computed = {rule: engine_outputs(tflite, x, rule) for rule in runtimes}
    return {(r, rule): _share(found[r], computed[rule]) for r in runtimes for rule in runtimes}


def engine_outputs(
    tflite: bytes | str | Path, x: np.ndarray | Sequence[np.ndarray], rule: str = "reference"
) -> list[np.ndarray]:
    """Return what `runtime_outputs` does, computed by the integer engine with the rule of that name.

    >>> engine_outputs(relu_tflite(), np.array([[-5, 0, 5]], np.int8))[0].tolist()
    [[0, 0, 5]]
    """
    made = IntegerModel(tflite, rule).run(*([x] if isinstance(x, np.ndarray) else x))
    return list(made) if isinstance(made, tuple) else [made]


def _share(found: list[np.ndarray], computed: list[np.ndarray]) -> float:
    """Return the share of values that differ, over all outputs."""
    pairs = list(zip(found, computed, strict=True))
    return sum(int(np.sum(a != b)) for a, b in pairs) / max(1, sum(a.size for a, _ in pairs))


def expose(tflite: bytes | str | Path) -> bytes:
    """Return the same .tflite with every tensor that an operator computes as an output, in the order of the operators.

    A runtime may overwrite the tensors between operators, but it keeps the outputs: so all can be read.

    >>> read(expose(relu_tflite())).outputs
    (1,)
    """
    content = tflite if isinstance(tflite, bytes) else Path(tflite).read_bytes()
    numbers = [number for operator in read(content).operators for number in operator.outputs]
    model = unpack_tables(content)
    model.subgraphs[0].outputs = numbers
    model.signatureDefs = None  # they name the outputs that the file had before
    return pack_tables(model)


def layer_differences(tflite: bytes | str | Path, x: np.ndarray, runtime: str = "reference") -> dict[int, float]:
    """Return, for each tensor that an operator computes, the share of values in which engine and runtime differ.

    x: (n, …); for several inputs a list. runtime: one of LiteRT; the engine uses the same rule. Returns {number of the
    tensor: share}, in the order in which they are computed: the first share above 0 names the operator to look at.

    >>> layer_differences(relu_tflite(), np.array([[-5, 0, 5]], np.int8))
    {1: 0.0}
    """
    computed = IntegerModel(tflite, runtime).tensors(*([x] if isinstance(x, np.ndarray) else x))
    numbers = [number for operator in read(tflite).operators for number in operator.outputs]
    found = runtime_outputs(expose(tflite), x, runtime)
    return {n: float(np.mean(computed[n] != y)) for n, y in zip(numbers, found, strict=True)}
