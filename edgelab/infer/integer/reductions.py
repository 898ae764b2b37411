"""REDUCE_MAX and REDUCE_MIN: the largest or smallest value over any axes. MEAN is in pooling.py.

Input and output share their scale, so nothing is rounded and all runtimes agree.
"""

from __future__ import annotations

import numpy as np

from edgelab.infer.integer.place import Entry, Place, Step


def _axes(p: Place) -> tuple[int, ...]:
    return tuple(sorted({int(a) % len(p.inputs[0].shape) for a in np.ravel(p.inputs[1].data)}))


def _reduce(p: Place) -> Step:
    axes, keep = _axes(p), bool(p.operator.options["keepDims"])
    reduce = np.max if p.kind == "REDUCE_MAX" else np.min
    return lambda x: reduce(x, axis=axes, keepdims=keep)


def _mixes(p: Place) -> bool:
    return 0 in _axes(p)


REDUCTION_OPERATORS = {
    "REDUCE_MAX": Entry(_reduce, mixes=_mixes),
    "REDUCE_MIN": Entry(_reduce, mixes=_mixes),
}
