"""How a foreign scheduler is named, built and put into words: classes, functions, import paths, partials, lists."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any

from torch.optim import Optimizer, lr_scheduler

Factory = Callable[..., Any]


def imported(path: str) -> Factory:
    """What an import path names; a name without dots is looked for in ``torch.optim.lr_scheduler``.

    Raises:
        ValueError: If there is nothing of that name, or it cannot be called.

    Example:
        >>> imported("StepLR") is imported("torch.optim.lr_scheduler.StepLR")
        True
    """
    module, _, name = path.rpartition(".")
    try:
        found = getattr(import_module(module) if module else lr_scheduler, name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"scheduler must be a scheduler's class, or the import path of one, got {path!r} ({error}); write"
            " torch.optim.lr_scheduler.StepLR, or class_path: StepLR and its init_args in YAML"
        ) from None
    if not callable(found):
        raise ValueError(f"scheduler must be a scheduler's class, or the import path of one, got {path!r}: {found!r}")
    return found  # type: ignore[no-any-return]


def check_arguments(factory: Factory, arguments: Mapping[str, Any]) -> None:
    """Ask whether a factory takes an optimizer and these keyword arguments, without calling it.

    Raises:
        TypeError: If it does not.
    """
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(None, **arguments)
    except TypeError as error:
        raise TypeError(f"{in_words(factory, arguments)} cannot be built: {error}") from None


def build(factories: Sequence[Factory], milestones: Sequence[int] | None, optimizer: Optimizer) -> Any:
    """A ``SequentialLR`` of the factories' schedulers if there are milestones, else a ``ChainedScheduler``."""
    schedulers = [factory(optimizer) for factory in factories]
    if milestones is None:
        return lr_scheduler.ChainedScheduler(schedulers, optimizer)
    return lr_scheduler.SequentialLR(optimizer, schedulers, list(milestones))


def in_words(factory: object, arguments: Mapping[str, Any] | None = None) -> str:
    """A factory as one would write it; the same in every process, so never an address.

    Example:
        >>> in_words(partial(lr_scheduler.StepLR, step_size=2), {"gamma": 0.5})
        'StepLR(step_size=2, gamma=0.5)'
    """
    target, given = unwrap(factory)
    given = {**given, **(arguments or {})}
    try:
        defaults = {name: p.default for name, p in inspect.signature(target).parameters.items()}  # type: ignore[arg-type]
    except (TypeError, ValueError):
        defaults = {}
    inside = ", ".join(
        f"{name}={_value(value)}" for name, value in given.items() if name not in defaults or defaults[name] != value
    )
    return f"{_name(target)}({inside})" if inside or isinstance(target, type) else _name(target)


def unwrap(factory: object) -> tuple[object, dict[str, Any]]:
    """What a partial calls in the end, and with what; jsonargparse hands the class over as an argument of its own."""
    given: dict[str, Any] = {}
    while isinstance(factory, partial):
        given = {**factory.keywords, **given}
        factory = next((held for held in factory.args if isinstance(held, type)), factory.func)
    return factory, given


def _name(held: object) -> str:
    return getattr(held, "__qualname__", type(held).__qualname__).replace("<lambda>", "lambda")


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return in_words(value) if callable(value) else repr(value)
