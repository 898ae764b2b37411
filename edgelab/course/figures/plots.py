"""The figures of the course: one style, small PNGs, and alt text for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from edgelab.train.judging.calibrated_confidence import Reliability

# Figures have a white ground of their own, so that they look the same on bright and dark pages.
PAPER, INK, GRID = "#FFFFFF", "#000000", "#DDDDDD"
# The first three are Okabe and Ito's (2008); their yellow, orange and sky blue are too faint for a line on white. All
# have a contrast of 3:1 or more with white, and differ from each other for readers with the common colour deficiencies.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#8000F0", "#603010", "#900060", "#002080", "#000000")
# Dashes tell lines apart where colours cannot, as in a grey print.
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (9, 2)), (0, (3, 1)), (0, (1, 1)))


def new_figure(width: float = 8.0, height: float = 3.2, rows: int = 1, columns: int = 1) -> tuple[Figure, np.ndarray]:
    """Make a figure in the course's style, without pyplot's global state.

    width, height: inches. Returns the figure and its axes, an object array (rows, columns). Up to 8 inches wide it
    can be read at half its size too: text of 13 points is then 9 pixels high. Successive lines differ in colour and
    dashes. The style is set in matplotlib's settings, so legends and texts that are drawn later have it as well.

    >>> new_figure(columns=2)[1].shape
    (1, 2)
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update(_style())
    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, axes


def _style() -> dict[str, object]:
    """Return matplotlib's settings for the course."""
    from cycler import cycler

    sizes = dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize", "legend.fontsize"), 13)
    inks = ("text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor", "xtick.color", "ytick.color")
    return {
        **sizes,
        **dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), 13),
        **dict.fromkeys(inks, INK),
        **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor", "legend.facecolor"), PAPER),
        "axes.prop_cycle": cycler(color=COLOURS) + cycler(linestyle=DASHES),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        **dict.fromkeys(("figure.constrained_layout.w_pad", "figure.constrained_layout.h_pad"), 0.08),
        "grid.color": GRID,
        "grid.linewidth": 1,
        "lines.linewidth": 2.5,
        "lines.markersize": 7,
        "legend.edgecolor": "none",  # its ground covers the lines behind it
        "legend.framealpha": 0.85,
    }


def png(figure: Figure, colours: int = 64) -> bytes:
    """Render a figure as a PNG of at most `colours` colours, about a third of the plain size.

    >>> png(new_figure()[0])[1:4]
    b'PNG'
    """
    import io

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas, small = FigureCanvasAgg(figure), io.BytesIO()
    canvas.draw()  # savefig would draw twice
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    # The course's own colours are always kept, even for a line of few pixels; all others share the remaining places.
    own = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in (PAPER, INK, *COLOURS)])
    found = image.quantize(max(1, colours - len(own)), method=Image.Quantize.MAXCOVERAGE).getpalette()
    # Pillow finds the nearest colour only roughly: a near-white in the palette would replace some of the white ground.
    others = [c for c in np.reshape(found, (-1, 3)) if np.abs(own - c).sum(axis=1).min() > 12]
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.vstack([own, *others])[:colours].ravel().tolist())
    image = image.quantize(palette=palette, dither=Image.Dither.NONE)
    image.save(small, format="PNG", optimize=True)
    return small.getvalue()


def show(figure: Figure, alt: str) -> None:
    """Display a figure in a notebook, with a text for readers who cannot see it.

    alt: what the figure shows. It is stored with the output, and printed instead of the picture outside a notebook.
    Raises ValueError when it is empty.

    >>> show(new_figure()[0], "An empty figure.")
    An empty figure.
    """
    import base64

    from IPython.core.interactiveshell import InteractiveShell
    from IPython.display import display

    if not alt.strip():
        raise ValueError("alt is empty; expected a sentence that says what the figure shows")
    if not InteractiveShell.initialized():
        print(alt)
        return
    data = {"image/png": base64.b64encode(png(figure)).decode(), "text/plain": alt}
    display(data, raw=True, metadata={"image/png": {"alt": alt}})


def digits(images: np.ndarray, titles: Sequence[str] | None = None, columns: int = 10) -> Figure:
    """Draw a grid of images, with a title for each where titles are given.

    images: (n, h, w) or (n, h, w, 1), uint8 or float, bright ink on a dark ground; drawn as dark ink on white.
    Raises ValueError when titles and images differ in number.

    >>> len(digits(np.zeros((12, 28, 28), np.uint8)).axes)
    20
    """
    images = np.asarray(images)
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"{len(images)} images and {len(titles)} titles; expected one title for each image")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    figure, axes = new_figure(0.8 * columns, (1.1 if titles is not None else 0.85) * rows, rows, columns)
    for ax in axes.flat:
        ax.axis("off")
    for i, (ax, image) in enumerate(zip(axes.flat, images, strict=False)):
        ax.imshow(image.squeeze(), cmap="gray_r", vmin=0, vmax=255 if images.dtype == np.uint8 else 1)
        if titles is not None:
            ax.set_title(titles[i])
    return figure


