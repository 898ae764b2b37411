"""Fold BatchNorm into the layer before it: two affine maps in a row equal one affine map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras


def fold_batch_norm(
    w: np.ndarray,
    b: np.ndarray | None,
    gamma: np.ndarray,
    beta: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    epsilon: float = 1e-3,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the kernel and bias of the one layer that equals a layer and the BatchNorm after it.

    γ (w·x + b - μ) / √(σ² + ε) + β = (s w)·x + (s (b - μ) + β), where s = γ / √(σ² + ε).
    w: (..., channels), the output channels last. b: (channels,), None for zeros. gamma, beta, mean, variance:
    (channels,), all float. Returns new w and b, in w's dtype. Raises ValueError where the numbers of channels differ.
    Source: Jacob et al. 2018, section 3.2, equation 14.

    >>> w, b = fold_batch_norm(np.ones((3, 3, 1, 2)), None, np.ones(2), np.zeros(2), np.ones(2), np.full(2, 4.0), 0.0)
    >>> w[0, 0, 0].tolist(), b.tolist()
    ([0.5, 0.5], [-0.5, -0.5])
    """
    for name, values in {"gamma": gamma, "beta": beta, "mean": mean, "variance": variance}.items():
        if values.shape != w.shape[-1:]:
            raise ValueError(f"{name} has shape {values.shape}; expected {w.shape[-1:]}, the channels of w {w.shape}")
    s = gamma / np.sqrt(variance + epsilon)
    b = np.zeros(w.shape[-1]) if b is None else b
    return (w * s).astype(w.dtype), (s * (b - mean) + beta).astype(w.dtype)


def fold(model: keras.Model) -> keras.Model:
    """Return the same network without BatchNorm: each is folded into the layer before it.

    model: Sequential or functional; every BatchNormalization follows a Conv2D, DepthwiseConv2D or Dense that has no
    activation and whose output no other layer reads. Returns a new model, equal at inference except for the rounding of
    floats; the given one is unchanged. Raises ValueError naming the BatchNormalization that can't be folded.

    >>> from keras import Input, Sequential, layers
    >>> net = Sequential([Input((8, 8, 1)), layers.Conv2D(4, 3, use_bias=False), layers.BatchNormalization()])
    >>> net.count_params(), fold(net).count_params()
    (52, 40)
    """
    import keras
    from keras import layers

    folded = {}  # the name of a layer: the BatchNorm after it
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            before = layer.input._keras_history.operation
            readers = len(before._outbound_nodes)
            kinds = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
            if not isinstance(before, kinds) or readers != 1 or before.activation is not keras.activations.linear:
                raise ValueError(
                    f"{layer.name} follows {before.name} ({type(before).__name__}, read {readers} times); expected a "
                    "Conv2D, DepthwiseConv2D or Dense without activation that nothing else reads"
                )
            folded[before.name] = layer

    def with_bias(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        return type(layer).from_config(config | {"use_bias": True} if layer.name in folded else config)

    def call(layer: keras.Layer, x: keras.KerasTensor, **options: object) -> keras.KerasTensor:
        return x if isinstance(layer, layers.BatchNormalization) else layer(x, **options)

    ends = (ends[0] if len(ends) == 1 else ends for ends in (model.inputs, model.outputs))
    graph = keras.Model(*ends, name=model.name)  # a Sequential can't leave a layer out
    new = keras.models.clone_model(graph, clone_function=with_bias, call_function=call)
    for layer in new.layers:
        if not layer.weights:
            continue
        weights = graph.get_layer(layer.name).get_weights()
        if layer.name in folded:
            norm = folded[layer.name]
            gamma, beta, mean, variance = (
                np.asarray(v) if v is not None else fill
                for v, fill in zip(
                    (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance),
                    (np.ones(norm.moving_mean.shape), np.zeros(norm.moving_mean.shape), None, None),
                    strict=True,
                )
            )
            w, b = weights[0], weights[1] if len(weights) > 1 else None
            shape = w.shape
            # A depthwise kernel (h, w, channels, multiplier) has its outputs in the last two axes.
            flat = w.reshape(*shape[:2], -1) if isinstance(layer, layers.DepthwiseConv2D) else w
            w, b = fold_batch_norm(flat, b, gamma, beta, mean, variance, norm.epsilon)
            weights = [w.reshape(shape), b]
        layer.set_weights(weights)
    return new
