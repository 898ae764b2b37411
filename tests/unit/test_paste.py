"""Every public function of the wings in PASTING must work in a folder of its own, without edgelab."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from _copies import read_once

from edgelab.course.copy import INSTALLED, PASTING, copy_source, definitions, public_names

ROOT = Path(__file__).resolve().parents[2]
NAMES = public_names()


def lint(folder: Path) -> dict[str, list[str]]:
    """Return ruff's complaints about undefined names and unused imports, by qualified name."""
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F", "--output-format", "json", "."]
    done = subprocess.run(ruff, cwd=folder, capture_output=True, text=True, check=False)
    found: dict[str, list[str]] = {}
    for entry in json.loads(done.stdout):
        text = f"line {entry['location']['row']}: {entry['code']} {entry['message']}"
        file = Path(entry["filename"])
        found.setdefault(f"{file.parents[1].name}.{file.stem}", []).append(text)
    return found


def edgelab_imports(file: Path) -> list[str]:
    """Return the imports of edgelab, or relative ones, anywhere in a file: also where no example passes."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            modules = ["." * node.level + (node.module or "")]
        found += [f"line {node.lineno}: imports {m}" for m in modules if m.split(".")[0] in ("edgelab", "")]
    return found


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict[str, str]:
    """A user with MNIST in the cache, where a pasted load_mnist looks for it, and without a network."""
    home = tmp_path_factory.mktemp("home")
    places = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "LOCALAPPDATA": str(home / "cache")}
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in places.items():
            patch.setenv(name, value)
        import pooch

        shutil.copytree(ROOT / "data" / "mnist", Path(pooch.os_cache("edgelab")) / "mnist")
    others = {name: value for name, value in os.environ.items() if name != "EDGELAB_ARTIFACTS"}
    return {**others, **places, **nowhere, "TF_CPP_MIN_LOG_LEVEL": "3", "MPLBACKEND": "agg"}


def paste(folder: Path, name: str, text: str) -> Path:
    """Write a paste where _paste.py looks for it: alone in a folder of its own."""
    module, _, short = name.rpartition(".")
    file = folder / module / short / f"{short}.py"
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    return file


def examples(folder: Path, environment: dict[str, str]) -> dict[str, str]:
    """Run the examples of a folder's pastes; return for each "" or what went wrong.

    In one process, since TensorFlow takes 3 s to import; when an example ends it, another goes on with the rest.
    """
    names = {f"{file.parents[1].name}.{file.stem}" for file in folder.glob("*/*/*.py")}
    results: dict[str, str] = {}
    while names - set(results):
        command = [sys.executable, "-I", str(Path(__file__).with_name("_paste.py")), str(folder)]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False, timeout=300)
        words = done.stderr.decode(errors="replace")[-2000:]
        before = len(results)
        for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines():
            name, result = json.loads(line)
            ended = f"its example ended the process with code {done.returncode}:\n{words}"
            results[name] = (results.get(name) or ended) if result is None else result
        assert len(results) > before, words
    return results


class Pasted(NamedTuple):
    """All pastes, and by qualified name what ruff and the examples say of them."""

    files: dict[str, Path]
    complaints: dict[str, list[str]]
    results: dict[str, str]


@pytest.fixture(scope="module")
def pasted(tmp_path_factory, environment) -> Pasted:
    """Paste everything, lint it and run it, once."""
    folder = tmp_path_factory.mktemp("pasted")
    with read_once():
        files = {name: paste(folder, name, copy_source(name)) for name in NAMES}
    return Pasted(files, lint(folder), examples(folder, environment))


@pytest.mark.parametrize("name", NAMES)
def test_it_works_alone(name, pasted):
    """A helper that silently leans on its file or on edgelab breaks in the hands of whoever copies it."""
    assert edgelab_imports(pasted.files[name]) == [], f"{name}, pasted alone, needs edgelab"
    assert pasted.complaints.get(name, []) == [], f"{name}, pasted alone, doesn't pass the linter"
    assert pasted.results[name] == "", f"{name}, pasted alone, fails:\n{pasted.results[name]}"


def test_every_wing_is_looked_at():
    """A moved folder would leave nothing to test, and pass."""
    first = (
        "mnist.load_mnist",
        "data.split",
        "artifacts.verify",
        "quiet.quiet",
        "maths.conv.conv2d",
        "infer.runner.Runner",
    )
    for name in (
        *first,
        "train.fitting.fit",
        "train.networks.build",
        "infer.runner.Runner",
        "shrink.convert.to_tflite",
    ):
        assert f"edgelab.{name}" in NAMES
    assert {name.split(".")[1] for name in NAMES} == set(PASTING)
    promised = [name for name in definitions() if name.split(".")[1] in PASTING]
    assert len(set(NAMES)) == len(promised) - len(INSTALLED)


@pytest.mark.parametrize("name", INSTALLED)
def test_what_needs_the_installed_package_says_so(name):
    """These four find the shipped models beside the package: nothing but that keeps a copy of them from working."""
    assert name in definitions()
    assert "# It looks for the models that edgelab is shipped with" in copy_source(name)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return 1", ""),
        ("import edgelab.data\n    return 1", "doesn't stand alone"),
        ("from edgelab import data\n    return 1", "doesn't stand alone"),
        ("return helper()", "NameError: name 'helper' is not defined"),
        ("return 2", "Expected:\n    1\nGot:\n    2"),
        ("import os\n    os._exit(3)", "ended the process with code 3"),
    ],
)
def test_a_paste_that_fails_is_found(body, says, tmp_path, environment):
    """In this very environment, where edgelab is installed in a way that any process can import."""
    assert subprocess.run([sys.executable, "-I", "-c", "import edgelab"], check=False).returncode == 0
    paste(tmp_path, "m.f", f'def f():\n    """Return 1.\n\n    >>> f()\n    1\n    """\n    {body}\n')
    paste(tmp_path, "m.g", 'def g():\n    """Return 1, after f.\n\n    >>> g()\n    1\n    """\n    return 1\n')
    results = examples(tmp_path, environment)
    assert says in results["m.f"]
    assert bool(says) == bool(results["m.f"])
    assert results["m.g"] == ""


def test_a_paste_without_example_or_with_an_error_at_import_is_found(tmp_path, environment):
    paste(tmp_path, "m.f", 'def f():\n    """Say nothing."""\n')
    paste(tmp_path, "m.g", "import edgelab\n\n\ndef g():\n    pass\n")
    results = examples(tmp_path, environment)
    assert "no example" in results["m.f"]
    assert "doesn't stand alone" in results["m.g"]


def test_undefined_names_unused_imports_and_edgelab_are_found(tmp_path):
    """Also in branches that no example reaches."""
    text = "import os\n\n\ndef f(x):\n    if x:\n        from edgelab import data\n\n        helper(data)\n"
    file = paste(tmp_path, "m.f", text)
    assert [line.split()[2] for line in lint(tmp_path)["m.f"]] == ["F401", "F821"]
    assert edgelab_imports(file) == ["line 6: imports edgelab"]
