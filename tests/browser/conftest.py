"""A JupyterLab on the loopback and a Chromium to drive it, for tests that use a notebook as a person does."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # what the page's events do not show fails as well
]
LOCAL = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")
STARTUP = 60  # seconds


class Lab(NamedTuple):
    """A running JupyterLab: its address, and a folder that it shows: an empty one for each test."""

    address: str
    root: Path


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Start JupyterLab in an empty folder with an empty HOME, once for all tests, and stop it at the end."""
    tmp_path = tmp_path_factory.mktemp("lab")
    home, root = tmp_path / "home", tmp_path / "root"
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    root.mkdir()
    # Without this a question about news covers part of the page.
    (settings / "notification.jupyterlab-settings").write_text(json.dumps({"fetchNews": "false"}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = [f"--ServerApp.{option}" for option in ("ip=127.0.0.1", f"port={port}", "port_retries=0", "password=")]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", *server]
    command += ["--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True", f"--ServerApp.root_dir={root}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "IPYTHON"))}
    environment |= {"HOME": str(home), "JUPYTERLAB_SETTINGS_DIR": str(home / "settings")}
    address, log = f"http://127.0.0.1:{port}", tmp_path / "lab.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=environment, cwd=tmp_path, start_new_session=True
        )
    try:
        _wait(lambda: _answers(address), lambda: process.poll() is None, log)
        yield Lab(address, root)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def lab(server: Lab, page: Page) -> Iterator[Lab]:
    """The server with an empty folder for one test; no kernel of it is left to the next one."""
    root = Path(tempfile.mkdtemp(dir=server.root))
    lab = Lab(server.address, root)
    yield lab
    page.close()  # before its kernels go, for it would complain
    for session in sessions(lab):
        address = f"{lab.address}/api/sessions/{session['id']}"
        urllib.request.urlopen(urllib.request.Request(address, method="DELETE"), timeout=30).close()


def sessions(lab: Lab) -> list[dict]:
    """Return the server's sessions: open notebooks with a kernel."""
    with urllib.request.urlopen(f"{lab.address}/api/sessions", timeout=30) as answer:
        return json.load(answer)


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(f"{address}/api", timeout=5).close()
    except OSError:
        return False
    return True


def _wait(done, alive, log: Path) -> None:
    """Wait until done(); fail with the server's log when it dies or takes too long."""
    deadline = time.monotonic() + STARTUP
    while not done():
        assert alive(), f"JupyterLab ended:\n{log.read_text()}"
        assert time.monotonic() < deadline, f"no JupyterLab within {STARTUP} s:\n{log.read_text()}"
        time.sleep(0.2)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Debian's Chromium without a window; Playwright's own download is not wanted."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.fail("the browser tests need Chromium. Install it: sudo apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, headless=True, args=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One profile for all tests: JupyterLab's scripts are fetched once."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, has_touch=True)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """Open a page; at the end, an error in it or a request to another machine fails the test."""
    page = context.new_page()
    page.set_default_timeout(90_000)
    expect.set_options(timeout=60_000)
    errors, elsewhere = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: elsewhere.append(request.url))
    page.on("websocket", lambda socket: elsewhere.append(socket.url))
    yield page
    page.close()
    assert errors == []
    assert [url for url in elsewhere if not url.startswith(LOCAL)] == []


def open_notebook(page: Page, lab: Lab, name: str) -> None:
    """Open a notebook of the lab's folder and wait for its kernel: to run a cell before asks for one in a dialog."""
    path = f"{lab.root.name}/{name}"
    # In a workspace of the test's own: the layout of an earlier one would open its notebooks again.
    page.goto(f"{lab.address}/lab/workspaces/{lab.root.name}/tree/{path}")
    deadline = time.monotonic() + STARTUP
    while ("idle", path) not in {(s["kernel"]["execution_state"], s["path"]) for s in sessions(lab)}:
        assert time.monotonic() < deadline, f"no kernel for {name} within {STARTUP} s"
        page.wait_for_timeout(200)
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for()


def idle(page: Page, seconds: float = 90) -> None:
    """Wait until the kernel has nothing left to do: between two cells of a queue it is idle too, for a moment."""
    status, end = page.get_by_text("Python 3 (ipykernel) | Idle"), time.monotonic() + seconds
    calm = 0
    while calm < 10:
        status.wait_for(timeout=max(1, 1000 * (end - time.monotonic())))
        page.wait_for_timeout(200)
        calm = calm + 1 if status.is_visible() else 0


def run_all(page: Page) -> None:
    """Press Run All Cells in the open notebook, once its kernel has nothing left to do."""
    idle(page)
    press(page, "Run", "Run All Cells")


def save(page: Page) -> None:
    """Save the open notebook and wait until it is."""
    with page.expect_response(lambda response: response.request.method == "PUT" and "/api/contents/" in response.url):
        press(page, "File", "Save Notebook")


def press(page: Page, menu: str, entry: str) -> None:
    """Choose an entry of JupyterLab's main menu; its shortcut is part of an entry's name."""
    page.get_by_role("menuitem", name=menu, exact=True).click()
    page.get_by_role("menuitem", name=re.compile(rf"^{entry}( (Ctrl|Shift|Alt).*)?$")).click()


def scroll_to(page: Page, target: Locator) -> None:
    """Turn the mouse wheel until the target is there: JupyterLab keeps only the cells near the window in the page."""
    page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer").hover()
    deadline = time.monotonic() + 60
    while not (target.count() and target.first.is_visible()):
        assert time.monotonic() < deadline, f"not found by scrolling: {target}"
        page.mouse.wheel(0, 400)
        page.wait_for_timeout(200)
    target.first.scroll_into_view_if_needed()
