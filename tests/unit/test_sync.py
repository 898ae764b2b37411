"""edgelab.course.derive.sync: what is derived follows its source, once, and nothing else changes."""

import json
import re
import shutil
from itertools import product
from pathlib import Path

import nbformat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.markers import Marker
from packaging.requirements import Requirement

from edgelab.artifacts import shipped
from edgelab.course.derive import sync
from edgelab.course.figures import draw_pipeline
from edgelab.course.results.tables import _feeding, _frontier, section, summary
from edgelab.data import load_mnist
from edgelab.infer.integer import IntegerModel
from edgelab.infer.parity import runtime_outputs

ADDRESS = "https://github.com/me/my.lab"
LINUX, MAC = "sys_platform == 'linux'", "sys_platform == 'darwin'"
BLOCKS = ("badge", "clone", "results", "exactness")
OLD, NEW = "python_full_version < '3.12'", "python_full_version >= '3.12'"


def notebook() -> nbformat.NotebookNode:
    """A notebook with an output, an execution count and letters that JSON might escape."""
    code = nbformat.v4.new_code_cell("1 + 1", execution_count=1)
    code.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "2 σ"}, execution_count=1)]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Größe\n\nPromise."), code])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of the least that sync needs: one dependency with a marker, one notebook, a README with blocks."""
    blocks = "\n".join(f"<!-- {name}:start -->\n<!-- {name}:end -->" for name in BLOCKS)
    (tmp_path / "README.md").write_text(f"# Lab\n{blocks}\nThe end.\n", encoding="utf-8")
    (tmp_path / "benchmarks").mkdir()
    blocks = "\n".join(f"<!-- {name}:start -->\n<!-- {name}:end -->" for name in ("results", "operators"))
    tables = f"# Tables\n{blocks}\nThe end.\n"
    (tmp_path / "benchmarks" / "README.md").write_text(tables, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(f'[project]\nname = "edgelab"\nurls = {{ Repository = "{ADDRESS}" }}\n')
    (tmp_path / "CITATION.cff").write_text("title: Lab\nversion: 0\nrepository-code: none\n")
    (tmp_path / "uv.lock").write_text(
        '[[package]]\nname = "edgelab"\nsource = { editable = "." }\n'
        '[package.optional-dependencies]\ncourse = [{ name = "appnope", marker = "sys_platform == \'darwin\'" }]\n'
        '[[package]]\nname = "appnope"\nversion = "1.0"\n'
    )
    (tmp_path / "notebooks").mkdir()
    nbformat.write(notebook(), tmp_path / "notebooks" / "01_first.ipynb")
    return tmp_path


def contents(root: Path) -> dict[str, bytes]:
    """Each file's bytes, hidden ones too: a forgotten temporary file shows."""
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_check_names_what_is_stale_and_writes_nothing(root, capsys):
    before = contents(root)
    assert sync.main(check=True, root=root) == 1
    assert contents(root) == before
    printed = capsys.readouterr().out
    for name in ("environment.yml", "binder/environment.yml", "CITATION.cff", "README.md", "notebooks/01_first.ipynb"):
        assert f"{name}: " in printed
    assert "make sync" in printed


def test_sync_writes_once_and_then_agrees(root, capsys):
    """A second run must find nothing to do, or every commit hook would report a change."""
    assert sync.main(root=root) == 0
    written = contents(root)
    assert sync.main(check=True, root=root) == 0
    capsys.readouterr()
    assert sync.main(root=root) == 0
    assert capsys.readouterr().out == ""
    assert contents(root) == written
    assert not [name for name in written if name.endswith(".tmp")]


def test_one_change_of_the_address_reaches_every_door(root):
    sync.main(root=root)
    project = root / "pyproject.toml"
    project.write_text(project.read_text().replace("me/my.lab", "you/fork"))
    assert sync.main(check=True, root=root) == 1
    sync.main(root=root)
    for name in ("README.md", "CITATION.cff", "notebooks/01_first.ipynb"):
        text = (root / name).read_text(encoding="utf-8")
        assert "you/fork" in text
        assert "me/my.lab" not in text, name


def test_a_pin_changed_by_hand_is_found(root):
    sync.main(root=root)
    path = root / "binder" / "environment.yml"
    path.write_text(path.read_text().replace("1.0", "0.9"))
    assert sync.main(check=True, root=root) == 1


MACHINE = {"date": "2026-01-01", "machine": {"cores": 2, "cpu": "abacus", "python": "3.11"}}


def block(path: Path, name: str) -> str:
    text = path.read_text(encoding="utf-8")
    return text.partition(f"<!-- {name}:start -->")[2].partition(f"<!-- {name}:end -->")[0]


def test_the_pages_show_what_was_measured_and_by_which_command(root):
    """A published figure that no file holds, or whose command is not beside it, cannot be checked."""
    folder = root / "benchmarks" / "results"
    folder.mkdir(parents=True)
    row = {"model": "net", "format": "int8", "runtime": "LiteRT", "accuracy": 0.5, "bytes": 9, "latency_ms": 0.25}
    costs = {"params": 1234, "macs": 5678}
    files = {
        "pipeline": [row],
        "seeds": [
            *({"model": "net", **costs, "seed": seed, "float32": 0.9 + seed / 100, "int8": 0.9} for seed in (1, 2, 5)),
            {"model": "loop", **costs, "seed": 1, "float32": 0.8},
        ],
        "engine": [
            {"model": "net", "runtime": "abacus", "logits": 1234, "differ": {"abacus": 5, "slide": 77}}
            | {"images_per_s": {"engine": 4321, "runtime": 1}}
        ],
        "latency": [{"runtime": "net on abacus", "p50_ms": 1234.5, "ratio": 3.5}],
        "pi": [
            {"model": "net", "kernels": "slide", "cpu": "arm", "outputs": 1234, "differ": 56, "largest": 2.0}
            | {"other_digit": 1, "accuracy": 0.5}
        ],
        "startup": [{"what": "import abacus", "seconds_over_bare": 0.0042, "memory_mb": 12.3}],
    }
    for name, rows in files.items():
        content = {"command": f"python benchmarks/{name}.py", "rows": rows, **MACHINE}
        (folder / f"{name}.json").write_text(json.dumps(content))
    sync.main(root=root)
    tables = block(root / "benchmarks" / "README.md", "results")
    for words in (
        "|  50.00 % |     9 | 0.250 ms |",
        "| net | 1,234 | 5,678 | 3 | 92.00 % | 91.00 to 95.00 % | 90.00 % |",
        "| loop | 1,234 | 5,678 | 1 | 80.00 % | 80.00 to 80.00 % | – |",
        "1,234.5 ms | 3.5 ×",
        "| net | slide | arm | 1,234 | 56 | 2 | 1 | 50.0 % |",
        "0.004 s | 12 MB",
        "| net | abacus | 5 | 77 | 4,321 |",
    ):
        assert words in tables
    commands = {
        name: f"<sub>`python benchmarks/{name}.py` · 2026-01-01, 2 cores of abacus, Python 3.11</sub>" for name in files
    }
    assert [line for line in tables.splitlines() if "<sub>" in line] == list(commands.values())
    results, exactness = (block(root / "README.md", name) for name in ("results", "exactness"))
    assert "|  50.00 % |     9 | 0.250 ms |" in results
    assert results.rstrip().endswith(commands["pipeline"]), "README has this table alone"
    assert "1,234 logits" in exactness
    assert "**5 differ**" in exactness
    assert "up to 77" in exactness.replace("\n", " ")
    assert exactness.rstrip().endswith(commands["engine"])
    for name in files:
        (folder / f"{name}.json").unlink()
    assert sync.main(check=True, root=root) == 0, "without new results the last tables stay"


def test_the_cost_line_says_what_was_measured(root):
    path = root / "notebooks" / "01_first.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"][0]["source"] = ["# Title\n", "\n", "**Cost**: <!-- cost:start -->?<!-- cost:end --> · an hour"]
    notebook["metadata"]["edgelab"] = {"cost": {"seconds": 42, "peak_mb": 280}}
    path.write_text(json.dumps(notebook))
    sync.main(root=root)
    source = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
    assert "<!-- cost:start -->42 s to run on two cores, 280 MB of memory<!-- cost:end --> · an hour" in source


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"rows": 3}'])
def test_results_that_are_none_are_named(root, content):
    (root / "benchmarks" / "results").mkdir(parents=True)
    (root / "benchmarks" / "results" / "pipeline.json").write_text(content)
    with pytest.raises(ValueError, match=r"pipeline\.json: not what its benchmark writes.*make bench"):
        sync.main(root=root)


