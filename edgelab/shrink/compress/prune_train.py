"""Pruning in Keras: a callback that masks weights while a model trains, and a smaller model without some channels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelab.shrink.compress.prune import check_sparsity, magnitude_mask, sparsity_schedule
from edgelab.train.structure import calls, every_layer, flat

if TYPE_CHECKING:
    import keras

# Activations that compute a value from all channels.
ACROSS = ("softmax", "log_softmax", "sparsemax")


def pruning(
    sparsity: float | Mapping[str, float],
    begin: int,
    end: int,
    every: int = 100,
    mask: Callable[[np.ndarray, float], np.ndarray] = magnitude_mask,
) -> keras.callbacks.Callback:
    """Make a Keras callback that prunes a model while it trains, more weights from mask to mask.

    sparsity: at the end, in [0, 1), of every Dense and Conv2D layer, also inside inner models and wrappers; or a
    mapping from the names of the layers to prune to their sparsities. begin, end: batches, counted from 1, between
    which the sparsity rises along `sparsity_schedule` from that of the model as it is; with end = begin all is pruned
    at once. every: batches from one mask to the next. mask: function of weights and sparsity that returns True where a
    weight is kept. After each batch the kernels are multiplied by their masks; the callback's `masks` holds them by
    layer. Do not restore the best epoch of a training with it: that may be one before the pruning. Raises TypeError or
    ValueError for a sparsity or batches out of range and, as training begins, ValueError for a layer that does not
    exist or a training that ends before `end`. Zhu and Gupta 2017, section 3.

    >>> pruning({"hidden": 0.9}, begin=100, end=1000).masks
    {}
    """
    import keras

    for name, share in (sparsity if isinstance(sparsity, Mapping) else {"every layer": sparsity}).items():
        check_sparsity(share, f"the sparsity of {name}")
    if not 1 <= begin <= end or every < 1:
        raise ValueError(f"begin is {begin}, end {end}, every {every}; expected 1 <= begin <= end and every >= 1")

    class Pruning(keras.callbacks.Callback):
        masks, step, first = {}, 0, {}

        def on_train_begin(self, logs=None):
            kinds = (keras.layers.Dense, keras.layers.Conv2D)
            # Also those of inner models and wrappers, which may have equal names: their paths tell them apart
            found = [layer for layer in every_layer(self.model) if isinstance(layer, kinds)]
            names = Counter(layer.name for layer in found)
            able = {layer.name if names[layer.name] == 1 else layer.path: layer for layer in found}
            if not able:
                raise ValueError(f"model {self.model.name} has no Dense or Conv2D layer; expected one to prune")
            self.final = dict(sparsity) if isinstance(sparsity, Mapping) else dict.fromkeys(able, sparsity)
            unknown = set(self.final) - set(able)
            if unknown:
                raise ValueError(
                    f"no Dense or Conv2D layer is called {', '.join(unknown)}; expected names of {', '.join(able)}"
                )
            total = self.params["epochs"] * self.params["steps"] if self.params.get("steps") else end
            if total < end:
                raise ValueError(
                    f"training ends after {total} batches, pruning after {end}. Train for more epochs, or lower end"
                )
            self.kernels = {name: able[name].kernel for name in self.final}
            self.first = {name: float((kernel.numpy() == 0).mean()) for name, kernel in self.kernels.items()}
            self.masks, self.step = {}, 0

        def on_train_batch_end(self, batch, logs=None):
            self.step += 1
            if begin <= self.step <= end and ((self.step - begin) % every == 0 or self.step == end):
                for name, kernel in self.kernels.items():
                    a, b = min(self.first[name], self.final[name]), self.final[name]
                    now = b if self.step == end else sparsity_schedule(self.step, begin, end, a, b)
                    self.masks[name] = mask(kernel.numpy(), now).astype("float32")
            for name, kept in self.masks.items():
                self.kernels[name].assign(self.kernels[name] * kept)

    return Pruning()


def prune_channels(model: keras.Model, keep: Mapping[str, np.ndarray]) -> keras.Model:
    """Build the smaller model in which layers have only some of their output channels.

    model: a chain of Conv2D, DepthwiseConv2D, BatchNormalization, Dense, pooling, Flatten and activations, inner models
    of such layers included. keep: a mapping from a layer's name to the indices of the channels to keep, rising (see
    `keep_channels`); other layers keep all. The next layer loses the weights that read a removed channel, so that the
    new model computes what the old one does with those channels at 0, in fewer products and without masks. Returns a
    new model; the old one does not change. Raises ValueError naming a layer that does not exist, cannot be cut, is the
    last one, or does not lie on a chain, and for indices that are not channels. Li et al. 2017, section 3.

    >>> from keras import Input, Sequential, layers
    >>> model = Sequential([Input((8, 8, 1)), layers.Conv2D(6, 3, name="c"), layers.Flatten(), layers.Dense(10)])
    >>> prune_channels(model, {"c": np.array([0, 4])}).count_params()
    750
    """
    import keras

    model = flat(model)
    nodes = calls(model)
    _check_chain(model, nodes, keep)
    shape = model.inputs[0].shape
    x = image = keras.Input(shape[1:])
    kept, new, weights = np.arange(shape[-1]), [], []
    for node in nodes:
        layer = node.operation
        found, config = layer.get_weights(), layer.get_config()
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            size = "units" if isinstance(layer, keras.layers.Dense) else "filters"
            own = np.asarray(keep.get(layer.name, np.arange(config[size])))
            config[size] = len(own)
            found = [found[0][..., kept, :][..., own], *(b[own] for b in found[1:])]
            kept = own
        elif isinstance(layer, keras.layers.DepthwiseConv2D):
            m = config["depth_multiplier"]
            own = (kept[:, None] * m + np.arange(m)).ravel()
            found, kept = [found[0][:, :, kept], *(b[own] for b in found[1:])], own
        elif isinstance(layer, keras.layers.BatchNormalization):
            found = [values[kept] for values in found]
        elif isinstance(layer, keras.layers.Flatten):
            channels = node.input_tensors[0].shape[-1]
            places = node.outputs[0].shape[-1] // channels
            kept = (np.arange(places)[:, None] * channels + kept).ravel()
        new.append(type(layer).from_config(config))
        x = new[-1](x)
        weights.append(found)
    for layer, values in zip(new, weights, strict=True):
        layer.set_weights(values)
    return keras.Model(image, x, name=model.name)


def _check_chain(model: keras.Model, nodes: list[Any], keep: Mapping[str, np.ndarray]) -> None:
    """Raise ValueError for a model or channels that `prune_channels` cannot cut."""
    from keras import layers

    cut = (layers.Conv2D, layers.Dense)
    passed = (
        layers.DepthwiseConv2D, layers.BatchNormalization, layers.Flatten, layers.Activation, layers.ReLU,
        layers.LeakyReLU, layers.Dropout, layers.MaxPooling2D, layers.AveragePooling2D, layers.GlobalMaxPooling2D,
        layers.GlobalAveragePooling2D, layers.ZeroPadding2D,
    )  # fmt: skip
    before = model.inputs[0]
    for node in nodes:
        layer = node.operation
        if not isinstance(layer, cut + passed) or getattr(layer, "groups", 1) > 1:
            known = ", ".join(kind.__name__ for kind in cut + passed)
            raise ValueError(
                f"layer {layer.name} is a {type(layer).__name__} of {getattr(layer, 'groups', 1)} groups; expected one "
                f"group, and one of {known}"
            )
        ends, times = len(model.inputs) + len(model.outputs), sum(other.operation is layer for other in nodes)
        if ends > 2 or times > 1 or len(node.input_tensors) != 1 or node.input_tensors[0] is not before:
            raise ValueError(f"layer {layer.name} does not read the layer before it alone; expected a chain of layers")
        does = getattr(getattr(layer, "activation", None), "__name__", "linear")
        last_axis = getattr(layer, "axis", -1) in (-1, len(before.shape) - 1)
        if (does in ACROSS and node is not nodes[-1]) or not last_axis:
            raise ValueError(
                f"layer {layer.name} mixes channels ({does}, axis {getattr(layer, 'axis', -1)}); expected "
                "functions of single values, and BatchNormalization over the last axis"
            )
        if getattr(layer, "data_format", "channels_last") != "channels_last":
            raise ValueError(f"layer {layer.name} has its channels first; expected channels_last")
        before = node.outputs[0]
    channels = {n.operation.name: n.outputs[0].shape[-1] for n in nodes if isinstance(n.operation, cut)}
    for name, indices in keep.items():
        if name not in channels:
            raise ValueError(f"no Conv2D or Dense layer is called {name}; expected one of {', '.join(channels)}")
        if name == list(channels)[-1]:
            raise ValueError(f"layer {name} is the last one, its outputs are the classes. Cut the layers before it")
        indices = np.asarray(indices)
        rising = indices.ndim == 1 and len(indices) and indices.dtype.kind in "iu" and (np.diff(indices) > 0).all()
        if not rising or indices[0] < 0 or indices[-1] >= channels[name]:
            raise ValueError(
                f"{name} keeps {indices!r}; expected rising integers from 0 to {channels[name] - 1}, its channels"
            )
