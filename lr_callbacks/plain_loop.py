"""`attach`: the same schedules in any training loop, without a Trainer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch.optim import Optimizer

from lr_callbacks.attached import ATTACHED, Attached
from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.callbacks.feedback import FeedbackCallback
from lr_callbacks.core import saved_state
from lr_callbacks.core.arguments import require_bool, require_int
from lr_callbacks.core.durations import Duration
from lr_callbacks.core.lightning_names import MisconfigurationException, is_wrapped
from lr_callbacks.core.run_length import RunLength
from lr_callbacks.core.stretch import stretched
from lr_callbacks.core.wall_clock import TimeLimit, goes_by_time, refuse_steppers


def attach(
    optimizer: Optimizer | Sequence[Optimizer],
    callbacks: LRCallback | Sequence[LRCallback],
    total_steps: int | None = None,
    steps_per_epoch: int | None = None,
    *,
    max_time: str | None = None,
    samples_per_step: int | None = None,
    tokens_per_step: int | None = None,
    resume: bool = True,
    plan: bool = True,
) -> Attached:
    """Let LR callbacks drive an optimizer in a training loop of your own, or under ``lightning.fabric``.

    The values are the same as in a Trainer, to the last bit: the LR of the next step is written after each real step of
    the optimizer, so steps that a ``GradScaler`` skips do not count. Nothing has to be called in the loop, but for
    `Attached.metric` where a schedule waits for a metric.

    To resume, load the optimizer's ``state_dict()``, before or after `attach`: it carries the step count, and what
    plateau reductions and torch schedulers have become.

    Args:
        optimizer: The optimizer, of torch or as ``Fabric.setup`` gives it; several in a list.
        callbacks: The schedules, as a Trainer would get them.
        total_steps: Optimizer steps of the whole run; None if no schedule needs to know.
        steps_per_epoch: Optimizer steps of an epoch; needed where a length is in epochs.
        max_time: The time limit of a run that is measured in time, such as ``"30 min"``.
        samples_per_step: Samples of an optimizer step, on all devices; needed where a length is in samples.
        tokens_per_step: Tokens of an optimizer step, on all devices; needed where a length is in tokens.
        resume: Whether to continue at the step count that the optimizer carries from a state that was loaded, or from
            schedules that were removed, if there is one. False: begin at step 0.
        plan: Whether to log the plan.

    Returns:
        A handle: ``remove()``, ``metric(value)``, ``lrs``, ``step``. As a context manager it is removed at the end.

    Raises:
        TypeError: If an argument has a wrong type.
        ValueError: If a number is outside its range.
        MisconfigurationException: If the optimizer is driven already, a callback needs a Trainer, or as in a fit.

    Example:
        >>> import torch
        >>> from lr_callbacks import LinearDecay
        >>> layer = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        >>> with attach(optimizer, [LinearDecay()], total_steps=3, plan=False) as attached:
        ...     for _ in range(3):
        ...         print(f"{attached.lrs[0]:.3f}")
        ...         optimizer.step()
        0.100
        0.067
        0.033
    """
    several = [optimizer] if isinstance(optimizer, Optimizer) else optimizer
    if not isinstance(several, Sequence) or not several or not all(isinstance(each, Optimizer) for each in several):
        raise TypeError(f"optimizer must be a torch optimizer, or a list of them, got {optimizer!r}")
    driving = [callbacks] if isinstance(callbacks, LRCallback) else callbacks
    if not isinstance(driving, Sequence) or not all(map(_is_schedule, driving)):
        raise TypeError(
            f"callbacks must be a list of schedules such as OneCycle(), got {callbacks!r}; other callbacks need a"
            " Trainer"
        )
    if total_steps is not None:
        require_int("total_steps", total_steps, minimum=1)
    counts = {"steps_per_epoch": steps_per_epoch, "samples_per_step": samples_per_step}
    for name, count in {**counts, "tokens_per_step": tokens_per_step}.items():
        if count is not None:
            require_int(name, count, minimum=1)
    require_bool("plan", plan)
    require_bool("resume", resume)
    inner = [_inner(each) for each in several]
    _check(inner, driving)
    for each in () if resume else inner:
        saved_state.forget_carried(each)
    run = _run(driving, total_steps, steps_per_epoch, max_time)
    run = replace(run, samples_per_step=samples_per_step, tokens_per_step=tokens_per_step)
    return Attached(inner, driving, stretched(run, driving), plan=plan)


def _is_schedule(callback: object) -> bool:
    return isinstance(callback, LRCallback) and (callback.drives or callback.planned_for is not None)


def _inner(optimizer: Any) -> Optimizer:
    """The optimizer of torch's inside Fabric's: that one steps."""
    inner: Optimizer = optimizer.optimizer if is_wrapped(optimizer) else optimizer
    return inner


def _check(optimizers: Sequence[Optimizer], callbacks: Sequence[LRCallback]) -> None:
    for optimizer in optimizers:
        if optimizer in ATTACHED:
            raise MisconfigurationException(
                f"{type(optimizer).__name__} is driven by LR callbacks already; give all of them to one attach(), or"
                " remove() the first"
            )
    for place, callback in enumerate(callbacks):
        if isinstance(callback, FeedbackCallback) and callback.needs_trainer:
            raise MisconfigurationException(f"{callback!r}: {callback.needs_trainer} needs a Trainer; leave it out")
        if callback._session is not None or any(callback is other for other in callbacks[:place]):
            raise MisconfigurationException(f"{callback!r} drives an optimizer already; make another one")
        if callback.optimizer is not None and callback.optimizer >= len(optimizers):
            raise MisconfigurationException(
                f"{callback!r}: optimizer={callback.optimizer} does not exist; attach() was given {len(optimizers)}"
                f" optimizer{'s' * (len(optimizers) != 1)}, counted from 0"
            )


def _run(
    callbacks: Sequence[LRCallback], total_steps: int | None, steps_per_epoch: int | None, max_time: str | None
) -> RunLength:
    """The length of the run as it was given."""
    missing = ["total_steps"] * (total_steps is None) + ["steps_per_epoch"] * (steps_per_epoch is None)
    run = RunLength(
        total_steps,
        () if steps_per_epoch is None else ((0, steps_per_epoch),),
        why_unknown=f"attach() was not given {' or '.join(missing)}",
        ways_out=f"Ways out: give {'=..., '.join(missing)}=..., or every length in optimizer steps (500).",
        max_steps=total_steps,
    )
    limit = None
    if max_time is not None:
        duration = Duration.parse(max_time, name="max_time", minimum=1)
        if duration.unit != "seconds":
            raise ValueError(f"max_time must be a time such as '30 min', got {max_time!r}")
        limit = max(1, round(1000 * duration.value))
    if not goes_by_time(callbacks, run, limit):
        return run
    refuse_steppers(callbacks)
    return TimeLimit(limit)
