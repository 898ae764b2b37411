"""Quantize a trained float32 .tflite with ai-edge-quantizer, each layer by its own recipe; TensorFlow isn't needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgelab.infer.refusals import refuse_unsafe
from edgelab.infer.runner import open_interpreter
from edgelab.infer.tflite import PRODUCTS, Graph, Tensor, read
from edgelab.infer.tflite_tables import unpack_tables
from edgelab.quiet import quiet
from edgelab.shrink.convert.biases import repair_biases
from edgelab.shrink.convert.converter import check_calibration
from edgelab.shrink.quantize.affine import dequantize
from edgelab.shrink.quantize.quantizer_input import as_quantizer_input, float_graph

# The bits of weights and of activations; 32: activations stay float32.
RECIPES = {
    "static8": (8, 8),
    "static4": (4, 8),
    "static8x16": (8, 16),
    "dynamic8": (8, 32),
    "dynamic4": (4, 32),
    "weights8": (8, 32),
    "weights4": (4, 32),
    "float": (32, 32),
}
# Operators between layers, and in front of weights.
BETWEEN = ("QUANTIZE", "DEQUANTIZE", "DENSIFY")


def layer_names(tflite: bytes | Graph) -> list[str]:
    """Return a name for each operator of a .tflite: its layer's, as the converter wrote it into the tensors' names.

    tflite: its bytes, or what `edgelab.infer.tflite.read` returned. The weights' name is used before the output's,
    because the output may have the name of the ReLU after the layer, or none. The converter adds _1 to a layer's name;
    further operators of one layer get a 2, 3 … at the end. QUANTIZE, DEQUANTIZE and DENSIFY keep these names. Raises
    ValueError as `read` does.

    >>> layer_names(Graph((), (), (), ()))
    []
    """
    graph = tflite if isinstance(tflite, Graph) else read(tflite)
    found: list[str] = []
    for operator in graph.operators:
        weights = [graph.tensors[i].name for i in operator.inputs[1:2] if operator.kind in PRODUCTS and i != -1]
        names = [*weights, *(graph.tensors[i].name for i in operator.outputs)]
        names = [] if operator.kind in BETWEEN else names
        first = next((name.partition(";")[0] for name in names if "/" in name), operator.kind.lower())
        root, *inner = first.split("/")
        name = "/".join(part for part in inner[:-1] if part != root) or root
        same = sum(other.partition(" ")[0] == name for other in found)
        found.append(f"{name} {same + 1}" if same else name)
    return found


def quantize_file(
    tflite: bytes,
    recipe: str | Mapping[str, str],
    calibration: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    input_range: tuple[float, float] = (0.0, 1.0),
    ranges: str = "min_max",
) -> bytes:
    """Quantize a trained float32 .tflite.

    recipe: for all layers, or {regular expression: recipe}: the last expression found in a layer's name (`layer_names`)
    counts, and layers that no expression finds stay float32. "static8", "static4": weights of 8 or 4 bits, int8
    activations; "static8x16": int16 activations; "dynamic8", "dynamic4": activations quantized at run time;
    "weights8", "weights4": weights stored in 8 or 4 bits, float32 arithmetic; "float": unchanged. If all recipes are
    static, input and output are integers too. calibration: float32 (n, *input shape) in input_range, needed by static
    recipes. labels: int (n,), optional: checks that every class is in it. ranges: of activations, "min_max" from the
    least to the largest value of all samples, or "moving_average", the quantizer's own average over the samples, which
    clips values that only some samples reach. Returns the file's bytes.
    Raises ValueError or TypeError for a file that is not a float32 .tflite, an unknown recipe, an expression that is
    wrong or finds no layer, and unfit calibration data; RuntimeError with the quantizer's message when it fails.
    Source: Jacob et al. 2018, section 2; Nagel et al. 2021, section 3.

    >>> quantize_file(b"1234TFL3", "int5")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: unknown recipe 'int5'; the recipes are: static8, static4, static8x16, dynamic8, dynamic4, weights8, ...
    """
    named = {".*": recipe} if isinstance(recipe, str) else dict(recipe)
    _check_recipes(named.values())
    if ranges not in ("min_max", "moving_average"):
        raise ValueError(f"unknown ranges {ranges!r}; expected min_max or moving_average")
    graph, tflite = _for_quantizer(tflite)
    chosen = _chosen(graph, named)
    if any(r.startswith("static") for r in chosen.values()):
        _check_calibration(graph, calibration, labels, input_range)
    # A scale of a channel of zeros makes it cast infinity; repair_biases writes that bias again.
    with quiet(), np.errstate(invalid="ignore"):
        quantizer = _quantizer(tflite, chosen)
        found = _calibrated(quantizer, tflite, calibration, ranges) if quantizer.need_calibration else None
        return repair_biases(bytes(quantizer.quantize(found).quantized_model), tflite)


def quantize_each(
    tflite: bytes, recipe: str, calibration: np.ndarray | None = None, input_range: tuple[float, float] = (0.0, 1.0)
) -> dict[str, bytes]:
    """Return for each layer with weights a file in which only this layer is quantized; the rest stays float32.

    tflite, recipe, calibration, input_range: as for `quantize_file`. Calibrates once for all files. Returns {name of
    the layer, from `layer_names`: bytes}. Raises as `quantize_file` does.

    >>> from inspect import signature
    >>> list(signature(quantize_each).parameters)[:3]
    ['tflite', 'recipe', 'calibration']
    """
    _check_recipes([recipe])
    graph, tflite = _for_quantizer(tflite)
    static = recipe.startswith("static")
    if static:
        _check_calibration(graph, calibration, None, input_range)
    files = {}
    with quiet(), np.errstate(invalid="ignore"):
        everywhere = _quantizer(tflite, {".*": recipe})
        ranges = _calibrated(everywhere, tflite, calibration, "min_max") if static else None
        for operator, name in zip(graph.operators, layer_names(graph), strict=True):
            if operator.kind in PRODUCTS:
                one = _quantizer(tflite, {_exactly(graph.tensors[operator.outputs[0]].name): recipe})
                files[name] = repair_biases(bytes(one.quantize(ranges).quantized_model), tflite)
    return files


def _for_quantizer(tflite: bytes) -> tuple[Graph, bytes]:
    """Return the graph and the bytes of a float32 .tflite as the quantizer takes it."""
    float_graph(tflite)
    prepared = as_quantizer_input(tflite)
    return read(prepared), prepared


def _check_calibration(
    graph: Graph, calibration: np.ndarray | None, labels: np.ndarray | None, input_range: tuple[float, float]
) -> None:
    if calibration is None:
        raise ValueError("a static recipe needs calibration data: a few hundred real inputs, float32, of every class")
    shape, classes = (graph.tensors[i[0]].shape for i in (graph.inputs, graph.outputs))
    check_calibration(calibration, shape[1:], labels, (classes or (None,))[-1], input_range)


def _check_recipes(recipes: Any) -> None:
    for recipe in recipes:
        if recipe not in RECIPES:
            raise ValueError(f"unknown recipe {recipe!r}; the recipes are: {', '.join(RECIPES)}")


def _exactly(name: str) -> str:
    """Return the regular expression that finds the operator that makes this tensor, and no other."""
    import re

    return f"^{re.escape(name)};?$"


def _chosen(graph: Graph, named: Mapping[str, str]) -> dict[str, str]:
    """Return the recipes by the quantizer's own keys: names of output tensors in place of names of layers."""
    import re

    chosen, names = {}, layer_names(graph)
    for expression, recipe in named.items():
        try:
            found = [n for n, name in enumerate(names) if re.search(expression, name)]
        except re.error as error:
            raise ValueError(f"{expression!r} is not a regular expression: {error}") from error
        if not found:
            raise ValueError(f"{expression!r} finds no layer; there are: {', '.join(dict.fromkeys(names))}")
        if len(found) == len(names):
            chosen = {".*": recipe}  # input and output too; it replaces all earlier recipes
            continue
        for number in found:
            key = _exactly(graph.tensors[graph.operators[number].outputs[0]].name)
            chosen.pop(key, None)  # the last recipe counts
            chosen[key] = recipe
    return chosen


