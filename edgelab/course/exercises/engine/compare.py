"""Compare what two functions do with the same arguments; say where they differ, and never give the right value away."""

import inspect
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from edgelab.course.exercises.engine.call import Outcome, TooLate

KINDS = {"b": "bools", "i": "integers", "u": "unsigned integers", "f": "floats", "c": "complex numbers", "U": "texts"}
# Types of what an exercise may return, in the order in which they are asked for: a bool is an int to Python.
TYPES = (
    ("a bool", (bool, np.bool_)),
    ("an int", (int, np.integer)),
    ("a float", (float, np.floating)),
    ("a complex number", (complex, np.complexfloating)),
    ("a text", str),
    ("bytes", bytes),
    ("a tuple", tuple),
    ("a list", list),
    ("a dict", dict),
    ("a set", (set, frozenset)),
)
NUMBERS = ("a bool", "an int", "a float", "a complex number")


class Unreadable(Exception):
    """A result can't be read as what it should be; the error's words follow the call: "is not JSON".

    >>> str(Unreadable("is not JSON"))
    'is not JSON'
    """


def disagreement(
    got: Outcome, expected: Outcome, call: str, names: Sequence[str] = (), rtol: float = 1e-6, exact: bool = False
) -> str:
    """Say in what one call differs from another; "" in nothing. The expected value stands nowhere in it.

    call: how the text names the call, as from `describe_call`. names: the parameters'. rtol, exact: see `difference`.

    >>> disagreement(Outcome(4), Outcome(3), "f(2)")
    'f(2) is too large'
    """
    if isinstance(got.error, TooLate):
        return f"{call} has not ended after {got.error.args[0]:g} seconds: look for a loop that never ends"
    if expected.error is not None:
        if isinstance(got.error, type(expected.error)):
            return ""
        does = "raises " + _error(got.error) if got.error is not None else "returns a result"
        return f"{call} {does}; it should raise {type(expected.error).__name__}"
    if isinstance(got.error, Unreadable):
        return f"{call} {got.error}"
    if got.error is not None:
        return f"{call} raises {_error(got.error)}"
    if got.changed != expected.changed:
        wrong = sorted(set(got.changed) ^ set(expected.changed))
        which = ", ".join(names[i] if i < len(names) else f"number {i + 1}" for i in wrong)
        return f"{call} changes its argument {which} in place; work on a copy"
    return difference(got.value, expected.value, call, rtol, exact)


def difference(got: Any, expected: Any, what: str = "the result", rtol: float = 1e-6, exact: bool = False) -> str:
    """Say in what a value differs from the expected one (type, shape, dtype, which element, which way); "" in nothing.

    Numbers, texts, arrays, and tuples, lists, sets or dicts of them. A float may come as an int, a tuple as a list or
    an array. An array of floats may come in any dtype with the same values; bools must be bools, integers integers,
    and integers of 8 or 16 bits of that dtype. exact: the task names the dtype, so all dtypes count.

    >>> difference(np.array([1.0, 2.5]), np.array([1.0, 2.0]))
    'the result[1] is too large (1 of 2 elements differ)'
    """
    got, expected = plain(got), plain(expected)
    if got is None:
        return f"{what} is None (no return?)"
    if isinstance(got, Iterator) or (callable(got) and not callable(expected)) or inspect.isawaitable(got):
        return f"{what} is {_type(got)}; return {_wanted(expected)}"
    if isinstance(expected, tuple | list):
        if not isinstance(got, tuple | list) and not (isinstance(got, np.ndarray) and got.ndim):
            return f"{what} is {_type(got)}; expected {_type(expected)}"
        if len(got) != len(expected):
            return f"{what} has {len(got)} elements; expected {len(expected)}"
        pairs = enumerate(zip(got, expected, strict=True))
        return next(filter(None, (difference(g, e, f"{what}[{i}]", rtol, exact) for i, (g, e) in pairs)), "")
    if isinstance(expected, dict) and isinstance(got, dict):
        if got.keys() != expected.keys():
            return f"{what} has the keys {sorted(map(str, got))}; expected {sorted(map(str, expected))}"
        parts = (difference(got[key], expected[key], f"{what}: {key}", rtol, exact) for key in expected)
        return next(filter(None, parts), "")
    if isinstance(expected, np.ndarray):
        return _array_difference(got, expected, what, rtol, exact)
    if _type(expected) == "a float" and isinstance(got, Fraction | Decimal):
        got = float(got)
    if _type(got) != _type(expected) and (_type(got), _type(expected)) != ("an int", "a float"):
        return f"{what} is {_type(got)}; expected {_type(expected)}"
    if isinstance(expected, str | bytes):
        seen = f" is {got!r}," if len(got) <= 20 else " is"
        return "" if got == expected else f"{what}{seen} wrong from character {_first_other(got, expected) + 1} on"
    if _type(expected) == "a float" and isinstance(got, int):
        got = np.float64(got) if abs(got) < 2**1000 else np.copysign(np.inf, got > 0 or -1)  # NumPy knows no larger
    if _type(expected) in NUMBERS:
        return _number_difference(np.asarray(got), np.asarray(expected), what, rtol)
    return "" if got == expected else f"{what} is another {type(expected).__name__}"


