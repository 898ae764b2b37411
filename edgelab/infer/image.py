"""Read one image from a file, Pillow or an array into upright uint8 pixels, or say what is wrong with it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 50_000_000  # the largest phone photos; decoded in colour they take 150 MB
WORK_SIDE = 280  # preprocessing brings photos below this first: ten pixels for each of MNIST's 28
ORIENTATION = 0x0112  # the EXIF tag in which phones record how they were held
MIN_SIDE = 8  # a smaller image has no margin to tell paper from ink


def read_image(image: "Image | str | Path | np.ndarray") -> np.ndarray:
    """Read an image into a uint8 array, turned upright as its EXIF says.

    image: a PIL image, the path of one, or a uint8 array (h, w), (h, w, 3) or (h, w, 4), which is returned as it is.
    Returns uint8 (h, w) grey, (h, w, 3) RGB or (h, w, 4) RGBA. Raises FileNotFoundError; TypeError for another type
    or dtype (float, bool, …); ValueError for a file that is no image, is damaged or has more than MAX_PIXELS pixels,
    for an array of another rank, and for an image too small or too narrow to tell paper from ink.

    >>> read_image(np.zeros((28, 28), np.uint8)).shape
    (28, 28)
    """
    if isinstance(image, (str, os.PathLike)):
        pixels = _open(Path(image))
    elif hasattr(image, "getbands"):  # a PIL image, recognised without importing Pillow
        pixels = _pixels(image, "image")
    else:
        pixels = image
    if not isinstance(pixels, np.ndarray):
        raise TypeError(f"image: found {type(image).__name__}; expected a PIL image, a path or a uint8 array")
    if pixels.dtype != np.uint8:
        raise TypeError(
            f"image: found an array of {pixels.dtype}; expected uint8 grey levels 0 to 255. "
            "From [0, 1] without NaN: np.round(255 * image).astype(np.uint8)"
        )
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)):
        raise ValueError(f"image: found shape {pixels.shape}; expected one image, (h, w), (h, w, 3) or (h, w, 4)")
    _check_size(pixels.shape[0], pixels.shape[1], "image")
    return pixels


def _open(path: Path) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            if image.height * image.width <= MAX_PIXELS:  # the others are refused below, undecoded
                image.load()
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no such image (looked in {Path.cwd()})") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path}: {error} Expected at most {MAX_PIXELS:,} pixels: make it smaller") from error
    except UnidentifiedImageError as error:
        raise ValueError(f"{path}: not an image that Pillow can read; expected PNG, JPEG or the like") from error
    except (OSError, SyntaxError, ValueError) as error:  # a broken PNG chunk is a SyntaxError to Pillow
        raise ValueError(f"{path}: the image cannot be read ({error}). Save or copy it again") from error
    return _pixels(image, str(path))


def _pixels(image: "Image", name: str) -> np.ndarray:
    from PIL import ImageOps

    if image.mode == "F" or image.mode.startswith("I"):
        raise ValueError(f"{name}: found mode {image.mode}; expected 8 bits a channel: save it as an 8-bit image")
    _check_size(image.height, image.width, name)
    if image.getexif().get(ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    mode = "RGBA" if image.has_transparency_data else "L" if image.mode in ("1", "L") else "RGB"
    return np.asarray(image if image.mode == mode else image.convert(mode))  # convert copies, even to the same mode


def _check_size(height: int, width: int, name: str) -> None:
    if height * width > MAX_PIXELS:
        raise ValueError(f"{name}: {width}x{height} pixels; expected at most {MAX_PIXELS:,}: make it smaller")
    longer, shorter = max(height, width), min(height, width)
    if longer == 0 or shorter // -(-longer // WORK_SIDE) < MIN_SIDE:
        raise ValueError(
            f"{name}: {width}x{height} pixels is too small or too narrow; expected at least {MIN_SIDE} on the shorter "
            f"side when the longer is scaled to {WORK_SIDE}. Take a larger cut-out with some margin"
        )
