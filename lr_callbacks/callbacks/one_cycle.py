"""One-cycle: up to the largest LR and down to almost nothing, once, with the momentum moving against it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict

import numpy as np
from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core.arguments import fraction, require, require_bool, require_choice, require_number
from lr_callbacks.core.lightning_names import MisconfigurationException
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime, same
from lr_callbacks.schedules import AnnealStrategy, one_cycle_factor, one_cycle_momentum, one_cycle_phases


class OneCycleShape(TypedDict):
    """The shape of a cycle."""

    total_steps: float
    pct_start: float
    anneal_strategy: AnnealStrategy
    three_phase: bool
    pct_final: float | None


class OneCycle(LRCallback):
    """Climb to the peak learning rate and anneal to almost nothing by the end of the run, moving momentum against it.

    Over T optimizer steps the LR goes from ``peak / div_factor`` at the first step up to the peak at step
    ``pct_start * T - 1``, then down to ``peak / (div_factor * final_div_factor)`` at step T - 1, the last. With three
    phases it is back at its first value at step ``2 * pct_start * T - 2`` and goes to the end value from there. Past
    the end it holds. The momentum goes from `max_momentum` to `base_momentum` at the peak and back; when the fit
    ends, the configured momentum is restored.

    The values are those of torch ``OneCycleLR``, except where torch divides by zero or never reaches the peak: a cycle
    of one step is the peak; of two, the peak and the end value; of three, first value, peak, end value; and where
    `pct_start` leaves no step for the way up, the cycle begins at the peak.

    Args:
        max_lr: The peak: all groups are scaled by one number so that the largest peaks here. None: each group peaks at
            the LR that it was configured with.
        total_steps: Length T: an int (optimizer steps), ``"2 epochs"``, ``"50%"`` (of the run) or
            ``"30 min"`` (by the wall clock); None for the rest of the run.
        pct_start: Fraction of the cycle spent climbing, in [0, 1], or ``"30%"``; at most 0.5 with three phases, unless
            `pct_final` is given.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        cycle_momentum: Whether to move the momentum (SGD's and RMSprop's ``momentum`` where it is not 0, the first beta
            of Adam's family); a group without momentum is left alone.
        base_momentum: Momentum at the peak of the LR, in [0, 1).
        max_momentum: Momentum at both ends, in [0, 1).
        div_factor: Peak over first LR, above 0.
        final_div_factor: First LR over last LR, above 0.
        three_phase: Whether to come back to the first LR before the final annealing.
        pct_final: With three phases: fraction of the cycle, or a share such as ``"85%"``, after which the LR is back at
            its first value; None for twice `pct_start`.
        final_momentum: Momentum at the end, in [0, 1); None for `max_momentum`.
        **options: Options of every schedule, see `LRCallback`.

    Raises:
        TypeError: If a duration is a bare float or an argument is no number.
        ValueError: If an argument is outside its range.
        MisconfigurationException: At the start of the training, if the length of the run is needed and not known, or
            `max_lr` would have to scale groups with LRs of 0.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(callbacks=[OneCycle(max_lr=0.1, pct_start=0.25)], logger=False)
        >>> from lr_callbacks import preview
        >>> lrs = preview([OneCycle(pct_start=0.4, final_div_factor=10.0)], 0.1, total_steps=5)
        >>> [round(lr, 6) for lr in lrs[:, 0].tolist()]
        [0.004, 0.1, 0.0751, 0.0253, 0.0004]

    References:
        Smith & Topin, Super-Convergence, 2018, arXiv:1708.07120; torch ``OneCycleLR``.
    """

    fills_run = True
    warms_up = True

    def __init__(
        self,
        max_lr: float | None = None,
        total_steps: int | str | None = None,
        pct_start: float | str = 0.3,
        anneal_strategy: AnnealStrategy = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        pct_final: float | str | None = None,
        final_momentum: float | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(**options)
        if max_lr is not None:
            require(require_number("max_lr", max_lr) > 0, "max_lr", "above 0 (None for the optimizer's own LR)", max_lr)
        self.check_length("total_steps", total_steps, optional=True)
        require_bool("cycle_momentum", cycle_momentum)
        require_bool("three_phase", three_phase)
        peak = fraction("pct_start", pct_start)
        if pct_final is not None:
            require(three_phase, "pct_final", "None without three_phase=True", pct_final)
            rule = f"at least pct_start={pct_start!r}"
            require(fraction("pct_final", pct_final) >= peak, "pct_final", rule, pct_final)
        elif three_phase:
            require(peak <= 0.5, "pct_start", "at most 0.5 with three_phase=True, or two phases overlap", pct_start)
        require_choice("anneal_strategy", anneal_strategy, AnnealStrategy)
        momenta = {"base_momentum": base_momentum, "max_momentum": max_momentum, "final_momentum": final_momentum}
        for name, momentum in momenta.items():
            if momentum is not None or name != "final_momentum":
                require(0 <= require_number(name, momentum) < 1, name, "at least 0 and below 1", momentum)
        for name, value in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            require(require_number(name, value) > 0, name, "above 0", value)
        self.max_lr = max_lr
        self.total_steps = total_steps
        self.pct_start = pct_start
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum = cycle_momentum
        self.base_momentum = base_momentum
        self.max_momentum = max_momentum
        self.div_factor = div_factor
        self.final_div_factor = final_div_factor
        self.three_phase = three_phase
        self.pct_final = pct_final
        self.final_momentum = final_momentum

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """The cycle of each group, scaled so that the largest peaks at `max_lr`."""
        scale = 1.0 if self.max_lr is None else self._scale(groups, self.max_lr)
        # a line is rounded as torch rounds it, which depends on the LR; half a cosine is not touched by that
        linear = self.anneal_strategy == "linear"
        unit = same(np.where(groups.base != 0, groups.base * scale, 1.0)) if linear else 1.0
        return one_cycle_factor(
            t,
            **self._shape(time),
            div_factor=self.div_factor,
            final_div_factor=self.final_div_factor,
            max_lr=unit,
            scale=scale,
        )

    @lookahead
    def momenta(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """The momentum, against the LR."""
        bounds = {"base_momentum": self.base_momentum, "max_momentum": self.max_momentum}
        return one_cycle_momentum(t, **self._shape(time), **bounds, final_momentum=self.final_momentum)

    def _shape(self, time: ScheduleTime) -> OneCycleShape:
        """What the cycles of LR and momentum have in common."""
        return {
            "total_steps": time.length("total_steps", self.total_steps),
            "pct_start": fraction("pct_start", self.pct_start),
            "anneal_strategy": self.anneal_strategy,
            "three_phase": self.three_phase,
            "pct_final": None if self.pct_final is None else fraction("pct_final", self.pct_final),
        }

    def absolute_values(self, groups: GroupRows) -> Mapping[str, Callable[..., Array]]:
        """The momentum, if the cycle moves it."""
        return {"momentum": self.momenta} if self.cycle_momentum and self.param == "lr" else {}

    def ends_at(self, time: ScheduleTime) -> float | None:
        """The end of the cycle."""
        return time.length("total_steps", self.total_steps)

    def landmarks(self, time: ScheduleTime) -> Sequence[float]:
        """The peak."""
        shape = self._shape(time)
        pct_start, pct_final = shape["pct_start"], shape["pct_final"]
        phases = one_cycle_phases(
            shape["total_steps"], pct_start=pct_start, three_phase=self.three_phase, pct_final=pct_final
        )
        return (next((round(end) for _, end, way in phases if way == "up"), 0),)

    def _scale(self, groups: GroupRows, max_lr: float) -> float:
        if groups.largest == 0:
            raise MisconfigurationException(
                f"OneCycle: max_lr={max_lr} cannot scale groups with LRs of 0; configure LRs above 0"
            )
        return max_lr / groups.largest

    def describe(self) -> str:
        """Peak and shape."""
        peak = "the optimizer's LR" if self.max_lr is None else f"{self.max_lr:g}"
        return f"up to {peak}, then down ({'cosine' if self.anneal_strategy == 'cos' else 'linear'})"

    def phase_at(self, t: float, time: ScheduleTime) -> str:
        """Which way the cycle goes."""
        if t >= time.length("total_steps", self.total_steps):
            return "done"
        return "climbing" if t < self.landmarks(time)[0] else "annealing"
