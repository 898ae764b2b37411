"""A pytest plugin beside nbval: each notebook runs in an empty folder of its own, and keeps to its budget.

nbval starts a notebook's kernel before its first cell and stops it after its last test. The plugin adds that last
test, `budget`: the kernel's peak memory and the time against the notebook's metadata.edgelab.budget, and nothing left
in the folder. It imports the package's own measure, so that `edgelab store` and the tests agree. Where several
processes share the notebooks, the longest ones begin.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from functools import partial
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from nbval.kernel import RunningKernel
from nbval.plugin import IPyNbFile

from edgelab.course.notebooks.execute import peak_mb

# A shared machine is easily half as fast as the one that a budget was measured on.
TIME_FACTOR = 2
# EDGELAB_ARTIFACTS: a reader's own models. PYTHONDONTWRITEBYTECODE: TensorFlow would compile itself at each import.
# PYTEST_CURRENT_TEST: ipykernel leaves descriptors 1 and 2 alone under it, as it does for no reader.
UNSET = ("EDGELAB_ARTIFACTS", "PYTHONDONTWRITEBYTECODE", "PYTEST_CURRENT_TEST")

STARTED = pytest.StashKey[float]()
FOLDER = pytest.StashKey[tempfile.TemporaryDirectory]()


def complaints(budget: Mapping, seconds: float, peak: float, left: list[str]) -> list[str]:
    """Say in which ways a notebook broke its rules; [] when in none.

    budget: {"seconds", "memory_mb"} of its metadata. seconds, peak (MB): as measured. left: files in its folder.

    >>> complaints({"seconds": 10, "memory_mb": 300}, seconds=19.0, peak=412.0, left=[])
    ['peak memory 412 MB, allowed 300 MB']
    """
    try:
        allowed_seconds, allowed_mb = TIME_FACTOR * float(budget["seconds"]), float(budget["memory_mb"])
    except (KeyError, TypeError, ValueError):
        return [
            f"no budget: metadata.edgelab.budget is {budget!r}; "
            'expected {"seconds": 120, "memory_mb": 1000} or less, as the notebook needs'
        ]
    found = []
    if peak > allowed_mb:
        found.append(f"peak memory {peak:.0f} MB, allowed {allowed_mb:.0f} MB")
    if seconds > allowed_seconds:
        found.append(f"took {seconds:.1f} s, allowed {allowed_seconds:.1f} s ({TIME_FACTOR} times its budget)")
    if left:
        found.append(f"left files in its folder: {', '.join(left)}; expected none (edgelab.artifacts.keep keeps files)")
    return found


def waited(pid: int) -> float:
    """Return for how many seconds a process was ready to run and had no processor; 0.0 where the system keeps no count.

    Of its main thread, in /proc/PID/schedstat: what another notebook beside it costs is no part of its own time.

    >>> waited(os.getpid()) >= 0
    True
    """
    counts = Path(f"/proc/{pid}/schedstat")
    return int(counts.read_text().split()[1]) / 1e9 if counts.is_file() else 0.0


class BudgetItem(pytest.Item):
    """The test after a notebook's last cell, while its kernel still runs.

    >>> BudgetItem.__mro__[1] is pytest.Item
    True
    """

    def runtest(self) -> None:
        """Measure the kernel and fail with every complaint."""
        notebook = self.parent
        pid = notebook.kernel.km.provisioner.pid
        peak = peak_mb(pid)
        seconds = time.monotonic() - notebook.stash[STARTED] - waited(pid)
        left = sorted(os.listdir(notebook.stash[FOLDER].name))
        budget = notebook.nb.metadata.get("edgelab", {}).get("budget")
        found = complaints(budget, seconds, peak, left)
        if found:
            raise AssertionError("\n".join(f"{notebook.path.name}: {complaint}" for complaint in found))

    def repr_failure(self, excinfo: pytest.ExceptionInfo) -> str:
        """Show the complaints alone: the traceback is ours, not the notebook's."""
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Name the test in reports."""
        return self.path, None, f"{self.path.name}::budget"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort notebooks by their recorded cost, where several processes share them: none is left with a long one alone."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: -_recorded_seconds(item))


def _recorded_seconds(item: pytest.Item) -> float:
    """Return what running a test's notebook cost when it was stored; 0.0 for what is no notebook, or has no cost."""
    if not isinstance(item.parent, IPyNbFile):
        return 0.0
    try:
        return float(item.parent.nb.metadata["edgelab"]["cost"]["seconds"])
    except (KeyError, TypeError, ValueError):
        return 0.0


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, pytest.CollectReport]:
    """Add the budget test after a notebook's cells."""
    report = yield
    if isinstance(collector, IPyNbFile) and report.passed:
        report.result = [*report.result, BudgetItem.from_parent(collector, name="budget")]
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Where this starts a notebook's kernel: as a reader's, in an empty folder, the clock running."""
    notebook = item.parent
    if not isinstance(notebook, IPyNbFile) or STARTED in notebook.stash:
        return (yield)
    notebook.stash[STARTED] = time.monotonic()
    notebook.setup = partial(_start, notebook.setup)  # in there pytest has set its own variable already
    result = yield
    # Below the clone, not in the system's temporary folder: data/ is looked for upwards from here.
    build = item.config.rootpath / "build"
    build.mkdir(exist_ok=True)
    prefix = f".{notebook.path.stem}-{_controller(item.config)}-"
    folder = tempfile.TemporaryDirectory(dir=build, prefix=prefix, ignore_cleanup_errors=True)
    notebook.stash[FOLDER] = folder
    notebook.kernel.await_reply = partial(_await_reply, notebook.kernel, notebook.kernel.await_reply)
    message = notebook.kernel.execute_cell_input(f"__import__('os').chdir({folder.name!r})", allow_stdin=False)
    notebook.kernel.await_reply(message, timeout=60)
    return result


def _start(setup: Callable[[], None]) -> None:
    """Start a notebook's kernel as nbval does, without the variables that a reader's kernel does not have."""
    with pytest.MonkeyPatch.context() as patch:
        for name in UNSET:
            patch.delenv(name, raising=False)
        setup()


def _controller(config: pytest.Config) -> int:
    """Return the number of the process that was asked to test: this one, or the one that started it to share the work.

    >>> import types
    >>> _controller(types.SimpleNamespace()) == os.getpid()
    True
    """
    return os.getppid() if hasattr(config, "workerinput") else os.getpid()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what interrupted runners left: pytest ends their processes at once, and they tidy up nothing."""
    if not hasattr(config, "workerinput"):
        for folder in (config.rootpath / "build").glob(f".*-{os.getpid()}-*/"):
            shutil.rmtree(folder, ignore_errors=True)


def _await_reply(kernel: RunningKernel, await_reply: Callable[..., None], msg_id: str, timeout: float) -> None:
    """Wait for a cell as nbval does, but notice a kernel that died; nbval would wait for the cell's whole timeout."""
    end = time.monotonic() + timeout
    while True:
        try:
            return await_reply(msg_id, timeout=1)
        except Empty:
            if not kernel.is_alive():
                raise RuntimeError("the kernel died: killed for want of memory, or a crash in a library") from None
            if time.monotonic() > end:
                raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, None, None]:
    """Remove a notebook's folder once its kernel is gone; Windows keeps the folder of a running process."""
    result = yield
    if nextitem is None or nextitem.parent is not item.parent:
        folder = item.parent.stash.get(FOLDER, None)
        if folder is not None:
            folder.cleanup()
    return result
