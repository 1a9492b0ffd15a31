"""The values that callbacks will use, step by step, without a Trainer and without data: the table itself."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer
from tqdm import tqdm

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.callbacks.evaluations import EvaluationCallback
from lr_callbacks.callbacks.foreign import StandIn
from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.arguments import require, require_int, require_number
from lr_callbacks.core.conflicts import refuse_rivals
from lr_callbacks.core.controller import Controller
from lr_callbacks.core.durations import Duration
from lr_callbacks.core.lightning_names import Callback, is_a
from lr_callbacks.core.run_length import RunLength
from lr_callbacks.core.session import Session
from lr_callbacks.core.stretch import stretched
from lr_callbacks.core.wall_clock import EvenPace, TimeLimit, goes_by_time, refuse_steppers
from lr_callbacks.extras import require_extra

BaseLRs = float | Sequence[float] | Mapping[str, float]
POINTS = 1000
"""Points of time of a run that is measured in time, unless another number is asked for."""


class Preview(Tensor):
    """The values of a run: float64 of shape (steps, groups), which can be drawn."""

    def plot(self, ax: Any = None, *, param: str = "LR") -> Any:
        """Draw the values over the steps.

        Args:
            ax: Matplotlib axes to draw on; None for new ones.
            param: Label of the vertical axis.

        Returns:
            The axes.

        Raises:
            ModuleNotFoundError: If matplotlib is not installed.
        """
        require_extra("plot", "matplotlib", what="A picture")
        from matplotlib import pyplot

        ax = ax if ax is not None else pyplot.subplots(layout="constrained")[1]
        values = self.as_subclass(Tensor).numpy()
        lines = ax.plot(values)
        if values.ndim > 1 and values.shape[1] > 1:
            names = [f"group {place}" for place in range(values.shape[1])]
            ax.legend(lines, names, loc="upper left", bbox_to_anchor=(1, 1))
        ax.set_xlabel("optimizer step")
        ax.set_ylabel(param)
        return ax


def preview(
    callbacks: Sequence[Callback],
    base_lrs: BaseLRs = 1.0,
    total_steps: int = 100,
    steps_per_epoch: int | None = None,
    *,
    max_time: str | None = None,
    metrics: Sequence[float] = (),
    optimizer: int = 0,
    param: str = "lr",
    base_values: Mapping[str, float] | None = None,
    samples_per_step: int | None = None,
    tokens_per_step: int | None = None,
) -> Preview:
    """Return the values that a fit would use at each optimizer step, from the same table that drives a fit.

    Args:
        callbacks: Callbacks as a Trainer would get them; those that drive nothing are passed over, none is changed.
        base_lrs: The LR that each parameter group is configured with: one number, a list, or names and LRs.
        total_steps: Optimizer steps of the run, >= 1; with `max_time`, how many points of time are wanted.
        steps_per_epoch: Optimizer steps of an epoch; needed where a length is in epochs or a metric is monitored.
        max_time: The time limit of a run that is measured in time, such as ``"30 min"``: row t is then what a step
            uses that begins when t / `total_steps` of that time are over.
        metrics: The values of the metric that plateau reductions monitor, one for each epoch's evaluation (or each
            ``every_n_steps``); when they are used up, there are no more evaluations.
        optimizer: Index of the optimizer to show; callbacks for other optimizers are skipped.
        param: What to show: ``"lr"``, ``"momentum"``, or any other entry that a callback drives.
        base_values: What other entries of each group are configured with, such as ``{"weight_decay": 0.01}``.
        samples_per_step: Samples of an optimizer step, on all devices; needed where a length is in samples.
        tokens_per_step: Tokens of an optimizer step, on all devices; needed where a length is in tokens.

    Returns:
        float64 of shape (steps, groups): row t holds what optimizer step t, counted from 0, uses. It is a tensor
        with a method ``plot()``.

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
    several = isinstance(callbacks, Sequence) and not isinstance(callbacks, str)
    if not several or not all(is_a(each, Callback) for each in callbacks):
        raise TypeError(f"callbacks must be a list of callbacks, got {callbacks!r}; write preview([...], ...)")
    for metric in metrics:
        require_number("metrics", metric, finite=False)
    require_int("optimizer", optimizer)
    require(isinstance(param, str) and param != "", "param", "the name of an entry of parameter groups", param)
    require_int("total_steps", total_steps, minimum=1)
    stand_in = _stand_in(base_lrs, base_values or {})
    if steps_per_epoch is not None:
        require_int("steps_per_epoch", steps_per_epoch, minimum=1)
    for name, count in (("samples_per_step", samples_per_step), ("tokens_per_step", tokens_per_step)):
        if count is not None:
            require_int(name, count, minimum=1)
    if max_time is not None:
        limit = Duration.parse(max_time, name="max_time", minimum=1)
        require(limit.unit == "seconds", "max_time", "a time such as '30 min'", max_time)
        run: RunLength = TimeLimit(max(1, round(1000 * limit.value)))
        return rehearse(callbacks, stand_in, run, metrics=metrics, index=optimizer, points=total_steps, param=param)
    run = RunLength(
        total_steps,
        () if steps_per_epoch is None else ((0, steps_per_epoch),),
        why_unknown="steps_per_epoch was not given",
        ways_out="Ways out: give steps_per_epoch=..., or every length in optimizer steps (500).",
        max_steps=total_steps,
        samples_per_step=samples_per_step,
        tokens_per_step=tokens_per_step,
    )
    return rehearse(callbacks, stand_in, run, metrics=metrics, index=optimizer, param=param)


