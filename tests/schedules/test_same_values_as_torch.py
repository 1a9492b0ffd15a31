"""The LRs that optimizer.step saw in a real Trainer, against torch's own schedulers stepped beside it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support import Net, Recorder, adam, adamw, fit, native, sgd
from torch.optim import lr_scheduler

from lr_callbacks import SGDR, OneCycle, Warmup
from lr_callbacks.schedules import one_cycle_factor, one_cycle_momentum, sgdr_factor, warmup_factor

pytestmark = pytest.mark.oldest

OPTIMIZERS = {"sgd": sgd, "adam": adam, "adamw": adamw}
LRS = (0.1, 0.02)
ONE_CYCLE_OPTIONS = [
    {},
    {"anneal_strategy": "linear"},
    {"pct_start": 0.5, "div_factor": 10.0, "final_div_factor": 100.0},
    {"three_phase": True},
    {"three_phase": True, "anneal_strategy": "linear", "pct_start": 0.25},
    {"cycle_momentum": False},
    {"base_momentum": 0.7, "max_momentum": 0.9},
]


def assert_same(recorder: Recorder, lrs, momenta) -> None:
    assert len(recorder.lrs[0]) == len(lrs)
    for step in range(len(lrs)):
        assert recorder.lrs[0][step] == pytest.approx(lrs[step], rel=1e-12, abs=0), f"LR at step {step}"
        assert recorder.momenta[0][step] == pytest.approx(momenta[step], rel=1e-12, abs=0), f"momentum at step {step}"


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
@pytest.mark.parametrize("options", [ONE_CYCLE_OPTIONS[0], ONE_CYCLE_OPTIONS[4]], ids=str)
def test_one_cycle_in_a_trainer_equals_torch_with_every_optimizer(options, make, accumulate):
    steps = 10
    expected = native(
        lambda o: lr_scheduler.OneCycleLR(o, max_lr=list(LRS), total_steps=steps, **options), steps, make(LRS)
    )
    run = fit(
        OneCycle(**options), module=Net(make(LRS)), batches=steps * accumulate, accumulate_grad_batches=accumulate
    )
    assert_same(run, *expected)


@pytest.mark.parametrize("options", ONE_CYCLE_OPTIONS, ids=str)
@pytest.mark.parametrize("steps", [4, 5, 10, 1000])
def test_one_cycle_equals_torch_at_every_length(steps, options):
    if options.get("three_phase") and steps < 5:
        return  # the stated own values, tested below
    lrs, momenta = native(
        lambda o: lr_scheduler.OneCycleLR(o, max_lr=list(LRS), total_steps=steps, **options), steps, sgd(LRS)
    )
    ours = {k: v for k, v in options.items() if k not in ("cycle_momentum", "base_momentum", "max_momentum")}
    moved = {k: v for k, v in options.items() if k in ("base_momentum", "max_momentum", "anneal_strategy", "pct_start")}
    moved["three_phase"] = options.get("three_phase", False)
    times, row = np.arange(steps), np.array(LRS)
    table = row * one_cycle_factor(times[:, None], total_steps=steps, max_lr=row, **ours)
    np.testing.assert_allclose(table, np.array(lrs), rtol=1e-12)
    if options.get("cycle_momentum", True):
        expected = [held[0] for held in momenta]
        np.testing.assert_allclose(one_cycle_momentum(times, total_steps=steps, **moved), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("steps", "three_phase", "expected"),
    [
        (1, False, [1.0]),
        (2, False, [1.0, 4e-6]),
        (3, False, [0.04, 1.0, 4e-6]),
        (3, True, [0.04, 1.0, 4e-6]),
        (4, True, [0.04, 1.0, 0.04, 4e-6]),
    ],
)
def test_a_one_cycle_too_short_for_torch_still_peaks_and_ends_low(steps, three_phase, expected):
    recorder = fit(OneCycle(three_phase=three_phase), module=Net(sgd((0.1,))), batches=steps)
    assert recorder.of_group() == pytest.approx([0.1 * factor for factor in expected], rel=1e-12)


def test_a_one_cycle_whose_way_up_has_no_length_begins_at_the_peak():
    """torch divides by zero here (pct_start * total_steps == 1)."""
    with pytest.raises(ZeroDivisionError):
        native(lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.1, total_steps=10, pct_start=0.1), 10)
    factors = [one_cycle_factor(step, total_steps=10, pct_start=0.1) for step in range(10)]
    assert factors[0] == 1.0
    assert factors == sorted(factors, reverse=True)
    assert factors[-1] == pytest.approx(4e-6)


@pytest.mark.parametrize("options", ONE_CYCLE_OPTIONS[:5], ids=str)
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 10])
def test_a_one_cycle_holds_its_last_value_past_its_end(steps, options):
    last = one_cycle_factor(steps - 1, total_steps=steps, **options)
    assert all(one_cycle_factor(step, total_steps=steps, **options) == last for step in (steps, steps + 1, 10 * steps))


def test_max_lr_scales_all_groups_by_one_number_so_that_the_largest_peaks_there():
    recorder = fit(OneCycle(max_lr=0.5), module=Net(sgd(LRS)), batches=10)
    assert max(recorder.of_group(0)) == pytest.approx(0.5)
    assert max(recorder.of_group(1)) == pytest.approx(0.1)


@pytest.mark.parametrize("T_mult", [1, 2, 3])
@pytest.mark.parametrize("T_0", [1, 4, 7])
@pytest.mark.parametrize("eta_min", [0.0, 0.001])
def test_sgdr_in_a_trainer_equals_torch(T_0, T_mult, eta_min):
    expected = native(lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, T_0, T_mult, eta_min=eta_min), 40, sgd(LRS))
    recorder = fit(SGDR(T_0, T_mult=T_mult, eta_min=eta_min), module=Net(sgd(LRS)), batches=40)
    assert_same(recorder, *expected)


@pytest.mark.parametrize(("T_0", "T_mult"), [(10, 1), (1, 2), (3, 3)])
def test_sgdr_equals_torch_over_a_thousand_steps(T_0, T_mult):
    lrs, _ = native(lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, T_0, T_mult), 1000, sgd((1.0,)))
    factors = sgdr_factor(np.arange(1000), T_0=T_0, T_mult=T_mult)
    np.testing.assert_allclose(factors, [lr[0] for lr in lrs], rtol=1e-12)


def test_sgdr_with_a_fractional_t_mult_begins_each_cycle_on_a_step_at_full_lr():
    factors = [sgdr_factor(step, T_0=4, T_mult=1.5) for step in range(19)]
    assert [step for step, factor in enumerate(factors) if factor == 1.0] == [0, 4, 10]  # 4, 6 and 9 steps
    assert min(factors) > 0


def test_sgdr_peaks_decay_and_each_cycle_can_begin_with_a_ramp():
    factors = [sgdr_factor(step, T_0=10, cycle_decay=0.5, cycle_warmup=2, eta_min=0.1) for step in range(20)]
    cosine = [0.1 + 0.9 * (1 + math.cos(math.pi * (t - 2) / 8)) / 2 for t in range(2, 10)]
    assert factors[:10] == pytest.approx([0.1, 0.55, *cosine])
    assert max(factors[10:]) == pytest.approx(0.5)
    assert factors[10] == pytest.approx(0.1)


@pytest.mark.parametrize("start_factor", [1 / 3, 0.01, 1.0])
@pytest.mark.parametrize("duration", [1, 5, 30])
def test_a_linear_warmup_in_a_trainer_equals_torch_linear_lr(duration, start_factor):
    expected = native(
        lambda o: lr_scheduler.LinearLR(o, start_factor=start_factor, total_iters=duration), 10, adam(LRS)
    )
    recorder = fit(Warmup(duration, start_factor=start_factor), module=Net(adam(LRS)), batches=10)
    assert_same(recorder, *expected)


def test_a_constant_warmup_equals_torch_constant_lr():
    expected = native(lambda o: lr_scheduler.ConstantLR(o, factor=0.2, total_iters=4), 10, sgd(LRS))
    recorder = fit(Warmup(4, shape="constant", start_factor=0.2), module=Net(sgd(LRS)), batches=10)
    assert_same(recorder, *expected)


@pytest.mark.parametrize(
    ("shape", "formula"),
    [
        ("linear", lambda x: 0.1 + 0.9 * x),
        ("exponential", lambda x: 0.1 * 10**x),
        ("cosine", lambda x: 0.1 + 0.9 * (1 - math.cos(math.pi * x)) / 2),
        ("constant", lambda x: 0.1 if x < 1 else 1.0),
    ],
)
@pytest.mark.parametrize("duration", [1, 2, 8])
def test_every_warmup_shape_follows_its_formula_and_then_holds(shape, formula, duration):
    for step in range(duration + 3):
        x = min(step / duration, 1.0)
        assert warmup_factor(step, duration=duration, shape=shape, start_factor=0.1) == pytest.approx(
            formula(x), rel=1e-12
        )


def test_a_warmup_of_zero_steps_is_no_warmup():
    assert fit(Warmup(0), module=Net(sgd((0.1,))), batches=3).of_group() == [0.1, 0.1, 0.1]
