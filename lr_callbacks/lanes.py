"""Which groups of an optimizer share which factors: a group has its callbacks, and each of them its segment there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch.optim import Optimizer

from lr_callbacks import param_groups as pg
from lr_callbacks.horizon import Horizon
from lr_callbacks.segment import Group, Segment

if TYPE_CHECKING:
    from lr_callbacks.callbacks.base import LRCallback


@dataclass(frozen=True)
class Lane:
    """Groups of one optimizer that share all factors.

    Attributes:
        groups: Their places in ``optimizer.param_groups``.
        callbacks: What drives them; empty for groups that nobody drives.
        segments: What each of the callbacks does to them.
        mover: The segment that moves their momentum, if one does.
    """

    groups: tuple[int, ...]
    callbacks: tuple[LRCallback, ...]
    segments: tuple[Segment, ...]
    mover: Segment | None

    def factor_at(self, step: int) -> float:
        """The product of all factors, in an order that does not depend on the Trainer's list."""
        product = 1.0
        for segment in self.segments:
            product *= segment.factor_at(step)
        return product

    def check(self, step: int) -> None:
        """Refuse a factor that no schedule may have.

        Raises:
            MisconfigurationException: If a factor is negative or no finite number.
        """
        for callback, segment in zip(self.callbacks, self.segments, strict=True):
            factor = segment.factor_at(step)
            if not 0 <= factor < float("inf"):
                raise MisconfigurationException(f"{callback!r}: a factor must be finite and at least 0, got {factor!r}")


def build_lanes(optimizer: Optimizer, index: int, callbacks: Sequence[LRCallback], horizon: Horizon) -> list[Lane]:
    """Give each group its segments; groups that share all of them go into one lane.

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
    shared: dict[tuple[object, ...], list[int]] = {}
    for number, base in enumerate(bases):
        mine = tuple(callback for callback in callbacks if number in positions[callback])
        key = (mine, *(callback.lane_key(positions[callback][number], base) for callback in mine))
        shared.setdefault(key, []).append(number)

    def lane(numbers: list[int]) -> Lane:
        first = numbers[0]
        mine = tuple(callback for callback in callbacks if first in positions[callback])
        added, warmup_end = pg.REFERENCE_LR in groups[first], 0
        segments: dict[LRCallback, Segment] = {}
        for callback in sorted(mine, key=lambda callback: not callback.is_warmup):
            position = positions[callback][first]
            group = Group(position, bases[first], largest[callback], warmup_end, index, added)
            segments[callback] = callback.segment(horizon, group)
            if callback.is_warmup:
                warmup_end = max(warmup_end, segments[callback].end or 0)
        mover = next((segments[callback] for callback in mine if segments[callback].momentum is not None), None)
        return Lane(tuple(numbers), mine, tuple(segments[callback] for callback in mine), mover)

    return [lane(numbers) for numbers in shared.values()]
