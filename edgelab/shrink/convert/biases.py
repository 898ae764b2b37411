"""The biases of a quantized .tflite, compared with the float ones and repaired where a tool wrote others.

Runtimes never read a bias' own scale: they add its integers to sums of products, whose scale is the input's times the
weights'. A bias is wrong in the file where its scale is another, where it was clipped because that scale is too fine
(all weights of a channel are 0, or nearly), or where equal biases of several layers were stored once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgelab.infer.tflite import Graph, read
from edgelab.infer.tflite_tables import pack_tables, unpack_tables

if TYPE_CHECKING:
    import keras

# Operators with weights and a bias: the places of input, weights and bias among their inputs.
PLACES = {
    "CONV_2D": (0, 1, 2),
    "DEPTHWISE_CONV_2D": (0, 1, 2),
    "FULLY_CONNECTED": (0, 1, 2),
    "CONV_3D": (0, 1, 2),
    "TRANSPOSE_CONV": (2, 1, 3),
}
# The most steps of a bias: half of an int32, the other half is for the products. XNNPACK multiplies the sums of 4-bit
# weights by 16.
MOST = {"int8": 2**30, "int4": 2**26}


class Bias(NamedTuple):
    """An integer bias of a .tflite. operator: its number. name: of the operator's output. values: what its integers
    stand for at the scale that runtimes use; step: that scale, input times weights, (channels,); most: how many steps a
    bias may have beside such weights.

    >>> Bias(0, "conv", np.array([0.5]), np.array([0.001]), 2**30).values.tolist()
    [0.5]
    """

    operator: int
    name: str
    values: np.ndarray
    step: np.ndarray
    most: int


def integer_biases(graph: Graph) -> list[Bias]:
    """Return the integer biases of a .tflite, in the order in which the operators run, as runtimes use them.

    graph: from `edgelab.infer.tflite.read`. Layers without a bias, or with one in float, are left out.

    >>> integer_biases(Graph((), (), (), ()))
    []
    """
    found = []
    for number, operator in enumerate(graph.operators):
        places = PLACES.get(operator.kind, ())
        if not places or len(operator.inputs) <= places[2] or operator.inputs[places[2]] == -1:
            continue
        x, w, b = (graph.tensors[operator.inputs[place]] for place in places)
        scales = [t.scale is not None and len(t.scale) > 0 for t in (x, w)]
        if b.data is not None and b.dtype in ("int32", "int64") and w.dtype in MOST and all(scales):
            step = np.broadcast_to(x.scale.astype(np.float64) * w.scale.astype(np.float64), b.data.shape)
            name = graph.tensors[operator.outputs[0]].name
            found.append(Bias(number, name, b.data * step, step, MOST[w.dtype]))
    return found


def repair_biases(tflite: bytes, exact: bytes | None = None, known: Sequence[np.ndarray] = ()) -> bytes:
    """Return a quantized .tflite whose biases are right in the scale that runtimes use: input times weights.

    exact: the float32 file of the same network, with the biases that are right; without it, those that the file states
    with its own scales, and for clipped ones the layers' biases in known, (channels,) each. A bias that differs by more
    than a step is written again; where its channel's scale is so fine that it takes more than 2**30 steps (2**26 of
    int4), the weights of that channel get a coarser one. Layers that share weights or a bias get copies of their own.
    Returns the given bytes where nothing is wrong. Raises RuntimeError naming the layer whose bias was clipped, if
    neither tells what it was, or whose input has an infinite scale. Source: Jacob et al. 2018, section 2.4: a bias'
    scale is the product of both others.

    >>> repair_biases(b"1234TFL2")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: model in memory: not a .tflite (8 bytes, no TFL3 mark at byte 4). Convert a Keras model with ...
    """
    graph = read(tflite)
    found = integer_biases(graph)
    for bias in found:
        if not np.isfinite(bias.step).all():
            raise RuntimeError(
                f"{bias.name!r}: the input or the weights have an infinite scale, as all their values are 0 on the "
                "calibration data. Remove the layer before it, or train it again"
            )
    right = stated_biases(graph, found, known) if exact is None else float_biases(read(exact), graph, found)
    wrong = []
    for bias, values in zip(found, right, strict=True):
        too_many = np.abs(values) > bias.most * (1 + 1e-6) * bias.step
        differs = np.abs(bias.values - values) > bias.step + 1e-5 * np.abs(values)
        if too_many.any() or differs.any():
            wrong.append((bias, values))
    return _written(tflite, graph, wrong) if wrong else tflite


def stated_biases(graph: Graph, biases: list[Bias], known: Sequence[np.ndarray] = ()) -> list[np.ndarray]:
    """Return the real values that a file states for its biases, with their own scales.

    biases: from `integer_biases`. known: biases of the network's layers, for values at the end of int32, which were
    clipped: the one that agrees in all other channels is taken. Raises RuntimeError naming the layer where none does.

    >>> stated_biases(Graph((), (), (), ()), [])
    []
    """
    found = []
    for bias in biases:
        operator = graph.operators[bias.operator]
        b = graph.tensors[operator.inputs[PLACES[operator.kind][2]]]
        scale = bias.step if b.scale is None or not len(b.scale) else b.scale.astype(np.float64)
        values, clipped = b.data * scale, (b.data == 2**31 - 1) | (b.data == -(2**31))
        if clipped.any():
            same = [np.asarray(each, np.float64) for each in known if each.shape == values.shape]
            near = [
                np.abs(each - values) <= np.broadcast_to(scale, values.shape) + 1e-5 * np.abs(each) for each in same
            ]
            # A clipped value lies between 0 and the right one.
            beyond = [(each * values > 0) & (np.abs(each) >= (1 - 1e-6) * np.abs(values)) for each in same]
            fits = [each for each, n, far in zip(same, near, beyond, strict=True) if np.where(clipped, far, n).all()]
            if not fits or any((each != fits[0]).any() for each in fits):
                channel = np.flatnonzero(clipped)[0]
                raise RuntimeError(
                    f"{bias.name!r}: the bias of channel {channel} was clipped to {b.data[channel]}: it takes more "
                    f"than 2**31 steps of {bias.step[channel]:.3g}, as the channel's weights are 0, or nearly. Remove "
                    "the channel (prune_channels), or give it larger weights"
                )
            values = fits[0]
        found.append(values)
    return found


def float_biases(exact: Graph, graph: Graph, biases: list[Bias]) -> list[np.ndarray]:
    """Return the biases of the float32 file of a network, one for each bias of the quantized file.

    exact, graph: of both files, whose operators with weights are in the same order. Raises RuntimeError where they are
    not.

    >>> float_biases(Graph((), (), (), ()), Graph((), (), (), ()), [])
    []
    """
    here, there = ([n for n, o in enumerate(g.operators) if o.kind in PLACES] for g in (graph, exact))
    if [graph.operators[n].kind for n in here] != [exact.operators[n].kind for n in there]:
        raise RuntimeError(
            f"{len(here)} operators with weights, {len(there)} in the float file; expected the same ones"
        )
    partner, values = dict(zip(here, there, strict=True)), []
    for bias in biases:
        operator = exact.operators[partner[bias.operator]]
        place = PLACES[operator.kind][2]
        number = operator.inputs[place] if len(operator.inputs) > place else -1
        data = None if number == -1 else exact.tensors[number].data
        values.append(np.zeros(bias.values.shape) if data is None else data.astype(np.float64).reshape(-1))
    return values


@contextmanager
def uneven_biases(layers: Sequence[keras.Layer]) -> Iterator[None]:
    """Move one value of each bias that repeats one number by its last bit, while this lasts.

    layers: Keras layers with a `bias`, None for none. In a quantization-aware model, the converter rounds a constant of
    one repeated number by the first channel's scale, and writes that integer for all channels, whatever their scales.

    >>> from keras import layers
    >>> layer = layers.Dense(2, bias_initializer="ones")
    >>> layer.build((None, 3))
    >>> with uneven_biases([layer]):
    ...     bool(layer.bias[0] == layer.bias[1])
    False
    """
    moved = []
    try:
        for layer in layers:
            values = None if layer.bias is None else layer.bias.numpy()
            if values is not None and len(values) > 1 and values[0] != 0 and (values == values[0]).all():
                moved.append((layer.bias, values.copy()))
                values[-1] = np.nextafter(values[-1], np.float32(np.inf))
                layer.bias.assign(values)
        yield
    finally:
        for bias, values in moved:
            bias.assign(values)


def check_biases(tflite: bytes, layers: Sequence[keras.Layer]) -> None:
    """Check that the bias of each Keras layer is in a .tflite, to a step of its integers.

    layers: with a `bias`, None for none; a bias of zeros need not be in the file. BatchNorm must be folded before.
    Raises RuntimeError naming the layer whose bias is not there.

    >>> check_biases(b"1234TFL2", [])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: model in memory: not a .tflite (8 bytes, no TFL3 mark at byte 4). Convert a Keras model with ...
    """
    found = integer_biases(read(tflite))
    for layer in layers:
        b = np.zeros(1) if layer.bias is None else np.asarray(layer.bias, np.float64)
        alike = [each for each in found if each.values.shape == b.shape]
        near = [each for each in alike if (np.abs(each.values - b) <= each.step + 1e-5 * np.abs(b)).all()]
        if b.any() and not near:
            raise RuntimeError(
                f"layer {layer.name!r} has the bias {b[:4].round(4).tolist()}, which the converter did not write; "
                f"in the file are {[each.values[:4].round(4).tolist() for each in alike]}"
            )


def _written(tflite: bytes, graph: Graph, wrong: list[tuple[Bias, np.ndarray]]) -> bytes:
    """Write biases, and the weights whose scales they need, into a copy of the file."""
    from ai_edge_litert import schema_py_generated as schema

    model = unpack_tables(tflite)
    part = model.subgraphs[0]
    for bias, values in wrong:
        operator, kind = part.operators[bias.operator], graph.operators[bias.operator].kind
        operator.inputs = np.array(operator.inputs)
        _, w_place, b_place = PLACES[kind]
        old = graph.tensors[operator.inputs[w_place]]
        # How much coarser each channel's scale must be
        needed = np.maximum(1.0, np.abs(values) / (bias.most * bias.step))
        grown = needed.max() if len(old.scale) == 1 else needed
        step = bias.step * grown
        if needed.max() > 1:
            shape = np.ones(max(1, old.data.ndim), int)
            shape[old.axis if len(old.scale) > 1 else 0] = -1
            weights = np.rint(old.data / np.reshape(grown, shape)).astype(np.int8)
            w = _own(model, operator, w_place)
            w.quantization.scale = (old.scale * grown).astype(np.float32)
            model.buffers[w.buffer].data = _bytes(weights, old.dtype)
        b = _own(model, operator, b_place)
        dtype = np.int64 if b.type == schema.TensorType.INT64 else np.int32
        b.quantization.scale = step.astype(np.float32)[: 1 if len(old.scale) == 1 else None]
        b.quantization.zeroPoint = np.zeros(len(b.quantization.scale), np.int64)
        model.buffers[b.buffer].data = _bytes(np.rint(values / step).astype(dtype), "")
    return pack_tables(model)


def _own(model: Any, operator: Any, place: int) -> Any:
    """Return a copy of an operator's input, with a buffer of its own, which this operator alone reads."""
    from copy import deepcopy

    from ai_edge_litert import schema_py_generated as schema

    part = model.subgraphs[0]
    copy = deepcopy(part.tensors[operator.inputs[place]])
    number, copy.buffer = int(operator.inputs[place]), len(model.buffers)
    model.buffers.append(schema.BufferT())
    readers = sum(number in (() if o.inputs is None else list(o.inputs)) for o in part.operators)
    if readers > 1:
        operator.inputs[place] = len(part.tensors)
        part.tensors.append(copy)
    else:
        part.tensors[number] = copy
    return copy


def _bytes(values: np.ndarray, dtype: str) -> np.ndarray:
    """Return values as a buffer holds them: little-endian, two of int4 in a byte, the first in the low half."""
    if dtype == "int4":
        halves = np.append(values.reshape(-1), np.zeros(values.size % 2, np.int8)).astype(np.uint8) & 15
        return halves[::2] | halves[1::2] << 4
    return np.frombuffer(values.astype(values.dtype.newbyteorder("<")).tobytes(), np.uint8)
