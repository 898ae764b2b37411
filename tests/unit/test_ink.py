"""Marks on a photo that are no ink: shadows, dark corners, ruling, frames, and digits that reach the border."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from edgelab.artifacts import shipped
from edgelab.course.widgets.drawing_pad import DrawingPad
from edgelab.data import load_mnist, to_input
from edgelab.infer.ink import background, clear_border, white_on_black
from edgelab.infer.preprocess import to_mnist
from edgelab.infer.runner import Runner

SIDE = 400
ROWS, COLUMNS = np.mgrid[0:SIDE, 0:SIDE]
Y, X = np.mgrid[-1:1:400j, -1:1:400j]
PAPER = np.ones((SIDE, SIDE))

# What lies on the paper: each multiplies its brightness, or covers it where it is darker.
LIGHTS = {
    "even": PAPER,
    "shadow with a sharp edge": np.where(ROWS < 180, 0.7, 1),
    "shadow across a corner": np.where(ROWS + COLUMNS < 400, 0.7, 1),
    "dark corners": 1 - 0.3 * (X**2 + Y**2),
    "side light and dark corners": (0.82 + 0.18 * X + 0.05 * Y) * (1 - 0.12 * (X**2 + Y**2)),
    "folded": np.where(COLUMNS < 210, 0.93, 1),
}
COVERS = {
    "ruled": np.where(ROWS % 50 < 2, 0.8, 1),
    "squared": np.where((ROWS % 25 < 1) | (COLUMNS % 25 < 1), 0.8, 1),
    "fold line": np.where(abs(COLUMNS - 200) < 2, 0.75, 1),
}
EDGES = {
    "margin line": np.where(abs(COLUMNS - 57) < 2, 0.3, 1),
    "table at the left": np.where(COLUMNS < 50, 0.35, 1),
    "table in a corner": np.where(ROWS + COLUMNS < 110, 0.1, 1),
    "dark shadow aside": np.where(COLUMNS < 60, 0.25, 1),
    "thumb": np.where((COLUMNS - 400) ** 2 + (ROWS - 400) ** 2 < 70**2, 0.5, 1),
    "printed frame": np.where(np.pad(np.zeros((376, 376)), 4, constant_values=1)[ROWS % 384, COLUMNS % 384] > 0, 0, 1),
}


@pytest.fixture(scope="module")
def runner() -> Runner:
    return Runner(shipped("best_int8"))


def paper(digit: np.ndarray) -> np.ndarray:
    """Write a digit of 240x240 on a page of 400x400, brightness 0 to 1, ink at 0.2."""
    page = PAPER.copy()
    page[80:320, 80:320] -= np.asarray(Image.fromarray(digit).resize((240, 240))) / 255 * 0.8
    return page


def read_correctly(runner, pages) -> int:
    """Count the pages, of the first test digits, that the model reads correctly."""
    made = np.stack([to_mnist(np.rint(255 * page).clip(0, 255).astype(np.uint8)) for page in pages])
    return int((runner.predict(to_input(made)).argmax(1) == load_mnist().y_test[: len(made)]).sum())


@pytest.mark.parametrize("name", [*LIGHTS, *COVERS])
def test_shadows_and_ruling_are_no_ink(runner, name):
    """A shadow's edge or a ruled line joined the digit and set its scale: 10 of 20 were read correctly, unwarned."""
    light, cover = LIGHTS.get(name, PAPER), COVERS.get(name, PAPER)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_correctly(runner, [np.minimum(paper(d) * light, cover) for d in load_mnist().x_test[:20]]) >= 19


@pytest.mark.parametrize("name", EDGES)
def test_strong_marks_at_the_border_are_left_out_with_a_warning(runner, name):
    """They may be part of the digit: nobody but the one who took the photo can tell."""
    with pytest.warns(UserWarning, match="strong marks at the picture's border were left out"):
        assert read_correctly(runner, [np.minimum(paper(d), EDGES[name]) for d in load_mnist().x_test[:20]]) >= 19


