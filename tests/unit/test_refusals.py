"""What is refused before it reaches LiteRT, by its graph alone: nothing here is run, or written as a file."""

import numpy as np
import pytest

from edgelab.artifacts import names, shipped
from edgelab.infer import parity
from edgelab.infer import runner as device
from edgelab.infer.refusals import SMALLEST_SCALE, refuse_unsafe
from edgelab.infer.smallest import relu_tflite
from edgelab.infer.tflite import Graph, Operator, Tensor, read
from edgelab.shrink.quantize import post_training


def tensor(name, dtype="int8", scale=0.1, **others):
    scales = None if scale is None else np.float32(np.atleast_1d(scale))
    return Tensor(name, (1, 4, 4, 2), dtype, scales, None if scales is None else np.zeros(len(scales), int), **others)


def depthwise(dtype, bias):
    tensors = (tensor("x", dtype), tensor("w", dtype), tensor("b", "int32"), tensor("y", dtype))
    return Graph(tensors, (Operator("DEPTHWISE_CONV_2D", (0, 1, *bias), (3,), {}),), (0,), (3,), "made")


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
@pytest.mark.parametrize("bias", [(), (-1,)])
@pytest.mark.parametrize("kernels", [*device.KERNELS, "micro"])
def test_an_integer_depthwise_convolution_has_a_bias(dtype, bias, kernels):
    with pytest.raises(ValueError, match="made: operator 0, DEPTHWISE_CONV_2D, which makes 'y', has no bias; expected"):
        refuse_unsafe(depthwise(dtype, bias), kernels)
    refuse_unsafe(depthwise(dtype, (2,)), kernels)
    refuse_unsafe(depthwise("float32", bias), kernels)


@pytest.mark.parametrize("scale", [0.9 * SMALLEST_SCALE, 0.0, np.nan, [0.1, 1e-30]])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_a_scale_of_nothing_is_not_for_the_default_kernels(scale, dtype):
    graph = Graph((tensor("x", dtype, scale),), (), (0,), (0,), "made")
    with pytest.raises(ValueError, match="made: 'x' has the scale .* take kernels=\"builtin\""):
        refuse_unsafe(graph, "xnnpack")
    for kernels in ("builtin", "reference", "micro"):
        refuse_unsafe(graph, kernels)


@pytest.mark.parametrize(
    "sound",
    [
        tensor("x", scale=1.1 * SMALLEST_SCALE),
        tensor("w", scale=1e-12, data=np.zeros((1, 4, 4, 2), np.int8)),
        tensor("x", "int16", 1e-9),
        tensor("x", "float32", 0.0),
        tensor("x", "int8", None),
    ],
)
def test_small_scales_elsewhere_are_sound(sound):
    """Weights of a channel of zeros, int16, and tensors without a scale."""
    refuse_unsafe(Graph((sound,), (), (0,), (0,)), "xnnpack")


def test_shipped_models_pass():
    for name in names():
        if shipped(name).suffix == ".tflite":
            refuse_unsafe(read(shipped(name)), "xnnpack")


def test_it_is_asked_before_the_library_is(tmp_path, monkeypatch):
    """By the runner for what has no record, by the comparison of runtimes, and by the report of values."""

    def refuse(graph, kernels):
        raise ValueError(f"refused for {kernels}")

    for module in (device, parity, post_training):
        monkeypatch.setattr(module, "refuse_unsafe", refuse)
        monkeypatch.setattr(module, "open_interpreter", lambda *_, **__: pytest.fail("opened"))
    monkeypatch.setattr(device, "probe", lambda *_: pytest.fail("probed"))
    path = tmp_path / "mine.tflite"
    path.write_bytes(relu_tflite())
    for model in (path, relu_tflite()):
        with pytest.raises(ValueError, match="refused for reference"):
            device.Runner(model, "reference")
    with pytest.raises(ValueError, match="refused for xnnpack"):
        parity.runtime_outputs(relu_tflite(), np.zeros((1, 3), np.int8), "xnnpack")
    with pytest.raises(ValueError, match="refused for builtin"):
        post_training.tensor_values(relu_tflite(), np.zeros((1, 3), np.float32))
