"""The simple recurrent layer, and the length of a gradient on its way back; lstm and gru have the gated layers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgelab.maths.gru import gru, gru_grad
from edgelab.maths.lstm import lstm, lstm_grad
from edgelab.maths.sequence import check_sequence, check_upstream

__all__ = ["gradient_norms", "gru", "gru_grad", "lstm", "lstm_grad", "rnn", "rnn_grad"]


def rnn(
    x: np.ndarray,
    w: np.ndarray,
    u: np.ndarray,
    b: np.ndarray | None = None,
    h0: np.ndarray | None = None,
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """Run a simple recurrent layer: h_t = tanh(x_t w + h_{t-1} u + b).

    x: (n, steps, inputs). w: (inputs, units). u: (units, units). b: (units,). h0: (n, units), zeros if None. mask: bool
    (n, steps): where False, the state stays as it was. Returns all states, float (n, steps, units). Raises ValueError
    for shapes that don't fit. Sources: Elman 1990; keras.layers.SimpleRNN.

    >>> rnn([[[1.0], [2.0]]], [[1.0]], [[1.0]]).round(3).ravel().tolist()
    [0.762, 0.992]
    """
    x, w, u, b, mask, h = check_sequence(x, w, u, b, 1, mask, h0=h0)
    states = np.empty((*x.shape[:2], len(u)), x.dtype)
    for t in range(x.shape[1]):
        h = np.where(mask[:, t, None], np.tanh(x[:, t] @ w + h @ u + b), h)
        states[:, t] = h
    return states


def rnn_grad(
    dy: np.ndarray,
    x: np.ndarray,
    w: np.ndarray,
    u: np.ndarray,
    b: np.ndarray | None = None,
    h0: np.ndarray | None = None,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, ...]:
    """Propagate dL/dh_t of all states back through time.

    dy: (n, steps, units), the direct gradient of each state, zeros where the loss doesn't read it; the rest as in
    `rnn`. Returns dx, dw, du, db, dh0 in the shapes of x, w, u, b, h0. Raises ValueError for shapes that don't fit.
    Source: Werbos 1990, section III.

    >>> [g.shape for g in rnn_grad(np.ones((2, 7, 4)), np.ones((2, 7, 3)), np.ones((3, 4)), np.ones((4, 4)))]
    [(2, 7, 3), (3, 4), (4, 4), (4,), (2, 4)]
    """
    x, w, u, b, mask, h0 = check_sequence(x, w, u, b, 1, mask, h0=h0)
    h = rnn(x, w, u, b, h0, mask)
    dy, before = check_upstream(dy, h), np.concatenate([h0[:, None], h[:, :-1]], axis=1)
    dh, da = np.zeros_like(dy[:, 0]), np.zeros_like(dy)
    for t in reversed(range(x.shape[1])):
        dh = dh + dy[:, t]
        da[:, t] = np.where(mask[:, t, None], dh * (1 - h[:, t] ** 2), 0)
        dh = np.where(mask[:, t, None], da[:, t] @ u.T, dh)
    dw, du = (np.einsum("nti,ntu->iu", a, da) for a in (x, before))
    return da @ w.T, dw, du, da.sum(axis=(0, 1)), dh


def gradient_norms(
    forward: Callable, backward: Callable, x: np.ndarray, w: np.ndarray, u: np.ndarray, b: np.ndarray | None = None
) -> np.ndarray:
    """Measure how much of a gradient of length 1 at the last state arrives 0, 1, 2, … steps earlier.

    forward, backward: `rnn, rnn_grad`, `lstm, lstm_grad` or `gru, gru_grad`. x, w, u, b: their arguments.
    Returns float (steps,): the norm of dL/dh at each distance, of h and c together in an LSTM, the mean over the batch.
    Raises ValueError for shapes that don't fit. Source: Hochreiter 1991; Bengio, Simard and Frasconi 1994.

    >>> gradient_norms(rnn, rnn_grad, np.zeros((1, 4, 1)), [[1.0]], [[0.5]]).tolist()
    [1.0, 0.5, 0.25, 0.125]
    """
    states = forward(x, w, u, b)
    states = states if isinstance(states, tuple) else (states,)
    n, steps, units = states[0].shape
    norms = [1.0]
    for start in reversed(range(1, steps)):
        dy = np.zeros((n, steps - start, units))
        dy[:, -1] = 1 / np.sqrt(units)  # of length 1, all units alike
        first = [state[:, start - 1] for state in states]
        found = backward(dy, np.asarray(x)[:, start:], w, u, b, *first)[4:]  # dh0, and dc0 in an LSTM
        norms.append(np.linalg.norm(np.concatenate(found, axis=1), axis=1).mean())
    return np.array(norms)
