"""Weight sharing by k-means in one dimension: each weight becomes the index of an entry of a codebook."""

from __future__ import annotations

import numpy as np

from edgelab.shrink.compress.prune import check_weights

STARTS = ("linear", "density", "random")


def first_codebook(values: np.ndarray, clusters: int, initial: str = "linear", seed: int = 0) -> np.ndarray:
    """Return the codebook that k-means starts from: clusters entries within the range of the values, rising.

    values: float (n,). initial: "linear", evenly spaced from the smallest value to the largest; "density", at evenly
    spaced quantiles, so most entries lie where most values are; "random", values drawn by the seed. Returns float64
    (clusters,). Raises ValueError for another word. Han et al. 2016, section 3.2.

    >>> first_codebook(np.array([0.0, 0.1, 0.2, 1.0]), 3)
    array([0. , 0.5, 1. ])
    """
    if initial not in STARTS:
        raise ValueError(f"initial is {initial!r}; expected one of {', '.join(map(repr, STARTS))}")
    values = np.asarray(values, float)
    if initial == "linear":
        return np.linspace(values.min(), values.max(), clusters)
    if initial == "density":
        return np.quantile(values, (np.arange(clusters) + 0.5) / clusters)
    return np.sort(np.random.default_rng(seed).choice(np.unique(values), clusters, replace=False))


def lloyd(values: np.ndarray, counts: np.ndarray, codebook: np.ndarray, iterations: int) -> np.ndarray:
    """Return the codebook after some steps of k-means: assign each value to the nearest entry, then take the means.

    values: float64 (n,), all different, rising. counts: how often each occurs. codebook: float64 (clusters,), rising;
    clusters ≤ n. iterations: the most steps; it stops once no value changes its cluster. In one dimension a cluster is
    an interval, and its sum the difference of two cumulative sums: a step costs clusters × log n operations. The entry
    of an empty cluster moves to the value with the largest error. Returns float64 (clusters,). Lloyd 1982, section VI.

    >>> lloyd(np.array([0.0, 1.0, 9.0, 10.0]), np.ones(4), np.array([0.0, 5.0]), 10)
    array([0.5, 9.5])
    """
    many, total = (np.concatenate([[0.0], np.cumsum(a)]) for a in (counts, counts * values))
    before, codebook = None, codebook.copy()
    for _ in range(iterations):
        while True:
            edges = np.searchsorted(values, (codebook[1:] + codebook[:-1]) / 2)
            edges = np.concatenate([[0], edges, [len(values)]])
            empty = np.flatnonzero(np.diff(edges) == 0)
            if len(empty) == 0:
                break
            worst = np.abs(values - np.repeat(codebook, np.diff(edges))).argmax()
            codebook[empty[0]] = values[worst]
            codebook.sort()
        if before is not None and np.array_equal(edges, before):
            break
        before = edges
        codebook = np.diff(total[edges]) / np.diff(many[edges])
    return codebook


def cluster_weights(
    w: np.ndarray,
    clusters: int,
    initial: str = "linear",
    iterations: int = 100,
    seed: int = 0,
    keep_zeros: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a codebook, and for each weight its code, the index of its entry: w ≈ codebook[codes].

    w: float, any shape. clusters: how many values the weights that are not 0 share, at most 255 (256 without
    keep_zeros); fewer if fewer values occur. initial, iterations, seed: as for `first_codebook` and `lloyd`.
    keep_zeros: entry 0 is 0.0, for pruned weights only; the entries of the clusters follow, rising.
    Returns float32 (entries,) and uint8 codes of the shape of w. Raises TypeError or ValueError for weights as
    `edgelab.shrink.compress.check_weights` does, and for a number of clusters out of range. Han et al. 2016, section 3.

    >>> codebook, codes = cluster_weights(np.array([0.0, -1.0, 0.9, 1.1]), clusters=2)
    >>> codebook.tolist(), codes.tolist()
    ([0.0, -1.0, 1.0], [0, 1, 2, 2])
    """
    w, most = check_weights(w), 256 - keep_zeros
    if not isinstance(clusters, int | np.integer) or not 1 <= clusters <= most:
        raise ValueError(f"clusters is {clusters!r}; expected an integer from 1 to {most}: codes are uint8")
    if iterations < 1:
        raise ValueError(f"iterations is {iterations}; expected at least 1")
    chosen = w[w != 0] if keep_zeros else w.ravel()
    values, counts = np.unique(chosen.astype(np.float64), return_counts=True)
    centres = values
    if len(values) > clusters:
        centres = lloyd(values, counts, first_codebook(chosen, clusters, initial, seed), iterations)
    # By the centres before rounding: a weight half-way between two must keep the cluster whose mean it was part of.
    codes = np.searchsorted((centres[1:] + centres[:-1]) / 2, w.astype(float).ravel(), side="right").reshape(w.shape)
    centres = centres.astype(np.float32)
    if keep_zeros:
        centres = np.concatenate([np.zeros(1, np.float32), centres])
        codes = np.where(w == 0, 0, codes + 1)
    return centres, codes.astype(np.uint8)


def codebook_gradient(dw: np.ndarray, codes: np.ndarray, entries: int, keep_zeros: bool = True) -> np.ndarray:
    """Return the gradient of the loss by each entry of a codebook: the sum of dw over the weights that share it.

    dw: float, gradient by the weights. codes: integers of the same shape. entries: number of entries of the codebook.
    keep_zeros: entry 0 is that of the pruned weights and must stay 0, so its gradient is 0. Returns float64 (entries,).
    Raises ValueError where the shapes differ or a code has no entry. Han et al. 2016, section 3.3, equation 3.

    >>> codebook_gradient(np.array([0.5, 1.0, 2.0, 4.0]), np.array([0, 1, 2, 1]), entries=3)
    array([0., 5., 2.])
    """
    dw, codes = np.asarray(dw, float), np.asarray(codes)
    if dw.shape != codes.shape:
        raise ValueError(
            f"dw has shape {dw.shape}, codes {codes.shape}; expected the same shape, one code for each weight"
        )
    if codes.size and not 0 <= codes.min() <= codes.max() < entries:
        raise ValueError(f"codes run from {codes.min()} to {codes.max()}; expected 0 to {entries - 1}, the entries")
    gradient = np.bincount(codes.ravel().astype(np.intp), weights=dw.ravel(), minlength=entries)
    if keep_zeros:
        gradient[0] = 0
    return gradient
