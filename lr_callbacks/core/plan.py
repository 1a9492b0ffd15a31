"""The plan of a run as data, which a checkpoint remembers and a resumed run compares."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

from lr_callbacks.core.lightning_names import rank_zero_warn
from lr_callbacks.core.schedule import LRSchedule
from lr_callbacks.core.terms import Term

SHOWN_GROUPS = 4
"""Number of groups with values shown; the others are counted."""


def plan_records(terms: Sequence[Term], schedules: Sequence[LRSchedule]) -> list[dict[str, Any]]:
    """What a checkpoint remembers of the plan: of each schedule its class, arguments, and where it starts and ends.

    Starts, ends and lengths are steps of the run as it was planned at its first step, so that a run whose epochs have
    changed their length still has the plan that it had.
    """
    records = []
    for schedule in schedules:
        mine = [term for term in terms if term.schedule is schedule and not term.absolute]
        ends = [term.ends_at for term in mine]
        lengths = {
            name: [term.time.run.steps(duration, f"{type(schedule).__name__}: {name}") for duration in found]
            for term in mine[:1]
            for name, found in schedule.durations().items()
        }
        records.append(
            {
                "class": type(schedule).__qualname__,
                "arguments": {name: plain(value) for name, value in schedule.arguments().items()},
                "start": sorted({float(term.time.start) for term in mine}),
                "end": [None if end is None else float(end) for end in ends],
                "lengths": lengths,
            }
        )
    return records


def plain(value: Any) -> Any:
    """A value as numbers, strings, lists and dicts; anything else as it shows itself."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Real):
        return int(value) if isinstance(value, Integral) else float(value)
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    return repr(value)


def tell_of_another_plan(
    name: str,
    step: int,
    then: list[dict[str, Any]],
    now: list[dict[str, Any]],
    lrs_then: list[float] | None,
    lrs: list[float],
) -> None:
    """Warn that the plan differs from the one in the checkpoint, or of the previous fit, and how to keep the old one.

    Args:
        name: Of the optimizer.
        step: Where it continues.
        then: The plan before.
        now: The plan that is used.
        lrs_then: The LRs in the checkpoint; None where no checkpoint was loaded: a Trainer fits again.
        lrs: The LRs now.
    """
    gone, come = _only_in(then, now), _only_in(now, then)
    if lrs_then is None:
        first = f"This fit continues {name} at step {step} with a different schedule than the previous fit's:"
        old, was, lr = "the previous fit", "before", ""
    else:
        first = f"Resuming {name} at step {step} with a different schedule than the checkpoint's:"
        old, was, lr = "the checkpoint", "checkpoint", f"; LR {_numbers(lrs_then)}"
    rank_zero_warn(
        f"{first}\n  {was + ':':<11} {gone}{lr}\n  now:        {come}; LR {_numbers(lrs)}\n"
        f"The new schedule is used. To keep the old one, use the arguments, max_epochs and max_steps of {old}, or give"
        " lengths in steps."
    )


def _only_in(plan: list[dict[str, Any]], other: list[dict[str, Any]]) -> str:
    """The records of one plan that the other lacks, in the order in which they start."""
    records = [record for record in plan if record not in other]
    records.sort(key=lambda record: (min(record.get("start") or [0.0]), record.get("class") != "Warmup"))
    return "; ".join(record_text(record) for record in records) or "nothing"


def record_text(record: dict[str, Any]) -> str:
    """A record of the plan in words."""
    arguments = record.get("arguments") or {}
    given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    starts, ends = record.get("start") or [], record.get("end") or []
    spans = dict.fromkeys(
        f"{start:g}-{end:g}" if isinstance(end, float) else f"from {start:g}"
        for start, end in zip(starts * len(ends), ends, strict=False)
    )
    lengths = "".join(
        f", {name} {'/'.join(map(str, steps))} steps" for name, steps in (record.get("lengths") or {}).items()
    )
    return f"{record.get('class')}({given}) {' / '.join(spans)}{lengths}"


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.6g}" for value in values[:SHOWN_GROUPS]) + (
        ", ..." if len(values) > SHOWN_GROUPS else ""
    )
