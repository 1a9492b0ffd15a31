"""The plan of a run in a few lines: which schedule drives what, from which step to which, and what values result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.controller import Controller
from lr_callbacks.core.plan import SHOWN_GROUPS
from lr_callbacks.core.run_length import RunLength
from lr_callbacks.core.table import HyperTable
from lr_callbacks.core.terms import Term

ALL_STEPS = 10_000
"""Steps up to which every step is looked at for the largest value; of longer runs, that many and the landmarks."""


def describe(run: RunLength, controllers: Sequence[Controller]) -> str:
    """The plan as text: one line for each schedule, and one for the values that result in each group."""
    assumed = " (assuming one step per batch)" if run.assumed else ""
    lines = [f"LR plan: {run}{assumed}"]
    for controller in controllers:
        lines.append(f"  {controller.name}" + (_resumed(controller) if controller.step else ""))
        lines += [f"    {line}" for line in [*_replaced(controller), *_scaled(controller)]]
        first = {id(s): min((t.start for t in controller.terms_of(s)), default=0) for s in controller.schedules}
        for schedule in sorted(controller.schedules, key=lambda each: (not each.is_warmup, first[id(each)])):
            terms = controller.terms_of(schedule)
            if terms:
                wanted = schedule.wanted_groups
                where = "" if wanted is None else f", groups {', '.join(map(str, wanted))}"
                what = "" if schedule.param == "lr" else f" of {schedule.param}"
                moves = "".join(f", {param} in the opposite direction" for param in _moved(controller, terms))
                when = f"{_span(controller, terms)}{_epochs(controller, terms)}{where}"
                lines.append(f"    {type(schedule).__name__}{what} {when}: {schedule.describe()}{moves}")
                lines += [f"      {line}" for line in [*_twice_warm(controller, terms), *_rising(controller, terms)]]
            elif schedule.begun is not None:
                lines.append(f"    {type(schedule).__name__} {schedule.phase_before_start}: {schedule.describe()}")
        for param in dict.fromkeys(term.param for term in controller.terms if not term.absolute):
            table = controller.table_of(param)
            lines += [f"    {line}" for line in ([] if table is None else _values(controller, table))]
    return "\n".join(lines)


def _twice_warm(controller: Controller, terms: Sequence[Term]) -> list[str]:
    """A schedule with a warm-up of its own that begins after another one."""
    before = [type(each).__name__ for each in controller.schedules if each.is_warmup]
    name = type(terms[0].schedule).__name__
    if not terms[0].schedule.warms_up or not before or not any(term.start for term in terms):
        return []
    return [f"{name} has a warm-up of its own, so there are two; remove {before[0]} unless that is what you want"]


def _rising(controller: Controller, terms: Sequence[Term]) -> list[str]:
    """Groups that rise because the value that a schedule ends at is above their base value."""
    name, groups = terms[0].schedule.floor_name, controller.optimizer.param_groups
    floor = None if name is None else getattr(terms[0].schedule, name)
    if floor is None or isinstance(floor, str):
        return []
    rising = [
        f"{groups[number].get('name', number)} ({base:g})"
        for term in terms
        for number, base in zip(term.groups, term.rows.base.tolist(), strict=True)
        if 0 < base < floor
    ]
    if not rising:
        return []
    shown = ", ".join(rising[:SHOWN_GROUPS]) + (", ..." if len(rising) > SHOWN_GROUPS else "")
    return [
        f"{name}={floor:g} is above the base {'LR' if terms[0].param == 'lr' else terms[0].param} of group"
        f"{'s' * (len(rising) > 1)} {shown}, so it rises; {name}='1%' is a share of each base value"
    ]


def _replaced(controller: Controller) -> list[str]:
    """The module's schedulers that were taken out, and what the groups have instead."""
    if not controller.replaced:
        return []
    names = ", ".join(each.in_words for each in controller.replaced)
    bases = [float(group[pg.BASE_LR]) for group in controller.optimizer.param_groups]
    shown = ", ".join(f"{base:.3g}" for base in dict.fromkeys(bases[:SHOWN_GROUPS]))
    return [f"{names}, returned by configure_optimizers, taken out of the run; base LR {shown}"]


