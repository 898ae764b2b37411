"""Random small integer networks as .tflite files: every operator, option and scale that the engine claims to run."""

from __future__ import annotations

import numpy as np
from _random_curves import CURVES, Curves
from _random_moves import IMAGE_MOVES, MOVES, Moves
from _tflite import File
from hypothesis import strategies as st

SAME, VALID = 0, 1
NONE, RELU, RELU_N1_TO_1, RELU6 = range(4)
# The layers, each a method, with the operators that it is made of. First those that need rows and columns.
IMAGES = {
    "conv": {"CONV_2D"},
    "grouped": {"CONV_2D"},
    "depthwise": {"DEPTHWISE_CONV_2D"},
    "average_pool": {"AVERAGE_POOL_2D"},
    "max_pool": {"MAX_POOL_2D"},
    "mean": {"MEAN"},
    "pad": {"PAD"},
    "shuffle": {"RESHAPE", "TRANSPOSE"},
    "concatenate": {"CONCATENATION"},
    "nearest": {"RESIZE_NEAREST_NEIGHBOR"},
    "bilinear": {"RESIZE_BILINEAR"},
    **IMAGE_MOVES,
}
# The others run on a vector, too.
VECTORS = {
    "dense": {"FULLY_CONNECTED"},
    "largest": {"REDUCE_MAX"},
    "smallest": {"REDUCE_MIN"},
    "add": {"ADD"},
    "mul": {"MUL"},
    "relu": {"RELU"},
    "relu6": {"RELU6"},
    "relu_n1_to_1": {"RELU_N1_TO_1"},
    "requantize": {"QUANTIZE"},
    "view": {"EXPAND_DIMS", "SQUEEZE"},
    "softmax": {"SOFTMAX"},
    "logistic": {"LOGISTIC"},
    **MOVES,
    **CURVES,
}
# From float32 in front and to float32 at the end.
ENDS = ("QUANTIZE", "DEQUANTIZE")


