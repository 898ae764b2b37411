"""Tell the ink of a digit from its paper: uneven light, shadows, ruling, frames and specks. Integers alone.

These are the steps of `edgelab.infer.preprocess.to_mnist` between the shrunken grey picture and the digit cut out.
"""

import warnings

import numpy as np

MIN_INK = 5  # a digit whose longer side has fewer pixels is a speck
MIN_CONTRAST = 16  # grey levels between paper and ink; JPEG and shadows make smaller ones


def background(image: np.ndarray) -> np.ndarray:
    """Estimate the paper's brightness under the ink: a plane through the medians of the four border strips.

    image: uint8 (h, w), sides >= 2. Returns int64 (h, w), rounded half up; in corners it may be outside 0 to 255. A
    strip is an eighth of the side deep. Strokes on less than half of it leave its (upper) median at the paper's level.
    One strip that something else covers, such as the table beside the paper, is replaced by its mirror image.

    >>> ramp = np.tile(np.arange(100, 180, dtype=np.uint8), (40, 1))  # the light comes from the right
    >>> int(np.abs(background(ramp) - ramp).max())  # 80 levels of gradient, one of them left
    1
    """
    height, width = image.shape
    down, across = max(1, height // 8), max(1, width // 8)
    strips = (image[:, :across], image[:, -across:], image[:down], image[-down:])
    middle = _median(image)
    left, right, top, bottom = (_median(strip) for strip in strips)
    (left, right), (top, bottom) = _mend(left, right, middle), _mend(top, bottom, middle)
    # The strips' middles lie width - across and height - down apart; one denominator keeps it all in integers.
    m, n = height - down, width - across
    columns, rows = (np.arange(side, dtype=np.int64) for side in (width, height))
    x, y = 2 * columns - (width - 1), 2 * rows[:, None] - (height - 1)
    plane = (left + right + top + bottom) * m * n + 2 * (right - left) * m * x + 2 * (bottom - top) * n * y
    return (plane + 2 * m * n) // (4 * m * n)


def _mend(one: int, other: int, middle: int) -> tuple[int, int]:
    """Replace one of two opposite strips that differs from the middle by far more than light would explain.

    On a slope the two differ from the middle by as much, one up and one down; under a lens that darkens the edge, both
    go down. Where the differences do not cancel by four times MIN_CONTRAST, and one is several times the other or of
    the other sign, the larger is something else than paper.
    """
    a, b = one - middle, other - middle
    if abs(a + b) > 4 * MIN_CONTRAST and (4 * min(abs(a), abs(b)) <= abs(a + b) or a * b < 0):
        return (middle - b, other) if abs(a) > abs(b) else (one, middle - a)
    return one, other


def _median(values: np.ndarray) -> int:
    return int(np.sort(values, axis=None)[values.size // 2])


def white_on_black(image: np.ndarray) -> np.ndarray:
    """Invert the image when its ink is darker than its background: MNIST is white ink on black.

    image: uint8 (h, w). Returns uint8 (h, w), either image or 255 - image. Ink is what differs most from the mean of
    its neighbourhood, half the picture wide, so the sum of cubed differences has its sign: for white paper photographed
    at dusk too, and under a lens that darkens the edges. The outer eighth, where frames are, is not counted.

    >>> page = np.full((20, 20), 90, np.uint8)
    >>> page[5:15, 9:11] = 20
    >>> int(white_on_black(page)[10, 10])
    235
    """
    reach = max(image.shape) // 4
    difference = image.astype(np.int64) - _box_sums(image, reach) // _box_sums(np.ones_like(image), reach)
    return 255 - image if (difference[_inner(image)] ** 3).sum(dtype=np.int64) < 0 else image


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
            f"expected at least {max(MIN_CONTRAST, 8 * noise)}. Draw a digit with a margin around it, or take the "
            "photo in better light"
        )
    return np.where(height > 5 * noise, height, 0).clip(0, 255).astype(np.uint8)


def _box_sums(values: np.ndarray, reach: int) -> np.ndarray:
    """Sum values (h, w) over the square of 2 reach + 1 pixels around each pixel, cut off at the image's edge."""
    table = np.zeros((values.shape[0] + 1, values.shape[1] + 1), np.int64)
    table[1:, 1:] = values.cumsum(axis=0, dtype=np.int64).cumsum(axis=1)
    (y0, y1), (x0, x1) = (np.clip((np.arange(n) - reach, np.arange(n) + reach + 1), 0, n) for n in values.shape)
    rows = table[y1] - table[y0]
    return rows[:, x1] - rows[:, x0]


def clear_border(ink: np.ndarray) -> np.ndarray:
    """Leave out marks that reach the picture's border: shadows, dark corners, ruled lines, frames, the table's edge.

    ink: uint8 (h, w), background 0. Returns uint8 (h, w), without connected pieces (8 neighbours) of pixels above a
    level that come within 1/32 of the side to the border, or to all four sides within an eighth, as a frame does.
    The level is the lowest of 1/16 to 8/16 of the peak at which what is left has 3/4 of the strong ink. So lines and
    shadows fainter than half the digit are cut from it where they cross, and a digit that itself reaches the border
    stays. Strong ink is above half of the peak, inside the outer eighth, and in strokes thinner than an eighth.
    Warns (UserWarning) where ink at the border was kept, as it may be part of the digit, and where strong marks were
    left out. Known as border clearing: Soille, Morphological Image Analysis, 2nd ed., section 6.4.1.

    >>> ink = np.zeros((32, 32), np.uint8)
    >>> ink[8:24, 15:17], ink[20] = 200, 50  # a stroke, and a ruled line that crosses it
    >>> clear_border(ink)[20, 10:20].tolist()  # of the line, a pixel on either side is left
    [0, 0, 0, 0, 50, 50, 50, 50, 0, 0]
    """
    inner = _inner(ink)
    peak = int(ink[inner].max())
    bold = ink > peak // 2
    strong = np.zeros_like(ink)
    strong[inner] = np.where(bold & ~_solid(bold, max(ink.shape) // 16), ink, 0)[inner]
    total = int(strong.sum(dtype=np.int64))
    for level in range(1, 9):
        pieces = label(ink > level * peak // 16)
        outside = _at_border(pieces)
        if level == 1 and not outside.any():
            return ink
        kept = (pieces > 0) & ~np.isin(pieces, outside)
        if total and 4 * int(strong[kept].sum(dtype=np.int64)) >= 3 * total:
            kept = _box_sums(kept, 1) > 0  # with the fringe that the level cut off
            lost = int(ink[~kept & bold].sum(dtype=np.int64))
            if 32 * lost >= int(ink[kept].sum(dtype=np.int64)):  # less is a speck
                warnings.warn(
                    "strong marks at the picture's border were left out, taken for a frame, a shadow or the table. If "
                    "they belong to the digit, leave a margin around it",
                    stacklevel=3,
                )
            return np.where(kept, ink, 0).astype(np.uint8)
    warnings.warn(
        "the ink reaches the picture's border, and all of it was kept: a frame, a shadow or the table's edge would "
        "shrink and move the digit. Cut the picture closer to the digit, but leave a margin of paper",
        stacklevel=3,
    )
    return ink


def _inner(image: np.ndarray) -> tuple[slice, slice]:
    """Return the picture without its outer eighths, as an index."""
    down, across = (max(1, n // 8) for n in image.shape)
    return np.s_[down:-down, across:-across]


def _solid(mask: np.ndarray, reach: int) -> np.ndarray:
    """Keep the parts of a mask (h, w) that hold a whole square of 2 reach + 1 pixels: its opening."""
    return _box_sums(_box_sums(mask, reach) == (2 * reach + 1) ** 2, reach) > 0


def _at_border(pieces: np.ndarray) -> np.ndarray:
    """Return the numbers of the pieces that reach the border, or near it all four sides."""

    def strips(parts: int) -> list[np.ndarray]:
        down, across = (max(1, n // parts) for n in pieces.shape)
        sides = (pieces[:down], pieces[-down:], pieces[:, :across], pieces[:, -across:])
        return [np.setdiff1d(side, 0) for side in sides]

    top, bottom, left, right = strips(8)
    around = np.intersect1d(np.intersect1d(top, bottom), np.intersect1d(left, right))
    return np.union1d(np.concatenate(strips(32)), around)


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
    labels = np.where(mask, np.arange(1, mask.size + 1, dtype=np.int64).reshape(mask.shape), 0)
    while True:
        padded = np.pad(labels, 1)
        rows = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
        best = np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
        best = np.where(mask, best.ravel()[best - 1], 0)  # jump to the label's own label: few rounds, however long
        if np.array_equal(best, labels):
            return labels
        labels = best
