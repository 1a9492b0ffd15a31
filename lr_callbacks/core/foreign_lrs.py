"""LRs that other code has written: a finetuning callback's are taken up, any other is reported once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch.optim import Optimizer

from lr_callbacks.core import optimizer_hooks as hooks
from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.lightning_names import rank_zero_warn


class ForeignLRs:
    """What becomes of LRs in one optimizer that are not those that were written.

    Args:
        optimizer: The optimizer.
        name: How messages name it.

    Attributes:
        finetuned: Whether a finetuning callback of Lightning sets LRs of groups that it has added.
    """

    def __init__(self, optimizer: Optimizer, name: str) -> None:
        self.finetuned = False
        self._optimizer, self._name = optimizer, name
        self._reported = False

    def look(self, groups: Iterable[int], factors: Mapping[int, float]) -> None:
        """Compare the LRs of these groups with the ones that were written, their factors in force given."""
        for number in groups:
            group = self._optimizer.param_groups[number]
            ours = group[pg.BASE_LR] * factors[number]
            if pg.holds_lr(group, ours):
                continue
            if self.finetuned:
                take_as_base(group, factors[number])
            else:
                self.report(group, pg.get_lr(group), ours)

    def report(self, group: pg.ParamGroup, theirs: float, ours: float) -> None:
        """Warn, the first time, that the LR of a group is not the one that was written."""
        if self._reported or self.finetuned:
            return
        self._reported = True
        number = next(place for place, each in enumerate(self._optimizer.param_groups) if each is group)
        built = "a torch scheduler that was built on the optimizer, or by "
        rank_zero_warn(
            f"The LR of group {number} of {self._name} was changed from {ours:g} to {theirs:g} by"
            f" {built if hooks.has_scheduler(self._optimizer) else ''}other code. It will be overwritten at the next"
            " step. Remove that code, or exclude the group with groups=."
        )


def take_as_base(group: pg.ParamGroup, factor: float) -> None:
    """Make the base LR of a group the one of which its LR is the product with a factor; the LR itself if that is 0."""
    lr = pg.get_lr(group)
    group[pg.BASE_LR] = lr / factor if factor != 0 else lr


def warn_of_zero(group: pg.ParamGroup, number: int, name: str) -> None:
    """Warn about a group that was added with an LR that no factor moves."""
    if pg.get_lr(group) == 0:
        rank_zero_warn(
            f"Group {number} was added to {name} with LR 0 and stays there; give it an LR above 0 (a finetuning"
            " callback took a share of an LR that was 0 at that step)."
        )
