"""What is judged after each step of a range test: one number, the quality of the present weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor
from torchmetrics import Metric

from lr_callbacks.core import lightning_internals as private
from lr_callbacks.core.lightning_names import LightningModule, MisconfigurationException, RunningStage, Trainer
from lr_callbacks.range_test.data import Stream
from lr_callbacks.range_test.random_state import random_sources, remember_random_state
from lr_callbacks.range_test.tensor_copies import keep_tensor

BATCHES = 4
"""Batches of a probe that is evaluated often."""
WITHOUT_LOSS = 20
"""Batches or steps without any loss, none before them having had one, after which there is nothing to judge."""


class NoLossError(MisconfigurationException):
    """No step has a loss."""


class LossReader:
    """Finds the loss of a step: a logged value where one is named, otherwise what the step returned."""

    def __init__(self, monitor: str | None) -> None:
        self._monitor = monitor
        self.logged: dict[str, Any] = {}

    def log(self, name: str, value: Any) -> None:
        """What the module logs goes here while the test runs."""
        self.logged[name] = value

    def find(self, returned: Any, default: str | None = None) -> Tensor | None:
        """The loss as a scalar float tensor on its device; None if there is none.

        Args:
            returned: What the step returned.
            default: Name of the logged value to prefer where no other is named; if it is not logged and nothing is
                returned, the only logged value whose name has "loss" in it will do.
        """
        name = self._monitor or (default if default in self.logged else None)
        if name is None and default is not None and returned is None:
            losses = [each for each in self.logged if "loss" in each.lower()]
            name = losses[0] if len(losses) == 1 else None
        value = self.logged.get(name) if name else (returned.get("loss") if isinstance(returned, Mapping) else returned)
        if isinstance(value, Metric):
            value = value.compute()
        if isinstance(value, int | float):
            value = torch.tensor(float(value))
        if not isinstance(value, Tensor):
            return None
        value = value.detach().float()
        return value.mean() if value.ndim else value

    def nothing(self, hook: str) -> NoLossError:
        """The error where no step has had a loss; it lists what was logged."""
        seen = ", ".join(sorted(self.logged)) or "nothing"
        what = f"logged no {self._monitor!r}" if self._monitor else "returned no loss"
        return NoLossError(
            f"LRRangeTest: {hook} {what}, so there is nothing to judge. Return the loss, or set monitor= to a logged"
            f" value (logged: {seen})."
        )


class Probe:
    """The loss on fixed batches with the weights of the moment, from the same random state every time.

    The module's own ``training_step`` (or ``validation_step`` in eval mode) runs without gradients; what it does to
    buffers (running statistics) is undone, so the probe does not lead the training that it looks at. It is evaluated
    once when it is built: batches that have no loss (the step returns None) are left out of it. One that has none later
    is a loss that is not finite: a module may look for that itself.

    Attributes:
        untrained: The loss before any step.
        forwards: Forward passes of an evaluation at most; the same on all ranks.
    """

    def __init__(
        self, trainer: Trainer, batches: list[Any], reader: LossReader, stage: RunningStage, *, most: int
    ) -> None:
        self._trainer, self._reader = trainer, reader
        self._module: LightningModule = trainer.lightning_module
        self._validates = stage is RunningStage.VALIDATING
        self._hook = "validation_step" if self._validates else "training_step"
        self._num_arguments = 2 if self._validates else len(private.step_arguments(trainer, None, 0))
        self._batches = [(index, private.to_device(trainer, batch)) for index, batch in enumerate(batches)]
        self._sources = random_sources()
        self._random_state: Callable[[], None] = remember_random_state(self._sources)
        self._buffers = [buffer for buffer in self._module.buffers() if not buffer.is_meta]
        self._modes = [(part, part.training) for part in self._module.modules()]
        first = self._losses()
        found = [loss for loss in first if loss is not None][:most]
        if not found:
            raise reader.nothing(self._hook)
        with_loss = [pair for pair, loss in zip(self._batches, first, strict=True) if loss is not None]
        self._batches = with_loss[:most]
        self.untrained = torch.stack(found).mean()
        self.forwards = min(most, len(batches))

    def __call__(self) -> Tensor:
        """The loss now, not yet averaged over the ranks."""
        losses = self._losses()
        found = [loss for loss in losses if loss is not None]
        if len(found) < len(losses):
            return torch.full((), math.nan, device=self._module.device)
        return torch.stack(found).mean() if len(found) > 1 else found[0]

    def _losses(self) -> list[Tensor | None]:
        random_state = remember_random_state(self._sources)
        buffers = [keep_tensor(buffer, None, None)[1] for buffer in self._buffers]
        self._random_state()
        if self._validates:
            self._trainer.validating = True
            self._module.eval()
        try:
            with torch.no_grad():
                losses = [self._loss(batch, index) for index, batch in self._batches]
                for write in buffers:
                    write()
        finally:
            if self._validates:
                self._trainer.training = True
                for part, mode in self._modes:
                    part.training = mode
        random_state()
        return losses

    def _loss(self, batch: Any, index: int) -> Tensor | None:
        # a step may write into its batch, and the next probe is to see the same one
        mine = _clone(batch)
        self._reader.logged.clear()
        returned = private.evaluate(self._trainer, self._hook, *(mine, index)[: self._num_arguments])
        return self._reader.find(returned, "val_loss" if self._validates else None)


def _clone(batch: Any) -> Any:
    if type(batch) in (list, tuple) and all(type(part) is Tensor for part in batch):
        return type(batch)(part.clone() for part in batch)
    return apply_to_collection(batch, Tensor, torch.clone)


def training_probe(trainer: Trainer, stream: Stream, samples: int, reader: LossReader, most: int = BATCHES) -> Probe:
    """A probe on the first batches of a stream, which still gives them to the training."""
    peeked = stream.peek(samples, most=most, world_size=trainer.world_size)
    try:
        return Probe(trainer, [batch.data for batch in peeked], reader, RunningStage.TRAINING, most=most)
    except NoLossError:
        more = stream.peek_batches(WITHOUT_LOSS)
        return Probe(trainer, [batch.data for batch in more], reader, RunningStage.TRAINING, most=len(peeked))


def validation_probe(trainer: Trainer, samples: int, reader: LossReader, most: int = BATCHES) -> Probe:
    """A probe on the first validation batches, at most `most`.

    Raises:
        MisconfigurationException: If there is no validation data.
    """
    stream = Stream(trainer, RunningStage.VALIDATING)
    try:
        batches = [batch.data for batch in stream.peek(samples, most=most, world_size=trainer.world_size)]
        return Probe(trainer, batches, reader, RunningStage.VALIDATING, most=most)
    finally:
        stream.close()
