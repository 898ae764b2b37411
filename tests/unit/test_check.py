"""The engine of the exercises: verdicts on good, bad and hostile answers; what it says, and what it must not say."""

import re
import warnings
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgelab.course.exercises.engine.call import Outcome, as_code, describe_call, outcome
from edgelab.course.exercises.engine.check import Exercise, Mistake, Verdict, exercise
from edgelab.course.exercises.engine.compare import alike, difference, disagreement
from edgelab.course.exercises.engine.notes import general_note


@exercise(
    cases=lambda rng: [(28, 3), (1, 3), *((int(rng.integers(1, 200)), int(rng.integers(2, 12))) for _ in range(20))],
    hint="What does an output see before the first layer?",
    mistakes=[
        Mistake("(size - 1)", "size", "off by one: before the first layer, an output sees one pixel already"),
        Mistake("-(-(size - 1) // (kernel - 1))", "(size - 1) / (kernel - 1)", "there is no half layer"),
        Mistake("-(-(size - 1) // (kernel - 1))", "(size - 1) // (kernel - 1)", "rounded the wrong way"),
    ],
)
def layers_needed(size: int, kernel: int) -> int:
    """Return how many layers it takes until one output sees `size` pixels."""
    # The first pixel is free.
    return -(-(size - 1) // (kernel - 1))


@exercise(
    cases=lambda rng: [(rng.normal(size=(3, 4)),), (np.array([[0.0, 800.0]]),)],
    hint="Which numbers belong to one image?",
    mistakes=[
        Mistake("axis=1", "axis=0", "normalised over the batch"),
        Mistake(" - x.max(axis=-1, keepdims=True)", "", "exp overflows"),
        Mistake("z / z", "x / z", "forgot the exponential"),
    ],
    bug=("axis=1", "axis=None"),
)
def softmax_rows(x: np.ndarray) -> np.ndarray:
    """Return softmax of each row."""
    z = np.exp(x - x.max(axis=-1, keepdims=True))
    return z / z.sum(axis=1, keepdims=True)


@exercise(cases=lambda rng: [(0.5,), (-1.0,), (2.0,)], hint="Look at the sign.", mistakes=[])
def root(x: float) -> float:
    """Return the square root; ValueError where there is none."""
    if x < 0:
        raise ValueError("negative")
    return x**0.5


def state(one: Exercise, answer) -> str:
    return one.verdict(answer).state


def said(one: Exercise, answer) -> str:
    """The message of a wrong answer."""
    verdict = one.verdict(answer)
    assert verdict.state == "wrong", verdict
    return verdict.message


def test_stub_cell_and_source_are_cut_from_the_solution():
    """The decorator, which tells the mistakes, stays behind; so do comments of the solution."""
    head = 'def layers_needed(size: int, kernel: int) -> int:\n    """Return how many layers it takes until one output'
    assert layers_needed.stub == f'{head} sees `size` pixels."""\n    ...  # your answer'
    assert layers_needed.cell("task") == f"{layers_needed.stub}\n\n\ntask.layers_needed.check(layers_needed)"
    assert layers_needed.source.startswith(head)
    assert layers_needed.source.endswith("# The first pixel is free.\n    return -(-(size - 1) // (kernel - 1))")
    assert softmax_rows.stub == softmax_rows.source.replace("axis=1", "axis=None")


def test_an_indented_solution_is_dedented():
    """Defined inside a function, it must still stand at a cell's left edge."""

    @exercise(cases=lambda rng: [(1,)], hint="None.", mistakes=[Mistake("1", "2", "too much")])
    def inner(x: int) -> int:
        """Add one."""
        return x + 1

    assert inner.stub == 'def inner(x: int) -> int:\n    """Add one."""\n    ...  # your answer'
    assert state(inner, inner.reference) == "right"


def test_check_hint_and_solution_print(capsys):
    layers_needed.check(layers_needed.reference)
    layers_needed.hint()
    layers_needed.solution()
    printed = f"layers_needed: right.\nWhat does an output see before the first layer?\n{layers_needed.source}\n"
    assert capsys.readouterr().out == printed
    assert repr(layers_needed) == "<exercise test_check.layers_needed: check(answer), hint(), solution(), inputs()>"


@pytest.mark.parametrize("one", [layers_needed, softmax_rows])
def test_the_untouched_stub_is_unanswered(one):
    """Run All goes through, and a reader's comments and blank lines are no answer yet."""
    for source in (one.stub, one.stub.replace("\n    ", "\n\n    # thinking\n    ")):
        verdict = one.verdict(one.compiled(source))
        expected = f"{one.name}: not answered yet. exercise.{one.name}.hint() gives a hint."
        assert verdict == Verdict("unanswered", expected)


@pytest.mark.parametrize("answer", [None, ..., lambda size, kernel: None, lambda *arguments: None])
def test_nothing_is_no_answer(answer):
    assert state(layers_needed, answer) == "unanswered"


def test_a_forgotten_return_is_called_so():
    """It does return None like the stub, but its author believes to have answered."""
    assert "is a return missing?" in layers_needed.verdict(lambda size, kernel: None).message
    some = said(layers_needed, lambda size, kernel: layers_needed.reference(size, kernel) if size > 1 else None)
    assert some.startswith("layers_needed: not right yet. layers_needed(1, 3) is None (no return?). 21 of 22 calls")


@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize("one", [layers_needed, softmax_rows])
def test_a_known_mistake_is_named_however_it_is_written(one, index):
    """By what it does: names and form of the reader's code are others."""
    mistake = one.mistakes[index]
    wrong = one.compiled(one.mistaken(mistake))
    assert said(one, lambda *arguments: wrong(*arguments)).endswith(f"\nNote: {mistake.says}.")


def test_an_unknown_mistake_gets_place_and_direction_alone():
    """And nothing after it: one who is wrong is told what is wrong, not what to type."""
    begin = "layers_needed: not right yet. layers_needed(28, 3)"
    assert said(layers_needed, lambda a, b: a + 7 * b) == f"{begin} is too large."
    assert said(layers_needed, lambda a, b: -a - b) == f"{begin} is too small."
    assert said(layers_needed, lambda a, b: -1) == f"{begin} is too small.\nNote: It is the same for all arguments."


def test_another_change_that_keeps_the_bug_is_told_so():
    same = softmax_rows.compiled(
        softmax_rows.stub.replace("np.exp(x - x.max(axis=-1, keepdims=True))", "np.exp(x - 1)")
    )
    assert state(softmax_rows, same) == "wrong"
    stub = softmax_rows.compiled(softmax_rows.stub)
    assert said(softmax_rows, lambda x: stub(x)).endswith("\nNote: It still does what it did with the bug.")


def test_a_bug_in_a_default_is_a_bug():
    """A default is no part of a function's code object."""

    @exercise(cases=lambda rng: [(3,)], hint="None.", mistakes=[], bug=("by: int = 2", "by: int = 1"))
    def times(x: int, by: int = 2) -> int:
        """Double."""
        return x * by

    assert state(times, times.compiled(times.stub)) == "unanswered"
    assert state(times, times.reference) == "right"
    assert said(times, lambda x, by=1: x * by).endswith("It still does what it did with the bug.")
    assert "is too large" in said(times, lambda x, by=3: x * by)


def explode(size, kernel):
    raise RuntimeError(f"no {object()}\nsecond line")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (3, "The answer is 3; expected a function."),
        (layers_needed, "expected a function."),
        (lambda size: 1, "The answer takes (size); it is called with (size, kernel)."),
        (lambda a, b, c: 1, "The answer takes (a, b, c); it is called with (size, kernel)."),
        (lambda a, b: a / 0, "layers_needed(28, 3) raises ZeroDivisionError: division by zero."),
        (explode, "layers_needed(28, 3) raises RuntimeError: no <object object>."),
        (lambda a, b: nowhere, "raises NameError: name 'nowhere' is not defined."),  # noqa: F821
        (lambda a, b: exit(), "layers_needed(28, 3) raises SystemExit"),
        (lambda a, b: "14", "layers_needed(28, 3) is a text; expected an int."),
        (lambda a, b: 14.0, "layers_needed(28, 3) is a float; expected an int."),
        (lambda a, b: True, "layers_needed(28, 3) is a bool; expected an int."),
        (lambda a, b: (14,), "layers_needed(28, 3) is a tuple; expected an int."),
        (lambda a, b: np.array([14]), "layers_needed(28, 3) is an array of shape (1,); expected an int."),
        (lambda a, b: (i for i in ()), "is a generator, which makes its elements later; return an int."),
        (max, None),
        (partial(max, 5), None),
        (dict.fromkeys, "raises TypeError"),
    ],
)  # fmt: skip
def test_a_bad_answer_gets_words_not_a_traceback(answer, words):
    message = said(layers_needed, answer)
    assert words is None or words in message
    assert "0x" not in message, "addresses are others in each process"


