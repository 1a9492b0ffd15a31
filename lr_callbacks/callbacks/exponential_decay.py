"""Exponential decay: by a factor or a natural rate, evenly or in stairs."""

from __future__ import annotations

from typing import Literal

from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core.arguments import require, require_bool, require_choice, require_number
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime
from lr_callbacks.schedules import exponential_factor, natural_exponential_factor, step_decay_factor


class ExponentialDecay(LRCallback):
    """Let the learning rate fall exponentially, by a factor `gamma` or a natural `rate` k for every `step_size`.

    The factor at time t is ``gamma ** n`` or ``exp(-k * n)`` with ``n = (t + offset) / s``, rounded down with
    `staircase`. First step: 1 (with ``offset=1``: less, unless `staircase` and s > 1). It has no end.

    The values are those of torch ``ExponentialLR`` with `gamma` alone, and with `staircase` those of ``StepLR``.

    Args:
        gamma: What every `step_size` multiplies by, above 0 (above 1 it grows); give this or `rate`.
        rate: Natural decay rate k for every `step_size`, >= 0; give this or `gamma`.
        step_size: Length s: an int (optimizer steps), ``"2 epochs"``, ``"10%"`` (of the run) or ``"30 min"`` (by the
            wall clock); None for one step (one epoch with ``interval="epoch"``).
        staircase: Whether it falls only every `step_size`, in stairs.
        offset: 0, or 1 to count from 1 as many tutorials do.
        **options: Options of every schedule, see `LRCallback`.

    Raises:
        TypeError: If a duration is a bare float or an argument is no number.
        ValueError: If an argument is outside its range.
        MisconfigurationException: At the start of the training, if a length is needed that is not known, or one comes
            out as 0 steps.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(callbacks=[ExponentialDecay(gamma=0.95, interval="epoch")], logger=False)
        >>> stairs = ExponentialDecay(rate=0.5, step_size="10 epochs", staircase=True, offset=1, interval="epoch")
        >>> from lr_callbacks import preview
        >>> lrs = preview([ExponentialDecay(gamma=0.5, step_size=2)], 0.1, total_steps=5)
        >>> [round(lr, 6) for lr in lrs[:, 0].tolist()]
        [0.1, 0.070711, 0.05, 0.035355, 0.025]

    References:
        torch ``ExponentialLR``; Keras ``ExponentialDecay``; TensorFlow ``natural_exp_decay``.
    """

    def __init__(
        self,
        gamma: float | None = None,
        rate: float | None = None,
        step_size: int | str | None = None,
        staircase: bool = False,
        offset: Literal[0, 1] = 0,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(**options)
        if (gamma is None) == (rate is None):
            raise ValueError(f"exactly one of gamma and rate must be given, got gamma={gamma!r} and rate={rate!r}")
        if gamma is not None:
            require(require_number("gamma", gamma) > 0, "gamma", "above 0", gamma)
        if rate is not None:
            require(require_number("rate", rate) >= 0, "rate", "at least 0", rate)
        self.check_length("step_size", step_size, optional=True)
        require_bool("staircase", staircase)
        require_choice("offset", offset, Literal[0, 1])
        self.gamma = gamma
        self.rate = rate
        self.step_size = step_size
        self.staircase = staircase
        self.offset = offset

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """The decay."""
        size = time.run.stretch if self.step_size is None else time.length("step_size", self.step_size)
        if self.gamma is None:
            rate = self.rate or 0.0
            return natural_exponential_factor(
                t, rate=rate, step_size=size, offset=self.offset, staircase=self.staircase
            )
        decay = step_decay_factor if self.staircase else exponential_factor
        return decay(t, gamma=self.gamma, step_size=size, offset=self.offset)

    @property
    def why_not_by_time(self) -> str | None:
        """A rate per step has no meaning on the wall clock."""
        return super().why_not_by_time or (
            "without step_size its decay is one for every step" if self.step_size is None else None
        )

    def describe(self) -> str:
        """How much, over what."""
        by = f"exp(-{self.rate:g})" if self.gamma is None else f"{self.gamma:g}"
        every = self.interval if self.step_size is None else self.named_length(self.step_size)
        return f"times {by} every {every}" + (", in stairs" if self.staircase else "")
