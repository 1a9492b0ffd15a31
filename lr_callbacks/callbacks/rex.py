"""REX: the learning rate stays up for long and falls fast at the end."""

from __future__ import annotations

from functools import partial

from lr_callbacks.callbacks.base import Groups
from lr_callbacks.callbacks.interval import IntervalSchedule, Shape
from lr_callbacks.core.arguments import number, require
from lr_callbacks.core.segment import Group
from lr_callbacks.core.ticks import Interval, Ticks
from lr_callbacks.schedules import rex_factor


class Rex(IntervalSchedule):
    """Hold the learning rate up for long and let it fall fast towards the end of the run (REX).

    The factor at time t of T, with x = t / T and e = `end_factor`, is ``e + (1 - e) (1 - x) / (1 - x / 2)``. First
    step: 1. Reached: e at time T (one after the last of T steps), and held.

    Args:
        end_factor: LR at the end as a fraction of the base LR, at least 0.
        total_steps: Length T: an int (optimizer steps), ``"2 epochs"``, ``"50%"`` (of the run) or
            ``"30 min"`` (by the wall clock); None for the rest of the run.
        interval: ``"step"``: it moves at every optimizer step; ``"epoch"``: its time t counts epochs, the factor is
            held over each, and lengths are given in epochs or %.
        start: Where the schedule begins, counted from the start of the run: an int (optimizer steps), ``"2 epochs"``,
            ``"10%"`` or ``"30 min"``; None for the end of the group's warm-up.
        optimizer: Index of the optimizer to drive, counted from 0; None for all.
        groups: Parameter groups to drive: an index, a name (``group["name"]``) or a list of them; None for all.

    Raises:
        TypeError: If a duration is a bare float or an argument is no number.
        ValueError: If an argument is outside its range.
        MisconfigurationException: At the start of the training, if a length is needed that is not known, or one comes
            out as 0 steps.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(callbacks=[Rex()], logger=False)
        >>> from lr_callbacks import preview
        >>> [round(lr, 6) for lr in preview([Rex(total_steps=4)], 0.1, total_steps=6)[:, 0].tolist()]
        [0.1, 0.085714, 0.066667, 0.04, 0.0, 0.0]

    References:
        Chen, Wolfe & Kyrillidis, REX: Revisiting Budgeted Training with an Improved Schedule, 2021, arXiv:2107.04197.
    """

    anneals_to_end = True

    def __init__(
        self,
        end_factor: float = 0.0,
        total_steps: int | str | None = None,
        *,
        interval: Interval = "step",
        start: int | str | None = None,
        optimizer: int | None = None,
        groups: Groups = None,
    ) -> None:
        super().__init__(interval=interval, start=start, optimizer=optimizer, groups=groups)
        require(number("end_factor", end_factor) >= 0, "end_factor", "at least 0", end_factor)
        if total_steps is not None:
            self.check_length("total_steps", total_steps)
        self.end_factor = end_factor
        self.total_steps = total_steps

    def shape(self, ticks: Ticks, group: Group) -> Shape:
        """The curve of one group."""
        total = self.length(ticks, "total_steps", self.total_steps)
        return Shape(partial(rex_factor, total_steps=total, end_factor=self.end_factor), length=total)

    def describe(self) -> str:
        """End and length."""
        return f"down to factor {self.end_factor:g} over {self.named_length(self.total_steps)}"