BROKEN = {
    "a README without a block": ("README.md", "<!-- clone:end -->", "", r"README\.md: .*<!-- clone:end -->"),
    "a README with a block twice": ("README.md", "The end.", "<!-- badge:start -->", r"README\.md: 2 × <!-- badge"),
    "tables without a block": (
        "benchmarks/README.md",
        "<!-- results:end -->",
        "",
        r"benchmarks/README\.md: .*results:end",
    ),
    "tables without the operators": (
        "benchmarks/README.md",
        "<!-- operators:end -->",
        "",
        r"benchmarks/README\.md: .*operators:end",
    ),
    "markers in the wrong order": (
        "README.md",
        "badge:start -->\n<!-- badge:end",
        "badge:end -->\n<!-- badge:start",
        "order",
    ),
    "an address elsewhere": ("pyproject.toml", "https://github.com/me", "https://example.org/me", "OWNER/NAME"),
    "an address with a slash": ("pyproject.toml", "my.lab", "my.lab/", "slash"),
    "no version to fill": ("CITATION.cff", "version:", "wersion:", r"CITATION\.cff: 0 lines begin with `version"),
    "an extra that is gone": ("uv.lock", "course =", "curse =", "no extra 'course', it has curse"),
    "a truncated notebook": ("notebooks/01_first.ipynb", '"cells"', "", r"01_first\.ipynb: not a notebook"),
    "a notebook that begins with code": ("notebooks/01_first.ipynb", '"markdown"', '"raw"', "begins with raw"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_bad_input_is_named_and_nothing_is_written(root, case):
    """The notebooks come last: an error there must not leave the pins written and the badges old."""
    name, old, new, message = BROKEN[case]
    path = root / name
    assert old in path.read_text(encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    before = contents(root)
    with pytest.raises(ValueError, match=message):
        sync.main(root=root)
    assert contents(root) == before


def test_a_folder_that_is_no_clone_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"pyproject\.toml: not found.*clone"):
        sync.main(root=tmp_path)


def test_the_badge_keeps_outputs_and_touches_one_cell(root):
    """Outputs are what nbval compares: losing one would make a test pass that checks nothing."""
    path = root / "notebooks" / "01_first.ipynb"
    before = nbformat.read(path, 4)
    sync.main(root=root)
    after = nbformat.read(path, 4)
    assert "urlpath=lab/tree/notebooks/01_first.ipynb" in after.cells[0].source
    assert after.cells[0].source.startswith(before.cells[0].source)
    after.cells[0].source = before.cells[0].source
    assert after == before
    text = path.read_text(encoding="utf-8")
    assert text.startswith('{\n "cells"'), "indent 1, keys sorted: as JupyterLab saves"
    assert "Größe" in text
    assert text.endswith("}\n")
    assert not text.endswith("\n\n")


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "3", '{"nbformat": 4}', '{"cells": [], "nbformat": 4}'])
def test_what_is_no_notebook_is_named(text):
    """nbformat raises four kinds of errors, none of which names the file."""
    with pytest.raises(ValueError, match=r"notebooks/a\.ipynb: (not a notebook|begins with None)"):
        sync.with_badge(text, ADDRESS, "notebooks/a.ipynb")


