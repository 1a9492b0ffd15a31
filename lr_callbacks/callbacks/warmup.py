"""Warm-up: a ramp at the start of the run; schedules on the same groups begin at its end."""

from __future__ import annotations

from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core.arguments import require, require_at_most_one, require_choice, require_number
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime
from lr_callbacks.schedules import WarmupShape, warmup_factor


class Warmup(LRCallback):
    """Ramp the learning rate from a fraction of its base value to the full value at the start of the run.

    The factor t optimizer steps into a ramp of T steps, with x = t / T, s = `start_factor` and e = `end_factor`: linear
    ``s + (e - s) x``; exponential ``s (e / s) ** x``; cosine ``s + (e - s) (1 - cos(pi x)) / 2``; 1-sqrt
    ``s + (e - s) (1 - sqrt(1 - x))``; 1-exp ``s + (e - s) (1 - exp(-x))``; constant ``s``. First step: `start_factor`.
    Reached: `end_factor` at step T, one after the last of the T steps, and held; 1-exp has no end.

    Every other schedule on the same groups begins at step T by default, and plateau reduction does not judge before it;
    with 1-exp, which has no end, they begin at step 0.

    Args:
        duration: Length T: an int (optimizer steps, not batches, under gradient accumulation), ``"2 epochs"``,
            ``"5%"`` (of the run) or ``"30 min"`` (by the wall clock). 0 is no warm-up. Of 1-exp it is the time
            constant.
        shape: ``"linear"`` (the values of torch ``LinearLR``), ``"exponential"``, ``"cosine"``, ``"1-sqrt"``,
            ``"1-exp"`` or ``"constant"`` (the values of torch ``ConstantLR``).
        start_factor: LR at the first step as a fraction of the base LR, at least 0, above 0 for ``"exponential"``;
            above `end_factor` the ramp falls. 1/3 unless `start_lr` is given.
        end_factor: LR from step T on as a fraction of the base LR, above 0.
        start_lr: LR at the first step, absolute, at least 0; give this or `start_factor`.
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
        start_factor: float | None = None,
        end_factor: float = 1.0,
        start_lr: float | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(**options)
        self.check_length("duration", duration, minimum=0)
        require_choice("shape", shape, WarmupShape)
        require_at_most_one(start_factor=start_factor, start_lr=start_lr)
        for name, value in (("start_factor", start_factor), ("start_lr", start_lr)):
            if value is not None:
                require(require_number(name, value) >= 0, name, "at least 0", value)
                require(shape != "exponential" or value > 0, name, "above 0 for the exponential shape", value)
        require(require_number("end_factor", end_factor) > 0, "end_factor", "above 0", end_factor)
        require(shape != "1-exp" or duration != 0, "duration", "above 0 for the shape 1-exp", duration)
        self.duration = duration
        self.shape = shape
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.start_lr = start_lr

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """The ramp."""
        return warmup_factor(
            t,
            duration=time.length("duration", self.duration, minimum=0),
            shape=self.shape,
            start_factor=self._first if self.start_lr is None else groups.factor_of(self.start_lr),
            end_factor=self.end_factor,
        )

    @property
    def _first(self) -> float:
        """The factor at the first step, where it is not that of an LR."""
        return 1 / 3 if self.start_factor is None else self.start_factor

    def ends_at(self, time: ScheduleTime) -> float | None:
        """The end of the ramp."""
        return None if self.shape == "1-exp" else time.length("duration", self.duration, minimum=0)

    def describe(self) -> str:
        """Shape and ends."""
        first = f"factor {self._first:.3g}" if self.start_lr is None else f"LR {self.start_lr:g}"
        return f"{self.shape}, {first} to {'' if self.start_lr is None else 'factor '}{self.end_factor:.3g}"

    def phase_at(self, t: float, time: ScheduleTime) -> str:
        """Whether it still ramps."""
        end = self.ends_at(time)
        return "warm-up" if end is None or t < end else "done"
