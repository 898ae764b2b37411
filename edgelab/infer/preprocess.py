"""Preprocess: from a drawing or a photo of one digit to MNIST's form, in integers: the same bits on every machine.

The steps, each a function of its own: read_image (in image.py), grey, shrink, white_on_black, find_ink, clear_border,
crop (these four in ink.py), area_average, stretch, centre. `to_mnist` is their chain. Nothing after `read_image` uses a
float, so a port to C or JavaScript can be held to equal bits.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgelab.infer.image import WORK_SIDE, read_image
from edgelab.infer.ink import clear_border, crop, find_ink, white_on_black

if TYPE_CHECKING:
    from PIL.Image import Image


def to_mnist(image: "Image | str | Path | np.ndarray") -> np.ndarray:
    """Bring a drawing or photo of one digit to MNIST's form: white ink on black, a 20x20 box, centred by mass.

    image: a PIL image, the path of one, or a uint8 array (h, w), (h, w, 3) RGB or (h, w, 4) RGBA; dark ink on a
    bright ground or the reverse, some margin around the digit and nothing else in the picture; `clear_border` leaves
    out shadows, ruling and frames where it can tell them from ink. Returns uint8 (28, 28), strongest ink 255. MNIST's
    own images come back nearly as they are: scaled from a peak of 254 to 255, without fringes fainter than 16.
    Raises what `read_image`, `find_ink` and `crop` raise, and warns as `clear_border` does.
    LeCun, Cortes and Burges, The MNIST database of handwritten digits: "size normalized to fit in a 20x20 pixel box
    while preserving their aspect ratio … centered in a 28x28 image by computing the center of mass of the pixels".

    >>> drawing = np.full((280, 280), 255, np.uint8)
    >>> drawing[40:240, 120:160] = 0  # a black "1" on white paper
    >>> to_mnist(drawing)[13, 10:18]
    array([  0,   0, 255, 255, 255, 255,   0,   0], dtype=uint8)
    """
    ink = crop(clear_border(find_ink(white_on_black(shrink(grey(read_image(image)))))))
    # 16 more bits: rounded to 8, the means of thin or faint strokes would have only a handful of levels.
    small = area_average(ink.astype(np.int64) << 16, *fit(*ink.shape))
    return centre(stretch(small))


def grey(image: np.ndarray) -> np.ndarray:
    """Turn colour into grey: luma (19595 R + 38470 G + 7471 B + 32768) >> 16, transparent pixels laid on white.

    image: uint8 (h, w), (h, w, 3) or (h, w, 4). Returns uint8 (h, w). The weights are ITU-R BT.601's in 16 bits, as
    Pillow has them. Alpha a (0 to 255) first turns a channel c into (c a + 255 (255 - a) + 127) // 255.

    >>> grey(np.array([[[255, 0, 0, 255], [0, 0, 0, 0]]], np.uint8))
    array([[ 76, 255]], dtype=uint8)
    """
    if image.ndim == 2:
        return image
    result = np.empty(image.shape[:2], np.uint8)
    for top in range(0, len(image), 64):  # in strips: a whole photo in 32 bits takes four times its memory
        rows = image[top : top + 64].astype(np.uint32)
        if image.shape[2] == 4:
            alpha = rows[..., 3:]
            rows = (rows[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
        luma = 19595 * rows[..., 0] + 38470 * rows[..., 1] + 7471 * rows[..., 2]
        result[top : top + 64] = (luma + 32768) >> 16
    return result


def shrink(image: np.ndarray, side: int = WORK_SIDE) -> np.ndarray:
    """Average whole blocks of pixels until the longer side is at most `side`: photos lose noise, drawings stay.

    image: uint8 (h, w). Returns uint8 (h // f, w // f) with f = ceil(longer side / side), means rounded half up; up
    to f - 1 rows and columns at the lower right, which fill no block, are left out. With f = 1, image unchanged.

    >>> shrink(np.array([[0, 1], [1, 1]], np.uint8), side=1)
    array([[1]], dtype=uint8)
    """
    f = -(-max(image.shape) // side)
    if f == 1:
        return image
    height, width = image.shape[0] // f, image.shape[1] // f
    blocks = image[: height * f, : width * f].reshape(height, f, width, f)
    sums = blocks.sum(axis=(1, 3), dtype=np.int64)
    return ((2 * sums + f * f) // (2 * f * f)).astype(np.uint8)


def fit(height: int, width: int, side: int = 20) -> tuple[int, int]:
    """Scale a box so that its longer side is `side`, the other rounded half up and at least 1 pixel.

    >>> fit(150, 31)
    (20, 4)
    """
    longer = max(height, width)
    return tuple(max(1, (2 * side * n + longer) // (2 * longer)) for n in (height, width))


def area_average(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize by exact area averaging: each new pixel is the mean of the area of the old ones that it covers.

    image: integers (h, w) below 2^31. Returns int64 (height, width), means rounded half up. A side is cut into
    (old x new) equal parts, so that pixels of both sizes are whole numbers of them: the weights are integers, the
    sums exact. Enlarges as well, by pieces of the same value.

    >>> area_average(np.array([[0, 90, 30]]), 1, 2)
    array([[30, 50]])
    """

    def overlaps(old: int, new: int) -> np.ndarray:
        a = new * np.arange(old, dtype=np.int64)  # where each old pixel begins
        b = old * np.arange(new, dtype=np.int64)[:, None]  # where each new one does
        return np.maximum(np.minimum(a + new, b + old) - np.maximum(a, b), 0)

    h, w = image.shape
    sums = overlaps(h, height) @ image.astype(np.int64) @ overlaps(w, width).T
    return (2 * sums + h * w) // (2 * h * w)


def stretch(image: np.ndarray) -> np.ndarray:
    """Scale intensities so that the peak becomes 255, rounded half up.

    image: integers >= 0 of any shape, below 2^54, at least one above 0. Returns uint8 of that shape.

    >>> stretch(np.array([0, 25, 50]))
    array([  0, 128, 255], dtype=uint8)
    """
    peak = int(image.max())
    return ((510 * image.astype(np.int64) + peak) // (2 * peak)).astype(np.uint8)


def centre(image: np.ndarray, side: int = 28) -> np.ndarray:
    """Place a digit in a square by its centre of mass, which falls in [side/2 - 1/2, side/2 + 1/2) on each axis.

    image: uint8 (h, w) with some ink, sides at most `side`. Returns uint8 (side, side). Positions count pixel indices
    from 0; all 10,000 test images of MNIST have their centre in that interval, [13.5, 14.5). A digit that would reach
    over the edge is moved inside, whole.

    >>> np.argwhere(centre(np.array([[255]], np.uint8)))
    array([[14, 14]])
    """

    def offset(mass: np.ndarray) -> int:
        total, moment = int(mass.sum()), int(mass @ np.arange(len(mass), dtype=np.int64))
        first = -((2 * moment - (side - 1) * total) // (2 * total))  # ceil((side - 1) / 2 - moment / total)
        return min(max(first, 0), side - len(mass))

    top, left = (offset(image.sum(axis=axis, dtype=np.int64)) for axis in (1, 0))
    result = np.zeros((side, side), np.uint8)
    result[top : top + image.shape[0], left : left + image.shape[1]] = image
    return result
