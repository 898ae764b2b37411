"""What a network costs: parameters, multiply-accumulates, memory of weights and activations. It never imports Keras.

MACs are the multiply-accumulates of convolutions, dense and recurrent layers on one image. Products with padding count,
since frameworks compute them; biases, normalisation, activations, pooling and additions don't. Deployed parameters are
those that remain when BatchNorm has been folded into the layer before it. A tensor is live from the step that writes it
to the last step that reads it. An elementwise layer (BatchNorm, ReLU, sigmoid, …) works in place if no other layer
reads its input; a layer that only changes the shape (Flatten, Reshape, Dropout) costs nothing. ZeroPadding writes a
tensor of its own, which a converter may avoid. An operator's scratch memory isn't counted.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, NamedTuple

from edgelab.maths.cost_table import PRECISIONS, Cost, Row, bits, live_bytes

__all__ = ["PRECISIONS", "Cost", "Row", "bits", "count", "live_bytes"]

CONVOLUTIONS = {
    "Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"
}  # fmt: skip
RECURRENT = {"SimpleRNN", "GRU", "LSTM"}
NORMALISING = {
    "BatchNormalization", "Normalization", "LayerNormalization", "GroupNormalization", "RMSNormalization", "PReLU"
}  # fmt: skip
# Layers of Keras, and the operations that keras.ops.NAME leaves in a graph. RENAMING: the values stay as they are.
RENAMING = {"Flatten", "Reshape", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "Identity"}
IN_PLACE = {"BatchNormalization", "Normalization", "PReLU", "Rescaling", "Activation", "ReLU", "LeakyReLU", "ELU"} | {
    "Relu", "Relu6", "LeakyRelu", "Elu", "Sigmoid", "Silu", "HardSigmoid", "HardSilu", "Tanh", "Gelu"
}  # fmt: skip
# All that is known to have no multiply-accumulates, by the rules above: layers, and operations of keras.ops. What is in
# no list here may multiply, and is refused.
NO_PRODUCTS = """
InputLayer Softmax Add Average Concatenate Maximum Minimum Multiply Subtract BaseGlobalPooling BasePooling
BaseAdaptivePooling Cropping1D Cropping2D Cropping3D ZeroPadding1D ZeroPadding2D ZeroPadding3D UpSampling1D
UpSampling2D UpSampling3D Permute RepeatVector Masking ActivityRegularization AlphaDropout GaussianDropout
SpatialDropout3D BaseImagePreprocessingLayer CenterCrop Resizing UnitNormalization CategoryEncoding Discretization
Cast SaturateCast ConvertToTensor Slice StopGradient Unstack Rearrange PadImages CropImages Resize Erf Erfc Rsqrt
Logsumexp TopK Softplus Softsign SoftShrink SparsePlus Squareplus LogSigmoid SparseSigmoid Selu Celu Glu TanhShrink
HardTanh HardShrink Threshold LogSoftmax Sparsemax MaxPool AdaptiveMaxPool AveragePool AdaptiveAveragePool OneHot
MultiHot Moments BatchNorm Normalize RMSNorm LayerNorm DepthToSpace SpaceToDepth Absolute Abs All Any Amax Amin Argmax
Argmin Argsort BroadcastTo Ceil Clip Copy Cos Cosh CountNonzero Cumsum Equal Exp Exp2 ExpandDims Expm1 Flip Fliplr
Flipud Floor FloorDivide FullLike GetItem Greater GreaterEqual Hstack Less LessEqual Log Log10 Log1p Log2 LogicalAnd
LogicalNot LogicalOr LogicalXor Max Mean Min Mod Moveaxis NanToNum Negative NotEqual OnesLike Pad Power Prod Ravel
Reciprocal Repeat Roll Rot90 Round Sign Sin Sinh Sort Split Sqrt Square Squeeze Stack Std Sum Swapaxes Take
TakeAlongAxis Tan Tile Transpose Tril Triu Trunc TrueDivide Divide DivideNoNan Var Vstack Where ZerosLike
"""
FREE = RENAMING | IN_PLACE | set(NO_PRODUCTS.split())


class _Call(NamedTuple):
    """One call of a layer. reads, writes: keys of tensors. x, y: shapes of the first of each, without the batch."""

    layer: Any
    reads: list[int]
    writes: list[int]
    x: tuple[int, ...]
    y: tuple[int, ...]


def count(model: Any, input_shape: tuple[int, ...] | None = None) -> Cost:
    """Count what a Keras model costs on one image, or one sequence.

    model: Sequential or functional; it may contain other models. input_shape: without the batch, for a model whose
    input size is None. Returns a Cost in float32. The docstring of this file states what is counted.
    Raises ValueError for a model that is not built, one with a call() of its own, an input size of None without
    input_shape, and a layer that can't be counted; the message has the layer's name and type.

    >>> from keras import Input, Sequential, layers
    >>> count(Sequential([Input((28, 28, 1)), layers.Conv2D(16, 3)])).macs
    97344
    """
    calls, sizes, given, made = _trace(model, input_shape)
    readers = Counter(t for call in calls for t in call.reads) + Counter(made)
    times = Counter(id(call.layer) for call in calls)
    makers = {t: call.layer for call in calls for t in call.writes}
    held, seen = {t: t for t in given}, set()  # held: which tensor's memory each tensor uses
    rows, steps = [], []
    for layer, reads, writes, x, y in calls:
        kinds, alone = _kinds(layer), readers[reads[0]] == 1 and reads[0] not in given
        in_place = len(reads) == 1 and (kinds & RENAMING or (kinds & IN_PLACE and alone))
        held |= {t: held[reads[0]] if in_place else t for t in writes}
        steps.append(([held[t] for t in reads], [held[t] for t in writes]))
        macs, weights, biases = _work(layer, x, y)
        maker = makers.get(reads[0])
        if "BatchNormalization" in kinds and alone and times[id(layer)] == times[id(maker)] == 1 and _folds(maker):
            weights, biases = 0, 0 if _kinds(maker) & CONVOLUTIONS or maker.use_bias else biases
        fresh = [w for w in getattr(layer, "weights", ()) if id(w) not in seen]
        seen |= {id(w) for w in fresh}
        weights, biases = (weights, biases) if fresh else (0, 0)
        params = sum(math.prod(w.shape) for w in fresh)
        moved = 0 if in_place else 4 * sum(sizes[t] for t in reads + writes)
        stored = 4 * (weights + biases)
        rows.append(Row(layer.name, type(layer).__name__, y, params, macs, weights, biases, stored, 0, moved))
    live = live_bytes(steps, {t: 4 * sizes[t] for t in sizes}, [held[t] for t in made])
    return Cost(model.name, tuple(r._replace(live_bytes=n) for r, n in zip(rows, live, strict=True)), "float32")


def _trace(model: Any, shape: tuple[int, ...] | None) -> tuple[list[_Call], dict[int, int], list[int], list[int]]:
    """Trace shapes through a model; return its calls in order, sizes by tensor, and keys of its inputs and outputs."""
    graph = _graph(model)
    if graph is None:
        built = "is not built: begin it with keras.Input(shape) to count it"
        own = "computes in a call() of its own: build it as a Sequential or functional model to count it"
        raise ValueError(f"model {model.name!r} {built if 'Sequential' in _kinds(model) else own}")
    if shape is not None and len(model.inputs) > 1:
        raise ValueError(
            f"model {model.name!r} has {len(model.inputs)} inputs; input_shape is for one: give each Input its size"
        )
    known = [tuple(shape)] if shape is not None else [tuple(t.shape[1:]) for t in model.inputs]
    for place, declared in zip(known, model.inputs, strict=True):
        fits = len(place) == len(declared.shape) - 1
        if not fits or None in place or any(b not in (None, a) for a, b in zip(place, declared.shape[1:], strict=True)):
            raise ValueError(
                f"model {model.name!r} takes {tuple(declared.shape)}, the size to count is {place}; expected whole "
                "numbers that fit the model: give Input a size, or count with input_shape, such as (224, 224, 3)"
            )
    keep: list[Any] = []  # an id is unique only while its tensor exists
    calls: list[_Call] = []

    def run(layer: Any) -> Any:
        inner = _graph(layer)
        if inner is not None:
            return lambda *args, **more: inner._run_through_graph(_tensors((args, more)), operation_fn=run)

        def call(*args: Any, **more: Any) -> Any:
            y = layer.compute_output_spec(*args, **more)
            reads, writes = _tensors((args, more)), _tensors(y)
            keep.extend(writes)
            first = [tuple(t[0].shape[1:]) if t else () for t in (reads, writes)]
            calls.append(_Call(layer, [id(t) for t in reads], [id(t) for t in writes], *first))
            return y

        return call

    # A Keras tensor with a batch of one, without importing Keras.
    keep += [type(t)((1, *place), dtype=t.dtype) for t, place in zip(model.inputs, known, strict=True)]
    given = [id(t) for t in keep]
    made = _tensors(graph._run_through_graph(list(keep), operation_fn=run))
    return calls, {id(t): math.prod(t.shape) for t in keep}, given, [id(t) for t in made]


def _graph(model: Any) -> Any:
    """Return the graph of layers of a functional or Sequential model, None for anything else."""
    found = getattr(model, "_functional", None) or model
    return found if hasattr(found, "_run_through_graph") else None


def _tensors(found: Any) -> list[Any]:
    """Return the tensors in nested lists, tuples and dictionaries."""
    if isinstance(found, dict):
        found = list(found.values())
    if isinstance(found, list | tuple):
        return [t for part in found for t in _tensors(part)]
    return [found] if type(found).__name__ == "KerasTensor" else []


def _kinds(layer: Any) -> set[str]:
    """Return the names of a layer's class and of its base classes."""
    return {c.__name__ for c in type(layer).__mro__}


