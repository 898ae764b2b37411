"""Pins for conda and Binder: uv.lock as requirements that pip reads on each platform."""

import json
import re
import tomllib
from itertools import product
from pathlib import Path

# What a 64-bit Linux with glibc installs.
_WHEEL = re.compile(r"-(cp31[123]-cp31[123]|cp3\d+-abi3)-manylinux\S*_(x86_64|aarch64)\.whl$|-none-any\.whl$")


def pins(lock: str | Path, extra: str = "course") -> list[str]:
    """List what uv.lock installs for edgelab[extra], as requirements that pip reads on each platform.

    lock: path of uv.lock. extra: an extra of pyproject.toml. Returns sorted lines such as "numpy==2.4.6 ;
    python_full_version < '3.12'"; tools of the dev group are not among them, nor edgelab itself. The lock
    is read here, not exported by uv, so that each version of uv, and none, gives the same lines.
    Raises ValueError when the lock has no such extra.

    >>> [line for line in pins(Path(__file__).parents[3] / "uv.lock", "device") if line.startswith("ai-edge-litert")]
    ['ai-edge-litert==2.3.0']
    """
    packages = tomllib.loads(Path(lock).read_text(encoding="utf-8"))["package"]
    project = next(p for p in packages if p["name"] == "edgelab")
    if extra not in project["optional-dependencies"]:
        known = ", ".join(project["optional-dependencies"])
        raise ValueError(f"{lock}: edgelab has no extra {extra!r}, it has {known}. New in pyproject.toml? Run: uv lock")
    lines = []
    for (name, version), alternatives in _reached(packages, {"name": "edgelab", "extra": [extra]}).items():
        marker = _marker(alternatives)
        lines.append(f"{name}=={version} ; {marker}" if marker else f"{name}=={version}")
    return sorted(lines)


def hashed(lock: str | Path, name: str = "ai-edge-litert") -> str:
    """Return a requirements file with the hashes of a package and all it needs, for `pip install --require-hashes`.

    lock: path of uv.lock. name: a package in it. The hashes are those of the wheels for 64-bit Linux on x86-64 and
    aarch64, CPython 3.11 to 3.13. Raises ValueError for a package that the lock does not have.

    >>> hashed(Path(__file__).parents[3] / "uv.lock").count("ai-edge-litert==")
    1
    """
    packages = tomllib.loads(Path(lock).read_text(encoding="utf-8"))["package"]
    if not any(package["name"] == name for package in packages):
        raise ValueError(f"{lock}: has no package {name!r}")
    lines = ["# Wheels for 64-bit Linux, x86-64 and aarch64: pip install --require-hashes -r requirements.txt"]
    for (found, version), alternatives in sorted(_reached(packages, {"name": name}).items()):
        if all(any("win32" in marker for marker in markers) for markers in alternatives):
            continue  # for Windows alone
        marker = _marker(alternatives)
        package = next(p for p in packages if (p["name"], p.get("version")) == (found, version))
        wheels = {w["url"].rpartition("/")[2]: w["hash"] for w in package["wheels"]}
        hashes = [h for file, h in sorted(wheels.items()) if _WHEEL.search(file)]
        head = f"{found}=={version} ; {marker}" if marker else f"{found}=={version}"
        lines.append(" \\\n    ".join([head, *(f"--hash={h}" for h in hashes)]))
    return "\n".join(lines) + "\n"


def _reached(packages: list[dict], start: dict) -> dict[tuple[str, str], set[frozenset[str]]]:
    """Walk the lock from an edge, edgelab[extra] say: each (name, version), and the markers on the paths to it."""
    seen: dict[tuple, set[frozenset[str]]] = {}
    ahead = [(start, frozenset())]
    while ahead:
        edge, markers = ahead.pop()
        # An edge names the version only where the lock holds more than one.
        found = [p for p in packages if p["name"] == edge["name"]]
        package = next(p for p in found if edge.get("version") in (None, p.get("version")))
        extras = tuple(edge.get("extra", ()))
        markers = markers | {edge["marker"]} if "marker" in edge else markers
        alternatives = seen.setdefault((package["name"], package.get("version"), extras), set())
        if any(shorter <= markers for shorter in alternatives):
            continue
        alternatives -= {longer for longer in alternatives if markers <= longer}
        alternatives.add(markers)
        wanted = [e for name in extras for e in package["optional-dependencies"][name]]
        ahead += [(e, markers) for e in package.get("dependencies", []) + wanted]
    reached: dict[tuple[str, str], set[frozenset[str]]] = {}
    for (name, version, _), alternatives in seen.items():
        if name != "edgelab":
            reached.setdefault((name, version), set()).update(alternatives)
    return reached


def _marker(alternatives: set[frozenset[str]]) -> str:
    """Write alternatives of markers as one marker; the empty text where every platform satisfies one."""
    from packaging.markers import Marker

    # tensorflow and tensorflow-cpu need the same packages: "linux or not linux" is no condition.
    platforms = (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"), ("win32", "AMD64"))
    supported = [
        {
            "python_full_version": python,
            "python_version": python.rpartition(".")[0],
            "sys_platform": system,
            "os_name": "nt" if system == "win32" else "posix",
            "platform_machine": machine,
            "implementation_name": "cpython",
        }
        for python, (system, machine) in product(("3.11.0", "3.11.9", "3.12.0", "3.13.0"), platforms)
    ]
    if all(any(all(Marker(m).evaluate(e) for m in markers) for markers in alternatives) for e in supported):
        return ""
    # `and` binds tighter than `or`, so only an alternative of several markers needs brackets, inside.
    chains = [" and ".join(f"({m})" if len(ms) > 1 else m for m in sorted(ms)) for ms in alternatives]
    return " or ".join(sorted(chains))


def environment(requirements: list[str]) -> str:
    """Return a conda environment file that lets pip install the requirements under Python 3.11.

    requirements: lines of a pip requirements file. They stand inline, because conda cannot read uv.lock.

    >>> print(environment(["-e .", "numpy==2.4.6"]).splitlines()[-1])
          - "numpy==2.4.6"
    """
    head = [
        "# Written by `make sync` from uv.lock. To change a version: uv lock, then make sync.",
        "name: edgelab",
        "channels:",
        "  - conda-forge",
        "dependencies:",
        "  - python=3.11",
        "  - pip",
        "  - pip:",
    ]
    # JSON strings are YAML strings: they keep ` ; ` and quotes of a marker as they are.
    return "\n".join(head + [f"      - {json.dumps(line)}" for line in requirements]) + "\n"
