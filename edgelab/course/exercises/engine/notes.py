"""Name usual mistakes by what an answer does, whatever the exercise: transposed, off by one, a constant factor, …"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgelab.course.exercises.engine.compare import alike, plain


def general_note(triples: Sequence[tuple[Any, Any, tuple]], names: Sequence[str] = ()) -> str:
    """Say what is the matter with wrong results as a whole; "" where nothing is known.

    triples: (result, expected result, arguments) of the calls that went wrong. names: the parameters'.

    >>> general_note([(np.zeros((3, 2)), np.zeros((2, 3)), ())])
    'The result is transposed: rows and columns have changed places.'
    """
    given_always = min((len(case) for *_, case in triples), default=0)  # others have defaults
    for i, name in enumerate(names[:given_always]):
        given = [(got, case[i]) for got, _, case in triples]
        if all(alike(got, argument) and _shape(argument) for got, argument in given):
            return f"The result is the argument {name}, unchanged."
    for holds, note in CONTAINERS:
        if triples and all(holds(plain(got), plain(expected)) for got, expected, _ in triples):
            return note
    if triples and all(isinstance(expected, tuple | list) for _, expected, _ in triples):
        return _note_on_parts(triples)
    pairs = [(*_numbers(got, expected), case) for got, expected, case in triples]
    if not pairs or any(got is None for got, *_ in pairs):
        return ""
    for holds, note in SHAPES:
        if all(holds(got, expected) for got, expected, _ in pairs):
            return note
    if any(got.shape != expected.shape for got, expected, _ in pairs):
        return ""
    return _note_on_values(pairs)


def note_on_error(error: BaseException) -> str:
    """Say what usually leads to an error; "" where that is not known.

    >>> note_on_error(ZeroDivisionError("division by zero"))
    'Look at the case in which the divisor is 0.'
    """
    return next((note for words, note in ERRORS.items() if words in str(error)), "")


def _note_on_parts(triples: Sequence[tuple[Any, Any, tuple]]) -> str:
    """Look at the first part of a pair that is wrong, or at all parts of a list that are."""
    if all(not _shape(part) for _, expected, _ in triples for part in expected) and isinstance(triples[0][1], list):
        return general_note([(np.array(got), np.array(expected), case) for got, expected, case in triples])
    if any(not isinstance(got, tuple | list) or len(got) != len(expected) for got, expected, _ in triples):
        return ""
    parts = [
        (i, (g, e, case))
        for got, expected, case in triples
        for i, (g, e) in enumerate(zip(got, expected, strict=True))
        if not alike(g, e)
    ]
    first = min((i for i, _ in parts), default=0)
    return general_note([triple for i, triple in parts if i == first or isinstance(triples[0][1], list)])


def _note_on_values(pairs: list[tuple[np.ndarray, np.ndarray, tuple]]) -> str:
    """Results have the right shapes. Look at all elements of each call, then at the wrong elements of all calls."""
    if any((np.isnan(got) & ~np.isnan(expected)).any() for got, expected, _ in pairs):
        return "NaN comes from 0 / 0, from inf - inf, or from a logarithm or root of a negative number."
    if any((np.isinf(got) & np.isfinite(expected)).any() for got, expected, _ in pairs):
        return "An infinite value comes from a division by 0, a logarithm of 0, or a number that is too large for exp."
    if not all(np.isfinite(got).all() and np.isfinite(expected).all() for got, expected, _ in pairs):
        return ""
    size = sum(got.size for got, *_ in pairs)
    for least, holds, note in VALUES:
        if size >= least and all(holds(got.ravel(), expected.ravel()) for got, expected, _ in pairs):
            return note
    got, expected = (np.concatenate([pair[i].ravel() for pair in pairs]) for i in (0, 1))
    wrong = np.concatenate([~_equal(got, expected).ravel() for got, expected, _ in pairs])
    for holds, note in WRONG_ELEMENTS:
        if wrong.any() and holds(got[wrong], expected[wrong]):
            return note
    if size >= 3 and np.ptp(got) == 0 and np.ptp(expected) > 0:
        return "It is the same for all arguments."
    if size >= 3 and np.ptp(got - expected) <= 4e-6 * max(1.0, float(np.abs(expected).max())):
        return "All values are off by the same amount: a constant is missing, or one too many."
    counts = expected != 0
    if counts.sum() >= 3 and not got[~counts].any():
        return _note_on_factor(got[counts] / expected[counts], pairs)
    return ""


def _note_on_factor(ratios: np.ndarray, pairs: list[tuple[np.ndarray, np.ndarray, tuple]]) -> str:
    if np.allclose(ratios, ratios[0], rtol=1e-5):
        ratio = abs(ratios[0]) if abs(ratios[0]) > 1 else 1 / max(abs(ratios[0]), 1e-300)
        usual = next((way for factor, way in FACTORS.items() if abs(ratio / factor - 1) < 1e-5), "constants and units")
        if abs(ratio - 1) > 1e-5:
            return f"All values are off by the same factor: look at {usual}."
    counts = [{n for a in case for n in (*_shape(a), np.prod(_shape(a), dtype=int))} for *_, case in pairs]
    factors = [np.unique(np.round(got[expected != 0] / expected[expected != 0], 9)) for got, expected, _ in pairs]
    if len(pairs) > 1 and all(f.size == 1 for f in factors):
        for way in (lambda f: f, lambda f: 1 / f if f else 0):
            if all(any(abs(way(float(f[0])) - n) < 1e-6 for n in c) for f, c in zip(factors, counts, strict=True)):
                return "The results are off by a number of elements: is it a sum where a mean is meant, or the reverse?"
    return ""


def _numbers(got: Any, expected: Any) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return both as arrays of floats; None where they are no numbers, or elements have several shapes."""
    try:
        arrays = [np.asarray(plain(value)) for value in (got, expected)]
    except (ValueError, TypeError):
        return None, None
    if any(each.dtype.kind not in "biuf" for each in arrays):
        return None, None
    return arrays[0].astype(float), arrays[1].astype(float)


