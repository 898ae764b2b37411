"""Weight sharing in Keras: a model whose kernels are looked up in trainable codebooks, and its layers for the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from edgelab.shrink.compress.cluster import cluster_weights
from edgelab.shrink.compress.packed_reader import Layer
from edgelab.train.structure import calls, check_no_hidden, flat, rebuilt

if TYPE_CHECKING:
    import keras


def share(model: keras.Model, clusters: int | Mapping[str, int], initial: str = "linear", seed: int = 0) -> keras.Model:
    """Build the model whose Dense and Conv2D kernels are codebook[codes]: training it changes codebooks and biases.

    model: a Keras model, pruned or not; layers of inner models become layers of the new one. clusters: entries of each
    codebook besides the 0, or a mapping from layer names to such numbers. initial, seed: as for `cluster_weights`. Each
    new layer has the name of the old one, and `codebook()` and `codes`. Weights of 0 stay 0, and the gradient of an
    entry is the sum over the weights that share it (`codebook_gradient`). Raises TypeError or ValueError as
    `cluster_weights` does, and ValueError where the names in clusters are not those of the layers. Han et al. 2016,
    section 3.

    >>> from keras import Input, Sequential, layers
    >>> model = Sequential([Input((28, 28, 1)), layers.Flatten(), layers.Dense(10, name="logits")])
    >>> shared = share(model, clusters=4)
    >>> len(np.unique(shared.get_layer("logits").codebook())), shared.count_params()
    (5, 14)
    """
    import keras

    class Shared(keras.layers.Layer):
        def __init__(self, layer, entries):
            super().__init__(name=layer.name, trainable=layer.trainable)
            first, self.codes = cluster_weights(layer.kernel.numpy(), entries, initial, seed=seed)
            self.first, self.fixed = first[1:], keras.ops.convert_to_tensor(self.codes.astype("int32"))
            self.bias_first = layer.bias.numpy() if layer.use_bias else None
            # Within functions, where Keras does not look for weights: the old kernel must not train.
            self.whole = lambda: layer
            # The variables of a frozen layer are all among those that are not trained.
            self.answer = lambda values, x: layer.stateless_call(
                *((values, []) if layer.trainable_variables else ([], values)), x
            )[0]

        def build(self, shape):
            start = keras.initializers.Constant
            self.entries = self.add_weight(shape=self.first.shape, initializer=start(self.first), name="entries")
            biased = self.bias_first is not None
            self.bias = (
                self.add_weight(shape=self.bias_first.shape, initializer=start(self.bias_first), name="bias")
                if biased
                else None
            )

        def call(self, x):
            codebook = keras.ops.concatenate([keras.ops.zeros(1), self.entries])
            kernel = keras.ops.take(codebook, self.fixed)
            return self.answer([kernel] if self.bias is None else [kernel, self.bias], x)

        def codebook(self):
            return np.concatenate([np.zeros(1, np.float32), self.entries.numpy()])

    kinds = (keras.layers.Dense, keras.layers.Conv2D)
    model = flat(model)
    check_no_hidden(model, kinds, "shared")
    names = [layer.name for layer in model.layers if isinstance(layer, kinds)]
    entries = clusters if isinstance(clusters, Mapping) else dict.fromkeys(names, clusters)
    if not names or set(entries) != set(names):
        raise ValueError(
            f"clusters are given for {', '.join(entries)}; expected the layers with kernels, {', '.join(names)}"
            if names
            else f"model {model.name} has no Dense or Conv2D layer; expected one, whose weights can be shared"
        )
    return rebuilt(model, lambda layer: Shared(layer, entries[layer.name]) if layer.name in entries else None)


def to_layers(shared: keras.Model, float_type: str = "float16") -> list[Layer]:
    """Return the layers of a model that `share` built, as `edgelab.shrink.compress.pack` takes them.

    shared: a chain of such layers, max pooling without overlap after a convolution, ReLU, Flatten and Dropout.
    float_type: of codebooks and biases, "float16" or "float32"; float16 changes a value by at most 1/2048 of itself.
    Raises ValueError naming a layer that the file cannot store: another kind, a stride, padding.

    >>> from keras import Input, Sequential, layers
    >>> model = Sequential([Input((28, 28, 1)), layers.Flatten(), layers.Dense(10, name="logits")])
    >>> [(layer.name, layer.kind, layer.codes.shape) for layer in to_layers(share(model, 4))]
    [('logits', 'dense', (784, 10))]
    """
    import keras

    found: list[Layer] = []
    nodes, before = calls(shared), shared.inputs[0]
    for node in nodes:
        layer = node.operation
        if (
            len(shared.inputs) + len(shared.outputs) > 2
            or len(node.input_tensors) != 1
            or node.input_tensors[0] is not before
        ):
            raise ValueError(f"layer {layer.name} does not read the layer before it alone; expected a chain of layers")
        before = node.outputs[0]
        what, config = type(layer).__name__, {} if hasattr(layer, "codes") else layer.get_config()
        if hasattr(layer, "codes"):
            whole = layer.whole()
            relu = whole.activation is keras.activations.relu
            plain = getattr(whole, "strides", (1, 1)) == (1, 1) and getattr(whole, "padding", "valid") == "valid"
            plain = plain and getattr(whole, "dilation_rate", (1, 1)) == (1, 1) and getattr(whole, "groups", 1) == 1
            if not plain or not (relu or whole.activation is keras.activations.linear):
                raise ValueError(
                    f"layer {layer.name} has another stride, padding, dilation, groups or activation than the file can "
                    "store; expected stride 1, padding valid, dilation 1, groups 1, and ReLU or no activation"
                )
            kind = "dense" if isinstance(whole, keras.layers.Dense) else "conv2d"
            b = None if layer.bias is None else layer.bias.numpy().astype(float_type)
            found.append(Layer(layer.name, kind, layer.codebook().astype(float_type), layer.codes, b, relu))
        elif what == "MaxPooling2D" and found and found[-1].kind == "conv2d" and found[-1].pool == 1:
            size, stride = config["pool_size"], config["strides"]
            if len({*size, *stride}) > 1 or config["padding"] != "valid":
                raise ValueError(
                    f"layer {layer.name}: pool_size {size}, strides {stride}, padding {config['padding']}; expected "
                    "square max pooling without overlap, padding valid"
                )
            found[-1] = found[-1]._replace(pool=size[0])
        elif (what == "ReLU" or config.get("activation") == "relu") and found and found[-1].pool == 1:
            found[-1] = found[-1]._replace(relu=True)
        elif what not in ("InputLayer", "Flatten", "Dropout"):
            raise ValueError(
                f"layer {layer.name} is a {what}; expected layers that `share` built, ReLU, one max pooling after each "
                "convolution and its ReLU, Flatten and Dropout"
            )
    return found
