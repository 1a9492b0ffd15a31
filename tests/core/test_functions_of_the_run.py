"""A function that is defined for the steps of the run is never asked for another one."""

from __future__ import annotations

from typing import Any

import pytest
from lightning.pytorch import Callback
from support import fit
from torch.optim import lr_scheduler

from lr_callbacks import LambdaFactor, MultiplicativeFactor, TorchScheduler, preview

STEPS = [1 - 0.04 * t for t in range(20)]
EPOCHS = [1.0, 0.5]


def of_step(t: int) -> float:
    return STEPS[t]


def of_epoch(t: int) -> float:
    return EPOCHS[t]


def ratio(t: int) -> float:
    return STEPS[t] / STEPS[t - 1]


class ForItsSteps(lr_scheduler.LRScheduler):
    """Raises behind its last step."""

    def __init__(self, optimizer: Any, values: list[float]) -> None:
        self.values = values
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:
        return [base * self.values[self.last_epoch] for base in self.base_lrs]


class Saves(Callback):
    def __init__(self, path: str) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        trainer.save_checkpoint(self.path)


BY_STEP = [
    lambda: LambdaFactor(of_step),
    lambda: MultiplicativeFactor(ratio),
    lambda: TorchScheduler(lr_scheduler.LambdaLR, lr_lambda=of_step),
    lambda: TorchScheduler(ForItsSteps, values=STEPS),
]
BY_EPOCH = [
    lambda: LambdaFactor(of_epoch, interval="epoch"),
    lambda: TorchScheduler(lr_scheduler.LambdaLR, lr_lambda=of_epoch, interval="epoch"),
    lambda: TorchScheduler(ForItsSteps, values=EPOCHS, interval="epoch"),
]


@pytest.mark.parametrize("limits", [{"max_epochs": 2}, {"max_steps": 20, "max_epochs": -1}])
@pytest.mark.parametrize("make", BY_STEP)
def test_a_table_with_one_entry_for_each_step(make, limits, tmp_path):
    path = str(tmp_path / "end.ckpt")
    assert fit(make(), Saves(path), **limits).of_group() == pytest.approx([0.1 * value for value in STEPS])
    assert preview([make()], 0.1, total_steps=20)[:, 0].tolist() == pytest.approx([0.1 * value for value in STEPS])
    fit(make(), ckpt_path=path, **limits)  # nothing is left; it is asked for nothing


@pytest.mark.parametrize("make", BY_EPOCH)
def test_a_table_with_one_entry_for_each_epoch(make, tmp_path):
    path = str(tmp_path / "end.ckpt")
    expected = [0.1] * 10 + [0.05] * 10
    assert fit(make(), Saves(path), max_epochs=2).of_group() == pytest.approx(expected)
    assert preview([make()], 0.1, total_steps=20, steps_per_epoch=10)[:, 0].tolist() == pytest.approx(expected)
    fit(make(), max_epochs=2, ckpt_path=path)
