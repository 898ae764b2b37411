"""Deep Compression and distillation: results of the papers, and our benchmarks' rows as a table and a figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgelab.course.figures.plots import COLOURS, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Published(NamedTuple):
    """A compressed network as its paper reports it.

    float_bytes, file_bytes: size before and after compression. error, compressed_error: share of images misclassified
    before and after, 0…1. source: paper and table.

    >>> round(PAPERS["lenet_5"].ratio)
    39
    """

    name: str
    float_bytes: int
    file_bytes: int
    error: float
    compressed_error: float
    source: str

    @property
    def ratio(self) -> float:
        """How many times smaller the compressed file is."""
        return self.float_bytes / self.file_bytes


_HAN = "Han, Mao and Dally 2016, Deep Compression, table 1"
PAPERS = {
    "lenet_300_100": Published("LeNet-300-100", 1_070_000, 27_000, 0.0164, 0.0158, _HAN),
    "lenet_5": Published("LeNet-5", 1_720_000, 44_000, 0.0080, 0.0074, _HAN),
}
# Misclassified images among the 10,000 test images: Hinton, Vinyals and Dean 2015, section 3.
HINTON = {"teacher, 1200 and 1200 units": 67, "800 and 800 units, labels alone": 146, "the same, distilled, T = 20": 74}


class Level(NamedTuple):
    """A network compressed to one level, trained with several seeds; bytes are means over the seeds.

    weights: the number that remains. pruned, shared: bytes in the paper's format before Huffman coding; None for the
    network that is not compressed. file: bytes of the file. errors: share of test images misclassified, 0…1, one for
    each seed; held_out: the same for the training images that were held out.

    >>> level = Level("lenet_5", 1, 40_000, 1_724_320, 200_000, 50_000, 34_486, (0.008, 0.009), (0.0075, 0.0125))
    >>> round(level.ratio), round(level.error, 4), level.held_out_error
    (50, 0.0085, 0.01)
    """

    network: str
    level: int
    weights: float
    float_bytes: int
    pruned: float | None
    shared: float | None
    file: float
    errors: tuple[float, ...]
    held_out: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """How many times smaller the file is than the float32 weights."""
        return self.float_bytes / self.file

    @property
    def error(self) -> float:
        """The mean share of test images misclassified, 0…1."""
        return float(np.mean(self.errors))

    @property
    def held_out_error(self) -> float:
        """The mean share of held-out training images misclassified, 0…1: levels may be chosen by it."""
        return float(np.mean(self.held_out))


def levels(rows: Iterable[Mapping]) -> list[Level]:
    """Gather the rows of benchmarks/compress.py, one for each seed, into levels.

    rows: dicts with network, level, seed, weights, float_bytes, file_bytes, test (accuracy), and validation (accuracy
    after each stage, the file's last); above level 0 also pruned_bytes and shared_bytes. Returns the networks in the
    order of their first rows, the levels of each in rising order.

    >>> row = {"network": "a", "level": 0, "weights": 9, "float_bytes": 36, "file_bytes": 36, "test": 0.75}
    >>> row |= {"validation": {"trained": 0.875}}
    >>> [(one.weights, one.errors) for one in levels([row, {**row, "test": 0.5}])]
    [(9.0, (0.25, 0.5))]
    """
    found: dict[tuple[str, int], list[Mapping]] = {}
    for row in rows:
        found.setdefault((row["network"], row["level"]), []).append(row)
    order = {name: i for i, name in enumerate(dict.fromkeys(network for network, _ in found))}

    def mean(same: list[Mapping], key: str) -> float | None:
        return float(np.mean([row[key] for row in same])) if key in same[0] else None

    return [
        Level(
            network, level, mean(same, "weights"), same[0]["float_bytes"], mean(same, "pruned_bytes"),
            mean(same, "shared_bytes"), mean(same, "file_bytes"), tuple(round(1 - row["test"], 6) for row in same),
            tuple(round(1 - list(row["validation"].values())[-1], 6) for row in same),
        )
        for (network, level), same in sorted(found.items(), key=lambda each: (order[each[0][0]], each[0][1]))
    ]  # fmt: skip


def compression_table(found: Sequence[Level], papers: Mapping[str, Published] = PAPERS) -> str:
    """Return a text table: one line for each level with weights, bytes after each stage, ratio and error.

    papers: published results by the network's name; a network that has one gets it as its last line.

    >>> print(compression_table([Level("a", 0, 9, 36, None, None, 36, (0.25,), (0.2,))], {}).splitlines()[2])
    level 0              9                             36     1.0    25.00        1
    """
    columns = f"{'':12}{'weights':>10}{'pruned':>10}{'shared':>10}{'file':>11}{'ratio':>8}{'error %':>9}{'seeds':>9}"
    lines: list[str] = []
    for network in dict.fromkeys(level.network for level in found):
        lines += [f"\n{network}" if lines else network, columns]
        for one in (level for level in found if level.network == network):
            stages = "".join(f"{'' if size is None else f'{size:,.0f}':>10}" for size in (one.pruned, one.shared))
            lines.append(
                f"{f'level {one.level}':12}{one.weights:>10,.0f}{stages}{one.file:>11,.0f}{one.ratio:>8.1f}"
                f"{100 * one.error:>9.2f}{len(one.errors):>9}"
            )
        if network in papers:
            paper = papers[network]
            lines.append(
                f"{'the paper':12}{'':30}{paper.file_bytes:>11,}{paper.ratio:>8.1f}{100 * paper.compressed_error:>9.2f}"
            )
    return "\n".join(lines)


def smallest_within(found: Iterable[Level], network: str, error: float) -> Level | None:
    """Return the level of a network with the smallest file among those whose held-out error is at most `error`, 0…1.

    The choice uses the mean over held-out training images, so the test images take no part in it. Returns None where no
    level fits. Level 0, which is not compressed, is left out.

    >>> tried = ((0, 36, 0.1), (1, 12, 0.2), (2, 9, 0.3))
    >>> some = [Level("a", n, 9, 36, 9, 9, size, (0.2,), (wrong,)) for n, size, wrong in tried]
    >>> smallest_within(some, "a", 0.25).ratio
    3.0
    """
    fit = [one for one in found if one.network == network and one.level and one.held_out_error <= error + 1e-9]
    return min(fit, key=lambda one: one.file, default=None)


def ratio_against_error(found: Sequence[Level], papers: Mapping[str, Published] = PAPERS) -> Figure:
    """Draw one panel for each network: error against how many times smaller the file is, ours and the paper's.

    A vertical bar spans the lowest to the highest error over the seeds. The paper's line runs from the uncompressed
    network to the compressed one. Raises ValueError when no level is compressed.

    >>> some = [Level("a", n, 9, 36, 9, 9, 36 / (n + 1), (0.1, 0.2), (0.1,)) for n in range(3)]
    >>> len(ratio_against_error(some, {}).axes)
    1
    """
    networks = list(dict.fromkeys(one.network for one in found))
    if not any(one.level for one in found):
        raise ValueError(
            f"{len(found)} levels, none above level 0; expected compressed ones, as levels(rows) returns them"
        )
    figure, axes = new_figure(8, 3.4, columns=len(networks))
    for ax, network in zip(axes[0], networks, strict=True):
        own = [one for one in found if one.network == network]
        ratios, errors = [one.ratio for one in own], np.array([100 * one.error for one in own])
        reach = np.abs([[100 * edge(one.errors) for one in own] - errors for edge in (min, max)])
        ax.errorbar(ratios, errors, yerr=reach, marker="o", capsize=4, elinewidth=2, label="ours")
        ends, paper = errors.tolist(), papers.get(network)
        if paper:
            told = [100 * paper.error, 100 * paper.compressed_error]
            ax.plot([1, paper.ratio], told, marker="s", color=COLOURS[1], linestyle="--", label="the paper")
            ends += told
        title = paper.name if paper else network
        ax.set(xlabel="times smaller", ylabel="error (%)", ylim=(0, 1.6 * max(ends)), title=title)
        ax.legend(loc="upper left", ncols=2)
    return figure
