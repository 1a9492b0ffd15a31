"""The replacements in docs/migration.md for the five most common scheduler snippets train at the same LRs."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import LearningRateFinder
from support import Net, Recorder, loader
from support import trainer as quiet_trainer
from torch.optim import lr_scheduler

import lr_callbacks

PAGE = (Path(__file__).parents[2] / "docs" / "migration.md").read_text()
SECTION = PAGE.partition("## Coming from Lightning's schedulers")[2].partition("\n## ")[0]
SNIPPETS = re.findall(r"```python\n(.*?)```", SECTION, re.S)
PAIRS = dict(zip(("one cycle", "warm-up", "warm-up, cosine", "plateau", "finder"), SNIPPETS[::2], strict=False))
OURS = dict(zip(PAIRS, SNIPPETS[1::2], strict=False))
LOSSES = [1.0, 0.8, 0.8, 0.8, 0.7, 0.7, 0.7, 0.7, 0.6, 0.6]


class Stalling(Net):
    """Validates to a loss that stalls now and then."""

    def __init__(self):
        super().__init__()
        self.lr = 0.1

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", torch.tensor(LOSSES[self.current_epoch]))


def trained(snippet, **options):
    """The module that a snippet has trained, its trainer, and the LR of every step."""
    recorder = Recorder()
    names = {name: getattr(lr_callbacks, name) for name in lr_callbacks.__all__}

    def make(callbacks=(), **arguments):
        return quiet_trainer(*callbacks, recorder, **{**arguments, **options})

    names |= {"torch": torch, "lr_scheduler": lr_scheduler, "LearningRateFinder": LearningRateFinder, "Trainer": make}
    exec(snippet, names)
    torch.manual_seed(0)
    module = type("Own", (Stalling,), {"configure_optimizers": names["configure_optimizers"]})()
    names["trainer"].fit(module, loader(10), loader(2))
    return module, names["trainer"], recorder.of_group()


def test_the_page_has_five_snippets_with_ours_below_each():
    assert len(SNIPPETS) == 10
    assert all("# Lightning" in snippet for snippet in SNIPPETS[::2])
    assert all("# lr_callbacks" in snippet for snippet in SNIPPETS[1::2])


@pytest.mark.parametrize("what", ["one cycle", "warm-up", "warm-up, cosine", "plateau"])
def test_a_snippet_and_ours_train_every_step_at_the_same_lr(what):
    *_, theirs = trained(PAIRS[what])
    *_, ours = trained(OURS[what])
    assert len(ours) == 100
    assert len(set(ours)) >= 3
    assert ours == pytest.approx(theirs, rel=1e-12)


def test_a_one_cycle_without_its_interval_never_comes_near_its_peak():
    with pytest.warns(RuntimeWarning, match="Are you sure you didn't mean 'interval': 'step'"):
        *_, forgotten = trained(PAIRS["one cycle"].replace(', "interval": "step"', ""))
    assert max(forgotten) < 0.03
    *_, meant = trained(OURS["one cycle"])
    assert max(meant) == pytest.approx(0.1)


def test_with_two_validations_an_epoch_lightning_looks_once_and_ours_twice():
    *_, theirs = trained(PAIRS["plateau"], val_check_interval=0.5)
    *_, ours = trained(OURS["plateau"], val_check_interval=0.5)
    *_, once = trained(PAIRS["plateau"])
    assert theirs == once
    reductions = [sum(before != after for before, after in pairwise(lrs)) for lrs in (theirs, ours)]
    assert reductions == [2, 6]


def test_ours_peaks_at_the_lr_that_its_range_test_suggests():
    _, trainer, lrs = trained(OURS["finder"])
    (test,) = [callback for callback in trainer.callbacks if isinstance(callback, lr_callbacks.LRRangeTest)]
    assert test.result.suggestion != 0.1
    assert max(lrs) == pytest.approx(test.result.suggestion)


def test_lightnings_finder_sets_a_constant_lr_that_a_one_cycle_after_it_does_not_use(workplace):
    module, _, lrs = trained(PAIRS["finder"])
    found = lrs[-100:]
    assert set(found) == {module.lr}
    assert module.lr != 0.1
    with_cycle = PAIRS["one cycle"].replace("Trainer(", "Trainer(callbacks=[LearningRateFinder()], ")
    module, _, lrs = trained(with_cycle)
    assert max(lrs[-100:]) == pytest.approx(0.1)
    assert module.lr != 0.1


def test_a_step_lr_without_an_interval_is_the_torch_scheduler_by_epochs():
    by_lightning = """
def configure_optimizers(self):
    optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
    return [optimizer], [lr_scheduler.StepLR(optimizer, step_size=3)]

trainer = Trainer(max_epochs=10)
"""
    (ours,) = re.findall(r"`(TorchScheduler\(.*?\))`", SECTION)
    by_us = f"""
def configure_optimizers(self):
    return torch.optim.SGD(self.parameters(), lr=0.1)

trainer = Trainer(max_epochs=10, callbacks=[{ours.replace("step_size=30", "step_size=3")}])
"""
    assert trained(by_us)[2] == pytest.approx(trained(by_lightning)[2], rel=1e-12)
