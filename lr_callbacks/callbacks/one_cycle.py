"""One-cycle: up to the largest LR and down to almost nothing, once, with the momentum moving against it."""

from __future__ import annotations

from functools import partial

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from lr_callbacks.callbacks.base import Groups, ScheduleCallback
from lr_callbacks.core.arguments import flag, number, one_of, require
from lr_callbacks.core.durations import Duration
from lr_callbacks.core.horizon import Horizon
from lr_callbacks.core.segment import Group, Segment
from lr_callbacks.schedules import AnnealStrategy, one_cycle_curve, one_cycle_phases


class OneCycle(ScheduleCallback):
    """Climb to the peak learning rate and anneal to almost nothing by the end of the run, moving momentum against it.

    Over T optimizer steps the LR goes from ``peak / div_factor`` at the first step up to the peak at step
    ``pct_start * T - 1``, then down to ``peak / (div_factor * final_div_factor)`` at step T - 1, the last. With three
    phases it is back at its first value at step ``2 * pct_start * T - 2`` and goes to the end value from there. Past
    the end it holds. The momentum goes from `max_momentum` to `base_momentum` at the peak and back, and is given back
    as it was configured when the fit ends.

    The values are those of torch ``OneCycleLR``, except where torch divides by zero or never reaches the peak: a cycle
    of one step is the peak; of two, the peak and the end value; of three, first value, peak, end value; and where
    `pct_start` leaves no step for the way up, the cycle begins at the peak.

    Args:
        max_lr: The peak: all groups are scaled by one number so that the largest peaks here. None: each group peaks at
            the LR that it was configured with.
        total_steps: Length T: an int (optimizer steps), ``"2 epochs"``, ``"50%"`` (of the run) or
            ``"30 min"`` (by the wall clock); None for the rest of the run.
        pct_start: Fraction of the cycle spent climbing, in [0, 1]; at most 0.5 with three phases.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        cycle_momentum: Whether to move the momentum (SGD's and RMSprop's ``momentum`` where it is not 0, the first beta
            of Adam's family); a group without momentum is left alone.
        base_momentum: Momentum at the peak of the LR, in [0, 1).
        max_momentum: Momentum at both ends, in [0, 1).
        div_factor: Peak over first LR, above 0.
        final_div_factor: First LR over last LR, above 0.
        three_phase: Whether to come back to the first LR before the final annealing.
        start: Where the cycle begins, counted from the start of the run: an int (optimizer steps), ``"2 epochs"``,
            ``"10%"`` or ``"30 min"``; None for the end of the group's warm-up.
        optimizer: Index of the optimizer to drive, counted from 0; None for all.
        groups: Parameter groups to drive: an index, a name (``group["name"]``) or a list of them; None for all.

    Raises:
        TypeError: If a duration is a bare float or an argument is no number.
        ValueError: If an argument is outside its range.
        MisconfigurationException: At the start of the training, if the length of the run is needed and not known, or
            `max_lr` is to scale groups whose LRs are all 0.

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

    anneals_to_end = True

    def __init__(
        self,
        max_lr: float | None = None,
        total_steps: int | str | None = None,
        pct_start: float = 0.3,
        anneal_strategy: AnnealStrategy = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        *,
        start: int | str | None = None,
        optimizer: int | None = None,
        groups: Groups = None,
    ) -> None:
        super().__init__(start=start, optimizer=optimizer, groups=groups)
        if max_lr is not None:
            require(number("max_lr", max_lr) > 0, "max_lr", "above 0 (None for the optimizer's own LR)", max_lr)
        if total_steps is not None:
            Duration.parse(total_steps, name="total_steps", minimum=1)
        flag("cycle_momentum", cycle_momentum)
        flag("three_phase", three_phase)
        require(0 <= number("pct_start", pct_start) <= 1, "pct_start", "between 0 and 1", pct_start)
        if three_phase:
            require(
                pct_start <= 0.5, "pct_start", "at most 0.5 with three_phase=True, or two phases overlap", pct_start
            )
        one_of("anneal_strategy", anneal_strategy, AnnealStrategy)
        for name, value in (("base_momentum", base_momentum), ("max_momentum", max_momentum)):
            require(0 <= number(name, value) < 1, name, "at least 0 and below 1", value)
        for name, value in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            require(number(name, value) > 0, name, "above 0", value)
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

    def segment(self, horizon: Horizon, group: Group) -> Segment:
        """The cycle of one group, its factor scaled so that the largest group peaks at `max_lr`."""
        start = self.start_step(horizon, group)
        if self.total_steps is None:
            total = horizon.rest(start, "OneCycle: total_steps")
        else:
            total = self.steps(horizon, "total_steps", self.total_steps)
        scale = 1.0 if self.max_lr is None else self._scale(group, self.max_lr)
        # a line is rounded as torch rounds it, which depends on the LR; half a cosine is not touched by that
        unit = group.base_lr * scale if group.base_lr and self.anneal_strategy == "linear" else 1.0
        first = unit / self.div_factor
        lrs = (first, unit, first, first / self.final_div_factor)
        momenta = (self.max_momentum, self.base_momentum, self.max_momentum, self.max_momentum)
        cycle = partial(one_cycle_curve, total, self.pct_start, self.anneal_strategy, self.three_phase)
        peak = round(one_cycle_phases(total, pct_start=self.pct_start, three_phase=self.three_phase)[0][0])
        return Segment(
            start=start,
            end=start + total,
            factor=cycle(lrs, scale / unit),
            momentum=cycle(momenta) if self.cycle_momentum else None,
            landmarks=(peak,),
        )

    def _scale(self, group: Group, max_lr: float) -> float:
        if group.largest_base_lr == 0:
            raise MisconfigurationException(
                f"OneCycle: max_lr={max_lr} is to scale groups whose LRs are all 0; configure LRs above 0"
            )
        return max_lr / group.largest_base_lr

    def describe(self) -> str:
        """Peak and shape."""
        peak = "the optimizer's LR" if self.max_lr is None else f"{self.max_lr:g}"
        return f"peak {peak}, {self.anneal_strategy}" + (", momentum cycled" if self.cycle_momentum else "")

    def phase_at(self, step: int, segment: Segment) -> str:
        """Which way the cycle goes."""
        if segment.end is not None and step >= segment.end:
            return "done"
        return "climbing" if step < segment.start + segment.landmarks[0] else "annealing"
