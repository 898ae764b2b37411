"""The notebooks' test bed: what nbval and its two plugins must catch, each tried on a notebook that does it.

One plugin holds a notebook to its budget, the other tries its exercises in its kernel.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from _light_start import light_start
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.nbval_budget import complaints, waited
from tests.nbval_exercises import names

ROOT = Path(__file__).resolve().parents[2]
BUDGET = {"seconds": 60, "memory_mb": 250}
# 300 MB that are written to and freed again: the peak counts, not what is held at the end.
HUNGRY = "x = bytearray(300_000_000)\nx[::4096] = bytes([1]) * len(x[::4096])\ndel x"
NUMPY = "import numpy as np"


def notebook(
    source: str, *tags: str, printed: str | None = None, budget: dict | None = BUDGET
) -> nbformat.NotebookNode:
    """Make a notebook of one cell of code, what it printed, and an empty cell for each tag."""
    outputs = [new_output("stream", name="stdout", text=printed)] if printed else []
    tagged = [new_code_cell("", metadata={"tags": [tag]}) for tag in tags]
    made = new_notebook(cells=[new_code_cell(source, execution_count=1, outputs=outputs), *tagged])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    if budget is not None:
        made.metadata["edgelab"] = {"budget": budget}
    return made


# Each line is a promise of the test bed: no models of the reader's own, compiled modules kept, nothing of pytest that a
# library could see, an empty folder from which the clone is found upwards.
HOUSE = """import os
from pathlib import Path
print("EDGELAB_ARTIFACTS" in os.environ, "PYTHONDONTWRITEBYTECODE" in os.environ, "PYTEST_CURRENT_TEST" in os.environ)
print(os.listdir())
print(any((parent / "here").is_file() for parent in Path.cwd().parents))"""
# They run in the order of their names, two at a time: others follow the one that leaves litter, in its process too.
NOTEBOOKS = {
    "within": notebook(HOUSE, "nbval-skip", printed="False False False\n[]\nTrue\n"),
    "poisoned": notebook("print(6 * 7)", printed="43\n"),
    "hungry": notebook(HUNGRY),
    "slow": notebook("pass", budget={"seconds": 0.001, "memory_mb": 250}),
    "no_budget": notebook("pass", budget=None),
    "litter": notebook("open('model.tflite', 'w').close()"),
    "litter_before": notebook("import os\nprint(os.listdir())", printed="[]\n"),
    "dead": notebook(f"{NUMPY}\nimport os\nos._exit(1)", "exercise:device.unfit"),
    "good": notebook(NUMPY, "exercise:device.unfit", "exercise:train_mnist.steps_in_an_epoch"),
    "without_numpy": notebook("", "exercise:device.steady_rate"),
    "shadowed": notebook(f"{NUMPY}\nround = np.ceil", "exercise:convert.scale_and_zero_point"),
    "hidden_by_a_name": notebook(f"{NUMPY}\njson = exercise = complaints = unfit = None", "exercise:device.unfit"),
    "unknown": notebook(NUMPY, "exercise:device.nothing"),
}


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> subprocess.CompletedProcess:
    """One run of pytest --nbval over all the notebooks, with both plugins, as `edgelab test` calls it."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "notebooks").mkdir()
    (folder / "here").touch()
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, made in NOTEBOOKS.items():
        nbformat.write(made, folder / "notebooks" / f"{name}.ipynb")
    plugins = ["-p", "tests.nbval_budget", "-p", "tests.nbval_exercises"]
    flags = ["-rA", "--color=no", *plugins, "--nbval", "--nbval-current-env", "--nbval-cell-timeout=90"]
    environment = light_start(tmp_path_factory.mktemp("light"))
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment["PYTHONPATH"]])
    hostile = {"EDGELAB_ARTIFACTS": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    two = ["-n2", "--dist=loadfile", "--no-loadscope-reorder"]
    command = [sys.executable, "-m", "pytest", *flags, *two, "notebooks"]
    done = subprocess.run(command, cwd=folder, env=environment | hostile, capture_output=True, text=True, timeout=300)
    done.left = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.suffix != ".ipynb")
    return done


