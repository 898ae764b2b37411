"""The plugin that tries a notebook's exercises in its kernel: what it must catch, each in a notebook that does it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.nbval_exercises import names

ROOT = Path(__file__).resolve().parents[2]
NUMPY = "import numpy as np"


def notebook(source: str, *tags: str) -> nbformat.NotebookNode:
    """One cell of code, and an empty one for each exercise."""
    exercises = [new_code_cell("", metadata={"tags": [tag]}) for tag in tags]
    made = new_notebook(cells=[new_code_cell(source), *exercises])
    made.metadata["edgelab"] = {"budget": {"seconds": 60, "memory_mb": 250}}
    return made


NOTEBOOKS = {
    "good": notebook(NUMPY, "exercise:device.unfit", "exercise:train_mnist.steps_in_an_epoch"),
    "without_numpy": notebook("", "exercise:device.steady_rate"),
    "shadowed": notebook(f"{NUMPY}\nround = np.ceil", "exercise:convert.scale_and_zero_point"),
    "hidden_by_a_name": notebook(f"{NUMPY}\njson = exercise = complaints = unfit = None", "exercise:device.unfit"),
    "unknown": notebook(NUMPY, "exercise:device.nothing"),
    "dead": notebook(f"{NUMPY}\nimport os\nos._exit(1)", "exercise:device.unfit"),
    "none": notebook(NUMPY, "nbval-skip"),
}


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> subprocess.CompletedProcess:
    """One run of pytest --nbval over all the notebooks, with both plugins, as `edgelab test` calls it."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, made in NOTEBOOKS.items():
        nbformat.write(made, folder / f"{name}.ipynb")
    plugins = ["-p", "tests.nbval_budget", "-p", "tests.nbval_exercises"]
    flags = ["-rA", "--color=no", *plugins, "--nbval", "--nbval-current-env", "--nbval-cell-timeout=60"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", *flags, "."]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def outcome(session: subprocess.CompletedProcess, name: str) -> str:
    found = re.search(rf"^(PASSED|FAILED|ERROR) {name}\.ipynb::exercises", session.stdout, re.MULTILINE)
    return found[1] if found else "absent"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("good", "PASSED"),
        ("without_numpy", "FAILED"),
        ("shadowed", "FAILED"),
        ("unknown", "FAILED"),
        ("dead", "FAILED"),
        ("none", "absent"),
    ],
)
def test_each_notebook_is_judged_by_its_own_fault(session, name, expected):
    assert outcome(session, name) == expected, session.stdout


@pytest.mark.parametrize(
    "words",
    [
        r"without_numpy\.ipynb: device\.steady_rate: the stub stops with NameError: name 'np' is not defined",
        r"without_numpy\.ipynb: device\.steady_rate: the solution stops with NameError: name 'np' is not defined",
        r"shadowed\.ipynb: convert\.scale_and_zero_point: the solution is wrong \(.*is too small",
        r"unknown\.ipynb: ValueError: no exercise device\.nothing; there are: device\.\w+",
        r"dead\.ipynb: the kernel died",
    ],
)
def test_the_failure_names_notebook_exercise_and_fault(session, words):
    """Every complaint, not the first alone."""
    assert re.search(words, session.stdout), session.stdout


def test_a_notebooks_own_names_are_not_in_the_way(session):
    """Asked for under a name that the notebook uses otherwise, the test would fail for no fault of an exercise."""
    assert outcome(session, "hidden_by_a_name") == "PASSED", session.stdout


def test_exercises_come_last(session):
    """Behind the budget, whose bounds are the notebook's own."""
    order = re.findall(r"^PASSED good\.ipynb::(Cell 0|budget|exercises)", session.stdout, re.MULTILINE)
    assert order == ["Cell 0", "budget", "exercises"], session.stdout


def test_names_are_those_of_the_tags():
    made = notebook("", "exercise:device.b", "source:edgelab.data.split", "exercise:device.a")
    assert names(made) == ["device.b", "device.a"]
