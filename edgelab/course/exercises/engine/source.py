"""The text of a solution, and whether two functions were compiled from the same text."""

import ast
import dis
import inspect
import textwrap
from collections.abc import Callable
from types import CodeType
from typing import Any


def source_of(solution: Callable) -> tuple[str, str]:
    """Return a function's source without its decorators, and its beginning: signature, docstring, indent.

    Raises ValueError where the function has no docstring, which is the task.

    >>> from edgelab.course.exercises.train_mnist import steps_in_an_epoch
    >>> source_of(steps_in_an_epoch.reference)[0].splitlines()[-1]
    '    return -(-images // batch_size)'
    """
    # By the file's syntax tree: inspect.getsource of Python 3.11 takes a lambda inside a decorator for the function.
    lines, _ = inspect.findsource(solution)
    where = solution.__code__.co_firstlineno
    nodes = [n for n in ast.walk(ast.parse("".join(lines))) if isinstance(n, ast.FunctionDef)]
    node = next(n for n in nodes if where in (n.lineno, *(d.lineno for d in n.decorator_list)))
    if not ast.get_docstring(node):
        raise ValueError(f"exercise {solution.__name__}: its solution has no docstring, which is the task")
    docstring = node.body[0]
    text = textwrap.dedent("".join(lines[node.lineno - 1 : node.end_lineno])).rstrip()
    beginning = "\n".join(text.splitlines()[: docstring.end_lineno - node.lineno + 1])
    return text, f"{beginning}\n{' ' * (docstring.col_offset - node.col_offset)}"


def same_function(one: Any, other: Callable) -> bool:
    """Whether two functions were compiled from the same code, comments and line breaks aside.

    >>> same_function(lambda x: x + 1, lambda x: (x + 1)), same_function(lambda x: x + 1, lambda x: x + 2)
    (True, False)
    """
    codes = [getattr(function, "__code__", None) for function in (one, other)]
    if not all(isinstance(code, CodeType) for code in codes):
        return False
    defaults = [repr((function.__defaults__, function.__kwdefaults__)) for function in (one, other)]
    return defaults[0] == defaults[1] and _same_code(*codes)


def unused_parameters(function: Any) -> list[int]:
    """Return the positions of a function's parameters that its code never reads; [] where there is no Python code.

    >>> unused_parameters(lambda x, w, b: w * x)
    [2]
    """
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return []
    used = set(code.co_cellvars)  # a function inside reads them
    for instruction in dis.get_instructions(code):
        if instruction.opname.startswith("LOAD"):
            used |= set(instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,))
        elif instruction.opname == "STORE_FAST_LOAD_FAST":  # Python 3.13 makes one instruction of two
            used.add(instruction.argval[1])
    return [i for i, name in enumerate(code.co_varnames[: code.co_argcount]) if name not in used]


def _same_code(one: CodeType, other: CodeType) -> bool:
    if (one.co_code, one.co_names, len(one.co_consts)) != (other.co_code, other.co_names, len(other.co_consts)):
        return False
    return all(
        _same_code(a, b) if isinstance(a, CodeType) and isinstance(b, CodeType) else repr(a) == repr(b)
        for a, b in zip(one.co_consts, other.co_consts, strict=True)
    )
