"""Write small .tflite files with LiteRT's own schema: no converter stands between a test and its scales."""

from __future__ import annotations

import platform

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

# LiteRT's optimised kernels round by other instructions on other processors; the other two are the same everywhere.
RUNTIMES = ("reference", "xnnpack", *["builtin"] * (platform.machine() in ("x86_64", "AMD64")))

OPTIONS = {
    "CONV_2D": schema.Conv2DOptionsT,
    "DEPTHWISE_CONV_2D": schema.DepthwiseConv2DOptionsT,
    "FULLY_CONNECTED": schema.FullyConnectedOptionsT,
    "AVERAGE_POOL_2D": schema.Pool2DOptionsT,
    "MAX_POOL_2D": schema.Pool2DOptionsT,
    "MEAN": schema.ReducerOptionsT,
    "REDUCE_MAX": schema.ReducerOptionsT,
    "REDUCE_MIN": schema.ReducerOptionsT,
    "RESIZE_NEAREST_NEIGHBOR": schema.ResizeNearestNeighborOptionsT,
    "RESIZE_BILINEAR": schema.ResizeBilinearOptionsT,
    "ADD": schema.AddOptionsT,
    "MUL": schema.MulOptionsT,
    "SUB": schema.SubOptionsT,
    "RESHAPE": schema.ReshapeOptionsT,
    "SQUEEZE": schema.SqueezeOptionsT,
    "EXPAND_DIMS": schema.ExpandDimsOptionsT,
    "PAD": schema.PadOptionsT,
    "SOFTMAX": schema.SoftmaxOptionsT,
    "CONCATENATION": schema.ConcatenationOptionsT,
    "TRANSPOSE": schema.TransposeOptionsT,
    "QUANTIZE": schema.QuantizeOptionsT,
    "DEQUANTIZE": schema.DequantizeOptionsT,
    "SLICE": schema.SliceOptionsT,
    "STRIDED_SLICE": schema.StridedSliceOptionsT,
    "SPLIT": schema.SplitOptionsT,
    "SPLIT_V": schema.SplitVOptionsT,
    "PACK": schema.PackOptionsT,
    "UNPACK": schema.UnpackOptionsT,
    "GATHER": schema.GatherOptionsT,
    "TILE": schema.TileOptionsT,
    "BROADCAST_TO": schema.BroadcastToOptionsT,
    "REVERSE_V2": schema.ReverseV2OptionsT,
    "MIRROR_PAD": schema.MirrorPadOptionsT,
    "PADV2": schema.PadV2OptionsT,
    "SPACE_TO_DEPTH": schema.SpaceToDepthOptionsT,
    "DEPTH_TO_SPACE": schema.DepthToSpaceOptionsT,
    "ARG_MAX": schema.ArgMaxOptionsT,
    "SUM": schema.ReducerOptionsT,
    "ARG_MIN": schema.ArgMinOptionsT,
    "SQUARED_DIFFERENCE": schema.SquaredDifferenceOptionsT,
    "MAXIMUM": schema.MaximumMinimumOptionsT,
    "MINIMUM": schema.MaximumMinimumOptionsT,
    "HARD_SWISH": schema.HardSwishOptionsT,
    "LEAKY_RELU": schema.LeakyReluOptionsT,
    "GELU": schema.GeluOptionsT,
    "ABS": schema.AbsOptionsT,
    "EXP": schema.ExpOptionsT,
    "LOG_SOFTMAX": schema.LogSoftmaxOptionsT,
}
# LiteRT knows these in their first version alone; of the others the second is the one that takes int8.
FIRST_VERSION = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "RELU_N1_TO_1", "RELU_0_TO_1", "DEPTH_TO_SPACE"} | {
    *("DENSIFY", "CAST", "GREATER_EQUAL", "LOGICAL_NOT", "WHERE"),
    *("HARD_SWISH", "PRELU", "GELU", "ELU", "EXP", "SQRT", "LOG"),
}


class File:
    """A .tflite in the making: add tensors and operators, then take its bytes."""

    def __init__(self) -> None:
        self.tensors: list[schema.TensorT] = []
        self.operators: list[schema.OperatorT] = []
        self.buffers = [schema.BufferT()]
        self.codes: list[str] = []

    def tensor(
        self, shape, scale=None, zero_point=0, dtype="int8", data=None, axis=0, name=None, signature=None
    ) -> int:
        """Add a tensor and return its number. scale: a number, or one a channel. data: makes it a constant."""
        quantization = None
        if scale is not None:
            scales = np.atleast_1d(np.asarray(scale, np.float32))
            points = np.broadcast_to(np.asarray(zero_point, np.int64), scales.shape).copy()
            quantization = schema.QuantizationParametersT(scale=scales, zeroPoint=points, quantizedDimension=axis)
        number = len(self.tensors)
        place = 0
        if data is not None:
            place = len(self.buffers)
            self.buffers.append(schema.BufferT(data=np.frombuffer(packed(data, dtype), np.uint8)))
        self.tensors.append(
            schema.TensorT(
                shape=[int(n) for n in shape],
                shapeSignature=signature,
                type=getattr(schema.TensorType, dtype.upper()),
                buffer=place,
                name=name or f"t{number}",
                quantization=quantization,
            )
        )
        return number

    def operator(self, kind, inputs, outputs, **options) -> None:
        """Add an operator. options: as the schema calls them."""
        if kind not in self.codes:
            self.codes.append(kind)
        table = OPTIONS.get(kind)
        made = table(**options) if table else None
        code = 0 if table is None else getattr(schema.BuiltinOptions, table.__name__.removesuffix("T"))
        self.operators.append(
            schema.OperatorT(
                opcodeIndex=self.codes.index(kind),
                inputs=list(inputs),
                outputs=list(outputs),
                builtinOptions=made,
                builtinOptionsType=code,
            )
        )

    def bytes(self, inputs, outputs) -> bytes:
        """Return the file that takes and gives these tensors."""
        numbers = [getattr(schema.BuiltinOperator, kind) for kind in self.codes]
        codes = [
            schema.OperatorCodeT(
                builtinCode=n, deprecatedBuiltinCode=min(n, 127), version=1 if kind in FIRST_VERSION else 2
            )
            for kind, n in zip(self.codes, numbers, strict=True)
        ]
        part = schema.SubGraphT(
            tensors=self.tensors, inputs=list(inputs), outputs=list(outputs), operators=self.operators, name="main"
        )
        model = schema.ModelT(3, operatorCodes=codes, subgraphs=[part], buffers=self.buffers)
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def packed(data, dtype) -> bytes:
    """Return the bytes of a constant; of two int4 the first lies in the low half."""
    if dtype != "int4":
        return np.ascontiguousarray(data, dtype).tobytes()
    halves = np.asarray(data, np.int8).reshape(-1).astype(np.uint8) & 15
    halves = np.append(halves, np.zeros(len(halves) % 2, np.uint8)).reshape(-1, 2)
    return (halves[:, 0] | halves[:, 1] << 4).astype(np.uint8).tobytes()
