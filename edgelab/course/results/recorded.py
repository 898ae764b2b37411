"""Results of the course: notebooks record rows, and the runner prints them as one table."""

import math
import numbers
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat import NotebookNode

MIME = "application/vnd.edgelab.result+json"


def record(model: str, format: str, runtime: str, accuracy: float, bytes: int, latency_ms: float | None = None) -> None:
    """Show one result in a notebook, as a line for the reader and as data for the results table.

    model, format, runtime: names, e.g. "small_cnn", "int8", "LiteRT". accuracy: share of right answers, 0 to 1.
    bytes: size of the model's file. latency_ms: milliseconds for one image, kept to 3 significant digits; None
    where it was not measured. In a notebook the row is an output of type MIME; elsewhere its line is printed.
    Raises ValueError naming the value that is out of range, or of the wrong kind.

    >>> record("small_cnn", "int8", "LiteRT", accuracy=0.9897, bytes=60_008, latency_ms=0.0127)
    small_cnn int8 on LiteRT: 98.97 %, 60,008 bytes, 0.0127 ms
    """
    from IPython import get_ipython
    from IPython.display import display

    row = checked(
        {
            "model": model,
            "format": format,
            "runtime": runtime,
            "accuracy": accuracy,
            "bytes": bytes,
            "latency_ms": latency_ms,
        }
    )
    latency = "" if row["latency_ms"] is None else f", {_digits(row['latency_ms'])} ms"
    line = f"{model} {format} on {runtime}: {row['accuracy']:.2%}, {row['bytes']:,} bytes{latency}".replace("%", " %")
    if get_ipython() is None:
        print(line)
    else:
        display({MIME: row, "text/plain": line}, raw=True)


def checked(row: Mapping) -> dict:
    """Check one result and return it in plain Python types, ready for JSON.

    row: the fields of `record`; other fields are kept as they are. Raises ValueError naming the first field that
    is missing or wrong, its value, and what was expected.

    >>> checked({"model": "a", "format": "int8", "runtime": "LiteRT", "accuracy": 1, "bytes": 9})["latency_ms"] is None
    True
    """
    if not isinstance(row, Mapping):
        raise ValueError(f"a result is a mapping with model, format, runtime, accuracy and bytes; got {row!r}")
    plain: dict = {}
    for name in ("model", "format", "runtime"):
        plain[name] = row.get(name)
        # A | or a line break would break the Markdown table that the row ends up in.
        if not isinstance(plain[name], str) or not re.fullmatch(r"[^|\s]([^|\n\r]*[^|\s])?", plain[name]):
            raise ValueError(f"result: {name} is {plain[name]!r}; expected a name on one line, without |")
    plain["accuracy"] = round(_number(row, "accuracy"), 6)
    if not 0 <= plain["accuracy"] <= 1:
        raise ValueError(f"result: accuracy is {row['accuracy']!r}; expected a share from 0 to 1, not per cent")
    plain["bytes"] = int(_number(row, "bytes"))
    if plain["bytes"] < 1 or plain["bytes"] != row["bytes"]:
        raise ValueError(f"result: bytes is {row['bytes']!r}; expected the size of a file, a whole number from 1")
    plain["latency_ms"] = None
    if row.get("latency_ms") is not None:
        plain["latency_ms"] = float(_digits(_number(row, "latency_ms")))
        if plain["latency_ms"] <= 0:
            raise ValueError(f"result: latency_ms is {row['latency_ms']!r}; expected milliseconds above 0, or None")
    return plain | {name: value for name, value in row.items() if name not in plain}


def _number(row: Mapping, name: str) -> float:
    """Return a finite number of a row as it came; NumPy's scalars count, True and "0.9" do not."""
    value = row.get(name)
    value = value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ValueError(f"result: {name} is {row.get(name)!r}; expected a finite number")
    return value


def _digits(value: float) -> str:
    """Write a positive number with 3 significant digits and no exponent: 0.0127, 4.56, 1230."""
    rounded = float(f"{value:.3g}")
    decimals = 2 - math.floor(math.log10(rounded)) if rounded > 0 else 0
    return f"{rounded:.{max(decimals, 0)}f}"


def collect(notebook: "NotebookNode") -> list[dict]:
    """Read the results that an executed notebook recorded, in the order of its cells.

    notebook: as nbformat reads it. Returns checked rows, [] when it recorded none. Raises ValueError naming
    the cell, counted from 1 among the code cells, whose row is not what `record` writes.

    >>> from nbformat.v4 import new_code_cell, new_notebook
    >>> collect(new_notebook(cells=[new_code_cell("1 + 1")]))
    []
    """
    rows = []
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, start=1):
        for output in cell.outputs:
            if MIME not in output.get("data", {}):
                continue
            try:
                rows.append(checked(output["data"][MIME]))
            except ValueError as error:
                raise ValueError(f"code cell {number}: {error}. Run the notebook again.") from error
    return rows


def table(rows: Iterable[Mapping]) -> str:
    """Return results as a Markdown table that is also readable in a terminal.

    rows: results as `collect` returns them. Returns lines without a line break at the end; a latency that was
    not measured is a dash. Raises ValueError for a row that is not a result.

    >>> row = {"model": "small_cnn", "format": "int8", "runtime": "LiteRT", "accuracy": 0.9897, "bytes": 60_008}
    >>> print(table([row]))
    | model     | format | runtime | accuracy |  bytes | latency |
    |:----------|:-------|:--------|---------:|-------:|--------:|
    | small_cnn | int8   | LiteRT  |  98.97 % | 60,008 |       – |
    """
    cells = [("model", "format", "runtime", "accuracy", "bytes", "latency")]
    for row in map(checked, rows):
        latency = "–" if row["latency_ms"] is None else f"{_digits(row['latency_ms'])} ms"
        accuracy = f"{100 * row['accuracy']:.2f} %"
        cells.append((row["model"], row["format"], row["runtime"], accuracy, f"{row['bytes']:,}", latency))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for line in cells:
        names = [text.ljust(width) for text, width in zip(line[:3], widths[:3], strict=True)]
        figures = [text.rjust(width) for text, width in zip(line[3:], widths[3:], strict=True)]
        lines.append("| " + " | ".join(names + figures) + " |")
    rule = [":" + "-" * (width + 1) for width in widths[:3]] + ["-" * (width + 1) + ":" for width in widths[3:]]
    return "\n".join([lines[0], "|" + "|".join(rule) + "|", *lines[1:]])


def machine() -> dict:
    """Describe the machine and the versions that a figure was measured with.

    Returns {"python", "platform", "cpu", "cores", "packages": {name: version}}, for results that are written down.

    >>> machine()["packages"]["numpy"].count(".") >= 1
    True
    """
    import os
    import platform
    from importlib.metadata import PackageNotFoundError, version
    from pathlib import Path

    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").is_file():
        lines = (line.partition(":") for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines())
        found = {key.strip(): value.strip() for key, _, value in lines}
        # x86 says "model name"; a Raspberry Pi says which board it is under "Model".
        cpu = found.get("model name") or found.get("Model") or cpu
    packages = {}
    for name in ("edgelab", "numpy", "tensorflow-cpu", "tensorflow", "keras", "ai-edge-litert"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "packages": packages,
    }
