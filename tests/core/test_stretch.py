"""One knob for a whole plan: every length in proportion to the run, exact over a resume, refused where it cannot be."""

from __future__ import annotations

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, fit, sgd

import lr_callbacks as lc

RECIPE = {
    "steps, and epochs at each step": lambda: [lc.StepDecay(6, 0.5), lc.MultiStepDecay(["6 epochs"], 0.5)],
    "epochs": lambda: [lc.StepDecay("2 epochs", 0.5, interval="epoch")],
    "rates for each step": lambda: [lc.ExponentialDecay(0.9)],
    "samples": lambda: [lc.Warmup("24 samples", start_factor=0.0), lc.StepDecay("12 samples", 0.5)],
    "windows and cycles": lambda: [lc.Rex(start="2 epochs", end="8 epochs"), lc.SGDR(6, cycle_warmup=2, start=0)],
    "points": lambda: [lc.Piecewise([[0, 0.1], ["2 epochs", 1.0], ["8 epochs", 0.2]])],
    "one after another": lambda: [lc.Sequential([lc.LinearDecay(0.5), lc.CosineAnnealing()], ["4 epochs"])],
}


@pytest.mark.parametrize("name", RECIPE)
def test_half_a_run_has_half_the_lengths(name):
    make = RECIPE[name]
    seen = fit(lc.StretchPlan("10 epochs"), *make(), module=Net(sgd((0.1,))), batches=4, max_epochs=5).of_group()
    whole = lc.preview(make(), 0.1, 40, 4, samples_per_step=2)[:, 0].tolist()
    assert seen == pytest.approx(whole[::2], rel=1e-12)
    assert len(set(seen)) > 2


def test_a_rate_for_each_epoch_is_one_for_each_epoch_of_the_plan():
    lrs = lc.preview([lc.StretchPlan("10 epochs"), lc.ExponentialDecay(0.9, interval="epoch")], 1.0, 10, 2)
    assert lrs[:, 0].tolist() == pytest.approx([0.81**epoch for epoch in range(5) for _ in range(2)])


def test_warm_ups_can_be_left_as_they_are():
    ramp, decay = lc.Warmup(4, start_factor=0.0), lc.MultiStepDecay(["8 epochs"], start=0)
    kept = lc.preview([lc.StretchPlan("10 epochs", keep_warmup=True), ramp, decay], 1.0, 20, 4)[:, 0].tolist()
    assert kept == pytest.approx([0, 0.25, 0.5, 0.75, *[1.0] * 12, *[0.1] * 4])
    all_of_it = lc.preview([lc.StretchPlan("10 epochs"), ramp, decay], 1.0, 20, 4)[:, 0].tolist()
    assert all_of_it == pytest.approx([0, 0.5, *[1.0] * 14, *[0.1] * 4])


def test_a_longer_run_has_longer_ones_and_shares_fit_as_they_are():
    callbacks = [lc.StretchPlan(10), lc.Warmup("20%", start_factor=0.0), lc.StepDecay(5, 0.5, start=0)]
    lrs = lc.preview(callbacks, 1.0, 20)[:, 0].tolist()
    assert lrs == pytest.approx([min(1, t / 4) * 0.5 ** (t // 10) for t in range(20)])


def test_a_run_by_the_wall_clock_is_stretched_too():
    lrs = lc.preview([lc.StretchPlan("10 h"), lc.Warmup("5 h", start_factor=0.0)], 1.0, 8, max_time="1 h")
    assert lrs[:, 0].tolist() == pytest.approx([min(1, t / 4) for t in range(8)])


def test_a_resume_is_exact(tmp_path):
    def make():
        return [lc.StretchPlan("9 epochs"), lc.Warmup("2 epochs"), lc.StepDecay("3 epochs", 0.5)]

    saver = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=7, save_top_k=-1)
    whole = fit(*make(), saver, batches=6, max_epochs=3, enable_checkpointing=True).of_group()
    rest = fit(*make(), batches=6, max_epochs=3, ckpt_path=tmp_path / "step=7.ckpt").of_group()
    assert rest == whole[7:]


def test_another_length_of_the_run_on_resume_is_another_plan_and_says_so(tmp_path):
    def make():
        return [lc.StretchPlan("10 epochs"), lc.StepDecay("5 epochs", 0.5)]

    saver = ModelCheckpoint(tmp_path, "at", every_n_train_steps=4, enable_version_counter=False)
    fit(*make(), saver, batches=2, max_epochs=2, enable_checkpointing=True)
    with pytest.warns(UserWarning, match="different schedule than the checkpoint's"):
        seen = fit(*make(), batches=2, max_epochs=4, ckpt_path=tmp_path / "at.ckpt").of_group()
    assert seen == [0.05] * 4


def test_a_loop_of_ones_own_is_stretched_and_counts_samples_and_tokens():
    optimizer = torch.optim.SGD([torch.ones(1)], lr=1.0)
    callbacks = [lc.StretchPlan("1k tokens"), lc.StepDecay("400 tokens", 0.5), lc.StepDecay("20 samples", 0.1)]
    with lc.attach(optimizer, callbacks, 5, samples_per_step=2, tokens_per_step=100, plan=False) as attached:
        seen = []
        for _ in range(5):
            seen += attached.lrs
            optimizer.step()
    assert seen == pytest.approx([1, 1, 0.5, 0.5, 0.25])


@pytest.mark.parametrize(
    ("callbacks", "said"),
    [
        ([lc.LambdaFactor("math.exp")], "its function counts steps or epochs"),
        ([lc.TorchScheduler("StepLR", step_size=3)], "a torch scheduler counts"),
        ([lc.Sequential([lc.MultiplicativeFactor("math.exp"), lc.Rex()], [5])], "its function counts"),
        ([lc.CyclicalLR(0.01, 0.1, 5, mode="exp_range", gamma=0.9)], "its height is a function of every step"),
        ([lc.StretchPlan(20), lc.Rex()], "both stretch the plan"),
        ([lc.StepDecay(1)], "step_size=1 is 0 steps of 4 steps"),
    ],
    ids=lambda each: str(each)[:30],
)
def test_what_cannot_be_stretched_is_refused_with_the_reason(callbacks, said):
    with pytest.raises(MisconfigurationException, match=said):
        fit(lc.StretchPlan(100), *callbacks, batches=4)


def test_a_run_of_unknown_length_is_refused():
    optimizer = torch.optim.SGD([torch.ones(1)], lr=1.0)
    with pytest.raises(MisconfigurationException, match="StretchPlan needs the length of the run"):
        lc.attach(optimizer, [lc.StretchPlan(100), lc.StepDecay(5)])
