"""LR and momentum of a configuration at each step, from a fit that ends before its first batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch.optim import Optimizer
from typing_extensions import override

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.callbacks.foreign import StandIn
from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.lightning_names import (
    Callback,
    Checkpoint,
    LearningRateMonitor,
    LightningDataModule,
    LightningModule,
    ModelSummary,
    ProgressBar,
    Trainer,
    is_a,
)
from lr_callbacks.core.run_length import RunLength, run_length_of
from lr_callbacks.core.wall_clock import TimeLimit, goes_by_time, time_limit
from lr_callbacks.plotting import STEPS
from lr_callbacks.previews import rehearse

SHOWS_ONLY = (Checkpoint, LearningRateMonitor, ModelSummary, ProgressBar)
"""Callbacks that a fit without batches does not need."""


@dataclass(frozen=True)
class Curve:
    """LR and momentum of one parameter group at each step.

    Attributes:
        label: Which group of which optimizer, empty where there is one.
        lrs: LR at each step.
        momenta: Momentum, or Adam's first beta, at each step; empty where nothing moves it.
    """

    label: str
    lrs: list[float]
    momenta: list[float]


class StopBeforeFirstBatch(Callback):
    """Record optimizers and run length when training starts, and end the fit there."""

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.optimizers = [copied(optimizer) for optimizer in trainer.optimizers]
        self.run = run_length_of(trainer)
        trainer.fit_loop.max_epochs = 0


def copied(optimizer: Optimizer) -> StandIn:
    """An optimizer with the same groups, and nothing to optimize."""
    groups = [pg.copy_for_stand_in({pg.BASE_LR: group["lr"], **group}) for group in optimizer.param_groups]
    return StandIn(groups, optimizer.defaults)


def curves_of(
    trainer: Trainer,
    model: LightningModule,
    datamodule: LightningDataModule | None,
    *,
    total_steps: int | None,
    steps_per_epoch: int | None,
    metrics: Sequence[float],
) -> tuple[list[Curve], str]:
    """LR and momentum of every parameter group of every optimizer, and what the steps are.

    Args:
        trainer: As it would train; it is left without loggers.
        model: The module whose optimizers are driven.
        datamodule: The data, of which only the length is asked.
        total_steps: Number of steps; None for the length of the run.
        steps_per_epoch: Optimizer steps of an epoch, if the run does not know.
        metrics: Values of the monitored metric, one for each evaluation.

    Raises:
        MisconfigurationException: As a fit would raise it, or if the length of the run is not known.
    """
    callbacks: list[Callback] = [
        callback
        for callback in trainer.callbacks  # type: ignore[attr-defined]
        if not is_a(callback, *SHOWS_ONLY) and (not isinstance(callback, LRCallback) or callback.is_of_the_plan)
    ]
    stop, limit = StopBeforeFirstBatch(), time_limit(trainer)
    trainer.callbacks = [*callbacks, stop]  # type: ignore[attr-defined]
    trainer.loggers, trainer.num_sanity_val_steps = [], 0
    trainer.fit(model, datamodule=datamodule)
    if goes_by_time([callback for callback in callbacks if isinstance(callback, LRCallback)], stop.run, limit):
        run: RunLength = TimeLimit(limit)
    else:
        run = stop.run if total_steps is None else replace(stop.run, total_steps=total_steps)
        run = run if steps_per_epoch is None else replace(run, epochs=((0, steps_per_epoch),))
    if run.total_steps is None:
        raise run.unknown("plot needs the length of the run; write --total_steps=1000")
    curves = []
    for index, optimizer in enumerate(stop.optimizers):
        lrs, momenta = rehearsed(callbacks, optimizer, run, metrics=metrics, index=index, points=total_steps)
        which = f"optimizer {index}" if len(stop.optimizers) > 1 else ""
        for number, group in enumerate(optimizer.param_groups):
            name = f"group {group.get('name', number)}" if len(optimizer.param_groups) > 1 else ""
            curves.append(Curve(f"{which} {name}".strip(), lrs[number], moved(momenta[number])))
    if isinstance(run, TimeLimit):
        return curves, f"time, in 1/{total_steps or 1000} of {run.length(run.total_steps or 0)}"
    return curves, STEPS


def rehearsed(
    callbacks: Sequence[Callback],
    optimizer: StandIn,
    run: RunLength,
    *,
    metrics: Sequence[float],
    index: int,
    points: int | None,
) -> tuple[list[list[float]], list[list[float]]]:
    """LR and momentum of each group at each step of a run, by the code that sets them in a fit.

    Args:
        callbacks: Those of the Trainer.
        optimizer: Stands for the real one; it is left alone.
        run: The run, of known length.
        metrics: Values of the monitored metric, one for each evaluation.
        index: Which optimizer of the module it is.
        points: Number of points of time, if the run is measured in time.
    """
    lrs, momenta = (
        rehearse(callbacks, copied(optimizer), run, metrics=metrics, index=index, points=points, param=param)
        for param in ("lr", "momentum")
    )
    return lrs.T.tolist(), momenta.T.tolist()


def moved(values: Sequence[float]) -> list[float]:
    """Values that change, or none.

    Example:
        >>> moved([0.9, 0.85]), moved([0.9, 0.9]), moved([float("nan")])
        ([0.9, 0.85], [], [])
    """
    known = [value for value in values if not math.isnan(value)]
    return known if len(set(known)) > 1 else []
