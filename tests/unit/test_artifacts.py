"""Model files: hashes, safe writing, and which model a notebook gets."""

import hashlib
import json
import os
import stat

import pytest

from edgelab import artifacts


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A folder with one recorded model, standing in for data/models."""
    (tmp_path / "m.tflite").write_bytes(b"0000TFL3 and so on")
    entry = {"name": "m", "file": "m.tflite", "sha256": hashlib.sha256(b"0000TFL3 and so on").hexdigest()}
    (tmp_path / "models.json").write_text(json.dumps({"models": [entry]}))
    monkeypatch.setattr(artifacts, "models_folder", lambda: tmp_path)
    return tmp_path


def test_every_shipped_model_equals_its_record():
    index = artifacts.read_index(artifacts.models_folder())
    assert len(index) >= 7
    for entry in index:
        path = artifacts.shipped(entry["name"])
        assert path.stat().st_size == entry["bytes"]
        assert {"seed", "command", "test_accuracy"} <= set(entry)


def test_every_file_beside_the_index_is_in_it():
    folder = artifacts.models_folder()
    recorded = {entry["file"] for entry in artifacts.read_index(folder)}
    assert {path.name for path in folder.glob("*.*")} - {"models.json", "README.md"} == recorded


def test_flipped_byte_is_found_and_the_file_named(models):
    (models / "m.tflite").write_bytes(b"0000TFL3 and so oN")
    with pytest.raises(ValueError, match=r"m\.tflite: SHA-256 is .* records .* git checkout"):
        artifacts.shipped("m")


@pytest.mark.parametrize("content, words", [(b"", "is empty"), (b"0000TFL3", "SHA-256")])
def test_empty_and_truncated_files_are_named(models, content, words):
    (models / "m.tflite").write_bytes(content)
    with pytest.raises(ValueError, match=rf"m\.tflite: .*{words}"):
        artifacts.shipped("m")


def test_missing_file_names_it_and_the_shipped_models(models):
    (models / "m.tflite").unlink()
    with pytest.raises(FileNotFoundError, match=r"m\.tflite.*Shipped models: m"):
        artifacts.shipped("m")


def test_unknown_name_lists_the_known_ones(models):
    with pytest.raises(ValueError, match="unknown model 'n'; the shipped models are: m"):
        artifacts.shipped("n")


@pytest.mark.parametrize("text", ["", "[]", '{"models": [{"name": "m"}]}', '{"models": 3}'])
def test_broken_index_is_named(models, text):
    (models / "models.json").write_text(text)
    with pytest.raises(ValueError, match=r"models\.json: not an index"):
        artifacts.names()


def test_the_readers_own_model_comes_first_only_when_asked_for(models, tmp_path_factory, monkeypatch):
    own = tmp_path_factory.mktemp("own")
    (own / "m.tflite").write_bytes(b"mine")
    monkeypatch.delenv("EDGELAB_ARTIFACTS", raising=False)
    assert artifacts.find("m") == models / "m.tflite"
    assert artifacts.keep("other", b"x") is None
    monkeypatch.setenv("EDGELAB_ARTIFACTS", str(own))
    assert artifacts.find("m") == own / "m.tflite"
    assert artifacts.keep("other", b"x").read_bytes() == b"x"


def test_a_file_without_record_is_read_as_it_is(models):
    (models / "mine.tflite").write_bytes(b"anything")
    assert artifacts.verify(models / "mine.tflite") == b"anything"


def test_a_file_without_record_has_no_hash(models):
    assert artifacts.recorded_sha256(models / "other.tflite") is None
    assert artifacts.recorded_sha256(models / "m.tflite")


def test_write_atomic_leaves_the_old_file_when_the_disk_is_full(tmp_path, monkeypatch):
    path = artifacts.write_atomic(tmp_path / "deep" / "f.txt", "old")

    def full(self, data):
        with open(self, "wb") as stream:
            stream.write(data[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match=r"f\.txt: cannot be written \(No space left"):
        artifacts.write_atomic(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(path.parent) == ["f.txt"]


def test_write_atomic_names_a_path_that_cannot_be_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot be written"):
        artifacts.write_atomic(tmp_path / "file" / "f.txt", "x")


def test_write_atomic_keeps_text_as_utf8(tmp_path):
    path = artifacts.write_atomic(tmp_path / "f.txt", "σ")
    assert path.read_bytes() == "σ".encode()
    assert path.stat().st_mode & stat.S_IRUSR