def _scaled(controller: Controller) -> list[str]:
    """Layer-wise scales of the groups."""
    scales = [scale for scale in controller.scales if scale is not None]
    if not scales:
        return []
    span = f"{min(scales):.3g}" + (f" to {max(scales):.3g}" if max(scales) > min(scales) else "")
    return [f"lr_scale of the groups, {span}, is part of their base LRs and of each LR that a schedule gives"]


def _moved(controller: Controller, terms: Sequence[Term]) -> list[str]:
    """Other entries that the schedule of these terms sets, in groups that have them."""
    schedule, moved = terms[0].schedule, []
    for term in controller.terms:
        table = controller.table_of(term.param)
        has_it = table is not None and any(number in table.driven for number in term.groups)
        if term.schedule is schedule and term.absolute and has_it and term.param not in moved:
            moved.append(term.param)
    return moved


def _span(controller: Controller, terms: Sequence[Term]) -> str:
    """The steps that a schedule covers: ``0-45``, ``from 45``; several where its groups differ."""
    return " / ".join(dict.fromkeys(controller.run.span(term.start, term.end) for term in terms))


def _resumed(controller: Controller) -> str:
    """Where a resumed run continues."""
    moment = f", {controller.run.moment(controller.now)}" if controller.clock else ""
    return f", resumed at step {controller.step}{moment}"


def _epochs(controller: Controller, terms: Sequence[Term]) -> str:
    """`` (epochs 0-2)`` where the run has epochs."""
    if not controller.run.epochs or controller.clock is not None:
        return ""
    timeline = controller.timeline
    first = timeline.epoch_at(min(term.start for term in terms))
    ends = [term.end for term in terms if term.end is not None]
    if len(ends) < len(terms):
        return f" (from epoch {first})"
    last = timeline.epoch_at(max(max(ends) - 1, 0))
    return f" (epochs {first}-{last})" if last > first else f" (epoch {first})"


def _steps(controller: Controller, terms: Sequence[Term]) -> list[int]:
    """Steps at which the values are looked at."""
    total = controller.run.total_steps if controller.clock is not None else controller.timeline.end
    last = None if total is None else max(total - 1, 0)
    steps = {0, controller.now}
    for term in terms:
        steps |= {term.start, *term.landmarks, *([] if term.end is None else [term.end])}
    if last is not None:
        steps |= {*range(0, last + 1, max(1, last // ALL_STEPS)), last}
        steps = {step for step in steps if step <= last}
    return sorted(steps)


def _values(controller: Controller, table: HyperTable) -> list[str]:
    """Values at the start, the peak and the end of the run, of each group of a table (of the first few)."""
    groups, run = controller.optimizer.param_groups, controller.run
    terms = [_as_planned(term) for term in controller.terms if term.param == table.param]
    if any(term.live for term in terms):
        steps, rows = [controller.now], np.array([table.factors(controller.now) * _bases(controller, table)])
    else:
        steps = _steps(controller, terms)
        rows = HyperTable(table.param, groups, terms).values(np.array(steps)[:, None])
    name, lines = "LR" if table.param == "lr" else table.param, []
    for place, number in enumerate(table.driven[:SHOWN_GROUPS]):
        shown = dict.fromkeys([0, int(rows[:, place].argmax()), len(steps) - 1])
        label = f"group {groups[number].get('name', number)}: " if len(groups) > 1 else ""
        values = ", ".join(f"{rows[row, place]:.3g} {run.moment(steps[row])}" for row in shown)
        lines.append(f"{label}{name} {values}")
    more = len(table.driven) - SHOWN_GROUPS
    if more > 0:
        lines.append(f"... and {more} more group{'s' * (more != 1)}")
    return lines


def _as_planned(term: Term) -> Term:
    """A term in a run whose epochs are as long as is known; under manual optimization it waits for their ends."""
    return replace(term, time=replace(term.time, timeline=term.time.timeline.with_hold(None)))


def _bases(controller: Controller, table: HyperTable) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    groups, key = controller.optimizer.param_groups, pg.base_key(table.param)
    return np.array([float(groups[number][key]) for number in table.driven])
