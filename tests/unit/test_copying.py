"""`edgelab copy` must print all that a helper needs, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from edgelab.course import copying

MADE_UP = '''"""A module."""

from __future__ import annotations

import os
import sys
from collections.abc import (
    Iterator,  # lazily
    Sequence,
)
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

# How wide. (This comment belongs to WIDTH.)
WIDTH = 3  # pixels
UNUSED = os.name

TABLE = {}
TABLE["wide"] = WIDTH


# A comment that belongs to nothing.

# Why it is written so.
# And in two lines.
@staticmethod
def inner(x: keras.Model) -> int:
    # A comment inside.
    np = 2  # a local name, not numpy
    return np
    # A comment at the end.


def outer(names: Sequence[int], mode: Literal["shadow"] = "shadow") -> "Kept | None":
    """Say it.

    >>> outer([np.int8(1)])
    """
    return [inner(shadow) for shadow in names][:WIDTH]


def shadow():
    return sys.argv


def table() -> dict:
    return TABLE


def again(n):
    """Call itself, with an example that needs another function.

    >>> again(0), table()
    """
    return n and again(n - 1)


class Kept(Base := object):
    """Hold something."""

    size = WIDTH


def _private():
    return tf
'''


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A package whose wing maths has one made-up module."""
    (tmp_path / "maths").mkdir()
    (tmp_path / "maths" / "made.py").write_text(MADE_UP)
    (tmp_path / "maths" / "other.py").write_text("def outer():\n    pass\n\n\ndef outermost():\n    pass\n")
    (tmp_path / "maths" / "_hidden.py").write_text("def hidden():\n    pass\n")
    monkeypatch.setattr(copying, "PACKAGE", tmp_path)
    return tmp_path


def without_heading(name: str) -> str:
    lines = copying.copy_source(name).splitlines(keepends=True)
    return "".join(
        line for line in lines if not line.startswith(("# edgelab.", "# Copyright", "# It ", "# So "))
    ).lstrip()


def test_a_copy_has_what_the_function_needs_in_source_order_and_nothing_else(package):
    """One import too many fails a linter, one helper too few fails at run time; a local name drags nothing in."""
    assert (
        without_heading("made.outer")
        == '''from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np  # noqa: F401 (for the example)

if TYPE_CHECKING:
    import keras

# How wide. (This comment belongs to WIDTH.)
WIDTH = 3  # pixels


# Why it is written so.
# And in two lines.
@staticmethod
def inner(x: keras.Model) -> int:
    # A comment inside.
    np = 2  # a local name, not numpy
    return np
    # A comment at the end.


def outer(names: Sequence[int], mode: Literal["shadow"] = "shadow") -> "Kept | None":
    """Say it.

    >>> outer([np.int8(1)])
    """
    return [inner(shadow) for shadow in names][:WIDTH]


class Kept(Base := object):
    """Hold something."""

    size = WIDTH
'''
    )


def test_a_copy_brings_what_only_its_example_names(package):
    """The example is part of what one copies: it has to run."""
    assert "def table" in without_heading("again")


def test_a_constant_comes_with_the_lines_that_fill_it(package):
    """A table copied without its later entries would answer wrongly, in silence."""
    assert 'TABLE = {}\nTABLE["wide"] = WIDTH\n' in without_heading("table")


def test_an_import_kept_whole_keeps_its_comments(package):
    """Comments of a multi-line import are lost only where a name is left out of it."""
    (package / "maths" / "made.py").write_text(
        "from os import (\n    path,  # why\n)\n\n\ndef f():\n    return path\n    # end without a newline"
    )
    assert without_heading("f").startswith("from os import (\n    path,  # why\n)\n\n\ndef f()")
    assert without_heading("f").endswith("    # end without a newline\n")


@pytest.mark.parametrize("name", ["made.outer", "maths.made.outer", "edgelab.maths.made.outer"])
def test_a_longer_name_says_which(package, name):
    assert copying.copy_source(name).startswith("# edgelab.maths.made.outer, copied from edgelab ")


def test_an_ambiguous_name_lists_the_candidates(package):
    with pytest.raises(ValueError, match=r"edgelab\.maths\.made\.outer or edgelab\.maths\.other\.outer"):
        copying.copy_source("outer")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Outermos", r"Did you mean edgelab\.maths\.other\.outermost"),
        ("maths.made.outermost", r"Did you mean edgelab\.maths\.other\.outermost"),
        ("zzz", "List all 8 with: edgelab copy --list"),
        ("", "List all 8"),
        ("_private", "no public function"),
        ("hidden", "no public function"),
        ("er", "no public function"),
    ],
)
def test_an_unknown_name_says_what_is_near_and_how_to_list_all(package, name, says):
    """Neither private names nor the mere end of a name are found."""
    with pytest.raises(ValueError, match=says):
        copying.copy_source(name)


def test_public_names_are_qualified_and_leave_private_ones_out(package):
    assert copying.public_names()[0] == "edgelab.maths.made.inner"
    assert not [name for name in copying.public_names() if "_private" in name or "hidden" in name]


def test_the_heading_names_origin_licence_and_what_must_be_installed():
    """Apache-2.0 asks for the notice; a reader of the copy asks what to install."""
    heading = copying.copy_source("shrink.convert.to_tflite").split("\n\n")[0]
    assert heading.startswith("# edgelab.shrink.convert.to_tflite, copied from edgelab ")
    assert "SPDX-License-Identifier: Apache-2.0" in heading
    assert "# It imports: keras, numpy, tensorflow" in heading
    assert "needs edgelab" not in heading


def test_a_copy_that_needs_edgelab_says_so():
    """Only data, maths, train and shrink promise to work alone; a copy from elsewhere must not look as if it did."""
    assert "# So it needs edgelab installed" in copying.copy_source("deploy.device.Runner").split("\n\n")[0]


def test_every_copy_of_the_package_passes_the_linter_and_the_formatter(tmp_path, monkeypatch):
    """Undefined names, unused imports, wrong order or spacing would be a chore for whoever pastes it."""
    names = copying.public_names()
    monkeypatch.setattr(copying, "public_names", lambda: names)  # reading the package once, not once a name
    for name in names:
        (tmp_path / f"{name}.py").write_text(copying.copy_source(name), encoding="utf-8")
    options = ["--isolated", "--line-length", "120", "--target-version", "py311", "."]
    rules = ["--select", "F,E,W,I,RUF100", "--config", 'lint.isort.known-first-party=["edgelab"]']
    for command in (["check", *rules], ["format", "--diff"]):
        ruff = [sys.executable, "-m", "ruff", *command, *options]
        done = subprocess.run(ruff, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_copying_imports_none_of_what_it_copies():
    """`edgelab copy to_tflite` must not cost the 3 s and 500 MB of TensorFlow, nor need it installed."""
    code = (
        "import sys; from edgelab.course.copying import copy_source; copy_source('to_tflite');"
        "print([m for m in ('numpy', 'keras', 'tensorflow', 'edgelab.shrink.convert') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_prints_the_copy_and_lists_all():
    """The message for an unknown name points at `edgelab copy --list`."""
    command = [sys.executable, "-m", "edgelab.cli", "copy"]
    copied = subprocess.run([*command, "to_tflite"], capture_output=True, encoding="utf-8", check=True).stdout
    assert copied == copying.copy_source("to_tflite")
    listed = subprocess.run([*command, "--list"], capture_output=True, encoding="utf-8", check=False)
    assert listed.stdout.split() == copying.public_names(), listed.stderr
