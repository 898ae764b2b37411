"""Unpack the tables of a .tflite, wherever it keeps its constants. Needs LiteRT's schema, never TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelab.infer.smallest import relu_tflite  # noqa: F401 (for the examples)


def unpack_tables(content: bytes, name: str = "model in memory") -> Any:
    """Return the tables of a .tflite as objects of LiteRT's schema (ModelT), with all constants inside the tables.

    content: the file's bytes. name: for messages. A file may keep constants and the options of custom operators behind
    its tables, at an offset from its beginning: files above 2 GB must, and ai-edge-quantizer does so for files above
    1 MiB. Here they become ordinary ones: packed again, the tables are the same model. Raises ValueError for a file
    that is no .tflite, and for one whose tables point outside of it: it is damaged.
    Source: tensorflow/lite/schema/schema.fbs, Buffer and Operator.

    >>> len(unpack_tables(relu_tflite()).subgraphs[0].tensors)
    2
    """
    from ai_edge_litert import schema_py_generated as schema

    if content[4:8] != b"TFL3":
        raise ValueError(
            f"{name}: not a .tflite ({len(content):,} bytes, no TFL3 mark at byte 4). Convert a Keras model with "
            "edgelab.shrink.convert.to_tflite"
        )
    try:
        if int.from_bytes(content[:4], "little") < 8:
            raise IndexError("the root table would lie in the file's first 8 bytes")
        model = schema.ModelT.InitFromPackedBuf(content, 0)
    # Damage can make the generated reader fail in any way: offsets beyond the end, impossible lengths, wrong types.
    except Exception as error:
        raise ValueError(
            f"{name}: a damaged .tflite ({len(content):,} bytes; its tables point outside of it or at something else: "
            f"{type(error).__name__}: {error}). Is it cut off? Copy or convert it again"
        ) from error

    def behind(offset: int, size: int, what: str) -> np.ndarray:
        if offset + size > len(content):
            raise ValueError(
                f"{name}: a damaged .tflite: {what} would lie from byte {offset:,} to {offset + size:,}, and the file "
                f"ends after {len(content):,}. Is it cut off? Copy or convert it again"
            )
        return np.frombuffer(content, np.uint8, size, offset)

    # The schema's rule: an offset counts if it is above 1; the converter writes 1 as a placeholder first.
    for number, buffer in enumerate(model.buffers or ()):
        if buffer.offset > 1 and buffer.size and (buffer.data is None or not len(buffer.data)):
            buffer.data = behind(buffer.offset, buffer.size, f"buffer {number}")
        buffer.offset = buffer.size = 0
    for graph in model.subgraphs or ():
        for number, operator in enumerate(graph.operators or ()):
            at, size = operator.largeCustomOptionsOffset, operator.largeCustomOptionsSize
            if at > 1 and size:
                operator.customOptions = behind(at, size, f"the options of operator {number}")
            operator.largeCustomOptionsOffset = operator.largeCustomOptionsSize = 0
    return model


def pack_tables(model: Any) -> bytes:
    """Return the bytes of a .tflite from its tables, as `unpack_tables` returned them.

    Each buffer begins at a multiple of 16 bytes: the generated Pack aligns them to one, and kernels on small processors
    read int32 at multiples of four. A buffer that nothing refers to any more is left empty.

    >>> file = pack_tables(unpack_tables(relu_tflite()))
    >>> file[4:8], len(unpack_tables(file).subgraphs)
    (b'TFL3', 1)
    """
    from copy import copy

    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    class Aligned(schema.BufferT):
        def Pack(self, builder):
            if self.data is not None:
                builder.Prep(16, len(self.data))
            return super().Pack(builder)

    used = {t.buffer for part in model.subgraphs or () for t in part.tensors or ()}
    used |= {m.buffer for m in model.metadata or ()} | {0}
    made = copy(model)  # the caller's tables stay as they are
    made.buffers = []
    for number, buffer in enumerate(model.buffers or ()):
        kept = None if buffer.data is None or number not in used else np.asarray(buffer.data, np.uint8)
        made.buffers.append(Aligned(kept, buffer.offset, buffer.size))
    builder = flatbuffers.Builder(1024)
    builder.Finish(made.Pack(builder), b"TFL3")
    return bytes(builder.Output())
