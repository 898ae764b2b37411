"""What only moves values stays in integers: the converter writes it in float in some runs."""

import numpy as np
from _tflite import File

from edgelab.infer.parity import runtime_outputs
from edgelab.infer.tflite import read
from edgelab.shrink.convert import float_moves, move_integers


def split_in_float() -> bytes:
    """An int8 tensor that is split in float32, its parts quantized to two scales, as in a GRU's first step."""
    file = File()
    x, real = file.tensor((1, 6), 0.05, 3), file.tensor((1, 6), dtype="float32")
    parts = [file.tensor((1, 2), dtype="float32") for _ in range(3)]
    ends = [file.tensor((1, 2), scale, 5) for scale in (0.05, 0.1, 0.2)]
    file.operator("DEQUANTIZE", [x], [real])
    file.operator("SPLIT", [file.tensor((), dtype="int32", data=1), real], parts, numSplits=3)
    for part, end in zip(parts, ends, strict=True):
        file.operator("QUANTIZE", [part], [end])
    return file.bytes([x], ends)


def test_a_split_between_dequantize_and_quantize_moves_integers():
    tflite = split_in_float()
    assert float_moves(read(tflite)) == [1]
    moved = move_integers(tflite)
    kinds = [(o.kind, moved_types(read(moved), o.outputs)) for o in read(moved).operators]
    assert kinds == [("SPLIT", {"int8"}), *[("QUANTIZE", {"int8"})] * 3]
    x = np.random.default_rng(0).integers(-128, 128, (50, 6)).astype(np.int8)
    for runtime in ("reference", "builtin", "xnnpack"):
        pairs = zip(runtime_outputs(tflite, x, runtime), runtime_outputs(moved, x, runtime), strict=True)
        for before, after in pairs:
            # A step: the two ways round exact halves differently.
            assert np.abs(before.astype(int) - after).max() <= 1


def moved_types(graph, numbers) -> set[str]:
    return {graph.tensors[number].dtype for number in numbers}


def test_what_is_read_in_float_stays():
    file = File()
    x, real, y = file.tensor((1, 6), 0.05, 3), file.tensor((1, 6), dtype="float32"), file.tensor((6,), dtype="float32")
    file.operator("DEQUANTIZE", [x], [real])
    file.operator("RESHAPE", [real, file.tensor((1,), dtype="int32", data=[6])], [y], newShape=[6])
    tflite = file.bytes([x], [y])
    assert float_moves(read(tflite)) == []
    assert move_integers(tflite) is tflite
