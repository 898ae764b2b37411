"""The doors of the course: conda, Binder, the exported lock, and the files that describe the project."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from itertools import product
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement

import edgelab
from edgelab.course.derive import sync

ROOT = Path(__file__).resolve().parents[2]
PLATFORMS = (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"), ("win32", "AMD64"))


def place(python: str, system: str, machine: str) -> dict[str, str]:
    """The marker variables of one platform."""
    return {
        "python_version": python.rpartition(".")[0],
        "python_full_version": python,
        "sys_platform": system,
        "platform_system": {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}[system],
        "os_name": "nt" if system == "win32" else "posix",
        "platform_machine": machine,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }


DEBIAN_12 = place("3.11.7", "linux", "x86_64")


def conda(name: str) -> tuple[dict, list[str]]:
    """A conda environment file and the lines of its pip section."""
    data = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    assert list(data["dependencies"][-1]) == ["pip"], f"{name}: the pip section stands last"
    return data, data["dependencies"][-1]["pip"]


def installed_at(lines: list[str], here: dict[str, str]) -> set[tuple[str, str]]:
    """Name and version of each requirement whose marker holds on a platform."""
    requirements = [Requirement(line) for line in lines]
    return {(r.name, str(r.specifier)) for r in requirements if r.marker is None or r.marker.evaluate(here)}


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """The repository's files in an empty place, without environment, history and caches."""
    target = tmp_path_factory.mktemp("clone") / "edgelab"
    away = shutil.ignore_patterns(
        ".git", ".venv", ".tools", ".*_cache", ".hypothesis", "build", "work", "__pycache__", "*.ipynb_*"
    )
    return Path(shutil.copytree(ROOT, target, ignore=away))


def run(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run a command without a shell; its output is shown when it fails."""
    done = subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def test_everything_derived_is_up_to_date(capsys):
    """uv lock without make sync: conda and Binder would go on with the old versions."""
    assert sync.main(check=True) == 0, capsys.readouterr().out


def test_conda_and_binder_files_hold_the_locks_versions():
    """Read with a YAML parser and against the lock itself: sync could be wrong twice in the same way."""
    packages = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    locked = {(p["name"], f"=={p['version']}") for p in packages if "version" in p}
    (root, root_pip), (binder, binder_pip) = conda("environment.yml"), conda("binder/environment.yml")
    for data, lines in ((root, root_pip), (binder, binder_pip)):
        assert data["channels"] == ["conda-forge"]
        assert data["dependencies"][:-1] == ["python=3.11", "pip"]
        pinned = {(r.name, str(r.specifier)) for r in (Requirement(line) for line in lines if line != "-e .")}
        assert pinned <= locked, f"not in uv.lock: {sorted(pinned - locked)}"
    assert root_pip == [*binder_pip, "-e ."], "the doors differ in how edgelab itself comes in, and in nothing else"


def test_conda_installs_all_that_the_course_needs_and_no_more():
    """Walk the lock for one platform, markers decided on the way: a missing pin lets pip choose a version itself."""
    packages = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    found: set[tuple[str, str]] = set()
    ahead = [{"name": "edgelab", "extra": ["course"]}]
    walked = set()
    while ahead:
        edge = ahead.pop()
        key = json.dumps(edge, sort_keys=True)
        if key in walked or ("marker" in edge and not Marker(edge["marker"]).evaluate(DEBIAN_12)):
            continue
        walked.add(key)
        (package,) = [
            p
            for p in packages
            if p["name"] == edge["name"] and p.get("version") == edge.get("version", p.get("version"))
        ]
        found.add((package["name"], f"=={package.get('version')}"))
        ahead += package.get("dependencies", [])
        for extra in edge.get("extra", []):
            ahead += package["optional-dependencies"][extra]
    here = installed_at(conda("binder/environment.yml")[1], DEBIAN_12)
    assert here == {pin for pin in found if pin[0] != "edgelab"}
    names = {name for name, _ in here}
    assert {"tensorflow-cpu", "jupyterlab", "ipycanvas", "ai-edge-litert", "onnxruntime"} <= names
    assert not names & {"tensorflow", "ruff", "hypothesis", "jupyter-repo2docker", "pre-commit", "playwright"}
    # 470 MB in an image that a Binder reader waits for: they come in with the notebook that needs them.
    assert not names & {"ziglang", "unicorn", "pyelftools", "flask", "waitress"}


def test_make_installs_what_the_course_imports_and_no_more():
    """An extra that no notebook and no test needs would still be downloaded by each reader and each CI run."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (sync_line,) = [line for line in makefile.splitlines() if "$(UV) sync" in line]
    assert re.findall(r"--extra (\w+)|(--all-extras)", sync_line) == [("course", ""), ("browser", "")]


def test_each_platform_gets_one_version_of_a_package():
    """Two pins of one package whose markers both hold, or neither, and pip stops or chooses."""
    lines = conda("binder/environment.yml")[1]
    for python, (system, machine) in product(("3.11.0", "3.11.7", "3.12.3", "3.13.1"), PLATFORMS):
        names = [name for name, _ in installed_at(lines, place(python, system, machine))]
        assert len(names) == len(set(names)), (python, system)
        assert {"numpy", "scipy", "soupsieve"} <= set(names), (python, system)
        assert len({"tensorflow", "tensorflow-cpu"} & set(names)) == 1, (python, system)


def test_citation_has_what_the_format_asks_for():
    """A citation tool refuses a file without these; the version is the package's."""
    data = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert data["cff-version"] == "1.2.0"
    assert all(data[key] for key in ("message", "title", "authors", "abstract"))
    assert data["version"] == edgelab.__version__
    assert data["repository-code"] == sync.repository(ROOT)
    assert data["license"] == "Apache-2.0"


def test_licences_are_complete():
    """The package names LICENSE as its licence: an excerpt, or an empty file, would not be one."""
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    for part in ("Version 2.0, January 2004", "9. Accepting Warranty", "END OF TERMS AND CONDITIONS", "APPENDIX"):
        assert part in text
    notebooks = (ROOT / "LICENSE-notebooks").read_text(encoding="utf-8")
    assert re.search(r"CC-BY-4\.0[\s\S]*Apache-2\.0", notebooks)


def test_changelog_has_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\]", text, flags=re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert edgelab.__version__ in headings