def _quantizer(tflite: bytes, chosen: Mapping[str, str]) -> Any:
    """Return an ai-edge-quantizer with the chosen recipes."""
    from ai_edge_quantizer import qtyping, quantizer

    made, every = quantizer.Quantizer(tflite), qtyping.TFLOperationName.ALL_SUPPORTED
    for expression, recipe in chosen.items():
        weights, activations = RECIPES[recipe]
        if recipe == "float":
            made.update_quantization_recipe(expression, every, algorithm_key="no_quantize")
        elif recipe.startswith("static"):
            made.add_static_config(expression, every, activations, weights)
        else:
            add = made.add_dynamic_config if recipe.startswith("dynamic") else made.add_weight_only_config
            add(expression, every, weights)
    return made


def _calibrated(quantizer: Any, tflite: bytes, calibration: np.ndarray, ranges: str) -> dict[str, Any]:
    """Return the ranges of the tensors on calibration data, as the quantizer keeps them."""
    signature = next(s for s in unpack_tables(tflite).signatureDefs if s.subgraphIndex == 0)
    key, name = signature.signatureKey.decode(), signature.inputs[0].name.decode()
    every = [{name: sample[None]} for sample in calibration]
    found = quantizer.calibrate({key: every if ranges == "moving_average" else every[:1]}, num_threads=1)
    if ranges == "min_max":
        graph = read(tflite)
        values = {graph.inputs[0]: calibration, **tensor_values(tflite, calibration)}
        for number, seen in values.items():
            kept = found.get(graph.tensors[number].name)
            if kept:
                for name, value in (("min", seen.min()), ("max", seen.max())):
                    kept[name] = np.full_like(kept[name], value)
    return found


