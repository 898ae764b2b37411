"""What `edgelab inspect` says of a file, and whether it finds the operator that differs."""

import numpy as np
import pytest
from _tflite import File

from edgelab.artifacts import shipped
from edgelab.cli import main
from edgelab.infer import comparison
from edgelab.infer.comparison import Difference, compare_tflite, random_inputs, rules_that_give
from edgelab.infer.inspection import Inspection, Part, describe, inspect_tflite
from edgelab.infer.parity import RESOLVERS, runtime_outputs
from edgelab.infer.tflite import read
from edgelab.infer.tflite_cost import count_tflite


def mixed() -> bytes:
    """An int8 file with a float operator inside."""
    file = File()
    x, real, root = file.tensor((1, 4), 0.05, 3), *(file.tensor((1, 4), dtype="float32") for _ in "ab")
    y, z = file.tensor((1, 4), 0.05, 3, name="back"), file.tensor((1, 4), 0.05, -128)
    file.operator("DEQUANTIZE", [x], [real])
    file.operator("RSQRT", [real], [root])
    file.operator("QUANTIZE", [root], [y])
    file.operator("RELU", [y], [z])
    return file.bytes([x], [z])


def test_a_shipped_model():
    """Figures as the cost table counts them; each rule can run it."""
    found, cost = inspect_tflite(shipped("small_int8")), count_tflite(shipped("small_int8"))
    assert (found.macs, found.params, found.weight_bytes) == (cost.macs, cost.params, cost.weight_bytes())
    assert found.activation_bytes == cost.activation_bytes
    assert [part.kind for part in found.parts] == [o.kind for o in read(shipped("small_int8")).operators]
    assert found.bytes == shipped("small_int8").stat().st_size
    assert set(found.refusals.values()) == {""}
    assert found.floats == ()
    assert isinstance(found, Inspection)
    first = found.parts[0]
    assert first == Part(0, "CONV_2D", first.makes, "int8", (1, 14, 14, 12), first.scale, -128, 21_168, 3_136)
    text = describe(found, layers=True)
    assert "engine    reference, builtin, xnnpack, micro: can run it" in text
    assert len(text.splitlines()) == 6 + 1 + len(found.parts)


def test_what_is_float_in_an_integer_file_is_named():
    found = inspect_tflite(mixed())
    assert [(part.number, part.kind) for part in found.floats] == [(1, "RSQRT")]
    assert "1 operators compute in float32 in an integer file: 1 RSQRT (t2)" in describe(found)
    assert "1 of 2 operators compute in float32: RSQRT" in found.refusals["xnnpack"]


def test_a_float_file_is_no_mixed_one():
    found = inspect_tflite(shipped("small_cnn_float32"))
    assert found.floats == ()
    assert "has 'serving_default_image:0' in float32; expected int8" in found.refusals["micro"]


def test_what_cannot_be_counted_is_told():
    file = File()
    x, y = file.tensor((1, 4), 0.05, 3), file.tensor((1, 4), 0.05, 3)
    file.operator("WHILE", [x], [y])
    found = inspect_tflite(file.bytes([x], [y]))
    assert found.macs is None
    assert "cost      not counted: " in describe(found)
    assert "runs another subgraph" in describe(found)


def test_inputs_of_every_type():
    file = File()
    tensors = [
        file.tensor((1, 2), 0.1, 0), file.tensor((3,), 0.1, 0, dtype="uint8"),
        file.tensor((1, 2), dtype="float32"), file.tensor((1, 2), dtype="int32"),
    ]  # fmt: skip
    made = random_inputs(read(file.bytes(tensors, tensors)), 5)
    assert [(x.shape, x.dtype.name) for x in made] == [
        ((5, 2), "int8"), ((5, 3), "uint8"), ((5, 2), "float32"), ((5, 2), "int32"),
    ]  # fmt: skip


def test_the_operator_that_differs_is_named(monkeypatch):
    """The engine by another rule than the runtime's: as a fault in the engine, or an unknown runtime, would look."""
    monkeypatch.setattr(comparison, "engine_outputs", lambda path, xs, _: by_rule(path, xs, "reference"))
    monkeypatch.setattr("edgelab.infer.parity.IntegerModel", lambda tflite, _: IntegerModel(tflite, "reference"))
    from edgelab.infer.integer.model import IntegerModel

    def by_rule(path, xs, rule):
        return [IntegerModel(path, rule).run(*xs)]

    x = [np.random.default_rng(0).integers(-128, 128, (200, 28, 28, 1)).astype(np.int8)]
    same, other = compare_tflite(shipped("tiny_int8"), x, ["reference", "xnnpack"])
    assert same == Difference("reference", 2000, 0, None)
    assert other.differing > 0
    assert other.first[1] in ("CONV_2D", "DEPTHWISE_CONV_2D")
    assert other.first[0] < len(read(shipped("tiny_int8")).operators) - 1


