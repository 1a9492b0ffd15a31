"""Decay by a power of one over time."""

from __future__ import annotations

from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core.arguments import require, require_bool, require_number
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime
from lr_callbacks.schedules import inverse_power_factor


class InversePower(LRCallback):
    """Let the learning rate fall as one over time, or as a power of that, evenly or in stairs.

    The factor at time t, with s = `step_size`, is ``1 / (1 + rate * t / s) ** power``; in stairs t / s is rounded down.
    First step: 1. It has no end; `floor` gives it a bound.

    With ``power=0.5`` and ``rate=1`` it is `InverseSqrt`.

    Args:
        step_size: Length s in which ``rate`` is added once: an int (optimizer steps), ``"2 epochs"``, ``"5%"`` (of the
            run) or ``"30 min"`` (by the wall clock).
        rate: How fast it falls, at least 0.
        power: Exponent, above 0: 1 is inverse time, 0.5 the inverse square root.
        staircase: Whether it falls only every `step_size`.
        **options: Options of every schedule, see `LRCallback`.

    Raises:
        TypeError: If a duration is a bare float or an argument is no number.
        ValueError: If an argument is outside its range.
        MisconfigurationException: At the start of the training, if a length is needed that is not known, or one comes
            out as 0 steps.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(callbacks=[InversePower("1 epoch", rate=0.5)], logger=False)
        >>> from lr_callbacks import preview
        >>> [round(lr, 6) for lr in preview([InversePower(1)], 0.1, total_steps=4)[:, 0].tolist()]
        [0.1, 0.05, 0.033333, 0.025]

    References:
        Keras ``InverseTimeDecay``; Shen et al., Power Scheduler, 2024, arXiv:2408.13359.
    """

    def __init__(
        self,
        step_size: int | str,
        rate: float = 1.0,
        power: float = 1.0,
        staircase: bool = False,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(**options)
        self.check_length("step_size", step_size)
        require(require_number("rate", rate) >= 0, "rate", "at least 0", rate)
        require(require_number("power", power) > 0, "power", "above 0", power)
        require_bool("staircase", staircase)
        self.step_size = step_size
        self.rate = rate
        self.power = power
        self.staircase = staircase

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """A power of one over time."""
        size = time.length("step_size", self.step_size)
        return inverse_power_factor(t, step_size=size, rate=self.rate, power=self.power, staircase=self.staircase)

    def describe(self) -> str:
        """Exponent and pace."""
        stairs = ", in stairs" if self.staircase else ""
        return f"1 / (1 + {self.rate:g} t / {self.named_length(self.step_size)}) ** {self.power:g}{stairs}"
