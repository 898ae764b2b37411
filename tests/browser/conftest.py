"""A JupyterLab on the loopback and a Chromium to drive it, for tests that use a notebook as a person does."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
STARTUP = 60  # seconds


@pytest.fixture
def lab(tmp_path) -> Iterator[tuple[str, Path]]:
    """Start JupyterLab in an empty folder with an empty HOME; return its address and the folder."""
    (tmp_path / "home").mkdir()
    (tmp_path / "root").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.port={port}"]
    command += [
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port_retries=0",
        "--ServerApp.root_dir=" + str(tmp_path / "root"),
    ]
    command += ["--IdentityProvider.token=", "--ServerApp.password=", "--LabApp.news_url=None"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate"]
    environment = {**os.environ, "HOME": str(tmp_path / "home")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    log = (tmp_path / "lab.log").open("w")
    server = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=tmp_path)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + STARTUP
        while True:
            try:
                urllib.request.urlopen(f"{address}/api", timeout=2).close()
                break
            except OSError:
                assert server.poll() is None, (tmp_path / "lab.log").read_text()
                assert time.monotonic() < deadline, f"no JupyterLab within {STARTUP} s: see {tmp_path / 'lab.log'}"
                time.sleep(0.3)
        yield address, tmp_path / "root"
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
        log.close()


@pytest.fixture
def page() -> Iterator[Page]:
    """Open a page in Debian's Chromium; at the end, no error in it and no request to another machine is forgiven."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.fail("the browser tests need Chromium: sudo apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, headless=True, args=CHROMIUM)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(90_000)
        errors, elsewhere = [], []
        page.on("pageerror", lambda error: errors.append(str(error)))
        local = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")
        page.on("request", lambda request: None if request.url.startswith(local) else elsewhere.append(request.url))
        yield page
        browser.close()
    assert errors == []
    assert elsewhere == []


def run_all(page: Page, address: str, name: str) -> None:
    """Open a notebook and press Run All Cells, once its kernel is there to do it."""
    page.goto(f"{address}/lab/tree/{name}")
    page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]')
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
