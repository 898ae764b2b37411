"""Print one function or class of the package with just what it needs, so that it works in a file of its own.

Sources are read, never imported: copying a training function costs no TensorFlow.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import doctest
import symtable
import sys
from pathlib import Path
from typing import NamedTuple

from edgelab import __version__

PACKAGE = Path(__file__).resolve().parent.parent
# What these wings promise: their functions and classes work where edgelab isn't installed.
PASTING = ("data", "maths", "train", "shrink")

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class _Piece(NamedTuple):
    """A top-level statement of a file, or one name of an import.

    node: the statement. alias: the name, where it is an import. guard: the test of the `if TYPE_CHECKING:` that it
    stands under, else None. binds, needs: the names it makes, and those it takes from the rest of the file.
    """

    node: ast.stmt
    alias: ast.alias | None
    guard: ast.expr | None
    binds: frozenset[str]
    needs: frozenset[str]


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

    name: `to_tflite`, `shrink.convert.to_tflite` or `edgelab.shrink.convert.to_tflite`. The file holds what the
    function and its example need of its module (imports, helpers, constants, in their order) and nothing else;
    comments stay. Copies from data, maths, train and shrink work where edgelab isn't installed; one from elsewhere
    says at its top when it needs edgelab.
    Raises ValueError for a name that is unknown (similar ones are listed) or that several share (they are listed).

    >>> copy_source("data.to_input").splitlines()[4]
    'import numpy as np'
    """
    full = _resolve(name)
    module, _, short = full.rpartition(".")
    source = PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py").read_text(encoding="utf-8")
    needed = _needed(_pieces(source), short)
    return _assemble(_heading(full, needed), source.split("\n"), needed)


def _resolve(name: str) -> str:
    """Return the qualified name that a name, or the end of a qualified name, stands for."""
    known = public_names()
    matches = [full for full in known if full == name or full.endswith(f".{name}")]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise ValueError(f"{name!r} could be {' or '.join(matches)}. Say which, by its longer name")
    short = {full: full.rpartition(".")[2].casefold() for full in known}
    close = difflib.get_close_matches(name.rpartition(".")[2].casefold(), sorted(set(short.values())))
    similar = [full for word in close for full in known if short[full] == word]
    hint = f"Did you mean {' or '.join(similar)}? " if similar else ""
    raise ValueError(
        f"{name!r} is no public function or class of edgelab. {hint}List all {len(known)} with: edgelab copy --list"
    )


def _pieces(source: str) -> list[_Piece]:
    """Split the source of a module into its pieces, in order."""
    found: list[_Piece] = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.If) and not node.orelse and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for inner in node.body:
                found += _statement(inner, node.test)
        else:
            found += _statement(node, None)
    return found


def _statement(node: ast.stmt, guard: ast.expr | None) -> list[_Piece]:
    """Return one statement as pieces: several for an import of several names, else one."""
    context = _names_used(ast.unparse(guard)) if guard else frozenset()
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [(alias, alias.asname or alias.name.split(".")[0]) for alias in node.names]
        return [_Piece(node, alias, guard, frozenset({name}), context) for alias, name in names]
    code = ast.unparse(node)
    top = symtable.symtable(code, "<copied>", "exec").get_symbols()
    binds = {symbol.get_name() for symbol in top if symbol.is_assigned() or symbol.is_imported()}
    for part in ast.walk(node) if not isinstance(node, Definition) else ():
        # TABLE["key"] = value makes TABLE what it is, as much as the line that first binds it.
        if isinstance(part, ast.Subscript | ast.Attribute) and isinstance(part.ctx, ast.Store):
            while isinstance(part, ast.Subscript | ast.Attribute):
                part = part.value
            binds |= {part.id} if isinstance(part, ast.Name) else set()
    needs = _names_used(code) | _quoted_annotations(node) | context
    return [_Piece(node, None, guard, frozenset(binds), needs - binds)]


def _names_used(code: str) -> frozenset[str]:
    """Return the names that code takes from its surroundings: not its locals, nor what it binds at the top.

    >>> sorted(_names_used("def f(x: Array):\\n    import os\\n    return [scale(os, y) for y in x]"))
    ['Array', 'scale']
    """
    tables = [symtable.symtable(code, "<copied>", "exec")]
    bound = {s.get_name() for s in tables[0].get_symbols() if s.is_assigned() or s.is_imported()}
    used: set[str] = set()
    while tables:
        table = tables.pop()
        top = table.get_type() == "module"
        used |= {s.get_name() for s in table.get_symbols() if s.is_referenced() and (top or s.is_global())}
        tables += table.get_children()
    return frozenset(used - bound)


