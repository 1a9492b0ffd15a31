"""`lr_range_test`: the range test as one call, without a fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from lr_callbacks.core.arguments import require_bool
from lr_callbacks.core.lightning_names import (
    LightningDataModule,
    LightningModule,
    MisconfigurationException,
    ModelParallelStrategy,
    ProgressBar,
    Trainer,
    is_a,
)
from lr_callbacks.range_test.callback import LRRangeTest
from lr_callbacks.range_test.isolation import raise_if_any
from lr_callbacks.range_test.random_state import remember_random_state
from lr_callbacks.range_test.result import RangeTestResult
from lr_callbacks.range_test.state_snapshot import StateSnapshot
from lr_callbacks.range_test.tensor_copies import LARGEST_IN_DATA


def lr_range_test(
    trainer: Trainer,
    module: LightningModule,
    datamodule: LightningDataModule | None = None,
    *,
    train_dataloaders: Any = None,
    val_dataloaders: Any = None,
    test: LRRangeTest | None = None,
    ckpt_path: str | Path | None = None,
    verbose: bool = True,
) -> RangeTestResult:
    """Run a range test without training: afterwards trainer and module are as before.

    The trainer's strategy, precision, accumulation and limits apply; its callbacks (except the progress bar) and its
    loggers do not. Trials run the schedule of its callbacks. Between two fits, the module is tested with its present
    weights; from a checkpoint, with the weights and the optimizer state (momentum) that were saved.

    Args:
        trainer: A trainer that is not running.
        module: The module to test.
        datamodule: Its data, if the module does not bring them.
        train_dataloaders: Training data, instead of `datamodule`.
        val_dataloaders: Validation data, for ``LRRangeTest(judge="validation")`` and for trials.
        test: The arguments of the test; None for the defaults. It is not modified.
        ckpt_path: A Lightning checkpoint to test from, of any step; None for the module as it is.
        verbose: Whether to log the verdict.

    Returns:
        The curve, the LR of each rule, and the verdict.

    Raises:
        TypeError: If an argument has a wrong type.
        MisconfigurationException: As `LRRangeTest` does, if the trainer skips the test (``fast_dev_run``), or under
            ``ModelParallelStrategy``.

    Example:
        >>> from lr_callbacks.demo import DigitsClassifier, DigitsDataModule
        >>> options = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False}
        >>> trainer = Trainer(max_epochs=1, enable_checkpointing=False, **options)
        >>> result = lr_range_test(trainer, DigitsClassifier(), DigitsDataModule(), verbose=False)
        >>> 0.001 < result.suggestion < 0.1
        True
    """
    for name, value, cls in (("trainer", trainer, Trainer), ("module", module, LightningModule)):
        if not is_a(value, cls):
            raise TypeError(
                f"{name} must be a {cls.__name__} of lightning.pytorch or pytorch_lightning, got {_short(value)}; call"
                " lr_range_test(trainer, module, ...)"
            )
    if test is not None and not isinstance(test, LRRangeTest):
        raise TypeError(f"test must be an LRRangeTest with the arguments of the test, or None, got {test!r}")
    if is_a(trainer.strategy, ModelParallelStrategy):
        raise MisconfigurationException(
            "lr_range_test cannot undo what ModelParallelStrategy does to a module. Add LRRangeTest(apply=False) to the"
            " callbacks of the fit, or call lr_range_test with a Trainer on one device."
        )
    require_bool("verbose", verbose)
    test = test or LRRangeTest()
    options = {**test.arguments(), "apply": False, "milestones": None}
    finder = _OnlyTest(**options)
    finder.verbose = verbose
    finder.schedules = list(trainer.callbacks)  # type: ignore[attr-defined]
    data = {} if datamodule is None else {"datamodule": datamodule}
    snapshot = StateSnapshot({"module": module, **dict(module.named_parameters())}, leave=[trainer, *data.values()])
    finder.known = snapshot
    others = StateSnapshot(
        {**data, "fit_loop": trainer.fit_loop, "state": trainer.state},
        leave=[trainer, *snapshot.seen.values()],
        largest=LARGEST_IN_DATA,
    )
    snapshot.keep_attributes(trainer)
    snapshot.keep_attributes(trainer.strategy)
    if trainer.strategy.launcher is not None:
        snapshot.keep_attributes(trainer.strategy.launcher)  # one that spawns rejects a second fit
    restore_random_state = remember_random_state()
    try:
        bars = [callback for callback in trainer.callbacks if is_a(callback, ProgressBar)]  # type: ignore[attr-defined]
        trainer.callbacks = [*bars, finder]  # type: ignore[attr-defined]
        trainer.loggers = []
        if ckpt_path is not None:
            checkpoint = torch.load(ckpt_path, map_location="cpu", weights_only=True)
            module.load_state_dict(checkpoint["state_dict"])
            finder.optimizer_states = checkpoint.get("optimizer_states", [])
        trainer.fit(module, train_dataloaders=train_dataloaders, val_dataloaders=val_dataloaders, datamodule=datamodule)
    finally:
        failed = snapshot.restore() + others.restore()
        restore_random_state()
    raise_if_any(failed)
    if finder.result is None:
        raise MisconfigurationException(
            "lr_range_test: the trainer skipped the test. Use a Trainer without fast_dev_run and without a checkpoint"
            " to resume from."
        )
    return finder.result


def _short(value: object) -> str:
    """A value in a message: a module's own repr has a line for each of its parts."""
    return f"a {type(value).__name__}" if isinstance(value, torch.nn.Module) else repr(value)


class _OnlyTest(LRRangeTest):
    """The test, and then the end of the fit: no batch is left to train on."""

    @property
    def sets_lr(self) -> bool:
        """No training follows, whose LRs would have to stay as they are: layer-wise scales are part of the sweep."""
        return True

    optimizer_states: Sequence[dict[str, Any]] = ()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for optimizer, state in zip(trainer.optimizers, self.optimizer_states, strict=False):
            configured = [dict(group) for group in optimizer.param_groups]
            optimizer.load_state_dict(state)  # type: ignore[arg-type,unused-ignore]
            for group, entries in zip(optimizer.param_groups, configured, strict=True):
                group.update(entries)  # those that were saved are in the middle of a schedule
        super().on_fit_start(trainer, pl_module)
        trainer.limit_train_batches = trainer.limit_val_batches = 0
