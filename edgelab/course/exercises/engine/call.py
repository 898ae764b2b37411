"""Call a function with copies of its arguments, for a limited time; say what it did, and write the call as code."""

import contextlib
import copy
import ctypes
import inspect
import io
import math
import re
import signal
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

SECONDS = 10.0  # for one call: each takes milliseconds, on a slow machine a tenth of a second
KEPT = 200  # characters of what an answer prints


class Outcome(NamedTuple):
    """What a call did: the value it returned or the error it raised, which arguments it changed, what it printed.

    >>> Outcome(value=3).changed
    ()
    """

    value: Any = None
    error: BaseException | None = None
    changed: tuple[int, ...] = ()
    printed: str = ""


class TooLate(BaseException):
    """A call has not ended after so many seconds, its only argument.

    Not an Exception, so that an answer's `except Exception` does not catch it.

    >>> issubclass(TooLate, Exception)
    False
    """


def outcome(function: Callable, arguments: Sequence, seconds: float | None = None) -> Outcome:
    """Call a function with copies of the arguments, its warnings and prints hushed; return what it did.

    Where it raised, the error is in the outcome: TooLate where it had not ended after so many seconds (None: SECONDS).
    Ctrl-C goes through.

    >>> outcome(lambda x: x.fill(1), [np.zeros(3)]).changed
    (0,)
    """
    given = copy.deepcopy(list(arguments))
    printed = _Printed()
    value, error = None, None

    def call() -> Any:
        with np.errstate(all="ignore"):
            return function(*given)

    with warnings.catch_warnings(), contextlib.redirect_stdout(printed):
        warnings.simplefilter("ignore")
        try:
            value = _copied(within(SECONDS if seconds is None else seconds, call))
        except KeyboardInterrupt:
            raise
        except BaseException as raised:  # SystemExit and TooLate as well
            error = raised
    changed = [i for i, (old, new) in enumerate(zip(arguments, given, strict=True)) if not _unchanged(old, new)]
    return Outcome(value, error, tuple(changed), printed.text)


def within(seconds: float, function: Callable[[], Any]) -> Any:
    """Return what a function returns; raise TooLate where it has not ended after so many seconds.

    The main thread is interrupted by an alarm. Where there is none (Windows, other threads), the call runs in a
    thread of its own. Code in C ends first, then the exception is raised.

    >>> within(1, lambda: 3)
    3
    """
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        return _by_alarm(seconds, function)
    return _in_a_thread(seconds, function)


