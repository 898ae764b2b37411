"""The published figures: what the course claims of its measured results is in benchmarks/results."""

from collections import defaultdict

import numpy as np
import pytest

from edgelab.course.results.benchmarks import measured


def rows(benchmark: str, **wanted) -> list[dict]:
    found = [row for row in measured(benchmark)["rows"] if all(row[key] == value for key, value in wanted.items())]
    assert found, f"no row of {benchmark}.json has {wanted}"
    return found


def mean(found: list[dict], key: str) -> float:
    return float(np.mean([row[key] for row in found]))


def test_the_engine_equals_each_runtime_by_its_own_rule():
    """Of all 100,000 logits of each shipped int8 model, none differs; by another's rule some do."""
    models = {row["model"] for row in rows("engine")}
    assert {"tiny_int8", "small_int8", "best_int8", "small_cnn_int8", "dense128_int8"} <= models
    for row in rows("engine"):
        assert row["logits"] == 100_000
        assert row["differ"][row["runtime"]] == 0, row
    assert all(row["images_per_s"]["engine"] >= 2000 for row in rows("engine", model="tiny_int8"))


@pytest.mark.parametrize(
    "benchmark, key, name",
    [("frontier", "name", name) for name in ("tiny", "light1k", "light3k", "small", "light16k", "best")]
    + [("seeds", "model", name) for name in ("small_cnn", "dense128")],
)
def test_int8_costs_a_recipe_less_than_a_tenth_of_a_point(benchmark, key, name):
    found = rows(benchmark, **{key: name})
    assert len(found) >= 3
    assert abs(mean(found, "float32") - mean(found, "int8")) <= 0.001


def test_four_bits_trained_are_within_what_08_says():
    trained = rows("qat", name="small", training="qat4", weights="int4")
    control = rows("qat", name="small", training="float", weights="float32")
    assert len(trained) == len(control) >= 3
    assert mean(trained, "test") >= 0.993
    assert mean(trained, "test") >= mean(control, "test") - 0.003
    assert max(row["constant_bytes"] for row in trained) <= 6000


@pytest.mark.parametrize("network, ratio, error", [("lenet_300_100", 50, 0.0164), ("lenet_5", 45, 0.0080)])
def test_compressed_files_are_smaller_than_the_papers_at_no_more_errors(network, ratio, error):
    """Each seed, and not the best of them: some level keeps both."""
    levels = defaultdict(list)
    for row in rows("compress", network=network):
        levels[row["level"]].append(row["ratio"] >= ratio and 1 - row["test"] <= error + 1e-9)
    assert any(all(kept) for kept in levels.values()), dict(levels)


def test_a_teacher_helps_the_students_of_800_units():
    """Each student makes fewer errors than its twin that learnt from labels alone."""
    taught, alone = rows("distil", units=800, temperature=20.0), rows("distil", units=800, temperature=0)
    wrong = {row["seed"]: row["errors"] for row in alone}
    assert [row["seed"] for row in taught] == list(wrong)
    assert all(row["errors"] < wrong[row["seed"]] for row in taught)


def test_a_trained_recurrent_network_keeps_its_accuracy_in_int8():
    """Unrolled, as 07 says; with biases of zero the file is not given to the default kernels."""
    for row in rows("recurrent", network="trained"):
        assert abs(row["accuracy"] - row["keras_accuracy"]) <= 0.001, row
        assert row["default_kernels_open_it"], row
    assert not any(row["default_kernels_open_it"] for row in rows("recurrent", network="biases zero", form="unrolled"))
