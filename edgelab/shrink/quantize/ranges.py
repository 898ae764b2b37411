"""The range of an activation to quantize: four rules that choose it from calibration data, and clip what is outside."""

from __future__ import annotations

import numpy as np

from edgelab.shrink.quantize.affine import choose_qparams, dequantize, integer_range, quantize


def min_max_range(x: np.ndarray) -> tuple[float, float]:
    """Return the least and the largest value: nothing is clipped, and one outlier sets the scale of all values.

    x: numbers, any shape. Raises ValueError for no data, NaN and infinity. Source: Nagel et al. 2021, section 3.1.

    >>> min_max_range(np.array([-1.0, 0.5, 8.0]))
    (-1.0, 8.0)
    """
    x = check_values(x)
    return float(x.min()), float(x.max())


def percentile_range(x: np.ndarray, percent: float = 99.9) -> tuple[float, float]:
    """Return the range that holds so many percent of the values; the rest is clipped, half of it at each end.

    x: numbers, any shape. percent: above 0, at most 100 (which is min and max). Where many values equal the least one,
    as zeros after a ReLU do, that end stays there. Raises ValueError for other percent, no data, NaN and infinity.
    Source: Wu et al. 2020, Integer quantization for deep learning inference, on calibration.

    >>> percentile_range(np.arange(1001.0), 99)
    (5.0, 995.0)
    """
    if not 0 < percent <= 100:
        raise ValueError(f"percent is {percent}; expected more than 0 and at most 100, such as 99.9")
    low, high = np.percentile(check_values(x), [(100 - percent) / 2, (100 + percent) / 2])
    return float(low), float(high)


def mse_range(x: np.ndarray, bits: int = 8, steps: int = 100) -> tuple[float, float]:
    """Return the range with the least mean squared error of rounding and clipping together.

    x: numbers, any shape. bits: of the integers. steps: how many fractions of the least and the largest value are
    tried, both ends alike. Raises ValueError for steps below 1, bits outside 2 to 16, no data, NaN and infinity.
    Source: Nagel et al. 2021, section 3.1.

    >>> low, high = mse_range(np.append(np.linspace(-1, 1, 1001), 100.0), bits=4)
    >>> high < 100
    True
    """
    low, high = min_max_range(x)
    if steps < 1:
        raise ValueError(f"steps is {steps}; expected at least 1 range to try")
    x, best, found = np.asarray(x, np.float64), np.inf, (low, high)
    for fraction in np.linspace(1, 0, steps, endpoint=False):
        scale, zero_point = choose_qparams(low * fraction, high * fraction, bits)
        error = np.mean((dequantize(quantize(x, scale, zero_point, bits), scale, zero_point) - x) ** 2)
        if error < best:
            best, found = error, (float(low * fraction), float(high * fraction))
    return found


def entropy_range(x: np.ndarray, bits: int = 8, bins: int = 2048) -> tuple[float, float]:
    """Return the range whose clipped histogram has the least relative entropy from itself merged into fewer levels.

    x: numbers, any shape. bins: of the histogram of |x|; it is clipped after each bin, and merged into 2^(bits - 1)
    levels. Returns (-t, t), limited to the least and the largest value. Raises ValueError for fewer bins than levels,
    bits outside 2 to 16, no data, NaN and infinity. Source: Migacz 2017, 8-bit inference with TensorRT.

    >>> low, high = entropy_range(np.append(np.random.default_rng(0).normal(size=10_000), 50.0))
    >>> high < 10
    True
    """
    low, high = min_max_range(x)
    levels = integer_range(bits)[1] + 1
    if bins < levels:
        raise ValueError(f"{bins} bins for {levels} levels; expected at least {levels} bins, better {16 * levels}")
    counts, edges = np.histogram(np.abs(np.asarray(x, np.float64)), bins, (0, max(-low, high) or 1))
    divergences = [merged_divergence(counts[:i], counts[i:].sum(), levels) for i in range(levels, bins + 1)]
    bound = float(edges[levels + int(np.argmin(divergences))])
    return max(low, -bound), min(high, bound)


def merged_divergence(counts: np.ndarray, outliers: int, levels: int) -> float:
    """Return the relative entropy in nats of a histogram from itself merged into fewer levels.

    counts: int (bins,), at least 0. outliers: values beyond the last bin, which are added to it. levels: how many
    levels; each spreads its count evenly over its bins that are not empty. Returns infinity where the merged histogram
    is 0 and the other is not. Source: Kullback and Leibler 1951, eq. 2.4; merged as in TensorRT (Migacz 2017).

    >>> [round(merged_divergence(np.array(counts), 0, levels=2), 3) for counts in ([4, 4, 2, 2], [4, 0, 1, 3])]
    [0.0, 0.065]
    """
    p = counts.astype(np.float64)
    p[-1] += outliers
    starts = np.arange(levels) * len(counts) // levels
    used = counts > 0
    sums, places = (np.add.reduceat(values, starts) for values in (counts, used.astype(np.int64)))
    spread = np.repeat(sums / np.maximum(places, 1), np.diff(np.append(starts, len(counts))))
    q = np.where(used, spread, 0.0)
    if not q.sum() or (p[-1] and not q[-1]):
        return np.inf  # the merged histogram is 0 where p is not
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum(p[p > 0] * np.log(p[p > 0] / q[p > 0])))


def check_values(x: np.ndarray) -> np.ndarray:
    """Return calibration data as an array. Raises ValueError for no data, NaN and infinity.

    >>> check_values([1.0, 2.0]).shape
    (2,)
    """
    x = np.asarray(x)
    if x.size == 0:
        raise ValueError(f"calibration data has shape {x.shape}: there is no value in it; expected at least one")
    if not np.isfinite(x).all():
        bad = np.argwhere(~np.isfinite(x))[0].tolist()
        raise ValueError(
            f"calibration data holds NaN or infinity, first at {bad}; expected finite numbers. Remove it first"
        )
    return x
