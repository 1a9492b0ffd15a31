"""Warm-up: a ramp at the start of the run; schedules on the same groups begin at its end."""

from __future__ import annotations

from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core.arguments import number, one_of, require
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime
from lr_callbacks.schedules import WarmupShape, warmup_factor


class Warmup(LRCallback):
    """Ramp the learning rate from a fraction of its base value to the full value at the start of the run.

    The factor t optimizer steps into a ramp of T steps, with x = t / T, s = `start_factor` and e = `end_factor`: linear
    ``s + (e - s) x``; exponential ``s (e / s) ** x``; cosine ``s + (e - s) (1 - cos(pi x)) / 2``; constant ``s``.
    First step: `start_factor`. Reached: `end_factor` at step T, one after the last of the T steps, and held.

    Every other schedule on the same groups begins at step T by default, and plateau reduction does not judge before it.

    Args:
        duration: Length T: an int (optimizer steps, not batches, under gradient accumulation), ``"2 epochs"``,
            ``"5%"`` (of the run) or ``"30 min"`` (by the wall clock). 0 is no warm-up.
        shape: ``"linear"`` (the values of torch ``LinearLR``), ``"exponential"``, ``"cosine"`` or ``"constant"`` (the
            values of torch ``ConstantLR``).
        start_factor: LR at the first step as a fraction of the base LR, in [0, 1]; above 0 for ``"exponential"``.
        end_factor: LR from step T on as a fraction of the base LR, in (0, 1].
        **options: Options of every schedule, see `LRCallback`.

    Raises:
        TypeError: If `duration` is a bare float or an argument is no number.
        ValueError: If an argument is outside its range.
        MisconfigurationException: At the start of the training, if `duration` needs a length that is not known.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(callbacks=[Warmup("5%"), Warmup(100, shape="cosine", groups="head")], logger=False)
        >>> from lr_callbacks import preview
        >>> [round(lr, 6) for lr in preview([Warmup(4, start_factor=0.2)], 0.1, total_steps=6)[:, 0].tolist()]
        [0.02, 0.04, 0.06, 0.08, 0.1, 0.1]

    References:
        Goyal et al., Accurate, Large Minibatch SGD, 2017, arXiv:1706.02677, section 2.2; torch ``LinearLR``.
    """

    is_warmup = True

    def __init__(
        self,
        duration: int | str,
        shape: WarmupShape = "linear",
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(**options)
        self.check_length("duration", duration, minimum=0)
        one_of("shape", shape, WarmupShape)
        require(0 <= number("start_factor", start_factor) <= 1, "start_factor", "between 0 and 1", start_factor)
        require(0 < number("end_factor", end_factor) <= 1, "end_factor", "above 0 and at most 1", end_factor)
        if shape == "exponential":
            require(start_factor > 0, "start_factor", "above 0 for the exponential shape", start_factor)
        self.duration = duration
        self.shape = shape
        self.start_factor = start_factor
        self.end_factor = end_factor

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """The ramp."""
        return warmup_factor(
            t,
            duration=self.ends_at(time),
            shape=self.shape,
            start_factor=self.start_factor,
            end_factor=self.end_factor,
        )

    def ends_at(self, time: ScheduleTime) -> float:
        """The end of the ramp."""
        return time.length("duration", self.duration, minimum=0)

    def describe(self) -> str:
        """Shape and ends."""
        return f"{self.shape}, factor {self.start_factor:.3g} to {self.end_factor:.3g}"

    def phase_at(self, t: float, time: ScheduleTime) -> str:
        """Whether it still ramps."""
        return "warm-up" if t < self.ends_at(time) else "done"
