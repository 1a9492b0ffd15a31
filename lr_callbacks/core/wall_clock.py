"""Wall-clock runs: runs with a budget of time instead of steps.

In a run that is measured in time, its schedules are the same pure functions, of the milliseconds that the training has
lasted instead of the optimizer steps. The clock is the one thing that is not pure: its reading is state.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lr_callbacks.core.durations import Duration, time_text
from lr_callbacks.core.lightning_names import MisconfigurationException, Timer, Trainer, is_a
from lr_callbacks.core.run_length import RunLength
from lr_callbacks.core.schedule import LRSchedule

now = time.monotonic
"""The clock on the wall, in seconds."""
SHARE_EVERY = 100
"""Milliseconds that several ranks go by one reading, at least."""
MOST_STEPS = 1000
"""Steps that several ranks go by one reading, at most."""


@dataclass(frozen=True)
class TimeLimit(RunLength):
    """The length of a run that is measured in time: a millisecond takes the place of a step.

    Example:
        >>> run = TimeLimit(total_steps=60_000)
        >>> run.steps(Duration.parse("30 s"), "duration"), run.steps(Duration.parse("5%"), "duration")
        (30000, 3000)
        >>> str(run), run.moment(30_000)
        ('1 min, measured in time', 'after 30 s')
    """

    why_unknown: str = "the run has no time limit"

    def steps(self, duration: Duration, name: str) -> int:
        """Turn a duration into milliseconds.

        Raises:
            MisconfigurationException: If it counts steps or epochs, or is a share of a run without a time limit.
        """
        if duration.value == 0:
            return 0
        if duration.unit == "percent":
            return super().steps(duration, name)
        if duration.unit == "seconds":
            return max(1, round(1000 * duration.value * self.stretch))
        raise MisconfigurationException(
            f"{name}='{duration}' counts {duration.unit}, but this run is measured in time: another length is a time,"
            " or only max_time limits the run. Write '30 s', '10 min' or '5%', or give every length in steps or epochs"
            " and set max_epochs or max_steps."
        )

    def unknown(self, what: str) -> MisconfigurationException:
        """The error for something that needs a length which is not known, with the ways out."""
        return MisconfigurationException(
            f"{what}, but this run is measured in time: {self.why_unknown}, or it counts steps or epochs. Ways out:"
            " set Trainer(max_time=...), or give lengths as times ('30 min', or '5%' of max_time)."
        )

    def length(self, steps: float) -> str:
        """A number of milliseconds as text."""
        return time_text(steps / 1000)

    def moment(self, step: float) -> str:
        """A time of the run as text."""
        return f"after {self.length(step)}"

    def span(self, start: float, end: float | None) -> str:
        """A part of the run as text."""
        return f"from {self.length(start)}" if end is None else f"{self.length(start)} to {self.length(end)}"

    def __str__(self) -> str:
        limit = "no time limit" if self.total_steps is None else self.length(self.total_steps)
        return f"{limit}, measured in time"


class WallClock:
    """Milliseconds that the training has lasted, over all resumes, and the same on all ranks.

    Rank zero reads the clock; on a single rank it does so after every optimizer step. Several ranks share a reading
    for some steps, as many as take about a tenth of a second by the pace so far.

    Args:
        elapsed: Milliseconds that the training had lasted when it was left.
        share: Gives every rank what rank zero has; None on a single rank.

    Attributes:
        elapsed: The reading in force.
    """

    def __init__(self, elapsed: int, share: Callable[[tuple[int, int]], tuple[int, int]] | None = None) -> None:
        self._share = share
        self._began = now() - elapsed / 1000
        self._wait = self._waited = 0
        self.elapsed = elapsed
        if share is not None:
            self.elapsed = share((elapsed, 0))[0]

    def read(self) -> int:
        """Milliseconds by this rank's own clock, now."""
        return max(self.elapsed, round(1000 * (now() - self._began)))

    def step(self) -> int:
        """The reading after one more optimizer step. All ranks call it equally often."""
        if self._share is None:
            self.elapsed = self.read()
            return self.elapsed
        self._waited += 1
        if self._waited > self._wait:
            reading = self.read()
            pace = (reading - self.elapsed) / self._waited
            wait = MOST_STEPS if pace == 0 else min(MOST_STEPS, int(SHARE_EVERY / pace))
            self.elapsed, self._wait = self._share((reading, wait))
            self._waited = 0
        return self.elapsed


class EvenPace(WallClock):
    """A clock by which all steps of a run are equally long: that of a preview.

    Args:
        budget: Milliseconds of the run.
        steps: Its steps.
    """

    def __init__(self, budget: int, steps: int) -> None:
        super().__init__(0)
        self._budget, self._steps, self._taken = budget, steps, 0

    def read(self) -> int:
        """Milliseconds since the start."""
        return round(self._budget * self._taken / self._steps)

    def step(self) -> int:
        """Milliseconds since the start, one step later."""
        self._taken += 1
        self.elapsed = self.read()
        return self.elapsed


def goes_by_time(callbacks: Sequence[LRSchedule], run: RunLength, limit: int | None) -> bool:
    """Whether a run is measured in time: a length is a time, or one needs an end that only the time limit gives.

    Args:
        callbacks: What drives the LRs.
        run: The length of the run in optimizer steps.
        limit: Its time limit in milliseconds, if it has one.
    """
    lengths = [duration for c in callbacks for found in c.durations().values() for duration in found]
    if any(duration.unit == "seconds" for duration in lengths):
        return True
    if limit is None or run.total_steps is not None:
        return False
    return any(duration.unit == "percent" for duration in lengths) or any(c.lasts_to_end for c in callbacks)


def refuse_steppers(callbacks: Sequence[LRSchedule]) -> None:
    """Reject schedules that count steps by nature in a run that is measured in time.

    Raises:
        MisconfigurationException: Naming the callback and the ways out.
    """
    for callback in callbacks:
        if callback.why_not_by_time is not None:
            raise MisconfigurationException(
                f"{callback!r} cannot be used in a run that is measured in time (a length is a time, or only max_time"
                f" limits it): {callback.why_not_by_time}. Remove it, or give every length in steps or epochs and"
                " set max_epochs or max_steps."
            )


def time_limit(trainer: Trainer) -> int | None:
    """The time limit of ``Trainer(max_time=...)`` or of a ``Timer``, in milliseconds."""
    for timer in trainer.callbacks:  # type: ignore[attr-defined]
        if is_a(timer, Timer):
            left = timer.time_remaining()
            if left is not None:
                return round(1000 * (left + timer.time_elapsed()))
    return None


def clock_of(trainer: Trainer, restored: int | None) -> WallClock:
    """Return the clock of a run that starts or continues now.

    Args:
        trainer: The trainer in ``on_train_start``.
        restored: Milliseconds that a checkpoint brings; None where it brings none, and a restored ``Timer`` counts.
    """
    if restored is None:
        timers = [callback for callback in trainer.callbacks if is_a(callback, Timer)]  # type: ignore[attr-defined]
        fresh = [timer.time_elapsed() for timer in timers if timer.end_time() is None]
        restored = round(1000 * fresh[0]) if fresh and trainer.global_step > 0 else 0
    strategy = trainer.strategy
    return WallClock(restored, strategy.broadcast if trainer.world_size > 1 else None)
