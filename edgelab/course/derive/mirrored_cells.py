"""Write the package's own code into the cells of notebooks that show it, by the cells' tags.

| tag of a code cell | what the cell holds |
|---|---|
| `source:edgelab.maths.conv.conv2d` | that function, class, private helper or constant, as its file has it |
| `exercise:convolution.layers_needed` | the exercise's stub and the line that checks it |

The package is the only source: a cell is written here and never edited by hand.
"""

from __future__ import annotations

import ast
import difflib
import functools
import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from edgelab.course.copy.parse import Definition, Piece, pieces, statement_text

if TYPE_CHECKING:
    from nbformat import NotebookNode

PACKAGE = Path(__file__).resolve().parents[2]
EXERCISES = "edgelab.course.exercises"
# A tag with one of our prefixes must be valid: with a misspelt tag, a cell would go out of date unnoticed.
TAG = re.compile(r"(source|exercise)\b.*")


def parse(text: str, path: str) -> NotebookNode:
    """Return the notebook that a file's text holds.

    text: the .ipynb file's content. path: its name, for the error. Raises ValueError when it is no notebook.

    >>> parse("{}", "notebooks/01_x.ipynb")
    Traceback (most recent call last):
    ValueError: notebooks/01_x.ipynb: not a notebook of format 4. Restore it with: git checkout notebooks/01_x.ipynb
    """
    import nbformat

    try:
        notebook = nbformat.reads(text, as_version=4)
        list(notebook.cells)
    except (ValueError, AttributeError, nbformat.ValidationError) as error:
        raise ValueError(f"{path}: not a notebook of format 4. Restore it with: git checkout {path}") from error
    return notebook


def mirrored(text: str, path: str) -> str:
    """Return a notebook's JSON with each mirrored cell as the package has it; outputs and counts stay as they are.

    text: the .ipynb file's content. path: its name, for the errors. A notebook that is right comes back unchanged, to
    the byte. Raises ValueError that names the notebook, code cell and tag, when the file is not a notebook, the
    package has no such name, or a cell has two such tags.

    >>> from nbformat.v4 import new_code_cell, new_notebook, writes
    >>> cell = new_code_cell(metadata={"tags": ["source:edgelab.course.derive.mirrored_cells.EXERCISES"]})
    >>> text = mirrored(writes(new_notebook(cells=[cell])), "01_x.ipynb")
    >>> parse(text, "01_x.ipynb").cells[0].source
    'EXERCISES = "edgelab.course.exercises"'
    """
    import nbformat

    notebook = parse(text, path)
    changed = number = 0
    for cell in notebook.cells:
        number += cell.cell_type == "code"
        tags = [tag for tag in cell.metadata.get("tags", []) if TAG.fullmatch(tag)]
        if not tags:
            continue
        where = f"{path}: code cell {number}, tagged {' and '.join(tags)}"
        if cell.cell_type != "code":
            raise ValueError(f"{path}: a {cell.cell_type} cell is tagged {tags[0]}; only a code cell can be mirrored")
        if len(tags) > 1:
            raise ValueError(f"{where}: a cell mirrors one thing; make a cell for each tag")
        try:
            wanted = content(tags[0])
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        changed += cell.source != wanted
        cell.source = wanted
    # nbformat's own writer: indent 1, sorted keys, no escapes, as JupyterLab saves, so a diff shows these cells alone.
    return nbformat.writes(notebook).rstrip("\n") + "\n" if changed else text


def content(tag: str) -> str:
    """Return what a cell with this tag holds.

    tag: `source:QUALIFIED.NAME` or `exercise:MODULE.NAME`. Raises ValueError that says what is wrong with it.

    >>> content("source:edgelab.course.derive.mirrored_cells.PACKAGE")
    'PACKAGE = Path(__file__).resolve().parents[2]'
    """
    kind, colon, name = tag.partition(":")
    if kind not in ("source", "exercise") or not colon or not all(part.isidentifier() for part in name.split(".")):
        raise ValueError(f"the tag is {tag!r}; expected source:edgelab.WING.FILE.NAME or exercise:MODULE.NAME")
    return _source(name) if kind == "source" else _exercise(name)


