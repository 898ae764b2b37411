"""Exercises of notebook 08: arithmetic with integers, and its gradient."""

import numpy as np

from edgelab.course.exercises._cases import quantize as cases
from edgelab.course.exercises.engine.check import Boundary, Mistake, exercise

SIDES = "[(0, 0), side, side, (0, 0)]"
PADDED = "np.pad(q, [(0, 0), side, side, (0, 0)], constant_values=zero_point)"
SHIFT = "(acc + (1 << (bits - 1))) >> bits"
PASSED = "dy * ((x >= low) & (x <= high))"


@exercise(
    cases=cases.with_zeros_around,
    hint="What does the integer 0 stand for, when scale is 1/255 and zero point -128?",
    bug=(", constant_values=zero_point", ""),
    mistakes=[
        Mistake("=zero_point", "=-128", "that is the least integer; it stands for 0 in some tensors, not in all"),
        Mistake("=zero_point", "=-zero_point", "x = S (q - Z): which q makes it 0?"),
        Mistake(
            PADDED, "np.pad(q - zero_point, [(0, 0), side, side, (0, 0)])", "the pixels themselves stay as they are"
        ),
        Mistake(
            PADDED, "np.pad(q, [(0, 0), side, side, (0, 0)]) + zero_point", "the pixels themselves stay as they are"
        ),
        Mistake(SIDES, "[(0, 0), side, side, side]", "channels have no border"),
        Mistake(SIDES, "[side, side, side, (0, 0)]", "a border of images is not asked for"),
        Mistake(SIDES, "margin", "a border belongs to height and width only, not to images and channels"),
        Mistake(SIDES, "[(0, 0), side, (0, 0), (0, 0)]", "height and width have a border each"),
        Mistake(SIDES, "[(0, 0), (0, 0), side, side]", "q is (n, height, width, channels): axes 1 and 2 are padded"),
        Mistake("side = (margin, margin)", "side = (margin, 0)", "the border is on both sides"),
        Mistake("side = (margin, margin)", "side = (0, margin)", "the border is on both sides"),
        Mistake(
            PADDED,
            'np.pad(q, [(0, 0), side, side, (0, 0)], mode="edge")',
            "that repeats the pixels at the edge; real zeros are asked for",
        ),
        Mistake("np.pad(q,", "np.pad(q.astype(float),", "the result is int8, as q is"),
        Mistake("np.pad(q,", "np.pad(q.astype(int),", "the result is int8, as q is"),
    ],
    boundaries=[
        Boundary(lambda q, zero_point, margin: margin == 0, "a margin of 0 adds nothing"),
        Boundary(lambda q, zero_point, margin: margin > 1, "it is right for a margin of one pixel only"),
        Boundary(lambda q, zero_point, margin: len(q) > 1, "it is right for one image only"),
    ],
)
def with_zeros_around(q: np.ndarray, zero_point: int, margin: int) -> np.ndarray:
    """Put so many pixels of real zeros around each image. q: int8 (n, height, width, channels), any scale.

    Returns int8 (n, height + 2 margin, width + 2 margin, channels). margin: 0 or more.
    """
    side = (margin, margin)
    return np.pad(q, [(0, 0), side, side, (0, 0)], constant_values=zero_point)