def curves(history: Mapping[str, Sequence[float]]) -> Figure:
    """Draw loss and accuracy over the epochs, for training and for validation.

    history: as `edgelab.train.fitting.fit` returns it: loss, val_loss, accuracy, val_accuracy.

    >>> len(curves({"loss": [1, 0.5], "val_loss": [1, 0.6], "accuracy": [0.5, 0.7], "val_accuracy": [0.5, 0.6]}).axes)
    2
    """
    figure, axes = new_figure(columns=2)
    for ax, name in zip(axes.flat, ("loss", "accuracy"), strict=True):
        epochs = np.arange(1, len(history[name]) + 1)
        ax.plot(epochs, history[name], marker="o", label="training")
        ax.plot(epochs, history[f"val_{name}"], marker="s", label="validation")
        ax.set(xlabel="epoch", ylabel=name, xticks=epochs)
        ax.legend()
    return figure


def confusion(matrix: np.ndarray, classes: Sequence[str] | None = None) -> Figure:
    """Draw a confusion matrix with its counts; only the mistakes, off the diagonal, are coloured.

    matrix: int (classes, classes), row = true class, column = predicted class.

    >>> len(confusion(np.eye(3, dtype=int)).axes)
    1
    """
    matrix = np.asarray(matrix)
    names = [str(i) for i in range(len(matrix))] if classes is None else list(classes)
    size = 1.4 + 0.6 * len(matrix)
    figure, axes = new_figure(size, size)
    ax: Axes = axes[0, 0]
    mistakes = matrix * (1 - np.eye(len(matrix), dtype=int))
    image = ax.imshow(mistakes, cmap="Oranges", vmin=0, vmax=max(1, mistakes.max()))
    # Luminance decides whether black or white text is read better on a cell.
    grey = image.to_rgba(mistakes)[..., :3] ** 2.2 @ (0.2126, 0.7152, 0.0722)
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            weight = "bold" if row == column else "normal"
            color = INK if grey[row, column] > 0.18 else PAPER
            ax.text(column, row, count, ha="center", va="center", weight=weight, color=color)
    ax.grid(visible=False)
    ax.set(xlabel="predicted class", ylabel="true class", xticks=range(len(names)), yticks=range(len(names)))
    ax.set_xticklabels(names)
    ax.set_yticklabels(names)
    return figure


def reliability_diagram(found: Mapping[str, Reliability]) -> Figure:
    """Draw accuracy against confidence, bin by bin, and beside it the number of predictions in each bin.

    found: {name: what `edgelab.train.judging.reliability` returns}. The bars span 1.96 standard deviations of a share
    of so many predictions, on both sides. On the thin diagonal, accuracy equals confidence.

    >>> from edgelab.train.judging import Reliability
    >>> len(reliability_diagram({"net": Reliability(np.array([4]), np.array([0.9]), np.array([0.75]))}).axes)
    2
    """
    figure, axes = new_figure(8, 3.6, columns=2)
    axes[0, 0].plot([0, 1], [0, 1], color=INK, linestyle="-", linewidth=1)
    bins = 1
    for marker, (name, (count, confidence, accuracy)) in zip("osD^v", found.items(), strict=False):
        bins, some = len(count), count > 0
        share, n = accuracy[some], count[some]
        # Laplace's estimate: one correct prediction out of one does not prove 100 %.
        guess = (share * n + 1) / (n + 2)
        reach = 1.96 * np.sqrt(guess * (1 - guess) / n)
        axes[0, 0].errorbar(confidence[some], share, reach, marker=marker, capsize=3, elinewidth=1, label=name)
        axes[0, 1].plot((np.arange(bins) + 0.5)[some] / bins, n, marker=marker, label=name)
    axes[0, 0].set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(-0.02, 1.05))
    axes[0, 1].set(xlabel="confidence", ylabel="answers", yscale="log", xlim=(0, 1.02))
    axes[0, 0].legend()
    return figure


def bars(values: Mapping[str, Mapping[str, float]], labels: Mapping[str, str]) -> Figure:
    """Draw one panel for each quantity, with one horizontal bar for each model and its value beside it.

    values: {quantity: {model: value}}. labels: {quantity: axis label with its unit}.

    >>> len(bars({"size": {"a": 1.0, "b": 2.0}}, {"size": "kB"}).axes)
    1
    """
    models = max(len(series) for series in values.values())
    columns = min(2, len(values))  # three panels in a row would be too narrow for their numbers
    rows = -(-len(values) // columns)
    figure, axes = new_figure(3.5 * columns + 1, rows * (1 + 0.42 * models), rows, columns)
    for ax in axes.flat[len(values) :]:
        ax.remove()
    for i, (ax, (quantity, series)) in enumerate(zip(axes.flat, values.items(), strict=False)):
        drawn = ax.barh(list(series), list(series.values()), color=COLOURS[i % len(COLOURS)])
        ax.bar_label(drawn, fmt="{:,.4g}", padding=3)
        ax.set_xlabel(labels[quantity])
        ax.margins(x=0.35)  # room for the values
        ax.locator_params(axis="x", nbins=4)
        ax.invert_yaxis()
        ax.grid(visible=False, axis="y")
        if i % columns:
            ax.set_yticklabels([])
    return figure
