"""Write what is derived: pins, Binder badges, links, results, mirrored cells, each from the one place that decides it.

| written | decided in |
|---|---|
| environment.yml, binder/environment.yml | uv.lock |
| edgelab/deploy/_template/requirements.txt | uv.lock |
| Binder badges, the clone command, CITATION.cff's repository-code | pyproject.toml, [project.urls] Repository |
| CITATION.cff's version | edgelab.__version__ |
| README's results, benchmarks/README.md, data/frontier.svg | benchmarks/results/*.json |
| benchmarks/README.md's operators | edgelab.infer.integer.operators |
| data/pipeline.svg | data/mnist, data/models |
| a notebook's *Cost* line | its metadata.edgelab.cost, measured by `edgelab store` |
| cells tagged `source:…` or `exercise:…` | the package (see `edgelab.course.derive.mirrored_cells`) |
"""

import re
import tomllib
from pathlib import Path

from edgelab.artifacts import write_atomic
from edgelab.course.derive.lockfile import environment, hashed, pins
from edgelab.course.derive.mirrored_cells import mirrored, parse
from edgelab.course.results.benchmarks import measured
from edgelab.course.results.table_operators import operator_table
from edgelab.course.results.tables import section, summary
from edgelab.course.results.tables_shrink import exactness

REPOSITORY = Path(__file__).resolve().parents[3]


def repository(root: str | Path) -> str:
    """Return the repository's address, https://github.com/OWNER/NAME, that pyproject.toml gives.

    root: the repository's folder. Raises FileNotFoundError when it has no pyproject.toml, ValueError when
    the address is not one on GitHub: Binder's `gh` links and the badges are built from owner and name.

    >>> repository(REPOSITORY).startswith("https://github.com/")
    True
    """
    path = Path(root) / "pyproject.toml"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not found. `edgelab sync` works in a clone of the repository.")
    address = tomllib.loads(path.read_text(encoding="utf-8"))["project"].get("urls", {}).get("Repository", "")
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", address):
        raise ValueError(
            f"{path}: [project.urls] Repository is {address!r}; expected https://github.com/OWNER/NAME, "
            "without a slash at the end"
        )
    return address


def badge(address: str, path: str, up: str = "") -> str:
    """Return the Markdown of a Binder badge that opens a file or folder of the repository in JupyterLab.

    address: https://github.com/OWNER/NAME. path: relative to the repository, with forward slashes. up: "../" where the
    badge stands in a folder of the repository. The picture is ours: reading a notebook asks no other machine.

    >>> badge("https://github.com/me/lab", "notebooks").rpartition("(")[2]
    'https://mybinder.org/v2/gh/me/lab/HEAD?urlpath=lab/tree/notebooks)'
    """
    owner_name = address.removeprefix("https://github.com/")
    link = f"https://mybinder.org/v2/gh/{owner_name}/HEAD?urlpath=lab/tree/{path}"
    return f"[![Run on Binder]({up}binder/badge.svg)]({link})"


def fill(text: str, name: str, body: str, where: str) -> str:
    """Replace what stands between <!-- name:start --> and <!-- name:end -->.

    where: the file's name, for the error. Raises ValueError when the text has not exactly one such block.

    >>> fill("<!-- sum:start -->?<!-- sum:end -->", "sum", "42", "README.md").splitlines()
    ['<!-- sum:start -->', '42', '<!-- sum:end -->']
    """
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    if text.count(start) != 1 or text.count(end) != 1 or text.index(end) < text.index(start):
        raise ValueError(
            f"{where}: {text.count(start)} × {start} and {text.count(end)} × {end}; expected one of each, in this "
            "order, each on a line of its own where the generated text belongs"
        )
    before, _, rest = text.partition(start)
    return f"{before}{start}\n{body.strip()}\n{end}{rest.partition(end)[2]}"


