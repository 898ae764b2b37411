"""edgelab.course.figures.series: what is drawn is what was given."""

import numpy as np
import pytest

from edgelab.course.figures.series import histogram_with_marks, lines


def test_each_series_is_drawn_where_it_lies():
    """A series drawn over another's x, or in another's place in the legend, would show a wrong result."""
    series = {"measured": [1, 4, 9], "derived": [2, 3, 5], "third": [0, 1, 2]}
    ax = lines([1, 2, 3], series, "n", "squares").axes[0]
    assert {line.get_label(): line.get_ydata().tolist() for line in ax.lines} == series
    assert all(line.get_xdata().tolist() == [1, 2, 3] for line in ax.lines)
    assert len({(line.get_marker(), line.get_linestyle(), line.get_color()) for line in ax.lines}) == 3
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale(), ax.get_ylim()[0]) == ("n", "squares", "linear", 0)


def test_points_have_no_line_and_the_others_no_marker():
    """A line through measured points would hide whether they lie on the derived one."""
    drawn = lines([1, 2], {"derived": [1, 2], "measured": [1, 2]}, "n", "n", log=True, points=["measured"]).axes[0]
    assert [(line.get_marker(), line.get_linestyle()) for line in drawn.lines] == [("", "-"), ("s", "None")]
    assert drawn.get_yscale() == "log"
    with pytest.raises(ValueError, match=r"points names \['gone'\]; expected names of series: derived"):
        lines([1], {"derived": [1]}, "n", "n", points=["gone"])


def test_a_series_below_zero_is_not_cut_off():
    assert lines([1, 2], {"a": [-3, 2]}, "n", "n").axes[0].get_ylim()[0] < -3


def test_marks_stand_at_their_places():
    """Each in its own style, over a histogram that has all values."""
    ax = histogram_with_marks(np.arange(12.0).reshape(3, 4), {"a": 2.0, "b": 7.5}, "x").axes[0]
    assert {line.get_label(): line.get_xdata()[0] for line in ax.lines} == {"a": 2.0, "b": 7.5}
    assert sum(patch.get_height() for patch in ax.patches) == 12
    assert len({line.get_linestyle() for line in ax.lines}) == 2
