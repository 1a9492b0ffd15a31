"""The only file that reads or writes what an optimizer's parameter groups hold: values, base values, step count.

The step count, the plan and the timeline are in the first group of a saved state, next to torch's own ``initial_lr``,
so the optimizer's own checkpoint carries them. Group dicts are never kept: ``Optimizer.load_state_dict`` replaces them.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from numbers import Real
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from lr_callbacks.core.lightning_names import MisconfigurationException

ParamGroup = dict[str, Any]

BASE_LR = "initial_lr"
"""The LR at factor 1; torch's own key."""
CONFIGURED_LR = "lr_callbacks_configured_lr"
"""What the user configured when the base LR was found; differs from it after a range test."""
REFERENCE_LR = "lr_callbacks_reference_lr"
"""Only in a group added in mid-training: the base LR of the group that it follows."""
LR_SCALE = "lr_scale"
"""timm's key for layer-wise LRs: what multiplies any LR that a schedule gives to the group."""
BETA2 = "beta2"
"""Name of Adam's second beta among the entries of a group."""
_PREFIX = "lr_callbacks_"
SCALED_LR = f"{_PREFIX}scaled_lr"
"""Only in a group with an ``lr_scale``: its LR when it was found, the scale being part of it."""
_CONFIGURED = f"{_PREFIX}configured_"
CONFIGURED_MOMENTUM = f"{_CONFIGURED}momentum"
"""Only while a schedule moves the momentum: the value to restore. Other entries are kept in the same way."""
STEP = "lr_callbacks_step"
"""First group only, and only in a saved state: how often the optimizer has really stepped."""
PLAN = "lr_callbacks_plan"
"""First group only, and only in a saved state: what drove the values, one record for each schedule."""
TIMELINE = "lr_callbacks_timeline"
"""First group only, and only in a saved state: the run as it was planned, and how it has really gone."""
ELAPSED = "lr_callbacks_elapsed"
"""First group only, and only in a saved state of a run by the wall clock: milliseconds that it has lasted."""
LEFT_LR = "lr_callbacks_left_lr"
"""Only in a saved state: the LR then, so that a later change by the user can be detected."""
FEEDBACK = "lr_callbacks_feedback"
"""First group only, and only in a saved state of a loop without a Trainer: the state of schedules with feedback."""
OF_A_STATE = (STEP, PLAN, TIMELINE, ELAPSED, LEFT_LR, FEEDBACK)
NUMBERS = ("lr", BASE_LR, CONFIGURED_LR, REFERENCE_LR, CONFIGURED_MOMENTUM, LEFT_LR)
"""What must be numbers in a group that carries anything of ours."""


def get_lr(group: ParamGroup) -> float:
    """The LR of a group as a float (a tensor LR is read from its device)."""
    return float(group["lr"])


def set_lr(group: ParamGroup, lr: float) -> None:
    """Write the LR of a group; a tensor LR stays the same tensor object and gets the value in place."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(lr)
    else:
        group["lr"] = lr


def holds_lr(group: ParamGroup, lr: float) -> bool:
    """Whether the group's LR is `lr`, up to the rounding of a tensor's dtype; not looked at on an accelerator."""
    held = group["lr"]
    if isinstance(held, Tensor):
        return held.device.type != "cpu" or bool(held == torch.tensor(lr, dtype=held.dtype))
    return bool(held == lr)


def get_momentum(group: ParamGroup) -> float | None:
    """SGD's or RMSprop's ``momentum``, or the first beta of the Adam family; None where the group uses none."""
    if "betas" in group:
        return float(group["betas"][0])
    momentum = float(group.get("momentum", 0.0))
    return momentum if momentum != 0.0 else None


def set_momentum(group: ParamGroup, momentum: float) -> None:
    """Write the momentum of a group that has one, in place where it is a tensor."""
    if "betas" in group:
        first, *others = group["betas"]
        if isinstance(first, Tensor):
            first.fill_(momentum)
        else:
            group["betas"] = (momentum, *others)  # a tuple, as Adam had it
    elif isinstance(group["momentum"], Tensor):
        group["momentum"].fill_(momentum)
    else:
        group["momentum"] = momentum


def get_value(group: ParamGroup, param: str) -> float | None:
    """The value of an entry as a float; None where a group has none.

    ``"momentum"`` stands for the first beta too, ``"beta2"`` for the second.
    """
    if param == "momentum":
        return get_momentum(group)
    if param == BETA2 and len(group.get("betas", ())) > 1:
        return float(group["betas"][1])
    value = group.get(param)
    if value is None or isinstance(value, bool) or not isinstance(value, Real | Tensor):
        return None
    return float(value)


def numbers_of(group: ParamGroup) -> dict[str, float]:
    """All entries of a group that are numbers."""
    values = {param: get_value(group, param) for param in (*group, "momentum", BETA2)}
    return {param: value for param, value in values.items() if value is not None}


def set_value(group: ParamGroup, param: str, value: float) -> None:
    """Write an entry of a group that has it; a tensor stays the same tensor object and gets the value in place."""
    if param == "momentum":
        set_momentum(group, value)
    elif param == BETA2:
        first, second, *others = group["betas"]
        if isinstance(second, Tensor):
            second.fill_(value)
        else:
            group["betas"] = (first, value, *others)
    elif isinstance(group[param], Tensor):
        group[param].fill_(value)
    else:
        group[param] = value


def base_key(param: str) -> str:
    """Where the base value of an entry is kept: torch's own ``initial_lr``, or a key of ours."""
    return BASE_LR if param == "lr" else configured_key(param)


