"""Figures of a few series over one axis, and of a histogram with marks on it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgelab.course.figures.plots import COLOURS, DASHES, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def lines(
    x: Sequence[float],
    series: Mapping[str, Sequence[float]],
    xlabel: str,
    ylabel: str,
    log: bool = False,
    points: Collection[str] = (),
) -> Figure:
    """Draw a few series over one axis, each with its marker.

    x: of all series. series: {name in the legend: values}. log: a logarithmic axis for the values. points: names of
    series that are drawn as points only; then the others are lines without markers. Raises ValueError for a name in
    points that is not in series.

    >>> figure = lines([1, 2, 3], {"measured": [1, 4, 9], "derived": [1, 4, 9]}, "n", "n²", points=["measured"])
    >>> [line.get_linestyle() for line in figure.axes[0].lines]
    ['None', '--']
    """
    unknown = set(points) - set(series)
    if unknown:
        raise ValueError(f"points names {sorted(unknown)}; expected names of series: {', '.join(series)}")
    figure, axes = new_figure(7, 3.1)
    ax = axes[0, 0]
    for i, (name, values) in enumerate(series.items()):
        line = "none" if name in points else DASHES[i]
        ax.plot(x, values, marker="" if points and name not in points else "os^vD*"[i], linestyle=line, label=name)
    ax.set(xlabel=xlabel, ylabel=ylabel, yscale="log" if log else "linear")
    if not log and min(map(min, series.values())) >= 0:
        ax.set_ylim(bottom=0)  # heights compare as the values do
    if len(x) <= 12:
        ax.set_xticks(list(x))
    ax.legend()
    return figure


def histogram_with_marks(values: np.ndarray, marks: Mapping[str, float], xlabel: str, ylabel: str = "values") -> Figure:
    """Draw a histogram with counts on a logarithmic axis, and a vertical line at each mark.

    values: numbers, any shape. marks: {name in the legend: place}.

    >>> len(histogram_with_marks(np.arange(9.0), {"mean": 4.0, "end": 8.0}, "x").axes[0].lines)
    2
    """
    figure, axes = new_figure(7.5, 3.4)
    ax = axes[0, 0]
    ax.hist(np.ravel(values), 80, color=COLOURS[-1], alpha=0.3)
    for i, (name, place) in enumerate(marks.items()):
        ax.axvline(place, color=COLOURS[i], linestyle=DASHES[i], label=name)
    ax.set(xlabel=xlabel, ylabel=ylabel, yscale="log")
    ax.legend(loc="upper center")
    return figure