def _folds(layer: Any) -> bool:
    """Return whether a BatchNorm after this layer can be folded into its weights."""
    return bool(_kinds(layer) & (CONVOLUTIONS | {"Dense"})) and layer.activation.__name__ == "linear"


def _work(layer: Any, x: tuple[int, ...], y: tuple[int, ...]) -> tuple[int, int, int]:
    """Return a layer's MACs and the weights and biases that it deploys. x, y: shapes without the batch."""
    kinds, activation = _kinds(layer), getattr(layer, "activation", None)
    if not getattr(activation, "__module__", "keras").startswith(("keras", "tensorflow")):
        raise ValueError(
            f"layer {layer.name!r} is a {type(layer).__name__} with the activation {activation}, whose "
            "multiply-accumulates can't be counted; expected one of Keras' own"
        )
    if "TimeDistributed" in kinds:
        return _work(layer.layer, x, y)  # each step uses all weights, as each position does
    if "Bidirectional" in kinds:
        both = [_work(half, x, y) for half in (layer.forward_layer, layer.backward_layer)]
        return tuple(map(sum, zip(*both, strict=True)))
    if kinds & (CONVOLUTIONS | RECURRENT | {"Dense"}):
        holder = layer.cell if kinds & RECURRENT else layer
        names = ("kernel", "recurrent_kernel", "depthwise_kernel", "pointwise_kernel")
        kernels = {name: tuple(getattr(holder, name).shape) for name in names if hasattr(holder, name)}
        if any(kind.startswith("Depthwise") for kind in kinds):
            kernels = {"depthwise_kernel": kernels["kernel"]}
        outputs = [math.prod(k[-2:]) if name == "depthwise_kernel" else k[-1] for name, k in kernels.items()]
        places = math.prod(x[:-1]) if kinds & RECURRENT else math.prod(y) // outputs[-1]
        weights = sum(map(math.prod, kernels.values()))
        biases = math.prod(holder.bias.shape) if holder.use_bias else 0
        # In a .tflite every convolution has a bias; it is zero if the layer has none.
        return places * weights, weights, sum(outputs) if kinds & CONVOLUTIONS else biases
    if "BatchNormalization" in kinds:
        return 0, math.prod(layer.moving_mean.shape), math.prod(layer.moving_mean.shape)
    weights = sum(math.prod(w.shape) for w in getattr(layer, "weights", ()))
    if not kinds & (NORMALISING if weights else FREE | NORMALISING):
        raise ValueError(
            f"layer {layer.name!r} is a {type(layer).__name__}, whose multiply-accumulates can't be counted; expected "
            f"one of: {', '.join(sorted(CONVOLUTIONS | RECURRENT | {'Dense'}))}, one that has none, or a model of them"
        )
    return 0, weights, 0
