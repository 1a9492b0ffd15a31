"""What a step costs: the LRs of a lane are written here, and what does not change from step to step is found once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.ahead import Ahead, is_pure
from lr_callbacks.core.lanes import Lane, since

Values = tuple[float | list[float], float | None]
"""A factor for all groups or the LR of each, and the momentum if it is moved."""
STEPS_AHEAD = 32
NUMBERS_AHEAD = 8192
"""At most so many LRs are kept."""


class Writer:
    """Writes the LRs of a lane, and the momenta that it moves, into the groups.

    It is made anew when lanes, groups or base LRs have changed. It knows the places of the groups, never the groups.

    Args:
        lane: Driven by a callback at least.
        groups: All groups of the optimizer; those of the lane have their base LRs.
        one_by_one: Whether the time of the schedules goes on by one with each step.
    """

    def __init__(self, lane: Lane, groups: list[pg.ParamGroup], *, one_by_one: bool) -> None:
        mine, mover = [groups[number] for number in lane.groups], lane.mover
        self._lane = lane
        self._numbers = None if len(mine) == len(groups) else lane.groups
        self._bases = np.array([float(group[pg.BASE_LR]) for group in mine])
        moved = [pg.CONFIGURED_MOMENTUM in group for group in mine]
        self._momentum = mover.momentum if mover is not None and any(moved) else None
        self._start = mover.start if mover is not None else 0
        self._moved = None if all(moved) else [place for place, moves in enumerate(moved) if moves]
        parts = [factor for _, factor in lane.terms] + ([] if self._momentum is None else [self._momentum])
        known = one_by_one and all(map(is_pure, parts))
        steps = max(1, min(STEPS_AHEAD, NUMBERS_AHEAD // len(mine))) if known else 1
        self._values: Callable[[int], Values] = self._at if steps == 1 else Ahead(self._at_each, steps=steps)

    def write(self, groups: list[pg.ParamGroup], step: int) -> None:
        """Write what optimizer step `step` uses."""
        mine = groups if self._numbers is None else [groups[number] for number in self._numbers]
        lrs, momentum = self._values(step)
        if isinstance(lrs, list):
            pg.set_lrs(mine, lrs)
        else:
            pg.scale_lrs(mine, lrs)
        if momentum is not None:
            pg.set_momenta(mine if self._moved is None else [mine[place] for place in self._moved], momentum)

    def _at(self, step: int) -> Values:
        factor, momentum = self._lane.factor_at(step), self._momentum
        lrs = (factor * self._bases).tolist() if isinstance(factor, np.ndarray) else factor
        return lrs, None if momentum is None else momentum(step - self._start if step > self._start else 0)

    def _at_each(self, steps: range) -> list[Values]:
        factors = self._lane.factors_at(steps)
        lrs = (factors * self._bases).tolist() if isinstance(factors, np.ndarray) else factors
        momentum = self._momentum
        momenta = [None] * len(steps) if momentum is None else map(momentum, since(steps, self._start))
        return list(zip(lrs, momenta, strict=True))
