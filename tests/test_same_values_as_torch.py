"""The LRs that optimizer.step saw in a real Trainer, against torch's own scheduler."""

from __future__ import annotations

import warnings

import pytest
from support import Net, adam, adamw, fit, native, sgd
from torch.optim import lr_scheduler

from lr_callbacks import SGDR, OneCycle, Warmup

OPTIMIZERS = {"sgd": sgd, "adam": adam, "adamw": adamw}


def assert_same(recorder, expected, momenta=None):
    lrs = recorder.lrs[0]
    assert len(lrs) == len(expected)
    for step, (ours, theirs) in enumerate(zip(lrs, expected, strict=True)):
        assert ours == pytest.approx(theirs, rel=1e-12, abs=0), f"step {step}"
    for ours, theirs in zip(recorder.momenta[0], momenta or [], strict=bool(momenta)):
        assert ours == pytest.approx(theirs, rel=1e-12, abs=0)


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"anneal_strategy": "linear"},
        {"pct_start": 0.5, "div_factor": 10.0, "final_div_factor": 100.0},
        {"three_phase": True},
        {"cycle_momentum": False},
        {"base_momentum": 0.7, "max_momentum": 0.9},
    ],
    ids=str,
)
@pytest.mark.parametrize("steps", [4, 5, 10])
def test_one_cycle_equals_torch_one_cycle_lr(steps, options, make, accumulate):
    if options.get("three_phase") and steps < 5:
        pytest.skip("torch is not sound there")
    lrs = (0.1, 0.02)
    expected, momenta = native(
        lambda o: (
            lr_scheduler.OneCycleLR(o, max_lr=list(lrs), total_steps=steps + 1, **options)
            if False
            else lr_scheduler.OneCycleLR(o, max_lr=list(lrs), total_steps=steps, **options)
        ),
        steps - 1,
        make(lrs),
    )
    recorder = fit(
        OneCycle(**options), module=Net(make(lrs)), batches=steps * accumulate, accumulate_grad_batches=accumulate
    )
    assert_same_prefix(recorder, expected, momenta)


def assert_same_prefix(recorder, expected, momenta):
    recorder.lrs[0], last = recorder.lrs[0][:-1], recorder.lrs[0][-1]
    recorder.momenta[0] = recorder.momenta[0][:-1]
    assert_same(recorder, expected, momenta)
    assert all(lr < 0.1 for lr in last)