def tensor_values(tflite: bytes, x: np.ndarray) -> dict[int, np.ndarray]:
    """Run a .tflite and return the values of all tensors that it computes, as real numbers: {number: (n, …)}.

    tflite: takes one image. x: float32 (n, …), a few dozen images, as all values are kept; quantized here if the input
    is of integers with a scale. Runs on LiteRT's own fast kernels; state that operators keep is reset for each image.
    Raises ValueError as `edgelab.infer.tflite.read` does, for several inputs, an input that isn't float32 and has no
    scale, another batch than one, and x of another shape.

    >>> tensor_values(b"1234TFL2", np.zeros((2, 28, 28, 1), np.float32))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: model in memory: not a .tflite (8 bytes, no TFL3 mark at byte 4). Convert a Keras model with ...
    """
    graph = read(tflite)
    if len(graph.inputs) != 1:
        raise ValueError(f"{graph.name}: {len(graph.inputs)} inputs; expected one")
    image = graph.tensors[graph.inputs[0]]
    if image.shape[:1] != (1,) or (image.dtype != "float32" and image.scale is None):
        scaled = "" if image.scale is not None or image.dtype == "float32" else " without a scale"
        raise ValueError(f"{graph.name}: takes {image.dtype} of shape {image.shape}{scaled}; expected one float image")
    if x.dtype != np.float32 or x.ndim != len(image.shape) or x.shape[1:] != image.shape[1:] or len(x) == 0:
        wanted = ", ".join(map(str, image.shape[1:]))
        raise ValueError(f"x is {x.dtype} of shape {x.shape}; expected float32 (n, {wanted}), n at least 1")
    if image.dtype != "float32":
        limits = np.iinfo(image.dtype)
        q = np.rint(x / np.float32(image.scale[0])) + image.zero_point[0]
        x = np.clip(q, limits.min, limits.max).astype(image.dtype)
    refuse_unsafe(graph, "builtin")
    interpreter = open_interpreter(tflite, "builtin", keep=True)
    numbers = list(graph.inputs)
    for operator in graph.operators:  # without those that compute weights from constants alone
        numbers += operator.outputs if set(operator.inputs) & set(numbers) else ()
    numbers = numbers[1:]
    kept: dict[int, list[np.ndarray]] = {number: [] for number in numbers}
    for begin in range(len(x)):
        interpreter.reset_all_variables()  # a fused LSTM keeps its state from one call to the next
        interpreter.set_tensor(graph.inputs[0], x[begin : begin + 1])
        interpreter.invoke()
        for number in numbers:
            kept[number].append(real_values(interpreter.get_tensor(number), graph.tensors[number]))
    return {number: np.concatenate(parts) for number, parts in kept.items()}


def real_values(values: np.ndarray, tensor: Tensor) -> np.ndarray:
    """Return the real numbers that a tensor's values stand for: scale * (q - zero_point).

    values: of that tensor of a .tflite. Returns float32 for integers with a scale, other values unchanged.

    >>> tensor = Tensor("x", (1, 2), "int8", np.float32([0.5]), np.array([1]))
    >>> real_values(np.array([[1, 3]], np.int8), tensor).tolist()
    [[0.0, 1.0]]
    """
    if tensor.scale is None or not np.issubdtype(values.dtype, np.integer):
        return values
    if len(tensor.scale) == 1:
        return dequantize(values, tensor.scale[0], tensor.zero_point[0])
    return dequantize(values, tensor.scale, tensor.zero_point, tensor.axis)
