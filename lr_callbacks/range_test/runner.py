"""One range test from beginning to end: sweep, judge, extend the range once, run trials, restore."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from torch.optim import Optimizer

from lr_callbacks.core.durations import Duration
from lr_callbacks.core.lightning_names import LightningModule, Trainer
from lr_callbacks.range_test.apply import ratios_of
from lr_callbacks.range_test.failures import named
from lr_callbacks.range_test.isolation import Isolation, isolated
from lr_callbacks.range_test.probe import LossReader
from lr_callbacks.range_test.progress import progress_bar
from lr_callbacks.range_test.ramp import Ramp, Recording
from lr_callbacks.range_test.result import RangeTestResult
from lr_callbacks.range_test.run_length import announce, steps_of_fit, trial_length
from lr_callbacks.range_test.settings import Judged, Mode, Settings
from lr_callbacks.range_test.settle import Settled, Trial, next_lr, settle
from lr_callbacks.range_test.state_snapshot import StateSnapshot
from lr_callbacks.range_test.trials import TimeIsUpError, Trials, factors_of
from lr_callbacks.range_test.verdict import Verdict, suggest, text_of_trials
from lr_callbacks.range_test.words import counted

WIDEN = 100.0
"""Factor by which an end of the range is extended if the range turned out too narrow."""


def run_range_test(
    settings: Settings,
    trainer: Trainer,
    module: LightningModule,
    optimizer: Optimizer,
    *,
    ratios: Mapping[int, float] | None = None,
    schedules: Sequence[Any] = (),
    known: StateSnapshot | None = None,
) -> RangeTestResult:
    """Run a test; afterwards trainer and module are as before.

    Args:
        settings: The arguments.
        trainer: A trainer in ``on_fit_start`` or at the start of an epoch.
        module: Its module.
        optimizer: The optimizer to sweep.
        ratios: Ratio of the LR of each group to be swept, by its number, to the largest of them; None for all groups.
        schedules: Callbacks; trials go through the schedule of those that anneal the LR.
        known: A snapshot whose copies of the weights are shared.
    """
    return _RangeTest(settings, trainer, module, optimizer, ratios, schedules, known).run()


class _RangeTest:
    """The parts of a test, and what they share."""

    def __init__(
        self,
        settings: Settings,
        trainer: Trainer,
        module: LightningModule,
        optimizer: Optimizer,
        ratios: Mapping[int, float] | None,
        schedules: Sequence[Any],
        known: StateSnapshot | None,
    ) -> None:
        self.settings, self.trainer, self.module, self.optimizer = settings, trainer, module, optimizer
        self.ratios = ratios_of(optimizer) if ratios is None else ratios
        self.schedules, self.known, self.bar = schedules, known, trainer.progress_bar_callback
        judge: Judged = settings.judge
        self.judge: Judged = "training" if judge == "probe" and not module.automatic_optimization else judge
        self.reader = LossReader(settings.monitor)
        self.notes: list[str] = []

    def run(self) -> RangeTestResult:
        """The sweep, a second one where its range was too narrow, and the trials."""
        low, high, num_steps, mode = (
            getattr(self.settings, name) for name in ("min_lr", "max_lr", "num_steps", "mode")
        )
        recording, verdict = self.sweep(sweep_lrs(low, high, num_steps, mode))
        if self.settings.widen and verdict.suggestion is None and verdict.widen is not None:
            low, high, num_steps = widened(low, high, num_steps, mode, verdict.widen)
            self.notes.append(f"The range was extended once, to {low:.1e} ... {high:.1e} ({verdict.reason} before).")
            recording, verdict = self.sweep(sweep_lrs(low, high, num_steps, mode))
        self.notes += notes_on(recording)
        result = RangeTestResult(
            recording.lrs,
            recording.losses,
            recording.training_losses,
            verdict.suggestion,
            verdict.suggestions,
            verdict.text,
            verdict.rule,
            self.judge,
            self.notes,
            interval=verdict.interval,
        )
        if self.settings.trials and verdict.suggestion is not None:
            result = self.try_out(result, verdict.suggestion, recording.batches)
        elif self.settings.trials:
            self.notes.append("No trials were made, because the sweep has no suggestion to start them from.")
        return RangeTestResult.from_dict(self.trainer.strategy.broadcast(result.to_dict()))

    def isolated(self) -> Isolation:
        """A place where nothing that happens leaves a trace."""
        return isolated(self.trainer, self.module, log=self.reader.log, offload=self.settings.offload, known=self.known)

    # ------------------------------------------------------------------ the sweep
    def sweep(self, lrs: list[float]) -> tuple[Recording, Verdict]:
        """Train through the LRs, and read the curve."""
        with progress_bar(self.bar, len(lrs)) as tell, self.isolated() as inside:

            def ramp() -> Ramp:
                return Ramp(
                    self.trainer,
                    self.module,
                    self.optimizer,
                    ratios=self.ratios,
                    judge=self.judge,
                    probe_samples=self.settings.probe_samples,
                    reader=self.reader,
                    tell=tell,
                    check=inside.check,
                )

            recording = ramp().run(lrs)
            if recording.failure is not None:  # the same steps at the lowest LR: what fails there is not the LR's
                inside.begin_again()
                ramp().run([lrs[0]] * (len(recording.lrs) + (self.judge == "training")), only_tries=True)
        training = None if self.judge == "training" else recording.training_losses
        return recording, suggest(recording.lrs, recording.losses, training, self.settings.rule)

    # ------------------------------------------------------------------ the trials
    def try_out(self, result: RangeTestResult, sweep_lr: float, batches: int | None) -> RangeTestResult:
        """Train for a short while at LRs around the sweep's, and settle on one."""
        settings, trainer = self.settings, self.trainer
        total, per_epoch = steps_of_fit(trainer, batches)
        steps, share = trial_length(settings.trial_steps, total, per_epoch)
        announce(settings.trials, steps, total)
        number = trainer.optimizers.index(self.optimizer)
        factors = factors_of(self.schedules, number, steps)
        made, untrained = self.make_trials(sweep_lr, factors)
        found = settle(sweep_lr, made, untrained, share) if made else None
        if found is None:
            why = "No trial reduced the loss" if made else "No trial finished within trial_limit"
            self.notes.append(f"{why}; the suggestion is that of the sweep.")
            return replace(result, trials=made)
        if not settings.widen:
            found = _within(found, settings.min_lr, settings.max_lr)
        text = text_of_trials(found, sweep_lr, made, steps)
        return replace(
            result,
            suggestion=found.lr,
            verdict=text,
            interval=found.interval,
            confidence=found.confidence,
            trials=made,
        )

    def make_trials(self, sweep_lr: float, factors: Sequence[float]) -> tuple[list[Trial], list[float | None]]:
        """The trials, and the losses before any training."""
        made: list[Trial] = []
        most, limit = self.settings.trials, self.settings.trial_limit
        within = (0.0, math.inf) if self.settings.widen else (self.settings.min_lr, self.settings.max_lr)
        ends_at = math.inf if limit is None else time.monotonic() + Duration.parse(limit, name="trial_limit").value

        with self.isolated() as inside:

            def is_over() -> bool:
                inside.check()
                over = time.monotonic() > ends_at
                return bool(self.trainer.strategy.reduce_boolean_decision(over, all=False)) if limit else False

            trials = Trials(
                self.trainer,
                self.module,
                self.optimizer,
                ratios=self.ratios,
                reader=self.reader,
                probe_samples=self.settings.probe_samples,
                factors=factors,
                is_over=is_over,
            )
            while (lr := next_lr(sweep_lr, made, trials.untrained, most, within)) is not None:
                best = min((trial for trial in made if not trial.diverged), key=lambda t: t.loss, default=None)
                title = f"Trial {len(made) + 1} of up to {most} (LR {lr:.1e}"
                title += ")" if best is None else f", best so far {best.lr:.1e})"
                try:
                    with progress_bar(self.bar, len(factors), title) as tell:
                        made.append(trials.run(lr, tell))
                except TimeIsUpError:
                    self.notes.append(f"trial_limit ({limit}) was reached after {counted(len(made), 'trial')}.")
                    break
                inside.begin_again()
            if made and len(trials.errors) == len(made):
                raise trials.errors[-1]  # at all LRs alike: it is not the LR
        return made, trials.untrained


