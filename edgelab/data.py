"""Load images, MNIST or your own folders; check, split and batch them. They stay uint8 up to the model's input."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgelab.mnist import Mnist, load_mnist

__all__ = ["Folder", "Mnist", "batches", "check_images", "load_folder", "load_mnist", "split", "to_input"]


class Folder(NamedTuple):
    """Hold your own images, split: uint8 (n, h, w) or (n, h, w, 3), and labels int64 (n,), indices into `classes`.

    unreadable: the paths of the files that were left out.

    >>> Folder._fields
    ('x_train', 'y_train', 'x_test', 'y_test', 'classes', 'unreadable')
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: tuple[str, ...]
    unreadable: tuple[Path, ...]


def load_folder(
    path: str | Path,
    size: tuple[int, int] = (28, 28),
    channels: int = 1,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> Folder:
    """Load your own images from class folders (path/cat/1.jpg, path/dog/2.png, …), resized and split.

    size: height and width in pixels; an image of another shape is stretched. channels: 1 (grey) or 3 (RGB).
    Photos are turned as their EXIF orientation says, 16 bits become 8, transparent pixels become white.
    The same files and seed give the same stratified split (see `split`); class names are sorted.
    Hidden files, and files beside the class folders, are ignored. A file that is no image, is cut off, or has
    more pixels than Pillow's limit for bombs is left out, listed in `.unreadable` and named in one warning.
    Raises FileNotFoundError when path is no folder; ValueError for a wrong argument, no class folders, or a
    class without a readable image.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as path:
    ...     for i, name in enumerate(["cat", "dog"] * 5):
    ...         (Path(path) / name).mkdir(exist_ok=True)
    ...         Image.new("L", (40, 30), 20 * i).save(Path(path) / name / f"{i}.png")
    ...     own = load_folder(path)
    >>> own.classes, own.x_train.shape, own.x_test.shape
    (('cat', 'dog'), (8, 28, 28), (2, 28, 28))
    """
    path = Path(path)
    if channels not in (1, 3) or np.shape(size) != (2,) or min(size) < 1 or not 0 < test_fraction < 1:
        raise ValueError(
            f"channels {channels!r}, size {size!r}, test_fraction {test_fraction!r}: "
            "expected channels 1 or 3, size (height, width) in pixels, test_fraction between 0 and 1"
        )
    images, labels, unreadable, reasons = [], [], [], []
    classes = _class_names(path)
    for label, name in enumerate(classes):
        for file in _visible_files(path / name):
            try:
                images.append(_read_image(file, size, channels))
                labels.append(label)
            except Exception as error:  # broken files raise SyntaxError, struct.error, … depending on the decoder
                unreadable.append(file)
                reasons.append(f"\n  {file}: {type(error).__name__}: {error}")
        if labels[-1:] != [label]:
            advice = "put images there or remove the folder."
            raise ValueError(f"{path / name}: no readable image; {advice}{''.join(reasons)}")
    if unreadable:
        text = f"{path}: files left out because they are not readable as images ({len(unreadable)}):"
        warnings.warn(text + "".join(reasons), stacklevel=2)
    parts = split(np.stack(images), np.array(labels), test_fraction, seed)
    return Folder(*parts, tuple(classes), tuple(unreadable))


def _class_names(path: Path) -> list[str]:
    """Return the sorted names of the visible folders in a folder."""
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such folder; expected one with a folder of images for each class")
    classes = sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not classes:
        found = ", ".join(sorted(entry.name for entry in path.iterdir())[:8]) or "nothing"
        raise ValueError(f"{path}: no class folders (found {found}); expected path/class name/image files")
    return classes


def _visible_files(folder: Path) -> list[Path]:
    """Return the files of a folder and its subfolders, sorted, without hidden files and those that systems leave."""

    def hidden(file: Path) -> bool:
        dotted = any(part.startswith(".") for part in file.relative_to(folder).parts)
        return dotted or file.name.lower() in ("thumbs.db", "desktop.ini")

    return sorted((file for file in folder.rglob("*") if file.is_file() and not hidden(file)), key=Path.as_posix)


def _read_image(path: Path, size: tuple[int, int], channels: int) -> np.ndarray:
    """Read one image file as uint8 (h, w) or (h, w, 3)."""
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata without naming the file
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
    if image.mode[0] in "IF":  # 16-bit grey: convert() would make everything above 255 white
        pixels = np.asarray(image)
        if image.mode == "F" or pixels.min() < 0 or pixels.max() > 65535:
            raise ValueError("pixels of more than 16 bits, which have no fixed white; save it with 8 or 16 bits")
        image = Image.fromarray((pixels // 257).astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("L" if channels == 1 else "RGB")
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))


def split(
    x: np.ndarray, y: np.ndarray, fraction: float = 0.1, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Split samples in two, stratified: return (x_a, y_a, x_b, y_b), b with `fraction` of each class.

    x: (n, …), any dtype. y: (n,) labels. 0 < fraction < 1. The share of each class is rounded to the
    nearest count, but a class of two or more samples is in both parts; a single sample goes to a. Samples keep
    their order in each part.
    Raises ValueError where lengths differ, there are no samples, or fraction is out of range.

    >>> x_a, y_a, x_b, y_b = split(np.arange(10), np.arange(10) % 2, 0.2)
    >>> y_a.tolist(), y_b.tolist()
    ([0, 1, 0, 1, 1, 0, 1, 0], [0, 1])
    """
    _check_pair(x, y)
    if not 0 < fraction < 1:
        raise ValueError(f"fraction is {fraction!r}; expected a number between 0 and 1, both excluded")
    x, y, rng = np.asarray(x), np.asarray(y), np.random.default_rng(seed)
    in_b = np.zeros(len(y), bool)
    for label in np.unique(y):
        members = rng.permutation(np.flatnonzero(y == label))
        count = int(len(members) * fraction + 0.5)
        in_b[members[: min(max(count, 1), len(members) - 1)]] = True
    return x[~in_b], y[~in_b], x[in_b], y[in_b]


def check_images(
    x: np.ndarray, y: np.ndarray | None = None, classes: int | None = None, size: tuple[int, ...] | None = None
) -> None:
    """Check that images are uint8, (n, h, w) or (n, h, w, channels), and that labels fit them.

    classes: how many the model has; labels are 0 to classes − 1. size: (height, width, channels) that the model takes.
    Raises TypeError or ValueError naming what was found, what was expected and what to do.

    >>> check_images(np.zeros((2, 28, 28), np.uint8), np.array([3, 9]), classes=10)
    """
    if getattr(x, "dtype", None) != np.uint8:
        raise TypeError(
            f"images are {getattr(x, 'dtype', type(x).__name__)}; expected uint8 in 0..255 as they come from the file. "
            "Do not divide by 255 beforehand: that is done batch by batch, to save memory"
        )
    if x.ndim not in (3, 4) or len(x) == 0:
        raise ValueError(f"images have shape {x.shape}; expected (n, height, width) or (n, height, width, channels)")
    found = (*x.shape[1:], 1)[:3]
    if size is not None and len(size) == 2:  # a model without an axis of channels
        size = (*size, 1)
    if size is not None and len(size) != 3:
        raise ValueError(
            f"images are {'×'.join(map(str, found))}; the model takes {'×'.join(map(str, size))}. Begin it with "
            f"Input(({', '.join(map(str, found))})), then Flatten() or Reshape for layers that take another shape"
        )
    if size is not None and any(wanted not in (None, given) for wanted, given in zip(size, found, strict=True)):
        raise ValueError(
            f"images are {'×'.join(map(str, found))}; the model takes {'×'.join(map(str, size))} "
            "(height × width × channels). Resize them (load_folder takes a size), or build the model for their size"
        )
    if y is None:
        return
    y = np.asarray(y)
    if y.shape != (len(x),):
        raise ValueError(f"labels have shape {y.shape}; expected ({len(x)},), one integer for each image")
    if not np.issubdtype(y.dtype, np.integer):
        raise TypeError(f"labels are {y.dtype}; expected integers (class numbers, not one-hot rows)")
    if classes is not None and (y.min() < 0 or y.max() >= classes):
        raise ValueError(f"labels run from {y.min()} to {y.max()}; the model has {classes} classes, 0 to {classes - 1}")


def batches(
    x: np.ndarray, y: np.ndarray, batch_size: int, seed: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Return an iterator over (x, y) in batches: each sample once, the last batch may be smaller.

    x: (n, …), y: (n,), any dtype; batches are copies. seed: None keeps the order, a number shuffles; give each
    epoch a seed of its own. Raises ValueError, at once, where lengths differ, there are no samples, or batch_size is no
    integer above 0.

    >>> [len(yb) for xb, yb in batches(np.zeros((10, 28, 28)), np.arange(10), batch_size=4)]
    [4, 4, 2]
    """
    _check_pair(x, y)
    if not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise ValueError(f"batch_size is {batch_size!r}; expected an integer above 0")
    x, y = np.asarray(x), np.asarray(y)
    order = np.arange(len(y)) if seed is None else np.random.default_rng(seed).permutation(len(y))
    # Not a generator function: that would report a wrong argument only when the first batch is asked for.
    return ((x[part], y[part]) for part in (order[i : i + batch_size] for i in range(0, len(y), batch_size)))


def _check_pair(x: np.ndarray, y: np.ndarray) -> None:
    """Raise ValueError unless y holds one label for each of the samples in x, and there are some."""
    if np.ndim(y) != 1 or np.ndim(x) < 1 or len(x) != len(y) or len(y) == 0:
        raise ValueError(f"x {np.shape(x)}, y {np.shape(y)}: expected shapes (n, …) and (n,) with the same n > 0")


def to_input(images: np.ndarray) -> np.ndarray:
    """Turn images into what a model takes: float32 in [0, 1] with batch and channel axes.

    images: uint8 (h, w), (n, h, w), (n, h, w, 1) or (n, h, w, 3), 0 to 255. Returns (n, h, w, 1) or (n, h, w, 3),
    value / 255. Raises TypeError for another dtype (an image scaled twice would raise no error later),
    ValueError for another shape.

    >>> to_input(np.full((28, 28), 255, np.uint8)).shape
    (1, 28, 28, 1)
    """
    dtype, shape = getattr(images, "dtype", type(images).__name__), np.shape(images)
    if dtype != np.uint8:
        raise TypeError(f"images are {dtype}; expected a uint8 array as loaded, 0 to 255, not scaled yet")
    if len(shape) == 3 and shape[-1] == 3:
        raise ValueError(f"images have shape {shape}; one colour image needs a batch axis: images[None]")
    if len(shape) not in (2, 3) and not (len(shape) == 4 and shape[-1] in (1, 3)):
        raise ValueError(f"images have shape {shape}; expected (h, w), (n, h, w), (n, h, w, 1) or (n, h, w, 3)")
    if len(shape) < 4:
        images = images.reshape(-1, *shape[-2:], 1)
    return np.divide(images, 255, dtype=np.float32)
