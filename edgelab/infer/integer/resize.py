"""RESIZE_NEAREST_NEIGHBOR: rows and columns are repeated or left out, and values do not change.

Kernels part in which row they take, where one falls on the border of two. What each does was found by comparing.
"""

from __future__ import annotations

import numpy as np

from edgelab.infer.integer.place import Entry, Place, Step


def nearest_rows(size: int, wanted: int, align_corners: bool, half_pixel_centers: bool) -> np.ndarray:
    """Return which of an image's rows, or columns, each row of the resized image repeats.

    size, wanted: rows before and after. In float32, as TensorFlow Lite's reference kernels compute it. Returns int64
    (wanted,).

    >>> nearest_rows(2, 5, align_corners=False, half_pixel_centers=False).tolist()
    [0, 0, 0, 1, 1]
    """
    corners = align_corners and wanted > 1
    scale = np.float32(size - 1) / np.float32(wanted - 1) if corners else np.float32(size) / np.float32(wanted)
    place = (np.arange(wanted, dtype=np.float32) + np.float32(0.5 if half_pixel_centers else 0)) * scale
    rows = np.trunc(place + np.float32(0.5)) if align_corners else np.floor(place)
    return np.minimum(rows.astype(np.int64), size - 1)


def nearest_rows_fixed(size: int, wanted: int) -> np.ndarray:
    """Return what `nearest_rows` does without options, in steps of 2^-16, as LiteRT's optimised kernels compute it.

    >>> nearest_rows_fixed(2, 5).tolist()
    [0, 0, 0, 1, 1]
    """
    return np.minimum(np.arange(wanted) * ((size << 16) // wanted + 1) >> 16, size - 1)


def _nearest(p: Place) -> Step:
    options, rule = p.operator.options, p.rule()
    corners, centers = bool(options["alignCorners"]), bool(options["halfPixelCenters"])

    def rows(axis: int) -> np.ndarray:
        size, wanted = p.inputs[0].shape[axis], p.y.shape[axis]
        if rule == "fixed" and not corners and not centers:
            return nearest_rows_fixed(size, wanted)
        return nearest_rows(size, wanted, corners, centers)

    down, across = rows(1), rows(2)
    return lambda x: x[:, down[:, None], across]


RESIZE_OPERATORS = {
    #                                          reference  builtin  xnnpack  micro
    "RESIZE_NEAREST_NEIGHBOR": Entry(_nearest, "float32", "fixed", "fixed", "float32"),
}  # fmt: skip
