"""Optimizer steps of a training that leaves no trace, each at an LR that is asked for.

The loop is our own; each step is Lightning's (`lightning_internals.optimize`), so precision, strategy, accumulation,
clipping and the module's hooks are what they are in the fit.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from lr_callbacks.core import lightning_internals as private
from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.lightning_names import LightningModule, MisconfigurationException, Trainer
from lr_callbacks.core.optimizer_hooks import on_step
from lr_callbacks.range_test.data import Batch, Stream
from lr_callbacks.range_test.probe import WITHOUT_LOSS, LossReader

PATIENCE = 200
"""Batches in a row without a step of the optimizer after which the training is given up."""


class Steps:
    """Trains a module step by step.

    Args:
        trainer: A trainer inside `isolated`.
        module: Its module.
        optimizer: The optimizer whose LR is set; others keep theirs.
        reader: Reads the loss off a step.
        ratios: LR of each group that is set, as a ratio to the largest.
        judged: Whether the training loss is what is judged, so that each step must have one.

    Attributes:
        epochs: Epochs of the loader that were begun.
        batches_seen: Batches trained on.
        batches_per_epoch: Batches of the first epoch, None if it was not finished.
        batches: Batches of an epoch as the loader says, None if it does not.
    """

    def __init__(
        self,
        trainer: Trainer,
        module: LightningModule,
        optimizer: Optimizer,
        reader: LossReader,
        *,
        ratios: Mapping[int, float],
        judged: bool,
    ) -> None:
        self._trainer, self._module, self._optimizer, self._reader = trainer, module, optimizer, reader
        self._judged = judged
        self._needs_loss = judged or module.automatic_optimization
        self._present = [pg.get_lr(group) for group in optimizer.param_groups]
        self._ratios = ratios
        self._argument_names = list(private.step_arguments(trainer, None, 0))
        self._lr, self._factor = 0.0, 1.0
        self._stepped = False
        self._any_loss = False
        self._without_loss = 0
        self._epoch = -1
        self.epochs, self.batches_seen = 1, 0
        self.batches_per_epoch: int | None = None
        self.batches: int | None = None

    @contextmanager
    def training(self) -> Iterator[Stream]:
        """Begin to train, and stop; inside, `at` takes steps. Yields the stream of batches that they are made on."""
        self.stream = stream = Stream(self._trainer)
        before_step = torch.compiler.disable(self._before_step)  # type: ignore[no-untyped-call,unused-ignore]
        unhook = [
            self._optimizer.register_step_pre_hook(before_step).remove,
            on_step(self._optimizer, self._after_step),
        ]
        try:
            with torch.enable_grad():
                private.enter_training(self._trainer, stream.loader)
                self.batches = private.num_batches(stream.loader)
                self._module.on_fit_start()
                self._module.on_train_start()
                self._open_epoch(0)
                yield stream
        finally:
            for remove in unhook:
                remove()
            stream.close()

    def at(self, lr: float, factor: float = 1.0) -> Tensor | None:
        """Train on batches until the optimizer has stepped at an LR; `factor` is that of the groups that are not set.

        A step that a gradient scaler skips, and one of whose batches none has a loss (``training_step`` returned None:
        Lightning skips those), belongs to no LR: it is made again with the next batches.

        Returns:
            Mean loss of the step's batches, before the step; None if the optimizer does not step any more.

        Raises:
            MisconfigurationException: If there is no batch, no loss, or the optimizer has never stepped.
        """
        self._lr, self._factor, self._stepped = lr, factor, False
        self._write()
        losses: list[Tensor] = []
        for _ in range(PATIENCE * self._trainer.accumulate_grad_batches):
            batch = next(self.stream)
            self.epochs = batch.epoch + 1
            self.batches_seen += 1
            if batch.is_last and batch.epoch == 0:
                self.batches_per_epoch = batch.index + 1
            loss = self._train(batch)
            if loss is not None:
                losses.append(loss)
                self._any_loss = True
            if self._stepped and losses:
                return torch.stack(losses).mean()
            if self._stepped and not self._needs_loss:
                return torch.tensor(math.nan)
            if self._stepped:
                self._stepped = False
                self._count_without_loss()
            elif losses and not private.accumulates(self._trainer) and self._module.automatic_optimization:
                losses.clear()
        if self._any_loss:
            return None
        raise MisconfigurationException(
            f"LRRangeTest: {type(self._optimizer).__name__} did not step in {PATIENCE} batches. If it does step in the"
            " fit, do not override step() on the instance, so that its step hooks are called; under fp16, check for"
            " gradients that are not finite; with several optimizers, select the one that trains with optimizer=."
        )

    def _count_without_loss(self) -> None:
        self._without_loss += 1
        if not self._any_loss and self._without_loss >= WITHOUT_LOSS:
            raise self._reader.nothing("training_step")

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
        if self._judged:
            return self._reader.find(loss)
        return loss.detach().float().mean() if isinstance(loss, Tensor) else None

    def _open_epoch(self, epoch: int) -> None:
        if epoch != self._epoch:
            self._epoch = epoch
            self._module.on_train_epoch_start()

    def _write(self) -> None:
        for number, (group, present) in enumerate(zip(self._optimizer.param_groups, self._present, strict=False)):
            ratio = self._ratios.get(number)
            pg.set_lr(group, present * self._factor if ratio is None else self._lr * ratio)

    def _before_step(self, *_: Any) -> None:
        self._write()  # a module that sets LRs in its optimizer_step does not get in the way

    def _after_step(self, *_: Any) -> None:
        self._stepped = True
