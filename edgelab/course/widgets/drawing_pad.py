"""A pad to draw a digit on, with the model's input and its answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelab.infer.preprocess import to_mnist

if TYPE_CHECKING:
    from PIL.Image import Image

Stroke = Sequence[tuple[float, float]]

EMPTY = "draw a digit"  # what an empty pad says
SEEN = 112  # side of the picture of the model's input: 4 pixels on the screen for each of its 28


def pen(size: int) -> int:
    """Return the width of the pen in pixels: a fourteenth of the pad, as thick as MNIST's, two pixels of 28.

    >>> pen(280)
    20
    """
    return max(1, round(size / 14))


def drawing(strokes: Sequence[Stroke], size: int = 280) -> np.ndarray:
    """Rasterise strokes with a round pen: black ink on white paper.

    strokes: each a list of (x, y) in pixels, origin in the upper left corner; what lies outside is cut off. A stroke
    of one point is a dot. Returns uint8 (size, size). Raises ValueError where a stroke is no list of finite (x, y).

    >>> int(drawing([[(140, 40), (140, 240)]])[140, 140])
    0
    """
    from PIL import Image, ImageDraw

    image = Image.new("L", (size, size), 255)
    draw, radius = ImageDraw.Draw(image), pen(size) / 2
    for points in _checked(strokes):
        if len(points) > 1:
            draw.line(points, fill=0, width=pen(size))
        for x, y in points:  # round ends and joints
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=0)
    return np.asarray(image)


def _checked(strokes: Sequence[Stroke]) -> list[list[tuple[float, float]]]:
    checked = []
    for number, stroke in enumerate(strokes):
        try:
            points = np.array([(x, y) for x, y in stroke], dtype=float)
        except (TypeError, ValueError) as error:
            raise ValueError(f"strokes[{number}]: found {stroke!r}; expected a list of (x, y) in pixels") from error
        # Beyond a million pixels nothing is seen, and Pillow's own integers overflow.
        if not len(points) or not np.all(np.abs(points) < 1e6):
            raise ValueError(f"strokes[{number}]: found {stroke!r}; expected one or more finite (x, y) in pixels")
        checked.append([(float(x), float(y)) for x, y in points])
    return checked


class DrawingPad:
    """A canvas for mouse or finger; after each stroke it shows the model's input and its answer.

    answer: called with a uint8 (28, 28) image in MNIST's form; its text is shown. What it raises is shown too, so that
    a mistake in a reader's own function is not lost in a log. size: side of the pad in pixels. A stroke by hand wipes
    what code has drawn: a sample on the pad shows what it is for, and is not part of the reader's digit.
    Displayed, it is a widget; where no widgets are, a PNG of the pad as it stands.
    Attributes: strokes, lists of (x, y) in pixels; text, what it says; seen, what the model sees, uint8 (28, 28).

    >>> pad = DrawingPad(lambda image: f"{(image > 0).sum()} pixels of ink")
    >>> pad.draw([[(140, 60), (140, 220)]])
    >>> pad.text
    '40 pixels of ink'
    """

    def __init__(self, answer: Callable[[np.ndarray], str], size: int = 280) -> None:
        import ipywidgets
        from ipycanvas import Canvas

        self._answer, self.size = answer, size
        self.strokes: list[list[tuple[float, float]]] = []
        self._pressed, self._sample = False, False  # a pointer is down; code has drawn what is on the pad
        self.canvas = Canvas(width=size, height=size, layout={"border": "1px solid #888888"})
        self._seen, self._label = ipywidgets.HTML(), ipywidgets.HTML()
        button = ipywidgets.Button(description="clear", icon="eraser")
        button.on_click(lambda _: self.clear())
        side = ipywidgets.VBox([button, ipywidgets.HTML("what the model sees:"), self._seen, self._label])
        self.box = ipywidgets.Box([self.canvas, side], layout={"flex_flow": "row wrap", "grid_gap": "0 12px"})
        self.canvas.on_mouse_down(self._begin)
        self.canvas.on_mouse_move(self._go_on)
        self.canvas.on_mouse_up(self._end)
        self.canvas.on_mouse_out(self._end)
        self.canvas.on_touch_start(lambda touches: self._begin(*touches[0]))
        self.canvas.on_touch_move(lambda touches: self._go_on(*touches[0]))
        self.canvas.on_touch_end(lambda touches: self._end())
        self.canvas.on_touch_cancel(lambda touches: self._end())
        self.canvas.on_client_ready(self._show_again)
        self.clear()

    def draw(self, strokes: Sequence[Stroke]) -> None:
        """Draw strokes from code: each a list of (x, y) in pixels. Raises what `drawing` raises."""
        self.strokes += _checked(strokes)
        self._sample = True
        self._redraw()
        self._ask()

    def clear(self) -> None:
        """Wipe the pad."""
        self.strokes, self._pressed, self._sample = [], False, False
        self._redraw()
        self._tell(np.zeros((28, 28), np.uint8), EMPTY)

    def image(self) -> np.ndarray:
        """Return the drawing: uint8 (size, size), black ink on white paper."""
        return drawing(self.strokes, self.size)

    def picture(self) -> Image:
        """Return the pad as it stands as one picture: the drawing, what the model sees, and the answer below it."""
        import textwrap
        from pathlib import Path

        import matplotlib as mpl
        from PIL import Image, ImageDraw, ImageFont

        picture = Image.new("L", (self.size + 240, max(self.size, 280)), 255)
        picture.paste(Image.fromarray(self.image()))
        draw, left = ImageDraw.Draw(picture), self.size + 20
        draw.rectangle((0, 0, self.size - 1, self.size - 1), outline=128)
        # Pillow's own font has no dashes and no × in it.
        font = ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", 14)
        draw.text((left, 10), "what the model sees:", fill=0, font=font)
        picture.paste(Image.fromarray(self.seen).resize((SEEN, SEEN), Image.Resampling.NEAREST), (left, 36))
        lines = textwrap.wrap(self.text, 26, max_lines=6, placeholder=" …")
        draw.text((left, 160), "\n".join(lines), fill=0, font=font)
        return picture

    def _begin(self, x: float, y: float) -> None:
        if self._pressed:  # a second finger, or a second button
            return
        if self._sample:
            self.clear()
        self._pressed = True
        self.strokes.append([(x, y)])
        self.canvas.stroke_line(x, y, x, y)

    def _go_on(self, x: float, y: float) -> None:
        if self._pressed:
            self.canvas.stroke_line(*self.strokes[-1][-1], x, y)
            self.strokes[-1].append((x, y))

    def _end(self, x: float = 0, y: float = 0) -> None:
        if self._pressed:
            self._pressed = False
            self._ask()

    def _show_again(self) -> None:
        """Draw all on a canvas that a page has just made, empty: a later view, or the page loaded anew."""
        # ipycanvas 0.14 says only once which canvas it draws on, and a new page has not heard it: it draws nothing.
        self.canvas._canvas_manager._current_canvas = None
        self._redraw()

    def _redraw(self) -> None:
        """Draw all strokes on the screen, in one message; the picture that counts is `drawing`'s."""
        from ipycanvas import hold_canvas

        with hold_canvas():
            self.canvas.fill_style = "white"  # a canvas is transparent: black ink would be lost on a dark theme
            self.canvas.fill_rect(0, 0, self.size, self.size)
            self.canvas.line_width, self.canvas.line_cap = pen(self.size), "round"
            for stroke in self.strokes:
                for start, end in zip(stroke, stroke[1:] or stroke, strict=False):
                    self.canvas.stroke_line(*start, *end)

    def _ask(self) -> None:
        """Bring the drawing into MNIST's form and show what the model makes of it."""
        import warnings

        try:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                image = to_mnist(self.image())
        except ValueError as error:
            return self._tell(np.zeros((28, 28), np.uint8), str(error))
        try:
            text = str(self._answer(image))
        except Exception as error:  # whatever a reader's own function raises belongs on the screen
            text = f"{type(error).__name__}: {error}"
        return self._tell(image, "; ".join([text, *(str(warning.message) for warning in said)]))

    def _tell(self, image: np.ndarray, text: str) -> None:
        import html

        from PIL import Image

        self.seen, self.text = image, text
        data = _base64_png(Image.fromarray(image).resize((SEEN, SEEN), Image.Resampling.NEAREST))
        self._seen.value = f'<img alt="the drawing in 28 by 28 pixels" src="data:image/png;base64,{data}">'
        self._label.value = f"<b>{html.escape(text)}</b>"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        """Offer the widget and, for pages without widgets, the picture with its alt text."""
        alt = f"A pad with a drawing on it, the drawing as the model sees it, and the answer: {self.text}."
        if not self.strokes:
            alt = f"An empty pad with the words: {self.text}."
        widget = self.box._repr_mimebundle_(**kwargs) or {}
        return {**widget, "image/png": _base64_png(self.picture()), "text/plain": alt}, {"image/png": {"alt": alt}}


def _base64_png(picture: Image) -> str:
    import base64
    import io

    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode()
