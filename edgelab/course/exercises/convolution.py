"""Exercises of notebook 03."""

import numpy as np

from edgelab.course.exercises.engine.check import Mistake, exercise


def _image_and_kernel(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a kernel of whole numbers and an image that is at least as large, neither of them square."""
    w = rng.integers(-3, 4, rng.integers(1, 5, 2)).astype(float)
    return rng.integers(0, 10, np.add(w.shape, rng.integers(0, 6, 2))).astype(float), w


@exercise(
    cases=lambda rng: [
        (np.arange(1.0, 10).reshape(3, 3), np.array([[1.0, 0, -1], [0, 1, 0], [1, 0, -1]])),
        *(_image_and_kernel(rng) for _ in range(20)),
    ],
    hint="Lay the kernel's last column on the image's last column. At which q does the kernel begin there?",
    bug=(
        "rows, columns = x.shape[0] - height + 1, x.shape[1] - width + 1",
        "rows, columns = x.shape[0], x.shape[1] - 1",
    ),
    mistakes=[
        Mistake(
            "x.shape[0] - height + 1, x.shape[1] - width + 1",
            "x.shape[0], x.shape[1]",
            "where the kernel hangs over the edge of the image is no place without padding",
        ),
        Mistake(
            "x.shape[0] - height + 1, x.shape[1] - width + 1",
            "x.shape[0] - height, x.shape[1] - width",
            "places are counted from 0, so there is one more than the kernel can be moved",
        ),
        Mistake(
            "x.shape[0] - height + 1, x.shape[1] - width + 1",
            "x.shape[0] - width + 1, x.shape[1] - height + 1",
            "rows go with the kernel's height, columns with its width",
        ),
        Mistake("(seen * w[", "(seen * w[::-1, ::-1][", "that flips the kernel; cross-correlation takes it as it is"),
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
    cases=lambda rng: [
        (3, 1),
        (3, 2),
        (1, 4),
        (2, 1),
        *((int(rng.integers(1, 12)), int(rng.integers(1, 6))) for _ in range(20)),
    ],
    hint="Without padding, how many outputs fewer than pixels are there? Each needs a zero.",
    mistakes=[
        Mistake("(kernel - 1) * dilation", "kernel - 1", "dilation moves the kernel's pixels apart, so it spans more"),
        Mistake("(kernel - 1) * dilation", "kernel * dilation", "the kernel covers a pixel itself and lacks the rest"),
        Mistake("(kernel - 1) * dilation", "(kernel - 1) * dilation // 2", "that is one side; both are asked for"),
        Mistake("(kernel - 1) * dilation", "kernel * dilation - 1", "between k pixels are k - 1 gaps, each stretched"),
    ],
)
def zeros_to_keep_size(kernel: int, dilation: int) -> int:
    """Return how many zeros, on both sides together, keep an axis as long as it was, at stride 1."""
    return (kernel - 1) * dilation


def _row_and_kernel(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    k = int(rng.integers(1, 6))
    return rng.normal(size=k + int(rng.integers(0, 8))), rng.normal(size=k)


@exercise(
    cases=lambda rng: [
        (np.array([0.0, 0, 1, 0, 0]), np.array([1.0, 2, 3])),
        (np.arange(6.0), np.array([1.0, 0, 0])),
        *(_row_and_kernel(rng) for _ in range(20)),
    ],
    hint="Which weight meets the window's first pixel, i = k - 1 in the formula? And which one in the code?",
    bug=("w[::-1]", "w"),
    mistakes=[
        Mistake("len(x) - k + 1", "len(x) - k", "the last place, where the kernel ends on the last pixel, is missing"),
        Mistake("x[p : p + k]", "x[::-1][p : p + k]", "the kernel is flipped, not the row of pixels"),
        Mistake("w[::-1]", "-w", "to flip is to read the weights from the last to the first; no sign changes"),
        Mistake("w[::-1]).sum()", "w[::-1]).mean()", "the formula sums; a mean is smaller by the factor k"),
    ],
)
def convolve_row(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Convolve a row of pixels: y[p] = sum over i of x[p + k - 1 - i] w[i], for each p where the kernel fits."""
    k = len(w)
    return np.array([(x[p : p + k] * w[::-1]).sum() for p in range(len(x) - k + 1)])


@exercise(
    cases=lambda rng: [
        (3, 16, 32),
        (3, 1, 1),
        (1, 8, 8),
        *((int(rng.integers(1, 8)), int(rng.integers(1, 100)), int(rng.integers(1, 100))) for _ in range(20)),
    ],
    hint="Count the weights that one place needs: k² c o for the whole, and for the pair those of both its layers.",
    mistakes=[
        Mistake(
            "(kernel**2 * channels + channels * kernels)",
            "(kernel**2 * channels)",
            "the pointwise layer, which mixes the channels, costs too",
        ),
        Mistake(
            "(kernel**2 * channels + channels * kernels)",
            "(kernel * channels + channels * kernels)",
            "a kernel has k times k weights",
        ),
        Mistake(
            "(kernel**2 * channels + channels * kernels)",
            "(kernel**2 * kernels + channels * kernels)",
            "the depthwise layer has a kernel for each channel that comes in, not for each that goes out",
        ),
        Mistake("/ (kernel**2 * channels * kernels)", "", "a ratio is asked for: divide by the whole convolution"),
        Mistake(
            "return (kernel**2 * channels + channels * kernels) / (kernel**2 * channels * kernels)",
            "return (kernel**2 * channels * kernels) / (kernel**2 * channels + channels * kernels)",
            "the other way round: what is left of the cost, not by how much it shrinks",
        ),
    ],
)
def separable_cost(kernel: int, channels: int, kernels: int) -> float:
    """Return the MACs of depthwise plus pointwise, as a fraction of those of the convolution that they replace.

    kernel: its side. channels: that come in. kernels: channels that go out. Stride 1, padding "same".
    """
    return (kernel**2 * channels + channels * kernels) / (kernel**2 * channels * kernels)


def _upstream_and_row(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int, int]:
    kernel, stride, places = (int(rng.integers(1, most)) for most in (6, 4, 7))
    length = (places - 1) * stride + kernel + int(rng.integers(0, stride))
    return rng.normal(size=places), rng.normal(size=length), kernel, stride


@exercise(
    cases=lambda rng: [
        (np.array([1.0, 0, 0]), np.arange(8.0), 3, 2),
        (np.array([0.0, 0, 1]), np.arange(8.0), 3, 2),
        (np.array([1.0, 2]), np.arange(4.0), 3, 1),
        *(_upstream_and_row(rng) for _ in range(20)),
    ],
    hint="Which pixel does weight i meet at place 0, and which at place 1? Multiply each with the dy of its place.",
    mistakes=[
        Mistake(
            "x[i : i + stride * len(dy) : stride]",
            "x[i : i + len(dy)]",
            "from one place to the next, a weight moves on by the stride",
        ),
        Mistake(" * dy)", " * dy[::-1])", "dy is not flipped here: place p goes with the pixel seen from place p"),
        Mistake("* dy).sum()", "* dy).mean()", "each place adds to the loss, so their gradients are summed"),
        Mistake("for i in range(kernel)", "for i in range(kernel)][::-1", "the weights come out in the wrong order"),
    ],
)
def weight_gradient(dy: np.ndarray, x: np.ndarray, kernel: int, stride: int) -> np.ndarray:
    """Return dw, (kernel,), of y[p] = sum over i of x[p stride + i] w[i], a cross-correlation along a row."""
    return np.array([(x[i : i + stride * len(dy) : stride] * dy).sum() for i in range(kernel)])


@exercise(
    cases=lambda rng: [
        (28, 3),
        (28, 5),
        (1, 3),
        (2, 2),
        *((int(rng.integers(1, 200)), int(rng.integers(2, 12))) for _ in range(20)),
    ],
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
    ],
)
def layers_needed(size: int, kernel: int) -> int:
    """Return how many layers with kernels of this side, stride 1, it takes until one output sees `size` pixels."""
    return -(-(size - 1) // (kernel - 1))
