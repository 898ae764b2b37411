"""The rules that hold the package together: arrows between the wings, light imports, examples, tests."""

import doctest
import functools
import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import _imports
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "edgelab"
MODULES = list(_imports.modules(PACKAGE))
INFER = [name for name in MODULES if name.split(".")[1:2] == ["infer"]]


def tree(folder: Path, **texts: str) -> Path:
    """Write a made-up package lab: train__fit="import os" is lab/train/fit.py."""
    package = folder / "lab"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for name, text in texts.items():
        path = package.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if path.parent != package:
            (path.parent / "__init__.py").touch()
    return package


def none(found: list[str], what: str) -> None:
    """Fail with the whole list of what was found."""
    assert found == [], "\n  ".join([f"{what}:", *found])


def run(code: str) -> str:
    """Run code in a fresh Python, isolated from this folder and its variables; return what it prints."""
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_arrows_run_down_only():
    """One convenient import upwards, and the runtime of a Raspberry Pi wants TensorFlow installed."""
    none(_imports.wrong_arrows(PACKAGE), "imports that run up")


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("maths__nn", "from lab.data import x"),
        ("data", "import lab.artifacts"),
        ("artifacts", "from lab import data"),
        ("train__fit", "def f():\n    from lab.shrink.convert import x"),
        ("infer__runner", "import importlib\nimportlib.import_module('lab.shrink.convert')"),
        ("infer__tflite", "from lab.train.fit import x"),
        ("shrink__convert", "import importlib\nimportlib.import_module('lab.deploy.device')"),
        ("deploy__device", "from ..shrink import convert"),
        ("fleet__outbox", "from ..train import fit"),
        ("train__cost", "from lab.course import plots"),
        ("course__run", "class A:\n    def f(self):\n        import lab.cli"),
        ("extra__more", ""),
    ],
)
def test_an_arrow_that_runs_up_is_found(tmp_path, module, text):
    """Wherever in the file it stands, and however it is written."""
    others = {"data": "", "artifacts": "", "shrink__convert": "", "deploy__device": "", "train__fit": "", "cli": ""}
    package = tree(tmp_path, **{**others, "course__plots": "", module: text})
    found = {line.split()[0] for line in _imports.wrong_arrows(package)} - {"lab.extra"}
    assert found == {f"lab.{module.replace('__', '.')}"}


def test_an_arrow_that_runs_down_is_none(tmp_path):
    """A checker that forbids everything would be switched off."""
    package = tree(
        tmp_path, data="", train__fit="from lab import data, __version__\nfrom lab.train import cost", train__cost=""
    )
    assert _imports.wrong_arrows(package) == []


def test_nothing_is_imported_relatively():
    """A relative import means nothing in the place where a function is pasted."""
    none(_imports.relative_imports(PACKAGE), "relative imports")


def test_a_relative_import_is_found(tmp_path):
    package = tree(tmp_path, train__fit="import os\ndef f():\n    from . import models")
    assert _imports.relative_imports(package) == ["lab.train.fit, line 3"]


def test_no_circles():
    """Circles make the order of imports matter, and end in a half-imported module."""
    none(_imports.circle(PACKAGE), "a circle of imports")


def test_a_circle_is_found(tmp_path):
    """Also through a third module, and inside functions."""
    package = tree(
        tmp_path,
        maths__a="from lab.maths import b",
        maths__b="def f():\n    import lab.maths.c",
        maths__c="import lab.maths.a",
    )
    assert len(_imports.circle(package)) == 4


@pytest.mark.parametrize("wing", _imports.LIGHT)
def test_nothing_on_a_device_reaches_tensorflow(wing):
    """Neither directly nor through what it imports: a device has 64 MB, not 1.5 GB."""
    none(_imports.ways_to(PACKAGE, wing), "ways to TensorFlow")


@pytest.mark.parametrize(
    "text", ["import keras", "from lab.shrink import convert", "def f():\n    import lab.shrink.convert as c"]
)
def test_a_way_to_tensorflow_is_found(tmp_path, text):
    """With the chain that leads there; what a folder's __init__ imports counts too."""
    package = tree(
        tmp_path, deploy__device=text, shrink__convert="from tensorflow import lite", deploy__clean="import os"
    )
    (way,) = _imports.ways_to(package, "deploy")
    assert way in ("lab.deploy.device -> keras", "lab.deploy.device -> lab.shrink.convert -> tensorflow")
    (package / "deploy" / "__init__.py").write_text("import tensorflow")
    assert "lab.deploy.clean -> lab.deploy -> tensorflow" in _imports.ways_to(package, "deploy")


