"""What a step costs: the LRs of a lane are written here, and what does not change from step to step is found once."""

from __future__ import annotations

import numpy as np

from lr_callbacks import param_groups as pg
from lr_callbacks.lanes import Lane


class Writer:
    """Writes the LRs of a lane, and the momenta that it moves, into the groups.

    It is made anew when lanes, groups or base LRs have changed. It knows the places of the groups, never the groups.

    Args:
        lane: Driven by a callback at least.
        groups: All groups of the optimizer; those of the lane have their base LRs.
    """

    def __init__(self, lane: Lane, groups: list[pg.ParamGroup]) -> None:
        mine, mover = [groups[number] for number in lane.groups], lane.mover
        self._factor_at = lane.factor_at
        self._numbers = None if len(mine) == len(groups) else lane.groups
        self._bases = np.array([float(group[pg.BASE_LR]) for group in mine])
        moved = [pg.CONFIGURED_MOMENTUM in group for group in mine]
        self._momentum = mover.momentum if mover is not None and any(moved) else None
        self._start = mover.start if mover is not None else 0
        self._moved = None if all(moved) else [place for place, moves in enumerate(moved) if moves]

    def write(self, groups: list[pg.ParamGroup], step: int) -> None:
        """Write what optimizer step `step` uses."""
        mine = groups if self._numbers is None else [groups[number] for number in self._numbers]
        factor = self._factor_at(step)
        if isinstance(factor, np.ndarray):
            pg.set_lrs(mine, (factor * self._bases).tolist())
        else:
            pg.scale_lrs(mine, factor)
        if self._momentum is not None:
            momentum = self._momentum(step - self._start if step > self._start else 0)
            pg.set_momenta(mine if self._moved is None else [mine[place] for place in self._moved], momentum)
