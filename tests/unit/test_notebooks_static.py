"""The stored notebooks hold to the course's form. Nothing is executed here: seconds, not minutes."""

import ast
import copy
import json
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import _imports
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from edgelab.course.derive import sync
from edgelab.course.exercises import TAG, modules
from edgelab.course.exercises import exercises as exercises_of

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = sync.repository(ROOT)
WITHOUT_TENSORFLOW = ("01", "10", "11", "12")
# The notebooks that have exercises, and the module of edgelab.course.exercises that holds them.
EXERCISES = {
    "01": "first_digit",
    "02": "networks",
    "03": "convolution",
    "04": "recurrence",
    "05": "train_mnist",
    "06": "light_networks",
    "07": "convert",
    "08": "quantize",
    "09": "compress",
    "10": "device",
}


def code_cells(notebook: nbformat.NotebookNode) -> list[tuple[int, nbformat.NotebookNode]]:
    """The code cells with their number, counted from 1 as in JupyterLab's brackets."""
    return list(enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1))


def valid(name: str, notebook: nbformat.NotebookNode) -> list[str]:
    """An invalid file opens in one tool and not in the next."""
    try:
        nbformat.validate(copy.deepcopy(notebook))
    except nbformat.ValidationError as error:
        return [f"not valid: {error.message}"]
    return []


def kernel(name: str, notebook: nbformat.NotebookNode) -> list[str]:
    """A kernel named after the author's environment is unknown everywhere else."""
    found = notebook.metadata.get("kernelspec", {}).get("name")
    return [] if found == "python3" else [f"kernelspec is {found!r}; expected python3"]


def executed(name: str, notebook: nbformat.NotebookNode) -> list[str]:
    """Counts that are not 1..n: outputs of another order or text; a cell without a count nbval passes silently."""
    counts = [cell.execution_count for _, cell in code_cells(notebook)]
    expected = list(range(1, len(counts) + 1))
    return [] if counts == expected else [f"execution counts {counts}; expected {expected}: run it from top to bottom"]


def no_stderr(name: str, notebook: nbformat.NotebookNode) -> list[str]:
    """Warnings and log lines come and go with versions: noise for the reader, and nbval compares them."""
    streams = [(n, output) for n, cell in code_cells(notebook) for output in cell.outputs]
    return [f"cell {n}: stored stderr" for n, output in streams if output.get("name") == "stderr"]


def compared(name: str, notebook: nbformat.NotebookNode) -> list[str]:
    """What is not compared is not tested: at most one code cell in five."""
    tags = {"nbval-ignore-output", "nbval-skip"}
    cells = code_cells(notebook)
    ignored = [n for n, cell in cells if tags & set(cell.metadata.get("tags", []))]
    return [f"cells {ignored} of {len(cells)} are not compared"] if 5 * len(ignored) > len(cells) else []


