"""Lightning's two names: `lightning.pytorch` and `pytorch_lightning` are two sets of the same classes.

An object of one package is never an instance of the other's class. What asks for the class of an object of Lightning's
asks here, so that these callbacks work in the Trainer of either package.
"""

from __future__ import annotations

import sys
from typing import TypeGuard, TypeVar

PACKAGES = ("lightning.pytorch", "pytorch_lightning")
Class = TypeVar("Class")


def is_a(value: object, kind: type[Class]) -> TypeGuard[Class]:
    """Whether a value is an instance of a Lightning class, or of its counterpart in the other package.

    Args:
        value: What is looked at.
        kind: The class, of either package.

    Example:
        >>> from lightning.pytorch.callbacks import Timer
        >>> is_a(Timer(), Timer), is_a(3, Timer)
        (True, False)
    """
    return isinstance(value, kind) or any(_is_counterpart(each, kind) for each in type(value).__mro__)


def overrides(name: str, value: object, base: str = "LightningModule") -> bool:
    """Whether an object overrides a method of a Lightning class.

    Args:
        name: The method.
        value: An object of a class that derives from a Lightning class.
        base: Name of that class.

    Example:
        >>> from lightning.pytorch import LightningModule
        >>> class Net(LightningModule):
        ...     def training_step(self, batch, batch_idx): ...
        >>> overrides("training_step", Net()), overrides("validation_step", Net())
        (True, False)
    """
    kinds = [each for each in type(value).__mro__ if each.__name__ == base and _package(each)]
    theirs = getattr(kinds[0], name, None) if kinds else None
    own = vars(value).get(name) if hasattr(value, "__dict__") else None
    return own is not None or getattr(type(value), name, None) is not theirs


def _package(kind: type) -> str | None:
    return next((package for package in PACKAGES if f"{kind.__module__}.".startswith(f"{package}.")), None)


def _is_counterpart(one: type, other: type) -> bool:
    """Whether two classes are the same class under Lightning's two names."""
    if one.__name__ != other.__name__:
        return False
    mine, theirs = _package(one), _package(other)
    if mine is None or theirs is None or mine not in sys.modules:
        return False
    return one.__module__.removeprefix(mine) == other.__module__.removeprefix(theirs)
