"""Exercises of notebook 03."""

import numpy as np

from edgelab.course.exercises._cases import convolution as cases
from edgelab.course.exercises.engine.check import BODY, Boundary, Mistake, exercise

PLACES = "x.shape[0] - height + 1, x.shape[1] - width + 1"


@exercise(
    cases=cases.all_places,
    hint="Lay the kernel's last column on the image's last column. At which q does the kernel begin there?",
    bug=(
        "rows, columns = x.shape[0] - height + 1, x.shape[1] - width + 1",
        "rows, columns = x.shape[0], x.shape[1] - 1",
    ),
    mistakes=[
        Mistake(
            PLACES, "x.shape[0], x.shape[1]", "a place where the kernel hangs over the image's edge does not count"
        ),
        Mistake(
            PLACES,
            "x.shape[0] - height, x.shape[1] - width",
            "places are counted from 0, so there is one more than the kernel can be moved",
        ),
        Mistake(
            PLACES,
            "x.shape[0] - width + 1, x.shape[1] - height + 1",
            "rows go with the kernel's height, columns with its width",
        ),
        Mistake("(seen * w[", "(seen * w[::-1, ::-1][", "that flips the kernel; cross-correlation takes it as it is"),
        Mistake(
            "(seen * w[", "(seen * w[::-1][", "that turns the kernel upside down; cross-correlation takes it as it is"
        ),
        Mistake("(seen * w[", "(seen * w[:, ::-1][", "that mirrors the kernel; cross-correlation takes it as it is"),
        Mistake(".sum()", ".mean()", "cross-correlation sums the products; it does not divide by their number"),
        Mistake(".sum()", ".max()", "cross-correlation sums the products"),
        Mistake(
            BODY,
            "height, width = w.shape\n"
            "rows, columns = x.shape[0] // height, x.shape[1] // width\n"
            "outputs = np.zeros((rows, columns))\n"
            "for p, q in np.ndindex(rows, columns):\n"
            "    outputs[p, q] = (x[p * height :, q * width :][:height, :width] * w).sum()\n"
            "return outputs",
            "the kernel moves on by one pixel, not by its own size",
        ),
        Mistake(
            "outputs = np.zeros((rows, columns))",
            "outputs = np.zeros((rows, columns), int)[: rows - 1 or 1, : columns - 1 or 1]\n"
            "    rows, columns = outputs.shape",
            "the last row and column of places are missing",
        ),
    ],
    boundaries=[
        Boundary(lambda x, w: w.shape[0] != w.shape[1], "it is right for square kernels only"),
        Boundary(lambda x, w: x.shape[0] != x.shape[1], "it is right for square images only"),
        Boundary(lambda x, w: x.shape == w.shape, "a kernel as large as the image has one place"),
    ],
)
def all_places(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Cross-correlate a grey image with a kernel, both 2-D, at all places where the kernel lies inside the image."""
    height, width = w.shape
    rows, columns = x.shape[0] - height + 1, x.shape[1] - width + 1
    outputs = np.zeros((rows, columns))
    for p, q in np.ndindex(rows, columns):
        seen = x[p : p + height, q : q + width]
        outputs[p, q] = (seen * w[: seen.shape[0], : seen.shape[1]]).sum()
    return outputs


@exercise(
    cases=cases.zeros_to_keep_size,
    hint="Without padding, how many outputs fewer than pixels are there? Each needs a zero.",
    mistakes=[
        Mistake("(kernel - 1) * dilation", "kernel - 1", "dilation moves the kernel's pixels apart, so it spans more"),
        Mistake("(kernel - 1) * dilation", "kernel * dilation", "the first pixel under the kernel costs no output"),
        Mistake("(kernel - 1) * dilation", "(kernel - 1) * dilation // 2", "that is one side; both are asked for"),
        Mistake("(kernel - 1) * dilation", "(kernel - 1) // 2 * dilation", "that is one side; both are asked for"),
        Mistake("(kernel - 1) * dilation", "kernel // 2 * dilation", "that is one side; both are asked for"),
        Mistake("(kernel - 1) * dilation", "kernel * dilation - 1", "between k pixels are k - 1 gaps, each stretched"),
        Mistake("(kernel - 1) * dilation", "kernel - 1 + dilation - 1", "each gap is stretched: dilation multiplies"),
        Mistake("(kernel - 1) * dilation", "kernel - 1 + dilation", "each gap is stretched: dilation multiplies"),
        Mistake("(kernel - 1) * dilation", "(kernel - 1) * dilation + 1", "that is how many pixels the kernel spans"),
        Mistake(
            "(kernel - 1) * dilation", "(kernel - 1) * (dilation - 1)", "with dilation 1 the kernel spans k pixels"
        ),
        Mistake(
            "(kernel - 1) * dilation", "(kernel - 1) * (dilation + 1)", "with dilation 1 the kernel spans k pixels"
        ),
        Mistake(
            "(kernel - 1) * dilation",
            "(kernel - 1) * dilation // 2 * 2",
            "the two sides need not get the same number of zeros",
        ),
        Mistake(
            "(kernel - 1) * dilation",
            "kernel // 2 * dilation * 2",
            "the two sides need not get the same number of zeros",
        ),
    ],
    boundaries=[
        Boundary(lambda kernel, dilation: kernel == 1, "a kernel of one pixel fits everywhere"),
        Boundary(lambda kernel, dilation: kernel % 2 == 0, "for an even kernel, the two sides need not be equal"),
        Boundary(lambda kernel, dilation: dilation > 1, "it is right without dilation only"),
    ],
)
def zeros_to_keep_size(kernel: int, dilation: int) -> int:
    """Return how many zeros, on both sides together, keep an axis as long as it was, at stride 1."""
    return (kernel - 1) * dilation


@exercise(
    cases=cases.convolve_row,
    hint="Which weight meets the window's first pixel, i = k - 1 in the formula? And which one in the code?",
    bug=("w[::-1]", "w"),
    mistakes=[
        Mistake("len(x) - k + 1", "len(x) - k", "the last place, where the kernel ends on the last pixel, is missing"),
        Mistake("x[p : p + k]", "x[::-1][p : p + k]", "the kernel is flipped, not the row of pixels"),
        Mistake("w[::-1]", "-w", "to flip is to read the weights from the last to the first; no sign changes"),
        Mistake("w[::-1]).sum()", "w[::-1]).mean()", "the formula sums; a mean is smaller by the factor k"),
        Mistake("w[::-1]", "np.sort(w)", "to flip is to read the weights from the last to the first, not to sort them"),
        Mistake(BODY, 'return np.convolve(x, w, "full")', "only places where the whole kernel fits are asked for"),
        Mistake(BODY, 'return np.convolve(x, w, "same")', "only places where the whole kernel fits are asked for"),
        Mistake("w[::-1]", "np.roll(w, -1)", "the weights are read from the last to the first, not moved round"),
        Mistake("w[::-1]).sum()", "w[::-1]).max()", "the formula sums the products"),
    ],
    boundaries=[
        Boundary(lambda x, w: len(x) == len(w), "a kernel as long as the row has one place"),
        Boundary(
            lambda x, w: len(w) > 1, "it is right for a kernel of one weight only: which pixel meets which weight?"
        ),
    ],
)
def convolve_row(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Convolve a row of pixels: y[p] = sum over i of x[p + k - 1 - i] w[i], for each p where the kernel fits."""
    k = len(w)
    return np.array([(x[p : p + k] * w[::-1]).sum() for p in range(len(x) - k + 1)])


@exercise(
    cases=cases.separable_cost,
    hint="Count the weights that one place needs: k² c o for the whole, and for the pair those of both its layers.",
    mistakes=[
        Mistake(
            "(kernel**2 * channels + channels * kernels)",
            "(kernel**2 * channels)",
            "the pointwise layer, which mixes the channels, costs too",
        ),
        Mistake(
            "(kernel**2 * channels + channels * kernels)",
            "(channels * kernels)",
            "the depthwise layer, a kernel for each channel, costs too",
        ),
        Mistake(
            "(kernel**2 * channels + channels * kernels)",
            "(kernel * channels + channels * kernels)",
            "a kernel has k times k weights",
        ),
        Mistake("(kernel**2 * channels * kernels)", "(kernel * channels * kernels)", "a kernel has k times k weights"),
        Mistake(
            BODY,
            "return (kernel + kernels) / (kernel * kernels)",
            "a kernel has k times k weights",
        ),
        Mistake(
            "(kernel**2 * channels + channels * kernels)",
            "(kernel**2 * kernels + channels * kernels)",
            "the depthwise layer has a kernel for each channel that comes in, not for each that goes out",
        ),
        Mistake(
            "(kernel**2 * channels + channels * kernels)",
            "(kernel**2 * channels * channels * kernels)",
            "the two layers run one after the other: their costs are added",
        ),
        Mistake(
            "(kernel**2 * channels + channels * kernels)",
            "(kernel**2 + channels * kernels)",
            "the depthwise layer has a kernel for each channel, not one for all",
        ),
        Mistake("/ (kernel**2 * channels * kernels)", "", "a ratio is asked for: divide by the whole convolution"),
        Mistake(
            "return (kernel**2 * channels + channels * kernels) / (kernel**2 * channels * kernels)",
            "return (kernel**2 * channels * kernels) / (kernel**2 * channels + channels * kernels)",
            "the other way round: what is left of the cost, not by how much it shrinks",
        ),
        Mistake(
            BODY,
            "return 1 - 1 / kernels - 1 / kernel**2",
            "that is what is saved; the fraction that is left is asked for",
        ),
    ],
    boundaries=[Boundary(lambda kernel, channels, kernels: channels != kernels, "channels and kernels are mixed up")],
)
def separable_cost(kernel: int, channels: int, kernels: int) -> float:
    """Return the MACs of depthwise plus pointwise, as a fraction of those of the convolution that they replace.

    kernel: its side. channels: that come in. kernels: channels that go out. Stride 1, padding "same", no biases.
    """
    return (kernel**2 * channels + channels * kernels) / (kernel**2 * channels * kernels)


@exercise(
    cases=cases.weight_gradient,
    hint="Which pixel does weight i meet at place 0, and which at place 1? Multiply each with the dy of its place.",
    mistakes=[
        Mistake(
            "x[i : i + stride * len(dy) : stride]",
            "x[i : i + len(dy)]",
            "from one place to the next, a weight moves on by the stride",
        ),
        Mistake(
            "x[i : i + stride * len(dy) : stride]",
            "np.resize(x[i * stride :], len(dy))",
            "the stride moves the kernel from place to place, not weight i inside the kernel",
        ),
        Mistake(" * dy)", " * dy[::-1])", "dy is not flipped here: place p goes with the pixel seen from place p"),
        Mistake("* dy).sum()", "* dy).mean()", "each place adds to the loss, so their gradients are summed"),
        Mistake(" * dy).sum()", ").sum()", "each pixel counts with the dy of its place"),
        Mistake("* dy).sum()", "* dy)[0]", "all places add to a weight's gradient, not the first place alone"),
        Mistake("* dy).sum()", "* dy)[-1]", "all places add to a weight's gradient, not the last place alone"),
        Mistake("for i in range(kernel)", "for i in range(kernel)][::-1", "the weights come out in the wrong order"),
    ],
    boundaries=[
        Boundary(lambda dy, x, kernel, stride: stride > 1, "it is right for stride 1 only"),
        Boundary(lambda dy, x, kernel, stride: len(dy) > 1, "it is right for one place only"),
        Boundary(
            lambda dy, x, kernel, stride: (len(dy) - 1) * stride + kernel != len(x),
            "the last pixels may lie under no place of the kernel: the number of places is that of dy",
        ),
    ],
)
def weight_gradient(dy: np.ndarray, x: np.ndarray, kernel: int, stride: int) -> np.ndarray:
    """Return dw, (kernel,), of y[p] = sum over i of x[p stride + i] w[i], a cross-correlation along a row.

    dy: dL/dy, a number for each place p. x: the row of pixels, as long as the places need or a little longer.
    """
    return np.array([(x[i : i + stride * len(dy) : stride] * dy).sum() for i in range(kernel)])


@exercise(
    cases=cases.layers_needed,
    hint="Each layer adds the same number of pixels to what one output sees. What does it see before the first layer?",
    mistakes=[
        Mistake(
            "(size - 1)",
            "size",
            "an output sees one pixel before the first layer, so where the layers fit exactly, no other is needed",
        ),
        Mistake("(kernel - 1)", "kernel", "neighbouring windows overlap, so a layer adds less than its kernel's side"),
        Mistake(
            "-(-(size - 1) // (kernel - 1))", "(size - 1) // (kernel - 1)", "that many layers see a little too few"
        ),
        Mistake(
            "-(-(size - 1) // (kernel - 1))",
            "round((size - 1) / (kernel - 1))",
            "a part of a layer is a layer: round up, not to the nearest",
        ),
        Mistake(
            "-(-(size - 1) // (kernel - 1))",
            "(size - 1) / (kernel - 1)",
            "there is no part of a layer: which way must it be rounded?",
        ),
        Mistake(
            "-(-(size - 1) // (kernel - 1))", "-(-size // kernel)", "neighbouring windows overlap: a layer adds k - 1"
        ),
        Mistake(
            "-(-(size - 1) // (kernel - 1))",
            "-(-(size - kernel) // (kernel - 1))",
            "the first layer counts as well",
        ),
        Mistake(
            "-(-(size - 1) // (kernel - 1))",
            "max(1, -(-(size - 1) // (kernel - 1)))",
            "one pixel is seen without any layer",
        ),
        Mistake(
            "-(-(size - 1) // (kernel - 1))",
            "-(-2 * (size - 1) // (kernel - 1))",
            "both sides of the kernel add pixels",
        ),
    ],
    boundaries=[
        Boundary(lambda size, kernel: size == 1, "one pixel is seen without any layer"),
        Boundary(lambda size, kernel: (size - 1) % (kernel - 1) == 0, "look at sizes that the layers fit exactly"),
        Boundary(lambda size, kernel: (size - 1) % (kernel - 1) > 0, "look at sizes between those that fit exactly"),
    ],
)
def layers_needed(size: int, kernel: int) -> int:
    """Return how many layers with kernels of this side, stride 1, it takes until one output sees `size` pixels.

    size: pixels along one side of the image; the output may see more. kernel: 2 or more.
    """
    return -(-(size - 1) // (kernel - 1))
