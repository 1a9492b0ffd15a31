"""The factors of many groups, worked out together where they have something in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from lr_callbacks.schedules.curve import Curve

Factor = Callable[[int], float]
Row = NDArray[np.float64]


def together(factors: Sequence[Factor]) -> Curves | Separate | None:
    """Let groups work out their factors together, with what they have in common done once.

    Args:
        factors: One a group.

    Returns:
        Gives the factor of each group at some steps; None if they are known to be the same for all.
    """
    distinct = list({id(factor): factor for factor in factors}.values())
    if all(alike(factor, distinct[0]) for factor in distinct):
        return None
    curves = [factor for factor in factors if type(factor) is Curve]
    one_way = all(alike(curve.way, curves[0].way) and len(curve.legs) == len(curves[0].legs) for curve in curves)
    return Curves(curves) if len(curves) == len(factors) and one_way else Separate(factors)


class Curves:
    """Curves along one way, evaluated together.

    Args:
        curves: Their ways and numbers of legs are equal.
    """

    def __init__(self, curves: list[Curve]) -> None:
        self.way = curves[0].way
        legs = np.array([curve.legs for curve in curves])
        self._offsets, self._spans = legs[:, :, 0].T.copy(), legs[:, :, 1].T.copy()
        scales = np.array([curve.scale for curve in curves])
        self._scales = None if (scales == 1.0).all() else scales

    def __call__(self, step: int) -> Row:
        """What each of them has at a step."""
        row: Row = self.at_each([step])[0]
        return row

    def at_each(self, steps: Sequence[int]) -> Row:
        """What each of them has at some steps, >= 0, to the last bit: a row for each step, a column for each curve."""
        ways = [self.way(step) for step in steps]
        legs, x = [leg for leg, _ in ways], np.array([[x] for _, x in ways])
        at: int | list[int] = legs[0] if legs.count(legs[0]) == len(legs) else legs
        values: Row = self._offsets[at] + self._spans[at] * x
        if self._scales is not None:
            values *= self._scales
        return values


class Separate:
    """Factors that have nothing in common that is known: each is asked, once where groups share it.

    Args:
        factors: One a group.
    """

    def __init__(self, factors: Sequence[Factor]) -> None:
        distinct = {id(factor): factor for factor in factors}
        places = {which: place for place, which in enumerate(distinct)}
        self._distinct = list(distinct.values())
        self._places = np.array([places[id(factor)] for factor in factors])

    def __call__(self, step: int) -> Row:
        """What each of them has at a step."""
        row: Row = self.at_each([step])[0]
        return row

    def at_each(self, steps: Sequence[int]) -> Row:
        """What each of them has at some steps, >= 0: a row for each step, a column for each factor."""
        values: Row = np.array([[factor(step) for factor in self._distinct] for step in steps], dtype=np.float64)
        return values.take(self._places, axis=1)


def alike(one: object, other: object) -> bool:
    """Whether two factors are known to give the same: the same object, or made in the same way of the same parts.

    Example:
        >>> from functools import partial
        >>> alike(partial(pow, 2), partial(pow, 2)), alike(partial(pow, 2), partial(pow, 3))
        (True, False)
    """
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, partial) and isinstance(other, partial):
        parts = [(one.func, other.func), *zip(one.args, other.args, strict=False)]
        named = [(value, other.keywords.get(name)) for name, value in one.keywords.items()]
        same_names = len(one.args) == len(other.args) and one.keywords.keys() == other.keywords.keys()
        return same_names and all(alike(*pair) for pair in parts + named)
    if is_dataclass(one) and is_dataclass(other):
        return all(alike(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    return isinstance(one, int | float | str | tuple) and one == other
