"""Warn at the start about a plan that is longer than the run: what is not reached, where the LR ends, what fits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lr_callbacks.core.controller import Controller
from lr_callbacks.core.lightning_names import rank_zero_warn
from lr_callbacks.core.plan import SHOWN_GROUPS
from lr_callbacks.core.terms import Term


def warn_of_unreached(controllers: Sequence[Controller]) -> None:
    """Warn once about all schedules that do not end within the run."""
    lines = [line for controller in controllers for line in _unreached(controller)]
    if lines:
        rank_zero_warn("The LR plan is never reached in full:\n" + "\n".join(f"  {line}" for line in lines))


def _unreached(controller: Controller) -> list[str]:
    """A line for each schedule, and one for the values that the run ends at."""
    run_end = controller.run.total_steps if controller.clock is not None else controller.timeline.end
    if run_end is None:
        return []
    lines, params = [], []
    for schedule in controller.schedules:
        for term in controller.terms_of(schedule):
            said = None if schedule.lasts_to_end and term.start < run_end else _said(term, run_end)
            if said is not None:
                lines.append(f"{schedule!r} {said}")
                params.append(term.param)
                break
    return [*lines, *(_ends_at(controller, param, run_end) for param in dict.fromkeys(params))]


def _said(term: Term, run_end: int) -> str | None:
    """What of a term the run does not reach; None if it reaches all of it."""
    run = term.time.run
    if term.start >= run_end:
        return f"begins {run.moment(term.start)}, where the run is over: it ends {run.moment(run_end)}"
    timeline, axis = term.time.timeline, term.time.axis
    left = term.time.ticks_until(run_end if axis == "steps" else timeline.position(axis, run_end))
    return term.schedule.unreached(left, term.time)


def _ends_at(controller: Controller, param: str, run_end: int) -> str:
    """The values at the last step, of the first few groups."""
    table, what = controller.table_of(param), "LR" if param == "lr" else param
    if table is None or table.is_live:
        return f"So {controller.name} does not end where it would with a run that is long enough."
    values = table.values(np.array([[max(run_end - 1, 0)]]))[0][:SHOWN_GROUPS]
    return f"{controller.name} ends at {what} " + ", ".join(f"{value:.3g}" for value in values)
