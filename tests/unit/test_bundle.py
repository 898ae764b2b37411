"""A bundle runs where edgelab is not, answers as the package does, and refuses what was changed."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgelab import cli
from edgelab.artifacts import shipped
from edgelab.course.derive.lockfile import hashed, pins
from edgelab.data import load_mnist, to_input
from edgelab.deploy import bundle
from edgelab.deploy.bundle import preprocessing_source, read_labels, write_bundle
from edgelab.infer.image import read_image
from edgelab.infer.preprocess import to_mnist
from edgelab.infer.runner import Runner
from edgelab.infer.smallest import relu_tflite

ROOT = Path(__file__).resolve().parents[2]
# A Python that finds NumPy and LiteRT, and whose search for edgelab or TensorFlow fails as on a device.
START = (
    "import runpy, sys\nsys.modules.update(edgelab=None, tensorflow=None, keras=None)\n"
    "sys.path[:0] = sys.argv[2].split(':') if sys.argv[2] else []\n"
    "if ':no-pillow' in sys.argv[2]: sys.modules['PIL'] = None\n"
    "program, sys.argv = sys.argv[1], [sys.argv[1], *sys.argv[3:]]\nrunpy.run_path(program, run_name='__main__')"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_bundle("tiny_int8", tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    return load_mnist().x_test[:50]


def command(folder: Path, *words: str | Path, path: str = "") -> list[str]:
    return [sys.executable, "-I", "-B", "-c", START, str(folder / "run.py"), path, *map(str, words)]


def run(folder: Path, *words: str | Path, path: str = "") -> tuple[int, list[dict], str]:
    """Run a bundle from an empty folder; return its exit code, its lines and what it wrote to stderr."""
    done = subprocess.run(
        command(folder, *words, path=path), cwd=folder.parent, capture_output=True, text=True, timeout=60
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def drawing(digit: np.ndarray) -> np.ndarray:
    """A digit as black ink on white paper, 9 times enlarged."""
    return np.pad(255 - np.kron(digit, np.ones((9, 9), np.uint8)), 20, constant_values=255)


def pgm(image: np.ndarray) -> bytes:
    return b"P5\n# made by a test\n%d %d\n255\n" % image.shape[::-1] + image.tobytes()


@pytest.mark.parametrize("name", ["tiny_int8", "tiny_int8_float_io", "small_float32"])
def test_a_bundle_answers_as_the_runner_does(name, tmp_path, digits):
    """int8 and float models: another rounding of the input, and the device answers otherwise than what was measured."""
    np.save(tmp_path / "x.npy", digits)
    code, lines, _ = run(write_bundle(name, tmp_path / "b"), tmp_path / "x.npy")
    logits = Runner(shipped(name)).predict(to_input(digits))
    runner = Runner(shipped(name))
    raw = np.concatenate([runner.infer(x[None]) for x in runner.as_input(to_input(digits))])
    assert code == 0
    assert [line["index"] for line in lines] == list(range(len(digits)))
    assert np.array_equal(np.array([line["output"] for line in lines], raw.dtype), raw)
    assert [int(line["label"]) for line in lines] == logits.argmax(axis=1).tolist()
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert np.allclose(
        [line["probability"] for line in lines], (shares / shares.sum(1, keepdims=True)).max(1), atol=1e-4
    )


def test_pictures_are_prepared_bit_for_bit(tmp_path, folder, digits, monkeypatch):
    """The copy of the preprocessing must not drift: PGM and PNG, grey and colour, against to_mnist."""
    from PIL import Image

    scope = {"__name__": "preprocess"}
    source = preprocessing_source()
    assert (folder / "preprocess.py").read_text(encoding="utf-8") == source
    exec(compile(source, "preprocess.py", "exec"), scope)
    rng = np.random.default_rng(1)
    for digit in digits[:10]:
        noisy = np.clip(drawing(digit) * 0.7 + rng.normal(0, 4, (292, 292)), 0, 255).astype(np.uint8)
        colour = np.stack([noisy, noisy // 2 + 60, noisy], axis=-1)
        for picture in (drawing(digit), noisy, colour):
            assert np.array_equal(scope["to_mnist"](picture), to_mnist(picture))
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "a.pgm").write_bytes(pgm(drawing(digits[0])))
    Image.fromarray(drawing(digits[0])).save(pictures / "b.png")
    code, (a, b), _ = run(folder, pictures)
    runner = Runner(shipped("tiny_int8"))
    expected = runner.infer(runner.as_input(to_input(to_mnist(drawing(digits[0])))))[0].tolist()
    assert (code, a["output"], b["output"]) == (0, expected, expected)
    assert np.array_equal(read_image(pictures / "b.png"), drawing(digits[0]))


def test_what_cannot_be_read_is_named_and_left_out(tmp_path, folder, digits):
    """One broken file in a folder must not end the night's run, nor vanish."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    good = pgm(drawing(digits[1]))
    contents = {
        "a.pgm": good,
        "b.pgm": good[:-5000],
        "c.pgm": b"P2\n1 1\n255\n0",
        "d.pgm": b"",
        "e.pgm": pgm(np.full((60, 60), 200, np.uint8)),
        "f.npy": b"no array",
        "g.png": b"no picture",
        "h.pgm": good,
        "notes.txt": b"",
    }
    for name, data in contents.items():
        (pictures / name).write_bytes(data)
    np.save(pictures / "i.npy", digits[:2].astype(np.float32))
    np.save(pictures / "j.npy", digits[:2, :20])
    code, lines, err = run(folder, pictures, tmp_path / "missing.pgm")
    assert code == 1
    assert [Path(line["image"]).name for line in lines] == ["a.pgm", "h.pgm"]
    named = re.findall(r"(\w+\.\w+): left out: ", err)
    assert named == ["b.pgm", "c.pgm", "d.pgm", "e.pgm", "f.npy", "g.png", "i.npy", "j.npy", "missing.pgm"]
    assert "Traceback" not in err


