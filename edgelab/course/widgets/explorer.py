"""A figure with controls: it is redrawn when one of them moves, and is a picture where no kernel runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipywidgets import Widget
    from matplotlib.figure import Figure


# The description has a line of its own: beside it, the slider would have what is left, for some a thumb's width.
_ABOVE = {
    "style": {"description_width": "initial"},
    "layout": {"width": "280px", "max_width": "98%", "height": "auto", "flex_flow": "row wrap"},
    "_dom_classes": ("edgelab-control",),
}
_CSS = "<style>.edgelab-control > .widget-label { flex-basis: 100%; text-align: left; }</style>"
MOST_PLACES = 1000  # of a slider: a hand cannot choose among more, with several of them at each pixel


def slider(value: float, low: float, high: float, step: float, description: str) -> Widget:
    """Return a slider, of integers where all its numbers are integers.

    description: what it sets, with its unit. The readout has as many decimals as the step. Raises ValueError for more
    than 1,000 places, of which several share each pixel: `number_field` takes them.

    >>> slider(0.5, 0.0, 2.0, 0.25, "rate (images/s)").readout_format
    '.2f'
    """
    import ipywidgets

    places = round((high - low) / step) + 1
    if places > MOST_PLACES:
        raise ValueError(f"a slider of {places:,} places; expected {MOST_PLACES:,} at most. Use number_field(…)")
    if all(isinstance(number, int) for number in (value, low, high, step)):
        return ipywidgets.IntSlider(value, low, high, step, description=description, **_ABOVE)
    decimals = len(str(step).partition(".")[2])
    readout = {"readout_format": f".{decimals}f"}
    return ipywidgets.FloatSlider(value, min=low, max=high, step=step, description=description, **readout, **_ABOVE)


def number_field(value: int, low: int, high: int, description: str) -> Widget:
    """Return a field for a whole number, with arrows for the next and the last one: for a choice among thousands.

    A number outside of low to high becomes the nearest one inside.

    >>> number_field(320, 0, 9999, "image").value
    320
    """
    import ipywidgets

    options = {"style": {"description_width": "initial"}, "layout": {"width": "220px", "max_width": "98%"}}
    return ipywidgets.BoundedIntText(value, low, high, description=description, **options)


def log_slider(value: float, low: int, high: int, step: float, description: str) -> Widget:
    """Return a slider over powers of ten.

    low, high, step: exponents, so that -3 and 0 reach from 0.001 to 1. description: what it sets, with its unit.

    >>> log_slider(0.01, -3, 0, 0.5, "learning rate").value
    0.01
    """
    import ipywidgets

    options = {"readout_format": ".3g", "description": description}
    return ipywidgets.FloatLogSlider(value, min=low, max=high, step=step, **options, **_ABOVE)


def choice(options: Sequence[str], description: str) -> Widget:
    """Return a row of buttons, of which one is pressed, the first at the start; by keyboard Tab and Space press others.

    In a drop-down list or radio buttons the arrow keys would choose, but JupyterLab takes them to go to another cell.

    >>> choice(["sgd", "adam"], "optimiser").value
    'sgd'
    """
    import ipywidgets

    style = {"description_width": "initial", "button_width": "auto"}
    above = {**_ABOVE, "style": style, "layout": {**_ABOVE["layout"], "width": "auto", "min_width": "min(280px, 98%)"}}
    return ipywidgets.ToggleButtons(options=list(options), description=description, **above)


class Explorer:
    """A figure that is redrawn when a control moves, and its alt text with it.

    draw: called with the values of all controls by name; returns a figure and its alt text. What it raises at the
    start is raised, what it raises when a control moves is shown in place of the figure. It should take 150 ms at most;
    while it draws, the page keeps only the latest place of a slider that is dragged.
    controls: {name: ipywidgets control}, each with a description, and in it the unit. panel: a box that holds them,
    where they should not simply follow each other.
    Displayed, it is a widget; where no kernel runs, a PNG of the present state with its alt text.
    Attributes: controls; box, the whole as a widget; alt; png, bytes, None after an error.
    Raises TypeError for a control without a value, or one that no keyboard operates.

    >>> import ipywidgets
    >>> from edgelab.course.figures import new_figure
    >>> slider = ipywidgets.IntSlider(3, 0, 9, description="n")
    >>> view = Explorer(lambda n: (new_figure()[0], f"An empty figure, n = {n}."), {"n": slider})
    >>> slider.value = 4
    >>> view.alt
    'An empty figure, n = 4.'
    """

    def __init__(
        self, draw: Callable[..., tuple[Figure, str]], controls: Mapping[str, Widget], panel: Widget | None = None
    ) -> None:
        import ipywidgets

        for name, control in controls.items():
            if not (isinstance(control, ipywidgets.Widget) and control.has_trait("value")):
                raise TypeError(f"controls[{name!r}] is {control!r}; expected an ipywidgets control, say an IntSlider")
            if isinstance(control, (ipywidgets.Dropdown, ipywidgets.RadioButtons, ipywidgets.Select)):
                kind = type(control).__name__
                raise TypeError(f"controls[{name!r}]: JupyterLab takes a {kind}'s arrow keys; expected choice(…)")
        self._draw, self._waits, self.controls = draw, False, dict(controls)
        self.alt, self.png = "", None
        self._picture = ipywidgets.HTML()
        if panel is None:
            panel = ipywidgets.Box(list(controls.values()), layout={"flex_flow": "row wrap"})
        style = ipywidgets.HTML(_CSS, layout={"display": "none"})
        self.box = ipywidgets.VBox([panel, self._picture, style])
        for control in controls.values():
            control.observe(lambda _: self._redraw(), "value")
        self._show(*self._drawn())

    def set(self, **values: Any) -> None:
        """Set controls from code, and draw once. Raises ValueError where there is no such control."""
        unknown = sorted(set(values) - set(self.controls))
        if unknown:
            raise ValueError(f"no control {', '.join(unknown)}; expected one of {', '.join(self.controls)}")
        self._waits = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self._waits = False
            self._redraw()

    def _drawn(self) -> tuple[bytes, str]:
        from edgelab.course.figures.plots import png

        figure, alt = self._draw(**{name: control.value for name, control in self.controls.items()})
        if not str(alt).strip():
            raise ValueError("draw returned an empty alt text; say in a sentence what the figure shows")
        return png(figure), str(alt)

    def _redraw(self) -> None:
        if self._waits:
            return
        try:
            self._show(*self._drawn())
        except Exception as error:  # whatever a reader's own function raises belongs on the screen
            self._show(None, f"{type(error).__name__}: {error}")

    def _show(self, png: bytes | None, alt: str) -> None:
        import html

        self.png, self.alt = png, alt
        if png is None:
            self._picture.value = f'<pre role="alert" style="white-space: pre-wrap">{html.escape(alt)}</pre>'
            return
        # With its size known the page keeps the place while the next picture loads.
        width, height = (int.from_bytes(png[at : at + 4]) for at in (16, 20))
        self._picture.value = (
            f'<img alt="{html.escape(alt)}" width="{width}" height="{height}" '
            f'style="max-width: 100%; height: auto" src="data:image/png;base64,{self._base64()}">'
        )

    def _base64(self) -> str:
        import base64

        return base64.b64encode(self.png or b"").decode()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        """Offer the widget and, for pages without a kernel, the picture with its alt text."""
        data = {**(self.box._repr_mimebundle_(**kwargs) or {}), "text/plain": self.alt}
        if self.png is None:
            return data, {}
        return {**data, "image/png": self._base64()}, {"image/png": {"alt": self.alt}}
