"""Figures with controls: each control moves the picture and its alt text, and the text says what is true."""

import base64
import functools
import io
import json
import re
import subprocess
import sys

import ipywidgets
import numpy as np
import pytest
from PIL import Image

from edgelab.course import widgets
from edgelab.course.figures.plots import new_figure
from edgelab.course.widgets import explorer
from edgelab.course.widgets.explorer import Explorer, choice, log_slider, number_field, slider

DIGIT = np.zeros((28, 28), np.uint8)
DIGIT[6:22, 13:15], DIGIT[6:8, 8:20] = 255, 200
WEIGHTS = np.random.default_rng(0).normal(size=(3, 3, 4, 8)) * 0.2 + 0.05
ROWS = [
    {"weights": w, "activations": a, "scales": s, "accuracy": 0.99 - n * 2.0 ** (-w - a / 4), "bytes": 1000 * w}
    for w in range(2, 9)
    for a in (8, 4)
    for n, s in enumerate(("channel", "tensor"), start=1)
]
HALVED = [
    {
        **{"halvings": n, "way": way, "accuracy": round(0.98 - n**2 * slope, 4)},
        **{"tflite_bytes": 400_000, "gzip_bytes": 380_000 >> n, "file_bytes": (46_000 >> n) + len(way)},
    }
    for n in range(6)
    for way, slope in (("at once", 0.03), ("gradually", 0.003))
]
LOGITS = np.array([[-7.5, -3.5, 0.0, -2.0, -1.0, -9.0, -11.5, 14.0, -5.0, 0.5], [1, 2, 3, 4, 9, 8, 7, 6, 5, 0]], float)
MAKERS = {
    "kernel_over_digit": lambda: widgets.kernel_over_digit(DIGIT),
    "receptive_field_by_layers": lambda: widgets.receptive_field_by_layers(DIGIT),
    "activation_and_gradient": widgets.activation_and_gradient,
    "vanishing_gradient": widgets.vanishing_gradient,
    "learning_rate_on_surface": widgets.learning_rate_on_surface,
    "cloud_or_edge": widgets.cloud_or_edge,
    "split_convolution": widgets.split_convolution,
    "scale_and_zero_point_on_weights": lambda: widgets.scale_and_zero_point_on_weights(WEIGHTS),
    "bits_against_accuracy": lambda: widgets.bits_against_accuracy(ROWS),
    "sparsity_against_accuracy": lambda: widgets.sparsity_against_accuracy(HALVED),
    "temperature_in_distillation": lambda: widgets.temperature_in_distillation(np.stack([DIGIT, DIGIT.T]), LOGITS),
}
every_widget = pytest.mark.parametrize("name", MAKERS)


@functools.cache
def untouched(name: str) -> Explorer:
    """A widget as it is made, for tests that only look at it: drawing one takes time."""
    return MAKERS[name]()


@pytest.fixture
def words_alone(monkeypatch) -> None:
    """Draw no pixels for a test that looks at the alt text alone: they take most of its time."""
    monkeypatch.setattr("edgelab.course.figures.plots.png", lambda figure: bytes(24))


