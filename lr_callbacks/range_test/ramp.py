"""One sweep of a range test: train with a rising LR, one LR a step, and write down what it does to the loss.

Losses stay on their device and are read every `READ_EVERY` steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from lr_callbacks.range_test.curve import should_stop
from lr_callbacks.range_test.data import Stream
from lr_callbacks.range_test.failures import is_evidence
from lr_callbacks.range_test.probe import LossReader, Probe, training_probe, validation_probe
from lr_callbacks.range_test.settings import Judged
from lr_callbacks.range_test.steps import Steps

READ_EVERY = 10


@dataclass
class Recording:
    """What a sweep saw.

    Args:
        lrs: LR of the largest group at each step.
        losses: What is judged, after each step.
        training_losses: Loss of the batches of each step, before it; the mean over its micro-batches and the ranks.
        epochs: Epochs of the loader that were begun.
        batches_per_epoch: Batches of the first epoch, None if it was not finished.
        failure: What the last step raised; its losses are NaN.
    """

    lrs: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    training_losses: list[float] = field(default_factory=list)
    epochs: int = 1
    batches_per_epoch: int | None = None
    failure: Exception | None = None


class Ramp:
    """Trains through a list of LRs.

    Args:
        trainer: A trainer inside `isolated`.
        module: Its module.
        optimizer: The optimizer whose LR is swept; others keep theirs.
        judge: What is judged.
        probe_samples: How many samples a probe has.
        reader: Reads the loss off a step.
        tell: Called with the number of steps done.
    """

    def __init__(
        self,
        trainer: Trainer,
        module: LightningModule,
        optimizer: Optimizer,
        *,
        judge: Judged,
        probe_samples: int,
        reader: LossReader,
        tell: Callable[[int], None],
    ) -> None:
        self._trainer, self._judge, self._probe_samples = trainer, judge, probe_samples
        self._reader, self._tell = reader, tell
        self._steps = Steps(trainer, module, optimizer, reader, judged=judge == "training")
        self._judged: list[Tensor] = []
        self._training: list[Tensor] = []
        self._here = next(module.parameters()).device.type == "cpu" and trainer.world_size == 1

    def run(self, lrs: Sequence[float], *, only_tries: bool = False) -> Recording:
        """Train one step at each LR, until the curve has said everything.

        Args:
            lrs: The LRs.
            only_tries: Whether this only tries whether the steps work: it goes on when learning is over, and raises all
                that is raised.

        Raises:
            MisconfigurationException: If there is no batch, no loss, or the optimizer does not step.
            Exception: What a step raises, if that says nothing about the LR.
        """
        recording = Recording()
        with self._steps.training() as stream:
            probe = self._probe(stream)
            for lr in lrs:
                try:
                    stepped = self._step(lr, probe)
                except Exception as error:
                    if only_tries or not recording.lrs or not is_evidence(error, self._trainer):
                        raise
                    recording.failure, stepped = error, True
                    self._judged.append(torch.tensor(math.nan))
                    self._training.append(torch.tensor(math.nan))
                if not stepped:
                    break
                recording.lrs.append(lr)
                self._tell(len(recording.lrs))
                if recording.failure is not None or (self._is_time_to_read() and self._read(recording, only_tries)):
                    break
            self._read(recording, only_tries)
        if self._judge == "training":
            _shift(recording)
        recording.epochs, recording.batches_per_epoch = self._steps.epochs, self._steps.batches_per_epoch
        return recording

    def _probe(self, stream: Stream) -> Probe | None:
        if self._judge == "training":
            return None
        samples, reader = self._probe_samples, self._reader
        if self._judge == "validation":
            return validation_probe(self._trainer, samples, reader)
        return training_probe(self._trainer, stream, samples, reader)

    def _step(self, lr: float, probe: Probe | None) -> bool:
        loss = self._steps.at(lr)
        if loss is None:
            return False
        judged = loss if probe is None else probe()
        self._training.append(loss)
        self._judged.append(judged)
        return True

    def _is_time_to_read(self) -> bool:
        at_once = self._here and not math.isfinite(float(self._judged[-1]))
        return at_once or len(self._judged) == READ_EVERY

    def _read(self, recording: Recording, only_tries: bool) -> bool:
        """Bring what was recorded to the host, averaged over the ranks; whether the sweep has seen enough."""
        number = len(self._judged)
        if number:
            device = self._judged[0].device
            both = torch.stack([loss.to(device) for loss in (*self._judged, *self._training)])
            values = self._trainer.strategy.reduce(both, reduce_op="mean").tolist()
            recording.losses += values[:number]
            recording.training_losses += values[number:]
            self._judged.clear()
            self._training.clear()
        return not only_tries and should_stop(recording.losses)


def _shift(recording: Recording) -> None:
    """Where the training loss is judged: the loss *after* a step is the one that the next step begins with."""
    recording.losses = recording.training_losses[1:]
    recording.lrs = recording.lrs[: len(recording.losses)]
    recording.training_losses = recording.training_losses[: len(recording.losses)]
