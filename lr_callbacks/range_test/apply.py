"""Set the LR that was found, in the ratio in which the groups are configured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch.optim import Optimizer

from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.controller import Controller
from lr_callbacks.core.mid_fit import rebase


def ratios_of(
    optimizer: Optimizer, groups: Sequence[int] | None = None, controller: Controller | None = None
) -> dict[int, float]:
    """Ratio of the LR of each group to the largest of them.

    Args:
        optimizer: The optimizer.
        groups: Indices of the groups concerned; None for all.
        controller: What drives the optimizer, if anything does; while it runs, the ratio is that of the base LRs.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([{"params": [torch.ones(1)], "lr": lr} for lr in (0.1, 0.2, 0.4)])
        >>> ratios_of(optimizer, [0, 1])
        {0: 0.5, 1: 1.0}
    """
    running = controller is not None and controller.hooks.are_on
    lrs = {}
    for number in range(len(optimizer.param_groups)) if groups is None else groups:
        group = optimizer.param_groups[number]
        lrs[number] = float(group[pg.BASE_LR]) if running and pg.BASE_LR in group else pg.get_lr(group)
    largest = max(lrs.values())
    return {number: lr / largest if largest > 0 else 1.0 for number, lr in lrs.items()}


def set_largest_lr(
    optimizer: Optimizer, lr: float, ratios: Mapping[int, float], controller: Controller | None = None
) -> None:
    """Set the LRs of some groups, the largest to `lr`.

    Args:
        optimizer: Where to set them.
        lr: The largest LR.
        ratios: What `ratios_of` gave.
        controller: What drives the optimizer, if anything does; while it runs, base LRs are set, and schedules continue
            from them.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([{"params": [torch.ones(1)], "lr": lr} for lr in (0.1, 0.2)])
        >>> set_largest_lr(optimizer, 1.0, ratios_of(optimizer))
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.5, 1.0]
    """
    lrs = {number: lr * ratio for number, ratio in ratios.items()}
    if controller is not None and controller.hooks.are_on:
        rebase(controller, lrs)
        return
    for number, mine in lrs.items():
        pg.set_lr(optimizer.param_groups[number], mine)
