"""Figures with controls in JupyterLab, moved by keyboard; and as pictures, where no kernel runs."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Locator, Page, expect

from .conftest import Lab, open_notebook, run_all, scroll_to

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
DIGIT = "import numpy as np\n\ndigit = np.zeros((28, 28))\ndigit[6:22, 13:15] = digit[6:8, 8:20] = 1"
# What stands first in the alt text of each, and its sliders, lists and fields.
WIDGETS = {
    "kernel_over_digit(digit)": ("Kernel", 0, 1, 9),
    "receptive_field_by_layers(digit)": ("3 layers", 4, 0, 0),
    "activation_and_gradient()": ("The ", 1, 1, 0),
    "vanishing_gradient()": ("Simple RNN", 3, 1, 0),
    "learning_rate_on_surface()": ("SGD", 2, 1, 0),
    "cloud_or_edge()": ("Cloud", 7, 0, 0),
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def notebook() -> nbformat.NotebookNode:
    """A notebook with all six, not run."""
    codes = [DIGIT, "from edgelab.course.widgets import *", *WIDGETS]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
    return new_notebook(cells=[new_code_cell(code) for code in codes], metadata=kernel)


def cell_of(page: Page, code: str) -> Locator:
    """The cell with this code, brought into the window."""
    cell = page.locator(".jp-CodeCell").filter(has=page.locator(".jp-InputArea", has_text=code)).last
    scroll_to(page, cell)
    return cell


def picture(cell: Locator) -> Locator:
    return cell.locator(".jp-OutputArea .widget-html img")


def moves(cell: Locator, control: Locator, *keys: str) -> None:
    """Focus a control, press keys, and wait for another picture with another alt text."""
    image = picture(cell)
    alt, source = image.get_attribute("alt"), image.get_attribute("src")
    control.focus()
    for key in keys:
        control.press(key)
    expect(image).not_to_have_attribute("alt", alt)
    expect(image).not_to_have_attribute("src", source)


def test_every_control_moves_its_figure_by_keyboard(page: Page, lab: Lab, notebook):
    """Whoever cannot hold a mouse still, or see the pointer, has the keyboard only."""
    nbformat.write(notebook, lab.root / "six.ipynb")
    open_notebook(page, lab, "six.ipynb")
    run_all(page)
    for code, (begins, sliders, lists, fields) in WIDGETS.items():
        cell = cell_of(page, code)
        expect(picture(cell)).to_have_attribute("alt", begins_with(begins))
        handles, selects, inputs = (cell.locator(kind) for kind in (".noUi-handle", "select", "input[type=number]"))
        assert (handles.count(), selects.count(), inputs.count()) == (sliders, lists, fields), code
        for select in selects.all():
            moves(cell, select, "End" if "vanishing" in code else "ArrowDown")
        for handle in handles.all():
            if "k-th" in handle.locator("xpath=ancestor::*[contains(@class,'widget-slider')]").inner_text():
                moves(cell, handles.nth(2), "ArrowRight")  # without stride it makes no difference which layer has it
            moves(cell, handle, "ArrowRight")
        for field in inputs.all():
            moves(cell, field, "ControlOrMeta+a", "7", "Tab")
        assert "Error" not in picture(cell).get_attribute("alt")


def begins_with(words: str):
    import re

    return re.compile(rf"^{re.escape(words)}")
