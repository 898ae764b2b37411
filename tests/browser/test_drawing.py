"""Draw digits with mouse and finger, in JupyterLab in a browser: in notebook 01 and on pads with tasks of their own."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Locator, Page, expect

from .conftest import Lab, idle, open_notebook, run_all, save, scroll_to

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "01_first_digit.ipynb"
# Says which way a stroke runs: no model, so what fails here is the pad.
PAD = """
from edgelab.course.widgets.drawing_pad import DrawingPad

def answer(image):
    height, width = image.any(axis=1).sum(), image.any(axis=0).sum()
    return {True: "tall", False: "wide"}[bool(height > 2 * width)] if height != width else 1 // 0

DrawingPad(answer)
"""
TALL, WIDE = [(0.5, 0.2), (0.5, 0.8)], [(0.2, 0.5), (0.8, 0.5)]

pytestmark = pytest.mark.slow


def on_screen(canvas: Locator, stroke: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Turn shares of the canvas into pixels of the window."""
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]


def by_mouse(page: Page, canvas: Locator, stroke: Sequence[tuple[float, float]]) -> None:
    first, *others = on_screen(canvas, stroke)
    page.mouse.move(*first)
    page.mouse.down()
    for point in others:
        page.mouse.move(*point, steps=8)
    page.mouse.up()


def by_finger(page: Page, canvas: Locator, stroke: Sequence[tuple[float, float]]) -> None:
    touch = page.context.new_cdp_session(page)
    for n, (x, y) in enumerate(on_screen(canvas, stroke)):
        points = {"type": "touchMove" if n else "touchStart", "touchPoints": [{"x": x, "y": y}]}
        touch.send("Input.dispatchTouchEvent", points)
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def ink(canvas: Locator) -> int:
    """Count the dark pixels that the canvas shows."""
    return canvas.evaluate(
        "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data"
        ".reduce((n, v, i, d) => n + (i % 4 == 0 && v < 128 && d[i + 3] == 255), 0)"
    )


@pytest.fixture
def pad(page: Page, lab: Lab) -> Locator:
    """Run a notebook with a pad and nothing else; return the pad's canvas."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
    nbformat.write(new_notebook(cells=[new_code_cell(PAD)], metadata=kernel), lab.root / "pad.ipynb")
    open_notebook(page, lab, "pad.ipynb")
    run_all(page)
    canvas = page.locator(".jp-OutputArea canvas")
    canvas.wait_for()
    return canvas


def said(page: Page) -> Locator:
    return page.locator(".jp-OutputArea .widget-html b")


def test_digits_drawn_by_mouse_are_read_in_notebook_01(lab, page):
    """The widget is the first thing a newcomer touches; unit tests can't see whether it appears and reacts."""
    shutil.copy(NOTEBOOK, lab.root)
    open_notebook(page, lab, NOTEBOOK.name)
    run_all(page)
    canvas = page.locator(".jp-OutputArea canvas")
    scroll_to(page, canvas)
    expect(said(page)).to_contain_text("3 (")  # what the notebook itself draws
    idle(page)  # outputs that still come would push the canvas from under the mouse
    for digit, stroke in {"1": TALL, "7": [(0.3, 0.25), (0.7, 0.25), (0.45, 0.8)]}.items():
        page.get_by_role("button", name="clear").click()
        expect(said(page)).to_have_text("draw a digit")
        by_mouse(page, canvas, stroke)
        expect(said(page)).to_contain_text(f"{digit} (")


def test_mouse_and_finger_draw_ink_and_are_answered(page, pad):
    """Two paths of events; a finger must draw and not scroll the page."""
    for draw in (by_mouse, by_finger):
        draw(page, pad, TALL)
        expect(said(page)).to_have_text("tall")
        assert ink(pad) > 20 * 0.6 * 280 * 0.9
        page.get_by_role("button", name="clear").click()
        expect(said(page)).to_have_text("draw a digit")
        assert ink(pad) == 0
        draw(page, pad, WIDE)
        expect(said(page)).to_have_text("wide")
        page.get_by_role("button", name="clear").click()


def test_errors_of_the_answer_and_blank_images_are_shown(page, pad):
    """An exception in a widget's callback goes to a log that no reader opens."""
    by_mouse(page, pad, [(0.5, 0.5), (0.5, 0.5)])
    expect(said(page)).to_have_text("ZeroDivisionError: integer division or modulo by zero")


def test_a_page_loaded_anew_shows_the_drawing_again(lab, page, pad):
    """A canvas keeps nothing: without the answer to client_ready it came back empty beside the old answer."""
    by_mouse(page, pad, TALL)
    expect(said(page)).to_have_text("tall")
    drawn = ink(pad)
    save(page)
    open_notebook(page, lab, "pad.ipynb")
    pad.wait_for()
    expect(said(page)).to_have_text("tall")
    page.wait_for_timeout(1000)
    assert ink(pad) == drawn
