"""Polynomial and linear decay to an end value."""

from __future__ import annotations

from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core.arguments import floor, floor_text, require, require_at_most_one, require_bool, require_number
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime
from lr_callbacks.schedules import linear_factor, polynomial_factor


class PolynomialDecay(LRCallback):
    """Decay the learning rate along a power of what is left of the schedule.

    The factor at time t of T, with p = `power` and the end factor e, is ``e + (1 - e) (1 - (t / T) ** k) ** p``.
    First step: 1. Reached: e at time T (one after the last of T steps), and held; with `cycle` it jumps up there, to
    where a decay of twice the length would be, and falls again, with no end.

    The values are those of torch ``PolynomialLR``, which has no end value.

    Args:
        power: Exponent p, above 0: 1 is a line; above 1 it falls faster at first.
        end_factor: LR at the end as a fraction of the base LR, at least 0; 0 unless `end_lr` is given.
        end_lr: LR at the end, at least 0: absolute, or a share of each group's base LR such as ``"1%"``; give this or
            `end_factor`.
        total_steps: Length T: an int (optimizer steps), ``"2 epochs"``, ``"50%"`` (of the run) or
            ``"30 min"`` (by the wall clock); None for the rest of the run.
        k_decay: Exponent k of the time that is done, above 0: above 1 the LR stays up for longer.
        cycle: Whether it begins again at its end, each time longer and from less high.
        **options: Options of every schedule, see `LRCallback`.

    Raises:
        TypeError: If a duration is a bare float or an argument is no number.
        ValueError: If an argument is outside its range.
        MisconfigurationException: At the start of the training, if a length is needed that is not known, or one comes
            out as 0 steps.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(callbacks=[PolynomialDecay(power=2.0, end_lr=1e-5)], logger=False)
        >>> from lr_callbacks import preview
        >>> lrs = preview([PolynomialDecay(power=2.0, end_lr=0.02, total_steps=2)], 0.1, total_steps=4)
        >>> [round(lr, 6) for lr in lrs[:, 0].tolist()]
        [0.1, 0.04, 0.02, 0.02]

    References:
        torch ``PolynomialLR``; Keras ``PolynomialDecay``; Chen et al., DeepLab, 2016, arXiv:1606.00915, section 4.1.2.
    """

    fills_run = True
    floor_name = "end_lr"

    def __init__(
        self,
        power: float = 1.0,
        end_factor: float | None = None,
        end_lr: float | str | None = None,
        total_steps: int | str | None = None,
        k_decay: float = 1.0,
        cycle: bool = False,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(**options)
        require(require_number("power", power) > 0, "power", "above 0", power)
        require_at_most_one(end_factor=end_factor, end_lr=end_lr)
        if end_factor is not None:
            require(require_number("end_factor", end_factor) >= 0, "end_factor", "at least 0", end_factor)
        if end_lr is not None:
            floor("end_lr", end_lr)
        self.check_length("total_steps", total_steps, optional=True)
        require(require_number("k_decay", k_decay) > 0, "k_decay", "above 0", k_decay)
        require_bool("cycle", cycle)
        self.power = power
        self.end_factor = end_factor
        self.end_lr = end_lr
        self.total_steps = total_steps
        self.k_decay = k_decay
        self.cycle = cycle
        self.fills_run = not cycle

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """A power of what is left."""
        end = groups.factor_of(self.end_lr) if self.end_lr is not None else self.end_factor or 0.0
        total = time.length("total_steps", self.total_steps)
        return polynomial_factor(
            t, total_steps=total, power=self.power, end_factor=end, k_decay=self.k_decay, cycle=self.cycle
        )

    def ends_at(self, time: ScheduleTime) -> float | None:
        """The end of the decay."""
        return None if self.cycle else time.length("total_steps", self.total_steps)

    def describe(self) -> str:
        """Power and end."""
        end = f"LR {floor_text(self.end_lr)}" if self.end_lr is not None else f"factor {self.end_factor or 0.0:g}"
        return f"power {self.power:g} to {end} over {self.named_length(self.total_steps)}"


class LinearDecay(LRCallback):
    """Take the learning rate along a line, by default from its base value to 0 at the end of the run.

    The factor at time t of T, with s = `start_factor` and e = `end_factor`, is ``s + (e - s) t / T``. First step: s.
    Reached: e at time T (one after the last of T steps), and held.

    The values are those of torch ``LinearLR``.

    Args:
        end_factor: LR at the end as a fraction of the base LR, at least 0.
        start_factor: LR at the first step as a fraction of the base LR, at least 0.
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
        >>> trainer = Trainer(callbacks=[LinearDecay(end_factor=0.01)], logger=False)
        >>> from lr_callbacks import preview
        >>> [round(lr, 6) for lr in preview([LinearDecay(total_steps=4)], 0.1, total_steps=6)[:, 0].tolist()]
        [0.1, 0.075, 0.05, 0.025, 0.0, 0.0]

    References:
        torch ``LinearLR``; Defazio et al., Optimal Linear Decay Learning Rate Schedules, 2023, arXiv:2310.07831.
    """

    fills_run = True

    def __init__(
        self,
        end_factor: float = 0.0,
        start_factor: float = 1.0,
        total_steps: int | str | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(**options)
        for name, value in (("end_factor", end_factor), ("start_factor", start_factor)):
            require(require_number(name, value) >= 0, name, "at least 0", value)
        self.check_length("total_steps", total_steps, optional=True)
        self.end_factor = end_factor
        self.start_factor = start_factor
        self.total_steps = total_steps

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """A line."""
        total = time.length("total_steps", self.total_steps)
        return linear_factor(t, total_steps=total, start_factor=self.start_factor, end_factor=self.end_factor)

    def ends_at(self, time: ScheduleTime) -> float | None:
        """The end of the line."""
        return time.length("total_steps", self.total_steps)

    def describe(self) -> str:
        """Both ends."""
        over = self.named_length(self.total_steps)
        return f"factor {self.start_factor:g} to {self.end_factor:g} over {over}"
