"""Cycles of any shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.callbacks.composite import Composite
from lr_callbacks.core.arguments import (
    plain_container,
    require,
    require_bool,
    require_choice,
    require_int,
    require_number,
)
from lr_callbacks.core.durations import Duration
from lr_callbacks.core.lightning_names import MisconfigurationException
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime
from lr_callbacks.schedules import Scaled, cycles_factor, restart_cycle


class Restarts(Composite):
    """Repeat a schedule in cycles; their lengths and peaks may change.

    In cycle n, t after its start, the factor is that of the schedule at time t of a run of the cycle's length T, f.
    Its peak is scaled by p, ``cycle_decay ** n`` or ``peaks[n]``; e is the schedule's own last value. ``"peak"``:
    ``e + (f - e) (max(p, e) - e) / (1 - e)``, so that the floor stays and 1 becomes p; ``"span"``: ``e + p (f - e)``;
    ``"all"``: ``p f``. First step of a cycle: its peak (with a ramp: its floor). It has no end; with a number of cycles
    the last value of the last cycle holds.

    `SGDR` is ``Restarts(CosineAnnealing())``. A saw-tooth is ``Restarts(LinearDecay(), ...)``; a plateau that decays
    again and again ``Restarts(WarmupStableDecay(0, "20%"), ...)``.

    Args:
        schedule: What is repeated: a function of time, without options of its own but `floor` and `ceiling`. It lasts a
            cycle, unless it has a length; a share such as ``"50%"`` in it is one of the cycle.
        T_0: Length of the first cycle: an int (optimizer steps), ``"2 epochs"``, ``"10%"`` (of the run) or
            ``"30 min"`` (by the wall clock). None with `num_cycles`: all cycles together fill the rest of the run.
        T_mult: Length of each cycle over that of the one before, >= 1; may be a float.
        lengths: Length of each cycle, in the same units, instead of `T_0` and `T_mult`.
        num_cycles: Number of cycles; None for no end, or for that of `lengths`.
        peaks: Peak of each cycle over that of the schedule alone, instead of `cycle_decay`; the last holds for more.
        cycle_decay: Peak of each cycle over that of the one before, above 0; above 1 it grows.
        scaled: What the peak scales: ``"peak"``, ``"span"`` or ``"all"``.
        cycle_warmup: Length of a linear ramp from the floor at the start of each cycle, in the same units; 0 for none.
        whole_steps: Whether each cycle begins on a step; else a cycle may be 33 1/3 steps long.
        **options: Options of every schedule, see `LRCallback`.

    Raises:
        TypeError: If `schedule` is none, a duration is a bare float or an argument is no number.
        ValueError: If an argument is outside its range, or none or two of them say how long a cycle is.
        MisconfigurationException: At the start of the training, if a length is needed that is not known, or
            `cycle_warmup` is not shorter than each cycle.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> from lr_callbacks import PolynomialDecay, preview
        >>> trainer = Trainer(callbacks=[Restarts(PolynomialDecay(power=2.0), "2 epochs", T_mult=2)], logger=False)
        >>> saw = Restarts(PolynomialDecay(), 2, num_cycles=2, cycle_decay=0.5)
        >>> [round(lr, 6) for lr in preview([saw], 0.1, total_steps=6)[:, 0].tolist()]
        [0.1, 0.05, 0.05, 0.025, 0.0, 0.0]

    References:
        Loshchilov & Hutter, SGDR, 2017, arXiv:1608.03983; timm ``CosineLRScheduler``; mmengine ``CosineRestartLR``;
        transformers ``get_cosine_with_hard_restarts_schedule_with_warmup``.
    """

    def __init__(
        self,
        schedule: LRCallback,
        T_0: int | str | None = None,
        T_mult: float = 1,
        lengths: list[int | str] | None = None,
        num_cycles: int | None = None,
        peaks: list[float] | None = None,
        cycle_decay: float = 1.0,
        scaled: Scaled = "peak",
        cycle_warmup: int | str = 0,
        whole_steps: bool = True,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(**options)
        self.check_part("schedule", schedule)
        self.check_length("T_0", T_0, optional=True)
        require(require_number("T_mult", T_mult) >= 1, "T_mult", "at least 1", T_mult)
        lengths, peaks = plain_container(lengths), plain_container(peaks)
        for name, several in (("lengths", lengths), ("peaks", peaks)):
            right = several is None or (isinstance(several, list | tuple) and len(several) > 0)
            require(right, name, "a list of at least one, or None", several)
        for place, length in enumerate(lengths or []):
            self.check_length(f"lengths[{place}]", length)
        for place, peak in enumerate(peaks or []):
            require(require_number(f"peaks[{place}]", peak) >= 0, f"peaks[{place}]", "at least 0", peak)
        if num_cycles is not None:
            require_int("num_cycles", num_cycles, minimum=1)
        if (T_0 is None) == (lengths is None) and not (lengths is None and num_cycles is not None):
            raise ValueError(
                f"exactly one of T_0, lengths and num_cycles must say how long a cycle is, got T_0={T_0!r} and"
                f" lengths={lengths!r}; write Restarts(..., T_0='2 epochs') or Restarts(..., num_cycles=3)"
            )
        require(lengths is None or num_cycles is None, "num_cycles", "None with lengths", num_cycles)
        require(require_number("cycle_decay", cycle_decay) > 0, "cycle_decay", "above 0", cycle_decay)
        require_choice("scaled", scaled, Scaled)
        self.check_length("cycle_warmup", cycle_warmup, minimum=0)
        require_bool("whole_steps", whole_steps)
        self.schedule = schedule
        self.T_0 = T_0
        self.T_mult = T_mult
        self.lengths = lengths
        self.num_cycles = num_cycles
        self.peaks = peaks
        self.cycle_decay = cycle_decay
        self.scaled = scaled
        self.cycle_warmup = cycle_warmup
        self.whole_steps = whole_steps

    @property
    def parts(self) -> Sequence[LRCallback]:
        """The schedule."""
        return [self.schedule]

    @property
    def lasts_to_end(self) -> bool:
        """Whether its cycles fill the run."""
        return self.T_0 is None and self.lengths is None

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """The cycles."""
        first, lengths, ramp = self._lengths(time)

        def shape(t: Any, length: float) -> Any:
            own = replace(self.time_of(self.schedule, time, 0, length), cycle=length)
            return self.factors_of(self.schedule, t, own, groups)

        return cycles_factor(
            t,
            shape=shape,
            T_0=first,
            T_mult=self.T_mult,
            lengths=lengths,
            num_cycles=self.num_cycles,
            peaks=self.peaks,
            cycle_decay=self.cycle_decay,
            scaled=self.scaled,
            cycle_warmup=ramp,
            whole=self.whole_steps,
        )

    def _lengths(self, time: ScheduleTime) -> tuple[float, list[float] | None, float]:
        """Of the first cycle, of each, and of the ramp."""
        if self.lengths is not None:
            lengths = [time.length(f"lengths[{n}]", length) for n, length in enumerate(self.lengths)]
            first, shortest = lengths[0], min(lengths)
        else:
            lengths = None
            first = shortest = self._filling(time) if self.T_0 is None else time.length("T_0", self.T_0)
        ramp = time.length("cycle_warmup", self.cycle_warmup, minimum=0)
        if ramp >= shortest:
            raise MisconfigurationException(
                f"Restarts: cycle_warmup={self.cycle_warmup!r} ({time.text(ramp)}) must be shorter than each cycle"
                f" ({time.text(shortest)})"
            )
        return first, lengths, ramp

    def _filling(self, time: ScheduleTime) -> float:
        """Length of the first of the cycles that fill the run."""
        parts = sum(self.T_mult**n for n in range(self.num_cycles or 1))
        first = time.length("T_0", None) / parts
        return max(float(int(first + 0.5)), 1.0) if self.whole_steps else first

    def ends_at(self, time: ScheduleTime) -> float | None:
        """The end of the last cycle, if there is one."""
        first, lengths, _ = self._lengths(time)
        if lengths is not None:
            return sum(lengths)
        if self.num_cycles is None:
            return None
        grown = [first * self.T_mult**n for n in range(self.num_cycles)]
        return sum(float(int(each + 0.5)) if self.whole_steps and self.T_mult != 1 else each for each in grown)

    def durations(self) -> dict[str, list[Duration]]:
        """Its own lengths and those of what it repeats, but for shares of a cycle."""
        kept = {
            name: [each for each in found if "." not in name or each.unit != "percent"]
            for name, found in super().durations().items()
        }
        return {name: found for name, found in kept.items() if found}

    def landmarks(self, time: ScheduleTime) -> Sequence[float]:
        """The end of the first ramp, and of the first cycle."""
        first, _, ramp = self._lengths(time)
        return (ramp, first)

    def describe(self) -> str:
        """Lengths, and what is repeated."""
        if self.lengths is not None:
            cycles = f"cycles of {', '.join(self.named_length(length) for length in self.lengths)}"
        else:
            many = "" if self.num_cycles is None else f"{self.num_cycles} "
            cycles = f"{many}cycles" + ("" if self.T_0 is None else f" of {self.named_length(self.T_0)}")
            cycles += f", each {self.T_mult:g} times as long" if self.T_mult != 1 else ""
        return f"{cycles}: {type(self.schedule).__name__} ({self.schedule.describe()})"

    def phase_at(self, t: float, time: ScheduleTime) -> str:
        """The cycle, counted from 1."""
        end = self.ends_at(time)
        if end is not None and t >= end:
            return "done"
        first, lengths, _ = self._lengths(time)
        if lengths is not None:
            return f"cycle {sum(t >= sum(lengths[: n + 1]) for n in range(len(lengths))) + 1}"
        return f"cycle {int(restart_cycle(t, T_0=first, T_mult=self.T_mult, whole=self.whole_steps)[0]) + 1}"
