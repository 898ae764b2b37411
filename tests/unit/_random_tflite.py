"""Random small integer networks as .tflite files: every operator, option and scale that the engine claims to run."""

from __future__ import annotations

import numpy as np
from _tflite import File
from hypothesis import strategies as st

SAME, VALID = 0, 1
NONE, RELU, RELU_N1_TO_1, RELU6 = range(4)
# What needs rows and columns; the others run on a vector, too.
IMAGES = ("conv", "grouped", "depthwise", "pool", "mean", "pad", "shuffle", "concatenate")
VECTORS = ("dense", "add", "mul", "relu", "requantize", "softmax", "logistic")


class Network:
    """A chain of layers in the making: each method adds one that reads what the one before it made.

    draw: of hypothesis, for the structure; values and scales come from a seed that it draws.
    """

    def __init__(self, draw, shape) -> None:
        self.draw, self.file = draw, File()
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.shape, self.scale, self.zero_point = tuple(shape), self.new_scale(), self.new_zero_point()
        self.x = self.input = self.file.tensor((1, *shape), self.scale, self.zero_point)
        self.earlier = []

    def bytes(self) -> bytes:
        return self.file.bytes([self.input], [self.x])

    def images(self, n) -> np.ndarray:
        return self.rng.integers(-128, 128, (n, *self.file.tensors[self.input].shape[1:])).astype(np.int8)

    def pick(self, *choices):
        return self.draw(st.sampled_from(choices))

    def maybe(self) -> bool:
        return self.draw(st.booleans())

    def new_scale(self, typical=0.05, low=-1.5, high=1.5) -> np.float32:
        """Return a scale around a typical one; often a power of two, which makes exact halves: there the rules part."""
        scale = max(typical * 10 ** self.rng.uniform(low, high), 1e-6)
        return np.float32(2.0 ** np.round(np.log2(scale)) if self.rng.random() < 0.25 else scale)

    def new_zero_point(self) -> int:
        return int(self.rng.choice([-128, 127, 0, *self.rng.integers(-128, 128, 4)]))

    def activation(self) -> int:
        return self.pick(NONE, RELU, RELU6, RELU_N1_TO_1)

    def add_operator(self, kind, others, shape, scale=None, zero_point=None, **options) -> None:
        """Add an operator on x and other tensors; its output, on the scale of x unless said, is the new x."""
        scale = self.scale if scale is None else scale
        zero_point = self.zero_point if zero_point is None else zero_point
        y = self.file.tensor((1, *shape), scale, zero_point)
        self.file.operator(kind, [self.x, *others], [y], **options)
        self.earlier.append((self.x, self.shape, self.scale, self.zero_point))
        self.x, self.shape, self.scale, self.zero_point = y, tuple(shape), scale, zero_point

    def indices(self, values) -> int:
        return self.file.tensor(np.shape(values), dtype="int32", data=values)

    def products(self, kind, shape, kernel, axis, **options) -> None:
        """Add weights, a bias, and an output scale that spreads the sums over int8, or far beyond it."""
        channels, largest = kernel[axis], self.pick(127, 7, 1)
        terms = np.prod(kernel) / channels
        dtype = "int4" if largest < 127 and self.draw(st.integers(0, 3)) == 0 else "int8"
        scales = np.float32(10 ** self.rng.uniform(-3, -0.5, channels if self.maybe() else 1))
        w = self.rng.integers(-largest, largest + 1, kernel)
        others = [self.file.tensor(kernel, scales, dtype=dtype, data=w, axis=axis)]
        spread = np.sqrt(terms) * 80 * max(1, largest / 2)  # about the deviation of the sums
        # Without a bias LiteRT refuses an int8 convolution, and crashes in a depthwise one.
        if kind != "FULLY_CONNECTED" or self.maybe():
            b = self.rng.integers(-int(spread), int(spread) + 1, channels)
            others.append(self.file.tensor((channels,), scales * self.scale, dtype="int32", data=b))
        else:
            others += [-1] * self.maybe()
        # Multipliers up to 3 for the middle channel, and up to 200 for another: XNNPACK refuses 256 and more.
        scale = self.new_scale(self.scale * np.median(scales) * spread / 60, -0.7, 0.7)
        scale = np.float32(max(scale, self.scale * scales.max() / 200))
        self.add_operator(
            kind, others, shape, scale, self.new_zero_point(), fusedActivationFunction=self.activation(), **options
        )

    def window(self, dilate=False):
        """Draw a kernel and options that fit the image; return them with the output's rows and columns."""
        padding = self.pick(SAME, VALID)
        size = [self.draw(st.integers(1, min(5, n) if padding == VALID else 5)) for n in self.shape[:2]]
        stride, dilation = [self.draw(st.integers(1, 3)) for _ in "hw"], [1, 1]
        if dilate and self.maybe():
            stride, dilation = [1, 1], [self.draw(st.integers(1, 3)) for _ in "hw"]
        extent = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
        if padding == VALID and np.any(np.array(extent) > self.shape[:2]):
            extent, dilation = size, [1, 1]
        places = [
            -(-n // s) if padding == SAME else (n - e) // s + 1
            for n, s, e in zip(self.shape, stride, extent, strict=False)
        ]
        options = {"strideH": stride[0], "strideW": stride[1], "padding": padding}
        if dilate:
            options |= {"dilationHFactor": dilation[0], "dilationWFactor": dilation[1]}
        return size, options, places

    def conv(self, groups=1) -> None:
        size, options, places = self.window(dilate=True)
        outputs = groups * self.draw(st.integers(1, 18 // groups))
        self.products("CONV_2D", (*places, outputs), (outputs, *size, self.shape[2] // groups), 0, **options)

    def grouped(self) -> None:
        self.conv(self.pick(*(g for g in (2, 3, 5, 1) if self.shape[2] % g == 0)))

    def depthwise(self) -> None:
        size, options, places = self.window(dilate=True)
        times = self.draw(st.integers(1, max(1, min(3, 24 // self.shape[2]))))
        outputs = self.shape[2] * times
        self.products("DEPTHWISE_CONV_2D", (*places, outputs), (1, *size, outputs), 3, depthMultiplier=times, **options)

    def dense(self) -> None:
        keep, outputs = self.maybe(), self.draw(st.integers(1, 12))
        inputs = self.shape[-1] if keep else int(np.prod(self.shape))
        shape = (*self.shape[:-1], outputs) if keep else (outputs,)
        self.products("FULLY_CONNECTED", shape, (outputs, inputs), 0, keepNumDims=keep)

    def pool(self) -> None:
        size, options, places = self.window()
        options |= {"filterHeight": size[0], "filterWidth": size[1], "fusedActivationFunction": self.activation()}
        self.add_operator(self.pick("AVERAGE_POOL_2D", "MAX_POOL_2D"), [], (*places, self.shape[2]), **options)

    def mean(self) -> None:
        keep, axes = self.maybe(), self.indices(self.pick([1, 2], [2, 1], [-3, -2]))
        shape = (1, 1, self.shape[2]) if keep else self.shape[2:]
        scale = self.new_scale(self.scale, -1, 0.5)
        self.add_operator("MEAN", [axes], shape, scale, self.new_zero_point(), keepDims=keep)

    def other(self):
        """Return number and scale of another tensor to add or multiply: an earlier one, or a constant."""
        found = [e for e in self.earlier if e[1] == self.shape]
        if found and self.maybe():
            return found[-1][0], found[-1][2]
        shape = (1, *self.shape) if self.maybe() else (1, *[1] * (len(self.shape) - 1), self.shape[-1])
        scale, data = self.new_scale(self.scale, -1, 1), self.rng.integers(-128, 128, shape)
        return self.file.tensor(shape, scale, self.new_zero_point(), data=data), scale

    def add(self) -> None:
        number, scale = self.other()
        # Far below the inputs' scale, sums would leave 16 bits, where the optimised kernels wrap around.
        scale = self.new_scale(max(scale, self.scale), -0.5, 1)
        activation = self.activation()
        self.add_operator("ADD", [number], self.shape, scale, self.new_zero_point(), fusedActivationFunction=activation)

    def mul(self) -> None:
        number, scale = self.other()
        # A multiplier above 1/2 would leave 16 bits.
        scale = max(self.new_scale(scale * self.scale, 0.7, 2.5), np.float32(2.1 * scale * self.scale))
        activation = self.activation()
        self.add_operator("MUL", [number], self.shape, scale, self.new_zero_point(), fusedActivationFunction=activation)

    def pad(self) -> None:
        margins = [[0, 0], *([self.draw(st.integers(0, 2)), self.draw(st.integers(0, 2))] for _ in "hw"), [0, 0]]
        shape = [n + sum(m) for n, m in zip(self.shape, margins[1:], strict=True)]
        self.add_operator("PAD", [self.indices(margins)], shape)

    def reshape(self, shape) -> None:
        self.add_operator("RESHAPE", [self.indices([1, *shape])], shape, newShape=[1, *shape])

    def shuffle(self) -> None:
        """Mix the channels of groups, as ShuffleNet does."""
        height, width, channels = self.shape
        groups = self.pick(*(g for g in (1, 2, 3) if channels % g == 0))
        self.reshape((height * width, groups, channels // groups))
        self.add_operator("TRANSPOSE", [self.indices([0, 1, 3, 2])], (self.shape[0], self.shape[2], self.shape[1]))
        self.reshape((height, width, channels))

    def concatenate(self) -> None:
        same = [e for e in self.earlier if e[1][:-1] == self.shape[:-1] and e[2:] == (self.scale, self.zero_point)]
        number, shape = same[-1][:2] if same else (self.x, self.shape)
        joined = (*self.shape[:-1], self.shape[-1] + shape[-1])
        self.add_operator("CONCATENATION", [number], joined, axis=self.pick(-1, 3))

    def relu(self) -> None:
        scale = self.new_scale(self.scale, -1, 1)
        self.add_operator(self.pick("RELU", "RELU6"), [], self.shape, scale, self.new_zero_point())

    def requantize(self) -> None:
        self.add_operator("QUANTIZE", [], self.shape, self.new_scale(self.scale, -1, 1), self.new_zero_point())

    def softmax(self) -> None:
        self.add_operator("SOFTMAX", [], self.shape, np.float32(1 / 256), -128, beta=self.pick(1.0, 0.5))

    def logistic(self) -> None:
        self.add_operator("LOGISTIC", [], self.shape, np.float32(1 / 256), -128)


@st.composite
def networks(draw, first=None, layers=1, images=8):
    """Draw a .tflite of one layer, or of several of which the first is given, and images for it."""
    channels = draw(st.sampled_from([*range(1, 9), 16, 17, 20]))
    network = Network(draw, (draw(st.integers(1, 9)), draw(st.integers(1, 9)), channels))
    for number in range(layers):
        kinds = VECTORS + IMAGES * (len(network.shape) == 3)
        getattr(network, first if number == 0 and first else draw(st.sampled_from(kinds)))()
    return network.bytes(), network.images(images)
