"""Figures with controls in JupyterLab, moved by keyboard; and as pictures, where no kernel runs."""

import ast
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Locator, Page, expect

from edgelab.course.copy.parse import pieces

from .conftest import Lab, idle, open_notebook, press, run_all, scroll_to

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
DIGIT = "import numpy as np\n\ndigit = np.zeros((28, 28))\ndigit[6:22, 13:15] = digit[6:8, 8:20] = 1"
ROWS = """
import itertools

rows = [
    {"weights": w, "activations": a, "scales": s, "accuracy": 1 - 2.0**-w / a, "bytes": w}
    for w, a, s in itertools.product(range(2, 9), (8, 4), ("channel", "tensor"))
]
files = {"tflite_bytes": 64, "gzip_bytes": 32, "file_bytes": 8}
halved = [
    {"halvings": n, "way": way, "accuracy": 1 - n / 8 / speed, **files}
    for n in range(5)
    for way, speed in (("at once", 1), ("gradually", 2))
]
digits, logits = np.stack([digit, digit.T]), np.arange(20.0).reshape(2, 10) % 7
"""
# What stands first in the alt text of each; its sliders, buttons and fields.
WIDGETS = {
    "kernel_over_digit(digit)": ("Kernel ", 0, 6, 9),
    "receptive_field_by_layers(digit)": ("3 layers", 4, 0, 0),
    "activation_and_gradient()": ("The ", 1, 4, 0),
    "vanishing_gradient()": ("Simple RNN", 3, 3, 0),
    "learning_rate_on_surface()": ("SGD", 2, 2, 0),
    "cloud_or_edge()": ("Cloud", 7, 0, 0),
    "split_convolution()": ("3×3", 3, 0, 0),
    "scale_and_zero_point_on_weights(digit)": ("4 bits", 2, 2, 0),
    "bits_against_accuracy(rows)": ("Weights of 4 bits", 1, 2, 0),
    "sparsity_against_accuracy(halved)": ("Pruned at once to 12.5 %", 1, 2, 0),
    "temperature_in_distillation(digits, logits)": ("Image 1 at temperature 1:", 2, 0, 0),
}
ALL = sorted(NOTEBOOKS.glob("*.ipynb"))
VIEW = "application/vnd.jupyter.widget-view+json"

pytestmark = pytest.mark.slow


