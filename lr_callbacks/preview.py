"""The LRs that callbacks will use, step by step, without a Trainer and without data."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import Tensor
from torch.optim import Optimizer
from tqdm import tqdm

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.callbacks.evaluations import EvaluationCallback
from lr_callbacks.callbacks.foreign import StandIn
from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.arguments import number, require, whole
from lr_callbacks.core.conductor import Conductor
from lr_callbacks.core.conflicts import refuse_rivals
from lr_callbacks.core.driver import Driver
from lr_callbacks.core.durations import Duration
from lr_callbacks.core.horizon import Horizon
from lr_callbacks.core.wall_clock import EvenPace, TimeHorizon, goes_by_time, refuse_steppers

BaseLRs = float | Sequence[float] | Mapping[str, float]


def preview(
    callbacks: Sequence[Callback],
    base_lrs: BaseLRs,
    total_steps: int,
    steps_per_epoch: int | None = None,
    *,
    max_time: str | None = None,
    metrics: Sequence[float] = (),
    optimizer: int = 0,
) -> Tensor:
    """Give the LRs that a fit would use at each optimizer step, by the very code that drives them in a fit.

    Args:
        callbacks: Callbacks as a Trainer would get them; those that drive no LR are passed over, none is changed.
        base_lrs: The LR that each parameter group is configured with: one number, a list, or names and LRs.
        total_steps: Optimizer steps of the run, >= 1; with `max_time`, how many points of time are wanted.
        steps_per_epoch: Optimizer steps of an epoch; needed where a callback speaks of epochs or listens to a metric.
        max_time: The time limit of a run that goes by the wall clock, such as ``"30 min"``: row t is then what a step
            uses that begins when t / `total_steps` of that time are over.
        metrics: The values of the metric that plateau reductions monitor, one for each epoch's evaluation (or each
            ``every_n_steps``); when they are used up, there are no more evaluations.
        optimizer: Index of the optimizer whose LRs are wanted; a callback for another one is passed over.

    Returns:
        float64 of shape (steps, groups): row t holds what optimizer step t, counted from 0, uses.

    Raises:
        TypeError: If a number has a wrong type.
        ValueError: If a number is outside its range, or `steps_per_epoch` is needed and not given.
        MisconfigurationException: As a fit would raise it.

    Example:
        >>> from lr_callbacks import Warmup
        >>> preview([Warmup(4, start_factor=0.0)], 0.1, total_steps=6)[:, 0].tolist()
        [0.0, 0.025, 0.05, 0.07500000000000001, 0.1, 0.1]
        >>> preview([Warmup("2 min", start_factor=0.0)], 0.1, total_steps=4, max_time="4 min")[:, 0].tolist()
        [0.0, 0.05, 0.1, 0.1]
    """
    if not isinstance(callbacks, list | tuple) or not all(isinstance(each, Callback) for each in callbacks):
        raise TypeError(f"callbacks must be a list of callbacks, got {callbacks!r}; write preview([...], ...)")
    for metric in metrics:
        number("metrics", metric, finite=False)
    whole("optimizer", optimizer)
    whole("total_steps", total_steps, minimum=1)
    if steps_per_epoch is not None:
        whole("steps_per_epoch", steps_per_epoch, minimum=1)
    if max_time is not None:
        limit = Duration.parse(max_time, name="max_time", minimum=1)
        require(limit.unit == "seconds", "max_time", "a time such as '30 min'", max_time)
        run = TimeHorizon(max(1, round(1000 * limit.value)))
        return rehearse(callbacks, _stand_in(base_lrs), run, metrics=metrics, index=optimizer, points=total_steps)
    horizon = Horizon(
        total_steps,
        () if steps_per_epoch is None else ((0, steps_per_epoch),),
        why_unknown="steps_per_epoch was not given",
        ways_out="Ways out: give steps_per_epoch=..., or every length in optimizer steps (500).",
    )
    return rehearse(callbacks, _stand_in(base_lrs), horizon, metrics=metrics, index=optimizer)


def rehearse(
    callbacks: Sequence[Callback],
    stand_in: Optimizer,
    horizon: Horizon,
    *,
    metrics: Sequence[float] = (),
    index: int = 0,
    points: int | None = None,
) -> Tensor:
    """Step an optimizer that optimizes nothing through a run of known length, and note its LRs.

    Args:
        callbacks: As for `preview`.
        stand_in: Whose groups are driven; it is stepped.
        horizon: The run; its total must be known.
        metrics: As for `preview`.
        index: Which optimizer of the module it stands for.
        points: At how many points of time to look, all equally far apart, if the run goes by the wall clock.

    Raises:
        ValueError: If the length of the run, or that of an epoch, is needed and not known.
    """
    driving = [callback for callback in callbacks if isinstance(callback, LRCallback) and callback.drives]
    mine = [copy.copy(callback) for callback in driving if callback.optimizer in (None, index)]
    for callback in mine:
        callback.forget()
        if getattr(callback, "interval", None) == "epoch" and not horizon.epochs:
            raise ValueError(f"steps_per_epoch must be given for {callback!r}, which goes by epochs, got None")
    require(horizon.total_steps is not None, "the length of the run", "known for a preview", horizon.total_steps)
    clock = None
    if isinstance(horizon, TimeHorizon):
        refuse_steppers(mine)
        clock = EvenPace(horizon.total_steps or 0, points or 1000)
    elif goes_by_time(mine, horizon, None):
        raise ValueError(f"max_time must be given where a length is a time, got None for {mine}; write '30 min'")
    driver = Driver(stand_in, index, mine)
    Conductor.without_trainer([driver], mine)
    horizon = replace(horizon, assumed=False)  # no epoch of a rehearsal ends otherwise than as was assumed
    driver.start(horizon, resumed=False, finetuned=False, steps_if_not_restored=0, clock=clock)
    try:
        refuse_rivals(driver)
        lrs = []
        steps = range((horizon.total_steps or 0) if clock is None else (points or 1000))
        for _ in tqdm(steps, desc="preview", unit="step", delay=2, leave=False, disable=None):  # if it takes long
            lrs.append([pg.get_lr(group) for group in stand_in.param_groups])
            stand_in.step()
            for callback in mine:
                if isinstance(callback, EvaluationCallback):
                    _evaluate(callback, driver, horizon, metrics)
    finally:
        driver.end()
    return torch.tensor(lrs, dtype=torch.float64)


def _evaluate(callback: EvaluationCallback, driver: Driver, horizon: Horizon, metrics: Sequence[float]) -> None:
    """Give a callback the value of the evaluation that comes after this step, if one does."""
    every = getattr(callback, "every_n_steps", None)
    if every is not None:
        number_of, is_due = driver.step // every, driver.step % every == 0
    elif not callback.listens:
        return
    elif not horizon.epochs:
        require(not metrics, "steps_per_epoch", "given where metrics are, got None for the metrics", metrics)
        return
    else:
        number_of = horizon.epoch_at(driver.step)
        is_due = number_of > horizon.epoch_at(driver.step - 1)
    if is_due and number_of <= len(metrics):
        callback.judge(float(metrics[number_of - 1]))


def _stand_in(base_lrs: BaseLRs) -> StandIn:
    """An optimizer with momentum whose groups have these LRs."""
    names: list[str | None]
    if isinstance(base_lrs, Mapping):
        names, lrs = list(base_lrs), list(base_lrs.values())
    else:
        lrs = list(base_lrs) if isinstance(base_lrs, Sequence) else [base_lrs]
        names = [None] * len(lrs)
    require(len(lrs) > 0, "base_lrs", "one LR at least", base_lrs)
    for lr in lrs:
        require(number("base_lrs", lr) >= 0, "base_lrs", "at least 0", base_lrs)
    groups: list[dict[str, Any]] = [
        {"lr": float(lr), "momentum": 0.9, **({} if name is None else {"name": name})}
        for name, lr in zip(names, lrs, strict=True)
    ]
    return StandIn(groups, {"momentum": 0.9})
