"""The Keras layers of a network beside the operators of the .tflite file that a converter made of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgelab.course.figures.plots import COLOURS, INK, new_figure
from edgelab.infer.tflite import Graph

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def partners(layers: Sequence[str], graph: Graph) -> list[list[int]]:
    """Return for each operator of a .tflite file the indices of the Keras layers that it computes, in rising order.

    layers: names of the Keras layers in the order in which they run. graph: read from a file that `to_tflite` wrote;
    there the converter names a tensor after all layers that it computes, each with a number added. The last layer of an
    operator is the one whose output it computes. A layer that occurs in no operator left nothing in the file.

    >>> from edgelab.infer.tflite import Operator, Tensor
    >>> tensors = Tensor("x", (1, 4)), Tensor("net_1/net_1/re_lu_1/Relu;net_1/net_1/dense_1/MatMul", (1, 3))
    >>> partners(["dense", "re_lu"], Graph(tensors, (Operator("FULLY_CONNECTED", (0,), (1,), {}),), (0,), (1,)))
    [[0, 1]]
    """
    found = []
    for operator in graph.operators:
        constants = [i for i in operator.inputs if i != -1 and graph.tensors[i].data is not None]
        texts = ";".join(graph.tensors[i].name for i in (*operator.outputs, *constants))
        here = set()
        for part in re.split("[;/]", texts):
            plain = re.sub(r"_\d+$", "", part)
            name = plain if plain in layers else part
            here |= {layers.index(name)} if name in layers else set()
        found.append(sorted(here))
    return found


def side_by_side(layers: Sequence[tuple[str, str]], graph: Graph) -> Figure:
    """Draw the layers of a Keras model on the left, the operators of its .tflite file on the right, and lines between.

    layers: (name, kind) of each layer, without inputs, in the order in which they run. graph: as for `partners`. A line
    joins a layer and the operator that computes it; a layer that left nothing in the file has a dotted frame.

    >>> len(side_by_side([("dense", "Dense")], Graph((), (), (), ())).axes)
    1
    """
    links = partners([name for name, _ in layers], graph)
    rows = max(len(layers), len(links), 1)
    figure, axes = new_figure(7.5, 0.6 + 0.3 * rows)
    ax = axes[0, 0]
    ax.set(xlim=(0, 1), ylim=(rows - 0.3, -1.4))
    ax.axis("off")
    box = {"boxstyle": "round,pad=0.25", "linewidth": 1.5}
    used = {place for link in links for place in link}
    for place, (_, kind) in enumerate(layers):
        colour = COLOURS[0] if place in used else INK
        style = "solid" if place in used else "dotted"
        ax.text(0.36, place, kind, ha="right", va="center", bbox={**box, "fc": "none", "ec": colour, "ls": style})
    for number, (operator, link) in enumerate(zip(graph.operators, links, strict=True)):
        # Beside the middle of its layers, so that few lines cross.
        at = sum(link) / len(link) if link else number * rows / len(links)
        shape = "×".join(map(str, graph.tensors[operator.outputs[0]].shape[1:]))
        ax.text(0.52, at, operator.kind, ha="left", va="center", bbox={**box, "fc": "none", "ec": COLOURS[1]})
        ax.text(1.0, at, shape, ha="right", va="center")
        for place in link:
            ax.plot([0.38, 0.5], [place, at], color=COLOURS[0], linestyle="-", linewidth=1.5)
    ax.text(0.36, -1, "layers in Keras", ha="right", va="center", weight="bold")
    ax.text(0.52, -1, "operators in the file", ha="left", va="center", weight="bold")
    ax.text(1.0, -1, "output", ha="right", va="center", weight="bold")
    return figure
