"""Fits of every callback on two ranks, one after another in the same two processes: a start costs more than a fit."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers.logger import DummyLogger
from support import Net, Recorder, adam, loader, sgd, trainer
from timeline_fits import SaveOnce
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader
from torch_schedulers import CASES, halved, shrink

from lr_callbacks import (
    SGDR,
    ConstantFactor,
    CosineAnnealing,
    CyclicalLR,
    ExponentialDecay,
    FinalDecay,
    GreedyLR,
    InversePower,
    InverseSqrt,
    LambdaFactor,
    LinearDecay,
    LRMonitor,
    LRRangeTest,
    MultiplicativeFactor,
    MultiStepDecay,
    Noise,
    OneCycle,
    Piecewise,
    PolynomialDecay,
    ReduceLROnPlateau,
    Restarts,
    Rex,
    Sequential,
    SnapshotCheckpoint,
    StepDecay,
    StretchPlan,
    TanhDecay,
    TorchScheduler,
    Warmup,
    WarmupStableDecay,
)

BATCHES, EPOCHS = 5, 4  # of one rank
METRICS = [3.0, 2.0, 2.5, 1.0]


class Ranked(Net):
    """Logs a metric that is another one on each rank; the mean over the ranks is that of a single process."""

    def __init__(self, optimizer: Any = None, spread: float = 0.0, only_on: int | None = None, **log: Any) -> None:
        super().__init__(optimizer or sgd((0.1, 0.03)))
        self.spread, self.only_on, self.log_options = spread, only_on, log

    def metric(self) -> torch.Tensor:
        scripted = METRICS[min(self.current_epoch, len(METRICS) - 1)]
        mine = self.spread * (1 - 2 * self.global_rank) if self.trainer.world_size > 1 else 0.0
        return torch.tensor(scripted + mine * (self.current_epoch + 1))

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        self.log("train_metric", self.metric(), on_step=False, on_epoch=True, **self.log_options)
        self.log("step_metric", self.metric() + batch_idx % 3, **self.log_options)
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        if self.only_on in (None, self.global_rank):
            self.log("val_metric", self.metric(), **self.log_options)


class Growing(Ranked):
    """Its training set has 3, 4, 5 and 6 batches for each rank in its epochs."""

    def train_dataloader(self) -> Any:
        return loader((3 + self.current_epoch) * self.trainer.world_size)


class Gan(LightningModule):
    """Two optimizers by hand; the second steps on every other batch."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.first, self.second = torch.nn.Linear(4, 4), torch.nn.Linear(4, 1)

    def training_step(self, batch: Any, batch_idx: int) -> None:
        optimizers = self.optimizers()
        for optimizer in optimizers:
            optimizer.zero_grad()
        self.manual_backward((self.second(self.first(batch[0])) - batch[1]).square().mean())
        for optimizer in optimizers if batch_idx % 2 else optimizers[:1]:
            optimizer.step()

    def configure_optimizers(self) -> Any:
        return [adam((0.1,))([self.first]), sgd((0.2,))([self.second])]


class Uneven:
    """A loader whose rank has another number of batches: 5 on rank zero, 7 on rank one."""

    def __len__(self) -> int:
        return BATCHES + 2 * int(os.environ.get("RANK", 0))

    def __iter__(self) -> Iterator[Any]:
        return iter(list(loader(len(self))))


def ragged() -> DataLoader[Any]:
    """18 samples in batches of 2 on each of two ranks: the last batch of each has one."""
    return DataLoader(loader(9).dataset, batch_size=2)


