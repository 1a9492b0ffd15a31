"""Values of the next steps, worked out together: what runs once a step is slow, for its code has left the caches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from lr_callbacks.schedules.curve import Curve, OneLeg
from lr_callbacks.ticks import Held
from lr_callbacks.together import Curves

T = TypeVar("T")
SHAPES = "lr_callbacks.schedules."


class Ahead(Generic[T]):
    """A function of the step, worked out for some steps at once; for steps that come one after another.

    Args:
        function: Gives the values at some steps, >= 0; pure, and defined for any step.
        steps: For how many steps it is asked at once.

    Example:
        >>> asked = []
        >>> squares = Ahead(lambda steps: asked.append(steps) or [step * step for step in steps], steps=3)
        >>> [squares(step) for step in (5, 6, 7, 8, 2)]
        [25, 36, 49, 64, 4]
        >>> asked
        [range(5, 8), range(8, 11), range(2, 5)]
    """

    def __init__(self, function: Callable[[range], Sequence[T]], *, steps: int) -> None:
        self._function = function
        self._steps = steps
        self._first = 0
        self._values: Sequence[T] = ()

    def __call__(self, step: int) -> T:
        """The value at a step, >= 0."""
        place = step - self._first
        if not 0 <= place < len(self._values):
            self._first, place = step, 0
            self._values = self._function(range(step, step + self._steps))
        return self._values[place]


def is_pure(function: object) -> bool:
    """Whether a function is known to be made of shapes of `lr_callbacks.schedules` alone; a user's own is not.

    Example:
        >>> from lr_callbacks.schedules import rex_factor
        >>> is_pure(partial(rex_factor, total_steps=10)), is_pure(lambda step: 1.0)
        (True, False)
    """
    if isinstance(function, Curve | Curves):
        return is_pure(function.way)
    if isinstance(function, OneLeg | Held):
        return is_pure(function.function)
    if isinstance(function, partial):
        given = (*function.args, *function.keywords.values())
        return is_pure(function.func) and not any(callable(value) for value in given)
    return str(getattr(function, "__module__", "")).startswith(SHAPES)
