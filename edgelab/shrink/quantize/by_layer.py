"""The error of each layer's output in a quantized file, compared with the float32 file of the same network."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgelab.infer.tflite import PRODUCTS, Graph, Tensor, read
from edgelab.infer.tflite_cost import UNPACKED
from edgelab.shrink.quantize.post_training import BETWEEN, layer_names, quantize_each, real_values, tensor_values


class LayerError(NamedTuple):
    """The error of one layer's output. scale: of its integers, None where it is float.

    sqnr_db: 10 log10 of the output's power over the error's, errors of earlier layers included; infinite without error.
    max_error: in units of the output. saturated: share of float values that lie beyond the integers' reach by more than
    half a step. weights_db: the same ratio as sqnr_db for the weights alone; None for a layer without weights.

    >>> LayerError("conv2d_1", "CONV_2D", (14, 14, 8), 0.02, 31.5, 0.04, 0.001, 40.1).saturated
    0.001
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    scale: float | None
    sqnr_db: float
    max_error: float
    saturated: float
    weights_db: float | None


def sqnr_db(exact: np.ndarray, rounded: np.ndarray) -> float:
    """Return the signal-to-quantization-noise ratio in dB: 10 log10(sum of squares / sum of squared errors).

    exact, rounded: floats of one shape. At 20 dB the error is a tenth of the signal in size; each bit more adds 6 dB.
    Returns infinity for equal arrays, minus infinity for an error without a signal. Raises ValueError for shapes that
    differ. Source: Bennett 1948; Nagel et al. 2021, section 2.

    >>> round(sqnr_db(np.array([3.0, 4.0]), np.array([3.3, 4.4])), 9)
    20.0
    """
    exact, rounded = np.asarray(exact, np.float64), np.asarray(rounded, np.float64)
    if exact.shape != rounded.shape:
        raise ValueError(f"shapes {exact.shape} and {rounded.shape} differ; expected the same shape for both")
    signal, noise = float((exact**2).sum()), float(((exact - rounded) ** 2).sum())
    if noise == 0:
        return float("inf")
    return float(10 * np.log10(signal / noise)) if signal else float("-inf")


def layer_errors(exact: bytes, quantized: bytes, x: np.ndarray) -> list[LayerError]:
    """Compare a quantized .tflite with the float32 one of the same network, layer by layer, on images.

    exact: the float32 file. quantized: from `to_tflite`, `to_tflite_qat` or `quantize_file`. x: float32 (n, …), some
    dozen images. Returns one row a layer, in the order in which layers run, without QUANTIZE, DEQUANTIZE and DENSIFY.
    Layers are matched by their order, or by name where one file has more of them. Both files run on LiteRT's own fast
    kernels. Raises ValueError for different networks, with the first layer that has no partner.
    Source: Nagel et al. 2021, section 3 (debugging).

    >>> layer_errors(b"1234TFL2", b"1234TFL2", np.zeros((2, 4), np.float32))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: model in memory: not a .tflite (8 bytes, no TFL3 mark at byte 4). Convert a Keras model with ...
    """
    a, b = read(exact), read(quantized)
    if any(t.scale is not None and not t.dtype.startswith("float") for t in a.tensors):
        raise ValueError('the first file is quantized; expected the float32 one: to_tflite(model, "float32")')
    pairs = _matched(a, b)
    values_a, values_b = tensor_values(exact, x), tensor_values(quantized, x)
    names, rows = layer_names(a), []
    for i, j in pairs:
        here, there = a.operators[i], b.operators[j]
        y, z, tensor = values_a[here.outputs[0]], values_b[there.outputs[0]], b.tensors[there.outputs[0]]
        scale, saturated = None, 0.0
        if tensor.scale is not None and tensor.dtype in ("int8", "uint8", "int16"):
            scale, zero_point, limits = float(tensor.scale[0]), int(tensor.zero_point[0]), np.iinfo(tensor.dtype)
            low, high = (scale * (q - zero_point) for q in (limits.min - 0.5, limits.max + 0.5))
            saturated = float(((y < low) | (y > high)).mean())
        error = float(np.abs(y.astype(np.float64) - z).max(initial=0))  # as float64: an output may be of bool
        row = (names[i], here.kind, tuple(y.shape[1:]), scale, sqnr_db(y, z), error, saturated)
        rows.append(LayerError(*row, _weights_db(a, i, b, j)))
    return rows