def as_code(value: Any) -> str:
    """Write a value as code that one can paste where `np` is NumPy. A function is written as its name.

    >>> as_code([2, np.array([1, 2], np.int8), np.zeros((28, 28)), float("inf")])
    '[2, np.array([1, 2], dtype=np.int8), np.zeros((28, 28)), np.inf]'
    """
    if isinstance(value, np.ndarray):
        return _array_as_code(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "np.nan" if value != value else "np.inf" if value > 0 else "-np.inf"
    if type(value) in (tuple, list):
        inside = ", ".join(map(as_code, value))
        return f"({inside}{',' * (len(value) == 1)})" if isinstance(value, tuple) else f"[{inside}]"
    if type(value) is dict:
        return f"{{{', '.join(f'{as_code(key)}: {as_code(each)}' for key, each in value.items())}}}"
    if isinstance(value, str | bytes | int | float | complex) or value is None:
        return repr(value)
    return getattr(value, "__name__", None) or re.sub(r" at 0x\w+", "", repr(value))


def describe_call(name: str, arguments: Sequence) -> str:
    """Write a call as code.

    >>> describe_call("f", [2, np.array([0.5, 1.0]), True])
    'f(2, np.array([0.5, 1.0]), True)'
    """
    return f"{name}({', '.join(map(as_code, arguments))})"


def why_not_to_call(answer: Any, parameters: Sequence[str]) -> str:
    """Say why an answer can't even be called with arguments for these parameters; "" where it can.

    >>> why_not_to_call(lambda size: 1, ("size", "kernel"))
    'The answer takes (size); it is called with (size, kernel)'
    """
    if isinstance(answer, type):
        return f"The answer is the class {answer.__name__}; expected a function"
    if not callable(answer):
        return f"The answer is {as_code(answer)[:60]}; expected a function"
    if inspect.iscoroutinefunction(answer) or inspect.isasyncgenfunction(answer):
        return "The answer is an async function, which returns a coroutine; write def without async"
    if inspect.isgeneratorfunction(answer):
        return "The answer has a yield, so it returns a generator; collect the values and return them"
    try:
        inspect.signature(answer).bind(*parameters)
    except TypeError:
        takes = ", ".join(inspect.signature(answer).parameters)
        return f"The answer takes ({takes}); it is called with ({', '.join(parameters)})"
    except ValueError:  # some functions in C tell nobody; calling them will show
        pass
    return ""


class _Printed(io.TextIOBase):
    """Keep the beginning of what is printed: an endless loop that prints must not fill the memory."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text[: max(0, KEPT - len(self.text))]
        return len(text)


def _by_alarm(seconds: float, function: Callable[[], Any]) -> Any:
    running = True

    def ring(number: int, frame: Any) -> None:
        if running:
            raise TooLate(seconds)

    before, begun = signal.signal(signal.SIGALRM, ring), time.monotonic()
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)  # and again: `except:` may have caught one
    try:
        return function()
    finally:
        running = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if before is None else before)
        if left:  # another alarm was set, by a test's time limit for instance
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - begun), 1e-3), interval)


def _in_a_thread(seconds: float, function: Callable[[], Any]) -> Any:
    done: list[tuple[Any, BaseException | None]] = []

    def work() -> None:
        try:
            done.append((function(), None))
        except BaseException as error:
            done.append((None, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    end = time.monotonic() + seconds
    try:
        while thread.is_alive() and time.monotonic() < end:
            thread.join(0.05)  # in short pieces: between them Ctrl-C comes through
    finally:
        if thread.is_alive():
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(TooLate))
    if not done:
        raise TooLate(seconds)
    value, error = done[0]
    if error is not None:
        raise error
    return value


def _copied(value: Any) -> Any:
    """Return a copy: an answer may fill the same array again in its next call. What can't be copied stays."""
    try:
        return copy.deepcopy(value)
    except Exception:  # a generator, for instance; comparing will name its type
        return value


def _array_as_code(value: np.ndarray) -> str:
    plain = value.dtype in (np.float64, np.int64, np.bool_)
    dtype = "" if plain else f", dtype=np.{value.dtype}"
    if value.size > 4 and value.dtype.kind in "fiu" and not value.any():
        return f"np.zeros({value.shape if value.ndim > 1 else value.size}{dtype or _dtype(value, np.float64)})"
    if not value.size:
        return f"np.zeros({value.shape}{dtype or _dtype(value, np.float64)})"
    return f"np.array({as_code(value.tolist())}{dtype})"


def _dtype(value: np.ndarray, usual: type) -> str:
    return "" if value.dtype == usual else f", dtype={'bool' if value.dtype == np.bool_ else f'np.{value.dtype}'}"


def _unchanged(old: Any, new: Any) -> bool:
    """Whether a copied argument is still what it was; of what is neither array nor container, it always is."""
    if isinstance(old, np.ndarray):
        same = old.shape == new.shape and old.dtype == new.dtype
        return same and np.array_equal(old, new, equal_nan=old.dtype.kind in "fc")
    if isinstance(old, list | tuple):
        return len(old) == len(new) and all(map(_unchanged, old, new))
    if isinstance(old, dict):
        return list(old) == list(new) and all(_unchanged(old[key], new[key]) for key in old)
    if isinstance(old, float) and old != old:
        return isinstance(new, float) and new != new
    return not isinstance(old, bytearray | set | int | float | str | bytes) or (type(old) is type(new) and old == new)
