"""Lightning's two names: `lightning.pytorch` and `pytorch_lightning` are two sets of the same classes.

An object of one package is never an instance of the other's class. What asks for the class of an object of Lightning's
asks here, so that these callbacks work in the Trainer of either package.
"""

from __future__ import annotations

import sys
from typing import Any, TypeGuard, TypeVar

PACKAGES = {
    "lightning.pytorch": "pytorch_lightning",
    "lightning.fabric": "lightning_fabric",
    "pytorch_lightning": "lightning.pytorch",
    "lightning_fabric": "lightning.fabric",
}
"""Each package, and the one that has the same classes under the other name."""
Class = TypeVar("Class")


def is_a(value: object, *kinds: type[Class]) -> TypeGuard[Class]:
    """Whether a value is an instance of one of some classes, or of its counterpart under Lightning's other name.

    Args:
        value: What is looked at.
        kinds: The classes, under either name.

    Example:
        >>> from lightning.pytorch.callbacks import ProgressBar, Timer
        >>> is_a(Timer(), Timer), is_a(Timer(), ProgressBar, Timer), is_a(3, Timer)
        (True, True, False)
    """
    return isinstance(value, kinds) or derives(type(value), *kinds)


def derives(one: type, *kinds: type) -> bool:
    """Whether a class derives from one of some classes, or from its counterpart under Lightning's other name.

    Args:
        one: The class that is looked at.
        kinds: The classes, under either name.

    Example:
        >>> from lightning.pytorch.callbacks import Callback, Timer
        >>> derives(Timer, Callback), derives(Callback, Timer)
        (True, False)
    """
    return issubclass(one, kinds) or any(_is_counterpart(base, kind) for base in one.__mro__ for kind in kinds)


def counterpart(kind: type[Class], like: object) -> type[Class]:
    """The class of the same name in the package that an object comes from.

    Args:
        kind: A class of Lightning's, under either name.
        like: An object of Lightning's, such as a Trainer, or one of a class that derives from it.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> from lightning.pytorch.loggers.logger import DummyLogger
        >>> counterpart(DummyLogger, Trainer(accelerator="cpu", logger=False)) is DummyLogger
        True
    """
    package = next((_package(base) for base in type(like).__mro__ if _package(base)), None)
    mine = _package(kind)
    if package is None or mine is None or package == mine:
        return kind
    found: Any = getattr(sys.modules.get(package + kind.__module__.removeprefix(mine)), kind.__name__, kind)
    return found  # type: ignore[no-any-return]


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
    if mine is None or theirs is None or PACKAGES[mine] != theirs:
        return False
    return one.__module__.removeprefix(mine) == other.__module__.removeprefix(theirs)
