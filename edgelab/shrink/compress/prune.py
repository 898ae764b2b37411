"""Which weights to prune: masks by magnitude, two of four, whole channels, and a schedule for the sparsity."""

from __future__ import annotations

import numpy as np


def check_weights(w: np.ndarray, name: str = "w") -> np.ndarray:
    """Return weights as an array after checking that there is at least one, and that they are finite floats.

    name: of the argument, for the error message. Raises TypeError for integers and other types, ValueError for an empty
    array, and for NaN or infinity, with the place of the first one.

    >>> check_weights([0.5, -0.25]).tolist()
    [0.5, -0.25]
    """
    w = np.asarray(w)
    if w.dtype.kind != "f":
        raise TypeError(f"{name} is {w.dtype}; expected floats. Prune and cluster before quantizing to integers")
    if w.size == 0:
        raise ValueError(f"{name} has shape {w.shape}; expected at least one weight")
    for at in np.argwhere(~np.isfinite(w))[:1]:
        place = tuple(at.tolist())
        raise ValueError(f"{name} is {w[place]} at {place}; expected finite numbers. Did the training diverge?")
    return w


def check_sparsity(sparsity: float, name: str = "sparsity") -> float:
    """Return a sparsity, the share of weights that are 0, after checking that it is in [0, 1).

    name: of the argument, for the error message. Raises TypeError for what is not a number, ValueError where it is out
    of range.

    >>> check_sparsity(0.9)
    0.9
    """
    if isinstance(sparsity, bool) or not isinstance(sparsity, int | float | np.integer | np.floating):
        raise TypeError(f"{name} is {sparsity!r}; expected a number, at least 0 and below 1: 0.9 prunes 90 %")
    if not 0 <= sparsity < 1:
        hint = f". For {sparsity:g} % give {sparsity / 100:g}" if 1 < sparsity < 100 else ""
        raise ValueError(f"{name} is {sparsity!r}; expected a share of the weights, at least 0 and below 1{hint}")
    return float(sparsity)


def magnitude_mask(w: np.ndarray, sparsity: float) -> np.ndarray:
    """Return which weights are kept when the smallest in magnitude are pruned.

    w: float, any shape. sparsity: share to prune, in [0, 1): sparsity × w.size weights, rounded to a whole number, but
    at least one weight is kept. Among equal magnitudes the earlier ones are pruned first. Returns bool of the shape of
    w, True where a weight is kept. Raises TypeError or ValueError as `check_weights` and `check_sparsity` do.
    Han et al. 2015, section 3.

    >>> magnitude_mask(np.array([0.3, -0.1, 0.2, -0.4]), 0.5)
    array([ True, False, False,  True])
    """
    w, sparsity = check_weights(w), check_sparsity(sparsity)
    pruned = min(round(sparsity * w.size), w.size - 1)
    mask = np.ones(w.size, bool)
    mask[np.argsort(np.abs(w).ravel(), kind="stable")[:pruned]] = False
    return mask.reshape(w.shape)


def two_of_four_mask(w: np.ndarray, axis: int = -2) -> np.ndarray:
    """Return which weights are kept when, of each four neighbours, the two smallest in magnitude are pruned.

    w: float, any shape. axis: along which the groups of four lie; −2 is the input axis of Keras' dense kernels (inputs,
    outputs) and convolutions (height, width, in, out), as sparse matrix units expect. Among equal magnitudes the
    earlier ones are pruned first. Returns bool of the shape of w, True where a weight is kept. Raises TypeError or
    ValueError as `check_weights` does, and ValueError where the axis does not exist or its size is not a multiple of 4.
    Mishra et al. 2021, section 3.1.

    >>> two_of_four_mask(np.array([[0.1], [0.4], [-0.3], [0.2]])).ravel()
    array([False,  True,  True, False])
    """
    w = check_weights(w)
    if not -w.ndim <= axis < w.ndim:
        raise ValueError(f"axis is {axis}, w has shape {w.shape}; expected an axis from {-w.ndim} to {w.ndim - 1}")
    if w.shape[axis] % 4:
        raise ValueError(
            f"axis {axis} of w {w.shape} has size {w.shape[axis]}; expected a multiple of 4, for whole groups of four. "
            "Leave this layer as it is, or choose another axis"
        )
    last = np.moveaxis(np.abs(w), axis, -1)
    groups = last.reshape(*last.shape[:-1], -1, 4)
    mask = np.ones(groups.shape, bool)
    np.put_along_axis(mask, np.argsort(groups, axis=-1, kind="stable")[..., :2], False, axis=-1)
    return np.moveaxis(mask.reshape(last.shape), -1, axis)


def channel_scores(w: np.ndarray) -> np.ndarray:
    """Return the sum of the magnitudes of the weights of each output channel: a small sum contributes little.

    w: float (…, channels): Keras' dense or convolution kernel. Returns float64 (channels,).
    Raises TypeError or ValueError as `check_weights` does. Li et al. 2017, section 3.1.

    >>> channel_scores(np.array([[1.0, -2.0, 0.5], [1.0, 2.0, 0.0]]))
    array([2. , 4. , 0.5])
    """
    w = check_weights(w)
    if w.ndim < 2:
        raise ValueError(f"w has shape {w.shape}; expected a kernel (…, channels) of at least two axes, not a bias")
    return np.abs(w).sum(axis=tuple(range(w.ndim - 1)), dtype=float)


def keep_channels(scores: np.ndarray, sparsity: float) -> np.ndarray:
    """Return the indices of the channels that are kept when those of the smallest scores are removed.

    scores: float (channels,), as from `channel_scores`. sparsity: share of channels to remove, in [0, 1), rounded as in
    `magnitude_mask`; at least one channel is kept. Returns int (kept,), rising. Raises TypeError or ValueError as
    `check_weights` and `check_sparsity` do, and ValueError for negative scores or another shape.

    >>> keep_channels(np.array([2.0, 4.0, 0.5]), 1 / 3)
    array([0, 1])
    """
    scores = check_weights(scores, "scores")
    if scores.ndim != 1 or scores.min() < 0:
        raise ValueError(
            f"scores have shape {scores.shape}, the smallest is {scores.min():g}; expected (channels,) scores ≥ 0"
        )
    return np.flatnonzero(magnitude_mask(scores, sparsity))


def sparsity_schedule(step: int, begin: int, end: int, initial: float = 0.0, final: float = 0.9) -> float:
    """Return the sparsity at a step of a training that prunes gradually: it rises fast at first, slowly at the end.

    s = final + (initial − final) (1 − (step − begin) / (end − begin))³ from begin to end; initial before, final after.
    step, begin, end: counted in the same unit, batches or epochs. initial, final: sparsities in [0, 1).
    Raises ValueError where end is not after begin, TypeError or ValueError as `check_sparsity` does. Zhu and Gupta
    2017, equation 1.

    >>> [round(sparsity_schedule(t, 0, 100, final=0.9), 3) for t in (0, 50, 100)]
    [0.0, 0.787, 0.9]
    """
    initial, final = check_sparsity(initial, "initial"), check_sparsity(final, "final")
    if not begin < end:
        raise ValueError(f"begin is {begin}, end is {end}; expected begin < end")
    left = 1 - min(max((step - begin) / (end - begin), 0.0), 1.0)
    return final + (initial - final) * left**3
