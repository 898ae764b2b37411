"""Which weights can go: masks by magnitude, 2 of 4, whole channels, and how fast to take them away."""

from __future__ import annotations

import numpy as np


def check_weights(w: np.ndarray, name: str = "w") -> np.ndarray:
    """Return weights as an array after checking that they are floats, finite, and that there are some.

    name: what the error calls them. Raises TypeError for integers and other types, ValueError for an empty array, and
    for NaN or infinity, saying where the first one is.

    >>> check_weights([0.5, -0.25]).tolist()
    [0.5, -0.25]
    """
    w = np.asarray(w)
    if w.dtype.kind != "f":
        raise TypeError(f"{name} is {w.dtype}; expected float weights: prune and cluster before quantizing to integers")
    if w.size == 0:
        raise ValueError(f"{name} has shape {w.shape}; expected at least one weight")
    for at in np.argwhere(~np.isfinite(w))[:1]:
        place = tuple(at.tolist())
        raise ValueError(f"{name} is {w[place]} at {place}; expected finite numbers. Did the training diverge?")
    return w


def check_sparsity(sparsity: float, name: str = "sparsity") -> float:
    """Return a sparsity, the share of weights that are zero, after checking that it is in [0, 1).

    name: what the error calls it. Raises TypeError for what is no number, ValueError where it is out of range.

    >>> check_sparsity(0.9)
    0.9
    """
    if isinstance(sparsity, bool) or not isinstance(sparsity, int | float | np.integer | np.floating):
        raise TypeError(f"{name} is {sparsity!r}; expected a number from 0 on, below 1: 0.9 takes away 90 %")
    if not 0 <= sparsity < 1:
        hint = f": {sparsity:g} % is {sparsity / 100:g}" if 1 < sparsity < 100 else ""
        raise ValueError(f"{name} is {sparsity!r}; expected a share of the weights from 0 on, below 1{hint}")
    return float(sparsity)


def magnitude_mask(w: np.ndarray, sparsity: float) -> np.ndarray:
    """Return which weights stay when the smallest in magnitude are taken away.

    w: float, any shape. sparsity: share taken away, in [0, 1): of w.size weights the nearest whole number to
    sparsity × w.size goes, but one stays at least. Of equal magnitudes the earlier ones go first, so that weights
    pruned already, which are zero, stay pruned. Returns bool of the shape of w, True where a weight stays.
    Raises TypeError or ValueError as `check_weights` and `check_sparsity` do. Han et al. 2015, section 3.

    >>> magnitude_mask(np.array([0.3, -0.1, 0.2, -0.4]), 0.5)
    array([ True, False, False,  True])
    """
    w, sparsity = check_weights(w), check_sparsity(sparsity)
    gone = min(round(sparsity * w.size), w.size - 1)
    mask = np.ones(w.size, bool)
    mask[np.argsort(np.abs(w).ravel(), kind="stable")[:gone]] = False
    return mask.reshape(w.shape)


def two_of_four_mask(w: np.ndarray, axis: int = -2) -> np.ndarray:
    """Return which weights stay when the two smallest in magnitude of each four neighbours are taken away.

    w: float, any shape. axis: along which the groups lie; −2 is the input axis of Keras' dense kernels (inputs,
    outputs) and convolutions (height, width, in, out), along which sparse matrix units take them. Of equal magnitudes
    the earlier ones go first. Returns bool of the shape of w. Raises TypeError or ValueError as `check_weights` does,
    and where the axis is not there or its size no multiple of 4. Mishra et al. 2021, section 3.1.

    >>> two_of_four_mask(np.array([[0.1], [0.4], [-0.3], [0.2]])).ravel()
    array([False,  True,  True, False])
    """
    w = check_weights(w)
    if not -w.ndim <= axis < w.ndim:
        raise ValueError(f"axis is {axis}, w has shape {w.shape}; expected one of its {w.ndim} axes")
    if w.shape[axis] % 4:
        raise ValueError(
            f"axis {axis} of w {w.shape} has size {w.shape[axis]}; expected a multiple of 4, whole groups of four. "
            "Leave this layer as it is, or take another axis"
        )
    last = np.moveaxis(np.abs(w), axis, -1)
    groups = last.reshape(*last.shape[:-1], -1, 4)
    mask = np.ones(groups.shape, bool)
    np.put_along_axis(mask, np.argsort(groups, axis=-1, kind="stable")[..., :2], False, axis=-1)
    return np.moveaxis(mask.reshape(last.shape), -1, axis)


def channel_scores(w: np.ndarray) -> np.ndarray:
    """Return the sum of magnitudes of each output channel's weights: small ones contribute little.

    w: float (…, channels): Keras' dense or convolution kernel. Returns float64 (channels,).
    Raises TypeError or ValueError as `check_weights` does. Li et al. 2017, section 3.1.

    >>> channel_scores(np.array([[1.0, -2.0, 0.5], [1.0, 2.0, 0.0]]))
    array([2. , 4. , 0.5])
    """
    w = check_weights(w)
    if w.ndim < 2:
        raise ValueError(f"w has shape {w.shape}; expected a kernel (…, channels) of two axes or more, not a bias")
    return np.abs(w).sum(axis=tuple(range(w.ndim - 1)), dtype=float)


def keep_channels(scores: np.ndarray, sparsity: float) -> np.ndarray:
    """Return the indices of the channels that stay when those of the smallest scores are taken away.

    scores: float (channels,), as from `channel_scores`. sparsity: share of channels taken away, in [0, 1), counted as
    in `magnitude_mask`; one stays at least. Returns int (kept,), rising. Raises as `check_weights` and
    `check_sparsity` do, and ValueError for negative scores or another shape.

    >>> keep_channels(np.array([2.0, 4.0, 0.5]), 1 / 3)
    array([0, 1])
    """
    scores = check_weights(scores, "scores")
    if scores.ndim != 1 or scores.min() < 0:
        raise ValueError(f"scores have shape {scores.shape}, the least is {scores.min():g}; expected (channels,), ≥ 0")
    return np.flatnonzero(magnitude_mask(scores, sparsity))


def sparsity_schedule(step: int, begin: int, end: int, initial: float = 0.0, final: float = 0.9) -> float:
    """Return the sparsity at a step of a training that prunes gradually: fast at first, slower towards the end.

    s = final + (initial − final) (1 − (step − begin) / (end − begin))³ from begin to end; initial before, final after.
    step, begin, end: counted in the same unit, batches or epochs. initial, final: in [0, 1).
    Raises ValueError where end is not after begin, or a sparsity is out of range. Zhu and Gupta 2017, equation 1.

    >>> [round(sparsity_schedule(t, 0, 100, final=0.9), 3) for t in (0, 50, 100)]
    [0.0, 0.787, 0.9]
    """
    initial, final = check_sparsity(initial, "initial"), check_sparsity(final, "final")
    if not begin < end:
        raise ValueError(f"begin is {begin}, end is {end}; expected begin < end")
    left = 1 - min(max((step - begin) / (end - begin), 0.0), 1.0)
    return final + (initial - final) * left**3
