"""The comment above a copy: where it comes from, its licence, and what must be installed for it to run."""

from __future__ import annotations

import ast
import doctest
import sys
import textwrap
from collections.abc import Iterable

from edgelab import __version__
from edgelab.course.copy.assemble import WIDTH
from edgelab.course.copy.names import INSTALLED, PASTING
from edgelab.course.copy.parse import Definition, Piece

# Packages that run on another one which they do not install themselves.
RUNS_ON = {"keras": "tensorflow"}


def heading(full: str, parts: list[Piece]) -> str:
    """Return the comment above the copy of a definition, no line of it wider than the formatter allows.

    full: its qualified name. parts: the pieces of the copy, the definition among them.

    >>> from edgelab.course.copy import pieces
    >>> print(heading("edgelab.maths.nn.f", pieces("import numpy, keras\\ndef f(): ...")).splitlines()[-1])
    # It imports: keras (which runs on tensorflow), numpy
    """
    short = full.rpartition(".")[2]
    target = next((part.node for part in parts if getattr(part.node, "name", None) == short), None)
    needs = _foreign(package for part in parts for package in packages(part))
    example = _foreign(_example_packages(target)) - needs
    lines = [
        f"{full}, copied from edgelab {__version__}.",
        "Copyright the edgelab authors. SPDX-License-Identifier: Apache-2.0",
    ]
    if needs:
        lines.append(f"It imports: {_listed(needs)}")
    if example:
        lines.append(f"Its example imports: {_listed(example)}")
    if "edgelab" in needs:
        lines.append(f"So it needs edgelab installed; only copies from {', '.join(PASTING)} work without.")
    elif full in INSTALLED:
        lines.append("It looks for the models that edgelab is shipped with; a copy elsewhere has none.")
    return "\n".join(part for line in lines for part in textwrap.wrap(f"# {line}", WIDTH, subsequent_indent="# "))


def packages(part: Piece) -> set[str]:
    """Return the top-level packages that a piece imports: at the top, inside a function, or in a string with code.

    A string that is Python code with an import counts too: a function may run it in another process.

    >>> from edgelab.course.copy import pieces
    >>> sorted(set.union(*map(packages, pieces("import os.path\\nCHILD = 'import numpy as np'"))))
    ['numpy', 'os']
    """
    if part.alias is not None and isinstance(part.node, ast.Import):
        return {part.alias.name.split(".")[0]}
    found = _imported(part.node)
    for node in ast.walk(part.node):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "import" in node.value:
            found |= _imported_by(node.value)
    return found


def _foreign(found: Iterable[str]) -> set[str]:
    """Return the packages that are not part of Python."""
    return set(found) - sys.stdlib_module_names


def _listed(names: set[str]) -> str:
    """Write packages in order, each with what it runs on where that is not listed as well."""
    return ", ".join(
        f"{name} (which runs on {RUNS_ON[name]})" if RUNS_ON.get(name, name) not in names else name
        for name in sorted(names)
    )


def _imported(tree: ast.AST) -> set[str]:
    """Return the top-level packages that the import statements of a tree name."""
    nodes = list(ast.walk(tree))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return {name.split(".")[0] for name in names}


def _imported_by(text: str) -> set[str]:
    """Return the top-level packages that a text imports, none where it is not Python."""
    try:
        return _imported(ast.parse(textwrap.dedent(text)))
    except (SyntaxError, ValueError):  # ValueError: a null character
        return set()


def _example_packages(node: ast.stmt | None) -> set[str]:
    """Return the top-level packages that the docstring examples of a definition import."""
    documented = [part for part in ast.walk(node) if isinstance(part, Definition)] if node is not None else []
    texts = [ast.get_docstring(part) or "" for part in documented]
    return set().union(*(_imported_by(e.source) for text in texts for e in doctest.DocTestParser().get_examples(text)))
