"""The inputs and outputs of a .tflite that is open in LiteRT: which of them the runner takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelab.infer.smallest import relu_tflite  # noqa: F401 (for the examples)
from edgelab.quiet import without_info


def set_open_batch(interpreter: Any) -> None:
    """Set the batch to 1 in each input of an interpreter that leaves it open, and allocate its tensors again.

    Files of TensorFlow's own converter leave it open unless the Keras model fixes it.

    >>> from ai_edge_litert.interpreter import Interpreter
    >>> set_open_batch(Interpreter(model_content=relu_tflite()))
    """
    for taken in interpreter.get_input_details():
        shape, signature = taken["shape"].tolist(), taken["shape_signature"].tolist()
        if signature[:1] == [-1] and shape[:1] != [1]:
            interpreter.resize_tensor_input(taken["index"], [1, *shape[1:]])
            with without_info():
                interpreter.allocate_tensors()


def check_ends(interpreter: Any, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return LiteRT's details of an interpreter's one input and one output, an image and a vector.

    name: of the file, for the messages. Raises ValueError for other inputs and outputs, saying what was found.

    >>> from ai_edge_litert.interpreter import Interpreter
    >>> interpreter = Interpreter(model_content=relu_tflite())
    >>> [end["shape"].tolist() for end in check_ends(interpreter, "relu.tflite")]
    [[1, 3], [1, 3]]
    """
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    other = "Other models: edgelab.infer.runner.open_interpreter(content), and its set_tensor, invoke, get_tensor"
    if len(inputs) != 1 or len(outputs) != 1:
        raise ValueError(f"{name}: {len(inputs)} inputs and {len(outputs)} outputs; expected one of each. {other}")
    image, vector = inputs[0], outputs[0]
    shape, signature = image["shape"].tolist(), image["shape_signature"].tolist()
    if shape[:1] != [1]:
        raise ValueError(f"{name}: takes a batch of shape {shape}; expected one image, its batch 1 or open. {other}")
    if -1 in signature[1:]:
        raise ValueError(f"{name}: leaves sizes of its input {signature} open, besides the batch. {other}")
    found = vector["shape"].tolist()
    if np.prod(found[:-1], dtype=np.int64) != 1 or 0 in found or vector["dtype"] in (np.bytes_, np.object_):
        kind = np.dtype(vector["dtype"]).name
        raise ValueError(f"{name}: gives {kind} of shape {found}; expected one vector of logits (1, classes). {other}")
    for place, end in (("input", image), ("output", vector)):
        scale = end["quantization"][0]
        if not np.isfinite(scale) or scale < 0:
            raise ValueError(f"{name}: its {place} has the scale {scale}; expected a positive number. {other}")
    return image, vector
