"""`edgelab copy` must print all that a helper needs, and nothing else."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from _copies import read_once

from edgelab.course.copy import names as naming
from edgelab.course.copy import select as copying
from edgelab.course.copy.assemble import File, assembled, import_text
from edgelab.course.copy.notice import heading, packages
from edgelab.course.copy.parse import Piece, annotations_in, example_names, names_used, pieces, statement_text

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
    monkeypatch.setattr(naming, "PACKAGE", tmp_path)
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
    assert naming.public_names()[0] == "edgelab.maths.made.inner"
    assert not [name for name in naming.public_names() if "_private" in name or "hidden" in name]


FILES = {
    "maths/windows.py": '''"""Windows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from edgelab.maths.shapes import Shape

# How far.
REACH = os.sep


def pair(value: Sequence) -> Shape:
    return _twice(value), REACH


def _twice(value: Iterator):
    return np.r_[value, value]


def unused():
    pass
''',
    "maths/shapes.py": "import numpy as np\n\n\nclass Shape(np.ndarray):\n    pass\n",
    "maths/pool.py": "from edgelab.maths.windows import pair, unused\n\n\ndef pool(x):\n    return pair(x)\n",
    "maths/conv.py": '''import re
from collections.abc import Callable
from operator import Int8, int8, int16, MAX

import numpy as np

from edgelab.maths.pool import pool as pool
from edgelab.maths.windows import pair


def conv(x, f: Callable = pair):
    """Slide.

    >>> conv(re.I)
    """
    return pool(np.abs(x)), int8, MAX, Int8, int16
''',
}


@pytest.fixture
def files(package) -> Path:
    """The same package, with files that import from each other."""
    for name, text in FILES.items():
        (package / name).write_text(text)
    return package


def test_a_copy_brings_what_other_files_define(files):
    """Definitions before their uses at import time (a default, a base class), imports once and in order."""
    assert (
        without_heading("conv.conv")
        == '''from __future__ import annotations

import os
import re  # noqa: F401 (for the example)
from collections.abc import Callable, Iterator, Sequence
from operator import MAX, Int8, int8, int16

import numpy as np


class Shape(np.ndarray):
    pass


# How far.
REACH = os.sep


def pair(value: Sequence) -> Shape:
    return _twice(value), REACH


def _twice(value: Iterator):
    return np.r_[value, value]


def pool(x):
    return pair(x)


def conv(x, f: Callable = pair):
    """Slide.

    >>> conv(re.I)
    """
    return pool(np.abs(x)), int8, MAX, Int8, int16
