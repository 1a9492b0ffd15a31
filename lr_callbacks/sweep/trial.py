"""One trial: a training at one point of the grid under one seed, watched through a Lightning hook."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from typing_extensions import override

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
    """

    value: float
    pruned: bool
    epochs: int
    seconds: float
    run: str

    @property
    def diverged(self) -> bool:
        """Whether the metric or a weight was no longer a finite number."""
        return not math.isfinite(self.value)


def run_trial(build: Build, point: dict[str, Any], seed: int, metric: str, report: Report) -> Outcome:
    """Train at one point.

    The metric is its last value, not the best of all epochs: the best of many noisy values flatters, and most so where
    the learning rate is too large. A training whose metric or weights are no longer finite stops at the next epoch end.

    Args:
        build: Makes trainer, module and data.
        point: Axis -> value.
        seed: For `seed_everything`, before `build` is called.
        metric: Name under which the module logs the metric.
        report: Is told each value of the metric, for pruning.

    Raises:
        MisconfigurationException: If nobody logs the metric, the trainer was used before, or has several devices.
    """
    seed_everything(seed, workers=True, verbose=False)
    trainer, module, *data = build(dict(point))
    _check(trainer)
    watch = TrialWatch(metric, report)
    trainer.callbacks.insert(0, watch)
    started = time.perf_counter()
    try:
        trainer.fit(module, *data)
    except Exception:
        if _finite(module):
            raise  # otherwise it is the consequence: some metrics refuse NaN
    seconds = time.perf_counter() - started
    value = watch.final_value(trainer, module)
    _log_hparams(trainer, {**point, "seed": seed}, {f"sweep/{metric}": value, "sweep/seconds": seconds})
    run = str(trainer.log_dir) if trainer.loggers else ""
    return Outcome(value, watch.pruned and math.isfinite(value), watch.epochs, seconds, run)


class TrialWatch(Callback):
    """Follow the metric of a trial; stop it when it has diverged or is hopeless.

    Args:
        metric: Name of the metric.
        report: Is told each value, and says whether to stop.
    """

    def __init__(self, metric: str, report: Report) -> None:
        self.metric = metric
        self.pruned = False
        self.epochs = 0
        self._report = report
        self._evaluations = 0
        self._validated = False
        self._at_validation = False

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
        if self._report(self._evaluations, value):
            self.pruned = trainer.should_stop = True

    def _require_metric(self, trainer: Trainer) -> None:
        if self.metric not in trainer.callback_metrics:
            logged = sorted(name for name in trainer.callback_metrics if not name.startswith("lr-"))
            raise MisconfigurationException(
                f"metric must be one that the module logs, got {self.metric!r}; logged were: "
                f"{', '.join(logged) or 'none'}. Name one of these, or log it with self.log({self.metric!r}, ...)"
            )


def _log_hparams(trainer: Trainer, point: dict[str, Any], metrics: dict[str, float]) -> None:
    """Enter a trial into the HParams table of TensorBoard, if that is where the trainer logs."""
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger) and finite:
            logger.log_hyperparams(point, finite, step=trainer.global_step)
            logger.finalize("success")


def _check(trainer: Trainer) -> None:
    if trainer.global_step or any(isinstance(callback, TrialWatch) for callback in trainer.callbacks):  # type: ignore[attr-defined]
        raise MisconfigurationException(
            "build must make a new Trainer for every point, got one that has been used; construct it inside build"
        )
    if trainer.world_size > 1:
        raise MisconfigurationException(
            f"a trial must train on one device, got {trainer.world_size}; write devices=1 and start one worker per "
            "device on the same storage"
        )


def _finite(module: LightningModule) -> bool:
    return all(bool(torch.isfinite(parameter).all()) for parameter in module.parameters())
