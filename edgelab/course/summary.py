"""What was measured, as the README shows it: tables made from benchmarks/results, each with its command."""

import json
from pathlib import Path


def summary(folder: str | Path) -> str:
    """Lay out the measurements of a folder as Markdown, each with the command that makes it.

    folder: benchmarks/results. Returns "" when nothing was measured. Raises ValueError naming a file that is not
    what its benchmark writes.

    >>> summary("no/such/folder")
    ''
    """
    parts = []
    layouts = {"pipeline": _pipeline, "seeds": _seeds, "latency": _latency, "conv": _conv, "startup": _startup}
    for name, layout in layouts.items():
        path = Path(folder) / f"{name}.json"
        if not path.is_file():
            continue
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            machine = content["machine"]
            where = f"{content['date']}, {machine['cores']} cores of {machine['cpu']}, Python {machine['python']}"
            parts += [layout(content["rows"]), f"<sub>`{content['command']}` · {where}</sub>"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: not what its benchmark writes ({error!r}). Make it again: make bench") from error
    return "\n\n".join(parts)


def _pipeline(rows: list[dict]) -> str:
    from edgelab.course.results import table

    return table(rows)


def _seeds(rows: list[dict]) -> str:
    from statistics import median

    lines = ["| seed | float32 (Keras) | int8 (LiteRT) |", "|:--|--:|--:|"]
    lines += [f"| {r['seed']} | {100 * r['float32']:.2f} % | {100 * r['int8']:.2f} % |" for r in rows]
    middle = [100 * median(r[name] for r in rows) for name in ("float32", "int8")]
    lines.append(f"| **median** | **{middle[0]:.2f} %** | **{middle[1]:.2f} %** |")
    return "\n".join(["The small CNN on the 10,000 test images, trained from different seeds:", "", *lines])


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
