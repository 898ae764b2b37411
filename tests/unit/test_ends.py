"""Inputs and outputs of an open .tflite: the batch that a file leaves open, and what is no image or vector."""

import pytest
from _tflite import File

from edgelab.infer.ends import check_ends, set_open_batch
from edgelab.infer.runner import open_interpreter


def two_inputs(signature=None):
    file = File()
    x, y, z = (file.tensor((5, 3), dtype="float32", signature=signature) for _ in range(3))
    file.operator("ADD", [x, y], [z])
    return open_interpreter(file.bytes([x, y], [z]))


def test_every_open_batch_is_set_and_a_fixed_one_is_not():
    for signature, batch in (([-1, 3], 1), (None, 5), ([5, 3], 5), ([-1, -1], 1)):
        interpreter = two_inputs(signature)
        set_open_batch(interpreter)
        assert [d["shape"].tolist() for d in interpreter.get_input_details()] == [[batch, 3]] * 2
        interpreter.invoke()
        assert interpreter.get_output_details()[0]["shape"].tolist() == [batch, 3]


def test_several_inputs_are_named_with_their_file():
    with pytest.raises(ValueError, match=r"two\.tflite: 2 inputs and 1 outputs; expected one of each. Other models"):
        check_ends(two_inputs(), "two.tflite")
