"""Find the note on a wrong answer: a known mistake, two of them, a boundary that it misses, or a usual mistake."""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from edgelab.course.exercises.engine.call import Outcome
from edgelab.course.exercises.engine.compare import Unreadable, alike, disagreement
from edgelab.course.exercises.engine.notes import general_note, note_on_error
from edgelab.course.exercises.engine.source import unused_parameters


class Trial(NamedTuple):
    """The calls on which an answer was tried, and what the solution and the answer did.

    wrong: the positions of the calls in which they differ. names: the parameters'.

    >>> Trial([(1,)], [Outcome(1)], [Outcome(2)], [0], ("x",)).rtol
    1e-06
    """

    cases: Sequence[tuple]
    expected: Sequence[Outcome]
    got: Sequence[Outcome]
    wrong: Sequence[int]
    names: Sequence[str]
    rtol: float = 1e-6
    exact: bool = False


def does_the_same(trial: Trial, mistaken: Sequence[Outcome], only_telling: bool = False) -> bool:
    """Whether an answer does what a mistake does: in all calls, or only in those in which the mistake shows.

    Types and dtypes count only where nothing else is wrong with the mistake.

    >>> trial = Trial([(1,), (2,), (3,)], [Outcome(1)] * 3, [Outcome(2), Outcome(2), Outcome(9)], [0, 1, 2], ("x",))
    >>> mistaken = [Outcome(2.0), Outcome(2.0), Outcome(1)]
    >>> does_the_same(trial, mistaken), does_the_same(trial, mistaken, only_telling=True)
    (False, True)
    """
    differs = [not _same(one, other, trial.rtol) for one, other in zip(mistaken, trial.expected, strict=True)]
    if not any(differs):
        pairs = zip(trial.got, mistaken, strict=True)
        return not any(disagreement(g, m, "", (), trial.rtol, trial.exact) for g, m in pairs)
    if only_telling and sum(differs) < 2:  # one call may agree by chance
        return False
    triples = zip(trial.got, mistaken, differs, strict=True)
    return all(_same(g, m, trial.rtol) for g, m, telling in triples if telling or not only_telling)


def note(
    trial: Trial,
    answer: Any,
    mistakes: Sequence[tuple[str, Sequence[Outcome]]],
    boundaries: Sequence[tuple[Callable[..., bool], str]] = (),
    pairs: Callable[[int, int], Sequence[Outcome] | None] = lambda i, j: None,
) -> str:
    """Return what is to be said on a wrong answer, "" where nothing is known.

    mistakes: what each says, and what it does. boundaries: for which arguments each holds, and what it says.
    pairs: what a solution does that has two of the mistakes; None where it can't have both.

    >>> note(Trial([(1,)], [Outcome(1)], [Outcome(2)], [0], ("x",)), None, [("twice", [Outcome(2)])])
    'twice'
    """
    same = [says for says, outcomes in mistakes if does_the_same(trial, outcomes)]
    same += [says for holds, says in boundaries if all(holds(*trial.cases[i]) for i in trial.wrong)]
    same += [says for says, outcomes in mistakes if does_the_same(trial, outcomes, only_telling=True)]
    if same:
        return same[0]
    errors = [trial.got[i].error for i in trial.wrong if trial.got[i].error is not None]
    if errors and note_on_error(errors[0]):
        return note_on_error(errors[0])
    values = [(trial.got[i].value, trial.expected[i].value, trial.cases[i]) for i in trial.wrong if _returned(trial, i)]
    general = general_note(values, trial.names) if values else ""
    if general:
        return general
    for i, j in combinations(range(len(mistakes)), 2):
        outcomes = pairs(i, j)
        if outcomes is not None and does_the_same(trial, outcomes):
            return f"{mistakes[i][0]}; and {mistakes[j][0]}"
    unused = [f"`{trial.names[i]}`" for i in unused_parameters(answer) if i < len(trial.names)]
    return f"{' and '.join(unused)} {'is' if len(unused) == 1 else 'are'} not used" if unused else ""


def _returned(trial: Trial, i: int) -> bool:
    return trial.got[i].error is None and trial.expected[i].error is None and trial.got[i].value is not None


def _same(one: Outcome, other: Outcome, rtol: float) -> bool:
    if one.error is not None or other.error is not None:
        same = type(one.error) is type(other.error)
        return same and (not isinstance(one.error, Unreadable) or str(one.error) == str(other.error))
    return alike(one.value, other.value, rtol)