def one_layer_errors(
    exact: bytes,
    x: np.ndarray,
    calibration: np.ndarray | None = None,
    recipe: str = "static8",
    input_range: tuple[float, float] = (0.0, 1.0),
) -> dict[str, float]:
    """Quantize one layer at a time and return the SQNR of the logits: {name of the layer: dB}.

    exact: the float32 file. x: float32 (n, …), images to compare on. calibration, recipe, input_range: as for
    `edgelab.shrink.quantize.quantize_file`. The layer with the lowest value costs most. Raises as
    `quantize_file` does.

    >>> from inspect import signature
    >>> signature(one_layer_errors).parameters["recipe"].default
    'static8'
    """
    (output,), wanted = read(exact).outputs, tensor_values(exact, x)
    files = quantize_each(exact, recipe, calibration, input_range)
    return {
        name: sqnr_db(wanted[output], tensor_values(file, x)[read(file).outputs[0]]) for name, file in files.items()
    }


def table(rows: list[LayerError]) -> str:
    """Return the rows as text, one line a layer.

    >>> print(table([LayerError("conv2d_1", "CONV_2D", (14, 14, 8), 0.02, 31.54, 0.04, 0.001, 40.1)]))
    layer     operator  output       scale  SQNR dB  max error  saturated  weights dB
    conv2d_1  CONV_2D   14×14×8       0.02     31.5       0.04      0.1 %        40.1
    """
    wide = [max([len(title), *(len(row[i]) for row in rows)]) for i, title in ((0, "layer"), (1, "operator"))]
    lines = [
        f"{'layer':{wide[0]}}  {'operator':{wide[1]}}  {'output':9} {'scale':>8} {'SQNR dB':>8} {'max error':>10} "
        f"{'saturated':>10} {'weights dB':>11}"
    ]
    for row in rows:
        scale = "float" if row.scale is None else f"{row.scale:.3g}"
        weights = "" if row.weights_db is None else f"{row.weights_db:.1f}"
        lines.append(
            f"{row.name:{wide[0]}}  {row.kind:{wide[1]}}  {'×'.join(map(str, row.shape)):9} {scale:>8} "
            f"{row.sqnr_db:>8.1f} {row.max_error:>10.3g} {100 * row.saturated:>8.1f} % {weights:>11}".rstrip()
        )
    return "\n".join(lines)


def _matched(a: Graph, b: Graph) -> list[tuple[int, int]]:
    """Return the pairs of operators, (number in a, number in b), that belong to one layer."""
    here, there = (
        [(n, o.kind, g.tensors[o.outputs[0]]) for n, o in enumerate(g.operators) if o.kind not in BETWEEN]
        for g in (a, b)
    )
    if [(kind, y.shape) for _, kind, y in here] == [(kind, y.shape) for _, kind, y in there]:
        return [(i, j) for (i, *_), (j, *_) in zip(here, there, strict=True)]
    by_name = {(kind, y.name, y.shape): j for j, kind, y in there}
    pairs = [(i, by_name.get((kind, y.name, y.shape))) for i, kind, y in here]
    missing = [(kind, y) for (_, kind, y), (_, j) in zip(here, pairs, strict=True) if j is None]
    if missing:
        kind, y = missing[0]
        raise ValueError(
            f"the files are of different networks: {len(here)} layers and {len(there)}; {kind} which makes {y.name!r} "
            f"of shape {y.shape} in the first has no partner in the second. Convert both from one model"
        )
    return pairs


def _weights_db(a: Graph, i: int, b: Graph, j: int) -> float | None:
    """Return the SQNR of a layer's weights in dB, None for a layer without weights."""
    if a.operators[i].kind not in PRODUCTS:
        return None
    w, q = _stored_weights(a, i), _stored_weights(b, j)
    if w.data is None or q.data is None or w.data.shape != q.data.shape or w.dtype != "float32":
        return None
    if q.scale is None and not q.dtype.startswith(("float", "bfloat")):
        return None  # scales of blocks, which lie in a tensor of their own
    return sqnr_db(w.data, real_values(q.data, q).astype(np.float64))


def _stored_weights(graph: Graph, number: int) -> Tensor:
    """Return the weights of an operator, as the file stores them: in few bits, or without their zeros."""
    made = {o.outputs[0]: o.inputs[0] for o in graph.operators if o.kind in UNPACKED}
    read = graph.operators[number].inputs[1]
    while read in made:
        read = made[read]
    return graph.tensors[read]
