"""Short trainings from the very same beginning, each under an annealed schedule of its own length."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core import lightning_internals as private
from lr_callbacks.core.lightning_names import (
    LightningModule,
    MisconfigurationException,
    RunningStage,
    Trainer,
    overrides,
)
from lr_callbacks.previews import preview
from lr_callbacks.range_test.data import Stream
from lr_callbacks.range_test.failures import is_evidence
from lr_callbacks.range_test.probe import LossReader, NoLossError, Probe, training_probe, validation_probe
from lr_callbacks.range_test.settle import Trial
from lr_callbacks.range_test.signals import SignalCameError
from lr_callbacks.range_test.steps import Steps
from lr_callbacks.schedules import one_cycle_factor

READ_EVERY = 10
VALIDATION_SAMPLES = 2048
MANY_BATCHES = 10**6


class TimeIsUpError(Exception):
    """The time for trials is over."""


class Trials:
    """Trains at one peak LR after the other.

    Args:
        trainer: A trainer inside `isolated`.
        module: Its module.
        optimizer: The optimizer whose LR is set; others keep theirs.
        ratios: Peak LR of each group that is set, as a ratio to the largest; others have their present LR as peak.
        reader: Reads the loss off a step.
        probe_samples: Training samples on which a trial is judged at its end.
        factors: Factor of the peak LR at each step.
        is_over: Whether the time for trials is over, or a signal has come; all ranks say the same.

    Attributes:
        untrained: Loss on the training samples and on the validation samples (None without) before any training.
        errors: What steps of trials raised.
    """

    def __init__(
        self,
        trainer: Trainer,
        module: LightningModule,
        optimizer: Optimizer,
        *,
        ratios: Mapping[int, float],
        reader: LossReader,
        probe_samples: int,
        factors: Sequence[float],
        is_over: Callable[[], bool],
    ) -> None:
        self._trainer, self._module, self._optimizer, self._reader = trainer, module, optimizer, reader
        self._ratios = ratios
        self._probe_samples, self._factors, self._is_over = probe_samples, factors, is_over
        self._validates = can_validate(trainer, module)
        self.untrained: list[float | None] = [math.nan, None]
        self.errors: list[Exception] = []

    def run(self, lr: float, tell: Callable[[int], None]) -> Trial:
        """Train from the beginning, and judge at the end. A trial that diverges, or whose step raises, ends at once.

        Raises:
            TimeIsUpError: If the time for trials is over.
        """
        automatic = self._module.automatic_optimization
        steps = Steps(
            self._trainer, self._module, self._optimizer, self._reader, ratios=self._ratios, judged=not automatic
        )
        losses: list[Tensor] = []
        try:
            with steps.training() as stream:
                probes = self._probes(stream)
                for number, factor in enumerate(self._factors):
                    loss = steps.at(lr * factor, factor)
                    if loss is None:
                        return Trial(lr, number, math.inf, math.inf if self._validates else None)
                    losses.append(loss)
                    tell(number + 1)
                    if (number + 1) % READ_EVERY == 0:
                        if not math.isfinite(self._read([loss])[0]):
                            return Trial(lr, number + 1, math.inf, math.inf if self._validates else None)
                        if self._is_over():
                            raise TimeIsUpError
                found = self._read([probe() for probe in probes])
                if not automatic:  # a probe would step: the training loss stands in for it
                    few = max(5, len(losses) // 10)
                    first, last = self._read([torch.stack(losses[:few]).mean(), torch.stack(losses[-few:]).mean()])
                    self.untrained[0] = first if math.isnan(self.untrained[0] or 0.0) else self.untrained[0]
                    found.insert(0, last)
        except (TimeIsUpError, SignalCameError, MisconfigurationException):
            raise
        except Exception as error:
            if not is_evidence(error, self._trainer):
                raise
            self.errors.append(error)
            return Trial(lr, len(losses), math.inf, math.inf if self._validates else None)
        return Trial(lr, len(losses), found[0], found[1] if self._validates else None)

    def _probes(self, stream: Stream) -> list[Probe]:
        """What judges at the end; what they say now is the loss before any training."""
        probes = []
        if self._module.automatic_optimization:
            probes.append(training_probe(self._trainer, stream, self._probe_samples, self._reader, MANY_BATCHES))
            self.untrained[0] = self._read([probes[0].untrained])[0]
        if self._validates:
            try:
                validation = validation_probe(self._trainer, VALIDATION_SAMPLES, self._reader, MANY_BATCHES)
                self.untrained[1] = self._read([validation.untrained])[0]
                probes.append(validation)
            except NoLossError:
                self._validates = False
        return probes

    def _read(self, values: list[Tensor]) -> list[float]:
        if not values:
            return []
        stacked = torch.stack([value.to(self._module.device) for value in values])
        read: list[float] = self._trainer.strategy.reduce(stacked, reduce_op="mean").tolist()
        return read


def can_validate(trainer: Trainer, module: LightningModule) -> bool:
    """Whether there is a validation step, and data for it."""
    if not overrides("validation_step", module) or trainer.limit_val_batches == 0:
        return False
    return private.has_loader(trainer, RunningStage.VALIDATING)


def factors_of(callbacks: Sequence[Any], optimizer: int, steps: int) -> list[float]:
    """Factor of the peak LR at each step of a trial: of the Trainer's own schedule where it anneals, else one-cycle.

    A schedule whose lengths are in steps may not come to its end in a trial; then it is the one-cycle, too.

    Example:
        >>> from lr_callbacks import CosineAnnealing
        >>> [round(factor, 2) for factor in factors_of([CosineAnnealing()], 0, 5)]
        [1.0, 0.9, 0.65, 0.35, 0.1]
        >>> [round(factor, 2) for factor in factors_of([], 0, 5)]
        [0.04, 0.95, 0.61, 0.19, 0.0]
    """
    own = [each for each in callbacks if isinstance(each, LRCallback) and each.param == "lr"]
    own = [each for each in own if each.drives or each.planned_for is not None]
    own = [each for each in own if each.optimizer in (None, optimizer)]
    if own:
        try:
            lrs: list[float] = [float(row[0]) for row in preview(own, 1.0, steps, steps, optimizer=optimizer).tolist()]
        except Exception:  # its lengths do not fit: not of the trial, but of the run
            lrs = [1.0]
        peak = max(lrs)
        if peak > 0 and lrs[-1] <= 0.2 * peak:
            return [lr / peak for lr in lrs]
    return [float(one_cycle_factor(step, total_steps=steps)) for step in range(steps)]
