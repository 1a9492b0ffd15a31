"""Checks of what an optimizer's parameter groups hold."""

from __future__ import annotations

from numbers import Real

from torch import Tensor
from torch.optim import Optimizer

from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.arguments import is_finite
from lr_callbacks.core.lightning_names import MisconfigurationException


def require_lrs(optimizer: Optimizer, name: str) -> None:
    """Reject an optimizer that has no LRs to set, or LRs that are none.

    Raises:
        MisconfigurationException: Naming the group, the rule, the value and the way out.
    """
    for number, group in enumerate(optimizer.param_groups):
        lr = group.get("lr")
        if isinstance(lr, bool) or not isinstance(lr, Real | Tensor):
            raise MisconfigurationException(
                f"group {number} of {name} has no LR that could be set: group['lr'] must be a number or a tensor, got"
                f" {lr!r}; give it one, or remove the LR callbacks from the Trainer (an optimizer that finds its LR"
                " itself needs none)"
            )
        rule = broken_rule(lr)
        if rule is not None:
            raise MisconfigurationException(
                f"the LR of group {number} of {name} must be {rule}, got {lr!r}; configure another one"
            )


def broken_rule(value: object) -> str | None:
    """The rule for a value in a parameter group that this one breaks; None if it breaks none."""
    if isinstance(value, Tensor):
        if value.numel() != 1:
            return "one number: a tensor with one element"
        if not value.is_floating_point():
            return "a tensor of floats: torch would cut off what is written into one of integers"
        value = value.item()
    return None if is_finite(value) and value >= 0 else "a finite number >= 0"  # type: ignore[operator]


def check_numbers(optimizer: Optimizer) -> None:
    """Reject numbers of ours in the groups that are none, wherever they came from.

    Raises:
        ValueError: Naming the group, the key, the rule and the value.
    """
    for number, group in enumerate(optimizer.param_groups):
        ours = pg.is_ours(group) or pg.STEP in group
        if number == 0 and pg.STEP in group and pg.BASE_LR not in group:
            raise ValueError(f"group 0 of the optimizer's state has {pg.STEP} but no {pg.BASE_LR}; both are needed")
        for key in pg.NUMBERS:
            rule = broken_rule(group[key]) if ours and key in group else None
            if rule is not None:
                raise ValueError(
                    f"{key} in group {number} of the optimizer's state must be {rule}, got {group[key]!r}; the"
                    " checkpoint is damaged"
                )


def require_param(optimizer: Optimizer, param: str, number: int, name: str) -> None:
    """Reject an entry that a group does not have.

    Raises:
        MisconfigurationException: Naming the group, the entry, and the entries that there are.
    """
    group = optimizer.param_groups[number]
    if pg.get_value(group, param) is None:
        have = ", ".join(sorted(repr(key) for key in pg.numbers_of(group) if not pg.is_our_key(key)))
        raise MisconfigurationException(
            f"param={param!r}: group {number} of {name} has no such number; it has {have}. Name one of those, or give"
            " the schedule other groups="
        )
