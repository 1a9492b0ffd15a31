"""One range test from beginning to end: sweep, judge, widen once, restore."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from lightning.pytorch import LightningModule, Trainer
from torch.optim import Optimizer

from lr_callbacks.range_test.judge import Judged, LossReader
from lr_callbacks.range_test.progress import progress_bar
from lr_callbacks.range_test.result import RangeTestResult
from lr_callbacks.range_test.snapshot import untouched
from lr_callbacks.range_test.suggest import Verdict, suggest
from lr_callbacks.range_test.sweep import Recording, Sweep

if TYPE_CHECKING:
    from lr_callbacks.range_test.callback import LRRangeTest

Mode = Literal["exponential", "linear"]
WIDEN = 100.0
"""How much further out the end of the range is moved that turned out too narrow."""
ONE_BATCH = (
    "No suggestion: the loader has one batch, so every step saw the same samples, and the curve says how fast they are"
    " learnt by heart. Give the loader at least two batches (a smaller batch size, no overfit_batches)."
)


def run_range_test(
    test: LRRangeTest, trainer: Trainer, module: LightningModule, optimizer: Optimizer
) -> RangeTestResult:
    """Run the test that `test` describes; afterwards trainer and module are as before.

    Args:
        test: The arguments.
        trainer: A trainer in ``on_fit_start``.
        module: Its module.
        optimizer: The optimizer to sweep.
    """
    judge: Judged = test.judge
    if judge == "probe" and not module.automatic_optimization:
        judge = "training"
    reader = LossReader(test.monitor)
    notes: list[str] = []

    def sweep(lrs: list[float]) -> tuple[Recording, Verdict]:
        with progress_bar(trainer, len(lrs)) as tell, untouched(trainer, module, log=reader.log, on_cpu=test.offload):
            recording = Sweep(
                trainer, module, optimizer, judge=judge, probe_samples=test.probe_samples, reader=reader, tell=tell
            ).run(lrs)
        beside = None if judge == "training" else recording.training_losses
        return recording, suggest(recording.lrs, recording.losses, beside, test.rule)

    recording, verdict = sweep(sweep_lrs(test.min_lr, test.max_lr, test.num_steps, test.mode))
    if verdict.suggestion is None and verdict.widen is not None:
        low, high, num_steps = widened(test.min_lr, test.max_lr, test.num_steps, test.mode, verdict.widen)
        notes.append(f"The range was widened once, to {low:.1e} … {high:.1e}: {verdict.reason} in the range asked.")
        recording, verdict = sweep(sweep_lrs(low, high, num_steps, test.mode))
    suggestion, text = verdict.suggestion, verdict.text
    if recording.batches_per_epoch == 1:
        suggestion, text = None, ONE_BATCH
    elif recording.epochs > 1:
        notes.append(
            f"The loader's {recording.batches_per_epoch} batches were too few for {len(recording.lrs)} steps; the test"
            f" went on into epoch {recording.epochs}."
        )
    result = RangeTestResult(
        recording.lrs,
        recording.losses,
        recording.training_losses,
        suggestion,
        verdict.suggestions,
        text,
        verdict.rule,
        judge,
        notes,
    )
    return RangeTestResult.from_dict(trainer.strategy.broadcast(result.to_dict()))


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
