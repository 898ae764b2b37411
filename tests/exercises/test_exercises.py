"""Each exercise of the course: its solution is right, its stub is no answer, its mistakes are found and named."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from edgelab.course.exercises import complaints, exercises, find, modules
from edgelab.course.exercises.engine.call import describe_call
from edgelab.course.exercises.engine.check import Exercise

ROOT = Path(__file__).resolve().parents[2]
ALL = [one for module in modules() for one in exercises(module)]
EACH = pytest.mark.parametrize("one", ALL, ids=[f"{one.module}.{one.name}" for one in ALL])


def body(source: str) -> list[str]:
    """Return the lines of a function behind its docstring, comments and blank lines left out."""
    statements = ast.parse(source).body[0].body[1:]
    return [line.strip() for statement in statements for line in ast.unparse(statement).splitlines()]


@EACH
def test_solution_stub_and_mistakes_get_the_verdicts_they_should(one: Exercise):
    """A check that passes a wrong answer, or fails the right one, teaches the mistake."""
    assert complaints([f"{one.module}.{one.name}"], one.reference.__globals__) == []


@EACH
def test_three_mistakes_are_known(one: Exercise):
    """What readers are likely to get wrong is the larger part of an exercise."""
    assert len({mistake.new for mistake in one.mistakes}) >= 3


@EACH
def test_a_bug_is_one(one: Exercise):
    """Behind a wrapper, so that it is not recognised as the unchanged stub: the buggy code must do something else."""
    if one.bug:
        stub = one.compiled(one.stub)
        verdict = one.verdict(lambda *arguments: stub(*arguments))
        assert verdict.state == "wrong"
        assert "It still does what it did with the bug." in verdict.message


@EACH
def test_each_boundary_decides(one: Exercise):
    """One that holds in no case can't be missed; one that holds in all says nothing of the wrong ones."""
    held = {b.says: [bool(b.holds(*case)) for case in one._cases] for b in one.boundaries}
    assert [says for says, holds in held.items() if all(holds) or not any(holds)] == []


@EACH
def test_a_call_in_a_message_can_be_pasted(one: Exercise):
    """Small calls come first, as code; the others take their arguments from inputs()."""
    calls = [describe_call(one.name, case) for case in one._cases if one._short(case)]
    assert calls
    for call in calls:
        eval(call, {"np": np, one.name: lambda *arguments: None})


@EACH
def test_neither_message_nor_hint_tells_the_solution(one: Exercise):
    """Whoever wants to know it can ask: exercise.NAME.solution()."""
    said = [one._hint, *(one.verdict(one.compiled(one.mistaken(mistake))).message for mistake in one.mistakes)]
    lines = body(one.source)
    assert lines
    assert [(line, text) for line in lines for text in said if line.removeprefix("return ") in text] == []


@EACH
def test_an_exercise_is_small(one: Exercise):
    """Twelve lines are what one answers in a minute or ten; the task is a sentence, in the docstring."""
    assert len(body(one.source)) <= 12
    assert len(one.cell().splitlines()) <= 30
    task = ast.get_docstring(ast.parse(one.source).body[0])
    assert task[0].isupper()
    assert task.partition("\n")[0].endswith(".")


@pytest.mark.parametrize("module", modules())
def test_a_module_has_three_exercises_and_a_bug_to_find(module):
    assert len(exercises(module)) >= 3
    assert any(one.bug for one in exercises(module))


def test_names_are_used_once():
    """One that stands in two notebooks is two questions under one name."""
    assert [name for name, count in Counter(one.name for one in ALL).items() if count > 1] == []


def test_cells_are_formatted(tmp_path):
    """They are written into notebooks, and those are formatted."""
    for one in ALL:
        (tmp_path / f"{one.module}__{one.name}.py").write_text(f"{one.cell()}\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "ruff",
        "format",
        "--diff",
        "--config",
        str(ROOT / "pyproject.toml"),
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_unknown_exercise_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no exercise device\.x; there are: device\.\w+, device\.\w+"):
        find("device.x")
    with pytest.raises(ValueError, match=r"no exercise x\.y; there are: modules .*device"):
        find("x.y")
