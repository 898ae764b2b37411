"""The frontier figure: what is drawn are the means, the ranges and the networks that nothing beats."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelab.course.figures.frontier_plot import PEERS, Network, Peer, frontier, networks, worth_having
from edgelab.course.figures.plots import INK, PAPER

FAMILY = [
    Network("f500", 700, (0.978, 0.981, 0.983)),
    Network("f3000", 3200, (0.9905, 0.991)),
    Network("clumsy", 5000, (0.985,)),
    Network("f8000", 8100, (0.9935, 0.994, 0.9945)),
    Network("f40000", 39_000, (0.9955, 0.9962, 0.996)),
]
some_networks = st.lists(
    st.builds(
        Network,
        st.just("n"),
        st.integers(1, 8),
        st.lists(st.integers(1, 9).map(lambda tenths: tenths / 10), min_size=1, max_size=1).map(tuple),
    ),
    min_size=1,
    max_size=12,
)


def test_rows_of_one_name_become_one_network():
    """A row a seed: drawn singly, each lucky seed would stand on the frontier."""
    rows = [{"name": n.name, "int8_bytes": n.size, "int8": a} for n in FAMILY[::-1] for a in n.accuracies]
    assert networks(rows) == FAMILY
    assert FAMILY[0].mean == pytest.approx(sum(FAMILY[0].accuracies) / 3)
    assert FAMILY[0].spread == pytest.approx(np.std(FAMILY[0].accuracies, ddof=1))
    assert Network("one seed", 1, (0.5,)).spread == 0.0


def test_two_sizes_under_one_name_are_refused():
    rows = [{"name": "a", "int8_bytes": 10, "int8": 0.9}, {"name": "a", "int8_bytes": 11, "int8": 0.9}]
    with pytest.raises(ValueError, match="a: int8_bytes is 10 in one row and 11 in another; expected the same"):
        networks(rows)


@given(some_networks)
def test_nothing_beats_what_is_worth_having_and_something_beats_the_rest(candidates):
    """By the definition, pair by pair, instead of by sorting."""

    def beats(one: Network, other: Network) -> bool:
        better = one.size < other.size or one.mean > other.mean
        return one.size <= other.size and one.mean >= other.mean and better

    best = worth_having(candidates)
    assert [one for one in best if any(beats(other, one) for other in candidates)] == []
    rest = [one for one in candidates if one not in best]
    assert [one for one in rest if not any(beats(other, one) for other in best)] == []
    assert [one.size for one in best] == sorted({one.size for one in best})


def test_the_figure_draws_means_ranges_and_the_frontier():
    ax = frontier(FAMILY).axes[0]
    points, _, (bars,) = ax.containers[0]
    np.testing.assert_allclose(points.get_xdata(orig=False), [n.size for n in FAMILY])
    np.testing.assert_allclose(points.get_ydata(orig=False), [100 * (1 - n.mean) for n in FAMILY])
    ends = np.array([[segment[0, 1], segment[1, 1]] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends[:, 0], [100 * (1 - max(n.accuracies)) for n in FAMILY])
    np.testing.assert_allclose(ends[:, 1], [100 * (1 - min(n.accuracies)) for n in FAMILY])
    (line,) = [each for each in ax.lines if each.get_label() == "worth having"]
    assert list(line.get_xdata()) == [700, 3200, 8100, 39_000]


def test_better_is_higher_and_the_labels_are_accuracies():
    """On a logarithmic axis of errors, 1 % stands where the reader must see 99."""
    figure = frontier(FAMILY)
    figure.draw_without_rendering()
    ax = figure.axes[0]
    low, high = ax.get_ylim()
    assert low > high
    for axis in (ax.xaxis, ax.yaxis):
        places, words = axis.get_majorticklocs(), [label.get_text() for label in axis.get_ticklabels()]
        values = [float(word.replace(",", "")) for word in words]
        np.testing.assert_allclose(values, places if axis is ax.xaxis else 100 - places)
    assert "99.5" in words


def test_peers_stand_beside_them_and_one_without_accuracy_is_a_line():
    """A project that reports no accuracy must not get one."""
    ax = frontier(FAMILY).axes[0]
    drawn = {line.get_label(): line for line in ax.lines}
    told = [peer for peer in PEERS if peer.accuracy is not None]
    squares = drawn["BitNetMCU: as reported, one run"]
    np.testing.assert_allclose(squares.get_xdata(orig=False), [peer.size for peer in told])
    np.testing.assert_allclose(squares.get_ydata(orig=False), [100 * (1 - peer.accuracy) for peer in told])
    assert drawn["TinyMaix: reports no accuracy"].get_xdata() == [2408, 2408]
    alone = frontier(FAMILY, peers=[Peer("x", 3, 0.9, "here")])
    assert [t.get_text() for t in alone.axes[0].get_legend().get_texts()][-1].startswith("mean, lowest")
    assert all(re.match(r"[\w-]+/\w+, .+", peer.source) for peer in PEERS)


@pytest.mark.parametrize("family", [FAMILY, FAMILY[:1]])
def test_it_reads_at_half_width(family):
    """As all figures of the course; one network alone must do as well, while the others are still in training."""
    from matplotlib.text import Text

    figure = frontier(family)
    figure.draw_without_rendering()
    words = [t for t in figure.findobj(Text) if t.get_text() and t.get_visible()]
    assert {t.get_text() for t in words if t.get_fontsize() / 72 * figure.dpi / 2 < 9} == set()
    assert {t.get_color() for t in words} <= {INK, PAPER}


def test_nothing_to_draw_is_an_error():
    with pytest.raises(ValueError, match="no network to draw"):
        frontier([])
