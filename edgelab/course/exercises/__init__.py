"""The exercises, one module a notebook, a file or a folder of files.

In a notebook: from edgelab.course.exercises import convolution as exercise.
"""

import importlib
import pkgutil
from collections.abc import Iterable
from typing import Any

from edgelab.course.exercises.engine.check import Exercise

NO_EXERCISES = {"engine", "_cases"}  # what else lies here
TAG = "exercise:"  # of a notebook's cell: exercise:convolution.layers_needed


def modules() -> list[str]:
    """Return the names of the modules that hold exercises, one for each notebook.

    >>> "train_mnist" in modules()
    True
    """
    return sorted({module.name for module in pkgutil.iter_modules(__path__)} - NO_EXERCISES)


def exercises(module: str) -> list[Exercise]:
    """Return the exercises of a module, in the order in which it names them.

    >>> [each.module for each in exercises("train_mnist")][:1]
    ['train_mnist']
    """
    found = vars(importlib.import_module(f"{__name__}.{module}")).values()
    return [each for each in found if isinstance(each, Exercise) and each.module == module]


def find(name: str) -> Exercise:
    """Return an exercise by the name that its cell's tag has after `exercise:`, e.g. convolution.layers_needed.

    Raises ValueError where there is none, saying which there are.

    >>> find("train_mnist.steps_in_an_epoch")
    <exercise train_mnist.steps_in_an_epoch: check(answer), hint(), solution(), inputs()>
    """
    module, _, function = name.partition(".")
    known = {each.name: each for each in exercises(module)} if module in modules() else {}
    if function not in known:
        there = ", ".join(f"{module}.{each}" for each in known) or f"modules {', '.join(modules())}"
        raise ValueError(f"no exercise {name}; there are: {there}")
    return known[function]


def complaints(names: Iterable[str], namespace: dict[str, Any]) -> list[str]:
    """Try each exercise as a reader would, among the names that the notebook has; say what goes wrong, [] nothing.

    The stub must be unanswered, the solution right, each known mistake wrong in its own words.
    namespace: what answers may use, a notebook's globals(); it is not changed.

    >>> complaints(["train_mnist.steps_in_an_epoch"], {})
    []
    """
    found = []
    for name in names:
        one = find(name)
        tries = [("the stub", one.stub, "unanswered", "not answered yet"), ("the solution", one.source, "right", "")]
        tries += [(f"the mistake {m.old!r} -> {m.new!r}", one.mistaken(m), "wrong", m.says) for m in one.mistakes]
        for what, source, state, words in tries:
            try:
                verdict = one.verdict(one.compiled(source, namespace))
            except Exception as error:  # each complaint counts, not the first alone
                found.append(f"{name}: {what} stops with {type(error).__name__}: {error}")
                continue
            if verdict.state != state or words not in verdict.message:
                expected = f"{state}, {words!r}" if words else state
                found.append(f"{name}: {what} is {verdict.state} ({verdict.message}); expected {expected}")
    return found
