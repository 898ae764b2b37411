"""Print one function or class of the package with just what it needs, so that it works in a file of its own.

Sources are read, never imported: copying a training function costs no TensorFlow. What `from edgelab.WING.FILE import
name` at the top of a file brings is copied too, where both files belong to wings that promise to work alone.
"""

from __future__ import annotations

import ast
import difflib
import graphlib
import sys
from pathlib import Path

from edgelab import __version__
from edgelab.course.copy.assemble import File, assembled, import_text
from edgelab.course.copy.parse import Definition, Piece, annotations_in, example_names, pieces

PACKAGE = Path(__file__).resolve().parents[2]
# What these wings promise: their functions and classes work where edgelab isn't installed.
PASTING = ("mnist", "data", "artifacts", "quiet", "maths", "train", "infer", "shrink")


def public_names() -> list[str]:
    """Return every public function and class of the package, qualified, in the order of the files.

    >>> "edgelab.shrink.convert.to_tflite" in public_names()
    True
    """
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if any(part.startswith("_") for part in parts):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, Definition) and not node.name.startswith("_"):
                found.append(".".join(("edgelab", *parts, node.name)))
    return found


def copy_source(name: str) -> str:
    """Return the source of a public function or class as a file of its own, under a comment that names its origin.

    name: `to_tflite`, `shrink.convert.to_tflite` or `edgelab.shrink.convert.to_tflite`; a file that imports a name
    may stand for the one that defines it. The copy holds what the function and its example need of the package
    (imports, helpers, constants, those of other files first) and nothing else; comments stay. Copies from data, maths,
    train and shrink work where edgelab isn't installed; one from elsewhere says at its top when it needs edgelab.
    Raises ValueError for a name that is unknown (similar ones are listed), that several share (they are listed), or
    that needs two different things of the same name.

    >>> copy_source("data.to_input").splitlines()[4]
    'import numpy as np'
    """
    module, short = _resolve(name)
    files = _needed(module, short)
    parts = [part for file in files.values() for part in file.parts]
    return assembled(_heading(f"{module}.{short}", parts), list(files.values()))


def _read(module: str) -> File:
    """Return a file of the package with all its pieces. Raises FileNotFoundError where there is none."""
    text = _path(module).read_text(encoding="utf-8")
    return File(text.split("\n"), pieces(text))


