"""What a study holds of the trainings that this sweep wants: which are finished, which run, which are given up."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from lr_callbacks.core.arguments import is_count, is_finite
from lr_callbacks.sweep.axes import is_lr, label
from lr_callbacks.sweep.table import Row, State, SweepTable

ENDED = "ended"
"""Attribute of a failed trial: why its worker ended it. One without it is a death: its worker could not write it."""
OUT_OF_MEMORY = "out of memory"


@dataclass(frozen=True)
class Slot:
    """One training that the sweep wants: a point of the grid under a seed, or a place for a sampler to fill.

    Args:
        point: Axis -> value; None where a sampler chooses.
        seed: Seed of the training.
        index: Which of the sampler's places it is; 0 on a grid.
    """

    point: dict[str, Any] | None
    seed: int
    index: int = 0

    @property
    def key(self) -> str:
        """What tells it from all other slots of the study."""
        return json.dumps([self.point, self.seed, self.index], sort_keys=True)


def is_death(trial: FrozenTrial) -> bool:
    """Whether the worker of a trial died in it, or was saved from that by an error that says as much."""
    return trial.state == TrialState.FAIL and trial.user_attrs.get(ENDED, OUT_OF_MEMORY) == OUT_OF_MEMORY


class Ledger:
    """The trials of a study, sorted into the slots of this sweep; each read costs what is new.

    A trial says by its attribute "slot" which of our slots it is for; a point is never read from the storage, but looked
    up among ours, and what a sampler chose is checked against the axes. Of several trials of a slot the one that finished
    first by number counts.

    Args:
        study: The study.
        slots: What this worker wants to see trained, in this order.
        axes: Axis -> values.
        max_deaths: After how many deaths of its worker a slot is given up.
    """

    def __init__(
        self, study: optuna.Study, slots: Iterable[Slot], axes: Mapping[str, list[Any]], max_deaths: int
    ) -> None:
        self.study, self.axes, self.max_deaths = study, axes, max_deaths
        self.slots = {slot.key: slot for slot in slots}
        self.finished: dict[str, FrozenTrial] = {}
        self.open: dict[str, FrozenTrial] = {}
        """Slot key -> its oldest trial that waits or runs."""
        self.deaths: Counter[str] = Counter()
        self.params: dict[str, dict[str, Any]] = {}
        """Slot key -> what a sampler had chosen in a trial that failed, to be tried again."""
        self._todo = dict.fromkeys(self.slots)
        self._pruned: set[str] = set()
        self._seen: set[int] = set()
        self._start = 0
        self.known = 0
        """Number of trials at the last refresh; a trial with this number was queued by a worker that knew all others."""
        self.refresh()

    def refresh(self) -> list[tuple[str, str]]:
        """Read what is new.

        Returns:
            The slots whose worker has died since the last time, and of what.
        """
        trials = self.study.get_trials(deepcopy=False)
        died: list[tuple[str, str]] = []
        self.open, self.known = {}, len(trials)
        for trial in trials[self._start :]:
            key = trial.user_attrs.get("slot")
            if not isinstance(key, str) or key not in self.slots:
                continue
            if not trial.state.is_finished():
                self.open.setdefault(key, trial)
            elif trial.number not in self._seen:
                self._seen.add(trial.number)
                died += self._enter(key, trial)
        while self._start < len(trials) and trials[self._start].state.is_finished():
            self._start += 1
        return died

    def _enter(self, key: str, trial: FrozenTrial) -> list[tuple[str, str]]:
        if trial.state == TrialState.FAIL:
            if self._chosen(trial) is not None:
                self.params[key] = dict(trial.params)
            if key in self._todo:  # what has failed comes last
                del self._todo[key]
                self._todo[key] = None
            if is_death(trial):
                self.deaths[key] += 1
                return [(key, trial.user_attrs.get(ENDED, "the process was killed"))]
        elif self.result_of(key, trial) is not None and (
            key not in self.finished or trial.number < self.finished[key].number
        ):
            self.finished[key] = trial
            self._todo.pop(key, None)
            if trial.state == TrialState.PRUNED:
                self._pruned.add(self._place(key))
        return []

    def _place(self, key: str) -> str:
        """What the trainings of one point under different seeds have in common; places for a sampler are apart."""
        return json.dumps([self.slots[key].point, self.slots[key].index], sort_keys=True)

    def is_left_out(self, key: str) -> bool:
        """Whether a slot is not trained any more: given up, or its point was pruned under another seed."""
        running = key in self.open and self.open[key].state == TrialState.RUNNING
        return not running and (self.deaths[key] >= self.max_deaths or self._place(key) in self._pruned)

    def left(self) -> list[str]:
        """The slots that have to be trained still, or are being trained, in order."""
        return [key for key in self._todo if not self.is_left_out(key)]

    def queue_next(self) -> Slot | None:
        """Queue a trial for the next slot that has none.

        Returns:
            The slot, or one whose trial waits already; None if there is nothing to ask Optuna for.
        """
        left = self.left()
        for key in sorted(left, key=lambda key: self.deaths[key]):
            if key not in self.open:
                self.study.enqueue_trial(self.params.get(key, {}), user_attrs={"slot": key})
                return self.slots[key]
        return next((self.slots[key] for key in left if self.open[key].state == TrialState.WAITING), None)

    def is_wanted(self, key: str, number: int) -> bool:
        """Whether a trial that Optuna has handed out is to be trained: no older one of its slot runs or has finished."""
        older = key in self.open and self.open[key].number < number
        return key not in self.finished and not older and not self.is_left_out(key)

    def spared_by(self, key: str) -> list[int]:
        """The seeds of the other slots of a point that are left out."""
        place = self._place(key)
        return [
            slot.seed
            for other, slot in self.slots.items()
            if other not in self.finished and self._place(other) == place and self.is_left_out(other)
        ]

    def _chosen(self, trial: FrozenTrial) -> dict[str, Any] | None:
        """The point that a sampler chose, if it is one of this sweep's axes: the storage is not to be trusted."""
        for name, values in self.axes.items():
            value = trial.params.get(name)
            if is_lr(name) and len(values) > 1:
                if not is_finite(value) or not min(values) <= float(value) <= max(values):  # type: ignore[arg-type]
                    return None
            elif json.dumps(value) not in map(json.dumps, values):
                return None
        return {name: trial.params[name] for name in self.axes}

    def result_of(self, key: str, trial: FrozenTrial) -> tuple[dict[str, Any], float, dict[str, Any]] | None:
        """Point, value (NaN: diverged) and facts of a finished trial; None if they are not what a sweep writes."""
        point = self.slots[key].point or self._chosen(trial)
        facts = trial.user_attrs.get("result")
        if point is None or not isinstance(facts, dict):
            return None
        if not (
            is_count(facts.get("epochs")) and is_finite(facts.get("seconds")) and isinstance(facts.get("run"), str)
        ):
            return None
        value = trial.value if trial.value is not None and math.isfinite(trial.value) else math.nan
        return point, value, facts

    def table(self, metric: str, mode: Literal["min", "max"]) -> SweepTable:
        """The ranked points of a sweep that has come to its end."""
        rows: dict[str, Row] = {}
        for key, slot in self.slots.items():
            dead = key not in self.finished and self.deaths[key] >= self.max_deaths
            known = self.result_of(key, self.finished[key]) if key in self.finished else None
            point = slot.point or (known[0] if known else self.params.get(key)) or dict.fromkeys(self.axes)
            row = rows.setdefault(json.dumps(point if slot.point else [point, slot.index]), Row(point, []))
            if known:
                row.add(known[1], _state(self.finished[key], known[1]), known[2])
            elif dead:
                row.add(None, "dead", {"deaths": self.deaths[key]})
            else:
                row.skipped += 1
        suggestion, interval = _suggestion(self.study.user_attrs.get("suggestion"))
        return SweepTable.ranked(metric, mode, list(rows.values()), suggestion, interval)

    def name(self, key: str) -> str:
        """A slot in words."""
        point = self.slots[key].point or self.params.get(key, {})
        return label({**point, "seed": self.slots[key].seed})


def _state(trial: FrozenTrial, value: float) -> State:
    if math.isnan(value):
        return "diverged"
    return "pruned" if trial.state == TrialState.PRUNED else "complete"


def _suggestion(kept: Any) -> tuple[float | None, tuple[float, float] | None]:
    """The suggestion of the range test and its interval, as far as they are learning rates."""
    found = kept if isinstance(kept, list) else [kept]
    lrs = [float(value) for value in found if is_finite(value) and value > 0]
    interval = (lrs[1], lrs[2]) if len(lrs) == len(found) == 3 else None
    return (lrs[0] if len(lrs) == len(found) and lrs else None), interval
