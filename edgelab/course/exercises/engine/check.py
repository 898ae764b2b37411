"""Exercises that check themselves: an answer is compared with the solution by what it does, and never told the result.

An exercise is its solution, a function decorated with `exercise`; the stub that a notebook shows is cut out of it.
"""

import copy
import functools
import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from edgelab.course.exercises.engine.call import Outcome, TooLate, as_code, describe_call, outcome, why_not_to_call
from edgelab.course.exercises.engine.compare import Unreadable, disagreement
from edgelab.course.exercises.engine.diagnosis import Trial, does_the_same, note
from edgelab.course.exercises.engine.source import same_function, source_of

ANSWER = "...  # your answer"
BODY = "the whole body"  # as a mistake's old text: all that stands behind the docstring
SEED = 0  # the same inputs for every reader: what `check` prints is stored and compared
LONGEST = 200  # characters of a call that a message writes out; longer ones take their arguments from `inputs`


class Mistake(NamedTuple):
    """A plausible wrong answer: the solution with `new` in the place of `old`, and what `check` says of it.

    old: stands exactly once in the solution's source, or BODY. says: what one misses, not what the answer is.

    >>> Mistake("(size - 1)", "size", "before the first layer, an output sees one pixel already").new
    'size'
    """

    old: str
    new: str
    says: str


class Boundary(NamedTuple):
    """A special case that the task names: `check` says so of an answer that is wrong in no other case.

    holds: takes the arguments of a call. says: what one misses.

    >>> Boundary(lambda images, batch_size: images % batch_size == 0, "here no batch is left over").holds(128, 64)
    True
    """

    holds: Callable[..., bool]
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
    boundaries: Sequence[Boundary] = (),
    bug: tuple[str, str] | None = None,
    rtol: float = 1e-6,
    exact: bool = False,
    view: Callable[..., Any] | None = None,
) -> Callable[[Callable], "Exercise"]:
    """Turn a solution into an exercise. Its docstring is the task.

    cases: takes a random generator (always of the same seed), returns tuples of arguments, the telling ones first.
    mistakes: three or more. bug: (right text, wrong text); the stub is then the solution with this bug in it.
    boundaries: the special cases that the task names. rtol: relative tolerance for floats. exact: the task names the
    dtype of arrays. view: takes a result and the arguments, returns what of the result counts, as a dict for instance
    (it is compared instead), and raises ValueError with words that follow the call where it can't be read.
    Where the solution raises a ValueError on purpose, an answer must too.
    Raises ValueError that names the exercise where its definition is at fault, most of it at import.

    >>> @exercise(cases=lambda rng: [(1,), (2,)], hint="Add it to itself.", mistakes=[Mistake("2 *", "3 *", "thrice")])
    ... def twice(x: int) -> int:
    ...     '''Return twice x.'''
    ...     return 2 * x
    >>> twice.check(lambda x: x * x)
    twice: not right yet. twice(1) is too small. 1 of 2 calls are right.
    Note: It is one too small each time: off by one.
    >>> twice.check(lambda x: x + x)
    twice: right.
    """
    return lambda solution: Exercise(solution, cases, hint, mistakes, bug, rtol, boundaries, exact, view)


