"""From one value to another: along half a cosine, or along a line."""

from __future__ import annotations

import math
from typing import Literal

from lr_callbacks.schedules.arrays import Array, Value, cos

AnnealStrategy = Literal["cos", "linear"]


def cosine_anneal(start: Value, end: Value, fraction: Value) -> Array:
    """Go from `start` to `end` along half a cosine: ``end + (start - end) / 2 * (1 + cos(pi * fraction))``.

    Value at 0: `start`. At 1: `end`.

    Args:
        start: Value at fraction 0: a factor, an LR or a momentum; a number or an array.
        end: Value at fraction 1.
        fraction: Part of the way that is done, in [0, 1].

    Returns:
        float64, of the shape that the arguments have when they are broadcast.

    Example:
        >>> import numpy as np
        >>> cosine_anneal(1.0, 0.0, np.array([0.0, 0.25, 0.5, 1.0])).round(4).tolist()
        [1.0, 0.8536, 0.5, 0.0]

    References:
        torch ``OneCycleLR`` (``anneal_strategy="cos"``).
    """
    return end + (start - end) / 2.0 * (1 + cos(math.pi * fraction))


def linear_anneal(start: Value, end: Value, fraction: Value) -> Array:
    """Go from `start` to `end` along a line: ``(end - start) * fraction + start``.

    Value at 0: `start`. At 1: `end`.

    Args:
        start: Value at fraction 0: a factor, an LR or a momentum; a number or an array.
        end: Value at fraction 1.
        fraction: Part of the way that is done, in [0, 1].

    Returns:
        float64, of the shape that the arguments have when they are broadcast.

    Example:
        >>> import numpy as np
        >>> linear_anneal(1.0, 0.0, np.array([0.0, 0.25, 1.0])).tolist()
        [1.0, 0.75, 0.0]

    References:
        torch ``OneCycleLR`` (``anneal_strategy="linear"``).
    """
    return (end - start) * fraction + start  # type: ignore[return-value]  # an array wherever `fraction` is one
