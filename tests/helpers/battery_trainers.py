"""Trainers of all kinds, and how many steps each takes: the other half of the battery."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from battery_modules import (
    Backboned,
    ByHand,
    GivesItsLoader,
    Overflowing,
    SkipsSteps,
    TakesTwoBatches,
    Three,
    Twins,
    WithLR,
    adam_with,
    lbfgs,
    one_param_group,
    sgd_with,
)
from lightning.pytorch import Callback, LightningModule, Trainer, callbacks
from lightning.pytorch.callbacks import (
    BackboneFinetuning,
    EarlyStopping,
    GradientAccumulationScheduler,
    LearningRateFinder,
)
from lightning.pytorch.plugins import MixedPrecision
from support import Net, loader, sgd
from torch.utils.data import DataLoader, IterableDataset

from lr_callbacks.core import wall_clock

EVERY_SECOND = (0, 1, 4, 6)
"""Two steps in each epoch of four batches: one per batch is assumed until the first epoch has ended."""


@dataclass(frozen=True)
class Kind:
    """A Trainer, a module and data; unless something else is said, two epochs of four batches.

    Attributes:
        planned: Optimizer steps that a schedule to the end of the run must count on; None where nobody can know.
        steps: Optimizer steps that are really taken, of each optimizer.
        module: Builds the module; its optimizers have LR 0.1, 0.2, 0.3 in this order.
        data: Builds the training data.
        options: Arguments of the Trainer.
        callbacks: Builds Lightning's own callbacks, which go before ours.
        after: Whether they go after ours.
        val: Whether there is a validation also where the schedule does not need one.
        logs: Whether the metric reaches the Trainer.
        knows_epochs: Whether the length of an epoch can be known.
        tick: 1000 where schedules to the end of the run go by milliseconds.
        skips: Whether steps are left out that the plan counted on; an epoch of a schedule is then longer than an epoch.
        positions: Where in the planned run the steps lie, of each optimizer that does not step once a batch.
        rel: How exact the LRs are.
        warns: A warning that it is right to give.
    """

    planned: int | None = 8
    steps: tuple[int, ...] = (8,)
    module: Callable[[], LightningModule] = lambda: Net(sgd((0.1,)), [1.0])
    data: Callable[[], Any] = lambda: loader(4)
    options: dict[str, Any] = field(default_factory=dict)
    callbacks: Callable[[], list[Callback]] = list
    after: bool = False
    val: bool = False
    logs: bool = True
    knows_epochs: bool = True
    tick: int = 1
    skips: bool = False
    positions: dict[int, tuple[int, ...]] = field(default_factory=dict)
    rel: float = 1e-12
    warns: str = ""


class Stream(IterableDataset[Any]):
    """Samples one after the other, as many as are asked for, without a length."""

    def __init__(self, samples: int) -> None:
        self.samples = samples

    def __iter__(self) -> Iterator[Any]:
        for number in range(self.samples):
            yield torch.full((4,), float(number % 3)), torch.zeros(1)


class SizedStream(Stream):
    def __len__(self) -> int:
        return self.samples


class SecondPerBatch(Callback):
    """Moves the clock on the wall by a second with each batch, and ends the training after so many."""

    def __init__(self, batches: int) -> None:
        self.batches = batches

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        seconds = float(trainer.global_step + 1)
        wall_clock.now = lambda: seconds

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        trainer.should_stop = trainer.global_step >= self.batches


def with_a_scaler() -> list[Any]:
    return [
        MixedPrecision("16-mixed", "cpu", scaler=torch.amp.GradScaler("cpu", init_scale=2.0, growth_interval=10**6))
    ]


def constant(epoch: int) -> float:
    return 1.0


KINDS: dict[str, Kind] = {
    "two epochs": Kind(),
    "two groups": Kind(module=lambda: Net(sgd((0.1, 0.02)), [1.0])),
    "a partial validation twice an epoch": Kind(options={"val_check_interval": 0.5}, val=True),
    "a validation after three batches": Kind(
        options={"val_check_interval": 3, "check_val_every_n_epoch": None}, val=True
    ),
    "a validation in every second epoch": Kind(options={"check_val_every_n_epoch": 2}, val=True),
    "no sanity check": Kind(options={"num_sanity_val_steps": 0}, val=True),
    "accumulation over three": Kind(4, (4,), options={"accumulate_grad_batches": 3}),
    "accumulation that changes": Kind(6, (6,), callbacks=lambda: [GradientAccumulationScheduler({0: 2, 1: 1})]),
    "bf16-mixed": Kind(options={"precision": "bf16-mixed"}),
    "bf16-true": Kind(options={"precision": "bf16-true"}),
    "64-true": Kind(options={"precision": "64-true"}),
    "16-mixed": Kind(module=lambda: Overflowing({1}), steps=(6,), options={"plugins": "scaler"}, skips=True),
    "16-mixed and fused": Kind(
        module=lambda: Overflowing({1}, sgd_with(fused=True)), steps=(6,), options={"plugins": "scaler"}, skips=True
    ),
    "clipped gradients": Kind(options={"gradient_clip_val": 0.1}),
    "max_steps alone": Kind(5, (5,), options={"max_steps": 5, "max_epochs": -1}),
    "max_steps before max_epochs": Kind(5, (5,), options={"max_steps": 5}),
    "max_epochs before max_steps": Kind(options={"max_steps": 100}),
    "max_time beside max_epochs": Kind(options={"max_time": {"hours": 1}}),
    "max_time alone": Kind(
        8,
        options={"max_epochs": -1, "max_time": {"seconds": 8}},
        callbacks=lambda: [SecondPerBatch(8)],
        tick=1000,
    ),
    "limit_train_batches of three": Kind(6, (6,), options={"limit_train_batches": 3}),
    "limit_train_batches of half": Kind(4, (4,), options={"limit_train_batches": 0.5}),
    "overfit_batches": Kind(6, (6,), options={"overfit_batches": 3}, val=True),
    "fast_dev_run": Kind(2, (2,), options={"fast_dev_run": 2}),
    "barebones": Kind(options={"barebones": True}, logs=False, warns="You are trying to `self.log"),
    "a stream with a length": Kind(
        data=lambda: DataLoader(SizedStream(8), batch_size=2), warns="Your `IterableDataset` has `__len__` defined"
    ),
    "a stream without length, max_steps": Kind(
        7, (7,), data=lambda: DataLoader(Stream(100), batch_size=2), options={"max_steps": 7}, knows_epochs=False
    ),
    "a stream without length, limited batches": Kind(
        6, (6,), data=lambda: DataLoader(Stream(100), batch_size=2), options={"limit_train_batches": 3}
    ),
    "a stream without length": Kind(None, data=lambda: DataLoader(Stream(8), batch_size=2), knows_epochs=False),
    "loaders made again each epoch": Kind(
        module=GivesItsLoader, data=lambda: None, options={"reload_dataloaders_every_n_epochs": 1}
    ),
    "two loaders at once": Kind(12, (12,), module=TakesTwoBatches, data=lambda: [loader(4), loader(6)]),
    "by hand": Kind(module=ByHand),
    "by hand, two optimizers": Kind(8, (8, 4), module=Twins, positions={1: EVERY_SECOND}),
    "by hand, three optimizers": Kind(8, (8, 8, 8), module=Three),
    "a module that skips steps": Kind(8, (4,), module=SkipsSteps, positions={0: EVERY_SECOND}),
    "BackboneFinetuning": Kind(
        module=Backboned,
        callbacks=lambda: [
            BackboneFinetuning(1, lambda_func=constant, backbone_initial_ratio_lr=0.1, should_align=False)
        ],
    ),
    "EarlyStopping": Kind(
        12,
        options={"max_epochs": 3},
        callbacks=lambda: [EarlyStopping("scripted", patience=1)],
        val=True,
    ),
    "WeightAveraging": Kind(callbacks=lambda: [callbacks.EMAWeightAveraging()]),
    "Lightning's LearningRateFinder before ours": Kind(
        module=WithLR,
        callbacks=lambda: [LearningRateFinder(1e-4, 1.0, num_training_steps=20, early_stop_threshold=None)],
    ),
    "Lightning's LearningRateFinder after ours": Kind(
        module=WithLR,
        callbacks=lambda: [LearningRateFinder(1e-4, 1.0, num_training_steps=20, early_stop_threshold=None)],
        after=True,
    ),
    "LBFGS": Kind(module=lambda: Net(lbfgs, [1.0])),
    "fused SGD": Kind(module=lambda: Net(sgd_with(fused=True), [1.0])),
    "fused Adam": Kind(module=lambda: Net(adam_with(fused=True), [1.0])),
    "Adam on a tensor LR": Kind(module=lambda: Net(adam_with(lr=torch.tensor(0.1), foreach=False), [1.0]), rel=1e-6),
    "no momentum": Kind(module=lambda: Net(one_param_group, [1.0])),
}
"""All that train with us. Those that are refused as a whole stand in `test_trainers_of_all_kinds`."""
