"""Several schedules, one after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.callbacks.composite import Composite
from lr_callbacks.core.arguments import plain_container, require, require_choice
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime
from lr_callbacks.schedules import Join, sequence_factor


@dataclass(frozen=True)
class Place:
    """One of the schedules in the time of the whole, in ticks.

    Attributes:
        part: The schedule.
        begins: From where on it is seen.
        ends: Until where.
        runs_from: Where its time begins.
        time: That time.
    """

    part: LRCallback
    begins: float
    ends: float
    runs_from: float
    time: ScheduleTime

    def since(self, t: Any) -> Any:
        """Its own ticks, of ticks since it is seen."""
        return np.maximum(t + (self.begins - self.runs_from), 0)


class Sequential(Composite):
    """Follow several schedules, one after another, each from its own beginning.

    From milestone k on, the factor is that of schedule k at the time since then, ``f_k(t - m_k)``. A schedule without
    a length of its own lasts until the next milestone. First step: that of the first schedule. It ends as the last
    schedule ends. Where a schedule moves momentum, its first and last values hold outside of it.

    Args:
        schedules: The schedules, in their order: functions of time, without options of their own but `start`, `floor`
            and `ceiling`. `start`, counted from the start of the whole, lets its time run from there, also unseen:
            ``CosineAnnealing(start=0)`` after a ramp is where it would be without the ramp.
        milestones: Where each schedule but the first begins, counted from the start of the whole: ints (optimizer
            steps), ``"2 epochs"``, ``"10%"`` (of the run) or ``"30 min"`` (by the wall clock); None: each begins where
            the one before ends.
        join: How one passes into the next. ``"jump"``: each is as it is alone. ``"continue"``: each continues where
            the one before left (its factor is multiplied by the last factor of those before). ``"meet"``: each is
            stretched so that it ends where the next begins, as a ramp to a schedule that runs from 0.
        **options: Options of every schedule, see `LRCallback`.

    Raises:
        TypeError: If a part is no schedule, or a milestone is a bare float.
        ValueError: If a part listens to a metric, goes step by step or has options of its own, or the number of
            milestones is not that of the schedules less one.
        MisconfigurationException: At the start of the training, if milestones are not in rising order, a schedule
            without length has no milestone after it, or a length is needed that is not known.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> from lr_callbacks import CosineAnnealing, LinearDecay, Warmup, preview
        >>> decay = Sequential([LinearDecay(end_factor=0.5), CosineAnnealing()], ["50%"], join="continue")
        >>> trainer = Trainer(callbacks=[decay], logger=False)
        >>> [round(lr, 6) for lr in preview([decay], 0.1, total_steps=6)[:, 0].tolist()]
        [0.1, 0.083333, 0.066667, 0.05, 0.0375, 0.0125]
        >>> ramp = Sequential([Warmup(2, start_factor=0.5), LinearDecay(start=0)], join="meet")
        >>> [round(lr, 6) for lr in preview([ramp], 0.1, total_steps=5)[:, 0].tolist()]
        [0.05, 0.055, 0.06, 0.04, 0.02]

    References:
        torch ``SequentialLR``; optax ``join_schedules``; detectron2 ``WarmupParamScheduler``.
    """

    def __init__(
        self,
        schedules: list[LRCallback],
        milestones: list[int | str] | None = None,
        join: Join = "jump",
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(**options)
        schedules = plain_container(schedules)
        several = isinstance(schedules, Sequence) and not isinstance(schedules, str) and len(schedules) > 0
        require(several, "schedules", "a list of at least one schedule", schedules)
        for number, each in enumerate(schedules):
            self.check_part(f"schedules[{number}]", each, may_start=True)
        milestones = plain_container(milestones)
        if milestones is not None:
            if not isinstance(milestones, Sequence) or isinstance(milestones, str):
                raise TypeError(f"milestones must be a list of durations, got {milestones!r}")
            rule = f"one fewer than the {len(schedules)} schedules"
            require(len(milestones) == len(schedules) - 1, "milestones", rule, milestones)
            for number, milestone in enumerate(milestones):
                self.check_length(f"milestones[{number}]", milestone, minimum=0)
        require_choice("join", join, Join)
        self.schedules = schedules
        self.milestones = milestones
        self.join = join
        self.fills_run = any(each.fills_run for each in schedules)

    @property
    def parts(self) -> Sequence[LRCallback]:
        """The schedules."""
        return self.schedules

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """Return the factors of the schedule that is active."""
        places = self._places(time)
        parts = [
            lambda t, place=place: self.factors_of(place.part, place.since(t), place.time, groups) for place in places
        ]
        return sequence_factor(t, parts=parts, milestones=[place.begins for place in places[1:]], join=self.join)

    def absolute_values(self, groups: GroupRows) -> Mapping[str, Callable[..., Any]]:
        """Return what the schedules set in addition to their factors, such as momentum."""
        moved = dict.fromkeys(name for part in self.schedules for name in part.absolute_values(groups))
        return {name: lookahead(partial(self._absolute, name)) for name in moved}

    def _absolute(self, name: str, t: Array, time: ScheduleTime, groups: GroupRows) -> Any:
        result: Any = None
        for place in self._places(time):
            values = place.part.absolute_values(groups).get(name)
            if values is not None:
                inside = np.clip(t - place.begins, 0, place.ends - place.begins)
                mine = values(place.since(inside), time=place.time, groups=groups)
                result = mine if result is None else np.where(t >= place.begins, mine, result)
        return result

    def _places(self, time: ScheduleTime) -> list[Place]:
        """Where each schedule is seen, and where its time runs from."""
        begins: list[float] = [0]
        runs_from: list[float] = []
        for number, part in enumerate(self.schedules):
            runs_from.append(begins[-1] if part.start is None else time.length("start", part.start, minimum=0))
            if number == len(self.schedules) - 1:
                break
            name = f"milestones[{number}]"
            if self.milestones is not None:
                begins.append(time.length(name, self.milestones[number], minimum=0))
            else:
                own = self.time_of(part, time, runs_from[-1], None)
                begins.append(runs_from[-1] + self.end_of(f"schedules[{number}]", part, own))
        time.rising("milestones", begins[1:])
        ends = [*begins[1:], None]
        return [
            Place(part, at, np.inf if end is None else end, own, self.time_of(part, time, own, end))
            for part, at, end, own in zip(self.schedules, begins, ends, runs_from, strict=True)
        ]

    def ends_at(self, time: ScheduleTime) -> float | None:
        """The end of the last schedule."""
        last = self._places(time)[-1]
        end = last.part.ends_at(last.time)
        return None if end is None else last.runs_from + end

    def landmarks(self, time: ScheduleTime) -> Sequence[float]:
        """Where each schedule begins."""
        return [place.begins for place in self._places(time)[1:]]

    def phase_at(self, t: float, time: ScheduleTime) -> str:
        """Which of the schedules, and what it does."""
        place = [place for place in self._places(time) if t >= place.begins][-1]
        return f"{type(place.part).__name__}: {place.part.phase_at(t - place.runs_from, place.time)}"

    def describe(self) -> str:
        """The schedules."""
        return ", then ".join(f"{type(part).__name__} ({part.describe()})" for part in self.schedules)