class Network(Moves, Curves):
    """A chain of layers in the making: each method adds one that reads what the one before it made.

    draw: of hypothesis, for the structure; values and scales come from a seed that it draws. ends: those of `ENDS`.
    """

    def __init__(self, draw, shape, ends=()) -> None:
        self.draw, self.file = draw, File()
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.shape, self.scale, self.zero_point = tuple(shape), self.new_scale(), self.new_zero_point()
        self.x = self.input = self.file.tensor((1, *shape), self.scale, self.zero_point)
        self.first, self.ends, self.earlier = (self.scale, self.zero_point), ends, []
        if "QUANTIZE" in ends:
            self.input = self.file.tensor((1, *shape), dtype="float32")
            self.file.operator("QUANTIZE", [self.input], [self.x])

    def bytes(self) -> bytes:
        y = self.x
        if "DEQUANTIZE" in self.ends:
            y = self.file.tensor((1, *self.shape), dtype="float32")
            self.file.operator("DEQUANTIZE", [self.x], [y])
        return self.file.bytes([self.input], [y])

    def images(self, n) -> np.ndarray:
        q = self.rng.integers(-128, 128, (n, *self.file.tensors[self.input].shape[1:])).astype(np.int8)
        if "QUANTIZE" not in self.ends:
            return q
        # Half of them between two steps, or a bit beside that: there the rules part.
        between = np.where(self.rng.random(q.shape) < 0.5, 0.5, self.rng.random(q.shape))
        x = (q - np.float32(self.first[1]) + between.astype(np.float32)) * self.first[0]
        return np.nextafter(x, x + self.rng.integers(-1, 2, q.shape).astype(np.float32))

    def pick(self, *choices):
        return self.draw(st.sampled_from(choices))

    def maybe(self) -> bool:
        return self.draw(st.booleans())

    def new_scale(self, typical=0.05, low=-1.5, high=1.5) -> np.float32:
        """Return a scale around a typical one; often one that makes exact halves, where the rules part.

        Powers of two make them, and scales of one digit, whose quotients are exact in float32 and not in float64.
        """
        scale, kind = max(typical * 10 ** self.rng.uniform(low, high), 1e-6), self.rng.random()
        if kind < 0.5:
            scale = 2.0 ** np.round(np.log2(scale)) if kind < 0.25 else float(f"{scale:.0e}")
        return np.float32(scale)

    def new_zero_point(self) -> int:
        return int(self.rng.choice([-128, 127, 0, *self.rng.integers(-128, 128, 4)]))

    def activation(self) -> int:
        return self.pick(NONE, RELU, RELU6, RELU_N1_TO_1)

    def add_operator(self, kind, others, shape, scale=None, zero_point=None, x_last=False, **options) -> None:
        """Add an operator on x and other tensors; its output, on the scale of x unless said, is the new x."""
        scale = self.scale if scale is None else scale
        zero_point = self.zero_point if zero_point is None else zero_point
        y = self.file.tensor((1, *shape), scale, zero_point)
        self.file.operator(kind, [*others, self.x] if x_last else [self.x, *others], [y], **options)
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
        # LiteRT expects a bias in an int8 convolution.
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

    def pool(self, kind) -> None:
        size, options, places = self.window()
        options |= {"filterHeight": size[0], "filterWidth": size[1], "fusedActivationFunction": self.activation()}
        self.add_operator(kind, [], (*places, self.shape[2]), **options)

    def average_pool(self) -> None:
        self.pool("AVERAGE_POOL_2D")

    def max_pool(self) -> None:
        self.pool("MAX_POOL_2D")

    def mean(self) -> None:
        keep, axes = self.maybe(), self.indices(self.pick([1, 2], [2, 1], [-3, -2]))
        shape = (1, 1, self.shape[2]) if keep else self.shape[2:]
        scale = self.new_scale(self.scale, -1, 0.5)
        self.add_operator("MEAN", [axes], shape, scale, self.new_zero_point(), keepDims=keep)

    def largest(self, kind="REDUCE_MAX") -> None:
        axes = self.draw(st.lists(st.integers(1, len(self.shape)), min_size=1, unique=True))
        keep = self.maybe() or len(axes) == len(self.shape)  # a layer after it needs an axis beside the batch
        shape = [1 if axis + 1 in axes else n for axis, n in enumerate(self.shape) if keep or axis + 1 not in axes]
        numbers = [axis - self.maybe() * (len(self.shape) + 1) for axis in axes]
        self.add_operator(kind, [self.indices(numbers)], shape, keepDims=keep)

    def smallest(self) -> None:
        self.largest("REDUCE_MIN")

    def nearest(self, kind="RESIZE_NEAREST_NEIGHBOR") -> None:
        sizes = [self.draw(st.integers(1, 30)) for _ in "hw"]
        corners, centers = self.pick((False, False), (True, False), (False, True))
        options = {"alignCorners": corners, "halfPixelCenters": centers}
        self.add_operator(kind, [self.indices(sizes)], (*sizes, self.shape[2]), **options)

    def bilinear(self) -> None:
        self.nearest("RESIZE_BILINEAR")

    def other(self, same=False):
        """Return number and scale of another tensor to add or multiply: an earlier one, or a constant.

        A constant has all axes, or some of size 1, or fewer of them.
        """
        here = self.scale, self.zero_point
        found = [e for e in self.earlier if e[1] == self.shape and (not same or e[2:] == here)]
        if found and self.maybe():
            return found[-1][0], found[-1][2]
        shape = (1, *self.shape)
        if self.maybe():
            shape = tuple(n if self.maybe() else 1 for n in shape)[self.draw(st.integers(0, len(self.shape))) :]
        scale, data = self.new_scale(self.scale, -1, 1), self.rng.integers(-128, 128, shape)
        scale, zero_point = here if same else (scale, self.new_zero_point())
        return self.file.tensor(shape, scale, zero_point, data=data), scale

    def add(self) -> None:
        number, scale = self.other()
        # Far below the inputs' scale, sums would leave 16 bits, where the optimised kernels wrap around.
        scale = self.new_scale(max(scale, self.scale), -0.5, 1)
        self.arithmetic("ADD", number, scale)

    def mul(self) -> None:
        number, scale = self.other()
        # A multiplier above 1/2 would leave 16 bits.
        scale = max(self.new_scale(scale * self.scale, 0.7, 2.5), np.float32(2.1 * scale * self.scale))
        self.arithmetic("MUL", number, scale)

    def arithmetic(self, kind, number, scale) -> None:
        options = {"x_last": self.maybe(), "fusedActivationFunction": self.activation()}
        self.add_operator(kind, [number], self.shape, scale, self.new_zero_point(), **options)

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

    def view(self) -> None:
        """Add an axis of size 1 and take it away."""
        shape, axis = self.shape, self.draw(st.integers(1, len(self.shape) + 1))
        self.add_operator("EXPAND_DIMS", [self.indices(axis)], (*shape[: axis - 1], 1, *shape[axis - 1 :]))
        self.add_operator("SQUEEZE", [], shape, squeezeDims=[axis])

    def rescaled(self, kind) -> None:
        self.add_operator(kind, [], self.shape, self.new_scale(self.scale, -1, 1), self.new_zero_point())

    def relu(self) -> None:
        self.rescaled("RELU")

    def relu6(self) -> None:
        self.rescaled("RELU6")

    def relu_n1_to_1(self) -> None:
        self.rescaled("RELU_N1_TO_1")

    def requantize(self) -> None:
        self.rescaled("QUANTIZE")

    def softmax(self) -> None:
        self.add_operator("SOFTMAX", [], self.shape, np.float32(1 / 256), -128, beta=self.pick(1.0, 0.5))

    def logistic(self) -> None:
        self.add_operator("LOGISTIC", [], self.shape, np.float32(1 / 256), -128)


