"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR: images of other sizes, on the scale that they had.

Kernels part in which row or column is nearest, where one falls on the border of two, and in the bits of the shares of
two neighbours. What each does was found by comparing with LiteRT and TensorFlow Lite Micro.
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


def bilinear_places(size: int, wanted: int, align_corners: bool, half_pixel_centers: bool) -> np.ndarray:
    """Return where the rows, or columns, of a resized image lie in the image, in steps of 2^-10. Returns int64.

    size, wanted: rows before and after.

    >>> bilinear_places(2, 4, align_corners=False, half_pixel_centers=True).tolist()
    [-256, 256, 768, 1280]
    """
    parts, rows = (wanted - 1, size - 1) if align_corners and wanted > 1 else (wanted, size)
    step = ((rows << 10) + parts // 2) // parts
    return np.arange(wanted) * step + (step // 2 - 512 if half_pixel_centers else 0)


def bilinear_shift(x: np.ndarray, size: tuple[int, int], align_corners: bool, half_pixel_centers: bool) -> np.ndarray:
    """Return images resized as TensorFlow Lite does: places and shares in steps of 2^-10, halves away from zero.

    x: int8 (n, height, width, channels). size: (rows, columns) wanted. Returns int64 (n, rows, columns, channels).

    >>> bilinear_shift(np.array([0, 10], np.int8).reshape(1, 1, 2, 1), (1, 4), False, False).ravel().tolist()
    [0, 5, 10, 10]
    """
    x, axes = x.astype(np.int64), []
    for n, wanted in zip(x.shape[1:3], size, strict=True):
        place = bilinear_places(n, wanted, align_corners, half_pixel_centers)
        low = np.maximum(place >> 10, 0)
        axes.append((low, np.minimum(place + 1023 >> 10, n - 1), place - (low << 10)))
    (top, bottom, down), (left, right, across) = axes
    down, across = down[:, None, None], across[:, None]
    upper = x[:, top[:, None], left] * (1024 - across) + x[:, top[:, None], right] * across
    lower = x[:, bottom[:, None], left] * (1024 - across) + x[:, bottom[:, None], right] * across
    acc = upper * (1024 - down) + lower * down
    return np.sign(acc) * (np.abs(acc) + (1 << 19) >> 20)


def bilinear_float32(x: np.ndarray, size: tuple[int, int], align_corners: bool, half_pixel_centers: bool) -> np.ndarray:
    """Return images resized as XNNPACK does: places in float32, shares in steps of 2^-11, halves up.

    x: int8 (n, height, width, channels). size: (rows, columns) wanted. Returns int64 (n, rows, columns, channels).

    >>> bilinear_float32(np.array([0, 10], np.int8).reshape(1, 1, 2, 1), (1, 4), False, False).ravel().tolist()
    [0, 5, 10, 10]
    """
    x, axes = x.astype(np.int64), []
    for n, wanted in zip(x.shape[1:3], size, strict=True):
        corners = align_corners and wanted > 1
        step = np.float32(n - 1) / np.float32(wanted - 1) if corners else np.float32(n) / np.float32(wanted)
        offset = np.float32(0.5) * step - np.float32(0.5) if half_pixel_centers else np.float32(0)
        place = np.clip(np.arange(wanted, dtype=np.float32) * step + offset, np.float32(0), np.float32(n - 1))
        low = place.astype(np.int64)
        share = np.rint((place - low.astype(np.float32)) * np.float32(2048)).astype(np.int64)
        axes.append((low, np.minimum(low + 1, n - 1), share))
    (top, bottom, down), (left, right, across) = axes
    down, across = down[:, None, None], across[:, None]
    upper = x[:, top[:, None], left] * (2048 - across) + x[:, top[:, None], right] * across
    lower = x[:, bottom[:, None], left] * (2048 - across) + x[:, bottom[:, None], right] * across
    return upper * (2048 - down) + lower * down + (1 << 21) >> 22


def _bilinear(p: Place) -> Step:
    options, size = p.operator.options, p.y.shape[1:3]
    resize = bilinear_float32 if p.rule() == "float32" else bilinear_shift
    corners, centers = bool(options["alignCorners"]), bool(options["halfPixelCenters"])
    return lambda x: resize(x, size, corners, centers).astype(np.int8)


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
    #                                          reference  builtin  xnnpack    micro
    "RESIZE_NEAREST_NEIGHBOR": Entry(_nearest, "float32", "fixed", "fixed", "float32"),
    "RESIZE_BILINEAR":         Entry(_bilinear, "shift", "shift", "float32", "shift"),
}  # fmt: skip
