"""The plan of a run in a few lines: who drives what from which step to which, and what LRs come of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.horizon import Horizon

if TYPE_CHECKING:
    from lr_callbacks.core.driver import Driver
    from lr_callbacks.core.lanes import Lane
    from lr_callbacks.core.segment import Segment


def span(horizon: Horizon, segments: Sequence[Segment]) -> str:
    """The steps that a callback covers: ``0-45``, ``from 45``; several where its groups differ."""
    spans = dict.fromkeys(horizon.span(segment.start, segment.end) for segment in segments)
    return " / ".join(spans)


LOOK_AHEAD = 10**6
"""Steps that the plan looks ahead where a factor is found from that of the step before."""


def describe(horizon: Horizon, drivers: Sequence[Driver]) -> str:
    """The plan as text, one line a callback and one for the LRs that come of them."""
    assumed = " (assuming one step per batch)" if horizon.assumed else ""
    lines = [f"LR plan: {horizon}{assumed}"]
    for driver in drivers:
        lines.append(f"  {driver.name}" + (_resumed(horizon, driver) if driver.step else ""))
        for callback in sorted(driver.callbacks, key=lambda c: (not c.is_warmup, min_start(driver.segments_of(c)))):
            segments = driver.segments_of(callback)
            if segments:
                wanted = callback.wanted_groups
                where = "" if wanted is None else f", groups {', '.join(map(str, wanted))}"
                name = type(callback).__name__
                lines.append(
                    f"    {name} {span(horizon, segments)}{_epochs(horizon, segments)}{where}: {callback.describe()}"
                )
        lines += [f"    {line}" for lane in driver.lanes if lane.callbacks for line in _lrs(horizon, driver, lane)]
    return "\n".join(lines)


def min_start(segments: Sequence[Segment]) -> int:
    """The first step of a callback in an optimizer."""
    return min((segment.start for segment in segments), default=0)


def _resumed(horizon: Horizon, driver: Driver) -> str:
    """Where a resumed run goes on."""
    return f", resumed at step {driver.step}" + (f", {horizon.moment(driver.now)}" if driver.clock else "")


def _epochs(horizon: Horizon, segments: Sequence[Segment]) -> str:
    """`` (epochs 0-2)`` where the run has epochs."""
    if not horizon.epochs or not segments:
        return ""
    first = horizon.epoch_at(min_start(segments))
    ends = [segment.end for segment in segments if segment.end is not None]
    if len(ends) < len(segments):
        return f" (from epoch {first})"
    last = horizon.epoch_at(max(max(ends) - 1, 0))
    return f" (epochs {first}-{last})" if last > first else f" (epoch {first})"


def _lrs(horizon: Horizon, driver: Driver, lane: Lane) -> list[str]:
    """LRs at the start, the peak and the end of the run, of each group of a lane (of the first few)."""
    only_now = any(segment.only_now for segment in lane.segments)
    steps = {driver.now} if only_now else {0, driver.now}
    for segment in () if only_now else lane.segments:
        inside = {segment.start, *(segment.start + mark for mark in segment.landmarks)}
        steps |= inside if segment.end is None else inside | {segment.end}
    last = None if horizon.total_steps is None else max(horizon.total_steps - 1, 0)
    if not only_now:
        steps = {step for step in steps if last is None or step <= last} | ({last} if last is not None else set())
    if not all(callback.looks_far for callback in lane.callbacks):
        steps = {step for step in steps if step <= driver.now + LOOK_AHEAD}
    factors = {step: lane.factors_of_groups(step) for step in sorted(steps)}
    lines = []
    for place, number in enumerate(lane.groups[:4]):
        peak = max(factors, key=lambda step: (factors[step][place], -step))
        shown = list(dict.fromkeys([min(factors), peak, max(factors)]))
        group = driver.optimizer.param_groups[number]
        label = f"group {group.get('name', number)}: " if len(driver.optimizer.param_groups) > 1 else ""
        values = ", ".join(f"{group[pg.BASE_LR] * factors[step][place]:.3g} {horizon.moment(step)}" for step in shown)
        lines.append(f"{label}LR {values}")
    if len(lane.groups) > 4:
        lines.append(f"... and {len(lane.groups) - 4} more groups on the same schedule")
    return lines
