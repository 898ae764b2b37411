"""MNIST: read, verified, fetched."""

import contextlib
import errno
import functools
import gzip
import hashlib
import http.server
import os
import shutil
import subprocess
import sys
import threading
import tracemalloc
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edgelab import mnist

ROOT = Path(__file__).resolve().parents[2]
MNIST = ROOT / "data" / "mnist"
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = mnist.MNIST_FILES
Reply = Callable[[http.server.BaseHTTPRequestHandler, bytes], None]


# --- reading -------------------------------------------------------------------------------------------------


def test_load_mnist_reads_all_four_files_as_writable_uint8():
    found = mnist.load_mnist(MNIST)
    assert [a.shape for a in found] == [(60000, 28, 28), (60000,), (10000, 28, 28), (10000,)]
    assert all(a.dtype == np.uint8 and a.flags.writeable and a.flags.c_contiguous for a in found)
    assert found.y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert found.y_test[:5].tolist() == [7, 2, 1, 0, 4]
    assert found.x_train.min() == 0
    assert found.x_train.max() == 255


def test_the_sums_in_the_code_are_those_of_payload_md5():
    """The sums are written twice, so that mnist.py can be copied alone; they must not drift."""
    recorded = dict(line.split()[::-1] for line in (MNIST / "PAYLOAD.md5").read_text().splitlines())
    assert {name.removesuffix(".gz"): md5 for name, (_, md5) in mnist.MNIST_FILES.items()} == recorded


@pytest.mark.parametrize("source", ["folder", "cache"])
def test_load_mnist_takes_at_most_60_mb(tmp_path, source):
    """A float32 copy would take 220 MB, a second uint8 copy 110. Importing pooch (7 MB) is not the data's cost."""
    cache_with_mnist(tmp_path)
    code = (
        "import psutil, pooch, importlib.util as u, sys\n"
        "source = open(sys.argv[1], encoding='utf-8').read()\n"
        "exec(compile(source, 'pasted', 'exec'), names := {'__name__': 'pasted'})\n"
        "before = psutil.Process().memory_info().rss\n"
        "mnist = names['load_mnist'](*sys.argv[2:])\n"
        "print((psutil.Process().memory_info().rss - before) / 1e6)\n"
    )
    arguments = [sys.executable, "-c", code, mnist.__file__, *([str(MNIST)] if source == "folder" else [])]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert 54 <= float(done.stdout) <= 60, done.stdout


def test_load_mnist_makes_no_second_copy_on_the_way():
    """A board or a 1 GB container pays for the peak, not for what is left."""
    tracemalloc.start()
    try:
        mnist.load_mnist(MNIST)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 60e6


def test_load_mnist_finds_the_files_above_the_current_directory(tmp_path, monkeypatch):
    """Notebooks run in notebooks/, code pasted into a project lies anywhere below data/mnist."""
    shutil.copytree(MNIST, tmp_path / "data" / "mnist")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert mnist._find_mnist() == tmp_path / "data" / "mnist"
    assert pasted()["load_mnist"](mirrors=()).y_test.shape == (10000,)


def test_load_mnist_finds_the_repository_from_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert mnist._find_mnist() == MNIST


def test_another_projects_data_mnist_is_not_taken_for_ours(tmp_path, monkeypatch):
    """Other libraries keep data/MNIST/raw: the same folder where file names ignore case."""
    (tmp_path / "data" / "mnist" / "raw").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert mnist._find_mnist() == MNIST


# --- bad files -----------------------------------------------------------------------------------------------


