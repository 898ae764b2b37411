"""Widgets of the device: where to run the model, on the device or on a server."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgelab.course.figures.plots import COLOURS, PAPER, new_figure
from edgelab.course.widgets.explorer import Explorer, log_slider, slider
from edgelab.maths.offload import Budget, cloud, edge

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MACS = 706_752  # of one image in small_cnn


def cloud_or_edge() -> Explorer:
    """Compare running the model on a server and on the device: latency, power and traffic.

    The formulas and the energies at the start are those of `edgelab.maths.offload`: LTE, and a plain processor. The
    network on the device takes 706,752 MACs an image, as the course's small_cnn does.

    >>> view = cloud_or_edge()
    >>> view.set(image_kb=3.0, rate=10.0, uplink=1.0, round_trip=50)
    >>> view.alt.partition(";")[0]
    'Cloud: an answer after 74 ms, 106 mW for sending, 30 kB/s leave the device'
    """
    controls = {
        "image_kb": slider(3.0, 0.5, 100.0, 0.5, "image (kB)"),
        "rate": slider(10.0, 0.5, 60.0, 0.5, "rate (images/s)"),
        "uplink": slider(1.0, 0.1, 20.0, 0.1, "uplink (Mbit/s)"),
        "round_trip": slider(50, 0, 500, 5, "round trip (ms)"),
        "bit_nj": slider(440, 0, 1000, 10, "energy a bit sent (nJ)"),
        "speed": log_slider(100.0, 0, 4, 0.1, "device (million MACs/s)"),
        "mac_pj": slider(280, 0, 5000, 10, "energy a MAC (pJ)"),
    }
    return Explorer(_draw_budgets, controls)


def _draw_budgets(
    image_kb: float, rate: float, uplink: float, round_trip: float, bit_nj: float, speed: float, mac_pj: float
) -> tuple[Figure, str]:
    there = cloud(1000 * image_kb, rate, 1e6 * uplink, round_trip / 1000, bit_nj * 1e-9)
    here = edge(MACS, rate, 1e6 * speed, mac_pj * 1e-12)
    figure, axes = new_figure(8, 2.5, columns=3)
    panels = {"latency (ms)": _milliseconds, "power (mW)": _milliwatts, "sent (kB/s)": _kilobytes}
    for ax, (title, of) in zip(axes.flat, panels.items(), strict=True):
        _draw_pair(ax, title, of(there), of(here))
    axes[0, 1].set_yticklabels([])
    axes[0, 2].set_yticklabels([])
    sent, done = ("" if budget.keeps_up else ", and it cannot keep up" for budget in (there, here))
    return figure, (
        f"Cloud: {_wait(there)}, {_milliwatts(there):.3g} mW for sending, {_kilobytes(there):.3g} kB/s leave the "
        f"device{sent}; edge: {_wait(here)}, {_milliwatts(here):.3g} mW for computing, nothing leaves the device{done}."
        " Three pairs of bars show it."
    )


def _draw_pair(ax: Axes, title: str, there: float, here: float) -> None:
    """Draw a bar for each place; an infinite value fills its panel."""
    longest = max([value for value in (there, here) if math.isfinite(value)], default=0) or 1.0
    for name, value, colour in (("cloud", there, COLOURS[0]), ("edge", here, COLOURS[1])):
        if math.isfinite(value):
            ax.bar_label(ax.barh(name, value, color=colour), fmt="{:,.3g}", padding=3)
        else:
            ax.barh(name, 1.7 * longest, color=PAPER, edgecolor=colour, hatch="/")
            ax.text(0.85 * longest, name, "no limit", ha="center", va="center", backgroundcolor=PAPER)
    ax.set(title=title, xlim=(0, 1.7 * longest), xticks=[])
    ax.grid(visible=False)
    ax.invert_yaxis()


def _wait(budget: Budget) -> str:
    return f"an answer after {_milliseconds(budget):.3g} ms" if budget.keeps_up else "falls behind: the queue grows"


def _milliseconds(budget: Budget) -> float:
    return 1000 * budget.latency


def _milliwatts(budget: Budget) -> float:
    return 1000 * budget.watts


def _kilobytes(budget: Budget) -> float:
    return budget.bits_per_second / 8000
