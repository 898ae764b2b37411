"""The command line: exit codes that scripts can trust, errors in words, and a start that costs nothing."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from _light_start import light_start
from nbformat.v4 import new_code_cell, new_notebook, new_output

from edgelab import cli
from edgelab.course.copy.select import copy_source
from edgelab.course.notebooks.execute import kernel_environment

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clone(tmp_path, monkeypatch) -> Path:
    """An empty clone to stand in: notebooks, tests and benchmarks are looked for here."""
    for folder in ("notebooks", "edgelab", "benchmarks", "tests/unit", "tests/exercises"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "edgelab" / "cli.py").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_importing_the_command_line_is_light():
    """`edgelab --help` must not wait for TensorFlow, nor `edgelab copy` for Jupyter."""
    code = "import sys; before = set(sys.modules); import edgelab.cli; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    heavy = {"numpy", "tensorflow", "keras", "PIL", "nbclient", "nbformat", "IPython", "tqdm", "asyncio", "matplotlib"}
    assert {name.split(".")[0] for name in done.stdout.split()} & heavy == set()


def test_copy_prints_the_bytes_that_python_reads():
    """Into a file, whatever the console's encoding: – in a source must not become ? or a byte of latin-1."""
    name, expected = "course.results.table", copy_source("course.results.table")
    assert "–" in expected
    done = subprocess.run(
        [sys.executable, "-m", "edgelab.cli", "copy", name],
        capture_output=True,
        env={**kernel_environment(None), "PYTHONIOENCODING": "latin-1"},
        check=True,
        timeout=60,
    )
    assert done.stdout.decode("utf-8").splitlines() == expected.splitlines()


