"""Draw a digit in notebook 01 with the mouse, in JupyterLab in a browser."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import run_all

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "01_first_digit.ipynb"

pytestmark = pytest.mark.slow


def drag(page: Page, box: dict, stroke: list[tuple[float, float]]) -> None:
    """Draw a stroke with the mouse; points are shares of the canvas."""
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=8)
    page.mouse.up()


def test_a_digit_drawn_by_mouse_is_answered(lab, page):
    """The widget is the first thing a newcomer touches; unit tests can't see whether it appears and reacts."""
    address, root = lab
    shutil.copy(NOTEBOOK, root)
    run_all(page, address, NOTEBOOK.name)
    canvas = page.locator(".jp-OutputArea canvas").first
    canvas.wait_for()
    answer = page.locator(".widget-html b")
    expect(answer).to_contain_text("3 (")  # what the notebook itself draws
    page.get_by_role("button", name="clear").click()
    expect(answer).to_have_text("draw a digit")
    canvas.scroll_into_view_if_needed()
    drag(page, canvas.bounding_box(), [(0.5, 0.2), (0.5, 0.8)])
    expect(answer).to_contain_text("1 (")
    page.get_by_role("button", name="clear").click()
    drag(page, canvas.bounding_box(), [(0.3, 0.25), (0.7, 0.25), (0.45, 0.8)])
    expect(answer).to_contain_text("7 (")
