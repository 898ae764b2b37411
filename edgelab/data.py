"""The ground: MNIST, one's own folders of images, splits and batches. Images stay uint8 until a model sees them."""

import gzip
import hashlib
import io
import os
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
# Shape, and MD5 of the unzipped content: mirrors compress the same content to different bytes.
MNIST_FILES = {
    "train-images-idx3-ubyte.gz": ((60000, 28, 28), "6bbc9ace898e44ae57da46a324031adb"),
    "train-labels-idx1-ubyte.gz": ((60000,), "a25bea736e30d166cdddb491f175f624"),
    "t10k-images-idx3-ubyte.gz": ((10000, 28, 28), "2646ac647ad5339dbf082846283269ea"),
    "t10k-labels-idx1-ubyte.gz": ((10000,), "27ae3e4e09519cfbb04c329615203637"),
}


class Mnist(NamedTuple):
    """Hold MNIST: images uint8 (n, 28, 28), ink 255 on paper 0, and labels uint8 (n,); n = 60,000 and 10,000.

    >>> Mnist._fields
    ('x_train', 'y_train', 'x_test', 'y_test')
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


class Folder(NamedTuple):
    """Hold one's own images, split: uint8 (n, h, w) or (n, h, w, 3), labels int64 (n,) that index `classes`.

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


def load_mnist(folder: str | Path | None = None, mirrors: tuple[str, ...] = MNIST_MIRRORS) -> Mnist:
    """Load MNIST as writable uint8 arrays, its content verified against the well-known MD5s.

    folder: where the four IDX .gz files lie; nothing is ever downloaded then. Without it: data/mnist in the
    current directory or above it, else above this file, else the user's cache, where missing or broken files
    are fetched from the mirrors (URLs of folders), the next one tried when one fails.
    Takes 55 MB, once: the files are unzipped straight into the arrays.
    Raises FileNotFoundError or ValueError naming a file that is missing, cut off, changed or foreign, and
    OSError where no mirror delivers or the cache cannot be written.
    LeCun, Bottou, Bengio, Haffner 1998, Gradient-based learning applied to document recognition, section III.

    >>> load_mnist().x_train.shape
    (60000, 28, 28)
    """
    folder = _find_mnist() if folder is None else Path(folder)
    if folder is None:
        return _cached_mnist(tuple(mirrors))
    return Mnist(*(_read_file(folder / name) for name in MNIST_FILES))


def _find_mnist() -> Path | None:
    """Return the nearest data/mnist that holds one of the files, above the current directory or this file."""
    here = globals().get("__file__")  # a notebook cell has none
    starts = [Path.cwd() / "_"] + ([Path(here).resolve()] if here else [])
    folders = (parent / "data" / "mnist" for start in starts for parent in start.parents)
    return next((folder for folder in folders if any((folder / name).exists() for name in MNIST_FILES)), None)


def _read_file(path: Path) -> np.ndarray:
    """Read one MNIST file; errors name it and say what to do."""
    folder = path.resolve().parent
    advice = f"Copy the file of that name from the course's data/mnist to {folder}"
    for root in (folder, *folder.parents):
        if (root / ".git").exists():
            advice = f"Restore it with: git -C {root} checkout {folder.relative_to(root)}"
            break
    try:
        with path.open("rb") as stream:
            return _read_idx(stream, path.name)
    except FileNotFoundError as error:
        found = ", ".join(sorted(entry.name for entry in folder.glob("*"))) or "nothing"
        raise FileNotFoundError(f"{path}: no such file; the folder holds {found}. {advice}") from error
    except OSError as error:
        raise OSError(f"{path}: cannot be read ({error.strerror or error}). {advice}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}. {advice}") from error


def _read_idx(stream: BinaryIO, name: str) -> np.ndarray:
    """Unzip one MNIST file into a new array; ValueError says what was found instead of it."""
    shape, md5 = MNIST_FILES[name]
    expected = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()  # 8: unsigned bytes
    array = np.empty(shape, np.uint8)
    flat, done = array.reshape(-1), 0
    try:
        with gzip.GzipFile(fileobj=stream) as content:
            header = content.read(len(expected))
            if header != expected:
                found = f"begins with {header.hex(' ')}" if header else "is empty"
                raise ValueError(f"{found}, expected {expected.hex(' ')} (IDX header of uint8, shape {shape})")
            # In pieces: GzipFile.readinto makes a bytes object as long as what it is asked for.
            while count := content.readinto(flat[done : done + 2**20]):
                done += count
            surplus = content.read(1)
    except EOFError as error:
        raise ValueError(f"cut off after {done:,} of {flat.size:,} unzipped bytes") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"not gzip, or damaged ({error}); expected {name} as published") from error
    if done < flat.size or surplus:
        raise ValueError(f"holds {'more than ' if surplus else ''}{done:,} values, expected {flat.size:,}")
    digest = hashlib.md5(header, usedforsecurity=False)
    digest.update(array)
    if digest.hexdigest() != md5:
        raise ValueError(
            f"content has MD5 {digest.hexdigest()}, MNIST's has {md5}: changed, or another data set of the same shape"
        )
    return array


