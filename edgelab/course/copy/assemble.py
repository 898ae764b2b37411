"""Write pieces of one or several files as one file, spaced and ordered as linters and formatters expect."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable
from typing import NamedTuple

from edgelab.course.copy.parse import Definition, Piece, statement_text

WIDTH = 120  # of a line, as in pyproject.toml


class File(NamedTuple):
    """The part of a file that a copy takes: the file's lines, and the pieces that are needed, in order.

    >>> File(["import os"], [])
    File(lines=['import os'], parts=[])
    """

    lines: list[str]
    parts: list[Piece]


def assembled(heading: str, files: list[File]) -> str:
    """Return a heading and pieces of files as one text, all imports first where there are several files.

    files: in the order of the text. No two of them may define different things under one name.

    >>> from edgelab.course.copy import pieces
    >>> text = "import os\\n\\nNAME = os.name"
    >>> print(assembled("# Copied.", [File(text.split("\\n"), pieces(text))]), end="")
    # Copied.
    <BLANKLINE>
    import os
    <BLANKLINE>
    NAME = os.name
    """
    parts = [part for file in files for part in file.parts]
    used = {"annotations"}.union(*(part.needs for part in parts))
    if len(files) == 1:
        return "\n".join([heading, *_statements(files[0].lines, parts, used), ""])
    text = [heading, *_imports([part for part in parts if part.alias is not None], used)]
    first = True
    for file in files:
        found = _statements(file.lines, [part for part in file.parts if part.alias is None], used)
        # Two blank lines between files, whatever they begin with.
        text += found if first or found[1:2] == [""] else ["", *found]
        first = first and not found
    return "\n".join([*text, ""])


def import_text(aliases: Iterable[ast.alias], like: ast.stmt) -> str:
    """Return the text of an import of names from where a given import takes its own.

    aliases: the names, as the syntax tree has them. like: an `ast.Import` or `ast.ImportFrom`.

    >>> node = ast.parse("from os import name, path as p").body[0]
    >>> import_text(node.names[1:], node)
    'from os import path as p'
    """
    names = list(aliases)
    return ast.unparse(ast.Import(names) if isinstance(like, ast.Import) else ast.ImportFrom(like.module, names, 0))


def _statements(lines: list[str], parts: list[Piece], used: set[str]) -> list[str]:
    """Return pieces of a file, each as it stands there, after the blank lines that it needs."""
    text: list[str] = []
    last = guard = None
    for node in dict.fromkeys(part.node for part in parts):
        group = [part for part in parts if part.node is node]
        if isinstance(node, Definition) or isinstance(last, Definition):
            text += ["", ""]
        elif last is None or any(not line.strip() for line in lines[last.end_lineno : node.lineno]):
            text.append("")
        if group[0].guard is not None and group[0].guard is not guard:
            text.append(f"if {ast.unparse(group[0].guard)}:")
        text.append(statement_text(lines, node) if group[0].alias is None else _import_of(lines, group, used))
        last, guard = node, group[0].guard
    return text


def _import_of(lines: list[str], group: list[Piece], used: set[str]) -> str:
    """Return an import with only the names of a group of pieces, unchanged where all its names are needed."""
    node, mark = group[0].node, _mark(group, used)
    if len(group) == len(node.names) and not mark:
        return "\n".join(lines[node.lineno - 1 : node.end_lineno])
    return " " * node.col_offset + import_text((part.alias for part in group), node) + mark


def _mark(group: Iterable[Piece], used: set[str]) -> str:
    """Return a comment for linters, which do not read examples: only an example uses a name of this import."""
    return "" if all(part.binds & used for part in group) else "  # noqa: F401 (for the example)"


def _imports(parts: list[Piece], used: set[str]) -> list[str]:
    """Return the imports of several files as one block, each name once, sorted; those under a guard at its end."""
    text: list[str] = []
    for guard in sorted({ast.unparse(part.guard) if part.guard else "" for part in parts}):
        groups: dict[tuple, dict[str, Piece]] = {}
        for part in parts:
            if guard == (ast.unparse(part.guard) if part.guard else ""):
                names = groups.setdefault(_place(part), {})
                names[ast.unparse(part.alias)] = part
        section = None
        if guard:
            text += ["", f"if {guard}:"]
        for place in sorted(groups):
            if section != place[0] and not (guard and section is None):
                text.append("")
            section = place[0]
            text += _sorted_import(groups[place], used, "    " if guard else "")
    return text


def _place(part: Piece) -> tuple:
    """Return the sort key of an import's line: kind of package, `import` before `from`, name of the module."""
    plain = isinstance(part.node, ast.Import)
    module = ast.unparse(part.alias) if plain else part.node.module
    top = module.split(".")[0].split(" ")[0]
    kinds = (top == "__future__", top in sys.stdlib_module_names, top != "edgelab", True)
    return kinds.index(True), not plain, _natural(module)


def _sorted_import(group: dict[str, Piece], used: set[str], indent: str) -> list[str]:
    """Return an import of a group of names as text: on one line, or one line a name where that is too long."""

    def key(name: str) -> tuple:
        kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
        return kind, _natural(name)

    found = [group[name] for name in sorted(group, key=lambda text: key(text.split(" ")[0]))]
    line, mark = indent + import_text((part.alias for part in found), found[0].node), _mark(found, used)
    if len(line) <= WIDTH:
        return [line + mark]
    names = [f"{indent}    {ast.unparse(part.alias)}," for part in found]
    return [f"{indent}from {found[0].node.module} import ({mark}", *names, f"{indent})"]


def _natural(name: str) -> tuple:
    """Return a sort key that puts int8 before int16 and ignores case."""
    words = re.findall(r"\d+|\D+", name.lower())
    return tuple((not word.isdigit(), int(word) if word.isdigit() else 0, word) for word in words)
