"""How a foreign scheduler is named, built and put into words: classes, functions, import paths, partials, lists."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from typing import Any

from torch.optim import Optimizer, lr_scheduler

from lr_callbacks.core.arguments import require, require_int

Factory = Callable[..., Any]


class Words(str):
    """A string that shows itself without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def chosen(scheduler: Any, schedulers: Any, milestones: Any, arguments: Mapping[str, Any]) -> tuple[Factory, str]:
    """What builds the scheduler from an optimizer, and the scheduler in words.

    Args:
        scheduler: One scheduler's class, a callable that makes it, or the import path of either; or None.
        schedulers: Several of them instead.
        milestones: Where the next one takes over, or an argument of a single scheduler.
        arguments: Keyword arguments of a single scheduler.

    Raises:
        TypeError: If one has a wrong type, or the scheduler does not take its arguments.
        ValueError: If there is not just one of `scheduler` and `schedulers`, or the milestones do not fit.
    """
    if (scheduler is None) == (schedulers is None):
        raise ValueError(
            "TorchScheduler takes either scheduler (one) or schedulers (a list), got"
            f" {'neither' if scheduler is None else 'both'}"
        )
    if schedulers is None:
        factory = _called(scheduler)
        given = dict(arguments) if milestones is None else {**arguments, "milestones": milestones}
        check_arguments(factory, given)
        return partial(factory, **given), in_words(factory, given)
    if not isinstance(schedulers, list | tuple):
        raise TypeError(f"schedulers must be a list of schedulers, got {schedulers!r}")
    require(len(schedulers) > 0, "schedulers", "a list of at least one scheduler", schedulers)
    require(not arguments, "the keyword arguments", "given to each of schedulers on its own", arguments)
    _check_milestones(milestones, len(schedulers))
    factories, inside = [_called(each) for each in schedulers], ", ".join(in_words(each) for each in schedulers)
    words = f"ChainedScheduler([{inside}])"
    if milestones is not None:
        words = f"SequentialLR([{inside}], milestones={list(milestones)})"
    return partial(build, factories, milestones), words


def _called(scheduler: Any) -> Factory:
    """A factory, from itself or its import path."""
    if isinstance(scheduler, str):
        return imported(scheduler)
    if not callable(scheduler):
        raise TypeError(
            "scheduler must be a scheduler's class or a callable that makes one from an optimizer, got"
            f" {scheduler!r}; write TorchScheduler(torch.optim.lr_scheduler.StepLR, step_size=30)"
        )
    return scheduler  # type: ignore[no-any-return]


def _check_milestones(milestones: list[int] | None, schedulers: int) -> None:
    if milestones is None:
        return
    if not isinstance(milestones, list | tuple):
        raise TypeError(f"milestones must be a list of numbers of steps, got {milestones!r}")
    for milestone in milestones:
        require_int("milestones", milestone, minimum=1)
    require(list(milestones) == sorted(set(milestones)), "milestones", "increasing", milestones)
    require(len(milestones) == schedulers - 1, "milestones", f"one fewer than the {schedulers} schedulers", milestones)


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
        near = [] if module else get_close_matches(name, [each for each in vars(lr_scheduler) if each[0] != "_"], n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"scheduler must be a scheduler's class, or the import path of one, got {path!r} ({error}).{guess} Write"
            " torch.optim.lr_scheduler.StepLR, or class_path: StepLR and its init_args in YAML."
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