def test_a_png_without_pillow_says_so(tmp_path, folder, digits):
    from PIL import Image

    Image.fromarray(drawing(digits[0])).save(tmp_path / "a.png")
    code, lines, err = run(folder, tmp_path / "a.png", path=":no-pillow")
    assert (code, lines) == (1, [])
    assert "need Pillow: pip install pillow" in err


def test_a_changed_model_is_not_opened(tmp_path, folder, digits):
    """A byte lost on the way to the device: the model would answer, and wrongly."""
    np.save(tmp_path / "x.npy", digits[:1])
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    model = broken / "tiny_int8.tflite"
    content = bytearray(model.read_bytes())
    content[-100] ^= 1
    model.write_bytes(content)
    code, lines, err = run(broken, tmp_path / "x.npy")
    assert (code, lines) == (2, [])
    assert "tiny_int8.tflite: SHA-256 is" in err
    model.unlink()
    code, _, err = run(broken, tmp_path / "x.npy")
    assert code == 2
    assert "tiny_int8.tflite" in err


CV2 = """
import os, numpy as np
class VideoCapture:
    def __init__(self, source):
        assert source == 3
        print("opened", file=open({log!r}, "a"))
    def isOpened(self): return True
    def read(self):
        frames = np.load({frames!r})
        VideoCapture.n = getattr(VideoCapture, "n", -1) + 1
        if VideoCapture.n % 3 == {bad}: return False, None
        return True, frames[VideoCapture.n % len(frames)]
    def release(self): print("released", file=open({log!r}, "a"))
"""


