"""Answers that do bad things: they are told so, in words, and neither hang nor change anything."""

import contextlib
import os
import signal
import threading
import time
from queue import Empty

import numpy as np
import pytest
from jupyter_client.manager import start_new_kernel

from edgelab.course.exercises import convolution, device, first_digit, networks, train_mnist
from edgelab.course.exercises.engine import call

steps, surest = train_mnist.steps_in_an_epoch, first_digit.surest


def said(one, answer) -> str:
    verdict = one.verdict(answer)
    assert verdict.state == "wrong", verdict
    return verdict.message


def forever(*arguments):
    while True:
        pass


def catches_all(*arguments):
    while True:
        with contextlib.suppress(Exception):  # an alarm is none
            time.sleep(0.01)


def prints_forever(*arguments):
    while True:
        print("x" * 1000)


@pytest.mark.parametrize("answer", [forever, catches_all, prints_forever])
def test_an_answer_that_never_ends_is_ended(answer, monkeypatch):
    monkeypatch.setattr(call, "SECONDS", 0.2)
    begun = time.monotonic()
    message = said(steps, answer)
    assert "steps_in_an_epoch(60000, 128) has not ended after 0.2 seconds: look for a loop that never ends" in message
    assert len(message) < 600, "of endless prints the beginning is enough"
    assert time.monotonic() - begun < 5
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_also_where_there_is_no_alarm():
    """In another thread, and on Windows. The thread that ran the answer ends, too."""
    found = []

    def work():
        for answer in (forever, lambda: 3, lambda: 1 / 0):
            try:
                found.append(call.within(0.2, answer))
            except BaseException as error:
                found.append(type(error).__name__)

    before = threading.active_count()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert found == ["TooLate", 3, "ZeroDivisionError"]
    end = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_another_alarm_still_rings():
    """A test's time limit may be one."""
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        assert call.within(5, lambda: 3) == 3
        time.sleep(0.6)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert rung == [1]


def test_ctrl_c_goes_through():
    # A shell's background job, and what another test left behind, may ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            steps.check(forever)
    finally:
        signal.signal(signal.SIGINT, before or signal.default_int_handler)  # None: one that C installed
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_in_a_notebook_too():
    """A kernel runs cells in its main thread, between events of its own."""
    manager, client = start_new_kernel(kernel_name="python3")
    lines = [
        "from edgelab.course.exercises import train_mnist as exercise",
        "from edgelab.course.exercises.engine import call",
        "call.SECONDS = 0.5",
        "def forever(images, batch_size):",
        "    while True: print('again')",
        "exercise.steps_in_an_epoch.check(forever)",
    ]
    try:
        texts = []
        for code in ("\n".join(lines), "print(2 + 3)"):
            message, text = client.execute(code), ""
            while True:
                try:
                    reply = client.get_iopub_msg(timeout=60)
                except Empty:
                    break
                if reply["parent_header"].get("msg_id") != message:
                    continue
                text += reply["content"].get("text", "")
                if reply["content"].get("execution_state") == "idle":
                    break
            texts.append(text)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert "has not ended after 0.5 seconds" in texts[0]
    assert "It prints, in its first call: 'again\\nagain" in texts[0]
    assert texts[1] == "5\n"


async def asynchronous(images, batch_size):
    return 1


def generator(images, batch_size):
    yield 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (asynchronous, "The answer is an async function, which returns a coroutine; write def without async."),
        (generator, "The answer has a yield, so it returns a generator; collect the values and return them."),
        (int, "The answer is the class int; expected a function."),
        (3, "The answer is 3; expected a function."),
        (lambda n: n, "The answer takes (n); it is called with (images, batch_size)."),
        (lambda n, size: map(int, [n]), "is a map, which makes its elements later; return an int"),
        (lambda n, size: asynchronous(n, size).close() or len, "return an int"),
        (lambda n, size: steps.verdict, "return an int"),
        (lambda n, size: n / 0, "raises ZeroDivisionError: division by zero"),
        (lambda n, size: steps.missing, "raises AttributeError"),
    ],
)
def test_what_is_no_answer_is_named(answer, words):
    assert words in said(steps, answer)


def test_arrays_are_told_from_what_resembles_them():
    right = surest.reference
    for answer, words in [
        (lambda z: list(right(z)), "is a list; expected an array: return a NumPy array."),
        (lambda z: (p for p in right(z)), "is a generator, which makes its elements later; return a NumPy array."),
        (lambda z: iter(right(z)), "which makes its elements later; return a NumPy array."),
        (lambda z: dict(enumerate(right(z))), "is a dict; expected an array."),
    ]:
        assert words in said(surest, answer)


def test_an_error_is_named_with_what_usually_leads_to_it():
    message = said(networks.log_probabilities, lambda z: z - z.max(axis=1))
    assert "could not be broadcast" in message
    assert "\nNote: Shapes do not fit each other" in message
    assert "raises RecursionError" in said(steps, lambda n, size: recurse(n))


def recurse(n):
    return recurse(n)


def test_what_is_printed_is_shown_once():
    def talks(images, batch_size):
        print("images:", images)
        return -(-images // batch_size)

    assert steps.verdict(talks) == ("right", f"{steps.name}: right.\nIt prints, in its first call: 'images: 60000\\n'.")
    assert said(steps, lambda n, size: print(n // size)) == (
        "steps_in_an_epoch: not right yet. It prints, but returns None: end it with return.\n"
        "It prints, in its first call: '468\\n'."
    )


def test_an_argument_that_is_changed_is_named():
    def sorts(losses, patience):
        losses.sort()
        return 0

    assert "changes its argument losses in place; work on a copy." in said(networks.early_stopping, sorts)


def test_an_array_that_is_used_again_is_no_other_result():
    """A result is read after all calls: an answer may fill the same array each time."""
    kept = np.zeros(64)

    def fills(logits):
        kept[: len(logits)] = surest.reference(logits)
        return kept[: len(logits)]

    assert surest.verdict(fills).state == "right"


def test_inputs_are_those_of_the_call_that_the_message_names():
    """For arguments that are too large to write out: NAME(*exercise.NAME.inputs())."""

    def only_small(x, w):
        return convolution.all_places.reference(x, w) if x.size < 40 else np.zeros((1, 1))

    message = said(convolution.all_places, only_small)
    assert "all_places(*exercise.all_places.inputs())" in message
    x, _ = convolution.all_places.inputs()
    assert x.size >= 40
    x[:] = 0
    assert convolution.all_places.inputs()[0].any(), "they are copies"
    assert "inputs()" not in said(device.unfit, lambda x: True)
    assert device.unfit.inputs()[0].tolist() == [0.0, 0.5, 1.0]
