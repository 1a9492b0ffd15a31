"""Values of the next steps, worked out together: what runs once a step is slow, for its code has left the caches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from types import FunctionType
from typing import Generic, TypeVar

from lr_callbacks.core.ticks import Held
from lr_callbacks.core.together import Curves
from lr_callbacks.schedules.curve import Curve, OneLeg

T = TypeVar("T")
SHAPES = "lr_callbacks.schedules."
CACHED = type(lru_cache(lambda: None))


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
    # by the very type: a user's subclass may do anything
    if type(function) is Curve:
        return _is_fixed((function.legs, function.scale)) and is_pure(function.way)
    if isinstance(function, Curves):
        return is_pure(function.way)
    if type(function) is OneLeg or type(function) is Held:
        return is_pure(function.function)
    if type(function) is partial:
        return _is_fixed((*function.args, *function.keywords.values())) and is_pure(function.func)
    if isinstance(function, CACHED):
        return is_pure(function.__wrapped__)
    # what a function says of itself, a decorator may have copied; where its names are looked up, none can
    return isinstance(function, FunctionType) and function.__globals__.get("__name__", "").startswith(SHAPES)


def _is_fixed(value: object) -> bool:
    """Whether a value can never change."""
    if isinstance(value, tuple):
        return all(_is_fixed(each) for each in value)
    return value is None or isinstance(value, int | float | str)
