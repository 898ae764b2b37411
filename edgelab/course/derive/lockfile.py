"""Pins for conda and Binder: uv.lock as requirements that pip reads on each platform."""

import json
import tomllib
from itertools import product
from pathlib import Path


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
    for (name, version), alternatives in _reached(packages, extra).items():
        marker = _marker(alternatives)
        lines.append(f"{name}=={version} ; {marker}" if marker else f"{name}=={version}")
    return sorted(lines)


def _reached(packages: list[dict], extra: str) -> dict[tuple[str, str], set[frozenset[str]]]:
    """Walk the lock from edgelab[extra]: each (name, version), and the sets of markers on the paths to it."""
    seen: dict[tuple, set[frozenset[str]]] = {}
    ahead = [({"name": "edgelab", "extra": [extra]}, frozenset())]
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
