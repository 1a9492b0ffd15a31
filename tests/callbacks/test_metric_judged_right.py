"""Which values of a metric are judged, and what is said of one that does not come."""

from __future__ import annotations

import warnings

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, fit, loader, trainer
from torch.utils.data import DataLoader, IterableDataset

import lr_callbacks as lc


class Stream(IterableDataset):
    def __iter__(self):
        while True:
            yield torch.zeros(4), torch.zeros(1)


class Now(Net):
    """Logs a metric in the epochs that are asked for."""

    def __init__(self, when):
        super().__init__()
        self.when = when

    def validation_step(self, batch, batch_idx):
        if self.when(self.current_epoch):
            self.log("fid", torch.tensor(5.0))


class Same(Net):
    """One name for what the training and the validation have lost."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.log("loss", torch.tensor(0.01), on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("loss", torch.tensor(5.0 - 0.5 * self.trainer.current_epoch))


class Pure(Net):
    """A metric of the training alone, which stalls."""

    def training_step(self, batch, batch_idx):
        self.log("stalls", torch.tensor(1.0), on_step=False, on_epoch=True)
        return super().training_step(batch, batch_idx)


def plateau(monitor, **options):
    return lc.ReduceLROnPlateau(monitor, patience=0, factor=0.5, **options)


@pytest.mark.parametrize(
    ("when", "evaluations"),
    [(lambda e: e % 3 == 0, 3), (lambda e: e % 3 == 2, 2), (lambda e: e >= 2, 6)],
    ids=["every third, the first included", "every third", "from epoch 2 on"],
)
def test_a_metric_that_comes_now_and_then_is_judged_when_it_comes(when, evaluations):
    callback = plateau("fid", strict=False)
    lrs = fit(callback, module=Now(when), batches=2, val=True, max_epochs=8).of_group()
    came = [epoch for epoch in range(8) if when(epoch)]
    expected = [0.1 * 0.5 ** max(0, sum(e < t // 2 for e in came) - 1) for t in range(16)]
    assert lrs == pytest.approx(expected)
    assert callback.state.num_evaluations == evaluations


def test_a_misspelt_metric_under_an_endless_stream_is_refused_after_the_first_validation():
    module = Net()
    endless = trainer(plateau("val_los"), max_epochs=-1, max_steps=40, val_check_interval=5, num_sanity_val_steps=0)
    said = r"nothing logged a metric 'val_los'\. Did you mean 'val_loss'\? Logged: train_loss, val_loss\."
    with pytest.raises(MisconfigurationException, match=said):
        endless.fit(module, DataLoader(Stream(), batch_size=4), loader(2))
    assert endless.global_step == 5


def test_a_misspelt_metric_is_told_by_the_sanity_check_before_the_first_step():
    class Steps(Callback):
        def on_train_batch_start(self, trainer, *_):
            pytest.fail("a step was to be taken")

    stopped = pytest.raises(BaseException, match="a step was to be taken")
    with pytest.warns(UserWarning, match="val_los") as seen, stopped:
        fit(plateau("val_los"), Steps(), val=True, num_sanity_val_steps=2)
    told = [str(each.message) for each in seen if "val_los" in str(each.message)]
    assert len(told) == 1
    assert "the sanity check logged no metric 'val_los'. Did you mean 'val_loss'? Logged: val_loss." in told[0]


def test_what_an_lr_monitor_logs_is_no_offer():
    with pytest.raises(MisconfigurationException, match=r"Logged: train_loss, val_loss\. Log it"):
        fit(plateau("nothing"), lc.LRMonitor(), val=True, logger=True)


@pytest.mark.parametrize("sanity", [0, 2])
@pytest.mark.parametrize("every", [1, 2, 3])
def test_of_a_name_that_training_and_validation_share_only_the_values_of_validations_count(every, sanity, tmp_path):
    options = dict(batches=3, val=True, max_epochs=8, check_val_every_n_epoch=every, num_sanity_val_steps=sanity)
    callback, save = plateau("loss"), ModelCheckpoint(tmp_path, save_top_k=-1, save_on_train_epoch_end=True)
    whole = fit(callback, save, module=Same(), **options, enable_checkpointing=True)
    assert callback.state.num_evaluations == 8 // every
    assert callback.state.num_reductions == 0
    checkpoint = next(path for path in tmp_path.iterdir() if "epoch=3" in path.name)
    again = plateau("loss")
    rest = fit(again, module=Same(), ckpt_path=str(checkpoint), **options)
    assert rest.lrs[0] == whole.lrs[0][12:]
    assert again.state == callback.state


@pytest.mark.parametrize("sanity", [0, 2])
def test_a_metric_of_the_training_is_judged_every_epoch_though_validations_are_rare(sanity, tmp_path):
    options = dict(batches=3, val=True, max_epochs=8, check_val_every_n_epoch=3, num_sanity_val_steps=sanity)
    callback, save = plateau("stalls"), ModelCheckpoint(tmp_path, save_top_k=-1, save_on_train_epoch_end=True)
    whole = fit(callback, save, module=Pure(), **options, enable_checkpointing=True)
    assert callback.state.num_evaluations == 8
    assert callback.state.num_reductions == 7
    for epoch in (1, 4):
        checkpoint = next(path for path in tmp_path.iterdir() if f"epoch={epoch}" in path.name)
        again = plateau("stalls")
        rest = fit(again, module=Pure(), ckpt_path=str(checkpoint), **options)
        assert rest.lrs[0] == whole.lrs[0][3 * (epoch + 1) :]
        assert again.state == callback.state


def test_a_validation_that_never_ran_is_told_at_the_end():
    with pytest.warns(UserWarning, match="monitors 'val_loss', but the run has ended without a validation"):
        fit(plateau("val_loss"), val=True, max_epochs=2, check_val_every_n_epoch=5)


def test_a_metric_that_the_module_logs_when_an_epoch_ends_is_waited_for():
    class Late(Net):
        def on_train_epoch_end(self):
            self.log("late", torch.tensor(1.0))

    callback = plateau("late")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        fit(callback, module=Late(), val=True, max_epochs=3)
    assert callback.state.num_evaluations == 3
    assert [str(each.message) for each in seen if "'late'" in str(each.message)] == []


def test_in_a_long_epoch_it_is_told_after_the_first_validation_that_the_metric_has_not_come_yet():
    class Late(Net):
        def on_train_epoch_end(self):
            self.log("late", torch.tensor(1.0))

    with pytest.warns(UserWarning, match="the first validation logged no metric 'late'"):
        fit(plateau("late"), module=Late(), val=True, max_epochs=1, val_check_interval=2)


@pytest.mark.parametrize(
    "heard",
    [3, {}, {"seen": 1, "from_validation": False, "decided": False, "validations": 0, "pending": []}],
)
def test_a_damaged_state_is_refused(heard):
    callback = plateau("loss")
    with pytest.raises(ValueError, match="heard in the state of a plateau reduction must have the keys"):
        callback.load_state_dict({**callback.state_dict(), "heard": heard})
