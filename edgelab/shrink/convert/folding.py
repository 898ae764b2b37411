"""Fold BatchNorm into the layer before it: two affine maps in a row equal one affine map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgelab.train.structure import calls, check_no_hidden, flat, rebuilt

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

    model: Sequential or functional, also with inner models, whose layers the new model has as its own. Every
    BatchNormalization follows a Conv2D, DepthwiseConv2D or Dense that has no activation, is used once and whose output
    no other layer reads. Returns a new model, equal at inference except for the rounding of floats; the given one is
    unchanged. Raises ValueError naming the BatchNormalization that can't be folded, and for a model without a declared
    input.

    >>> from keras import Input, Sequential, layers
    >>> net = Sequential([Input((8, 8, 1)), layers.Conv2D(4, 3, use_bias=False), layers.BatchNormalization()])
    >>> net.count_params(), fold(net).count_params()
    (52, 40)
    """
    from keras import layers

    model = flat(model)
    check_no_hidden(model, (layers.BatchNormalization,), "folded")
    norms = _norms(model)
    filled = []

    def replace(layer: keras.Layer) -> Any:
        if isinstance(layer, layers.BatchNormalization):
            return lambda x, **options: x
        if id(layer) not in norms:
            return None
        new = type(layer).from_config(layer.get_config() | {"use_bias": True})
        filled.append((new, layer, norms[id(layer)]))
        return new

    result = rebuilt(model, replace)
    for new, layer, norm in filled:
        channels = norm.moving_mean.shape
        gamma, beta = np.ones(channels), np.zeros(channels)
        gamma, beta = (fill if v is None else np.asarray(v) for v, fill in ((norm.gamma, gamma), (norm.beta, beta)))
        w, b = np.asarray(layer.kernel), np.asarray(layer.bias) if layer.use_bias else None
        # A depthwise kernel (h, w, channels, multiplier) has its outputs in the last two axes.
        flat_w = w.reshape(*w.shape[:2], -1) if isinstance(layer, layers.DepthwiseConv2D) else w
        averages = np.asarray(norm.moving_mean), np.asarray(norm.moving_variance)
        folded, b = fold_batch_norm(flat_w, b, gamma, beta, *averages, norm.epsilon)
        new.set_weights([folded.reshape(w.shape), b])
    return result


def _norms(model: keras.Model) -> dict[int, Any]:
    """Return for each layer (by id) the BatchNorm to fold into it; raise ValueError for one that can't be folded."""
    import keras
    from keras import layers

    nodes, norms = calls(model), {}
    made = {id(y): node for node in nodes for y in node.outputs}
    ends = {id(y) for y in model.outputs}
    for node in nodes:
        norm = node.operation
        if not isinstance(norm, layers.BatchNormalization):
            continue
        (x,) = node.input_tensors
        before = made[id(x)].operation if id(x) in made else x._keras_history.operation
        readers = sum(x is each for other in nodes for each in other.input_tensors) + (id(x) in ends)
        kinds = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
        linear = isinstance(before, kinds) and before.activation is keras.activations.linear
        if not linear or readers != 1:
            raise ValueError(
                f"{norm.name} follows {before.name} ({type(before).__name__}, read {readers} times); expected a "
                "Conv2D, DepthwiseConv2D or Dense without activation that nothing else reads"
            )
        times = max(sum(other.operation is layer for other in nodes) for layer in (norm, before))
        last = (
            norm.axis in (-1, len(x.shape) - 1) and getattr(before, "data_format", "channels_last") == "channels_last"
        )
        if times > 1 or not last:
            raise ValueError(
                f"{norm.name} follows {before.name}, called {times} times, and has axis {norm.axis}; expected both to "
                "be called once, and axis -1: channels last"
            )
        norms[id(before)] = norm
    return norms
