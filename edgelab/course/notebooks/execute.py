"""One notebook in a fresh kernel: run its cells, measure what that costs, say where it failed."""

import asyncio
import os
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from nbclient import NotebookClient
    from nbformat import NotebookNode


class Cost(NamedTuple):
    """What running a notebook took: wall seconds from the kernel's start, and its peak memory in MB (10^6 bytes).

    >>> Cost(seconds=41.2, peak_mb=812.0).peak_mb
    812.0
    """

    seconds: float
    peak_mb: float


class NotebookError(RuntimeError):
    """A notebook did not run to its end; the message names the cell, its first line and the error.

    >>> print(NotebookError("cell 3 of 9, 'x = 1 / 0', failed"))
    cell 3 of 9, 'x = 1 / 0', failed
    """


def read(path: str | Path) -> "NotebookNode":
    """Read a notebook file. Raises FileNotFoundError or ValueError naming a file that is missing or no notebook.

    >>> read("no_such.ipynb")
    Traceback (most recent call last):
    FileNotFoundError: no_such.ipynb: no such notebook
    """
    import nbformat

    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such notebook")
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except (ValueError, AttributeError, KeyError, nbformat.ValidationError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"{path}: not a Jupyter notebook ({reason}). Restore it with: git checkout {path}") from error
    return notebook


def kernel_environment(artifacts: str | Path | None) -> dict[str, str]:
    """Return the environment for a kernel: ours, with EDGELAB_ARTIFACTS as given (None: without it).

    PYTHONDONTWRITEBYTECODE is left out: under it TensorFlow compiles itself anew at each import, 9 s for 3.

    >>> "EDGELAB_ARTIFACTS" in kernel_environment(None)
    False
    """
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "EDGELAB_ARTIFACTS")}
    if artifacts is not None:
        # The kernel's working folder is another one: a relative path would lead elsewhere.
        environment["EDGELAB_ARTIFACTS"] = str(Path(artifacts).resolve())
    return environment


def peak_mb(pid: int) -> float:
    """Return the peak memory of a running process in MB (10^6 bytes); where the system keeps no peak, its present size.

    Linux: VmHWM of /proc. Windows: the peak working set, of the process or of a child, since python.exe in a
    virtual environment is a launcher of the real one. Raises ProcessLookupError when there is no such process.

    >>> peak_mb(os.getpid()) > 5
    True
    """
    import psutil

    try:
        status = Path(f"/proc/{pid}/status")
        if status.is_file():
            found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)
            if found is None:  # a zombie has no memory left to report
                raise ProcessLookupError(f"process {pid} has ended; its peak memory is gone with it")
            return int(found[1]) * 1024 / 1e6
        process = psutil.Process(pid)
        sizes = [p.memory_info() for p in [process, *process.children(recursive=True)]]
        return max(getattr(size, "peak_wset", size.rss) for size in sizes) / 1e6
    except (psutil.NoSuchProcess, FileNotFoundError) as error:
        raise ProcessLookupError(f"process {pid} has ended; its peak memory is gone with it") from error


