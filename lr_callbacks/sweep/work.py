"""What a worker does: take what waits, train it, write down what came of it, and say so."""

from __future__ import annotations

import gc
import logging
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import clear_frames
from typing import Any

import optuna
import torch
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState
from tqdm import tqdm

from lr_callbacks.sweep.alive import PATIENCE_SECONDS, Pulse
from lr_callbacks.sweep.axes import is_lr, label
from lr_callbacks.sweep.engines import make_sampler
from lr_callbacks.sweep.queue import OUT_OF_MEMORY, Claim, Slot, TrialQueue
from lr_callbacks.sweep.trial import Build, Outcome, is_out_of_memory, log_hparams, run_trial

WAIT_SECONDS = 0.5
SAY_AFTER_SECONDS = 2 * PATIENCE_SECONDS
TAKEN_OVER = "another worker has taken this trial over; our result is dropped"


def work(queue: TrialQueue, build: Build, axes: dict[str, list[Any]], metric: str, sampler: str) -> None:
    """Run what waits; at the end wait for the other workers, and repeat what they leave behind."""
    idle = 0.0
    with tqdm(total=len(queue.slots), desc="sweep", unit="trial", disable=None) as bar:
        while True:
            bury(queue)
            queue.fill()
            claim = queue.claim()
            if claim is not None:
                bar.set_postfix_str("")  # we have waited enough
                # A seed of its own for every place, or all workers would draw the same points, and a restarted one too.
                queue.study.sampler = make_sampler(sampler, claim.slot.seed + claim.slot.index)
                _run(queue, claim, build, axes, metric)
            trials = queue.trials()
            done = sum(trial.state.is_finished() for trial in trials.values()) + len(queue.left_out())
            bar.update(done - bar.n)
            if done == len(queue.slots):
                return
            if claim is None:
                running = [trial for trial in trials.values() if trial.state == TrialState.RUNNING]
                hosts = ", ".join(sorted({str(trial.user_attrs.get("host")) for trial in running}))
                bar.set_postfix_str(f"waiting for {len(running)} on {hosts}")
                if idle < SAY_AFTER_SECONDS <= idle + WAIT_SECONDS:
                    say(f"waiting for what runs on {hosts}; if that machine is dead, start again with take-over")
                idle += WAIT_SECONDS
                time.sleep(WAIT_SECONDS)


def bury(queue: TrialQueue, take_over: bool = False) -> None:
    """Mark the dead, and say which points they were at."""
    for trial in queue.bury(take_over):
        slot = queue.slots.get(trial.user_attrs.get("slot", ""))
        if slot is not None:
            point = trial.user_attrs.get("point", slot.point) or {}
            _say_death(queue, slot, point, "the process was killed here")


def _say_death(queue: TrialQueue, slot: Slot, point: dict[str, Any], what: str) -> None:
    times = queue.deaths()[slot.key]
    often = "once" if times == 1 else f"{times} times"
    left = f"tried again after the others, up to {queue.max_deaths} times"
    then = left if times < queue.max_deaths else "it is given up"
    say(f"{label({**point, 'seed': slot.seed})}: {what} {often}; {then}")


def _run(queue: TrialQueue, claim: Claim, build: Build, axes: dict[str, list[Any]], metric: str) -> None:
    trial, point = claim.trial, claim.slot.point or {}
    try:
        with Pulse(claim.lock.path), quiet():
            point = _point(trial, claim.slot, axes)

            def report(step: int, value: float) -> bool:
                trial.report(value, step)
                return bool(trial.should_prune())

            outcome, trainer = run_trial(build, point, claim.slot.seed, metric, report)
    except BaseException as error:
        said = label({**point, "seed": claim.slot.seed})
        if is_out_of_memory(error):
            clear_frames(error.__traceback__)  # with the tensors in them
            gc.collect()
            torch.cuda.empty_cache()
            queue.finish(claim, TrialState.FAIL, error=OUT_OF_MEMORY)
            _say_death(queue, claim.slot, point, "out of memory")
            return
        if not queue.finish(claim, TrialState.FAIL, error=f"{type(error).__name__}: {error}"):
            if isinstance(error, UpdateFinishedTrialError):  # by the report: it is no longer ours
                say(f"{said}: {TAKEN_OVER}")
                return
        elif isinstance(error, Exception):
            say(f"{said}: stopped by an error, and the sweep with it; started again, it goes on")
        else:
            say(f"{said}: stopped; started again, the sweep goes on")
        raise
    worst = math.inf if trial.study.direction == optuna.study.StudyDirection.MINIMIZE else -math.inf
    counts = queue.finish(
        claim,
        TrialState.PRUNED if outcome.pruned else TrialState.COMPLETE,
        worst if outcome.diverged else outcome.value,
        epochs=outcome.epochs,
        seconds=round(outcome.seconds, 3),
        run=outcome.run,
    )
    tried = {**point, "seed": claim.slot.seed}
    if counts:
        log_hparams(trainer, tried, {f"sweep/{metric}": outcome.value, "sweep/seconds": outcome.seconds})
    say(f"{label(tried)}: {_said(outcome, metric) if counts else TAKEN_OVER}")
    hopeless = queue.hopeless() if counts and outcome.pruned else set()
    others = [slot.seed for key, slot in queue.slots.items() if key in hopeless and slot.point == point]
    if others:
        seeds = ("seed " if len(others) == 1 else "seeds ") + ", ".join(map(str, others))
        say(f"{label(point)}: not trained under {seeds}, for its mean can no longer win")


def say(line: str) -> None:
    """Print a line above the progress bar."""
    tqdm.write(line, file=sys.stdout)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep to ourselves what Lightning says at the start and the end of every fit; warnings stay."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _point(trial: optuna.Trial, slot: Slot, axes: dict[str, list[Any]]) -> dict[str, Any]:
    """The values of this trial, told to Optuna too, so that its own tools show them."""
    if slot.point is None:
        chosen = {name: _choose(trial, name, values) for name, values in axes.items()}
    else:
        chosen = slot.point
        for name, value in chosen.items():  # all as floats: for Optuna an axis is of one kind, as 0 and 0.5 are not
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
                trial.suggest_float(name, value, value)
    trial.set_user_attr("point", chosen)
    return chosen


def _choose(trial: optuna.Trial, name: str, values: list[Any]) -> Any:
    if is_lr(name) and len(values) > 1:
        return trial.suggest_float(name, min(values), max(values), log=True)
    return trial.suggest_categorical(name, values)


def _said(outcome: Outcome, metric: str) -> str:
    value = f"diverged ({outcome.reason})" if outcome.reason else f"{metric} {outcome.value:.4g}"
    if outcome.diverged and not outcome.reason:
        value = "diverged"
    pruned, s = " (pruned)" if outcome.pruned else "", "" if outcome.epochs == 1 else "s"
    return f"{value}{pruned}, {outcome.epochs} epoch{s}, {outcome.seconds:.1f} s"
