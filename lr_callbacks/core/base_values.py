"""Where the base LRs come from: what is configured now, what an earlier fit has left, what a checkpoint has brought."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from torch.optim import Optimizer

from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.group_checks import require_param
from lr_callbacks.core.lightning_names import rank_zero_info, rank_zero_warn
from lr_callbacks.core.lr_scale import take_lr_scales
from lr_callbacks.core.terms import Term


def read_configured(optimizer: Optimizer, name: str) -> list[float | None]:
    """What the user configured, before anything is restored; all keys of ours are cleared from the groups.

    An optimizer that carries what an earlier fit has left there (an object used twice, a state loaded by hand) would
    start from the end of that fit's schedule: its configured LR and momentum are taken up again. An LR that was changed
    since is a user's own and is believed. ``lr_scale`` becomes part of the LRs.

    Returns:
        The ``lr_scale`` of each group; None where a group has none.
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
        for param in pg.moved_params(group):
            pg.set_value(group, param, group[pg.configured_key(param)])
    scaled = [group.get(pg.SCALED_LR) for group in groups]
    for group, held in zip(groups, scaled, strict=True):
        pg.forget(group)
        if held is not None:
            group[pg.SCALED_LR] = held
    return take_lr_scales(optimizer, name)


def take_configured(optimizer: Optimizer, configured: list[float], *, believe_the_lr_found: bool) -> None:
    """A fresh optimizer, or one restored from a run without us: the base LR is the one that is configured now.

    Args:
        optimizer: Where to write.
        configured: What `read_configured` gave.
        believe_the_lr_found: In a fresh fit, an LR that was found since (by a range test) is the base LR; the
            configured one is kept as well.
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
        Whether nothing has changed.
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
                f"The configured LR of group {number} of {name} is {today:g}; it was {then:g} in the checkpoint. Using"
                f" {today:g}."
            )
            if number == 0 and group[pg.BASE_LR] != 0:
                ratio = today / group[pg.BASE_LR]
            group[pg.BASE_LR] = group[pg.CONFIGURED_LR] = today
    return same


def note_configured(
    optimizer: Optimizer, terms: Sequence[Term], configured: Sequence[Mapping[str, float]], name: str
) -> None:
    """Note in the groups what is configured for each entry, other than the LR, that a schedule drives.

    It is the base value where factors drive the entry, and the value that is restored at the end. Where no schedule
    drives an entry any more, it is restored now.

    Args:
        optimizer: Where to write.
        terms: What drives its groups.
        configured: All numbers of each group, as they were before anything was restored.
        name: How messages name the optimizer.

    Raises:
        MisconfigurationException: If factors are to drive an entry that a group does not have.
    """
    driven = {(number, term.param) for term in terms if term.param != "lr" for number in term.groups}
    by_factors = {(number, term.param) for term in terms if not term.absolute for number in term.groups}
    for number, param in sorted(by_factors - {(number, "lr") for number, _ in by_factors}):
        require_param(optimizer, param, number, name)
    for number, group in enumerate(optimizer.param_groups):
        for param in pg.moved_params(group):
            if (number, param) not in driven:
                pg.set_value(group, param, group.pop(pg.configured_key(param)))
    for number, param in sorted(driven):
        group, key = optimizer.param_groups[number], pg.configured_key(param)
        today = configured[number].get(param) if number < len(configured) else None
        now = pg.get_value(group, param)
        if now is None or (key in group and (today is None or (number, param) not in by_factors)):
            continue
        if key in group and group[key] != today:
            rank_zero_warn(
                f"The configured {param} of group {number} of {name} is {today:g}; it was {group[key]:g} in the"
                f" checkpoint. Using {today:g}."
            )
        group[key] = now if today is None else today


def give_back(optimizer: Optimizer) -> None:
    """Write what was configured into each entry, other than the LR, that a schedule has moved."""
    for group in optimizer.param_groups:
        for param in pg.moved_params(group):
            pg.set_value(group, param, group[pg.configured_key(param)])