def path_of(number: str) -> Path:
    """The notebook with this number."""
    (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
    return path


def notebook_of(*codes: str) -> nbformat.NotebookNode:
    """A notebook that has not run."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
    return new_notebook(cells=[new_code_cell(code) for code in codes], metadata=kernel)


@pytest.fixture
def all_of_them(page: Page, lab: Lab) -> Page:
    """A page with a notebook that holds all widgets, run."""
    codes = [DIGIT, ROWS, "from edgelab.course.widgets import *", *WIDGETS]
    nbformat.write(notebook_of(*codes), lab.root / "all.ipynb")
    open_notebook(page, lab, "all.ipynb")
    run_all(page)
    return page


def cell_of(page: Page, code: str) -> Locator:
    """The cell with this code, brought into the window."""
    cell = page.locator(".jp-CodeCell").filter(has=page.locator(".jp-InputArea", has_text=code)).last
    scroll_to(page, cell)
    return cell


def picture(cell: Locator) -> Locator:
    return cell.locator(".jp-OutputArea .widget-html img")


def moves(image: Locator, control: Locator, *keys: str) -> None:
    """Focus a control, press keys, and wait for another picture with another alt text."""
    alt, source = image.get_attribute("alt"), image.get_attribute("src")
    control.focus()
    for key in keys:
        control.press(key)
    expect(image).not_to_have_attribute("alt", alt)
    expect(image).not_to_have_attribute("src", source)


def test_every_control_moves_its_figure_by_keyboard(all_of_them: Page):
    """Whoever cannot hold a mouse still, or see the pointer, has the keyboard only."""
    for code, (begins, *counts) in WIDGETS.items():
        cell = cell_of(all_of_them, code)
        image = picture(cell)
        expect(image).to_have_attribute("alt", re.compile(f"^{begins}"))
        kinds = (".noUi-handle", ".widget-toggle-button", "input[type=number]")
        sliders, buttons, fields = (cell.locator(kind).all() for kind in kinds)
        assert [len(sliders), len(buttons), len(fields)] == counts, code
        for button in buttons[1:]:  # the last one of a recurrent layer has a gate, whose bias then matters
            moves(image, button, "Space")
        for slider in sliders[::-1] if "field" not in code else [sliders[i] for i in (2, 3, 1, 0)]:  # stride before k
            moves(image, slider, "ArrowRight")
        for field in fields:
            moves(image, field, "ControlOrMeta+a", "7", "Tab")


@pytest.mark.parametrize("width", [1280, 390])
def test_every_control_has_room(all_of_them: Page, width: int):
    """A long description once left its slider a thumb's width; on a phone's screen the most."""
    all_of_them.set_viewport_size({"width": width, "height": 900})
    if width < 500:  # the list of files takes most of such a window, until one closes it
        press(all_of_them, "View", "File Browser")
    for code in WIDGETS:
        cell = cell_of(all_of_them, code)
        picture(cell).wait_for()
        area = cell.locator(".jp-OutputArea-output").bounding_box()
        for control in cell.locator(".slider-container, .widget-toggle-buttons").all():
            box = control.bounding_box()
            assert box["width"] >= 120, (code, box)
            assert box["x"] + box["width"] <= area["x"] + area["width"] + 1, (code, box)


def test_code_is_wrapped_at_the_edge_of_the_window(page: Page, lab: Lab):
    """The course's lines have up to 120 columns; at 1,280 pixels their ends were cut off."""
    page.set_viewport_size({"width": 1280, "height": 900})
    nbformat.write(notebook_of(f"print('{'x' * 40} {'y' * 70}')"), lab.root / "long.ipynb")
    open_notebook(page, lab, "long.ipynb")
    editor = page.locator(".jp-CodeCell .cm-scroller").first
    assert editor.evaluate("e => e.scrollWidth <= e.clientWidth")


def test_tab_leads_from_each_control_to_the_next(all_of_them: Page):
    """A control that Tab leaves out is none, for many; one that keeps the focus is a trap."""
    cell = cell_of(all_of_them, "kernel_over_digit(digit)")
    picture(cell).wait_for()
    cell.locator(".widget-toggle-button").first.focus()
    reached = ["BUTTON"]
    for _ in range(14):
        all_of_them.keyboard.press("Tab")
        reached.append(all_of_them.evaluate("document.activeElement.tagName"))
    assert reached == ["BUTTON"] * 6 + ["INPUT"] * 9


def test_a_dragged_slider_does_not_queue_its_places(page: Page, lab: Lab):
    """A figure that takes half a second, and forty places of the slider: only the latest is drawn, not all in turn."""
    slow = """
import time
from edgelab.course.widgets.explorer import Explorer, slider
from edgelab.course.figures.plots import new_figure
calls = []
def draw(n):
    calls.append(n)
    time.sleep(0.5)
    return new_figure(2, 1)[0], f"n = {n}, drawn {len(calls)} times"
Explorer(draw, {"n": slider(0, 0, 40, 1, "n")})
"""
    nbformat.write(notebook_of(slow), lab.root / "slow.ipynb")
    open_notebook(page, lab, "slow.ipynb")
    run_all(page)
    image = page.locator(".widget-html img")
    image.wait_for()
    handle = page.locator(".noUi-handle")
    handle.focus()
    for _ in range(40):
        handle.press("ArrowRight")
    expect(image).to_have_attribute("alt", re.compile(r"^n = 40, "))
    drawn = int(re.findall(r"\d+", image.get_attribute("alt"))[1])
    assert drawn < 30


def test_an_error_of_the_readers_function_is_shown(page: Page, lab: Lab):
    """And a picture again, as soon as the function can draw one."""
    code = """
from edgelab.course.widgets.explorer import Explorer, slider
from edgelab.course.figures.plots import new_figure
Explorer(lambda n: (new_figure(2, 1)[0], f"a twelfth of {12 // (2 - n)}"), {"n": slider(1, 0, 3, 1, "n")})
"""
    nbformat.write(notebook_of(code), lab.root / "error.ipynb")
    open_notebook(page, lab, "error.ipynb")
    run_all(page)
    image, handle = page.locator(".widget-html img"), page.locator(".noUi-handle")
    image.wait_for()
    handle.press("ArrowRight")
    expect(page.get_by_role("alert")).to_have_text("ZeroDivisionError: integer division or modulo by zero")
    handle.press("ArrowRight")
    expect(image).to_have_attribute("alt", "a twelfth of -12")


def stored(path: Path) -> dict[str, str]:
    """The pictures of the widgets in a notebook as it is stored, in base64, by their alt texts."""
    cells = nbformat.read(path, 4).cells
    shown = [output for cell in cells for output in cell.get("outputs", []) if VIEW in output.get("data", {})]
    return {o.metadata["image/png"]["alt"]: "".join(o.data["image/png"]).strip() for o in shown}


@pytest.mark.parametrize("path", ALL, ids=[path.stem for path in ALL])
def test_a_stored_notebook_opens_with_its_figures(path: Path, page: Page, lab: Lab):
    """Before anything is run, JupyterLab does not trust a notebook: it shows the pictures and runs no widget."""
    shutil.copy(path, lab.root)
    open_notebook(page, lab, path.name)
    for data in stored(path).values():
        shown = page.locator(f'.jp-OutputArea img[src$="{data[-80:]}"]')
        scroll_to(page, shown)
        assert shown.evaluate("image => image.naturalWidth") > 100
    assert page.get_by_text("Error displaying widget").count() == 0


# What nbconvert leaves out: the alt text that an output's metadata has.
TEMPLATE = """
{%- extends 'lab/index.html.j2' -%}
{%- block data_png -%}
<img alt="{{ output.metadata['image/png'].alt | escape }}" style="max-width: 100%"
     src="data:image/png;base64,{{ output.data['image/png'] }}">
{%- endblock -%}
"""


def static_page(path: Path, theme: str) -> str:
    """A notebook as a page that needs nothing from anywhere: pictures in place of widgets, no scripts from afar."""
    from nbconvert import HTMLExporter

    notebook = nbformat.read(path, 4)
    notebook.metadata.pop("widgets", None)
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        output.get("data", {}).pop(VIEW, None)
    exporter = HTMLExporter(raw_template=TEMPLATE, theme=theme)
    exporter.mathjax_url = exporter.require_js_url = exporter.jquery_url = ""
    return exporter.from_notebook_node(notebook)[0]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", ALL, ids=[path.stem for path in ALL])
def test_a_static_page_shows_each_widget_as_a_picture(path: Path, theme: str, page: Page):
    """On a code host or a site no kernel runs: the picture is there, with its alt text, wide or narrow, offline."""
    page.set_content(static_page(path, theme))
    for width in (1280, 640):
        page.set_viewport_size({"width": width, "height": 900})
        for alt in stored(path):
            shown = page.get_by_alt_text(alt, exact=True)
            expect(shown).to_be_visible()
            box = shown.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width


SLIDER = (".noUi-handle", "ArrowRight")
IN_THE_COURSE = {
    "01": {"cloud_or_edge(": SLIDER},
    "02": {"activation_and_gradient(": SLIDER, "learning_rate_on_surface(": SLIDER},
    "03": {
        "kernel_over_digit(": ("input[type=number]", "ControlOrMeta+a", "5", "Tab"),
        "receptive_field_by_layers(": SLIDER,
    },
    "04": {"vanishing_gradient(": SLIDER},
    "06": {"split_convolution(": SLIDER},
    "08": {"scale_and_zero_point_on_weights(": SLIDER, "bits_against_accuracy(": SLIDER},
    "09": {"sparsity_against_accuracy(": SLIDER, "temperature_in_distillation(": SLIDER},
}


def leading_to(path: Path, code: str) -> list[str]:
    """What a notebook runs to reach the expression that begins with this code: the statements that it depends on."""
    source = "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code")
    parts = pieces(source)
    (end,) = (i for i, part in enumerate(parts) if ast.unparse(part.node).startswith(code))
    ahead, kept = [end], set()
    while ahead:
        at = ahead.pop()
        kept.add(at)
        made = [[i for i in range(at) if name in parts[i].binds] for name in parts[at].needs]
        ahead += [found[-1] for found in made if found and found[-1] not in kept]
    return [ast.unparse(parts[i].node) for i in sorted(kept)]