def rehearse(
    callbacks: Sequence[Callback],
    stand_in: Optimizer,
    run: RunLength,
    *,
    metrics: Sequence[float] = (),
    index: int = 0,
    points: int | None = None,
    param: str = "lr",
) -> Preview:
    """Give the values of an optimizer that optimizes nothing through a run of known length.

    Args:
        callbacks: As for `preview`.
        stand_in: Optimizer with the groups to drive.
        run: The length of the run; its total must be known.
        metrics: As for `preview`.
        index: Which optimizer of the module it stands for.
        points: Number of equally spaced points of time, if the run is measured in time.
        param: As for `preview`.

    Raises:
        ValueError: If the length of the run, or that of an epoch, is needed and not known.
    """
    driving = [callback for callback in callbacks if isinstance(callback, LRCallback) and callback.drives]
    mine = [copy.copy(callback) for callback in driving if callback.optimizer in (None, index)]
    for callback in mine:
        callback.forget()
        if callback.interval == "epoch" and not run.epochs and not isinstance(run, TimeLimit):
            raise ValueError(f"steps_per_epoch must be given for {callback!r}, which counts epochs, got None")
    require(run.total_steps is not None, "the length of the run", "known for a preview", run.total_steps)
    total, clock = run.total_steps or 0, None
    if isinstance(run, TimeLimit):
        refuse_steppers(mine)
        clock = EvenPace(total, points or POINTS)
        total = points or POINTS
    elif goes_by_time(mine, run, None):
        raise ValueError(f"max_time must be given where a length is a time, got None for {mine}; write '30 min'")
    run = stretched(run, [callback for callback in callbacks if isinstance(callback, LRCallback)])
    controller = Controller(stand_in, index, mine)
    session = Session([controller], list(mine))
    for callback in mine:
        callback._session = session
    controller.start(run, resumed=False, clock=clock)
    try:
        refuse_rivals(controller)
        table = controller.table_of(param)
        known = table is not None and not table.is_live and clock is None
        if known and table is not None and not any(isinstance(callback, EvaluationCallback) for callback in mine):
            values = _configured(stand_in, param, total)
            values[:, table.driven] = table.values(np.arange(total)[:, None])
            return torch.from_numpy(values).as_subclass(Preview)
        return _step_by_step(controller, mine, metrics, total, param)
    finally:
        controller.end()


def _configured(stand_in: Optimizer, param: str, total: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """What the groups hold now, once for each step."""
    held = [pg.get_value(group, param) for group in stand_in.param_groups]
    return np.tile(np.array([np.nan if value is None else value for value in held], dtype=np.float64), (total, 1))


def _step_by_step(
    controller: Controller, callbacks: Sequence[LRCallback], metrics: Sequence[float], total: int, param: str
) -> Preview:
    """Step the stand-in through the run, with the evaluations that feedback listens to."""
    rows = []
    for _ in tqdm(range(total), desc="preview", unit="step", delay=2, leave=False, disable=None):  # if it takes long
        held = [pg.get_value(group, param) for group in controller.optimizer.param_groups]
        rows.append([float("nan") if value is None else value for value in held])
        controller.optimizer.step()
        for callback in callbacks:
            if isinstance(callback, EvaluationCallback):
                _evaluate(callback, controller, metrics)
    return torch.tensor(rows, dtype=torch.float64).as_subclass(Preview)


def _evaluate(callback: EvaluationCallback, controller: Controller, metrics: Sequence[float]) -> None:
    """Give a callback the value of the evaluation that comes after this step, if one does."""
    every, run = getattr(callback, "every_n_steps", None), controller.run
    if every is not None:
        which, is_due = controller.step // every, controller.step % every == 0
    elif not callback.listens:
        return
    elif not run.epochs:
        require(not metrics, "steps_per_epoch", "given where metrics are, got None for the metrics", metrics)
        return
    else:
        which = run.epoch_at(controller.step)
        is_due = which > run.epoch_at(controller.step - 1)
    if is_due and which <= len(metrics):
        callback.judge(float(metrics[which - 1]))


def _stand_in(base_lrs: BaseLRs, base_values: Mapping[str, float]) -> StandIn:
    """Return an optimizer with momentum and groups with these LRs."""
    names: list[str | None]
    if isinstance(base_lrs, Mapping):
        names, lrs = list(base_lrs), list(base_lrs.values())
    else:
        lrs = list(base_lrs) if isinstance(base_lrs, Sequence) else [base_lrs]
        names = [None] * len(lrs)
    require(len(lrs) > 0, "base_lrs", "one LR at least", base_lrs)
    for lr in lrs:
        require(require_number("base_lrs", lr) >= 0, "base_lrs", "at least 0", base_lrs)
    others = {"momentum": 0.9, **{key: require_number("base_values", value) for key, value in base_values.items()}}
    groups: list[dict[str, Any]] = [
        {"lr": float(lr), **others, **({} if name is None else {"name": name})}
        for name, lr in zip(names, lrs, strict=True)
    ]
    return StandIn(groups, {"momentum": 0.9})
