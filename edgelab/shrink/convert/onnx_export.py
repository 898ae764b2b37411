"""Convert a Keras model to the bytes of an .onnx file, for the layers of the course's convolutional networks.

Keras exports to ONNX too: it traces TensorFlow's graph, and needs the package tf2onnx, which looks for a maintainer and
is tested with TensorFlow up to 2.15. Here each kind of layer has a function that writes it and that you can read.
ONNX stores images with channels first: tensors with four axes are NCHW inside the file; its input and output are NHWC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgelab.train.structure import calls, check_declared

if TYPE_CHECKING:
    import keras

FIRST, LAST = (0, 3, 1, 2), (0, 2, 3, 1)  # the permutations to channels first, and back


class OnnxGraph:
    """The nodes and constants of an ONNX graph that is being built.

    >>> graph = OnnxGraph()
    >>> graph.add("Gemm", "x", np.eye(2), name="y")
    'y'
    >>> len(graph.nodes), len(graph.constants)
    (1, 1)
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, *inputs: str | np.ndarray, name: str, **attributes: Any) -> str:
        """Add a node whose output has this name; arrays among its inputs become float32 constants. Returns the name."""
        from onnx import helper, numpy_helper

        names = []
        for i, value in enumerate(inputs):
            if not isinstance(value, str):
                constant = numpy_helper.from_array(np.ascontiguousarray(value, np.float32), f"{name}/{i}")
                self.constants.append(constant)
                value = constant.name
            names.append(value)
        self.nodes.append(helper.make_node(kind, names, [name], name=name, **attributes))
        return name


def to_onnx(model: keras.Model) -> bytes:
    """Convert a Keras model to ONNX, float32, with the batch left open.

    model: one input, one output, channels last, each layer used once and of a kind that is known here: convolutions
    (depthwise and separable too), Dense, BatchNormalization, activations, pooling, Flatten, Dropout, Add. Input and
    output have the model's shapes, images NHWC; the input is called "image". Returns the file's bytes.
    Raises ValueError naming the layer that can't be written, or the property that is not as required.
    Source: the operators of ONNX, opset 17.

    >>> import keras
    >>> model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    >>> b"Gemm" in to_onnx(model)
    True
    """
    import onnx
    from onnx import TensorProto, helper

    check_declared(model, inputs=1, outputs=1)
    for tensor in (model.inputs[0], model.outputs[0]):
        if None in tensor.shape[1:] or tensor.dtype != "float32":
            raise ValueError(f"{model.name!r} has an end of {tensor.dtype} {tensor.shape}; only the batch may be open")
    graph, (start, end) = OnnxGraph(), (model.inputs[0], model.outputs[0])
    names = {id(start): graph.add("Transpose", "image", name="image/first", perm=FIRST) if start.ndim == 4 else "image"}
    nodes = calls(model)
    for node in nodes:
        layer, x = node.operation, node.input_tensors[0]
        kind = type(layer).__name__
        if kind not in WRITERS:
            raise ValueError(
                f"layer {layer.name!r} is a {kind}; to_onnx can write: {', '.join(WRITERS)}. For other layers use "
                "Keras' own model.export(path, format='onnx'), which needs the package tf2onnx"
            )
        _check_call(layer, kind, node.input_tensors)
        if sum(other.operation is layer for other in nodes) > 1:
            raise ValueError(f"layer {layer.name!r}, a {kind}, is used twice in {model.name!r}; expected once")
        name = WRITERS[kind](graph, layer, x.shape, *(names[id(tensor)] for tensor in node.input_tensors))
        activation = getattr(layer, "activation", None)
        names[id(node.outputs[0])] = _activate(graph, layer, activation, name, x) if activation else name
    image = end.ndim == 4
    graph.add("Transpose" if image else "Identity", names[id(end)], name="logits", **({"perm": LAST} if image else {}))
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *tensor.shape[1:]])]
        for name, tensor in (("image", start), ("logits", end))
    ]
    made = helper.make_graph(graph.nodes, model.name, *ends, initializer=graph.constants)
    # The oldest version of the container that has this opset: a runtime refuses a container newer than itself.
    file = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="edgelab")
    onnx.checker.check_model(file)
    return file.SerializeToString(deterministic=True)


def _check_call(layer: Any, kind: str, inputs: list[keras.KerasTensor]) -> None:
    """Raise ValueError for a layer that has the name of a known one and computes something else."""
    import keras

    what = f"layer {layer.name!r}, a {kind},"
    # An operation of keras.ops, such as x + y, may have a number among its inputs, which is no tensor.
    plain = type(layer) is getattr(keras.layers, kind) or (not isinstance(layer, keras.Layer) and len(inputs) == 2)
    if not plain:
        raise ValueError(f"{what} has a call of its own, or reads a constant; expected Keras' own layer, of tensors")
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise ValueError(f"{what} has its channels first; expected channels_last")
    if getattr(layer, "compute_dtype", "float32") != "float32":
        raise ValueError(
            f"{what} computes in {layer.compute_dtype}; expected float32. Build the model without the policy"
        )
    shapes = [tuple(tensor.shape) for tensor in inputs]
    if len({len(shape) for shape in shapes}) > 1:
        raise ValueError(f"{what} reads {shapes}; expected tensors with the same number of axes: Reshape first")


