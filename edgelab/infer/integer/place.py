"""An operator with its tensors, and its line in its family's table: the types that all families use.

No arithmetic and no checks: `edgelab.infer.integer.checks` has checked the graph before a Place is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from edgelab.infer.tflite import Operator, Tensor

# From the tensors that an operator reads to the one that it makes, or to a tuple of several.
Step = Callable[..., np.ndarray | tuple[np.ndarray, ...]]

# In place of a rule: the runtime has no int8 kernel for the operator.
MISSING = "no kernel"


class Entry(NamedTuple):
    """An operator's line in the table of its family.

    step: returns the operator's function on arrays for a Place. reference, builtin, xnnpack, micro: the rule by which
    the runtime of that name rounds, "" where all round alike, or `MISSING`. Rules are those of `rescale`, and others
    that the family's functions define. kernels: for operators of which a runtime leaves some cases to another; returns
    whose kernels run a Place. mixes: says whether it moves or mixes axis 0, so that images can't be computed together.
    makes, reads: the types of its outputs, and of the inputs, by number, that may be other than int8.

    >>> Entry(lambda place: np.negative, "double", "builtin").builtin
    'builtin'
    """

    step: Callable[[Place], Step]
    reference: str = ""
    builtin: str = ""
    xnnpack: str = ""
    micro: str = ""
    kernels: Callable[[Place], str] | None = None
    mixes: Callable[[Place], bool] | None = None
    makes: tuple[str, ...] = ("int8",)
    reads: dict[int, tuple[str, ...]] = MappingProxyType({})


class Place(NamedTuple):
    """An operator with its tensors. where: begins an error message. runtime: one of `RULES`.

    together: arrays hold several images, their batch in front, where the file has 1; otherwise they have the shapes of
    the file, and each image is computed alone.

    >>> entry = Entry(lambda place: np.negative, "double", "builtin")
    >>> y = Tensor("y", (1, 3))
    >>> Place("operator 0, RELU,", Operator("RELU", (0,), (1,), {}), (), (y,), "builtin", entry).rule()
    'builtin'
    """

    where: str
    operator: Operator
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    runtime: str
    entry: Entry
    together: bool = True

    @property
    def y(self) -> Tensor:
        """The tensor that it makes; of several, the first."""
        return self.outputs[0]

    @property
    def kind(self) -> str:
        return self.operator.kind

    @property
    def kernels(self) -> str:
        """The runtime whose kernels run this operator: mostly the chosen one."""
        axes = max((len(t.shape) for t in (*self.inputs, *self.outputs) if t is not None), default=0)
        if self.runtime == "xnnpack" and axes > 6:  # XNNPACK knows no more, and leaves it to the optimised kernels
            return self._replace(runtime="builtin").kernels
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

    def multiplier(self, *factors: np.float32) -> float:
        """Return the product of scales over the output's: LiteRT divides in float32, TensorFlow Lite Micro in float64.

        Of 0.21 and 0.14 the one quotient is 1.5 and the other is less, so that halves round in another way.
        """
        number = np.float64 if self.kernels == "micro" else np.float32
        return float(math.prod(map(number, factors)) / number(self.y.scale[0]))

    def in_front(self, step: Step) -> Step:
        """Return a step that counts or broadcasts within an image as one that also takes an image without a batch."""
        if self.together:
            return step
        axes = max(len(t.shape) for t in (*self.inputs, self.y) if t is not None)
        return lambda *xs: step(*(x.reshape(1, *[1] * (axes - x.ndim), *x.shape) for x in xs))[0]

    def with_constants(self, run: Step) -> Step:
        """Return a function of two arrays that broadcast as a function of those that aren't constant."""
        constants, axes = [tensor.data for tensor in self.inputs], len(self.y.shape) + (not self.together)

        def step(*computed: np.ndarray) -> np.ndarray:
            # Shapes broadcast from their last axes: the batch of the lower rank must be moved to the front.
            aligned = (x.reshape(len(x), *[1] * (axes - x.ndim), *x.shape[1:]) for x in computed)
            return run(*(next(aligned) if c is None else c for c in constants))

        return self.in_front(step)


def tabulated(function: Callable[[np.ndarray], np.ndarray]) -> Step:
    """Return a function of int8 values as a table of all 256, which is made once and looked up.

    function: from int8 to values of any type, one by one.

    >>> tabulated(np.abs)(np.array([[-5, 7]], np.int8)).tolist()
    [[5, 7]]
    """
    table = function(np.arange(256).astype(np.uint8).view(np.int8))
    return lambda q: table[np.ascontiguousarray(q).view(np.uint8)]


def over_axis_0(p: Place) -> bool:
    """Say whether the last axis is the first, too: a softmax of it would add images together.

    >>> over_axis_0(Place("here", Operator("SOFTMAX", (), (), {}), (), (Tensor("y", (1,)),), "micro", Entry(None)))
    True
    """
    return len(p.y.shape) == 1
