"""Which groups of an optimizer share which factors: a group has its callbacks, and each of them its segment there."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import mul
from typing import TYPE_CHECKING

import numpy as np
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch.optim import Optimizer

from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.horizon import Horizon
from lr_callbacks.core.segment import Group, Segment
from lr_callbacks.core.together import Curves, Factor, Row, Separate, together
from lr_callbacks.schedules.curve import Curve, stand

if TYPE_CHECKING:
    from lr_callbacks.callbacks.base import LRCallback


@dataclass(frozen=True)
class Lane:
    """Groups of one optimizer that share all factors, or factors that differ by their base LRs alone.

    Attributes:
        groups: Their places in ``optimizer.param_groups``.
        callbacks: What drives them; empty for groups that nobody drives.
        segments: What each of the callbacks does to the first of them.
        terms: Where each of the callbacks starts, and its factor: one number, or one a group where it is not the same
            for all of them.
        mover: The segment that moves their momentum, if one does.
    """

    groups: tuple[int, ...]
    callbacks: tuple[LRCallback, ...]
    segments: tuple[Segment, ...]
    terms: tuple[tuple[int, Factor | Curves | Separate], ...]
    mover: Segment | None

    def factor_at(self, step: int) -> float | Row:
        """The product of all factors, one number or one a group, in an order that does not depend on the Trainer."""
        product: float | Row = 1.0
        for start, factor in self.terms:
            product = product * factor(step - start if step > start else 0)
        return product

    def factors_at(self, steps: range) -> list[float] | Row:
        """The same for some steps, for a lane that is driven, with less work a step.

        Returns:
            One number for each step; where it is not the same for all groups, a row for each.
        """
        owns = [_at_each(factor, since(steps, start)) for start, factor in self.terms]
        alike = [own for own in owns if isinstance(own, list)]
        if len(alike) == len(owns):
            return reduce(lambda one, other: list(map(mul, one, other)), alike)
        rows: Row = reduce(mul, [np.array(own)[:, None] if isinstance(own, list) else own for own in owns])
        return rows

    def factors_of_groups(self, step: int) -> list[float]:
        """The product of all factors of each group at a step."""
        factor = self.factor_at(step)
        return factor.tolist() if isinstance(factor, np.ndarray) else [factor] * len(self.groups)

    def check(self, step: int) -> None:
        """Refuse a factor that no schedule may have.

        Raises:
            MisconfigurationException: If a factor is negative or no finite number.
        """
        for callback, (start, factor) in zip(self.callbacks, self.terms, strict=True):
            own = factor(step - start if step > start else 0)
            for value in own.tolist() if isinstance(own, np.ndarray) else [own]:
                if not 0 <= value < float("inf"):
                    raise MisconfigurationException(
                        f"{callback!r}: a factor must be finite and at least 0, got {value!r}"
                    )


def since(steps: range, start: int) -> Sequence[int]:
    """Steps counted from a start, at least 0.

    Example:
        >>> list(since(range(2, 5), 3)), list(since(range(5, 7), 3))
        ([0, 0, 1], [2, 3])
    """
    first = steps.start - start
    return range(first, first + len(steps)) if first >= 0 else [max(step - start, 0) for step in steps]


def _at_each(factor: Factor | Curves | Separate, steps: Sequence[int]) -> list[float] | Row:
    if isinstance(factor, Curves | Separate):
        return factor.at_each(steps)
    stands = type(factor) is Curve and factor.way is stand
    return [factor(0)] * len(steps) if stands else list(map(factor, steps))


def build_lanes(optimizer: Optimizer, index: int, callbacks: Sequence[LRCallback], horizon: Horizon) -> list[Lane]:
    """Give each group its segments; groups that share all of them, or their ways, go into one lane.

    Args:
        optimizer: The optimizer, its base LRs written.
        index: Its place in the Trainer.
        callbacks: What drives it, in the order of multiplication.
        horizon: The length of the run.

    Raises:
        MisconfigurationException: If a callback wants a group that does not exist or a length that is not known.
    """
    groups = optimizer.param_groups
    chosen = [(c, pg.select(optimizer, c.wanted_groups, who=repr(c))) for c in callbacks]
    positions = {c: {number: position for position, number in enumerate(numbers)} for c, numbers in chosen}
    bases = [group.get(pg.REFERENCE_LR, group.get(pg.BASE_LR, 0.0)) for group in groups]
    largest = {c: max((bases[number] for number in numbers), default=0.0) for c, numbers in chosen}
    shared: dict[tuple[tuple[LRCallback, ...], tuple[Hashable, ...]], list[int]] = {}
    for number, base in enumerate(bases):
        mine = tuple(callback for callback in callbacks if number in positions[callback])
        keys = tuple(callback.lane_key(positions[callback][number], base) for callback in mine)
        shared.setdefault((mine, keys), []).append(number)

    def segments_of(number: int, mine: tuple[LRCallback, ...]) -> tuple[Segment, ...]:
        added, warmup_end = pg.REFERENCE_LR in groups[number], 0
        segments: dict[LRCallback, Segment] = {}
        for callback in sorted(mine, key=lambda callback: not callback.is_warmup):
            position = positions[callback][number]
            group = Group(position, bases[number], largest[callback], warmup_end, index, added)
            segments[callback] = callback.segment(horizon, group)
            if callback.is_warmup:
                warmup_end = max(warmup_end, segments[callback].end or 0)
        return tuple(segments[callback] for callback in mine)

    def lane(numbers: list[int], mine: tuple[LRCallback, ...]) -> Lane:
        of_base = {bases[number]: segments_of(number, mine) for number in reversed(numbers)}
        segments = of_base[bases[numbers[0]]]
        factors = [[of_base[bases[number]][place].factor for number in numbers] for place in range(len(mine))]
        mover = next((segment for segment in segments if segment.momentum is not None), None)
        curves = [together(of_each) for of_each in factors]
        terms = [(one.start, many or one.factor) for one, many in zip(segments, curves, strict=True)]
        return Lane(tuple(numbers), mine, segments, tuple(terms), mover)

    return [lane(numbers, key[0]) for key, numbers in shared.items()]