def _quoted_annotations(node: ast.AST) -> frozenset[str]:
    """Return the names in annotations that are written as strings.

    >>> sorted(_quoted_annotations(ast.parse('def f(x: "A | None", mode: Literal["int8"]) -> list["B"]: ...')))
    ['A', 'B']
    """
    found: set[str] = set()

    def visit(part: ast.AST) -> None:
        if isinstance(part, ast.Subscript) and ast.unparse(part.value).endswith("Literal"):
            return
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            with contextlib.suppress(SyntaxError):  # text in Annotated[…] need not be code
                found.update(_names_used(part.value))
        for child in ast.iter_child_nodes(part):
            visit(child)

    for annotation in _annotations(node):
        visit(annotation)
    return frozenset(found)


def _annotations(node: ast.AST) -> list[ast.expr]:
    """Return every annotation inside a statement."""
    parts = [getattr(part, field, None) for part in ast.walk(node) for field in ("annotation", "returns")]
    return [part for part in parts if part is not None]


def _example_names(node: ast.stmt) -> frozenset[str]:
    """Return the names that the docstring examples of a function or class take from their file."""
    documented = [part for part in ast.walk(node) if isinstance(part, Definition)]
    examples = [e for part in documented for e in doctest.DocTestParser().get_examples(ast.get_docstring(part) or "")]
    return _names_used("\n".join(example.source for example in examples))


def _needed(parts: list[_Piece], name: str) -> list[_Piece]:
    """Return the pieces that a name and its example need, directly or through each other, in the file's order."""
    target = next(part.node for part in parts if isinstance(part.node, Definition) and part.node.name == name)
    wanted, seen = {name} | _example_names(target), set()
    chosen: set[int] = set()
    while wanted:
        word = wanted.pop()
        seen.add(word)
        for index, part in enumerate(parts):
            if word in part.binds and index not in chosen:
                chosen.add(index)
                wanted |= part.needs - seen
    if any(_annotations(parts[index].node) for index in chosen):
        # Without this line the annotations would be evaluated, and those under TYPE_CHECKING don't exist then.
        chosen |= {i for i, part in enumerate(parts) if getattr(part.node, "module", None) == "__future__"}
    return [parts[index] for index in sorted(chosen)]


def _heading(full: str, parts: list[_Piece]) -> str:
    """Return the comment above a copy: where it comes from, its licence, and what it needs installed."""
    needs = sorted(set().union(*(_packages(part) for part in parts)) - sys.stdlib_module_names)
    lines = [
        f"# {full}, copied from edgelab {__version__}.",
        "# Copyright the edgelab authors. SPDX-License-Identifier: Apache-2.0",
    ]
    if needs:
        lines.append(f"# It imports: {', '.join(needs)}")
    if "edgelab" in needs:
        lines.append(f"# So it needs edgelab installed; only what {', '.join(PASTING)} define works without.")
    return "\n".join(lines)


def _packages(part: _Piece) -> set[str]:
    """Return the top-level packages that a piece imports, at the top or inside a function."""
    if part.alias is not None and isinstance(part.node, ast.Import):
        return {part.alias.name.split(".")[0]}
    nodes = list(ast.walk(part.node))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


def _assemble(heading: str, lines: list[str], parts: list[_Piece]) -> str:
    """Return a heading and pieces of a file (its lines), each as it is written there, spaced as a formatter would."""
    used = {"annotations"}.union(*(part.needs for part in parts))
    text = [heading]
    last = guard = None
    for node in dict.fromkeys(part.node for part in parts):
        group = [part for part in parts if part.node is node]
        if isinstance(node, Definition) or isinstance(last, Definition):
            text += ["", ""]
        elif last is None or any(not line.strip() for line in lines[last.end_lineno : node.lineno]):
            text.append("")
        if group[0].guard is not None and group[0].guard is not guard:
            text.append(f"if {ast.unparse(group[0].guard)}:")
        imported = isinstance(node, ast.Import | ast.ImportFrom)
        text.append(_import_text(lines, group, used) if imported else _statement_text(lines, node))
        last, guard = node, group[0].guard
    return "\n".join([*text, ""])


def _import_text(lines: list[str], group: list[_Piece], used: set[str]) -> str:
    """Return an import with only the names of a group of pieces; mark it when only an example uses one of them."""
    node, aliases = group[0].node, [part.alias for part in group]
    # Linters don't read examples.
    mark = "" if all(part.binds & used for part in group) else "  # noqa: F401 (for the example)"
    if len(aliases) == len(node.names) and not mark:
        return "\n".join(lines[node.lineno - 1 : node.end_lineno])
    fewer = ast.Import(aliases) if isinstance(node, ast.Import) else ast.ImportFrom(node.module, aliases, node.level)
    return " " * node.col_offset + ast.unparse(fewer) + mark


def _statement_text(lines: list[str], node: ast.stmt) -> str:
    """Return a statement as it is written, with its decorators, the comments directly above and those at its end."""
    indent = " " * node.col_offset
    start = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))]) - 1
    end = node.end_lineno
    while start > 0 and lines[start - 1].startswith(f"{indent}#"):
        start -= 1
    while end < len(lines) and lines[end].startswith(f"{indent} ") and lines[end].lstrip().startswith("#"):
        end += 1
    return "\n".join(lines[start:end])
