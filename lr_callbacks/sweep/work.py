"""A worker of a sweep: it takes waiting trials, trains them, stores and prints the results."""

from __future__ import annotations

import gc
import logging
import math
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from traceback import clear_frames
from typing import Any

import optuna
import torch
from filelock import BaseFileLock
from optuna.exceptions import ExperimentalWarning, StorageInternalError, UpdateFinishedTrialError
from optuna.samplers import BaseSampler
from optuna.trial import Trial, TrialState
from tqdm import tqdm

from lr_callbacks.core.arguments import is_finite
from lr_callbacks.core.messages import LOGGERS
from lr_callbacks.sweep.axes import is_lr, label
from lr_callbacks.sweep.build import Build
from lr_callbacks.sweep.ledger import ENDED, OUT_OF_MEMORY, Ledger
from lr_callbacks.sweep.storage import GRACE_SECONDS, LOST, patiently, say
from lr_callbacks.sweep.trial import Outcome, is_out_of_memory, log_hparams, run_trial

WAIT_SECONDS = 0.5
Sampler = Callable[[int], BaseSampler]
TAKEN = (UpdateFinishedTrialError, ValueError)
"""Raised by Optuna if another worker took this one for dead and failed its trial."""


class NoResultError(Exception):
    """Ends a trial without a result; Optuna marks it as failed."""


