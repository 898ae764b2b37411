"""The table of a network's costs: one row per layer or operator, their sums, and the memory that is live at once.

It holds numbers only: `edgelab.train.costs` counts them from a Keras model, `edgelab.infer.tflite_cost` from a .tflite.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

# Bits of a weight, of a bias and of an activation in a .tflite of that mode. A float16 file has float16 constants, but
# LiteRT computes in float32. Scales and zero points, a few bytes per channel, aren't counted.
PRECISIONS = {
    "float32": (32, 32, 32),
    "float16": (16, 16, 32),
    "int16x8": (8, 64, 16),
    "int8": (8, 32, 8),
    "int4": (4, 32, 8),
}


class Row(NamedTuple):
    """What one layer costs each time it is called.

    shape: of its output, without the batch. params: as Keras counts them, 0 when a shared layer is called again.
    weights, biases: parameters after folding BatchNorm. weight_bytes: of both. live_bytes: of all tensors that are live
    while it runs. moved_bytes: of the activations that it reads and writes; 0 if it works in place.

    >>> Row("conv", "Conv2D", (26, 26, 16), 160, 97_344, 144, 16, 640, 46_400, 46_400).macs
    97344
    """

    layer: str
    kind: str
    shape: tuple[int, ...]
    params: int
    macs: int
    weights: int
    biases: int
    weight_bytes: int
    live_bytes: int
    moved_bytes: int


class Cost(NamedTuple):
    """What a network costs on one image, one row per call of a layer.

    of: its name. rows: in the order in which the layers run. precision: of the bytes in the rows, a name of PRECISIONS,
    or None if a file's tensors differ in type. Methods raise ValueError for an unknown precision.

    >>> row = Row("conv", "Conv2D", (26, 26, 16), 160, 97_344, 144, 16, 640, 46_400, 46_400)
    >>> Cost("one", (row,), "float32").weight_bytes("int8")
    208
    """

    of: str
    rows: tuple[Row, ...]
    precision: str | None = None

    @property
    def params(self) -> int:
        """All parameters of the model, BatchNorm's four per channel included: Keras' count_params()."""
        return sum(row.params for row in self.rows)

    @property
    def deployed(self) -> int:
        """Parameters after folding BatchNorm: what a .tflite holds."""
        return sum(row.weights + row.biases for row in self.rows)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return sum(row.macs for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        """Most bytes of tensors that are live at once, in the rows' precision."""
        return max((row.live_bytes for row in self.rows), default=0)

    def activation_bytes_at(self, precision: str) -> int:
        """Return activation_bytes in another precision."""
        return self._activations(self.activation_bytes, precision)

    def weight_bytes(self, precision: str | None = None) -> int:
        """Return the bytes of the deployed parameters; without precision, in the types of the rows."""
        if precision is None:
            return sum(row.weight_bytes for row in self.rows)
        weight, bias, _ = bits(precision)
        return sum(-(-(row.weights * weight + row.biases * bias) // 8) for row in self.rows)

    def bytes_moved(self, precision: str | None = None) -> int:
        """Return the bytes moved for one image: weights are read once, tensors written once, read once per reader."""
        moved = sum(row.moved_bytes for row in self.rows)
        return self.weight_bytes(precision) + (moved if precision is None else self._activations(moved, precision))

    @property
    def table(self) -> str:
        """A table as text: one line per layer, then the sums of the columns and the maximum of the live bytes."""
        head = ("layer", "output", "params", "MACs", "live bytes")
        numbers = [(r.layer, "×".join(map(str, r.shape)), r.params, r.macs, r.live_bytes) for r in self.rows]
        numbers.append((f"{self.of}: all", "", self.params, self.macs, self.activation_bytes))
        lines = [head, *((n[0][:32], n[1], *(f"{v:,}" for v in n[2:])) for n in numbers)]
        wide = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            f"{a:<{wide[0]}}  {b:<{wide[1]}}  {c:>{wide[2]}}  {d:>{wide[3]}}  {e:>{wide[4]}}" for a, b, c, d, e in lines
        )

    def _activations(self, count: int, precision: str) -> int:
        if self.precision is None:
            raise ValueError(
                f"{self.of}: the tensors of a .tflite have types of their own, so bytes in {precision!r} are unknown; "
                "count the Keras model, or leave precision out"
            )
        return count * bits(precision)[2] // bits(self.precision)[2]


def bits(precision: str) -> tuple[int, int, int]:
    """Return the bits of a weight, a bias and an activation. Raises ValueError for an unknown precision.

    >>> bits("int8")
    (8, 32, 8)
    """
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}; expected one of: {', '.join(PRECISIONS)}")
    return PRECISIONS[precision]


def live_bytes(
    steps: Sequence[tuple[Iterable[Hashable], Iterable[Hashable]]],
    sizes: Mapping[Hashable, int],
    kept: Iterable[Hashable] = (),
) -> list[int]:
    """Return the live bytes at each step: a tensor is live from the step that writes it to the last that reads it.

    steps: (tensors read, tensors written), in the order in which they run; a tensor that no step writes is live from
    the first step on. sizes: bytes by tensor. kept: tensors that are read after the last step, such as the outputs.

    >>> live_bytes([("x", "a"), ("a", "b"), ("ab", "y")], {"x": 1, "a": 10, "b": 20, "y": 5})
    [11, 30, 35]
    """
    born, last = {}, {}
    for i, (reads, writes) in enumerate(steps):
        for t in reads:
            born.setdefault(t, 0)
            last[t] = i
        for t in writes:
            born.setdefault(t, i)
            last[t] = i
    last |= dict.fromkeys(kept, len(steps))
    return [sum(sizes[t] for t in born if born[t] <= i <= last[t]) for i in range(len(steps))]