def execute(
    notebook: "NotebookNode",
    folder: str | Path,
    environment: Mapping[str, str],
    progress: Callable[[int, int], None] = lambda done, cells: None,
) -> Cost:
    """Run a notebook's code cells in order in a fresh kernel; outputs and execution counts are written into it.

    folder: the kernel's working folder. environment: all of the kernel's variables. progress(done, cells) is
    called after each cell and each second. The kernel is gone when this returns or raises. Raises NotebookError
    at the first cell that fails (the cells before keep their outputs, those after have none), KeyboardInterrupt
    at Ctrl-C.

    >>> from nbformat.v4 import new_code_cell, new_notebook
    >>> notebook = new_notebook(cells=[new_code_cell("6 * 7")])
    >>> cost = execute(notebook, ".", kernel_environment(None))
    >>> notebook.cells[0].outputs[0].data["text/plain"]
    '42'
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata.pop("widgets", None)
    # The selector loop on Windows too: the default one there cannot wait for the kernel's sockets.
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(_execute(notebook, str(folder), dict(environment), progress))


async def _execute(
    notebook: "NotebookNode", folder: str, environment: dict[str, str], progress: Callable[[int, int], None]
) -> Cost:
    """Start the kernel, run the cells, and kill the kernel whatever happens."""
    from nbclient import NotebookClient

    client = NotebookClient(notebook, kernel_name="python3", timeout=None, record_timing=False, coalesce_streams=True)
    # A busy machine may deliver output late; by default it would be lost in silence.
    client.iopub_timeout, client.raise_on_iopub_timeout = 60, True
    client.reset_execution_trackers()
    started = time.monotonic()
    manager = client.create_kernel_manager()
    # What the kernel's process itself says: noise on a screen, all there is when it does not start.
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        try:
            await _start(client, cwd=folder, env=environment, stderr=log)
            peak = await _run_cells(client, progress)
            return Cost(time.monotonic() - started, peak)
        except _KernelDied as death:
            log.seek(0)
            said = [line for line in log.read().splitlines() if "WARNING" not in line]
            raise NotebookError("\n    ".join([str(death), *said[-12:]])) from death
        finally:
            if manager.has_kernel:
                await manager.shutdown_kernel(now=True)
            if client.kc is not None:
                client.kc.stop_channels()


class _KernelDied(Exception):
    """The kernel's process ended by itself."""


async def _start(client: "NotebookClient", **process: Any) -> None:
    """Start a kernel and wait until it answers; tell the notebook which language it speaks."""
    try:
        await client.async_start_new_kernel(**process)
        await client.async_start_new_kernel_client()
        info = await client.async_wait_for_reply(client.kc.kernel_info())
    except (RuntimeError, OSError) as error:
        raise _KernelDied(f"the kernel did not start: {error}") from error
    client.nb.metadata["language_info"] = info["content"]["language_info"]


async def _run_cells(client: "NotebookClient", progress: Callable[[int, int], None]) -> float:
    """Run all code cells that are not empty; return the kernel's peak memory in MB."""
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    cells = [(i, c) for i, c in enumerate(client.nb.cells) if c.cell_type == "code" and c.source.strip()]
    pid = client.km.provisioner.pid
    peak = peak_mb(pid)
    for number, (index, cell) in enumerate(cells, start=1):
        where = f"cell {number} of {len(cells)}, {cell.source.strip().splitlines()[0]!r}, failed"
        ticking = asyncio.create_task(_tick(progress, number - 1, len(cells)))
        try:
            await client.async_execute_cell(cell, index, execution_count=number)
            peak = peak_mb(pid)
        except CellExecutionError as error:
            if error.ename == "KeyboardInterrupt":  # a Windows console sends Ctrl-C to the kernel as well
                raise KeyboardInterrupt from error
            raise NotebookError(f"{where}\n{_last_lines(cell)}") from error
        except (DeadKernelError, ProcessLookupError) as error:
            # nbclient reports our own cancellation, which is what Ctrl-C is, as a dead kernel.
            if asyncio.current_task().cancelling():
                raise asyncio.CancelledError from error
            code = await client.km.provisioner.poll()
            raise _KernelDied(
                f"{where}\nThe kernel died with exit code {code}; its peak memory before this cell was {peak:.0f} MB. "
                "-9 is mostly the system short of memory, another number a crash in a library."
            ) from error
        except CellTimeoutError as error:
            raise NotebookError(f"{where}\n{error}") from error
        finally:
            ticking.cancel()
    client.set_widgets_metadata()
    progress(len(cells), len(cells))
    return peak


async def _tick(progress: Callable[[int, int], None], done: int, cells: int) -> None:
    """Report progress each second, for a cell may take minutes."""
    while True:
        progress(done, cells)
        await asyncio.sleep(1)


def _last_lines(cell: "NotebookNode", lines: int = 12) -> str:
    """Return the end of the failed cell's traceback, without colours."""
    output = next(o for o in reversed(cell.outputs) if o.output_type == "error")
    traceback = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(output.traceback)).splitlines()
    headline = f"{output.ename}: {output.evalue}"
    return "\n".join([headline, *("    " + line for line in traceback[-lines:] if line.strip() and line != headline)])