def test_a_right_badge_leaves_the_file_as_it_is_to_the_byte():
    """A notebook saved by another editor keeps its form: sync is no formatter."""
    name = "notebooks/01_first.ipynb"
    right = json.loads(sync.with_badge(nbformat.writes(notebook()), ADDRESS, name))
    text = json.dumps(right, indent=2)
    assert sync.with_badge(text, ADDRESS, name) == text


def test_the_badge_is_a_link_when_rendered():
    """Markdown after an HTML comment on the same line is taken as HTML: the badge would be shown as brackets."""
    from markdown_it import MarkdownIt
    from nbconvert.filters import markdown2html_mistune

    source = (
        nbformat.reads(sync.with_badge(nbformat.writes(notebook()), ADDRESS, "notebooks/a.ipynb"), 4).cells[0].source
    )
    for html in (MarkdownIt("commonmark").render(source), markdown2html_mistune(source)):
        assert '<a href="https://mybinder.org/v2/gh/me/my.lab/HEAD?urlpath=lab/tree/notebooks/a.ipynb"><img' in html
        assert "](" not in html


@given(st.text(), st.text(), st.text())
def test_fill_is_idempotent_and_keeps_what_stands_around(before, body, after):
    """Filling twice must not add lines, and no text outside the markers may change."""
    if "<!--" in before + body + after:
        return
    text = f"{before}<!-- x:start -->old<!-- x:end -->{after}"
    once = sync.fill(text, "x", body, "here")
    assert sync.fill(once, "x", body, "here") == once
    assert once.startswith(f"{before}<!-- x:start -->")
    assert once.endswith(f"<!-- x:end -->{after}")
    assert body.strip() in once
    assert "old" not in once or "old" in before + body + after


