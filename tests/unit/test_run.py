"""`edgelab run`: the order, the table, what is kept when a notebook fails, when the disk is full and at Ctrl-C."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import psutil
import pytest
from _light_start import light_start
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import edgelab.course.notebooks.run as course
from edgelab.course.notebooks.execute import Cost, NotebookError, execute, kernel_environment
from edgelab.course.notebooks.run import notebooks_in, run, select

RECORD = "from edgelab.course.results.recorded import record\nrecord({!r}, 'int8', 'LiteRT', 0.98, 1000)"
HOUSE = """import os
print(sorted(os.environ.keys() & {'EDGELAB_ARTIFACTS', 'PYTHONDONTWRITEBYTECODE'}), os.listdir())
open(os.environ['EDGELAB_ARTIFACTS'] + '.txt', 'a').write('one ')"""

SLEEP = """import os, pathlib, time
pathlib.Path(os.environ['EDGELAB_ARTIFACTS'] + '.pid').write_text(str(os.getpid()))
time.sleep(600)"""


def clone(folder: Path, **notebooks: list[str]) -> Path:
    """Make a folder that looks like a clone, with notebooks of these code cells; a name n01_x becomes 01_x.ipynb."""
    (folder / "notebooks").mkdir()
    (folder / "edgelab").mkdir()
    (folder / "edgelab" / "cli.py").touch()
    for name, sources in notebooks.items():
        cells = [new_markdown_cell("# title"), *map(new_code_cell, sources)]
        nbformat.write(new_notebook(cells=cells), folder / "notebooks" / f"{name[1:]}.ipynb")
    return folder


def printed(path: Path) -> list[str]:
    """Return what each code cell of a notebook file printed."""
    cells = nbformat.read(path, as_version=4).cells
    return ["".join(o.get("text", "") for o in cell.outputs) for cell in cells if cell.cell_type == "code"]


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_notebooks_run_in_order_into_one_table(tmp_path, monkeypatch, capsys):
    """Each in a fresh kernel and an empty folder; stored notebooks are not touched, nothing but results is left."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.delenv("EDGELAB_ARTIFACTS", raising=False)
    clone(tmp_path, n01_a=[HOUSE, "x = 1", RECORD.format("first")], n05_b=["print('x' in globals())", HOUSE, ""])
    before = {path: path.read_bytes() for path in notebooks_in(tmp_path / "notebooks")}

    rows = run(list(before), tmp_path / "build")

    assert [(row["notebook"], row["model"]) for row in rows] == [("01_a", "first")]
    assert entries(tmp_path / "build") == ["01_a.ipynb", "05_b.ipynb", "artifacts.txt", "results.json"]
    assert printed(tmp_path / "build" / "01_a.ipynb")[0] == "['EDGELAB_ARTIFACTS'] []\n"
    assert printed(tmp_path / "build" / "05_b.ipynb") == ["False\n", "['EDGELAB_ARTIFACTS'] []\n", ""]
    assert (tmp_path / "build" / "artifacts.txt").read_text() == "one one "
    assert {path: path.read_bytes() for path in before} == before
    report = json.loads((tmp_path / "build" / "results.json").read_text())
    assert report["results"] == rows
    assert [(n["name"], n["seconds"] > 0, n["peak_mb"] > 10) for n in report["notebooks"]] == [
        ("01_a", True, True),
        ("05_b", True, True),
    ]
    assert {"date", "machine", "notebooks", "results"} == set(report)
    out, err = capsys.readouterr()
    assert out.index("01_a ") < out.index("05_b ") < out.index("| first ")
    assert "01_a, cell 1 of 3" in err
    assert "left" in err
    assert "WARNING" not in err + out


