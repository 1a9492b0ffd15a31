"""One trial: a training at one point of the grid under one seed, watched through a Lightning hook."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from traceback import walk_tb
from typing import Any
from weakref import WeakSet

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import LearningRateFinder
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.trainer.states import TrainerStatus
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor
from typing_extensions import override

from lr_callbacks.core.lightning_internals import enter_no_hparams, finder_sets_lr, logged_so_far
from lr_callbacks.range_test.callback import LRRangeTest

Build = Callable[[dict[str, Any]], tuple[Any, ...]]
"""A point -> (trainer, module, and what else `trainer.fit` takes: a datamodule, or loaders)."""

Report = Callable[[int, float], bool]
"""(number of the evaluation, metric) -> whether to stop this trial because it is hopeless."""


@dataclass(frozen=True)
class Outcome:
    """What came of a trial.

    Args:
        value: The metric at the end of the training; NaN if it diverged.
        pruned: Whether it was stopped early as hopeless.
        epochs: Epochs that were trained.
        seconds: Duration of the training.
        run: Folder of its logs, or "" without a logger.
        reason: The error in which a divergence ended, or "".
    """

    value: float
    pruned: bool
    epochs: int
    seconds: float
    run: str
    reason: str = ""

    @property
    def diverged(self) -> bool:
        """Whether the metric or a weight was no longer a finite number."""
        return not math.isfinite(self.value)


def run_trial(build: Build, point: dict[str, Any], seed: int, metric: str, report: Report) -> tuple[Outcome, Trainer]:
    """Train at one point.

    The metric is its last value, not the best of all epochs: the best of many noisy values flatters, and most so where
    the learning rate is too large. A training whose metric or weights are no longer finite stops at the next epoch end.
    An error is the consequence of a divergence, such as that of a metric that refuses NaN, if at that moment a weight,
    the last loss, a logged metric or a tensor that the failing code had at hand was not finite.

    Args:
        build: Makes trainer, module and data.
        point: Axis -> value.
        seed: For `seed_everything`, before `build` is called.
        metric: Name under which the module logs the metric.
        report: Is told each value of the metric, for pruning.

    Returns:
        What came of it, and the trainer.

    Raises:
        MisconfigurationException: If nobody logs the metric, the trainer or the module was used before, the trainer
            has several devices, or a callback would replace the learning rate of the point by one of its own.
        TypeError: If `build` returns something else.
    """
    seed_everything(seed, workers=True, verbose=False)
    trainer, module, *data = _check(build(dict(point)))
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            enter_no_hparams(logger)
    _trained.add(module)
    rates = [name for name in point if name.rpartition(".")[2] in ("lr", "learning_rate")]
    watch = TrialWatch(metric, report, rates[0] if rates else None)
    trainer.callbacks.insert(0, watch)
    started = time.perf_counter()
    reason = ""
    try:
        trainer.fit(module, *data)
    except Exception as error:
        if not watch.has_diverged(module, error):
            raise
        reason = f"{type(error).__name__}: {(str(error).strip() or '?').splitlines()[0][:100]}"
    if trainer.state.status == TrainerStatus.INTERRUPTED and not reason:  # some versions of Lightning end in peace
        raise KeyboardInterrupt
    seconds = time.perf_counter() - started
    value = math.nan if reason else watch.final_value(trainer, module)
    run = str(trainer.log_dir) if trainer.loggers else ""
    return Outcome(value, watch.pruned and math.isfinite(value), watch.epochs, seconds, run, reason), trainer


class TrialWatch(Callback):
    """Follow the metric of a trial; stop it when it has diverged or is hopeless.

    Args:
        metric: Name of the metric.
        report: Is told each value, and says whether to stop.
        lr_axis: Name of the axis that is the learning rate, if there is one.
    """

    def __init__(self, metric: str, report: Report, lr_axis: str | None = None) -> None:
        self.metric = metric
        self.lr_axis = lr_axis
        self.pruned = False
        self.epochs = 0
        self._report = report
        self._evaluations = 0
        self._validated = False
        self._at_validation = False
        self._loss: Tensor | None = None
        self._logged: list[Tensor] = []

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self.lr_axis is not None:  # those of the module's configure_callbacks are there by now
            _refuse_finders(trainer.callbacks, self.lr_axis)  # type: ignore[attr-defined]

    @override
    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        self._loss = loss.detach()

    @override
    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        with suppress(Exception):  # in the middle of whatever it was
            self._logged = [*trainer.callback_metrics.values(), *logged_so_far(trainer)]

    def has_diverged(self, module: LightningModule, error: Exception) -> bool:
        """Whether an error comes from numbers that are not finite, rather than from a mistake."""
        if isinstance(error, MisconfigurationException) or is_out_of_memory(error):
            return False
        try:
            seen = [self._loss, *self._logged]
            return not all(map(_is_finite, [*module.parameters(), *seen])) or _has_nan_at_hand(error)
        except RuntimeError:  # a device that has failed altogether
            return False

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking:
            return
        if not self._validated:  # a metric of the training is there only later, at the end of the epoch
            self._validated, self._at_validation = True, self.metric in trainer.callback_metrics
        if self._at_validation:
            self._judge(trainer)

    @override
    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.epochs and (self._validated or not trainer.enable_validation):
            self._require_metric(trainer)

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.epochs += 1
        if not self._at_validation and self.metric in trainer.callback_metrics:
            self._judge(trainer)
        if not _finite(pl_module):
            trainer.should_stop = True

    def final_value(self, trainer: Trainer, module: LightningModule) -> float:
        """The metric at the end; NaN if it or a weight is not finite."""
        if self._validated or not trainer.enable_validation:
            self._require_metric(trainer)
        if not _finite(module):
            return math.nan
        self._require_metric(trainer)
        value = float(trainer.callback_metrics[self.metric])
        return value if math.isfinite(value) else math.nan

    def _judge(self, trainer: Trainer) -> None:
        value = float(trainer.callback_metrics[self.metric])
        if not math.isfinite(value):
            trainer.should_stop = True
            return
        self._evaluations += 1
        if self._report(self._evaluations, value) and not _ends_anyway(trainer):
            self.pruned = trainer.should_stop = True

    def _require_metric(self, trainer: Trainer) -> None:
        if self.metric not in trainer.callback_metrics:
            logged = sorted(name for name in trainer.callback_metrics if not name.startswith(("lr/", "momentum/")))
            raise MisconfigurationException(
                f"metric must be one that the module logs, got {self.metric!r}; logged were: "
                f"{', '.join(logged) or 'none'}. Name one of these, or log it with self.log({self.metric!r}, ...)"
            )


def _ends_anyway(trainer: Trainer) -> bool:
    """Whether the training is over, and nothing is left to stop."""
    last_epoch = trainer.current_epoch + 1 == trainer.max_epochs and trainer.is_last_batch
    return last_epoch or trainer.global_step == trainer.max_steps


def log_hparams(trainer: Trainer, point: dict[str, Any], metrics: dict[str, float]) -> None:
    """Enter a trial into the HParams table of TensorBoard, if that is where the trainer logs.

    Args:
        trainer: After the fit, and after the trial was written down, for one that is repeated shall not appear twice.
        point: Axis -> value.
        metrics: What came of it.
    """
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger) and finite:
            logger.log_hyperparams(point, finite, step=trainer.global_step)
            logger.finalize("success")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is for want of memory, on the host or on a device."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


_trained: WeakSet[LightningModule] = WeakSet()


def _check(built: Any) -> tuple[Any, ...]:
    """What `build` has returned, if it is as it must be."""
    parts = tuple(built) if isinstance(built, tuple | list) else (built,)
    if len(parts) < 2 or not isinstance(parts[0], Trainer) or not isinstance(parts[1], LightningModule):
        got = ", ".join(type(part).__name__ for part in parts)
        raise TypeError(
            f"build must return a Trainer, a LightningModule, and the data if any, in this order, got {got}; write "
            "return trainer, module, datamodule"
        )
    trainer, module = parts[:2]
    if trainer.global_step or any(isinstance(callback, TrialWatch) for callback in trainer.callbacks):
        raise MisconfigurationException(
            "build must make a new Trainer for every point, got one that has been used; construct it inside build"
        )
    if module in _trained:
        raise MisconfigurationException(
            "build must make a new module for every point, got one that another point has trained; construct it inside "
            "build"
        )
    if trainer.world_size > 1:
        raise MisconfigurationException(
            f"a trial must train on one device, got {trainer.world_size}; write devices=1 and start one worker per "
            "device on the same storage"
        )
    return parts


def _refuse_finders(callbacks: list[Callback], axis: str) -> None:
    """Refuse callbacks that set a learning rate of their own finding: no point would be trained at its own one."""
    for callback in callbacks:
        if isinstance(callback, LRRangeTest) and callback.apply:
            name, option = "LRRangeTest", "apply"
        elif isinstance(callback, LearningRateFinder) and finder_sets_lr(callback):
            name, option = "LearningRateFinder", "update_attr"
        else:
            continue
        raise MisconfigurationException(
            f"{name} must not set the LR beside a sweep of {axis!r}, got {option}=True; write {option}=False, or leave "
            "it out and give its result as suggest="
        )


def _finite(module: LightningModule) -> bool:
    return all(map(_is_finite, module.parameters()))


def _is_finite(values: Tensor | None) -> bool:
    return values is None or bool(torch.isfinite(values).all())


def _has_nan_at_hand(error: Exception) -> bool:
    """Whether a tensor that the code of an error had in a variable has a NaN in it; a mask may well be infinite."""
    tensors = [
        value.detach()
        for frame, _ in walk_tb(error.__traceback__)
        for value in frame.f_locals.values()
        if isinstance(value, Tensor) and value.is_floating_point()
    ]
    return any(bool(values.isnan().any()) for values in tensors)
