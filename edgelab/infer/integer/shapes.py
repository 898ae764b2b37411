"""RESHAPE, SQUEEZE, EXPAND_DIMS, PAD, TRANSPOSE, CONCATENATION: int8 values move and do not change.

No arithmetic, so no rules: all runtimes agree. checks.py checks that input and output have the same scale.
"""

from __future__ import annotations

import numpy as np

from edgelab.infer.integer.place import Entry, Place, Step


def _view(p: Place) -> Step:
    """Make the step of RESHAPE, SQUEEZE and EXPAND_DIMS: the values keep their order."""
    shape = p.y.shape[1:]
    return lambda x: x.reshape(len(x), *shape)


def _pad(p: Place) -> Step:
    margins, zero_point = p.inputs[1].data, p.affine(p.y)[1]
    return lambda x: np.pad(x, margins, constant_values=zero_point)


def _transpose(p: Place) -> Step:
    axes = [int(a) for a in p.inputs[1].data]
    return lambda x: np.ascontiguousarray(x.transpose(axes))


def _concatenate(p: Place) -> Step:
    axis = p.operator.options["axis"]
    return lambda *parts: np.concatenate(parts, axis)


SHAPE_OPERATORS = {
    "RESHAPE": Entry(_view),
    "SQUEEZE": Entry(_view),
    "EXPAND_DIMS": Entry(_view),
    "PAD": Entry(_pad),
    "TRANSPOSE": Entry(_transpose),
    "CONCATENATION": Entry(_concatenate),
}
