"""A schedule that listens to a logged metric: one value for each validation, or each training epoch, once."""

from __future__ import annotations

from lightning.pytorch import LightningModule, Trainer

from lr_callbacks.callbacks.base import Groups, ScheduleCallback
from lr_callbacks.metric_watch import MetricWatch


class EvaluationCallback(ScheduleCallback):
    """A schedule with feedback: `judge` gets each new value of a metric, before ``ModelCheckpoint`` writes.

    A validation metric comes when a validation ends (not the sanity check), a training metric when the training epoch
    ends, and only if it was logged in this epoch.

    Args:
        monitor: Name under which the metric is logged; None to listen to none.
        start: Where the schedule begins; None for the end of the group's warm-up.
        optimizer: Index of the optimizer to drive; None for all.
        groups: Parameter groups to drive; None for all.
    """

    def __init__(
        self,
        monitor: str | None,
        *,
        start: int | str | None = None,
        optimizer: int | None = None,
        groups: Groups = None,
    ) -> None:
        super().__init__(start=start, optimizer=optimizer, groups=groups)
        self.monitor = monitor
        self._trainer: Trainer | None = None
        self._watch = MetricWatch(monitor or "")

    def judge(self, value: float) -> None:
        """Take one evaluation's value."""
        raise NotImplementedError(f"{type(self).__name__} must define judge(value)")

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Forget what an earlier fit has heard."""
        if stage == "fit":
            self._watch, self._trainer = MetricWatch(self.monitor or ""), trainer

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the last epoch, and note what is old from now on."""
        super().on_train_epoch_start(trainer, pl_module)
        self._close_epoch(trainer)
        self._watch.epoch_begins(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note what is old from now on."""
        self._watch.validation_begins(trainer)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The validation has seen all of its batches."""
        self._watch.validation_is_over = not trainer.sanity_checking

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge a metric that this validation has logged."""
        self._listen(trainer)
        self._watch.validation_is_over = False

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge a metric that this training epoch has logged; if the module logs it only now, a little later."""
        super().on_train_epoch_end(trainer, pl_module)
        self._watch.epoch_is_over = True
        self._listen(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the last epoch."""
        self._close_epoch(trainer)

    def _end(self) -> None:
        super()._end()
        self._trainer = None

    def _listen(self, trainer: Trainer | None) -> None:
        """Judge what is new; also called when a checkpoint is written, before the state is given."""
        if self.monitor is not None and self._conductor is not None and trainer is not None:
            value = self._watch.fresh(trainer)
            if value is not None:
                self.judge(value)

    def _close_epoch(self, trainer: Trainer) -> None:
        """Nobody can log anything for the last epoch any more."""
        self._listen(trainer)
        if self.monitor is not None and self._watch.must_have_come(trainer):
            raise self._watch.missing(trainer, repr(self))
        self._watch.epoch_is_over = False
