"""edgelab.course.derive.mirrored_cells: what a notebook shows as the package's code is the package's code."""

import builtins
import functools
import json
import subprocess
import sys
import types
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from edgelab.course.copy.parse import pieces
from edgelab.course.derive import mirrored_cells as mirror
from edgelab.course.derive import sync
from edgelab.course.derive.mirrored_cells import content, mirrored, parse

ROOT = Path(__file__).resolve().parents[2]
NAME = "notebooks/03_x.ipynb"

MADE_UP = '''"""A module."""

import os
from edgelab.maths.pool import max_pool

# How wide.
WIDTH: int = 3  # pixels
TABLE = {}
TABLE["wide"] = WIDTH
LEFT = RIGHT = 1


# A comment that belongs to nothing.

# Why it is written so.
@staticmethod
def conv(x):
    """Slide."""
    return _pad(x)
    # The end.


def _pad(x):
    return os.name + x


class Kernel:
    size = 3


def near():
    from . import pool

    return pool
'''

CONV = '''# Why it is written so.
@staticmethod
def conv(x):
    """Slide."""
    return _pad(x)
    # The end.'''


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A package of one module, edgelab.maths.made, and one exercise."""
    folder = tmp_path / "edgelab"
    (folder / "maths").mkdir(parents=True)
    (folder / "maths" / "made.py").write_text(MADE_UP)
    (folder / "course" / "exercises").mkdir(parents=True)
    (folder / "course" / "exercises" / "made.py").write_text("")
    monkeypatch.setattr(mirror, "PACKAGE", folder)
    cell = "def area(r):\n    ...\n\n\nexercise.area.check(area)"
    subject = types.SimpleNamespace(area=types.SimpleNamespace(cell=lambda: cell), np=json)
    known = {"edgelab.course.exercises.made": subject}

    def import_module(name):
        if name not in known:
            raise ModuleNotFoundError(name, name=name)
        return known[name]

    monkeypatch.setattr(mirror.importlib, "import_module", import_module)
    return folder


def notebook(*tags: str) -> nbformat.NotebookNode:
    """A notebook whose second code cell has tags, an old source and an output."""
    cell = new_code_cell("old = 'σ'", execution_count=2, metadata={"tags": ["nbval-ignore-output", *tags]})
    cell.outputs = [new_output("execute_result", {"text/plain": "2 σ"}, execution_count=2)]
    return new_notebook(cells=[new_markdown_cell("# T"), new_code_cell("import os", execution_count=1), cell])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("conv", CONV),
        ("_pad", "def _pad(x):\n    return os.name + x"),
        ("Kernel", "class Kernel:\n    size = 3"),
        ("WIDTH", "# How wide.\nWIDTH: int = 3  # pixels"),
    ],
)
def test_a_cell_gets_what_the_file_has_and_no_more(package, name, text):
    """A lost decorator changes what runs; a lost comment loses the reason."""
    after = parse(mirrored(nbformat.writes(notebook(f"source:edgelab.maths.made.{name}")), NAME), NAME)
    assert after.cells[2].source == text


def test_an_exercise_gets_its_own_cell(package):
    assert content("exercise:made.area") == "def area(r):\n    ...\n\n\nexercise.area.check(area)"


def test_outputs_counts_and_other_cells_stay(package):
    """Outputs are what nbval compares: losing one would make a test pass that checks nothing."""
    before = notebook("source:edgelab.maths.made.conv")
    text = mirrored(nbformat.writes(before), NAME)
    after = parse(text, NAME)
    assert after.cells[2].source != before.cells[2].source
    after.cells[2].source = before.cells[2].source
    assert after == before
    assert text.endswith("}\n")
    assert "σ" in text, "not escaped: a diff shows letters"


def test_what_is_right_comes_back_to_the_byte(package):
    """Sync is no formatter: a notebook saved by another editor keeps its form."""
    right = json.loads(mirrored(nbformat.writes(notebook("source:edgelab.maths.made.conv")), NAME))
    text = json.dumps(right, indent=4)
    assert mirrored(text, NAME) == text
    for tags in ([], ["tagged:otherwise"], ["sources"]):
        text = json.dumps(notebook(*tags))
        assert mirrored(text, NAME) == text


def test_a_new_notebook_is_filled(package):
    """It has neither outputs nor counts yet, and its mirrored cells are empty."""
    cell = new_code_cell(metadata={"tags": ["source:edgelab.maths.made._pad"]})
    after = parse(mirrored(nbformat.writes(new_notebook(cells=[cell])), NAME), NAME).cells[0]
    assert after.source.startswith("def _pad")
    assert (after.outputs, after.execution_count) == ([], None)


WRONG = {
    "source:edgelab.maths.made.konv": r"no 'konv'\. Did you mean edgelab\.maths\.made\.conv",
    "source:edgelab.maths.mad.conv": r"no module 'edgelab\.maths\.mad'\. Did you mean edgelab\.maths\.made\.conv",
    "source:edgelab.maths.made.zzz": "Nothing in it has a similar name",
    "source:os.path.join": "no module 'os.path'",
    "source:conv": "no module ''",
    "source:edgelab.maths.made.Kernel.size": r"no module 'edgelab\.maths\.made\.Kernel'",
    "source:edgelab.maths.made.max_pool": r"only imports max_pool.*source:edgelab\.maths\.pool\.max_pool",
    "source:edgelab.maths.made.os": "only imports os",
    "source:edgelab.maths.made.TABLE": "more than one plain statement",
    "source:edgelab.maths.made.LEFT": "more than one plain statement",
    "source:edgelab.maths.made.near": "near imports relatively",
    "source: edgelab.maths.made.conv": "expected source:edgelab.WING.FILE.NAME",
    "source=edgelab.maths.made.conv": "expected source:edgelab.WING.FILE.NAME",
    "source:": "expected source:edgelab.WING.FILE.NAME",
    "exercise:made.aria": r"no exercise 'aria'\. Did you mean area",
    "exercise:made.np": r"no exercise 'np'",
    "exercise:unmade.area": r"no edgelab\.course\.exercises\.unmade; there are: made",
    "exercise:area": r"no edgelab\.course\.exercises\.\?; there are: made",
}


@pytest.mark.parametrize("tag", WRONG)
def test_a_wrong_tag_is_named_with_its_cell_and_notebook(package, tag):
    """A tag that is silently passed over leaves a cell that nobody keeps up to date."""
    with pytest.raises(ValueError, match=WRONG[tag]) as error:
        mirrored(nbformat.writes(notebook(tag)), NAME)
    assert str(error.value).startswith(f"{NAME}: code cell 2, tagged {tag}: ")


def test_two_tags_on_a_cell_and_a_tag_on_markdown_are_refused(package):
    tags = ("source:edgelab.maths.made.conv", "exercise:made.area")
    with pytest.raises(ValueError, match=f"{NAME}: code cell 2, tagged {' and '.join(tags)}: a cell mirrors one thing"):
        mirrored(nbformat.writes(notebook(*tags)), NAME)
    text = new_notebook(cells=[new_markdown_cell("x", metadata={"tags": [tags[0]]})])
    with pytest.raises(ValueError, match="markdown cell is tagged source:.*only a code cell"):
        mirrored(nbformat.writes(text), NAME)


def test_an_exercise_module_that_misses_another_says_which(package, monkeypatch):
    """ "There is no such module" would send the author looking in the wrong place."""

    def import_module(name):
        raise ModuleNotFoundError("No module named 'cupy'", name="cupy")

    monkeypatch.setattr(mirror.importlib, "import_module", import_module)
    with pytest.raises(ModuleNotFoundError, match="cupy"):
        content("exercise:made.area")


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"nbformat": 4}'])
def test_what_is_no_notebook_is_named(text):
    with pytest.raises(ValueError, match=r"03_x\.ipynb: not a notebook of format 4"):
        mirrored(text, NAME)


def test_the_formatter_leaves_mirrored_cells_alone(tmp_path):
    """Else pre-commit would rewrite the cell, `make sync` would write it back, and a commit would never pass."""
    tags = [
        f"source:edgelab.course.{name}"
        for name in (
            "derive.mirrored_cells.mirrored",
            "derive.mirrored_cells.TAG",
            "copy.parse.Piece",
            "figures.plots.show",
        )
    ]
    cells = [new_code_cell(metadata={"tags": [tag]}) for tag in tags]
    text = mirrored(nbformat.writes(new_notebook(cells=cells)), NAME)
    (tmp_path / "a.ipynb").write_text(text, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "120", "--diff", "a.ipynb"]
    done = subprocess.run(ruff, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


# The real notebooks.


def stored() -> list[Path]:
    return sorted((ROOT / "notebooks").glob("*.ipynb"))


@functools.cache
def loaded() -> dict[str, nbformat.NotebookNode]:
    """Read all notebooks once, for tests that only look at them."""
    return {path.name: nbformat.read(path, 4) for path in stored()}


def test_the_notebooks_hold_the_packages_code():
    """A copy that is behind teaches what nobody runs. Write it anew with `make sync`."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in stored()}
    assert [name for name, text in texts.items() if mirrored(text, name) != text] == []


