"""Lengths in samples: turned into steps where the loader says how many samples a step has."""

from __future__ import annotations

import pytest
import torch
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, fit, loader, sgd, trainer
from torch.utils.data import DataLoader, IterableDataset

import lr_callbacks as lc
from lr_callbacks.core.durations import Duration


class Stream(IterableDataset):
    def __iter__(self):
        while True:
            yield torch.zeros(4), torch.zeros(1)


@pytest.mark.parametrize(("accumulate", "ramp"), [(1, 6), (3, 2)])
def test_a_ramp_of_samples_lasts_as_many_steps_as_they_fill(accumulate, ramp):
    callback = lc.Warmup("12 samples", start_factor=0.0)  # of batches of 2
    seen = fit(callback, module=Net(sgd((0.1,))), batches=12, accumulate_grad_batches=accumulate).of_group()
    assert seen == pytest.approx([0.1 * min(1, t / ramp) for t in range(12 // accumulate)])


def test_a_stream_whose_loader_has_a_batch_size_will_do():
    module = Net(sgd((0.1,)))
    trainer(lc.Warmup("0.016k samples"), max_epochs=-1, max_steps=6).fit(module, DataLoader(Stream(), batch_size=4))
    assert module.trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.1)


@pytest.mark.parametrize("loaders", ["two", "batches"])
def test_where_nothing_says_how_many_samples_a_step_has_the_length_is_refused_with_the_way_out(loaders):
    class OfTwo(Net):
        def training_step(self, batch, batch_idx):
            return super().training_step(batch["a"] if loaders == "two" else batch, batch_idx)

    data = {"a": loader(4), "b": loader(4)} if loaders == "two" else DataLoader(loader(4).dataset, batch_size=None)
    with pytest.raises(MisconfigurationException, match=r"needs the number of samples of a step.*optimizer steps"):
        trainer(lc.Warmup("12 samples"), max_epochs=1).fit(OfTwo(), data)


def test_accumulation_that_changes_is_refused():
    with pytest.raises(MisconfigurationException, match="over numbers of batches that change"):
        fit(lc.Warmup("12 samples"), GradientAccumulationScheduler({0: 1, 1: 2}), max_epochs=2)


def test_a_preview_is_told_the_samples_of_a_step():
    lrs = lc.preview([lc.Warmup("1k samples", start_factor=0.0)], 1.0, 6, samples_per_step=250)
    assert lrs[:, 0].tolist() == [0, 0.25, 0.5, 0.75, 1, 1]
    with pytest.raises(MisconfigurationException, match="needs the number of samples of a step"):
        lc.preview([lc.Warmup("1k samples")], 1.0, 6)


@pytest.mark.parametrize(
    ("written", "samples"),
    [("50k samples", 50_000), ("1.5 M samples", 1_500_000), ("2e6 samples", 2e6), ("1 sample", 1), ("2Bsamples", 2e9)],
)
def test_samples_are_written_in_thousands_millions_and_billions(written, samples):
    assert Duration.parse(written) == Duration(samples, "samples") == Duration.find(written)


@pytest.mark.parametrize(
    ("written", "rule"),
    [("0 samples", "must be positive"), ("1.5 samples", "whole number of samples"), ("9e15 samples", "below 1e")],
)
def test_samples_that_are_no_length_are_refused(written, rule):
    with pytest.raises(ValueError, match=rule):
        lc.Rex(total_steps=written)


def test_epochs_cannot_be_counted_in_samples():
    with pytest.raises(ValueError, match="total_steps must be in epochs or % with interval='epoch'"):
        lc.Rex(total_steps="50k samples", interval="epoch")
