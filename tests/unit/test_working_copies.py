"""`edgelab lab`'s copies: made once, brought up to date while unchanged, and never taken from a reader."""

import json
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from edgelab.course.notebooks.working_copies import RECORD, refresh


def write(path: Path, *sources: str, output: str = "42\n") -> bytes:
    """Write a notebook of these cells, each with that output; return its bytes."""
    outputs = [new_output("stream", name="stdout", text=output)]
    cells = [new_code_cell(source, id=f"c{i}", outputs=outputs) for i, source in enumerate(sources)]
    path.parent.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=cells), path)
    return path.read_bytes()


@pytest.fixture
def course(tmp_path) -> Path:
    """A clone of two notebooks."""
    write(tmp_path / "notebooks" / "01_a.ipynb", "1 + 1")
    write(tmp_path / "notebooks" / "02_b.ipynb", "2 + 2", "3 + 3")
    return tmp_path


def told(course: Path) -> str:
    return refresh(course / "notebooks", course / "work")


def test_each_notebook_is_copied_once_and_says_so(course):
    assert "work/ (2 new)." in told(course)
    for name in ("01_a.ipynb", "02_b.ipynb"):
        assert (course / "work" / name).read_bytes() == (course / "notebooks" / name).read_bytes()
    before = {path: path.stat().st_mtime_ns for path in (course / "work").iterdir()}
    assert told(course) == "Your copies of the notebooks, to run and to change: work/. " + (
        "Those in notebooks/ stay as they are."
    )
    assert {path: path.stat().st_mtime_ns for path in (course / "work").iterdir()} == before, "nothing to write"
    (course / "work" / "02_b.ipynb").unlink()
    assert "(1 new)" in told(course), "to delete a copy is the way back to the beginning"


def test_a_copy_that_was_only_run_follows_a_pull(course):
    """JupyterLab rewrites outputs, counts and metadata of what one merely opens."""
    told(course)
    write(course / "work" / "01_a.ipynb", "1 + 1", output="of my machine\n")
    newer = write(course / "notebooks" / "01_a.ipynb", "1 + 1", "# New.")
    assert "(1 brought up to date)" in told(course)
    assert (course / "work" / "01_a.ipynb").read_bytes() == newer


def test_a_changed_copy_is_never_touched_and_named_where_it_is_behind(course):
    told(course)
    mine = write(course / "work" / "01_a.ipynb", "1 + 2  # mine")
    assert "changed" not in told(course), "nothing newer, nothing to say"
    write(course / "notebooks" / "01_a.ipynb", "1 + 1", output="stored anew\n")
    assert "changed" not in told(course), "of the same text there is nothing to get"
    newer = write(course / "notebooks" / "01_a.ipynb", "1 + 1", "# New.")
    for _ in range(2):
        assert "\nYou changed 01_a.ipynb, and notebooks/ has a newer version. To get it, rename your copy." in told(
            course
        )
        assert (course / "work" / "01_a.ipynb").read_bytes() == mine
    (course / "work" / "01_a.ipynb").rename(course / "work" / "my_a.ipynb")
    assert "(1 new)." in told(course)
    assert (course / "work" / "01_a.ipynb").read_bytes() == newer
    assert (course / "work" / "my_a.ipynb").read_bytes() == mine


@pytest.mark.parametrize("damage", [b"", b'{"cells": [', b"[]", b'{"cells": [{}]}', b"\x89PNG\r\n\xff"])
def test_a_damaged_copy_counts_as_changed(course, damage):
    """Half a notebook may be all that a reader has left of an evening."""
    told(course)
    (course / "work" / "01_a.ipynb").write_bytes(damage)
    write(course / "notebooks" / "01_a.ipynb", "# New.")
    assert "You changed 01_a.ipynb" in told(course)
    assert (course / "work" / "01_a.ipynb").read_bytes() == damage


def test_a_damaged_notebook_replaces_no_copy(course):
    """A merge that left its marks in notebooks/ must not reach what works."""
    told(course)
    before = (course / "work" / "01_a.ipynb").read_bytes()
    (course / "notebooks" / "01_a.ipynb").write_text('{"cells": [\n<<<<<<< HEAD\n')
    assert "brought" not in told(course)
    assert (course / "work" / "01_a.ipynb").read_bytes() == before


@pytest.mark.parametrize("record", [None, "", "[]", '{"01_a.ipynb": 3}', '{"01_a.ipynb": {"cells": "x"}}'])
def test_without_its_record_a_changed_copy_still_stays(course, record):
    """Removed by a tool that tidies hidden files, or cut off: then only what equals the notebook may be replaced."""
    told(course)
    mine = write(course / "work" / "01_a.ipynb", "1 + 2  # mine")
    (course / "work" / RECORD).unlink()
    if record is not None:
        (course / "work" / RECORD).write_text(record)
    for name in ("01_a.ipynb", "02_b.ipynb"):
        write(course / "notebooks" / name, "# New.")
    told(course)
    assert (course / "work" / "01_a.ipynb").read_bytes() == mine
    assert nbformat.read(course / "work" / "02_b.ipynb", as_version=4).cells[0].source == "2 + 2"


def test_the_copy_of_a_notebook_that_is_gone_goes_unless_it_was_changed(course):
    told(course)
    mine = write(course / "work" / "01_a.ipynb", "1 + 2  # mine")
    for path in (course / "notebooks").iterdir():
        path.rename(path.with_name(f"1{path.name}"))
    assert "(2 new)" in told(course)
    assert sorted(p.name for p in (course / "work").glob("*.ipynb")) == ["01_a.ipynb", "101_a.ipynb", "102_b.ipynb"]
    assert (course / "work" / "01_a.ipynb").read_bytes() == mine
    assert set(json.loads((course / "work" / RECORD).read_text())) == {"101_a.ipynb", "102_b.ipynb"}


def test_a_folder_that_cannot_be_written_is_named(course):
    (course / "work").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="work"):
        told(course)