@exercise(
    cases=cases.products_that_fit,
    hint="Which is the largest product of an input, its zero point taken off, and a weight without one?",
    mistakes=[
        Mistake("255 * 127", "127 * 127", "with the zero point subtracted, an int8 input reaches beyond 127"),
        Mistake("255 * 127", "128 * 127", "with the zero point subtracted, an int8 input reaches beyond 128"),
        Mistake(
            "255 * 127", "128 * 128", "the weights end at 127; an input, its zero point subtracted, reaches further"
        ),
        Mistake("255 * 127", "255 * 255", "weights are symmetric: they have no zero point to subtract"),
        Mistake("255 * 127", "255 * 128", "weights are symmetric: they end at 127 on both sides"),
        Mistake("255 * 127", "256 * 127", "from -128 to 127 is a distance of 255, not 256"),
        Mistake("255 * 127", "256 * 128", "count the distance from -128 to 127, and the largest weight"),
        Mistake("255 * 127", "254 * 127", "inputs use all of int8: from -128 to 127"),
        Mistake("2 ** (bits - 1) - 1", "2**bits - 1", "an accumulator has a sign, and that takes a bit"),
        Mistake("2 ** (bits - 1) - 1", "2 ** (bits - 2) - 1", "one bit is for the sign, no more"),
        Mistake("2 ** (bits - 1) - 1", "bits - 1", "bits are counted, but numbers must fit: how large can they be?"),
        Mistake("largest // (255 * 127)", "largest / (255 * 127)", "there is no part of a product: round down"),
        Mistake("largest // (255 * 127)", "-(-largest // (255 * 127))", "with one more it may not fit: round down"),
        Mistake("largest // (255 * 127)", "largest // (255 * 127) + 1", "with one more it may not fit"),
        Mistake("largest // (255 * 127)", "largest // (255 * 127) - 1", "one more still fits"),
        Mistake("largest // (255 * 127)", "round(largest / (255 * 127))", "with one more it may not fit: round down"),
        Mistake("largest // (255 * 127)", "max(1, largest // (255 * 127))", "it may be that not one product fits"),
        Mistake("largest // (255 * 127)", "largest // (255 + 127)", "the accumulator holds products, not sums"),
    ],
    boundaries=[Boundary(lambda bits: bits < 16, "it may be that not one product fits")],
)
def products_that_fit(bits: int) -> int:
    """Return how many products (q_x - Z_x) q_w, of int8, certainly fit into a signed accumulator of so many bits.

    Weights q_w are symmetric, from -127 to 127; inputs q_x and the zero point Z_x may be any int8.
    """
    largest = 2 ** (bits - 1) - 1
    return largest // (255 * 127)


@exercise(
    cases=cases.rounded_shift,
    hint="Work out 7 / 4, -7 / 4 and -6 / 4 by hand, and compare with 7 >> 2, -7 >> 2 and -6 >> 2.",
    bug=(SHIFT, "acc >> bits"),
    mistakes=[
        Mistake(
            "(1 << (bits - 1))",
            "(1 << bits)",
            "that adds a whole step before it is shifted away, not half of one: not all are rounded up",
        ),
        Mistake("(1 << (bits - 1))", "1", "half a step is to be added, which is 1 only for one bit"),
        Mistake("(1 << (bits - 1))", "((1 << bits) - 1)", "that rounds up always, not to the nearest"),
        Mistake("(1 << (bits - 1))", "((1 << (bits - 1)) - 1)", "that sends halves down; here they go up"),
        Mistake("(1 << (bits - 1))", "bits // 2", "half of a step is to be added, not half of the bits"),
        Mistake("acc + (", "acc - (", "half a step is to be added"),
        Mistake(
            SHIFT,
            "np.rint(acc / 2**bits).astype(acc.dtype)",
            "np.rint and round send halves to the even neighbour; here they go up",
        ),
        Mistake(
            SHIFT,
            "np.sign(acc) * ((np.abs(acc) + (1 << (bits - 1))) >> bits)",
            "below zero, that sends halves down",
        ),
        Mistake(
            SHIFT,
            "((acc + (1 << (bits - 1))) / 2**bits).astype(acc.dtype)",
            "a cast to integers cuts off towards 0: below zero, that is up",
        ),
        Mistake(SHIFT, "(acc / 2**bits).astype(acc.dtype)", "a cast to integers cuts off towards 0; it does not round"),
        Mistake(SHIFT, "np.ceil(acc / 2**bits).astype(acc.dtype)", "that rounds up always, not to the nearest"),
        Mistake(SHIFT, "np.floor(acc / 2**bits + 0.5)", "the result must be integers"),
        Mistake(SHIFT, "acc / 2**bits", "the result must be rounded to integers"),
        Mistake(
            SHIFT,
            "(acc >> bits) + 1",
            "that adds a whole step before it is shifted away, not half of one: not all are rounded up",
        ),
        Mistake(SHIFT, "((acc >> bits) + (1 << (bits - 1)))", "half a step is added before the shift, not after it"),
        Mistake(SHIFT, "(acc >> (bits - 1)) // 2", "the bit that was shifted out last says which way to round"),
    ],
    boundaries=[
        Boundary(lambda acc, bits: (acc % 2**bits == 2 ** (bits - 1)).any(), "look at halves, on both sides of 0"),
        Boundary(lambda acc, bits: (acc < 0).any(), "it is right for numbers from 0 on, and wrong below"),
        Boundary(lambda acc, bits: bits == 1, "look at a shift by one bit"),
        Boundary(lambda acc, bits: bits > 1, "it is right for a shift by one bit only"),
    ],
)
def rounded_shift(acc: np.ndarray, bits: int) -> np.ndarray:
    """Return acc / 2**bits, rounded to the nearest integer, halves up (-2.5 to -2), by integer arithmetic.

    acc: integers (n,). bits: 1 or more. Returns integers (n,).
    """
    return (acc + (1 << (bits - 1))) >> bits


