"""Figures: they draw what they are given, they are small, and none leaves without alt text."""

import io
import itertools
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from edgelab.course.figures.plots import (
    COLOURS,
    DASHES,
    GRID,
    INK,
    PAPER,
    bars,
    confusion,
    curves,
    digits,
    new_figure,
    png,
    reliability_diagram,
    show,
)
from edgelab.data import load_mnist
from edgelab.train.judging.calibrated_confidence import Reliability

# How linear RGB looks without one kind of cone: Machado, Oliveira and Fernandes 2009, severity 1.0.
EYES = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]


def linear(colour: str) -> np.ndarray:
    """#RRGGBB as light, red, green and blue in [0, 1] (IEC 61966-2-1)."""
    value = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(light: np.ndarray) -> np.ndarray:
    """CIELAB of linear RGB under D65, in which a distance of 2.3 is just noticed."""
    x = np.array(XYZ) @ np.clip(light, 0, 1) / (0.95047, 1, 1.08883)
    f = np.where(x > (6 / 29) ** 3, np.cbrt(x), x / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one: str, other: str) -> float:
    """Contrast ratio of WCAG 2.1, from 1 to 21."""
    dark, bright = sorted(0.05 + linear(c) @ (0.2126, 0.7152, 0.0722) for c in (one, other))
    return bright / dark


def closest(colours: tuple[str, ...], eye: str) -> float:
    """The smallest distance between two of the colours, as an eye sees them."""
    seen = [lab(np.array(EYES[eye]) @ linear(colour)) for colour in colours]
    return min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2))


def test_the_formulas_know_their_textbook_values():
    """A mistake here would let any palette pass."""
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#767676", "#FFFFFF") == pytest.approx(4.54, abs=0.005)  # the grey that WCAG's guides name
    np.testing.assert_allclose(lab(linear("#FF0000")), (53.24, 80.09, 67.20), atol=0.02)
    assert closest(("#FF0000", "#00FF00"), "all cones") > 150


def test_lines_and_text_stand_out_from_the_paper():
    """WCAG 2.1: 3:1 for graphics (1.4.11), 7:1 for text (1.4.6). The paper is ours, so no page changes that."""
    faint = {colour: contrast(colour, PAPER) for colour in COLOURS if contrast(colour, PAPER) < 3}
    assert faint == {}
    assert contrast(INK, PAPER) >= 7
    assert contrast(GRID, PAPER) < 2, "the grid is louder than a grid should be"
    assert contrast("#E69F00", PAPER) < 3, "Okabe and Ito's orange is the kind of colour this is meant to find"


@pytest.mark.parametrize("eye", EYES)
def test_colours_differ_for_every_kind_of_eye(eye):
    """15 is six times what is just noticed (2.3): far enough for a thin line."""
    assert closest(COLOURS, eye) > 15
    if eye in ("protanopia", "deuteranopia"):
        assert closest(("#1F77B4", "#9467BD"), eye) < 15  # matplotlib's blue and purple: found


def test_lines_differ_without_colour_too():
    """On a grey printer colours are greys."""
    assert len(COLOURS) == len(DASHES) == len(set(map(str, DASHES)))
    ax = new_figure()[1][0, 0]
    lines = [ax.plot([0, 1], [n, n])[0] for n in range(len(COLOURS))]
    assert [line.get_color() for line in lines] == list(COLOURS)
    assert len({str(line._unscaled_dash_pattern) for line in lines}) == len(COLOURS)


BINS = Reliability(np.array([0, 1, 100]), np.array([np.nan, 0.5, 0.9]), np.array([np.nan, 1.0, 0.8]))


def by_hand():
    figure, axes = new_figure(columns=2)
    for ax in axes.flat:
        ax.plot([0, 1], label="a line")
        ax.set(title="title", xlabel="x", ylabel="y")
        ax.text(0, 0, "words")
        ax.annotate("more", (0.5, 0.5))
        ax.legend(title="lines")
    return figure