def with_badge(text: str, address: str, path: str) -> str:
    """Return a notebook's JSON with badge and measured cost in the first cell; outputs and counts stay as they are.

    text: the .ipynb file's content. address, path: as for `badge`. The badge stands between comment
    markers, at the cell's end where it has none yet; a notebook whose badge is right comes back unchanged,
    to the byte. Raises ValueError naming the path when it is no notebook or does not begin with Markdown.

    >>> with_badge("{}", "https://github.com/me/lab", "notebooks/01_x.ipynb")
    Traceback (most recent call last):
    ValueError: notebooks/01_x.ipynb: not a notebook of format 4. Restore it with: git checkout notebooks/01_x.ipynb
    """
    import nbformat

    notebook = parse(text, path)
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.cell_type != "markdown":
        found = first and first.cell_type
        raise ValueError(f"{path}: begins with {found}; expected a Markdown cell with title and badge")
    source = first.source
    if "<!-- badge:start -->" not in source:
        source = source.rstrip() + "\n\n<!-- badge:start -->\n<!-- badge:end -->"
    source = fill(source, "badge", badge(address, path, up="../"), path)
    cost = notebook.metadata.get("edgelab", {}).get("cost")
    if cost:
        line = f"{cost['seconds']} s to run on two cores, {cost['peak_mb']} MB of memory"
        # On one line: a comment that begins a line would end the paragraph.
        start, end = "<!-- cost:start -->", "<!-- cost:end -->"
        source = re.sub(f"{start}.*{end}", f"{start}{line}{end}", source)
    if source == first.source:
        return text
    first.source = source
    # nbformat's own writer: indent 1, sorted keys, no escapes, as JupyterLab saves, so a diff shows the badge alone.
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def citation(text: str, address: str) -> str:
    """Return CITATION.cff with this version and the repository's address.

    >>> citation("version: 0\\nrepository-code: x\\n", "https://github.com/me/lab").splitlines()[1]
    'repository-code: "https://github.com/me/lab"'
    """
    from edgelab import __version__

    for key, value in (("version", __version__), ("repository-code", address)):
        text, count = re.subn(rf"(?m)^{key}: .*$", f'{key}: "{value}"', text)
        if count != 1:
            raise ValueError(f"CITATION.cff: {count} lines begin with `{key}: `; expected one")
    return text


def readme(text: str, root: str | Path, address: str) -> str:
    """Return the README with its blocks `badge`, `clone`, `results` and `exactness` filled.

    What is not measured in benchmarks/results stays as it is.
    Raises ValueError when a block is missing or a result is not what `make bench` writes.

    >>> names = ("badge", "clone", "results", "exactness")
    >>> blocks = "".join(f"<!-- {name}:start -->\\n<!-- {name}:end -->\\n" for name in names)
    >>> print(readme(blocks, "no/such/folder", "https://github.com/me/lab").splitlines()[5])
    git clone https://github.com/me/lab
    """
    measurements = Path(root) / "benchmarks" / "results"
    text = fill(text, "badge", badge(address, "notebooks"), "README.md")
    clone = f"```sh\ngit clone {address}\ncd {address.rpartition('/')[2]}\n```"
    text = fill(text, "clone", clone, "README.md")
    for name, body in (
        ("results", section(measurements, "pipeline")),
        ("exactness", section(measurements, "engine", exactness)),
    ):
        text = fill(text, name, body or _between(text, name), "README.md")
    return text


def _between(text: str, name: str) -> str:
    """Return what stands in a block now."""
    return text.partition(f"<!-- {name}:start -->")[2].partition(f"<!-- {name}:end -->")[0]


