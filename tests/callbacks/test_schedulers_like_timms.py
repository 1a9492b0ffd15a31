"""Schedulers that are not torch's: told the count as timm's are, without a state or a signature of their own."""

from __future__ import annotations

from typing import Any

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, fit, sgd

from lr_callbacks import TorchScheduler


class LikeTimms:
    """Is told how often it has been stepped, and has no ``state_dict``."""

    def __init__(self, optimizer: Any, decay: float = 0.5) -> None:
        self.optimizer, self.decay, self.count = optimizer, decay, 0
        self.bases = [group["lr"] for group in optimizer.param_groups]

    def step_update(self, count: int) -> None:
        self.count = count
        for group, base in zip(self.optimizer.param_groups, self.bases, strict=True):
            group["lr"] = base * self.decay**count

    def step(self, epoch: int, metric: float | None = None) -> None:
        """By epochs it does nothing: it goes by updates."""


def test_a_scheduler_that_is_told_the_count_goes_by_it():
    recorder = fit(TorchScheduler(LikeTimms, decay=0.5), module=Net(sgd((0.1, 0.02))), batches=6)
    for group, lr in enumerate((0.1, 0.02)):
        assert recorder.of_group(group) == pytest.approx([lr * 0.5**step for step in range(6)], rel=1e-12)


def test_a_scheduler_without_a_state_of_its_own_is_restored_all_the_same(tmp_path):
    saver = ModelCheckpoint(tmp_path, "at", every_n_train_steps=4, enable_version_counter=False)
    whole = fit(TorchScheduler(LikeTimms), saver, batches=3, max_epochs=2, enable_checkpointing=True)
    rest = fit(TorchScheduler(LikeTimms), batches=3, max_epochs=2, ckpt_path=tmp_path / "at.ckpt")
    assert rest.of_group() == whole.of_group()[4:]


def test_what_has_no_step_is_no_scheduler():
    with pytest.raises(MisconfigurationException, match=r"it must build a scheduler with a step method, got "):
        fit(TorchScheduler(lambda optimizer: object()))


class WithoutSignature:
    """A callable whose arguments nobody can look up."""

    __signature__ = "none"

    def __call__(self, optimizer: Any, **arguments: Any) -> LikeTimms:
        return LikeTimms(optimizer, **arguments)


def test_a_callable_whose_arguments_cannot_be_looked_up_is_asked_when_the_training_starts():
    callback = TorchScheduler(WithoutSignature(), decay=0.1)
    assert "decay=0.1" in repr(callback)
    assert fit(callback, batches=2).of_group() == pytest.approx([0.1, 0.01])
    with pytest.raises(MisconfigurationException, match="unexpected keyword argument 'decoy'"):
        fit(TorchScheduler(WithoutSignature(), decoy=0.1))
