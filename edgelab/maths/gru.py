"""The gated recurrent unit: one state, partly kept and partly replaced at each step."""

from __future__ import annotations

import numpy as np

from edgelab.maths.nn import sigmoid
from edgelab.maths.sequence import check_sequence, check_upstream


def gru(
    x: np.ndarray,
    w: np.ndarray,
    u: np.ndarray,
    b: np.ndarray | None = None,
    h0: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    reset_after: bool = True,
) -> np.ndarray:
    """Run a GRU: h_t = z h_{t-1} + (1 - z) g, gates in Keras' order z, r, g (Keras: h).

    x: (n, steps, inputs). w: (inputs, 3 * units). u: (units, 3 * units). b: (2, 3 * units), rows for x and for h, or
    (3 * units,) without reset_after. h0: (n, units), zeros if None. mask: bool (n, steps): where False, the state
    stays. reset_after: r multiplies h u (True, Keras' default) or h (False). Returns all states, float (n, steps,
    units). Raises ValueError for shapes that don't fit. Sources: Cho et al. 2014, eq. 5 to 8; keras.layers.GRU.

    >>> gru(np.ones((2, 5, 3)), np.ones((3, 12)), np.ones((4, 12))).shape
    (2, 5, 4)
    """
    x, w, u, b, mask, h = check_sequence(x, w, u, b, 3, mask, (2,) if reset_after else (), h0=h0)
    states, (b_x, b_h), units = np.empty((*x.shape[:2], len(u)), x.dtype), b if reset_after else (b, 0 * b), len(u)
    for t in range(x.shape[1]):
        x_z, x_r, x_g = np.split(x[:, t] @ w + b_x, 3, axis=1)
        h_z, h_r, h_g = np.split(h @ u + b_h, 3, axis=1)
        z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
        g = np.tanh(x_g + (r * h_g if reset_after else (r * h) @ u[:, 2 * units :]))
        h = np.where(mask[:, t, None], z * h + (1 - z) * g, h)
        states[:, t] = h
    return states


def gru_grad(
    dy: np.ndarray,
    x: np.ndarray,
    w: np.ndarray,
    u: np.ndarray,
    b: np.ndarray | None = None,
    h0: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    reset_after: bool = True,
) -> tuple[np.ndarray, ...]:
    """Propagate dL/dh_t of all states back through the gates and through time.

    dy: (n, steps, units), the direct gradient of each state, zeros where the loss doesn't read it; the rest as in
    `gru`. Returns dx, dw, du, db, dh0 in the shapes of x, w, u, b, h0. Raises ValueError for shapes that don't fit.
    Source: the chain rule on the equations of `gru`.

    >>> [g.shape for g in gru_grad(np.ones((2, 7, 4)), np.ones((2, 7, 3)), np.ones((3, 12)), np.ones((4, 12)))]
    [(2, 7, 3), (3, 12), (4, 12), (2, 12), (2, 4)]
    """
    x, w, u, b, mask, h0 = check_sequence(x, w, u, b, 3, mask, (2,) if reset_after else (), h0=h0)
    h = gru(x, w, u, b, h0, mask, reset_after)
    dy, before = check_upstream(dy, h), np.concatenate([h0[:, None], h[:, :-1]], axis=1)
    (b_x, b_h), units, u_g = b if reset_after else (b, 0 * b), len(u), u[:, 2 * len(u) :]
    (x_z, x_r, x_g), (h_z, h_r, h_g) = (np.split(a, 3, axis=2) for a in (x @ w + b_x, before @ u + b_h))
    z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
    g = np.tanh(x_g + (r * h_g if reset_after else (r * before) @ u_g))
    dh, da_x, da_h = np.zeros_like(dy[:, 0]), *np.zeros((2, *dy.shape[:2], 3 * units), dy.dtype)
    for t in reversed(range(x.shape[1])):
        keep, dh = mask[:, t, None], dh + dy[:, t]
        dz = dh * (before[:, t] - g[:, t]) * z[:, t] * (1 - z[:, t])
        dg = dh * (1 - z[:, t]) * (1 - g[:, t] ** 2)
        d_reset = dg if reset_after else dg @ u_g.T  # gradient of the product in which r is a factor
        dr = d_reset * (h_g if reset_after else before)[:, t] * r[:, t] * (1 - r[:, t])
        da_x[:, t] = np.where(keep, np.concatenate([dz, dr, dg], axis=1), 0)
        da_h[:, t] = np.where(keep, np.concatenate([dz, dr, dg * r[:, t] if reset_after else 0 * dg], axis=1), 0)
        passed = dh * z[:, t] + da_h[:, t] @ u.T + (0 if reset_after else d_reset * r[:, t])
        dh = np.where(keep, passed, dh)
    dw, du = np.einsum("nti,ntu->iu", x, da_x), np.einsum("nti,ntu->iu", before, da_h)
    if not reset_after:
        du[:, 2 * units :] = np.einsum("nti,ntu->iu", r * before, da_x[:, :, 2 * units :])
    db = np.stack([da_x.sum(axis=(0, 1)), da_h.sum(axis=(0, 1))])
    return da_x @ w.T, dw, du, db if reset_after else db[0], dh
