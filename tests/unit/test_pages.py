"""The pages one reads before any code: links lead somewhere, named paths exist, README is short, its example runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import _imports
import nbformat
import pytest

from edgelab.data import load_mnist

ROOT = Path(__file__).resolve().parents[2]
CODE = re.compile(r"^ {0,3}(```+|~~~+).*?^ {0,3}\1|(`+)(?!`).+?(?<!`)\2(?!`)", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)|<(?:a|img)\s[^>]*?(?:href|src)=[\"']([^\"']+)")


def links(markdown: str) -> list[str]:
    """Where a text's links and pictures lead; code has none."""
    return [first or second for first, second in LINK.findall(CODE.sub("", markdown))]


def anchors(markdown: str) -> set[str]:
    """The names that a code host gives to headings: small letters, no punctuation, hyphens for spaces."""
    heads = re.findall(r"^#+\s+(.+?)\s*$", re.sub(r"^(```+).*?^\1", "", markdown, flags=re.DOTALL | re.MULTILINE), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def texts(path: Path) -> str:
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, nbformat.NO_CONVERT).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def dead(path: Path, markdown: str) -> list[str]:
    """The relative links of a page that lead to no file, or to no heading of it."""
    found = []
    for link in links(markdown):
        if re.match(r"[a-z]+:", link):  # https, mailto, data; attachment
            continue
        target, _, anchor = link.partition("#")
        there = path.parent / target if target else path
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(texts(there))):
            found.append(link)
    return found


def pages() -> list[Path]:
    return [path for path in _imports.files(ROOT) if path.suffix in (".md", ".ipynb")]


def test_links_lead_somewhere():
    """A page that moves leaves links behind in those that point to it."""
    seen = {path: texts(path) for path in pages()}
    assert {"README.md", "CONTRIBUTING.md"} <= {path.name for path in seen}
    assert sum(len(links(text)) for text in seen.values()) > 50
    assert {path.name: lost for path, text in seen.items() if (lost := dead(path, text))} == {}


@pytest.mark.parametrize("link", ["gone.md", "#gone", "there.md#gone", "../gone/"])
def test_a_dead_link_is_found(tmp_path, link):
    """A checker that finds nothing would pass every page."""
    (tmp_path / "there.md").write_text("# A `b`, c\n```sh\n# gone\n```\n")
    page = tmp_path / "page.md"
    page.write_text("# Here\n[1](#here) [2](there.md#a-b-c) [3](https://example.org) `[4](code.md)` ![5](there.md)\n")
    assert dead(page, texts(page)) == []
    page.write_text(f"# Here\n[1]({link}) <img src='{link}'>\n")
    assert dead(page, texts(page)) == [link, link]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "benchmarks/README.md", "findings/README.md"])
def test_paths_named_in_code_exist(page):
    """A file that was renamed keeps its old name in the text around it. NN, NAME, FILE, SUBJECT stand for any."""
    words = re.findall(r"`([\w./-]+)`", (ROOT / page).read_text(encoding="utf-8"))
    named = [word for word in words if "/" in word and not re.search("NN|NAME|FILE|SUBJECT", word)]
    made = ("build", ".venv", "../")
    homes = (ROOT, (ROOT / page).parent, ROOT / "edgelab")
    assert [w for w in named if not w.startswith(made) and not any((home / w).exists() for home in homes)] == []


FINDINGS = [f"findings/{path.name}" for path in sorted((ROOT / "findings").glob("*.sh"))]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *FINDINGS])
def test_modules_named_in_code_exist(page):
    """edgelab.room.name of a text must be something that one can import."""
    from importlib import import_module

    for name in set(re.findall(r"`(edgelab(?:\.\w+)+)`", (ROOT / page).read_text(encoding="utf-8"))):
        try:
            import_module(name)
        except ModuleNotFoundError:
            module, _, attribute = name.rpartition(".")
            assert hasattr(import_module(module), attribute), name


def test_the_table_of_old_imports_leads_to_modules():
    """Whoever meets a ModuleNotFoundError looks the old path up there."""
    from importlib import import_module
    from importlib.util import find_spec

    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    rows = re.findall(r"^ *\| (`edgelab\.[^|]+) \| `(edgelab\.[\w.]+)` \|$", text, re.MULTILINE)
    assert len(rows) > 20
    for olds, new in rows:
        import_module(new)
        for old in re.findall(r"`([\w.]+)`", olds):
            parent = old.rpartition(".")[0]
            assert find_spec(parent) is None or find_spec(old) is None, f"{old} is still there"


def test_the_front_page_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_the_map_names_every_notebook():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    stored = [f"notebooks/{path.name}" for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    assert [link for link in links(readme) if link.startswith("notebooks/")] == stored


def test_the_example_of_the_front_page_runs(tmp_path):
    """It is the first code of the course that a reader copies."""
    from PIL import Image

    images = load_mnist()
    photo = Image.fromarray(255 - images.x_test[0]).resize((280, 280))
    photo.save(tmp_path / "photo_of_a_digit.jpg", quality=95)
    code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(code) == 1
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", code[0]], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert run.stdout.strip() == str(images.y_test[0]), run.stderr


def test_findings_have_their_form():
    """CI does not run them, so this is all that holds them to what findings/README.md promises."""
    scripts = sorted((ROOT / "findings").glob("*.sh"))
    listed = [link for link in links(texts(ROOT / "findings" / "README.md")) if link.endswith(".sh")]
    assert sorted(listed) == [path.name for path in scripts]
    for path in scripts:
        text = path.read_text(encoding="utf-8")
        head, _, body = text.partition("\nset -euo pipefail\n")
        assert head.startswith("#!/usr/bin/env bash\n# "), path.name
        assert all(line.startswith("#") for line in head.splitlines()), path.name
        assert re.findall(r"^# (\w+): ", head, re.MULTILINE) == ["Guess", "Seen", "With", "Course"], path.name
        for needed in (
            "folder=$(mktemp -d)",
            "trap 'rm -rf \"$folder\"' EXIT",
            f"no longer what {path.name} describes",
        ):
            assert needed in body, f"{path.name}: {needed}"
        assert not re.search(r"(import|from) edgelab", body), path.name
        packages = re.search(r"/pip\" install (.+?)\n\n", body, re.DOTALL)[1].replace("\\\n", " ").split()
        assert all("==" in each for each in packages if not each.startswith("--")), path.name
        assert os.name == "nt" or os.access(path, os.X_OK), f"{path.name}: chmod +x"
