"""Widgets of the course. For now one: a pad to draw a digit on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelab.deploy.preprocess import to_mnist

if TYPE_CHECKING:
    from PIL.Image import Image

Stroke = Sequence[tuple[float, float]]


def pen(size: int) -> int:
    """Return the width of the pen in pixels: a fourteenth of the pad, as thick as MNIST's, two pixels of 28.

    >>> pen(280)
    20
    """
    return max(1, round(size / 14))


def drawing(strokes: Sequence[Stroke], size: int = 280) -> np.ndarray:
    """Rasterise strokes with a round pen: black ink on white paper.

    strokes: each a list of (x, y) in pixels, origin in the upper left corner. Returns uint8 (size, size).

    >>> int((drawing([[(140, 140)]]) == 0).sum() > 200)
    1
    """
    from PIL import Image, ImageDraw

    image = Image.new("L", (size, size), 255)
    draw, radius = ImageDraw.Draw(image), pen(size) / 2
    for stroke in strokes:
        points = [(float(x), float(y)) for x, y in stroke]
        if len(points) > 1:
            draw.line(points, fill=0, width=pen(size))
        for x, y in points:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=0)
    return np.asarray(image)


class DrawingPad:
    """A canvas for mouse or finger; after each stroke it shows what the model sees and what it answers.

    answer: called with a uint8 (28, 28) image in MNIST's form; its text is shown. What it raises is shown too, so that
    a mistake in a reader's own function is not lost in a log. size: side of the pad in pixels.
    Displayed, it is a widget; where no widgets are, a PNG of the pad as it stands.

    >>> pad = DrawingPad(lambda image: f"{(image > 0).sum() > 20}")
    >>> pad.draw([[(90, 60), (90, 220)]])
    >>> pad.text
    'True'
    """

    def __init__(self, answer: Callable[[np.ndarray], str], size: int = 280) -> None:
        import ipywidgets
        from ipycanvas import Canvas

        self._answer, self.size = answer, size
        self.strokes: list[list[tuple[float, float]]] = []
        self._pressed = False
        self.canvas = Canvas(width=size, height=size, layout={"border": "1px solid #888888"})
        self._seen = ipywidgets.Image(format="png", width=112, height=112)
        self._label = ipywidgets.HTML()
        button = ipywidgets.Button(description="clear", icon="eraser")
        button.on_click(lambda _: self.clear())
        side = ipywidgets.VBox([button, ipywidgets.HTML("what the model sees:"), self._seen, self._label])
        self.box = ipywidgets.HBox([self.canvas, side])
        self.canvas.on_mouse_down(self._begin)
        self.canvas.on_mouse_move(self._go_on)
        self.canvas.on_mouse_up(self._end)
        self.canvas.on_mouse_out(self._end)
        self.canvas.on_touch_start(lambda touches: self._begin(*touches[0]))
        self.canvas.on_touch_move(lambda touches: self._go_on(*touches[0]))
        self.canvas.on_touch_end(lambda touches: self._end())
        self.canvas.on_touch_cancel(lambda touches: self._end())
        # What is drawn before a browser shows the canvas would not appear on it.
        self.canvas.on_client_ready(self._redraw)
        self.clear()

    def draw(self, strokes: Sequence[Stroke]) -> None:
        """Draw strokes from code, as if by hand: each a list of (x, y) in pixels."""
        self.strokes += [[(float(x), float(y)) for x, y in stroke] for stroke in strokes]
        self._redraw()
        self._ask()

    def clear(self) -> None:
        """Wipe the pad."""
        self.strokes, self._pressed = [], False
        self._redraw()
        self._tell(np.zeros((28, 28), np.uint8), "draw a digit")

    def image(self) -> np.ndarray:
        """Return the drawing: uint8 (size, size), black ink on white paper."""
        return drawing(self.strokes, self.size)

    def picture(self) -> Image:
        """Return the pad as it stands as one picture: the drawing, what the model sees, and the answer below it."""
        from PIL import Image, ImageDraw, ImageFont

        picture = Image.new("L", (self.size + 240, self.size), 255)
        picture.paste(Image.fromarray(self.image()))
        draw = ImageDraw.Draw(picture)
        draw.rectangle((0, 0, self.size - 1, self.size - 1), outline=128)
        font, left = ImageFont.load_default(15), self.size + 20
        draw.text((left, 10), "what the model sees:", fill=0, font=font)
        picture.paste(Image.fromarray(self.seen).resize((112, 112), Image.Resampling.NEAREST), (left, 36))
        draw.text((left, 160), self.text, fill=0, font=font)
        return picture

    def _begin(self, x: float, y: float) -> None:
        self._pressed = True
        self.strokes.append([(x, y)])
        self._line((x, y), (x, y))

    def _go_on(self, x: float, y: float) -> None:
        if self._pressed:
            self._line(self.strokes[-1][-1], (x, y))
            self.strokes[-1].append((x, y))

    def _end(self, x: float = 0, y: float = 0) -> None:
        if self._pressed:
            self._pressed = False
            self._ask()

    def _line(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw one piece of a stroke on the screen; the picture that counts is `drawing`'s."""
        self.canvas.line_width = pen(self.size)
        self.canvas.line_cap = "round"
        self.canvas.stroke_line(*start, *end)

    def _redraw(self) -> None:
        self.canvas.clear()
        for stroke in self.strokes:
            for start, end in zip(stroke, stroke[1:] or stroke, strict=False):
                self._line(start, end)

    def _ask(self) -> None:
        """Bring the drawing into MNIST's form and show what the model makes of it."""
        try:
            image = to_mnist(self.image())
        except ValueError as error:
            return self._tell(np.zeros((28, 28), np.uint8), str(error))
        try:
            text = str(self._answer(image))
        except Exception as error:  # whatever a reader's own function raises belongs on the screen
            text = f"{type(error).__name__}: {error}"
        return self._tell(image, text)

    def _tell(self, image: np.ndarray, text: str) -> None:
        import html
        import io

        from PIL import Image

        self.seen, self.text = image, text
        stream = io.BytesIO()
        Image.fromarray(image).resize((112, 112), Image.Resampling.NEAREST).save(stream, format="PNG")
        self._seen.value = stream.getvalue()
        self._label.value = f"<b>{html.escape(text)}</b>"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        """Offer the widget and, for pages without widgets, the picture with its alt text."""
        import base64
        import io

        stream = io.BytesIO()
        self.picture().save(stream, format="PNG", optimize=True)
        widget = self.box._repr_mimebundle_(**kwargs) or {}
        alt = f"A pad with a drawing on it, the drawing as the model sees it, and the answer: {self.text}."
        data = {**widget, "image/png": base64.b64encode(stream.getvalue()).decode(), "text/plain": alt}
        return data, {"image/png": {"alt": alt}}
