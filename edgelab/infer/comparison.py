"""Which layer is it? The integer engine against LiteRT, or against answers recorded on a device, tensor by tensor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgelab.artifacts import recorded_sha256
from edgelab.infer.integer.operators import RULES
from edgelab.infer.parity import RESOLVERS, engine_outputs, layer_differences, runtime_outputs
from edgelab.infer.runner import probe
from edgelab.infer.smallest import relu_tflite  # noqa: F401 (for the examples)
from edgelab.infer.tflite import Graph, read


class Difference(NamedTuple):
    """How the engine differs from a runtime. first: number, kind and output of the first differing operator, or None.

    >>> Difference("xnnpack", 100, 0, None).differing
    0
    """

    runtime: str
    values: int
    differing: int
    first: tuple[int, str, str] | None


def random_inputs(graph: Graph, images: int = 20, seed: int = 0) -> list[np.ndarray]:
    """Return random inputs for a graph, (n, …) each: integers over their whole range, floats from 0 to 1.

    >>> [x.shape for x in random_inputs(read(relu_tflite()), 5)]
    [(5, 3)]
    """
    rng, found = np.random.default_rng(seed), []
    for number in graph.inputs:
        tensor = graph.tensors[number]
        shape = (images, *(tensor.shape[1:] if tensor.shape[:1] == (1,) else tensor.shape))
        if tensor.dtype == "float32":
            found.append(rng.random(shape, np.float32))
        elif tensor.dtype in ("int32", "int64"):  # mostly places in a table
            found.append(rng.integers(0, 2, shape).astype(tensor.dtype))
        else:
            limits = np.iinfo(tensor.dtype)
            found.append(rng.integers(limits.min, limits.max + 1, shape).astype(tensor.dtype))
    return found


def compare_tflite(
    path: str | Path, inputs: Sequence[np.ndarray] | None = None, runtimes: Sequence[str] = RESOLVERS
) -> list[Difference]:
    """Compare the engine with LiteRT's kernels on a file, and name the first operator that differs.

    inputs: an array (n, …) for each input; by default random ones. runtimes: those of LiteRT. A file whose hash is not
    recorded beside it is opened in another process first. A runtime that has no kernel for an operator is left out.
    Raises ValueError for what the engine can't run by any of the rules, or LiteRT can't open.

    >>> Path("relu.tflite").write_bytes(relu_tflite()) > 0
    True
    >>> [each.differing for each in compare_tflite("relu.tflite")]
    [0, 0, 0]
    """
    graph = read(path)
    xs = random_inputs(graph) if inputs is None else list(inputs)
    computed = _by_rule(path, xs, runtimes)
    if recorded_sha256(path) is None:
        probe(path)
    found = []
    for runtime in computed:
        try:
            theirs = runtime_outputs(path, xs, runtime)
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"{path}: LiteRT can't run it with its {runtime} kernels ({error})") from error
        differing = sum(int(np.sum(a != b)) for a, b in zip(theirs, computed[runtime], strict=True))
        first = _first_difference(path, graph, xs, runtime) if differing else None
        found.append(Difference(runtime, sum(each.size for each in theirs), differing, first))
    return found


def _first_difference(
    path: str | Path, graph: Graph, xs: list[np.ndarray], runtime: str
) -> tuple[int, str, str] | None:
    shares = layer_differences(path, xs, runtime)
    wrong = next((number for number, share in shares.items() if share), None)
    for number, operator in enumerate(graph.operators):
        if wrong in operator.outputs:
            return number, operator.kind, graph.tensors[wrong].name
    return None


def rules_that_give(path: str | Path, inputs: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> dict[str, int]:
    """Return, for each runtime's rule, in how many values the engine differs from answers recorded on a device.

    inputs, expected: an array (n, …) for each input and output, in the file's integers. 0 names the rule that the
    device follows; where none has 0, the device rounds in another way, or gets other inputs. A rule by which the engine
    can't run the file is left out. Raises ValueError where none is left, and where shapes don't fit.

    >>> rules_that_give(b"", [], [])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: model in memory: not a .tflite (0 bytes, no TFL3 mark at byte 4)...
    """
    found = _by_rule(path, list(inputs), RULES)
    shapes = [each.shape for each in next(iter(found.values()))]
    if [np.shape(each) for each in expected] != shapes:
        raise ValueError(f"the answers have shapes {[np.shape(e) for e in expected]}; the model makes {shapes}")
    return {rule: sum(int(np.sum(a != b)) for a, b in zip(expected, made, strict=True)) for rule, made in found.items()}


def _by_rule(path: str | Path, xs: list[np.ndarray], rules: Iterable[str]) -> dict[str, list[np.ndarray]]:
    """Return the engine's outputs by each rule by which it can run the file; raise its ValueError if there is none."""
    found, refusal = {}, None
    for rule in rules:
        try:
            found[rule] = engine_outputs(path, xs, rule)
        except ValueError as error:
            refusal = error
    if not found and refusal is not None:
        raise refusal
    return found
