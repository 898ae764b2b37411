"""Exercises of notebook 10. Nothing here imports TensorFlow."""

import numpy as np

from edgelab.course.exercises._cases import device as cases
from edgelab.course.exercises.engine.check import Boundary, Mistake, exercise

QUANTIZED = "np.rint(x / scale) + zero_point"
FITS = "((x >= 0) & (x <= 1)).all()"
CLIPPED = "np.clip(q, -128, 127).astype(np.int8)"
P99 = "np.percentile(times_ms, 99)"


def _far(x: np.ndarray, scale: float, zero_point: int) -> bool:
    return bool((np.abs(x / scale) > 30_000).any())


def _outside(x: np.ndarray, scale: float, zero_point: int) -> bool:
    q = np.rint(x / scale) + zero_point
    return bool(((q < -128) | (q > 127)).any())


@exercise(
    cases=cases.as_int8,
    hint="Which integer does 1.2 become before the cast, and what does int8 make of it?",
    mistakes=[
        Mistake(
            CLIPPED,
            "q.astype(int).astype(np.int8)",
            "outside -128 to 127 the cast wraps round: bright becomes dark",
        ),
        Mistake(CLIPPED, "(q.astype(int) % 256).astype(np.uint8)", "int8 has a sign: -128 to 127"),
        Mistake(
            "np.clip(q, -128, 127)", "np.clip(q, -127, 127)", "-128 is a value too, here the one that stands for paper"
        ),
        Mistake("np.clip(q, -128, 127)", "np.clip(q, -128, 128)", "128 is no int8: the cast makes -128 of it"),
        Mistake(
            "np.clip(q, -128, 127)", "np.minimum(np.maximum(q, -1000), 127)", "there are values below the range, too"
        ),
        Mistake(
            "np.clip(q, -128, 127).astype(np.int8)",
            "np.clip(q, 0, 255).astype(np.uint8)",
            "int8 has a sign: -128 to 127",
        ),
        Mistake("np.clip(q, -128, 127)", "np.clip(q, 0, 255)", "int8 has a sign: -128 to 127"),
        Mistake("np.clip(q, -128, 127)", "np.clip(q, 0, 127)", "the integers below 0 are used, too"),
        Mistake(
            QUANTIZED, "np.trunc(x / scale) + zero_point", "cut off instead of rounded, the error is twice as large"
        ),
        Mistake(
            QUANTIZED, "np.trunc(x / scale + zero_point)", "cut off instead of rounded, the error is twice as large"
        ),
        Mistake(
            QUANTIZED,
            "np.floor(x / scale) + zero_point",
            "rounded down, not to the nearest: the error is twice as large",
        ),
        Mistake(
            QUANTIZED, "np.ceil(x / scale) + zero_point", "rounded up, not to the nearest: the error is twice as large"
        ),
        Mistake(QUANTIZED, "np.rint(x / scale) - zero_point", "0 must become the zero point"),
        Mistake(QUANTIZED, "np.rint(x / scale)", "0 must become the zero point"),
        Mistake(QUANTIZED, "np.rint(x * scale) + zero_point", "a step is `scale` wide: how many of them are in x?"),
        Mistake(
            QUANTIZED, "np.rint((x + zero_point) / scale)", "the zero point counts steps: it is added after dividing"
        ),
        Mistake(QUANTIZED, "np.rint(x * 255) + zero_point", "the scale is an argument"),
        Mistake(
            QUANTIZED,
            "np.rint(np.clip(x, 0, 1) / scale) + zero_point",
            "clip the integers: which x fit depends on scale and zero point",
        ),
        Mistake("127).astype(np.int8)", "127)", "the interpreter takes int8 and nothing else"),
        Mistake("127).astype(np.int8)", "127).astype(int)", "the interpreter takes int8 and nothing else"),
    ],
    boundaries=[
        Boundary(_far, "a cast to integers, before clipping, wraps round for numbers that are very large: clip first"),
        Boundary(_outside, "look at values outside -128 to 127: they become the nearest one that there is"),
        Boundary(lambda x, scale, zero_point: zero_point != -128, "it is right for one zero point only"),
    ],
)
def as_int8(x: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Return the int8 values, x / scale + zero_point rounded to the nearest integer. x: real numbers, large ones too.

    A value beyond the range of int8, however far, becomes the nearest end of the range.
    """
    q = np.rint(x / scale) + zero_point
    return np.clip(q, -128, 127).astype(np.int8)


@exercise(
    cases=cases.unfit,
    hint="What is nan < 0? And nan > 1? Test what must hold for every pixel, instead of what must not.",
    bug=(f"not {FITS}", "((x < 0) | (x > 1)).any()"),
    mistakes=[
        Mistake(f"not {FITS}", "not np.isfinite(x).all()", "finite values can be out of range, too"),
        Mistake(f"not {FITS}", "np.isnan(x).any()", "NaN is one of several things that are wrong"),
        Mistake(f"not {FITS}", FITS, "True is an image that does not fit"),
        Mistake(".all()", ".any()", "one bad pixel is enough"),
        Mistake("(x >= 0) & (x <= 1)", "(x > 0) & (x < 1)", "0 and 1 are paper and ink, and belong to the range"),
        Mistake("(x >= 0) & (x <= 1)", "(x > 0) & (x <= 1)", "0 is paper, and belongs to the range"),
        Mistake("(x >= 0) & (x <= 1)", "(x >= 0) & (x < 1)", "1 is ink, and belongs to the range"),
        Mistake("(x >= 0) & (x <= 1)", "(x >= 0)", "a pixel can be too large, too"),
        Mistake("(x >= 0) & (x <= 1)", "(x <= 1)", "a pixel can be too small, too"),
        Mistake("(x >= 0) & (x <= 1)", "(x >= 0) & (x <= 255)", "the model's pixels go from 0 to 1"),
        Mistake("(x >= 0) & (x <= 1)", "(x >= 0) | (x <= 1)", "NaN is one of several things that are wrong"),
        Mistake(
            f"not {FITS}",
            "not ((x >= 0) & (x <= 1))[np.isfinite(x)].all()",
            "a pixel that is infinite or no number is bad as well",
        ),
        Mistake(
            f"not {FITS}", "not ((x >= 0) & (x <= 1) | np.isinf(x)).all()", "a pixel that is infinite is bad as well"
        ),
        Mistake(f"not {FITS}", "not 0 <= x.mean() <= 1", "each pixel must fit, not their mean"),
    ],
    boundaries=[
        Boundary(lambda x: np.isnan(x).any(), "a comparison with NaN is always False: which test finds it?"),
        Boundary(lambda x: np.isinf(x).any(), "an infinite pixel is bad as well"),
        Boundary(lambda x: ((x == 0) | (x == 1)).any(), "0 and 1 are paper and ink, and belong to the range"),
    ],
)
def unfit(x: np.ndarray) -> bool:
    """Return True where the model must refuse x: a pixel below 0, above 1, infinite or NaN. 0 and 1 are allowed."""
    return bool(not ((x >= 0) & (x <= 1)).all())


@exercise(
    cases=cases.reply,
    view=cases.reply_view,
    rtol=3e-3,  # three decimals of a probability of 0.2 or more
    hint="Read the name of the type in the error. Which Python type does JSON know instead?",
    bug=("int(digit)", "digit"),
    mistakes=[
        Mistake(
            "int(digit)",
            "str(digit)",
            "a digit in quotes is a text: whoever compares it with a number finds them different",
        ),
        Mistake("int(digit)", "float(digit)", "a class is a whole number"),
        Mistake("int(digit)", "int(digit) + 1", "classes are counted from 0"),
        Mistake("logits.max()", "0.0", "exp overflows for large logits, and NaN is no JSON"),
        Mistake("float(p[digit])", "float(logits[digit])", "a logit is no probability"),
        Mistake("float(p[digit])", "100 * float(p[digit])", "a probability goes from 0 to 1, not to 100"),
        Mistake("round(float(p[digit]), 3)", "str(round(float(p[digit]), 3))", "a number in quotes is a text"),
        Mistake("round(float(p[digit]), 3)", "round(float(p[digit]))", "the probability needs three decimals"),
        Mistake("round(float(p[digit]), 3)", "round(float(p[digit]), 1)", "the probability needs three decimals"),
        Mistake(
            "round(float(p[digit]), 3)",
            "[round(float(each), 3) for each in p]",
            "only the digit's probability is asked for",
        ),
        Mistake("json.dumps(", "str(", "that is how Python writes a dict: JSON has double quotes"),
        Mistake("json.dumps(", "dict(", "JSON is a text"),
        Mistake("p.argmax()", "p.argmin()", "that is the least likely digit"),
        Mistake("p /= p.sum()", "p /= p.max()", "probabilities are divided by their sum"),
        Mistake("    p /= p.sum()\n", "", "probabilities are divided by their sum"),
    ],
    boundaries=[
        Boundary(
            lambda logits: np.abs(logits).max() > 700,
            "exp overflows for large logits, and rounds to 0 for very small ones",
        )
    ],
)
def reply(logits: np.ndarray) -> str:
    """Return the answer as JSON: "digit", a whole number, and "probability" (softmax), to three decimals or more.

    logits: (classes,), of any size. The answer is the likeliest class.
    """
    import json

    p = np.exp(logits - logits.max())
    p /= p.sum()
    digit = p.argmax()
    return json.dumps({"digit": int(digit), "probability": round(float(p[digit]), 3)})


@exercise(
    cases=cases.steady_rate,
    hint="Each image must be done before the next one comes. Which of the times sets the pace?",
    mistakes=[
        Mistake(P99, "np.mean(times_ms)", "the mean hides the slow ones among many fast ones"),
        Mistake(P99, "np.median(times_ms)", "at that rate every second image is late"),
        Mistake(
            P99,
            "np.percentile(times_ms, 1)",
            "that is the fast end: nearly all images are late (np.percentile takes percents)",
        ),
        Mistake(
            P99, "np.min(times_ms)", "that is the fast end: nearly all images are late (np.percentile takes percents)"
        ),
        Mistake(
            P99,
            "np.percentile(times_ms, 0.99)",
            "that is the fast end: nearly all images are late (np.percentile takes percents)",
        ),
        Mistake(P99, "np.percentile(times_ms, 90)", "that is p90: one in ten is late, not one in a hundred"),
        Mistake(P99, "np.percentile(times_ms, 95)", "that is p95: one in twenty is late, not one in a hundred"),
        Mistake(P99, "np.max(times_ms)", "one in a hundred may be late; the maximum is one accident"),
        Mistake(
            P99,
            "(np.mean(times_ms) + 2.33 * np.std(times_ms))",
            "times are not normally distributed: take the percentile",
        ),
        Mistake(
            P99, "(np.mean(times_ms) + 3 * np.std(times_ms))", "times are not normally distributed: take the percentile"
        ),
        Mistake(
            P99, "np.sort(times_ms)[-max(1, len(times_ms) // 100) :].mean()", "that is the mean of the slowest, not p99"
        ),
        Mistake(P99, "times_ms[min(len(times_ms) - 1, int(0.99 * len(times_ms)))]", "the times are not sorted"),
        Mistake("1000 /", "1 /", "the times are in milliseconds, the rate is in images a second"),
        Mistake(
            "1000 / np.percentile(times_ms, 99)", "np.percentile(times_ms, 99)", "that is a time; the rate is asked for"
        ),
        Mistake(
            "1000 / np.percentile(times_ms, 99)",
            "np.percentile(times_ms, 99) / 1000",
            "that is a time in seconds; the rate is asked for",
        ),
        Mistake("1000 / np.percentile(times_ms, 99)", "1000 // np.percentile(times_ms, 99)", "the rate is not rounded"),
        Mistake(
            "1000 / np.percentile(times_ms, 99)",
            "np.percentile(1000 / times_ms, 99)",
            "that is the fast end: nearly all images are late (np.percentile takes percents)",
        ),
        Mistake(
            "1000 / np.percentile(times_ms, 99)",
            "np.mean(1000 / times_ms)",
            "the mean hides the slow ones among many fast ones",
        ),
        Mistake(
            "1000 / np.percentile(times_ms, 99)",
            "0.99 * 1000 / np.mean(times_ms)",
            "one in a hundred may be late: that is a percentile of the times",
        ),
    ],
)
def steady_rate(times_ms: np.ndarray) -> float:
    """Return the images a second at which the 99th percentile (p99) of the times just fits between two images.

    times_ms: (n,), in milliseconds, in any order. Not rounded. Any usual definition of a percentile will do.
    """
    return float(1000 / np.percentile(times_ms, 99))
