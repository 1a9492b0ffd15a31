"""The time of a schedule: optimizer steps, or epochs over which its factor is held."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar

from lr_callbacks.core.durations import Duration
from lr_callbacks.core.horizon import Horizon
from lr_callbacks.schedules.curve import Curve

Interval = Literal["step", "epoch"]
T = TypeVar("T")


@dataclass(frozen=True)
class Ticks:
    """Counts time from the start of a schedule, in ticks: optimizer steps, or epochs.

    With epochs, the epoch in which the schedule begins is tick 0, also where it begins in the middle of it.

    Attributes:
        horizon: The run.
        start: Optimizer step at which the schedule begins.
        interval: What a tick is: ``"step"`` or ``"epoch"``.
        who: Name of the callback, for error messages.

    Raises:
        MisconfigurationException: If ``interval="epoch"`` and the length of an epoch is not known.

    Example:
        >>> run = Horizon(total_steps=100, epochs=((0, 10),))
        >>> ticks = Ticks(run, start=5, interval="epoch")
        >>> [ticks.at(since) for since in (0, 4, 5, 14, 15)]
        [0, 0, 1, 1, 2]
        >>> ticks.rest("total_steps"), ticks.count(Duration.parse("20%"), "total_steps"), ticks.steps(1)
        (10, 2, 5)
    """

    horizon: Horizon
    start: int
    interval: Interval = "step"
    who: str = "schedule"

    def __post_init__(self) -> None:
        if self.interval == "epoch" and not self.horizon.epochs:
            raise self.horizon.unknown(f"{self.who}: interval='epoch' needs the length of an epoch")

    def at(self, since: int) -> int:
        """The tick, `since` optimizer steps after the start."""
        if self.interval == "step":
            return since
        return self.horizon.epoch_at(self.start + since) - self.horizon.epoch_at(self.start)

    def steps(self, ticks: int) -> int:
        """Optimizer steps from the start to the first step of a tick: the inverse of `at`."""
        if self.interval == "step" or ticks <= 0:
            return ticks
        return round(self.horizon.steps_before_epoch(self.horizon.epoch_at(self.start) + ticks)) - self.start

    def count(self, duration: Duration, name: str) -> int:
        """A duration in ticks, rounded to the nearest whole tick (halves up).

        Args:
            duration: The length to turn.
            name: The argument that it was given for, for the error message.

        Raises:
            MisconfigurationException: If the duration needs a length of the run that is not known.
        """
        if self.interval == "step":
            return self.horizon.steps(duration, f"{self.who}: {name}")
        if duration.unit == "epochs":
            return math.floor(duration.value + 0.5)
        total = self.horizon.total_steps
        if total is None:
            raise self.horizon.unknown(f"{self.who}: {name}='{duration}' needs the length of the run")
        epochs = self.horizon.epoch_at(total - 1) + 1 if total else 0
        return math.floor(epochs * duration.value / 100 + 0.5)

    def length(self, ticks: int) -> str:
        """A number of ticks as text."""
        return self.horizon.length(ticks) if self.interval == "step" else f"{ticks} epochs"

    def rest(self, name: str) -> int:
        """Ticks from the start to the end of the run, at least 1.

        A schedule whose turn never comes, as after a warm-up that is as long as the run, is not at its end: it has yet
        to begin, and until then its first value holds.

        Raises:
            MisconfigurationException: If the length of the run is not known.
        """
        left = self.horizon.rest(self.start, f"{self.who}: {name}")
        return self.at(left - 1) + 1 if left else 1

    def held(self, function: Callable[[int], float]) -> Callable[[int], float]:
        """A function of ticks as one of the optimizer steps since the start."""
        if self.interval == "step":
            return function
        return replace(function, way=Held(function.way, self)) if isinstance(function, Curve) else Held(function, self)


@dataclass(frozen=True)
class Held(Generic[T]):
    """A function of ticks, held over each of them."""

    function: Callable[[int], T]
    ticks: Ticks

    def __call__(self, since: int) -> T:
        """The value, `since` optimizer steps after the start."""
        return self.function(self.ticks.at(since))
