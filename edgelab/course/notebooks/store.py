"""Store notebooks with their outputs: run them, strip what changes from run to run, record their cost."""

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgelab.artifacts import write_atomic
from edgelab.course.notebooks.execute import Cost, NotebookError, execute, kernel_environment, read

if TYPE_CHECKING:
    from nbformat import NotebookNode

# Code hosts still render a notebook of this size, and a phone still loads it.
MAX_BYTES = 1_000_000
WIDGETS = "application/vnd.jupyter.widget-state+json"


def store(notebooks: Sequence[str | Path]) -> None:
    """Execute notebooks with the shipped models and write each back in place with its outputs and its cost.

    What would differ in the next run on the same machine is not kept: timestamps and the kernel's version are removed,
    widgets get ids by their order, and the cost in metadata.edgelab.cost changes only when it moved by a quarter.
    A notebook is written only when all its cells ran. Raises NotebookError naming notebook and cell when one fails,
    writes to stderr, or grows over 1 MB.

    >>> import nbformat
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "01_sum.ipynb"
    ...     nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("6 * 7")]), path)
    ...     store([path])  # doctest: +ELLIPSIS
    ...     read(path).cells[0].outputs[0].data["text/plain"]
    01_sum ... stored ... s ... MB peak ... kB
    '42'
    """
    import nbformat

    for path in map(Path, notebooks):
        notebook = read(path)
        folder = path.resolve().parent
        try:
            # Beside the notebook, so that data/ is found upwards from here; a new one, so that it is empty.
            with tempfile.TemporaryDirectory(dir=folder, prefix=f".{path.stem}-", ignore_cleanup_errors=True) as empty:
                cost = execute(notebook, empty, kernel_environment(None))
                left = sorted(os.listdir(empty))
            _refuse_traces(notebook, left)
            normalise(notebook)
            record_cost(notebook, cost)
            text = nbformat.writes(notebook) + "\n"
            _refuse_oversize(notebook, len(text.encode()))
        except NotebookError as error:
            raise NotebookError(f"{path}: {error}\nThe stored notebook is unchanged.") from error
        write_atomic(path, text)
        kilobytes = len(text.encode()) / 1000
        print(f"{path.stem:<28} stored  {cost.seconds:6.1f} s  {cost.peak_mb:6.0f} MB peak  {kilobytes:5.0f} kB")


def _refuse_traces(notebook: "NotebookNode", files: Sequence[str]) -> None:
    """Raise NotebookError when a cell wrote to stderr, or files were left in the working folder."""
    # A stored warning is about the author's machine; a file left behind lands among the reader's notebooks.
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, start=1):
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                first = cell.source.strip().partition("\n")[0]
                raise NotebookError(f"code cell {number}, {first!r}, writes to stderr: {output.text.strip()[:300]!r}")
    if files:
        raise NotebookError(f"leaves {', '.join(files)} in its working folder; keep files with edgelab.artifacts.keep")


def _refuse_oversize(notebook: "NotebookNode", size: int) -> None:
    """Raise NotebookError when a notebook of this many bytes is too large, saying how much of it is images."""
    outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    images = sum(len(o.get("data", {}).get("image/png", "")) for o in outputs)
    if size > MAX_BYTES:
        raise NotebookError(f"{size:,} bytes stored, {images:,} of them PNG; expected {MAX_BYTES:,} at most")


def normalise(notebook: "NotebookNode") -> None:
    """Make a notebook that ran look the same as the next time it runs, in place; cell ids stay.

    >>> from nbformat.v4 import new_code_cell, new_notebook
    >>> timed = {"execution": {"iopub.status.busy": "2026-11-22T10:00:00Z"}}
    >>> notebook = new_notebook(cells=[new_code_cell("6 * 7", execution_count=5, metadata=timed)])
    >>> normalise(notebook)
    >>> notebook.cells[0].execution_count, notebook.cells[0].metadata
    (1, {})
    """
    count = 0
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        count += 1
        cell.execution_count = count
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
    notebook.metadata["kernelspec"] = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    notebook.metadata.get("language_info", {}).pop("version", None)
    notebook.metadata.get("edgelab", {}).pop("executed", None)
    _number_widgets(notebook)


def _number_widgets(notebook: "NotebookNode") -> None:
    """Replace the widgets' random ids by their order of appearance, wherever they are used."""
    from nbformat import from_dict

    ids = list(notebook.metadata.get("widgets", {}).get(WIDGETS, {}).get("state", {}))
    text = json.dumps(notebook)
    for number, random_id in enumerate(ids):
        text = text.replace(random_id, f"{number:032x}")
    if ids:
        notebook.update(from_dict(json.loads(text)))


def record_cost(notebook: "NotebookNode", cost: Cost) -> None:
    """Write a cost to metadata.edgelab.cost = {seconds, peak_mb}, in round numbers that stay unless they moved.

    >>> from nbformat.v4 import new_notebook
    >>> notebook = new_notebook()
    >>> record_cost(notebook, Cost(seconds=41.7, peak_mb=812.3))
    >>> record_cost(notebook, Cost(seconds=45.2, peak_mb=790.0))
    >>> notebook.metadata["edgelab"]["cost"]
    {'seconds': 42, 'peak_mb': 810}
    """
    about = notebook.metadata.setdefault("edgelab", {})
    known = about.get("cost", {})
    measured = {"seconds": max(round(cost.seconds), 1), "peak_mb": round(cost.peak_mb, -1)}
    about["cost"] = {
        name: known[name] if name in known and abs(value - known[name]) <= max(known[name] / 4, 2) else int(value)
        for name, value in measured.items()
    }
