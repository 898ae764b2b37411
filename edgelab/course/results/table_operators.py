"""The table of the integer engine's operators: by which rule each runtime rounds, made from the engine's own tables."""

from edgelab.infer.integer.operators import OPERATORS, RUNTIMES
from edgelab.infer.integer.place import MISSING, Entry


def operator_table(operators: dict[str, Entry] = OPERATORS) -> str:
    """Lay out the engine's operators in Markdown, in the order of its tables: a row each, a column for each runtime.

    operators: {kind: entry}, a second word in the kind telling two entries of one operator apart. An operator that the
    engine gets appears by itself.

    >>> print(operator_table({"RELU6": OPERATORS["RELU6"]}).splitlines()[-1])
    | `RELU6` | activations.py | same | same | same | `clip` |
    """
    lines = [f"| operator | file | {' | '.join(RUNTIMES)} |", "|:--" * (2 + len(RUNTIMES)) + "|"]
    for kind, entry in operators.items():
        name, _, form = kind.partition(" ")
        label = " ".join(filter(None, [f"`{name}`", form, "†" if entry.kernels else ""]))
        rules = [getattr(entry, runtime) for runtime in RUNTIMES]
        cells = [rule if rule == MISSING else f"`{rule}`" if rule else "same" for rule in rules]
        lines.append(f"| {label} | {entry.step.__module__.rpartition('.')[2]}.py | {' | '.join(cells)} |")
    return "\n".join(lines)
