"""Quantization-aware training: a Keras model that computes in float with weights and activations rounded to scales."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgelab.data import check_images
from edgelab.infer.tflite import read
from edgelab.quiet import quiet
from edgelab.shrink.convert.biases import check_biases, repair_biases, uneven_biases
from edgelab.shrink.convert.converter import check_calibration
from edgelab.shrink.convert.whole_integer import for_all_kernels
from edgelab.train.structure import calls, check_declared, every_layer, flat

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

# Layers whose kernel is rounded; layers whose output is rounded; layers that keep the scale of their input.
KERNELS = ("Conv2D", "DepthwiseConv2D", "Dense")
COMPUTING = (*KERNELS, "Add", "GlobalAveragePooling2D", "ReLU", "Activation")
MOVING = ("InputLayer", "MaxPooling2D", "AveragePooling2D", "Flatten", "Reshape", "Dropout", "ZeroPadding2D")


def fake_quantize(x: tf.Tensor, low: tf.Tensor, high: tf.Tensor, bits: int = 8, narrow: bool = False) -> tf.Tensor:
    """Quantize x and dequantize it: round to the nearest of 2**bits values from low to high, in float.

    x: float32. low <= 0 <= high: scalars, or (channels,) along the last axis of x; moved by less than half a step so
    that 0 is one of the values. narrow: one value less, for symmetric ranges. Returns float32 of x's shape. The
    gradient is straight through: dx = dy inside the range, 0 outside. Raises as TensorFlow does.
    Source: Jacob et al. 2018, section 3, eq. 12; Bengio et al. 2013 (straight through).

    >>> fake_quantize(np.float32([-1.0, 0.1, 0.4, 9.0]), 0.0, 1.5, bits=2).numpy().tolist()
    [0.0, 0.0, 0.5, 1.5]
    """
    import tensorflow as tf

    low, high = tf.convert_to_tensor(low, tf.float32), tf.convert_to_tensor(high, tf.float32)
    each = low.shape.rank > 0
    quantizer = tf.quantization.fake_quant_with_min_max_vars
    quantizer = tf.quantization.fake_quant_with_min_max_vars_per_channel if each else quantizer
    return quantizer(x, low, high, num_bits=bits, narrow_range=narrow)


def fake_quantize_kernel(w: tf.Tensor, bits: int = 8, per_channel: bool = True) -> tf.Tensor:
    """Round weights to 2**bits - 1 values, symmetric around 0, up to the largest magnitude of each channel, or of all.

    w: float32, channels last. Returns float32 of w's shape; dw = dy, as the ranges contain all of w and count as
    constants. A range is at least 1/1000 of the widest, so that a channel of zeros has a scale too.
    Source: Jacob et al. 2018, section 3; Krishnamoorthi 2018, section 3.

    >>> fake_quantize_kernel(np.float32([[1.0, 10.0], [-0.6, 4.0]]), bits=2).numpy().round(3).tolist()
    [[1.0, 10.0], [-1.0, 0.0]]
    """
    import tensorflow as tf

    largest = tf.reduce_max(tf.abs(w), axis=list(range(len(w.shape) - 1)) if per_channel else None)
    widest = tf.reduce_max(largest)
    largest = tf.maximum(largest, tf.where(widest > 0, widest / 1000, 1.0))
    # A millionth wider: otherwise the last bit of the end decides whether the largest weight has a gradient.
    largest = tf.stop_gradient(largest * (1 + 1e-6))
    return fake_quantize(w, -largest, largest, bits, narrow=True)


def moving_range(momentum: float = 0.99, name: str | None = None) -> keras.Layer:
    """Make a Keras layer that rounds activations to int8, within a range that it learns while the model trains.

    Its weights low and high follow the least and the largest value of each batch: their mean over the first
    1 / (1 - momentum) batches, then a moving average. Before the first batch they and the output are NaN.
    Input and output: float32, any shape. Source: Jacob et al. 2018, section 3.1.

    >>> layer = moving_range()
    >>> y = layer(np.float32([0.0, 2.0]), training=True)
    >>> layer(np.float32([0.5, 3.0]), training=False).numpy().round(2).tolist()
    [0.5, 2.0]
    """
    import keras
    import tensorflow as tf

    class MovingRange(keras.layers.Layer):
        watching = False  # True: learns outside training too

        def build(self, shape):
            nothing = keras.initializers.Constant(float("nan"))
            self.low = self.add_weight(name="low", shape=(), initializer=nothing, trainable=False)
            self.high = self.add_weight(name="high", shape=(), initializer=nothing, trainable=False)
            self.batches = self.add_weight(name="batches", shape=(), initializer="zeros", trainable=False)

        def call(self, x, training=False):
            if training or self.watching:
                first, share = self.batches == 0, tf.maximum(1.0 - momentum, 1.0 / (self.batches + 1.0))
                for edge, now in ((self.low, tf.reduce_min(x)), (self.high, tf.reduce_max(x))):
                    now = tf.minimum(now, 0.0) if edge is self.low else tf.maximum(now, 0.0)
                    edge.assign(tf.where(first, now, edge + share * (now - edge)))
                self.batches.assign_add(1.0)
            # Outputs of only 0 need a scale too.
            return fake_quantize(x, self.low, tf.maximum(self.high, self.low + 1e-3))

    return MovingRange(name=name)


def rounded(layer: keras.Layer, bits: int = 8) -> keras.Layer:
    """Wrap a Conv2D, DepthwiseConv2D or Dense layer so that it computes with its kernel rounded to bits.

    layer: built or not; training changes its float weights. Scales are per channel; a Dense layer has one for all, as
    the converter refuses more. Source: Jacob et al. 2018, section 3, figure 1.1b.

    >>> from keras import layers
    >>> layer = rounded(layers.Dense(1, kernel_initializer="ones"), bits=4)
    >>> layer(np.ones((1, 3), np.float32)).numpy().round(3).tolist()
    [[3.0]]
    """
    import keras
    import tensorflow as tf

    class Rounded(keras.layers.Wrapper):
        def kernel(self):
            w = tf.convert_to_tensor(self.layer.kernel)
            if isinstance(self.layer, keras.layers.Dense):
                return fake_quantize_kernel(w, bits, per_channel=False)
            # Depthwise kernels (h, w, channels, multiplier) have their outputs in the last two axes.
            depthwise = isinstance(self.layer, keras.layers.DepthwiseConv2D)
            flat = tf.reshape(w, (*w.shape[:2], -1)) if depthwise else w
            return tf.reshape(fake_quantize_kernel(flat, bits), w.shape)

        def call(self, x):
            # A frozen layer has its kernel and bias among the variables that are not trained.
            own, kernel = self.layer, self.kernel()
            groups = [own.trainable_variables, own.non_trainable_variables]
            groups = [[kernel if each is own.kernel else each for each in group] for group in groups]
            return own.stateless_call(*groups, x)[0]

    new = Rounded(layer, name=layer.name)
    new.bits = bits
    return new


def quantize_aware(model: keras.Model, bits: int = 8, momentum: float = 0.99) -> keras.Model:
    """Build a model that computes in float what its int8 form will: weights and activations rounded to their scales.

    model: Sequential or functional, one input, trained, BatchNorm folded (`edgelab.shrink.convert.fold`); the layers of
    inner models become layers of the new model, and frozen ones stay frozen. bits: of the
    weights, 8 or 4; activations have 8. momentum: as in `moving_range`. The input and the output of each layer are
    rounded, with one range each; a ReLU belongs to the layer before it. Returns a new model with copies of the weights:
    train it for a few epochs with a small learning rate, for example by `edgelab.train.fitting.fit`, and convert it by
    `to_tflite_qat`. Raises ValueError for other bits, and for a layer that isn't supported, with its name and what to
    do. Source: Jacob et al. 2018, section 3, algorithm 1.

    >>> from keras import Input, Sequential, layers
    >>> net = Sequential([Input((8, 8, 1)), layers.Conv2D(4, 3), layers.ReLU(), layers.Flatten(), layers.Dense(2)])
    >>> [layer.name.split("_")[-1] for layer in quantize_aware(net, bits=4).layers if "range" in layer.name]
    ['range', 'range', 'range']
    """
    import keras

    if bits not in (8, 4):
        raise ValueError(f"bits is {bits!r}; expected 8 or 4, the weights that LiteRT's integer kernels take")
    check_declared(model, inputs=1, outputs=1)
    graph = flat(model)
    nodes, start = calls(graph), graph.inputs[0]
    _check_layers(graph.name, nodes)
    name = start._keras_history.operation.name
    image = keras.Input(batch_shape=start.shape, dtype=start.dtype, name=name)
    values = {id(start): moving_range(momentum, f"{name}_range")(image)}
    for node in nodes:
        layer, (made,) = node.operation, node.outputs
        new, kind = type(layer).from_config(layer.get_config()), type(layer).__name__
        new = rounded(new, bits) if kind in KERNELS else new
        x = [values[id(tensor)] for tensor in node.input_tensors]
        y = new(x if kind == "Add" else x[0])
        if kind in KERNELS:
            new.layer.set_weights(layer.get_weights())
        # A layer and its ReLU are one operator of the file, so only the ReLU's output is rounded.
        readers = [_is_relu(other.operation) for other in nodes for tensor in other.input_tensors if tensor is made]
        ranged = kind in COMPUTING and (_is_relu(layer) or readers != [True])
        values[id(made)] = moving_range(momentum, f"{layer.name}_range")(y) if ranged else y
    return keras.Model(image, values[id(graph.outputs[0])], name=model.name)


def _is_relu(layer: keras.Layer) -> bool:
    return type(layer).__name__ == "ReLU" or (
        type(layer).__name__ == "Activation" and getattr(layer.activation, "__name__", "") == "relu"
    )


def _check_layers(model: str, nodes: list[Any]) -> None:
    """Raise ValueError for a layer that the converter can't convert to the integers that it was trained for."""
    import keras

    for node in nodes:
        layer = node.operation
        kind, does = type(layer).__name__, getattr(getattr(layer, "activation", None), "__name__", "linear")
        what = f"layer {layer.name!r} of {model!r}"
        if not isinstance(layer, keras.Layer):
            raise ValueError(f"{what} is the operation {kind}; expected layers, such as keras.layers.Add in place of +")
        if kind == "BatchNormalization":
            raise ValueError(f"{what} is a BatchNormalization: fold it first, with edgelab.shrink.convert.fold(model)")
        if kind not in COMPUTING + MOVING:
            raise ValueError(f"{what} is a {kind}; supported are: {', '.join(COMPUTING + MOVING)}")
        if does not in ("linear", "relu") or (kind == "Activation" and does != "relu"):
            raise ValueError(f"{what} has the activation {does}; expected relu or none, and logits as the output")
        if kind == "ReLU" and (layer.negative_slope or layer.threshold or layer.max_value not in (None, 6)):
            raise ValueError(f"{what} isn't plain; expected ReLU or ReLU6: no slope, no threshold, max_value 6 or none")
        if getattr(layer, "groups", 1) != 1:
            raise ValueError(f"{what} has {layer.groups} groups; expected 1, or a DepthwiseConv2D")
        if getattr(layer, "data_format", "channels_last") != "channels_last":
            raise ValueError(f"{what} has its channels first; expected channels_last")
        if getattr(layer, "compute_dtype", "float32") != "float32":
            raise ValueError(f"{what} computes in {layer.compute_dtype}; expected float32: build the model without it")
        times = sum(other.operation is layer for other in nodes)
        if times != 1:
            raise ValueError(f"{what} is used {times} times; expected once, as it has one range")


