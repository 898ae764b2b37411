"""The engine finds the note on a mistake: known mistakes, boundaries, usual mistakes, errors, unused parameters."""

import json

import numpy as np
import pytest

from edgelab.course.exercises.engine.call import Outcome, why_not_to_call
from edgelab.course.exercises.engine.check import Boundary, Mistake, exercise
from edgelab.course.exercises.engine.compare import Unreadable, disagreement
from edgelab.course.exercises.engine.diagnosis import Trial, does_the_same
from edgelab.course.exercises.engine.notes import general_note, note_on_error
from edgelab.course.exercises.engine.source import same_function, source_of, unused_parameters


@exercise(
    cases=lambda rng: [(np.array([1.5, -2.25, 4.0]), 2.0), (np.array([3.0, 0.5]), 1.0), (np.array([0.25, 7.5]), -3.0)],
    hint="Look at the sign.",
    mistakes=[
        Mistake("by * x", "x", "the factor is missing"),
        Mistake(" + 1", "", "the 1 is missing"),
        Mistake("np.abs(x)", "x.copy()", "the sign counts"),
    ],
    boundaries=[Boundary(lambda x, by: by < 0, "the factor may be negative")],
)
def scaled(x: np.ndarray, by: float) -> np.ndarray:
    """Return by times |x|, and 1 more."""
    x = np.abs(x)
    return by * x + 1


def noted(answer) -> str:
    return scaled.verdict(answer).message.partition("\nNote: ")[2]


def test_mistakes_alone_and_together_are_named():
    assert noted(lambda x, by: abs(x) + 1) == "the factor is missing."
    assert noted(lambda x, by: abs(x)) == "the factor is missing; and the 1 is missing."
    assert noted(lambda x, by: by * x) == "the 1 is missing; and the sign counts."


def test_a_boundary_is_named_where_nothing_else_is_wrong():
    assert noted(lambda x, by: abs(by) * abs(x) + 1) == "the factor may be negative."


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, by: -(by * abs(x) + 1), "The sign is the wrong one."),
        (lambda x, by: 1 / (by * abs(x) + 1), "It is the reciprocal"),
        (lambda x, by: 100 * (by * abs(x) + 1), "percent and shares"),
        (lambda x, by: 7 * (by * abs(x) + 1), "constants and units"),
        (lambda x, by: by * abs(x) + 6, "off by the same amount"),
        (lambda x, by: (by * abs(x) + 1)[::-1], "reversed order"),
        (lambda x, by: (by * abs(x) + 1).sum(), "It is one number for all"),
        (lambda x, by: (by * abs(x) + 1)[:, None], "an axis of length 1"),
        (lambda x, by: (by * abs(x) + 1)[1:], "One element is missing"),
        (lambda x, by: np.append(by * abs(x) + 1, 0), "one element too many"),
        (lambda x, by: (by * abs(x) + 1) * np.nan, "NaN comes from"),
        (lambda x, by: (by * abs(x) + 1) / 0, "An infinite value"),
        (lambda x, by: (by * abs(x) + 1).tolist(), "The values are right; their type is not."),
        (lambda x, by: x, "The result is the argument x, unchanged."),
        (lambda x, by: np.trunc(by * abs(x) + 1), "cut off to a whole number"),
        (lambda x, by: (by * abs(x) + 1) ** 2, "It is the square"),
        (lambda x, by: x[[0, 1]] @ x, "in a @ b"),
        (lambda x, by: np.cos(3 * x), "`by` is not used"),
    ],
)
def test_usual_mistakes_are_named_whatever_the_exercise(answer, words):
    assert words in noted(answer)


def test_nothing_is_said_where_nothing_is_known():
    assert noted(lambda x, by: np.cos(3 * x * by)) == ""


def test_a_mean_in_place_of_a_sum_and_integers_that_wrap():
    sizes = (2, 3, 5)
    calls = [(np.array([1.0 + n]), np.array([n + 1.0 * n * n]), (np.zeros(n),)) for n in sizes]
    assert "a sum where a mean is meant" in general_note(calls)
    assert "wrap round" in general_note([(np.array([-56, 3]), np.array([200, 3]), ())] * 2)
    assert general_note([]) == ""


def test_types_count_where_nothing_else_is_wrong_with_a_mistake():
    expected, floats = [Outcome(1), Outcome(2)], [Outcome(1.0), Outcome(2.0)]
    trial = Trial([(1,), (2,)], expected, floats, [0, 1], ("n",))
    assert does_the_same(trial, floats)
    assert not does_the_same(trial._replace(got=expected), [Outcome("1"), Outcome("2")])


def test_a_result_that_cannot_be_read_is_told_in_the_words_of_the_view():
    def read(text, n):
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            raise ValueError("is no JSON") from None

    @exercise(cases=lambda rng: [(1,), (2,)], hint="Quotes.", mistakes=[Mistake(": n}", ": n + 1}", "more")], view=read)
    def told(n: int) -> str:
        """Return n as JSON, under the key "n"."""
        return json.dumps({"n": n})

    assert told.verdict(lambda n: f'{{"n":   {n}}}').state == "right"
    assert "told(1) is no JSON." in told.verdict(lambda n: str({"n": n})).message
    assert "told(1) is of another form than the task says." in told.verdict(lambda n: n).message
    assert "Note: more." in told.verdict(lambda n: json.dumps({"n": n + 1}, indent=1)).message
    assert disagreement(Outcome(error=Unreadable("is no JSON")), Outcome(1), "f()") == "f() is no JSON"


def test_functions_are_read():
    assert source_of(scaled.reference)[0] == scaled.source
    assert same_function(lambda x: x + 1, lambda x: x + 1)
    assert not same_function(lambda x: x + 1, len)
    assert unused_parameters(lambda x, y, z: [x for _ in range(3)]) == [1, 2]
    assert unused_parameters(lambda x, y: lambda: y) == [0]
    assert unused_parameters(len) == []
    assert why_not_to_call(len, ("x",)) == ""
    assert note_on_error(ValueError("whatever")) == ""
