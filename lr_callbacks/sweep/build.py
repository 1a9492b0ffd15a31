"""Checks of `build`: how it takes a point, and that it returns a new trainer, a new module and the data."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from lr_callbacks.core.lightning_names import LightningModule, MisconfigurationException, Trainer, is_a
from lr_callbacks.sweep.axes import is_lr

Build = Callable[..., tuple[Any, ...]]
"""A point, as keyword arguments or one dict -> (trainer, module, other arguments of `trainer.fit`)."""

NUMBERS = (int, float, "int", "float")


def caller(build: Build, axes: Iterable[str]) -> Callable[[dict[str, Any]], Any]:
    """Find out how a function takes a point: the axes as keyword arguments, or one dict.

    Raises:
        TypeError: If it takes neither.

    Example:
        >>> caller(lambda lr: lr * 2, ["lr"])({"lr": 0.1}), caller(lambda point: point["lr"], ["lr"])({"lr": 0.1})
        (0.2, 0.1)
    """
    axes = list(axes)
    try:
        signature = inspect.signature(build)
    except (TypeError, ValueError):  # written in C
        return build
    with suppress(TypeError):
        signature.bind(**dict.fromkeys(axes))
        return lambda point: build(**point)
    first = next(iter(signature.parameters.values()), None)
    if first is not None and not is_lr(first.name) and first.annotation not in NUMBERS:  # build(learning_rate: float)
        with suppress(TypeError):
            signature.bind({})
            return build
    name = getattr(build, "__name__", type(build).__name__)
    words = ", ".join(axes) if all(map(str.isidentifier, axes)) else "**point"
    raise TypeError(
        f"build must take a point as keyword arguments, def build({words}), or as one dict, def build(point), got "
        f"{name}{signature}"
    )


_used: WeakSet[Trainer | LightningModule] = WeakSet()


def made_new(built: Any) -> tuple[Any, ...]:
    """Return the result of `build` if it is a Trainer for one device, a module and data, not used before."""
    parts = tuple(built) if isinstance(built, tuple | list) else (built,)
    if len(parts) < 2 or not is_a(parts[0], Trainer) or not is_a(parts[1], LightningModule):
        raise TypeError(
            "build must return a Trainer, a LightningModule, and the data if any, in this order, got "
            f"{', '.join(type(part).__name__ for part in parts)}; write: return trainer, module, datamodule"
        )
    trainer, module = parts[:2]
    wrong = ""
    if trainer.global_step or trainer in _used:
        wrong = "build must return a new Trainer for every point, got one that was used before; create it inside build"
    elif module in _used:
        wrong = "build must return a new module for every point, got one that was used before; create it inside build"
    elif trainer.world_size > 1:
        wrong = f"a trial must train on one device, got {trainer.world_size}; set devices=1, one worker per device"
    if wrong:
        raise MisconfigurationException(wrong)
    _used.update((trainer, module))
    return parts
