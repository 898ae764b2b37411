"""Load MNIST: compare it with the published checksums, and download it where it is missing."""

import gzip
import hashlib
import io
import os
import zlib
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


def load_mnist(folder: str | Path | None = None, mirrors: tuple[str, ...] = MNIST_MIRRORS) -> Mnist:
    """Load MNIST as writable uint8 arrays, its content verified against the well-known MD5s.

    folder: where the four IDX .gz files are; then nothing is downloaded. Without it: data/mnist in the current
    directory or above it, else above this file, else the user's cache. Files that are missing or broken in the cache
    are downloaded from the mirrors (URLs of folders), each tried in turn.
    Takes 55 MB and no second copy: the files are unzipped straight into the arrays.
    Raises FileNotFoundError or ValueError naming a file that is missing, cut off, changed or not MNIST's, and
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
    """Unzip one MNIST file into a new array; the ValueError says what was found instead."""
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
            # In pieces: GzipFile.readinto makes a bytes object as long as the array that it fills.
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
            f"content has MD5 {digest.hexdigest()}, MNIST's has {md5}: changed, or a data set of the same shape"
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
            # Not pooch.retrieve(), which compares the checksum of the zipped bytes only, and logs.
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
