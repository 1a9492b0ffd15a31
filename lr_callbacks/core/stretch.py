"""One knob for a whole plan: all lengths in proportion to the length of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lr_callbacks.core.durations import Duration
from lr_callbacks.core.lightning_names import MisconfigurationException
from lr_callbacks.core.run_length import RunLength
from lr_callbacks.core.schedule import LRSchedule


def stretched(run: RunLength, schedules: Sequence[LRSchedule]) -> RunLength:
    """The run, in which lengths are stretched if a callback says for which run they were written.

    Args:
        run: The run as it is.
        schedules: All schedules of the run.

    Raises:
        MisconfigurationException: If the length of the run is not known, a schedule cannot be stretched, or two
            callbacks want it.
    """
    wishes = [each for each in schedules if each.planned_for is not None]
    if not wishes:
        return run
    if len(wishes) > 1:
        raise MisconfigurationException(f"{wishes[0]!r} and {wishes[1]!r} both stretch the plan. Keep one.")
    for each in schedules:
        if each.drives and each.why_not_stretched is not None:
            raise MisconfigurationException(
                f"{wishes[0]!r} cannot stretch {each!r}: {each.why_not_stretched}. Leave one of them out, or use a"
                " schedule whose length is an argument."
            )
    wish = wishes[0]
    name = type(wish).__name__
    planned = run.steps(Duration.parse(wish.planned_for or 0), f"{name}: planned_for")
    if run.total_steps is None:
        raise run.unknown(f"{name} needs the length of the run")
    if planned < 1:
        raise MisconfigurationException(
            f"{name}: planned_for={wish.planned_for!r} is {run.length(planned)} of {run}; make it longer"
        )
    return replace(run, stretch=run.total_steps / planned, stretch_warmup=not wish.keep_warmup)
