"""Where the base LRs come from: what is configured now, what an earlier fit has left, what a checkpoint has brought."""

from __future__ import annotations

from collections.abc import Collection

from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn
from torch.optim import Optimizer

from lr_callbacks.core import param_groups as pg


def read_configured(optimizer: Optimizer, name: str) -> list[float]:
    """What the user configured, before anything is restored; all keys of ours are cleared from the groups.

    An optimizer that carries what an earlier fit has left there (an object used twice, a state loaded by hand) would
    start from the end of that fit's schedule: its configured LR and momentum are taken up again. An LR that was changed
    since is a user's own and is believed.
    """
    groups = optimizer.param_groups
    for number, group in enumerate(groups):
        base, lr = group.get(pg.CONFIGURED_LR, group.get(pg.BASE_LR)), pg.get_lr(group)
        if pg.is_ours(group) and base is not None and group.get(pg.LEFT_LR, lr) == lr != base:
            if pg.LEFT_LR in group:
                rank_zero_info(
                    f"Group {number} of {name} comes from an earlier fit, which left it at LR {lr:g}; its configured LR"
                    f" {base:g} is the base LR again."
                )
            pg.set_lr(group, base)
        if pg.CONFIGURED_MOMENTUM in group:
            pg.set_momentum(group, group[pg.CONFIGURED_MOMENTUM])
        pg.forget(group)
    return [pg.get_lr(group) for group in groups]


def take_configured(optimizer: Optimizer, configured: list[float], *, believe_the_lr_found: bool) -> None:
    """A fresh optimizer, or one restored from a run without us: the base LR is the one that is configured now.

    Args:
        optimizer: Where to write.
        configured: What `read_configured` gave.
        believe_the_lr_found: In a fresh fit, an LR that somebody has found since (a range test) is the base LR; the
            configured one stays beside it.
    """
    for number, group in enumerate(optimizer.param_groups):
        known = number < len(configured)
        group[pg.BASE_LR] = pg.get_lr(group) if believe_the_lr_found or not known else configured[number]
        if known:
            group[pg.CONFIGURED_LR] = configured[number]


def take_restored(optimizer: Optimizer, configured: list[float], driven: Collection[int], name: str) -> bool:
    """A checkpoint of ours: its base LRs hold as long as what is configured has not changed; else today's do.

    A group that was added in mid-training keeps its ratio to the group that it follows.

    Returns:
        Whether all was as it is now.
    """
    same, ratio = True, 1.0
    for number, group in enumerate(optimizer.param_groups):
        if pg.REFERENCE_LR in group:
            group[pg.BASE_LR] *= ratio
            group[pg.REFERENCE_LR] *= ratio
        if number >= len(configured) or number not in driven or pg.CONFIGURED_LR not in group:
            continue
        today, then = configured[number], group[pg.CONFIGURED_LR]
        if today != then:
            same = False
            rank_zero_warn(
                f"Group {number} of {name} was configured with LR {then:g} when the checkpoint was written and is with"
                f" {today:g} now; {today:g} is used."
            )
            if number == 0 and group[pg.BASE_LR] != 0:
                ratio = today / group[pg.BASE_LR]
            group[pg.BASE_LR] = group[pg.CONFIGURED_LR] = today
    return same
