"""Values that are one's own, along a way that is shared: what many groups have in common is worked out once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Way = Callable[[int], tuple[int, float]]
"""Gives for a step the number of the leg that it is on, and how far it has come there."""


@dataclass(frozen=True)
class Curve:
    """A value along the legs of a way: ``(offset + span * x) * scale``, x being how far the way has come on the leg.

    Parameter groups whose base LRs differ have curves of their own where a schedule goes to an absolute LR; the way,
    which is where the work is, is the same for all of them.

    Attributes:
        way: Which leg a step is on, and its x.
        legs: Offset and span on each leg.
        scale: What the values are multiplied by in the end.

    Example:
        >>> curve = Curve.above(0.2, lambda step: 1 - step / 10)
        >>> [round(curve(step), 4) for step in (0, 5, 10)]
        [1.0, 0.6, 0.2]
    """

    way: Way
    legs: tuple[tuple[float, float], ...]
    scale: float = 1.0

    def __call__(self, step: int) -> float:
        """The value at a step, >= 0."""
        leg, x = self.way(step)
        offset, span = self.legs[leg]
        return (offset + span * x) * self.scale

    @classmethod
    def above(cls, low: float, function: Callable[[int], float]) -> Curve:
        """From 1 to `low` as `function` goes from 1 to 0: ``low + (1 - low) * function(step)``."""
        return cls(OneLeg(function), ((low, 1.0 - low),))

    @classmethod
    def standing(cls, value: float) -> Curve:
        """One that does not move by itself."""
        return cls(stand, ((value, 0.0),))


def stand(step: int) -> tuple[int, float]:
    """The way of a value that does not move by itself."""
    return 0, 0.0


@dataclass(frozen=True)
class OneLeg:
    """The way of a function: it has one leg."""

    function: Callable[[int], float]

    def __call__(self, step: int) -> tuple[int, float]:
        """The leg, and the function's value."""
        return 0, self.function(step)