def idx(array: np.ndarray, type_code: int = 8) -> bytes:
    header = bytes([0, 0, type_code, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return gzip.compress(header + array.tobytes(), 1)


def flip_last(good: bytes) -> bytes:
    content = bytearray(gzip.decompress(good))
    content[-1] ^= 1
    return gzip.compress(content, 1)


BAD_TEST_LABELS = {
    "empty": (lambda good: b"", "is empty, expected 00 00 08 01"),
    "truncated": (lambda good: good[: len(good) // 2], r"cut off after [\d,]+ of 10,000 unzipped bytes"),
    "one byte of its trailer missing": (lambda good: good[:-1], "cut off after 10,000 of 10,000"),
    "damaged": (lambda good: good[:2000] + bytes(200) + good[2200:], "damaged"),
    "not gzip": (lambda good: b"<!DOCTYPE html><p>Not found", "not gzip"),
    "something after the end": (lambda good: good + b"<html>", "not gzip"),
    "too short": (lambda good: gzip.compress(gzip.decompress(good)[:-7]), "holds 9,993 values, expected 10,000"),
    "too long": (lambda good: gzip.compress(gzip.decompress(good) + b"7"), "more than 10,000 values, expected 10,000"),
    "one label changed": (flip_last, "MD5 .* 27ae3e4e09519cfbb04c329615203637"),
    "other shape": (lambda good: idx(np.zeros(60000, np.uint8)), "begins with .* ea 60, expected .* 27 10"),
    "other dtype": (lambda good: idx(np.zeros(10000, np.float32), 13), "begins with 00 00 0d 01"),
    "images for labels": (lambda good: (MNIST / TEST_IMAGES).read_bytes(), "begins with 00 00 08 03"),
}


@pytest.mark.parametrize("case", BAD_TEST_LABELS)
def test_a_bad_file_is_named_with_found_expected_and_what_to_do(tmp_path, case):
    """Fashion-MNIST has the same names and shapes; a flipped label trains without a word. Only a sum tells."""
    make, message = BAD_TEST_LABELS[case]
    (tmp_path / TEST_LABELS).write_bytes(make((MNIST / TEST_LABELS).read_bytes()))
    with pytest.raises(ValueError, match=message) as caught:
        mnist._read_file(tmp_path / TEST_LABELS)  # load_mnist would read 10 MB of images first
    assert str(caught.value).startswith(str(tmp_path / TEST_LABELS))
    assert f"Copy the file of that name from the course's data/mnist to {tmp_path}" in str(caught.value)


def test_in_a_repository_the_advice_is_to_check_it_out_again(tmp_path):
    folder = shutil.copytree(MNIST, tmp_path / "data" / "mnist")
    (tmp_path / ".git").mkdir()
    (folder / TRAIN_IMAGES).write_bytes((MNIST / TRAIN_IMAGES).read_bytes()[: 2**20])
    with pytest.raises(ValueError, match=r"cut off after [\d,]+ of 47,040,000") as caught:
        mnist.load_mnist(folder)
    assert f"Restore it with: git -C {tmp_path} checkout {Path('data', 'mnist')}" in str(caught.value)


def test_a_missing_file_is_named_and_an_explicit_folder_never_downloads(tmp_path):
    with serve(send_file) as (mirror, requests):
        with pytest.raises(FileNotFoundError, match=rf"{TRAIN_IMAGES}: no such file; the folder holds nothing"):
            mnist.load_mnist(tmp_path / "nowhere", mirrors=(mirror,))
        (tmp_path / TRAIN_IMAGES).mkdir()
        with pytest.raises(OSError, match=f"{TRAIN_IMAGES}: cannot be read"):
            mnist.load_mnist(str(tmp_path), mirrors=(mirror,))
    assert requests == []


# --- mirrors -------------------------------------------------------------------------------------------------


def send(handler: http.server.BaseHTTPRequestHandler, body: bytes, length: int | None = None) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


def send_file(handler: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
    send(handler, body)


def recompressed(handler: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
    send(handler, gzip.compress(gzip.decompress(body), 0))


def half(handler: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
    send(handler, body[: len(body) // 2], length=len(body))


def half_without_length(handler: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])


def error_500(handler: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
    handler.send_error(500)


def hang_up(handler: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
    handler.close_connection = True


def garbage(handler: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
    send(handler, b"<html>This site has moved.</html>")


def other_data(handler: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
    send(handler, flipped(body))


flipped = functools.cache(flip_last)


@contextlib.contextmanager
def serve(reply: Reply, folder: Path = MNIST) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder on the loopback as a mirror; yield its URL and the list of requested names."""
    requests: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            requests.append(name)
            reply(self, (folder / name).read_bytes())

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/mnist/", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def pasted() -> dict[str, object]:
    """Run mnist.py as a notebook cell: no __file__, so no way to find this repository."""
    module = types.ModuleType("pasted")
    exec(compile(Path(mnist.__file__).read_text(encoding="utf-8"), mnist.__file__, "exec"), module.__dict__)
    return module.__dict__


def cache_with_mnist(tmp_path: Path, folder: Path = MNIST) -> Path:
    cache = tmp_path / "cache" / "edgelab" / "mnist"
    cache.mkdir(parents=True)
    for name in mnist.MNIST_FILES:
        shutil.copy(folder / name, cache / name)
    return cache


def load_from(module: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., mnist.Mnist]:
    """Return a pasted module's load_mnist, in an empty folder, with an empty cache, which is its attribute cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    function = module["load_mnist"]
    function.cache = tmp_path / "cache" / "edgelab" / "mnist"
    return function


@pytest.fixture
def load(tmp_path, monkeypatch) -> Callable[..., mnist.Mnist]:
    """load_mnist as pasted into a notebook."""
    return load_from(pasted(), tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def tenth(tmp_path_factory) -> Path:
    """A tenth of MNIST under the same names: still several pieces to a download and to an unzipped file."""
    folder = tmp_path_factory.mktemp("tenth")
    for name, array in zip(mnist.MNIST_FILES, mnist.load_mnist(MNIST), strict=True):
        (folder / name).write_bytes(idx(array[: len(array) // 10]))
    assert (folder / TEST_IMAGES).stat().st_size > 2 * 2**16
    return folder


@pytest.fixture
def load_tenth(tenth, tmp_path, monkeypatch) -> Callable[..., mnist.Mnist]:
    """load_mnist as pasted into a notebook, for the tenth of MNIST, which its attribute serve serves as a mirror."""
    module = pasted()
    for name, ((count, *rest), _) in mnist.MNIST_FILES.items():
        md5 = hashlib.md5(gzip.decompress((tenth / name).read_bytes())).hexdigest()
        module["MNIST_FILES"][name] = ((count // 10, *rest), md5)
    function = load_from(module, tmp_path, monkeypatch)
    function.serve = functools.partial(serve, folder=tenth)
    return function


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*"))


def test_a_mirror_fills_the_cache_and_the_second_call_asks_nobody(load, capsys):
    """The public mirrors' gzip bytes differ from ours: what counts is the content."""
    with serve(recompressed) as (mirror, requests):
        first = load(mirrors=(mirror,))
        assert requests == list(mnist.MNIST_FILES)
        out, err = capsys.readouterr()
        assert len(out.splitlines()) == 1
        assert str(load.cache) in out
        assert err == ""
        second = load(mirrors=(mirror,))
        assert len(requests) == 4
        assert capsys.readouterr() == ("", "")
    assert names_in(load.cache) == sorted(mnist.MNIST_FILES)
    expected = mnist.load_mnist(MNIST)
    for name, a, b, c in zip(mnist.Mnist._fields, first, second, expected, strict=True):
        assert np.array_equal(a, c), name
        assert np.array_equal(b, c), name


@pytest.mark.parametrize("failure", [error_500, half, half_without_length, hang_up, garbage, other_data])
def test_where_the_first_mirror_fails_the_second_serves(load_tenth, failure):
    with load_tenth.serve(failure) as (bad, asked), load_tenth.serve(send_file) as (good, served):
        found = load_tenth(mirrors=(bad, good))
    assert found.y_test[:5].tolist() == [7, 2, 1, 0, 4]
    assert asked == [TRAIN_IMAGES], "a mirror that failed is not asked again first"
    assert served == list(mnist.MNIST_FILES)
    assert names_in(load_tenth.cache) == sorted(mnist.MNIST_FILES)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (error_500, "500 Server Error"),
        (half, "IncompleteRead"),
        (half_without_length, "cut off after"),
        (hang_up, "without response"),
        (garbage, "not gzip"),
        (other_data, "content has MD5"),
    ],
)
def test_where_all_mirrors_fail_the_error_names_each_and_no_file_is_left(load_tenth, failure, reason):
    with (
        load_tenth.serve(failure) as (first, _),
        load_tenth.serve(failure) as (second, _),
        pytest.raises(OSError, match="none of 2") as caught,
    ):
        load_tenth(mirrors=(first, second))
    lines = str(caught.value).splitlines()
    assert first + TRAIN_IMAGES in lines[1]
    assert second + TRAIN_IMAGES in lines[2]
    assert reason in lines[1]
    assert reason in lines[2]
    assert "copy the four files" in lines[3]
    assert str(Path.cwd() / "data" / "mnist") in lines[3]
    assert names_in(load_tenth.cache) == []


def test_a_mirror_that_is_down_is_passed_over(load_tenth):
    with load_tenth.serve(send_file) as (gone, _):
        pass
    with load_tenth.serve(send_file) as (good, _):
        assert load_tenth(mirrors=(gone, good)).x_test.shape == (1000, 28, 28)


def test_a_download_that_stops_midway_keeps_what_is_complete(load_tenth):
    """The next call goes on from there instead of starting again."""

    def labels_only(handler: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
        (send_file if len(body) > 2**16 else half)(handler, body)

    with load_tenth.serve(labels_only) as (mirror, _), pytest.raises(OSError, match=TRAIN_LABELS):
        load_tenth(mirrors=(mirror,))
    assert names_in(load_tenth.cache) == [TRAIN_IMAGES]
    with load_tenth.serve(send_file) as (mirror, requests):
        load_tenth(mirrors=(mirror,))
    assert requests == [TRAIN_LABELS, TEST_IMAGES, TEST_LABELS]


def test_a_broken_file_in_the_cache_is_fetched_again(load_tenth, tenth, tmp_path):
    cache = cache_with_mnist(tmp_path, tenth)
    (cache / TEST_IMAGES).write_bytes((tenth / TEST_IMAGES).read_bytes()[:1000])
    with load_tenth.serve(send_file) as (mirror, requests):
        assert load_tenth(mirrors=(mirror,)).x_test.shape == (1000, 28, 28)
    assert requests == [TEST_IMAGES]
    assert (cache / TEST_IMAGES).read_bytes() == (tenth / TEST_IMAGES).read_bytes()


def test_a_cache_that_cannot_be_written_is_named(load_tenth, tmp_path):
    """Root may write anywhere, so a file lies where the cache's folder should be."""
    (tmp_path / "cache").write_text("in the way")
    with (
        load_tenth.serve(send_file) as (mirror, _),
        pytest.raises(OSError, match="the download cannot be kept") as caught,
    ):
        load_tenth(mirrors=(mirror,))
    assert str(caught.value).startswith(str(load_tenth.cache / TRAIN_IMAGES))


def test_a_full_disk_leaves_no_half_file(load_tenth, monkeypatch):
    def write_some(path: Path, content: bytes) -> None:
        assert path.name not in mnist.MNIST_FILES, "a process that is killed now must leave no half file"
        with path.open("wb") as stream:
            stream.write(content[:1000])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", write_some)
    with (
        load_tenth.serve(send_file) as (mirror, requests),
        pytest.raises(OSError, match="cannot be kept .No space left") as caught,
    ):
        load_tenth(mirrors=(mirror, mirror))
    assert "Free some space" in str(caught.value)
    assert requests == [TRAIN_IMAGES], "another mirror does not help against a full disk"
    assert names_in(load_tenth.cache) == []
