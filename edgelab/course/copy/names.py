"""The names that `edgelab copy` accepts: what can be copied, and which definition a name stands for.

Sources are read, never imported: listing the package does not import TensorFlow.
"""

from __future__ import annotations

import ast
import difflib
import functools
from pathlib import Path

from edgelab.course.copy.parse import Definition

PACKAGE = Path(__file__).resolve().parents[2]
# Functions and classes of these wings work where edgelab is not installed.
PASTING = ("mnist", "data", "artifacts", "quiet", "maths", "train", "infer", "shrink")
# Except those that look for the shipped models, which the installed package has beside it.
INSTALLED = tuple(f"edgelab.artifacts.{name}" for name in ("models_folder", "names", "shipped", "find"))


def public_names() -> list[str]:
    """Return what `edgelab copy --list` prints: the functions and classes that work alone, by their shortest import.

    In the order of the files, those of the wings in PASTING without INSTALLED. What a room passes on has its name.

    >>> "edgelab.shrink.convert.to_tflite" in public_names()
    True
    """
    shortest = _shortest()
    return [shortest.get(full, full) for full in definitions() if pasting(full) and full not in INSTALLED]


def definitions() -> list[str]:
    """Return every public function and class of the package under the file that defines it, in the order of the files.

    Solutions of exercises are left out: `solution()` prints them.

    >>> "edgelab.shrink.convert.converter.to_tflite" in definitions()
    True
    """
    return [
        f"{module}.{name}"
        for module, path in _files().items()
        if path.name != "__init__.py"
        for name in _defined(path.read_text(encoding="utf-8"))
    ]


def pasting(name: str) -> bool:
    """Say whether a qualified name, or a module's, belongs to a wing whose copies work without edgelab.

    >>> pasting("edgelab.maths.conv.conv2d"), pasting("edgelab.course.notebooks.run.run")
    (True, False)
    """
    return name.split(".")[1:2] != [] and name.split(".")[1] in PASTING


def resolve(name: str) -> str:
    """Return the definition that a name, or the end of a qualified name, stands for: `edgelab.WING…FILE.NAME`.

    name: as the defining file, a room or any file of the package that imports it gives it. Wings that promise to work
    alone come first. Raises ValueError for a name that is unknown (similar ones are listed) or that several share.

    >>> resolve("shrink.convert.to_tflite")
    'edgelab.shrink.convert.converter.to_tflite'
    """
    known = {full: full for full in definitions()}
    found = _matching(name, known | _passed_on(rooms_only=True)) or _matching(name, _passed_on(rooms_only=False))
    found = {full for full in found if pasting(full)} or found
    if len(found) == 1:
        return found.pop()
    shortest = _shortest()
    if found:
        candidates = sorted(shortest.get(full, full) for full in found)
        raise ValueError(f"{name!r} could be {' or '.join(candidates)}. Say which, by its longer name")
    words = {full: full.rpartition(".")[2].casefold() for full in known}
    close = difflib.get_close_matches(name.rpartition(".")[2].casefold(), sorted(set(words.values())))
    similar = [shortest.get(full, full) for word in close for full in known if words[full] == word]
    hint = f"Did you mean {' or '.join(similar)}? " if similar else ""
    count = len(public_names())
    raise ValueError(
        f"{name!r} is no public function or class of edgelab. {hint}List all {count} with: edgelab copy --list"
    )


def file_of(module: str) -> Path:
    """Return the file of a module of the package, of a room its __init__.py; it need not be there.

    >>> file_of("edgelab.maths.conv").name, file_of("edgelab.maths").name
    ('conv.py', '__init__.py')
    """
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _matching(name: str, known: dict[str, str]) -> set[str]:
    """Return the definitions of the qualified names that are a name or end in it."""
    return {origin for full, origin in known.items() if full == name or full.endswith(f".{name}")}


def _files() -> dict[str, Path]:
    """Return the public files of the package by module name, a room's __init__.py under the room's, in order."""
    files = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if not any(part.startswith("_") for part in parts):
            files[".".join(("edgelab", *parts))] = path
    return files


@functools.cache
def _defined(text: str) -> tuple[str, ...]:
    """Return the public functions and classes of a file by its text, without the answers of exercises."""
    return tuple(
        node.name
        for node in ast.parse(text).body
        if isinstance(node, Definition)
        and not node.name.startswith("_")
        and not any(ast.unparse(decorator).startswith("exercise(") for decorator in node.decorator_list)
    )


@functools.cache
def _imported(text: str) -> tuple[tuple[str, str], ...]:
    """Return the names that a file takes from other modules at its top, each with where it comes from."""
    return tuple(
        (alias.asname or alias.name, f"{node.module}.{alias.name}")
        for node in ast.parse(text).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    )


def _passed_on(rooms_only: bool) -> dict[str, str]:
    """Return the definition of each name that a room, or any file, imports from another file of the package."""
    known, files = set(definitions()), _files()
    sources = {
        (module, name): source
        for module, path in files.items()
        for name, source in _imported(path.read_text(encoding="utf-8"))
    }
    direct = {f"{module}.{name}": source for (module, name), source in sources.items()}
    found = {}
    for module, name in sources:
        if not rooms_only or files[module].name == "__init__.py":
            origin, left = f"{module}.{name}", len(direct)
            while origin not in known and origin in direct and left:  # two files may name each other
                origin, left = direct[origin], left - 1
            if origin in known:
                found[f"{module}.{name}"] = origin
    return found


def _shortest() -> dict[str, str]:
    """Return the shortest import of each definition that a room passes on."""
    found: dict[str, str] = {}
    for full, origin in sorted(_passed_on(rooms_only=True).items(), key=lambda item: item[0].count(".")):
        found.setdefault(origin, full)
    return found
