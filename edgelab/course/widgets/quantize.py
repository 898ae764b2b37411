"""Widgets of quantization: scale and zero point on real weights, and accuracy with fewer bits."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelab.course.figures.plots import COLOURS, INK, new_figure
from edgelab.course.widgets.explorer import Explorer, choice, slider
from edgelab.shrink.quantize.affine import choose_qparams, dequantize, integer_range, quantize

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCALES = ("channel", "tensor")  # one scale for each of what


def scale_and_zero_point_on_weights(w: np.ndarray) -> Explorer:
    """Show the integers of a few bits under a histogram of weights, with the error of rounding and clipping.

    w: floats, any shape, not all equal. Each line under the histogram is a number that an integer stands for. `kept`
    is the share, in percent, of the range from the least to the largest weight that the integers cover.
    Raises ValueError for weights without a range, NaN or infinity.

    >>> view = scale_and_zero_point_on_weights(np.linspace(-1, 3, 401))
    >>> view.set(bits=3, kind="asymmetric")
    >>> view.alt.partition(";")[0]
    '3 bits, asymmetric, for weights from -1 to 3: a step is worth 0.571, the zero point is -2'
    """
    weights = np.asarray(w, np.float64).ravel()
    if not weights.size or not np.isfinite(weights).all() or weights.min() == weights.max():
        raise ValueError(f"w has shape {np.shape(w)}; expected finite weights that are not all equal")
    controls = {
        "bits": slider(4, 2, 8, 1, "bits"),
        "kept": slider(100, 10, 150, 5, "range covered (%)"),
        "kind": choice(["symmetric", "asymmetric"], "zero point"),
    }
    return Explorer(lambda **values: _draw_weights(weights, **values), controls)


def _draw_weights(weights: np.ndarray, bits: int, kept: int, kind: str) -> tuple[Figure, str]:
    low, high = weights.min() * kept / 100, weights.max() * kept / 100
    scale, zero_point = choose_qparams(low, high, bits, symmetric=kind == "symmetric")
    least, largest = integer_range(bits, narrow=kind == "symmetric")
    q = np.clip(quantize(weights, scale, zero_point, bits), least, largest)
    error = dequantize(q, scale, zero_point) - weights
    # An error above half a step means that the value was clipped; a little more, for the rounding of float32.
    clipped = np.mean(np.abs(error) > scale * 0.501)
    rms = float(np.sqrt(np.mean(error**2)))
    figure, axes = new_figure(7.5, 3.4)
    ax = axes[0, 0]
    counts, _, _ = ax.hist(weights, 60, color=COLOURS[0], alpha=0.55)
    numbers = scale * (np.arange(least, largest + 1) - float(zero_point))
    ax.vlines(numbers, -0.14 * counts.max(), -0.02 * counts.max(), color=INK, linewidth=2 if bits < 6 else 1)
    ax.plot(0, -0.08 * counts.max(), "o", color=COLOURS[1], markersize=9)
    ax.annotate(f"Z = {zero_point}", (0, -0.16 * counts.max()), ha="center", va="top", color=COLOURS[1])
    span = max(weights.max() - weights.min(), numbers[-1] - numbers[0]) / 20
    for edge, farthest in ((numbers[0] - scale / 2, weights.min()), (numbers[-1] + scale / 2, weights.max())):
        if not numbers[0] - scale / 2 <= farthest <= numbers[-1] + scale / 2:
            ax.axvspan(*sorted((edge, farthest)), color=COLOURS[1], alpha=0.2, linewidth=0)
    ends = min(weights.min(), numbers[0]) - span, max(weights.max(), numbers[-1]) + span
    ax.set(xlabel="weight", ylabel="weights", xlim=ends, ylim=(-0.32 * counts.max(), 1.08 * counts.max()))
    ax.set_yticks([tick for tick in ax.get_yticks() if 0 <= tick <= counts.max()])
    ax.set_title(f"S = {float(scale):.3g}, error {rms:.3g} (root mean square)")
    return figure, (
        f"{bits} bits, {kind}, for weights from {weights.min():.3g} to {weights.max():.3g}: a step is worth "
        f"{float(scale):.3g}, the zero point is {zero_point}; the integers reach from {numbers[0]:.3g} to "
        f"{numbers[-1]:.3g}, {clipped:.1%} of the weights lie beyond and are clipped. The root mean square of the "
        f"error is {rms:.3g}, that is {rms / float(scale):.2f} steps. A histogram of the weights; under it a line for "
        "each number that an integer stands for."
    )


def bits_against_accuracy(rows: Sequence[dict[str, Any]]) -> Explorer:
    """Choose the bits of weights and activations, and see the share of wrong answers, per tensor and per channel.

    rows: one dict a measurement: weights and activations, in bits; scales, "channel" or "tensor"; accuracy, 0 to 1;
    and the bytes that the weights take. `python benchmarks/bits.py` writes such rows.
    Raises ValueError for bits of weights with a gap between them, and where a combination is missing.

    >>> rows = [
    ...     {"weights": w, "activations": a, "scales": s, "accuracy": 1 - 2.0**-w, "bytes": 10 * w}
    ...     for w in (3, 4) for a in (4, 8) for s in ("channel", "tensor")
    ... ]
    >>> bits_against_accuracy(rows).alt.partition(",")[0]
    'Weights of 4 bits'
    """
    found = {(row["weights"], row["activations"], row["scales"]): row for row in rows}
    weights, activations = (sorted({key[i] for key in found}) for i in (0, 1))
    missing = [key for key in itertools.product(weights, activations, SCALES) if key not in found]
    if missing or not found or weights != list(range(weights[0], weights[-1] + 1)):
        raise ValueError(
            f"rows for weights of {weights} bits, none for (weights, activations, scales) in {missing[:3]}; expected "
            "bits without a gap, and all combinations"
        )
    controls = {
        "weights": slider(min(4, weights[-1]), weights[0], weights[-1], 1, "bits of a weight"),
        "activations": choice([f"{bits}" for bits in activations[::-1]], "bits of an activation"),
    }
    return Explorer(lambda weights, activations: _draw_bits(found, weights, int(activations)), controls)


def _draw_bits(found: dict[tuple, dict[str, Any]], weights: int, activations: int) -> tuple[Figure, str]:
    bits = sorted({key[0] for key in found})
    wrong = {scales: [100 * (1 - found[b, activations, scales]["accuracy"]) for b in bits] for scales in SCALES}
    figure, axes = new_figure(7.5, 3.2)
    ax = axes[0, 0]
    for marker, (scales, line) in zip("os", wrong.items(), strict=True):
        ax.semilogy(bits, np.maximum(line, 0.01), marker=marker, label=f"one scale a {scales}")
    ax.axvline(weights, color=INK, linestyle="-", linewidth=1)
    here = {scales: line[bits.index(weights)] for scales, line in wrong.items()}
    size = found[weights, activations, SCALES[0]]["bytes"]
    ax.set(xlabel="bits of a weight", ylabel="wrong answers (%)", xticks=bits, ylim=(0.3, 150))
    ax.set_title(f"{size / 1000:,.1f} kB of weights, {here['channel']:.2f} or {here['tensor']:.2f} % wrong")
    ax.set_yticks([1, 10, 100], ["1", "10", "100"])
    ax.minorticks_off()
    ax.legend()
    return figure, (
        f"Weights of {weights} bits, activations of {activations} bits: {here['channel']:.2f} % of the answers are "
        f"wrong with one scale a channel, {here['tensor']:.2f} % with one a tensor; the weights take {size:,} bytes. "
        "Two lines show the wrong answers over the bits of a weight, on a logarithmic axis."
    )
