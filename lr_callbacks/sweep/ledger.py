"""The trials of a study, sorted by the trainings of this sweep: finished, running, given up."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from lr_callbacks.core.arguments import is_count, is_finite
from lr_callbacks.sweep.axes import is_lr, label
from lr_callbacks.sweep.table import ORDER, Mode, Row, State, SweepTable

ENDED = "ended"
"""Attribute of a failed trial: the reason. A failed trial without it is a death: its worker was killed."""
OUT_OF_MEMORY = "out of memory"


@dataclass(frozen=True)
class Slot:
    """One training of the sweep: a point (None: a sampler chooses it) and a seed.

    The slots of a sampler have the same seed and differ in `index`.
    """

    point: dict[str, Any] | None
    seed: int
    index: int = 0

    @property
    def key(self) -> str:  # noqa: D102
        return json.dumps([self.point, self.seed, self.index], sort_keys=True)

    @property
    def place(self) -> str:
        """Key that the trainings of one point with different seeds share."""
        return json.dumps([self.point, self.index], sort_keys=True)


class Ledger:
    """The trials of a study, sorted into the slots of this sweep.

    The attribute "slot" of a trial is the key of its slot. The storage is not trusted: the point comes from our own
    slot, and a sampler's choice is checked against the axes. If a slot has several finished trials, the lowest number
    counts. A slot with `max_deaths` deaths is given up.
    """

    def __init__(
        self, study: optuna.Study, slots: Iterable[Slot], axes: Mapping[str, list[Any]], max_deaths: int
    ) -> None:
        self.study, self.axes, self.max_deaths = study, axes, max_deaths
        self.slots = {slot.key: slot for slot in slots}
        self._places = {key: slot.place for key, slot in self.slots.items()}
        self.finished: dict[str, FrozenTrial] = {}
        self.open: dict[str, FrozenTrial] = {}  # the oldest trial that waits or runs
        self.deaths: Counter[str] = Counter()
        self.chosen: dict[str, dict[str, Any]] = {}  # by a sampler, in a trial that failed: tried again
        self.known = 0  # a trial with this number was queued by a worker that knew all others
        self._todo = dict.fromkeys(self.slots)
        self._pruned: set[str] = set()
        self._seen: set[int] = set()
        self._start = 0
        self.refresh()

    def refresh(self) -> list[tuple[str, str]]:
        """Read new trials; return the slots whose worker has died since the last refresh, with the reason."""
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
                if self._enter(key, trial):
                    died.append((key, str(trial.user_attrs.get(ENDED, "the process was killed"))))
        while self._start < len(trials) and trials[self._start].state.is_finished():
            self._start += 1
        return died

    def _enter(self, key: str, trial: FrozenTrial) -> bool:
        """Enter a finished trial; return whether its worker died or ran out of memory."""
        if trial.state == TrialState.FAIL:
            if self.slots[key].point is None and self._choice(trial):
                self.chosen[key] = dict(trial.params)
            if key in self._todo:  # what has failed comes last
                del self._todo[key]
                self._todo[key] = None
            died = bool(trial.user_attrs.get(ENDED, OUT_OF_MEMORY) == OUT_OF_MEMORY)
            self.deaths[key] += died
            return died
        if self._result(key, trial) and (key not in self.finished or trial.number < self.finished[key].number):
            self.finished[key] = trial
            self._todo.pop(key, None)
            if trial.state == TrialState.PRUNED:
                self._pruned.add(self._places[key])
        return False

    def is_left_out(self, key: str) -> bool:
        """Whether a slot is not trained any more: given up, or its point was pruned for another seed."""
        running = key in self.open and self.open[key].state == TrialState.RUNNING
        return not running and self._is_lost(key)

    def _is_lost(self, key: str) -> bool:
        return self.deaths[key] >= self.max_deaths or self._places[key] in self._pruned

    def left(self) -> list[str]:
        """Return the keys of the unfinished slots, in order."""
        return [key for key in self._todo if not self.is_left_out(key)]

    def queue_next(self) -> Slot | None:
        """Queue a trial for the next slot that has none; return a slot with a waiting trial, if any."""
        left = self.left()
        for key in sorted(left, key=lambda key: self.deaths[key]):
            if key not in self.open:
                self.study.enqueue_trial(self.chosen.get(key, {}), user_attrs={"slot": key})
                return self.slots[key]
        return next((self.slots[key] for key in left if self.open[key].state == TrialState.WAITING), None)

    def wants(self, key: Any, number: int) -> bool:
        """Whether a trial from Optuna is one of ours, and no older trial of its slot is running or finished."""
        if not isinstance(key, str) or key not in self.slots or key in self.finished or self._is_lost(key):
            return False
        return key not in self.open or self.open[key].number >= number

    def spared_by(self, key: str) -> list[int]:
        """Return the seeds for which the point of a slot is not trained."""
        same = [key_ for key_, place in self._places.items() if place == self._places[key]]
        return [self.slots[key_].seed for key_ in same if key_ not in self.finished and self.is_left_out(key_)]

    def _choice(self, trial: FrozenTrial) -> dict[str, Any] | None:
        """The point that a sampler chose, if it lies on the axes."""
        for name, values in self.axes.items():
            value: Any = trial.params.get(name)
            if is_lr(name) and len(values) > 1:
                if not is_finite(value) or not min(values) <= value <= max(values):
                    return None
            elif json.dumps(value) not in map(json.dumps, values):
                return None
        return {name: trial.params[name] for name in self.axes}

    def _result(self, key: str, trial: FrozenTrial) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Point and facts of a finished trial, if they are valid."""
        point, facts = self.slots[key].point or self._choice(trial), trial.user_attrs.get("result")
        if point is None or not isinstance(facts, dict) or not isinstance(facts.get("run"), str):
            return None
        if not is_count(facts.get("epochs")) or not is_finite(facts.get("seconds")):
            return None
        return point, {name: facts[name] for name in ("epochs", "seconds", "run")}

    def table(self, metric: str, mode: Mode) -> SweepTable:
        """Rank the points of a finished sweep."""
        rows: dict[str, Row] = {}
        for key, slot in self.slots.items():
            trial = self.finished.get(key)
            result = self._result(key, trial) if trial else None
            point = slot.point or (result[0] if result else self.chosen.get(key)) or dict.fromkeys(self.axes)
            row = rows.setdefault(slot.place, Row(point, []))
            state: State = "complete"
            if trial and result:
                value = trial.value if trial.value is not None and math.isfinite(trial.value) else math.nan
                state = "pruned" if trial.state == TrialState.PRUNED else state
                state = "diverged" if math.isnan(value) else state
                row.values.append(value)
                row.runs.append(result[1]["run"])
                row.epochs, row.seconds = row.epochs + result[1]["epochs"], row.seconds + result[1]["seconds"]
            elif self.deaths[key] >= self.max_deaths:
                state, row.deaths = "dead", row.deaths + self.deaths[key]
            else:
                row.skipped += 1
            row.state = max(row.state, state, key=ORDER.index)
        kept = self.study.user_attrs.get("suggestion")
        lrs = [float(lr) for lr in kept if is_finite(lr) and lr > 0] if isinstance(kept, list) else []
        interval = (lrs[1], lrs[2]) if len(lrs) == 3 else None
        return SweepTable.ranked(metric, mode, list(rows.values()), lrs[0] if lrs else None, interval)

    def name(self, key: str) -> str:
        """Return a slot as text."""
        return label({**(self.slots[key].point or self.chosen.get(key, {})), "seed": self.slots[key].seed})
