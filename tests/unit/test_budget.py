"""The notebooks' test bed: what nbval and the budget plugin must catch, each tried on a notebook that does it."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.nbval_budget import complaints, waited

ROOT = Path(__file__).resolve().parents[2]
BUDGET = {"seconds": 60, "memory_mb": 250}
# 300 MB that are written to and freed again: the peak counts, not what is held at the end.
HUNGRY = "x = bytearray(300_000_000)\nx[::4096] = bytes([1]) * len(x[::4096])\ndel x"


def notebook(source: str, printed: str | None = None, budget: dict | None = BUDGET) -> nbformat.NotebookNode:
    outputs = [new_output("stream", name="stdout", text=printed)] if printed else []
    made = new_notebook(cells=[new_code_cell(source, execution_count=1, outputs=outputs)])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    if budget is not None:
        made.metadata["edgelab"] = {"budget": budget}
    return made


# In the first, each line is a promise of the test bed: no models of the reader's own, compiled modules kept, nothing of
# pytest that a library could see, an empty folder from which the clone is found upwards.
HOUSE = """import os
from pathlib import Path
print("EDGELAB_ARTIFACTS" in os.environ, "PYTHONDONTWRITEBYTECODE" in os.environ, "PYTEST_CURRENT_TEST" in os.environ)
print(os.listdir())
print(any((parent / "here").is_file() for parent in Path.cwd().parents))"""
NOTEBOOKS = {
    "within": notebook(HOUSE, "False False False\n[]\nTrue\n"),
    "poisoned": notebook("print(6 * 7)", "43\n"),
    "hungry": notebook(HUNGRY),
    "slow": notebook("pass", budget={"seconds": 0.001, "memory_mb": 250}),
    "no_budget": notebook("pass", budget=None),
    "litter": notebook("open('model.tflite', 'w').close()"),
    "after_litter": notebook("import os\nprint(os.listdir())", "[]\n"),
    "dead": notebook("import os\nos._exit(1)"),
}


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> subprocess.CompletedProcess:
    """One run of pytest --nbval over all the notebooks, as `edgelab test` calls it."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "notebooks").mkdir()
    (folder / "here").touch()
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, made in NOTEBOOKS.items():
        nbformat.write(made, folder / "notebooks" / f"{name}.ipynb")
    flags = [
        "-rA",
        "--color=no",
        "-p",
        "tests.nbval_budget",
        "--nbval",
        "--nbval-current-env",
        "--nbval-cell-timeout=90",
    ]
    hostile = {"PYTHONPATH": str(ROOT), "EDGELAB_ARTIFACTS": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", *flags, "notebooks"]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **hostile}, capture_output=True, text=True, timeout=300
    )
    done.left = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.suffix != ".ipynb")
    return done


def outcome(session: subprocess.CompletedProcess, name: str) -> tuple[str, str]:
    """Return (of its cell, of its budget): PASSED or FAILED."""
    line = rf"^(PASSED|FAILED|ERROR) notebooks/{name}\.ipynb::(Cell 0|budget)"
    found = {test: verdict for verdict, test in re.findall(line, session.stdout, re.MULTILINE)}
    return found.get("Cell 0", "absent"), found.get("budget", "absent")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("within", ("PASSED", "PASSED")),
        ("poisoned", ("FAILED", "PASSED")),
        ("hungry", ("PASSED", "FAILED")),
        ("slow", ("PASSED", "FAILED")),
        ("no_budget", ("PASSED", "FAILED")),
        ("litter", ("PASSED", "FAILED")),
        ("after_litter", ("PASSED", "PASSED")),
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
    ],
)
def test_the_failure_names_notebook_measured_and_allowed(session, words):
    assert re.search(words, session.stdout), session.stdout


def test_a_dead_kernel_is_no_pass(session):
    """Its memory can't be read any more: that must not count as little."""
    assert outcome(session, "dead") == ("FAILED", "FAILED"), session.stdout


def test_the_session_fails_and_leaves_nothing(session):
    assert session.returncode == 1
    left = [path for path in session.left if not path.startswith(".pytest_cache")]
    assert left == ["build", "here", "notebooks", "pytest.ini"]


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
    work += "while time.monotonic() < end: pass\ninput()"
    pair = [subprocess.Popen([sys.executable, "-I", "-c", work], stdin=subprocess.PIPE) for _ in range(2)]
    time.sleep(1.5)
    shares = [waited(process.pid) for process in pair]
    for process in pair:
        process.communicate(b"\n")
    assert sum(shares) > 0.3
    assert waited(os.getpid()) < time.monotonic()