class Exercise:
    """One exercise, made by `exercise`: check(answer), hint(), solution() and inputs() for readers.

    The rest is for the course: name, module ("convolution"), source (the solution's), stub (what the notebook shows),
    reference (the solution), mistakes, boundaries, bug.

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
        boundaries: Sequence[Boundary] = (),
        exact: bool = False,
        view: Callable[..., Any] | None = None,
    ) -> None:
        self.name, self.module = solution.__name__, _module(solution.__module__)
        self.reference, self.mistakes, self.bug = solution, tuple(mistakes), bug
        self.boundaries = tuple(boundaries)
        self._make_cases, self._hint = cases, hint.strip()
        self._rtol, self._exact, self._view = rtol, exact, view
        self._parameters = tuple(inspect.signature(solution).parameters)
        self.source, self._beginning = source_of(solution)
        if not self._hint:
            raise self._fault("its hint is empty")
        self.stub = self._replaced(self.source, *bug, "bug") if bug else self._beginning + ANSWER
        self._wrong = [self.mistaken(mistake) for mistake in self.mistakes]
        self._failed = 0  # the position of the case that `inputs` returns

    def __repr__(self) -> str:
        return f"<exercise {self.module}.{self.name}: check(answer), hint(), solution(), inputs()>"

    def check(self, answer: Any) -> None:
        """Print whether an answer is right, and if not, where it differs from what is asked for."""
        print(self.verdict(answer).message)

    def hint(self) -> None:
        """Print a hint."""
        print(self._hint)

    def solution(self) -> None:
        """Print the solution."""
        print(self.source)

    def inputs(self) -> tuple:
        """Return the arguments of the call that the last check's message names: NAME(*exercise.NAME.inputs())."""
        return copy.deepcopy(self._cases[self._failed])

    def cell(self, alias: str = "exercise") -> str:
        """Return the text of the notebook's cell; alias: the name under which the notebook imports the module."""
        return f"{self.stub}\n\n\n{alias}.{self.name}.check({self.name})"

    def mistaken(self, mistake: Mistake) -> str:
        """Return the source of the solution with a mistake in it."""
        return self._replaced(self.source, mistake.old, mistake.new, "mistake")

    def verdict(self, answer: Any) -> Verdict:
        """Compare an answer with the solution on all cases; a bad answer is never an error of ours."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):  # of comparing whatever an answer returns
            warnings.simplefilter("ignore")
            return self._verdict(answer)

    def compiled(self, source: str, names: dict[str, Any] | None = None) -> Callable:
        """Return the function that a source defines, among given names or (None) those of the exercise's module."""
        namespace = dict(self.reference.__globals__ if names is None else names)
        exec(compile(source, f"<{self.name}>", "exec", dont_inherit=True), namespace)
        return namespace[self.name]

    def _verdict(self, answer: Any) -> Verdict:
        if answer is None or answer is ... or same_function(answer, self.compiled(self.stub)):
            hint = f"exercise.{self.name}.hint() gives a hint."
            return Verdict("unanswered", f"{self.name}: not answered yet. {hint}")
        problem = why_not_to_call(answer, self._parameters)
        if problem:
            return Verdict("wrong", f"{self.name}: not right yet. {problem}.")
        expected = self._expected
        got = self._outcomes(answer)
        printed = next((f"\nIt prints, in its first call: {each.printed!r}." for each in got if each.printed), "")
        if all(each.value is None and each.error is None for each in got):
            if printed:
                message = f"{self.name}: not right yet. It prints, but returns None: end it with return.{printed}"
                return Verdict("wrong", message)
            return Verdict("unanswered", f"{self.name}: not answered yet: it returns None (is a return missing?).")
        found = [self._disagreement(*each) for each in zip(got, expected, self._cases, strict=False)]
        wrong = [i for i, text in enumerate(found) if text]
        if not wrong:
            return Verdict("right", f"{self.name}: right.{printed}")
        raised = [i for i in wrong if got[i].error is not None] or wrong  # an error comes before a wrong value
        self._failed = next((i for i in raised if self._short(self._cases[i])), raised[0])
        message = f"{self.name}: not right yet. {found[self._failed]}.{self._how_many(got, wrong)}"
        return Verdict("wrong", message + self._note(answer, got, wrong) + printed)

    def _note(self, answer: Any, got: list[Outcome], wrong: list[int]) -> str:
        """Return what is known of a wrong answer, as lines of the message."""
        if isinstance(got[-1].error, TooLate):
            return ""
        trial = Trial(self._cases, self._expected, got, wrong, self._parameters, self._rtol, self._exact)
        mistakes = [(mistake.says, done) for mistake, done in zip(self.mistakes, self._mistaken, strict=True)]
        still = self.bug and does_the_same(trial, self._outcomes(self.compiled(self.stub)))
        if still and not any(does_the_same(trial, done) for _, done in mistakes):
            return "\nNote: It still does what it did with the bug."
        says = note(trial, answer, mistakes, self.boundaries, self._with_both)
        lines = f"\nNote: {says}{'' if says.endswith(('.', '!', '?')) else '.'}" if says else ""
        return lines + "\nIt still does what it did with the bug." * bool(still)

    @functools.cached_property
    def _cases(self) -> list[tuple]:
        cases = list(self._make_cases(np.random.default_rng(SEED)))
        if not cases:
            raise self._fault("it has no cases")
        for case in cases:
            if not isinstance(case, tuple):
                raise self._fault(f"a case is {as_code(case)}; expected a tuple of arguments")
        return cases

    @functools.cached_property
    def _expected(self) -> list[Outcome]:
        """What the solution does. Raises where it does on a case what no answer should."""
        expected = self._outcomes(self.reference)
        for case, (value, error, changed, _) in zip(self._cases, expected, strict=True):
            meant = isinstance(error, ValueError) and "raise ValueError" in self.source
            if (error is not None and not meant) or (error is None and value is None) or changed:
                does = f"raises {error!r}" if error is not None else "changes arguments" if changed else "returns None"
                raise self._fault(f"its solution {does} on {describe_call(self.name, case)}") from error
        return expected

    @functools.cached_property
    def _mistaken(self) -> list[list[Outcome]]:
        return [self._outcomes(self.compiled(source)) for source in self._wrong]

    def _with_both(self, i: int, j: int) -> list[Outcome] | None:
        """Return what the solution does with two of the mistakes in it; None where they exclude each other."""
        for one, other in ((i, j), (j, i)):
            old, new, _ = self.mistakes[other]
            try:
                return self._outcomes(self.compiled(self._replaced(self._wrong[one], old, new, "mistake")))
            except ValueError:
                continue
        return None

    def _outcomes(self, function: Callable) -> list[Outcome]:
        """Call a function on all cases; where a call does not end, it is the last one."""
        found = []
        for case in self._cases:
            done = outcome(function, case)
            if self._view and done.error is None and done.value is not None:
                try:
                    done = done._replace(value=self._view(done.value, *case))
                except Exception as error:  # a result may be of any form
                    words = error.args if type(error) is ValueError else ["is of another form than the task says"]
                    done = done._replace(value=None, error=Unreadable(*words))
            found.append(done)
            if isinstance(done.error, TooLate):
                break
        return found

    def _disagreement(self, got: Outcome, expected: Outcome, case: tuple) -> str:
        name = f"exercise.{self.name}.inputs()"
        call = describe_call(self.name, case) if self._short(case) else f"{self.name}(*{name})"
        return disagreement(got, expected, call, self._parameters, self._rtol, self._exact)

    def _short(self, case: tuple) -> bool:
        return len(describe_call(self.name, case)) <= LONGEST

    def _how_many(self, got: list[Outcome], wrong: list[int]) -> str:
        right = len(got) - len(wrong)
        return f" {right} of {len(got)} calls are right." if right and len(got) == len(self._cases) else ""

    def _replaced(self, source: str, old: str, new: str, what: str) -> str:
        """Return a source with one text in the place of another, which stands in it once or is BODY."""
        if old == BODY:
            indent = self._beginning.rpartition("\n")[2]
            source, old, new = self._beginning + BODY, BODY, new.replace("\n", f"\n{indent}")
        count = source.count(old)
        if count != 1 or old == new:
            found = f"stands {count} times in the solution; expected once" if count != 1 else "replaces itself"
            raise self._fault(f"{what} {old!r} {found}")
        source = source.replace(old, new)
        try:
            compile(source, f"<{self.name}>", "exec", dont_inherit=True)
        except SyntaxError as error:
            raise self._fault(f"{what} {old!r} -> {new!r} is no Python: {error}") from None
        return source

    def _fault(self, what: str) -> ValueError:
        return ValueError(f"exercise {self.module}.{self.name}: {what}")


def _module(name: str) -> str:
    """Return the module whose exercise it is: the file's name, or that of its folder among the exercises."""
    _, found, inside = name.rpartition("course.exercises.")
    return inside.partition(".")[0] if found else name.rpartition(".")[2]
