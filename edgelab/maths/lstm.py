"""The long short-term memory: a cell state that is added to, controlled by three gates."""

from __future__ import annotations

import numpy as np

from edgelab.maths.nn import sigmoid
from edgelab.maths.sequence import check_sequence, check_upstream


def lstm(
    x: np.ndarray,
    w: np.ndarray,
    u: np.ndarray,
    b: np.ndarray | None = None,
    h0: np.ndarray | None = None,
    c0: np.ndarray | None = None,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Run an LSTM: c_t = f c_{t-1} + i g, h_t = o tanh(c_t), gates in Keras' order i, f, g (Keras: c), o.

    x: (n, steps, inputs). w: (inputs, 4 * units). u: (units, 4 * units). b: (4 * units,). h0, c0: (n, units), zeros if
    None. mask: bool (n, steps): where False, both states stay. Returns all h and all c, float (n, steps, units) each.
    Raises ValueError for shapes that don't fit. Sources: Hochreiter and Schmidhuber 1997; Gers et al. 2000 (f).

    >>> h, c = lstm(np.ones((2, 5, 3)), np.ones((3, 16)), np.ones((4, 16)))
    >>> h.shape, c.shape
    ((2, 5, 4), (2, 5, 4))
    """
    x, w, u, b, mask, h, c = check_sequence(x, w, u, b, 4, mask, h0=h0, c0=c0)
    all_h, all_c = np.empty((2, *x.shape[:2], len(u)), x.dtype)
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ w + h @ u + b, 4, axis=1)
        c_new = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h_new = sigmoid(o) * np.tanh(c_new)
        keep = mask[:, t, None]
        all_h[:, t], all_c[:, t] = h, c = np.where(keep, h_new, h), np.where(keep, c_new, c)
    return all_h, all_c


def lstm_grad(
    dy: np.ndarray,
    x: np.ndarray,
    w: np.ndarray,
    u: np.ndarray,
    b: np.ndarray | None = None,
    h0: np.ndarray | None = None,
    c0: np.ndarray | None = None,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, ...]:
    """Propagate dL/dh_t of all states back through the gates and through time.

    dy: (n, steps, units), the direct gradient of each h, zeros where the loss doesn't read it; the rest as in `lstm`.
    Returns dx, dw, du, db, dh0, dc0 in the shapes of x, w, u, b, h0, c0. Raises ValueError for shapes that don't fit.
    Source: Greff et al. 2017, section II-B (there with peepholes).

    >>> [g.shape for g in lstm_grad(np.ones((2, 7, 4)), np.ones((2, 7, 3)), np.ones((3, 16)), np.ones((4, 16)))]
    [(2, 7, 3), (3, 16), (4, 16), (16,), (2, 4), (2, 4)]
    """
    x, w, u, b, mask, h0, c0 = check_sequence(x, w, u, b, 4, mask, h0=h0, c0=c0)
    h, c = lstm(x, w, u, b, h0, c0, mask)
    dy, h_before = check_upstream(dy, h), np.concatenate([h0[:, None], h[:, :-1]], axis=1)
    c_before = np.concatenate([c0[:, None], c[:, :-1]], axis=1)
    i, f, g, o = np.split(x @ w + h_before @ u + b, 4, axis=2)
    i, f, g, o, tanh_c = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o), np.tanh(c)
    dh, dc, da = np.zeros_like(dy[:, 0]), np.zeros_like(dy[:, 0]), np.zeros((*dy.shape[:2], w.shape[1]), dy.dtype)
    for t in reversed(range(x.shape[1])):
        keep, dh = mask[:, t, None], dh + dy[:, t]
        dc_new = dc + dh * o[:, t] * (1 - tanh_c[:, t] ** 2)
        di, df, dg, do = dc_new * g[:, t], dc_new * c_before[:, t], dc_new * i[:, t], dh * tanh_c[:, t]
        slopes = [s[:, t] * (1 - s[:, t]) for s in (i, f, o)]
        gates = [di * slopes[0], df * slopes[1], dg * (1 - g[:, t] ** 2), do * slopes[2]]
        da[:, t] = np.where(keep, np.concatenate(gates, axis=1), 0)
        dh, dc = np.where(keep, da[:, t] @ u.T, dh), np.where(keep, dc_new * f[:, t], dc)
    dw, du = (np.einsum("nti,ntu->iu", a, da) for a in (x, h_before))
    return da @ w.T, dw, du, da.sum(axis=(0, 1)), dh, dc
