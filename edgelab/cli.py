"""The command `edgelab`: run, test, open and store the course, copy a helper out of it."""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

# Seconds: far more than any cell of the course takes; a cell that hangs ends the test after this time.
CELL_TIMEOUT = 600
# What a notebook's kernel takes at most, and the pytest beside it.
NOTEBOOK_MB = 1500


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code: 0, 1 for an error in words, 2 for a wrong command.

    It is 130 after Ctrl-C and 143 after SIGTERM, which stops the work in the same orderly way.
    arguments: as typed after `edgelab`; None takes those of this process.

    >>> main(["bench", "no_such_script"])
    1
    """
    parser = _parser()
    options, others = parser.parse_known_args(arguments)
    if others and options.command not in ("test", "lab"):
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    # A character that the terminal cannot show must not end a long run; a log file gets each line when it is printed.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace", line_buffering=True)
    try:
        with _at_sigterm(_press_ctrl_c) as told:
            return options.function(options, others)
    except KeyboardInterrupt:
        return 143 if told else 130
    except ModuleNotFoundError as error:
        print(f"edgelab: {error}. It comes with: pip install 'edgelab[course]'", file=sys.stderr)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"edgelab: {error}", file=sys.stderr)
    return 1


def root() -> Path:
    """Return the clone's folder: the current one or a parent of it, else the one that this package runs from.

    Raises FileNotFoundError outside a clone, saying where to get the course.

    >>> (root() / "pyproject.toml").is_file()
    True
    """
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[1]):
        if (folder / "notebooks").is_dir() and (folder / "edgelab" / "cli.py").is_file():
            return folder
    raise FileNotFoundError(
        f"{here} is not in a clone of the course: notebooks, tests and benchmarks do not travel in the wheel. "
        f"Get them with: git clone {_repository()}"
    )


def _repository() -> str:
    """Return the project's address as the installed package's metadata gives it."""
    from importlib.metadata import metadata

    urls = dict(line.split(", ", 1) for line in metadata("edgelab").get_all("Project-URL", []))
    return urls["Repository"]


def _parser() -> argparse.ArgumentParser:
    """Describe the commands."""
    parser = argparse.ArgumentParser(
        prog="edgelab", description="A course on deep learning for edge devices, and its helpers.", allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, function, help: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help, description=help, allow_abbrev=False)
        added.set_defaults(function=function)
        return added

    run = command("run", _run, "execute the notebooks in order; they and the table of results go to build/")
    run.add_argument("--from", dest="start", metavar="NN", help="continue from this notebook, e.g. 07")
    store = command("store", _store, "execute notebooks and store them with their outputs, in place")
    store.add_argument("name", nargs="*", help="notebooks, e.g. 07; none: all")
    command("lab", _lab, "open copies of the notebooks, in work/, in JupyterLab (other arguments go to JupyterLab)")
    command("test", _test, "run the tests and compare the notebooks (other arguments go to pytest)")
    copy = command("copy", _copy, "print a helper with all it needs, to paste into a project of one's own")
    copied = copy.add_mutually_exclusive_group(required=True)
    copied.add_argument("name", nargs="?", help="a public function, e.g. to_tflite or edgelab.shrink.convert.to_tflite")
    copied.add_argument("--list", action="store_true", help="list all names instead")
    inspect = command("inspect", _inspect, "say what is in a .tflite, what it costs, and whether the engine can run it")
    inspect.add_argument("file", help="a shipped model, e.g. small_int8, or the path of a .tflite")
    inspect.add_argument("--layers", action="store_true", help="with a line for each operator")
    inspect.add_argument("--compare", action="store_true", help="compare the engine with LiteRT, layer by layer")
    inspect.add_argument("--inputs", metavar="FILE.npy", nargs="*", help="compare on these, one file for each input")
    inspect.add_argument("--expected", metavar="FILE.npy", nargs="*", help="what a device answered: by which rule?")
    bundle = command("bundle", _bundle, "write a folder to copy to a Raspberry Pi: a model and all that runs it")
    bundle.add_argument("model", help="a shipped model's name, e.g. small_int8, or the path of a .tflite")
    bundle.add_argument(
        "--to", metavar="FOLDER", help="default: MODEL_bundle in this folder; an older bundle is replaced"
    )
    bundle.add_argument(
        "--labels", metavar="FILE", help="text file with one class a line; default: the model's, or 0, 1 …"
    )
    sync = command("sync", _sync, "write what is derived from elsewhere: pins, badges, links, the results table")
    sync.add_argument("--check", action="store_true", help="write nothing, fail where something is out of date")
    bench = command("bench", _bench, "run measuring scripts of benchmarks/ by name; none: list them")
    bench.add_argument("name", nargs="*", help="scripts without .py")
    bench.add_argument("--all", action="store_true", help="run each of them")
    return parser


def _run(options: argparse.Namespace, _: list[str]) -> int:
    from edgelab.course.notebooks.run import notebooks_in, run

    run(notebooks_in(root() / "notebooks"), root() / "build", options.start)
    return 0


def _store(options: argparse.Namespace, _: list[str]) -> int:
    from edgelab.course.notebooks.run import notebooks_in, select
    from edgelab.course.notebooks.store import store

    notebooks = notebooks_in(root() / "notebooks")
    store([select(notebooks, name) for name in options.name] or notebooks)
    return 0


def _lab(_: argparse.Namespace, others: list[str]) -> int:
    from edgelab.course.notebooks.working_copies import refresh

    clone = root()
    print(refresh(clone / "notebooks", clone / "work"))
    # The clone is what it shows: the notebooks' pictures and links lie beside their folder.
    where = [f"--ServerApp.root_dir={clone}", "--LabApp.default_url=/lab/tree/work"]
    # At Ctrl-C JupyterLab asks whether to stop.
    return _python("-m", "jupyterlab", *where, *others, stop=signal.SIGTERM)


def _test(_: argparse.Namespace, others: list[str]) -> int:
    """Run tests, two files at a time, then the notebooks: two at a time where memory allows."""
    two = ["-n2", "--dist=loadfile", "--no-loadscope-reorder"]  # they are in order: the longest begin
    notebooks = ["--nbval", "--nbval-current-env", f"--nbval-cell-timeout={CELL_TIMEOUT}"]
    beside = two if _memory_mb() > 2 * NOTEBOOK_MB else []
    calls = [[*two, "tests/unit", "tests/exercises"], [*notebooks, *beside, "notebooks"]]
    paths = [root() / other.partition("::")[0] for other in others if not other.startswith("-")]
    named = [path for path in paths if path.exists()]
    if named:
        calls = [notebooks]  # the arguments name the tests
    _refuse_broken(named or [root() / "notebooks"])
    codes = [_python("-m", "pytest", *call, *others, without=("EDGELAB_ARTIFACTS",)) for call in calls]
    # 5 is pytest's "no test was selected", which a -k may rightly do to one of the two.
    failed = [code for code in codes if code not in (0, 5)]
    return failed[0] if failed else min(codes)


def _refuse_broken(places: list[Path]) -> None:
    """Raise ValueError for a file in these places that is not a notebook: pytest would show its own traceback."""
    from edgelab.course.notebooks.execute import read

    for place in places:
        for path in [place] if place.suffix == ".ipynb" else sorted(place.glob("*.ipynb")):
            read(path)


def _memory_mb() -> float:
    """Return the available memory in MB (10^6 bytes)."""
    import psutil

    return psutil.virtual_memory().available / 1e6


def _copy(options: argparse.Namespace, _: list[str]) -> int:
    from edgelab.course.copy import copy_source, public_names

    source = "\n".join(public_names()) if options.list else copy_source(options.name)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")  # what Python reads, also where the console's own is another
    print(source, end="" if source.endswith("\n") else "\n")
    return 0


def _inspect(options: argparse.Namespace, _: list[str]) -> int:
    """Print what a file holds; 1 where a comparison finds a difference."""
    import numpy as np

    from edgelab.artifacts import names, shipped
    from edgelab.infer.comparison import compare_tflite, rules_that_give
    from edgelab.infer.inspection import describe, inspect_tflite

    path = shipped(options.file) if options.file in names() else Path(options.file)
    print(describe(inspect_tflite(path), options.layers))
    given = None if options.inputs is None else [np.load(file, allow_pickle=False) for file in options.inputs]
    if options.expected is not None:
        if given is None:
            raise ValueError("--expected needs --inputs: what the device was given, (n, …) in the model's type")
        answers = [np.load(file, allow_pickle=False) for file in options.expected]
        for rule, differing in rules_that_give(path, given, answers).items():
            print(f"recorded  by the rule of {rule}: {differing:,} values differ")
    compared = compare_tflite(path, given) if options.compare else []
    for each in compared:
        where = "; first at operator {} {} ({})".format(*each.first) if each.first else ""
        print(f"LiteRT    {each.runtime}: {each.differing:,} of {each.values:,} values differ{where}")
    return int(any(each.differing for each in compared))


def _bundle(options: argparse.Namespace, _: list[str]) -> int:
    from edgelab.deploy.bundle import read_labels, write_bundle

    print(write_bundle(options.model, options.to, read_labels(options.labels) if options.labels else None))
    return 0


def _sync(options: argparse.Namespace, _: list[str]) -> int:
    from edgelab.course.derive.sync import main as sync

    return sync(check=options.check, root=root())


def _bench(options: argparse.Namespace, _: list[str]) -> int:
    # make_… scripts make what is shipped (`make models`); they measure nothing.
    scripts = {p.stem: p for p in sorted((root() / "benchmarks").glob("*.py")) if not p.stem.startswith(("_", "make_"))}
    unknown = [name for name in options.name if name not in scripts]
    if unknown:
        raise ValueError(f"no benchmark {', '.join(unknown)}; there are: {', '.join(scripts)}")
    names = list(scripts) if options.all else options.name
    for name in names:
        print(f"benchmarks/{name}.py", flush=True)
        code = _python(str(scripts[name]))
        if code:
            return code
    if not names:
        print("\n".join(scripts))
    return 0


def _python(*arguments: str, without: tuple[str, ...] = (), stop: signal.Signals = signal.SIGINT) -> int:
    """Run this Python in the clone, without those variables, and return its exit code, also after Ctrl-C.

    stop: the signal that ends it in an orderly way, sent where this process gets SIGTERM.
    """
    # PYTHONDONTWRITEBYTECODE would make TensorFlow compile itself anew in each process, 9 s for 3.
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", *without)}
    process, code, pressed = subprocess.Popen([sys.executable, *arguments], cwd=root(), env=environment), None, False
    with _at_sigterm(lambda: process.send_signal(stop)) as told:
        while code is None:
            try:
                code = process.wait()
            except KeyboardInterrupt:
                pressed = True  # it had the same Ctrl-C: JupyterLab asks whether to stop, pytest prints its summary
    if told:
        signal.raise_signal(signal.SIGTERM)
    if pressed and code:
        raise KeyboardInterrupt
    return 128 - code if code < 0 else code  # as a shell counts the signals


@contextlib.contextmanager
def _at_sigterm(act: Callable[[], object]) -> Iterator[list[int]]:
    """Call act when this process receives SIGTERM, instead of ending at once; the list then has an entry."""
    told: list[int] = []

    def handle(number: int, _: object) -> None:
        told.append(number)
        act()

    if threading.current_thread() is not threading.main_thread():  # the others get no signals
        yield told
        return
    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield told
    finally:
        signal.signal(signal.SIGTERM, before)


def _press_ctrl_c() -> None:
    """Do what Ctrl-C does: all commands of the course handle it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a job that a script started in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main())
