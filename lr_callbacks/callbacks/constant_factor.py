"""A constant factor for a while."""

from __future__ import annotations

from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core.arguments import require, require_number
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime
from lr_callbacks.schedules import constant_factor


class ConstantFactor(LRCallback):
    """Multiply the learning rate by a constant for a while, then leave it at its full value.

    The factor at time t is `factor` for t < T, and 1 from T on. First step: `factor`. Reached: 1 at time T (one after
    the last of T steps).

    The values are those of torch ``ConstantLR``. Unlike ``Warmup(shape="constant")``, other schedules do not wait for
    its end.

    Args:
        total_steps: Length T: an int (optimizer steps), ``"2 epochs"``, ``"5%"`` (of the run) or ``"30 min"`` (by the
            wall clock).
        factor: LR until then as a fraction of the base LR, at least 0.
        **options: Options of every schedule, see `LRCallback`.

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
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(**options)
        self.check_length("total_steps", total_steps)
        require(require_number("factor", factor) >= 0, "factor", "at least 0", factor)
        self.total_steps = total_steps
        self.factor = factor

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """A constant, and 1 after it."""
        total = time.length("total_steps", self.total_steps)
        return constant_factor(t, total_steps=total, factor=self.factor)

    def ends_at(self, time: ScheduleTime) -> float | None:
        """The end of the constant."""
        return time.length("total_steps", self.total_steps)

    def describe(self) -> str:
        """How much, how long."""
        return f"factor {self.factor:.3g} for {self.named_length(self.total_steps)}"
