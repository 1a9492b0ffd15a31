"""The trainings that the crash tests kill: callbacks with a state and combinations, on modules of several kinds."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from crash_child import Bomb, Loader
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import BackboneFinetuning
from lightning.pytorch.plugins import MixedPrecision
from torch import nn
from torch.optim import lr_scheduler
from torch_schedulers import CASES

from lr_callbacks import (
    SGDR,
    CosineAnnealing,
    LinearDecay,
    LRRangeTest,
    OneCycle,
    ReduceLROnPlateau,
    SnapshotCheckpoint,
    StepDecay,
    TorchScheduler,
    Warmup,
)
from lr_callbacks.core import wall_clock


class Net(LightningModule):
    """Two groups; its validation loss is real, so that what plateau reduction hears depends on all that went before."""

    def __init__(self, adam: bool = False, tensor_lr: bool = False) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 4), nn.Linear(4, 1)
        self.adam, self.tensor_lr = adam, tensor_lr

    def loss(self, batch: Any) -> torch.Tensor:
        return (self.head(torch.tanh(self.body(batch[0]))) - batch[1]).square().mean()

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        Bomb.reached("training_step")
        loss = self.loss(batch)
        self.log("step_loss", loss.detach())
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        Bomb.reached("validation_step")
        loss = self.loss(batch)
        noise = (self.trainer.global_step * 7919 % 13) / 13  # so that it stalls now and then
        self.log("val_loss", loss + noise)
        self.log("val_score", -loss - noise)
        self.log("scripted", torch.tensor(noise))  # whatever the weights are

    def configure_optimizers(self) -> Any:
        lrs = [torch.tensor(lr) if self.tensor_lr else lr for lr in (0.05, 0.02)]
        groups = [{"params": part.parameters(), "lr": lr} for part, lr in zip((self.body, self.head), lrs, strict=True)]
        return torch.optim.Adam(groups) if self.adam else torch.optim.SGD(groups, momentum=0.9)


class ByHand(Net):
    """Manual optimization with one optimizer."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> None:
        loss = super().training_step(batch, batch_idx)
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()


class Growing(Net):
    """Its training set grows in each epoch."""

    def train_dataloader(self) -> Any:
        return Loader(3 + 2 * self.trainer.current_epoch)


class ThreeByHand(ByHand):
    """Three steps a batch, so that the length of an epoch is known only after the first."""

    def training_step(self, batch: Any, batch_idx: int) -> None:
        for _ in range(3):
            super().training_step(batch, batch_idx)


class Gan(Net):
    """Two optimizers by hand; the second steps on every other batch."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> None:
        loss = super().training_step(batch, batch_idx)
        first, second = self.optimizers()
        first.zero_grad()
        second.zero_grad()
        self.manual_backward(loss)
        first.step()
        if batch_idx % 2:
            second.step()

    def configure_optimizers(self) -> Any:
        first = torch.optim.Adam(self.body.parameters(), lr=0.02)
        return [first, torch.optim.SGD(self.head.parameters(), lr=0.05, momentum=0.9)]


class Overflowing(Net):
    """The gradients of some batches are infinite, as fp16 makes them at times."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        return loss * torch.inf if (self.current_epoch, batch_idx) in {(0, 2), (1, 5), (2, 0), (3, 3)} else loss


