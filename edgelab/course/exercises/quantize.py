"""Exercises of notebook 08."""

import numpy as np

from edgelab.course.exercises.engine.check import Mistake, exercise


@exercise(
    cases=lambda rng: [
        (0.0, 1.0, 1 / 511),
        (0.0, 1.0, 0.0021),
        (-1.0, 1.0, 0.1),
        (-0.4, 0.6, 0.2),
        *((-float(rng.random()), float(rng.random()), float(10 ** rng.uniform(-4, -1.5))) for _ in range(20)),
    ],
    hint="How many steps lie between low and high? And how far from the nearest integer can a number be, in steps?",
    mistakes=[
        Mistake("(2**enough - 1)", "2**enough", "so many values have one step fewer between them"),
        Mistake("> 2 * error", "> error", "a rounded number is off by half a step at most, not by a whole one"),
        Mistake("> 2 * error", "> error / 2", "the error is half a step, so a step may be longer than the error"),
        Mistake(
            "(2**enough - 1)", "(2 ** (enough - 1) - 1)", "the integers below 0 count too: the range has both halves"
        ),
    ],
)
def bits_needed(low: float, high: float, error: float) -> int:
    """Return the fewest bits with which no number from low to high is off by more than error, low <= 0 <= high."""
    enough = 1
    while (high - low) / (2**enough - 1) > 2 * error:
        enough += 1
    return enough


@exercise(
    cases=lambda rng: [
        (np.array([1.0, -2.54, 0.5, 1.27]).reshape(1, 1, 2, 2),),
        (rng.normal(size=(3, 3, 4, 1)),),
        (-rng.random((3, 3, 5, 1)),),
        *((rng.normal(size=(k, k, c, m)),) for k, c, m in ((3, 4, 2), (5, 3, 3), (1, 6, 2), (3, 1, 4))),
    ],
    hint="How many channels come out of a depthwise convolution with a kernel of shape (3, 3, 8, 1)?",
    bug=("axis=(0, 1)", "axis=(0, 1, 2)"),
    mistakes=[
        Mistake("np.abs(w).max", "w.max", "the largest weight may be a negative one"),
        Mistake("/ 127", "/ 128", "symmetric integers end at 127 on both sides"),
        Mistake("largest.reshape", "largest.T.reshape", "an input channel's outputs stand next to each other"),
        Mistake(
            "axis=(0, 1)", "axis=(0, 1, 3)", "with several kernels an input channel each makes a channel of its own"
        ),
    ],
)
def depthwise_scales(w: np.ndarray) -> np.ndarray:
    """Return the symmetric int8 scale of each output channel, float (channels × multiplier,).

    w: depthwise kernel as Keras has it, (height, width, channels, multiplier). Output
    c × multiplier + m is made by w[:, :, c, m].
    """
    largest = np.abs(w).max(axis=(0, 1))
    return largest.reshape(-1) / 127


@exercise(
    cases=lambda rng: [
        (np.array([0.0, 0.5, 1.0]), 4.0),
        (np.array([-1.0, 0.5, 1.0]), 3.0),
        (np.array([2.0, 3.0, 4.0]), 8.0),
        (np.array([-4.0, -1.0]), 4.0),
        (np.array([-1.0, 1.0]), -9.0),
        (np.array([-1.0, 1.0]), 0.5),
        *((rng.normal(size=50), float(rng.normal() * 20)) for _ in range(10)),
    ],
    hint="One bit more is a step half as long. How much longer does the outlier make the step?",
    mistakes=[
        Mistake("np.log2", "np.log", "a bit is a factor of two"),
        Mistake(
            "width(np.append(x, outlier)) / width(x)",
            "width(x) / width(np.append(x, outlier))",
            "a longer step is a loss, not a gain",
        ),
        Mistake(
            "max(values.max(), 0) - min(values.min(), 0)",
            "values.max() - values.min()",
            "the range must contain 0, with the outlier and without it",
        ),
        Mistake(
            "max(values.max(), 0) - min(values.min(), 0)",
            "np.abs(values).max()",
            "min-max spans from the least to the largest value, not from 0 to the farthest",
        ),
    ],
)
def bits_lost(x: np.ndarray, outlier: float) -> float:
    """Return how many bits the step of min-max calibration loses when one more value joins the data.

    x: floats (n,), not all 0. A step twice as long is one bit lost; the range is widened to contain 0 as always.
    """

    def width(values):
        return max(values.max(), 0) - min(values.min(), 0)

    return float(np.log2(width(np.append(x, outlier)) / width(x)))