@exercise(
    cases=cases.straight_through,
    hint="Where x is clipped, does what comes out move when x does? And where it is only rounded, what is pretended?",
    mistakes=[
        Mistake(PASSED, "1.0 * dy", "outside the range x is clipped, so a change of x changes nothing"),
        Mistake(
            "dy * (",
            "1.0 * (",
            "what comes from above is passed on; the derivative of the rounding alone is not asked for",
        ),
        Mistake("(x >= low) & (x <= high)", "(x > low) & (x < high)", "the ends of the range count as inside"),
        Mistake("(x >= low) & (x <= high)", "(x >= low) & (x < high)", "the upper end of the range counts as inside"),
        Mistake("(x >= low) & (x <= high)", "(x > low) & (x <= high)", "the lower end of the range counts as inside"),
        Mistake("(x >= low) & (x <= high)", "(dy >= low) & (dy <= high)", "it is x that must lie in the range"),
        Mistake("(x >= low) & (x <= high)", "(x <= low) | (x >= high)", "that passes just what was clipped"),
        Mistake("(x >= low) & (x <= high)", "(x < low) | (x > high)", "that passes just what was clipped"),
        Mistake("(x >= low) & (x <= high)", "(x >= low)", "x is clipped above the range as well"),
        Mistake("(x >= low) & (x <= high)", "(x <= high)", "x is clipped below the range as well"),
        Mistake(PASSED, "np.clip(dy, low, high)", "x is clipped, not its gradient"),
        Mistake(PASSED, "dy * np.clip(x, low, high)", "inside the range the derivative is 1, not x"),
        Mistake(PASSED, "dy * x * ((x >= low) & (x <= high))", "inside the range the derivative is 1, not x"),
        Mistake(
            PASSED, "0.0 * dy", "that is the true gradient of rounding; straight through pretends nothing is rounded"
        ),
        Mistake(
            PASSED, "np.clip(x, low, high)", "that is the way forward, without rounding; the gradient is asked for"
        ),
    ],
    boundaries=[
        Boundary(lambda dy, x, low, high: ((x == low) | (x == high)).any(), "the ends of the range count as inside"),
        Boundary(lambda dy, x, low, high: x.ndim > 1, "dy and x may have any shape"),
    ],
)
def straight_through(dy: np.ndarray, x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return dx, the straight-through gradient by x, from dy, that by x as rounded and clipped to low … high.

    dy, x: floats of one shape. The ends count as inside.
    """
    return dy * ((x >= low) & (x <= high))
