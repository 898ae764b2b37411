"""The frontier of accuracy against bytes: our networks, those worth having, and results that other projects report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgelab.course.figures.plots import COLOURS, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Network(NamedTuple):
    """One network, trained with one seed or several.

    size: the cost on the horizontal axis, usually bytes. accuracies: 0…1, one for each seed.

    >>> Network("f500", 900, (0.98, 0.982)).mean
    0.981
    """

    name: str
    size: float
    accuracies: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean accuracy over the seeds, 0…1."""
        return float(np.mean(self.accuracies))

    @property
    def spread(self) -> float:
        """The sample standard deviation over the seeds, 0…1; 0 for a single seed."""
        return float(np.std(self.accuracies, ddof=1)) if len(self.accuracies) > 1 else 0.0


class Peer(NamedTuple):
    """A network of another project, as that project's own documents report it.

    size: bytes of weights. accuracy: 0…1, None where the documents report none. source: project, document and table.

    >>> Peer("TinyMaix", 2408, None, "README").size
    2408
    """

    name: str
    size: int
    accuracy: float | None
    source: str


_CNN = "cpldcpu/BitNetMCU, docs/documentation_cnn.md, table Accuracy Trade-offs"
PEERS = (
    Peer("BitNetMCU, 16 wide", 42_880 // 8, 0.9906, _CNN),
    Peer("BitNetMCU, 32 wide", 58_624 // 8, 0.9928, _CNN),
    Peer("BitNetMCU, 48 wide", 74_368 // 8, 0.9944, _CNN),
    Peer("BitNetMCU, 64 wide", 90_112 // 8, 0.9955, _CNN),
    Peer("TinyMaix, mnist example", 2408, None, "sipeed/TinyMaix, README.md, How to train/convert models"),
)


def networks(rows: Iterable[Mapping], size: str = "int8_bytes", accuracy: str = "int8") -> list[Network]:
    """Gather the rows of a benchmark, one for each seed, into networks, the smallest first.

    rows: dicts with "name" and with the keys that `size` and `accuracy` name; accuracies are 0…1.
    Raises ValueError when rows of the same name differ in size.

    >>> rows = [{"name": "a", "kb": 2, "test": 0.98}, {"name": "a", "kb": 2, "test": 0.99}]
    >>> networks(rows, size="kb", accuracy="test")
    [Network(name='a', size=2, accuracies=(0.98, 0.99))]
    """
    found: dict[str, Network] = {}
    for row in rows:
        name, known = row["name"], found.get(row["name"])
        if known and known.size != row[size]:
            raise ValueError(f"{name}: {size} is {known.size} in one row and {row[size]} in another; expected the same")
        found[name] = Network(name, row[size], (*(known.accuracies if known else ()), row[accuracy]))
    return sorted(found.values(), key=lambda network: (network.size, -network.mean))


def worth_having(candidates: Iterable[Network]) -> list[Network]:
    """Return the networks whose mean accuracy is higher than that of every other one of their size or smaller.

    The smallest comes first. This is the Pareto set for two aims: a small size and a high accuracy.

    >>> [one.name for one in worth_having([Network("a", 1, (0.9,)), Network("b", 2, (0.8,)), Network("c", 3, (0.95,))])]
    ['a', 'c']
    """
    kept: list[Network] = []
    for network in sorted(candidates, key=lambda each: (each.size, -each.mean)):
        if not kept or network.mean > kept[-1].mean:
            kept.append(network)
    return kept


def frontier(
    candidates: Sequence[Network], peers: Sequence[Peer] = PEERS, xlabel: str = "bytes of weights, int8"
) -> Figure:
    """Draw mean accuracy against size, with logarithmic axes for the size and for the error, 100 % minus accuracy.

    A vertical bar spans the lowest to the highest accuracy over the seeds. The line passes through the networks worth
    having. A peer without an accuracy is a vertical line. Raises ValueError when there is no network.

    >>> len(frontier([Network("a", 900, (0.98, 0.99))]).axes)
    1
    """
    if not candidates:
        raise ValueError("no network to draw; expected at least one, as networks(rows) returns them")
    figure, axes = new_figure(8, 4.6)
    ax = axes[0, 0]
    sizes = [network.size for network in candidates]
    errors = np.array([100 * (1 - network.mean) for network in candidates])
    below = errors - [100 * (1 - max(network.accuracies)) for network in candidates]
    above = [100 * (1 - min(network.accuracies)) for network in candidates] - errors
    ours = {"linestyle": "none", "marker": "o", "elinewidth": 2, "capsize": 4, "color": COLOURS[0]}
    ax.errorbar(sizes, errors, yerr=[below, above], label="mean, lowest and highest seed", **ours)
    best = worth_having(candidates)
    line = {"drawstyle": "steps-post", "color": COLOURS[0], "linestyle": "-", "linewidth": 1.5}
    ax.plot([n.size for n in best], [100 * (1 - n.mean) for n in best], label="worth having", **line)
    _draw_peers(ax, peers)
    _stretch(ax, min(sizes + [p.size for p in peers]), max(sizes + [p.size for p in peers]))
    ax.set(xlabel=xlabel, ylabel="test accuracy (%)")
    ax.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=2)  # above: the networks may lie anywhere
    return figure


def _draw_peers(ax, peers: Sequence[Peer]) -> None:
    for number, project in enumerate(dict.fromkeys(peer.name.partition(",")[0] for peer in peers), start=1):
        own = [peer for peer in peers if peer.name.partition(",")[0] == project]
        told = [(peer.size, 100 * (1 - peer.accuracy)) for peer in own if peer.accuracy is not None]
        look = {"color": COLOURS[number], "linestyle": "none", "marker": "s^Dv"[number % 4]}
        if told:
            ax.plot(*zip(*told, strict=True), label=f"{project}: as reported, one run", **look)
        for peer in (peer for peer in own if peer.accuracy is None):
            label = f"{project}: reports no accuracy"
            ax.axvline(peer.size, color=COLOURS[number], linestyle=":", label=label)


def _stretch(ax, smallest: float, largest: float) -> None:
    """Set logarithmic axes with plain labels: 1, 2 and 5 times powers of ten for sizes, percent for accuracies."""
    from matplotlib.ticker import FixedLocator, NullLocator

    ax.set(xscale="log", yscale="log", xlim=(smallest / 1.4, largest * 1.4))
    low, high = ax.get_ylim()
    ax.set_ylim(high * 1.15, low / 1.15)  # inverted: fewer errors are higher up
    sizes = [digit * 10**power for power in range(7) for digit in (1, 2, 5) if smallest <= digit * 10**power * 1.4]
    errors = [digit * 10**power for power in range(-2, 2) for digit in (1, 2, 3, 5, 7)]
    for axis, ticks, words in (
        (ax.xaxis, [size for size in sizes if size <= largest * 1.4], lambda size: f"{size:,}"),
        (ax.yaxis, [e for e in errors if low / 1.15 <= e <= high * 1.15], lambda error: f"{100 - error:.4g}"),
    ):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(lambda value, _, words=words: words(round(value, 6) if value < 1 else round(value)))
