"""A schedule that listens to logged metrics: one value for each validation, or each training epoch, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.callbacks.metric_watch import Heard, MetricWatch
from lr_callbacks.core.arguments import require, require_bool
from lr_callbacks.core.controller import Controller
from lr_callbacks.core.lightning_internals import run_validation, validation_is_due
from lr_callbacks.core.lightning_names import LightningModule, Trainer, TrainerFn, rank_zero_info
from lr_callbacks.core.schedule import ScheduleOptions


class EvaluationCallback(LRCallback):
    """A schedule with feedback: `judge` gets each new value of a metric, before ``ModelCheckpoint`` writes.

    A validation metric comes when a validation ends (not the sanity check), a training metric when the training epoch
    ends, and only if it was logged in this epoch. A validation that Lightning skips when it resumes from the batch
    before it is made up for.

    Args:
        monitor: Name under which the metric is logged, or a list of names; None to listen to none.
        strict: Whether the metric must come by the end of the first validation and the first training epoch.
        **options: Options of every schedule, see `LRCallback`.
    """

    def __init__(
        self, monitor: str | list[str] | None, strict: bool = True, **options: Unpack[ScheduleOptions]
    ) -> None:
        super().__init__(**options)
        require_bool("strict", strict)
        self.monitor = monitor
        self.strict = strict
        self._watch = self._new_watch()
        self._validation_due = False
        self._judged_validation = True
        self._has_trained = False

    def _new_watch(self) -> MetricWatch:
        names = [self.monitor] if isinstance(self.monitor, str) else self.monitor
        return MetricWatch(names or [], self.strict, self.combined)

    @property
    def combined(self) -> Callable[..., float]:
        """Makes one value of those of several metrics."""
        return float

    @property
    def listens(self) -> bool:
        """Whether it wants the values of evaluations."""
        return self.monitor is not None

    @property
    def judges_evaluations(self) -> bool:
        """Whether it judges these values when they come."""
        return True

    def _moves(self, controller: Controller) -> bool:
        """Whether it drives groups of an optimizer, and no other schedule has taken over."""
        terms = controller.terms_of(self)
        return bool(terms) and not any(term.is_held(controller.now) for term in terms)

    def judge(self, value: float) -> None:
        """Take one evaluation's value."""
        raise NotImplementedError(f"{type(self).__name__} must define judge(value)")

    def forget(self) -> None:
        """Reset the state of an earlier fit."""
        super().forget()
        self._watch, self._validation_due = self._new_watch(), False
        self._judged_validation = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Run a validation that Lightning skips."""
        super().on_train_start(trainer, pl_module)
        self._has_trained = False
        if self._validation_due:
            rank_zero_info(
                f"The checkpoint was written before the end of a validation that"
                f" {type(self).__name__}({self.monitor!r}) judges; it is run now."
            )
            run_validation(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the last epoch, and note what is old from now on."""
        super().on_train_epoch_start(trainer, pl_module)
        self._close_epoch(trainer)
        self._watch.begins("training epoch", trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """From here on a validation may come."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        self._judged_validation, self._has_trained = False, True

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note what is old from now on."""
        if self._session is not None:
            self._watch.begins("validation", trainer)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The validation has seen all of its batches."""
        if self._session is not None and not trainer.sanity_checking:
            self._watch.event = "validation"

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge a metric that this validation has logged; a validation that is not part of a fit is none of ours."""
        if self._session is None:
            return
        if trainer.sanity_checking:
            if self.listens:
                self._watch.after_sanity_check(trainer, repr(self))
            return
        self._listen(trainer)
        self._watch.event, self._validation_due = None, False
        self._judged_validation = True
        if self.listens and self._has_trained:
            self._watch.after_validation(trainer, repr(self))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge a metric that this training epoch has logged; if the module logs it only now, a little later."""
        super().on_train_epoch_end(trainer, pl_module)
        self._watch.event = "training epoch"
        self._listen(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the last epoch."""
        self._close_epoch(trainer)
        self._watch.keep(trainer)
        if self.listens and self.judges_evaluations and trainer.global_step > 0:
            self._watch.after_run(trainer, repr(self))

    def _listen(self, trainer: Trainer) -> None:
        """Judge what is new."""
        if self.listens and self._session is not None:
            self._judged_validation |= self._watch.event == "validation"
            for value in self._watch.fresh(trainer):
                if self.judges_evaluations:
                    self.judge(value)

    def _before_saving(self) -> None:
        """Before a checkpoint gets the state: judge what is due, and note whether a validation is."""
        trainer = self._session.trainer if self._session else None
        if trainer is not None:
            self._listen(trainer)
            begun = trainer.validating and trainer.state.fn == TrainerFn.FITTING
            due = not self._judged_validation and (begun or validation_is_due(trainer))
            self._validation_due = self.listens and self._watch.may_come_from_validation and due

    def _close_epoch(self, trainer: Trainer) -> None:
        """Close the last epoch: nothing can be logged for it any more.

        A run that is resumed behind the last batch of an epoch only ends it, and misses nothing that its steps log.
        """
        self._listen(trainer)
        if not self._has_trained:
            self._watch.event = None
        elif self.listens:
            self._watch.after_epoch(trainer, repr(self))

    # ------------------------------------------------------------------ what a checkpoint carries
    def evaluation_state(self) -> dict[str, Any]:
        """Whether a validation is due, and what is known of the metric; what is due otherwise is judged before."""
        self._before_saving()
        return {"validation_due": self._validation_due, "heard": asdict(self._watch.heard)}

    def load_evaluation_state(self, state: dict[str, Any], what: str) -> None:
        """Take `evaluation_state` out of a state.

        Raises:
            ValueError: If it is damaged.
        """
        due, heard = state.pop("validation_due", False), state.pop("heard", None)
        require(isinstance(due, bool), "validation_due", f"True or False in the state of {what}", due)
        self._validation_due = due
        self._watch.heard = Heard() if heard is None else Heard.from_dict(heard, what)