def test_sync_mirrors(monkeypatch):
    """The command, not only the function. The pictures that it draws too are nothing to mirror, and take time."""
    for picture in ("pipeline_svg", "frontier_svg"):
        monkeypatch.setattr(sync, picture, lambda *rows: "")
    monkeypatch.setattr(sync, "mirrored", lambda text, name: f"{name} seen")
    files, names = sync.generated(ROOT), [f"notebooks/{path.name}" for path in stored()]
    assert names
    assert [files[name] for name in names] == [f"{name} seen" for name in names]


def lacking(notebook: nbformat.NotebookNode) -> list[str]:
    """Name what mirrored cells need of their file and no earlier cell defines or imports.

    A cell that runs proves nothing: the missing helper may stand in a branch that the notebook doesn't reach.
    """
    known, problems = set(dir(builtins)) | {"display", "get_ipython"}, []
    for number, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1):
        # Lines for the shell or for IPython are no Python.
        found = pieces("\n".join(line for line in cell.source.split("\n") if not line.startswith(("%", "!"))))
        known |= set().union(*(piece.binds for piece in found))
        if any(tag.startswith("source:") for tag in cell.metadata.get("tags", [])):
            missing = set().union(*(piece.needs for piece in found)) - known
            problems += [f"code cell {number}: needs {', '.join(sorted(missing))}"] if missing else []
    return problems


