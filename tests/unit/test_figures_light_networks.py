"""The figures of notebook 06 hold the numbers that they were given."""

import numpy as np
import pytest

from edgelab.course.figures import (
    accuracy_by_labels,
    accuracy_by_share,
    channel_matrices,
    cost_by_layer,
    halving_runs,
    networks,
    scatter_panels,
    within_budget,
)
from edgelab.maths.cost_table import Cost, Row

ROWS = [
    Row("conv", "Conv2D", (26, 26, 16), 160, 97_344, 144, 16, 640, 46_400, 46_400),
    Row("max_pooling", "MaxPooling2D", (13, 13, 16), 0, 0, 0, 0, 0, 54_080, 54_080),
    Row("flatten", "Flatten", (2704,), 0, 0, 0, 0, 0, 10_816, 0),
]


def lengths(ax):
    return [bar.get_width() for bar in ax.patches]


def test_costs_are_drawn_for_layers_that_multiply_or_pool():
    params, macs, live = cost_by_layer(Cost("net", tuple(ROWS), "float32")).axes
    assert [label.get_text() for label in params.get_yticklabels()] == ["conv", "max_pooling"]
    assert lengths(params) == [0.160, 0]
    assert lengths(macs) == [97.344, 0]
    assert lengths(live) == [46.4, 54.08]


def test_accuracy_is_drawn_in_percent_beside_the_full_convolution():
    [ax] = accuracy_by_share([0.5, 1.0], [0.8, 0.9]).axes
    curve, full = ax.lines
    np.testing.assert_allclose(curve.get_ydata(), [80, 90])
    assert list(full.get_xdata()) == [1, 1]


def test_points_and_matrices_stand_in_their_panels():
    points = np.random.default_rng(0).uniform(-1, 1, (5, 2))
    axes = scatter_panels({"input": points, "n = 2": -points}, np.arange(5)).axes
    assert [ax.get_title() for ax in axes] == ["input", "n = 2"]
    np.testing.assert_allclose(axes[1].collections[0].get_offsets(), -points)
    matrix = np.array([[0.0, 2.0], [-1.0, 3.0]])
    [ax] = channel_matrices({"reach": matrix}).axes
    np.testing.assert_array_equal(ax.images[0].get_array(), [[0, 1], [0, 1]])


def test_rings_stand_around_what_fits():
    rows = [{"name": n, "int8_bytes": size, "int8": a} for n, size, a in (("a", 900, 0.98), ("b", 1800, 0.99))]
    family = networks(rows)
    [ax] = within_budget(family, family[:1], "take a").axes
    [ring] = [line for line in ax.lines if line.get_label() == "fits"]
    assert list(ring.get_xdata()) == [900]
    assert ring.get_ydata()[0] == pytest.approx(2)
    assert ax.get_legend().get_title().get_text() == "take a"


def test_a_budget_that_nothing_fits_is_drawn_too():
    family = networks([{"name": "a", "int8_bytes": 900, "int8": 0.98}])
    [ax] = within_budget(family, [], "nothing fits").axes
    assert ax.get_legend().get_title().get_text() == "nothing fits"


def test_each_plan_of_a_search_is_one_line():
    rows = [{"plan": "a", "epochs": n, "validation": 1 - 0.1 / n} for n in (1, 3)]
    [ax] = halving_runs([*rows, {"plan": "b", "epochs": 1, "validation": 0.8}]).axes
    long, short = ax.lines
    np.testing.assert_allclose(long.get_ydata(), [10, 10 / 3])
    assert (list(short.get_xdata()), long.get_color() != short.get_color()) == ([1], True)


def test_each_method_is_a_line_with_its_deviations():
    [ax] = accuracy_by_labels({"a": [(0.5, 0.1), (0.8, 0.05)]}, [1, 10]).axes
    [bars] = ax.containers
    np.testing.assert_allclose(bars.lines[0].get_ydata(), [50, 80])
    spans = [segment[:, 1] for segment in bars.lines[2][0].get_segments()]
    np.testing.assert_allclose(spans, [[40, 60], [75, 85]])