'''
    )


def test_a_name_that_a_file_passes_on_is_copied_from_where_it_is_defined(files):
    """The heading says where it really comes from; the way may lead through several files."""
    (files / "maths" / "all.py").write_text("from edgelab.maths.conv import pool\n")
    expected = copying.copy_source("maths.pool.pool")
    assert expected.startswith("# edgelab.maths.pool.pool, copied from")
    for name in ("conv.pool", "maths.conv.pool", "edgelab.maths.conv.pool", "all.pool", "pool.pool"):
        assert copying.copy_source(name) == expected
    for name in ("conv.unused", "conv.np", "nv.pool"):
        with pytest.raises(ValueError, match="no public function"):
            copying.copy_source(name)


def test_two_things_of_one_name_are_refused(files):
    """Of two helpers called _twice in one file, the second would silently take the first one's place."""
    for second, kind in (("def _twice():\n    pass", "_twice"), ("import os.path as np", "np"), ("REACH = 1", "REACH")):
        text = f"from edgelab.maths.windows import pair\n\n{second}\n\n\ndef two():\n    return pair({kind})\n"
        (files / "maths" / "two.py").write_text(text)
        with pytest.raises(ValueError, match=rf"two needs '{kind}' of edgelab\.\S+ and another '{kind}' of edgelab"):
            copying.copy_source("two")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("from edgelab.maths.windows import pair as p", r"imports pair as p from edgelab\.maths\.windows.*as pair"),
        (
            "from edgelab.maths.windows import gone as gone",
            r"gone from edgelab\.maths\.windows, which doesn't define it",
        ),
        ("from edgelab.maths.round import back", r"two needs files that import each other: edgelab\.maths"),
    ],
)
def test_what_cannot_be_brought_is_named(files, line, says):
    (files / "maths" / "round.py").write_text("from edgelab.maths.two import two\n\n\ndef back():\n    return two\n")
    name = line.split()[-1]
    (files / "maths" / "two.py").write_text(f"{line}\n\n\ndef two():\n    return {name}\n")
    with pytest.raises(ValueError, match=says):
        copying.copy_source("two.two")


def test_only_wings_that_promise_it_are_brought(files):
    """A copy from elsewhere needs edgelab anyway; half a package in it would be noise."""
    (files / "course").mkdir()
    (files / "course" / "show.py").write_text("from edgelab.maths.conv import conv\n\n\ndef see():\n    conv()\n")
    assert "from edgelab.maths.conv import conv\n\n\ndef see" in copying.copy_source("see")


def test_a_long_import_is_broken_as_the_formatter_does(files):
    names = [f"a_name_of_some_length_{n}" for n in range(6)]
    text = f"from os import {', '.join(names)}\nfrom edgelab.maths.windows import unused\n"
    (files / "maths" / "two.py").write_text(f"{text}\n\ndef two():\n    return unused, {', '.join(names)}\n")
    lines = "".join(f"    {name},\n" for name in names)
    assert f"from os import (\n{lines})\n\n\ndef unused" in without_heading("two")


def test_pieces_say_what_they_bind_and_need():
    """Attributes and entries make a name what it is; a guard's names are needed with what stands under it."""
    found = {
        frozenset(p.binds): p.needs
        for p in pieces("if typing.TYPE_CHECKING:\n    import keras\nf.x = T['a'] = 1\ndef f(x: 'A' = B): ...")
    }
    assert {frozenset({"keras"}): {"typing"}, frozenset({"f", "T"}): set(), frozenset({"f"}): {"A", "B"}} == found
    node = pieces("def f(x):\n    '>>> g(1)'\n    return h(x)")[0].node
    assert (names_used(ast.unparse(node)), example_names(node), annotations_in(node)) == ({"h"}, {"g"}, [])
    assert statement_text(["def f(x):", "    '>>> g(1)'", "    return h(x)", "    # end"], node).endswith("# end")
    assert isinstance(pieces("x = 1")[0], Piece)


def test_one_file_is_assembled_as_it_is_written():
    text = "import os  # why\n\nNAME = os.name"
    file = File(text.split("\n"), pieces(text))
    assert assembled("# Top", [file]) == f"# Top\n\n{text}\n"
    assert import_text([ast.alias("path", "p")], ast.parse("from os import name").body[0]) == "from os import path as p"


def test_the_heading_names_origin_licence_and_what_must_be_installed():
    """Apache-2.0 asks for the notice; a reader of the copy asks what to install."""
    heading = copying.copy_source("shrink.convert.to_tflite").split("\n\n")[0]
    assert heading.startswith("# edgelab.shrink.convert.converter.to_tflite, copied from edgelab ")
    assert "SPDX-License-Identifier: Apache-2.0" in heading
    assert "# It imports: ai_edge_litert, flatbuffers, keras, numpy, tensorflow" in heading
    assert "needs edgelab" not in heading


def test_a_copy_that_needs_edgelab_says_so():
    """Only the wings in PASTING promise to work alone; a copy from elsewhere must not look as if it did."""
    heading = copying.copy_source("course.notebooks.run.run").split("\n\n")[0]
    assert "# So it needs edgelab installed" in heading
    assert max(map(len, heading.splitlines())) <= 120


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("run_apart", "# It imports: numpy"),  # in the code that it hands to another process
        ("mobilenet_v1_small", "# It imports: keras (which runs on tensorflow)"),
    ],
)
def test_the_heading_names_all_that_must_be_installed(name, line):
    """A reader who installs what it says must not meet a ModuleNotFoundError."""
    assert line in copying.copy_source(name).splitlines()


def test_imports_in_strings_and_examples_count():
    """Code that a function gives to another Python is code; a sentence with the word import is none."""
    text = r'''
TEXT = "what to import: see numpy"
BROKEN = "import (", "import a\0"
CHILD = """
import os, scipy.linalg
from . import x
"""
def f():
    """Do.

    >>> import matplotlib, json
    """
    import keras, tensorflow
    return CHILD, TEXT
