"""A state that was loaded into an optimizer before anything drives it: put aside while today's values are read."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer

from lr_callbacks.core import param_groups as pg


class Restored:
    """What a state that was loaded before has left in the groups of an optimizer.

    Args:
        optimizer: The optimizer.

    Attributes:
        step: The count, if a state has brought one.
        feedback: What schedules with feedback have left.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self.step = pg.get_count(optimizer)
        self.feedback = optimizer.param_groups[0].get(pg.FEEDBACK)
        self._kept: list[dict[str, Any]] = [{} for _ in optimizer.param_groups]
        for kept, group in zip(self._kept, optimizer.param_groups, strict=True):
            if self.step is None:
                continue
            kept.update({key: held for key, held in group.items() if pg.is_our_key(key)})
            if pg.get_lr(group) == kept.get(pg.LEFT_LR):  # an LR that was changed since is believed
                pg.set_lr(group, kept.get(pg.CONFIGURED_LR, kept[pg.LEFT_LR]))
            for param in pg.moved_params(group):
                pg.set_value(group, param, kept[pg.configured_key(param)])
            pg.forget(group)
            group.update({pg.SCALED_LR: kept[pg.SCALED_LR]} if pg.SCALED_LR in kept else {})

    def put_back(self) -> None:
        """Write it again, after what is configured was read."""
        for group, kept in zip(self._optimizer.param_groups, self._kept, strict=True):
            group.update(kept)
