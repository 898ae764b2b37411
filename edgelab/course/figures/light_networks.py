"""The figures of notebook 06: costs by layer, ranks, spirals, reach of channels, searches, few labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgelab.course.figures.frontier_plot import Network, frontier
from edgelab.course.figures.plots import COLOURS, bars, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from edgelab.maths.cost_table import Cost


def cost_by_layer(cost: Cost) -> Figure:
    """Draw parameters, MACs and live memory of each layer that multiplies or pools, one panel each.

    >>> from edgelab.maths.cost_table import Cost, Row
    >>> row = Row("conv", "Conv2D", (26, 26, 16), 160, 97_344, 144, 16, 640, 46_400, 46_400)
    >>> len(cost_by_layer(Cost("one", (row,), "float32")).axes)
    3
    """
    labels = {"params": "thousand parameters", "macs": "thousand MACs", "live_bytes": f"kB live, {cost.precision}"}
    rows = [row for row in cost.rows if row.macs or "pool" in row.layer]
    return bars({quantity: {row.layer: getattr(row, quantity) / 1000 for row in rows} for quantity in labels}, labels)


def accuracy_by_share(share: Sequence[float], accuracy: Sequence[float]) -> Figure:
    """Draw accuracy, 0…1, against the share of a full convolution's MACs; a dotted line marks that convolution, at 1.

    >>> len(accuracy_by_share([0.5, 1.0], [0.8, 0.9]).axes)
    1
    """
    figure, axes = new_figure(6, 3)
    ax = axes[0, 0]
    ax.plot(share, [100 * a for a in accuracy], marker="o")
    ax.axvline(1, color=COLOURS[-1], linestyle=":")
    ax.text(0.98, ax.get_ylim()[0] + 0.3, "full convolution", ha="right")
    ax.set(xlabel="MACs, as a share of the full convolution", ylabel="accuracy (%)")
    return figure


def scatter_panels(panels: Mapping[str, np.ndarray], order: np.ndarray) -> Figure:
    """Draw sets of points (n, 2) side by side, all in the square from -1.2 to 1.2, coloured by order (n,).

    >>> len(scatter_panels({"a": np.zeros((3, 2)), "b": np.ones((3, 2))}, np.arange(3)).axes)
    2
    """
    figure, axes = new_figure(8, 2.2, columns=len(panels))
    for ax, (title, points) in zip(axes.flat, panels.items(), strict=True):
        ax.scatter(*points.T, c=order, cmap="viridis", s=4)
        ax.set(title=title, xticks=[], yticks=[], xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), aspect="equal")
    return figure


def channel_matrices(panels: Mapping[str, np.ndarray]) -> Figure:
    """Draw matrices (input channels, output channels) side by side; a cell is coloured where its value is above 0.

    >>> len(channel_matrices({"a": np.eye(4), "b": np.ones((4, 4))}).axes)
    2
    """
    figure, axes = new_figure(3.5 * len(panels), 3.4, columns=len(panels))
    for ax, (title, matrix) in zip(axes.flat, panels.items(), strict=True):
        ax.imshow(matrix > 0, cmap="Oranges", vmin=0, vmax=1.5)
        ticks = range(0, len(matrix), 4)
        ax.set(title=title, xlabel="output channel", ylabel="input channel", xticks=ticks, yticks=ticks)
        ax.grid(visible=False)
    return figure


def within_budget(family: Sequence[Network], fits: Iterable[Network], title: str) -> Figure:
    """Draw the frontier of a family, with a ring around each network that fits a budget; title: of the legend.

    >>> nets = [Network("a", 900, (0.98, 0.99)), Network("b", 1800, (0.99,))]
    >>> len(within_budget(nets, nets[:1], "take a").axes)
    1
    """
    figure, fits = frontier(family, peers=()), list(fits)
    ring = {"linestyle": "none", "marker": "o", "markersize": 16, "markerfacecolor": "none", "color": COLOURS[1]}
    ax = figure.axes[0]
    ax.plot([net.size for net in fits], [100 * (1 - net.mean) for net in fits], label="fits", **ring)
    ax.legend(loc="lower right", title=title)
    return figure


def halving_runs(rows: Iterable[Mapping]) -> Figure:
    """Draw the validation error of each plan of a successive halving against its epochs, both axes logarithmic.

    rows: each with "plan", "epochs" and "validation", the accuracy, 0…1. Plans trained equally often share a colour.

    >>> rows = [{"plan": "a", "epochs": n, "validation": 1 - 0.1 / n} for n in (1, 3)]
    >>> len(halving_runs([*rows, {"plan": "b", "epochs": 1, "validation": 0.8}]).axes)
    1
    """
    runs: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        runs.setdefault(row["plan"], []).append((row["epochs"], 100 * (1 - row["validation"])))
    figure, axes = new_figure(6.5, 3.2)
    ax = axes[0, 0]
    for points in runs.values():
        ax.loglog(*zip(*points, strict=True), marker="o", linestyle="-", color=COLOURS[len(points) - 1])
    ax.set(xlabel="epochs of training", ylabel="validation error (%)")
    epochs = sorted({n for points in runs.values() for n, _ in points})
    ax.set_xticks(epochs, epochs)
    ax.set_yticks((2, 5, 10, 20, 50), (2, 5, 10, 20, 50))
    ax.minorticks_off()
    return figure


def accuracy_by_labels(methods: Mapping[str, Sequence[tuple[float, float]]], labels: Sequence[int]) -> Figure:
    """Draw accuracy against labels per class, a line per method, with bars of one deviation.

    methods: {name: [(mean, deviation), …]}, 0…1, one pair for each number of labels.

    >>> len(accuracy_by_labels({"a": [(0.5, 0.1), (0.8, 0.05)]}, [1, 10]).axes)
    1
    """
    figure, axes = new_figure(8, 4)
    ax = axes[0, 0]
    for name, pairs in methods.items():
        means, deviations = (100 * np.array(part) for part in zip(*pairs, strict=True))
        ax.errorbar(labels, means, yerr=deviations, marker="o", capsize=4, label=name)
    ax.set(xscale="log", xlabel="labels per class", ylabel="accuracy on 5 to 9 (%)")
    ax.set_xticks(labels, labels, minor=False)
    ax.minorticks_off()
    ax.legend()
    return figure
