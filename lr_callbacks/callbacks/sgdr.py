"""SGDR: cosine annealing with warm restarts."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core.arguments import floor, floor_text, require, require_number
from lr_callbacks.core.lightning_names import MisconfigurationException
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime
from lr_callbacks.schedules import restart_cycle, sgdr_factor

SEARCHED = 1000
"""Lengths of a first cycle that are tried on either side."""


class SGDR(LRCallback):
    """Anneal the learning rate along half a cosine and restart it at its full value, again and again.

    In cycle n (from 0) of ``T_i = T_0 * T_mult ** n`` optimizer steps (rounded to whole steps), t steps in, with the
    peak ``p = max(base_lr * cycle_decay ** n, eta_min)`` and w = `cycle_warmup`:
    ``eta_min + (p - eta_min) (1 + cos(pi (t - w) / (T_i - w))) / 2`` for t >= w, ``eta_min + (p - eta_min) t / w``
    before. First step of a cycle: p (with a ramp: `eta_min`). `eta_min` would be reached one step after a cycle's last,
    where the next begins. Cycles continue to the end of the run, however long.

    The values are those of torch ``CosineAnnealingWarmRestarts`` with the optimizer step as its epoch.

    Args:
        T_0: Length of the first cycle: an int (optimizer steps), ``"2 epochs"``, ``"10%"`` (of the run) or
            ``"30 min"`` (by the wall clock); at least one step.
        T_mult: Length of each cycle over that of the one before, >= 1; may be a float.
        eta_min: Lowest LR, at least 0: absolute, or a share of each group's base LR such as ``"1%"``.
        cycle_decay: Peak of each cycle over that of the one before, above 0; above 1 it grows.
        cycle_warmup: Length of a linear ramp from `eta_min` at the start of each cycle, in the same units and shorter
            than `T_0`; 0 for none.
        **options: Options of every schedule, see `LRCallback`.

    Raises:
        TypeError: If a duration is a bare float or an argument is no number.
        ValueError: If an argument is outside its range.
        MisconfigurationException: At the start of the training, if a duration needs a length that is not known, `T_0`
            comes out as 0 steps, or `cycle_warmup` is not shorter than `T_0`.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(callbacks=[SGDR("2 epochs", T_mult=2, eta_min=1e-5)], logger=False)
        >>> from lr_callbacks import preview
        >>> [round(lr, 6) for lr in preview([SGDR(2, T_mult=2, eta_min=0.02)], 0.1, total_steps=7)[:, 0].tolist()]
        [0.1, 0.06, 0.1, 0.088284, 0.06, 0.031716, 0.1]

    References:
        Loshchilov & Hutter, SGDR, 2017, arXiv:1608.03983, eq. 5; torch ``CosineAnnealingWarmRestarts``.
    """

    floor_name = "eta_min"

    def __init__(
        self,
        T_0: int | str,
        T_mult: float = 1,
        eta_min: float | str = 0.0,
        cycle_decay: float = 1.0,
        cycle_warmup: int | str = 0,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(**options)
        self.check_length("T_0", T_0)
        self.check_length("cycle_warmup", cycle_warmup, minimum=0)
        require(require_number("T_mult", T_mult) >= 1, "T_mult", "at least 1", T_mult)
        floor("eta_min", eta_min)
        require(require_number("cycle_decay", cycle_decay) > 0, "cycle_decay", "above 0", cycle_decay)
        self.T_0 = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.cycle_decay = cycle_decay
        self.cycle_warmup = cycle_warmup

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """The cycles."""
        first, ramp = self._lengths(time)
        return sgdr_factor(
            t,
            T_0=first,
            T_mult=self.T_mult,
            eta_min=groups.factor_of(self.eta_min),
            cycle_decay=self.cycle_decay,
            cycle_warmup=ramp,
        )

    def landmarks(self, time: ScheduleTime) -> Sequence[float]:
        """The end of the first ramp, and of the first cycle."""
        first, ramp = self._lengths(time)
        return (ramp, first)

    def unreached(self, left: float, time: ScheduleTime) -> str | None:
        """The end of a last cycle that the run cuts."""
        first, _ = self._lengths(time)
        number, within, length = (part.item() for part in restart_cycle(left, T_0=first, T_mult=self.T_mult))
        if within <= self._rounding() or (number > 0 and length - within <= self._rounding()):
            return None
        nearest = range(int(min(first, left)), max(int(min(first, left)) - SEARCHED, 0), -1)
        above = [*range(int(first) + 1, min(int(first) + SEARCHED, int(left) + 1)), int(left)]
        found = [next((each for each in some if self._fills(each, left)), None) for some in (nearest, above)]
        fits = [time.text(each) for each in dict.fromkeys(found) if each is not None]
        return (
            f"is cut after {time.text(within)} of the {time.text(length)} of cycle {int(number) + 1}; T_0 of"
            f" {' or '.join(fits)} would fit"
        )

    def _fills(self, first: float, left: float) -> bool:
        """Whether cycles of which the first has this length end after `left` ticks."""
        return bool(first >= 1 and restart_cycle(left, T_0=first, T_mult=self.T_mult)[1] == 0)

    def _lengths(self, time: ScheduleTime) -> tuple[float, float]:
        """Of the first cycle and of its ramp."""
        first = time.length("T_0", self.T_0)
        ramp = time.length("cycle_warmup", self.cycle_warmup, minimum=0)
        if ramp >= first:
            raise MisconfigurationException(
                f"SGDR: cycle_warmup={self.cycle_warmup!r} ({time.text(ramp)}) must be shorter than"
                f" T_0={self.T_0!r} ({time.text(first)})"
            )
        return first, ramp

    def describe(self) -> str:
        """Cycle length and floor."""
        grows = f", each {self.T_mult:g} times as long" if self.T_mult != 1 else ""
        return f"cycles of {self.T_0}{grows}, down to {floor_text(self.eta_min)}"

    def phase_at(self, t: float, time: ScheduleTime) -> str:
        """The cycle, counted from 1."""
        return f"cycle {int(restart_cycle(t, T_0=self._lengths(time)[0], T_mult=self.T_mult)[0]) + 1}"
