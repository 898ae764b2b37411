"""Whole graphs: several inputs and outputs, tensors without a batch in front, and what is refused by name."""

import numpy as np
import pytest
from _tflite import RUNTIMES, File

from edgelab.artifacts import shipped
from edgelab.infer.integer.model import IntegerModel
from edgelab.infer.integer.operators import images_together
from edgelab.infer.parity import differences, engine_outputs, expose, layer_differences, runtime_outputs
from edgelab.infer.tflite import read


def compared(tflite: bytes, xs) -> None:
    """Compare every output of the engine with LiteRT's, by each rule."""
    for runtime in RUNTIMES:
        found, computed = runtime_outputs(tflite, xs, runtime), engine_outputs(tflite, xs, runtime)
        for theirs, ours in zip(found, computed, strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=runtime)


def images(rng, *shape) -> np.ndarray:
    return rng.integers(-128, 128, shape).astype(np.int8)


def branches() -> bytes:
    """Two inputs, two outputs: their sum, and a ReLU of it that is another operator's input too."""
    file = File()
    a, b = file.tensor((1, 4, 3), 0.05, 3, name="a"), file.tensor((1, 4, 3), 0.03, -7, name="b")
    total, positive = file.tensor((1, 4, 3), 0.08, 1), file.tensor((1, 4, 3), 0.08, -128)
    file.operator("ADD", [a, b], [total])
    file.operator("RELU", [total], [positive])
    return file.bytes([b, a], [positive, total])


def test_several_inputs_and_outputs():
    """In the order of the file, which is not that of the tensors."""
    rng, tflite = np.random.default_rng(0), branches()
    xs = [images(rng, 40, 4, 3), images(rng, 40, 4, 3)]
    compared(tflite, xs)
    model = IntegerModel(tflite)
    assert [tensor.name for tensor in model.inputs] == ["b", "a"]
    first, second = model.run(*xs)
    assert (len(first), len(second), len(model.outputs)) == (40, 40, 2)
    assert set(model.tensors(*xs)) == {0, 1, 2, 3}
    assert set(layer_differences(tflite, xs).values()) == {0.0}
    assert differences(tflite, xs, ["reference"]) == {("reference", "reference"): 0.0}
    assert [len(each) for each in model.run(*(x[:0] for x in xs))] == [0, 0]


def test_a_wrong_number_of_inputs_is_named():
    model, x = IntegerModel(branches()), np.zeros((2, 4, 3), np.int8)
    with pytest.raises(ValueError, match=r"1 inputs given; model in memory takes 2, in this order: 'b', 'a'"):
        model.run(x)
    with pytest.raises(ValueError, match=r"inputs of \[2, 1\] images; expected as many in each"):
        model.run(x, x[:1])
    with pytest.raises(ValueError, match=r"the input 'a' of model in memory takes \(n, 4, 3\)"):
        model.run(x, x[:, :3])


@pytest.mark.parametrize("kind", ["ADD", "MUL", "QUANTIZE", "LOGISTIC", "FULLY_CONNECTED"])
def test_tensors_without_a_batch_in_front(kind):
    """RESHAPE from (1, 5, 7) to (5, 7), as TimeDistributed layers have it: the engine put the batch into the 5 rows."""
    file, rng = File(), np.random.default_rng(1)
    x, rows = file.tensor((1, 5, 7), 0.05, 3), file.tensor((5, 7), 0.05, 3)
    shape = file.tensor((2,), dtype="int32", data=[5, 7])
    file.operator("RESHAPE", [x, shape], [rows], newShape=[5, 7])
    if kind == "FULLY_CONNECTED":
        y = file.tensor((5, 3), 0.1, 5)
        w = file.tensor((3, 7), 0.02, data=images(rng, 3, 7))
        file.operator(kind, [rows, w, -1], [y], keepNumDims=True)
    else:
        y = file.tensor((5, 7), 1 / 256 if kind == "LOGISTIC" else 0.1, -128 if kind == "LOGISTIC" else 5)
        others = [file.tensor((7,), 0.04, -9, data=images(rng, 7))] if kind in ("ADD", "MUL") else []
        file.operator(kind, [rows, *others], [y])
    tflite = file.bytes([x], [y])
    assert not images_together(read(tflite))
    compared(tflite, images(rng, 30, 5, 7))


