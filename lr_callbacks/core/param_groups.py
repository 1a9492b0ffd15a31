"""The only file that reads or writes what an optimizer's parameter groups hold: LR, base LR, step count, momentum.

The step count and the plan stand in the first group of a saved state, beside torch's own ``initial_lr``, so the
optimizer's own checkpoint carries them. Group dicts are never kept: ``Optimizer.load_state_dict`` replaces them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.optim import Optimizer

from lr_callbacks.core.arguments import is_count
from lr_callbacks.core.lightning_internals import is_under_dynamo

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
"""First group only, and only in a saved state: how often the optimizer has really stepped."""
PLAN = "lr_callbacks_plan"
"""First group only, and only in a saved state: what drove the LRs, one line a callback."""
ELAPSED = "lr_callbacks_elapsed"
"""First group only, and only in a saved state of a run by the wall clock: milliseconds that it has lasted."""
LEFT_LR = "lr_callbacks_left_lr"
"""Only in a saved state: the LR then, so that one that a user has changed since can be told from it."""
_OF_A_STATE = (STEP, PLAN, ELAPSED, LEFT_LR)
NUMBERS = ("lr", BASE_LR, CONFIGURED_LR, REFERENCE_LR, CONFIGURED_MOMENTUM, LEFT_LR)
"""What must be numbers in a group that carries anything of ours."""
_OURS = (CONFIGURED_LR, REFERENCE_LR, CONFIGURED_MOMENTUM, *_OF_A_STATE)


def get_lr(group: ParamGroup) -> float:
    """The LR of a group as a float (a tensor LR is read from its device)."""
    return float(group["lr"])


def set_lr(group: ParamGroup, lr: float) -> None:
    """Write the LR of a group; a tensor LR stays the same tensor object and gets the value in place."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(lr)
    else:
        group["lr"] = lr


# These two loops are what a step of many groups costs; a local name for what is looked up in each turn saves a fifth.


def set_lrs(groups: Sequence[ParamGroup], lrs: Sequence[float]) -> None:
    """Write an LR into each of the groups, each its own."""
    plain = float
    for group, lr in zip(groups, lrs, strict=True):
        if group["lr"].__class__ is plain:
            group["lr"] = lr
        else:
            set_lr(group, lr)


def scale_lrs(groups: Sequence[ParamGroup], factor: float) -> None:
    """Write ``base LR * factor`` into each of the groups: the rule, for groups that share a factor."""
    plain, base = float, BASE_LR
    for group in groups:
        if group["lr"].__class__ is plain:
            group["lr"] = group[base] * factor
        else:
            set_lr(group, group[base] * factor)


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
    """Write the momentum of groups that have one."""
    for group in groups:
        if "betas" not in group and type(group["momentum"]) is float:
            group["momentum"] = momentum
        else:
            set_momentum(group, momentum)


def is_ours(group: ParamGroup) -> bool:
    """Whether a group carries what this package has left there."""
    return CONFIGURED_LR in group or REFERENCE_LR in group


def forget(group: ParamGroup) -> None:
    """Remove everything of ours, and ``initial_lr``; LR and momentum stay as they are."""
    for key in (*_OURS, BASE_LR):
        group.pop(key, None)


def get_count(optimizer: Optimizer) -> int | None:
    """How often the optimizer has stepped, by the count that its state has brought; None if it has brought none.

    Raises:
        ValueError: If what it has brought is no count.
    """
    count = optimizer.param_groups[0].get(STEP)
    if count is not None and not is_count(count):
        raise ValueError(f"the step count in the optimizer's state must be a whole number >= 0, got {count!r}")
    return count


def get_elapsed(optimizer: Optimizer) -> int | None:
    """How many milliseconds a run by the wall clock had lasted when the optimizer's state was saved, if it says so.

    Raises:
        ValueError: If what it says is no such number.
    """
    elapsed = optimizer.param_groups[0].get(ELAPSED)
    if elapsed is not None and not is_count(elapsed):
        raise ValueError(f"the elapsed milliseconds in the optimizer's state must be whole and >= 0, got {elapsed!r}")
    return elapsed


def get_plan(optimizer: Optimizer) -> list[str] | None:
    """The plan that the optimizer's state has brought, if any.

    Raises:
        ValueError: If what it has brought is no list of texts.
    """
    plan: list[str] | None = optimizer.param_groups[0].get(PLAN)
    if plan is not None and not (isinstance(plan, list) and all(isinstance(line, str) for line in plan)):
        raise ValueError(f"{PLAN} in the optimizer's state must be a list of texts, got {plan!r}")
    return plan


def write_count(groups: list[ParamGroup], count: int, plan: list[str], elapsed: int | None = None) -> None:
    """Let a state carry the count, the plan, the time and the LRs of now; `groups` are the state's, not the live ones.

    The live groups do not hold the count while the training lasts: a compiled ``optimizer.step`` is guarded on what
    they hold, and would be compiled anew at each step.
    """
    groups[0][STEP], groups[0][PLAN] = count, list(plan)
    if elapsed is not None:
        groups[0][ELAPSED] = elapsed
    for group in groups:
        group[LEFT_LR] = get_lr(group)


def forget_count(optimizer: Optimizer) -> None:
    """Take out what only a saved state carries."""
    for group in optimizer.param_groups:
        for key in _OF_A_STATE:
            group.pop(key, None)


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

    def unless_skipped(stepped: Optimizer) -> None:
        found_inf = getattr(stepped, "found_inf", None)
        if found_inf is None or not bool(found_inf):
            hook(stepped)

    untraced = torch.compiler.disable(unless_skipped)  # type: ignore[no-untyped-call,unused-ignore]

    def after_step(stepped: Optimizer, args: Any, kwargs: Any) -> None:
        if torch.compiler.is_compiling() or is_under_dynamo():
            untraced(stepped)
        else:  # what keeps dynamo out costs half as much as an update, so it is left out where there is none
            unless_skipped(stepped)

    try:
        return optimizer.register_step_post_hook(after_step).remove
    except AttributeError:
        raise TypeError(
            f"{type(optimizer).__name__} has no step hooks (it does not call torch.optim.Optimizer.__init__), so its"
            " steps cannot be counted; derive it from torch.optim.Optimizer and call super().__init__(params, defaults)"
        ) from None


def on_save(optimizer: Optimizer, hook: Callable[[list[ParamGroup]], None]) -> Callable[[], None]:
    """Call `hook` with the groups of each state that is made of the optimizer; returns what takes it off again."""

    def after_state_dict(saved: Optimizer, state: dict[str, Any]) -> None:
        hook(state["param_groups"])

    return optimizer.register_state_dict_post_hook(after_state_dict).remove


def on_load(optimizer: Optimizer, hook: Callable[[Optimizer], None]) -> Callable[[], None]:
    """Call `hook` after a state has been loaded into the optimizer; returns what takes it off again."""
    return optimizer.register_load_state_dict_post_hook(hook).remove