@dataclass(frozen=True)
class Fit:
    """One fit: what makes its callbacks (from its folder) and its module, and how it is run."""

    callbacks: Callable[[Path], list[Callback]]
    module: Callable[[], LightningModule] = Ranked
    data: Callable[[], Any] = lambda: loader(2 * BATCHES)
    alone: Callable[[], Any] = lambda: loader(BATCHES)  # what one process is given to take the same steps
    trainer: dict[str, Any] = field(default_factory=dict)
    saves: bool = False

    def run(self, folder: Path, resume: str | None = None, **options: Any) -> dict[str, Any]:
        """What this rank saw: the LRs and momenta of every step, what was warned of, and what callbacks found."""
        torch.manual_seed(0)
        recorder, callbacks = Recorder(), self.callbacks(folder)
        run = trainer(*callbacks, recorder, **{"max_epochs": EPOCHS, **self.trainer, **options})
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            data = self.data() if run.world_size > 1 else self.alone()
            run.fit(self.module(), data, loader(2), ckpt_path=resume)
        if self.saves:
            run.save_checkpoint(folder / "end.ckpt")
        weights = [value for held in run.lightning_module.parameters() for value in held.detach().flatten().tolist()]
        plateaus = [c.state.num_reductions for c in callbacks if isinstance(c, ReduceLROnPlateau)]
        return {
            "lrs": {str(number): lrs for number, lrs in recorder.lrs.items()},
            "momenta": {str(number): momenta for number, momenta in recorder.momenta.items()},
            "warned": [str(each.message) for each in caught],
            "reductions": plateaus,
            "weights": weights,
            "paths": [Path(p).name for c in callbacks if isinstance(c, SnapshotCheckpoint) for p in c.paths],
            "found": [c.result.suggestion for c in callbacks if isinstance(c, LRRangeTest)],
        }


def plateau(monitor: str = "val_metric", **options: Any) -> ReduceLROnPlateau:
    return ReduceLROnPlateau(monitor, **{"patience": 0, "factor": 0.5, **options})


def split() -> Ranked:
    """By its own metric rank zero would never reduce, and rank one always."""
    return Ranked(spread=-2.0)


_GROWS: dict[str, Any] = {
    "data": lambda: None,
    "alone": lambda: None,
    "trainer": {"reload_dataloaders_every_n_epochs": 1},
}
SCHEDULES: dict[str, Fit] = {
    "Warmup": Fit(lambda _: [Warmup("30%")]),
    "OneCycle": Fit(lambda _: [OneCycle(max_lr=0.5)]),
    "SGDR": Fit(lambda _: [SGDR("1 epoch", T_mult=1.5)]),
    "ConstantFactor": Fit(lambda _: [ConstantFactor(7)]),
    "CosineAnnealing": Fit(lambda _: [CosineAnnealing(eta_min=0.01)]),
    "CyclicalLR": Fit(lambda _: [CyclicalLR(0.01, step_size_up=3)]),
    "ExponentialDecay": Fit(lambda _: [ExponentialDecay(0.9)]),
    "InverseSqrt": Fit(lambda _: [InverseSqrt(3)]),
    "LambdaFactor": Fit(lambda _: [LambdaFactor(halved)]),
    "MultiplicativeFactor": Fit(lambda _: [MultiplicativeFactor(shrink)]),
    "PolynomialDecay": Fit(lambda _: [PolynomialDecay(power=2.0)]),
    "LinearDecay": Fit(lambda _: [LinearDecay()]),
    "Rex": Fit(lambda _: [Rex()]),
    "StepDecay": Fit(lambda _: [StepDecay("1 epoch", interval="epoch")]),
    "TanhDecay": Fit(lambda _: [TanhDecay()]),
    "InversePower": Fit(lambda _: [InversePower(3)]),
    "Noise": Fit(lambda _: [Noise(0.3)]),
    "FinalDecay": Fit(lambda _: [CosineAnnealing(), FinalDecay(4, start=5)]),
    "Piecewise": Fit(lambda _: [Piecewise([[0, 0.1], ["50%", 1.0], ["100%", 0.0]])]),
    "Sequential": Fit(lambda _: [Sequential([ConstantFactor(5), Rex()], milestones=["50%"])]),
    "Restarts": Fit(lambda _: [Restarts(LinearDecay(), "1 epoch")]),
    "StretchPlan": Fit(lambda _: [StretchPlan("8 epochs"), StepDecay("2 epochs", gamma=0.5)]),
    "MultiStepDecay": Fit(lambda _: [MultiStepDecay([4, 9])]),
    "WarmupStableDecay": Fit(lambda _: [WarmupStableDecay("10%", "20%")]),
    "Warmup, SGDR, ReduceLROnPlateau": Fit(lambda _: [Warmup(3), SGDR(6), plateau()]),
    "two optimizers": Fit(lambda _: [SGDR(4, optimizer=0), OneCycle(total_steps=9, optimizer=1)], Gan),
    "accumulation": Fit(lambda _: [OneCycle()], trainer={"accumulate_grad_batches": 2}),
    "LRMonitor": Fit(lambda _: [OneCycle(), LRMonitor()], trainer={"logger": DummyLogger()}),
    "SnapshotCheckpoint": Fit(
        lambda folder: [SGDR(6), SnapshotCheckpoint(folder)], trainer={"enable_checkpointing": True}
    ),
    "uneven last batches": Fit(lambda _: [OneCycle(), plateau()], data=ragged),
    **{
        f"TorchScheduler, {case.name}": Fit(lambda _, case=case: [TorchScheduler(**case.in_python())])
        for case in CASES
        if case.name in ("CyclicLR", "OneCycleLR", "MultiplicativeLR", "SequentialLR", "ChainedScheduler")
    },
}

