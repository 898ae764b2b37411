"""Exercises that check themselves: an answer is compared with the solution by what it does, and never told the result.

An exercise is its solution, a function decorated with `exercise`; the stub that a notebook shows is cut out of it.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from edgelab.course.exercises.engine.compare import Outcome, describe_call, disagreement, outcome

ANSWER = "...  # your answer"
SEED = 0  # the same inputs for every reader: what `check` prints is stored and compared


class Mistake(NamedTuple):
    """A plausible wrong answer: the solution with `new` in the place of `old`, and what `check` says of it.

    old: stands exactly once in the solution's source. says: what one misses, not what the answer is.

    >>> Mistake("(size - 1)", "size", "before the first layer, an output sees one pixel already").new
    'size'
    """

    old: str
    new: str
    says: str


class Verdict(NamedTuple):
    """What `check` found: state is "right", "wrong" or "unanswered"; message is what it prints.

    >>> Verdict("right", "layers_needed: right.").state
    'right'
    """

    state: str
    message: str


def exercise(
    *,
    cases: Callable[[np.random.Generator], Sequence[tuple]],
    hint: str,
    mistakes: Sequence[Mistake],
    bug: tuple[str, str] | None = None,
    rtol: float = 1e-6,
) -> Callable[[Callable], "Exercise"]:
    """Turn a solution into an exercise. Its docstring is the task.

    cases: takes a random generator (always of the same seed), returns tuples of arguments, the telling ones first.
    mistakes: three or more. bug: (right text, wrong text); the stub is then the solution with this bug in it.
    rtol: relative tolerance for floats. Where the solution raises a ValueError on purpose, an answer must too.
    Raises ValueError that names the exercise where its definition is at fault, most of it at import.

    >>> @exercise(cases=lambda rng: [(1,), (2,)], hint="Add it to itself.", mistakes=[Mistake("2 *", "3 *", "thrice")])
    ... def twice(x: int) -> int:
    ...     '''Return twice x.'''
    ...     return 2 * x
    >>> twice.check(lambda x: x * x)
    twice: not right yet. twice(1) is too small.
    >>> twice.check(lambda x: x + x)
    twice: right.
    """
    return lambda solution: Exercise(solution, cases, hint, mistakes, bug, rtol)


class Exercise:
    """One exercise, made by `exercise`: check(answer), hint() and solution() for readers, the rest for the course.

    name, module ("convolution"), source (the solution's), stub (what the notebook shows), reference (the solution),
    mistakes, bug.

    >>> from edgelab.course.exercises.train_mnist import steps_in_an_epoch
    >>> steps_in_an_epoch.verdict(steps_in_an_epoch.reference)
    Verdict(state='right', message='steps_in_an_epoch: right.')
    """

    def __init__(
        self,
        solution: Callable,
        cases: Callable[[np.random.Generator], Sequence[tuple]],
        hint: str,
        mistakes: Sequence[Mistake],
        bug: tuple[str, str] | None = None,
        rtol: float = 1e-6,
    ) -> None:
        self.name, self.module = solution.__name__, solution.__module__.rpartition(".")[2]
        self.reference, self.mistakes, self.bug = solution, tuple(mistakes), bug
        self._cases, self._hint, self._rtol = cases, hint.strip(), rtol
        self._parameters = tuple(inspect.signature(solution).parameters)
        self.source, beginning = _source(solution)
        if not self._hint:
            raise self._fault("its hint is empty")
        self.stub = self._replaced(*bug, "bug") if bug else beginning + ANSWER
        self._wrong = [self.mistaken(mistake) for mistake in self.mistakes]

    def __repr__(self) -> str:
        return f"<exercise {self.module}.{self.name}: check(answer), hint(), solution()>"

    def check(self, answer: Any) -> None:
        """Print whether an answer is right, and if not, where it differs from what is asked for."""
        print(self.verdict(answer).message)

    def hint(self) -> None:
        """Print a hint."""
        print(self._hint)

    def solution(self) -> None:
        """Print the solution."""
        print(self.source)

    def cell(self, alias: str = "exercise") -> str:
        """Return the text of the notebook's cell; alias: the name under which the notebook imports the module."""
        return f"{self.stub}\n\n\n{alias}.{self.name}.check({self.name})"

    def mistaken(self, mistake: Mistake) -> str:
        """Return the source of the solution with a mistake in it."""
        return self._replaced(mistake.old, mistake.new, "mistake")

    def verdict(self, answer: Any) -> Verdict:
        """Compare an answer with the solution on all cases; a bad answer is never an error of ours."""
        stub = self.compiled(self.stub)
        if answer is None or answer is ... or _same_function(answer, stub):
            hint = f"exercise.{self.name}.hint() gives a hint."
            return Verdict("unanswered", f"{self.name}: not answered yet. {hint}")
        problem = self._unfit(answer)
        if problem:
            return Verdict("wrong", f"{self.name}: not right yet. {problem}.")
        cases = self._arguments()
        expected = self._outcomes(self.reference, cases)
        self._sound(cases, expected)
        got = self._outcomes(answer, cases)
        if all(each.value is None and each.error is None for each in got):
            return Verdict("unanswered", f"{self.name}: not answered yet: it returns None (is a return missing?).")
        found = self._first_disagreement(got, expected, cases)
        if not found:
            return Verdict("right", f"{self.name}: right.")
        message = f"{self.name}: not right yet. {found}."
        for mistake, source in zip(self.mistakes, self._wrong, strict=True):
            if not self._first_disagreement(got, self._outcomes(self.compiled(source), cases), cases):
                end = "" if mistake.says.endswith((".", "!", "?")) else "."
                return Verdict("wrong", f"{message}\nNote: {mistake.says}{end}")
        if self.bug and not self._first_disagreement(got, self._outcomes(stub, cases), cases):
            message += "\nIt still does what it did with the bug."
        return Verdict("wrong", message)

    def compiled(self, source: str, names: dict[str, Any] | None = None) -> Callable:
        """Return the function that a source defines, among given names or (None) those of the exercise's module."""
        namespace = dict(self.reference.__globals__ if names is None else names)
        exec(compile(source, f"<{self.name}>", "exec", dont_inherit=True), namespace)
        return namespace[self.name]

    def _unfit(self, answer: Any) -> str:
        """Say why an answer can't even be called as the solution is; "" where it can."""
        if not callable(answer):
            return f"The answer is {describe_call('', [answer])[1:-1]}; expected a function"
        try:
            inspect.signature(answer).bind(*self._parameters)
        except TypeError:
            takes = ", ".join(inspect.signature(answer).parameters)
            return f"The answer takes ({takes}); it is called with ({', '.join(self._parameters)})"
        except ValueError:  # some functions in C tell nobody; calling them will show
            pass
        return ""

    def _arguments(self) -> list[tuple]:
        cases = list(self._cases(np.random.default_rng(SEED)))
        if not cases:
            raise self._fault("it has no cases")
        for case in cases:
            if not isinstance(case, tuple):
                raise self._fault(f"a case is {describe_call('', [case])[1:-1]}; expected a tuple of arguments")
        return cases

    def _sound(self, cases: list[tuple], expected: list[Outcome]) -> None:
        """Raise where the solution itself does on a case what no answer should."""
        for case, (value, error, changed) in zip(cases, expected, strict=True):
            meant = isinstance(error, ValueError) and "raise ValueError" in self.source
            if (error is not None and not meant) or (error is None and value is None) or changed:
                does = f"raises {error!r}" if error is not None else "changes arguments" if changed else "returns None"
                raise self._fault(f"its solution {does} on {describe_call(self.name, case)}") from error

    def _outcomes(self, function: Callable, cases: list[tuple]) -> list[Outcome]:
        return [outcome(function, case) for case in cases]

    def _first_disagreement(self, got: list[Outcome], expected: list[Outcome], cases: list[tuple]) -> str:
        for one, other, case in zip(got, expected, cases, strict=True):
            found = disagreement(one, other, describe_call(self.name, case), self._parameters, self._rtol)
            if found:
                return found
        return ""

    def _replaced(self, old: str, new: str, what: str) -> str:
        """Return the solution's source with one text in the place of another, which stands in it once."""
        count = self.source.count(old)
        if count != 1 or old == new:
            found = f"stands {count} times in the solution; expected once" if count != 1 else "replaces itself"
            raise self._fault(f"{what} {old!r} {found}")
        source = self.source.replace(old, new)
        try:
            compile(source, f"<{self.name}>", "exec", dont_inherit=True)
        except SyntaxError as error:
            raise self._fault(f"{what} {old!r} -> {new!r} is no Python: {error}") from None
        return source

    def _fault(self, what: str) -> ValueError:
        return ValueError(f"exercise {self.module}.{self.name}: {what}")


def _source(solution: Callable) -> tuple[str, str]:
    """Return a function's source without its decorators, and the beginning of it: signature, docstring, indent."""
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


def _same_function(one: Any, other: Callable) -> bool:
    """Whether two functions were compiled from the same code, comments and line breaks aside."""
    codes = [getattr(function, "__code__", None) for function in (one, other)]
    if not all(isinstance(code, CodeType) for code in codes):
        return False
    defaults = [repr((function.__defaults__, function.__kwdefaults__)) for function in (one, other)]
    return defaults[0] == defaults[1] and _same_code(*codes)


def _same_code(one: CodeType, other: CodeType) -> bool:
    if (one.co_code, one.co_names, len(one.co_consts)) != (other.co_code, other.co_names, len(other.co_consts)):
        return False
    return all(
        _same_code(a, b) if isinstance(a, CodeType) and isinstance(b, CodeType) else repr(a) == repr(b)
        for a, b in zip(one.co_consts, other.co_consts, strict=True)
    )