def test_mirrored_cells_find_what_they_need():
    found = {name: lacking(notebook) for name, notebook in loaded().items()}
    assert {name: problems for name, problems in found.items() if problems} == {}


def test_what_a_mirrored_cell_lacks_is_found(package):
    """By import, by definition or by a mirrored cell: all count, if they come before."""
    tagged = new_code_cell(content("source:edgelab.maths.made._pad"), metadata={"tags": ["source:x"]})
    assert lacking(new_notebook(cells=[tagged])) == ["code cell 1: needs os"]
    assert lacking(new_notebook(cells=[new_code_cell("%time 1\nimport os"), tagged])) == []
    conv = new_code_cell("def conv(x: Array):\n    return _pad(x)", metadata={"tags": ["source:y"]})
    assert lacking(new_notebook(cells=[new_code_cell("import os"), tagged, conv])) == ["code cell 3: needs Array"]
    assert lacking(new_notebook(cells=[conv, new_code_cell("import os"), tagged])) == ["code cell 1: needs Array, _pad"]


def imported_too(notebook: nbformat.NotebookNode) -> list[str]:
    """Name what a notebook both imports and mirrors: the reader's changes to the cell would then be lost, or not."""
    tags = [t for c in notebook.cells for t in c.metadata.get("tags", []) if t.startswith("source:")]
    shown = {tag.rpartition(".")[2] for tag in tags}
    code = [c.source for c in notebook.cells if c.cell_type == "code"]
    found = [p for text in code for p in pieces("\n".join(x for x in text.split("\n") if not x.startswith(("%", "!"))))]
    return sorted({name for piece in found if piece.alias is not None for name in piece.binds & shown})


def test_nothing_is_both_imported_and_mirrored():
    cells = [new_code_cell("from edgelab.x import y"), new_code_cell("", metadata={"tags": ["source:edgelab.x.y"]})]
    assert imported_too(new_notebook(cells=cells)) == ["y"]
    found = {name: imported_too(notebook) for name, notebook in loaded().items()}
    assert {name: names for name, names in found.items() if names} == {}
