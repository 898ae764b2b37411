"""Pi: an emulated 64-bit Raspberry Pi, on which a bundle runs unchanged. Emulated times say nothing of a Pi's speed.

QEMU's user mode translates the instructions of an Arm program and passes its system calls to this kernel, as another
user's program: no image of a system, no root. Its libraries are Debian's for arm64, its wheels those that pip installs
on a Pi, both unpacked into one folder: the sysroot.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

# Debian 12's Python, and the libraries that it, NumPy and LiteRT load.
PYTHON = "python3.11"
PACKAGES = (
    *(f"{PYTHON}-minimal", f"lib{PYTHON}-minimal", f"lib{PYTHON}-stdlib"),
    *("libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libexpat1", "libssl3", "libffi8"),
    *("libbz2-1.0", "liblzma5", "libuuid1", "libcrypt1"),
)
# What the processors of these boards are; QEMU 7 and later know both.
CPUS = {"Raspberry Pi 4": "cortex-a72", "Raspberry Pi 5": "cortex-a76"}
# LiteRT reads the processor's features here. The host's own file, which QEMU passes on, describes another processor.
CPUINFO = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3
"""


class Comparison(NamedTuple):
    """What a bundle printed here and on the emulated Pi: processor, lines, bytes here, bytes that differ.

    >>> Comparison("cortex-a72", 1000, 90_000, 0).differing_bytes
    0
    """

    cpu: str
    lines: int
    bytes: int
    differing_bytes: int


def missing_for_pi() -> list[str]:
    """Name the programs that emulating a Raspberry Pi needs and that are not here, each with how to get it.

    >>> all("apt" in line or "pip" in line for line in missing_for_pi())
    True
    """
    import importlib.util

    needed = {
        "apt-get": "apt-get (of Debian 12; other systems have another arm64 Python)",
        "dpkg-deb": "dpkg-deb (sudo apt install dpkg)",
    }
    missing = [text for program, text in needed.items() if shutil.which(program) is None]
    if _qemu() is None:
        missing.insert(0, "qemu-aarch64-static (sudo apt install qemu-user-static)")
    if importlib.util.find_spec("pip") is None:
        missing.append(f"pip (for {sys.executable})")
    return missing


