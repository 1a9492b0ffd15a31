"""The queue of trials: each slot of a sweep is run once, whatever number of workers come, go and are killed."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from lr_callbacks.sweep.locks import FileLock


@dataclass(frozen=True)
class Slot:
    """One training that the sweep wants: a point of the grid under a seed, or a place for a sampler to fill.

    Args:
        point: Axis -> value; None where a sampler shall choose.
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


@dataclass(frozen=True)
class Claim:
    """A trial that is ours to run, with the lock that says that we live."""

    trial: optuna.Trial
    slot: Slot
    lock: FileLock


class TrialQueue:
    """Hand out the trials of a study.

    A trial that somebody runs is locked by a file of its own for as long as the worker lives, so that the trial of a
    worker that was killed can be told from a slow one; Optuna alone keeps it as running for ever. Such a trial is
    marked as failed, and its slot is queued again. For each slot the oldest trial that has not failed counts: should
    two machines that share no folder queue a slot twice, the later one is never run.

    Args:
        study: The study.
        storage: Its storage.
        slots: What this worker wants to see run, in this order.
        locks: Folder for the lock files.
    """

    def __init__(self, study: optuna.Study, storage: BaseStorage, slots: Iterable[Slot], locks: Path) -> None:
        self.study = study
        self.slots = {slot.key: slot for slot in slots}
        self._storage = storage
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._locks = locks.resolve()
        self._host = socket.gethostname()

    def trials(self) -> dict[str, FrozenTrial]:
        """Slot key -> the trial that counts, for the slots that have one."""
        chosen: dict[str, FrozenTrial] = {}
        for trial in self._storage.get_all_trials(self._study_id, deepcopy=False):
            key = trial.user_attrs.get("slot")
            if key in self.slots and trial.state != TrialState.FAIL:
                chosen.setdefault(key, trial)
        return {key: chosen[key] for key in self.slots if key in chosen}

    def fill(self) -> None:
        """Queue each slot that has no trial; nothing happens if all have one."""
        with FileLock(self._locks / "setup.lock"):
            queued = self.trials()
            for key, slot in self.slots.items():
                if key not in queued:
                    self.study.enqueue_trial(self._sampled_before(key), user_attrs={"slot": key, "seed": slot.seed})

    def claim(self) -> Claim | None:
        """The next trial that waits, now running and ours; None if none waits."""
        for key, trial in self.trials().items():
            if trial.state != TrialState.WAITING:
                continue
            lock = FileLock(self._locks / f"trial_{trial.number}.lock")
            if not lock.acquire(wait=False):
                continue
            if self._start(trial):
                running = optuna.Trial(self.study, self._id(trial))
                running.set_user_attr("lock", str(lock.path))
                running.set_user_attr("host", self._host)
                return Claim(running, self.slots[key], lock)
            lock.release()
        return None

    def finish(self, claim: Claim, state: TrialState, value: float | None = None, **facts: Any) -> None:
        """Write down what came of a trial, and give it back.

        Args:
            claim: From `claim`.
            state: How it ended.
            value: The metric; infinite where the training diverged, for Optuna takes NaN for a failure.
            facts: What else to keep, as plain numbers and strings.
        """
        for name, fact in facts.items():
            claim.trial.set_user_attr(name, fact)
        self.study.tell(claim.trial, value if state == TrialState.COMPLETE else None, state=state)
        claim.lock.path.unlink(missing_ok=True)  # a finished trial needs none: whoever locks it now finds it finished
        claim.lock.release()

    def bury(self, take_over: bool = False) -> list[int]:
        """Mark the trials whose workers have died as failed.

        Args:
            take_over: Whether to count all trials that run on other machines as dead; from here they cannot be told.

        Returns:
            The numbers of these trials.
        """
        dead = []
        for trial in self._storage.get_all_trials(self._study_id, deepcopy=False, states=(TrialState.RUNNING,)):
            lock = self._lock_of(trial)
            if lock is None:
                if not take_over:
                    continue
            elif not lock.acquire(wait=False):
                continue
            if self._state(trial) == TrialState.RUNNING:
                self._storage.set_trial_user_attr(self._id(trial), "error", "its worker died")
                self.study.tell(trial.number, state=TrialState.FAIL)
                dead.append(trial.number)
            if lock is not None:
                lock.path.unlink(missing_ok=True)
                lock.release()
        return dead

    def _lock_of(self, trial: FrozenTrial) -> FileLock | None:
        """The lock that the worker of a trial holds if it lives; None if it is on another machine."""
        host = trial.user_attrs.get("host")
        if host is None:  # killed, or not yet further, between its first two entries
            path = self._locks / f"trial_{trial.number}.lock"
            return FileLock(path) if path.exists() else None
        return FileLock(trial.user_attrs["lock"]) if host == self._host else None

    def _start(self, trial: FrozenTrial) -> bool:
        """Set a trial that waits to running; False if somebody else did."""
        try:
            waiting = self._state(trial) == TrialState.WAITING
            return waiting and self._storage.set_trial_state_values(self._id(trial), TrialState.RUNNING)
        except UpdateFinishedTrialError:
            return False

    def _sampled_before(self, key: str) -> dict[str, Any]:
        """What the sampler had chosen for a slot whose trial died, so that the same is tried again."""
        for trial in reversed(self._storage.get_all_trials(self._study_id, deepcopy=False)):
            if trial.user_attrs.get("slot") == key and trial.params:
                return dict(trial.params)
        return {}

    def _state(self, trial: FrozenTrial) -> TrialState:
        return self._storage.get_trial(self._id(trial)).state

    def _id(self, trial: FrozenTrial) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, trial.number)
