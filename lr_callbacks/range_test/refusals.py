"""What a range test cannot do is rejected before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.callbacks.composite import Composite
from lr_callbacks.callbacks.feedback import FeedbackCallback
from lr_callbacks.callbacks.foreign_factory import unwrap
from lr_callbacks.callbacks.torch_scheduler import TorchScheduler
from lr_callbacks.core import lightning_internals as private
from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.group_checks import require_lrs
from lr_callbacks.core.lightning_names import (
    DDPStrategy,
    MisconfigurationException,
    ModelParallelStrategy,
    SingleDeviceStrategy,
    Trainer,
    is_a,
)
from lr_callbacks.core.native_schedulers import native_configs
from lr_callbacks.core.optimizer_hooks import has_scheduler
from lr_callbacks.core.replacement_lines import replacement_line


def refuse_before_the_test(
    test: LRCallback, trainer: Trainer, optimizer: Optimizer, groups: Sequence[int] | None
) -> None:
    """Reject what would make the test wrong, or the suggestion without effect.

    Args:
        test: The range test.
        trainer: Its trainer.
        optimizer: The optimizer to sweep.
        groups: Indices of the groups to sweep; None where they are not known yet.

    Raises:
        MisconfigurationException: Naming the reason and the way out.
    """
    strategy = type(trainer.strategy).__name__
    if not is_a(trainer.strategy, SingleDeviceStrategy, DDPStrategy, ModelParallelStrategy):
        raise MisconfigurationException(
            f"LRRangeTest restores weights on one device, under DDP and under FSDP2 (ModelParallelStrategy), not under"
            f" {strategy}: it may keep them in buffers of its own, which it frees and fills around each step. Run"
            " lr_range_test with a Trainer on one device and set the LR that it suggests."
        )
    if private.takes_an_iterator(trainer):
        raise MisconfigurationException(
            "LRRangeTest cannot tell steps apart if training_step takes a dataloader_iter. Let it take a batch."
        )
    require_lrs(optimizer, f"optimizer {trainer.optimizers.index(optimizer)} ({type(optimizer).__name__})")
    swept = optimizer.param_groups if groups is None else [optimizer.param_groups[number] for number in groups]
    if not any(pg.get_lr(group) > 0 for group in swept):
        raise MisconfigurationException(
            f"LRRangeTest keeps the ratio of the configured LRs of {type(optimizer).__name__}, and all are 0. Configure"
            " one above 0."
        )
    for name in ("register_step_pre_hook", "register_step_post_hook"):
        if not hasattr(optimizer, name) or not hasattr(optimizer, "_optimizer_step_post_hooks"):
            raise MisconfigurationException(
                f"LRRangeTest: {type(optimizer).__name__} has no step hooks (it does not call"
                " torch.optim.Optimizer.__init__), so its steps cannot be counted. Derive it from"
                " torch.optim.Optimizer."
            )
    if getattr(test, "apply", False):
        _refuse_other_owners(test, trainer, optimizer, groups)


def _refuse_other_owners(
    test: LRCallback, trainer: Trainer, optimizer: Optimizer, groups: Sequence[int] | None
) -> None:
    configs = native_configs(trainer, optimizer)
    if configs or has_scheduler(optimizer):
        name = type(configs[0].scheduler).__name__ if configs else "a torch scheduler that was built on it"
        raise MisconfigurationException(
            f"{name} has already read the configured LR of {type(optimizer).__name__}, so an LR set by LRRangeTest"
            f" would have no effect. {_way_out(configs)}, or use LRRangeTest(apply=False)."
        )
    index = trainer.optimizers.index(optimizer)
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        same = isinstance(callback, LRCallback) and callback is not test and callback.optimizer in (None, index)
        max_lr = absolute_peak(callback) if same and callback.drives else None
        if max_lr is not None and _concerns(callback, optimizer, groups):
            way_out = f"Remove max_lr={max_lr}, so that the schedule peaks at the suggested LR"
            if isinstance(callback, TorchScheduler):
                way_out = "Use OneCycle or CyclicalLR of lr_callbacks without max_lr, which peak at the suggested LR"
            raise MisconfigurationException(
                f"{callback!r} and LRRangeTest(apply=True) both set the peak LR of {type(optimizer).__name__}."
                f" {way_out}, or use LRRangeTest(apply=False)."
            )


def _concerns(callback: LRCallback, optimizer: Optimizer, groups: Sequence[int] | None) -> bool:
    driven = pg.select(optimizer, callback.wanted_groups, who=repr(callback))
    return groups is None or not set(groups).isdisjoint(driven)


def _way_out(configs: Sequence[Any]) -> str:
    if not configs:
        return (
            "Add TorchScheduler(...) with the scheduler's class and arguments to the Trainer's callbacks instead of"
            " building it"
        )
    return (
        "Add ReplaceSchedulers(), which takes it out of the run without editing the module, and"
        f" {replacement_line(configs[0])} to the Trainer's callbacks"
    )


def absolute_peak(callback: LRCallback) -> Any:
    """The `max_lr` that a callback was given, or that a scheduler in it was; None if it follows the base LR.

    That of a schedule with feedback is a bound and no peak.

    Example:
        >>> import torch
        >>> absolute_peak(TorchScheduler(torch.optim.lr_scheduler.OneCycleLR, max_lr=0.3, total_steps=100))
        0.3
        >>> absolute_peak(TorchScheduler(torch.optim.lr_scheduler.StepLR, step_size=10))
    """
    if isinstance(callback, FeedbackCallback):
        return None
    if isinstance(callback, Composite):
        return next((peak for peak in map(absolute_peak, callback.parts) if peak is not None), None)
    if not isinstance(callback, TorchScheduler):
        return getattr(callback, "max_lr", None)
    arguments = [callback.scheduler_arguments]
    arguments += [unwrap(each)[1] for each in (callback.scheduler, *(callback.schedulers or ()))]
    return next((given["max_lr"] for given in arguments if "max_lr" in given), None)
