"""Widget of light networks: the cost of a convolution that is split in two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgelab.course.figures.plots import COLOURS, new_figure
from edgelab.course.widgets.explorer import Explorer, slider
from edgelab.maths.conv import conv2d_macs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 14  # of the image that the bars are for


def split_convolution() -> Explorer:
    """Split a convolution into a depthwise and a pointwise one, and see the share of the MACs that is left.

    The share is 1/N + 1/D² for N outputs and kernels of D×D, whatever comes in. The bars count one image of 14×14.

    >>> view = split_convolution()
    >>> view.set(kernel=5, outputs=25)
    >>> view.alt.partition(":")[0]
    '5×5 kernels, 16 channels in, 25 out'
    """
    controls = {
        "kernel": slider(3, 1, 9, 2, "kernel D (pixels)"),
        "inputs": slider(16, 1, 64, 1, "channels in"),
        "outputs": slider(32, 1, 64, 1, "channels out N"),
    }
    return Explorer(_draw_split, controls)


def _draw_split(kernel: int, inputs: int, outputs: int) -> tuple[Figure, str]:
    shapes = {
        "full": (kernel, kernel, inputs, outputs),
        "depthwise": (kernel, kernel, inputs, 1),
        "pointwise": (1, 1, inputs, outputs),
    }
    macs = {name: conv2d_macs((SIDE, SIDE), shape, padding="same") for name, shape in shapes.items()}
    share = (macs["depthwise"] + macs["pointwise"]) / macs["full"]
    figure, axes = new_figure(7.5, 3.2, columns=2)
    bars, curve = axes[0]
    drawn = bars.barh(list(macs), [count / 1000 for count in macs.values()], color=COLOURS[:3])
    bars.bar_label(drawn, fmt="{:,.0f}", padding=3)
    bars.set(xlabel="thousand MACs", xlim=(0, 1.35 * max(macs.values()) / 1000))
    bars.locator_params(axis="x", nbins=3)
    bars.invert_yaxis()
    bars.grid(visible=False, axis="y")
    many = np.arange(1, 65)
    curve.plot(many, 1 / many + 1 / kernel**2)
    curve.plot(outputs, share, "o", markersize=10, color=COLOURS[1])
    curve.axhline(1 / kernel**2, color=COLOURS[-1], linestyle=":")
    curve.text(2, 1 / kernel**2 - 0.02, "1/D²", va="top")
    curve.axhline(1, color=COLOURS[-1], linewidth=1, linestyle="-")
    curve.set(xlabel="channels out N", ylabel="share that is left", ylim=(-0.25, 1.5), yticks=(0, 0.5, 1, 1.5))
    verdict = "so splitting saves nothing" if share >= 1 else f"{1 / share:.1f} times fewer"
    return figure, (
        f"{kernel}×{kernel} kernels, {inputs} channels in, {outputs} out: {macs['full']:,} MACs in a full "
        f"convolution; split, {macs['depthwise']:,} depthwise and {macs['pointwise']:,} pointwise. The share that is "
        f"left is {share:.3f}, {verdict}. A curve beside the bars shows how this share falls with more channels out, "
        f"towards 1/D² = {1 / kernel**2:.3f}."
    )
