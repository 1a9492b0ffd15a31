"""What has to be touched of Lightning's and torch's private parts, each with the reason, and nothing anywhere else."""

from __future__ import annotations

import gc

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
    return [
        candidate
        for candidate in gc.get_objects()
        if isinstance(candidate, LRScheduler | TorchReduceLROnPlateau)
        and getattr(candidate, "optimizer", None) is optimizer
    ]
