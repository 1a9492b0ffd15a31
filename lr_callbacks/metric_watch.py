"""Which value of a logged metric is new: a validation's, or a training epoch's, and not one left over from before."""

from __future__ import annotations

from lightning.pytorch import Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor


class MetricWatch:
    """Watches one name in ``trainer.callback_metrics``, which keeps old values beside new ones.

    A value is new if it is another object than the one that stood there when the validation, or the epoch, began.

    Args:
        monitor: The metric's name.

    Attributes:
        validation_is_over: Whether a validation has seen its batches and its value is not yet taken.
        epoch_is_over: Whether a training epoch has seen its batches and its value is not yet taken.
    """

    def __init__(self, monitor: str) -> None:
        self.monitor = monitor
        self.validation_is_over = False
        self.epoch_is_over = False
        self._comes_from_validation = False
        self._validated_in_epoch = False
        self._seen = False
        self._warned = False
        self._before_validation: Tensor | None = None
        self._before_epoch: Tensor | None = None

    def validation_begins(self, trainer: Trainer) -> None:
        """What stands there now is old for the validation."""
        self._before_validation = trainer.callback_metrics.get(self.monitor)

    def epoch_begins(self, trainer: Trainer) -> None:
        """What stands there now is old for the training epoch."""
        self._before_epoch = trainer.callback_metrics.get(self.monitor)
        self._validated_in_epoch = False

    def fresh(self, trainer: Trainer) -> float | None:
        """The value of the validation or epoch that has just ended, once; None if there is none."""
        now = trainer.callback_metrics.get(self.monitor)
        if self.validation_is_over:
            self.validation_is_over, self._validated_in_epoch = False, True
            if now is not None and now is not self._before_validation:
                self._comes_from_validation = True
                return self._agreed(trainer, now)
        elif (
            self.epoch_is_over and not self._comes_from_validation and now is not None and now is not self._before_epoch
        ):
            self.epoch_is_over = False
            return self._agreed(trainer, now)
        return None

    def value(self, trainer: Trainer) -> float | None:
        """The value as it stands."""
        now = trainer.callback_metrics.get(self.monitor)
        return None if now is None else self._agreed(trainer, now)

    @property
    def may_come_from_validation(self) -> bool:
        """Whether validations log the metric, as far as one can tell yet."""
        return self._comes_from_validation or not self._seen

    def must_have_come(self, trainer: Trainer) -> bool:
        """Whether an epoch is over that ought to have logged the metric, which never came."""
        return self.epoch_is_over and not self._seen and (self._validated_in_epoch or not trainer.enable_validation)

    def missing(self, trainer: Trainer, who: str) -> MisconfigurationException:
        """The error for a metric that nobody logs, with those that there are."""
        logged = ", ".join(sorted(trainer.callback_metrics)) or "nothing"
        return MisconfigurationException(
            f"{who} monitors {self.monitor!r}, which was not logged; logged are: {logged}. Log it with"
            f" self.log({self.monitor!r}, ...) in training_step or validation_step, or monitor one of those."
        )

    def _agreed(self, trainer: Trainer, value: Tensor) -> float:
        """One value for all ranks: the mean, so that all take the same decision."""
        self._seen = True
        if trainer.world_size == 1:
            return float(value)
        everyone = trainer.strategy.all_gather(value.detach().to(trainer.strategy.root_device).float())
        mean, spread = float(everyone.mean()), float(everyone.max() - everyone.min())
        if spread != 0 and not self._warned:
            self._warned = True
            rank_zero_warn(
                f"{self.monitor!r} differs between the ranks (spread {spread:.3g}), so it is not synchronised; its mean"
                f" is monitored. Log it with self.log({self.monitor!r}, ..., sync_dist=True)."
            )
        return mean