def test_a_failure_names_notebook_cell_and_error_and_can_be_continued(tmp_path):
    """What ran is kept under names that tell whole from broken; after mending, --from completes the table."""
    broken = ["print('kept')", "def f():\n    return 1 / 0\n", "\nf()  # here\n", "print('never')"]
    clone(tmp_path, n01_a=[RECORD.format("first")], n02_b=broken, n03_c=["pass"])
    paths, build = notebooks_in(tmp_path / "notebooks"), tmp_path / "build"
    stored = nbformat.read(paths[1], as_version=4)
    stored.cells[-1].outputs = [new_output("stream", name="stdout", text="of the author's machine")]
    nbformat.write(stored, paths[1])
    build.mkdir()
    (build / "results.json").write_text("of an earlier run")

    with pytest.raises(NotebookError) as failure:
        run(paths, build)

    for words in (
        "02_b.ipynb: cell 3 of 4, 'f()  # here', failed",
        "ZeroDivisionError: division by zero",
        "return 1 / 0",
    ):
        assert words in str(failure.value)
    assert "edgelab run --from 02_b   (or: make run FROM=02)" in str(failure.value)
    assert "\x1b" not in str(failure.value)
    assert entries(build) == ["01_a.ipynb", "02_b.failed.ipynb", "results.json"]
    assert printed(build / "02_b.failed.ipynb") == ["kept\n", "", "", ""]
    assert (build / "results.json").read_text() == "of an earlier run"

    nbformat.write(new_notebook(cells=[new_code_cell(RECORD.format("second"))]), paths[1])
    assert [row["model"] for row in run(paths, build, start="2")] == ["first", "second"]
    assert entries(build) == ["01_a.ipynb", "02_b.ipynb", "03_c.ipynb", "results.json"]


@pytest.fixture(scope="module")
def deaths(tmp_path_factory) -> tuple[str, str, list[str]]:
    """What is said of a kernel that dies and of one that does not start, and what the first run leaves in build.

    Both at once, for each is mostly waited for.
    """
    dies, never = tmp_path_factory.mktemp("dies"), tmp_path_factory.mktemp("never")
    clone(dies, n01_a=["x = 1", "import os\nos._exit(9)"])
    (never / "ipykernel_launcher.py").write_text("raise SystemExit('no kernel today')")

    def words(attempt: Callable[..., object], *arguments: object) -> str:
        with pytest.raises(NotebookError) as failure:
            attempt(*arguments)
        return str(failure.value)

    with ThreadPoolExecutor() as pool:
        died = pool.submit(words, run, notebooks_in(dies / "notebooks"), dies / "build")
        environment = kernel_environment(None) | {"PYTHONPATH": str(never)}
        not_started = pool.submit(words, execute, new_notebook(), never, environment)
    return died.result(), not_started.result(), entries(dies / "build")


def test_a_kernel_that_dies_is_a_failure(deaths):
    """A crash in a library, or the system's out-of-memory killer: no traceback, yet not a hang."""
    died, _, left = deaths
    assert re.search(r"cell 2 of 2, 'import os', failed\nThe kernel died with exit code 9; .* MB", died)
    assert left == ["01_a.failed.ipynb"]


def test_a_kernel_that_does_not_start_says_why(deaths):
    """A broken environment: what the process said is all there is to go by."""
    assert re.search(r"the kernel did not start: .*\n +no kernel today", deaths[1])


def interruptible(folder: Path, *arguments: str, handler: str = "default_int_handler") -> subprocess.Popen:
    """Start the command line in a folder, with the Ctrl-C of a terminal even where pytest's own parent ignores it."""
    code = f"import signal, sys; signal.signal(signal.SIGINT, signal.{handler})\n"
    code += "from edgelab.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-P", "-c", code, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=light_start(folder / "light"), **pipes, text=True)