def lock_text(edges: dict[str, list[dict]], extras: dict[str, dict[str, list[dict]]] | None = None) -> str:
    """Write a lock: edges and extras by package "name version"; the project's own are under "edgelab"."""
    lines = []
    for key, dependencies in edges.items():
        name, _, version = key.partition(" ")
        lines.append(f'[[package]]\nname = "{name}"' + (f'\nversion = "{version}"' if version else ""))
        lines.append(f"dependencies = {toml(dependencies)}")
        for extra, optional in (extras or {}).get(key, {}).items():
            lines.append(f"[package.optional-dependencies]\n{extra} = {toml(optional)}")
    return "\n".join(lines)


def toml(dependencies: list[dict]) -> str:
    """Write a TOML array of inline tables; JSON strings and lists of strings are TOML's."""
    tables = (", ".join(f"{k} = {json.dumps(v)}" for k, v in edge.items()) for edge in dependencies)
    return "[" + ", ".join(f"{{ {table} }}" for table in tables) + "]"


def pins(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "uv.lock").write_text(text)
    return sync.pins(tmp_path / "uv.lock")


def test_pins_follow_forks_extras_and_chains_of_markers(tmp_path):
    """A version of the wrong Python, a package of an extra, a marker lost on the way: each breaks an installation."""
    edges = {
        "edgelab": [
            {"name": "numpy", "version": "1", "marker": OLD},
            {"name": "numpy", "version": "2", "marker": NEW},
            {"name": "tool", "extra": ["css"]},
            {"name": "a", "marker": LINUX},
        ],
        "numpy 1": [],
        "numpy 2": [],
        "tool 3": [],
        "tiny 4": [],
        "a 5": [{"name": "b", "marker": OLD}],
        "b 6": [{"name": "a"}],
        "unused 7": [],
    }
    extras = {"edgelab": {"course": []}, "tool 3": {"css": [{"name": "tiny"}]}}
    assert pins(tmp_path, lock_text(edges, extras)) == [
        f"a==5 ; {LINUX}",
        f"b==6 ; ({OLD}) and ({LINUX})",
        f"numpy==1 ; {OLD}",
        f"numpy==2 ; {NEW}",
        "tiny==4",
        "tool==3",
    ]


def test_a_marker_that_always_holds_is_left_out(tmp_path):
    """tensorflow and tensorflow-cpu exclude each other and need the same packages; those need no marker."""
    edges = {
        "edgelab": [{"name": "cpu", "marker": LINUX}, {"name": "all", "marker": "sys_platform != 'linux'"}],
        "cpu 1": [{"name": "common"}],
        "all 1": [{"name": "common"}],
        "common 1": [],
    }
    assert "common==1" in pins(tmp_path, lock_text(edges, {"edgelab": {"course": []}}))


NAMES = ("edgelab", "p", "q", "r", "s")
GRAPHS = st.fixed_dictionaries(
    {
        name: st.lists(st.tuples(st.sampled_from(NAMES[1:]), st.sampled_from((None, LINUX, MAC, OLD, NEW))), max_size=4)
        for name in NAMES
    }
)


@settings(max_examples=60, deadline=None)
@given(GRAPHS)
def test_pins_install_what_a_walk_of_the_lock_finds(tmp_path_factory, graph):
    """On each platform, the lines whose marker holds are the packages that an installer walking the lock reaches."""
    tmp_path = tmp_path_factory.mktemp("lock", numbered=True)
    edges = {
        name if name == "edgelab" else f"{name} 1": [
            {"name": to} if marker is None else {"name": to, "marker": marker} for to, marker in graph[name]
        ]
        for name in NAMES
    }
    lines = [Requirement(line) for line in pins(tmp_path, lock_text(edges, {"edgelab": {"course": []}}))]
    shutil.rmtree(tmp_path)
    for system, python in product(("linux", "darwin", "win32"), ("3.11.9", "3.13.0")):
        here = {"sys_platform": system, "python_full_version": python}
        found, ahead = set(), ["edgelab"]
        while ahead:
            reached = {to for to, m in graph[ahead.pop()] if m is None or Marker(m).evaluate(here)}
            ahead += reached - found
            found |= reached
        assert {line.name for line in lines if line.marker is None or line.marker.evaluate(here)} == found


