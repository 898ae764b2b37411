"""The tables of README and benchmarks/README, made from benchmarks/results, each with its command."""

import json
from collections.abc import Callable
from pathlib import Path

from edgelab.course.results import tables_shrink


def section(folder: str | Path, name: str, lay_out: Callable[[list[dict]], str] | None = None) -> str:
    """Return one measurement as Markdown, with the command that makes it.

    folder: benchmarks/results. name: a measurement with a table. lay_out: from the rows to the text, instead of the
    table. Returns "" where it was not measured. Raises ValueError naming a file that is not what its benchmark writes.

    >>> section("no/such/folder", "seeds")
    ''
    """
    path = Path(folder) / f"{name}.json"
    if not path.is_file():
        return ""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        machine = content["machine"]
        where = f"{content['date']}, {machine['cores']} cores of {machine['cpu']}, Python {machine['python']}"
        text = (lay_out or TABLES[name][1])(content["rows"])
        return f"{text}\n\n<sub>`{content['command']}` · {where}</sub>"
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ValueError(f"{path}: not what its benchmark writes ({error!r}). Make it again: make bench") from error


def summary(folder: str | Path) -> str:
    """Return all measurements of a folder as Markdown: contents, then a heading and a table for each.

    folder: benchmarks/results. Returns "" when nothing was measured. Raises ValueError as `section` does.

    >>> summary("no/such/folder")
    ''
    """
    found = {title: text for name, (title, _) in TABLES.items() if (text := section(folder, name))}
    contents = [f"- [{title}](#{title.lower().replace(' ', '-')})" for title in found]
    return "\n\n".join(filter(None, ["\n".join(contents), *(f"## {title}\n\n{text}" for title, text in found.items())]))


def _pipeline(rows: list[dict]) -> str:
    from edgelab.course.results.recorded import table

    return table(rows)