def test_array_answers_are_told_shape_dtype_and_element():
    right = softmax_rows.reference
    for answer, words in [
        (lambda x: right(x).T, "has shape (2, 1); expected (1, 2)"),
        (lambda x: right(x) > 0.5, "holds bools (bool); expected floats"),
        (lambda x: right(x).tolist(), "is a list; expected an array: return a NumPy array"),
        (lambda x: right(x) * np.nan, "softmax_rows(np.array([[0.0, 800.0]]))[0, 0] is NaN (2 of 2 elements differ)"),
        (lambda x: right(x) + 0.1 * (x == x[-1, -1]), "[0, 1] is too large (1 of 2 elements differ)"),
        (
            lambda x: right(x) * (x < 800),
            "softmax_rows(np.array([[0.0, 800.0]]))[0, 1] is too small (1 of 2 elements differ)",
        ),
    ]:
        assert words in said(softmax_rows, answer)


def test_changed_arguments_are_found_and_do_no_harm():
    """`x -= x.max()` is a bug for whoever calls it, though the result is right."""

    def greedy(x):
        x -= x.max(axis=-1, keepdims=True)
        return softmax_rows.reference(x)

    assert "changes its argument x in place" in said(softmax_rows, greedy)
    assert state(softmax_rows, softmax_rows.reference) == "right", "the next reader gets fresh cases"