def test_the_rule_that_a_device_follows_is_found():
    """From recorded answers: here those of LiteRT's own kernels."""
    x = [np.random.default_rng(0).integers(-128, 128, (200, 28, 28, 1)).astype(np.int8)]
    for runtime in ("reference", "xnnpack"):
        answers = runtime_outputs(shipped("best_int8"), x, runtime)
        found = rules_that_give(shipped("best_int8"), x, answers)
        assert found[runtime] == 0
        assert max(found.values()) > 0
    with pytest.raises(ValueError, match=r"the answers have shapes .*; the model makes \[\(200, 10\)\]"):
        rules_that_give(shipped("best_int8"), x, [answers[0][:5]])


def test_a_runtime_without_a_kernel_is_left_out(tmp_path):
    """TensorFlow Lite Micro has no TILE: the other rules are compared all the same."""
    file = File()
    x, y = file.tensor((1, 4), 0.05, 3), file.tensor((1, 8), 0.05, 3)
    file.operator("TILE", [x, file.tensor((2,), dtype="int32", data=[1, 2])], [y])
    (tmp_path / "tile.tflite").write_bytes(file.bytes([x], [y]))
    q = np.int8([[1, 2, 3, 4]])
    assert rules_that_give(tmp_path / "tile.tflite", [q], [np.tile(q, 2)]) == dict.fromkeys(RESOLVERS, 0)
    with pytest.raises(ValueError, match="TILE"):
        compare_tflite(tmp_path / "tile.tflite", [q], ["micro"])


def test_a_file_that_litert_refuses_is_told(tmp_path):
    """No inner error of the runtime: the file is opened elsewhere first, and refused by name."""
    file = File()
    x, y = file.tensor((1, 4), 0.05, 3), file.tensor((1, 3), 0.1, 3)
    w = file.tensor((3, 4), 0.02, data=np.ones((3, 4)))
    file.operator("FULLY_CONNECTED", [x, w, -1], [y], keepNumDims=False)
    (tmp_path / "net.tflite").write_bytes(file.bytes([x], [y]))
    assert [each.differing for each in compare_tflite(tmp_path / "net.tflite")] == [0, 0, 0]
    with pytest.raises(ValueError, match="1 of 2 operators compute in float32"):
        (tmp_path / "mixed.tflite").write_bytes(mixed())
        compare_tflite(tmp_path / "mixed.tflite")


def test_the_command(tmp_path, capsys):
    assert main(["inspect", "tiny_int8", "--layers", "--compare"]) == 0
    said = capsys.readouterr().out
    assert "LiteRT    xnnpack: 0 of 200 values differ" in said
    assert "CONV_2D" in said
    x = np.random.default_rng(0).integers(-128, 128, (50, 28, 28, 1)).astype(np.int8)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", runtime_outputs(shipped("tiny_int8"), x, "xnnpack")[0])
    recorded = ["--inputs", str(tmp_path / "x.npy"), "--expected", str(tmp_path / "y.npy")]
    assert main(["inspect", "tiny_int8", *recorded]) == 0
    assert "recorded  by the rule of xnnpack: 0 values differ" in capsys.readouterr().out
    assert main(["inspect", "tiny_int8", *recorded[2:]]) == 1
    assert "--expected needs --inputs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("nowhere.tflite", None, "the model file cannot be read"),
        ("folder", "", "the model file cannot be read"),
        ("empty.tflite", b"", "the model file is empty"),
        ("text.tflite", b"no model at all", "not a .tflite"),
        ("cut.tflite", ..., "a damaged .tflite"),
    ],
)
def test_bad_files_are_named(tmp_path, capsys, name, content, words):
    path = tmp_path / name
    if content == "":
        path.mkdir()
    elif content is not None:
        path.write_bytes(shipped("tiny_int8").read_bytes()[:3000] if content is ... else content)
    assert main(["inspect", str(path)]) == 1
    assert words in capsys.readouterr().err


def test_a_folder_of_files(tmp_path, capsys):
    """benchmarks/foreign.py: each file is named with what is right or wrong, and a bad one stops nothing."""
    import importlib.util
    from pathlib import Path

    script = Path(__file__).resolve().parents[2] / "benchmarks" / "foreign.py"
    spec = importlib.util.spec_from_file_location("foreign", script)
    foreign = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(foreign)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "good.tflite").write_bytes(shipped("tiny_int8").read_bytes())
    (tmp_path / "bad.tflite").write_bytes(b"no model")
    (tmp_path / "float.tflite").write_bytes(shipped("tiny_float32").read_bytes())
    assert foreign.main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "reference, builtin, xnnpack: 0 of 200 differ" in said
    assert "not a .tflite" in said
    assert "3 files: 1 equal, 0 differing, 1 refused, 1 not read" in said
    assert foreign.main([str(tmp_path / "nothing")]) == 1
