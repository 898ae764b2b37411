"""What the architecture tests read from source files: modules, imports, public definitions. Nothing is imported."""

import ast
import fnmatch
import functools
import graphlib
import os
import re
import subprocess
from pathlib import Path

# The arrows of the package run down only: what each wing may import of the others.
GROUND = {"mnist", "data", "artifacts", "quiet"}
MAY_IMPORT = {
    "mnist": set(),
    "data": {"mnist"},
    "artifacts": set(),
    "quiet": set(),
    "maths": set(),
    "train": GROUND | {"maths"},
    "infer": GROUND | {"maths"},
    "shrink": GROUND | {"maths", "train", "infer"},
    "deploy": GROUND | {"maths", "infer"},
    "fleet": GROUND | {"maths", "infer"},
    "federate": GROUND | {"maths", "train"},
    "course": GROUND | {"maths", "train", "infer", "shrink", "deploy", "fleet", "federate"},
    "cli": GROUND | {"maths", "train", "infer", "shrink", "deploy", "fleet", "federate", "course"},
}
# What runs on a device: nothing under these wings may reach TensorFlow.
LIGHT = ("infer", "deploy", "fleet")
HEAVY = {"tensorflow", "keras", "tf_keras"}
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME)\b")

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def modules(package: Path) -> dict[str, Path]:
    """Return the files of a package by module name; a folder's name stands for its __init__.py."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(package: Path) -> dict[str, set[str]]:
    """Return what each module imports anywhere in its file: modules of the package, top-level names of others.

    Functions, `if TYPE_CHECKING:`, relative imports and import_module("…") with a fixed name count too.
    """
    known = modules(package)
    return {name: set().union(*_targets(path, name, known)) for name, path in known.items()}


# The rules read the same files one after another.
_parsed = functools.cache(ast.parse)


@functools.cache
def _importing(source: str) -> list[ast.Import | ast.ImportFrom | ast.Call]:
    """Return the statements and calls of a file that import something, wherever they stand."""
    return [
        node
        for node in ast.walk(_parsed(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        or (isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")))
    ]


def _targets(path: Path, module: str, known: dict[str, Path]) -> list[set[str]]:
    found = [set()]
    for node in _importing(path.read_text(encoding="utf-8")):
        if isinstance(node, ast.Import):
            found += [_known(alias.name, known) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                depth = node.level - (path.name == "__init__.py")
                base = ".".join([*module.split(".")[: len(module.split(".")) - depth], *filter(None, [node.module])])
            found += [_known(f"{base}.{alias.name}", known) for alias in node.names]
        else:
            found += [_known(a.value, known) for a in node.args if isinstance(a, ast.Constant) and a.value]
    return found


def _known(name: str, known: dict[str, Path]) -> set[str]:
    """Return the longest beginning of a dotted name that is a module of the package, else its first part."""
    parts = name.split(".")
    ends = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
    return {next((end for end in ends if end in known), parts[0])}


def wrong_arrows(package: Path) -> list[str]:
    """Name the imports that run up between the wings, or from a wing that MAY_IMPORT doesn't know."""
    wrong = []
    for module, targets in imports(package).items():
        wing = module.split(".")[1] if "." in module else None
        allowed = MAY_IMPORT.get(wing, set()) | {wing}
        for target in sorted(targets):
            to = target.split(".")[1] if target.startswith(f"{package.name}.") else None
            if to is not None and to not in allowed:
                wrong.append(f"{module} imports {target}")
        if wing is not None and wing not in MAY_IMPORT:
            wrong.append(f"{module} belongs to no wing")
    return wrong


def relative_imports(package: Path) -> list[str]:
    """Name the relative imports: they break when a function is pasted or mirrored elsewhere."""
    return [
        f"{module}, line {node.lineno}"
        for module, path in modules(package).items()
        for node in _importing(path.read_text(encoding="utf-8"))
        if isinstance(node, ast.ImportFrom) and node.level
    ]


def ways_to(package: Path, wing: str, heavy: set[str] = HEAVY) -> list[str]:
    """Return a chain of imports for each module of a wing from which a heavy package can be reached."""
    graph, ways = imports(package), []
    for start in sorted(name for name in graph if name.split(".")[1:2] == [wing]):
        chains, seen = [[start]], {start}
        while chains:
            chain = chains.pop(0)
            if chain[-1] in heavy:
                ways.append(" -> ".join(chain))
                break
            # Importing a.b.c runs a and a.b too.
            parts = chain[-1].split(".")
            parents = {".".join(parts[:end]) for end in range(1, len(parts))}
            for target in sorted((graph.get(chain[-1], set()) | parents) - seen):
                seen.add(target)
                chains.append([*chain, target])
    return ways


def circle(package: Path) -> list[str]:
    """Return a circle of modules that import each other, its first again at its end, or [] where there is none."""
    known = set(modules(package))
    graph = {name: (targets & known) - {name} for name, targets in imports(package).items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def public(package: Path) -> dict[str, Definition]:
    """Return the public functions and classes of a package, by qualified name; files and folders in _ are private.

    A function decorated with @exercise(…) is the solution of an exercise, no helper: tests/exercises proves each.
    """
    return {
        f"{module}.{node.name}": node
        for module, path in modules(package).items()
        if not any(part.startswith("_") for part in module.split("."))
        for node in _parsed(path.read_text(encoding="utf-8")).body
        if isinstance(node, Definition)
        and not node.name.startswith("_")
        and not any(ast.unparse(decorator).startswith("exercise(") for decorator in node.decorator_list)
    }


def without_example(package: Path) -> list[str]:
    """Name the public functions and classes whose docstring lacks a `>>>` example, or tells doctest to skip one."""
    texts = {name: ast.get_docstring(node) or "" for name, node in public(package).items()}
    return [name for name, text in texts.items() if ">>> " not in text or re.search("doctest:.*SKIP", text)]


def untested(package: Path, tests: Path) -> list[str]:
    """Name the public functions and classes whose name is a word in no file of the tests."""
    words: set[str] = set()
    for path in tests.rglob("*.py"):
        words |= set(re.findall(r"\w+", path.read_text(encoding="utf-8")))
    return [name for name in public(package) if name.rpartition(".")[2] not in words]


def too_long(package: Path, most: int = 375) -> list[str]:
    """Name the files of a package that have more lines than a reader keeps in mind (300 and a quarter)."""
    counts = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules(package).values()}
    return [f"{path}: {count} lines, at most {most}" for path, count in counts.items() if count > most]


def files(root: Path) -> list[Path]:
    """Return the project's files: what git tracks or would track; without git, what .gitignore doesn't match."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
        found = [root / name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):  # a downloaded archive of the course
        ignored = [".git", *(line.strip().rstrip("/") for line in (root / ".gitignore").read_text().splitlines())]
        found = []
        for folder, folders, names in os.walk(root):
            folders[:] = [name for name in folders if not any(fnmatch.fnmatch(name, i) for i in ignored)]
            found += [Path(folder, name) for name in names if not any(fnmatch.fnmatch(name, i) for i in ignored)]
    return sorted(path for path in found if path.is_file())


def unfinished(root: Path) -> list[str]:
    """Name the lines of the project's text files that say that something is still to be done."""
    found = []
    for path in files(root):
        data = path.read_bytes()
        if b"\0" in data:
            continue
        lines = data.decode("utf-8", errors="replace").splitlines()
        found += [f"{path}, line {n}: {line[:80]}" for n, line in enumerate(lines, 1) if UNFINISHED.search(line)]
    return found
