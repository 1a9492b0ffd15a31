"""Terms: what each schedule does to which groups of one optimizer, from where on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from torch.optim import Optimizer

from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.durations import Duration
from lr_callbacks.core.lightning_names import MisconfigurationException
from lr_callbacks.core.schedule import LRSchedule
from lr_callbacks.core.schedule_time import GroupRows, ScheduleTime
from lr_callbacks.core.timeline import Axis, Timeline


@dataclass(frozen=True)
class Term:
    """What one schedule does to some groups of an optimizer.

    Attributes:
        schedule: The schedule that it belongs to.
        param: The entry of the groups that it drives.
        groups: Their places in ``optimizer.param_groups``.
        time: Its time: axis, start, length of a tick.
        rows: The groups as the schedule sees them.
        function: A column of ticks -> factors, (n, 1) or (n, groups).
        live: Whether it is asked at each step, by `at`, for no later one.
        absolute: Whether `function` gives values instead of factors.
        last: The last step of the run, if that is known.
    """

    schedule: LRSchedule
    param: str
    groups: tuple[int, ...]
    time: ScheduleTime
    rows: GroupRows
    function: Callable[[Any], Any]
    live: bool
    absolute: bool = False
    last: int | None = None

    def values(self, steps: Any) -> Any:
        """Factors (or values) at a column of steps: (n, 1), or (n, groups) where groups differ."""
        positions = self.time.timeline.positions(self.time.axis, steps)
        return self._bounded(self.function(self.time.ticks(positions)), positions)

    def at(self, step: int) -> Any:
        """The factor of one step, or a row with one for each group, of a live term.

        A step behind the last of the run is never asked for: it has the factor of the last.
        """
        if self.last is not None and step > self.last:
            step = self.last
        timeline, start, end, stop = self.time.timeline, self.time.start, self.time.end, self.time.held
        position = step if timeline.is_straight else timeline.position(self.time.axis, step)
        position = position if stop is None else min(position, stop)
        held = position if end is None else min(position, end)
        tick: Any = self.time.tick(held) if self.time.interval == "epoch" else max(held - start, 0)
        if self.absolute:
            return self.function(tick)
        return self._bounded(self.schedule.factor_at(tick, self.time, self.rows), position)

    def _bounded(self, own: Any, positions: Any) -> Any:
        """Factors between floor and ceiling, and outside of the window those that hold there."""
        time = self.time
        if self.absolute:
            return own
        own = self.schedule.between_bounds(own, self.rows)
        if self.schedule.outside == "one":
            positions = positions if time.held is None else np.minimum(positions, time.held)
            ends = np.inf if time.end is None else time.end
            own = np.where((positions >= time.start) & (positions < ends), own, 1.0)
        return own

    @property
    def start(self) -> int:
        """The step at which it begins."""
        return self.time.timeline.step(self.time.axis, self.time.start)

    def is_held(self, step: int) -> bool:
        """Whether another schedule has taken over at a step."""
        return self.time.held is not None and self.time.timeline.position(self.time.axis, step) >= self.time.held

    def is_over(self, step: int) -> bool:
        """Whether its window has ended at a step, or another schedule has taken over."""
        return self.is_held(step) or (self.end is not None and step >= self.end)

    @property
    def end(self) -> int | None:
        """The step from which the factor no longer moves; None without an end."""
        at = None if self.absolute else self.ends_at
        return None if at is None else self.time.timeline.step(self.time.axis, at)

    @property
    def ends_at(self) -> float | None:
        """The position from which the factor no longer moves; None without an end."""
        end = self.schedule.ends_at(self.time)
        ends = [at for at in (None if end is None else self.time.position_of(end), self.time.end) if at is not None]
        return min(ends, default=None)

    @property
    def landmarks(self) -> list[int]:
        """Steps worth showing in the plan."""
        time = self.time
        return [time.timeline.step(time.axis, time.position_of(tick)) for tick in self.schedule.landmarks(time)]

    def phase_at(self, step: int) -> str:
        """In a word or two, what the schedule does at a step; from where it is held on, what it did there."""
        position = self.time.timeline.position(self.time.axis, step)
        position = min(at for at in (position, self.time.end, self.time.held) if at is not None)
        if position < self.time.start:
            return self.schedule.phase_before_start
        tick = position - self.time.start if self.time.interval == "step" else self.time.tick(position)
        return self.schedule.phase_at(tick, self.time)


def build_terms(optimizer: Optimizer, index: int, schedules: Sequence[LRSchedule], timeline: Timeline) -> list[Term]:
    """Resolve schedules for the groups of an optimizer: a term for each schedule and each start.

    Args:
        optimizer: The optimizer, its base values written.
        index: Its place among the module's optimizers.
        schedules: What drives it, in the order of multiplication.
        timeline: The run.

    Raises:
        MisconfigurationException: If a schedule names a group that does not exist or a length that is not known.
    """
    chosen = {id(each): pg.select(optimizer, each.wanted_groups, who=repr(each)) for each in schedules}
    warmups: dict[tuple[str, int], tuple[int, Axis, float]] = {}
    built: dict[int, list[Term]] = {}
    last = None if timeline.end is None else max(timeline.end - 1, 0)
    takeovers = {id(each): _takes_over(each, index, timeline) for each in schedules if each.begun is not None}
    for schedule in sorted(schedules, key=lambda each: not each.is_warmup):
        numbers = chosen[id(schedule)]
        terms = built[id(schedule)] = []
        begun = takeovers.get(id(schedule))
        if begun is None and id(schedule) in takeovers:
            continue  # it waits
        later = [
            (at, chosen[id(each)])
            for each in schedules
            if (at := takeovers.get(id(each))) is not None
            and (begun is None or at > begun)
            and each.param == schedule.param
        ]
        held = {n: min((at for at, theirs in later if n in theirs), default=None) for n in numbers}
        for time, mine in _by_start(schedule, numbers, warmups, timeline, held, begun):
            rows = _rows(optimizer, index, schedule.param, numbers, mine)
            function = partial(schedule.factors, time=time, groups=rows)
            live = not schedule.looks_ahead
            terms.append(Term(schedule, schedule.param, mine, time, rows, function, live, last=last))
            for param, values in schedule.absolute_values(rows).items():
                moved: Callable[[Any], Any] = partial(values, time=time, groups=rows)
                live = not getattr(values, "lookahead", False)
                terms.append(Term(schedule, param, mine, time, rows, moved, live, absolute=True, last=last))
            if schedule.is_warmup:
                over = terms[-1].ends_at or time.start
                ends = (timeline.step(time.axis, over), time.axis, over)
                for number in mine:
                    key = (schedule.param, number)
                    warmups[key] = max(warmups.get(key, ends), ends, key=lambda each: each[0])
    return [term for schedule in schedules for term in built[id(schedule)]]


def _takes_over(schedule: LRSchedule, index: int, timeline: Timeline) -> int | None:
    """The step at which a schedule takes over from the others: where it has begun, or its `start`."""
    begun = (schedule.begun or {}).get(index)
    if begun is not None or schedule.start is None:
        return begun
    name, axis = type(schedule).__name__, schedule.axis
    return timeline.step(axis, _position(schedule.start, "start", name, axis, timeline))


def _by_start(
    schedule: LRSchedule,
    numbers: Iterable[int],
    warmups: dict[tuple[str, int], tuple[int, Axis, float]],
    timeline: Timeline,
    held: Mapping[int, int | None],
    begun: int | None,
) -> list[tuple[ScheduleTime, tuple[int, ...]]]:
    """The groups of a schedule by where it starts in them, at `start` or after their warm-up, and where it is held."""
    name, axis = type(schedule).__name__, schedule.axis
    if schedule.is_warmup and not timeline.run.stretch_warmup:
        timeline = replace(timeline, run=replace(timeline.run, stretch=1.0))
    if schedule.tick == "epoch" and not timeline.run.epochs:
        raise timeline.run.unknown(f"{name}: interval='epoch' needs the length of an epoch")
    of_start: dict[tuple[float, float, float], list[int]] = {}
    for number in numbers:
        warmup = warmups.get((schedule.param, number))
        warmup_end = 0.0 if warmup is None else _on(axis, warmup, timeline)
        if begun is not None:
            start = _on(axis, (begun, "steps", begun), timeline)
        elif schedule.start is not None:
            start = _position(schedule.start, "start", name, axis, timeline)
        else:
            start = 0 if schedule.is_warmup or warmup is None else warmup_end
        stop = held[number]
        until = math.inf if stop is None else _on(axis, (stop, "steps", stop), timeline)
        of_start.setdefault((start, warmup_end, until), []).append(number)
    if schedule.starts_together and len({until for *_, until in of_start}) > 1:
        raise MisconfigurationException(
            f"{name} cannot be held in some of its groups only; give the schedule that takes over the same groups="
        )
    if schedule.starts_together and len(of_start) > 1:
        of_start = {max(of_start): sorted(number for mine in of_start.values() for number in mine)}
    end = None if schedule.end is None else _position(schedule.end, "end", name, axis, timeline)
    if end is not None and end <= max(of_start)[0]:
        raise MisconfigurationException(
            f"{name}: end={schedule.end!r} ({timeline.run.moment(end)}) must be after its start"
            f" ({timeline.run.moment(max(of_start)[0])}); make it later, or give an earlier start"
        )
    return [
        (
            ScheduleTime(
                timeline, axis, start, schedule.tick, name, warmup_end, end, None if until == math.inf else until
            ),
            tuple(mine),
        )
        for (start, warmup_end, until), mine in of_start.items()
    ]


def _position(given: int | str, argument: str, name: str, axis: Axis, timeline: Timeline) -> float:
    """A `start` or `end` that a user gave, on the axis of the schedule."""
    duration = Duration.parse(given, name=argument)
    axes: dict[str, Axis] = {"epochs": "epochs", "percent": "run"}
    at = timeline.run.steps(duration, f"{name}: {argument}")
    own = axes.get(duration.unit, "steps")
    return _on(axis, (timeline.step(own, at), own, at), timeline)


def _on(axis: Axis, moment: tuple[int, Axis, float], timeline: Timeline) -> float:
    """A moment (step, axis, position there) as a position on another axis."""
    step, own, at = moment
    return at if own == axis else timeline.position(axis, step)


def _rows(optimizer: Optimizer, index: int, param: str, numbers: Sequence[int], mine: Sequence[int]) -> GroupRows:
    groups = optimizer.param_groups
    bases = {number: pg.reference_value(groups[number], param) for number in numbers}
    places = {number: place for place, number in enumerate(numbers)}
    return GroupRows(
        base=np.array([bases[number] for number in mine], dtype=np.float64),
        positions=tuple(places[number] for number in mine),
        largest=max(bases.values(), default=0.0),
        optimizer=index,
        added=tuple(pg.REFERENCE_LR in groups[number] for number in mine),
        beta2=tuple(_beta2(groups[number]) for number in mine),
    )


def _beta2(group: pg.ParamGroup) -> float:
    """The second beta of a group of Adam's family; NaN elsewhere."""
    betas = group.get("betas", ())
    return float(betas[1]) if len(betas) > 1 else math.nan
