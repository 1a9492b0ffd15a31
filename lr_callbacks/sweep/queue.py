"""The queue of trials: each slot of a sweep is run once, whatever number of workers come, go and are killed."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from lr_callbacks.sweep.alive import PATIENCE_SECONDS, Stillness, folder_id, machine
from lr_callbacks.sweep.locks import FileLock

DIED = "its worker died"
OUT_OF_MEMORY = "out of memory"


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


def is_death(trial: FrozenTrial) -> bool:
    """Whether the worker of a trial died on it, or was saved from that by an error that says as much."""
    return trial.state == TrialState.FAIL and trial.user_attrs.get("error") in (DIED, OUT_OF_MEMORY)


def _place(slot: Slot) -> str:
    """What the trainings of one point under different seeds have in common; places for a sampler are apart."""
    return json.dumps([slot.point, slot.index], sort_keys=True)


class TrialQueue:
    """Hand out the trials of a study.

    A trial that somebody runs is locked by a file of its own for as long as the worker lives, so that the trial of a
    worker that was killed can be told from a slow one; Optuna alone keeps it as running for ever. Such a trial is
    marked as failed, and its slot is queued again, behind all others: should it be the point itself that kills its
    worker, it does so when nothing else is left, and after `max_deaths` times it is given up. For each slot the oldest
    trial that has not failed counts: should two machines that share no folder queue a slot twice, the later one is
    never run.

    Args:
        study: The study.
        storage: Its storage.
        slots: What this worker wants to see run, in this order.
        locks: Folder for the lock files. Workers that shall see each other die have the same one, by whatever path.
        max_deaths: After how many deaths of its worker a slot is given up.
    """

    def __init__(
        self, study: optuna.Study, storage: BaseStorage, slots: Iterable[Slot], locks: Path, max_deaths: int = 3
    ) -> None:
        self.study = study
        self.slots = {slot.key: slot for slot in slots}
        self._storage = storage
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._locks = locks
        self.max_deaths = max_deaths
        self._stillness = Stillness(PATIENCE_SECONDS)

    @cached_property
    def _place(self) -> dict[str, str]:
        """Where we are, for the other workers; a queue that is only looked at writes nothing."""
        return {"locks": folder_id(self._locks), "machine": machine(), "host": socket.gethostname()}

    def left_out(self) -> set[str]:
        """Slot keys that are not run any more: given up, or hopeless."""
        return self.given_up().keys() | self.hopeless()

    def trials(self) -> dict[str, FrozenTrial]:
        """Slot key -> the trial that counts, for the slots that have one."""
        chosen: dict[str, FrozenTrial] = {}
        for trial in self._all():
            key = trial.user_attrs.get("slot")
            if key in self.slots and trial.state != TrialState.FAIL:
                chosen.setdefault(key, trial)
        return {key: chosen[key] for key in self.slots if key in chosen}

    def deaths(self) -> Counter[str]:
        """Slot key -> how many workers have died on it."""
        return Counter(str(trial.user_attrs.get("slot")) for trial in self._all() if is_death(trial))

    def given_up(self) -> dict[str, FrozenTrial]:
        """Slot key -> the last of its trials, for the slots that have killed too many workers and that nobody runs."""
        deaths, counted = self.deaths(), self.trials()
        last = {str(trial.user_attrs.get("slot")): trial for trial in self._all() if is_death(trial)}
        return {
            key: last[key]
            for key in self.slots
            if deaths[key] >= self.max_deaths and (key not in counted or counted[key].state == TrialState.WAITING)
        }

    def hopeless(self) -> set[str]:
        """Slot keys that nobody runs and that are left out: their point was pruned under another seed.

        The mean over the seeds of such a point can no longer win.
        """
        counted = self.trials()
        pruned = {_place(self.slots[key]) for key, trial in counted.items() if trial.state == TrialState.PRUNED}
        return {
            key
            for key, slot in self.slots.items()
            if _place(slot) in pruned and (key not in counted or counted[key].state == TrialState.WAITING)
        }

    def fill(self) -> None:
        """Queue each slot that has no trial and is not left out; nothing happens if there is none."""
        with FileLock(self._locks / "setup.lock"):
            queued = self.trials().keys() | self.left_out()
            for key, slot in self.slots.items():
                if key not in queued:
                    self.study.enqueue_trial(self._sampled_before(key), user_attrs={"slot": key, "seed": slot.seed})

    def claim(self) -> Claim | None:
        """The next trial that waits, now running and ours; None if none waits. What has failed before comes last."""
        failures = Counter(trial.user_attrs.get("slot") for trial in self._all() if trial.state == TrialState.FAIL)
        deaths, left_out = self.deaths(), self.left_out()
        for key, trial in sorted(self.trials().items(), key=lambda item: (deaths[item[0]], failures[item[0]])):
            if trial.state != TrialState.WAITING or key in left_out:
                continue
            lock = self._lock_of(trial)
            if not lock.acquire(wait=False):
                continue
            if self._start(trial):
                running = optuna.Trial(self.study, self._id(trial))
                for name, fact in self._place.items():
                    running.set_user_attr(name, fact)
                return Claim(running, self.slots[key], lock)
            lock.release()
        return None

    def finish(self, claim: Claim, state: TrialState, value: float | None = None, **facts: Any) -> bool:
        """Write down what came of a trial, and give it back.

        Args:
            claim: From `claim`.
            state: How it ended.
            value: The metric; infinite where the training diverged, for Optuna takes NaN for a failure.
            facts: What else to keep, as plain numbers and strings.

        Returns:
            Whether it counts; False if somebody took us for dead in the meantime.
        """
        try:
            for name, fact in facts.items():
                claim.trial.set_user_attr(name, fact)
            counts = self._end(claim.trial.number, state, value if state == TrialState.COMPLETE else None)
        except UpdateFinishedTrialError:
            counts = False
        claim.lock.release()
        claim.lock.path.unlink(missing_ok=True)  # a finished trial needs none: whoever locks it now finds it finished
        return counts

    def bury(self, take_over: bool = False) -> list[FrozenTrial]:
        """Mark the trials whose workers have died as failed.

        Args:
            take_over: Whether to count all trials that run on other machines as dead, if there is no living lock.

        Returns:
            These trials.
        """
        dead = []
        for trial in self._all(TrialState.RUNNING):
            lock = self._lock_of(trial)
            is_dead = self._is_dead(trial, lock, take_over)
            if is_dead and self._mark_dead(trial):
                dead.append(trial)
            if lock.held:
                lock.release()
                if is_dead:
                    lock.path.unlink(missing_ok=True)
        return dead

    def _is_dead(self, trial: FrozenTrial, lock: FileLock, take_over: bool) -> bool:
        """Whether the worker of a trial is dead, as far as it can be told; takes the lock if it is free.

        A lock that is held shows that it lives. A free one shows that it is dead if it ran on this machine; on another
        one, where locks might not reach us, its lock file must have been still for some time, too.
        """
        place = trial.user_attrs
        if place.get("locks", self._place["locks"]) != self._place["locks"]:
            return take_over  # its lock lies where we cannot see it
        free = lock.acquire(wait=False, make=False)
        if free and place.get("machine") == self._place["machine"]:
            return True
        if "locks" not in place and not lock.path.exists():  # killed, or not yet further, between its first two entries
            return take_over or self._stillness.is_dead(lock.path)
        if not lock.path.exists():  # somebody deleted it
            return take_over
        return free and (take_over or self._stillness.is_dead(lock.path))

    def _mark_dead(self, trial: FrozenTrial) -> bool:
        """Set a trial to failed; False if it has ended in the meantime."""
        try:
            if self._state(trial) != TrialState.RUNNING:
                return False
            self._storage.set_trial_user_attr(self._id(trial), "error", DIED)
        except UpdateFinishedTrialError:
            return False
        return self._end(trial.number, TrialState.FAIL)

    def _lock_of(self, trial: FrozenTrial) -> FileLock:
        return FileLock(self._locks / f"trial_{self._id(trial)}.lock")

    def _end(self, number: int, state: TrialState, value: float | None = None) -> bool:
        """Set the end of a trial that runs; False if it has ended already."""
        try:
            self.study.tell(number, value, state=state)
        except (UpdateFinishedTrialError, ValueError):
            if self.study.get_trials(deepcopy=False)[number].state.is_finished():
                return False
            raise
        return True

    def _start(self, trial: FrozenTrial) -> bool:
        """Set a trial that waits to running; False if somebody else did."""
        try:
            waiting = self._state(trial) == TrialState.WAITING
            return waiting and self._storage.set_trial_state_values(self._id(trial), TrialState.RUNNING)
        except UpdateFinishedTrialError:
            return False

    def _sampled_before(self, key: str) -> dict[str, Any]:
        """What the sampler had chosen for a slot whose trial died, so that the same is tried again."""
        for trial in reversed(self._all()):
            if trial.user_attrs.get("slot") == key and trial.params:
                return dict(trial.params)
        return {}

    def _all(self, *states: TrialState) -> list[FrozenTrial]:
        # By way of the study, which for a database must have seen a trial of another worker before it lets us run it.
        return list(self.study.get_trials(deepcopy=False, states=states or None))

    def _state(self, trial: FrozenTrial) -> TrialState:
        return self._storage.get_trial(self._id(trial)).state

    def _id(self, trial: FrozenTrial) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, trial.number)
