"""Fits whose epochs change their length, and a formula for where in the run each of their steps lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from support import Net, Recorder, fit, loader, sgd, trainer

Make = Callable[[], list[Callback]]


class Epochs(Callback):
    """Writes down in which epoch each optimizer step was taken."""

    def __init__(self) -> None:
        self.of_step: list[int] = []

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        self.of_step.append(trainer.current_epoch)

    @property
    def lengths(self) -> list[tuple[int, int]]:
        """``(epoch, steps)``, in order."""
        return [(epoch, self.of_step.count(epoch)) for epoch in dict.fromkeys(self.of_step)]


class SaveOnce(Callback):
    """Saves in one hook, at an epoch or (``on_train_batch_end``) at a count, and may stop the fit then."""

    def __init__(self, path: str, hook: str, when: int, stop: bool = True) -> None:
        self.path, self.when, self.stop, self.by_count = path, when, stop, hook == "on_train_batch_end"
        self.done = False
        setattr(self, hook, self._save)

    def _save(self, trainer: Trainer, *arguments: Any, **options: Any) -> None:
        now = trainer.global_step if self.by_count else trainer.current_epoch
        if now == self.when and not self.done and not trainer.sanity_checking:
            self.done = True
            trainer.save_checkpoint(self.path)
            trainer.should_stop = trainer.should_stop or self.stop


@dataclass
class Ran:
    """What a fit used: LRs of the first group of each optimizer, and the epochs that its steps were in."""

    lrs: list[float]
    epochs: list[tuple[int, int]] = field(default_factory=list)
    of: dict[int, list[float]] = field(default_factory=dict)


def ran(callbacks: Sequence[Callback], batches: int = 10, module: LightningModule | None = None, **options: Any) -> Ran:
    """Train for real; four epochs unless something else is asked for."""
    epochs = Epochs()
    kwargs: dict[str, Any] = {"max_epochs": 4, **options}
    recorder = fit(*callbacks, epochs, module=module, batches=batches, **kwargs)
    of = {index: recorder.of_group(0, index) for index in recorder.lrs}
    return Ran(of.get(0, []), epochs.lengths, of)


def positions(epochs: Sequence[tuple[int, int]], planned: float = 1.0, begin: float = 0.0) -> list[float]:
    """Where steps lie that were taken in these epochs: each epoch is `planned` long, whatever it really took.

    Args:
        epochs: ``(epoch, steps taken)``.
        planned: Length of an epoch on the axis.
        begin: Position of the first step, in epochs: inside the first of them where a run was resumed in its middle.
    """
    found, at = [], begin
    for epoch, steps in epochs:
        at = max(at, epoch)
        found += [planned * (at + (epoch + 1 - at) * step / steps) for step in range(steps)]
        at = epoch + 1
    return found


class Growing(Net):
    """Its training set has another number of batches in each epoch."""

    sizes = (4, 8, 12, 16)

    def __init__(self, **options: Any) -> None:
        super().__init__(sgd((0.1,)), **options)

    def train_dataloader(self) -> Any:
        return loader(self.sizes[min(self.trainer.current_epoch, len(self.sizes) - 1)])

    def val_dataloader(self) -> Any:
        return loader(2)


class SaveEverywhere(Callback):
    """Saves at the end of each batch, validation and epoch."""

    def __init__(self, folder: Any) -> None:
        self.folder, self.saved = folder, []

    def _save(self, hook: str, trainer: Trainer) -> None:
        if not trainer.sanity_checking:
            path = f"{self.folder}/{hook}-{trainer.current_epoch}-{trainer.global_step}.ckpt"
            trainer.save_checkpoint(path)
            self.saved.append((path, trainer.global_step))

    def on_train_batch_end(self, trainer: Trainer, *arguments: Any) -> None:
        self._save("batch", trainer)

    def on_validation_end(self, trainer: Trainer, *arguments: Any) -> None:
        self._save("validation", trainer)

    def on_train_epoch_end(self, trainer: Trainer, *arguments: Any) -> None:
        self._save("epoch", trainer)


def fit_growing(callbacks: Sequence[Callback], module: LightningModule | None = None, **options: Any) -> Ran:
    """A fit whose loader is made again for each epoch."""
    torch.manual_seed(0)
    epochs, recorder = Epochs(), Recorder()
    kwargs: dict[str, Any] = {"max_epochs": 4, "reload_dataloaders_every_n_epochs": 1, **options}
    path = kwargs.pop("ckpt_path", None)
    trainer(*callbacks, epochs, recorder, **kwargs).fit(module or Growing(metrics=[3.0] * 4), ckpt_path=path)
    of = {index: recorder.of_group(0, index) for index in recorder.lrs}
    return Ran(of.get(0, []), epochs.lengths, of)


class ByHand(Net):
    """Manual optimization: each optimizer steps `k` times in every `every`-th batch."""

    def __init__(self, *steps: tuple[int, int]) -> None:
        super().__init__(sgd((0.1,)))
        self.automatic_optimization = False
        self.steps = steps or ((1, 1),)

    def configure_optimizers(self) -> Any:
        parts = (self.body, self.head) if len(self.steps) > 1 else (self,)
        return [torch.optim.SGD(part.parameters(), lr=0.1) for part in parts]

    def training_step(self, batch: Any, batch_idx: int) -> None:
        optimizers = self.optimizers() if len(self.steps) > 1 else [self.optimizers()]
        for optimizer, (k, every) in zip(optimizers, self.steps, strict=True):
            for _ in range(k if (batch_idx + 1) % every == 0 else 0):
                optimizer.zero_grad()
                self.manual_backward((self(batch[0]) - batch[1]).square().mean())
                optimizer.step()
