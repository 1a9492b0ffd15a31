"""Which value of a logged metric is new: a validation's, or a training epoch's, and not one left over from before."""

from __future__ import annotations

from difflib import get_close_matches

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor

SERIES_OF_LRS = ("lr/", "lr-", "momentum/", "weight_decay/")
"""Beginnings of names under which monitors log LRs; errors do not offer these as metrics."""


class MetricWatch:
    """Watches one name in ``trainer.callback_metrics``, which keeps old values next to new ones.

    A value is new if it is another object than the one that was there when the validation, or the epoch, began.

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
        """Mark the current value as old for the validation."""
        self._before_validation = trainer.callback_metrics.get(self.monitor)

    def epoch_begins(self, trainer: Trainer) -> None:
        """Mark the current value as old for the training epoch."""
        self._before_epoch = trainer.callback_metrics.get(self.monitor)
        self._validated_in_epoch = False

    def fresh(self, trainer: Trainer) -> float | None:
        """The value of the validation or epoch that has just ended, once; None if there is none."""
        now = trainer.callback_metrics.get(self.monitor)
        if self.validation_is_over:
            self.validation_is_over, self._validated_in_epoch = False, True
            value = self._agreed(trainer, None if now is self._before_validation else now)
            self._comes_from_validation |= value is not None
        elif self.epoch_is_over and not self._comes_from_validation:
            value = self._agreed(trainer, None if now is self._before_epoch else now)
            self.epoch_is_over = value is None
        else:
            return None
        return value

    def value(self, trainer: Trainer) -> float | None:
        """Return the current value."""
        return self._agreed(trainer, trainer.callback_metrics.get(self.monitor))

    @property
    def may_come_from_validation(self) -> bool:
        """Whether validations log the metric, as far as one can tell yet."""
        return self._comes_from_validation or not self._seen

    def must_have_come(self, trainer: Trainer) -> bool:
        """Whether an epoch is over that ought to have logged the metric, which never came."""
        return self.epoch_is_over and not self._seen and (self._validated_in_epoch or not trainer.enable_validation)

    def missing(self, trainer: Trainer, who: str) -> MisconfigurationException:
        """Return the error for a metric that is not logged; it lists the metrics that are."""
        names = sorted(name for name in trainer.callback_metrics if not name.startswith(SERIES_OF_LRS))
        alike = get_close_matches(self.monitor, names, n=1)
        meant = f" Did you mean {alike[0]!r}?" if alike else ""
        return MisconfigurationException(
            f"{who}: no metric {self.monitor!r} was logged.{meant} Logged: {', '.join(names) or 'nothing'}. Log it with"
            f" self.log({self.monitor!r}, ...) in training_step or validation_step, or monitor a metric that is logged."
        )

    def _agreed(self, trainer: Trainer, mine: Tensor | None) -> float | None:
        """One value for all ranks, the mean over those that have one, so that all take the same decision."""
        if trainer.world_size == 1:
            value = None if mine is None else float(mine)
        else:
            value = self._mean_over_ranks(trainer, mine)
        self._seen |= value is not None
        return value

    def _mean_over_ranks(self, trainer: Trainer, mine: Tensor | None) -> float | None:
        """Collective: every rank must call this, even if it has logged nothing; otherwise the others deadlock."""
        entry = [0.0, 0.0] if mine is None else [float(mine), 1.0]
        everyone = trainer.strategy.all_gather(
            torch.tensor(entry, dtype=torch.float64, device=trainer.strategy.root_device)
        ).reshape(-1, 2)
        values = everyone[everyone[:, 1] > 0, 0]
        if len(values) == 0:
            return None
        alike = bool(((values == values[0]) | (values.isnan() & values[0].isnan())).all())
        if not self._warned and not (alike and len(values) == len(everyone)):
            self._warned = True
            which = f"is logged on {len(values)} of {len(everyone)} ranks only"
            if len(values) == len(everyone):
                which = f"differs between the ranks (spread {float(values.max() - values.min()):.3g})"
            rank_zero_warn(
                f"{self.monitor!r} {which}, so it is not synchronised; its mean is monitored. Log it on all ranks with"
                f" self.log({self.monitor!r}, ..., sync_dist=True)."
            )
        return float(values[0] if alike else values.mean())