def pi_sysroot(cache: str | Path | None = None) -> Path:
    """Return a folder with an arm64 Python 3.11 and a bundle's wheels, made at the first call: 30 s, 170 MB.

    cache: the folder to keep it in, by default edgelab in the user's cache. Debian's packages come by apt-get from the
    mirrors that this system has configured, checked against their signatures; the wheels by pip, checked against
    the hashes in a bundle's requirements. Nothing is installed, and root is not needed. An interrupted call leaves
    nothing; another version of the wheels makes another folder.
    Raises FileNotFoundError naming missing programs, RuntimeError with what apt-get or pip said.

    >>> try:  # the folder with programs of an Arm processor, or the message
    ...     pi_sysroot("/dev/null/no_folder")
    ... except (OSError, RuntimeError) as error:
    ...     str(error) != ""
    True
    """
    import hashlib
    import tempfile

    requirements = _for_this_python(
        (Path(__file__).parent / "_template" / "requirements.txt").read_text(encoding="utf-8")
    )
    key = hashlib.sha256(repr((requirements, PACKAGES, CPUINFO)).encode()).hexdigest()[:12]
    folder = (_cache() if cache is None else Path(cache)) / f"pi-{key}"
    if folder.is_dir():
        return folder
    missing = missing_for_pi()
    if missing:
        raise FileNotFoundError(
            f"an emulated Raspberry Pi needs {'; '.join(missing)}. Without it, `edgelab bundle` and the bundle on this "
            "machine work all the same, and benchmarks/results/pi.json has what was measured"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pi-", dir=folder.parent) as name:
        work = Path(name)
        _unpack_debian(work, work / "sysroot")
        _unpack_wheels(work, work / "sysroot", requirements)
        (work / "sysroot" / "proc").mkdir(exist_ok=True)
        (work / "sysroot" / "proc" / "cpuinfo").write_text(CPUINFO)
        with contextlib.suppress(OSError):  # another process was faster: its folder is the same
            os.rename(work / "sysroot", folder)
    return folder


def run_on_pi(sysroot: Path, *arguments: str | Path, cpu: str = "cortex-a72", timeout: float = 300) -> bytes:
    """Run the sysroot's Python on an emulated Arm processor; return what it wrote to stdout.

    sysroot: of `pi_sysroot`. arguments: as for python, such as a bundle's run.py and pictures; -I and -B are given: no
    module of this machine is found. cpu: one of QEMU's, see CPUS. timeout: seconds. Raises FileNotFoundError without
    QEMU or sysroot, RuntimeError with the last lines of stderr where the program fails or takes longer.

    >>> try:
    ...     run_on_pi(Path("no_sysroot"), "-c", "import platform; print(platform.machine())")
    ... except FileNotFoundError as error:
    ...     print("no_sysroot" in str(error) or "qemu" in str(error))
    True
    """
    qemu, python = _qemu(), Path(sysroot) / "usr" / "bin" / PYTHON
    if qemu is None:
        raise FileNotFoundError(f"an emulated Raspberry Pi needs {missing_for_pi()[0]}")
    if not python.is_file():
        raise FileNotFoundError(f"{python}: not found; make the folder with edgelab.deploy.pi_sysroot()")
    words = [qemu, "-L", str(sysroot), "-cpu", cpu, str(python), "-I", "-B", *map(str, arguments)]
    return _checked(words, f"{arguments[0]} on an emulated {cpu}", timeout=timeout)


def compare_on_pi(folder: str | Path, *paths: str | Path, cpu: str = "cortex-a72") -> Comparison:
    """Run a bundle on pictures here and on an emulated Raspberry Pi, and count the bytes of its answers that differ.

    folder: of `write_bundle`. paths: files and folders as its run.py takes them, all of them readable. A line has the
    model's raw output: no byte differs where each integer or float of it is equal. Raises as `pi_sysroot` and
    `run_on_pi` do.

    >>> try:
    ...     compare_on_pi("no_bundle", "x.npy")
    ... except FileNotFoundError as error:
    ...     print(error)
    no_bundle/run.py: no such file; write a bundle first: edgelab bundle MODEL
    """
    program = Path(folder) / "run.py"
    if not program.is_file():
        raise FileNotFoundError(f"{program}: no such file; write a bundle first: edgelab bundle MODEL")
    there = run_on_pi(pi_sysroot(), program, *paths, cpu=cpu)
    here = _checked([sys.executable, "-I", "-B", str(program), *map(str, paths)], f"{program} here")
    return Comparison(cpu, here.count(b"\n"), len(here), _differing(here, there))


def _differing(a: bytes, b: bytes) -> int:
    """Count the places at which two byte strings differ; what one has more counts too."""
    return sum(x != y for x, y in zip(a, b, strict=False)) + abs(len(a) - len(b))


def _qemu() -> str | None:
    return shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")


def _cache() -> Path:
    import pooch

    return Path(pooch.os_cache("edgelab"))


def _for_this_python(requirements: str) -> str:
    """Return the requirements of Python 3.11 without markers, which pip would evaluate for the Python it runs in."""
    import re

    blocks = re.split(r"\n(?! )", requirements.strip())
    kept = [block for block in blocks if not re.match(r"\S+ ; python_full_version >= '3\.1[23]'", block)]
    return "\n".join(re.sub(r" ; [^\\\n]*", " ", block, count=1) for block in kept) + "\n"


def _unpack_debian(work: Path, sysroot: Path) -> None:
    """Fetch PACKAGES for arm64 by apt-get, with lists of its own, and unpack them."""
    debs = work / "debs"
    for folder in (debs, work / "state" / "lists" / "partial", work / "cache" / "archives" / "partial"):
        folder.mkdir(parents=True)
    settings = {
        "Dir::State": work / "state",
        "Dir::State::status": "/dev/null",  # what is installed here is of no interest
        "Dir::Cache": work / "cache",
        "APT::Architecture": "arm64",
        "APT::Architectures::": "arm64",
        "APT::Sandbox::User": "",  # root need not become a user who may not write here
        "Acquire::Languages": "none",
    }
    apt = ["apt-get", "-q", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}"))]
    # A source without arm64 makes `update` fail, and matters only if it is the one with Python: `download` will tell.
    subprocess.run([*apt, "update"], capture_output=True, check=False, timeout=600)
    _checked([*apt, "download", *PACKAGES], f"fetching Debian's {PYTHON} for arm64 with apt-get", cwd=debs)
    for deb in sorted(debs.glob("*.deb")):
        _checked(["dpkg-deb", "-x", str(deb), str(sysroot)], f"unpacking {deb.name}")


def _unpack_wheels(work: Path, sysroot: Path, requirements: str) -> None:
    """Fetch the wheels of a 64-bit Arm Linux by pip, and unpack them where Debian's Python looks for packages."""
    import zipfile

    listed, wheels = work / "requirements.txt", work / "wheels"
    listed.write_text(requirements)
    platforms = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    pip += ["--only-binary=:all:", *(f"--platform={platform}" for platform in platforms), "--python-version=3.11"]
    pip += ["--require-hashes", "-r", str(listed), "-d", str(wheels)]
    _checked(pip, "fetching the wheels for aarch64 with pip")
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(sysroot / "usr" / "lib" / "python3" / "dist-packages")


def _checked(words: list[str], what: str, cwd: Path | None = None, timeout: float = 600) -> bytes:
    """Run a command and return its stdout; RuntimeError with its last lines where it fails."""
    try:
        done = subprocess.run(words, cwd=cwd, capture_output=True, check=False, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{what} takes more than {timeout:g} s") from error
    if done.returncode:
        said = (done.stderr.decode(errors="replace").strip() or "it wrote nothing").splitlines()[-5:]
        raise RuntimeError("\n".join([f"{what} failed (exit code {done.returncode}):", *said]))
    return done.stdout
