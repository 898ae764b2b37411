"""Compare what two functions do with the same arguments; say where they differ, and never give the right value away."""

import copy
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

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
)


class Outcome(NamedTuple):
    """What a call did: the value it returned or the error it raised, and the positions of arguments it changed.

    >>> Outcome(value=3).changed
    ()
    """

    value: Any = None
    error: BaseException | None = None
    changed: tuple[int, ...] = ()


def outcome(function: Callable, arguments: Sequence) -> Outcome:
    """Call a function with copies of the arguments, its warnings hushed; return what it did, also where it raised.

    Ctrl-C goes through.

    >>> outcome(lambda x: x.fill(1), [np.zeros(3)]).changed
    (0,)
    """
    given = copy.deepcopy(list(arguments))
    value, error = None, None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            value = function(*given)
        except (Exception, SystemExit) as raised:
            error = raised
    changed = [i for i, (old, new) in enumerate(zip(arguments, given, strict=True)) if not _unchanged(old, new)]
    return Outcome(value, error, tuple(changed))


def disagreement(got: Outcome, expected: Outcome, call: str, names: Sequence[str] = (), rtol: float = 1e-6) -> str:
    """Say in what one call differs from another; "" in nothing. The expected value stands nowhere in it.

    call: how the text names the call, as from `describe_call`. names: the parameters'. rtol: relative, for floats.

    >>> disagreement(Outcome(4), Outcome(3), "f(2)")
    'f(2) is too large'
    """
    if expected.error is not None:
        if isinstance(got.error, type(expected.error)):
            return ""
        does = "raises " + _error(got.error) if got.error is not None else "returns a result"
        return f"{call} {does}; it should raise {type(expected.error).__name__}"
    if got.error is not None:
        return f"{call} raises {_error(got.error)}"
    if got.changed != expected.changed:
        wrong = sorted(set(got.changed) ^ set(expected.changed))
        which = ", ".join(names[i] if i < len(names) else f"number {i + 1}" for i in wrong)
        return f"{call} changes its argument {which} in place; work on a copy"
    return difference(got.value, expected.value, call, rtol)


def difference(got: Any, expected: Any, what: str = "the result", rtol: float = 1e-6) -> str:
    """Say in what a value differs from the expected one (type, shape, dtype, which element, which way); "" in nothing.

    Numbers, texts, arrays, and tuples or lists of them. A float may come as an int; a tuple as a list; an array's
    dtype counts by its kind, and exactly where integers or floats are narrower than 32 bits, which one means.

    >>> difference(np.array([1.0, 2.5]), np.array([1.0, 2.0]))
    'the result[1] is too large (1 of 2 elements differ)'
    """
    got, expected = _plain(got), _plain(expected)
    if got is None:
        return f"{what} is None (no return?)"
    if isinstance(expected, tuple | list):
        if not isinstance(got, tuple | list):
            return f"{what} is {_type(got)}; expected {_type(expected)}"
        if len(got) != len(expected):
            return f"{what} has {len(got)} elements; expected {len(expected)}"
        parts = (difference(g, e, f"{what}[{i}]", rtol) for i, (g, e) in enumerate(zip(got, expected, strict=True)))
        return next(filter(None, parts), "")
    if isinstance(expected, np.ndarray):
        return _array_difference(got, expected, what, rtol)
    if _type(got) != _type(expected) and (_type(got), _type(expected)) != ("an int", "a float"):
        return f"{what} is {_type(got)}; expected {_type(expected)}"
    if isinstance(expected, str | bytes):
        return "" if got == expected else f"{what} is wrong from character {_first_other(got, expected) + 1} on"
    if _type(expected) == "a float" and isinstance(got, int):
        got = np.float64(got) if abs(got) < 2**1000 else np.copysign(np.inf, got > 0 or -1)  # NumPy knows no larger
    if _type(expected) in dict(TYPES):
        return _number_difference(np.asarray(got), np.asarray(expected), what, rtol)
    return "" if got == expected else f"{what} is another {type(expected).__name__}"


def describe_call(name: str, arguments: Sequence) -> str:
    """Write a call as in code; large arrays by dtype and shape.

    >>> describe_call("f", [2, np.array([1, 2]), np.zeros((28, 28), np.float32)])
    'f(2, array([1, 2]), float32 array (28, 28))'
    """
    return f"{name}({', '.join(_argument(argument) for argument in arguments)})"


