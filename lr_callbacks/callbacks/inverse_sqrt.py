"""Inverse square root decay."""

from __future__ import annotations

from functools import partial

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from lr_callbacks.callbacks.base import Groups
from lr_callbacks.callbacks.interval import IntervalSchedule, Shape
from lr_callbacks.core.segment import Group
from lr_callbacks.core.ticks import Interval, Ticks
from lr_callbacks.schedules import inverse_sqrt_factor


class InverseSqrt(IntervalSchedule):
    """Let the learning rate fall as one over the square root of time, as the original Transformer was trained.

    The factor at time t, with s = `timescale`, is ``1 / sqrt((t + s) / s)``. First step: 1. It has no end: 1/2 is
    reached at t = 3 s.

    After ``Warmup(s)`` these are the LRs of the original, ``base_lr * sqrt(s / step)``, without a jump.

    Args:
        timescale: Length s in which the LR falls to ``1 / sqrt(2)``: an int (optimizer steps), ``"2 epochs"``,
            ``"5%"`` (of the run) or ``"30 min"`` (by the wall clock); None for the length of the group's warm-up.
        interval: ``"step"``: it moves at every optimizer step; ``"epoch"``: its time t counts epochs, the factor is
            held over each, and lengths are given in epochs or %.
        start: Where the schedule begins, counted from the start of the run: an int (optimizer steps), ``"2 epochs"``,
            ``"10%"`` or ``"30 min"``; None for the end of the group's warm-up.
        optimizer: Index of the optimizer to drive, counted from 0; None for all.
        groups: Parameter groups to drive: an index, a name (``group["name"]``) or a list of them; None for all.

    Raises:
        TypeError: If a duration is a bare float.
        ValueError: If an argument is outside its range.
        MisconfigurationException: At the start of the training, if `timescale` is not given and there is no warm-up, a
            length is needed that is not known, or `timescale` comes out as 0 steps.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> from lr_callbacks import Warmup, preview
        >>> trainer = Trainer(callbacks=[Warmup(4000, start_factor=0.0), InverseSqrt()], logger=False)
        >>> [round(lr, 6) for lr in preview([InverseSqrt(1)], 0.1, total_steps=4)[:, 0].tolist()]
        [0.1, 0.070711, 0.057735, 0.05]

    References:
        Vaswani et al., Attention Is All You Need, 2017, arXiv:1706.03762, eq. 3; transformers
        ``get_inverse_sqrt_schedule``.
    """

    def __init__(
        self,
        timescale: int | str | None = None,
        *,
        interval: Interval = "step",
        start: int | str | None = None,
        optimizer: int | None = None,
        groups: Groups = None,
    ) -> None:
        super().__init__(interval=interval, start=start, optimizer=optimizer, groups=groups)
        if timescale is not None:
            self.check_length("timescale", timescale)
        self.timescale = timescale

    def shape(self, ticks: Ticks, group: Group) -> Shape:
        """The decay of one group."""
        if self.timescale is not None:
            timescale = self.length(ticks, "timescale", self.timescale)
        elif group.warmup_end > 0:
            timescale = Ticks(ticks.horizon, 0, self.interval).at(group.warmup_end - 1) + 1
        else:
            raise MisconfigurationException(
                "InverseSqrt: timescale is not given and is the length of the warm-up by default, but no Warmup drives"
                " this group; write InverseSqrt(timescale=1000), or put a Warmup among the Trainer's callbacks"
            )
        return Shape(partial(inverse_sqrt_factor, timescale=timescale))

    def describe(self) -> str:
        """Timescale."""
        return f"timescale {'the warm-up' if self.timescale is None else self.named_length(self.timescale)}"