def started(folder: Path, process: subprocess.Popen) -> int:
    """Wait until a run has come to the cell SLEEP; return the kernel's number."""
    pid, deadline = folder / "build" / "artifacts.pid", time.monotonic() + 120
    while not (pid.is_file() and pid.read_text()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return int(pid.read_text())


def test_ctrl_c_keeps_what_is_finished_and_leaves_no_kernel(tmp_path, no_kernels, capsys):
    """The kernel is told, not orphaned; the finished notebook counts when the run is continued."""
    clone(tmp_path, n01_a=[RECORD.format("first")], n02_b=["x = 1", SLEEP])
    process = interruptible(tmp_path, "run")
    kernel = started(tmp_path, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 130, err
    assert not psutil.pid_exists(kernel)
    assert "Traceback" not in err
    assert "never retrieved" not in err
    assert "Stopped in 02_b.ipynb. The finished notebooks are kept in build." in out
    assert "edgelab run --from 02_b   (or: make run FROM=02)" in out
    (tmp_path / "build" / "artifacts.pid").unlink()
    assert entries(tmp_path / "build") == ["01_a.ipynb"]

    rows = run(notebooks_in(tmp_path / "notebooks"), tmp_path / "build", start="02_b")
    assert [row["model"] for row in rows] == ["first"]
    assert len(no_kernels) == 1  # 01_a did not run again
    assert "| first " in capsys.readouterr().out


@pytest.fixture
def no_kernels(monkeypatch):
    """Replace the execution of a notebook by its cost, 20 s each; the list says how many ran."""
    ran = []

    def execute(notebook, folder, environment, progress):
        ran.append(environment["EDGELAB_ARTIFACTS"])
        progress(0, 3)
        return Cost(seconds=20.0, peak_mb=100.0)

    monkeypatch.setattr(course, "execute", execute)
    return ran


def test_a_build_that_cannot_be_written_is_found_before_the_work(tmp_path, no_kernels):
    clone(tmp_path, n01_a=["pass"])
    (tmp_path / "build").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="build"):
        run(notebooks_in(tmp_path / "notebooks"), tmp_path / "build")
    assert no_kernels == []
    assert (tmp_path / "build").read_text() == "a file where the folder should be"


def test_a_full_disk_is_found_before_the_work(tmp_path):
    """A limit on the size of files stands in for the disk: the write fails halfway, as it would there."""
    clone(tmp_path, n01_a=["pass"])
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "results.json").write_text("earlier")
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
    limited += "from edgelab.cli import main; sys.exit(main(['run']))"
    command, light = [sys.executable, "-P", "-c", limited], light_start(tmp_path / "light")
    done = subprocess.run(command, cwd=tmp_path, env=light, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert entries(tmp_path / "build") == ["results.json"]
    assert (tmp_path / "build" / "results.json").read_text() == "earlier"


def test_a_disk_that_fills_up_during_the_run_costs_no_earlier_result(tmp_path, no_kernels, monkeypatch):
    """And the message says how to go on: an hour's work is behind it."""
    clone(tmp_path, n01_a=["pass"], n02_b=["pass"])
    paths, build = notebooks_in(tmp_path / "notebooks"), tmp_path / "build"
    run(paths, build)
    before = {path.name: path.read_bytes() for path in build.iterdir()}

    def full(source, target, replace=os.replace):
        if Path(target).name == "02_b.ipynb":
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match=r"02_b\.ipynb: cannot be written \(No space left on device\)") as failure:
        run(paths, build)
    assert "To continue: edgelab run --from 02_b   (or: make run FROM=02)" in str(failure.value)
    assert entries(build) == sorted(before)
    assert (build / "02_b.ipynb").read_bytes() == before["02_b.ipynb"]
    assert (build / "results.json").read_bytes() == before["results.json"]


@pytest.mark.parametrize("what", ["folder", "results.json"])
def test_a_full_disk_says_how_to_continue_wherever_it_strikes(tmp_path, no_kernels, monkeypatch, capsys, what):
    """The notebook's own folder, made before it runs, and the last file of all, after the table was shown."""
    clone(tmp_path, n01_a=["pass"])

    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    def write(path, data, write_atomic=course.write_atomic):
        return full() if Path(path).name == what else write_atomic(path, data)

    monkeypatch.setattr(course, "write_atomic", write)
    if what == "folder":
        monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(
        OSError, match=r"Stopped in 01_a\.ipynb.*No space left[\s\S]*To continue: edgelab run --from 01_a"
    ):
        run(notebooks_in(tmp_path / "notebooks"), tmp_path / "build")
    assert ("No notebook recorded a result" in capsys.readouterr().out) == (what == "results.json")