def test_an_error_is_a_line_and_exit_code_1(capsys):
    assert cli.main(["copy", "no_such_function"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("edgelab: ")
    assert "no_such_function" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [[], ["walk"], ["run", "--form", "07"], ["copy"], ["run", "07"]])
def test_a_wrong_command_is_exit_code_2(arguments, capsys):
    """`edgelab run 07` must not run the whole course."""
    with pytest.raises(SystemExit) as exit:
        cli.main(arguments)
    assert exit.value.code == 2
    assert "usage: edgelab" in capsys.readouterr().err


def test_run_lists_the_notebooks_for_an_unknown_start(clone, capsys):
    nbformat.write(new_notebook(), clone / "notebooks" / "01_first.ipynb")
    assert cli.main(["run", "--from", "99"]) == 1
    assert "01_first" in capsys.readouterr().err
    assert not (clone / "build").exists()


def test_store_takes_names(clone, monkeypatch):
    for name in ("01_first", "07_convert"):
        nbformat.write(new_notebook(), clone / "notebooks" / f"{name}.ipynb")
    stored = []
    monkeypatch.setattr("edgelab.course.notebooks.store.store", stored.append)
    assert cli.main(["store", "7"]) == 0
    assert cli.main(["store"]) == 0
    assert [[path.stem for path in paths] for paths in stored] == [["07_convert"], ["01_first", "07_convert"]]
    assert cli.main(["store", "7", "8"]) == 1
    assert len(stored) == 2


def test_sync_passes_its_verdict_on(clone, monkeypatch):
    """CI asks --check whether a generated file is out of date."""
    asked = []
    monkeypatch.setattr("edgelab.course.derive.sync.main", lambda check, root: asked.append((check, root)) or 1)
    assert cli.main(["sync", "--check"]) == 1
    assert cli.main(["sync"]) == 1
    assert asked == [(True, clone), (False, clone)]


def test_bench_lists_runs_and_stops(clone, capfd):
    scripts = {"fast": "print('measured')", "slow": "raise SystemExit(3)", "make_models": "1 / 0", "zero": "1 / 0"}
    for name, text in scripts.items():
        (clone / "benchmarks" / f"{name}.py").write_text(text)
    assert cli.main(["bench"]) == 0
    assert capfd.readouterr().out.split() == ["fast", "slow", "zero"]
    assert cli.main(["bench", "fast"]) == 0
    assert "measured" in capfd.readouterr().out
    assert cli.main(["bench", "--all"]) == 3
    assert "ZeroDivisionError" not in capfd.readouterr().err
    assert cli.main(["bench", "make_models"]) == 1
    assert "there are: fast, slow, zero" in capfd.readouterr().err


def test_outside_a_clone_the_error_says_where_to_get_the_course(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "__file__", str(tmp_path / "site-packages" / "edgelab" / "cli.py"))
    for command in ("run", "test", "lab", "store", "bench"):
        assert cli.main([command]) == 1
        assert "git clone https://" in capsys.readouterr().err


def test_the_clone_is_found_from_its_folders_and_from_elsewhere(clone, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(clone / "notebooks")
    assert cli.root() == clone
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert cli.root() == ROOT


@pytest.mark.parametrize(
    ("codes", "expected"), [([0, 0], 0), ([1, 0], 1), ([0, 1], 1), ([5, 0], 0), ([0, 5], 0), ([5, 5], 5), ([5, 2], 2)]
)
def test_the_worst_of_unit_tests_and_notebooks_counts(clone, monkeypatch, codes, expected):
    """pytest's 5 is "nothing selected": right for one of the two with -k, wrong for both."""
    calls, answers = [], iter(codes)
    monkeypatch.setattr(cli, "_python", lambda *arguments, without: calls.append(arguments) or next(answers))
    assert cli.main(["test", "-k", "x"]) == expected
    assert ["tests/unit" in call and "tests/exercises" in call for call in calls] == [True, False]
    assert ["--nbval" in call and "notebooks" in call for call in calls] == [False, True]
    assert all(call[-2:] == ("-k", "x") for call in calls)


@pytest.mark.parametrize(("megabytes", "expected"), [(2500, False), (3500, True)])
def test_two_notebooks_at_a_time_need_memory_for_two(clone, monkeypatch, megabytes, expected):
    """A notebook with TensorFlow takes up to 1,000 MB: two of them would end a small machine."""
    calls = []
    monkeypatch.setattr(cli, "_memory_mb", lambda: megabytes)
    monkeypatch.setattr(cli, "_python", lambda *arguments, without: calls.append(arguments) or 0)
    assert cli.main(["test"]) == 0
    assert ["-n2" in call for call in calls] == [True, expected]


def test_a_path_is_tested_alone(clone, monkeypatch):
    calls = []
    monkeypatch.setattr(cli, "_python", lambda *arguments, without: calls.append(arguments) or 0)
    assert cli.main(["test", "tests/unit"]) == 0
    assert len(calls) == 1
    assert calls[0].count("tests/unit") == 1
    assert "--nbval" in calls[0]


def test_a_child_at_ctrl_c_is_waited_for(clone, monkeypatch):
    """pytest and JupyterLab had the same Ctrl-C and end in their own way; we must not end before them."""

    class Child:
        def __init__(self, *_, **__):
            self.answers = iter([KeyboardInterrupt(), -2])

        def wait(self):
            answer = next(self.answers)
            if isinstance(answer, BaseException):
                raise answer
            return answer

    monkeypatch.setattr(subprocess, "Popen", Child)
    assert cli.main(["lab"]) == 130


def test_ctrl_c_in_the_unit_tests_ends_the_notebooks_too(clone, monkeypatch):
    """pytest answers Ctrl-C with 2, as it does a failure: the notebooks must not start then."""
    started = []

    class Child:
        def __init__(self, command, **_):
            started.append(command)
            self.answers = iter([KeyboardInterrupt(), 2])

        def wait(self):
            answer = next(self.answers)
            if isinstance(answer, BaseException):
                raise answer
            return answer

    monkeypatch.setattr(subprocess, "Popen", Child)
    assert cli.main(["test"]) == 130
    assert len(started) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
def test_sigterm_reaches_the_child_and_leaves_nothing(clone):
    """`kill` of the command alone: the benchmark under it must end too, and tidy up as at Ctrl-C."""
    (clone / "benchmarks" / "slow.py").write_text(
        "import pathlib, time\n"
        "try:\n    pathlib.Path('here').touch()\n    time.sleep(600)\n"
        "finally:\n    pathlib.Path('here').unlink()\n    print('tidied up')\n"
    )
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from edgelab.cli import main; sys.exit(main(['bench', 'slow', 'slow']))"
    process = subprocess.Popen([sys.executable, "-P", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (clone / "here").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.terminate()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert out.decode().split("\n")[:3] == ["benchmarks/slow.py", "tidied up", ""], "and the second one never began"
    assert not (clone / "here").exists()


def test_lab_shows_the_clone_and_opens_the_copies(clone, monkeypatch, capsys):
    """Of a server whose root is notebooks/, the badge's picture lies outside; own arguments go to JupyterLab."""
    nbformat.write(new_notebook(), clone / "notebooks" / "01_first.ipynb")
    calls = []
    monkeypatch.setattr(cli, "_python", lambda *arguments, stop: calls.append(arguments) or 0)
    assert cli.main(["lab", "--no-browser", "work/01_first.ipynb"]) == 0
    assert (clone / "work" / "01_first.ipynb").is_file()
    assert capsys.readouterr().out.startswith("Your copies of the notebooks")
    (call,) = calls
    assert call[:2] == ("-m", "jupyterlab")
    assert {f"--ServerApp.root_dir={clone}", "--LabApp.default_url=/lab/tree/work"} <= set(call)
    assert call[-2:] == ("--no-browser", "work/01_first.ipynb")


@pytest.mark.parametrize("arguments", [[], ["notebooks"], ["notebooks/02_b.ipynb"]])
def test_a_notebook_that_is_none_is_a_line_before_the_tests(clone, monkeypatch, capsys, arguments):
    """A merge left its marks in it: nbval's collector would show a traceback, and the unit tests would run first."""
    nbformat.write(new_notebook(), clone / "notebooks" / "01_a.ipynb")
    (clone / "notebooks" / "02_b.ipynb").write_text('{"cells": [\n<<<<<<< HEAD\n')
    monkeypatch.setattr(cli, "_python", lambda *arguments, without: pytest.fail("pytest was started"))
    assert cli.main(["test", *arguments]) == 1
    err = capsys.readouterr().err
    assert "02_b.ipynb: not a Jupyter notebook" in err
    assert "Restore it with: git checkout" in err
    assert len(err.splitlines()) == 1


def test_what_has_no_notebook_is_tested_beside_a_broken_one(clone, monkeypatch):
    (clone / "notebooks" / "02_b.ipynb").write_text("{")
    monkeypatch.setattr(cli, "_python", lambda *arguments, without: 0)
    assert cli.main(["test", "tests/unit"]) == 0


def copy_plugins(clone: Path) -> None:
    """Give a clone what `edgelab test` needs beside notebooks."""
    plugins = [f"tests/nbval_{name}.py" for name in ("budget", "exercises")]
    for name in ("conftest.py", "tests/__init__.py", *plugins, "pyproject.toml"):
        shutil.copy(ROOT / name, clone / name)


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
def test_tests_that_are_interrupted_leave_no_folder_and_no_kernel(clone, monkeypatch):
    """pytest ends the processes of its second runner at once: their notebooks' folders would stay in build.

    Before that, xdist gives them 10 s to end by themselves; within a cell they never do, so here they get 0.5 s.
    """
    copy_plugins(clone)
    sleep = "import os, pathlib, time\npathlib.Path(os.getcwd() + '.pid').write_text(str(os.getpid()))\ntime.sleep(600)"
    for name in ("01_a", "02_b"):
        nbformat.write(new_notebook(cells=[new_code_cell(sleep)]), clone / "notebooks" / f"{name}.ipynb")
    calls = []
    monkeypatch.setattr(cli, "_memory_mb", lambda: 2.1 * cli.NOTEBOOK_MB)
    monkeypatch.setattr(cli, "_python", lambda *arguments, without: calls.append(arguments) or 0)
    cli.main(["test"])
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from xdist.workermanage import NodeManager; NodeManager.EXIT_TIMEOUT = 0.5\n"
    code += "import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    command, light = [sys.executable, "-P", "-c", code, *calls[-1][2:]], light_start(clone / "light")
    process = subprocess.Popen(command, env=light, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline, build = time.monotonic() + 120, clone / "build"
    while len(list(build.glob(".*.pid"))) < 2 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    kernels = [int(path.read_text()) for path in build.glob(".*.pid")]
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 2, out.decode()
    assert len(kernels) == 2
    assert [path.name for path in build.iterdir() if path.is_dir()] == []
    gone = time.monotonic() + 30  # a kernel looks once a second whether its parent is there
    while any(map(psutil.pid_exists, kernels)):
        assert time.monotonic() < gone, "a kernel was left"
        time.sleep(0.02)


def test_a_stored_output_changed_by_hand_makes_edgelab_test_fail(clone, monkeypatch):
    """With the clone's own plugins and the very words of `edgelab test`: in one of two notebooks 43 is not right."""
    copy_plugins(clone)
    for name, answer in (("01_right", "42"), ("02_poisoned", "43")):
        output = new_output("stream", name="stdout", text=f"{answer}\n")
        notebook = new_notebook(
            cells=[new_code_cell("print(6 * 7)", execution_count=1, outputs=[output])],
            metadata={"edgelab": {"budget": {"seconds": 60, "memory_mb": 300}}},
        )
        nbformat.write(notebook, clone / "notebooks" / f"{name}.ipynb")
    calls = []
    monkeypatch.setattr(cli, "_memory_mb", lambda: 2.1 * cli.NOTEBOOK_MB)
    monkeypatch.setattr(cli, "_python", lambda *arguments, without: calls.append(arguments) or 0)
    cli.main(["test", "--color=no"])
    command, light = [sys.executable, "-P", *calls[-1]], light_start(clone / "light")
    done = subprocess.run(command, env=light, capture_output=True, text=True, timeout=240)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED notebooks/02_poisoned.ipynb::Cell 0" in done.stdout
    assert "1 failed, 3 passed in" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("programs", "words"),
    [
        ({}, "python3 is not installed"),
        ({"python3": "#!/bin/sh\necho 'No module named pip' >&2\nexit 1\n"}, "sudo apt install python3-pip"),
    ],
)
def test_make_names_the_package_that_is_missing(tmp_path, programs, words):
    """Debian's bare python3 has no pip: a newcomer must not have to guess the package from a traceback."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "rm", "cat", "mkdir", "dirname", "touch"):
        (tools / name).symlink_to(shutil.which(name))
    for name, text in programs.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    (tmp_path / "binder").mkdir()
    settings = ("binder/ipython_kernel_config.json", "binder/jupyterlab_overrides.json")
    for name in ("pyproject.toml", "uv.lock", "hatch_build.py", *settings):
        (tmp_path / name).touch()
    done = subprocess.run(
        [shutil.which("make"), "run"],
        cwd=tmp_path,
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
