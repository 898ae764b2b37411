"""Preprocess: from a drawing or a photo of one digit to MNIST's form, in integers: the same bits on every machine.

The steps, each a function of its own: read_image (in image.py), grey, shrink, white_on_black, find_ink, crop,
area_average, stretch, centre. `to_mnist` is their chain. Nothing after `read_image` uses a float, so a port to C or
JavaScript can be held to equal bits.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgelab.infer.image import WORK_SIDE, read_image

if TYPE_CHECKING:
    from PIL.Image import Image

MIN_INK = 5  # a digit whose longer side has fewer pixels is a speck
MIN_CONTRAST = 16  # grey levels between paper and ink; JPEG and shadows make smaller ones


def to_mnist(image: "Image | str | Path | np.ndarray") -> np.ndarray:
    """Bring a drawing or photo of one digit to MNIST's form: white ink on black, a 20x20 box, centred by mass.

    image: a PIL image, the path of one, or a uint8 array (h, w), (h, w, 3) RGB or (h, w, 4) RGBA; dark ink on a
    bright ground or the reverse, some margin around the digit and nothing else in the picture. Returns uint8
    (28, 28), strongest ink 255. MNIST's own images come back nearly as they are: scaled from a peak of 254 to 255,
    without fringes fainter than 16. Raises what `read_image`, `find_ink` and `crop` raise.
    LeCun, Cortes and Burges, The MNIST database of handwritten digits: "size normalized to fit in a 20x20 pixel box
    while preserving their aspect ratio … centered in a 28x28 image by computing the center of mass of the pixels".

    >>> drawing = np.full((280, 280), 255, np.uint8)
    >>> drawing[40:240, 120:160] = 0  # a black "1" on white paper
    >>> to_mnist(drawing)[13, 10:18]
    array([  0,   0, 255, 255, 255, 255,   0,   0], dtype=uint8)
    """
    ink = crop(find_ink(white_on_black(shrink(grey(read_image(image))))))
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


def background(image: np.ndarray) -> np.ndarray:
    """Estimate the paper's brightness under the ink: a plane through the medians of the four border strips.

    image: uint8 (h, w), sides >= 2. Returns int64 (h, w), rounded half up; in corners it may be outside 0 to 255. A
    strip is an eighth of the side deep. Strokes on less than half of it leave its (upper) median at the paper's level.

    >>> ramp = np.tile(np.arange(100, 180, dtype=np.uint8), (40, 1))  # the light comes from the right
    >>> int(np.abs(background(ramp) - ramp).max())  # 80 levels of gradient, one of them left
    1
    """
    height, width = image.shape
    down, across = max(1, height // 8), max(1, width // 8)
    strips = (image[:, :across], image[:, -across:], image[:down], image[-down:])
    left, right, top, bottom = (_median(strip) for strip in strips)
    # The strips' middles lie width - across and height - down apart; one denominator keeps it all in integers.
    m, n = height - down, width - across
    x, y = 2 * np.arange(width) - (width - 1), 2 * np.arange(height)[:, None] - (height - 1)
    plane = (left + right + top + bottom) * m * n + 2 * (right - left) * m * x + 2 * (bottom - top) * n * y
    return (plane + 2 * m * n) // (4 * m * n)


def _median(values: np.ndarray) -> int:
    return int(np.sort(values, axis=None)[values.size // 2])


def white_on_black(image: np.ndarray) -> np.ndarray:
    """Invert the image when its ink is darker than its background: MNIST is white ink on black.

    image: uint8 (h, w). Returns uint8 (h, w), either image or 255 - image. Ink is what differs most from the border's
    level, so the sum of cubed differences has its sign, for white paper photographed at dusk too.

    >>> page = np.full((20, 20), 90, np.uint8)
    >>> page[5:15, 9:11] = 20
    >>> int(white_on_black(page)[10, 10])
    235
    """
    difference = image - background(image)
    return 255 - image if (difference**3).sum() < 0 else image


def find_ink(image: np.ndarray) -> np.ndarray:
    """Subtract the background and keep the ink: its height above the paper where it stands out, elsewhere 0.

    image: uint8 (h, w), bright ink on a darker background. Returns uint8 (h, w). Raises ValueError when nothing
    stands out by MIN_CONTRAST grey levels and eight times the paper's noise.
    The background is `background`'s plane plus, for shadows and vignettes, the mean of the paper within an eighth of
    the side. Ink is what exceeds five times the paper's median deviation (3.4 sigma of Gaussian noise). This
    needs only a border of paper. Otsu's threshold needs much ink, and splits the noise where ink is rare.

    >>> page = np.full((12, 12), 10, np.uint8)
    >>> page[2:10, 5] = 90
    >>> find_ink(page)[6, 3:8]
    array([ 0,  0, 80,  0,  0], dtype=uint8)
    """
    height = image - background(image)
    down, across = max(1, image.shape[0] // 8), max(1, image.shape[1] // 8)
    edges = (height[:down], height[-down:], height[:, :across], height[:, -across:])
    paper = height <= 3 * _median(np.abs(np.concatenate([edge.ravel() for edge in edges])))
    reach = max(image.shape) // 8
    near = _box_sums(paper, reach) + (2 * reach + 1) ** 2 // 16  # where there is little paper, the plane counts more
    height = height - (2 * _box_sums(height * paper, reach) + near) // (2 * near)
    noise, peak = _median(np.abs(height[paper])), int(height.max())
    if peak < max(MIN_CONTRAST, 8 * noise):
        raise ValueError(
            f"nothing drawn: the strongest mark stands {peak} grey levels above a background with noise {noise}; "
            f"expected at least {max(MIN_CONTRAST, 8 * noise)}. Draw a digit, or take the photo in better light"
        )
    return np.where(height > 5 * noise, height, 0).clip(0, 255).astype(np.uint8)


def _box_sums(values: np.ndarray, reach: int) -> np.ndarray:
    """Sum values (h, w) over the square of 2 reach + 1 pixels around each pixel, cut off at the image's edge."""
    table = np.zeros((values.shape[0] + 1, values.shape[1] + 1), np.int64)
    table[1:, 1:] = values.cumsum(axis=0, dtype=np.int64).cumsum(axis=1)
    (y0, y1), (x0, x1) = (np.clip((np.arange(n) - reach, np.arange(n) + reach + 1), 0, n) for n in values.shape)
    rows = table[y1] - table[y0]
    return rows[:, x1] - rows[:, x0]