@functools.cache
def heavy_by_module() -> dict[str, list[str]]:
    """Import infer, module by module, in a fresh Python; return what of TensorFlow each was the first to load."""
    code = f"""
import importlib, json, sys
found = {{}}
for name in {INFER!r}:
    before = set(sys.modules)
    importlib.import_module(name)
    found[name] = sorted({_imports.HEAVY!r} & set(sys.modules) - before)
print(json.dumps(found))
"""
    return json.loads(run(code))


@pytest.mark.parametrize("module", INFER)
def test_importing_infer_loads_no_tensorflow(module):
    """What the source says, seen in a running Python: third-party packages may import it behind our back."""
    assert heavy_by_module()[module] == []


@pytest.mark.parametrize("module", ["edgelab", "edgelab.cli", "edgelab.course.copy.select"])
def test_light_modules_load_nothing_but_the_standard_library(module):
    """`import edgelab` is in a notebook's first cell, and `edgelab --help` must answer at once, on a device too."""
    code = f"""
import sys
before = set(sys.modules)
import {module}
new = {{name.split('.')[0] for name in set(sys.modules) - before}}
print(sorted(new - sys.stdlib_module_names))
"""
    assert run(code) == "['edgelab']"


def test_every_public_function_and_class_has_an_example():
    """An example is the part of a docstring that is read first, and the only one that can be proven."""
    none(_imports.without_example(PACKAGE), "without an example that runs")


def test_a_missing_or_skipped_example_is_found(tmp_path):
    text = '''
def good():
    """Do.

    >>> good()
    """

def bare(): ...

class Bare:
    """Hold."""

def skipped():
    """Do.

    >>> skipped()  # doctest: +SKIP
    """

def _private(): ...
'''
    package = tree(tmp_path, maths__nn=text, maths___hidden="def f(): ...")
    assert _imports.without_example(package) == [f"lab.maths.nn.{name}" for name in ("bare", "Bare", "skipped")]


def test_every_public_function_and_class_is_named_in_a_test():
    """Crude but real: what no test names, no test runs."""
    none(_imports.untested(PACKAGE, ROOT / "tests"), "named in no file of tests/")


def test_an_untested_function_is_found(tmp_path):
    """As a whole word: `splits` is no test of `split`."""
    package = tree(tmp_path, data="def split(): ...\nclass Folder: ...\ndef _private(): ...")
    (tmp_path / "tests" / "unit").mkdir(parents=True)
    (tmp_path / "tests" / "unit" / "test_data.py").write_text("def test_splits():\n    data.Folder()\n")
    assert _imports.untested(package, tmp_path / "tests") == ["lab.data.split"]


def test_no_file_is_too_long():
    """A file that doesn't fit in the head is two files."""
    none(_imports.too_long(PACKAGE), "too long")


def test_a_long_file_is_found(tmp_path):
    package = tree(tmp_path, data="\n" * 300, artifacts="\n" * 301)
    found = [line.split("lab")[-1] for line in _imports.too_long(package, 300)]
    assert found == ["/artifacts.py: 301 lines, at most 300"]


def test_nothing_is_left_unfinished():
    """Notes to oneself belong in a tracker, not in files that readers copy from."""
    assert ROOT / "pyproject.toml" in _imports.files(ROOT)  # in an outer repository that ignores this folder, it is not
    none(_imports.unfinished(ROOT), "unfinished")


@pytest.mark.parametrize("git", [False, True] if shutil.which("git") else [False])
def test_an_unfinished_line_is_found(tmp_path, git):
    """In tracked and new files, with git and in an unpacked archive; ignored files and binaries don't count."""
    word = "TO" + "DO"
    for name in ("a.py", "b/c.md", "build/d.py", "e.pyc"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"x = 1\n# {word}: more\n")
    (tmp_path / "f.bin").write_bytes(b"\0 " + word.encode())
    (tmp_path / "g.txt").write_text(f"{word}S are fine\n")
    (tmp_path / ".gitignore").write_text("build/\n*.py[co]\n")
    if git:
        subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
        subprocess.run(["git", "-C", str(tmp_path), "add", "a.py"], check=True)
    found = [line.removeprefix(f"{tmp_path}/").split(":")[0] for line in _imports.unfinished(tmp_path)]
    assert found == ["a.py, line 2", "b/c.md, line 2"]


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_are_true(module, tmp_path, monkeypatch):
    """An example that doesn't run teaches a mistake. None is skipped; files they write go to an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EDGELAB_ARTIFACTS", raising=False)
    monkeypatch.setenv("MPLBACKEND", "agg")
    lines: list[str] = []
    runner = doctest.DocTestRunner(verbose=False)
    for test in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(module)):
        runner.run(test, out=lines.append)
    assert runner.failures == 0, "".join(lines)