def _path(module: str) -> Path:
    """Return the file of a module of the package: of a room, its __init__.py."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _resolve(name: str) -> tuple[str, str]:
    """Return module and name of the definition that a name, or the end of a qualified name, stands for."""
    known = public_names()
    matches = [full for full in known if full == name or full.endswith(f".{name}")] or _passed_on(name)
    if len(matches) == 1:
        module, _, short = matches[0].rpartition(".")
        return module, short
    if matches:
        raise ValueError(f"{name!r} could be {' or '.join(matches)}. Say which, by its longer name")
    short = {full: full.rpartition(".")[2].casefold() for full in known}
    close = difflib.get_close_matches(name.rpartition(".")[2].casefold(), sorted(set(short.values())))
    similar = [full for word in close for full in known if short[full] == word]
    hint = f"Did you mean {' or '.join(similar)}? " if similar else ""
    raise ValueError(
        f"{name!r} is no public function or class of edgelab. {hint}List all {len(known)} with: edgelab copy --list"
    )


def _passed_on(name: str) -> list[str]:
    """Return the definitions that FILE.NAME stands for where that file only imports NAME from another."""
    file, _, short = name.rpartition(".")
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")) if file and not short.startswith("_") else ():
        module = ".".join(("edgelab", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        if module == file or module.endswith(f".{file}"):
            parts = [part for part in pieces(path.read_text(encoding="utf-8")) if short in part.binds]
            found |= {".".join(_origin(module, part, short)) for part in parts if _followed(module, part)}
    return sorted(found)


def _followed(module: str, part: Piece) -> bool:
    """Say whether a piece imports a name that a copy takes along: `from edgelab.maths.windows import pair`."""
    source = getattr(part.node, "module", None) or ""
    wings = [name.split(".")[1] for name in (module, source) if name.startswith("edgelab.")]
    return len(wings) == 2 and set(wings) <= set(PASTING) and _is_file(source)


def _is_file(module: str) -> bool:
    return _path(module).is_file()


def _origin(module: str, part: Piece, name: str) -> tuple[str, str]:
    """Return module and name of the definition that an imported name stands for, through files that pass it on."""
    source = part.node.module
    if part.alias.asname not in (None, part.alias.name):
        raise ValueError(
            f"{module} imports {part.alias.name} as {part.alias.asname} from {source}; a copy has it under one name. "
            f"Import it there as {part.alias.name}"
        )
    found = [other for other in _read(source).parts if name in other.binds]
    if not found:
        raise ValueError(f"{module} imports {name} from {source}, which doesn't define it")
    return _origin(source, found[0], name) if _followed(source, found[0]) else (source, name)


def _needed(module: str, name: str) -> dict[str, File]:
    """Return what a definition and its example need, by module; a file stands after those that it imports from."""
    files: dict[str, File] = {module: _read(module)}
    before: dict[str, set[str]] = {module: set()}
    chosen: dict[str, set[int]] = {}
    target = next(p.node for p in files[module].parts if isinstance(p.node, Definition) and p.node.name == name)
    wanted, seen = {(module, word) for word in {name} | example_names(target)}, set()
    while wanted:
        where, word = at = min(wanted)
        wanted.remove(at)
        seen.add(at)
        for index, part in enumerate(files[where].parts):
            if word not in part.binds:
                continue
            if _followed(where, part):
                source, _ = origin = _origin(where, part, word)
                files.setdefault(source, _read(source))
                before.setdefault(source, set())
                before[where].add(source)
                wanted |= {origin} - seen
            else:
                chosen.setdefault(where, set()).add(index)
                wanted |= {(where, need) for need in part.needs} - seen
    for where, indices in chosen.items():
        if any(annotations_in(files[where].parts[index].node) for index in indices):
            # Without this line the annotations would be evaluated, and those under TYPE_CHECKING don't exist then.
            found = enumerate(files[where].parts)
            indices |= {i for i, part in found if getattr(part.node, "module", None) == "__future__"}
    try:
        order = [where for where in graphlib.TopologicalSorter(before).static_order() if where in chosen]
    except graphlib.CycleError as error:
        raise ValueError(f"{name} needs files that import each other: {' -> '.join(error.args[1])}") from error
    needed = {w: File(files[w].lines, [files[w].parts[i] for i in sorted(chosen[w])]) for w in order}
    _refuse_clashes(name, needed)
    return needed


def _refuse_clashes(name: str, files: dict[str, File]) -> None:
    """Raise ValueError where two files would bring different things of one name: one of them would be lost."""
    made: dict[str, tuple[str, str]] = {}
    for module, file in files.items():
        for part in file.parts:
            # The same import in two files is one; the same words in two definitions may mean two things.
            what = module if part.alias is None else import_text([part.alias], part.node)
            for word in part.binds:
                first = made.setdefault(word, (what, module))
                if first[0] != what:
                    raise ValueError(
                        f"{name} needs {word!r} of {first[1]} and another {word!r} of {module}; rename one of them"
                    )


def _heading(full: str, parts: list[Piece]) -> str:
    """Return the comment above a copy: where it comes from, its licence, and what it needs installed."""
    needs = sorted(set().union(*(_packages(part) for part in parts)) - sys.stdlib_module_names)
    lines = [
        f"# {full}, copied from edgelab {__version__}.",
        "# Copyright the edgelab authors. SPDX-License-Identifier: Apache-2.0",
    ]
    if needs:
        lines.append(f"# It imports: {', '.join(needs)}")
    if "edgelab" in needs:
        lines.append(f"# So it needs edgelab installed; only copies from {', '.join(PASTING)} work without.")
    return "\n".join(lines)


def _packages(part: Piece) -> set[str]:
    """Return the top-level packages that a piece imports, at the top or inside a function."""
    if part.alias is not None and isinstance(part.node, ast.Import):
        return {part.alias.name.split(".")[0]}
    nodes = list(ast.walk(part.node))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}