def outcome(session: subprocess.CompletedProcess, name: str) -> tuple[str, str, str]:
    """Return (of its first cell, of its budget, of its exercises): PASSED, FAILED, ERROR or absent."""
    line = rf"^(PASSED|FAILED|ERROR) notebooks/{name}\.ipynb::(Cell 0|budget|exercises)"
    found = {test: verdict for verdict, test in re.findall(line, session.stdout, re.MULTILINE)}
    return tuple(found.get(test, "absent") for test in ("Cell 0", "budget", "exercises"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("within", ("PASSED", "PASSED", "absent")),
        ("poisoned", ("FAILED", "PASSED", "absent")),
        ("hungry", ("PASSED", "FAILED", "absent")),
        ("slow", ("PASSED", "FAILED", "absent")),
        ("no_budget", ("PASSED", "FAILED", "absent")),
        ("litter", ("PASSED", "FAILED", "absent")),
        ("litter_before", ("PASSED", "PASSED", "absent")),
        ("good", ("PASSED", "PASSED", "PASSED")),
        ("without_numpy", ("PASSED", "PASSED", "FAILED")),
        ("shadowed", ("PASSED", "PASSED", "FAILED")),
        ("unknown", ("PASSED", "PASSED", "FAILED")),
    ],
)
def test_each_notebook_is_judged_by_its_own_fault(session, name, expected):
    assert outcome(session, name) == expected, session.stdout


@pytest.mark.parametrize(
    "words",
    [
        r"hungry\.ipynb: peak memory 3\d\d MB, allowed 250 MB",
        r"slow\.ipynb: took \d+\.\d s, allowed 0\.0 s \(2 times its budget\)",
        r"no_budget\.ipynb: no budget: metadata\.edgelab\.budget is None; expected",
        r"litter\.ipynb: left files in its folder: model\.tflite",
        r"without_numpy\.ipynb: device\.steady_rate: the stub stops with NameError: name 'np' is not defined",
        r"without_numpy\.ipynb: device\.steady_rate: the solution stops with NameError: name 'np' is not defined",
        r"shadowed\.ipynb: convert\.scale_and_zero_point: the solution is wrong \(.*is too small",
        r"unknown\.ipynb: ValueError: no exercise device\.nothing; there are: device\.\w+",
        r"dead\.ipynb: the kernel died",
    ],
)
def test_the_failure_names_notebook_and_fault(session, words):
    """What was measured and allowed, or the exercise: every complaint, not the first alone."""
    assert re.search(words, session.stdout), session.stdout


def test_a_dead_kernel_is_no_pass(session):
    """Its memory can't be read any more: that must not count as little."""
    assert outcome(session, "dead") == ("FAILED", "FAILED", "FAILED"), session.stdout


def test_the_session_fails_and_leaves_nothing(session):
    assert session.returncode == 1
    left = [path for path in session.left if not path.startswith(".pytest_cache")]
    assert left == ["build", "here", "notebooks", "pytest.ini"]


def test_a_notebooks_own_names_are_not_in_the_way(session):
    """Asked for under a name that the notebook uses otherwise, the test would fail for no fault of an exercise."""
    assert outcome(session, "hidden_by_a_name") == ("PASSED", "PASSED", "PASSED"), session.stdout


def test_exercises_come_last(session):
    """Behind the budget, whose bounds are the notebook's own."""
    order = re.findall(r"^PASSED notebooks/good\.ipynb::(Cell 0|budget|exercises)", session.stdout, re.MULTILINE)
    assert order == ["Cell 0", "budget", "exercises"], session.stdout


def test_names_are_those_of_the_tags():
    made = notebook("", "exercise:device.b", "source:edgelab.data.split", "exercise:device.a")
    assert names(made) == ["device.b", "device.a"]


def test_bounds_are_the_budget_for_memory_and_twice_it_for_time():
    """Off by one factor here and no budget holds, or each of them fails on a busy machine."""
    budget = {"seconds": 10, "memory_mb": 300}
    assert complaints(budget, 20.0, 300.0, []) == []
    assert len(complaints(budget, 20.1, 300.0, [])) == 1
    assert len(complaints(budget, 20.0, 300.1, [])) == 1
    assert len(complaints(budget, 21.0, 301.0, ["x"])) == 3


@pytest.mark.parametrize("budget", [None, {}, {"seconds": 10}, {"seconds": "soon", "memory_mb": 1}, 3])
def test_an_unreadable_budget_is_no_budget(budget):
    assert "no budget" in complaints(budget, 1.0, 1.0, [])[0]


def test_time_without_a_processor_is_no_time_of_the_notebook():
    """Of two that share one processor each waits for about half of the time; with one of its own, for none of it."""
    if not Path("/proc/self/schedstat").is_file():
        pytest.skip("this system does not count how long a process waits for a processor")
    work = "import os, time\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nend = time.monotonic() + 0.5\n"
    work += "while time.monotonic() < end: pass\nprint(flush=True)\ninput()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    pair = [subprocess.Popen([sys.executable, "-I", "-c", work], **pipes) for _ in range(2)]
    for process in pair:
        process.stdout.readline()
    shares = [waited(process.pid) for process in pair]
    for process in pair:
        process.communicate(b"\n")
    assert sum(shares) > 0.3
    assert waited(os.getpid()) < time.monotonic()
