"""Layer-wise LRs by timm's convention: ``group["lr_scale"]`` multiplies whatever LR a schedule gives to a group."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

from torch import Tensor
from torch.optim import Optimizer

from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.arguments import is_finite
from lr_callbacks.core.lightning_names import MisconfigurationException

LIKE = 1e-6
"""Relative difference below which ratios count as equal: that of a tensor LR in single precision."""


def take_lr_scales(optimizer: Optimizer, name: str) -> list[float | None]:
    """Multiply the configured LRs by the groups' ``lr_scale``, unless they contain it.

    They contain it if they are in the ratio of the scales, or are what was written here before. An optimizer that has
    an argument of that name is left alone: it applies the scale itself.

    Args:
        optimizer: Its groups hold the configured LRs.
        name: How messages name it.

    Returns:
        The scale of each group; None where a group has none.

    Raises:
        MisconfigurationException: If a scale is no finite number that is at least 0.
    """
    groups = optimizer.param_groups
    if pg.LR_SCALE in optimizer.defaults or not any(pg.LR_SCALE in group for group in groups):
        return [None] * len(groups)
    scales = [_scale(group, number, name) for number, group in enumerate(groups)]
    lrs = [pg.get_lr(group) for group in groups]
    written = [group.get(pg.SCALED_LR) for group in groups]
    if not _contain(lrs, scales, written):
        for group, lr, scale in zip(groups, lrs, scales, strict=True):
            pg.set_lr(group, lr * (1.0 if scale is None else scale))
    mark_scales(optimizer, scales, [pg.get_lr(group) for group in groups])
    return scales


def mark_scales(optimizer: Optimizer, scales: Sequence[float | None], lrs: Sequence[float]) -> None:
    """Note in the groups that their base LRs contain these scales: those of today, also where a state was loaded.

    Args:
        optimizer: Where to write.
        scales: The scale of each group.
        lrs: The LR that each group is configured with, the scale being part of it.
    """
    for group, scale, lr in zip(optimizer.param_groups, scales, lrs, strict=False):
        if scale is not None:
            group[pg.LR_SCALE], group[pg.SCALED_LR] = scale, lr


def scale_added_group(optimizer: Optimizer, number: int, name: str) -> None:
    """Multiply the LR of a group that was added in mid-training by its ``lr_scale``, if it has one."""
    group = optimizer.param_groups[number]
    scale = None if pg.LR_SCALE in optimizer.defaults else _scale(group, number, name)
    if scale is not None:
        pg.set_lr(group, pg.get_lr(group) * scale)
        group[pg.SCALED_LR] = pg.get_lr(group)


def _scale(group: pg.ParamGroup, number: int, name: str) -> float | None:
    scale = group.get(pg.LR_SCALE)
    if scale is None:
        return None
    is_number = not isinstance(scale, bool) and isinstance(scale, Real | Tensor)
    if not is_number or not is_finite(float(scale)) or float(scale) < 0:
        raise MisconfigurationException(
            f"lr_scale of group {number} of {name} must be a finite number that is at least 0, got {scale!r}"
        )
    return float(scale)


def _contain(lrs: Sequence[float], scales: Sequence[float | None], written: Sequence[float | None]) -> bool:
    """Whether LRs contain the scales: they are those that were written last, or differ just as the scales do."""
    left = [(held, lr) for held, lr in zip(written, lrs, strict=True) if held is not None]
    if left and all(held == lr for held, lr in left):
        return True
    known = [1.0 if scale is None else scale for scale in scales]
    if len(set(lrs)) == 1 or 0 in known:
        return False
    bases = [lr / scale for lr, scale in zip(lrs, known, strict=True)]
    return max(bases) - min(bases) <= LIKE * max(bases)