@st.composite
def networks(draw, first=None, layers=1, images=8, ends=None):
    """Draw a .tflite of one layer, or of several of which the first is given, and images for it.

    ends: those of `ENDS` that it has; unless said, drawn as well.
    """
    channels = draw(st.sampled_from([*range(1, 9), 16, 17, 20]))
    ends = [kind for kind in ENDS if draw(st.booleans())] if ends is None else ends
    network = Network(draw, (draw(st.integers(1, 9)), draw(st.integers(1, 9)), channels), ends)
    for number in range(layers):
        kinds = [*VECTORS, *(IMAGES if len(network.shape) == 3 else ())]
        getattr(network, first if number == 0 and first else draw(st.sampled_from(kinds)))()
    return network.bytes(), network.images(images)


@st.composite
def additions(draw, images=8):
    """Draw an ADD of an image and a constant that broadcast in any way, on scales where the kernels often part."""
    sizes = [(n, draw(st.sampled_from("xcb"))) for n in draw(st.lists(st.sampled_from([1, 2, 5, 17]), max_size=4))]
    shapes = [(1, *(n if who in (own, "b") else 1 for n, who in sizes)) for own in "xc"]
    constant = shapes[1][draw(st.integers(0, len(sizes))) if set(shapes[1]) == {1} else 0 :]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    # Of two digits, and far from zero: sums of these are halves more often than those of scales that are drawn freely.
    scales = np.float32(draw(st.sampled_from([(0.07, 0.1, 0.1), (0.07, 0.05, 0.1), (0.07, 0.04, 0.1)])))
    points, file = draw(st.sampled_from([(118, 63), (105, 70), (78, 123)])), File()
    x = file.tensor(shapes[0], scales[0], points[0])
    c = file.tensor(constant, scales[1], points[1], data=rng.integers(-128, 128, constant))
    y = file.tensor(np.broadcast_shapes(*shapes), scales[2], 3)
    file.operator("ADD", [c, x] if draw(st.booleans()) else [x, c], [y])
    return file.bytes([x], [y]), rng.integers(-128, 128, (images, *shapes[0][1:])).astype(np.int8)
