"""RESHAPE, SQUEEZE, EXPAND_DIMS, PAD, TRANSPOSE, CONCATENATION: int8 values move and do not change.

No arithmetic, so no rules: all runtimes agree. checks.py checks that input and output have the same scale.
"""

from __future__ import annotations

import numpy as np

from edgelab.infer.integer.place import Entry, Place, Step


def _view(p: Place) -> Step:
    """Make the step of RESHAPE, SQUEEZE and EXPAND_DIMS: the values keep their order."""
    shape = (-1, *p.y.shape[1:]) if p.together else p.y.shape
    return lambda x: x.reshape(shape)


def _pad(p: Place) -> Step:
    margins, zero_point = p.inputs[1].data, p.affine(p.y)[1]
    return lambda x: np.pad(x, margins, constant_values=zero_point)


def _transpose(p: Place) -> Step:
    axes = [int(a) for a in p.inputs[1].data]
    return lambda x: np.ascontiguousarray(x.transpose(axes))


def _concatenate(p: Place) -> Step:
    axis, constants = p.operator.options["axis"], [tensor.data for tensor in p.inputs]

    def step(*computed: np.ndarray) -> np.ndarray:
        parts, given = [], iter(computed)
        for constant in constants:
            if constant is None:
                parts.append(next(given))
            else:  # the same for each image
                parts.append(np.repeat(constant, len(computed[0]), axis=0) if p.together else constant)
        return np.concatenate(parts, axis)

    return step


SHAPE_OPERATORS = {
    "RESHAPE": Entry(_view),
    "SQUEEZE": Entry(_view),
    "EXPAND_DIMS": Entry(_view),
    "PAD": Entry(_pad, mixes=lambda p: bool(p.inputs[1].data[0].any())),
    "TRANSPOSE": Entry(_transpose, mixes=lambda p: int(p.inputs[1].data[0]) != 0),
    "CONCATENATION": Entry(_concatenate, mixes=lambda p: p.operator.options["axis"] % len(p.y.shape) == 0),
}
