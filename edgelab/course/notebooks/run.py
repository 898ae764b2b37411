"""Run the course: the notebooks in order, one progress bar, the executed notebooks and one table at the end."""

import contextlib
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from edgelab.artifacts import write_atomic
from edgelab.course.notebooks.execute import Cost, NotebookError, execute, kernel_environment, read
from edgelab.course.results.recorded import collect, machine, table

if TYPE_CHECKING:
    from nbformat import NotebookNode

# A notebook without a recorded cost counts as this much on the bar.
UNKNOWN_SECONDS = 60.0


def notebooks_in(folder: str | Path) -> list[Path]:
    """List the course's notebooks, NN_name.ipynb, in reading order.

    Raises FileNotFoundError when the folder has none.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("07_convert.ipynb", "01_first.ipynb", "notes.ipynb"):
    ...         (Path(folder) / name).touch()
    ...     [path.name for path in notebooks_in(folder)]
    ['01_first.ipynb', '07_convert.ipynb']
    """
    paths = sorted(Path(folder).glob("[0-9][0-9]_*.ipynb"))
    if not paths:
        raise FileNotFoundError(f"{folder}: no notebooks (NN_name.ipynb) here; expected the course's notebooks folder")
    return paths


def select(notebooks: Sequence[Path], name: str) -> Path:
    """Return the one notebook that a name means: "07", "7", "07_convert_to_tflite" or a path of it.

    Raises ValueError, listing the notebooks, when none or several begin with that name.

    >>> select([Path("05_train_mnist.ipynb"), Path("07_convert_to_tflite.ipynb")], "7").stem
    '07_convert_to_tflite'
    """
    stem = Path(name).name.removesuffix(".ipynb")
    wanted = f"{stem.zfill(2)}_" if stem.isdigit() else stem
    found = [path for path in notebooks if path.stem == stem] or [p for p in notebooks if p.stem.startswith(wanted)]
    if len(found) != 1 or not stem:
        known = "\n".join(f"  {path.stem}" for path in notebooks)
        raise ValueError(f"{name!r} names {len(found) if stem else 0} notebooks, expected one of:\n{known}")
    return found[0]


def run(notebooks: Sequence[str | Path], build: str | Path = "build", start: str | None = None) -> list[dict]:
    """Execute notebooks in order and print the table of the results that they recorded.

    notebooks: paths, in order. build: folder for the executed notebooks (NN_name.ipynb each as soon as it is
    finished; NN_name.failed.ipynb where one stopped), for results.json and for artifacts/, what the notebooks
    keep for each other (unless EDGELAB_ARTIFACTS names another folder). start: name of the notebook to continue
    from; the results of those before it are read back from build. Returns the rows of the table.
    Raises ValueError for an unknown start, OSError when build cannot be written (before anything runs, or saying how to
    continue), NotebookError at the first failure, KeyboardInterrupt at Ctrl-C after saying how to continue.

    >>> import nbformat
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "01_sum.ipynb"
    ...     nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("6 * 7")]), path)
    ...     rows = run([path], build=Path(folder) / "build")  # doctest: +ELLIPSIS
    01_sum ... ok ... s ... MB peak
    <BLANKLINE>
    No notebook recorded a result.
    <BLANKLINE>
    Executed notebooks and results.json: ...
    """
    paths, build = [Path(path) for path in notebooks], Path(build).resolve()
    first = paths.index(select(paths, start)) if start is not None else 0
    documents = {path: read(path) for path in paths[first:]}
    _check_writable(build)
    environment = kernel_environment(os.environ.get("EDGELAB_ARTIFACTS") or build / "artifacts")
    with _bar(documents) as progress:
        for path, notebook in documents.items():
            with _say_how_to_continue(path, build, progress):
                progress.begin(path.stem)
                cost = _run_one(path, notebook, build, environment, progress)
                progress.finish(cost)
    rows, done = _read_back(paths, build)
    print(f"\n{table(rows)}\n" if rows else "\nNo notebook recorded a result.\n")
    report = {"date": _now(), "machine": machine(), "notebooks": done, "results": rows}
    with _say_how_to_continue(paths[-1], build, progress):
        write_atomic(build / "results.json", json.dumps(report, indent=2) + "\n")
    print(f"Executed notebooks and results.json: {_near(build)}")
    return rows


def _run_one(path: Path, notebook: "NotebookNode", build: Path, environment: dict, progress: "_Progress") -> Cost:
    """Execute one notebook in an empty folder of its own and write it to build, whole or as NN_name.failed.ipynb."""
    import nbformat

    failed = build / f"{path.stem}.failed.ipynb"
    try:
        # Below build, not in the system's temporary folder: data/ is searched for upwards from here.
        with tempfile.TemporaryDirectory(dir=build, prefix=f".{path.stem}-", ignore_cleanup_errors=True) as folder:
            cost = execute(notebook, folder, environment, progress.update)
        collect(notebook)
    except (NotebookError, ValueError) as error:
        try:
            write_atomic(failed, nbformat.writes(notebook) + "\n")
            kept = f"As far as it came: {_near(failed)}"
        except OSError as full:  # the cell's own error may come from the same full disk, and must not be lost
            kept = f"As far as it came it is not kept: {full}"
        raise NotebookError(f"{path.name}: {error}\n{kept}") from error
    about = {"date": _now(), "seconds": round(cost.seconds, 1), "peak_mb": round(cost.peak_mb)}
    notebook.metadata.setdefault("edgelab", {})["executed"] = about
    write_atomic(build / path.name, nbformat.writes(notebook) + "\n")
    failed.unlink(missing_ok=True)
    return cost