def _cached_mnist(mirrors: tuple[str, ...]) -> Mnist:
    """Read MNIST from the user's cache, fetching what is missing or broken there."""
    import pooch

    cache = Path(pooch.os_cache("edgelab")) / "mnist"
    arrays, missing = {}, []
    for name in MNIST_FILES:
        try:
            arrays[name] = _read_file(cache / name)
        except (OSError, ValueError):
            missing.append(name)
    if missing:
        print(f"MNIST: downloading {', '.join(missing)} to {cache}")
    for name in missing:
        arrays[name], mirrors = _fetch(name, cache, mirrors)
    return Mnist(*(arrays[name] for name in MNIST_FILES))


def _fetch(name: str, cache: Path, mirrors: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Download one MNIST file to the cache; return its array, and the mirrors with the one that worked first."""
    import pooch

    failures = []
    for i, mirror in enumerate(mirrors):
        url, body = f"{mirror.rstrip('/')}/{name}", io.BytesIO()
        try:
            # The downloader alone, not retrieve(): that knows the sum of the zipped bytes only, and logs.
            pooch.HTTPDownloader(chunk_size=2**16)(url, body, None)
            body.seek(0)
            array = _read_idx(body, name)
        except (OSError, ValueError) as error:
            failures.append(f"  {url}: {error}")
            continue
        _write_whole(cache / name, body.getvalue())
        return array, mirrors[i:] + mirrors[:i]
    raise OSError(
        "\n".join([f"MNIST: none of {len(mirrors)} mirrors delivered {name}:", *failures])
        + f"\nTry again later, or copy the four files ({', '.join(MNIST_FILES)}) into {Path.cwd() / 'data' / 'mnist'}"
    )


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file under a temporary name first, so that the final name never holds half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(
            f"{path}: the download cannot be kept ({error.strerror or error}). Free some space or make the folder "
            f"writable, or copy the four files ({', '.join(MNIST_FILES)}) into {Path.cwd() / 'data' / 'mnist'}"
        ) from error
    finally:
        if temporary.exists():
            temporary.unlink()


def load_folder(
    path: str | Path,
    size: tuple[int, int] = (28, 28),
    channels: int = 1,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> Folder:
    """Load one's own images from class folders (path/cat/1.jpg, path/dog/2.png, …), resized and split.

    size: height and width in pixels; an image of another shape is stretched. channels: 1 (grey) or 3 (RGB).
    Photos are turned as their EXIF orientation says, 16 bits become 8, transparent pixels become white.
    The same files and seed give the same stratified split (see `split`); class names are sorted.
    Hidden files, and files beside the class folders, are ignored. A file that is no image, is cut off, or has
    more pixels than Pillow's bomb limit is left out, listed in `.unreadable` and named in one warning.
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
    """Return a folder's files, those of subfolders too, without what systems leave there, in one fixed order."""

    def hidden(file: Path) -> bool:
        dotted = any(part.startswith(".") for part in file.relative_to(folder).parts)
        return dotted or file.name.lower() in ("thumbs.db", "desktop.ini")

    return sorted((file for file in folder.rglob("*") if file.is_file() and not hidden(file)), key=Path.as_posix)


def _read_image(path: Path, size: tuple[int, int], channels: int) -> np.ndarray:
    """Read one image file as uint8 (h, w) or (h, w, 3)."""
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's hints on odd metadata name no file
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
    if image.mode[0] in "IF":  # 16-bit grey: convert() would make everything above 255 white
        pixels = np.asarray(image)
        if image.mode == "F" or pixels.min() < 0 or pixels.max() > 65535:
            raise ValueError("pixels of more than 16 bits have no fixed white; save it with 8 or 16 bits")
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

    x: (n, …), any dtype. y: (n,) labels. 0 < fraction < 1. A class of two or more is in both parts, else its
    share is rounded to the nearest count; a single sample goes to a. Samples keep their order in each part.
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


def batches(
    x: np.ndarray, y: np.ndarray, batch_size: int, seed: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Return an iterator over (x, y) in batches: each sample once, the last batch may be smaller.

    x: (n, …), y: (n,), any dtype; batches are copies. seed: None keeps the order, a number shuffles; give each
    epoch its own. Raises ValueError, at once, where lengths differ, there are no samples, or batch_size is no
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
    value / 255. Raises TypeError for another dtype (scaling twice is a silent mistake), ValueError for
    another shape.

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