def test_an_error_that_is_asked_for_must_come():
    assert state(root, root.reference) == "right"
    assert "root(-1.0) returns a result; it should raise ValueError" in said(root, lambda x: abs(x) ** 0.5)
    assert "root(-1.0) raises TypeError; it should raise ValueError" in said(root, lambda x: _raise(x, TypeError))


def _raise(x: float, error: type[Exception]) -> float:
    if x < 0:
        raise error
    return x**0.5


def test_ctrl_c_ends_an_answer_that_hangs():
    def hang(size, kernel):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        layers_needed.check(hang)


def test_an_answers_warnings_are_not_shown(capfd):
    """Stored outputs hold no stderr; and 0 / 0 on a random case is the check's doing, not the reader's."""

    def noisy(size, kernel):
        warnings.warn("look out", UserWarning, stacklevel=1)
        return int(np.float64(1) / np.float64(0) > 0) + int(np.mean([]) > 0)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert state(layers_needed, noisy) == "wrong"
    assert capfd.readouterr().err == ""


def test_two_checks_say_the_same():
    """What is printed is stored in a notebook, and compared."""
    wrong = softmax_rows.compiled(softmax_rows.mistaken(softmax_rows.mistakes[0]))
    assert softmax_rows.verdict(wrong) == softmax_rows.verdict(wrong)
    seen = []
    one = Exercise(layers_needed.reference, lambda rng: seen.append(rng.random()) or [(1, 2)], "Hint.", [])
    one.verdict(max)
    one.verdict(max)
    assert len(set(seen)) == 1


def define(**changes) -> Exercise:
    """Define layers_needed again, with something else in it."""
    usual = {"cases": lambda rng: [(28, 3)], "hint": "Hint.", "mistakes": [], "bug": None}
    return exercise(**{**usual, **changes})(layers_needed.reference)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"mistakes": [Mistake("length", "size", "")]},
            "mistake 'length' stands 0 times in the solution; expected once",
        ),
        ({"mistakes": [Mistake("size", "n", "")]}, "mistake 'size' stands 3 times in the solution"),
        ({"mistakes": [Mistake("// (", "// (", "")]}, "mistake '// (' replaces itself"),
        ({"mistakes": [Mistake("// (", "/// (", "")]}, "mistake '// (' -> '/// (' is no Python"),
        ({"bug": ("length", "size")}, "bug 'length' stands 0 times"),
        ({"hint": "  "}, "its hint is empty"),
    ],
)
def test_a_faulty_definition_stops_at_import_and_names_the_exercise(changes, words):
    with pytest.raises(ValueError, match=rf"^exercise test_check\.layers_needed: {re.escape(words)}"):
        define(**changes)


@pytest.mark.parametrize(
    ("cases", "words"),
    [
        ([], "it has no cases"),
        ([28], "a case is 28; expected a tuple of arguments"),
        ([(28, 1)], "its solution raises ZeroDivisionError(.*) on layers_needed\\(28, 1\\)"),
    ],
)
def test_faulty_cases_are_the_authors_fault(cases, words):
    """Not the reader's: no answer could be right."""
    with pytest.raises(ValueError, match=rf"^exercise test_check\.layers_needed: {words}"):
        define(cases=lambda rng: cases).verdict(max)


