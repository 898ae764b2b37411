"""Model files: the shipped ones, the reader's own, their recorded hashes, and safe writing."""

import contextlib
import hashlib
import json
import os
from pathlib import Path


def write_atomic(path: str | Path, data: bytes | str) -> Path:
    """Write a file so that it is either complete or not there: temporary name first, then rename.

    path: where to write; missing folders are made. data: bytes, or text written as UTF-8.
    Returns the path. Raises OSError naming the path when it cannot be written (read-only folder, full
    disk); an older file of that name is then left as it was.

    >>> write_atomic("build/hello.txt", "hello").read_text()
    'hello'
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(
            f"{path}: cannot be written ({error.strerror or error}). "
            "Free some space, or make the folder writable, and run the command again; nothing was overwritten."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path


def models_folder() -> Path:
    """Return the folder of the shipped models: data/models of the repository, or the wheel's own copy.

    Raises FileNotFoundError when the installation has neither.

    >>> (models_folder() / "models.json").is_file()
    True
    """
    package = Path(__file__).resolve().parent
    for folder in (package.parent / "data" / "models", package / "_models"):
        if (folder / "models.json").is_file():
            return folder
    raise FileNotFoundError(
        f"no models.json in {package.parent / 'data' / 'models'} or {package / '_models'}: the installation is "
        "incomplete. Restore it with: git checkout data/models (a clone) or pip install --force-reinstall edgelab"
    )


def read_index(folder: str | Path) -> list[dict]:
    """Read a folder's models.json: one dict a model with name, file, sha256 and how it was made.

    Returns [] when the folder has no such file. Raises ValueError when it is not what `make models` writes.

    >>> entry = {"name": "net", "file": "net.tflite", "sha256": "ab" * 32}
    >>> index = write_atomic("build/models.json", json.dumps({"models": [entry]}))
    >>> read_index("build") == [entry]
    True
    """
    path = Path(folder) / "models.json"
    if not path.is_file():
        return []
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["models"]
        if not all({"name", "file", "sha256"} <= set(entry) for entry in entries):
            raise KeyError("name, file or sha256")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: not an index of models ({error!r}); expected {{'models': [{{'name', 'file', 'sha256', …}}]}}. "
            "Restore it with: git checkout data/models"
        ) from error
    return entries


def recorded_sha256(path: str | Path) -> str | None:
    """Return the SHA-256 that models.json beside a file records for it, or None when there is no record.

    >>> entry = {"name": "net", "file": "net.tflite", "sha256": "ab" * 32}
    >>> index = write_atomic("build/models.json", json.dumps({"models": [entry]}))
    >>> recorded_sha256("build/net.tflite") == "ab" * 32
    True
    """
    path = Path(path)
    return next((e["sha256"] for e in read_index(path.parent) if e["file"] == path.name), None)


def verify(path: str | Path) -> bytes:
    """Read a model file and compare it with the hash recorded beside it, if there is one.

    Returns the file's bytes. Raises FileNotFoundError when it is missing, ValueError when it is empty or
    differs from its record. A test of accuracy does not show a flipped byte; a hash does.

    >>> verify(write_atomic("build/first.tflite", b"0000TFL3"))[4:8]
    b'TFL3'
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"{path}: the model file cannot be read ({error.strerror or error})."
        with contextlib.suppress(FileNotFoundError):  # a copy of this function elsewhere has no shipped models
            message += f" Shipped models: {', '.join(names())}"
        raise FileNotFoundError(message) from error
    if not data:
        raise ValueError(f"{path}: the model file is empty; expected a .tflite or .keras model. Write it again.")
    expected = recorded_sha256(path)
    found = hashlib.sha256(data).hexdigest()
    if expected is not None and found != expected:
        raise ValueError(
            f"{path}: SHA-256 is {found[:16]}…, {path.parent / 'models.json'} records {expected[:16]}… "
            f"({len(data):,} bytes read). The file was changed or cut off. "
            f"Restore it with: git checkout {path} (or make it again: make models)"
        )
    return data


def names() -> list[str]:
    """Return the names of the shipped models.

    >>> "small_cnn_int8" in names()
    True
    """
    return [entry["name"] for entry in read_index(models_folder())]


def shipped(name: str) -> Path:
    """Return the path of a shipped model, verified against its recorded hash.

    name: a name of `names()`. Raises ValueError for an unknown name (the message lists the known ones) or
    a file that differs from its record.

    >>> shipped("small_cnn_int8").name
    'small_cnn_int8.tflite'
    """
    folder = models_folder()
    for entry in read_index(folder):
        if entry["name"] == name:
            verify(folder / entry["file"])
            return folder / entry["file"]
    raise ValueError(f"unknown model {name!r}; the shipped models are: {', '.join(names())}")


def find(name: str) -> Path:
    """Return the reader's own model of that name if there is one, else the shipped one.

    The reader's own models lie in the folder named by the environment variable EDGELAB_ARTIFACTS, under the
    shipped file's name. Without the variable or the file, this is `shipped(name)`.

    >>> find("small_cnn").name
    'small_cnn.keras'
    """
    path = shipped(name)
    own = os.environ.get("EDGELAB_ARTIFACTS")
    if own and (Path(own) / path.name).is_file():
        return Path(own) / path.name
    return path


def keep(file: str, data: bytes) -> Path | None:
    """Keep what a notebook made, when EDGELAB_ARTIFACTS names a folder to keep it in.

    file: a file name such as "small_cnn.keras". Returns the path written, or None when nothing was kept,
    so that a notebook run without that variable leaves no file behind.

    >>> keep("small_cnn.keras", b"...") is None
    True
    """
    own = os.environ.get("EDGELAB_ARTIFACTS")
    return write_atomic(Path(own) / file, data) if own else None
