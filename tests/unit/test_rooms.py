"""The rooms of the package: what a folder passes on, and that to enter one loads nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import _imports
import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "edgelab"
# What a function imports where it needs it. NumPy alone may come with a room.
HEAVY = (
    *("tensorflow", "keras", "ai_edge_litert", "ai_edge_quantizer", "flatbuffers", "onnx", "onnxruntime"),
    *("scipy", "sklearn", "PIL", "pooch", "matplotlib", "ipywidgets", "ipycanvas", "IPython", "nbformat", "nbclient"),
)


def imported(init: Path) -> list[tuple[str, str]]:
    """Return module and name of what a room's __init__.py imports from elsewhere, at its top."""
    nodes = [node for node in ast.parse(init.read_text(encoding="utf-8")).body if isinstance(node, ast.ImportFrom)]
    return [(node.module, alias.asname or alias.name) for node in nodes for alias in node.names]


def passed_on(room: str, init: Path) -> list[str]:
    """Return the names that a room imports from its own files."""
    return [name for module, name in imported(init) if module.startswith(f"{room}.")]


def wrong_rooms(package: Path) -> list[str]:
    """Say what is wrong with the rooms that pass names on.

    Each public function and class of a room's files is passed on, no private name is, no two things of one name are,
    and none has the name of a file or folder in the room: what `from room import name` gives would then depend on what
    was imported before. Constants may be passed on.
    """
    found = []
    public = _imports.public(package)
    for room, init in _imports.modules(package).items():
        names = passed_on(room, init) if init.name == "__init__.py" else []
        if not names:
            continue
        # A file's functions are the room's; those of an inner room are that room's own.
        inside = {full.rpartition(".")[2] for full in public if full.rpartition(".")[0].rpartition(".")[0] == room}
        beside = {path.stem for path in init.parent.iterdir() if path.suffix == ".py" or path.is_dir()}
        found += [f"{room} does not pass on {name}" for name in sorted(inside - set(names))]
        found += [f"{room} passes on {name}, which is private" for name in sorted(names) if name.startswith("_")]
        found += [f"{room} passes on {name} twice" for name in sorted({n for n in names if names.count(n) > 1})]
        found += [f"{room} passes on {name}, and has a file of that name" for name in sorted(beside & set(names))]
    return found


def test_rooms_pass_on_what_is_public_in_their_files():
    """`from edgelab.shrink.convert import …` must give all that the room has; `edgelab copy` names it so too."""
    found = wrong_rooms(PACKAGE)
    assert found == [], "\n  ".join(["rooms:", *found])


def test_there_are_rooms():
    """A checker that finds no room would pass."""
    rooms = [
        name for name, path in _imports.modules(PACKAGE).items() if path.name == "__init__.py" and passed_on(name, path)
    ]
    assert {"edgelab.shrink.convert", "edgelab.infer.integer", "edgelab.train.networks"} <= set(rooms)


@pytest.mark.parametrize(
    ("init", "says"),
    [
        ("from lab.room.file import f, g", None),
        ("from lab.room.file import A, f, g", None),
        ("from lab.room.file import f", "does not pass on g"),
        ("from lab.room.file import _h, f, g", "_h, which is private"),
        ("from lab.room.file import f, g\nfrom lab.room.inner import f", "f twice"),
        ("from lab.room.file import f, g, inner", "inner, and has a file"),
        ("from lab.room.file import f as file, g, f", "file, and has a file"),
        ("from lab import other\n", None),  # it uses something; it passes nothing on
    ],
)
def test_a_wrong_room_is_found(tmp_path, init, says):
    room = tmp_path / "lab" / "room"
    (room / "inner").mkdir(parents=True)
    (tmp_path / "lab" / "__init__.py").touch()
    (room / "inner" / "__init__.py").write_text("def f(): ...\n")
    (room / "file.py").write_text("A = 1\n\n\ndef f(): ...\n\n\nclass g: ...\n\n\ndef _h(): ...\n")
    (room / "__init__.py").write_text(init)
    found = wrong_rooms(tmp_path / "lab")
    assert len(found) == (says is not None)
    assert says is None or says in found[0]


def test_entering_a_room_loads_nothing_heavy():
    """A copied import line must not cost 3 s of TensorFlow, nor ask a device for matplotlib."""
    rooms = [name for name, path in _imports.modules(PACKAGE).items() if path.name == "__init__.py"]
    code = (
        f"import importlib, sys\nfor room in {rooms!r}:\n    importlib.import_module(room)\n"
        f"    assert not [name for name in {HEAVY!r} if name in sys.modules], room\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
