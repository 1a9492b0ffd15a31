"""One range test from beginning to end: sweep, judge, widen once, restore."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from lightning.pytorch import LightningModule, Trainer
from torch.optim import Optimizer

from lr_callbacks.range_test.failures import named
from lr_callbacks.range_test.isolation import isolated
from lr_callbacks.range_test.probe import LossReader
from lr_callbacks.range_test.progress import progress_bar
from lr_callbacks.range_test.ramp import Ramp, Recording
from lr_callbacks.range_test.result import RangeTestResult
from lr_callbacks.range_test.settings import Judged, Mode, Settings
from lr_callbacks.range_test.state_snapshot import StateSnapshot
from lr_callbacks.range_test.verdict import Verdict, suggest

WIDEN = 100.0
"""How much further out the end of the range is moved that turned out too narrow."""


def run_range_test(
    settings: Settings,
    trainer: Trainer,
    module: LightningModule,
    optimizer: Optimizer,
    known: StateSnapshot | None = None,
) -> RangeTestResult:
    """Run a test; afterwards trainer and module are as before.

    Args:
        settings: The arguments.
        trainer: A trainer in ``on_fit_start``.
        module: Its module.
        optimizer: The optimizer to sweep.
        known: A snapshot whose copies of the weights are shared.
    """
    judge: Judged = settings.judge
    if judge == "probe" and not module.automatic_optimization:
        judge = "training"
    reader = LossReader(settings.monitor)
    notes: list[str] = []

    def sweep(lrs: list[float]) -> tuple[Recording, Verdict]:
        def ramp(tell: Callable[[int], None]) -> Ramp:
            samples = settings.probe_samples
            return Ramp(trainer, module, optimizer, judge=judge, probe_samples=samples, reader=reader, tell=tell)

        with (
            progress_bar(trainer, len(lrs)) as tell,
            isolated(trainer, module, log=reader.log, offload=settings.offload, known=known) as begin_again,
        ):
            recording = ramp(tell).run(lrs)
            if recording.failure is not None:
                begin_again()  # the same steps at the lowest LR: what fails there as well does not come from the LR
                ramp(tell).run([lrs[0]] * (len(recording.lrs) + (judge == "training")), only_tries=True)
        beside = None if judge == "training" else recording.training_losses
        return recording, suggest(recording.lrs, recording.losses, beside, settings.rule)

    low, high, num_steps = settings.min_lr, settings.max_lr, settings.num_steps
    recording, verdict = sweep(sweep_lrs(low, high, num_steps, settings.mode))
    if settings.widen and verdict.suggestion is None and verdict.widen is not None:
        low, high, num_steps = widened(low, high, num_steps, settings.mode, verdict.widen)
        notes.append(f"The range was widened once, to {low:.1e} … {high:.1e}: {verdict.reason} in the range asked.")
        recording, verdict = sweep(sweep_lrs(low, high, num_steps, settings.mode))
    notes += _notes(recording)
    result = RangeTestResult(
        recording.lrs,
        recording.losses,
        recording.training_losses,
        verdict.suggestion,
        verdict.suggestions,
        verdict.text,
        verdict.rule,
        judge,
        notes,
    )
    return RangeTestResult.from_dict(trainer.strategy.broadcast(result.to_dict()))


def _notes(recording: Recording) -> list[str]:
    """What a reader should know of how the curve came about."""
    notes = []
    if recording.failure is not None:
        notes.append(
            f"At LR {recording.lrs[-1]:.1e} a step raised {named(recording.failure)}. At the lowest LR the same steps"
            " raise nothing, so the LR is too high there, and the sweep ended."
        )
    if recording.batches_per_epoch == 1:
        notes.append(
            "The loader has one batch, so every step saw the same samples: that is full-batch training, and the"
            " suggestion is meant for it. With fresh samples in each step a smaller LR may be needed."
        )
    elif recording.epochs > 1:
        notes.append(
            f"The loader's {recording.batches_per_epoch} batches were too few for {len(recording.lrs)} steps; the test"
            f" went on into epoch {recording.epochs}."
        )
    return notes


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
