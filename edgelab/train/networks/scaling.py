"""Compound scaling: one number that makes a network wider, deeper and its image larger in proportion."""

from __future__ import annotations

from typing import NamedTuple


class Scaling(NamedTuple):
    """Factors on a network's number of channels, on its repeated blocks, and on the side of its image.

    >>> Scaling(width=1.1, depth=1.2, resolution=1.15).width
    1.1
    """

    width: float
    depth: float
    resolution: float


def compound_scaling(phi: float, alpha: float = 1.2, beta: float = 1.1, gamma: float = 1.15) -> Scaling:
    """Scale depth by alpha^phi, width by beta^phi and resolution by gamma^phi.

    MACs grow by alpha beta² gamma² with each step of phi: linearly with depth, with the square of the other two. The
    paper asks for about 2, and finds 1.2, 1.1 and 1.15 by grid search on EfficientNet-B0.
    Raises ValueError for a factor that is not positive. Source: Tan and Le 2019 (EfficientNet), section 3.3, eq. 3.

    >>> compound_scaling(1)
    Scaling(width=1.1, depth=1.2, resolution=1.15)
    """
    for name, value in (("alpha", alpha), ("beta", beta), ("gamma", gamma)):
        if not value > 0:
            raise ValueError(f"{name} is {value}; expected a positive factor, 1 to leave that side as it is")
    return Scaling(beta**phi, alpha**phi, gamma**phi)


def round_filters(filters: int, width: float = 1.0, divisor: int = 8) -> int:
    """Scale a number of channels and round it to the nearest multiple of divisor, never down by more than a tenth.

    Processors take channels in groups of 4, 8 or 16, and an odd one out costs as much as a full group. Returns at least
    divisor. Raises ValueError for arguments that are not positive.
    Source: Tan and Le 2019 (EfficientNet), reference implementation; the rule is MobileNet's.

    >>> [round_filters(32, width) for width in (1.0, 1.1, 1.2, 1.4)]
    [32, 32, 40, 48]
    """
    if not (filters > 0 and width > 0 and divisor > 0):
        raise ValueError(f"filters {filters}, width {width}, divisor {divisor}; expected positive numbers")
    scaled = filters * width
    rounded = max(divisor, int(scaled + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * scaled else rounded


def round_repeats(repeats: int, depth: float = 1.0) -> int:
    """Scale how often a block is repeated, and round up: a stage never disappears.

    Raises ValueError for arguments that are not positive.
    Source: Tan and Le 2019 (EfficientNet), reference implementation.

    >>> [round_repeats(2, depth) for depth in (1.0, 1.1, 1.8)]
    [2, 3, 4]
    """
    import math

    if not (repeats > 0 and depth > 0):
        raise ValueError(f"repeats {repeats}, depth {depth}; expected positive numbers")
    return math.ceil(depth * repeats)
