"""Exercises of notebook 08: ranges and steps."""

import math

import numpy as np

from edgelab.course.exercises._cases import quantize as cases
from edgelab.course.exercises.engine.check import BODY, Boundary, Mistake, exercise

LOSS = "np.log2(width(np.append(x, outlier)) / width(x))"
WIDTH = "max(values.max(), 0) - min(values.min(), 0)"


def _fits_exactly(low: float, high: float, error: float) -> bool:
    return math.log2((high - low) / (2 * error) + 1).is_integer()


@exercise(
    cases=cases.bits_needed,
    hint="How many steps lie between low and high? And how far from the nearest integer can a number be, in steps?",
    mistakes=[
        Mistake("(2**enough - 1)", "2**enough", "so many values have one step fewer between them"),
        Mistake("> 2 * error", "> error", "a rounded number is off by half a step at most, not by a whole one"),
        Mistake("> 2 * error", "> error / 2", "the error is half a step, so a step may be longer than the error"),
        Mistake(
            "> 2 * error",
            ">= 2 * error",
            "an error of just that size is allowed: look at ranges that fit exactly",
        ),
        Mistake(
            "(2**enough - 1)",
            "(2 ** (enough - 1) - 1 or 1)",
            "the integers below 0 count too: the range has both halves",
        ),
        Mistake("(2**enough - 1)", "(2**enough - 2 or 1)", "all values count: count the steps between them"),
        Mistake("(high - low)", "max(-low, high)", "the whole range counts, from low to high"),
        Mistake("(high - low)", "(2 * max(-low, high))", "the range need not be symmetric: it goes from low to high"),
        Mistake("(high - low)", "high", "the range begins at low, not at 0"),
        Mistake(
            "return enough", "return enough + 1", "a bit for the sign is in the bits already: they count the values"
        ),
        Mistake("return enough", "return enough - 1", "that is one bit too few: the error is still too large"),
        Mistake(
            BODY,
            "return int(np.log2((high - low) / (2 * error) + 1)) + 1",
            "an error of just that size is allowed: look at ranges that fit exactly",
        ),
        Mistake(
            BODY, "return max(1, int(np.log2((high - low) / (2 * error) + 1)))", "a part of a bit is a bit: round up"
        ),
        Mistake(
            BODY,
            "return max(1, round(np.log2((high - low) / (2 * error) + 1)))",
            "a part of a bit is a bit: round up, not to the nearest",
        ),
        Mistake(
            BODY,
            "return int(np.ceil((high - low) / (2 * error)))",
            "that is a number of steps, not of bits",
        ),
        Mistake(
            BODY,
            "return max(1, int(np.ceil(np.log((high - low) / (2 * error) + 1))))",
            "a bit doubles the number of values: the logarithm has the base 2",
        ),
    ],
    boundaries=[
        Boundary(_fits_exactly, "look at ranges that the values fit exactly"),
        Boundary(lambda low, high, error: low == 0, "it is right for ranges on both sides of 0, and wrong from 0 on"),
        Boundary(lambda low, high, error: low < 0, "it is right for ranges that begin at 0 only"),
    ],
)
def bits_needed(low: float, high: float, error: float) -> int:
    """Return the fewest bits with which no number from low to high is off by more than error, low <= 0 <= high.

    2**bits values lie at even distances from low to high, both included; numbers are rounded to the nearest.
    """
    enough = 1
    while (high - low) / (2**enough - 1) > 2 * error:
        enough += 1
    return enough