def pipeline_svg() -> str:
    """Draw the first test image on its way through the shipped small CNN, the same to the byte on each machine.

    The logits are the integer engine's by XNNPACK's rule, which equal LiteRT's.

    >>> pipeline_svg().count("<title>")
    1
    """
    import numpy as np

    from edgelab.artifacts import shipped
    from edgelab.course.figures.pipeline_picture import draw_pipeline
    from edgelab.data import load_mnist, to_input
    from edgelab.infer.integer import IntegerModel
    from edgelab.infer.tflite import read
    from edgelab.shrink.quantize import quantize

    graph = read(shipped("small_cnn_int8"))
    first = graph.tensors[graph.operators[0].inputs[1]]
    image = load_mnist().x_test[0]
    x = quantize(to_input(image[None]), *(graph.tensors[graph.inputs[0]][3:5]))
    channel = 14  # bright above dark: one sees what it looks for
    return draw_pipeline(
        image,
        np.load(shipped("small_cnn_npz"))["conv1_w"][..., 0, channel],
        first.data[channel, ..., 0],
        float(first.scale[channel]),
        IntegerModel(graph, "xnnpack").run(x)[0],
        ("MNIST · 01", "trained by Keras · 05", "converted · 07, 08", "run by LiteRT · 10"),
    )


def frontier_svg(rows: list[dict]) -> str:
    """Draw the frontier of accuracy against bytes as an SVG that is the same, to the byte, for the same rows.

    rows: as benchmarks/frontier.py measures them.

    >>> row = {"name": "a", "int8_bytes": 900, "int8": 0.98}
    >>> frontier_svg([row]) == frontier_svg([row])
    True
    """
    import io

    import matplotlib

    from edgelab.course.figures.frontier_plot import frontier, networks

    # Names inside an SVG are random, unless salted; a date would make each one another.
    with matplotlib.rc_context({"svg.hashsalt": "edgelab"}):
        text = io.StringIO()
        frontier(networks(rows)).savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()


def generated(root: str | Path) -> dict[str, str]:
    """Return the content that each generated file should have, by its path in the repository. Writes nothing.

    root: the repository's folder. Raises FileNotFoundError or ValueError naming a file that cannot be filled.

    >>> sorted(generated(REPOSITORY))[:3]
    ['CITATION.cff', 'README.md', 'benchmarks/README.md']
    """
    root = Path(root)
    address = repository(root)
    requirements = pins(root / "uv.lock")
    files = {
        "environment.yml": environment([*requirements, "-e ."]),
        # Without `-e .`: Binder then keeps the installed environment while only the course changes, and
        # binder/postBuild adds edgelab. A copy, not a link: a checkout on Windows has no links.
        "binder/environment.yml": environment(requirements),
        "CITATION.cff": citation((root / "CITATION.cff").read_text(encoding="utf-8"), address),
        "README.md": readme((root / "README.md").read_text(encoding="utf-8"), root, address),
    }
    if (root / "edgelab" / "deploy").is_dir():
        files["edgelab/deploy/_template/requirements.txt"] = hashed(root / "uv.lock")
    measurements = root / "benchmarks" / "results"
    page = root / "benchmarks" / "README.md"
    text = page.read_text(encoding="utf-8")
    tables = summary(measurements) or _between(text, "results")
    text = fill(text, "results", tables, "benchmarks/README.md")
    files["benchmarks/README.md"] = fill(text, "operators", operator_table(), "benchmarks/README.md")
    if (root / "data" / "models").is_dir():
        files["data/pipeline.svg"] = pipeline_svg()
    if (measurements / "frontier.json").is_file():
        files["data/frontier.svg"] = frontier_svg(measured("frontier", measurements)["rows"])
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        name = path.relative_to(root).as_posix()
        files[name] = mirrored(with_badge(path.read_text(encoding="utf-8"), address, name), name)
    return files


def main(check: bool = False, root: str | Path = REPOSITORY) -> int:
    """Bring the generated files up to date; with check=True, only name those that are not.

    check: write nothing. root: the repository's folder. Returns 0, or 1 when check found a difference.
    Each file is complete or untouched at any time. Raises as `generated` does, before the first is written.

    >>> main(check=True, root="no/such/folder")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    FileNotFoundError: no...pyproject.toml: not found. `edgelab sync` works in a clone of the repository.
    """
    root = Path(root)
    stale = 0
    for name, text in generated(root).items():
        path = root / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        if not check:
            write_atomic(path, text)
        print(f"{name}: {'is not what `edgelab sync` writes' if check else 'written'}")
    if check and stale:
        print("Bring them up to date with: make sync (or: edgelab sync)")
    return 1 if check and stale else 0
