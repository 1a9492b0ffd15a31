"""One sweep of a range test: train with a rising LR, one LR a step, and write down what it does to the loss.

The loop is our own; each step is Lightning's (`lightning_private.optimize`), so precision, strategy, accumulation,
clipping and the module's hooks are what they are in the fit. Losses stay on their device and are read every
`READ_EVERY` steps.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import RunningStage
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.optim import Optimizer

from lr_callbacks.core import lightning_internals as private
from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.optimizer_hooks import on_step
from lr_callbacks.range_test.curve import should_stop
from lr_callbacks.range_test.data import Batch, Stream
from lr_callbacks.range_test.judge import Judged, LossReader, Probe, validation_probe

READ_EVERY = 10
PATIENCE = 200
"""Batches in a row without a step of the optimizer after which the sweep gives up."""


@dataclass
class Recording:
    """What a sweep saw.

    Args:
        lrs: LR of the largest group at each step.
        losses: What is judged, after each step.
        training_losses: Loss of the batches of each step, before it; the mean over its micro-batches and the ranks.
        epochs: Epochs of the loader that were begun.
        batches_per_epoch: Batches of the first epoch, None if it was not finished.
    """

    lrs: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    training_losses: list[float] = field(default_factory=list)
    epochs: int = 1
    batches_per_epoch: int | None = None


class Sweep:
    """Trains through a list of LRs.

    Args:
        trainer: A trainer inside `untouched`.
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
        self._trainer, self._module, self._optimizer = trainer, module, optimizer
        self._judge, self._probe_samples, self._reader, self._tell = judge, probe_samples, reader, tell
        self._base_lrs = [pg.get_lr(group) for group in optimizer.param_groups]
        self._argument_names = list(private.step_arguments(trainer, None, 0))
        self._lr = 0.0
        self._stepped = False
        self._epoch = -1
        self._judged: list[Tensor] = []
        self._training: list[Tensor] = []
        self._here = next(module.parameters()).device.type == "cpu" and trainer.world_size == 1

    def run(self, lrs: Sequence[float]) -> Recording:
        """Train one step at each LR, until the curve has said everything.

        Raises:
            MisconfigurationException: If there is no batch, no loss, or the optimizer does not step.
        """
        recording = Recording()
        stream = Stream(self._trainer)
        before_step = torch.compiler.disable(self._before_step)  # type: ignore[no-untyped-call,unused-ignore]
        unhook = [
            self._optimizer.register_step_pre_hook(before_step).remove,
            on_step(self._optimizer, self._after_step),
        ]
        try:
            with torch.enable_grad():
                self._begin(stream)
                probe = self._probe(stream)
                for lr in lrs:
                    if not self._step_at(lr, stream, recording):
                        break
                    recording.lrs.append(lr)
                    self._judged.append(self._training[-1] if probe is None else probe())
                    self._tell(len(recording.lrs))
                    at_once = self._here and not math.isfinite(float(self._judged[-1]))
                    if (at_once or len(self._judged) == READ_EVERY) and self._read(recording):
                        break
                self._read(recording)
                if self._judge == "training":
                    _shift(recording)
        finally:
            for remove in unhook:
                remove()
            stream.close()
        return recording

    # ------------------------------------------------------------------ the start
    def _begin(self, stream: Stream) -> None:
        private.enter_training(self._trainer, stream.loader)
        self._module.on_fit_start()
        self._module.on_train_start()

    def _probe(self, stream: Stream) -> Probe | None:
        self._open_epoch(0)
        if self._judge == "validation":
            return validation_probe(self._trainer, self._probe_samples, self._reader)
        if self._judge == "training":
            return None
        batches = [batch.data for batch in stream.peek(self._probe_samples, world_size=self._trainer.world_size)]
        return Probe(self._trainer, batches, self._reader, RunningStage.TRAINING)

    def _open_epoch(self, epoch: int) -> None:
        if epoch != self._epoch:
            self._epoch = epoch
            self._module.on_train_epoch_start()

    # ------------------------------------------------------------------ one step
    def _step_at(self, lr: float, stream: Stream, recording: Recording) -> bool:
        """Train on batches until the optimizer has stepped; whether it did."""
        self._lr, self._stepped = lr, False
        self._write()
        losses: list[Tensor] = []
        for _ in range(PATIENCE * self._trainer.accumulate_grad_batches):
            batch = next(stream)
            recording.epochs = batch.epoch + 1
            if batch.is_last and batch.epoch == 0:
                recording.batches_per_epoch = batch.index + 1
            loss = self._train(batch)
            if loss is not None:
                losses.append(loss)
            if self._stepped:
                self._training.append(torch.stack(losses).mean() if losses else torch.tensor(math.nan))
                return True
            if losses and not private.accumulates(self._trainer) and self._module.automatic_optimization:
                losses.clear()  # a scaler skipped this step: its batches belong to no LR
        if recording.lrs or self._training:
            return False
        raise MisconfigurationException(
            f"LRRangeTest: {type(self._optimizer).__name__} has not stepped once in {PATIENCE} batches. If it does step"
            " in the fit, let it call its step hooks (no override of step() on the instance); under fp16, look for"
            " gradients that are not finite; with several optimizers, name the one that trains by optimizer="
        )

    def _train(self, batch: Batch) -> Tensor | None:
        self._open_epoch(batch.epoch)
        private.at_batch(self._trainer, batch.epoch, batch.index, is_last=batch.is_last)
        data = private.to_device(self._trainer, batch.data)
        if self._module.on_train_batch_start(data, batch.index) == -1:
            return None
        self._reader.logged.clear()
        arguments = OrderedDict(zip(self._argument_names, (data, batch.index), strict=False))
        outputs = private.optimize(self._trainer, arguments, batch.index)
        self._module.on_train_batch_end(outputs, data, batch.index)
        loss = outputs.get("loss")
        if self._module.automatic_optimization and loss is not None:
            loss = loss * self._trainer.accumulate_grad_batches
        if self._judge == "training":
            return self._reader.read(loss, "training_step")
        return loss.detach().float().mean() if isinstance(loss, Tensor) else None

    def _write(self) -> None:
        scale = self._lr / max(self._base_lrs)
        for group, base in zip(self._optimizer.param_groups, self._base_lrs, strict=False):
            pg.set_lr(group, base * scale)

    def _before_step(self, *_: Any) -> None:
        self._write()  # a module that sets LRs in its optimizer_step does not get in the way

    def _after_step(self, *_: Any) -> None:
        self._stepped = True

    # ------------------------------------------------------------------ reading
    def _read(self, recording: Recording) -> bool:
        """Bring what was recorded to the host, averaged over the ranks; whether the sweep has seen enough."""
        number = len(self._judged)
        if number:
            both = torch.stack([*self._judged, *(loss.to(self._judged[0].device) for loss in self._training[-number:])])
            values = self._trainer.strategy.reduce(both, reduce_op="mean").tolist()
            recording.losses += values[:number]
            recording.training_losses += values[number:]
            self._judged.clear()
            self._training.clear()
        return should_stop(recording.losses)


def _shift(recording: Recording) -> None:
    """Where the training loss is judged: the loss *after* a step is the one that the next step begins with."""
    recording.losses = recording.training_losses[1:]
    recording.lrs = recording.lrs[: len(recording.losses)]
    recording.training_losses = recording.training_losses[: len(recording.losses)]
