"""An operator with its tensors, and its line in its family's table: what the families' files have in common.

No arithmetic and no checks: `edgelab.infer.integer.checks` has looked at the graph before a Place is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from edgelab.infer.tflite import Operator, Tensor

# From the tensors that an operator reads, each with the batch in front, to the one that it makes.
Step = Callable[..., np.ndarray]


class Entry(NamedTuple):
    """An operator's line in the table of its family.

    step: returns the operator's function on arrays for a Place. reference, builtin, xnnpack, micro: the rule by which
    the runtime of that name rounds, "" where nothing is rounded. A rule is one of `rescale` where it knows the name,
    else what the family's functions say. kernels: returns whose kernels run a Place, where a runtime leaves some cases
    to another.

    >>> Entry(lambda place: np.negative, "double", "builtin").builtin
    'builtin'
    """

    step: Callable[[Place], Step]
    reference: str = ""
    builtin: str = ""
    xnnpack: str = ""
    micro: str = ""
    kernels: Callable[[Place], str] | None = None


class Place(NamedTuple):
    """An operator with its tensors: what a step is made of. where: begins a message. runtime: one of `RULES`.

    >>> entry = Entry(lambda place: np.negative, "double", "builtin")
    >>> Place("operator 0, RELU,", Operator("RELU", (0,), (1,), {}), (), Tensor("y", (1, 3)), "builtin", entry).rule()
    'builtin'
    """

    where: str
    operator: Operator
    inputs: tuple[Tensor | None, ...]
    y: Tensor
    runtime: str
    entry: Entry

    @property
    def kind(self) -> str:
        return self.operator.kind

    @property
    def kernels(self) -> str:
        """The runtime whose kernels run this operator, mostly its own."""
        return self.entry.kernels(self) if self.entry.kernels else self.runtime

    @property
    def padding(self) -> str:
        return ("same", "valid")[self.operator.options["padding"]]

    def rule(self) -> str:
        """Return how the kernels that run this operator round."""
        return getattr(self.entry, self.kernels)

    def affine(self, tensor: Tensor) -> tuple[np.float32, int]:
        """Return the one scale and zero point of a tensor."""
        return np.float32(tensor.scale[0]), int(tensor.zero_point[0])
