"""A plan that the run ends before is told in one warning, with the LR at the end and lengths that fit."""

from __future__ import annotations

import math

import pytest
from support import Net, fit, sgd

from lr_callbacks import (
    SGDR,
    ConstantFactor,
    CosineAnnealing,
    LinearDecay,
    MultiStepDecay,
    OneCycle,
    ReduceLROnPlateau,
    StepDecay,
    Warmup,
    WarmupStableDecay,
)

LAST = 0.1 * (1 + math.cos(math.pi * 19 / 30)) / 2
CUT = [
    (lambda: [Warmup(50, start_factor=0.0)], "Warmup.* takes 50 steps.* leaves it 20 steps; a duration of at", 0.038),
    (lambda: [CosineAnnealing(total_steps=30)], "takes 30 steps, and the run leaves it 20 steps; total_steps", LAST),
    (lambda: [OneCycle(total_steps=30)], "OneCycle.* takes 30 steps.*total_steps of at most 20", None),
    (lambda: [SGDR(7)], "cut after 6 steps of the 7 steps of cycle 3; T_0 of 5 steps or 10 steps", None),
    (lambda: [SGDR(5, T_mult=2)], "cut after 5 steps of the 20 steps of cycle 3; T_0 of 20 steps", None),
    (lambda: [SGDR(30)], "cut after 20 steps of the 30 steps of cycle 1; T_0 of 20 steps would fit", None),
    (lambda: [LinearDecay(start=30)], "begins at step 30, where the run is over: it ends at step 20", 0.1),
    (lambda: [MultiStepDecay([5, 50])], "takes 50 steps.*lengths of at most 20 steps", 0.01),
    (lambda: [WarmupStableDecay(5, 10, total_steps=40)], "takes 40 steps", 0.1),
    (lambda: [Warmup("10%"), CosineAnnealing(total_steps="100%")], "takes 20 steps, and the run leaves it 18", None),
    (lambda: [LinearDecay(total_steps="4 epochs", interval="epoch")], "takes 4 epochs.* leaves it 2 epochs", 0.075),
]  # fmt: skip
FITS = [
    lambda: [Warmup(20)],
    lambda: [Warmup(3), LinearDecay()],
    lambda: [Warmup("10%"), CosineAnnealing(total_steps="90%")],
    lambda: [CosineAnnealing(interval="epoch")],
    lambda: [OneCycle()],
    lambda: [SGDR(5)],
    lambda: [SGDR("1 epoch")],
    lambda: [SGDR(20)],
    lambda: [StepDecay(30)],
    lambda: [ConstantFactor(total_steps=5)],
    lambda: [ReduceLROnPlateau("train_loss")],
]


@pytest.mark.parametrize(("make", "words", "last"), CUT)
def test_what_the_run_does_not_reach_is_said_once_with_the_lr_at_the_end_and_lengths_that_fit(make, words, last):
    with pytest.warns(UserWarning, match=words) as told:
        lrs = fit(*make(), max_epochs=2).of_group()
    said = [str(each.message) for each in told if "never reached" in str(each.message)]
    assert len(said) == 1
    assert f"ends at LR {lrs[-1]:.3g}" in said[0]
    if last is not None:
        assert lrs[-1] == pytest.approx(last)


@pytest.mark.parametrize("make", FITS)
def test_a_plan_that_fits_says_nothing(make, recwarn):
    fit(*make(), max_epochs=2)
    assert not [each for each in recwarn if "never reached" in str(each.message)]


@pytest.mark.parametrize(("first", "fits"), [(7, 5), (7, 10), (30, 20)])
def test_the_lengths_that_it_names_do_fit(first, fits, recwarn):
    fit(SGDR(fits), max_epochs=2)
    assert not [each for each in recwarn if "never reached" in str(each.message)]


def test_several_schedules_are_said_in_one_warning():
    with pytest.warns(UserWarning, match="never reached") as told:
        fit(Warmup(50), LinearDecay(total_steps=100), max_epochs=2)
    said = [str(each.message) for each in told if "never reached" in str(each.message)]
    assert len(said) == 1
    assert "Warmup" in said[0]
    assert "LinearDecay" in said[0]


def test_a_run_of_one_batch_to_try_the_code_says_nothing(recwarn):
    fit(Warmup(50), fast_dev_run=True)
    assert not [each for each in recwarn if "never reached" in str(each.message)]


def test_a_group_that_a_floor_makes_rise_is_named_in_the_plan(caplog):
    lrs = fit(CosineAnnealing(eta_min=0.02), module=Net(sgd((0.1, 0.01))), max_epochs=2).of_group(1)
    assert lrs[-1] > lrs[0] == 0.01
    assert "eta_min=0.02 is above the base LR of group 1 (0.01), so it rises; eta_min='1%'" in caplog.text


def test_a_floor_that_lies_below_all_groups_is_not(caplog):
    fit(CosineAnnealing(eta_min=0.001), module=Net(sgd((0.1, 0.01))), max_epochs=2)
    assert "rises" not in caplog.text