def alike(one: Any, other: Any, rtol: float = 1e-6) -> bool:
    """Whether two values are the same numbers or texts in the same shape; types and dtypes aside.

    >>> alike([1, 2.0], np.array([1, 2])), alike(True, 1), alike([1, 2], [2, 1])
    (True, True, False)
    """
    one, other = plain(one), plain(other)
    try:
        if isinstance(one, dict) and isinstance(other, dict):
            return one.keys() == other.keys() and all(alike(one[key], other[key], rtol) for key in one)
        a, b = (np.asarray(x) for x in (one, other))
        if a.dtype.kind in "biufc" and b.dtype.kind in "biufc":
            kind = complex if "c" in a.dtype.kind + b.dtype.kind else float
            return a.shape == b.shape and bool(close(a.astype(kind), b.astype(kind), max(rtol, 4e-6)).all())
    except (ValueError, TypeError, OverflowError):  # elements of several shapes, or no numbers
        pass
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(alike(a, b, rtol) for a, b in zip(one, other, strict=True))
    try:
        return type(one) is type(other) and bool(one == other)
    except ValueError:
        return False


def plain(value: Any) -> Any:
    """Return a tensor as an array, and an array without axes as a number.

    >>> plain(np.array(3.0))
    np.float64(3.0)
    """
    if hasattr(value, "__array__") and not isinstance(value, np.generic | type):
        try:
            value = np.asarray(value)
        except Exception:  # then it is none of ours, and is named by its type
            return value
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value


def close(got: np.ndarray, expected: np.ndarray, rtol: float) -> np.ndarray:
    """Return which elements are equal, floats up to rounding. Both of one shape.

    >>> close(np.array([1.0, 2.0]), np.array([1.0 + 1e-9, 2.1]), 1e-6).tolist()
    [True, False]
    """
    if expected.dtype.kind not in "fc":
        return np.asarray(got == expected)
    # Sums in another order differ by a few roundings of the dtype in which they were made, measured by the largest
    # element: one that cancels to almost nothing is as uncertain as those it came from. 1e-12: a result that is 0
    # leaves nothing to measure by, and rounding of numbers near 1 stays below it.
    for dtype in (got.dtype, expected.dtype):
        if dtype.kind == "f" and (dtype.itemsize == 4 or dtype == expected.dtype):
            rtol = max(rtol, 32 * float(np.finfo(dtype).eps) if dtype.itemsize < 8 else 0)
    finite = np.abs(expected[np.isfinite(expected)])
    atol = max(rtol * float(finite.max(initial=0)), 1e-12)
    return np.isclose(got, expected, rtol=0, atol=atol, equal_nan=True)


def _error(error: BaseException) -> str:
    """Return an error's name and first line, without addresses in memory: they are others in each process."""
    lines = str(error).strip().splitlines() or [""]
    text = re.sub(r" at 0x\w+", "", lines[0])[:160]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _type(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if inspect.isawaitable(value):
        return "a coroutine"
    if isinstance(value, Iterator):
        return f"a {type(value).__name__}, which makes its elements later"
    return next((name for name, types in TYPES if isinstance(value, types)), f"of type {type(value).__name__}")


def _wanted(value: Any) -> str:
    return "a NumPy array" if isinstance(value, np.ndarray) else _type(value)


def _array_difference(got: Any, expected: np.ndarray, what: str, rtol: float, exact: bool) -> str:
    if isinstance(got, tuple | list):
        return f"{what} is {_type(got)}; expected an array: return a NumPy array"
    if not isinstance(got, np.ndarray):
        return f"{what} is {_type(got)}; expected an array"
    if got.shape != expected.shape:
        return f"{what} has shape {got.shape}; expected {expected.shape}"
    kinds = got.dtype.kind, expected.dtype.kind
    counts = exact or (kinds[1] in "iu" and expected.dtype.itemsize < 4)
    if kinds[0] != kinds[1] and not (kinds[1] == "f" and kinds[0] in "iu" and not exact):
        names = [KINDS.get(array.dtype.kind, f"dtype {array.dtype}") for array in (got, expected)]
        return f"{what} holds {names[0]} ({got.dtype}); expected {names[1]}"
    if counts and got.dtype != expected.dtype:
        return f"{what} has dtype {got.dtype}; expected {expected.dtype}"
    return _number_difference(got, expected, what, rtol)


def _number_difference(got: np.ndarray, expected: np.ndarray, what: str, rtol: float) -> str:
    """Name the first element that is off, and the way. Both of the same shape; () for numbers."""
    wrong = ~close(got, expected, rtol)
    if not wrong.any():
        return ""
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    a, b = got[first], expected[first]
    if expected.dtype.kind in "bcU":
        way = {"b": "has the wrong truth value", "c": "is off", "U": "is another text"}[expected.dtype.kind]
    elif a != a:
        way = "is NaN"
    elif b != b:
        way = "is a number; expected NaN"
    else:
        way = ("is too large" if a > b else "is too small") + (" (infinite)" if a in (np.inf, -np.inf) else "")
    where = f"{what}[{', '.join(map(str, first))}]" if first else what
    return f"{where} {way}" + (f" ({int(wrong.sum())} of {wrong.size} elements differ)" if wrong.size > 1 else "")


def _first_other(got: Any, expected: Any) -> int:
    pairs = zip(got, expected, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(got), len(expected)))
