"""Operators that move int8 values: against TensorFlow, and what is refused by name."""

import numpy as np
import pytest
from _tflite import File
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st

from edgelab.infer.integer import depth_to_space, space_to_depth, strided_index
from edgelab.infer.integer.model import IntegerModel


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 3))
def test_blocks_move_into_the_channels_and_back(rows, columns, channels, block):
    x = np.arange(rows * columns * channels * block**2).reshape(1, rows * block, columns * block, channels)
    moved = space_to_depth(x, block)
    assert moved.shape == (1, rows, columns, channels * block**2)
    assert moved[0, 0, 0, :channels].tolist() == x[0, 0, 0].tolist()
    np.testing.assert_array_equal(depth_to_space(moved, block), x)


@pytest.mark.parametrize(
    ("masks", "expected"),
    [
        ({}, np.s_[1:3:1, 3:0:-1, ...]),
        ({"beginMask": 1}, np.s_[:3:1, 3:0:-1, ...]),
        ({"endMask": 2}, np.s_[1:3:1, 3::-1, ...]),
        ({"shrinkAxisMask": 1}, np.s_[1, 3:0:-1, ...]),
        ({"newAxisMask": 1}, np.s_[None, 3:0:-1, ...]),
        ({"ellipsisMask": 1}, np.s_[..., 3:0:-1]),
    ],
)
def test_masks_of_a_strided_slice(masks, expected):
    assert strided_index((4, 5, 6), [1, 3], [3, 0], [1, -1], masks) == expected


def one(kind, shape, out, inputs=(), y_scale=0.1, **options) -> bytes:
    file = File()
    x, y = file.tensor(shape, 0.1, 3), file.tensor(out, y_scale, 3)
    others = [file.tensor(np.shape(v), dtype="int32", data=v) for v in inputs]
    file.operator(kind, [x, *others], [y], **options)
    return file.bytes([x], [y])


def two_inputs(kind, **options) -> bytes:
    """An operator whose axes or margins are computed."""
    file = File()
    x, places = file.tensor((1, 4), 0.1, 3), file.tensor((2,), dtype="int32")
    y = file.tensor((1, 4), 0.1, 3)
    file.operator(kind, [x, places], [y], **options)
    return file.bytes([x, places], [y])


REFUSED = {
    "split on two scales": (
        one("SLICE", (1, 4), (1, 2), [[0, 0], [1, 2]], y_scale=0.2),
        "operator 0, SLICE, which makes 't1', has 't1' on another scale than 't0'",
    ),
    "computed axes": (two_inputs("REVERSE_V2"), "computes its input 1, 't1' in int32; expected a constant there"),
    "a kernel that is missing": (
        one("TILE", (1, 4), (1, 8), [[1, 2]]),
        "has no int8 kernel in TensorFlow Lite Micro; reference and builtin and xnnpack have one",
        "micro",
    ),
    "no stride": (one("STRIDED_SLICE", (1, 4), (1, 4), [[0, 0], [1, 4], [1, 0]]), "has a stride of 0"),
    "gather of a batch": (
        one("GATHER", (1, 4), (1, 2), [[[0, 1]]], axis=1, batchDims=1),
        "gathers with 1 batch axes; expected 0",
    ),
    "index beyond the axis": (one("GATHER", (1, 4), (1, 1), [[7]], axis=1), "doesn't fit what it reads"),
    "three axes in blocks": (one("SPACE_TO_DEPTH", (1, 4, 4), (1, 2, 8), blockSize=2), "expected 4 axes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_cannot_run_is_named(name):
    tflite, words, *runtime = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        IntegerModel(tflite, *runtime)


@pytest.mark.parametrize("kind", ["STRIDED_SLICE", "GATHER", "TILE", "REVERSE_V2"])
def test_integers_are_copied_between_two_scales_as_litert_does(kind):
    """The numbers that they stand for change: the converter writes such files for some recurrent layers."""
    others = {
        "STRIDED_SLICE": [[0, 0], [1, 4], [1, 1]],
        "GATHER": [[0, 1, 2, 3]],
        "TILE": [[1, 1]],
        "REVERSE_V2": [[1]],
    }
    tflite = one(kind, (1, 4), (1, 4), others[kind], y_scale=0.2, **({"axis": 1} if kind == "GATHER" else {}))
    x = np.int8([[5, 6, 7, 8]])
    assert sorted(IntegerModel(tflite).run(x)[0].tolist()) == [5, 6, 7, 8]


def test_where_the_largest_is_comes_in_32_bits_from_micro():
    """TensorFlow Lite Micro stops at 64 bits, which the converter writes by default."""
    file = File()
    x, y = file.tensor((1, 4), 0.1, 3), file.tensor((1,), dtype="int64")
    places = schema.TensorType.INT64
    file.operator("ARG_MAX", [x, file.tensor((1,), dtype="int32", data=[1])], [y], outputType=places)
    tflite = file.bytes([x], [y])
    assert IntegerModel(tflite).run(np.int8([[5, 9, 9, 8]])).tolist() == [1]
    with pytest.raises(ValueError, match="makes 't1' in int64; TensorFlow Lite Micro makes int32 only"):
        IntegerModel(tflite, "micro")
