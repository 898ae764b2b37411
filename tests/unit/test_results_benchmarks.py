"""Committed measurements: what a notebook loads instead of running for an hour."""

import json

import pytest

from edgelab.course.results import benchmarks as module
from edgelab.course.results.benchmarks import measured, results_folder, save_measured


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "results_folder", lambda: tmp_path)
    return tmp_path


def test_what_is_saved_is_read_with_machine_and_command(folder):
    save_measured("speed", [{"seed": 1}])
    content = measured("speed")
    assert content["rows"] == [{"seed": 1}]
    assert content["machine"]["cores"] >= 1
    assert content["command"].startswith("python benchmarks/speed.py")


def test_an_unmeasured_name_says_which_command_measures_it(folder):
    save_measured("speed", [])
    with pytest.raises(FileNotFoundError, match=r"there are: speed.*edgelab bench seeds"):
        measured("seeds")


@pytest.mark.parametrize("text", ["", "[]", '{"rows": []}'])
def test_a_broken_file_is_named(folder, text):
    (folder / "speed.json").write_text(text)
    with pytest.raises(ValueError, match=r"speed\.json: not a benchmark's result"):
        measured("speed")


def test_every_committed_result_names_a_script_that_exists():
    """A published figure whose command is gone cannot be measured again."""
    results = sorted(results_folder().glob("*.json"))
    assert results
    for path in results:
        command = json.loads(path.read_text())["command"].split()
        assert command[0] == "python"
        assert (results_folder().parents[1] / command[1]).is_file(), path
