"""What a worker does: take what waits, train it, write down what came of it, and say so."""

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
from typing import Any, NamedTuple

import optuna
import torch
from filelock import BaseFileLock
from optuna.exceptions import ExperimentalWarning, StorageInternalError, UpdateFinishedTrialError
from optuna.samplers import BaseSampler
from optuna.trial import TrialState
from tqdm import tqdm

from lr_callbacks.core.arguments import is_finite
from lr_callbacks.sweep.axes import is_lr, label
from lr_callbacks.sweep.ledger import ENDED, OUT_OF_MEMORY, Ledger
from lr_callbacks.sweep.storage import GRACE_SECONDS, Patience, say
from lr_callbacks.sweep.trial import Build, Outcome, is_out_of_memory, log_hparams, run_trial

WAIT_SECONDS = 0.5
TAKEN_OVER = "another worker has trained it in the meantime; our result is dropped"
LOST = (StorageInternalError, OSError)


class _Ended(Exception):
    """The end of a trial without a result; Optuna writes it down as failed."""


class Worker:
    """Train what a sweep has left, together with all other workers on its study, each trial by `study.optimize`.

    Args:
        ledger: The trainings that this worker wants.
        build: Makes the trainer, the module and the data of a point.
        metric: What to rank by.
        sampler: Makes a sampler from a seed.
        lock: Excludes the other workers on this machine.
    """

    def __init__(
        self, ledger: Ledger, build: Build, metric: str, sampler: Callable[[int], BaseSampler], lock: BaseFileLock
    ) -> None:
        self._ledger, self._study, self._lock = ledger, ledger.study, lock
        self._build, self._metric, self._sampler = build, metric, sampler
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._first_seen: dict[int, float] = {}
        self._waited_for = ""

    def run(self) -> None:
        """Work until all is trained; at the end wait for the other workers, and repeat what they leave behind."""
        ledger, patience = self._ledger, Patience()
        with tqdm(total=len(ledger.slots), desc="sweep", unit="trial", disable=None) as bar:
            while True:
                try:
                    with self._lock:
                        died = ledger.refresh()
                        queued = ledger.queue_next()
                    self._say_result()
                    self._say_deaths(died)
                    left = ledger.left()
                    bar.update(len(ledger.slots) - len(left) - bar.n)
                    if not left:
                        return
                    if queued is None:
                        self._wait(left, bar)
                    else:
                        # A seed of its own for every place, or all workers would draw the same points.
                        self._study.sampler = self._sampler(queued.seed + queued.index)
                        bar.set_postfix_str("")
                        self._train_one()
                    patience = Patience()
                except LOST as error:
                    if error is self._error or not patience.once_more("The storage of the sweep has failed"):
                        raise

    def _train_one(self) -> None:
        """Train what Optuna hands out, if this worker wants it, and see that its result is kept."""
        self._error = None
        try:
            self._study.optimize(self._objective, n_trials=1, catch=(_Ended,))
        except (UpdateFinishedTrialError, ValueError, *LOST) as error:
            if self._result is not None:
                self._write_late(*self._result)
            elif self._error is None and isinstance(error, LOST):
                raise
        if self._error is not None:
            raise self._error

    def _objective(self, trial: optuna.Trial) -> float:
        ledger, key = self._ledger, trial.user_attrs.get("slot")
        if (
            trial.number != ledger.known
        ):  # not the next after those we know: another worker may have queued the same slot
            self._say_deaths(ledger.refresh())
        if not isinstance(key, str) or key not in ledger.slots or not ledger.is_wanted(key, trial.number):
            trial.set_user_attr(ENDED, "not wanted")  # of a larger grid, or queued by two machines at once
            raise _Ended
        slot = ledger.slots[key]
        try:
            point = slot.point or self._choose(trial)
            for name, value in point.items():  # all as floats: for Optuna an axis is of one kind, as 0 and 0.5 are not
                if slot.point and is_finite(value):
                    trial.suggest_float(name, value, value)
            trial.set_user_attr("host", socket.gethostname())
            with quiet():
                outcome = run_trial(
                    self._build, point, seed=slot.seed, metric=self._metric, report=partial(self._report, trial)
                )
        except BaseException as error:
            self._fail(trial, label({**(slot.point or trial.params), "seed": slot.seed}), error)
            raise _Ended from None
        facts = {"epochs": outcome.epochs, "seconds": round(outcome.seconds, 3), "run": outcome.run}
        self._result = Result(trial, key, point, facts, outcome)
        trial.set_user_attr("result", facts)
        if outcome.pruned:
            raise optuna.TrialPruned
        return self._value(outcome)

    def _value(self, outcome: Outcome) -> float:
        """What Optuna is told: infinite where the training diverged, for it takes NaN for a failure."""
        worst = math.inf if self._study.direction == optuna.study.StudyDirection.MINIMIZE else -math.inf
        return worst if outcome.diverged else outcome.value

    def _choose(self, trial: optuna.Trial) -> dict[str, Any]:
        return {
            name: trial.suggest_float(name, min(values), max(values), log=True)
            if is_lr(name) and len(values) > 1
            else trial.suggest_categorical(name, values)
            for name, values in self._ledger.axes.items()
        }

    def _report(self, trial: optuna.Trial, step: int, value: float) -> bool:
        if isinstance(self._study.pruner, optuna.pruners.NopPruner):
            return False
        with suppress(*LOST, UpdateFinishedTrialError):  # a training is worth more than a report
            trial.report(value, step)
            return bool(trial.should_prune())
        return False

    def _fail(self, trial: optuna.Trial, name: str, error: BaseException) -> None:
        """Write down and say that a trial has no result; all errors but a want of memory end the sweep."""
        why = f"{type(error).__name__}: {error}"[:500]
        if is_out_of_memory(error):
            clear_frames(error.__traceback__)  # with the tensors in them
            gc.collect()
            torch.cuda.empty_cache()
            why = OUT_OF_MEMORY
        else:
            self._error = error
            how = "failed" if isinstance(error, Exception) else "stopped"
            say(f"{name}: {how}. Finished trainings are kept; the same call or command again continues the sweep.")
        with suppress(*LOST, UpdateFinishedTrialError):
            trial.set_user_attr(ENDED, why)

    def _write_late(self, trial: optuna.Trial, key: str, _point: Any, facts: dict[str, Any], outcome: Outcome) -> None:
        """Write a result that Optuna could not write: the storage had failed, or another worker took us for dead."""
        state, patience = TrialState.PRUNED if outcome.pruned else TrialState.COMPLETE, Patience()
        value = None if outcome.pruned else self._value(outcome)
        while True:
            try:
                self._ledger.refresh()
                if key in self._ledger.finished:
                    return
                try:
                    trial.set_user_attr("result", facts)
                    self._study.tell(trial, value, state)
                except (UpdateFinishedTrialError, ValueError):
                    kept = {"slot": key, "result": facts}
                    self._study.add_trial(
                        optuna.create_trial(
                            state=state,
                            value=value,
                            user_attrs=kept,
                            params=trial.params,
                            distributions=trial.distributions,
                        )
                    )
                return
            except LOST:
                if not patience.once_more("The storage of the sweep has failed"):
                    raise

    def _say_result(self) -> None:
        """Say what came of the last trial, now that it is known to count or not."""
        if self._result is None:
            return
        _, key, point, facts, outcome = self._result
        self._result = None
        counted = self._ledger.finished.get(key)
        counts = counted is not None and counted.user_attrs.get("result") == facts
        tried = {**point, "seed": self._ledger.slots[key].seed}
        if counts:
            log_hparams(
                outcome.trainer, tried, {f"sweep/{self._metric}": outcome.value, "sweep/seconds": outcome.seconds}
            )
        say(f"{label(tried)}: {_said(outcome, self._metric) if counts else TAKEN_OVER}")
        others = self._ledger.spared_by(key) if counts and outcome.pruned else []
        if others:
            seeds = ("seed " if len(others) == 1 else "seeds ") + ", ".join(map(str, others))
            say(f"{label(point)}: not trained under {seeds}, for its mean can no longer win")

    def _say_deaths(self, died: list[tuple[str, str]]) -> None:
        for key, what in died:
            times, most = self._ledger.deaths[key], self._ledger.max_deaths
            often = "once" if times == 1 else f"{times} times"
            then = f"tried again after the others, up to {most} times" if times < most else "it is given up"
            say(f"{self._ledger.name(key)}: {what} {often}; {then}")

    def _wait(self, left: list[str], bar: Any) -> None:
        """Wait for the other workers, and have the trials of dead ones fail, which are then queued again."""
        running = [self._ledger.open[key] for key in left if key in self._ledger.open]
        hosts = sorted({_printable(trial.user_attrs.get("host")) for trial in running})
        waiting = f"{len(running)} training{'' if len(running) == 1 else 's'} on {', '.join(hosts)}"
        bar.set_postfix_str(f"waiting for {waiting}")
        if waiting != self._waited_for:
            self._waited_for = waiting
            say(f"Waiting for {waiting}; repeated {GRACE_SECONDS} s after the last sign of life of a dead worker.")
        fail_stale(self._study)
        for trial in running:  # killed before its first heartbeat, which Optuna does not see
            seen = self._first_seen.setdefault(trial.number, time.monotonic())
            if "host" not in trial.user_attrs and time.monotonic() - seen > GRACE_SECONDS:
                fail(self._study, trial.number)
        time.sleep(WAIT_SECONDS)


