"""Widgets of learning: an activation and its gradient, and the steps of an optimiser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgelab.course.figures.plots import COLOURS, INK, new_figure
from edgelab.course.widgets.explorer import Explorer, choice, log_slider, slider
from edgelab.maths import nn
from edgelab.maths.optim import adam, sgd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACTIVATIONS = {
    "ReLU": (nn.relu, nn.relu_grad),
    "leaky ReLU": (nn.leaky_relu, nn.leaky_relu_grad),
    "sigmoid": (nn.sigmoid, nn.sigmoid_grad),
    "tanh": (nn.tanh, nn.tanh_grad),
}
START, STEPS, STEEP = (-4.0, 1.5), 40, 10.0  # the bowl is ten times as steep along the second weight


def activation_and_gradient() -> Explorer:
    """Move along an activation function and read its slope, the factor of a gradient in the backward pass.

    The functions are those of `edgelab.maths.nn`, each with its `…_grad`.

    >>> view = activation_and_gradient()
    >>> view.set(function="sigmoid", x=0.0)
    >>> view.alt.partition(". ")[0]
    'The sigmoid with its tangent at x = 0: the value is 0.5, the gradient 0.25'
    """
    controls = {"function": choice(list(ACTIVATIONS), "activation"), "x": slider(1.0, -5.0, 5.0, 0.1, "x")}
    return Explorer(_draw_activation, controls)


def _draw_activation(function: str, x: float) -> tuple[Figure, str]:
    forward, backward = ACTIVATIONS[function]
    line, point = np.linspace(-5, 5, 201), np.array([x])
    value, slope = float(forward(point)[0]), float(backward(np.ones(1), point)[0])
    figure, axes = new_figure(7.5, 3.2, columns=2)
    for ax, title, curve, at in zip(
        axes.flat,
        (function, "its gradient"),
        (forward(line), backward(np.ones(201), line)),
        (value, slope),
        strict=True,
    ):
        ax.plot(line, curve)
        ax.plot(x, at, "o", markersize=10, color=COLOURS[1])
        ax.annotate(f"{at:.3f}", (x, at), (0, 9), textcoords="offset points", ha="center", va="bottom")
        low, high = curve.min(), curve.max()
        ax.set(xlabel="x", title=title, ylim=(low - 0.1 * (high - low), high + 0.25 * (high - low)))
    near = np.array([x - 2, x + 2])
    axes[0, 0].plot(near, value + slope * (near - x), "--", color=COLOURS[1])
    return figure, (
        f"The {function} with its tangent at x = {x:.2g}: the value is {value:.3g}, the gradient {slope:.3g}. Beside "
        "it the gradient for each x from -5 to 5, with the same point marked."
    )


def learning_rate_on_surface() -> Explorer:
    """Descend a long bowl, ten times as steep across as along, with a learning rate and an optimiser of your choice.

    The loss is (u² + 10 v²) / 2 of two weights u and v, the steps are those of `edgelab.maths.optim`. In Adam,
    `momentum` is β₁.

    >>> view = learning_rate_on_surface()
    >>> view.set(learning_rate=0.3)
    >>> "it diverges" in view.alt
    True
    """
    controls = {
        "optimiser": choice(["SGD", "Adam"], "optimiser"),
        "learning_rate": log_slider(10**-0.8, -3, 0, 0.05, "learning rate"),
        "momentum": slider(0.0, 0.0, 0.95, 0.05, "momentum (Adam: β₁)"),
    }
    return Explorer(_draw_path, controls)


def _path(optimiser: str, learning_rate: float, momentum: float) -> np.ndarray:
    """Return the weights before each step and after the last, (STEPS + 1, 2)."""
    weights, state, path = [np.array(START)], None, [np.array(START)]
    for _ in range(STEPS):
        gradients = [weights[0] * (1, STEEP)]
        if optimiser == "SGD":
            weights, state = sgd(weights, gradients, state, learning_rate, momentum)
        else:
            weights, state = adam(weights, gradients, state, learning_rate, momentum)
        path.append(weights[0])
    return np.array(path)


def _draw_path(optimiser: str, learning_rate: float, momentum: float) -> tuple[Figure, str]:
    path = _path(optimiser, learning_rate, momentum)
    losses = path**2 @ (0.5, STEEP / 2)
    figure, axes = new_figure(8, 3.4, columns=2)
    surface, fall = axes[0]
    u, v = np.meshgrid(np.linspace(-5, 5, 61), np.linspace(-3, 3, 41))
    surface.contour(u, v, (u**2 + STEEP * v**2) / 2, levels=np.geomspace(0.3, 40, 8), colors="#9A9A9A", linewidths=1)
    shown = np.where(np.abs(path) < 100, path, np.nan)  # far outside, and too far for the renderer's integers
    surface.plot(*shown.T, "-o", markersize=5)
    surface.plot(0, 0, "*", markersize=14, color=COLOURS[1])
    surface.set(xlim=(-5, 5), ylim=(-3, 3), xlabel="weight u", ylabel="weight v", title=f"{STEPS} steps to the star")
    fall.semilogy(np.maximum(losses, 1e-12))
    fall.axhline(losses[0], color=INK, linestyle=":", linewidth=1.5)
    fall.minorticks_off()
    fall.set(xlabel="step", ylabel="loss")
    verb = "rose" if losses[-1] > losses[0] else "fell"
    end = "; it diverges" if verb == "rose" else ""
    rate = "β₁" if optimiser == "Adam" else "momentum"
    return figure, (
        f"{optimiser}, learning rate {learning_rate:.3g}, {rate} {momentum:.2g}, on a bowl ten times as steep across "
        f"as along: in {STEPS} steps the loss {verb} from {losses[0]:.3g} to {losses[-1]:.2g}{end}. On the left the "
        "path over the level lines, on the right the loss after each step."
    )
