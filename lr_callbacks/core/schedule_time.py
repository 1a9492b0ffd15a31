"""What a schedule may know of its time and of the parameter groups that it drives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lr_callbacks.core.durations import Duration
from lr_callbacks.core.lightning_names import MisconfigurationException
from lr_callbacks.core.run_length import RunLength
from lr_callbacks.core.timeline import Axis, Timeline

Array = NDArray[np.float64]
Interval = Literal["step", "epoch"]


@dataclass(frozen=True)
class GroupRows:
    """The parameter groups that a schedule drives, as rows with one entry for each group.

    Attributes:
        base: Base values; for a group added in mid-training, that of the group that it follows.
        positions: Place of each group among all groups that the schedule drives, from 0.
        largest: Largest base value among all groups that the schedule drives.
        optimizer: Index of their optimizer.
        added: Whether each was added in mid-training.
        beta2: Second beta of each, in optimizers of Adam's family; NaN elsewhere.

    Example:
        >>> GroupRows(np.array([0.1, 0.2])).factor_of(0.05).tolist()
        [0.5, 0.25]
    """

    base: Array
    positions: tuple[int, ...] = ()
    largest: float = 0.0
    optimizer: int = 0
    added: tuple[bool, ...] = ()
    beta2: tuple[float, ...] = ()

    def factor_of(self, value: float | str) -> float | Array:
        """An absolute value as a factor of each base value, 0 where that is 0; ``"1%"`` is 0.01 for every group.

        Returns:
            A row, or one number where all groups agree.
        """
        if isinstance(value, str):
            return float(value.strip().removesuffix("%")) / 100
        return same(np.divide(value, self.base, out=np.zeros_like(self.base), where=self.base != 0))


def same(row: Array) -> float | Array:
    """A row, or one number if all of its entries are equal."""
    return float(row[0]) if len(row) and (row == row[0]).all() else row


@dataclass(frozen=True)
class ScheduleTime:
    """The time of a schedule, in ticks since it began: optimizer steps, or epochs over which its factor is held.

    With epochs, the epoch in which the schedule begins is tick 0, also where it begins in the middle of it.

    Attributes:
        timeline: The run.
        axis: What its lengths are measured on.
        start: Where it begins, on that axis.
        interval: What a tick is.
        schedule: Name of the schedule, for error messages.
        warmup_end: Where the warm-up of its groups ends, on that axis; 0 without one.
        end: Where it ends, on that axis; None for the end of the run.
        held: Where another schedule takes over, so that it stays as it is there; None for nowhere.
        cycle: Ticks of which ``"50%"`` is the half; None for those of the run.

    Example:
        >>> run = RunLength(total_steps=100, epochs=((0, 10),))
        >>> time = ScheduleTime(Timeline(run), "epochs", start=5, interval="epoch")
        >>> time.ticks(np.array([5, 9, 10, 19, 20])).tolist(), time.length("total_steps", None)
        ([0, 0, 1, 1, 2], 10)
    """

    timeline: Timeline
    axis: Axis = "steps"
    start: float = 0
    interval: Interval = "step"
    schedule: str = "schedule"
    warmup_end: float = 0
    end: float | None = None
    held: float | None = None
    cycle: float | None = None

    @property
    def run(self) -> RunLength:
        """The run as it was planned at its first step."""
        return self.timeline.run

    def length(self, name: str, value: int | str | None, *, minimum: int = 1) -> float:
        """A duration in ticks, rounded to whole ticks; None is the rest of the run, at least one tick.

        Args:
            name: The argument that it was given for.
            value: The duration as the user wrote it.
            minimum: Smallest number of ticks that makes sense.

        Raises:
            MisconfigurationException: If it needs a length of the run that is not known, or is shorter than `minimum`.
        """
        if value is None:
            left = self.run.rest(self.start, f"{self.schedule}: {name}") if self.end is None else self.end - self.start
            if left <= 0:
                return 1
            return left if self.interval == "step" else self.tick(self.start + left - 1) + 1
        duration = Duration.parse(value, name=name)
        if self.cycle is not None and duration.unit == "percent":
            return self.cycle * duration.value / 100
        count = self._count(duration, name)
        if count < minimum:
            raise MisconfigurationException(
                f"{self.schedule}: {name}={value!r} is {self.text(count)} of {self.run}; make it longer"
            )
        return count

    def rising(self, name: str, times: list[float]) -> list[float]:
        """Times in ticks as they are.

        Raises:
            MisconfigurationException: If they are not in rising order.
        """
        if times != sorted(times):
            raise MisconfigurationException(
                f"{self.schedule}: {name} must be in rising order, got {', '.join(map(self.text, times))}"
            )
        return times

    def _count(self, duration: Duration, name: str) -> int:
        if self.interval == "step":
            return self.run.steps(duration, f"{self.schedule}: {name}")
        if duration.unit == "epochs":
            return math.floor(duration.value * self.run.stretch + 0.5)
        total = self.run.total_steps
        if total is None:
            raise self.run.unknown(f"{self.schedule}: {name}='{duration}' needs the length of the run")
        epochs = self.run.epoch_at(total - 1) + 1 if total else 0
        return math.floor(epochs * duration.value / 100 + 0.5)

    @property
    def warmup(self) -> float:
        """Ticks of the warm-up of the groups; 0 without one."""
        if self.interval == "step" or not self.warmup_end:
            return self.warmup_end
        return self.run.epoch_at(self.warmup_end - 1) + 1

    def tick(self, position: float) -> int:
        """The tick of one position, at least 0, with ``interval="epoch"``."""
        return max(self.run.epoch_at(position) - self.run.epoch_at(self.start), 0)

    def ticks(self, positions: Any) -> Any:
        """The ticks of an array of positions, at least 0."""
        since = np.maximum(self.until(positions) - self.start, 0)
        if self.interval == "step":
            return since
        return np.array([self.tick(p) for p in (since + self.start).ravel().tolist()]).reshape(positions.shape)

    def until(self, positions: Any) -> Any:
        """Positions, those past its end or past where it is held as that."""
        for stop in (self.end, self.held):
            positions = positions if stop is None else np.minimum(positions, stop)
        return positions

    def ticks_until(self, position: float) -> float:
        """How many ticks have begun before a position."""
        if self.interval == "step":
            return position - self.start
        return self.tick(position - 1) + 1 if position > self.start else 0

    def position_of(self, tick: float) -> float:
        """The first position of a tick: the inverse of `ticks`."""
        if self.interval == "step" or tick <= 0:
            return self.start + tick
        return round(self.run.steps_before_epoch(self.run.epoch_at(self.start) + tick))

    def text(self, ticks: float) -> str:
        """A number of ticks as text."""
        if self.interval == "step":
            return self.run.length(ticks)
        return f"{ticks:g} epoch{'s' * (ticks != 1)}"