def test_a_faulty_solution_is_the_authors_fault():
    def silent(x):
        """Return nothing."""

    def greedy(x):
        """Fill x."""
        x.fill(1)
        return 1

    def bare(x):
        return x

    for solution, words in ((silent, "returns None"), (greedy, "changes arguments")):
        with pytest.raises(ValueError, match=rf"its solution {words} on \w+\(np.array"):
            exercise(cases=lambda rng: [(np.zeros(2),)], hint="Hint.", mistakes=[])(solution).verdict(abs)
    with pytest.raises(ValueError, match="exercise bare: its solution has no docstring"):
        exercise(cases=lambda rng: [(1,)], hint="Hint.", mistakes=[])(bare)


VALUES = st.one_of(
    st.booleans(),
    st.sampled_from([2**70, -(10**400)]),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    arrays.arrays(
        st.sampled_from([np.float32, np.float64, np.int8, np.int64, np.bool_]), arrays.array_shapes(max_side=3)
    ),
)
NESTED = st.one_of(VALUES, st.lists(VALUES, max_size=3).map(tuple))


@given(NESTED)
def test_everything_equals_itself(value):
    """NaN, infinity, empty arrays and integers beyond 64 bits among it."""
    assert difference(value, value) == ""
    assert disagreement(outcome(lambda: value, ()), Outcome(value), "f()") == ""


@given(NESTED, NESTED)
def test_comparing_never_raises_and_says_something_where_types_differ(got, expected):
    text = difference(got, expected)
    assert isinstance(text, str)
    if type(got) is not type(expected) and not isinstance(expected, float | np.ndarray):
        assert text


@given(NESTED, NESTED, NESTED)
def test_looking_for_a_note_never_raises(got, expected, argument):
    """It sees whatever an answer returns."""
    case = (argument, 1)
    with np.errstate(all="ignore"):  # as in `verdict`
        assert isinstance(general_note([(got, expected, case)] * 2, ("x", "y")), str)
        assert isinstance(general_note([(got, expected, case), (expected, got, case)], ("x",)), str)
    assert alike(expected, expected)


@given(st.integers(-(10**5), 10**5), st.integers(-(10**5), 10**5))  # float32 is compared to 4e-6: less than one of 1e5
def test_direction_is_that_of_the_number(got, expected):
    """Told the wrong way, one would go further astray. The expected number itself is never told."""
    way = "" if got == expected else "f() is too large" if got > expected else "f() is too small"
    for kind in (int, float, np.float32, np.int32):
        assert difference(kind(got), kind(expected), "f()") == way


@given(arrays.arrays(np.float64, (3, 2), elements=st.floats(-1e3, 1e3)), st.integers(0, 2), st.integers(0, 1))
def test_the_element_that_is_off_is_named(expected, i, j):
    """1 % and a bit: far above the tolerance for any element, which is 1e-6 of the largest one."""
    got = expected.copy()
    got[i, j] += 0.01 * np.abs(expected).max() + 1e-3
    assert difference(got, expected, "f()") == f"f()[{i}, {j}] is too large (1 of 6 elements differ)"


# 32 numbers: each sum rounds 31 times by half an eps of the sum of sizes at most, so two differ by less than 32 eps.
@given(arrays.arrays(np.float32, 32, elements=st.floats(-1, 1, width=32)))
def test_float32_sums_in_another_order_are_equal(x):
    """Sums of the same products differ by some roundings: no answer is wrong for the order of its loop."""
    forwards, backwards = np.cumsum(x, dtype=np.float32), np.cumsum(x[::-1], dtype=np.float32)
    scale = np.float32(np.abs(x).sum() + 1)  # what the sums were made of, as the largest element
    assert difference(np.append(forwards[-1], scale), np.append(backwards[-1], scale)) == ""


