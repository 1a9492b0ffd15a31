"""What has to be touched of Lightning's and torch's private parts, each with the reason, and nothing anywhere else."""

from __future__ import annotations

import gc
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.lr_scheduler import ReduceLROnPlateau as TorchReduceLROnPlateau


def schedulers_on(optimizer: Optimizer) -> list[object]:
    """Find the torch schedulers that were built on the optimizer and are still alive.

    torch keeps no list of them; it marks ``optimizer.step`` when the first is built, and that mark says when the search
    is worth its time.
    """
    if not hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return []
    gc.collect()  # one that nobody holds any more is no master
    return [
        candidate
        for candidate in gc.get_objects()
        if issubclass(type(candidate), LRScheduler | TorchReduceLROnPlateau)  # isinstance would ask lazy proxies
        and getattr(candidate, "optimizer", None) is optimizer
    ]


def validation_is_due(trainer: Trainer) -> bool:
    """Whether the trainer stands between a training batch and the validation that follows it.

    A checkpoint that is written here makes Lightning skip that validation when it resumes. Nothing public tells.
    """
    loop = trainer.fit_loop.epoch_loop
    progress: Any = loop.batch_progress.total
    fetcher = trainer.fit_loop._data_fetcher
    batch_is_over = progress.processed == progress.ready == progress.completed + 1
    return trainer.training and batch_is_over and fetcher is not None and loop._should_check_val_fx(fetcher)


def run_validation(trainer: Trainer) -> None:
    """Run the validation of a fit from ``on_train_start``, as the training loop would have run it after a batch."""
    loop, connector = trainer.fit_loop.epoch_loop.val_loop, trainer._logger_connector
    trainer.validating, first_batch = True, connector._first_loop_iter
    loop.restarting = False
    loop.run()
    loop._has_run = False  # or the restarted epoch would think itself over before it has put its restart behind it
    trainer.training, connector._first_loop_iter = True, first_batch


def is_accumulating(trainer: Trainer, module: LightningModule) -> bool:
    """Whether the batch that is about to run leaves the optimizer step to a later one.

    It is the condition under which Lightning itself holds back the training metrics of a step; asked for
    ``accumulate_grad_batches`` alone, the last, incomplete accumulation of an epoch would be missed.
    """
    return bool(module.automatic_optimization and trainer.fit_loop._should_accumulate())
