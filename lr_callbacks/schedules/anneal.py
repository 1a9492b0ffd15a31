"""From one value to another: half a cosine, or a line."""

from __future__ import annotations

import math
from typing import Literal

AnnealStrategy = Literal["cos", "linear"]


def cosine_anneal(start: float, end: float, fraction: float) -> float:
    """Go from `start` to `end` along half a cosine: ``end + (start - end) / 2 * (1 + cos(pi * fraction))``.

    Value at 0: `start`. At 1: `end`.

    Args:
        start: Value at fraction 0: a factor, an LR or a momentum.
        end: Value at fraction 1.
        fraction: How much of the way is done, in [0, 1].

    Example:
        >>> cosine_anneal(1.0, 0.0, 0.0), round(cosine_anneal(1.0, 0.0, 0.5), 12), cosine_anneal(1.0, 0.0, 1.0)
        (1.0, 0.5, 0.0)
    """
    return end + (start - end) / 2.0 * (1 + math.cos(math.pi * fraction))


def linear_anneal(start: float, end: float, fraction: float) -> float:
    """Go from `start` to `end` along a line: ``(end - start) * fraction + start``.

    Value at 0: `start`. At 1: `end`.

    Args:
        start: Value at fraction 0: a factor, an LR or a momentum.
        end: Value at fraction 1.
        fraction: How much of the way is done, in [0, 1].

    Example:
        >>> linear_anneal(1.0, 0.0, 0.25)
        0.75
    """
    return (end - start) * fraction + start