def _shape(value: Any) -> tuple[int, ...]:
    """Return the shape of an array, of a list that could be one, or () of what could not."""
    try:
        return np.shape(value)
    except ValueError:  # a list whose elements have several shapes
        return (len(value),)


def _equal(got: np.ndarray, expected: np.ndarray) -> np.ndarray:
    scale = max(1e-12, 4e-6 * float(np.abs(expected).max(initial=0)))
    return np.abs(got - expected) <= scale


def _same(got: np.ndarray, expected: np.ndarray) -> bool:
    return got.shape == expected.shape and bool(_equal(got, expected).all())


def _bools(*arrays: np.ndarray) -> bool:
    return all(set(np.unique(each).tolist()) <= {0.0, 1.0} for each in arrays)


def _whole(*arrays: np.ndarray) -> bool:
    return all(bool((each == np.rint(each)).all()) for each in arrays)


def _reversed(got: np.ndarray, expected: np.ndarray) -> bool:
    return got.ndim > 0 and len(got) > 1 and any(_same(np.flip(got, axis), expected) for axis in range(got.ndim))


def _rounded(got: np.ndarray, expected: np.ndarray) -> bool:
    """Few decimals, and each the nearest one."""
    return any(
        np.allclose(got, np.round(got, k), rtol=0, atol=1e-12) and (np.abs(got - expected) <= 0.501 * 10.0**-k).all()
        for k in range(6)
    )


def _other_axis(got: np.ndarray, expected: np.ndarray) -> bool:
    return got.ndim == expected.ndim > 0 and got.shape != expected.shape and got.size != expected.size


def _without_ones(got: np.ndarray, expected: np.ndarray) -> bool:
    return got.shape != expected.shape and _same(got.squeeze(), expected.squeeze())


