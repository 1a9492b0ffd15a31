"""From the trials of a study to the rows of its table."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from typing import Literal

from optuna.trial import FrozenTrial, TrialState

from lr_callbacks.sweep.queue import TrialQueue, is_death
from lr_callbacks.sweep.table import Row, State, SweepTable


def table_of(queue: TrialQueue, axes: Iterable[str], metric: str, mode: Literal["min", "max"]) -> SweepTable:
    """The ranked points of a queue whose trials have ended.

    Args:
        queue: Each of its slots has a finished trial, or is given up, or is left out as hopeless.
        axes: Names of the axes, for a point that died before it was known.
        metric: Name of the metric.
        mode: "min" or "max".
    """
    counted = {key: trial for key, trial in queue.trials().items() if trial.state != TrialState.WAITING}
    ended = {**counted, **queue.given_up()}
    deaths, left_out = queue.deaths(), queue.hopeless() - queue.given_up().keys()
    by_point: dict[str, list[tuple[FrozenTrial, int]]] = {}
    for key, slot in queue.slots.items():
        if key in left_out:
            continue
        trial = ended[key]
        point = trial.user_attrs.get("point", slot.point) or dict.fromkeys(axes)
        by_point.setdefault(json.dumps(point), []).append((trial, deaths[key]))
    skipped = Counter(json.dumps(queue.slots[key].point) for key in left_out)
    rows = [_row(json.loads(point), trials, skipped[point]) for point, trials in by_point.items()]
    return SweepTable.ranked(metric, mode, rows, queue.study.user_attrs.get("suggestion"))


def _row(point: dict[str, object], trials: list[tuple[FrozenTrial, int]], skipped: int) -> Row:
    states = {_state(trial) for trial, _ in trials}
    ended = [trial for trial, _ in trials if not is_death(trial)]
    return Row(
        point=point,
        values=[_value(trial) for trial in ended] or [math.nan],
        state=next(state for state in WORST_FIRST if state in states),
        epochs=sum(trial.user_attrs["epochs"] for trial in ended),
        seconds=sum(trial.user_attrs["seconds"] for trial in ended),
        runs=[trial.user_attrs["run"] for trial in ended],
        deaths=sum(deaths for trial, deaths in trials if is_death(trial)),
        skipped=skipped,
    )


WORST_FIRST: tuple[State, ...] = ("dead", "diverged", "pruned", "complete")


def _state(trial: FrozenTrial) -> State:
    if is_death(trial):
        return "dead"
    if math.isnan(_value(trial)):
        return "diverged"
    return "pruned" if trial.state == TrialState.PRUNED else "complete"


def _value(trial: FrozenTrial) -> float:
    return trial.value if trial.value is not None and math.isfinite(trial.value) else math.nan
