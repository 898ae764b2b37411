"""The drawing pad, driven by the messages that a browser sends; tests/browser drives it in one."""

import base64
import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from edgelab.course.widgets.drawing_pad import DrawingPad, drawing, pen
from edgelab.infer.preprocess import to_mnist

ONE = [(140, 60), (140, 120), (140, 220)]


@pytest.fixture
def pad():
    return DrawingPad(lambda image: f"ink {int((image > 0).sum() > 0)}")


def send(pad: DrawingPad, event: str, *points: tuple[float, float]) -> None:
    """Deliver a message as JupyterLab does."""
    content = {"event": event}
    if event.startswith("touch"):
        content["touches"] = [{"x": x, "y": y} for x, y in points]
    elif points:
        content |= {"x": points[0][0], "y": points[0][1]}
    pad.canvas._handle_frontend_event(None, content, None)


def by_mouse(pad: DrawingPad, stroke: list[tuple[float, float]]) -> None:
    send(pad, "mouse_down", stroke[0])
    for point in stroke[1:]:
        send(pad, "mouse_move", point)
    send(pad, "mouse_up", stroke[-1])


def test_a_stroke_by_mouse_finger_or_code_gives_the_same_image(pad):
    by_mouse(pad, ONE)
    mouse = pad.image()
    assert pad.text == "ink 1"
    pad.clear()
    assert (pad.image() == 255).all()
    send(pad, "touch_start", ONE[0])
    for point in ONE[1:]:
        send(pad, "touch_move", point)
    send(pad, "touch_end", ONE[-1])
    np.testing.assert_array_equal(pad.image(), mouse)
    pad.clear()
    pad.draw([ONE])
    np.testing.assert_array_equal(pad.image(), mouse)
    np.testing.assert_array_equal(pad.seen, to_mnist(mouse))


def test_moving_without_pressing_draws_nothing(pad):
    send(pad, "mouse_move", (10, 10))
    send(pad, "mouse_up", (10, 10))
    send(pad, "touch_cancel", (10, 10))
    assert pad.strokes == []
    assert pad.text == "draw a digit"


def test_leaving_the_pad_ends_the_stroke(pad):
    send(pad, "mouse_down", ONE[0])
    send(pad, "mouse_move", ONE[1])
    send(pad, "mouse_out", ONE[1])
    send(pad, "mouse_move", ONE[2])
    assert pad.strokes == [[ONE[0], ONE[1]]]
    assert pad.text == "ink 1"


def test_the_button_wipes_the_pad(pad):
    pad.draw([ONE])
    pad.box.children[1].children[0].click()
    assert pad.strokes == []
    assert pad.text == "draw a digit"


def test_the_first_stroke_by_hand_wipes_a_sample_and_no_later_one_does(pad):
    """A newcomer's first digit was drawn on top of the sample, and read together with it."""
    pad.draw([ONE])
    stroke, other = [(50, 60), (50, 200)], [(90, 60), (90, 200)]
    by_mouse(pad, stroke)
    assert pad.strokes == [stroke]
    by_mouse(pad, other)
    assert pad.strokes == [stroke, other]
    assert pad.text == "ink 1"


def test_an_error_in_the_readers_function_is_shown():
    pad = DrawingPad(lambda image: 1 // 0)
    pad.draw([ONE])
    assert pad.text == "ZeroDivisionError: integer division or modulo by zero"
    assert "ZeroDivisionError" in pad._label.value


def test_a_speck_gets_a_reason_instead_of_a_guess():
    asked = []
    pad = DrawingPad(asked.append, size=280)
    pad.draw([[(-100, -100), (-90, -90)]])
    assert asked == []
    assert pad.text
    assert pad.text != "draw a digit"


def test_an_answer_cannot_smuggle_markup_into_the_page():
    pad = DrawingPad(lambda image: "<img src=x onerror=alert(1)>")
    pad.draw([ONE])
    assert "<img" not in pad._label.value


def test_strokes_drawn_before_the_canvas_is_shown_are_drawn_again(pad, monkeypatch):
    pad.draw([ONE])
    lines = []
    monkeypatch.setattr(pad.canvas, "stroke_line", lambda *ends: lines.append(ends))
    send(pad, "client_ready")
    assert lines == [(*ONE[0], *ONE[1]), (*ONE[1], *ONE[2])]


def test_a_second_finger_does_not_break_the_stroke(pad):
    send(pad, "touch_start", ONE[0])
    send(pad, "touch_start", ONE[0], (10, 10))
    send(pad, "touch_move", ONE[1], (10, 10))
    send(pad, "touch_end", (10, 10))
    send(pad, "touch_move", (10, 10))
    assert pad.strokes == [ONE[:2]]


def test_the_screen_is_white_paper_whatever_the_theme(pad, monkeypatch):
    """A canvas is transparent: on JupyterLab's dark theme black ink was drawn on black."""
    filled = []
    monkeypatch.setattr(pad.canvas, "fill_rect", lambda *box: filled.append((pad.canvas.fill_style, *box)))
    send(pad, "client_ready")
    pad.clear()
    assert filled == [("white", 0, 0, 280, 280)] * 2


@pytest.mark.parametrize(
    "strokes", [[(10, 10), (20, 20)], [[]], [[(1, 2, 3)]], [[(1, float("nan"))]], [[(1, 1e9)]], [["ab"]]]
)
def test_strokes_that_are_none_are_refused_and_the_pad_stays(pad, strokes):
    """A flat list of points is what people try first."""
    pad.draw([ONE])
    with pytest.raises(ValueError, match=r"strokes\[0\]: found .*expected .*\(x, y\) in pixels"):
        pad.draw(strokes)
    assert pad.strokes == [ONE]
    assert pad.text == "ink 1"


def test_a_long_answer_stays_inside_the_picture():
    short, long = (DrawingPad(lambda image, text=text: text) for text in ("3", "Error: × – → " * 50))
    short.draw([ONE])
    long.draw([ONE])
    assert short.picture().size == long.picture().size
    margin = np.asarray(long.picture())
    assert (margin[-10:, 290:] == 255).all()
    assert (margin[:, -5:] == 255).all()


def test_an_empty_pad_says_so_in_its_alt_text(pad):
    assert pad._repr_mimebundle_()[1] == {"image/png": {"alt": "An empty pad with the words: draw a digit."}}


def test_the_pad_needs_no_tensorflow():
    """Notebook 01 has 300 MB, TensorFlow alone takes 500."""
    code = "import sys; from edgelab.course.widgets import DrawingPad; DrawingPad(str).draw([[(9, 9), (99, 99)]])\n"
    code += "print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_bundle_has_the_widget_and_a_picture_with_alt_text(pad):
    pad.draw([ONE])
    data, metadata = pad._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == pad.box.model_id
    assert metadata == {"image/png": {"alt": data["text/plain"]}}
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))))
    np.testing.assert_array_equal(picture[5:-5, 5:275], pad.image()[5:-5, 5:275])


def test_drawing_has_round_ends_and_the_pens_width():
    image = drawing([[(100, 140), (180, 140)]], 280)
    rows = (image == 0).any(axis=1).sum()
    columns = (image == 0).any(axis=0).sum()
    assert abs(rows - pen(280)) <= 2
    assert abs(columns - (80 + pen(280))) <= 2
    assert (drawing([], 28) == 255).all()
