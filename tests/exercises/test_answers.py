"""Answers written otherwise than the solutions: none that is right is refused, none that is wrong is accepted."""

import importlib.util
import itertools
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from edgelab.course.exercises import exercises, find, modules
from edgelab.course.exercises.engine.check import Exercise


def answers(module: str) -> ModuleType:
    """Return the file of further answers to a module's exercises."""
    path = Path(__file__).parent / "answers" / f"{module}.py"
    spec = importlib.util.spec_from_file_location(f"answers_to_{module}", path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


ANSWERS = {module: answers(module) for module in modules()}
ALL = [one for module in modules() for one in exercises(module)]
EACH = pytest.mark.parametrize("one", ALL, ids=[f"{one.module}.{one.name}" for one in ALL])


def line(answer) -> str:
    return f"{Path(answer.__code__.co_filename).name}:{answer.__code__.co_firstlineno}"


@EACH
def test_right_answers_are_right(one: Exercise):
    """The learner's way need not be ours: other definitions, dtypes and orders that the task leaves open."""
    right = ANSWERS[one.module].RIGHT[one.name]
    verdicts = {line(answer): one.verdict(answer) for answer in right}
    assert {where: each.message for where, each in verdicts.items() if each.state != "right"} == {}
    assert len(right) >= 2


@EACH
def test_wrong_answers_are_wrong_and_get_a_note_where_one_is_known(one: Exercise):
    """A wrong answer that is accepted teaches the mistake; one that meets no note leaves the learner alone with it."""
    wrong = ANSWERS[one.module].WRONG[one.name]
    verdicts = [(line(answer), one.verdict(answer), noted) for answer, noted in wrong]
    assert [where for where, each, _ in verdicts if each.state != "wrong"] == []
    assert {where: each.message for where, each, noted in verdicts if ("\nNote: " in each.message) != noted} == {}
    assert len(wrong) >= 3


def test_nine_wrong_answers_in_ten_meet_a_note():
    noted = [known for each in ANSWERS.values() for wrong in each.WRONG.values() for _, known in wrong]
    assert np.mean(noted) > 0.9


def rows_of(e):
    return [row / row.sum() for row in e]


# One of each kind: the exercise, an answer, words of the note.
NOTES = [
    ("first_digit.line_carries", lambda size, rate, line: size * rate * 8 - line * 1e6 < 0, "full to the last bit"),
    ("first_digit.surest", lambda z: np.exp(z).max(1) / [sum(row) for row in np.exp(z)], "more than a float holds"),
    ("first_digit.centre_of_mass", lambda image: [p.mean() for p in np.nonzero(image)], "as much as a dark one"),
    ("networks.log_probabilities", lambda z: np.log(rows_of(np.exp(z))), "more than a float can hold"),
    ("convolution.layers_needed", lambda n, k: n // (k - 1) + (n % (k - 1) > 0), "fit exactly, no other is needed"),
    ("convolution.weight_gradient", lambda dy, x, k, s: np.correlate(x, dy, "valid")[:k], "moves on by the stride"),
    ("recurrence.masked_loss", lambda losses, mask: np.where(mask, losses, 0).mean(), "real steps, not of all"),
    ("recurrence.gru_parameters", lambda i, u, after: 3 * (u * i + u * u + u), "a bias of its own"),
    ("train_mnist.steps_in_an_epoch", lambda n, size: 1 + n // size, "leaves no rest"),
    ("train_mnist.worth_answering", lambda p, a, b: ~((1 - p.max(1)) * a > b), "both cost the same"),
    ("light_networks.peak_values", lambda s, skip: max(map(sum, itertools.pairwise(s))), "read again later"),
    (
        "light_networks.on_the_frontier",
        lambda s, a: [int(i) for i in np.argsort(s) if a[i] >= a[s <= s[i]].max()],
        "only as accurate as a smaller one",
    ),
    ("convert.certain_share", lambda z, step: np.mean(np.ptp(np.sort(z)[:, -2:], axis=1) >= step), "exactly a step"),
    ("convert.scale_and_zero_point", lambda a, b: ((b - a) / 255, round(-128 - 255 * a / (b - a))), "must contain 0"),
    ("quantize.bits_needed", lambda a, b, e: int(np.log2((b - a) / 2 / e + 1)) + 1, "fit exactly"),
    ("quantize.rounded_shift", lambda acc, n: np.round(acc * 2.0**-n).astype(int), "even neighbour"),
    (
        "compress.masks_over_all",
        lambda weights, s: [(np.sort(abs(w), None) < abs(w)[..., None]).sum(-1) >= round(s * w.size) for w in weights],
        "each layer loses the same share",
    ),
    ("compress.sharing_ratio", lambda n, k: 32 * n / (n * len(f"{k:b}") + 32 * k), "powers of two"),
    ("device.as_int8", lambda x, s, z: np.clip((x / s).round().astype("i2") + z, -128, 127).astype("i1"), "clip first"),
    ("device.unfit", lambda x: max(x.flat) > 1 or min(x.flat) < 0, "NaN"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "answer", "words"), NOTES, ids=[name for name, *_ in NOTES])
def test_the_note_is_that_on_the_mistake(name, answer, words):
    """However it is written: a note is found by what an answer does."""
    message = find(name).verdict(answer).message
    assert words in message.partition("\nNote: ")[2], message
