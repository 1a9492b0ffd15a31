"""A clock that does not run would freeze the LR in silence: it is noticed in the first batches of a fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

from lr_callbacks.core.conflicts import refuse_other_owners
from lr_callbacks.core.controller import Controller
from lr_callbacks.core.lightning_internals import batches_of_epoch
from lr_callbacks.core.lightning_names import MisconfigurationException, Trainer, overrides, rank_zero_warn
from lr_callbacks.core.run_length import scales_gradients

BATCHES = 16
"""Batches (of as many micro-batches as are accumulated) after which an optimizer without a step is worth a warning."""

_IN_OLD_TORCH = (
    f" torch {torch.__version__} takes the hooks off every optimizer once anything is compiled: update to torch 2.4, or"
    " do without torch.compile."
    if torch.__version__ < "2.4"
    else ""
)


class ClockChecks:
    """Checks that each optimizer is seen to step.

    Args:
        controllers: Controllers with the clocks to watch.

    Attributes:
        are_open: Whether a clock has not been seen to run.
    """

    def __init__(self, controllers: Sequence[Controller]) -> None:
        self.are_open = bool(controllers)
        self._controllers = controllers
        self._batches = 0
        self._last_batch = (-1, -1)
        self._told: set[int] = set()
        self._others: dict[int, str] = {}
        self._stop_watching: Callable[[], None] = register_optimizer_step_post_hook(self._after_any_step).remove

    def _after_any_step(self, optimizer: Optimizer, *arguments: Any) -> None:
        """Note an optimizer that steps in the place of one of ours."""
        for controller in self._controllers:
            ours = controller.optimizer
            if optimizer is not ours and not controller.taken and _parameters(optimizer) & _parameters(ours):
                self._others.setdefault(controller.index, type(optimizer).__name__)

    def close(self) -> None:
        """Look no longer."""
        self.are_open = False
        self._stop_watching()

    def on_batch_end(self, trainer: Trainer) -> None:
        """After a batch; more than once for one batch does no harm.

        Raises:
            MisconfigurationException: If the only optimizer has stepped and its hooks were not called, or something
                has started to set the LR too.
        """
        batch = (trainer.current_epoch, trainer.fit_loop.total_batch_idx)
        if batch == self._last_batch:
            return
        self._last_batch, self._batches = batch, self._batches + 1
        waiting = [c for c in self._controllers if not c.taken]
        if not waiting:
            self.close()
            refuse_other_owners(trainer, self._controllers)
            return
        first = waiting[0]
        if _must_have_stepped(trainer) and trainer.global_step > first.step:
            raise MisconfigurationException(
                f"{first.name} stepped without calling its step hooks, so steps cannot be counted and the LR would stay"
                " frozen. Let its step() be the one that torch.optim.Optimizer wraps (no override on the instance)."
                + _IN_OLD_TORCH
            )
        for controller in waiting:
            if controller.index in self._others:
                self._tell([controller], f"while {self._others[controller.index]} stepped on its parameters")
        if self._batches >= BATCHES * trainer.accumulate_grad_batches:
            self._tell(waiting, f"in the first {self._batches} batches")

    def on_epoch_end(self, trainer: Trainer) -> None:
        """At the end of the first epoch that this fit has trained from its beginning, however short it was."""
        is_whole = 0 < batches_of_epoch(trainer) <= self._batches
        if is_whole and not scales_gradients(trainer):
            self._tell([c for c in self._controllers if not c.taken], "in the first epoch")

    def _tell(self, waiting: Sequence[Controller], when: str) -> None:
        for controller in waiting:
            if controller.index not in self._told:
                self._told.add(controller.index)
                rank_zero_warn(
                    f"{controller.name} did not step {when}, or does so without calling its step hooks (through another"
                    " optimizer, or a method other than step()), so its schedules cannot follow its steps. Let step()"
                    " of the optimizer that configure_optimizers returns be called."
                )


def _must_have_stepped(trainer: Trainer) -> bool:
    """Whether ``trainer.global_step`` counts real steps: not of several optimizers, nor where some may be skipped."""
    decides = overrides("optimizer_step", trainer.lightning_module)
    return len(trainer.optimizers) == 1 and not decides and not scales_gradients(trainer)


def _parameters(optimizer: Optimizer) -> set[int]:
    return {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