def _argument(value: Any, most: int = 6) -> str:
    """Write one argument; of a list at most so many elements."""
    if isinstance(value, np.ndarray):
        if value.size > (6 if value.dtype.kind in "fc" else 12):
            return f"{value.dtype} array {value.shape}"
        text = _argument(value.tolist(), most=12)
        return f"array({text})" if value.dtype in (np.float64, np.int64, np.bool_) else f"array({text}, {value.dtype})"
    if isinstance(value, tuple | list):
        inside = ", ".join(_argument(element, most) for element in value[:most]) + ", …" * (len(value) > most)
        return f"({inside}{',' * (len(value) == 1)})" if isinstance(value, tuple) else f"[{inside}]"
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return f"{value:.6g}"
    text = getattr(value, "__name__", None) or re.sub(r" at 0x\w+", "", repr(value))
    return text if len(text) <= 60 else f"{text[:60]}…"


def _error(error: BaseException) -> str:
    """Return an error's name and first line, without addresses in memory: they are others in each process."""
    lines = str(error).strip().splitlines() or [""]
    text = re.sub(r" at 0x\w+", "", lines[0])[:160]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _plain(value: Any) -> Any:
    """Return a tensor as an array, and an array without axes as a number."""
    if hasattr(value, "__array__") and not isinstance(value, np.ndarray | np.generic | type):
        try:
            value = np.asarray(value)
        except Exception:  # then it is none of ours, and is named by its type
            return value
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value


def _type(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    return next((name for name, types in TYPES if isinstance(value, types)), f"of type {type(value).__name__}")


def _array_difference(got: Any, expected: np.ndarray, what: str, rtol: float) -> str:
    if not isinstance(got, np.ndarray):
        return f"{what} is {_type(got)}; expected an array"
    if got.shape != expected.shape:
        return f"{what} has shape {got.shape}; expected {expected.shape}"
    if got.dtype.kind != expected.dtype.kind:
        names = [KINDS.get(array.dtype.kind, f"dtype {array.dtype}") for array in (got, expected)]
        return f"{what} holds {names[0]}; expected {names[1]}"
    if got.dtype != expected.dtype and expected.dtype.kind in "iuf" and expected.dtype.itemsize < 4:
        return f"{what} has dtype {got.dtype}; expected {expected.dtype}"
    return _number_difference(got, expected, what, rtol)


def _number_difference(got: np.ndarray, expected: np.ndarray, what: str, rtol: float) -> str:
    """Name the first element that is off, and the way. Both of the same shape; () for numbers."""
    wrong = ~_close(got, expected, rtol)
    if not wrong.any():
        return ""
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    a, b = got[first], expected[first]
    if expected.dtype.kind in "bcU":
        way = {"b": "has the wrong truth value", "c": "is off", "U": "is another text"}[expected.dtype.kind]
    elif a != a:
        way = "is NaN"
    elif b != b:
        way = "is a number, where only NaN is true"
    else:
        way = "is too large" if a > b else "is too small"
    where = f"{what}[{', '.join(map(str, first))}]" if first else what
    return f"{where} {way}" + (f" ({int(wrong.sum())} of {wrong.size} elements differ)" if wrong.size > 1 else "")


def _close(got: np.ndarray, expected: np.ndarray, rtol: float) -> np.ndarray:
    if expected.dtype.kind not in "fc":
        return np.asarray(got == expected)
    # Sums in another order differ by a few roundings of the dtype in which the right result comes, measured by the
    # largest element: one that cancels to almost nothing is as uncertain as those it came from. 1e-12: a result that
    # is 0 leaves nothing to measure by, and rounding of numbers near 1 stays below it.
    rtol = max(rtol, 32 * float(np.finfo(expected.dtype).eps) if expected.dtype.itemsize < 8 else 0)
    finite = np.abs(expected[np.isfinite(expected)])
    atol = max(rtol * float(finite.max(initial=0)), 1e-12)
    return np.isclose(got, expected, rtol=0, atol=atol, equal_nan=True)


def _first_other(got: Any, expected: Any) -> int:
    pairs = zip(got, expected, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(got), len(expected)))


def _unchanged(old: Any, new: Any) -> bool:
    """Whether a copied argument is still what it was; of what is neither array nor container, it always is."""
    if isinstance(old, np.ndarray):
        same = old.shape == new.shape and old.dtype == new.dtype
        return same and np.array_equal(old, new, equal_nan=old.dtype.kind in "fc")
    if isinstance(old, list | tuple):
        return len(old) == len(new) and all(map(_unchanged, old, new))
    if isinstance(old, dict):
        return list(old) == list(new) and all(_unchanged(old[key], new[key]) for key in old)
    return not isinstance(old, bytearray | set) or old == new
