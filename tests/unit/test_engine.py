"""The benchmark of the integer engine: its rows on a few images."""

import sys
from pathlib import Path

from edgelab.data import load_mnist

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
import engine  # noqa: E402


def test_rows_have_every_rule_for_every_runtime_and_zeros_where_the_names_are_one():
    rows = engine.measure("tiny_int8", load_mnist().x_test[:40], turns=1)
    assert [row["runtime"] for row in rows] == list(engine.RESOLVERS)
    for row in rows:
        assert set(row["differ"]) == set(engine.RESOLVERS)
        assert row["logits"] == 400
        assert row["differ"][row["runtime"]] == 0
        assert set(row["images_per_s"]) == {"engine", "runtime"}
        assert 0.1 < row["engine_mb"] < 100
    # XNNPACK's rule differs from the reference kernels in more than a third of tiny's logits.
    assert rows[0]["differ"]["xnnpack"] > 0


def test_a_rate_is_images_over_the_median_of_the_counted_turns():
    """The first turn warms up and does not count."""
    ran = []
    found = engine.images_per_s({"a": lambda: ran.append("a"), "b": lambda: ran.append("b")}, images=1000, turns=3)
    assert ran == ["a", "b"] * 4
    assert min(found.values()) > 1000


def test_the_peak_is_that_of_the_run_alone():
    before = bytearray(50_000_000)
    assert 20 <= engine.peak_mb(lambda: bytearray(20_000_000)) < 21
    assert len(before) == 50_000_000
