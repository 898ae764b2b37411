"""Labels inside a .tflite: the runtime computes as before, other tools find them, damage is named."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelab.artifacts import shipped
from edgelab.infer.labels import attach, attached
from edgelab.infer.runner import Runner
from edgelab.infer.tflite import read

LABELS = "\n".join(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])


def test_the_runtime_computes_as_before():
    tflite = shipped("small_cnn_int8").read_bytes()
    labelled = attach(tflite, {"labels.txt": LABELS})
    assert labelled.startswith(tflite)
    assert attached(labelled) == {"labels.txt": LABELS}
    assert attached(tflite) == {}
    x = np.random.default_rng(0).random((20, 28, 28, 1), np.float32)
    np.testing.assert_array_equal(Runner(labelled).predict(x), Runner(tflite).predict(x))
    assert len(read(labelled).operators) == len(read(tflite).operators)


names = st.text(
    st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters="/\\"), min_size=1, max_size=9
)


@given(st.dictionaries(names, st.text(max_size=40), min_size=1, max_size=4), st.binary(max_size=99))
def test_what_was_attached_is_read_again(files, content):
    tflite = b"1234TFL3" + content + b"end of the tables"
    assert attached(attach(tflite, files)) == files
    assert attach(tflite, files) == attach(tflite, files)


def test_any_unzip_finds_it_and_more_can_be_added():
    once = attach(b"1234TFL3 tables", {"labels.txt": "a", "licence.txt": "mine"})
    twice = attach(once, {"labels.txt": "b"})
    with zipfile.ZipFile(io.BytesIO(twice)) as archive:
        assert archive.testzip() is None
        assert archive.read("labels.txt") == b"b"
    assert attached(twice) == {"labels.txt": "b", "licence.txt": "mine"}
    assert twice.startswith(b"1234TFL3 tablesPK")


def test_what_cannot_be_attached_is_named():
    with pytest.raises(ValueError, match="not a .tflite: 5 bytes"):
        attach(b"hello", {"labels.txt": "a"})
    with pytest.raises(ValueError, match="no files"):
        attach(b"1234TFL3", {})
    with pytest.raises(ValueError, match="cannot attach 'a/b'"):
        attach(b"1234TFL3", {"a/b": "x"})


def test_damage_is_named():
    labelled = bytearray(attach(b"1234TFL3", {"labels.txt": LABELS}))
    labelled[60] ^= 0xFF
    with pytest.raises(ValueError, match="labels.txt, attached to the .tflite, is damaged"):
        attached(bytes(labelled))
