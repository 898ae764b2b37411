"""A pytest plugin beside nbval: a notebook's exercises are tried in its own kernel, among the names that it has there.

`exercises` is the last test of a notebook that has any, after its cells and its budget: stub, solution and each known
mistake of each exercise run as a reader would run them. A solution that needs a name which this notebook does not
have, or has under another meaning, fails here and nowhere else.
"""

import ast
import json
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from nbval.kernel import RunningKernel
from nbval.plugin import IPyNbFile

from edgelab.course.exercises import TAG


def names(notebook: Mapping) -> list[str]:
    """Return the exercises that a notebook's cells are tagged with, in their order.

    >>> names({"cells": [{"metadata": {"tags": ["exercise:device.unfit", "nbval-skip"]}}, {"metadata": {}}]})
    ['device.unfit']
    """
    tags = [tag for cell in notebook["cells"] for tag in cell["metadata"].get("tags", [])]
    return [tag.removeprefix(TAG) for tag in tags if tag.startswith(TAG)]


def ask(kernel: RunningKernel, expression: str, timeout: float) -> str:
    """Return the value of an expression, a string, in a kernel's names. RuntimeError with its error, or with ours."""
    message = kernel.kc.execute(
        "", store_history=False, allow_stdin=False, stop_on_error=False, user_expressions={"value": expression}
    )
    end = time.monotonic() + timeout
    while True:
        if not kernel.is_alive():
            raise RuntimeError("the kernel died")
        if time.monotonic() > end:
            raise RuntimeError(f"no answer within {timeout:.0f} s")
        try:
            reply = kernel.get_message(stream="shell", timeout=1)
        except Empty:
            continue
        if reply["parent_header"].get("msg_id") == message:
            break
    value = reply["content"].get("user_expressions", {}).get("value", reply["content"])
    if value["status"] != "ok":
        raise RuntimeError(f"{value.get('ename')}: {value.get('evalue')}")
    return ast.literal_eval(value["data"]["text/plain"])


class ExercisesItem(pytest.Item):
    """The test of a notebook's exercises, while its kernel still runs.

    >>> ExercisesItem.__mro__[1] is pytest.Item
    True
    """

    def runtest(self) -> None:
        """Try them all in the kernel and fail with every complaint."""
        notebook = self.parent
        # By __import__: the names of the notebook must neither be needed nor changed.
        call = f"__import__('edgelab.course.exercises', fromlist='_').complaints({names(notebook.nb)!r}, globals())"
        try:
            found = json.loads(
                ask(notebook.kernel, f"__import__('json').dumps({call})", self.config.option.nbval_cell_timeout)
            )
        except RuntimeError as error:
            found = [str(error)]
        if found:
            raise AssertionError("\n".join(f"{notebook.path.name}: {complaint}" for complaint in found))

    def repr_failure(self, excinfo: pytest.ExceptionInfo) -> str:
        """Show the complaints alone: the traceback is ours, not the notebook's."""
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Name the test in reports."""
        return self.path, None, f"{self.path.name}::exercises"


@pytest.hookimpl(wrapper=True, tryfirst=True)  # the outermost wrapper adds last: behind the budget
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, pytest.CollectReport]:
    """Add the test of exercises to a notebook that has any."""
    report = yield
    if isinstance(collector, IPyNbFile) and report.passed and names(collector.nb):
        report.result = [*report.result, ExercisesItem.from_parent(collector, name="exercises")]
    return report