def test_commit_hooks_run_tools_of_the_lock():
    """A hook that is cloned from elsewhere needs the network, and has a version of its own."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    known = {Requirement(line).name for line in scripts["dependency-groups"]["dev"]} | set(
        scripts["project"]["scripts"]
    )
    for hook in config["repos"][0]["hooks"]:
        assert hook["language"] == "system"
        folder, _, program = hook["entry"].split()[0].rpartition("/")
        assert folder == ".venv/bin"
        assert program in known


@pytest.mark.slow
def test_uv_exports_the_same_pins():
    """uv's own export is the second opinion on which package goes where, on each platform and Python."""
    local = ROOT / ".tools" / "bin" / "uv"
    uv = os.environ.get("UV") or (str(local) if local.is_file() else shutil.which("uv"))
    assert uv, "uv is not here: make setup puts it into .tools"
    options = "--frozen --offline --no-dev --extra course --no-hashes --no-emit-project --no-annotate --no-header"
    exported = run(uv, "export", *options.split(), cwd=ROOT).stdout.splitlines()
    lines = conda("binder/environment.yml")[1]
    for python, (system, machine) in product(("3.11.4", "3.11.7", "3.12.3", "3.13.1"), PLATFORMS):
        here = place(python, system, machine)
        assert installed_at(lines, here) == installed_at(exported, here), (python, system, machine)


@pytest.mark.slow
def test_binder_builds_from_the_binder_folder(clone):
    """repo2docker ignores the root's environment.yml once binder/ exists, and falls back to its own Python."""
    program = str(Path(sys.executable).with_name("jupyter-repo2docker"))
    done = run(program, "--no-build", "--debug", ".", cwd=clone)
    assert "Building conda environment for python=3.11" in done.stderr, done.stderr
    dockerfile = done.stdout
    # The environment's layer stands before the repository's, so that a change of a notebook does not rebuild it.
    steps = (
        "COPY [^\n]*src/binder/environment.yml [^\n]*/binder/environment.yml",
        'env update -p [^\n]* --file "binder/environment.yml"',
        "COPY [^\n]*src/ ",
        "RUN chmod \\+x binder/postBuild\nRUN ./binder/postBuild",
    )
    assert re.search("[\\s\\S]*".join(steps), dockerfile), dockerfile


@pytest.mark.slow
def test_post_build_installs_edgelab(clone, tmp_path):
    """The script itself, in an environment that has only pip: afterwards edgelab is found from any folder."""
    run(sys.executable, "-m", "virtualenv", "--no-periodic-update", str(tmp_path / "env"), cwd=tmp_path)
    programs = tmp_path / "env" / "bin"
    run("bash", "binder/postBuild", cwd=clone, PATH=f"{programs}{os.pathsep}{os.environ['PATH']}")
    command = "import edgelab; print(edgelab.__file__)"
    where = run(str(programs / "python"), "-I", "-c", command, cwd=tmp_path).stdout.strip()
    assert Path(where) == clone / "edgelab" / "__init__.py", "editable, so that data/ is found beside the package"
    installed = {
        "ipython_kernel_config.json": "etc/ipython/ipython_kernel_config.json",
        "jupyterlab_overrides.json": "share/jupyter/lab/settings/overrides.json",
    }
    for name, path in installed.items():
        assert (tmp_path / "env" / path).read_bytes() == (ROOT / "binder" / name).read_bytes()


def test_libraries_greetings_stay_out_of_notebooks(monkeypatch):
    """Installing the clone gives kernels their setting: descriptor 2 is the terminal's, Python's stderr the notebook's.

    ipykernel watches no descriptor while PYTEST_CURRENT_TEST is set: a kernel that inherits it needs no setting.
    """
    from nbclient import NotebookClient
    from nbformat.v4 import new_code_cell, new_notebook

    writes = 'import os, sys; written = os.write(2, b"I0000 oneDNN is on\\n"); print("a warning", file=sys.stderr)'
    notebook = new_notebook(cells=[new_code_cell(writes)])
    monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)
    NotebookClient(notebook, kernel_name="python3", timeout=60).execute()
    assert "".join(output.text for output in notebook.cells[0].outputs) == "a warning\n"


@pytest.mark.slow
def test_pip_accepts_the_exported_lock(clone, tmp_path):
    """uv locks what pip refuses (a package whose Python does not fit): conda's and Binder's readers have only pip."""
    _, lines = conda("environment.yml")
    (clone / "requirements.txt").write_text("\n".join(lines) + "\n")
    options = ("--dry-run", "--ignore-installed", "--quiet", "--report", str(tmp_path / "report.json"))
    run(sys.executable, "-m", "pip", "install", *options, "-r", "requirements.txt", cwd=clone)
    report = json.loads((tmp_path / "report.json").read_text())
    chosen = {(p["metadata"]["name"], p["metadata"]["version"]) for p in report["install"]}
    chosen = {(re.sub(r"[-_.]+", "-", name).lower(), f"=={version}") for name, version in chosen}
    here = place(".".join(map(str, sys.version_info[:3])), sys.platform, os.uname().machine)
    assert chosen == installed_at(lines[:-1], here) | {("edgelab", f"=={edgelab.__version__}")}