def weight_or_default(weight: Any, size: int, default: float) -> np.ndarray:
    """Return a weight's values, or as many defaults as its size where the layer has no such weight.

    weight: a Keras variable, an array or None. Returns float32 (size,) for None, else the values unchanged.

    >>> weight_or_default(None, 2, 0.0).tolist(), weight_or_default(np.float32([3]), 1, 0.0).tolist()
    ([0.0, 0.0], [3.0])
    """
    return np.full(size, default, np.float32) if weight is None else np.asarray(weight)


def window_attributes(
    layer: keras.Layer, shape: tuple, size: tuple[int, int], dilation: tuple[int, int] = (1, 1)
) -> dict[str, Any]:
    """Return the attributes of a window that moves over an image: strides, and padding before and after.

    layer: a Keras layer with `strides` and `padding`. shape: of its input, (1, height, width, channels). size,
    dilation: of the window. Returns kernel_shape, strides and pads (top, left, bottom, right), as ONNX' operators take
    them.

    >>> from types import SimpleNamespace
    >>> window_attributes(SimpleNamespace(strides=(2, 2), padding="same"), (1, 28, 28, 1), (3, 3))["pads"]
    [0, 0, 1, 1]
    """
    pads = []
    for n, k, s, d in zip(shape[1:3], size, layer.strides, dilation, strict=True):
        # As Keras pads "same": of an odd number, one more after than before.
        total = max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n) if layer.padding == "same" else 0
        pads.append((total // 2, total - total // 2))
    return {
        "kernel_shape": size,
        "strides": layer.strides,
        "pads": [pads[axis][end] for end in (0, 1) for axis in (0, 1)],
    }


def add_convolution(graph: OnnxGraph, layer: keras.Layer, shape: tuple, x: str) -> str:
    """Add a convolution, its kernel transposed from Keras' HWIO to ONNX' OIHW. Returns the name of its output.

    layer: a Keras Conv2D, built. shape: of its input, (1, height, width, channels). x: the input's name in the graph.

    >>> from types import SimpleNamespace
    >>> layer = SimpleNamespace(name="c", kernel=np.zeros((3, 3, 1, 8)), bias=None, filters=8, groups=1, strides=(1, 1),
    ...                         kernel_size=(3, 3), dilation_rate=(1, 1), padding="valid")
    >>> add_convolution(OnnxGraph(), layer, (1, 28, 28, 1), "image")
    '/c'
    """
    window = window_attributes(layer, shape, layer.kernel_size, layer.dilation_rate)
    kernel, bias = np.asarray(layer.kernel).transpose(3, 2, 0, 1), weight_or_default(layer.bias, layer.filters, 0)
    return graph.add(
        "Conv", x, kernel, bias, name=f"/{layer.name}", group=layer.groups, dilations=layer.dilation_rate, **window
    )


def _depthwise(graph: OnnxGraph, layer: keras.Layer, shape: tuple, x: str, name: str | None = None) -> str:
    """Write (height, width, channels, multiplier) as channels groups of one input and multiplier outputs each."""
    window = window_attributes(layer, shape, layer.kernel_size, layer.dilation_rate)
    kernel = np.asarray(layer.depthwise_kernel if name else layer.kernel)
    height, width, channels, multiplier = kernel.shape
    kernel = kernel.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
    bias = weight_or_default(None if name else layer.bias, len(kernel), 0)
    attributes = {"group": channels, "dilations": layer.dilation_rate, **window}
    return graph.add("Conv", x, kernel, bias, name=name or f"/{layer.name}", **attributes)


def _separable(graph: OnnxGraph, layer: keras.Layer, shape: tuple, x: str) -> str:
    """Write the depthwise and the 1×1 convolution; the bias belongs to the second."""
    x = _depthwise(graph, layer, shape, x, name=f"/{layer.name}/depthwise")
    kernel = np.asarray(layer.pointwise_kernel).transpose(3, 2, 0, 1)
    return graph.add("Conv", x, kernel, weight_or_default(layer.bias, layer.filters, 0), name=f"/{layer.name}")


def _dense(graph: OnnxGraph, layer: keras.Layer, shape: tuple, x: str) -> str:
    if len(shape) != 2:
        raise ValueError(f"layer {layer.name!r}, a Dense, reads {shape}; expected (n, inputs): Flatten first")
    return graph.add(
        "Gemm", x, np.asarray(layer.kernel), weight_or_default(layer.bias, layer.units, 0), name=f"/{layer.name}"
    )


def _batch_norm(graph: OnnxGraph, layer: keras.Layer, shape: tuple, x: str) -> str:
    """Channels are the second axis in the file, the last one in Keras."""
    rank = len(shape)
    if rank not in (2, 4) or layer.axis not in (-1, rank - 1):
        raise ValueError(
            f"layer {layer.name!r}, a BatchNormalization, has axis {layer.axis}; expected -1, the channels"
        )
    size = layer.moving_mean.shape[0]
    scales = weight_or_default(layer.gamma, size, 1), weight_or_default(layer.beta, size, 0)
    averages = np.asarray(layer.moving_mean), np.asarray(layer.moving_variance)
    return graph.add("BatchNormalization", x, *scales, *averages, name=f"/{layer.name}", epsilon=layer.epsilon)


def _pool(graph: OnnxGraph, layer: keras.Layer, shape: tuple, x: str) -> str:
    """Write a pooling. Neither Keras nor ONNX counts padding in a maximum or an average."""
    kind = "MaxPool" if type(layer).__name__ == "MaxPooling2D" else "AveragePool"
    return graph.add(kind, x, name=f"/{layer.name}", **window_attributes(layer, shape, layer.pool_size))


def _global_pool(graph: OnnxGraph, layer: keras.Layer, shape: tuple, x: str) -> str:
    if layer.keepdims:
        return graph.add("GlobalAveragePool", x, name=f"/{layer.name}")
    return graph.add("Flatten", graph.add("GlobalAveragePool", x, name=f"/{layer.name}/mean"), name=f"/{layer.name}")


def add_flatten(graph: OnnxGraph, layer: keras.Layer, shape: tuple, x: str) -> str:
    """Add a Flatten, after a transposition of images to NHWC: the next layer's weights expect channels to vary fastest.

    layer: a Keras Flatten. shape: of its input; four axes are an image. x: the input's name in the graph. Returns the
    name of its output.

    >>> from types import SimpleNamespace
    >>> graph = OnnxGraph()
    >>> name = add_flatten(graph, SimpleNamespace(name="f"), (1, 7, 7, 16), "image")
    >>> name, [node.op_type for node in graph.nodes]
    ('/f', ['Transpose', 'Flatten'])
    """
    if len(shape) == 4:
        x = graph.add("Transpose", x, name=f"/{layer.name}/last", perm=LAST)
    return graph.add("Flatten", x, name=f"/{layer.name}")


def _relu(graph: OnnxGraph, layer: keras.Layer, shape: tuple, x: str) -> str:
    if layer.negative_slope or layer.threshold or layer.max_value not in (None, 6):
        raise ValueError(
            f"layer {layer.name!r}, a ReLU, has a slope, threshold or limit of its own; expected ReLU or ReLU6"
        )
    return _bounded(graph, x, f"/{layer.name}", layer.max_value)


def _bounded(graph: OnnxGraph, x: str, name: str, most: float | None) -> str:
    """Apply ReLU, cut off at `most` where it is given."""
    if most is None:
        return graph.add("Relu", x, name=name)
    return graph.add("Clip", x, np.array(0.0), np.array(most), name=name)


def _activate(graph: OnnxGraph, layer: keras.Layer, activation: Any, x: str, read: keras.KerasTensor) -> str:
    """Write the activation that a layer has built in. read: the layer's input, with as many axes as its output."""
    called, name = getattr(activation, "__name__", str(activation)), f"/{layer.name}/activation"
    own = not getattr(activation, "__module__", "").startswith(("keras", "tensorflow"))  # whatever its name is
    if called == "linear" and not own:
        return x
    if called in ("relu", "relu6") and not own:
        return _bounded(graph, x, name, 6.0 if called == "relu6" else None)
    if own or called not in ("sigmoid", "tanh", "softmax"):
        raise ValueError(
            f"layer {layer.name!r} has the activation {called}; expected relu, relu6, sigmoid, tanh, softmax"
        )
    # Over the channels: of images, they are the second axis in the file.
    axis = {"axis": 1 if len(read.shape) == 4 else -1} if called == "softmax" else {}
    return graph.add(called.capitalize(), x, name=name, **axis)


def _same(graph: OnnxGraph, layer: keras.Layer, shape: tuple, x: str) -> str:
    """Write nothing: the layer acts only in training."""
    return x


def _add(graph: OnnxGraph, layer: keras.Layer, shape: tuple, *inputs: str) -> str:
    return graph.add("Sum", *inputs, name=f"/{layer.name}")


WRITERS = {
    "Conv2D": add_convolution,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv2D": _separable,
    "Dense": _dense,
    "BatchNormalization": _batch_norm,
    "ReLU": _relu,
    "Activation": _same,  # _activate writes it
    "MaxPooling2D": _pool,
    "AveragePooling2D": _pool,
    "GlobalAveragePooling2D": _global_pool,
    "Flatten": add_flatten,
    "Dropout": _same,
    "Add": _add,
}
