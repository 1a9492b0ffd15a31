"""Feedback by steps, and on training metrics, after a resume from each checkpoint and in a second fit."""

from __future__ import annotations

import math

import pytest
import torch
from lightning.pytorch import Callback
from support import Net, fit, loader, trainer

import lr_callbacks as lc


class Told(Net):
    """Logs one value in the validation, and one at each training step."""

    def training_step(self, batch, batch_idx):
        self.log("step_metric", torch.tensor(math.sin(self.trainer.global_step)))
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch, batch_idx):
        self.log("told", torch.tensor(1.0))


class SaveAnywhere(Callback):
    """Saves after each batch, each validation and each epoch."""

    def __init__(self, folder):
        self.folder, self.files = folder, []

    def save(self, trainer):
        self.files.append((self.folder / f"{len(self.files)}.ckpt", trainer.global_step))
        trainer.save_checkpoint(self.files[-1][0])

    def on_train_batch_end(self, trainer, *_):
        self.save(trainer)

    def on_validation_end(self, trainer, pl_module):
        self.save(trainer)


@pytest.mark.parametrize("monitor", ["told", ["told", "step_metric"]], ids=str)
def test_a_metric_of_the_validation_that_is_judged_by_steps_resumes_exactly(monitor, tmp_path):
    def plateau():
        return lc.ReduceLROnPlateau(monitor, patience=1, factor=0.5, every_n_steps=2)

    options = dict(batches=5, val=True, max_epochs=3, num_sanity_val_steps=0)
    save = SaveAnywhere(tmp_path)
    whole = fit(plateau(), save, module=Told(), **options)
    if monitor == "told":  # judged at 6 (the best), 8, 10, 12, 14: bad from 8 on
        assert whole.of_group() == [0.1] * 10 + [0.05] * 4 + [0.025]
    for file, step in save.files:
        rest = fit(plateau(), module=Told(), ckpt_path=str(file), **options)
        assert rest.lrs[0] == whole.lrs[0][step:], (file.name, step)


def test_a_second_fit_goes_on_judging_the_last_validation_by_steps():
    module, runner = (
        Told(),
        trainer(
            lc.ReduceLROnPlateau("told", patience=0, factor=0.5, every_n_steps=2), max_epochs=1, num_sanity_val_steps=0
        ),
    )
    runner.fit(module, loader(4), loader(1))
    runner.fit_loop.max_epochs = 2
    runner.fit(module, loader(4), loader(1))
    # judged at 6 (the best) and 8 (no improvement)
    assert runner.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.05)


@pytest.mark.parametrize("make", [lc.ReduceLROnPlateau, lc.GreedyLR])
def test_a_resume_behind_the_last_batch_of_the_first_epoch_misses_no_metric_of_the_training(make, tmp_path):
    options = dict(batches=3, val=True, max_epochs=2, num_sanity_val_steps=0)
    save = SaveAnywhere(tmp_path)
    fit(make("train_loss"), save, **options)
    at_the_end = [file for file, step in save.files if step == 3]
    assert len(at_the_end) == 2
    for file in at_the_end:
        callback = make("train_loss")
        fit(callback, ckpt_path=str(file), **options)
        assert callback.state.num_evaluations == 1  # Lightning does not end the first epoch again


def test_metrics_of_validation_and_training_need_not_come_together_in_an_epoch_without_validation(tmp_path):
    options = dict(batches=3, val=True, max_epochs=4, check_val_every_n_epoch=2, num_sanity_val_steps=0)
    save = SaveAnywhere(tmp_path)
    fit(lc.ReduceLROnPlateau(["told", "step_metric"]), save, module=Told(), **options)
    for file, step in save.files:
        callback = lc.ReduceLROnPlateau(["told", "step_metric"])
        fit(callback, module=Told(), ckpt_path=str(file), **options)
        assert callback.state.num_evaluations == 2 or step in (6, 12), file.name  # an epoch ends once only


@pytest.mark.parametrize("known", [3, ["a"], [1.0, 2.0], [True]], ids=str)
def test_damaged_values_are_refused(known):
    callback = lc.ReduceLROnPlateau("told", every_n_steps=2)
    with pytest.raises(ValueError, match="known in the state of a plateau reduction must be a list of a number"):
        callback.load_state_dict({**callback.state_dict(), "known": known})