def configured_key(param: str) -> str:
    """Where it is kept what the user configured."""
    return f"{_CONFIGURED}{param}"


def reference_value(group: ParamGroup, param: str) -> float:
    """The base value that a schedule sees; for a group added in mid-training, that of the group that it follows."""
    if param == "lr":
        return float(group[REFERENCE_LR]) if REFERENCE_LR in group else unscaled_base(group)
    value = group.get(base_key(param), get_value(group, param))
    return 0.0 if value is None else float(value)


def unscaled_base(group: ParamGroup) -> float:
    """The base LR without the group's ``lr_scale``, where that is part of it."""
    base = float(group.get(BASE_LR, 0.0))
    scale = float(group[LR_SCALE]) if SCALED_LR in group else 1.0
    return base / scale if scale not in (0.0, 1.0) else base


def found_ratio(group: ParamGroup) -> float:
    """The base LR over the LR that was configured; not 1 after a range test."""
    configured = float(group.get(CONFIGURED_LR, 0.0))
    return float(group[BASE_LR]) / configured if configured else 1.0


def moved_params(group: ParamGroup) -> list[str]:
    """Return the entries other than the LR with configured values kept in the group, to be restored."""
    return [key.removeprefix(_CONFIGURED) for key in group if key.startswith(_CONFIGURED) and key != CONFIGURED_LR]


def is_our_key(key: str) -> bool:
    """Whether this package, or torch's schedulers, keep something under a key."""
    return key.startswith(_PREFIX) or key == BASE_LR


def is_ours(group: ParamGroup) -> bool:
    """Whether a group carries what this package has left there."""
    return CONFIGURED_LR in group or REFERENCE_LR in group


def forget(group: ParamGroup) -> None:
    """Remove everything of ours, and ``initial_lr``; the values themselves stay as they are."""
    for key in [key for key in group if is_our_key(key)]:
        del group[key]


def unshare_tensors(optimizer: Optimizer, together: Sequence[int]) -> None:
    """Give groups an LR (and beta) tensor of their own where they share one with a group that is driven otherwise.

    torch puts one tensor into all groups if it is given as the default; written in place, it would move them all.
    """
    groups, mine = optimizer.param_groups, set(together)
    others = {id(held) for i, group in enumerate(groups) if i not in mine for held in _tensors(group)}
    for number in together:
        group = groups[number]
        if id(group["lr"]) in others:
            group["lr"] = group["lr"].clone()
        if "betas" in group and id(group["betas"][0]) in others:
            group["betas"] = (group["betas"][0].clone(), *group["betas"][1:])


def _tensors(group: ParamGroup) -> list[Tensor]:
    return [held for held in (group["lr"], *group.get("betas", ())) if isinstance(held, Tensor)]


def copy_for_stand_in(group: ParamGroup) -> ParamGroup:
    """What a group holds as configured, without parameters and marks: its LR is the base LR without ``lr_scale``."""
    copy = {key: held for key, held in group.items() if not is_our_key(key) and key != "params"}
    copy["lr"] = unscaled_base(group)
    if "betas" in copy:
        copy["betas"] = tuple(float(beta) for beta in copy["betas"])
    elif "momentum" in copy:
        copy["momentum"] = float(copy["momentum"])
    for param in moved_params(group):
        set_value(copy, param, group[configured_key(param)])
    return copy


def was_added_later(group: ParamGroup) -> bool:
    """Whether a group came in mid-training."""
    return REFERENCE_LR in group or BASE_LR not in group


def select(optimizer: Optimizer, wanted: Sequence[int | str] | None, *, who: str) -> list[int]:
    """Indices of the groups that a callback's ``groups=`` names.

    Args:
        optimizer: Where to look.
        wanted: Indices, names (``group["name"]``) and patterns of names (``"backbone*"``), or None for all groups.
        who: Name of the callback, for the error message.

    Raises:
        MisconfigurationException: If there is no such group; the message lists those that there are.
    """
    groups = optimizer.param_groups
    if wanted is None:
        return list(range(len(groups)))
    names = [group.get("name") for group in groups]
    chosen: list[int] = []
    for which in wanted:
        found = [number for number, name in enumerate(names) if _is_named(which, number, name)]
        if not found:
            have = ", ".join(str(i) if name is None else f"{i} ({name!r})" for i, name in enumerate(names))
            raise MisconfigurationException(
                f"{who}: {which!r} in groups= is not a parameter group; {type(optimizer).__name__} has {have}"
            )
        chosen += found
    return sorted(set(chosen))


def _is_named(which: int | str, number: int, name: object) -> bool:
    """Whether an index, a name or a pattern means the group of a number and a name."""
    if isinstance(which, int):
        return which == number
    return which == name or (isinstance(name, str) and fnmatchcase(name, which))
