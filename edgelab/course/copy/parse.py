"""Read a source file as pieces: which names each top-level statement binds, and which it needs from the rest.

Files are parsed, never imported: reading a training function does not import TensorFlow.
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import symtable
from typing import NamedTuple

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Piece(NamedTuple):
    """A top-level statement of a file, or one name of an import.

    node: the statement. alias: the name, where it is an import. guard: the test of the `if TYPE_CHECKING:` that it
    stands under, else None. binds, needs: the names that it binds, and those that it needs from the rest of the file.

    >>> [sorted(piece.binds) for piece in pieces("import os.path\\nA = B = os.name")]
    [['os'], ['A', 'B']]
    """

    node: ast.stmt
    alias: ast.alias | None
    guard: ast.expr | None
    binds: frozenset[str]
    needs: frozenset[str]


def pieces(source: str) -> list[Piece]:
    """Split the source of a module into its pieces, in order. Raises SyntaxError for text that is not Python.

    >>> [sorted(piece.needs) for piece in pieces("def f(x: Array):\\n    return x + SHIFT\\n\\n\\nSHIFT = 3")]
    [['Array', 'SHIFT'], []]
    """
    found: list[Piece] = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.If) and not node.orelse and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for inner in node.body:
                found += _statement(inner, node.test)
        else:
            found += _statement(node, None)
    return found


def statement_text(lines: list[str], node: ast.stmt) -> str:
    """Return a statement as it is written, with its decorators, the comments directly above and those at its end.

    lines: the file's, without line ends. node: a statement of that file.

    >>> text = "import os\\n\\n# Why.\\n@once\\ndef f():\\n    return 1\\n    # The end."
    >>> statement_text(text.split("\\n"), ast.parse(text).body[1]) == text.partition("\\n\\n")[2]
    True
    """
    indent = " " * node.col_offset
    start = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))]) - 1
    end = node.end_lineno
    while start > 0 and lines[start - 1].startswith(f"{indent}#"):
        start -= 1
    while end < len(lines) and lines[end].startswith(f"{indent} ") and lines[end].lstrip().startswith("#"):
        end += 1
    return "\n".join(lines[start:end])


def names_used(code: str) -> frozenset[str]:
    """Return the names that code needs from outside: neither its locals nor what it binds at the top level.

    >>> sorted(names_used("def f(x: Array):\\n    import os\\n    return [scale(os, y) for y in x]"))
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


def example_names(node: ast.stmt) -> frozenset[str]:
    """Return the names that the docstring examples of a function or class take from their file.

    >>> sorted(example_names(ast.parse("def f(x):\\n    '>>> f(g(1))'").body[0]))
    ['f', 'g']
    """
    documented = [part for part in ast.walk(node) if isinstance(part, Definition)]
    examples = [e for part in documented for e in doctest.DocTestParser().get_examples(ast.get_docstring(part) or "")]
    return names_used("\n".join(example.source for example in examples))


def annotations_in(node: ast.AST) -> list[ast.expr]:
    """Return every annotation inside a statement.

    >>> [ast.unparse(found) for found in annotations_in(ast.parse("def f(x: int) -> list[str]: ..."))]
    ['list[str]', 'int']
    """
    parts = [getattr(part, field, None) for part in ast.walk(node) for field in ("annotation", "returns")]
    return [part for part in parts if part is not None]


def _statement(node: ast.stmt, guard: ast.expr | None) -> list[Piece]:
    """Return one statement as pieces: several for an import of several names, else one."""
    context = names_used(ast.unparse(guard)) if guard else frozenset()
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [(alias, alias.asname or alias.name.split(".")[0]) for alias in node.names]
        return [Piece(node, alias, guard, frozenset({name}), context) for alias, name in names]
    code = ast.unparse(node)
    top = symtable.symtable(code, "<copied>", "exec").get_symbols()
    binds = {symbol.get_name() for symbol in top if symbol.is_assigned() or symbol.is_imported()}
    for part in ast.walk(node) if not isinstance(node, Definition) else ():
        # TABLE["key"] = value is needed for TABLE as much as the line that first binds it.
        if isinstance(part, ast.Subscript | ast.Attribute) and isinstance(part.ctx, ast.Store):
            while isinstance(part, ast.Subscript | ast.Attribute):
                part = part.value
            binds |= {part.id} if isinstance(part, ast.Name) else set()
    needs = names_used(code) | _quoted_annotations(node) | context
    return [Piece(node, None, guard, frozenset(binds), needs - binds)]


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
                found.update(names_used(part.value))
        for child in ast.iter_child_nodes(part):
            visit(child)

    for annotation in annotations_in(node):
        visit(annotation)
    return frozenset(found)