HISTORY = {"loss": [2, 1], "val_loss": [3, 2], "accuracy": [0.1, 0.2], "val_accuracy": [0.3, 0.4]}
# One of each kind of figure, in its usual size.
FIGURES = {
    "by hand": by_hand,
    "digits": lambda: digits(np.zeros((10, 28, 28)), ["4→9"] * 10),
    "curves": lambda: curves(HISTORY),
    "confusion": lambda: confusion(np.arange(100).reshape(10, 10)),
    "reliability": lambda: reliability_diagram(dict.fromkeys(("as trained", "cooled"), BINS)),
    "bars": lambda: bars({name: {"int8": 1.0, "float32": 2.0} for name in "abc"}, dict.fromkeys("abc", "kB")),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_reads_at_half_width(name):
    """On a phone, or in two columns, 800 pixels become 400. 9 pixels are the size of small print on a screen."""
    from matplotlib.text import Text

    figure = FIGURES[name]()
    figure.draw_without_rendering()
    shrink = min(1, 400 / (figure.get_figwidth() * figure.dpi))
    words = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    assert {t.get_text(): t.get_fontsize() for t in words if t.get_fontsize() / 72 * figure.dpi * shrink < 9} == {}
    assert {t.get_color() for t in words} <= {INK, PAPER}
    assert figure.get_figwidth() <= 8


def test_a_figure_has_its_paper_wherever_it_is_shown():
    """A transparent figure with black letters cannot be read on a dark page; a reader's own style must not matter."""
    code = """
import io, matplotlib as mpl, numpy as np
from PIL import Image
mpl.rcParams.update({"figure.facecolor": "black", "axes.facecolor": "black", "font.size": 5})
from edgelab.course.figures.plots import new_figure, png
figure, axes = new_figure()
axes[0, 0].set_title("title")
image = Image.open(io.BytesIO(png(figure)))
print(image.convert("RGBA").getpixel((0, 0)), axes[0, 0].title.get_fontsize())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "(255, 255, 255, 255) 13.0"


def test_few_colours_keep_the_colours_of_lines():
    """Cutting a picture down to 64 colours must not pull a thin line's towards the paper."""
    figure, axes = new_figure()
    for n in range(len(COLOURS)):
        axes[0, 0].plot([0, 1], [n, n + 0.5], linestyle="-")
    pixels = np.asarray(Image.open(io.BytesIO(png(figure))).convert("RGB")).reshape(-1, 3).astype(int)
    for colour in COLOURS:
        wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
        assert abs(pixels - wanted).sum(axis=1).min() == 0, colour


def test_digits_draw_each_image_dark_on_bright():
    images = np.zeros((3, 28, 28), np.uint8)
    images[1] = 255
    figure = digits(images, titles=["a", "b", "c"])
    assert [ax.get_title() for ax in figure.axes] == ["a", "b", "c"]
    pixels = np.asarray(Image.open(io.BytesIO(png(figure))).convert("L"))
    assert pixels[:, : pixels.shape[1] // 3].mean() > 240 > 150 > pixels[:, pixels.shape[1] // 3 : -90].mean()


def test_digits_refuse_another_number_of_titles():
    with pytest.raises(ValueError, match="3 images and 2 titles"):
        digits(np.zeros((3, 28, 28), np.uint8), titles=["a", "b"])


def test_curves_draw_training_beside_validation():
    lines = [line.get_ydata().tolist() for ax in curves(HISTORY).axes for line in ax.lines]
    assert lines == [[2, 1], [3, 2], [0.1, 0.2], [0.3, 0.4]]


def test_confusion_writes_every_count():
    matrix = np.array([[5, 1], [0, 7]])
    texts = {t.get_text() for t in confusion(matrix).axes[0].texts}
    assert texts == {"5", "1", "7"}


def test_counts_stand_out_from_their_cells():
    """Between pale and dark orange, one of two inks is always read: 4.5:1 is WCAG's bound for text (1.4.3)."""
    from matplotlib.colors import to_hex

    matrix = np.arange(100).reshape(10, 10)
    ax = confusion(matrix).axes[0]
    cells = ax.images[0].to_rgba(ax.images[0].get_array())
    for text in ax.texts:
        column, row = map(int, text.get_position())
        assert contrast(text.get_color(), to_hex(cells[row, column])) >= 4.5, (text.get_text(), row, column)


def test_reliability_draws_bins_that_hold_something():
    """An empty bin drawn at 0 would look like a model that is always wrong there."""
    left, right = reliability_diagram({"net": BINS}).axes
    diagonal, points = left.lines[0], left.containers[0].lines[0]
    assert diagonal.get_xdata().tolist() == list(diagonal.get_ydata()) == [0, 1]
    assert points.get_xdata().tolist() == [0.5, 0.9]
    assert points.get_ydata().tolist() == [1.0, 0.8]
    assert right.lines[0].get_ydata().tolist() == [1, 100]
    (ends,) = (bar.get_segments() for bar in left.containers[0].lines[2])
    assert ends[0][0][1] < 0.5, "one answer of one tells next to nothing"
    assert ends[1][1][1] - 0.8 == pytest.approx(1.96 * np.sqrt(0.8 * 0.2 / 100), rel=0.02)  # Laplace: 81/102 for 0.8


def test_bars_write_their_values():
    figure = bars({"size": {"a": 229.4, "b": 62.0}}, {"size": "kB"})
    assert {t.get_text() for t in figure.axes[0].texts} == {"229.4", "62"}
    three = bars({name: {"a": 1.0} for name in "pqr"}, dict.fromkeys("pqr", "kB"))
    assert [t.get_text() for ax in three.axes for t in ax.texts] == ["1"] * 3


def test_pictures_are_small():
    figure = digits(load_mnist().x_test[:40])
    assert len(png(figure)) < 60_000


def test_show_stores_the_alt_text_beside_the_picture():
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    InteractiveShell.instance()
    try:
        with capture_output() as captured:
            show(new_figure()[0], "An empty figure.")
    finally:
        InteractiveShell.clear_instance()
    (output,) = captured.outputs
    assert output.metadata == {"image/png": {"alt": "An empty figure."}}
    assert output.data["text/plain"] == "An empty figure."
    with pytest.raises(ValueError, match="alt is empty"):
        show(new_figure()[0], " ")
