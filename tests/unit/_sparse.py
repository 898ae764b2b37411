"""Write sparse weights as the schema stores them: for tests, from dense ones."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

VECTORS = {1: ("Int32VectorT", "Int32Vector"), 2: ("Uint16VectorT", "Uint16Vector"), 3: ("Uint8VectorT", "Uint8Vector")}


def sparse(dense, order, blocks, sizes, formats, vector=1):
    """Return the stored values of a dense array, and its SparsityParametersT.

    order: axes from the outermost level to the innermost; those from dense.ndim on are the blocks', along the axes
    `blocks`, with so many places as `sizes` says. formats: 0 dense or 1 sparse, level by level. vector: of `VECTORS`.
    """
    rank, shape = dense.ndim, list(dense.shape)
    # Split each blocked axis, the innermost block last: axis -> (blocks, places inside).
    split, names = [], []
    for axis in range(rank):
        mine = [rank + k for k, a in enumerate(blocks) if a == axis]
        inner = [sizes[d - rank] for d in mine]
        split += [shape[axis] // int(np.prod(inner)), *inner]
        names += [axis, *mine]
    levels = dense.reshape(split).transpose([names.index(d) for d in order])
    entries, tables = [()], []
    for depth, how in enumerate(formats):
        extent = levels.shape[depth]
        if how == 0:
            tables.append(schema.DimensionMetadataT(format=0, denseSize=extent))
            entries = [(*e, i) for e in entries for i in range(extent)]
            continue
        kept = [[(*e, i) for i in range(extent) if levels[(*e, i)].any()] for e in entries]
        segments = np.cumsum([0, *map(len, kept)])
        entries = [e for part in kept for e in part]
        table, kind = (getattr(schema, VECTORS[vector][0]), getattr(schema.SparseIndexVector, VECTORS[vector][1]))
        dtype = {1: np.int32, 2: np.uint16, 3: np.uint8}[vector]
        tables.append(
            schema.DimensionMetadataT(
                format=1,
                arraySegmentsType=kind,
                arraySegments=table(values=segments.astype(dtype)),
                arrayIndicesType=kind,
                arrayIndices=table(values=np.array([e[-1] for e in entries], dtype)),
            )
        )
    values = np.array([levels[e] for e in entries], dense.dtype)
    how = schema.SparsityParametersT(
        traversalOrder=np.array(order, np.int32), blockMap=np.array(blocks, np.int32), dimMetadata=tables
    )
    return values, how
