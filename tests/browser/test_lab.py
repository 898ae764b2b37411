"""`edgelab lab` as a newcomer meets it: the badge is a picture, and working in it leaves the clone as it came."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell
from playwright.sync_api import Page, expect

from .conftest import Lab, _answers, _wait, idle, run_all, save

ROOT = Path(__file__).resolve().parents[2]
FIRST = "01_first_digit.ipynb"

pytestmark = pytest.mark.slow


def git(folder: Path, *arguments: str) -> str:
    """Run git without the configuration of this machine; return what it prints."""
    names = [option for name in ("name=a", "email=a@example.org") for option in ("-c", f"user.{name}")]
    command = ["git", *names, "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with the first notebook's first cell, its badge, and a cell to run."""
    clone = tmp_path / "clone"
    for name in ("notebooks", "edgelab"):
        (clone / name).mkdir(parents=True)
    (clone / "edgelab" / "cli.py").touch()
    shutil.copytree(ROOT / "binder", clone / "binder")
    shutil.copy(ROOT / ".gitignore", clone)
    notebook = nbformat.read(ROOT / "notebooks" / FIRST, as_version=4)
    notebook.cells = [notebook.cells[0], new_code_cell("print(6 * 7)", id="answer")]
    nbformat.write(notebook, clone / "notebooks" / FIRST)
    git(clone, "init", "-q")
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", "The course")
    return clone


@pytest.fixture
def lab(clone: Path, tmp_path: Path) -> Iterator[Lab]:
    """The command itself, on a free port and without a browser of its own."""
    settings = tmp_path / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps({"fetchNews": "false"}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"]
    options += ["--ServerApp.port_retries=0", "--ServerApp.password=", "--IdentityProvider.token="]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "IPYTHON"))}
    environment |= {"HOME": str(tmp_path), "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings")}
    log = tmp_path / "lab.log"
    with log.open("w") as output:
        command = [sys.executable, "-P", "-m", "edgelab.cli", "lab", *options]
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=clone)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(lambda: _answers(address), lambda: process.poll() is None, log)
        yield Lab(address, clone)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143, log.read_text()
    assert not _answers(address), "JupyterLab must end with the command that started it"
    assert "Your copies of the notebooks, to run and to change: work/ (1 new)" in log.read_text()


def badge_width(page: Page) -> int:
    """Return the width in pixels of the badge's picture, 0 where the browser shows it as broken."""
    badge = page.get_by_role("img", name="Run on Binder")
    badge.wait_for()
    page.wait_for_function("image => image.complete && image.src", arg=badge.element_handle())
    return badge.evaluate("image => image.naturalWidth")


def test_the_badge_is_a_picture_and_working_leaves_the_clone_clean(lab, page):
    """In the copy and in the original, as on a code host and on Binder; a pull must not meet the reader's changes."""
    page.goto(lab.address)
    expect(page.locator(".jp-DirListing-item", has_text=FIRST)).to_be_visible()  # in work/, where it opens
    page.goto(f"{lab.address}/lab/tree/notebooks/{FIRST}")
    assert badge_width(page) > 0
    page.goto(f"{lab.address}/lab/workspaces/copy/tree/work/{FIRST}")
    assert badge_width(page) > 0
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').first.wait_for()
    before = (lab.root / "work" / FIRST).read_bytes()
    run_all(page)
    idle(page)
    save(page)
    after = nbformat.read(lab.root / "work" / FIRST, as_version=4)
    assert after.cells[1].outputs[0].text == "42\n"
    assert (lab.root / "work" / FIRST).read_bytes() != before
    assert git(lab.root, "status", "--porcelain") == ""