class Result(NamedTuple):
    """What a worker holds until it is written down: trial, slot key, point, facts, outcome."""

    trial: optuna.Trial
    key: str
    point: dict[str, Any]
    facts: dict[str, Any]
    outcome: Outcome


def fail_stale(study: optuna.Study) -> None:
    """Let the trials fail whose workers give no sign of life."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)


def fail(study: optuna.Study, number: int) -> None:
    """Let a running trial fail as one whose worker has died, unless it has ended in the meantime."""
    with suppress(UpdateFinishedTrialError, ValueError):
        study.tell(number, state=TrialState.FAIL)


def _printable(host: Any) -> str:
    """A name from the storage, as it may be printed."""
    return "".join(filter(str.isprintable, str(host or "an unknown machine")))[:64]


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what Lightning says at the start and the end of every fit; warnings stay."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _said(outcome: Outcome, metric: str) -> str:
    value = f"diverged ({outcome.reason})" if outcome.reason else f"{metric} {outcome.value:.4g}"
    if outcome.diverged and not outcome.reason:
        value = "diverged"
    pruned, s = " (pruned)" if outcome.pruned else "", "" if outcome.epochs == 1 else "s"
    return f"{value}{pruned}, {outcome.epochs} epoch{s}, {outcome.seconds:.1f} s"
