"""What may stand as an LR: one rule, at the start of a fit and on a resume; and floors as shares of each group's LR."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, fit, sgd
from timeline_fits import SaveOnce, ran

from lr_callbacks import SGDR, CosineAnnealing, LinearDecay, PolynomialDecay, ReduceLROnPlateau, Warmup, preview
from lr_callbacks.core.group_checks import broken_rule

NO_LRS = [
    (float("nan"), "a finite number >= 0"),
    (float("inf"), "a finite number >= 0"),
    (-0.1, "a finite number >= 0"),
    (torch.tensor(float("nan")), "a finite number >= 0"),
    (torch.tensor(-0.1), "a finite number >= 0"),
    (torch.tensor(1), "a tensor of floats"),
    (torch.tensor([0.1, 0.2]), "one number: a tensor with one element"),
    (torch.tensor([]), "one number: a tensor with one element"),
]
LRS = [0.5, 1, 0, np.float32(0.5), np.float64(0.5), np.int64(1), Fraction(1, 2), torch.tensor(0.5), torch.tensor([0.5])]


def with_lr(lr: Any) -> Net:
    def make(parts: Any) -> Any:
        optimizer = sgd((0.1,))(parts)
        optimizer.param_groups[0]["lr"] = lr
        return optimizer

    return Net(make)


@pytest.mark.parametrize(("lr", "rule"), NO_LRS, ids=[repr(lr) for lr, _ in NO_LRS])
def test_what_is_no_lr_is_refused_before_the_first_step(lr, rule):
    with pytest.raises(MisconfigurationException, match=f"the LR of group 0 of optimizer 0 .SGD. must be {rule}"):
        fit(Warmup(5), module=with_lr(lr))


@pytest.mark.parametrize("lr", LRS, ids=repr)
def test_any_real_number_is_an_lr(lr):
    lrs = fit(Warmup(5, start_factor=0.0), module=with_lr(lr)).of_group()
    assert lrs == pytest.approx([float(lr) * min(t / 5, 1) for t in range(10)])


@pytest.mark.parametrize(("lr", "rule"), NO_LRS, ids=[repr(lr) for lr, _ in NO_LRS])
def test_a_resume_applies_the_same_rule(lr, rule, tmp_path):
    path = str(tmp_path / "saved.ckpt")
    ran([Warmup(5), SaveOnce(path, "on_train_epoch_end", 0)], max_epochs=2)
    saved = torch.load(path, weights_only=True)
    saved["optimizer_states"][0]["param_groups"][0]["initial_lr"] = lr
    torch.save(saved, path)
    assert broken_rule(lr) is not None
    with pytest.raises(ValueError, match=rf"initial_lr in group 0 of the optimizer's state must be {rule}"):
        ran([Warmup(5)], max_epochs=2, ckpt_path=path)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_any_real_number_is_an_argument_and_the_same_plan(kind, tmp_path, recwarn):
    path = str(tmp_path / "saved.ckpt")
    half = kind(0.5)
    first = ran([LinearDecay(end_factor=half), SaveOnce(path, "on_train_epoch_end", 1)])
    assert first.lrs == pytest.approx([0.1 * (1 - t / 80) for t in range(20)])
    ran([LinearDecay(end_factor=0.5)], ckpt_path=path)
    assert not [each for each in recwarn if "different schedule" in str(each.message)]


def test_lengths_may_be_integers_of_numpy():
    lrs = preview([Warmup(np.int64(4), start_factor=0.0)], 0.1, total_steps=5)[:, 0].tolist()
    assert lrs == pytest.approx([0.0, 0.025, 0.05, 0.075, 0.1])


FLOORS = {
    "cosine": (
        lambda floor: CosineAnnealing(eta_min=floor),
        lambda t, low: low + (1 - low) * (1 + math.cos(math.pi * t / 20)) / 2,
    ),
    "restarts": (
        lambda floor: SGDR(5, eta_min=floor),
        lambda t, low: low + (1 - low) * (1 + math.cos(math.pi * (t % 5) / 5)) / 2,
    ),
    "polynomial": (
        lambda floor: PolynomialDecay(2.0, end_lr=floor),
        lambda t, low: low + (1 - low) * (1 - t / 20) ** 2,
    ),
    "plateau": (
        lambda floor: ReduceLROnPlateau("scripted", patience=0, factor=0.01, min_lr=floor),
        lambda t, low: 1 if t < 10 else low,
    ),
}


@pytest.mark.parametrize("name", FLOORS)
def test_a_floor_in_percent_is_a_share_of_each_groups_lr(name):
    make, factor = FLOORS[name]
    module = Net(sgd((0.1, 0.001)), metrics=[1.0] * 9)
    lrs = fit(make("10%"), module=module, batches=5, val=True, max_epochs=4).lrs[0]
    for group, base in enumerate((0.1, 0.001)):
        assert [row[group] for row in lrs] == pytest.approx([base * factor(t, 0.1) for t in range(20)]), group


def test_floors_of_a_plateau_may_be_one_for_each_group():
    module = Net(sgd((0.1, 0.01)), metrics=[1.0] * 9)
    floors = ["50%", 0.002]
    callback = ReduceLROnPlateau("scripted", patience=0, factor=0.01, min_lr=floors)
    assert fit(callback, module=module, batches=5, val=True, max_epochs=4).lrs[0][-1] == pytest.approx([0.05, 0.002])
