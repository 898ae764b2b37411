"""The frontier's runs: which are left, what a row holds, and what a kill costs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgelab.train.networks.family import FAMILY, Recipe

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
import frontier  # noqa: E402


def row(name, seed, recipe):
    return {"name": name, "seed": seed, "recipe": frontier.written(recipe)}


def test_three_networks_have_five_seeds_the_others_three_and_first_seeds_come_first():
    runs = frontier.planned(FAMILY)
    seeds = {name: sorted(seed for each, seed in runs if each == name) for name in FAMILY}
    assert sorted(map(len, seeds.values())) == [3] * (len(FAMILY) - 3) + [5] * 3
    assert all(found == list(range(1, len(found) + 1)) for found in seeds.values())
    assert [name for name, _ in runs[: len(FAMILY)]] == list(FAMILY)


def test_finished_runs_are_not_repeated_and_a_changed_recipe_is_trained_anew():
    family = {"tiny": Recipe("c2", 3), "best": Recipe("c4", 3)}
    runs = frontier.planned(family)
    rows = json.loads(json.dumps([row("tiny", 1, family["tiny"]), row("best", 2, family["best"])]))
    rest = frontier.left(runs, rows, family)
    assert len(rest) == len(runs) - 2
    assert ("tiny", 1) not in rest
    assert ("best", 2) not in rest
    changed = {**family, "best": Recipe("c4", 4)}
    assert ("best", 2) in frontier.left(runs, rows, changed)


def test_every_committed_row_is_of_the_recipe_that_stands_in_the_package():
    path = BENCHMARKS / "results" / "frontier.json"
    rows = json.loads(path.read_text())["rows"]
    assert rows
    assert not [(r["name"], r["seed"]) for r in rows if r["recipe"] != frontier.written(FAMILY[r["name"]])]


SCRIPT = """
import sys
from pathlib import Path
import frontier
from edgelab.train.networks.family import Recipe
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    family = {"tiny": Recipe("c2k5s2", 1), "small": Recipe("c2k5s2 p", 1)}
    frontier.frontier(family, [("tiny", 1), ("small", 1), ("tiny", 2)], 1, folder, folder / "weights", images=3000)
"""


@pytest.mark.slow
def test_a_killed_frontier_goes_on_without_losing_or_repeating_a_finished_run(tmp_path):
    script = tmp_path / "runs.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(tmp_path)]
    places = {**os.environ, "PYTHONPATH": str(BENCHMARKS)}
    result = tmp_path / "frontier.json"
    first = subprocess.Popen(command, env=places, start_new_session=True, stderr=subprocess.PIPE)
    end = time.time() + 240
    while not result.is_file() and time.time() < end and first.poll() is None:
        time.sleep(0.1)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    before = json.loads(result.read_text())["rows"]
    assert 1 <= len(before) < 3, "killed too late to show anything"

    second = subprocess.run(command, env=places, capture_output=True, text=True, timeout=400)
    assert second.returncode == 0, second.stderr
    after = json.loads(result.read_text())["rows"]
    assert sorted((r["name"], r["seed"]) for r in after) == [("small", 1), ("tiny", 1), ("tiny", 2)]
    assert all(r in after for r in before), "a finished run was repeated"
    assert f"{3 - len(before)}/{3 - len(before)}" in second.stderr, "the bar counts what is left"
    for r in after:
        assert 0 <= r["float32"] <= 1
        assert 0 <= r["int8"] <= 1
        assert r["params"] < 300
        assert r["tflite_bytes"] > r["int8_bytes"] > r["deployed"]
        assert {"seconds", "versions", "validation", "macs", "activation_bytes", "cpu"} <= set(r)
        assert (tmp_path / "weights" / f"{r['name']}_{r['seed']}.keras").is_file()
