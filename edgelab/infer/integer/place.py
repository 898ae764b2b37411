"""An operator with its tensors, and its line in its family's table: the types that all families use.

No arithmetic and no checks: `edgelab.infer.integer.checks` has checked the graph before a Place is used.
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
    the runtime of that name rounds, "" where nothing is rounded. Rules are those of `rescale`, and others that the
    family's functions define. kernels: for operators of which a runtime leaves some cases to another; returns whose
    kernels run a Place.

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
    """An operator with its tensors. where: begins an error message. runtime: one of `RULES`.

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
        """The runtime whose kernels run this operator: mostly the chosen one."""
        return self.entry.kernels(self) if self.entry.kernels else self.runtime

    @property
    def padding(self) -> str:
        return ("same", "valid")[self.operator.options["padding"]]

    def rule(self) -> str:
        """Return the rule by which the kernels that run this operator round."""
        return getattr(self.entry, self.kernels)

    def affine(self, tensor: Tensor) -> tuple[np.float32, int]:
        """Return the one scale and zero point of a tensor."""
        return np.float32(tensor.scale[0]), int(tensor.zero_point[0])
