"""Figures that take too long for a notebook: benchmarks/*.py measure them, benchmarks/results keeps them."""

import json
import sys
from pathlib import Path


def results_folder() -> Path:
    """Return benchmarks/results of the repository this package lies in.

    Raises FileNotFoundError where there is none: the installed package does not include the measurements.

    >>> results_folder().name
    'results'
    """
    folder = Path(__file__).resolve().parents[3] / "benchmarks" / "results"
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; the measurements come with a clone of the course only")
    return folder


def measured(name: str, folder: str | Path | None = None) -> dict:
    """Read what a benchmark measured.

    folder: default benchmarks/results. Returns {"command", "date", "machine", "rows": [dict, …]}. Raises
    FileNotFoundError naming the results there are and the command that makes this one, ValueError when the file is not
    such a result.

    >>> sorted(measured("seeds"))
    ['command', 'date', 'machine', 'rows']
    """
    path = Path(folder or results_folder()) / f"{name}.json"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.json"))) or "none"
        raise FileNotFoundError(f"{path}: not measured yet (there are: {known}). Make it: edgelab bench {name}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not {"command", "date", "machine", "rows"} <= set(content):
            raise ValueError(f"it holds {sorted(content)}")
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: not a benchmark's result ({error}). Restore it: git checkout {path}") from error
    return content


def save_measured(name: str, rows: list[dict], folder: str | Path | None = None) -> Path:
    """Write what a benchmark measured, with the command, the date, the machine and the versions beside it.

    rows: one dict a run. folder: default benchmarks/results. Can be called after each run: it replaces the file
    atomically.

    >>> save_measured("doctest", [{"seed": 1}], "build").name
    'doctest.json'
    """
    from datetime import date

    from edgelab.artifacts import write_atomic
    from edgelab.course.results.recorded import machine

    content = {
        "command": " ".join(["python", f"benchmarks/{name}.py", *sys.argv[1:]]),
        "date": date.today().isoformat(),
        "machine": machine(),
        "rows": rows,
    }
    path = Path(folder or results_folder()) / f"{name}.json"
    return write_atomic(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
