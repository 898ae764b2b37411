"""Widgets of the layers: a kernel and its output, a receptive field, a gradient through a recurrent layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgelab.course.figures.plots import COLOURS, new_figure
from edgelab.course.widgets.explorer import Explorer, choice, slider
from edgelab.maths.conv import conv2d, receptive_field
from edgelab.maths.rnn import gradient_norms, gru, gru_grad, lstm, lstm_grad, rnn, rnn_grad

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KERNELS = {
    "vertical edges": ((-1, 0, 1), (-1, 0, 1), (-1, 0, 1)),
    "horizontal edges": ((-1, -1, -1), (0, 0, 0), (1, 1, 1)),
    "outline": ((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)),
    "sharpen": ((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
    "blur": ((0.125, 0.125, 0.125), (0.125, 0, 0.125), (0.125, 0.125, 0.125)),
    "identity": ((0, 0, 0), (0, 1, 0), (0, 0, 0)),
}
CELLS = {"simple RNN": (rnn, rnn_grad, 1), "GRU": (gru, gru_grad, 3), "LSTM": (lstm, lstm_grad, 4)}  # … , gates


def _pixels(image: np.ndarray) -> np.ndarray:
    """Return an image as float (h, w) in [0, 1]."""
    image = np.asarray(image)
    if image.ndim not in (2, 3) or image.shape[2:] not in ((), (1,)):
        raise ValueError(f"image has shape {image.shape}; expected one grey image, (h, w) or (h, w, 1)")
    return image.reshape(image.shape[:2]) / (255 if image.dtype == np.uint8 else 1)


def _draw_pixels(ax: Axes, pixels: np.ndarray, title: str) -> None:
    ax.imshow(pixels, cmap="gray_r", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[], title=title)
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)


def kernel_over_digit(image: np.ndarray) -> Explorer:
    """Edit a 3×3 kernel, by name or number by number, and see its output on an image.

    image: (h, w) or (h, w, 1), uint8 or float in [0, 1], bright ink on a dark ground. The map is the
    cross-correlation without padding, (h - 2, w - 2). Raises ValueError for another shape.

    >>> view = kernel_over_digit(np.eye(5))
    >>> view.set(w00=0, w01=0, w02=1, w10=0, w12=0, w20=0, w21=0, w22=0)
    >>> print(view.alt)
    Kernel your own, rows 0 0 1 / 0 0 0 / 0 0 0, beside the image and the 3 by 3 map it makes: values from 0 to 1.
    """
    import ipywidgets

    pixels = _pixels(image)
    fields = {
        f"w{i}{j}": ipywidgets.BoundedFloatText(
            min=-9, max=9, step=0.5, tooltip=f"weight in row {i + 1}, column {j + 1}", layout={"width": "76px"}
        )
        for i, j in np.ndindex(3, 3)
    }
    preset = choice(list(KERNELS), "kernel")

    def draw(**weights: float) -> tuple[Figure, str]:
        kernel = np.reshape(list(weights.values()), (3, 3))
        preset.value = next((name for name, known in KERNELS.items() if np.array_equal(kernel, known)), None)
        return _draw_kernel(pixels, kernel, preset.value or "your own")

    def take(change: dict) -> None:
        if change["new"]:
            view.set(**dict(zip(fields, np.ravel(KERNELS[change["new"]]).tolist(), strict=True)))

    for field, weight in zip(fields.values(), np.ravel(KERNELS[preset.value]).tolist(), strict=True):
        field.value = weight
    grid = ipywidgets.GridBox(list(fields.values()), layout={"grid_template_columns": "repeat(3, 84px)"})
    view = Explorer(draw, fields, ipywidgets.VBox([preset, grid]))
    preset.observe(take, "value")
    return view


def _draw_kernel(pixels: np.ndarray, kernel: np.ndarray, name: str) -> tuple[Figure, str]:
    found = conv2d(pixels[None, :, :, None], kernel[:, :, None, None])[0, :, :, 0]
    figure, axes = new_figure(7.5, 3.2, columns=2)
    _draw_pixels(axes[0, 0], pixels, f"image, {pixels.shape[0]} × {pixels.shape[1]}")
    _draw_pixels(axes[0, 1], found, f"{name}, {found.shape[0]} × {found.shape[1]}")
    largest = max(abs(found).max(), 1e-9)
    shown = axes[0, 1].images[0]
    shown.set(cmap="RdBu_r", clim=(-largest, largest))
    figure.colorbar(shown, ax=axes[0, 1])
    rows = " / ".join(" ".join(f"{weight:g}" for weight in row) for row in kernel)
    return figure, (
        f"Kernel {name}, rows {rows}, beside the image and the {found.shape[0]} by {found.shape[1]} map it makes: "
        f"values from {found.min():.3g} to {found.max():.3g}."
    )


def receptive_field_by_layers(image: np.ndarray) -> Explorer:
    """Stack convolutions and see the receptive field of one output pixel on an image.

    image: as for `kernel_over_digit`. Every layer has the same kernel; each k-th has the stride, the others 1.
    Raises ValueError for another shape.

    >>> receptive_field_by_layers(np.zeros((28, 28))).alt.partition(";")[0]
    '3 layers of 3×3 kernels, each with stride 1: one output sees 7 by 7 pixels of 28 by 28'
    """
    pixels = _pixels(image)
    controls = {
        "layers": slider(3, 1, 10, 1, "layers"),
        "kernel": slider(3, 1, 7, 2, "kernel (pixels)"),
        "stride": slider(1, 1, 3, 1, "stride (pixels)"),
        "every": slider(1, 1, 4, 1, "stride in each k-th layer, k"),
    }
    return Explorer(lambda **values: _draw_field(pixels, **values), controls)


def _draw_field(pixels: np.ndarray, layers: int, kernel: int, stride: int, every: int) -> tuple[Figure, str]:
    from matplotlib.patches import Rectangle

    stack = [(kernel, stride if layer % every == 0 else 1) for layer in range(1, layers + 1)]
    fields = [receptive_field(stack[:depth])[0] for depth in range(layers + 1)]
    step = receptive_field(stack)[1]
    (height, width), field = pixels.shape, fields[-1]
    figure, axes = new_figure(7.5, 3.4, columns=2)
    digit, growth = axes[0]
    _draw_pixels(digit, pixels, f"one output sees {field} × {field}")
    for size in fields[1:]:
        corner = [side // 2 - (size - 1) // 2 - 0.5 for side in (width, height)]
        line = 3 if size == field else 1.2
        digit.add_patch(Rectangle(corner, size, size, fill=False, edgecolor=COLOURS[1], linewidth=line))
    digit.set(xlim=(-5, width + 4), ylim=(height + 4, -5))
    growth.plot(range(layers + 1), fields, marker="o")
    growth.axhline(max(height, width), color=COLOURS[-1], linestyle=":")
    growth.text(0, max(height, width), "image", va="bottom")
    growth.set(xlabel="layers", ylabel="field (pixels)", ylim=(0, 1.15 * max(field, height, width)))
    growth.locator_params(axis="x", integer=True)
    strides = f"each with stride {stride}" if every == 1 else f"stride {stride} in each {every}. layer"
    all_of_it = "; that is the whole image and more" if field > max(height, width) else ""
    return figure, (
        f"{layers} layers of {kernel}×{kernel} kernels, {strides}: one output sees {field} by {field} pixels of "
        f"{height} by {width}{all_of_it}; from one output to the next it moves by {step}. The field is drawn as a "
        "square over the image, and beside it as a line that rises with the layers."
    )


def vanishing_gradient() -> Explorer:
    """Propagate a gradient back through a recurrent layer and see how much of it arrives.

    The recurrent weights of each gate are an orthogonal matrix times `scale`, which is then their spectral radius.
    `bias` opens the gate that keeps the state: an LSTM's f, which Keras starts at 1, a GRU's z, which it starts at 0.
    The lengths are those of `edgelab.maths.rnn.gradient_norms`.

    >>> vanishing_gradient().alt.partition(":")[0]
    'Simple RNN, 30 steps, recurrent weights of spectral radius 0.9'
    """
    controls = {
        "cell": choice(list(CELLS), "layer"),
        "steps": slider(30, 5, 40, 1, "sequence (steps)"),
        "scale": slider(0.9, 0.1, 2.0, 0.05, "spectral radius of u"),
        "bias": slider(1.0, -2.0, 6.0, 0.5, "bias of the keeping gate"),
    }
    return Explorer(_draw_gradient, controls)


def _draw_gradient(cell: str, steps: int, scale: float, bias: float) -> tuple[Figure, str]:
    forward, backward, gates = CELLS[cell]
    norms = gradient_norms(forward, backward, *_recurrent(gates, steps, scale, bias))
    figure, axes = new_figure(7.5, 3.2)
    ax, distance = axes[0, 0], np.arange(steps)
    ax.semilogy(distance, norms, marker="o", markersize=5, label=cell)
    ax.semilogy(distance, scale**distance, label="radius to the power of the distance")
    ax.set(xlabel="distance from the last step (steps)", ylabel="length of the gradient")
    ax.minorticks_off()  # a third of the time goes into them
    ax.legend()
    gate = "" if gates == 1 else f", bias of the keeping gate {bias:g}"
    return figure, (
        f"{cell[0].upper()}{cell[1:]}, {steps} steps, recurrent weights of spectral radius {scale:.2g}{gate}: of a "
        f"gradient of length 1 at the last step, {norms[-1]:.1e} arrives {steps - 1} steps earlier."
    )


def _recurrent(gates: int, steps: int, scale: float, bias: float, units: int = 8) -> tuple[np.ndarray, ...]:
    """Return x, w, u and b of a recurrent layer, always the same for the same arguments."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(1, steps, units)), rng.normal(size=(units, gates * units)) / units
    u = np.hstack([np.linalg.qr(rng.normal(size=(units, units)))[0] for _ in range(gates)])
    b = {1: np.zeros(units), 3: np.zeros((2, 3 * units)), 4: np.zeros(4 * units)}[gates]
    if gates == 3:
        b[0, :units] = bias
    if gates == 4:
        b[units : 2 * units] = bias
    return x, w, scale * u, b