def stand_in(tmp_path: Path, digits: np.ndarray, bad: int) -> Path:
    """Put a module cv2 into a folder, whose camera 3 shows drawings, blue and red exchanged as OpenCV has them."""
    modules = tmp_path / "modules"
    modules.mkdir()
    frames, log = tmp_path / "frames.npy", tmp_path / "log"
    np.save(frames, [np.stack([d, d // 2 + 90, d // 3 + 120], axis=-1)[..., ::-1] for d in map(drawing, digits[:4])])
    (modules / "cv2.py").write_text(CV2.format(log=str(log), frames=str(frames), bad=bad))
    return modules


def test_the_camera_stays_open_and_a_bad_frame_is_left_out(tmp_path, folder, digits):
    """Opening it for each picture takes a second on a Pi, and some drivers then give a black one."""
    modules = stand_in(tmp_path, digits, bad=2)
    code, lines, err = run(folder, "--camera", "3", "--every", "0", "--count", "6", path=str(modules))
    assert (tmp_path / "log").read_text().split() == ["opened", "released"]
    assert code == 1
    assert [line["image"] for line in lines] == [f"camera 3 {i}" for i in (0, 1, 3, 4)]
    assert err.count("gave no picture") == 2
    runner = Runner(shipped("tiny_int8"))
    for line, i in zip(lines, (0, 1, 3, 0), strict=True):
        d = drawing(digits[i])
        rgb = np.stack([d, d // 2 + 90, d // 3 + 120], axis=-1)
        assert line["output"] == runner.infer(runner.as_input(to_input(to_mnist(rgb))))[0].tolist()


def test_a_camera_that_is_gone_ends_the_program(tmp_path, folder, digits):
    """systemd can only restart what ends."""
    modules = stand_in(tmp_path, digits, bad=2)
    source = (modules / "cv2.py").read_text().replace("% 3 == 2", ">= 2")
    (modules / "cv2.py").write_text(source)
    code, lines, err = run(folder, "--camera", "3", "--every", "0", path=str(modules))
    assert (code, len(lines)) == (2, 2)
    assert "10 pictures in a row failed" in err
    assert (tmp_path / "log").read_text().split() == ["opened", "released"]


@pytest.mark.parametrize(("source", "missing"), [("pi", "python3-picamera2"), ("0", "opencv-python-headless")])
def test_a_missing_camera_library_is_named(folder, source, missing):
    code, lines, err = run(folder, "--camera", source)
    assert (code, lines) == (2, [])
    assert missing in err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to catch")
def test_sigterm_stops_after_the_picture_and_releases_the_camera(tmp_path, folder, digits):
    modules = stand_in(tmp_path, digits, bad=0)
    words = command(folder, "--camera", "3", "--every", "0.2", path=str(modules))
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert json.loads(process.stdout.readline())["label"]
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "gave no picture" in err  # which is no failure of what was stopped
    assert "Traceback" not in err
    assert (tmp_path / "log").read_text().split() == ["opened", "released"]


@pytest.mark.skipif(not hasattr(__import__("socket"), "AF_UNIX"), reason="systemd is Linux's")
def test_systemd_is_told_that_it_runs(tmp_path, folder, digits, monkeypatch):
    """Without READY a unit of Type=notify never counts as started; without WATCHDOG it is ended each minute."""
    import socket

    np.save(tmp_path / "x.npy", digits[:1])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "n"))
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        assert run(folder, tmp_path / "missing.pgm", tmp_path / "x.npy")[0] == 1
        assert [listener.recv(99) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_equal_models_give_equal_bytes_and_the_manifest_is_true(tmp_path, folder):
    from hashlib import sha256

    again = write_bundle(shipped("tiny_int8"), tmp_path / "again")
    assert contents(again) == contents(folder)
    manifest = json.loads((folder / "bundle.json").read_text())
    files = contents(folder)
    assert set(manifest["files"]) == set(files) - {"bundle.json"}
    for name, entry in manifest["files"].items():
        assert entry == {"bytes": len(files[name]), "sha256": sha256(files[name]).hexdigest()}
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_only_an_older_bundle_is_replaced(tmp_path):
    """And not where the reader has put files of their own beside it."""
    older = write_bundle("tiny_int8", tmp_path / "b")
    assert "small_int8.tflite" in contents(write_bundle("small_int8", older))
    assert "tiny_int8.tflite" not in contents(older)
    (older / "notes.txt").write_text("mine")
    before = contents(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("mine")
    for taken in (older, tmp_path / "empty", tmp_path / "file"):
        with pytest.raises(FileExistsError, match=f"{taken.name}: exists and is not a bundle"):
            write_bundle("tiny_int8", taken)
    assert contents(tmp_path) == {**before, "file": b"mine"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interruption_leaves_the_older_bundle(tmp_path, monkeypatch, error):
    """Ctrl-C or a full disk, at each write and rename in turn: no half bundle, no hidden folder beside it."""
    older = write_bundle("tiny_int8", tmp_path / "b")
    before = contents(tmp_path)
    calls = {"left": 0}

    def failing(function):
        def wrapped(*arguments):
            calls["left"] -= 1
            if calls["left"] == 0:
                raise error("stopped")
            return function(*arguments)

        return wrapped

    monkeypatch.setattr(Path, "write_bytes", failing(Path.write_bytes))
    monkeypatch.setattr(os, "replace", failing(os.replace))
    for n in (1, 5, len(before), len(before) + 1, len(before) + 2):
        calls["left"] = n
        with pytest.raises(error):
            write_bundle("small_int8", older)
        assert contents(tmp_path) == before, n
        assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_a_model_that_the_runner_could_not_run_is_refused(tmp_path):
    """Missing, foreign, empty, damaged, changed since it was recorded, or with another input: named at once."""
    content = shipped("tiny_int8").read_bytes()
    for name, data, says in [
        ("keras.tflite", b"PK\3\4" * 9, "no TFL3 mark"),
        ("empty.tflite", b"", "empty"),
        ("cut.tflite", content[:2000], "cut.tflite"),
    ]:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=says):
            write_bundle(tmp_path / name, tmp_path / "b")
    with pytest.raises(FileNotFoundError, match="no_such_model: neither a file nor the name of a shipped model"):
        write_bundle("no_such_model", tmp_path / "b")
    with pytest.raises(ValueError, match="no TFL3 mark"):
        write_bundle("tiny", tmp_path / "b")  # a .keras
    for name in ("tiny_int8.tflite", "models.json"):
        shutil.copy(shipped("tiny_int8").parent / name, tmp_path / name)
    (tmp_path / "tiny_int8.tflite").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match="SHA-256 is"):
        write_bundle(tmp_path / "tiny_int8.tflite", tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_labels_come_from_the_file_the_model_or_the_numbers(tmp_path, digits, monkeypatch, capsys):
    np.save(tmp_path / "x.npy", digits[:1])
    names = [f"digit {i}" for i in range(10)]
    (tmp_path / "names.txt").write_text("\n".join(names) + "\n")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["bundle", "tiny_int8", "--labels", "names.txt"]) == 0
    assert capsys.readouterr().out == "tiny_int8_bundle\n"
    assert run(tmp_path / "tiny_int8_bundle", tmp_path / "x.npy")[1][0]["label"] == "digit 7"
    shutil.copy(shipped("tiny_int8"), "own.tflite")
    with zipfile.ZipFile("own.tflite", "a") as archive:
        archive.writestr("labels.txt", "\n".join(names))
    assert json.loads((write_bundle("own.tflite") / "bundle.json").read_text())["labels"] == names
    shutil.copy(shipped("tiny_int8"), "latin.tflite")
    with zipfile.ZipFile("latin.tflite", "a") as archive:
        archive.writestr("labels.txt", "\n".join(names).encode("utf-16"))
    with pytest.raises(ValueError, match="labels.txt, attached to the .tflite, is no text in UTF-8"):
        write_bundle("latin.tflite")
    with pytest.raises(ValueError, match="labels: found 2 .*; tiny_int8.tflite answers 10"):
        write_bundle("tiny_int8", "b", ["a", "b"])
    for data, says in [(b"", "no line"), (b"a\n\nb", "an empty line"), (b"\xff", "UTF-8")]:
        Path("bad.txt").write_bytes(data)
        with pytest.raises(ValueError, match=says):
            read_labels("bad.txt")
    with pytest.raises(FileNotFoundError, match="gone.txt"):
        read_labels("gone.txt")
    assert cli.main(["bundle", "tiny_int8", "--labels", "bad.txt", "--to", "b"]) == 1


def test_a_model_of_another_shape_takes_ready_images_alone(tmp_path):
    """Its pixels come as .npy; a picture of a digit would be cut to 28x28."""
    (tmp_path / "relu.tflite").write_bytes(relu_tflite())
    folder = write_bundle(tmp_path / "relu.tflite", tmp_path / "b")
    np.save(tmp_path / "x.npy", np.array([[0, 255, 128]], np.uint8))
    (tmp_path / "x.pgm").write_bytes(pgm(np.zeros((30, 30), np.uint8)))
    code, lines, err = run(folder, tmp_path / "x.npy", tmp_path / "x.pgm")
    assert (code, lines[0]["output"]) == (1, [0, 2, 1])
    assert "no digit of 28x28" in err


def test_the_requirements_are_the_locks(tmp_path):
    """Versions as tested here, each with hashes for both machines; nothing but what LiteRT needs."""
    text = hashed(ROOT / "uv.lock")
    assert (Path(bundle.__file__).parent / "_template" / "requirements.txt").read_text() == text
    lines = {line.split(" \\")[0] for line in text.splitlines() if "==" in line}
    assert lines <= set(pins(ROOT / "uv.lock", "device"))
    assert {line.split("==")[0] for line in lines} >= {"ai-edge-litert", "numpy"}
    assert not {"pillow", "tensorflow", "tensorflow-cpu", "edgelab"} & {line.split("==")[0] for line in lines}
    for block in re.split(r"\n(?! )", text.strip())[1:]:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block
    with pytest.raises(ValueError, match="has no package 'abacus'"):
        hashed(ROOT / "uv.lock", "abacus")


def test_the_unit_limits_and_restarts(tmp_path, folder):
    text = (folder / "edge-digits.service").read_text()
    for line in (
        "Restart=on-failure",
        "MemoryMax=200M",
        "CPUQuota=50%",
        "WatchdogSec=60",
        "Type=notify",
        "DynamicUser=yes",
    ):
        assert f"\n{line}\n" in text
    if shutil.which("systemd-analyze"):
        unit = tmp_path / "edge-digits.service"
        unit.write_text(text.replace("/opt/edge-digits/venv/bin/python", sys.executable))
        done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
        assert "edge-digits" not in done.stdout + done.stderr
        unit.write_text(text.replace("MemoryMax=200M", "MemoryMax=plenty"))
        done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
        assert "Invalid memory limit" in done.stderr


@pytest.mark.slow
def test_the_bundle_installs_and_runs_in_an_empty_environment(tmp_path, folder, digits):
    """As README.md says: a venv, pip with hashes, run.py; and nothing else is there."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    pip = [python, "-m", "pip", "install", "-q", "--require-hashes", "-r", folder / "requirements.txt"]
    subprocess.run(pip, check=True, timeout=300)
    np.save(tmp_path / "x.npy", digits)
    done = subprocess.run(
        [python, "-I", folder / "run.py", tmp_path / "x.npy"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    outputs = [json.loads(line)["output"] for line in done.stdout.splitlines()]
    runner = Runner(shipped("tiny_int8"))
    assert outputs == [runner.infer(x[None])[0].tolist() for x in runner.as_input(to_input(digits))]