def numbers(text: str) -> list[float]:
    """All numbers in a text, in order."""
    return [float(found) for found in re.findall(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", text)]


def shown(view: Explorer) -> str:
    return view._picture.value


def counting() -> Explorer:
    """An explorer that draws n lines, and fails where n is 0."""

    def draw(n: int, word: str) -> tuple:
        figure, axes = new_figure(3, 2)
        for i in range(n):
            axes[0, 0].plot([0, i])
        return figure, f"{12 // n} of 12: <{word}>"

    return Explorer(draw, {"n": slider(3, 0, 6, 1, "lines"), "word": choice(["a", 'b"c'], "word")})


def test_a_control_that_moves_draws_anew():
    view = counting()
    before, image = view.alt, view.png
    view.controls["n"].value = 4
    assert (before, view.alt) == ("4 of 12: <a>", "3 of 12: <a>")
    assert view.png != image
    assert base64.b64encode(view.png).decode() in shown(view)


def test_words_of_the_alt_text_stay_words_in_the_page():
    """A quotation mark would end the attribute, an angle bracket begin a tag."""
    from html.parser import HTMLParser

    view = counting()
    view.set(word='b"c')
    tags = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append((tag, dict(attributes)))
    parser.feed(shown(view))
    ((tag, attributes),) = tags
    assert (tag, attributes["alt"]) == ("img", '4 of 12: <b"c>')
    size = Image.open(io.BytesIO(view.png)).size
    assert (int(attributes["width"]), int(attributes["height"])) == size


def test_an_error_while_drawing_is_shown_and_the_next_value_draws_again():
    """What a callback raises goes to a log that no reader opens."""
    view = counting()
    view.controls["n"].value = 0
    assert view.png is None
    assert shown(view).startswith("<pre")
    assert "ZeroDivisionError: integer division or modulo by zero" in shown(view)
    data, metadata = view._repr_mimebundle_()
    assert data["text/plain"] == "ZeroDivisionError: integer division or modulo by zero"
    assert "image/png" not in data
    assert metadata == {}
    view.controls["n"].value = 2
    assert shown(view).startswith("<img")


def test_an_error_at_the_start_is_an_error_of_the_cell():
    """Shown in the page it would be stored with the notebook, and no test would see it."""
    with pytest.raises(ZeroDivisionError):
        Explorer(lambda n: 1 // n, {"n": slider(0, 0, 3, 1, "n")})
    with pytest.raises(ValueError, match="empty alt text; say in a sentence what the figure shows"):
        Explorer(lambda n: (new_figure()[0], " "), {"n": slider(0, 0, 3, 1, "n")})
    with pytest.raises(TypeError, match=r"controls\['n'\] is \(0, 5\); expected an ipywidgets control"):
        Explorer(lambda n: (new_figure()[0], "n"), {"n": (0, 5)})


@pytest.mark.parametrize("kind", ["Dropdown", "RadioButtons", "Select"])
def test_controls_that_need_the_arrow_keys_are_refused(kind):
    """In JupyterLab, an arrow key on a drop-down list leaves it for the next cell: no keyboard could choose."""
    control = getattr(ipywidgets, kind)(options=["a", "b"], value="a")
    with pytest.raises(TypeError, match=rf"controls\['n'\]: JupyterLab takes a {kind}'s arrow keys"):
        Explorer(lambda n: (new_figure()[0], n), {"n": control})


@pytest.mark.usefixtures("words_alone")
def test_setting_several_controls_draws_once():
    """Nine fields of a kernel would be nine pictures, a second of waiting."""
    calls = []
    view = Explorer(
        lambda a, b: (calls.append((a, b)), (new_figure(1, 1)[0], "x"))[1],
        {"a": slider(0, 0, 9, 1, "a"), "b": slider(0, 0, 9, 1, "b")},
    )
    view.set(a=3, b=4)
    assert calls == [(0, 0), (3, 4)]
    with pytest.raises(ValueError, match="no control c; expected one of a, b"):
        view.set(c=1)


@every_widget
def test_the_bundle_has_widget_picture_and_alt_text(name):
    """Where no kernel runs the picture is all there is, and the alt text all that some readers get."""
    view = untouched(name)
    data, metadata = view._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == view.box.model_id
    assert data["text/plain"] == view.alt
    assert metadata == {"image/png": {"alt": view.alt}}
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.width <= 800
    assert len(view.png) < 20_000, "it is stored twice in a notebook of 1 MB at most: as output, and as widget"


@every_widget
def test_the_same_again_is_the_same(name):
    """Stored outputs are compared with those of the next run."""
    one, other = untouched(name), MAKERS[name]()
    assert one.alt == other.alt
    assert one.png == other.png


def another(control: ipywidgets.Widget) -> object:
    """A value that the control has not, near the one it has."""
    if isinstance(control, ipywidgets.ToggleButtons):
        return next(option for option in control.options if option != control.value)
    if isinstance(control, ipywidgets.FloatLogSlider):
        return control.value * 10**control.step
    return control.value + control.step


@every_widget
def test_each_control_moves_picture_and_alt_text(name):
    """A slider that changes nothing, or a text that stays behind the figure."""
    needs = {"bias": {"cell": "LSTM"}, "every": {"stride": 2}}  # no gate, no stride: nothing to see
    view = MAKERS[name]()
    for control in view.controls:
        if control in needs:  # else `set` would draw what is drawn already
            view.set(**needs[control])
        alt, image = view.alt, view.png
        view.controls[control].value = another(view.controls[control])
        assert view.png is not None, view.alt
        assert (view.alt != alt, view.png != image) == (True, True), control


@every_widget
def test_controls_say_what_they_set(name):
    """A slider without name or unit is a riddle, and for a screen reader not even that."""
    for control in untouched(name).controls.values():
        assert control.description or control.tooltip


@every_widget
def test_a_figure_of_a_widget_reads_at_half_width(name):
    """As the other figures: 9 pixels where 800 become 400."""
    from matplotlib.text import Text

    view = untouched(name)
    figure, _ = view._draw(**{n: control.value for n, control in view.controls.items()})
    figure.draw_without_rendering()
    shrink = min(1, 400 / (figure.get_figwidth() * figure.dpi))
    words = [t for t in figure.findobj(Text) if t.get_text() and t.get_visible()]
    small = {t.get_text() for t in words if t.get_fontsize() / 72 * 100 * shrink < 9}
    # The exponent of 10⁻³ is set smaller by the font; the label itself is measured.
    assert small == set()


@pytest.mark.usefixtures("words_alone")
def test_a_kernel_makes_the_map_that_sums_of_shifted_copies_make():
    """The alt text tells the map's range: recomputed, with a kernel typed by hand."""
    view = widgets.kernel_over_digit(DIGIT)
    kernel = np.array([[1, -2, 0.5], [0, 3, -1], [2, 0, -0.5]])
    view.set(**{f"w{i}{j}": kernel[i, j] for i, j in np.ndindex(3, 3)})
    pixels = DIGIT / 255
    found = sum(kernel[i, j] * pixels[i : i + 26, j : j + 26] for i, j in np.ndindex(3, 3))
    low, high = numbers(view.alt)[-2:]
    assert (low, high) == pytest.approx((found.min(), found.max()), rel=5e-3)  # three digits are printed
    assert "rows 1 -2 0.5 / 0 3 -1 / 2 0 -0.5, " in view.alt
    assert "26 by 26 map" in view.alt


@pytest.mark.usefixtures("words_alone")
def test_choosing_a_kernel_fills_the_fields_and_a_field_unnames_it():
    view = widgets.kernel_over_digit(DIGIT)
    preset = next(child for child in view.box.children[0].children if isinstance(child, ipywidgets.ToggleButtons))
    preset.value = "blur"
    weights = [field.value for field in view.controls.values()]
    assert weights == [0.125] * 4 + [0] + [0.125] * 4
    assert view.alt.startswith("Kernel blur, rows 0.125 0.125 0.125 / ")
    view.controls["w11"].value = 1
    assert preset.value is None
    assert view.alt.startswith("Kernel your own, rows 0.125 ")
    preset.value = "identity"
    assert view.alt.endswith("values from 0 to 1.")


@pytest.mark.usefixtures("words_alone")
@pytest.mark.parametrize("maker", [widgets.kernel_over_digit, widgets.receptive_field_by_layers])
def test_several_images_are_refused(maker):
    """The whole of x_test is what is passed by mistake."""
    with pytest.raises(ValueError, match=r"image has shape \(2, 28, 28\); expected one grey image"):
        maker(np.zeros((2, 28, 28)))
    assert maker(np.zeros((28, 28, 1), np.float32)).alt


@pytest.mark.usefixtures("words_alone")
@pytest.mark.parametrize(
    ("layers", "kernel", "stride", "every"), [(1, 3, 1, 1), (4, 5, 2, 1), (6, 3, 2, 3), (10, 7, 3, 2)]
)
def test_the_field_is_what_a_stack_of_ones_sees(layers, kernel, stride, every):
    """Walk back from one output: an index that a layer reads, in the layer before, with its neighbours."""
    view = widgets.receptive_field_by_layers(DIGIT)
    view.set(layers=layers, kernel=kernel, stride=stride, every=every)
    first, last, step = 0, 0, 1
    for layer in range(layers, 0, -1):
        s = stride if layer % every == 0 else 1
        first, last, step = first * s, last * s + kernel - 1, step * s
    field = last - first + 1
    assert f"one output sees {field} by {field} pixels" in view.alt
    assert f"moves by {step}." in view.alt
    assert ("the whole image and more" in view.alt) == (field > 28)


@pytest.mark.usefixtures("words_alone")
@pytest.mark.parametrize("x", [-1.5, 0.5, 3.0])
@pytest.mark.parametrize(
    ("function", "formula"),
    [
        ("ReLU", lambda x: max(x, 0.0)),
        ("leaky ReLU", lambda x: max(x, 0.2 * x)),
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
        ("tanh", np.tanh),
    ],
)
def test_value_and_slope_are_those_of_the_formula(function, formula, x):
    """The slope by a central difference: its error is far below the three digits that are printed."""
    view = widgets.activation_and_gradient()
    view.set(function=function, x=x)
    _, value, slope = numbers(view.alt)[:3]
    assert value == pytest.approx(formula(x), rel=5e-3)
    assert slope == pytest.approx((formula(x + 1e-5) - formula(x - 1e-5)) / 2e-5, rel=5e-3, abs=1e-9)


@pytest.mark.usefixtures("words_alone")
def test_a_simple_rnn_loses_the_gradient_and_open_gates_keep_it():
    """What the widget is there to show, in the numbers of its alt text."""
    view = widgets.vanishing_gradient()
    arrives = {}
    for cell, bias in (("simple RNN", 0), ("LSTM", 1), ("LSTM", 6), ("GRU", 6)):
        view.set(cell=cell, bias=bias, steps=40, scale=0.9)
        arrives[cell, bias] = numbers(view.alt)[-2]
    assert arrives["simple RNN", 0] <= 0.9**39  # tanh only makes it smaller than the orthogonal matrix does
    assert arrives["LSTM", 6] > 20 * arrives["LSTM", 1]
    assert arrives["LSTM", 6] > 10 * 0.9**39
    assert arrives["GRU", 6] > 0.5


@pytest.mark.usefixtures("words_alone")
def test_the_gradient_of_an_rnn_is_that_of_finite_differences():
    """Nudge the first state in every direction and look at the last: the transposed Jacobian times the upstream."""
    from edgelab.course.widgets.layers import _recurrent

    view = widgets.vanishing_gradient()
    view.set(cell="simple RNN", steps=6, scale=0.7)
    x, w, u, b = _recurrent(1, 6, 0.7, 1.0)

    def last(state: np.ndarray) -> np.ndarray:
        for t in range(1, 6):
            state = np.tanh(x[0, t] @ w + state @ u + b)
        return state

    first = np.tanh(x[0, 0] @ w + b)
    jacobian = np.array([(last(first + d) - last(first - d)) / 2e-5 for d in 1e-5 * np.eye(8)])
    length = np.linalg.norm(jacobian @ np.full(8, 1 / np.sqrt(8)))
    assert numbers(view.alt)[-2] == pytest.approx(length, rel=0.06)  # two digits are printed
    assert np.abs(np.linalg.eigvals(u)).max() == pytest.approx(0.7)


@pytest.mark.usefixtures("words_alone")
@pytest.mark.parametrize(("rate", "momentum"), [(0.05, 0.0), (0.19, 0.0), (0.21, 0.0), (0.1, 0.9)])
def test_the_walk_ends_where_the_recurrence_says(rate, momentum):
    """One coordinate at a time, a linear recurrence: its matrix to the 40th power instead of 40 steps."""
    view = widgets.learning_rate_on_surface()
    view.set(learning_rate=rate, momentum=momentum)
    loss = 0.0
    for curvature, start in ((1, -4), (10, 1.5)):
        step = np.array([[1 - rate * curvature, momentum], [-rate * curvature, momentum]])
        loss += curvature / 2 * (np.linalg.matrix_power(step, 40) @ (start, 0))[0] ** 2
    after, before, end = numbers(view.alt)[-3:]
    assert (after, before) == (40, 19.2)
    assert end == pytest.approx(loss, rel=0.06)  # two digits are printed
    assert ("it diverges" in view.alt) == (loss > 19.25) == (rate > 2 / 10)


def test_adam_walks_alike_in_both_directions():
    """Adam divides by the gradient's size: at a small rate both weights move by it, however steep the bowl."""
    from edgelab.course.widgets.networks import _path

    path = _path("Adam", 0.01, 0.9)
    np.testing.assert_allclose(np.abs(path[5] - path[0]), 0.05, rtol=0.05)


@pytest.mark.usefixtures("words_alone")
def test_cloud_and_edge_cost_what_the_arithmetic_says():
    """1 MB over 8 Mbit/s takes a second."""
    view = widgets.cloud_or_edge()
    view.set(image_kb=10.0, rate=2.0, uplink=0.8, round_trip=100, bit_nj=500, speed=70.6752, mac_pj=1000)
    cloud, edge = view.alt.split(";")
    assert numbers(cloud) == [200, 80, 20]  # 80 kbit / 800 kbit/s + 100 ms; 160 kbit/s x 500 nJ; 20 kB/s
    assert numbers(edge) == [10, 1.41]  # 706,752 MACs / 70.6752 million; x 2/s x 1000 pJ
    view.set(rate=20.0)
    assert "Cloud: falls behind: the queue grows" in view.alt
    assert view.alt.count("it cannot keep up") == 1
    view.set(speed=1.0, rate=10.0, uplink=20.0)
    assert "edge: falls behind: the queue grows" in view.alt


@pytest.mark.usefixtures("words_alone")
@pytest.mark.parametrize(("kernel", "inputs", "outputs"), [(3, 16, 32), (5, 3, 4), (1, 8, 8), (9, 64, 1)])
def test_the_share_of_a_split_convolution_is_that_of_its_loops(kernel, inputs, outputs):
    """Products counted one by one at each of 14 × 14 places, instead of by the formula 1/N + 1/D²."""
    view = widgets.split_convolution()
    view.set(kernel=kernel, inputs=inputs, outputs=outputs)
    places, window = 14 * 14, kernel * kernel
    whole = sum(window * inputs for _ in range(outputs)) * places
    deep, point = places * sum(window for _ in range(inputs)), places * sum(inputs for _ in range(outputs))
    assert numbers(view.alt.replace(",", ""))[4:7] == [whole, deep, point]
    assert f"left is {(deep + point) / whole:.3f}, " in view.alt
    assert ("saves nothing" in view.alt) == (deep + point >= whole) == (1 in (kernel, outputs))


def test_sliders_show_as_many_decimals_as_they_step():
    assert isinstance(slider(1, 0, 5, 1, "n"), ipywidgets.IntSlider)
    assert slider(1.0, 0.0, 5.0, 0.25, "x").readout_format == ".2f"
    assert log_slider(0.1, -3, 0, 0.5, "x").value == 0.1
    assert choice(["a", "b"], "x").value == "a"


def test_thousands_of_places_are_typed_and_not_slid_to():
    """10,000 test images on a slider of 200 pixels: fifty of them at each pixel."""
    with pytest.raises(ValueError, match=r"10,000 places; expected 1,000 at most. Use number_field"):
        slider(0, 0, 9999, 1, "image")
    field = number_field(320, 0, 9999, "image")
    field.value = 10_000
    assert (field.value, number_field(3, 0, 9, "n").value) == (9999, 3)


def test_no_pyplot_and_no_tensorflow():
    """pyplot keeps each figure it makes; TensorFlow has no place in notebooks of 300 MB."""
    code = "import sys; from edgelab.course import widgets; view = widgets.activation_and_gradient(); view.set(x=2.0);"
    code += (
        "print([m for m in ('matplotlib.pyplot', 'tensorflow', 'keras', 'scipy', 'PIL.ImageTk') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_stored_widgets_differ_in_nothing_but_their_ids():
    """`store` numbers the ids; all else must be the same in two runs."""
    states = []
    for _ in range(2):
        view = widgets.cloud_or_edge()
        known = [view.box, *view.box.children, *view.controls.values()]
        text = json.dumps([widget.get_state() for widget in known], default=str)
        for number, model in enumerate(dict.fromkeys(re.findall(r"IPY_MODEL_(\w+)", text))):
            text = text.replace(model, str(number))
        states.append(text)
    assert states[0] == states[1]


def test_the_module_names_what_notebooks_import():
    parts = {"DrawingPad", "Explorer", "choice", "drawing", "log_slider", "number_field", "pen", "slider"}
    found = {name for name, value in vars(widgets).items() if callable(value) and not name.startswith("_")}
    assert found == {*MAKERS, *parts}
    assert widgets.Explorer is explorer.Explorer


@pytest.mark.usefixtures("words_alone")
@pytest.mark.parametrize("kind", ["symmetric", "asymmetric"])
@pytest.mark.parametrize(("bits", "kept"), [(2, 100), (4, 60), (8, 100), (5, 140)])
def test_scale_and_zero_point_are_those_of_the_nearest_numbers(kind, bits, kept):
    """Round each weight to the nearest of the numbers that a line is drawn for: no quantizing, no formula."""
    view = widgets.scale_and_zero_point_on_weights(WEIGHTS)
    view.set(bits=bits, kept=kept, kind=kind)
    _, low, high, scale, zero_point, first, last, clipped, rms, _ = numbers(view.alt)[:10]
    assert (low, high) == pytest.approx((WEIGHTS.min(), WEIGHTS.max()), rel=5e-3)  # three digits are printed
    count = 2**bits - (kind == "symmetric")
    assert (last - first) / (count - 1) == pytest.approx(scale, rel=1e-2)
    width = 2 * np.abs(WEIGHTS).max() if kind == "symmetric" else np.ptp(WEIGHTS)
    step = width * kept / 100 / (count - 1)
    assert zero_point == 0 or kind == "asymmetric"
    assert scale == pytest.approx(step, rel=5e-3)
    grid = step * (np.arange(count) - 2 ** (bits - 1) + (kind == "symmetric") - zero_point)
    distance = np.abs(WEIGHTS.reshape(-1, 1) - grid).min(axis=1)
    assert rms == pytest.approx(np.sqrt(np.mean(distance**2)), rel=5e-3)
    assert clipped == pytest.approx(100 * np.mean(distance > step / 2 * 1.01), abs=0.3)  # one weight is 0.35 %


@pytest.mark.usefixtures("words_alone")
@pytest.mark.parametrize("w", [np.zeros(0), np.ones(5), np.array([1.0, np.nan])])
def test_weights_without_a_range_are_refused(w):
    """Of no weights, or of NaN, there is no histogram."""
    with pytest.raises(ValueError, match="expected finite weights that are not all equal"):
        widgets.scale_and_zero_point_on_weights(w)


@pytest.mark.usefixtures("words_alone")
def test_accuracy_and_bytes_are_those_of_the_rows():
    view = widgets.bits_against_accuracy(ROWS)
    view.set(weights=3, activations="4")
    weights, activations, channel, tensor, size = numbers(view.alt.replace(",", ""))
    assert (weights, activations, size) == (3, 4, 3000)
    assert (channel, tensor) == (pytest.approx(1 + 6.25, abs=0.01), pytest.approx(1 + 12.5, abs=0.01))


@pytest.mark.usefixtures("words_alone")
def test_rows_that_lack_a_combination_are_refused():
    """A line with a gap would be drawn across it."""
    with pytest.raises(ValueError, match=r"none for \(weights, activations, scales\) in \[\(2, 8, 'channel'\)\]"):
        widgets.bits_against_accuracy(ROWS[1:])
    with pytest.raises(ValueError, match=r"rows for weights of \[2, 4\] bits.* expected bits without a gap"):
        widgets.bits_against_accuracy([row for row in ROWS if row["weights"] in (2, 4)])
    with pytest.raises(ValueError, match=r"rows for weights of \[\] bits"):
        widgets.bits_against_accuracy([])


@pytest.mark.usefixtures("words_alone")
def test_sparsity_tells_accuracy_and_bytes_of_its_row():
    view = widgets.sparsity_against_accuracy(HALVED)
    view.set(halvings=2, way="gradually")
    kept, right, tflite, packed, file = numbers(view.alt.replace(",", ""))[:5]
    assert (kept, right) == (25, pytest.approx(100 * (0.98 - 4 * 0.003)))
    assert (tflite, packed, file) == (400_000, 95_000, 11_509)
    view.set(way="at once")
    assert numbers(view.alt)[:2] == [25, pytest.approx(100 * (0.98 - 4 * 0.03))]


@pytest.mark.usefixtures("words_alone")
def test_sparsities_with_a_gap_are_refused():
    """A line would be drawn across it."""
    with pytest.raises(ValueError, match=r"11 rows, none for \(halvings, way\) in \[\(0, 'at once'\)\]"):
        widgets.sparsity_against_accuracy(HALVED[1:])
    with pytest.raises(ValueError, match=r"10 rows, none for .* in \[\(2, 'at once'\), \(2, 'gradually'\)\]"):
        widgets.sparsity_against_accuracy([row for row in HALVED if row["halvings"] != 2])
    with pytest.raises(ValueError, match="0 rows, none for"):
        widgets.sparsity_against_accuracy([])


@pytest.mark.usefixtures("words_alone")
@pytest.mark.parametrize("temperature", [0.1, 1.0, 3.1622776601683795, 100.0])
@pytest.mark.parametrize("image", [1, 2])
def test_soft_targets_and_their_entropy_are_those_of_the_formula(temperature, image):
    """SciPy's softmax and entropy, instead of ours; three decimals are printed."""
    from scipy.special import softmax
    from scipy.stats import entropy

    view = widgets.temperature_in_distillation(np.stack([DIGIT, DIGIT.T]), LOGITS)
    view.set(temperature=temperature, image=image)
    target = softmax(LOGITS[image - 1] / temperature)
    order = np.argsort(-target, kind="stable")
    told = numbers(view.alt)
    assert told[:2] == [image, pytest.approx(temperature, rel=5e-3)]
    assert told[2] == pytest.approx(entropy(target, base=2), abs=1e-3)
    assert (told[3], told[5]) == tuple(order[:2])
    assert (told[4], told[6], told[7]) == pytest.approx((*target[order[:2]], target[order[2:]].sum()), abs=1e-3)


@pytest.mark.usefixtures("words_alone")
@pytest.mark.parametrize("logits", [LOGITS[:1], LOGITS[0], np.zeros((0, 10)), np.full((2, 10), np.nan)])
def test_logits_that_do_not_fit_the_images_are_refused(logits):
    with pytest.raises(ValueError, match=r"images have shape \(2, 28, 28\), logits .*; expected \(n, 28, 28\) and"):
        widgets.temperature_in_distillation(np.zeros((2, 28, 28)), logits)