@contextlib.contextmanager
def _say_how_to_continue(path: Path, build: Path, progress: "_Progress") -> Iterator[None]:
    """Add to a failure, a full disk or a Ctrl-C how to continue from this notebook."""
    how = f"edgelab run --from {path.stem}   (or: make run FROM={path.stem.partition('_')[0]})"
    try:
        yield
    except NotebookError as error:
        raise NotebookError(f"{error}\nTo continue from it: {how}") from error
    except OSError as error:
        kept = f"The finished notebooks are kept in {_near(build)}."
        raise OSError(f"Stopped in {path.name}. {error}\n{kept} To continue: {how}") from error
    except KeyboardInterrupt:
        progress.bar.close()
        print(f"\nStopped in {path.name}. The finished notebooks are kept in {_near(build)}.\nTo continue: {how}")
        raise


def _check_writable(build: Path) -> None:
    """Write and remove a file the size of a few notebooks, so that a full disk is found before the run begins."""
    probe = write_atomic(build / ".space", bytes(8_000_000))
    probe.unlink()


def _read_back(paths: list[Path], build: Path) -> tuple[list[dict], list[dict]]:
    """Collect rows and costs from the executed notebooks in build; say which notebooks are not among them."""
    rows, done, never = [], [], []
    for path in paths:
        try:
            notebook = read(build / path.name)
            rows += [{**row, "notebook": path.stem} for row in collect(notebook)]
            done.append({"name": path.stem, **notebook.metadata.get("edgelab", {}).get("executed", {})})
        except FileNotFoundError:
            never.append(path.stem)
        except ValueError as error:
            print(f"Not in the table: {path.stem} ({error}). To run all: edgelab run")
    if never:
        print(f"Not in the table: {', '.join(never)}, which did not run yet. To run all: edgelab run")
    return rows, done


class _Progress:
    """The progress bar: current notebook, time passed, and time left by the recorded costs."""

    def __init__(self, expected: dict[str, float]) -> None:
        from tqdm import tqdm

        self.expected = expected
        self.ahead = sum(expected.values())  # recorded seconds of the notebooks not yet begun
        self.done = self.measured = 0.0  # recorded and measured seconds of the finished ones
        # 80 × 24 where the terminal gives no size; tqdm itself would then draw nothing.
        columns, lines = shutil.get_terminal_size()
        self.bar = tqdm(
            total=self.ahead,
            bar_format="{desc} {percentage:3.0f} % |{bar}| {elapsed} gone{postfix}",
            ncols=columns - 1,
            nrows=lines,
            mininterval=0,
        )
        # A log file does not need a line a second.
        self.interval = 0.5 if self.bar.fp.isatty() else 15.0

    def begin(self, name: str) -> None:
        """Start the clock of a notebook."""
        self.name, self.begun, self.shown = name, time.monotonic(), 0.0
        self.ahead -= self.expected[name]

    def update(self, done: int, cells: int) -> None:
        """Show the cell that is running and the time that is left, if it is long enough since that was last shown."""
        now = time.monotonic()
        if now - self.shown >= self.interval:
            self.shown = now
            self._show(f"{self.name}, cell {min(done + 1, cells)} of {cells}", now - self.begun)

    def finish(self, cost: Cost) -> None:
        """Print the notebook's line and move on."""
        self.done += self.expected[self.name]
        self.measured += cost.seconds
        self.bar.write(f"{self.name:<28} ok  {cost.seconds:6.1f} s  {cost.peak_mb:6.0f} MB peak")
        self._show(self.name, math.inf)

    def _show(self, what: str, gone: float) -> None:
        """Draw the bar: the time left is what the costs recorded, at the pace of this machine so far."""
        pace = self.measured / self.done if self.done else 1.0
        left = max(self.expected[self.name] * pace - gone, 0.0) + self.ahead * pace
        self.bar.n = max(self.bar.total - left / pace, 0.0)
        self.bar.set_description_str(what, refresh=False)
        self.bar.set_postfix_str(f"about {self.bar.format_interval(left)} left", refresh=True)


@contextlib.contextmanager
def _bar(documents: dict[Path, "NotebookNode"]) -> Iterator[_Progress]:
    """Open the bar over the notebooks' recorded seconds, and close it however the run ends."""
    costs = {path.stem: nb.metadata.get("edgelab", {}).get("cost", {}) for path, nb in documents.items()}
    progress = _Progress({name: float(cost.get("seconds", UNKNOWN_SECONDS)) for name, cost in costs.items()})
    try:
        yield progress
        progress.bar.set_description_str(f"{len(documents)} notebooks", refresh=False)
    finally:
        progress.bar.close()


def _near(path: Path) -> str:
    """Return a path as one would type it in the current folder."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _now() -> str:
    """Return the time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
