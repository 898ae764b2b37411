"""Bundle: a folder with a model and all that runs it, to copy to a device that has neither edgelab nor TensorFlow."""

import contextlib
import json
from pathlib import Path

from edgelab.infer.labels import attached

MANIFEST = "bundle.json"
FORMAT = "edgelab bundle 1"


def write_bundle(model: str | Path, to: str | Path | None = None, labels: list[str] | None = None) -> Path:
    """Write a folder that runs a model on a device with nothing but Python, numpy and ai-edge-litert.

    model: name of a shipped model, or path of a .tflite: one input (int8, uint8 or float32) of one image, one vector of
    logits out. to: the folder, by default NAME_bundle in the current one; an older bundle there is replaced, anything
    else refused. labels: one text a class; default the file's own labels.txt, else "0", "1", … Returns the folder.
    It contains the model, `bundle.json` with size and SHA-256 of each file, `run.py`, preprocessing, requirements with
    hashes, README.md, a systemd unit and the licence. Equal models give equal bytes. The folder is complete or not
    there: it is written under a temporary name and renamed.
    Raises FileNotFoundError, FileExistsError, or ValueError naming what is wrong with the model or the labels.

    >>> folder = write_bundle("tiny_int8", "build/tiny_bundle")
    >>> sorted(path.name for path in folder.iterdir())[:4]
    ['LICENSE', 'README.md', 'bundle.json', 'edge-digits.service']
    """
    import os
    import shutil
    import tempfile

    path = _model_path(model)
    content, classes = _check(path)
    labels = labels or attached(content).get("labels.txt", "").splitlines() or [str(i) for i in range(classes)]
    if len(labels) != classes:
        raise ValueError(f"labels: found {len(labels)} ({', '.join(labels[:3])}, …); {path.name} answers {classes}")
    folder = Path(f"{path.stem}_bundle" if to is None else to)
    _refuse_foreign(folder)
    contents = {path.name: content, **_support()}
    contents[MANIFEST] = _manifest(path.name, labels, contents)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise OSError(f"{folder}: cannot be written ({error.strerror or error}). Name another with --to") from error
    try:
        new, old = temporary / "new", temporary / "old"
        new.mkdir()
        for name, data in contents.items():
            (new / name).write_bytes(data)
        try:
            if folder.exists():
                os.replace(folder, old)
            os.replace(new, folder)
        except BaseException:
            if old.exists() and not folder.exists():
                os.replace(old, folder)
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def read_labels(path: str | Path) -> list[str]:
    """Read the names of the classes from a text file, one a line, empty lines at the end left out.

    Raises FileNotFoundError or ValueError naming the file when it is missing, empty, not UTF-8 or has an empty line.

    >>> Path("labels.txt").write_text("cat\\ndog\\n")
    8
    >>> read_labels("labels.txt")
    ['cat', 'dog']
    """
    try:
        lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").strip().splitlines()]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text in UTF-8 ({error}); expected one class a line") from error
    except OSError as error:
        raise FileNotFoundError(f"{path}: the labels cannot be read ({error.strerror or error})") from error
    if not lines or not all(lines):
        raise ValueError(f"{path}: {'an empty line' if lines else 'no line'}; expected one class a line")
    return lines


def preprocessing_source() -> str:
    """Return the source of `to_mnist` and all that it needs as one module that imports NumPy alone, Pillow for files.

    The package's own code, text for text, without its imports of edgelab: equal bits on the device.

    >>> "edgelab" in [line.split(".")[0] for line in preprocessing_source().split()]
    False
    """
    import re

    parts = []
    for name in ("image", "ink", "preprocess"):
        text = (Path(__file__).parents[1] / "infer" / f"{name}.py").read_text(encoding="utf-8")
        text = re.sub(r"(?m)^from edgelab\..*\n", "", text).replace("edgelab.infer.preprocess.", "")
        parts.append(text.strip())
    return "\n\n\n".join(parts) + "\n"


def _model_path(model: str | Path) -> Path:
    """Return the path of a shipped model's name, or the path itself."""
    from edgelab.artifacts import names, shipped

    if Path(model).is_file():
        return Path(model)
    if str(model) in names():
        return shipped(str(model))
    raise FileNotFoundError(f"{model}: neither a file nor the name of a shipped model ({', '.join(names())})")


def _check(path: Path) -> tuple[bytes, int]:
    """Return the model's bytes and its number of classes; raise ValueError where run.py could not run it."""
    import numpy as np

    from edgelab.infer.runner import Runner

    runner = Runner(path)
    if np.dtype(runner.input_dtype).name not in ("int8", "uint8", "float32"):
        raise ValueError(f"{path}: takes {np.dtype(runner.input_dtype).name}; expected int8, uint8 or float32 input")
    if runner.input_dtype != np.float32 and not runner.input_quantization[0] > 0:
        raise ValueError(f"{path}: its integer input has no scale; pixels cannot be quantized. Convert it again")
    shape, x = runner.input_shape, np.zeros(runner.input_shape, runner.input_dtype)
    answer = runner.infer(x)
    if answer.ndim != 2 or len(answer) != 1 or answer.dtype.name not in ("int8", "uint8", "float32"):
        raise ValueError(
            f"{path}: answers {answer.dtype} {answer.shape} for one image {shape}; expected logits (1, classes)"
        )
    return path.read_bytes(), answer.shape[1]


def _refuse_foreign(folder: Path) -> None:
    """Raise FileExistsError where something is that is no older bundle."""
    if not folder.exists() and not folder.is_symlink():
        return
    with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        extra = {p.name for p in folder.iterdir()} - set(manifest["files"]) - {MANIFEST, "__pycache__"}
        if manifest["format"] == FORMAT and not folder.is_symlink() and not extra:
            return
    raise FileExistsError(
        f"{folder}: exists and is not a bundle, or has files of yours in it. Name another folder with --to, or move it"
    )


def _support() -> dict[str, bytes]:
    """Return the files of a bundle that are the same for each model."""
    folder = Path(__file__).parent / "_template"
    files = {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file()}
    return {**files, "preprocess.py": preprocessing_source().encode()}


def _manifest(model: str, labels: list[str], contents: dict[str, bytes]) -> bytes:
    from hashlib import sha256

    files = {n: {"bytes": len(d), "sha256": sha256(d).hexdigest()} for n, d in sorted(contents.items())}
    content = {"format": FORMAT, "model": model, "labels": labels, "files": files}
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
