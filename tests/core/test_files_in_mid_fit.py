"""What restores a file of its own in the middle of a fit does not make the fit a resumed one."""

from __future__ import annotations

from typing import Any

import pytest
from lightning.pytorch.callbacks import BatchSizeFinder
from lightning.pytorch.tuner import Tuner
from support import Net, Recorder, loader, sgd, trainer
from torch.optim import lr_scheduler

from lr_callbacks import LinearDecay, OneCycle, ReduceLROnPlateau, TorchScheduler, Warmup
from lr_callbacks.schedules import one_cycle_factor

SAMPLES = 64
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*Checkpoint directory.*", "ignore:.*weights_only.*", "ignore:.*batch size.*"
)


class Sized(Net):
    """Loads batches of a size that may be looked for."""

    def __init__(self) -> None:
        super().__init__(sgd((0.1,)), metrics=[1.0] * 9)
        self.batch_size, self.lr = 2, 0.1

    def train_dataloader(self) -> Any:
        return loader(SAMPLES // self.batch_size, self.batch_size)

    def val_dataloader(self) -> Any:
        return loader(2)


def finder() -> BatchSizeFinder:
    return BatchSizeFinder(mode="power", steps_per_trial=2, init_val=2, max_trials=3, batch_arg_name="batch_size")


WITH_FINDER = {
    "before ours": lambda *ours: [finder(), *ours],
    "after ours": lambda *ours: [*ours, finder()],
}


@pytest.mark.parametrize("order", WITH_FINDER)
def test_after_a_batch_size_is_found_the_schedule_begins_at_step_0_of_the_run_that_it_gives(
    order, tmp_path, monkeypatch, recwarn, caplog
):
    monkeypatch.chdir(tmp_path)
    module, recorder = Sized(), Recorder()
    callbacks = WITH_FINDER[order](OneCycle(), TorchScheduler(lr_scheduler.StepLR, step_size=4, gamma=0.5, groups=0))
    trainer(*callbacks, recorder, max_epochs=1, enable_checkpointing=True).fit(module)
    batches = SAMPLES // module.batch_size
    lrs = recorder.of_group()
    assert batches < 32
    assert lrs == pytest.approx(
        [0.1 * float(one_cycle_factor(t, total_steps=batches)) * 0.5 ** (t // 4) for t in range(batches)]
    )
    assert not [each for each in recwarn if "plan" in str(each.message) or "Other code" in str(each.message)]
    assert "resumed at step" not in caplog.text
    assert "carries no step count" not in caplog.text


def test_a_tuner_scales_the_batch_size_beside_schedules_of_every_kind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module, recorder = Sized(), Recorder()
    run = trainer(
        Warmup(2), LinearDecay(), ReduceLROnPlateau("scripted"), recorder, max_epochs=1, enable_checkpointing=True
    )
    Tuner(run).scale_batch_size(module, mode="power", steps_per_trial=2, init_val=2, max_trials=3)
    run.fit(module)
    batches = SAMPLES // module.batch_size
    expected = [0.1 / 3, 0.1 * 2 / 3, *(0.1 * (1 - t / (batches - 2)) for t in range(batches - 2))]
    assert recorder.of_group() == pytest.approx(expected)


def test_a_tuner_finds_an_lr_beside_schedules_that_leave_its_sweep_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module, recorder = Sized(), Recorder()
    run = trainer(Warmup(2), LinearDecay(), recorder, max_epochs=2, enable_checkpointing=True)
    found = Tuner(run).lr_find(module, num_training=20, update_attr=False)
    assert found is not None
    lrs = found.results["lr"]
    assert lrs == sorted(set(lrs))
    assert lrs[-1] == pytest.approx(1.0)
    run.fit(module)
    expected = [0.1 / 3, 0.1 * 2 / 3, *(0.1 * (1 - t / 62) for t in range(62))]
    assert recorder.of_group() == pytest.approx(expected)