def crop(ink: np.ndarray) -> np.ndarray:
    """Cut the digit out: the smallest box around its strokes, without specks and faint fringes.

    ink: uint8 (h, w), background 0, with some ink. Returns uint8 (rows, columns), a view. The box holds all connected
    pieces (8 neighbours) of pixels above 1/16 of the peak that have 1/32 of the largest piece's ink or more: noise
    and dust, and the ripples of JPEG, must not set the scale. Raises ValueError when its longer side is shorter than
    MIN_INK pixels.

    >>> ink = np.zeros((10, 10), np.uint8)
    >>> ink[2:9, 4:6], ink[0, 9] = 255, 90  # a stroke and a speck
    >>> crop(ink).shape
    (7, 2)
    """
    pieces = label(ink > int(ink.max()) // 16)
    mass = np.zeros(pieces.size + 1, np.int64)
    np.add.at(mass, pieces, ink)
    mass[0] = 0
    kept = (32 * mass >= mass.max())[pieces] & (pieces > 0)
    rows, columns = np.flatnonzero(kept.any(axis=1)), np.flatnonzero(kept.any(axis=0))
    box = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if max(box.shape) < MIN_INK:
        raise ValueError(
            f"too small: the ink covers {box.shape[1]}x{box.shape[0]} pixels of {ink.shape[1]}x{ink.shape[0]}; "
            f"expected a digit of at least {MIN_INK} pixels. Draw it larger, or cut the photo around it"
        )
    return box


def label(mask: np.ndarray) -> np.ndarray:
    """Number the connected pieces of a mask (8 neighbours).

    mask: bool (h, w). Returns int64 (h, w): 0 outside, elsewhere one number a piece, 1 + the index of its last pixel.

    >>> label(np.array([[True, False, True], [False, False, True]]))
    array([[1, 0, 6],
           [0, 0, 6]])
    """
    labels = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        padded = np.pad(labels, 1)
        rows = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
        best = np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
        best = np.where(mask, best.ravel()[best - 1], 0)  # jump to the label's own label: few rounds, however long
        if np.array_equal(best, labels):
            return labels
        labels = best


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
        a, b = new * np.arange(old), old * np.arange(new)[:, None]  # where each old, each new pixel begins
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
        total, moment = int(mass.sum()), int(mass @ np.arange(len(mass)))
        first = -((2 * moment - (side - 1) * total) // (2 * total))  # ceil((side - 1) / 2 - moment / total)
        return min(max(first, 0), side - len(mass))

    top, left = (offset(image.sum(axis=axis, dtype=np.int64)) for axis in (1, 0))
    result = np.zeros((side, side), np.uint8)
    result[top : top + image.shape[0], left : left + image.shape[1]] = image
    return result
