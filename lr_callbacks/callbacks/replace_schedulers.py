"""Take the schedulers of a module that cannot be edited out of the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core.arguments import number, require


class ReplaceSchedulers(LRCallback):
    """Take the schedulers that a module returns from ``configure_optimizers`` out of the run, in favour of callbacks.

    The way out where a module brings a scheduler of its own and cannot be edited, as those of many packages: the LR
    callbacks next to it drive the LR instead. At the start of the fit, each optimizer with an LR that a callback sets
    gets the LR (and the momentum, if a cycle moves it) that it had before its scheduler was built; the plan says so.
    The module itself is not changed, and ``self.lr_schedulers()`` gives it an object that can be stepped and asked,
    and does nothing. Other optimizers keep their schedulers.

    torch's ``OneCycleLR`` and ``CyclicLR`` overwrite the LRs of all groups for good. Then the LR that the optimizer
    was given as a whole (``SGD(..., lr=0.1)``) is taken; if the groups have peaks of their own, `lr` is needed.

    A resume works from checkpoints of runs with and without this callback.

    Args:
        optimizer: Index of the only optimizer whose schedulers are taken out, counted from 0, whether or not a callback
            sets its LR; None for each one with an LR that a callback sets.
        lr: The LR that the optimizer is configured with, or a list of one for each group; None to find it.

    Raises:
        TypeError: If an argument has a wrong type.
        ValueError: If an LR is negative or not finite.
        MisconfigurationException: At the start of the fit, if the LRs that were configured cannot be found.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> from lr_callbacks import OneCycle
        >>> trainer = Trainer(callbacks=[ReplaceSchedulers(), OneCycle()], logger=False)
    """

    drives: ClassVar[bool] = False
    takes_out: ClassVar[bool] = True

    def __init__(self, optimizer: int | None = None, lr: float | Sequence[float] | None = None) -> None:
        super().__init__(optimizer=optimizer)
        several = isinstance(lr, Sequence) and not isinstance(lr, str)
        given = list(lr) if isinstance(lr, Sequence) and several else [] if lr is None else [lr]
        require(not (several and not given), "lr", "one number, or one for each group", lr)
        for each in given:
            require(number("lr", each) >= 0, "lr", "at least 0", lr)
        self.lr = given if several else lr

    def describe(self) -> str:
        """What it takes out."""
        return "schedulers of the module are taken out of the run"
