"""A constant factor for a while."""

from __future__ import annotations

from functools import partial

from lr_callbacks.callbacks.base import Groups
from lr_callbacks.callbacks.interval import IntervalSchedule, Shape
from lr_callbacks.core.arguments import number, require
from lr_callbacks.core.segment import Group
from lr_callbacks.core.ticks import Interval, Ticks
from lr_callbacks.schedules import constant_factor


class ConstantFactor(IntervalSchedule):
    """Multiply the learning rate by a constant for a while, then leave it at its full value.

    The factor at time t is `factor` for t < T, and 1 from T on. First step: `factor`. Reached: 1 at time T (one after
    the last of T steps).

    The values are those of torch ``ConstantLR``. Unlike ``Warmup(shape="constant")``, other schedules do not wait for
    its end.

    Args:
        total_steps: Length T: an int (optimizer steps), ``"2 epochs"``, ``"5%"`` (of the run) or ``"30 min"`` (by the
            wall clock).
        factor: LR until then as a fraction of the base LR, at least 0.
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
        >>> trainer = Trainer(callbacks=[ConstantFactor("2 epochs", factor=0.1)], logger=False)
        >>> from lr_callbacks import preview
        >>> [round(lr, 6) for lr in preview([ConstantFactor("50%", factor=0.1)], 0.1, total_steps=4)[:, 0].tolist()]
        [0.01, 0.01, 0.1, 0.1]

    References:
        torch ``ConstantLR``.
    """

    def __init__(
        self,
        total_steps: int | str,
        factor: float = 1 / 3,
        *,
        interval: Interval = "step",
        start: int | str | None = None,
        optimizer: int | None = None,
        groups: Groups = None,
    ) -> None:
        super().__init__(interval=interval, start=start, optimizer=optimizer, groups=groups)
        self.check_length("total_steps", total_steps)
        require(number("factor", factor) >= 0, "factor", "at least 0", factor)
        self.total_steps = total_steps
        self.factor = factor

    def shape(self, ticks: Ticks, group: Group) -> Shape:
        """The constant of one group."""
        total = self.length(ticks, "total_steps", self.total_steps)
        return Shape(partial(constant_factor, total_steps=total, factor=self.factor), length=total)

    def describe(self) -> str:
        """How much, how long."""
        return f"factor {self.factor:.3g} for {self.named_length(self.total_steps)}"