def calls(node: ast.AST) -> Iterator[str]:
    """The names of the functions that a statement calls whenever it runs: not those in a definition, an if or a try."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda | ast.If | ast.IfExp | ast.Try):
        return
    if isinstance(node, ast.Call):
        yield ast.unparse(node.func).rpartition(".")[2]
    for child in ast.iter_child_nodes(node):
        yield from calls(child)


def outputs_kept(name: str, notebook: nbformat.NotebookNode) -> list[str]:
    """A cell whose output was cleared shows the reader nothing, and nbval compares nothing where it is ignored."""
    problems = []
    for n, cell in code_cells(notebook):
        said = {"print", "show", "display", "check"} & set(calls(ast.parse(cell.source)))
        if said and not cell.outputs:
            problems.append(f"cell {n} calls {', '.join(sorted(said))} and has no output: store the notebook again")
    return problems


def public_names(name: str, notebook: nbformat.NotebookNode) -> list[str]:
    """A name that begins with _ may change without a word; a reader who copies it from a notebook can't know."""
    problems = []
    for n, cell in code_cells(notebook):
        for node in ast.walk(ast.parse(cell.source)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            ours = "edgelab" in {each.split(".")[0] for each in names}
            problems += [f"cell {n} imports {each}" for each in names if ours and re.search(r"(^|\.)_(?!_)", each)]
        tags = [tag for tag in cell.metadata.get("tags", []) if tag.startswith("source:")]
        problems += [f"cell {n} shows {tag}" for tag in tags if re.search(r"\._(?!_)", tag)]
    return problems


class Pictures(HTMLParser):
    """Collects the pictures of an HTML text that have no alt text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.bare: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        picture = tag == "img" or (tag == "input" and found.get("type") == "image")
        if picture and not (found.get("alt") or "").strip():
            self.bare.append(f"<{tag}> without alt text: {(found.get('src') or '')[:40]}")
        if tag == "svg" and not (found.get("aria-label") or found.get("aria-hidden") == "true"):
            self.bare.append("<svg> without aria-label")


def bare_pictures(markdown: str) -> list[str]:
    """The pictures without alt text of a text in Markdown, which may have HTML in it; code shows none."""
    text = re.sub(
        r"^ {0,3}(```+|~~~+).*?^ {0,3}\1|(`+)(?!`).+?(?<!`)\2(?!`)", "", markdown, flags=re.DOTALL | re.MULTILINE
    )
    bare = [f"{m[0][:40]} without alt text" for m in re.finditer(r"!\[\s*\](\([^)]*\)|\[[^\]]*\])", text)]
    return bare + Pictures(text).bare


def bare_outputs(output: dict) -> list[str]:
    """The pictures without alt text of one output."""
    data, about = output.get("data", {}), output.get("metadata", {})
    images = [kind for kind in data if kind.startswith("image/")]
    bare = [
        f"{kind} without alt text; show it with plots.show(figure, alt)"
        for kind in images
        if not str(about.get(kind, {}).get("alt", "")).strip()
    ]
    text = {kind: "".join(data.get(kind, "")) for kind in ("text/html", "text/markdown")}
    return bare + Pictures(text["text/html"]).bare + bare_pictures(text["text/markdown"])


def bare_widgets(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """The pictures without alt text in the stored state of the widgets."""
    models = notebook.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    for model in models.values():
        name, state = model.get("model_name", ""), model.get("state", {})
        if name == "ImageModel":  # its view has no alt attribute
            yield "an Image widget; put an <img alt=…> into an HTML widget, as Explorer does"
        for text in (state.get(key) for key in ("value", "description", "placeholder")):
            yield from Pictures(text).bare if isinstance(text, str) and "HTML" in name else []
        for output in state.get("outputs", []) if name == "OutputModel" else []:
            yield from bare_outputs(output)


def alt_texts(name: str, notebook: nbformat.NotebookNode) -> list[str]:
    """A figure without alt text says nothing to a reader who does not see it, whichever way it got into the page."""
    outputs = [(n, o) for n, cell in code_cells(notebook) for o in cell.outputs]
    texts = [(n, cell.source) for n, cell in enumerate(notebook.cells) if cell.cell_type == "markdown"]
    problems = [f"code cell {n}: {bare}" for n, output in outputs for bare in bare_outputs(output)]
    problems += [f"cell {n} of all: {bare}" for n, text in texts for bare in bare_pictures(text)]
    return problems + [f"widget: {bare}" for bare in bare_widgets(notebook)]


def short_cells(name: str, notebook: nbformat.NotebookNode) -> list[str]:
    """One idea a cell. A mirrored function has its own bound, in the package."""
    mine = [
        (n, c) for n, c in code_cells(notebook) if not any(t.startswith("source:") for t in c.metadata.get("tags", []))
    ]
    lengths = [(n, len(cell.source.splitlines())) for n, cell in mine]
    return [f"cell {n}: {lines} lines; at most 30" for n, lines in lengths if lines > 30]


def opening(name: str, notebook: nbformat.NotebookNode) -> list[str]:
    """The first cell says what, for whom, at which cost."""
    cell = notebook.cells[0]
    if cell.cell_type != "markdown":
        return ["begins with code; expected a Markdown cell with the title"]
    problems = []
    title, _, rest = cell.source.partition("\n")
    if not re.match(r"# \S", title):
        problems.append("first line is no `# Title`")
    promise = re.split(r"You need|<!--", rest)[0].strip(" \n*_")
    if not re.match(r"[^#|>\s-].*[.!?]", promise, re.DOTALL):
        problems.append("no sentence of promise between title and *You need*")
    places = [cell.source.find(word) for word in ("You need", "You will be able to", "Cost")]
    if -1 in places or places != sorted(places):
        return [*problems, "first cell lacks *You need*, *You will be able to*, *Cost*, in this order"]
    objectives = re.findall(r"^\s*(?:[-*]|\d+\.) +\S", cell.source[places[1] : places[2]], re.MULTILINE)
    if not 3 <= len(objectives) <= 5:
        problems.append(f"{len(objectives)} objectives; expected 3 to 5 list items under *You will be able to*")
    return problems


def closing(name: str, notebook: nbformat.NotebookNode) -> list[str]:
    """The end answers the objectives, says where to go on and where it comes from."""
    last = max([i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"], default=-1)
    text = "\n\n".join(cell.source for cell in notebook.cells[last + 1 :])
    places = [text.find(word) for word in ("What you can do now", "Next", "Sources")]
    if -1 in places or places != sorted(places):
        return ["after the last code: expected *What you can do now*, *Next*, *Sources*, in this order"]
    return []


def badge(name: str, notebook: nbformat.NotebookNode) -> list[str]:
    """A badge copied from another notebook opens that one."""
    text = nbformat.writes(notebook)
    if notebook.cells[0].cell_type == "markdown" and sync.with_badge(text, ADDRESS, f"notebooks/{name}.ipynb") == text:
        return []
    return ["Binder badge is missing or wrong; run: make sync"]


def budget(name: str, notebook: nbformat.NotebookNode) -> list[str]:
    """Without a budget, nothing holds a notebook to Binder's memory and a reader's patience."""
    found = notebook.metadata.get("edgelab", {}).get("budget", {})
    memory = 300 if name[:2] in WITHOUT_TENSORFLOW else 1000
    problems = []
    for key, most in (("seconds", 90), ("memory_mb", memory)):
        value = found.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
            problems.append(f"metadata.edgelab.budget.{key} is {value!r}; expected a number up to {most}")
    cost = notebook.metadata.get("edgelab", {}).get("cost", {})
    for key, allowed in (("seconds", "seconds"), ("peak_mb", "memory_mb")):
        if not problems and cost.get(key, 0) > found[allowed]:
            problems.append(
                f"stored with a cost of {cost[key]} {key}, more than its budget of {found[allowed]}; "
                "make it cheaper, or store it on an idle machine"
            )
    return problems


def light(name: str, notebook: nbformat.NotebookNode) -> list[str]:
    """The notebooks for devices must run where TensorFlow is not installed."""
    pattern = re.compile(r"^\s*(?:import|from)\s+(?:[\w.]+\s*,\s*)*(?:tensorflow|keras)\b", re.MULTILINE)
    found = [n for n, cell in code_cells(notebook) if pattern.search(cell.source)]
    return [f"cell {n}: imports TensorFlow or Keras" for n in found] if name[:2] in WITHOUT_TENSORFLOW else []


def exercises(name: str, notebook: nbformat.NotebookNode) -> list[str]:
    """An idea that one has not used is forgotten: three exercises, one of them a bug to find, all with their task."""
    module = EXERCISES.get(name[:2])
    tags = [(i, tag) for i, cell in enumerate(notebook.cells) for tag in cell.metadata.get("tags", [])]
    here = [(i, tag.removeprefix(TAG)) for i, tag in tags if tag.startswith(TAG)]
    if module is None or module not in modules():
        wrong = [f"{each} is tagged" for _, each in here] if module is None else [f"no module {module} of exercises"]
        return [f"{problem}; see EXERCISES in {Path(__file__).name}" for problem in wrong]
    known = {f"{module}.{one.name}": one for one in exercises_of(module)}
    problems = [f"{each} stands in no cell" for each in known if each not in dict(here[::-1]).values()]
    if len(here) < 3 or not any(known[each].bug for _, each in here if each in known):
        problems.append(f"{len(here)} exercises; expected three or more, one with a bug to find")
    mirrored = {tag.rpartition(".")[2] for _, tag in tags if tag.startswith("source:")}
    for place, each in here:
        if each not in known or [other for _, other in here].count(each) > 1:
            problems.append(f"{each} is no exercise of {module}, or stands here twice")
            continue
        task = "**Find the bug.** " if known[each].bug else "**Exercise.** "
        before = notebook.cells[place - 1]
        if before.cell_type != "markdown" or not re.search(rf"^{re.escape(task)}\S", before.source, re.MULTILINE):
            problems.append(f"{each}: the cell before it has no line that begins with {task}")
        if known[each].name in mirrored:
            problems.append(f"{each}: its solution is shown in this notebook")
    return problems


def no_traces(name: str, notebook: nbformat.NotebookNode) -> list[str]:
    """A path or host of the author's machine is wrong on each other one."""
    traces = [r"/(?:work|root|tmp|home|Users|var/folders)/\w", r"[A-Z]:\\\\?Users"]
    # A host called "lab" would be found in any text; a machine's generated name has a digit.
    if re.search(r"\d", platform.node()):
        traces.append(rf"\b{re.escape(platform.node())}\b")
    problems = []
    for n, cell in code_cells(notebook):
        text = "\n".join(readable(output) for output in cell.outputs)
        problems += [f"cell {n}: output has {m[0]!r}…" for trace in traces if (m := re.search(trace, text))]
    return problems


def readable(output: nbformat.NotebookNode) -> str:
    """What an output says in words; an image's base64 may hold /tmp/ by chance."""
    data = {kind: value for kind, value in output.get("data", {}).items() if not kind.startswith("image/")}
    return f"{output.get('text', '')}{json.dumps(data, ensure_ascii=False)}{output.get('traceback', '')}"


RULES: tuple[Callable[[str, nbformat.NotebookNode], list[str]], ...] = (
    valid,
    kernel,
    executed,
    no_stderr,
    compared,
    outputs_kept,
    public_names,
    alt_texts,
    short_cells,
    opening,
    closing,
    badge,
    budget,
    light,
    exercises,
    no_traces,
)


def misspelt(pages: dict[str, str], folder: Path) -> dict[str, list[str]]:
    """What codespell finds in pages of Markdown, by their names, with the project's own list of words.

    folder: an empty one. All pages in one process: it takes longer to begin than to read them.
    """
    for name, markdown in pages.items():
        (folder / f"{name}.md").write_text(markdown, encoding="utf-8")
    command = [sys.executable, "-m", "codespell_lib", *(str(folder / f"{name}.md") for name in pages)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert not done.stderr, done.stderr
    lines = done.stdout.splitlines()
    found = {name: [line for line in lines if line.startswith(f"{folder / name}.md:")] for name in pages}
    assert sum(map(len, found.values())) == len(lines), done.stdout
    return found


def stored() -> list[Path]:
    return sorted((ROOT / "notebooks").glob("*.ipynb"))


def good(name: str = "05_made_up") -> nbformat.NotebookNode:
    """The smallest notebook that holds to every rule."""
    first = (
        "# A title\n\nFrom here you get there.\n\n*You need* nothing.\n\n*You will be able to*\n\n"
        "- one\n- two\n- three\n\n*Cost*: 1 minute, 2 MB, half an hour."
    )
    figure = new_output("display_data", {"image/png": "aGk="}, metadata={"image/png": {"alt": "A line that rises."}})
    codes = [
        new_code_cell(f"print({n})", execution_count=n, outputs=[new_output("stream", text=f"{n}\n")])
        for n in range(1, 6)
    ]
    codes[1].outputs.append(figure)
    codes[2].metadata["tags"] = ["nbval-ignore-output"]
    tasks = []
    for number, one in enumerate(exercises_of(EXERCISES[name[:2]]) if name[:2] in EXERCISES else [], start=6):
        tag = f"{TAG}{one.module}.{one.name}"
        tasks.append(new_markdown_cell(f"**{'Find the bug' if one.bug else 'Exercise'}.** Do it."))
        said = [new_output("stream", text="not answered yet\n")]
        tasks.append(new_code_cell(one.cell(), execution_count=number, metadata={"tags": [tag]}, outputs=said))
    last = new_markdown_cell("## What you can do now\n\n- one\n\n*Next*: 06.\n\n*Sources*: none.")
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "edgelab": {"budget": {"seconds": 60, "memory_mb": 300}},
    }
    notebook = new_notebook(cells=[new_markdown_cell(first), *codes, *tasks, last], metadata=metadata)
    return nbformat.reads(sync.with_badge(nbformat.writes(notebook), ADDRESS, f"notebooks/{name}.ipynb"), 4)


def first_code(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    return notebook.cells[1]


def say(notebook: nbformat.NotebookNode, text: str) -> None:
    """Let the first code cell print a text."""
    first_code(notebook).outputs[0].text = text


def reword(notebook: nbformat.NotebookNode, cell: int, old: str, new: str) -> None:
    """Replace words of a cell; they must be there, or the case would test nothing."""
    assert old in notebook.cells[cell].source
    notebook.cells[cell].source = notebook.cells[cell].source.replace(old, new)


def output(notebook: nbformat.NotebookNode, data: dict, metadata: dict | None = None) -> None:
    """Let the first code cell display something."""
    first_code(notebook).outputs.append(new_output("display_data", data, metadata=metadata or {}))


def widget(notebook: nbformat.NotebookNode, model: str, **state: object) -> None:
    """Store the state of one widget."""
    models = {"0": {"model_name": model, "model_module": "m", "model_module_version": "2.0.0", "state": state}}
    stored_state = {"version_major": 2, "version_minor": 0, "state": models}
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": stored_state}


def tag(notebook: nbformat.NotebookNode, *tags: str) -> None:
    """Tag the first code cell."""
    first_code(notebook).metadata["tags"] = list(tags)


def cleared(notebook: nbformat.NotebookNode, source: str) -> None:
    """Let the first code cell say this, and store no output of it."""
    first_code(notebook).update(source=source, outputs=[])


def all_are_exercises(notebook: nbformat.NotebookNode) -> None:
    """Call each task an exercise, also that of a bug."""
    for cell in notebook.cells[6:-1:2]:
        cell.source = "**Exercise.** Do it."


# (rule, what is wrong, name of the notebook, how it is made wrong)
SPOILT = (
    (valid, "an output without type", "05_x", lambda nb: first_code(nb).outputs[0].pop("output_type")),
    (kernel, "the author's kernel", "05_x", lambda nb: nb.metadata.kernelspec.update(name="edge-env")),
    (kernel, "no kernel", "05_x", lambda nb: nb.metadata.pop("kernelspec")),
    (executed, "a cell not run", "05_x", lambda nb: first_code(nb).update(execution_count=None)),
    (executed, "a cell run again", "05_x", lambda nb: first_code(nb).update(execution_count=9)),
    (no_stderr, "a warning", "05_x", lambda nb: first_code(nb).outputs[0].update(name="stderr")),
    (compared, "two of five ignored", "00_x", lambda nb: first_code(nb).metadata.update(tags=["nbval-skip"])),
    (outputs_kept, "a cleared output", "05_x", lambda nb: cleared(nb, "for i in range(3):\n    print(i)")),
    (outputs_kept, "a cleared figure", "05_x", lambda nb: cleared(nb, "with style():\n    show(figure, 'A.')")),
    (public_names, "a private helper", "05_x", lambda nb: cleared(nb, "from edgelab.shrink import a, _b")),
    (public_names, "a private file", "05_x", lambda nb: cleared(nb, "import edgelab.shrink._files")),
    (public_names, "a private helper shown", "05_x", lambda nb: tag(nb, "source:edgelab.maths.nn._scaled")),
    (alt_texts, "no alt text", "05_x", lambda nb: nb.cells[2].outputs[1].metadata.clear()),
    (alt_texts, "blank alt text", "05_x", lambda nb: nb.cells[2].outputs[1].metadata["image/png"].update(alt=" ")),
    (alt_texts, "a JPEG", "05_x", lambda nb: output(nb, {"image/jpeg": "aGk="}, {"image/png": {"alt": "of another"}})),
    (alt_texts, "an SVG", "05_x", lambda nb: output(nb, {"image/svg+xml": "<svg/>"})),
    (alt_texts, "HTML with a picture", "05_x", lambda nb: output(nb, {"text/html": "<p><IMG src='x.png'></p>"})),
    (alt_texts, "HTML with an empty alt", "05_x", lambda nb: output(nb, {"text/html": "<img alt='' src='x.png'>"})),
    (alt_texts, "HTML with a drawing", "05_x", lambda nb: output(nb, {"text/html": "<svg><path/></svg>"})),
    (alt_texts, "printed Markdown", "05_x", lambda nb: output(nb, {"text/markdown": "![](x.png)"})),
    (alt_texts, "a picture in prose", "05_x", lambda nb: reword(nb, 0, "From here", "![](x.png) From here")),
    (alt_texts, "a blank in prose", "05_x", lambda nb: reword(nb, 0, "From here", "![ ](x.png) From here")),
    (alt_texts, "a reference", "05_x", lambda nb: reword(nb, 0, "From here", "![][figure] From here")),
    (alt_texts, "an attachment", "05_x", lambda nb: reword(nb, 0, "From here", "![](attachment:x.png) From here")),
    (alt_texts, "HTML in prose", "05_x", lambda nb: reword(nb, 0, "From here", '<img src="x.png" width=9> From here')),
    (alt_texts, "an HTML widget", "05_x", lambda nb: widget(nb, "HTMLModel", value="<img src='data:image/png;,'>")),
    (alt_texts, "an Image widget", "05_x", lambda nb: widget(nb, "ImageModel", value={})),
    (
        alt_texts,
        "an Output widget",
        "05_x",
        lambda nb: widget(nb, "OutputModel", outputs=[{"output_type": "display_data", "data": {"image/png": "aGk="}}]),
    ),
    (short_cells, "31 lines", "05_x", lambda nb: first_code(nb).update(source="\n".join("1" * 31))),
    (opening, "no title", "05_x", lambda nb: reword(nb, 0, "# A", "A")),
    (opening, "no promise", "05_x", lambda nb: reword(nb, 0, "From here you get there.", "")),
    (opening, "no cost", "05_x", lambda nb: reword(nb, 0, "*Cost*", "*Price*")),
    (opening, "two objectives", "05_x", lambda nb: reword(nb, 0, "- three\n", "")),
    (opening, "six objectives", "05_x", lambda nb: reword(nb, 0, "- three\n", "- three\n- 4\n- 5\n- 6\n")),
    (opening, "code first", "05_x", lambda nb: nb.cells.pop(0)),
    (closing, "no sources", "05_x", lambda nb: reword(nb, -1, "Sources", "Thanks")),
    (closing, "ends with code", "05_x", lambda nb: nb.cells.append(new_code_cell("1", execution_count=6))),
    (badge, "another notebook's badge", "07_x", lambda nb: reword(nb, 0, "07_x", "05_x")),
    (badge, "no badge", "05_x", lambda nb: nb.cells[0].update(source="# A title")),
    (budget, "none", "05_x", lambda nb: nb.metadata.pop("edgelab")),
    (budget, "too long", "05_x", lambda nb: nb.metadata.edgelab.budget.update(seconds=91)),
    (budget, "too much", "05_x", lambda nb: nb.metadata.edgelab.budget.update(memory_mb=1001)),
    (budget, "too much without TensorFlow", "10_x", lambda nb: nb.metadata.edgelab.budget.update(memory_mb=301)),
    (budget, "a text", "05_x", lambda nb: nb.metadata.edgelab.budget.update(seconds="60")),
    (budget, "slower than it says", "05_x", lambda nb: nb.metadata.edgelab.update(cost={"seconds": 61})),
    (budget, "larger than it says", "05_x", lambda nb: nb.metadata.edgelab.update(cost={"peak_mb": 301})),
    (light, "import", "10_x", lambda nb: first_code(nb).update(source="import numpy, tensorflow as tf")),
    (light, "from", "01_x", lambda nb: first_code(nb).update(source="x = 1\nif x:\n    from keras import Model")),
    (exercises, "none", "05_x", lambda nb: nb.cells.__delitem__(slice(6, -1))),
    (exercises, "one left out", "05_x", lambda nb: nb.cells.__delitem__(slice(6, 8))),
    (exercises, "one twice", "05_x", lambda nb: nb.cells.extend(nb.cells[6:8])),
    (exercises, "another notebook's", "05_x", lambda nb: nb.cells.extend(good("07_x").cells[6:8])),
    (exercises, "no task", "05_x", lambda nb: nb.cells.pop(6)),
    (exercises, "a task without words", "05_x", lambda nb: reword(nb, 6, " Do it.", "")),
    (exercises, "a bug that is not called so", "05_x", all_are_exercises),
    (exercises, "its solution is shown", "05_x", lambda nb: tag(nb, "source:edgelab.x.values_left")),
    (exercises, "in a notebook that is not listed", "00_x", lambda nb: tag(nb, "exercise:device.unfit")),
    (no_traces, "a path", "05_x", lambda nb: say(nb, "written to /tmp/x/model.tflite")),
    (no_traces, "a home", "05_x", lambda nb: say(nb, "C:\\Users\\me\\lab")),
    (no_traces, "this host", "05_x", lambda nb: say(nb, "run on node42 today")),
)  # fmt: skip


@pytest.mark.parametrize(("rule", "what", "name", "spoil"), SPOILT, ids=[f"{r.__name__}: {w}" for r, w, _, _ in SPOILT])
def test_a_rule_finds_what_it_is_for(rule, what, name, spoil, monkeypatch):
    """A checker that finds nothing in a bad notebook would pass all of them."""
    monkeypatch.setattr(platform, "node", lambda: "node42")
    notebook = good(name)
    assert [problem for each in RULES for problem in each(name, notebook)] == []
    spoil(notebook)
    assert rule(name, notebook), f"{rule.__name__} let pass: {what}"


def test_what_the_bounds_allow_is_no_problem():
    """A notebook may use all of its budget, and a mirrored cell is as long as its function."""
    notebook = good("00_made_up")
    notebook.metadata.edgelab.budget.update(seconds=90, memory_mb=1000)
    mirrored = new_code_cell(
        "\n".join("1" * 40), execution_count=6, metadata={"tags": ["source:edgelab.maths.nn.dense"]}
    )
    notebook.cells.insert(6, mirrored)
    assert [problem for rule in RULES for problem in rule("00_made_up", notebook)] == []


def test_what_may_print_nothing_and_foreign_private_names_are_no_problem():
    """A rule that reports what is right would be switched off."""
    notebook = good()
    cleared(
        notebook, "def f():\n    print(1)\n\nif wrong:\n    print(2)\nfrom x import _y\nfrom edgelab import __version__"
    )
    assert outputs_kept("05_x", notebook) + public_names("05_x", notebook) == []


def test_pictures_with_alt_text_and_code_are_no_problem():
    """What every notebook has must not be reported."""
    notebook = good()
    output(notebook, {"image/svg+xml": "<svg/>"}, {"image/svg+xml": {"alt": "A line."}})
    output(notebook, {"text/html": "<img alt='A line.' src='x.png'><svg aria-label='a line'></svg>"})
    widget(notebook, "HTMLModel", value="<img alt='A line.' src='data:image/png;base64,aGk='>")
    code = "![A line](x.png) and `![](x.png)`\n\n```html\n<img src='x.png'>\n```\n\nx < y, a[0]![1]"
    notebook.cells.insert(1, new_markdown_cell(code))
    assert alt_texts("05_made_up", notebook) == []


def test_pages_have_alt_texts():
    """README is the first page that is seen, or heard."""
    pages = {path: path.read_text(encoding="utf-8") for path in _imports.files(ROOT) if path.suffix == ".md"}
    assert ROOT / "README.md" in pages
    assert {path.name: bare for path, text in pages.items() if (bare := bare_pictures(text))} == {}
    readme = pages[ROOT / "README.md"]
    without = re.sub(r"!\[[^\]]+\]", "![]", readme)
    assert len(bare_pictures(without)) == readme.count("![") > 0


@pytest.mark.parametrize("rule", RULES, ids=[rule.__name__ for rule in RULES])
def test_stored_notebooks_hold_to(rule):
    notebooks = [(path, nbformat.reads(path.read_text(encoding="utf-8"), nbformat.NO_CONVERT)) for path in stored()]
    assert [f"{path.name}: {problem}" for path, nb in notebooks for problem in rule(path.stem, nb)] == []


def test_stored_notebooks_are_small():
    """A code host shows no larger ones, and each clone carries all versions."""
    assert [f"{p.name}: {p.stat().st_size:,} bytes" for p in stored() if p.stat().st_size > 1_000_000] == []


def test_stored_notebooks_are_spelt_right(tmp_path):
    """codespell reads what jupytext prints: in the JSON of a notebook it would check base64."""
    import jupytext

    pages = {path.stem: jupytext.writes(nbformat.read(path, 4), fmt="md") for path in stored()}
    pages |= {"good": jupytext.writes(good(), fmt="md"), "wrong": "Teh cat sat on the mat.\n"}  # codespell:ignore teh
    found = misspelt(pages, tmp_path)
    assert found.pop("wrong"), "codespell finds the simplest mistake"
    assert {name: lines for name, lines in found.items() if lines} == {}