def notes_on(recording: Recording) -> list[str]:
    """What a reader should know of how the curve came about."""
    notes = []
    if recording.failure is not None:
        notes.append(
            f"The sweep ended at LR {recording.lrs[-1]:.1e}, where a step raised {named(recording.failure)}. The same"
            " steps raise nothing at the lowest LR."
        )
    if recording.batches_per_epoch == 1:
        notes.append(
            "The training data are one batch, so the suggestion is for full-batch training; with new samples in each"
            " step a lower LR may be needed."
        )
    elif recording.epochs > 1:
        notes.append(
            f"{counted(len(recording.lrs), 'step')} took {_passes(recording)} passes over the training data"
            f" ({counted(recording.batches_per_epoch or 0, 'batch', 'batches')})."
        )
    return notes


def _passes(recording: Recording) -> str:
    return f"{recording.batches_seen / (recording.batches_per_epoch or 1):.1f}"


def _within(found: Settled, low: float, high: float) -> Settled:
    """What was settled on, within a range that must not be left."""
    ends = (min(max(found.interval[0], low), high), min(max(found.interval[1], low), high))
    return replace(found, lr=min(max(found.lr, low), high), interval=ends)


def sweep_lrs(min_lr: float, max_lr: float, num_steps: int, mode: Mode) -> list[float]:
    """The LRs of a sweep, both ends included.

    Example:
        >>> sweep_lrs(0.01, 1.0, 3, "exponential"), sweep_lrs(0.0, 1.0, 3, "linear")
        ([0.01, 0.1, 1.0], [0.0, 0.5, 1.0])
    """
    last = num_steps - 1
    if mode == "linear":
        lrs = [min_lr + (max_lr - min_lr) * step / last for step in range(num_steps)]
    else:
        lrs = [min_lr * (max_lr / min_lr) ** (step / last) for step in range(num_steps)]
    return [*lrs[:-1], max_lr]


def widened(
    min_lr: float, max_lr: float, num_steps: int, mode: Mode, end: Literal["up", "down"]
) -> tuple[float, float, int]:
    """The range with one end 100 times further out, with as many steps to a decade as before.

    Example:
        >>> widened(1e-4, 1.0, 101, "exponential", "up")
        (0.0001, 100.0, 151)
    """
    low, high = (min_lr, max_lr * WIDEN) if end == "up" else (min_lr / WIDEN, max_lr)
    if mode == "exponential":
        num_steps = 1 + round((num_steps - 1) * math.log(high / low) / math.log(max_lr / min_lr))
    return low, high, num_steps