PLATEAUS: dict[str, Fit] = {
    "validation": Fit(lambda _: [plateau()], split),
    "training": Fit(lambda _: [plateau("train_metric")], split),
    "steps": Fit(lambda _: [plateau("step_metric", every_n_steps=4)], split),
    "greedy": Fit(lambda _: [GreedyLR("val_metric", patience=0, factor=0.5, smooth=2)], split),
    "two metrics, best weights": Fit(lambda _: [plateau(["val_metric", "train_metric"], restore_best=True)], split),
    "torch": Fit(
        lambda _: [
            TorchScheduler(lr_scheduler.ReduceLROnPlateau, monitor="val_metric", mode="min", patience=0, factor=0.5)
        ],
        split,
    ),
}

OTHERS: dict[str, Fit] = {
    "synchronised": Fit(lambda _: [plateau()], lambda: Ranked(spread=-2.0, sync_dist=True)),
    "one rank alone": Fit(lambda _: [plateau()], lambda: Ranked(only_on=1)),
    "uneven numbers": Fit(
        lambda _: [Warmup("1 epoch"), StepDecay("1 epoch")],
        data=Uneven,
        trainer={"max_steps": 5, "use_distributed_sampler": False},
    ),
    "range test": Fit(lambda _: [LRRangeTest(1e-4, num_steps=12), OneCycle()]),
}

GROWING: dict[str, Fit] = {
    "in epochs": Fit(lambda _: [StepDecay("1 epoch", gamma=0.5)], Growing, **_GROWS),
    "of the run": Fit(lambda _: [Warmup("10%"), CosineAnnealing()], Growing, **_GROWS),
    "of torch's": Fit(
        lambda _: [TorchScheduler(lr_scheduler.StepLR, interval="epoch", step_size=1, gamma=0.5)], Growing, **_GROWS
    ),
}
HALVED = Fit(  # all of the data for one process too, so that its epochs are twice as long
    lambda folder: [Warmup("10%"), LinearDecay(), SaveOnce(f"{folder}/half.ckpt", "on_train_epoch_end", 1)],
    alone=lambda: loader(2 * BATCHES),
)

RESUMED = Fit(lambda _: [Warmup(3), SGDR(6), plateau(), OneCycle(total_steps=18, groups=1)], saves=True)


class Dies(Callback):
    """The second rank is killed in the middle of a step, while the first waits for its gradients."""

    def __init__(self, after: int) -> None:
        self.after = after

    def on_before_backward(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_rank == 1 and trainer.global_step == self.after:
            os.kill(os.getpid(), signal.SIGKILL)


KILLED_AFTER = 7
KILLED = replace(
    RESUMED,
    callbacks=lambda folder: [
        *RESUMED.callbacks(folder),
        ModelCheckpoint(folder, every_n_train_steps=1, save_last=True),
        Dies(KILLED_AFTER),
    ],
    trainer={"enable_checkpointing": True},
)

FITS = {
    "schedules": SCHEDULES,
    "plateaus": PLATEAUS,
    "others": OTHERS,
    "growing": GROWING,
    "halved": {"halved": HALVED},
    "resumed": {"resumed": RESUMED},
    "killed": {"killed": KILLED},
}


def fits_of_a_rank(folder: Path, fits: str, resume: str | None = None) -> dict[str, Any]:
    """All fits of a group on one of two ranks."""
    return {name: fit.run(folder, resume, strategy="ddp", devices=2) for name, fit in FITS[fits].items()}