def test_operators_that_move_or_join_axis_0():
    file, rng = File(), np.random.default_rng(2)
    x, turned = file.tensor((1, 4, 3), 0.05, 3), file.tensor((4, 1, 3), 0.05, 3)
    joined = file.tensor((6, 1, 3), 0.05, 3)
    constant = file.tensor((2, 1, 3), 0.05, 3, data=images(rng, 2, 1, 3))
    file.operator("TRANSPOSE", [x, file.tensor((3,), dtype="int32", data=[1, 0, 2])], [turned])
    file.operator("CONCATENATION", [turned, constant], [joined], axis=0)
    compared(file.bytes([x], [joined]), images(rng, 20, 4, 3))


@pytest.mark.parametrize("name", ["small_cnn_int8", "tiny_int8"])
def test_every_tensor_as_an_output(name):
    tflite, rng = expose(shipped(name)), np.random.default_rng(4)
    compared(tflite, images(rng, 5, 28, 28, 1))


def test_a_file_with_a_batch_of_4():
    """Its images belong together, as the file has them: n of them make (n, 4, …)."""
    file, rng = File(), np.random.default_rng(5)
    x, padded, y = file.tensor((4, 3), 0.05, 3), file.tensor((6, 3), 0.05, 3), file.tensor((6, 3), 0.05, -128)
    file.operator("PAD", [x, file.tensor((2, 2), dtype="int32", data=[[1, 1], [0, 0]])], [padded])
    file.operator("RELU", [padded], [y])
    compared(file.bytes([x], [y]), images(rng, 20, 4, 3))
    assert IntegerModel(file.bytes([x], [y])).run(images(rng, 2, 4, 3)).shape == (2, 6, 3)


def test_a_constant_may_be_joined_to_each_image():
    file, rng = File(), np.random.default_rng(3)
    x, y = file.tensor((1, 4, 3), 0.05, 3), file.tensor((1, 4, 5), 0.05, 3)
    file.operator("CONCATENATION", [file.tensor((1, 4, 2), 0.05, 3, data=images(rng, 1, 4, 2)), x], [y], axis=2)
    assert images_together(read(file.bytes([x], [y])))
    compared(file.bytes([x], [y]), images(rng, 20, 4, 3))


@pytest.mark.parametrize("kind", ["ADD", "MUL"])
@pytest.mark.parametrize("axes", [5, 6, 7])
def test_more_axes_than_xnnpack_knows(kind, axes):
    """From seven on it leaves an operator to the optimised kernels, which round in another way."""
    file, rng = File(), np.random.default_rng(6)
    shape = (1, 1, 1, 1, 2, 5, 40)[-axes:]
    shape = (1, *shape[1:])
    x, y = file.tensor(shape, 0.07, 118), file.tensor(shape, 0.1, 3)
    c = file.tensor(shape, 0.05, 63, data=rng.integers(-128, 128, shape))
    file.operator(kind, [x, c], [y])
    compared(file.bytes([x], [y]), images(rng, 30, *shape[1:]))


def test_float_operators_among_int8_ones_are_named():
    """LayerNormalization and others leave them in a file that was converted as int8."""
    file = File()
    x, real, root, y = (
        file.tensor((1, 4), 0.05, 3),
        file.tensor((1, 4), dtype="float32"),
        file.tensor((1, 4), dtype="float32"),
        file.tensor((1, 4), 0.05, 3),
    )
    out = file.tensor((1, 4), 0.05, -128)
    file.operator("DEQUANTIZE", [x], [real])
    file.operator("RSQRT", [real], [root])
    file.operator("QUANTIZE", [root], [y])
    file.operator("RELU", [y], [out])
    with pytest.raises(ValueError, match="1 of 2 operators compute in float32: RSQRT; expected int8"):
        IntegerModel(file.bytes([x], [out]))


def test_another_subgraph_is_named():
    file = File()
    x, y = file.tensor((1, 4), 0.05, 3), file.tensor((1, 4), 0.05, 3)
    file.operator("WHILE", [x], [y])
    with pytest.raises(ValueError, match="operator 0, WHILE, which makes 't1', runs another subgraph"):
        IntegerModel(file.bytes([x], [y]))


def test_an_input_that_is_a_constant_is_refused():
    """What a caller gives for it would be ignored."""
    file = File()
    x, c = file.tensor((1, 4), 0.05, 3), file.tensor((1, 4), 0.05, 3, data=np.zeros((1, 4)))
    y = file.tensor((1, 4), 0.05, -128)
    file.operator("ADD", [x, c], [y])
    with pytest.raises(ValueError, match="its input 't1' is a constant"):
        IntegerModel(file.bytes([x, c], [y]))
