"""The line to write for a scheduler that a module has built: its class and its arguments."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import CyclicLR, LambdaLR, MultiplicativeLR, MultiStepLR, OneCycleLR, ReduceLROnPlateau

UNKNOWN = "..."
"""Placeholder for an argument that cannot be read off."""


def scheduler_in_words(scheduler: Any) -> str:
    """Return a scheduler as source code, with the arguments that differ from their defaults.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.ones(1)], lr=0.1)
        >>> scheduler_in_words(lr_scheduler.StepLR(optimizer, step_size=30, gamma=0.1))
        'StepLR(step_size=30)'
    """
    inner = getattr(scheduler, "_schedulers", None)
    arguments = "" if inner else _written(_arguments(scheduler))
    if inner:
        arguments = f"[{', '.join(map(scheduler_in_words, inner))}]{_milestones(scheduler)}"
    return f"{type(scheduler).__name__}({arguments})"


def replacement_line(config: Any) -> str:
    """Return the source code of the callback that does what a configured scheduler would do.

    Args:
        config: Lightning's ``LRSchedulerConfig``.
    """
    scheduler = config.scheduler
    if isinstance(scheduler, ReduceLROnPlateau):
        return _plateau(config)
    given = {"interval": "epoch"} if config.interval == "epoch" else {}
    when = given | ({"frequency": config.frequency} if config.frequency != 1 else {})
    inner = getattr(scheduler, "_schedulers", None)
    if inner:
        several = ", ".join(_partial(each) for each in inner)
        return f"TorchScheduler(schedulers=[{several}]{_milestones(scheduler)}{_more(when)})"
    return f"TorchScheduler({_path(type(scheduler))}{_more(when | _arguments(scheduler))})"


def _plateau(config: Any) -> str:
    scheduler, every = config.scheduler, config.frequency
    arguments = _arguments(scheduler)
    if config.interval == "epoch" and every != 1:
        given = {"monitor": config.monitor, "frequency": every} | arguments
        return f"TorchScheduler({_path(type(scheduler))}{_more(given)})"
    if config.interval == "step":
        arguments |= {"every_n_steps": every}
    return f"ReduceLROnPlateau({config.monitor!r}{_more(arguments)})"


def _partial(scheduler: Any) -> str:
    return f"functools.partial({_path(type(scheduler))}{_more(_arguments(scheduler))})"


def _milestones(scheduler: Any) -> str:
    milestones = getattr(scheduler, "_milestones", None)
    return "" if milestones is None else f", milestones={list(milestones)!r}"


def _path(kind: type) -> str:
    is_torchs = getattr(lr_scheduler, kind.__name__, None) is kind
    return f"{'torch.optim.lr_scheduler' if is_torchs else kind.__module__}.{kind.__qualname__}"


def _more(arguments: Mapping[str, Any]) -> str:
    return f", {_written(arguments)}" if arguments else ""


def _written(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_value(value)}" for name, value in arguments.items())


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    plain = value is None or isinstance(value, bool | int | float | str)
    return repr(value) if plain and value != UNKNOWN else UNKNOWN


def _arguments(scheduler: Any) -> dict[str, Any]:
    """The arguments of a scheduler's constructor that differ from their defaults, as far as they can be read off."""
    found = {}
    for name, parameter in list(inspect.signature(type(scheduler)).parameters.items())[1:]:
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL) or name in ("last_epoch", "verbose"):
            continue
        value = _argument(scheduler, name)
        if parameter.default is parameter.empty or (value is not UNKNOWN and value != parameter.default):
            found[name] = value
    return found


def _argument(scheduler: Any, name: str) -> Any:
    """The value of one argument; `UNKNOWN` where the scheduler does not keep it."""
    if isinstance(scheduler, OneCycleLR | CyclicLR):
        value = _of_cycle(scheduler, name)
    elif isinstance(scheduler, MultiStepLR) and name == "milestones":
        value = sorted(Counter(scheduler.milestones).elements())
    elif isinstance(scheduler, LambdaLR | MultiplicativeLR) and name == "lr_lambda":
        value = [UNKNOWN]
    elif isinstance(scheduler, ReduceLROnPlateau) and name == "min_lr":
        value = list(scheduler.min_lrs)
    else:
        value = getattr(scheduler, name, UNKNOWN)
    value = float(value) if isinstance(value, Tensor) and value.numel() == 1 else value
    if isinstance(value, list) and value and all(each == value[0] for each in value) and name != "milestones":
        value = value[0]
    return value


def _of_cycle(scheduler: OneCycleLR | CyclicLR, name: str) -> Any:
    """An argument of a cycle, from what it has made of it in itself and in the groups of its optimizer."""
    groups = scheduler.optimizer.param_groups
    if isinstance(scheduler, CyclicLR):
        up = scheduler.total_size * scheduler.step_ratio
        sizes = {"step_size_up": up, "step_size_down": scheduler.total_size - up}
        if name in sizes:
            size = round(sizes[name])
            return None if name == "step_size_down" and size == round(up) else size
        lists = {"base_lr": "base_lrs", "max_lr": "max_lrs", "base_momentum": "base_momentums"}
        lists["max_momentum"] = "max_momentums"
        if name == "scale_fn":
            return None if scheduler._scale_fn_custom is None else UNKNOWN
        kept = getattr(scheduler, lists.get(name, name), UNKNOWN)
        if name == "scale_mode":  # each mode but a function of the user's own sets it
            return UNKNOWN if scheduler._scale_fn_custom is None else kept
        return list(map(float, kept)) if isinstance(kept, Sequence) and name in lists else kept
    phases = scheduler._schedule_phases
    if name in ("max_lr", "base_momentum", "max_momentum"):
        return [float(group[name]) if name in group else UNKNOWN for group in groups]
    if name == "div_factor":
        return _short(groups[0]["max_lr"] / scheduler.base_lrs[0])
    if name == "final_div_factor":
        return _short(scheduler.base_lrs[0] / groups[0]["min_lr"])
    if name == "pct_start":
        return _short((phases[0]["end_step"] + 1) / scheduler.total_steps)
    if name == "three_phase":
        return len(phases) == 3
    if name == "anneal_strategy":
        return getattr(scheduler, "_anneal_func_type", UNKNOWN)
    return UNKNOWN if name in ("epochs", "steps_per_epoch") else getattr(scheduler, name, UNKNOWN)


def _short(value: Any) -> float:
    """A number as it was written, where a quotient has changed its last bits."""
    return float(f"{float(value):.12g}")
