"""`edgelab store`: what is stored is the same each time, and nothing is stored that should not be seen."""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

import edgelab.course.notebooks.store as course
from edgelab.course.notebooks.execute import Cost, NotebookError
from edgelab.course.notebooks.store import normalise, record_cost, store

CELLS = [
    "import os\nprint(os.environ.get('EDGELAB_ARTIFACTS'))",
    "",
    "import ipywidgets\nslider = ipywidgets.IntSlider(description='width')\nslider",
    "6 * 7",
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "01_a.ipynb"


def write(path, *sources: str, **metadata) -> None:
    cells = [new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)


def test_storing_twice_gives_the_same_bytes(path, monkeypatch, capsys):
    """Random widget ids, timestamps and a second more would make each store a change to read in review."""
    monkeypatch.setenv("EDGELAB_ARTIFACTS", "somewhere")
    costs, execute = iter([Cost(1.2, 56.4), Cost(2.9, 61.0)]), course.execute
    monkeypatch.setattr(course, "execute", lambda *arguments: (execute(*arguments), next(costs))[1])
    write(path, *CELLS, edgelab={"budget": {"seconds": 60, "memory_mb": 300}})
    store([path])
    first = path.read_bytes()
    store([path])
    assert path.read_bytes() == first
    assert os.listdir(path.parent) == ["01_a.ipynb"]

    notebook = nbformat.read(path, as_version=4)
    assert [cell.execution_count for cell in notebook.cells] == [1, None, 2, 3]
    assert [cell.id for cell in notebook.cells] == ["cell-0", "cell-1", "cell-2", "cell-3"]
    assert notebook.cells[0].outputs[0].text == "None\n"  # the shipped models, not the author's own
    assert notebook.cells[3].outputs[0].execution_count == 3
    assert "version" not in notebook.metadata.language_info
    assert notebook.metadata.edgelab.budget == {"seconds": 60, "memory_mb": 300}
    assert notebook.metadata.edgelab.cost == {"seconds": 1, "peak_mb": 60}
    view = notebook.cells[2].outputs[0].data["application/vnd.jupyter.widget-view+json"]
    assert view.model_id in notebook.metadata.widgets[course.WIDGETS].state
    assert len(view.model_id.strip("0")) == 1
    assert "01_a" in capsys.readouterr().out


# Source of the one cell, and what the refusal says.
REFUSED = {
    "stderr": ("import sys\nprint('slow', file=sys.stderr)", r"code cell 1, 'import sys', writes to stderr: 'slow'"),
    "file": ("open('x.tflite', 'w').close()", r"leaves x\.tflite in its working folder"),
    "error": ("1 / 0", r"cell 1 of 1, '1 / 0', failed\nZeroDivisionError"),
    "size": (
        "print(('x' * 999 + '\\n') * 1001)",
        r"1,0\d\d,\d\d\d bytes stored, 0 of them PNG; expected 1,000,000 at most",
    ),
}


@pytest.fixture(scope="module")
def refusals(tmp_path_factory) -> dict[str, tuple[str, bool]]:
    """For each of REFUSED: what `store` raised, and whether the file stayed. All at once: each waits for its kernel."""

    def attempt(path: Path) -> tuple[str, bool]:
        before, refusal = path.read_bytes(), "stored"
        try:
            store([path])
        except NotebookError as error:
            refusal = str(error)
        return refusal, path.read_bytes() == before

    paths = {name: tmp_path_factory.mktemp(name) / "01_a.ipynb" for name in REFUSED}
    for name, (source, _) in REFUSED.items():
        write(paths[name], source)
    with ThreadPoolExecutor() as pool:
        return dict(zip(paths, pool.map(attempt, paths.values()), strict=True))


@pytest.mark.parametrize("name", REFUSED)
def test_a_notebook_that_must_not_be_stored_stays_as_it_was(refusals, name):
    refusal, stayed = refusals[name]
    assert re.search(rf"01_a\.ipynb: {REFUSED[name][1]}", refusal)
    assert stayed


@pytest.mark.parametrize(
    ("known", "measured", "stored"),
    [
        ({}, Cost(41.6, 812.0), {"seconds": 42, "peak_mb": 810}),
        ({"seconds": 40, "peak_mb": 800}, Cost(49.9, 999.0), {"seconds": 40, "peak_mb": 800}),
        ({"seconds": 40, "peak_mb": 800}, Cost(51.0, 1006.0), {"seconds": 51, "peak_mb": 1010}),
        ({"seconds": 1, "peak_mb": 60}, Cost(2.9, 74.0), {"seconds": 1, "peak_mb": 60}),
    ],
)
def test_the_cost_moves_only_when_it_moved_by_a_quarter(known, measured, stored):
    notebook = new_notebook(metadata={"edgelab": {"cost": known}})
    record_cost(notebook, measured)
    assert notebook.metadata["edgelab"]["cost"] == stored


def test_what_an_editor_left_behind_is_straightened():
    """Counts of an afternoon's work, the author's own kernel name and JupyterLab's timestamps."""
    result = new_output("execute_result", data={"text/plain": "42"}, execution_count=17)
    timed = {"execution": {"iopub.status.busy": "2026-11-22T10:00:00Z"}, "tags": ["nbval-ignore-output"]}
    cell = new_code_cell("6 * 7", id="stays", execution_count=17, metadata=timed, outputs=[result])
    kernel = {
        "kernelspec": {"name": "my-env", "display_name": "my env"},
        "language_info": {"name": "python", "version": "3.12.1"},
    }
    notebook = new_notebook(cells=[cell], metadata=kernel)
    normalise(notebook)
    assert (cell.id, cell.execution_count, cell.outputs[0].execution_count) == ("stays", 1, 1)
    assert cell.metadata == {"tags": ["nbval-ignore-output"]}
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert notebook.metadata["language_info"] == {"name": "python"}
