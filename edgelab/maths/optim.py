"""Optimisers as Keras computes them, one step a call: their state is an argument and a result, never hidden."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edgelab.maths.checks import check_lists, check_rates


class AdamState(NamedTuple):
    """The state that `adam` passes from one step to the next.

    m, v: running means of the gradient and of its square, one array for each parameter. step: the number of steps.

    >>> AdamState([np.zeros(2)], [np.zeros(2)], 0).step
    0
    """

    m: Sequence[np.ndarray]
    v: Sequence[np.ndarray]
    step: int


def sgd(
    params: Sequence[np.ndarray],
    gradients: Sequence[np.ndarray],
    velocity: Sequence[np.ndarray] | None = None,
    learning_rate: float = 0.01,
    momentum: float = 0.0,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Take one step of gradient descent with momentum: velocity = momentum velocity - η gradient, w += velocity.

    params, gradients: lists of arrays, in the same order. velocity: the one that the step before returned, None for the
    first step. η = learning_rate > 0; 0 <= momentum < 1. Returns (params, velocity): new arrays, of the parameters'
    float type. Raises ValueError or TypeError for lists that do not match and for rates out of range. Polyak 1964;
    Keras' SGD(momentum=…).

    >>> params, velocity = sgd([np.array([1.0])], [np.array([2.0])], learning_rate=0.1)
    >>> params
    [array([0.8])]
    """
    learning_rate, momentum = check_rates(learning_rate=learning_rate, momentum=momentum)
    velocity = [np.zeros(np.shape(p)) for p in params] if velocity is None else velocity
    params, gradients, velocity = check_lists(params=params, gradients=gradients, velocity=velocity)
    velocity = [momentum * v - learning_rate * g for v, g in zip(velocity, gradients, strict=True)]
    return [p + v for p, v in zip(params, velocity, strict=True)], velocity


def adam(
    params: Sequence[np.ndarray],
    gradients: Sequence[np.ndarray],
    state: AdamState | None = None,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> tuple[list[np.ndarray], AdamState]:
    """Take one step of Adam: each parameter moves by η m / (√v + ε), with running means m and v that start at 0.

    params, gradients: lists of arrays, in the same order. state: the one that the step before returned, None for the
    first step. η is multiplied by √(1 - β₂ᵗ) / (1 - β₁ᵗ), since means that start at 0 are too small at first.
    learning_rate, epsilon > 0; 0 <= beta_1, beta_2 < 1. Returns (params, state): new arrays, of the parameters' float
    type. Raises ValueError or TypeError for lists that do not match and for rates out of range. Kingma and Ba 2015,
    algorithm 1 with section 2's order; Keras' Adam.

    >>> params, state = adam([np.array([1.0])], [np.array([2.0])], learning_rate=0.1)
    >>> params[0].round(6), state.step
    (array([0.9]), 1)
    """
    rates = check_rates(learning_rate=learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)
    learning_rate, beta_1, beta_2, epsilon = rates
    zeros = [np.zeros(np.shape(p)) for p in params]
    m, v, step = (zeros, zeros, 0) if state is None else state
    params, gradients, m, v = check_lists(params=params, gradients=gradients, m=m, v=v)
    step += 1
    m = [beta_1 * a + (1 - beta_1) * g for a, g in zip(m, gradients, strict=True)]
    v = [beta_2 * a + (1 - beta_2) * g**2 for a, g in zip(v, gradients, strict=True)]
    rate = learning_rate * (1 - beta_2**step) ** 0.5 / (1 - beta_1**step)
    moved = [p - rate * a / (np.sqrt(c) + epsilon) for p, a, c in zip(params, m, v, strict=True)]
    return moved, AdamState(m, v, step)
