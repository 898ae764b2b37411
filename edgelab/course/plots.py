"""The figures of the course: one style, small PNGs, alt text on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito 2008: eight colours that readers with the common colour deficiencies can tell apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000")


def new_figure(width: float = 8.0, height: float = 3.2, rows: int = 1, columns: int = 1) -> tuple[Figure, np.ndarray]:
    """Make a figure in the course's style, without pyplot's global state.

    width, height: inches. Returns the figure and its axes, an object array (rows, columns).

    >>> new_figure(columns=2)[1].shape
    (1, 2)
    """
    import matplotlib as mpl
    from cycler import cycler
    from matplotlib.figure import Figure

    style = {
        "axes.prop_cycle": cycler(color=COLOURS),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 11,
        "axes.labelsize": 11,
        "font.size": 11,
        "axes.grid": True,
        "grid.color": "#E5E5E5",
        "lines.linewidth": 2,
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.set_axisbelow(True)
    return figure, axes


def png(figure: Figure, colours: int = 64) -> bytes:
    """Render a figure as a PNG of at most `colours` colours, about a third of the plain size.

    >>> png(new_figure()[0])[1:4]
    b'PNG'
    """
    import io

    from PIL import Image

    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=100)
    image = Image.open(full).convert("RGB").quantize(colours, dither=Image.Dither.NONE)
    image.save(small, format="PNG", optimize=True)
    return small.getvalue()


def show(figure: Figure, alt: str) -> None:
    """Display a figure in a notebook, with the sentence that a reader who cannot see it needs.

    alt: what the figure shows, stored with the output and printed where there are no pictures.
    Raises ValueError when it is missing.

    >>> show(new_figure()[0], "An empty figure.")
    An empty figure.
    """
    import base64

    from IPython.core.interactiveshell import InteractiveShell
    from IPython.display import display

    if not alt.strip():
        raise ValueError("alt is empty; say in one sentence what the figure shows")
    if not InteractiveShell.initialized():
        print(alt)
        return
    data = {"image/png": base64.b64encode(png(figure)).decode(), "text/plain": alt}
    display(data, raw=True, metadata={"image/png": {"alt": alt}})


def digits(images: np.ndarray, titles: Sequence[str] | None = None, columns: int = 10) -> Figure:
    """Draw a grid of images with a title each.

    images: (n, h, w) or (n, h, w, 1), uint8 or float, bright ink on a dark ground, drawn dark on bright as on paper.
    Raises ValueError when titles and images differ in number.

    >>> len(digits(np.zeros((12, 28, 28), np.uint8)).axes)
    20
    """
    images = np.asarray(images)
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"{len(images)} images and {len(titles)} titles; expected as many")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    figure, axes = new_figure(0.85 * columns, (1.15 if titles is not None else 0.9) * rows, rows, columns)
    for ax in axes.flat:
        ax.axis("off")
    for i, (ax, image) in enumerate(zip(axes.flat, images, strict=False)):
        ax.imshow(image.squeeze(), cmap="gray_r", vmin=0, vmax=255 if images.dtype == np.uint8 else 1)
        if titles is not None:
            ax.set_title(titles[i], fontsize=10)
    return figure


def curves(history: Mapping[str, Sequence[float]]) -> Figure:
    """Draw loss and accuracy over the epochs, training beside validation.

    history: as `edgelab.train.fit.fit` returns it: loss, val_loss, accuracy, val_accuracy.

    >>> len(curves({"loss": [1, 0.5], "val_loss": [1, 0.6], "accuracy": [0.5, 0.7], "val_accuracy": [0.5, 0.6]}).axes)
    2
    """
    figure, axes = new_figure(columns=2)
    for ax, name in zip(axes.flat, ("loss", "accuracy"), strict=True):
        epochs = np.arange(1, len(history[name]) + 1)
        ax.plot(epochs, history[name], marker="o", label="training")
        ax.plot(epochs, history[f"val_{name}"], marker="s", label="validation")
        ax.set(xlabel="epoch", ylabel=name, xticks=epochs)
        ax.legend(frameon=False)
    return figure


def confusion(matrix: np.ndarray, classes: Sequence[str] | None = None) -> Figure:
    """Draw a confusion matrix with its counts; the mistakes are coloured, the diagonal only counted.

    matrix: int (classes, classes), row = true class, column = predicted class.

    >>> len(confusion(np.eye(3, dtype=int)).axes)
    1
    """
    matrix = np.asarray(matrix)
    names = [str(i) for i in range(len(matrix))] if classes is None else list(classes)
    size = 1.2 + 0.45 * len(matrix)
    figure, axes = new_figure(size, size)
    ax: Axes = axes[0, 0]
    mistakes = matrix * (1 - np.eye(len(matrix), dtype=int))
    ax.imshow(mistakes, cmap="Oranges", vmin=0, vmax=max(1, mistakes.max()))
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            dark = mistakes[row, column] > 0.6 * mistakes.max()
            weight = "bold" if row == column else "normal"
            ax.text(column, row, count, ha="center", va="center", fontsize=9, weight=weight, color="wk"[not dark])
    ax.grid(visible=False)
    ax.set(xlabel="predicted class", ylabel="true class", xticks=range(len(names)), yticks=range(len(names)))
    ax.set_xticklabels(names)
    ax.set_yticklabels(names)
    return figure


def bars(values: Mapping[str, Mapping[str, float]], labels: Mapping[str, str]) -> Figure:
    """Draw one panel of horizontal bars a quantity, one bar a model, each with its value written out.

    values: {quantity: {model: value}}. labels: {quantity: axis label with its unit}.

    >>> len(bars({"size": {"a": 1.0, "b": 2.0}}, {"size": "kB"}).axes)
    1
    """
    rows = max(len(series) for series in values.values())
    figure, axes = new_figure(3.6 * len(values) + 1, 0.9 + 0.42 * rows, columns=len(values))
    for i, (ax, (quantity, series)) in enumerate(zip(axes.flat, values.items(), strict=True)):
        drawn = ax.barh(list(series), list(series.values()), color=COLOURS[i % len(COLOURS)])
        ax.bar_label(drawn, fmt="{:,.4g}", padding=3, fontsize=10)
        ax.set_xlabel(labels[quantity])
        ax.margins(x=0.2)
        ax.invert_yaxis()
        ax.grid(visible=False, axis="y")
        if i:
            ax.set_yticklabels([])
    return figure