def test_a_failure_is_told_where_the_notebook_cannot_be_kept(tmp_path, monkeypatch):
    """A cell that fails for want of space: its own words must not be lost to the second failure."""
    clone(tmp_path, n01_a=["raise OSError(28, 'No space left on device')"])

    def write(path, data, write_atomic=course.write_atomic):
        if Path(path).name == "01_a.failed.ipynb":
            raise OSError(errno.ENOSPC, "no space for it")
        return write_atomic(path, data)

    monkeypatch.setattr(course, "write_atomic", write)
    with pytest.raises(NotebookError) as failure:
        run(notebooks_in(tmp_path / "notebooks"), tmp_path / "build")
    for words in ("cell 1 of 1", "No space left on device", "it is not kept", "no space for it", "To continue from it"):
        assert words in str(failure.value)


def test_the_users_own_artifacts_folder_is_used(tmp_path, no_kernels, monkeypatch):
    """Relative as the user typed it: the kernels run elsewhere, so they get the whole path."""
    clone(tmp_path, n01_a=["pass"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGELAB_ARTIFACTS", "mine")
    run(notebooks_in("notebooks"))
    assert no_kernels == [str(tmp_path / "mine")]


def test_time_left_follows_the_recorded_costs_and_this_machines_pace(tmp_path, no_kernels, capsys):
    """10 s recorded took 20 s, so the 30 s still recorded will take a minute."""
    clone(tmp_path, n01_a=["pass"], n02_b=["pass"])
    for path, seconds in zip(notebooks_in(tmp_path / "notebooks"), (10, 30), strict=True):
        notebook = nbformat.read(path, as_version=4)
        notebook.metadata["edgelab"] = {"cost": {"seconds": seconds, "peak_mb": 1}}
        nbformat.write(notebook, path)
    run(notebooks_in(tmp_path / "notebooks"), tmp_path / "build")
    shown = [line.strip() for line in capsys.readouterr().err.split("\r") if "gone" in line]
    first = next(line for line in shown if line.startswith("01_a, cell 1 of 3"))
    assert "about 00:39 left" in first or "about 00:40 left" in first
    assert any(line.startswith("01_a") and " 25 % " in line and "about 01:00 left" in line for line in shown)
    assert " 100 % " in shown[-1]


def test_an_earlier_notebook_that_never_ran_is_named(tmp_path, no_kernels, capsys):
    """A table that lacks rows must say so."""
    clone(tmp_path, n01_a=["pass"], n02_b=["pass"])
    run(notebooks_in(tmp_path / "notebooks"), tmp_path / "build", start="02")
    assert "Not in the table: 01_a" in capsys.readouterr().out


def test_a_damaged_notebook_is_named_before_the_work(tmp_path, no_kernels):
    clone(tmp_path, n01_a=["pass"], n02_b=["pass"])
    paths = notebooks_in(tmp_path / "notebooks")
    for damage in (b"", b'{"cells": [', b'{"nbformat": 4}', b"\x89PNG\r\n\xff"):
        paths[1].write_bytes(damage)
        with pytest.raises(ValueError, match=r"02_b\.ipynb: not a Jupyter notebook"):
            run(paths, tmp_path / "build")
    assert no_kernels == []


COURSE = [Path(f"notebooks/{name}.ipynb") for name in ("01_first", "05_train", "07_convert", "10_device", "10_extra")]


@pytest.mark.parametrize("name", ["07", "7", "07_convert", "07_c", "07_convert.ipynb", "notebooks/07_convert.ipynb"])
def test_a_notebook_can_be_named_in_many_ways(name):
    assert select(COURSE, name) == COURSE[2]


@pytest.mark.parametrize("name", ["06", "1", "0", "10", "", "convert", "07_convert_more", "../x"])
def test_an_unknown_or_ambiguous_name_lists_the_notebooks(name):
    """`1` is 01 and never 10; two that begin alike are not guessed between."""
    if name == "1":
        assert select(COURSE, name) == COURSE[0]
        return
    with pytest.raises(ValueError, match=r"expected one of:\n  01_first\n  05_train\n  07_convert"):
        select(COURSE, name)


def test_a_folder_without_notebooks_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no notebooks"):
        notebooks_in(tmp_path)
