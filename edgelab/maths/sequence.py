"""For all recurrent layers: checks of shapes, and the clipping of gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgelab.maths.checks import as_float


def check_sequence(
    x: np.ndarray,
    w: np.ndarray,
    u: np.ndarray,
    b: np.ndarray | None,
    gates: int,
    mask: np.ndarray | None = None,
    bias: tuple[int, ...] = (),
    **states: np.ndarray | None,
) -> list[np.ndarray]:
    """Check that sequences, the weights of a recurrent layer, its mask and its first states fit each other.

    x: (n, steps, inputs). w: (inputs, gates * units). u: (units, gates * units). gates: weight matrices side by side, 1
    in a simple layer. b: (*bias, gates * units) or None, for zeros. mask: bool (n, steps), True where a step counts,
    None for all. states: (n, units) each, None for zeros. Returns [x, w, u, b, mask, *states] as arrays of one float
    type: float64 unless all are float32 or smaller. Raises ValueError naming both shapes and the axis, TypeError for
    arrays that hold no real numbers or a mask that isn't bool.

    >>> x, w, u = np.ones((2, 5, 3), int), np.ones((3, 4)), np.ones((4, 4))
    >>> x, w, u, b, mask, h0 = check_sequence(x, w, u, None, gates=1, h0=None)
    >>> x.dtype.name, b.shape, mask.shape, h0.shape
    ('float64', (4,), (2, 5), (2, 4))
    """
    x, w, u = np.asarray(x), np.asarray(w), np.asarray(u)
    columns = "units" if gates == 1 else f"{gates} * units"
    axes = {"x": (x, "n, steps, inputs"), "w": (w, f"inputs, {columns}"), "u": (u, f"units, {columns}")}
    for name, (array, wanted) in axes.items():
        if array.ndim != wanted.count(",") + 1 or 0 in array.shape:
            raise ValueError(f"{name} has shape {array.shape}; expected ({wanted}), each at least 1")
    (n, steps, inputs), units, width = x.shape, len(u), gates * len(u)
    if u.shape[1] != width:
        raise ValueError(f"u has shape {u.shape}; expected (units, {columns}): axis 1 is {u.shape[1]}, not {width}")
    if w.shape[0] != inputs:
        raise ValueError(f"x has shape {x.shape}, w {w.shape}: axis 2 of x and axis 0 of w, the inputs, differ")
    if w.shape[1] != width:
        raise ValueError(f"w has shape {w.shape}, u {u.shape}: axis 1 of both, {columns}, differs")
    given = {"b": (b, (*bias, width)), **{name: (state, (n, units)) for name, state in states.items()}}
    for name, (array, shape) in given.items():
        if array is not None and np.shape(array) != shape:
            fits = f"w has {w.shape}" if name == "b" else f"x has {x.shape}, u {u.shape}"
            raise ValueError(f"{name} has shape {np.shape(array)} where {fits}; expected {shape}")
    mask = np.ones((n, steps), bool) if mask is None else np.asarray(mask)
    if mask.dtype != bool:
        raise TypeError(f"mask is {mask.dtype}; expected bool, True where a step counts")
    if mask.shape != (n, steps):
        raise ValueError(f"mask has shape {mask.shape} where x has {x.shape}; expected {(n, steps)}: axes 0 and 1 of x")
    known = {"x": x, "w": w, "u": u, **{name: array for name, (array, _) in given.items() if array is not None}}
    known = dict(zip(known, as_float(**known), strict=True))
    b, *first = (known.get(name, np.zeros(shape, known["x"].dtype)) for name, (_, shape) in given.items())
    return [known["x"], known["w"], known["u"], b, mask, *first]


def check_upstream(dy: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Check that an upstream gradient has the shape of the states it belongs to; return it in their float type.

    dy, h: (n, steps, units). Raises ValueError naming both shapes, or TypeError for a dy that holds no real numbers.

    >>> check_upstream(np.ones((2, 5, 4), int), np.zeros((2, 5, 4))).dtype.name
    'float64'
    """
    dy = np.asarray(dy)
    if dy.shape != h.shape:
        raise ValueError(
            f"dy has shape {dy.shape}, the states {h.shape}; expected equal shapes, a gradient for every state. Give "
            "zeros for states that the loss does not read, such as all but the last"
        )
    if dy.dtype.kind not in "fiub":
        raise TypeError(f"dy is {dy.dtype}; expected real numbers")
    return dy.astype(np.result_type(dy, h))


def clip_by_global_norm(gradients: Sequence[np.ndarray], limit: float) -> tuple[list[np.ndarray], float]:
    """Scale all gradients by one factor so that their common norm is at most a limit; the direction stays.

    gradients: arrays of any shapes. limit > 0, in units of the gradients. Returns the clipped arrays, new ones, and
    the norm before clipping: the root of the sum of all squares. Raises ValueError for a limit that is not positive,
    no gradients, or gradients with NaN or infinity. Source: Pascanu, Mikolov and Bengio 2013, algorithm 1.

    >>> clip_by_global_norm([np.array([3.0]), np.array([[0.0, 4.0]])], 1.0)
    ([array([0.6]), array([[0. , 0.8]])], 5.0)
    """
    if not limit > 0 or not np.isfinite(limit):
        raise ValueError(f"limit is {limit!r}; expected a positive number, such as 1.0")
    arrays = [np.asarray(g) for g in gradients]
    arrays = [g if g.dtype.kind == "f" else g.astype(float) for g in arrays]
    if not arrays:
        raise ValueError("no gradients given; expected at least one array")
    for i, g in enumerate(arrays):
        if not np.isfinite(g).all():
            raise ValueError(f"gradient {i} holds NaN or infinity, so it has no direction. Skip this step or lower η")
    # Divide by the largest before squaring: the square of 1e30 overflows in float32, that of 1e200 in float64.
    largest = max(float(np.abs(g).max(initial=0)) for g in arrays)
    squares = sum(float(((g.astype(float) / (largest or 1)) ** 2).sum()) for g in arrays)
    norm = largest * float(np.sqrt(squares))
    return [(g * (limit / max(norm, limit))).astype(g.dtype) for g in arrays], norm
