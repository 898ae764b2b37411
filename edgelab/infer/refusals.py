"""Models that are refused before they reach LiteRT, because a process that ran them was seen to end by itself.

LiteRT raises an error for most of what it can't run. These are the exceptions that are known here, in the versions that
the course was measured with.
"""

from __future__ import annotations

from edgelab.infer.tflite import Graph, Tensor  # noqa: F401 (for the example)

# Of a computed int8 tensor, which then reaches from -1.3e-5 to 1.3e-5: its range in calibration was nothing.
SMALLEST_SCALE = 1e-7


def refuse_unsafe(graph: Graph, kernels: str) -> None:
    """Raise ValueError, naming tensor or operator, for a model with which LiteRT was seen to end its process.

    kernels: as in `edgelab.infer.runner.KERNELS`, or "micro". With "xnnpack", the default, a computed int8 tensor may
    not have a scale below `SMALLEST_SCALE`; and an integer depthwise convolution must have a bias.

    >>> refuse_unsafe(Graph((Tensor("x", (1, 3)),), (), (0,), (0,)), "xnnpack")
    """
    for tensor in graph.tensors if kernels == "xnnpack" else ():
        computed = tensor.data is None and tensor.scale is not None and tensor.dtype in ("int8", "uint8")
        if computed and not (tensor.scale >= SMALLEST_SCALE).all():
            raise ValueError(
                f"{graph.name}: {tensor.name!r} has the scale {tensor.scale.min():.3g}; LiteRT's default kernels are "
                f"given none below {SMALLEST_SCALE:g} here, as a process was seen to end there. The values of this "
                'tensor were always 0 in calibration: calibrate with other samples, or take kernels="builtin"'
            )
    for number, (kind, inputs, outputs, _) in enumerate(graph.operators):
        integers = [graph.tensors[i] for i in outputs if "int" in graph.tensors[i].dtype]
        if kind == "DEPTHWISE_CONV_2D" and integers and (len(inputs) < 3 or inputs[2] == -1):
            raise ValueError(
                f"{graph.name}: operator {number}, {kind}, which makes {integers[0].name!r}, has no bias; expected one "
                "in an integer depthwise convolution. Convert the model with a bias, which may be zero"
            )
