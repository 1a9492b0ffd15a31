"""The only file that reads or writes what an optimizer's parameter groups hold: LR, base LR, step count, momentum.

The step count and the plan stand in the first group, beside torch's own ``initial_lr``, so the optimizer's own
checkpoint carries them. Group dicts are never kept: ``Optimizer.load_state_dict`` replaces them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.optim import Optimizer

ParamGroup = dict[str, Any]

BASE_LR = "initial_lr"
"""The LR at factor 1; torch's own key."""
CONFIGURED_LR = "lr_callbacks_configured_lr"
"""What the user configured when the base LR was found; differs from it after a range test."""
REFERENCE_LR = "lr_callbacks_reference_lr"
"""Only in a group added in mid-training: the base LR of the group whose factors it follows."""
CONFIGURED_MOMENTUM = "lr_callbacks_configured_momentum"
"""Only while a schedule moves the momentum: what to give back."""
STEP = "lr_callbacks_step"
"""First group only: how often the optimizer has really stepped."""
PLAN = "lr_callbacks_plan"
"""First group only: what drove the LRs, one line a callback."""
_LEFT: WeakKeyDictionary[Optimizer, list[float]] = WeakKeyDictionary()
_OURS = (CONFIGURED_LR, REFERENCE_LR, CONFIGURED_MOMENTUM, STEP, PLAN)


def get_lr(group: ParamGroup) -> float:
    """The LR of a group as a float (a tensor LR is read from its device)."""
    return float(group["lr"])


def set_lr(group: ParamGroup, lr: float) -> None:
    """Write the LR of a group; a tensor LR stays the same tensor object and gets the value in place."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(lr)
    else:
        group["lr"] = lr


def scale_lrs(groups: Iterable[ParamGroup], factor: float) -> None:
    """Write ``base LR * factor`` into each of the groups: the one rule, in one place."""
    for group in groups:
        lr = group["lr"]
        if type(lr) is float:
            group["lr"] = group[BASE_LR] * factor
        elif isinstance(lr, Tensor):
            lr.fill_(group[BASE_LR] * factor)
        else:
            group["lr"] = group[BASE_LR] * factor


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


def set_momenta(groups: Iterable[ParamGroup], momentum: float) -> None:
    """Write the momentum of those of the groups whose momentum a schedule moves."""
    for group in groups:
        if CONFIGURED_MOMENTUM not in group:
            continue
        if "betas" not in group and type(group["momentum"]) is float:
            group["momentum"] = momentum
        else:
            set_momentum(group, momentum)


def get_step(optimizer: Optimizer) -> int | None:
    """How often the optimizer has stepped, by the count that it carries; None if it carries none."""
    return optimizer.param_groups[0].get(STEP)


def is_ours(optimizer: Optimizer) -> bool:
    """Whether the groups carry what this package left there."""
    return STEP in optimizer.param_groups[0]


def leave(optimizer: Optimizer) -> None:
    """Remember the LRs that a fit leaves behind, so that the next fit of this object can tell them from a user's."""
    _LEFT[optimizer] = [get_lr(group) for group in optimizer.param_groups]


def left_by_us(optimizer: Optimizer, number: int) -> bool | None:
    """Whether group `number` still has the LR that a fit left behind; None if no fit of this object is remembered."""
    lrs = _LEFT.get(optimizer)
    return None if lrs is None else number < len(lrs) and get_lr(optimizer.param_groups[number]) == lrs[number]


def forget(optimizer: Optimizer) -> None:
    """Remove everything of ours, and ``initial_lr``, from the groups; LRs and momentum stay as they are."""
    for group in optimizer.param_groups:
        for key in (*_OURS, BASE_LR):
            group.pop(key, None)


def copy_for_stand_in(group: ParamGroup) -> ParamGroup:
    """What a group holds as it was configured, without parameters and marks: its LR is the base LR."""
    copy = {key: held for key, held in group.items() if key not in (*_OURS, BASE_LR, "params")}
    copy["lr"] = float(group[BASE_LR])
    if "betas" in copy:
        copy["betas"] = tuple(float(beta) for beta in copy["betas"])
    elif "momentum" in copy:
        copy["momentum"] = float(copy["momentum"])
    if CONFIGURED_MOMENTUM in group:
        set_momentum(copy, group[CONFIGURED_MOMENTUM])
    return copy


def was_added_later(group: ParamGroup) -> bool:
    """Whether a group came in mid-training."""
    return REFERENCE_LR in group or BASE_LR not in group


def select(optimizer: Optimizer, wanted: Sequence[int | str] | None, *, who: str) -> list[int]:
    """Indices of the groups that a callback's ``groups=`` names.

    Args:
        optimizer: Where to look.
        wanted: Indices and names (``group["name"]``), or None for all groups.
        who: The callback, for the error message.

    Raises:
        MisconfigurationException: If there is no such group; the message lists those that there are.
    """
    groups = optimizer.param_groups
    if wanted is None:
        return list(range(len(groups)))
    names = [group.get("name") for group in groups]
    chosen: list[int] = []
    for which in wanted:
        found = [i for i, name in enumerate(names) if which == (i if isinstance(which, int) else name)]
        if not found:
            have = ", ".join(str(i) if name is None else f"{i} ({name!r})" for i, name in enumerate(names))
            raise MisconfigurationException(
                f"{who}: {which!r} in groups= is no parameter group; {type(optimizer).__name__} has {have}"
            )
        chosen += found
    return sorted(set(chosen))


def on_step(optimizer: Optimizer, hook: Callable[[Optimizer], None]) -> Callable[[], None]:
    """Call `hook` after each real step of the optimizer; the returned function takes the hook off again.

    A compiled ``optimizer.step`` stays one graph: the hook itself is never traced. A fused optimizer under a GradScaler
    decides on the device whether to step and calls its hooks either way; there, and only there, the scaler's
    ``found_inf`` is read from the device.

    Raises:
        TypeError: If the optimizer has no step hooks.
    """

    @torch.compiler.disable  # type: ignore[untyped-decorator,unused-ignore]
    def after_step(stepped: Optimizer, args: Any, kwargs: Any) -> None:
        found_inf = getattr(stepped, "found_inf", None)
        if found_inf is None or not bool(found_inf):
            hook(stepped)

    try:
        return optimizer.register_step_post_hook(after_step).remove
    except AttributeError:
        raise TypeError(
            f"{type(optimizer).__name__} has no step hooks (it does not call torch.optim.Optimizer.__init__), so its"
            " steps cannot be counted; derive it from torch.optim.Optimizer and call super().__init__(params, defaults)"
        ) from None