def test_what_differs_though_it_looks_alike():
    """Each of these was worth a decision."""
    for got, expected, words in [
        (np.zeros(2, np.int16), np.zeros(2, np.int8), "has dtype int16; expected int8"),
        (np.zeros(2, np.int32), np.zeros(2, np.int64), ""),
        (np.zeros(2, np.float32), np.zeros(2, np.float64), ""),
        (np.zeros(2, np.uint8), np.zeros(2, np.int8), "holds unsigned integers (uint8); expected integers"),
        (np.zeros(2, int), np.zeros(2), ""),
        (np.zeros(2), np.zeros(2, int), "holds floats (float64); expected integers"),
        (np.ones(2), np.ones(2, bool), "holds floats (float64); expected bools"),
        (np.float32(1 + 1e-6), 1.0, ""),
        (Fraction(1, 2), 0.5, ""),
        (np.array([1, 2]), (1, 2), ""),
        (np.array([1, 2]), [1, 2.5], "result[1] is too small"),
        (map(str, []), [1], "is a map, which makes its elements later; return a list"),
        (max, 3, "return an int"),
        (np.array([np.inf]), np.array([1.0]), "result[0] is too large (infinite)"),
        ({2, 1}, {1, 2}, ""),
        ([1, 2], {1, 2}, "is a list; expected a set"),
        ({"b": 1, "a": 2.0}, {"a": 2.0, "b": 1}, ""),
        ({"a": 3}, {"a": 2}, "the result: a is too large"),
        ({"c": 3}, {"a": 2}, "has the keys ['c']; expected ['a']"),
        (1, 1.0, ""),
        (1.0, 1, "is a float; expected an int"),
        (10**400, 1.0, "is too large"),
        (-(10**400), 1.0, "is too small"),
        (2**70, 1.0, "is too large"),
        ([1, 2], (1, 2), ""),
        ((1, 2, 3), (1, 2), "has 3 elements; expected 2"),
        ((1, 3), (1, 2), "result[1] is too large"),
        (3, (1, 2), "is an int; expected a tuple"),
        ("abx", "abc", "is 'abx', wrong from character 3 on"),
        ("ab", "abc", "is 'ab', wrong from character 3 on"),
        (False, True, "has the wrong truth value"),
        (np.array(2), 2, ""),
        (0.0, np.nan, "is a number; expected NaN"),
        (1e-13, 0.0, ""),
        (1e-9, 0.0, "is too large"),
        (1j, 2j, "is off"),
        (np.array(["a"]), np.array(["b"]), "result[0] is another text"),
        (None, 3, "is None (no return?)"),
        ({1: 2}, {1: 3}, "1 is too small"),
        (1 + 0j, {1: 3}, "is a complex number; expected a dict"),
    ]:
        text = difference(got, expected)
        assert words in text, (got, expected)
        assert bool(words) == bool(text), (got, expected, text)


def test_tensors_are_arrays():
    """A TensorFlow tensor is as good an answer as an array; what only looks like one is named by its type."""

    class Tensor:
        def __array__(self, dtype=None, copy=None):
            return np.array([1.0, 2.0])

    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError

    assert difference(Tensor(), np.array([1.0, 2.0])) == ""
    assert difference(Broken(), np.zeros(2)) == "the result is of type Broken; expected an array"


def test_a_call_is_written_as_in_code():
    assert describe_call("f", []) == "f()"
    assert describe_call("f", [np.float32(0.5), "a", max, (1,)]) == "f(0.5, 'a', max, (1,))"
    assert describe_call("f", [np.inf, {"a": -np.inf}, np.array(3.5)]) == "f(np.inf, {'a': -np.inf}, np.array(3.5))"
    assert describe_call("f", [object()]) == "f(<object object>)"


@given(
    arrays.arrays(
        st.sampled_from([np.float32, np.float64, np.int8, np.uint8, np.int64, np.bool_]),
        arrays.array_shapes(min_dims=0, min_side=0, max_side=3),
    )
)
def test_an_array_as_code_is_that_array_again(value):
    """A message that one can't paste leaves one to guess the arguments."""
    again = eval(as_code(value), {"np": np})
    assert (again.shape, again.dtype) == (value.shape, value.dtype)
    assert np.array_equal(again, value, equal_nan=value.dtype.kind == "f")


def test_changes_inside_containers_are_found():
    for arguments in ([[np.zeros(2)]], [{"a": np.zeros(2)}], [bytearray(2)], [np.full(2, np.nan)]):
        assert outcome(lambda x: None, arguments).changed == ()
    assert outcome(lambda x: x[0].fill(1), [[np.zeros(2)]]).changed == (0,)
    assert outcome(lambda x: x.clear(), [[1]]).changed == (0,)
    assert outcome(lambda x: x["a"].fill(1), [{"a": np.zeros(2)}]).changed == (0,)
    assert outcome(lambda a, x: x.extend(b"1"), [1, bytearray(2)]).changed == (1,)
