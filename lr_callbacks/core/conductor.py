"""One fit: which callbacks drive which optimizers, when their drivers start and stop, what is checked on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BaseFinetuning
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.model_helpers import is_overridden
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn

from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.conflicts import refuse_other_masters, refuse_rivals
from lr_callbacks.core.driver import Driver
from lr_callbacks.core.horizon import Horizon, horizon_of
from lr_callbacks.core.lightning_internals import has_no_optimizer
from lr_callbacks.core.plan import describe
from lr_callbacks.core.wall_clock import TimeHorizon, WallClock, clock_of, goes_by_time, refuse_steppers, time_limit

if TYPE_CHECKING:
    from lr_callbacks.callbacks.base import LRCallback


class Conductor:
    """Leads all LR callbacks of one Trainer through one fit; the first of them that is called makes it.

    Args:
        trainer: A trainer in ``on_fit_start``: its optimizers exist, nothing of them is restored.
        callbacks: Its LR callbacks.

    Attributes:
        trainer: The trainer.
        drivers: One for each optimizer that is driven.
        watches: Whether it has yet to see that the clock runs.

    Raises:
        MisconfigurationException: If there is no optimizer, a callback wants one that does not exist or stands in the
            list twice, or somebody else sets the LR too.
    """

    def __init__(self, trainer: Trainer, callbacks: Sequence[LRCallback]) -> None:
        self.trainer: Trainer | None = trainer
        self.drivers: list[Driver] = []
        self._started = False
        self._epoch_began_at: list[int] | None = None
        self._length_told = False
        if has_no_optimizer(trainer):
            raise MisconfigurationException(
                f"configure_optimizers returned no optimizer, so there is no LR to drive; return one, or remove"
                f" {', '.join(type(callback).__name__ for callback in callbacks)} from the Trainer's callbacks"
            )
        for number, callback in enumerate(callbacks):
            if any(callback is other for other in callbacks[:number]):
                raise MisconfigurationException(f"{callback!r} stands twice among the Trainer's callbacks; remove one")
            if callback.optimizer is not None and callback.optimizer >= len(trainer.optimizers):
                raise MisconfigurationException(
                    f"{callback!r}: optimizer={callback.optimizer} does not exist; the module has"
                    f" {len(trainer.optimizers)} optimizer(s), counted from 0"
                )
        for index, optimizer in enumerate(trainer.optimizers):
            mine = [c for c in callbacks if c.drives and c.optimizer in (None, index)]
            if mine:
                self.drivers.append(Driver(optimizer, index, mine))
        self.watches = bool(self.drivers)
        refuse_other_masters(trainer, self.drivers)

    @classmethod
    def without_trainer(cls, drivers: list[Driver], callbacks: Sequence[LRCallback]) -> Conductor:
        """One whose drivers somebody else starts and steps: a preview."""
        conductor = cls.__new__(cls)
        conductor.trainer, conductor.drivers = None, drivers
        for callback in callbacks:
            callback._conductor = conductor
        return conductor

    def start(self, trainer: Trainer, module: LightningModule) -> None:
        """In ``on_train_start``, where everything is restored: resolve, write the first LRs, show the plan. Once."""
        if self._started:
            return
        self._started = True
        automatic, num_optimizers = module.automatic_optimization, len(trainer.optimizers)
        horizon = horizon_of(trainer, automatic_optimization=automatic, num_optimizers=num_optimizers)
        horizon = _of_all_ranks(trainer, horizon)
        horizon, clock = self._by_time(trainer, horizon)
        countable = trainer.global_step == 0 or (automatic and num_optimizers == 1)
        for driver in self.drivers:
            driver.start(
                horizon,
                resumed=trainer.ckpt_path is not None,
                finetuned=any(isinstance(callback, BaseFinetuning) for callback in trainer.callbacks),  # type: ignore[attr-defined]
                steps_if_not_restored=trainer.global_step if countable else None,
                clock=clock,
            )
            refuse_rivals(driver)
        if self.drivers:
            rank_zero_info(describe(horizon, self.drivers))

    def _by_time(self, trainer: Trainer, horizon: Horizon) -> tuple[Horizon, WallClock | None]:
        """Another horizon and a clock, if the run goes by the wall clock."""
        callbacks = list(dict.fromkeys(callback for driver in self.drivers for callback in driver.callbacks))
        limit = time_limit(trainer)
        if not goes_by_time(callbacks, horizon, limit):
            return horizon, None
        refuse_steppers(callbacks)
        restored = [pg.get_elapsed(driver.optimizer) for driver in self.drivers]
        known = [elapsed for elapsed in restored if elapsed is not None]
        return TimeHorizon(limit), clock_of(trainer, max(known) if known else None)

    def on_train_epoch_start(self, trainer: Trainer) -> None:
        """Once an epoch, look whether somebody else has written an LR or taken the optimizer away.

        Raises:
            MisconfigurationException: If the trainer has another optimizer now than when the fit started.
        """
        for driver in self.drivers:
            optimizers = trainer.optimizers
            if driver.index >= len(optimizers) or optimizers[driver.index] is not driver.optimizer:
                raise MisconfigurationException(
                    f"{driver.name} has been replaced in the middle of the fit, so its LR would stay frozen; change its"
                    " param_groups instead, or start a new fit"
                )
            driver.look_at_next_step()
        self._epoch_began_at = [driver.taken for driver in self.drivers]

    def on_train_batch_end(self, trainer: Trainer) -> None:
        """Make sure that the clock runs: an optimizer that steps without its hooks would freeze the LR in silence.

        It need not be called any more when it no longer `watches`.

        Raises:
            MisconfigurationException: If the only optimizer has stepped and its hooks were not called, or somebody has
                built a scheduler since the fit started.
        """
        self.watches = not any(driver.taken for driver in self.drivers)
        if not self.watches:
            refuse_other_masters(trainer, self.drivers)
        elif _must_have_stepped(trainer) and trainer.global_step > self.drivers[0].step:
            raise MisconfigurationException(
                f"{self.drivers[0].name} stepped without calling its step hooks, so steps cannot be counted and the LR"
                " would stay frozen. Let its step() be the one that torch.optim.Optimizer wraps (no override on the"
                " instance)."
            )

    def on_train_epoch_end(self, trainer: Trainer) -> None:
        """Once an epoch, hold the plan against what really happened."""
        began, self._epoch_began_at = self._epoch_began_at, None
        cut_short = trainer.should_stop or (trainer.max_steps != -1 and trainer.global_step >= trainer.max_steps)
        if began is None or cut_short or _scales(trainer) or self._length_told:
            return
        for driver, before in zip(self.drivers, began, strict=True):
            run, taken = driver.horizon, driver.taken - before
            expected = _steps_in(run, trainer.current_epoch)
            if not _must_have_stepped(trainer) and taken == 0 and trainer.current_epoch == 0:
                self._length_told = True
                rank_zero_warn(
                    f"{driver.name} did not step in the first epoch, or does so without calling its step hooks; its LR"
                    " moves only with its steps."
                )
            elif expected is not None and taken not in (0, expected):
                self._length_told = True
                reason = "the LR plan assumed one per batch" if run.assumed else "the LR plan counted on"
                rank_zero_warn(
                    f"{driver.name} took {taken} steps in epoch {trainer.current_epoch}, where {reason} ({expected});"
                    " lengths in epochs or % of the run are off by that ratio. Give them in steps."
                )

    def rewrite(self, callback: LRCallback, *, resolve: bool = False) -> None:
        """Write the LRs anew after a callback's factor has changed between two steps.

        Args:
            callback: Whose factor it is.
            resolve: Whether other groups may share it now.
        """
        for driver in self.drivers:
            if callback in driver.callbacks:
                driver.rewrite(resolve=resolve)

    def end(self) -> None:
        """Take all hooks off; safe to call at any time and more than once."""
        for driver in self.drivers:
            driver.end()


def _of_all_ranks(trainer: Trainer, horizon: Horizon) -> Horizon:
    """Rank zero's horizon, on all ranks: where their loaders differ in length, their LRs must not."""
    if trainer.world_size == 1:
        return horizon
    leader = trainer.strategy.broadcast(horizon)
    if not trainer.strategy.reduce_boolean_decision(leader == horizon):
        rank_zero_warn(
            f"The ranks have train dataloaders of different lengths; the LR plan is made for rank zero's ({leader})."
            " Unless max_steps ends the run before, Lightning waits for ever for the rank that has run out of batches:"
            " give all ranks the same number, or set limit_train_batches to the smallest."
        )
    return leader


def _must_have_stepped(trainer: Trainer) -> bool:
    """Whether ``trainer.global_step`` counts real steps: not of several optimizers, nor where some may be skipped."""
    decides = is_overridden("optimizer_step", trainer.lightning_module)
    return len(trainer.optimizers) == 1 and not decides and not _scales(trainer)


def _scales(trainer: Trainer) -> bool:
    """Whether fp16 may skip steps."""
    return getattr(trainer.precision_plugin, "scaler", None) is not None


def _steps_in(run: Horizon, epoch: int) -> int | None:
    """The steps that the plan counted on for an epoch, if any."""
    return round(run.steps_before_epoch(epoch + 1) - run.steps_before_epoch(epoch)) if run.epochs else None