def test_readme_without_results_keeps_the_former_ones(tmp_path):
    text = "".join(f"<!-- {name}:start -->\nold\n<!-- {name}:end -->\n" for name in BLOCKS)
    filled = sync.readme(text, tmp_path, "https://github.com/me/lab")
    assert filled.count("old") == 2
    assert "git clone https://github.com/me/lab\ncd lab" in filled


def test_summary_puts_nothing_where_nothing_was_measured(tmp_path):
    assert summary(tmp_path) == ""
    assert section(tmp_path, "engine") == ""


def test_contents_lead_to_the_tables_that_are_there(tmp_path):
    row = {"what": "import abacus", "seconds_over_bare": 0.0042, "memory_mb": 12.3}
    (tmp_path / "startup.json").write_text(json.dumps({"command": "c", "rows": [row], **MACHINE}))
    lines = summary(tmp_path).splitlines()
    assert lines[:3] == ["- [Start of a process](#start-of-a-process)", "", "## Start of a process"]
    assert len([line for line in lines if line.startswith("- [")]) == 1


def frontier_row(name, seed, float32, int8=0.98):
    counts = {"params": 840, "deployed": 666, "int8_bytes": 1_000, "macs": 47_434, "activation_bytes": 2_352}
    return {"name": name, "seed": seed, **counts, "float32": float32, "int8": int8}


def test_the_frontier_is_summed_up_over_its_seeds():
    rows = [frontier_row("tiny", 1, 0.97), frontier_row("tiny", 2, 0.98), frontier_row("best", 1, 0.995)]
    lines = _frontier(rows).splitlines()
    assert "| tiny | 840 | 666 | 1,000 | 47,434 | 2,352 | 2 | 97.50 % | 97.00 to 98.00 % | 98.00 % |" in lines
    assert any(line.startswith("![") and line.endswith("(../data/frontier.svg)") for line in lines)


def test_the_figure_is_the_same_for_the_same_rows_and_another_for_others():
    """Else `edgelab sync --check` would cry wolf, or never."""
    rows = [frontier_row("tiny", 1, 0.97), frontier_row("best", 1, 0.995, 0.99)]
    assert sync.frontier_svg(rows) == sync.frontier_svg(rows)
    assert sync.frontier_svg(rows) != sync.frontier_svg([rows[0], frontier_row("best", 1, 0.995, 0.95)])
    assert sync.frontier_svg(rows).lstrip().startswith("<?xml")


def test_the_picture_shows_the_shipped_models_own_numbers():
    """What README shows first must be the weights and logits that a reader gets."""
    svg = sync.pipeline_svg()
    model = IntegerModel(shipped("small_cnn_int8"), "xnnpack")
    kernel = model.graph.tensors[model.graph.operators[0].inputs[1]]
    words = re.findall(r"<text[^>]*>([^<]+)</text>", svg)
    numbers = [int(word.replace("−", "-")) for word in words if re.fullmatch(r"−?\d+", word)]
    assert any(numbers[:9] == channel.ravel().tolist() for channel in kernel.data)
    logits = runtime_outputs(
        shipped("small_cnn_int8"), load_mnist().x_test[:1, ..., None].view(np.int8) ^ -128, "xnnpack"
    )
    assert numbers[9:] == [number for pair in enumerate(np.ravel(logits).tolist()) for number in pair]
    assert svg == (sync.REPOSITORY / "data" / "pipeline.svg").read_text(encoding="utf-8")


def test_a_picture_of_other_numbers_is_another():
    image, kernel, q = np.eye(28, dtype=np.uint8), np.full((3, 3), -0.001), np.full((3, 3), -127)
    svg = draw_pipeline(image, kernel, q, 0.25, np.arange(-5, 5), "abcd")
    assert svg.count('fill="#010101"') == 28
    assert "−0.00" not in svg
    assert svg.count(">−127<") == 9
    assert "× 0.25000" in svg
    assert svg.count(">4<") == 2, "the class 4 and the logit 4"


def test_the_feeds_are_listed_with_their_ratio():
    assert "| stream, moved | 2 | 21.5 ms | 1.04 × |" in _feeding(
        [{"feed": "stream, moved", "cores": 2, "p50_ms_step": 21.5, "ratio": 1.04}]
    )
