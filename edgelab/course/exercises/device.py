"""Exercises of notebook 10. Nothing here imports TensorFlow."""

import numpy as np

from edgelab.course.exercises.engine.check import Mistake, exercise


@exercise(
    cases=lambda rng: [
        (np.array([0.0, 0.3, 1.0, 1.2, -0.1]), 1 / 255, -128),
        *((rng.normal(size=(3, 4)), float(rng.uniform(0.005, 0.05)), z) for z in (-128, -1, 0, 20, 127)),
    ],
    hint="Which integer does 1.2 become before the cast, and what does int8 make of it?",
    mistakes=[
        Mistake(
            "np.clip(q, -128, 127).astype", "q.astype", "outside -128 to 127 the cast wraps round: bright becomes dark"
        ),
        Mistake(
            "np.clip(q, -128, 127)", "np.clip(q, -127, 127)", "-128 is a value too, here the one that stands for paper"
        ),
        Mistake("np.rint(x / scale)", "np.trunc(x / scale)", "cut off instead of rounded, the error is twice as large"),
        Mistake("+ zero_point", "- zero_point", "0 must become the zero point"),
        Mistake("127).astype(np.int8)", "127)", "the interpreter takes int8 and nothing else"),
    ],
)
def as_int8(x: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Return the int8 values for real numbers x of any size; those out of range become the nearest value there is."""
    q = np.rint(x / scale).astype(int) + zero_point
    return np.clip(q, -128, 127).astype(np.int8)


@exercise(
    cases=lambda rng: [
        (np.array([0.0, 0.5, 1.0]),),
        (np.array([0.0, np.nan, 1.0]),),
        (np.array([0.0, 0.5, np.inf]),),
        (np.array([-0.01, 0.5, 1.0]),),
        (np.array([0.0, 0.5, 1.01]),),
        (np.array([0.0, 128.0, 255.0]),),
        *((rng.random((4, 4)) * high + low,) for low, high in ((0, 1), (0, 1), (-0.2, 1), (0.5, 1))),
    ],
    hint="What is nan < 0? And nan > 1? Ask what must hold for every pixel, instead of what must not.",
    bug=("not ((x >= 0) & (x <= 1)).all()", "((x < 0) | (x > 1)).any()"),
    mistakes=[
        Mistake("not ((x >= 0) & (x <= 1)).all()", "not np.isfinite(x).all()", "finite values can be out of range too"),
        Mistake("not ((x >= 0) & (x <= 1)).all()", "np.isnan(x).any()", "NaN is one of several things that are wrong"),
        Mistake(".all()", ".any()", "one bad pixel is enough"),
        Mistake("(x >= 0) & (x <= 1)", "(x > 0) & (x < 1)", "0 and 1 are paper and ink, and belong to the range"),
    ],
)
def unfit(x: np.ndarray) -> bool:
    """Return True where x is no input for the model: a pixel outside 0 to 1, or one that is no number."""
    return bool(not ((x >= 0) & (x <= 1)).all())


@exercise(
    cases=lambda rng: [
        (np.array([0.0, 2.0, 1.0]),),
        (np.array([0.0, 1000.0, 999.0]),),
        (np.array([-1000.0, -1001.0, -1000.5]),),
        *((rng.normal(size=10) * 5,) for _ in range(10)),
    ],
    hint="Read the name of the type in the error. Which Python type does JSON know instead?",
    bug=("int(digit)", "digit"),
    mistakes=[
        Mistake(
            "int(digit)",
            "str(digit)",
            "a digit in quotes is a text: whoever compares it with a number finds them different",
        ),
        Mistake("int(digit)", "float(digit)", "a class is a whole number"),
        Mistake("logits - logits.max()", "logits", "exp overflows for large logits, and NaN is no JSON"),
        Mistake("float(p[digit])", "float(logits[digit])", "a logit is no probability"),
    ],
)
def reply(logits: np.ndarray) -> str:
    """Return the answer as JSON: the digit, a whole number, and its probability. logits: (classes,)."""
    import json

    p = np.exp(logits - logits.max())
    p /= p.sum()
    digit = p.argmax()
    return json.dumps({"digit": int(digit), "probability": round(float(p[digit]), 3)})


@exercise(
    cases=lambda rng: [
        (np.concatenate([np.full(95, 2.0), np.full(5, 20.0)]),),
        (np.arange(1.0, 102.0),),
        *((rng.exponential(size=1000) + 0.5,) for _ in range(5)),
    ],
    hint="Each image must be done before the next one comes. Which of the times sets the pace?",
    mistakes=[
        Mistake(
            "np.percentile(times_ms, 99)", "np.mean(times_ms)", "the mean hides the slow ones among many fast ones"
        ),
        Mistake("np.percentile(times_ms, 99)", "np.median(times_ms)", "at that rate every second image is late"),
        Mistake(
            "np.percentile(times_ms, 99)",
            "np.percentile(times_ms, 1)",
            "that is the fast end: nearly all images are late",
        ),
        Mistake(
            "np.percentile(times_ms, 99)",
            "np.max(times_ms)",
            "one in a hundred may be late; the maximum is one accident",
        ),
        Mistake("1000 /", "1 /", "the times are in milliseconds, the rate is in images a second"),
    ],
)
def steady_rate(times_ms: np.ndarray) -> float:
    """Return the images a second at which the 99th percentile (p99) of the times just fits between two images."""
    return float(1000 / np.percentile(times_ms, 99))
