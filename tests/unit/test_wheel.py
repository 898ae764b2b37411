"""The wheel, installed where nothing of the repository is, recognises a digit."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow

PREDICT = """
import gzip, json, sys
from importlib.metadata import distributions
from importlib.util import find_spec

import numpy as np

import edgelab
from edgelab.artifacts import names, shipped
from edgelab.infer.runner import Runner

runner = Runner(shipped("small_cnn_int8"))
x = np.load(sys.argv[1])
print(json.dumps({
    "from": edgelab.__file__,
    "models": [str(shipped(name)) for name in names()],
    "labels": runner.predict(x).argmax(axis=1).tolist(),
    "loaded": sorted({"tensorflow", "keras"} & set(sys.modules)),
    "findable": [name for name in ("tensorflow", "keras") if find_spec(name)],
    "installed": sorted(d.metadata["Name"].lower() for d in distributions()),
}))
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command without this environment's Python settings; return what it prints."""
    environment = {n: v for n, v in os.environ.items() if not n.startswith(("PYTHON", "VIRTUAL_ENV", "EDGELAB"))}
    words = [str(part) for part in command]
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, f"{' '.join(words)}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def uv() -> str:
    """The uv that `make test` put beside the clone, or the one of the system."""
    found = shutil.which("uv", path=ROOT / ".tools" / "bin") or shutil.which("uv")
    assert found, "uv is neither in .tools/bin nor on PATH; `make test` installs it"
    return found


@pytest.fixture(scope="module")
def wheel(uv, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(uv, "build", "--wheel", "--out-dir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(uv, wheel, tmp_path_factory) -> Path:
    """The folder of the commands of a fresh environment that has the wheel with its `device` extra, nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    run(uv, "venv", "--python", sys.executable, folder / "venv", cwd=folder)
    scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    run(uv, "pip", "install", "--python", scripts / "python", f"edgelab[device] @ {wheel.as_uri()}", cwd=folder)
    return scripts


def test_the_wheel_holds_the_models_as_recorded(wheel):
    """A model left out of the wheel, or packed before `make models` had finished, is found on the reader's device."""
    with zipfile.ZipFile(wheel) as archive:
        entries = json.loads(archive.read("edgelab/_models/models.json"))["models"]
        assert entries
        for entry in entries:
            assert sha256(archive.read(f"edgelab/_models/{entry['file']}")).hexdigest() == entry["sha256"]
        # Data files would land in the prefix of whoever installs it, a setting for all kernels there among them.
        strays = [n for n in archive.namelist() if not n.startswith(("edgelab/", "edgelab-")) or ".data/" in n]
        assert strays == []


def test_the_installed_wheel_recognises_digits_without_tensorflow(installed, tmp_path):
    """From an empty folder, so that nothing is found in the repository by chance."""
    import numpy as np

    images, labels = (
        gzip.decompress((ROOT / "data" / "mnist" / f"t10k-{name}.gz").read_bytes())
        for name in ("images-idx3-ubyte", "labels-idx1-ubyte")
    )
    x = np.frombuffer(images, np.uint8, 5 * 784, offset=16).reshape(5, 28, 28, 1)
    np.save(tmp_path / "x.npy", x.astype(np.float32) / 255)
    empty = tmp_path / "empty"
    empty.mkdir()
    found = json.loads(run(installed / "python", "-I", "-c", PREDICT, tmp_path / "x.npy", cwd=empty))
    environment = str(installed.parent)
    assert found["from"].startswith(environment)
    assert found["models"]
    assert all(path.startswith(environment) for path in found["models"])
    assert found["labels"] == list(labels[8:13])
    assert (found["loaded"], found["findable"]) == ([], [])
    assert "ai-edge-litert" in found["installed"]
    assert not [name for name in found["installed"] if name.startswith(("tensorflow", "keras", "jupyter"))]
    assert list(empty.iterdir()) == []


def test_the_installed_command_answers(installed, tmp_path):
    """Its modules for the course import what the device extra doesn't bring; the command must not."""
    assert "usage: edgelab" in run(installed / "edgelab", "--help", cwd=tmp_path)
    assert "def to_tflite(" in run(installed / "edgelab", "copy", "to_tflite", cwd=tmp_path)