def test_the_widgets_of_the_notebooks_move_by_keyboard(page: Page, lab: Lab):
    """With what each notebook hands them: the figure is the one that was stored after all cells had run."""
    reached = {code: leading_to(path_of(number), code) for number, codes in IN_THE_COURSE.items() for code in codes}
    cells = ["\n".join(dict.fromkeys(statements)) for statements in reached.values()]
    nbformat.write(notebook_of(*cells), lab.root / "widgets.ipynb")
    open_notebook(page, lab, "widgets.ipynb")
    run_all(page)
    for number, codes in IN_THE_COURSE.items():
        alts = stored(path_of(number))
        for code, (control, *keys) in codes.items():
            image = picture(cell_of(page, code))
            image.wait_for()
            assert image.get_attribute("alt") in alts, code
            moves(image, cell_of(page, code).locator(control).first, *keys)


def test_the_widgets_of_a_whole_notebook_move_by_keyboard(page: Page, lab: Lab):
    """In the notebook as a reader has it, after all its other cells."""
    path = path_of("03")
    shutil.copy(path, lab.root)
    open_notebook(page, lab, path.name)
    run_all(page)
    for code, (control, *keys) in IN_THE_COURSE["03"].items():
        cell = cell_of(page, code)
        expect(cell.locator(".jp-InputArea-prompt")).to_have_text(re.compile(r"\[\d+\]:"))  # [*]: while it waits
        idle(page, 240)  # a widget answers when the cells after it have run
        moves(picture(cell), cell.locator(control).first, *keys)