'''
    parts = pieces(text)
    assert set().union(*map(packages, parts)) == {"os", "scipy", "keras", "tensorflow"}
    assert heading("edgelab.maths.made.f", parts).splitlines()[2:] == [
        "# It imports: keras, scipy, tensorflow",
        "# Its example imports: matplotlib",
    ]


def test_every_copy_of_the_package_passes_the_linter_and_the_formatter(tmp_path):
    """Undefined names, unused imports, wrong order or spacing would be a chore for whoever pastes it."""
    with read_once():
        for name in naming.definitions():
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
        "import sys; from edgelab.course.copy.select import copy_source; copy_source('to_tflite');"
        "print([m for m in ('numpy', 'keras', 'tensorflow', 'edgelab.shrink.convert.converter') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_prints_the_copy_and_lists_all():
    """The message for an unknown name points at `edgelab copy --list`."""
    command = [sys.executable, "-m", "edgelab.cli", "copy"]
    copied = subprocess.run([*command, "to_tflite"], capture_output=True, encoding="utf-8", check=True).stdout
    assert copied == copying.copy_source("to_tflite")
    listed = subprocess.run([*command, "--list"], capture_output=True, encoding="utf-8", check=False)
    assert listed.stdout.split() == naming.public_names(), listed.stderr


def test_the_list_has_what_is_promised_under_the_name_that_one_imports():
    """Neither the course's own machinery nor answers; and each name is a line `from ROOM import NAME` that works."""
    names = naming.public_names()
    assert "edgelab.shrink.convert.to_tflite" in names
    assert "edgelab.maths.conv.conv2d" in names
    assert {name.split(".")[1] for name in names} == set(naming.PASTING)
    assert "edgelab.artifacts.shipped" not in names
    imports = "\n".join("from {0} import {2}".format(*name.rpartition(".")) for name in names)
    done = subprocess.run([sys.executable, "-c", imports], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_answers_of_exercises_are_neither_listed_nor_suggested_nor_copied(files):
    """One typo in `edgelab copy` must not show what the notebook asks for."""
    (files / "course").mkdir()
    (files / "course" / "asked.py").write_text(
        "from edgelab.course import exercise\n\n\n@exercise(cases=1, hint='')\ndef layers_needed(n):\n    return n\n"
    )
    assert not [name for name in naming.definitions() if "layers_needed" in name]
    for name in ("layers_needed", "asked.layers_needed", "layer_needed"):
        with pytest.raises(ValueError, match="no public function") as failure:
            copying.copy_source(name)
        assert "Did you mean" not in str(failure.value)


def test_a_name_means_what_a_room_passes_on(files):
    """Through a room in a room; a wing that promises copies wins over the course's machinery of the same name."""
    for room in ("shrink", "shrink/convert", "course"):
        (files / room).mkdir()
    (files / "shrink" / "convert" / "deep.py").write_text("def pair_up():\n    pass\n\n\ndef deeper():\n    pass\n")
    (files / "shrink" / "convert" / "__init__.py").write_text(
        "from edgelab.shrink.convert.deep import deeper, pair_up\n"
    )
    (files / "shrink" / "__init__.py").write_text("from edgelab.shrink.convert import deeper\n")
    (files / "course" / "made_up.py").write_text("def deeper():\n    pass\n\n\ndef shown():\n    pass\n")
    (files / "course" / "__init__.py").write_text("from edgelab.course.made_up import deeper, shown\n")
    assert {"edgelab.shrink.deeper", "edgelab.shrink.convert.pair_up"} < set(naming.public_names())
    for name in ("deeper", "shrink.deeper", "convert.deeper", "edgelab.shrink.convert.deep.deeper"):
        assert naming.resolve(name) == "edgelab.shrink.convert.deep.deeper"
    for name in ("shown", "course.shown"):
        assert naming.resolve(name) == "edgelab.course.made_up.shown"
    assert naming.resolve("course.deeper") == "edgelab.course.made_up.deeper"
    assert naming.pasting("edgelab.shrink.deeper")
    assert not naming.pasting("edgelab")
    assert naming.file_of("edgelab.shrink.convert.deep") == files / "shrink" / "convert" / "deep.py"


def test_two_files_that_name_each_other_do_not_hang(files):
    (files / "maths" / "a.py").write_text("from edgelab.maths.b import lost\n")
    (files / "maths" / "b.py").write_text("from edgelab.maths.a import lost\n")
    with pytest.raises(ValueError, match="no public function"):
        naming.resolve("a.lost")