def _frontier(rows: list[dict]) -> str:
    from statistics import mean

    from edgelab.course.figures.frontier_plot import PEERS

    head = (
        "![Accuracy on the test images against bytes of weights: the networks of the course rise steeply from the "
        "smallest and flatten out; beside them what other projects report.](../data/frontier.svg)\n\n"
        "Light networks on the 10,000 test images, means over seeds. Params are Keras' count; folded, the parameters "
        "left after BatchNorm is folded; bytes, of these as int8 weights and biases; memory, the most that int8 "
        "activations take at once; float32 in Keras, int8 in LiteRT:"
    )
    lines = [
        "| network | params | folded | bytes | MACs | memory | seeds | float32 | lowest to highest | int8 |",
        "|:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name in dict.fromkeys(row["name"] for row in sorted(rows, key=lambda row: row["params"])):
        own = [row for row in rows if row["name"] == name]
        counts = [f"{own[0][key]:,}" for key in ("params", "deployed", "int8_bytes", "macs", "activation_bytes")]
        floats, int8 = ([100 * row[key] for row in own] for key in ("float32", "int8"))
        means = [f"{mean(floats):.2f} %", f"{min(floats):.2f} to {max(floats):.2f} %", f"{mean(int8):.2f} %"]
        lines.append(f"| {' | '.join([name, *counts, str(len(own)), *means])} |")
    told = "; ".join(
        f"{peer.name}: {peer.size:,} bytes, " + (f"{100 * peer.accuracy:.2f} %" if peer.accuracy else "no accuracy")
        for peer in PEERS
    )
    foot = (
        f"What others report of theirs (bytes of weights; {told}) is no like-for-like comparison: BitNetMCU reads "
        "images scaled to 16×16, trains with quantized weights of 2 to 8 bits, and reports one run of each; TinyMaix "
        "gives the size of its example's file."
    )
    return "\n".join([head, "", *lines, "", foot])


def _feeding(rows: list[dict]) -> str:
    head = ["A training step of 128 images, by what feeds it; the ratio is to ready batches in memory:", ""]
    lines = ["| feed | cores | median | ratio |", "|:--|--:|--:|--:|"]
    return "\n".join(
        head + lines + [f"| {r['feed']} | {r['cores']} | {r['p50_ms_step']:,g} ms | {r['ratio']:,g} × |" for r in rows]
    )


def _seeds(rows: list[dict]) -> str:
    from statistics import median

    def percent(values: list[float]) -> str:
        return f"{100 * median(values):.2f} %" if values else "–"

    lines = ["| model | params | MACs | seeds | float32 | lowest to highest | int8 |", "|:--|--:|--:|--:|--:|--:|--:|"]
    for name in dict.fromkeys(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == name]
        floats, int8 = [r["float32"] for r in own], [r["int8"] for r in own if "int8" in r]
        spread = f"{100 * min(floats):.2f} to {100 * max(floats):.2f} %"
        cells = (name, f"{own[0]['params']:,}", f"{own[0]['macs']:,}", len(own), percent(floats), spread, percent(int8))
        lines.append(f"| {' | '.join(map(str, cells))} |")
    head = (
        "Three networks by one recipe on the 10,000 test images, medians over seeds; float32 in Keras, int8 in LiteRT:"
    )
    return "\n".join([head, "", *lines])


def _latency(rows: list[dict]) -> str:
    head = ["One digit through the small CNN, all in one run; the ratio is to LiteRT float32:", ""]
    lines = ["| runtime | median | ratio |", "|:--|--:|--:|"]
    return "\n".join(head + lines + [f"| {r['runtime']} | {r['p50_ms']:,g} ms | {r['ratio']:,g} × |" for r in rows])


def _conv(rows: list[dict]) -> str:
    head = ["The convolution of the course (3×3, 8 to 16 channels, 28×28), beside TensorFlow's and plain loops:", ""]
    lines = ["| what | median | images | one multiply-accumulate | ratio |", "|:--|--:|--:|--:|--:|"]
    for r in rows:
        ratio = f"{r['ratio']:,g} × {r['ratio_to']}" if r["ratio_to"] != r["what"] else "1 ×"
        lines.append(f"| {r['what']} | {r['p50_ms']:,g} ms | {r['images']} | {r['ns_per_mac']:,g} ns | {ratio} |")
    return "\n".join(head + lines)


def _startup(rows: list[dict]) -> str:
    head = ["Start-up of a fresh process:", "", "| what | over bare Python | memory |", "|:--|--:|--:|"]
    return "\n".join(
        head + [f"| {r['what']} | {r['seconds_over_bare']:.3f} s | {r['memory_mb']:.0f} MB |" for r in rows]
    )


def _pi(rows: list[dict]) -> str:
    head = (
        "LiteRT on an emulated Raspberry Pi (64-bit; cortex-a72 is a Pi 4's processor, cortex-a76 a Pi 5's) against "
        "x86-64, the first 1,000 test images: how many outputs differ, by how much at most (steps of int8, or logits), "
        "and how often the digit does. XNNPACK's rows are a bundle's `run.py`, unchanged. No times: emulated ones say "
        "nothing of a Pi's."
    )
    lines = [
        "| model | kernels | processor | outputs | differ | by at most | other digit | accuracy |",
        "|:--|:--|:--|--:|--:|--:|--:|--:|",
    ]
    for r in rows:
        cells = (r["model"], r["kernels"], r["cpu"], f"{r['outputs']:,}", f"{r['differ']:,}", f"{r['largest']:.2g}")
        lines.append(f"| {' | '.join(cells)} | {r['other_digit']} | {100 * r['accuracy']:.1f} % |")
    return "\n".join([head, "", *lines])


# By the file in benchmarks/results: the heading, of letters and spaces alone, and the table.
TABLES: dict[str, tuple[str, Callable[[list[dict]], str]]] = {
    "pipeline": ("The results of a run", _pipeline),
    "frontier": ("Light networks", _frontier),
    "seeds": ("Three kinds of network", _seeds),
    "engine": ("The integer engine", tables_shrink.engine),
    "qat": ("Quantization in training", tables_shrink.qat),
    "compress": ("Compressed files", tables_shrink.compress),
    "distil": ("Distillation", tables_shrink.distil),
    "latency": ("Latency of one digit", _latency),
    "conv": ("Convolution in NumPy", _conv),
    "feeding": ("Feeding a training step", _feeding),
    "pi": ("An emulated Raspberry Pi", _pi),
    "startup": ("Start of a process", _startup),
}