def _ranges(model: keras.Model) -> list[keras.Layer]:
    """Return the layers of a model that `moving_range` made."""
    found = [layer for layer in every_layer(model) if type(layer).__name__ == "MovingRange"]
    if not found:
        raise ValueError(f"model {model.name!r} has no ranges to learn; expected what quantize_aware returned")
    return found


def learn_ranges(model: keras.Model, x: np.ndarray, batch_size: int = 100) -> None:
    """Learn the ranges of activations from images without training the weights: calibration.

    model: from `quantize_aware`. x: uint8 (n, h, w) or (n, h, w, channels), training images, 100 or more. Ranges that
    were learned before are updated. Raises ValueError for a model without ranges; TypeError or ValueError for images of
    another dtype or shape, too few, or all alike.

    >>> from keras import Input, Sequential, layers
    >>> model = quantize_aware(Sequential([Input((2, 2, 1)), layers.Flatten(), layers.Dense(2)]))
    >>> learn_ranges(model, np.random.default_rng(0).integers(0, 256, (100, 2, 2), np.uint8))
    >>> float(model.layers[1].high)
    1.0
    """
    check_declared(model)
    layers = _ranges(model)
    check_images(x, size=tuple(model.inputs[0].shape[1:]))
    images = x if x.ndim == 4 else x[..., None]
    # About 200 images, spread over all, are enough for the check: 60,000 as float32 would take 188 MB.
    some = images[:: max(1, len(x) // 200)]
    check_calibration(some.astype(np.float32) / 255, some.shape[1:])
    try:
        for layer in layers:
            layer.watching = True
        for begin in range(0, len(images), batch_size):
            model(images[begin : begin + batch_size].astype(np.float32) / 255, training=False)
    finally:
        for layer in layers:
            layer.watching = False


def to_tflite_qat(model: keras.Model) -> bytes:
    """Convert a quantization-aware model to a .tflite in integers, with the ranges that it learned.

    model: from `quantize_aware`, trained. Returns the file's bytes: batch 1, int8 input, activations and output,
    weights of int8, or of int4 with two in a byte if the model has 4 bits; biases int32. Raises ValueError for a model
    without ranges, or with a range that has seen no data; RuntimeError for tensors that stay float, and for a bias that
    the converter wrote otherwise than the layer has it.
    Source: Jacob et al. 2018, sections 2.4 and 3.

    >>> from keras import Input, Sequential, layers
    >>> model = quantize_aware(Sequential([Input((4, 4, 1)), layers.Flatten(), layers.Dense(2)]))
    >>> learn_ranges(model, np.random.default_rng(0).integers(0, 256, (100, 4, 4), np.uint8))
    >>> to_tflite_qat(model)[4:8]
    b'TFL3'
    """
    import keras
    import tensorflow as tf

    for layer in _ranges(model):
        edges = float(layer.low), float(layer.high)
        if not float(layer.batches) or not np.isfinite(edges).all():
            raise ValueError(
                f"{layer.name} of {model.name!r} has learned no range ({edges[0]:g} to {edges[1]:g} after "
                f"{float(layer.batches):g} batches). Train the model first (fit), or call learn_ranges(model, images)"
            )
    inputs = keras.Input(model.input_shape[1:], batch_size=1, name="image")
    fixed = keras.Model(inputs, model(inputs, training=False), name=model.name)
    layers = [layer.layer for layer in every_layer(model) if type(layer).__name__ == "Rounded"]
    with quiet(), uneven_biases(layers):
        converter = tf.lite.TFLiteConverter.from_keras_model(fixed)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        tflite = converter.convert()
    left = [t.name for t in read(tflite).tensors if t.dtype.startswith("float")]
    if left:
        raise RuntimeError(
            f"{model.name!r}: the converter left {left[0]!r} float, and {len(left) - 1} others; expected only integers"
        )
    tflite = repair_biases(tflite, known=[layer.bias.numpy() for layer in layers if layer.bias is not None])
    check_biases(tflite, layers)
    return for_all_kernels(tflite)