class Backboned(Net):
    """Only the head is optimized until the backbone is unfrozen."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = self.body

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.head.parameters(), lr=0.05, momentum=0.9)


class Hours(Callback):
    """A wall clock on which every batch lasts a second, and which stands elsewhere in every process."""

    def __init__(self, budget: int | None = None) -> None:
        self.seconds, self.budget = float(os.getpid()), budget
        wall_clock.now = lambda: self.seconds

    def on_train_start(self, trainer: Trainer, *_: Any) -> None:
        trainer.should_stop = trainer.global_step == self.budget

    def on_train_batch_start(self, *_: Any) -> None:
        self.seconds += 1

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        trainer.should_stop = trainer.global_step == self.budget


def growing_scaler() -> list[Any]:
    return [MixedPrecision("16-mixed", "cpu", scaler=torch.amp.GradScaler("cpu", init_scale=2.0, growth_interval=9))]


def plateau(monitor: str = "val_loss", **options: Any) -> ReduceLROnPlateau:
    return ReduceLROnPlateau(monitor, **{"patience": 0, "factor": 0.7, **options})


def unfreezing(epoch: int) -> float:
    return 1.0


@dataclass(frozen=True)
class Job:
    """One training: what makes its callbacks (from its folder) and its module, how it is run, and when it is saved."""

    name: str
    callbacks: Callable[[str], list[Callback]]
    module: Callable[[], LightningModule] = Net
    trainer: dict[str, Any] = field(default_factory=dict)
    save_every: int | None = 1  # steps between two checkpoints; None for those of the validations alone
    weights: bool = True  # whether the end is compared, too, and not the LRs alone

    def __reduce__(self) -> Any:  # sent to another process by its name
        return job_called, (self.name,)


def job_called(name: str) -> Job:
    return JOBS[name]


_HALF_EPOCHS = {"val_check_interval": 0.5}
_BY_NAME = {case.name: case for case in CASES}

_ALL = [
    Job("Lightning alone", lambda _: []),
    Job("Lightning alone, in half epochs", lambda _: [], trainer=_HALF_EPOCHS, save_every=2),
    Job("Lightning alone, accumulation", lambda _: [], trainer={"accumulate_grad_batches": 4, "max_epochs": 9}),
    Job("Lightning alone, validations only", lambda _: [], save_every=None),
    # ------------------------------------------------------------------ feedback: every mode of ReduceLROnPlateau
    Job("plateau, min, rel", lambda _: [plateau()]),
    Job("plateau, max, rel", lambda _: [plateau("val_score", mode="max")], save_every=None),
    Job("plateau, min, abs", lambda _: [plateau(threshold=0.05, threshold_mode="abs", cooldown=1)], save_every=2),
    Job("plateau, max, abs", lambda _: [plateau("val_score", mode="max", threshold_mode="abs", min_lr=[0.02, 0.001])]),
    Job("plateau, every 4 steps", lambda _: [plateau("step_loss", every_n_steps=4)], save_every=3),
    Job("plateau, twice, in half epochs", lambda _: [plateau(name="a"), plateau(name="b", patience=1)],
        trainer=_HALF_EPOCHS),
    Job("plateau, every second epoch", lambda _: [plateau()], trainer={"check_val_every_n_epoch": 2}, save_every=4),
    # ------------------------------------------------------------------ foreign schedulers, each with its own state
    *(Job(f"torch {case.name}", lambda _, case=case: [TorchScheduler(**case.in_python())], save_every=1 + number % 3)
      for number, case in enumerate(CASES)),
    *(Job(f"torch {case.name} by epoch", lambda _, case=case: [TorchScheduler(**case.in_python(), interval="epoch")])
      for case in CASES if case.name in ("CosineAnnealingLR", "SequentialLR", "MultiplicativeLR")),
    *(Job(f"torch ReduceLROnPlateau, {mode}", lambda _, mode=mode: [TorchScheduler(
        lr_scheduler.ReduceLROnPlateau, monitor="val_loss", mode=mode, patience=0, factor=0.7)], trainer=_HALF_EPOCHS)
      for mode in ("min", "max")),
    Job("three torch schedulers and a plateau",
        lambda _: [Warmup(4), plateau(), TorchScheduler(**_BY_NAME["CyclicLR"].in_python()),
                   TorchScheduler(lr_scheduler.StepLR, step_size=3, gamma=0.9, groups=0),
                   TorchScheduler(**_BY_NAME["MultiplicativeLR"].in_python(), groups=1)]),
    # ------------------------------------------------------------------ files, findings, time
    Job("snapshots", lambda folder: [SGDR(7), SnapshotCheckpoint(f"{folder}/snapshots")], save_every=4),
    Job("range test", lambda _: [LRRangeTest(1e-4, num_steps=15), OneCycle(), plateau()], save_every=5),
    Job("wall clock", lambda _: [Hours(), Warmup("4 s"), SGDR("9 s", T_mult=1.5), plateau()],
        trainer={"max_time": {"hours": 1}}),
    Job("wall clock, to the end", lambda _: [Hours(30), Warmup("10%"), LinearDecay()], save_every=3,
        trainer={"max_time": {"seconds": 30}, "max_epochs": -1}),
    # ------------------------------------------------------------------ combinations and trainings of other kinds
    Job("warm-up, SGDR, two plateaus", lambda _: [Warmup("10%"), SGDR(7, T_mult=1.5, eta_min=0.001), plateau(),
                                                  plateau(name="b", patience=1, factor=0.5)], lambda: Net(adam=True)),
    Job("one-cycle, tensor LR", lambda _: [OneCycle()], lambda: Net(adam=True, tensor_lr=True), save_every=2),
    Job("by hand", lambda _: [Warmup(3), CosineAnnealing(total_steps=27), plateau()], ByHand),
    Job("epochs that grow", lambda _: [Warmup("10%"), CosineAnnealing(), plateau(), StepDecay("1 epoch", gamma=0.9),
                                       TorchScheduler(lr_scheduler.StepLR, interval="epoch", step_size=2)],
        Growing, trainer={"reload_dataloaders_every_n_epochs": 1}),
    Job("by hand, three steps a batch", lambda _: [Warmup("10%"), LinearDecay(), plateau()], ThreeByHand,
        save_every=3),
    Job("two optimizers", lambda _: [SGDR(6, optimizer=0), OneCycle(total_steps=12, optimizer=1), plateau(),
                                     TorchScheduler(lr_scheduler.ExponentialLR, gamma=0.97)], Gan),
    Job("accumulation", lambda _: [Warmup("20%"), CosineAnnealing(), plateau()],
        trainer={"accumulate_grad_batches": 4, "max_epochs": 9}),
    Job("accumulation, validations in its middle", lambda _: [Warmup("20%"), CosineAnnealing(), plateau("scripted")],
        trainer={"accumulate_grad_batches": 4, "max_epochs": 9, **_HALF_EPOCHS}, save_every=None, weights=False),
    Job("skipped steps", lambda _: [Warmup(4), SGDR(5), plateau()], Overflowing, trainer={"plugins": growing_scaler}),
    Job("groups added", lambda _: [SGDR("100%", eta_min=0.001), plateau("scripted"), BackboneFinetuning(
        2, lambda_func=unfreezing, backbone_initial_ratio_lr=0.1, should_align=False)], Backboned, save_every=None,
        weights=False),  # Lightning alone does not end with the same weights either
]  # fmt: skip
JOBS = {job.name: job for job in _ALL}