@exercise(
    cases=lambda rng: [
        (rng.integers(-128, 128, (1, 2, 2, 1)).astype(np.int8), -128, 1),
        (rng.integers(-128, 128, (2, 3, 4, 2)).astype(np.int8), 5, 1),
        (rng.integers(-128, 128, (1, 1, 1, 3)).astype(np.int8), -3, 2),
        (rng.integers(-128, 128, (1, 3, 2, 1)).astype(np.int8), 127, 0),
    ],
    hint="What does the integer 0 stand for, when scale is 1/255 and zero point -128?",
    bug=(", constant_values=zero_point", ""),
    mistakes=[
        Mistake("=zero_point", "=-128", "that is the least integer; it stands for 0 in some tensors, not in all"),
        Mistake("=zero_point", "=-zero_point", "x = S (q - Z): which q makes it 0?"),
        Mistake("[(0, 0), side, side, (0, 0)]", "[(0, 0), side, side, side]", "channels have no border"),
        Mistake("[(0, 0), side, side, (0, 0)]", "[side, side, side, (0, 0)]", "a border of images is not asked for"),
    ],
)
def with_zeros_around(q: np.ndarray, zero_point: int, margin: int) -> np.ndarray:
    """Put so many pixels of real zeros around each image. q: int8 (n, height, width, channels), any scale."""
    side = (margin, margin)
    return np.pad(q, [(0, 0), side, side, (0, 0)], constant_values=zero_point)


@exercise(
    cases=lambda rng: [(16,), (20,), (24,), (32,), (40,), (64,)],
    hint="Which is the largest product of an input, its zero point taken off, and a weight without one?",
    mistakes=[
        Mistake("255 * 127", "127 * 127", "with the zero point taken off, an int8 input reaches beyond 127"),
        Mistake("255 * 127", "255 * 255", "weights are symmetric: they have no zero point to take off"),
        Mistake("2 ** (bits - 1) - 1", "2**bits - 1", "an accumulator has a sign, and that takes a bit"),
    ],
)
def products_that_fit(bits: int) -> int:
    """Return how many products (q_x - Z_x) q_w, of int8, certainly fit into a signed accumulator of so many bits.

    Weights are symmetric, from -127 to 127; the zero point Z_x may be any int8.
    """
    largest = 2 ** (bits - 1) - 1
    return largest // (255 * 127)


@exercise(
    cases=lambda rng: [
        (np.array([3, 4, 5, 6, 7, 8, 10]), 2),
        (np.array([-1, -2, -3, -4, -5, -6, -7]), 2),
        (np.array([1, -1, 0]), 1),
        *((rng.integers(-(2**20), 2**20, 8), int(rng.integers(1, 16))) for _ in range(8)),
    ],
    hint="Work out 7 / 4, -7 / 4 and -6 / 4 by hand, and compare with 7 >> 2, -7 >> 2 and -6 >> 2.",
    bug=("(acc + (1 << (bits - 1))) >> bits", "acc >> bits"),
    mistakes=[
        Mistake(
            "(1 << (bits - 1))", "(1 << bits)", "that adds a whole step before it is shifted away, not half of one"
        ),
        Mistake(
            "(acc + (1 << (bits - 1))) >> bits",
            "np.rint(acc / 2**bits).astype(acc.dtype)",
            "np.rint sends halves to the even neighbour; here they go up",
        ),
        Mistake(
            "(acc + (1 << (bits - 1))) >> bits",
            "np.sign(acc) * ((np.abs(acc) + (1 << (bits - 1))) >> bits)",
            "below zero, that sends halves down",
        ),
    ],
)
def rounded_shift(acc: np.ndarray, bits: int) -> np.ndarray:
    """Return acc / 2**bits, rounded to the nearest integer, halves up, by integer arithmetic. bits: 1 or more."""
    return (acc + (1 << (bits - 1))) >> bits


def _clipped(rng: np.random.Generator, shape: tuple[int, ...], low: float, high: float) -> tuple:
    return rng.normal(size=shape), rng.normal(size=shape) * 2, low, high


@exercise(
    cases=lambda rng: [
        (np.array([1.0, 2.0, -3.0, 4.0]), np.array([-0.5, 0.3, 0.9, 1.2]), 0.0, 1.0),
        *(
            _clipped(rng, shape, low, high)
            for shape, low, high in (((8,), -1.0, 2.0), ((3, 4), 0.0, 1.5), ((5,), -0.1, 0.1))
        ),
    ],
    hint="Where x is clipped, does what comes out move when x does? And where it is only rounded, what is pretended?",
    mistakes=[
        Mistake(
            "dy * ((x >= low) & (x <= high))", "1.0 * dy", "outside the range x is clipped, and nothing it does is seen"
        ),
        Mistake(
            "dy * (",
            "1.0 * (",
            "what comes from above is passed on; the derivative of the rounding alone is not asked for",
        ),
        Mistake("(x >= low) & (x <= high)", "(dy >= low) & (dy <= high)", "it is x that must lie in the range"),
        Mistake("(x >= low) & (x <= high)", "(x <= low) | (x >= high)", "that passes just what was clipped"),
    ],
)
def straight_through(dy: np.ndarray, x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return dx, the straight-through gradient by x, from dy, that by x as rounded and clipped to low … high.

    dy, x: floats of one shape. The ends count as inside.
    """
    return dy * ((x >= low) & (x <= high))
