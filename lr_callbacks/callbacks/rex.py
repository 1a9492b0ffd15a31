"""REX: the learning rate stays up for long and falls fast at the end."""

from __future__ import annotations

from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core.arguments import require, require_number
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime
from lr_callbacks.schedules import rex_factor


class Rex(LRCallback):
    """Hold the learning rate up for long and let it fall fast towards the end of the run (REX).

    The factor at time t of T, with x = t / T and e = `end_factor`, is ``e + (1 - e) (1 - x) / (1 - x / 2)``. First
    step: 1. Reached: e at time T (one after the last of T steps), and held.

    Args:
        end_factor: LR at the end as a fraction of the base LR, at least 0.
        total_steps: Length T: an int (optimizer steps), ``"2 epochs"``, ``"50%"`` (of the run) or
            ``"30 min"`` (by the wall clock); None for the rest of the run.
        **options: Options of every schedule, see `LRCallback`.

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

    fills_run = True

    def __init__(
        self,
        end_factor: float = 0.0,
        total_steps: int | str | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(**options)
        require(require_number("end_factor", end_factor) >= 0, "end_factor", "at least 0", end_factor)
        self.check_length("total_steps", total_steps, optional=True)
        self.end_factor = end_factor
        self.total_steps = total_steps

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """The curve."""
        total = time.length("total_steps", self.total_steps)
        return rex_factor(t, total_steps=total, end_factor=self.end_factor)

    def ends_at(self, time: ScheduleTime) -> float | None:
        """The end of the curve."""
        return time.length("total_steps", self.total_steps)

    def describe(self) -> str:
        """End and length."""
        return f"down to factor {self.end_factor:g} over {self.named_length(self.total_steps)}"