FACTORS = {2.0: "a 2 or a half", 8.0: "bits and bytes", 100.0: "percent and shares", 1000.0: "milli and kilo"}
ERRORS = {
    "operands could not be broadcast": "Shapes do not fit each other: keepdims=True or [:, None] keeps an axis.",
    "matmul": "Shapes do not fit each other: in a @ b, the last axis of a is as long as the first one of b.",
    "truth value of an array": "An array has no single truth value: use &, | and ~ for elements, or any() or all().",
    "is not defined": "Inside the function, use its parameters, and import what you need.",
    "division by zero": "Look at the case in which the divisor is 0.",
    "out of bounds": "Look at the first and the last index.",
    "out of range": "Look at the first and the last index.",
    "recursion": "The function calls itself without end.",
    "not callable": "Something is called with brackets ( ) that is no function: is an operator missing, or [ ] meant?",
    "unsupported operand": "Two things are computed with that do not go together: a list where an array is needed?",
    "zero-size array": "Look at the case in which nothing is left to take the largest or smallest of.",
    "empty": "Look at the case in which nothing is left to take the largest or smallest of.",
}
# What can be said of two values before they are made numbers: (holds(got, expected), note).
CONTAINERS: list[tuple[Callable[[Any, Any], bool], str]] = [
    (alike, "The values are right; their type is not."),
    (
        lambda g, e: isinstance(e, tuple) and isinstance(g, tuple | list) and len(g) > 1 and alike(tuple(g)[::-1], e),
        "The results are right, but in the wrong order.",
    ),
    (
        lambda g, e: (
            isinstance(e, tuple | list)
            and isinstance(g, tuple | list)
            and len(g) == len(e)
            and all(
                (len(_shape(a)) > 1 and alike(np.transpose(a), b)) or alike(a, b) for a, b in zip(g, e, strict=True)
            )
        ),
        "An array in the result is transposed: rows and columns have changed places.",
    ),
]
# Of numbers in arrays, shapes included.
SHAPES: list[tuple[Callable[[np.ndarray, np.ndarray], bool], str]] = [
    (
        lambda g, e: g.ndim > 1 and g.T.shape == e.shape and _same(g.T, e),
        "The result is transposed: rows and columns have changed places.",
    ),
    (_without_ones, "The values are right; the shape has an axis of length 1 too many or too few."),
    (
        lambda g, e: g.shape != e.shape and g.size == e.size and _same(g.ravel(), e.ravel()),
        "The values are right, but they stand in another shape.",
    ),
    (_reversed, "The right values come in reversed order."),
    (
        lambda g, e: g.ndim == e.ndim > 0 and len(g) == len(e) - 1 and (_same(g, e[1:]) or _same(g, e[:-1])),
        "One element is missing, at the beginning or at the end.",
    ),
    (
        lambda g, e: g.ndim == e.ndim > 0 and len(g) == len(e) + 1 and (_same(g[1:], e) or _same(g[:-1], e)),
        "There is one element too many, at the beginning or at the end.",
    ),
    (
        lambda g, e: e.ndim == 1 and g.shape == e.shape and g.size > 1 and _same(np.sort(g), np.sort(e)),
        "The right values come in another order.",
    ),
    (lambda g, e: g.ndim == 0 and e.ndim > 0, "It is one number for all; one for each element is expected."),
    (lambda g, e: g.ndim > 0 and e.ndim == 0, "It is an array; one number for all is expected."),
    (lambda g, e: g.ndim > e.ndim, "It has more axes than expected: is a sum or a mean over one of them missing?"),
    (lambda g, e: g.ndim < e.ndim, "It has fewer axes than expected: is a sum or a mean over too many of them?"),
    (_other_axis, "The shape is another one: look at the axis over which it is computed, and at the ends of ranges."),
]
# Of the values of each call that went wrong: (how many there must be in all, holds(got, expected), note).
VALUES: list[tuple[int, Callable[[np.ndarray, np.ndarray], bool], str]] = [
    (1, lambda g, e: _bools(g, e) and _same(1 - g, e), "It says the opposite of what is asked."),
    (1, lambda g, e: _whole(g, e) and _same(g - 1, e), "It is one too large each time: off by one."),
    (1, lambda g, e: _whole(g, e) and _same(g + 1, e), "It is one too small each time: off by one."),
    (1, lambda g, e: _same(-g, e), "The sign is the wrong one."),
    (2, lambda g, e: _same(1 - g, e), "It is the complement: what is missing to 1."),
    (
        2,
        lambda g, e: bool((g != 0).all()) and _same(1 / g, e),
        "It is the reciprocal: numerator and denominator have changed places.",
    ),
    (2, lambda g, e: _same(np.sqrt(np.abs(g)), np.abs(e)), "It is the square: a root is missing."),
    (2, lambda g, e: _same(g * g, e), "It is the root: a square is missing."),
    (
        2,
        lambda g, e: not _whole(e) and bool((g == np.trunc(e)).all()),
        "It is cut off to a whole number: look at // and at int.",
    ),
    (3, _rounded, "It is rounded; return the value as it is."),
]
# Of the elements that are wrong.
WRONG_ELEMENTS: list[tuple[Callable[[np.ndarray, np.ndarray], bool], str]] = [
    (
        lambda g, e: _whole(g, e) and e.min() >= -128 and (((g - e) % 256) == 0).all(),
        "Values wrap round: the numbers are larger than eight bits hold. Compute in a wider dtype.",
    ),
    (
        lambda g, e: _whole(g, e) and not _bools(g, e) and (g - e == 1).all(),
        "Where it is wrong, it is one too large: look at the ends of ranges, and at what is rounded up.",
    ),
    (
        lambda g, e: _whole(g, e) and not _bools(g, e) and (e - g == 1).all(),
        "Where it is wrong, it is one too small: look at the ends of ranges, and at what is rounded down.",
    ),
    (
        lambda g, e: _whole(e) and not _whole(g) and (np.abs(g - e) < 1).all(),
        "A part of a whole remains: which way must it be rounded?",
    ),
    (lambda g, e: g.size > 1 and _same(-g, e), "Where it is wrong, the sign is the wrong one."),
    (lambda g, e: g.size > 1 and not g.any() and e.all(), "Where it is wrong, it is 0: is something never filled in?"),
]
