"""Print one function or class of the package with what it needs to work in a file of its own.

Sources are read, never imported: copying a training function does not import TensorFlow. What `from edgelab.WING.FILE
import name` at the top of a file brings is copied too, where both files belong to wings that promise to work alone.
"""

from __future__ import annotations

import functools
import graphlib

from edgelab.course.copy.assemble import File, assembled, import_text
from edgelab.course.copy.names import file_of, pasting, resolve
from edgelab.course.copy.notice import heading
from edgelab.course.copy.parse import Definition, Piece, annotations_in, example_names, pieces


def copy_source(name: str) -> str:
    """Return the source of a public function or class as a file of its own, under a comment that names its origin.

    name: `to_tflite`, `shrink.convert.to_tflite` or `edgelab.shrink.convert.to_tflite`; a file that imports a name
    may stand for the one that defines it. The copy holds what the function and its example need of the package
    (imports, helpers, constants, those of other files first) and nothing else; comments stay. Copies from the
    wings in PASTING work where edgelab isn't installed; one from elsewhere says at its top when it needs edgelab.
    Raises ValueError for a name that is unknown (similar ones are listed), that several share (they are listed), or
    that needs two different things of the same name.

    >>> copy_source("data.to_input").splitlines()[4]
    'import numpy as np'
    """
    full = resolve(name)
    files = _needed(*full.rpartition(".")[::2])
    parts = [part for file in files.values() for part in file.parts]
    return assembled(heading(full, parts), list(files.values()))


def _read(module: str) -> File:
    """Return a file of the package with all its pieces. Raises FileNotFoundError where there is none."""
    text = file_of(module).read_text(encoding="utf-8")
    return File(text.split("\n"), _pieces(text))


# Of 400 names, many need the same files.
_pieces = functools.cache(pieces)


def _followed(module: str, part: Piece) -> bool:
    """Say whether a piece imports a name that a copy takes along: `from edgelab.maths.windows import pair`."""
    source = getattr(part.node, "module", None) or ""
    return source.startswith("edgelab.") and pasting(module) and pasting(source) and file_of(source).is_file()


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
        # Sorted: a set's order differs from one process to the next, and so would the copy.
        earlier = {where: sorted(sources) for where, sources in before.items()}
        order = [where for where in graphlib.TopologicalSorter(earlier).static_order() if where in chosen]
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
