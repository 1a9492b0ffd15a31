"""One fit: which callbacks drive which optimizers, when their drivers start and stop, what is checked on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BaseFinetuning
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn

from lr_callbacks.driver import Driver
from lr_callbacks.horizon import Horizon, horizon_of
from lr_callbacks.plan import describe
from lr_callbacks.two_masters import refuse_other_masters, refuse_rivals

if TYPE_CHECKING:
    from lr_callbacks.callbacks.base import LRCallback


class Conductor:
    """Leads all LR callbacks of one Trainer through one fit; the first of them in the list calls it.

    Args:
        trainer: A trainer in ``on_fit_start``: its optimizers exist, nothing of them is restored.
        callbacks: Its LR callbacks.
    """

    def __init__(self, trainer: Trainer, callbacks: Sequence[LRCallback]) -> None:
        self.trainer: Trainer | None = trainer
        self.callbacks = callbacks
        self.drivers: list[Driver] = []
        self._stepped = False
        for callback in callbacks:
            if callback.optimizer is not None and callback.optimizer >= len(trainer.optimizers):
                raise MisconfigurationException(
                    f"{callback!r}: optimizer={callback.optimizer} does not exist; the module has"
                    f" {len(trainer.optimizers)} optimizer(s), counted from 0"
                )
        for index, optimizer in enumerate(trainer.optimizers):
            mine = [c for c in callbacks if c.drives and c.optimizer in (None, index)]
            if mine:
                self.drivers.append(Driver(optimizer, index, mine))
        refuse_other_masters(trainer, self.drivers)

    @classmethod
    def without_trainer(cls, drivers: list[Driver], callbacks: Sequence[LRCallback]) -> Conductor:
        """One whose drivers somebody else starts and steps: a preview."""
        conductor = cls.__new__(cls)
        conductor.trainer, conductor.callbacks, conductor.drivers = None, callbacks, drivers
        for callback in callbacks:
            callback._conductor = conductor
        return conductor

    def start(self, trainer: Trainer, module: LightningModule) -> None:
        """Called in ``on_train_start``, where everything is restored: resolve, write the first LRs, show the plan."""
        automatic, num_optimizers = module.automatic_optimization, len(trainer.optimizers)
        horizon = horizon_of(trainer, automatic_optimization=automatic, num_optimizers=num_optimizers)
        countable = trainer.global_step == 0 or (automatic and num_optimizers == 1)
        for driver in self.drivers:
            driver.start(
                horizon,
                finetuned=any(isinstance(callback, BaseFinetuning) for callback in trainer.callbacks),  # type: ignore[attr-defined]
                resumed=trainer.ckpt_path is not None,
                steps_if_not_restored=trainer.global_step if countable else None,
            )
            refuse_rivals(driver)
        if self.drivers:
            rank_zero_info(describe(horizon, self.drivers))

    def on_train_epoch_start(self) -> None:
        """Once an epoch, look whether somebody else has written an LR."""
        for driver in self.drivers:
            driver.look_at_next_step()

    def on_train_batch_end(self, trainer: Trainer) -> None:
        """Make sure that the clock runs: an optimizer that steps without its hooks would freeze the LR in silence."""
        if self._stepped or not self.drivers:
            return
        self._stepped = any(driver.step > driver.first_step for driver in self.drivers)
        scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
        if not self._stepped and not scaled and trainer.global_step > sum(d.first_step for d in self.drivers):
            names = " and ".join(driver.name for driver in self.drivers)
            raise MisconfigurationException(
                f"{names} stepped without calling its step hooks, so steps cannot be counted and the LR would stay"
                " frozen. Let its step() be the one that torch.optim.Optimizer wraps (no override on the instance)."
            )

    def on_train_epoch_end(self, trainer: Trainer) -> None:
        """After the first epoch, hold the assumed steps per epoch against the real ones."""
        for driver in self.drivers:
            run, taken = driver.horizon, driver.step - driver.first_step
            if not run.assumed or not run.epochs:
                continue
            expected = run.epochs[0][1]
            driver.horizon = Horizon(run.total_steps, run.epochs, run.why_unknown)
            if taken != expected and driver.first_step == 0:
                rank_zero_warn(
                    f"{driver.name} took {taken} steps in its first epoch, where the LR plan assumed one per batch"
                    f" ({expected}); lengths in epochs or % of the run are off by that ratio. Give them in steps."
                )

    def rewrite(self, callback: LRCallback) -> None:
        """Write the LRs anew after a callback's factor has changed between two steps."""
        for driver in self.drivers:
            if callback in driver.callbacks:
                driver.write()

    def end(self) -> None:
        """Take all hooks off; safe to call at any time and more than once."""
        for driver in self.drivers:
            driver.end()
