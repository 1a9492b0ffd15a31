"""The LRs that optimizer.step saw in a real Trainer, against torch's own schedulers; per step and held over epochs."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from support import Net, adam, fit, native, sgd
from torch.optim import lr_scheduler as torch_lr

import lr_callbacks as lc
from lr_callbacks import schedules as s

LRS = (0.1, 0.02)


def halving(t):
    return 1 / (1 + t)


def shrink(t):
    return 1 - 1 / (t + 10)


# name -> (callback of a length, torch scheduler of (optimizer, length), steps for which torch is sound)
PAIRS = {
    "StepLR": (lambda n: lc.StepDecay(n, gamma=0.7), lambda o, n: torch_lr.StepLR(o, n, gamma=0.7)),
    "MultiStepLR": (
        lambda n: lc.MultiStepDecay([2 * n, n, n], gamma=0.7),
        lambda o, n: torch_lr.MultiStepLR(o, [n, n, 2 * n], gamma=0.7),
    ),
    "ExponentialLR": (lambda n: lc.ExponentialDecay(gamma=0.97), lambda o, n: torch_lr.ExponentialLR(o, gamma=0.97)),
    "PolynomialLR": (
        lambda n: lc.PolynomialDecay(power=1.7, total_steps=n),
        lambda o, n: torch_lr.PolynomialLR(o, total_iters=n, power=1.7),
    ),
    "LinearLR": (
        lambda n: lc.LinearDecay(start_factor=1.0, end_factor=0.01, total_steps=n),
        lambda o, n: torch_lr.LinearLR(o, start_factor=1.0, end_factor=0.01, total_iters=n),
    ),
    "LinearLR upwards": (
        lambda n: lc.LinearDecay(start_factor=0.25, end_factor=0.75, total_steps=n),
        lambda o, n: torch_lr.LinearLR(o, start_factor=0.25, end_factor=0.75, total_iters=n),
    ),
    "ConstantLR": (
        lambda n: lc.ConstantFactor(n, factor=0.3),
        lambda o, n: torch_lr.ConstantLR(o, factor=0.3, total_iters=n),
    ),
    "LambdaLR": (lambda n: lc.LambdaFactor(halving), lambda o, n: torch_lr.LambdaLR(o, halving)),
    "MultiplicativeLR": (
        lambda n: lc.MultiplicativeFactor(shrink),
        lambda o, n: torch_lr.MultiplicativeLR(o, shrink),
    ),
    "CosineAnnealingLR": (
        lambda n: lc.CosineAnnealing(eta_min=0.001, total_steps=n),
        lambda o, n: torch_lr.CosineAnnealingLR(o, T_max=n, eta_min=0.001),
    ),
    "CosineAnnealingLR to 0": (
        lambda n: lc.CosineAnnealing(total_steps=n),
        lambda o, n: torch_lr.CosineAnnealingLR(o, T_max=n),
    ),
    **{
        f"CyclicLR {mode}": (
            lambda n, mode=mode: lc.CyclicalLR(
                0.01, step_size_up=n, step_size_down=n + 1, mode=mode, gamma=0.99, cycle_momentum=True
            ),
            lambda o, n, mode=mode: torch_lr.CyclicLR(
                o, [0.01, 0.002], list(LRS), n, n + 1, mode=mode, gamma=0.99, cycle_momentum=True
            ),
        )
        for mode in ("triangular", "triangular2", "exp_range")
    },
    "CyclicLR with a top": (
        lambda n: lc.CyclicalLR(0.05, 0.5, step_size_up=n, base_momentum=0.6, max_momentum=0.7),
        lambda o, n: torch_lr.CyclicLR(o, [0.05, 0.01], [0.5, 0.1], n, base_momentum=0.6, max_momentum=0.7),
    ),
}
REBOUNDS = {"CosineAnnealingLR", "CosineAnnealingLR to 0"}


def assert_same(seen, expected):
    assert len(seen) == len(expected)
    for step, (ours, theirs) in enumerate(zip(seen, expected, strict=True)):
        assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-18), f"step {step}"


@pytest.mark.parametrize("make", [sgd, adam], ids=["sgd", "adam"])
@pytest.mark.parametrize("length", [1, 2, 3, 10])
@pytest.mark.parametrize("name", PAIRS)
def test_a_trainer_uses_the_lrs_of_the_torch_scheduler(name, length, make):
    ours, theirs = PAIRS[name]
    steps = length + 1 if name in REBOUNDS else 2 * length + 5
    expected, momenta = native(lambda o: theirs(o, length), steps, make(LRS))
    recorder = fit(ours(length), module=Net(make(LRS)), batches=steps)
    assert_same(recorder.lrs[0], expected)
    assert_same(recorder.momenta[0], momenta)


@pytest.mark.parametrize("name", ["StepLR", "MultiStepLR", "PolynomialLR", "LinearLR", "CosineAnnealingLR"])
def test_a_trainer_uses_the_lrs_of_the_torch_scheduler_beyond_the_rows_of_one_table(name):
    ours, theirs = PAIRS[name]
    expected, _ = native(lambda o: theirs(o, 300), 301, sgd(LRS))
    recorder = fit(ours(300), module=Net(sgd(LRS)), batches=301)
    assert_same(recorder.lrs[0], expected)


EPOCHWISE = {
    "StepLR": (
        lambda: lc.StepDecay("2 epochs", gamma=0.5, interval="epoch"),
        lambda o: torch_lr.StepLR(o, 2, gamma=0.5),
    ),
    "MultiStepLR": (
        lambda: lc.MultiStepDecay(["50%", "5 epochs"], interval="epoch"),
        lambda o: torch_lr.MultiStepLR(o, [3, 5]),
    ),
    "ExponentialLR": (
        lambda: lc.ExponentialDecay(gamma=0.9, interval="epoch"),
        lambda o: torch_lr.ExponentialLR(o, 0.9),
    ),
    "PolynomialLR": (
        lambda: lc.PolynomialDecay(power=2.0, interval="epoch"),
        lambda o: torch_lr.PolynomialLR(o, total_iters=6, power=2.0),
    ),
    "LinearLR": (
        lambda: lc.LinearDecay(end_factor=0.1, total_steps="4 epochs", interval="epoch"),
        lambda o: torch_lr.LinearLR(o, 1.0, 0.1, total_iters=4),
    ),
    "ConstantLR": (
        lambda: lc.ConstantFactor("2 epochs", 0.5, interval="epoch"),
        lambda o: torch_lr.ConstantLR(o, 0.5, total_iters=2),
    ),
    "CosineAnnealingLR": (
        lambda: lc.CosineAnnealing(eta_min=0.001, interval="epoch"),
        lambda o: torch_lr.CosineAnnealingLR(o, T_max=6, eta_min=0.001),
    ),
    "LambdaLR": (lambda: lc.LambdaFactor(halving, interval="epoch"), lambda o: torch_lr.LambdaLR(o, halving)),
    "MultiplicativeLR": (
        lambda: lc.MultiplicativeFactor(shrink, interval="epoch"),
        lambda o: torch_lr.MultiplicativeLR(o, shrink),
    ),
    "warm-up as LinearLR": (
        lambda: lc.Warmup("3 epochs", start_factor=0.1, interval="epoch"),
        lambda o: torch_lr.LinearLR(o, 0.1, total_iters=3),
    ),
    "warm-up as ConstantLR": (
        lambda: lc.Warmup("50%", "constant", 0.2, interval="epoch"),
        lambda o: torch_lr.ConstantLR(o, 0.2, total_iters=3),
    ),
    "OneCycleLR": (
        lambda: lc.OneCycle(interval="epoch", three_phase=True, pct_start=0.4),
        lambda o: torch_lr.OneCycleLR(o, max_lr=list(LRS), total_steps=6, three_phase=True, pct_start=0.4),
    ),
    "CosineAnnealingWarmRestarts": (
        lambda: lc.SGDR("1 epoch", T_mult=2, eta_min=0.001, interval="epoch"),
        lambda o: torch_lr.CosineAnnealingWarmRestarts(o, T_0=1, T_mult=2, eta_min=0.001),
    ),
    "CyclicLR": (
        lambda: lc.CyclicalLR(0.01, step_size_up="2 epochs", step_size_down="1 epoch", interval="epoch"),
        lambda o: torch_lr.CyclicLR(o, [0.01, 0.002], list(LRS), 2, 1),
    ),
}


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("name", EPOCHWISE)
def test_with_interval_epoch_a_trainer_holds_the_lr_of_torch_over_each_epoch(name, accumulate):
    ours, theirs = EPOCHWISE[name]
    expected, momenta = native(theirs, 6, sgd(LRS))
    recorder = fit(
        ours(), module=Net(sgd(LRS)), batches=3 * accumulate, max_epochs=6, accumulate_grad_batches=accumulate
    )
    assert_same(recorder.lrs[0], [lrs for lrs in expected for _ in range(3)])
    assert_same(recorder.momenta[0], [m for m in momenta for _ in range(3)])


PURE = {
    "StepLR": (
        lambda t, n: s.step_decay_factor(t, step_size=n, gamma=0.97),
        lambda o, n: torch_lr.StepLR(o, n, gamma=0.97),
    ),
    "ExponentialLR": (
        lambda t, n: s.exponential_factor(t, gamma=0.99),
        lambda o, n: torch_lr.ExponentialLR(o, gamma=0.99),
    ),
    "PolynomialLR": (
        lambda t, n: s.polynomial_factor(t, total_steps=n, power=0.5),
        lambda o, n: torch_lr.PolynomialLR(o, total_iters=n, power=0.5),
    ),
    "LinearLR": (
        lambda t, n: s.linear_factor(t, total_steps=n, start_factor=1.0, end_factor=0.0),
        lambda o, n: torch_lr.LinearLR(o, 1.0, 0.0, total_iters=n),
    ),
    "CosineAnnealingLR": (
        lambda t, n: s.cosine_factor(t, total_steps=n, eta_min=0.0),
        lambda o, n: torch_lr.CosineAnnealingLR(o, T_max=n),
    ),
    **{
        f"CyclicLR {mode}": (
            lambda t, n, mode=mode: s.cyclical_factor(
                t, step_size_up=n, step_size_down=n, mode=mode, gamma=0.999, base_factor=0.1
            ),
            lambda o, n, mode=mode: torch_lr.CyclicLR(o, 0.01, 0.1, n, mode=mode, gamma=0.999),
        )
        for mode in ("triangular", "triangular2", "exp_range")
    },
}


@pytest.mark.parametrize("length", [1, 2, 3, 10, 1000])
@pytest.mark.parametrize("name", PURE)
def test_a_pure_factor_equals_the_torch_scheduler(name, length):
    ours, theirs = PURE[name]
    steps = length + 1 if name == "CosineAnnealingLR" else 2 * length + 10
    expected, _ = native(lambda o: theirs(o, length), steps, sgd((0.1,)))
    factors = ours(np.arange(steps), length) if length == 1000 else [ours(t, length) for t in range(steps)]
    assert_same([[0.1 * factor] for factor in factors], expected)


def test_cosine_annealing_holds_its_end_where_torch_rises_again():
    recorder = fit(lc.CosineAnnealing(eta_min=0.001, total_steps=4), module=Net(sgd(LRS)), batches=9)
    assert recorder.of_group(0)[4:] == pytest.approx([0.001] * 5, rel=1e-12)
    with warnings.catch_warnings():
        expected, _ = native(lambda o: torch_lr.CosineAnnealingLR(o, 4, 0.001), 9, sgd(LRS))
    assert expected[8][0] > 0.05