class Worker:
    """Train the rest of a sweep together with the other workers of its study, each trial by `study.optimize`.

    `sampler` makes a sampler from a seed; `lock` is shared with the other workers on this machine; `beats` is whether
    the storage has heartbeats, by which it can tell which workers are alive.
    """

    def __init__(
        self, ledger: Ledger, build: Build, metric: str, sampler: Sampler, lock: BaseFileLock, beats: bool
    ) -> None:
        self._ledger, self._study, self._lock, self._has_heartbeats = ledger, ledger.study, lock, beats
        self._build, self._metric, self._sampler = build, metric, sampler
        self._result: tuple[Trial, str, dict[str, Any], Outcome] | None = None  # with slot key and point
        self._written = False
        self._error: BaseException | None = None
        self._first_seen: dict[int, float] = {}
        self._waited_for = ""

    def run(self) -> None:
        """Train until nothing is left; wait for other workers at the end, and repeat the trials of dead ones."""
        with tqdm(total=len(self._ledger.slots), desc="sweep", unit="trial", disable=None) as bar:
            while not patiently(partial(self._step, bar)):
                if self._error is not None:
                    raise self._error

    def _step(self, bar: Any) -> bool:
        """Train one trial, or wait; return whether nothing is left."""
        ledger = self._ledger
        if self._result and not self._written:
            self._keep(*self._result)
        with self._lock:
            died, queued = ledger.refresh(), ledger.queue_next()
        if self._result:
            self._say(*self._result)
        self._result = None
        self._say_deaths(died)
        left = ledger.left()
        bar.update(len(ledger.slots) - len(left) - bar.n)
        if left and queued is None:
            self._wait(left, bar)
        elif left and queued:
            bar.set_postfix_str("")
            # One seed per slot, or all workers would draw the same points.
            self._study.sampler = self._sampler(queued.seed + queued.index)
            self._error, self._written = None, False
            try:
                self._study.optimize(self._objective, n_trials=1, catch=(NoResultError,))
                self._written = True
            except Exception as error:  # of the storage; the next step stores the result
                if not (self._result or self._error or isinstance(error, TAKEN)):
                    raise error.__context__ if isinstance(error.__context__, LOST) else error  # noqa: B904
        return not left

    def _objective(self, trial: Trial) -> float:
        ledger, key = self._ledger, trial.user_attrs.get("slot")
        if trial.number != ledger.known:  # there are newer trials: another worker may have queued the same slot
            self._say_deaths(ledger.refresh())
        if not ledger.wants(key, trial.number):
            trial.set_user_attr(ENDED, "not wanted")  # part of a larger grid, or queued by two machines at once
            raise NoResultError
        slot = ledger.slots[str(key)]
        point = slot.point or {}
        try:
            point = slot.point or self._choose(trial)
            for name, value in point.items():  # always as float: Optuna allows one type per parameter
                if slot.point and is_finite(value):
                    trial.suggest_float(name, value, value)
            trial.set_user_attr("host", socket.gethostname())
            with quiet():
                outcome = run_trial(
                    self._build, point, seed=slot.seed, metric=self._metric, report=partial(self._report, trial)
                )
        except (StorageInternalError, UpdateFinishedTrialError):
            raise
        except BaseException as error:
            self._fail(trial, label({**point, "seed": slot.seed}), error)
            raise NoResultError from None
        self._result = trial, slot.key, point, outcome
        trial.set_user_attr("result", outcome.facts)
        if outcome.pruned:
            raise optuna.TrialPruned
        return self._value(outcome)

    def _value(self, outcome: Outcome) -> float:
        """The value for Optuna: infinite if the training diverged, because NaN would count as failed."""
        worst = math.inf if self._study.direction == optuna.study.StudyDirection.MINIMIZE else -math.inf
        return worst if outcome.diverged else outcome.value

    def _choose(self, trial: Trial) -> dict[str, Any]:
        return {
            name: trial.suggest_float(name, min(values), max(values), log=True)
            if is_lr(name) and len(values) > 1
            else trial.suggest_categorical(name, values)
            for name, values in self._ledger.axes.items()
        }

    def _report(self, trial: Trial, step: int, value: float) -> bool:
        if isinstance(self._study.pruner, optuna.pruners.NopPruner):
            return False
        with suppress(*LOST, UpdateFinishedTrialError):  # a lost report must not end the training
            trial.report(value, step)
            return bool(trial.should_prune())
        return False

    def _fail(self, trial: Trial, name: str, error: BaseException) -> None:
        """Store and print that a trial failed; any error except out-of-memory ends the sweep."""
        why = f"{type(error).__name__}: {error}"[:500]
        if is_out_of_memory(error):
            clear_frames(error.__traceback__)  # they hold tensors
            gc.collect()
            torch.cuda.empty_cache()
            why = OUT_OF_MEMORY
        else:
            self._error = error
            how = "failed" if isinstance(error, Exception) else "stopped"
            say(f"{name}: {how}. Finished trainings are kept; the same call or command again continues the sweep.")
        with suppress(*LOST, UpdateFinishedTrialError):
            trial.set_user_attr(ENDED, why)

    def _keep(self, trial: Trial, key: str, _point: Any, outcome: Outcome) -> None:
        """Store a result that is not stored yet: the storage failed, or another worker took this one for dead."""
        self._ledger.refresh()
        if key in self._ledger.finished:
            return
        state = TrialState.PRUNED if outcome.pruned else TrialState.COMPLETE
        value = None if outcome.pruned else self._value(outcome)
        try:
            trial.set_user_attr("result", outcome.facts)
            self._study.tell(trial, value, state)
        except TAKEN:
            made: Any = {"params": trial.params, "distributions": trial.distributions}
            made["user_attrs"] = {"slot": key, "result": outcome.facts}
            self._study.add_trial(optuna.create_trial(state=state, value=value, **made))

    def _say(self, _trial: Trial, key: str, point: dict[str, Any], outcome: Outcome) -> None:
        """Print the result of a trial, now that it is known whether it counts."""
        tried = {**point, "seed": self._ledger.slots[key].seed}
        counted = self._ledger.finished.get(key)
        if counted is None or counted.user_attrs.get("result") != outcome.facts:
            say(f"{label(tried)}: another worker has already trained it; this result is dropped")
            return
        log_hparams(outcome.trainer, tried, {f"sweep/{self._metric}": outcome.value, "sweep/seconds": outcome.seconds})
        say(f"{label(tried)}: {outcome.said(self._metric)}")
        others = self._ledger.spared_by(key) if outcome.pruned else []
        if others:
            seeds = ("seed " if len(others) == 1 else "seeds ") + ", ".join(map(str, others))
            say(f"{label(point)}: not trained for {seeds}, because it was pruned")

    def _say_deaths(self, died: list[tuple[str, str]]) -> None:
        for key, what in died:
            times, most = self._ledger.deaths[key], self._ledger.max_deaths
            often = "once" if times == 1 else f"{times} times"
            then = f"trying again after the others, up to {most} times" if times < most else "giving up"
            say(f"{self._ledger.name(key)}: {what} {often}; {then}")

    def _wait(self, left: list[str], bar: Any) -> None:
        """Wait for the other workers; fail the trials of dead ones, which are then queued again."""
        running = [self._ledger.open[key] for key in left if key in self._ledger.open]
        names = {str(trial.user_attrs.get("host", "a machine"))[:64] for trial in running}
        hosts = "".join(filter(str.isprintable, ", ".join(sorted(names))))
        waiting = f"{len(running)} training{'' if len(running) == 1 else 's'} on {hosts}"
        bar.set_postfix_str(f"waiting for {waiting}")
        if waiting != self._waited_for:
            self._waited_for = waiting
            then = f"its training is repeated {GRACE_SECONDS} s after its last heartbeat, or at once with take_over"
            if not self._has_heartbeats:
                then = "this storage cannot tell: stop, and call again with take_over"
            say(f"Waiting for {waiting}. If a worker has died, {then}.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            optuna.storages.fail_stale_trials(self._study)
        for trial in running:  # Optuna does not see workers that were killed before their first heartbeat
            seen = self._first_seen.setdefault(trial.number, time.monotonic())
            if "host" not in trial.user_attrs and time.monotonic() - seen > GRACE_SECONDS:
                fail(self._study, trial.number)
        time.sleep(WAIT_SECONDS)


def fail(study: optuna.Study, number: int) -> None:
    """Mark a running trial as failed, as if its worker had died, unless it has just finished."""
    with suppress(*TAKEN):
        study.tell(number, state=TrialState.FAIL)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Lightning's messages at the start and end of every fit; warnings stay."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
