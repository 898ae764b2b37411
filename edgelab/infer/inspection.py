"""What is in a .tflite, what it costs, and whether the integer engine can run it: read, not run, by NumPy alone."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgelab.artifacts import verify
from edgelab.infer.integer.model import IntegerModel
from edgelab.infer.integer.operators import RULES
from edgelab.infer.smallest import relu_tflite  # noqa: F401 (for the examples)
from edgelab.infer.tflite import Graph, Tensor, read
from edgelab.infer.tflite_cost import count_tflite


class Part(NamedTuple):
    """An operator of a file, with the first tensor that it makes. macs, live_bytes: None where they can't be counted.

    >>> Part(0, "RELU", "y", "int8", (1, 3), 0.5, 0, 0, 6).kind
    'RELU'
    """

    number: int
    kind: str
    makes: str
    dtype: str
    shape: tuple[int, ...]
    scale: float | None
    zero_point: int | None
    macs: int | None
    live_bytes: int | None


class Inspection(NamedTuple):
    """What `inspect_tflite` finds. Sizes in bytes. refusals: by runtime, why the engine can't run the file, or "".

    params, macs, weight_bytes, activation_bytes: as `count_tflite` counts them, None where it can't; uncounted: why.

    >>> inspect_tflite(relu_tflite()).parts[0].kind
    'RELU'
    """

    name: str
    bytes: int
    sha256: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    parts: tuple[Part, ...]
    params: int | None
    macs: int | None
    weight_bytes: int | None
    activation_bytes: int | None
    uncounted: str
    refusals: dict[str, str]

    @property
    def floats(self) -> tuple[Part, ...]:
        """The operators that compute in float32 between integer ones: not QUANTIZE and DEQUANTIZE at the ends."""
        if not any(part.dtype in ("int8", "int16", "uint8") for part in self.parts):
            return ()
        ends = ("QUANTIZE", "DEQUANTIZE")
        return tuple(part for part in self.parts if part.dtype == "float32" and part.kind not in ends)


def inspect_tflite(tflite: bytes | str | Path) -> Inspection:
    """Read a .tflite and say what is in it, what it costs, and which runtimes' rules the engine can follow.

    tflite: its bytes, or its path. Nothing but the reader and the engine sees the file. Raises FileNotFoundError, and
    ValueError as `read` and `edgelab.artifacts.verify` do.

    >>> found = inspect_tflite(relu_tflite())
    >>> found.refusals["reference"], found.macs, found.activation_bytes
    ('', 0, 6)
    """
    content = bytes(tflite) if isinstance(tflite, bytes | bytearray) else verify(tflite)
    graph = read(content)
    if not isinstance(tflite, bytes | bytearray):
        graph = graph._replace(name=str(tflite))
    try:
        cost, uncounted = count_tflite(graph), ""
    except ValueError as error:
        cost, uncounted = None, str(error)
    # Weights that are unpacked first have no row of their own.
    rows = cost.rows if cost and len(cost.rows) == len(graph.operators) else [None] * len(graph.operators)
    parts = []
    for number, operator in enumerate(graph.operators):
        made = graph.tensors[operator.outputs[0]] if operator.outputs else Tensor("", (), "none")
        one, row = made.scale is not None and len(made.scale) == 1, rows[number]
        parts.append(
            Part(
                number,
                operator.kind,
                made.name,
                made.dtype,
                made.shape,
                float(made.scale[0]) if one else None,
                int(made.zero_point[0]) if one else None,
                row.macs if row else None,
                row.live_bytes if row else None,
            )
        )
    return Inspection(
        graph.name,
        len(content),
        hashlib.sha256(content).hexdigest(),
        tuple(graph.tensors[i] for i in graph.inputs),
        tuple(graph.tensors[i] for i in graph.outputs),
        tuple(parts),
        cost.params if cost else None,
        cost.macs if cost else None,
        cost.weight_bytes() if cost else None,
        cost.activation_bytes if cost else None,
        uncounted,
        {runtime: _refusal(graph, runtime) for runtime in RULES},
    )


def _refusal(graph: Graph, runtime: str) -> str:
    try:
        IntegerModel(graph, runtime)
    except ValueError as error:
        return str(error).removeprefix(f"{graph.name}: ")
    return ""


def describe(found: Inspection, layers: bool = False) -> str:
    """Write an inspection as text. layers: with a line for each operator.

    >>> print(describe(inspect_tflite(relu_tflite())).splitlines()[1])
    input     'x' int8 (1, 3), scale 0.5, zero point 0
    """
    lines = [f"{found.name}: {found.bytes:,} bytes, SHA-256 {found.sha256[:16]}…"]
    for word, ends in (("input", found.inputs), ("output", found.outputs)):
        lines += [f"{word:9} {_end(tensor)}" for tensor in ends]
    kinds = Counter((part.kind, part.dtype) for part in found.parts)
    listed = ", ".join(f"{count} {kind} ({dtype})" for (kind, dtype), count in sorted(kinds.items()))
    lines.append(f"operators {len(found.parts)}: {listed}")
    if found.macs is None:
        lines.append(f"cost      not counted: {found.uncounted}")
    else:
        lines.append(
            f"cost      {found.params:,} parameters in {found.weight_bytes:,} bytes, {found.macs:,} MACs, at most "
            f"{found.activation_bytes:,} bytes of tensors alive at once"
        )
    if found.floats:
        named = ", ".join(f"{part.number} {part.kind} ({part.makes})" for part in found.floats[:6])
        lines.append(f"floats    {len(found.floats)} operators compute in float32 in an integer file: {named}")
    same = {}
    for runtime, why in found.refusals.items():
        same.setdefault(why, []).append(runtime)
    for why, runtimes in same.items():
        lines.append(f"engine    {', '.join(runtimes)}: {why or 'can run it'}")
    if layers:
        rows = [("number", "operator", "makes", "type", "shape", "scale", "zero", "MACs", "alive")]
        rows += [tuple("" if v is None else _cell(v) for v in _row(part)) for part in found.parts]
        wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines += ["  ".join(f"{text:<{n}}" for text, n in zip(row, wide, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)


def _row(part: Part) -> tuple:
    shape = "×".join(map(str, part.shape))
    name = part.makes.partition(";")[0][-40:]
    return (part.number, part.kind, name, part.dtype, shape, part.scale, part.zero_point, part.macs, part.live_bytes)


def _cell(value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _end(tensor: Tensor) -> str:
    scale = ""
    if tensor.scale is not None and len(tensor.scale) == 1:
        scale = f", scale {float(np.float32(tensor.scale[0])):.6g}, zero point {int(tensor.zero_point[0])}"
    return f"{tensor.name!r} {tensor.dtype} {tensor.shape}{scale}"