@pytest.mark.parametrize("width", [1, 4, 20])
@pytest.mark.parametrize("shade", [0.0, 0.6])
@pytest.mark.filterwarnings("ignore:strong marks")
def test_a_frame_is_no_ink(runner, width, shade):
    pages = [np.pad(paper(d), width, constant_values=shade) for d in load_mnist().x_test[:10]]
    assert read_correctly(runner, pages) == 10
    boards = [np.pad(1 - paper(d), width, constant_values=1 - shade) for d in load_mnist().x_test[:10]]
    assert read_correctly(runner, boards) == 10


def test_a_digit_that_reaches_the_border_is_kept_with_a_warning(runner):
    """It was read correctly before, and still is: all strong ink is at the border, so nothing may be left out."""
    pages = [paper(digit) for digit in load_mnist().x_test[:20]]
    cut = [page[:, np.flatnonzero((page < 0.5).any(0))[0] + 6 :] for page in pages]
    with pytest.warns(UserWarning, match="all of it was kept"):
        assert read_correctly(runner, cut) == 20


def test_a_five_under_side_light_and_a_darkening_lens(runner):
    """Read as 9: the corner counted as ink, and the box reached to the picture's edge."""
    page = Image.new("L", (400, 300), 200)
    stroke = [(232, 81), (180, 81), (176, 141), (212, 138), (232, 165), (224, 204), (196, 222), (168, 213)]
    ImageDraw.Draw(page).line(stroke, fill=40, width=7)
    y, x = np.mgrid[0:1:300j, 0:1:400j]
    light = (0.65 + 0.35 * x + 0.1 * y) * (1 - 0.5 * ((x - 0.5) ** 2 + (y - 0.5) ** 2))
    even, lit = (to_mnist((np.asarray(page) * each).clip(0, 255).astype(np.uint8)) for each in (1, light))
    assert runner.predict(to_input(np.stack([even, lit]))).argmax(1).tolist() == [5, 5]
    assert np.abs(even.astype(int) - lit).mean() < 4


def test_ink_is_told_from_paper_under_a_lens_that_darkens_the_edges():
    """The light centre was taken for bright ink, and the picture not inverted."""
    lens = 1 - 0.3 * (X**2 + Y**2)
    for digit in load_mnist().x_test[:20]:
        dark = np.rint(255 * paper(digit) * lens).astype(np.uint8)
        assert (white_on_black(dark) == 255 - dark).all()


def test_background_is_the_papers_beside_a_dark_table():
    ramp = np.tile(np.arange(100, 200, dtype=np.uint8), (100, 1))
    half_covered = ramp.copy()
    half_covered[:, :13] = 10
    assert np.abs(background(half_covered) - ramp).max() <= 2


@given(st.integers(0, 2**32 - 1), st.integers(20, 60))
def test_ink_away_from_the_border_is_untouched(seed, side):
    """And no mark is invented: what is kept has its old value."""
    rng = np.random.default_rng(seed)
    ink = np.zeros((side, side), np.uint8)
    part = rng.integers(0, 256, (side // 2, side // 2), dtype=np.uint8)
    ink[side // 4 : side // 4 + side // 2, side // 4 : side // 4 + side // 2] = part
    np.testing.assert_array_equal(clear_border(ink), ink)
    ink[0, : side // 2] = rng.integers(0, 256)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kept = clear_border(ink)
    assert set(np.unique(np.where(kept > 0, kept == ink, True))) == {True}


def test_the_pad_shows_what_to_mnist_warns_of():
    """In a notebook a warning of a callback is lost or fills the page."""
    pad = DrawingPad(lambda image: "an answer")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pad.draw([[(0, 0), (0, 279)]])
    assert pad.text.startswith("an answer; ")
    assert "border" in pad.text