@exercise(
    cases=cases.depthwise_scales,
    hint="How many channels come out of a depthwise convolution with a kernel of shape (3, 3, 8, 1)?",
    bug=("axis=(0, 1)", "axis=(0, 1, 2)"),
    mistakes=[
        Mistake("np.abs(w).max", "w.max", "the largest weight may be a negative one"),
        Mistake("np.abs(w).max(axis=(0, 1))", "np.abs(w.max(axis=(0, 1)))", "the largest weight may be a negative one"),
        Mistake("np.abs(w).max", "np.abs(w).mean", "the largest weight must fit, not the mean"),
        Mistake("/ 127", "/ 128", "symmetric integers end at 127 on both sides"),
        Mistake("/ 127", "/ 255", "symmetric integers go from -127 to 127: 0 to the largest has 127 steps"),
        Mistake("/ 127", "* 2 / 255", "symmetric integers end at 127 on both sides"),
        Mistake("/ 127", "", "the largest weight becomes 127: divide by it"),
        Mistake(
            BODY, "largest = np.abs(w).max(axis=(0, 1))\nreturn 127 / largest.reshape(-1)", "a scale is weight a step"
        ),
        Mistake(
            "np.abs(w).max(axis=(0, 1))",
            "np.ptp(w, axis=(0, 1)) * 127 / 255",
            "symmetric integers reach as far on both sides: the larger side counts",
        ),
        Mistake(
            "np.abs(w).max(axis=(0, 1))",
            "np.ptp(w, axis=(0, 1)) / 2",
            "symmetric integers reach as far on both sides: the larger side counts",
        ),
        Mistake("largest.reshape", "largest.T.reshape", "an input channel's outputs stand next to each other"),
        Mistake(
            "axis=(0, 1)", "axis=(0, 1, 3)", "with several kernels an input channel each makes a channel of its own"
        ),
        Mistake("largest.reshape(-1)", "np.full(largest.size, largest.max())", "each output channel has its own scale"),
        Mistake(BODY, "return np.abs(w).max() / 127", "each output channel has its own scale"),
    ],
    boundaries=[
        Boundary(lambda w: w.shape[3] > 1, "it is right for a multiplier of 1 only"),
        Boundary(lambda w: w.shape[2] > 1, "it is right for one channel only"),
    ],
)
def depthwise_scales(w: np.ndarray) -> np.ndarray:
    """Return the symmetric int8 scale (largest magnitude becomes 127) of each output channel: (channels × multiplier,).

    w: depthwise kernel as Keras has it, (height, width, channels, multiplier), no channel all 0. Output
    c × multiplier + m is made by w[:, :, c, m].
    """
    largest = np.abs(w).max(axis=(0, 1))
    return largest.reshape(-1) / 127


@exercise(
    cases=cases.bits_lost,
    hint="One bit more is a step half as long. How much longer does the outlier make the step?",
    mistakes=[
        Mistake("np.log2", "np.log", "a bit is a factor of two: the logarithm has the base 2"),
        Mistake("np.log2", "np.log10", "a bit is a factor of two: the logarithm has the base 2"),
        Mistake(LOSS, "width(np.append(x, outlier)) / width(x)", "that is how much longer the step becomes"),
        Mistake(
            "width(np.append(x, outlier)) / width(x)",
            "width(x) / width(np.append(x, outlier))",
            "a longer step is a loss, not a gain",
        ),
        Mistake(WIDTH, "values.max() - values.min()", "the range must contain 0, with the outlier and without it"),
        Mistake(
            LOSS,
            "np.log2(width(np.append(x, outlier)) / (x.max() - x.min()))",
            "the range must contain 0, with the outlier and without it",
        ),
        Mistake(WIDTH, "max(values.max(), 0) - values.min()", "the range must contain 0 also for data above it"),
        Mistake(WIDTH, "values.max() - min(values.min(), 0)", "the range must contain 0 also for data below it"),
        Mistake(
            WIDTH,
            "np.abs(values).max()",
            "min-max spans from the least to the largest value, not from 0 to the farthest",
        ),
        Mistake(
            LOSS,
            "np.log2(abs(outlier) / np.abs(x).max())",
            "min-max spans from the least to the largest value, not from 0 to the farthest",
        ),
        Mistake(
            LOSS,
            "np.log2(abs(outlier) / width(x))",
            "the range with the outlier goes from the least to the largest value",
        ),
        Mistake(LOSS, f"np.ceil({LOSS})", "parts of a bit count: the result is not rounded"),
        Mistake(LOSS, "np.log2(width(np.append(x, outlier)))", "compare with the range without the outlier"),
        Mistake(
            LOSS,
            "np.log2(width(np.append(x, outlier)) - width(x) + 1)",
            "how many times longer the step is counts, not by how much",
        ),
        Mistake("np.append(x, outlier)", "np.append(x, abs(outlier))", "the outlier may be negative"),
        Mistake("np.append(x, outlier)", "np.append(x[:-1], outlier)", "the value joins the data: no other goes"),
    ],
    boundaries=[
        Boundary(
            lambda x, outlier: x.min() > 0 or x.max() < 0, "look at data on one side of 0: the range must contain 0"
        ),
        Boundary(
            lambda x, outlier: min(x.min(), 0) <= outlier <= max(x.max(), 0), "a value inside the range costs nothing"
        ),
        Boundary(lambda x, outlier: outlier < 0, "the outlier may be negative"),
    ],
)
def bits_lost(x: np.ndarray, outlier: float) -> float:
    """Return how many bits the step of min-max calibration loses when one more value joins the data.

    x: floats (n,), not all 0. A step twice as long is one bit lost, a value inside the range costs 0; not rounded. The
    range goes from the least to the largest value, and is widened to contain 0.
    """

    def width(values):
        return max(values.max(), 0) - min(values.min(), 0)

    return float(np.log2(width(np.append(x, outlier)) / width(x)))
