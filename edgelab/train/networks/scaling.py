"""Compound scaling: one number that makes a network wider, deeper and its image larger in proportion."""

from __future__ import annotations

from typing import NamedTuple

from edgelab.maths.offload import check_positive


class Scaling(NamedTuple):
    """Factors for a network's numbers of channels (width), its repeated blocks (depth) and its image's side length.

    >>> Scaling(width=1.1, depth=1.2, resolution=1.15).width
    1.1
    """

    width: float
    depth: float
    resolution: float


def compound_scaling(phi: float, alpha: float = 1.2, beta: float = 1.1, gamma: float = 1.15) -> Scaling:
    """Scale depth by alpha^phi, width by beta^phi and resolution by gamma^phi.

    Each step of phi multiplies the MACs by alpha beta² gamma². The paper sets this product to about 2; a grid search on
    EfficientNet-B0 gave the default factors. Returns a Scaling. Raises ValueError for a factor that is not positive.
    Source: Tan and Le 2019 (EfficientNet), section 3.3, eq. 3.

    >>> compound_scaling(1)
    Scaling(width=1.1, depth=1.2, resolution=1.15)
    """
    check_positive(alpha=alpha, beta=beta, gamma=gamma)
    return Scaling(beta**phi, alpha**phi, gamma**phi)


def round_filters(filters: int, width: float = 1.0, divisor: int = 8) -> int:
    """Scale a number of channels and round it to the nearest multiple of divisor, never down by more than a tenth.

    Processors compute channels in groups of 4, 8 or 16; an incomplete group takes as long as a full one. Returns at
    least divisor. Raises ValueError for arguments that are not positive.
    Source: Tan and Le 2019 (EfficientNet), reference implementation, with MobileNet's rule.

    >>> [round_filters(32, width) for width in (1.0, 1.1, 1.2, 1.4)]
    [32, 32, 40, 48]
    """
    if not (filters > 0 and width > 0 and divisor > 0):
        raise ValueError(f"filters {filters}, width {width}, divisor {divisor}; expected positive numbers")
    scaled = filters * width
    rounded = max(divisor, int(scaled + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * scaled else rounded


def round_repeats(repeats: int, depth: float = 1.0) -> int:
    """Scale the number of times that a block is repeated, and round up, so that it is never 0.

    Raises ValueError for arguments that are not positive.
    Source: Tan and Le 2019 (EfficientNet), reference implementation.

    >>> [round_repeats(2, depth) for depth in (1.0, 1.1, 1.8)]
    [2, 3, 4]
    """
    import math

    if not (repeats > 0 and depth > 0):
        raise ValueError(f"repeats {repeats}, depth {depth}; expected positive numbers")
    return math.ceil(depth * repeats)