def _source(name: str) -> str:
    """Return the source of a top-level function, class or constant of the package, comments above it included."""
    module, _, short = name.rpartition(".")
    file = _file(module)
    if file is None:
        raise ValueError(f"{name} is not in the package: there is no module {module!r}. {_similar(name)}")
    text = file.read_text(encoding="utf-8")
    found = [piece for piece in _pieces(text) if short in piece.binds]
    if not found:
        raise ValueError(f"{name} is not in the package: {module} has no {short!r}. {_similar(name)}")
    node = found[0].node
    if found[0].alias is not None:
        origin = f"{node.module}.{found[0].alias.name}" if isinstance(node, ast.ImportFrom) else found[0].alias.name
        raise ValueError(f"{module} only imports {short}. Tag it where it is defined: source:{origin}")
    if len(found) > 1 or not _simple(found[0]):
        raise ValueError(f"{name} is made by more than one plain statement. Mirror a function, a class or a constant")
    for part in ast.walk(node):
        if isinstance(part, ast.ImportFrom) and part.level:
            raise ValueError(f"{name} imports relatively, which no notebook can. Write: from {module.split('.')[0]}.…")
    return statement_text(text.split("\n"), node)


@functools.cache
def _pieces(text: str) -> tuple[Piece, ...]:
    """Return the pieces of a file's text, read once: a notebook shows several of one file."""
    return tuple(pieces(text))


def _file(module: str) -> Path | None:
    """Return the file of a module of the package, or None."""
    package, *parts = module.split(".")
    path = PACKAGE.joinpath(*parts)
    files = [path / "__init__.py", *([path.with_suffix(".py")] if parts else [])]
    return next((file for file in files if package == PACKAGE.name and file.is_file()), None)


def _simple(piece: Piece) -> bool:
    """Say whether a piece is a definition, or an assignment to one name."""
    node = piece.node
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    constant = isinstance(node, ast.Assign | ast.AnnAssign) and len(targets) == 1 and isinstance(targets[0], ast.Name)
    return piece.guard is None and (constant or isinstance(node, Definition))


def _similar(name: str) -> str:
    """Return names of the package that are similar to a qualified name."""
    known: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join((PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        for piece in _pieces(path.read_text(encoding="utf-8")):
            for short in piece.binds if piece.alias is None else ():
                known.setdefault(short.casefold(), []).append(f"{module}.{short}")
    close = difflib.get_close_matches(name.rpartition(".")[2].casefold(), sorted(known))
    return _did_you_mean(sorted({full for word in close for full in known[word]}))


def _did_you_mean(names: list[str]) -> str:
    return f"Did you mean {' or '.join(names)}?" if names else "Nothing in it has a similar name"


def _exercise(name: str) -> str:
    """Return the cell of an exercise, imported from edgelab.course.exercises."""
    module, _, short = name.rpartition(".")
    full = f"{EXERCISES}.{module or '?'}"
    try:
        subject = importlib.import_module(full) if module else None
    except ModuleNotFoundError as error:
        if error.name not in (full, EXERCISES):
            raise  # the module is there, and misses another
        subject = None
    if subject is None:
        folder = PACKAGE / "course" / "exercises"
        there = sorted(path.stem for path in folder.glob("[!_]*.py"))
        raise ValueError(f"there is no {full}; there are: {', '.join(there) or 'none'}")
    known = [word for word, value in vars(subject).items() if hasattr(value, "cell")]
    if short not in known:
        close = difflib.get_close_matches(short, known, cutoff=0)
        raise ValueError(f"{full} has no exercise {short!r}. {_did_you_mean(close)}")
    return getattr(subject, short).cell()
