"""The emulated Raspberry Pi: what is missing is named, nothing is left half-made, and answers equal this machine's."""

import numpy as np
import pytest

from edgelab.data import load_mnist
from edgelab.deploy import pi
from edgelab.deploy.bundle import write_bundle
from edgelab.deploy.pi import Comparison, compare_on_pi, missing_for_pi, pi_sysroot, run_on_pi


def test_missing_programs_are_named_with_how_to_get_them(tmp_path, monkeypatch):
    """And nothing is fetched before."""
    monkeypatch.setenv("PATH", "")
    missing = " ".join(missing_for_pi())
    for name in ("qemu-user-static", "apt-get", "dpkg-deb"):
        assert name in missing
    with pytest.raises(FileNotFoundError, match=r"needs qemu-aarch64-static.*`edgelab bundle` and the bundle on this"):
        pi_sysroot(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError, match="qemu-user-static"):
        run_on_pi(tmp_path, "-c", "pass")


def test_a_sysroot_that_is_there_needs_no_programs_to_make_it(tmp_path, monkeypatch):
    """On a system without apt-get a copied folder serves; offline, yesterday's does."""
    made = []
    monkeypatch.setattr(pi, "missing_for_pi", lambda: [])
    monkeypatch.setattr(pi, "_unpack_debian", lambda work, sysroot: made.append(sysroot.mkdir()))
    monkeypatch.setattr(pi, "_unpack_wheels", lambda work, sysroot, requirements: made.append(requirements))
    folder = pi_sysroot(tmp_path)
    assert (folder / "proc" / "cpuinfo").read_text().count("0x41")
    assert [p.name for p in tmp_path.iterdir()] == [folder.name]
    monkeypatch.setattr(pi, "missing_for_pi", lambda: ["everything"])
    assert pi_sysroot(tmp_path) == folder
    assert len(made) == 2
    with pytest.raises(FileNotFoundError, match=r"bin/python3\.11: not found; make the folder"):
        monkeypatch.setattr(pi, "_qemu", lambda: "qemu")
        run_on_pi(folder, "-c", "pass")


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError("no network")])
@pytest.mark.parametrize("step", ["_unpack_debian", "_unpack_wheels"])
def test_an_interruption_leaves_nothing(tmp_path, monkeypatch, step, error):
    """A folder with half of its libraries would be taken for a sysroot ever after."""

    def begin(work, sysroot, *_):
        sysroot.mkdir()
        (sysroot / "half").touch()

    def stop(*arguments):
        (arguments[0] / "more").touch()
        raise error

    monkeypatch.setattr(pi, "missing_for_pi", lambda: [])
    monkeypatch.setattr(pi, "_unpack_debian", begin)
    monkeypatch.setattr(pi, step, stop)
    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        pi_sysroot(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_fetch_says_what_apt_said(tmp_path, monkeypatch):
    """No network, or a system whose release has another Python."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "apt-get").write_text(
        "#!/bin/sh\necho 'E: Unable to locate package python3.11-minimal' >&2; exit 100\n"
    )
    (programs / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(pi, "missing_for_pi", lambda: [])
    with pytest.raises(RuntimeError, match=r"python3.11 for arm64 with apt-get failed \(exit code 100\):\nE: Unable"):
        pi_sysroot(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_requirements_are_those_of_the_emulated_python():
    """pip takes a marker for the Python it runs in, which may be another one than Debian's."""
    old, new = (
        "a==1 ; python_full_version < '3.12' \\\n  --hash=x\n",
        "a==2 ; python_full_version >= '3.12' \\\n  --hash=y\n",
    )
    text = f"# two\n{old}{new}b==3 \\\n  --hash=z\n"
    assert pi._for_this_python(text) == "# two\na==1 \\\n  --hash=x\nb==3 \\\n  --hash=z\n"


def test_each_differing_byte_counts(tmp_path, monkeypatch):
    """A comparison that finds everything equal must be able to find a difference."""
    (tmp_path / "run.py").write_text("print('12345')")
    monkeypatch.setattr(pi, "pi_sysroot", lambda: tmp_path)
    for there, differing in ((b"12345\n", 0), (b"12845\n", 1), (b"1234", 2), (b"12345\n6", 1), (b"", 6)):
        monkeypatch.setattr(pi, "run_on_pi", lambda *_, cpu, there=there: there)
        assert compare_on_pi(tmp_path) == Comparison("cortex-a72", 1, 6, differing)


@pytest.mark.slow
def test_a_bundle_answers_alike_on_an_emulated_pi(tmp_path, monkeypatch):
    """1,000 images and 20 pictures, the sysroot made anew: no byte of the answers differs, on a Pi 4 and a Pi 5.

    XNNPACK has other code for Arm than for x86, and NumPy too: nothing but a run shows that both give equal integers.
    """
    assert missing_for_pi() == [], "install them (.ci/run does)"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    x = load_mnist().x_test[:1000]
    np.save(tmp_path / "x.npy", x)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i, digit in enumerate(x[:20]):
        page = np.pad(255 - np.kron(digit, np.ones((9, 9), np.uint8)), 20, constant_values=255)
        (pictures / f"{i:02}.pgm").write_bytes(b"P5 292 292 255\n" + page.tobytes())
    folder = write_bundle("small_int8", tmp_path / "bundle")
    for cpu in pi.CPUS.values():
        found = compare_on_pi(folder, tmp_path / "x.npy", pictures, cpu=cpu)
        assert (found.lines, found.differing_bytes) == (1020, 0), cpu
    sysroot = pi_sysroot()
    assert sysroot.is_relative_to(tmp_path)
    assert run_on_pi(sysroot, "-c", "import platform; print(platform.machine())") == b"aarch64\n"
    with pytest.raises(RuntimeError, match=r"run.py on an emulated cortex-a72 failed \(exit code 1\):\n(.*\n)*.*gone"):
        run_on_pi(sysroot, folder / "run.py", tmp_path / "gone.npy")
    # The model with another byte: refused there as here.
    model = folder / "small_int8.tflite"
    model.write_bytes(model.read_bytes()[:-1] + b"\xff")
    with pytest.raises(RuntimeError, match="SHA-256"):
        run_on_pi(sysroot, folder / "run.py", tmp_path / "x.npy")


def test_the_stored_result_is_what_the_page_claims():
    """By XNNPACK, the default, no integer of an int8 model differs."""
    from edgelab.course.results.benchmarks import measured

    rows = measured("pi")["rows"]
    assert {row["kernels"] for row in rows} == {"xnnpack", "builtin", "reference"}
    for row in rows:
        assert row["images"] == 1000
        if "int8" in row["model"] and row["kernels"] == "xnnpack":
            assert (row["differ"], row["differing_bytes"]) == (0, 0)
