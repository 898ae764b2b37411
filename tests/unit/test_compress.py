"""The benchmarks of compression: which rows are left, what a row depends on, and a small run from end to end."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from edgelab.shrink.compress.packed_reader import Layer, unpack

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
import compress  # noqa: E402
import distil  # noqa: E402

SMALL = compress.Plan(
    ({"ip1": 0.2, "ip2": 0.2, "ip3": 0.5}, {"ip1": 0.1, "ip2": 0.1, "ip3": 0.4}),
    {"ip1": 8, "ip2": 8, "ip3": 8},
    1,
    1,
    1,
)


def test_levels_come_in_order_and_the_first_seeds_first():
    rows = compress.planned(compress.PLANS, [1, 2])
    assert len(rows) == 2 * sum(len(plan.keep) + 1 for plan in compress.PLANS.values())
    assert rows[:2] == [("lenet_300_100", 1, 0), ("lenet_300_100", 1, 1)]
    assert {seed for _, seed, _ in rows[: len(rows) // 2]} == {1}


def test_a_level_depends_on_the_levels_before_it_and_not_on_those_after(tmp_path):
    """A longer ladder must not train its lower rungs anew; another codebook must not prune anew."""
    longer = SMALL._replace(keep=(*SMALL.keep, {"ip1": 0.05, "ip2": 0.05, "ip3": 0.2}))
    finer = SMALL._replace(clusters={"ip1": 32, "ip2": 32, "ip3": 32})
    for level in (0, 1, 2):
        assert compress.written(longer, level) == compress.written(SMALL, level)
        assert (compress.written(finer, level) == compress.written(SMALL, level)) is (level == 0)
        paths = {compress.kept_in(tmp_path, "a", plan, 1, level) for plan in (SMALL, longer, finer)}
        assert len(paths) == 1
    slower = SMALL._replace(prune_epochs=2)
    assert compress.kept_in(tmp_path, "a", slower, 1, 1) != compress.kept_in(tmp_path, "a", SMALL, 1, 1)
    assert json.loads(json.dumps(compress.written(SMALL, 2))) == compress.written(SMALL, 2)


def test_the_papers_levels_keep_what_the_paper_keeps():
    """Han et al. 2016, tables 2 and 3: 8 % of the weights of each network."""
    for name, sizes in {
        "lenet_300_100": {"ip1": 235_200, "ip2": 30_000, "ip3": 1_000},
        "lenet_5": {"conv1": 500, "conv2": 25_000, "ip1": 400_000, "ip2": 5_000},
    }.items():
        keep = compress.PLANS[name].keep[0]
        share = sum(keep[layer] * size for layer, size in sizes.items()) / sum(sizes.values())
        assert round(share, 2) == 0.08
        assert all(compress.PLANS[name].clusters.keys() == level.keys() for level in compress.PLANS[name].keep)


def test_the_accounts_are_the_papers():
    """One layer by hand: 100 weights, 9 zeros before each: 5 bits a gap, 32 or 4 a weight. Then two fillers more."""
    codes = np.zeros((100, 10), np.uint8)
    codes[::10] = 1 + np.arange(10) % 15
    layer = Layer("a", "dense", np.zeros(16, np.float32), codes, np.zeros(10, np.float32))
    found = compress.accounts([layer])
    far = np.zeros((80, 10), np.uint8)
    far[70, 0] = 1
    more = compress.accounts([layer._replace(codes=far)])
    assert more["pruned_bytes"] == round(3 * 37 / 8 + 40)  # 70 zeros: 32 and 32 end in a filler, 6 remain
    assert found == {"pruned_bytes": round(62.5 + 400 + 40), "shared_bytes": round(62.5 + 50 + 64 + 40)}


@pytest.mark.slow
def test_the_pipeline_runs_and_goes_on_where_it_stopped(tmp_path, capsys):
    """3,000 images, one epoch a stage: what is checked is that stages fit, and that nothing is done twice."""
    plans = {"lenet_300_100": SMALL}
    compress.compress({"lenet_300_100": SMALL._replace(keep=SMALL.keep[:1])}, [1], tmp_path, tmp_path, images=3000)
    first = json.loads((tmp_path / "compress.json").read_text())["rows"]
    weights = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.keras")}
    compress.compress(plans, [1], tmp_path, tmp_path, images=3000)
    rows = json.loads((tmp_path / "compress.json").read_text())["rows"]
    assert [row["level"] for row in rows] == [0, 1, 2]
    assert rows[:2] == first
    assert all(path.stat().st_mtime_ns == time for path, time in weights.items())
    for row in rows[1:]:
        path = tmp_path / f"lenet_300_100_1_{row['level']}.elpk"
        layers = unpack(path)
        assert path.stat().st_size == row["file_bytes"] < row["shared_bytes"] < row["pruned_bytes"]
        assert row["ratio"] == round(4 * 266_610 / row["file_bytes"], 1)
        kept = {layer.name: np.count_nonzero(layer.codes) / layer.codes.size for layer in layers}
        assert kept == pytest.approx(SMALL.keep[row["level"] - 1])
        assert set(row["validation"]) == {"trained", "shared", "file"}
        assert 0.5 < row["test"] < 1


@pytest.mark.slow
def test_distillation_runs_and_repeats_no_row(tmp_path, capsys):
    protocol = distil.Protocol(32, 1, ((16, (0, 4.0)),), 1)
    distil.distilled(protocol, tmp_path, tmp_path, images=1500)
    rows = json.loads((tmp_path / "distil.json").read_text())["rows"]
    assert [(r["units"], r["temperature"], r["seed"]) for r in rows] == [
        (32, None, 0),
        *((16, t, seed) for seed in (1, 2, 3) for t in (0, 4.0)),
    ]
    assert all(0 < row["errors"] < 9000 for row in rows)
    distil.distilled(protocol, tmp_path, tmp_path, images=1500)
    assert json.loads((tmp_path / "distil.json").read_text())["rows"] == rows
