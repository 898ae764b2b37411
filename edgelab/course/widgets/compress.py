"""Widgets of compression: how many weights a network needs, and a teacher's answer at each temperature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelab.course.figures.plots import COLOURS, INK, new_figure
from edgelab.course.widgets.explorer import Explorer, choice, log_slider, slider
from edgelab.shrink.compress.distillation import soften

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WAYS = ("at once", "gradually")
FILES = {"tflite_bytes": ".tflite", "gzip_bytes": ".tflite, gzip", "file_bytes": "shared, Huffman"}


def sparsity_against_accuracy(rows: Sequence[dict[str, Any]]) -> Explorer:
    """Halve the number of weights repeatedly and see the accuracy and the bytes of each file.

    rows: one dict a measurement: halvings, from 0 on without a gap; way, "at once" or "gradually"; accuracy, 0 to 1;
    and tflite_bytes, gzip_bytes and file_bytes. `python benchmarks/sparsity.py` writes such rows.
    Raises ValueError where a combination is missing.

    >>> sizes = {"tflite_bytes": 64, "gzip_bytes": 32, "file_bytes": 8}
    >>> rows = [{"halvings": n, "way": w, "accuracy": 1 / (n + 1), **sizes} for n in range(4) for w in WAYS]
    >>> sparsity_against_accuracy(rows).alt.partition(",")[0]
    'Pruned at once to 12.5 % of the weights'
    """
    found = {(row["halvings"], row["way"]): row for row in rows}
    most = max((halvings for halvings, _ in found), default=0)
    missing = [(n, way) for n in range(most + 1) for way in WAYS if (n, way) not in found]
    if missing or most < 1:
        raise ValueError(
            f"{len(rows)} rows, none for (halvings, way) in {missing[:3]}; expected halvings from 0 without a gap, "
            f"each {' and '.join(WAYS)}"
        )
    controls = {
        "halvings": slider(min(3, most), 0, most, 1, "weights halved (times)"),
        "way": choice(WAYS, "pruned"),
    }
    return Explorer(lambda halvings, way: _draw_sparsity(found, halvings, way), controls)


def _draw_sparsity(found: dict[tuple[int, str], dict[str, Any]], halvings: int, way: str) -> tuple[Figure, str]:
    steps = sorted({n for n, _ in found})
    figure, axes = new_figure(8, 3.4, columns=2)
    ax, files = axes[0]
    for marker, each in zip("os", WAYS, strict=True):
        ax.plot(steps, [100 * found[n, each]["accuracy"] for n in steps], marker=marker, label=each)
    ax.axvline(halvings, color=INK, linestyle="-", linewidth=1)
    row = found[halvings, way]
    ax.plot(halvings, 100 * row["accuracy"], "o", markersize=13, fillstyle="none", color=INK, markeredgewidth=2)
    ax.set(xlabel="weights halved (times)", ylabel="accuracy (%)", xticks=steps, ylim=(0, 104))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    sizes = {name: row[key] / 1000 for key, name in FILES.items()}
    largest = max(each[key] for each in found.values() for key in FILES) / 1000
    drawn = files.barh(list(sizes), list(sizes.values()), color=COLOURS[:3])
    files.bar_label(drawn, fmt="{:,.1f}", padding=3)
    files.set(xlabel="kB", xlim=(0, 1.5 * largest), title=f"{100 * row['accuracy']:.2f} % right")
    files.locator_params(axis="x", nbins=3)
    files.invert_yaxis()
    files.grid(visible=False, axis="y")
    told = ", ".join(f"{name} {row[key]:,} bytes" for key, name in FILES.items())
    return figure, (
        f"Pruned {way} to {100 * 0.5**halvings:.4g} % of the weights, the network is right on "
        f"{100 * row['accuracy']:.2f} % of the images. Its files: {told}. Two lines show the accuracy over the number "
        "of halvings, at once and gradually in training; beside them a bar for each file."
    )


def temperature_in_distillation(images: np.ndarray, logits: np.ndarray) -> Explorer:
    """Divide a teacher's logits by a temperature, and see the soft targets of the wrong classes.

    images: (n, 28, 28) or (n, 28, 28, 1), any range. logits: the teacher's, (n, classes). `entropy` is that of the soft
    targets, in bits: 0 where one class has all, log₂ classes where all have the same.
    Raises ValueError where images and logits do not fit, or a logit is not finite.

    >>> view = temperature_in_distillation(np.zeros((2, 28, 28)), np.array([[0.0, 2.0], [1.0, 1.0]]))
    >>> view.set(image=2)
    >>> view.alt.partition(";")[0]
    'Image 2 at temperature 1: the soft targets have an entropy of 1.000 bits'
    """
    images, logits = np.asarray(images), np.asarray(logits, np.float64)
    if logits.ndim != 2 or not len(logits) or len(images) != len(logits) or not np.isfinite(logits).all():
        raise ValueError(
            f"images have shape {images.shape}, logits {logits.shape}; expected (n, 28, 28) and finite (n, classes)"
        )
    controls = {
        "temperature": log_slider(1.0, -1, 2, 0.1, "temperature T"),
        "image": slider(1, 1, len(images), 1, "image"),
    }
    return Explorer(lambda **values: _draw_temperature(images, logits, **values), controls)


def _draw_temperature(images: np.ndarray, logits: np.ndarray, temperature: float, image: int) -> tuple[Figure, str]:
    target = soften(logits[image - 1 : image], temperature)[0]
    likely = target[target > 0]
    entropy = float(np.abs(likely @ np.log2(likely)))
    first, second = np.argsort(-target, kind="stable")[:2]
    figure, axes = new_figure(7.5, 3.2, columns=2)
    picture, ax = axes[0]
    picture.imshow(images[image - 1].squeeze(), cmap="gray_r")
    picture.axis("off")
    names = np.arange(len(target))
    ax.bar(names, target, color=[COLOURS[1] if name == first else COLOURS[0] for name in names])
    ax.set(xlabel="class", ylabel="soft target", xticks=names, ylim=(0, 1.05))
    ax.set_title(f"T = {temperature:.3g}, entropy {entropy:.2f} bits")
    ax.grid(visible=False, axis="x")
    return figure, (
        f"Image {image} at temperature {temperature:.3g}: the soft targets have an entropy of {entropy:.3f} bits; "
        f"class {first} has {target[first]:.3f} of the probability, class {second} is next with {target[second]:.3f}, "
        f"and the other classes share {1 - target[first] - target[second]:.3f}. The digit, and beside it a bar for "
        "each class."
    )
