"""The figures of the notebooks, in one style."""

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
from edgelab.course.figures.frontier_plot import PEERS, Network, Peer, frontier, networks, worth_having
from edgelab.course.figures.graphs import partners, side_by_side
from edgelab.course.figures.light_networks import (
    accuracy_by_labels,
    accuracy_by_share,
    channel_matrices,
    cost_by_layer,
    halving_runs,
    scatter_panels,
    within_budget,
)
from edgelab.course.figures.pipeline_picture import draw_pipeline
from edgelab.course.figures.plots import (
    COLOURS,
    bars,
    confusion,
    curves,
    digits,
    new_figure,
    png,
    reliability_diagram,
    show,
)
from edgelab.course.figures.series import histogram_with_marks, lines
