"""Tables and figure of compression: what they show are the rows and the papers, and what does not fit is left out."""

import re

import numpy as np
import pytest

from edgelab.course.figures.compression import (
    HINTON,
    PAPERS,
    Level,
    Published,
    compression_table,
    levels,
    ratio_against_error,
    smallest_within,
)


def row(network: str, seed: int, level: int, size: int, test: float, held_out: float) -> dict:
    """A row as benchmarks/compress.py writes it."""
    validation = {"trained": 0.5, "shared": 0.25, "file": held_out} if level else {"trained": held_out}
    more = {"pruned_bytes": 4 * size, "shared_bytes": 2 * size} if level else {}
    known = {
        "network": network,
        "seed": seed,
        "level": level,
        "weights": 10 * size,
        "test": test,
        "validation": validation,
    }
    return {**known, "float_bytes": 1000, "file_bytes": size if level else 1000, **more}


ROWS = [
    row("lenet_300_100", 1, 0, 0, 0.985, 0.986),
    row("lenet_300_100", 1, 1, 25, 0.984, 0.980),
    row("lenet_300_100", 1, 2, 10, 0.980, 0.976),
    row("lenet_300_100", 2, 1, 15, 0.986, 0.982),
    row("lenet_300_100", 2, 2, 10, 0.982, 0.978),
    row("lenet_5", 1, 0, 0, 0.992, 0.991),
]


def test_rows_of_one_level_are_one_with_the_means_of_its_seeds():
    found = levels(ROWS)
    assert [(one.network, one.level) for one in found] == [
        ("lenet_300_100", 0),
        ("lenet_300_100", 1),
        ("lenet_300_100", 2),
        ("lenet_5", 0),
    ]
    one = found[1]
    assert (one.pruned, one.shared, one.file, one.weights) == (80, 40, 20, 200)
    assert one.errors == (0.016, 0.014)
    assert one.error == pytest.approx(0.015)
    assert one.held_out == (0.020, 0.018), "of the file, not of a stage before it"
    assert one.held_out_error == pytest.approx(0.019)
    assert found[0].held_out == (0.014,)
    assert one.ratio == 50
    assert (found[0].pruned, found[0].shared) == (None, None)
    assert levels([]) == []


def test_the_table_has_the_numbers_of_the_levels_and_of_the_paper():
    """Read back from the text, line by line."""
    lines = compression_table(levels(ROWS)).splitlines()
    numbers = {line.partition("  ")[0]: re.findall(r"[\d.,]+", line)[-4:] for line in lines if line[:5] == "level"}
    assert numbers["level 2"] == ["10", "100.0", "1.90", "2"]
    paper = [line for line in lines if line.startswith("the paper")]
    assert [re.findall(r"[\d.,]+", line) for line in paper] == [["27,000", "39.6", "1.58"], ["44,000", "39.1", "0.74"]]
    assert len({len(line) for line in lines if line[:5] == "level"}) == 1, "columns that do not stand under each other"


def test_the_papers_figures_are_the_papers():
    """Han, Mao and Dally 2016, table 1; Hinton, Vinyals and Dean 2015, section 3."""
    assert {name: (round(paper.ratio), paper.error, paper.compressed_error) for name, paper in PAPERS.items()} == {
        "lenet_300_100": (40, 0.0164, 0.0158),
        "lenet_5": (39, 0.0080, 0.0074),
    }
    assert all(isinstance(paper, Published) and "table 1" in paper.source for paper in PAPERS.values())
    assert list(HINTON.values()) == [67, 146, 74]


def test_the_smallest_file_within_an_error_is_of_a_compressed_level():
    """By held-out images. Level 0 has the least error and saves nothing; a level a bit too wrong does not count."""
    found = levels(ROWS)
    assert smallest_within(found, "lenet_300_100", 0.019).level == 1
    assert smallest_within(found, "lenet_300_100", 0.023).level == 2
    assert smallest_within(found, "lenet_300_100", 0.0189) is None, "though its test error is 0.015"
    assert smallest_within(found, "lenet_5", 1.0) is None
    assert smallest_within([], "lenet_5", 1.0) is None


def test_the_figure_draws_levels_and_paper_at_their_places():
    figure = ratio_against_error(levels(ROWS))
    assert len(figure.axes) == 2
    first = figure.axes[0]
    drawn = {line.get_marker(): line for line in first.lines}
    np.testing.assert_allclose(drawn["o"].get_xdata(orig=False), [1, 50, 100])
    np.testing.assert_allclose(drawn["o"].get_ydata(orig=False), [1.5, 1.5, 1.9])
    np.testing.assert_allclose(drawn["s"].get_xdata(orig=False), [1, 1070 / 27])
    np.testing.assert_allclose(drawn["s"].get_ydata(orig=False), [1.64, 1.58])
    assert first.get_title() == "LeNet-300-100"
    assert {text.get_text() for text in first.get_legend().get_texts()} == {"ours", "the paper"}


def test_a_network_without_a_paper_is_drawn_alone():
    figure = ratio_against_error([Level("mine", n, 9, 36, 9, 9, 36 / (n + 1), (0.1,), (0.1,)) for n in range(2)])
    assert figure.axes[0].get_title() == "mine"
    with pytest.raises(ValueError, match="1 levels, none above level 0"):
        ratio_against_error(levels(ROWS[:1]))
