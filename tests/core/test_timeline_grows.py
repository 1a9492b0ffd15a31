"""Epochs that change their length on the way: lengths in epochs follow the trainer's, a resume is bit-equal."""

from __future__ import annotations

import pytest
from support import Net, sgd
from timeline_fits import Growing, SaveEverywhere, fit_growing, positions, ran
from torch.optim import lr_scheduler

from lr_callbacks import (
    SGDR,
    CosineAnnealing,
    CyclicalLR,
    LambdaFactor,
    LinearDecay,
    OneCycle,
    ReduceLROnPlateau,
    StepDecay,
    TorchScheduler,
    Warmup,
    WarmupStableDecay,
)

LENGTHS = [(0, 4), (1, 8), (2, 12), (3, 16)]
close = pytest.approx


def shrink(t: int) -> float:
    return 1 / (1 + t)


MAKE = {
    "linear": lambda: [LinearDecay()],
    "warm-up in percent and cosine": lambda: [Warmup("10%"), CosineAnnealing()],
    "warm-up in steps and one-cycle": lambda: [Warmup(2), OneCycle()],
    "warm-up in epochs and linear by epoch": lambda: [Warmup("1 epoch"), LinearDecay(interval="epoch")],
    "cosine by epoch": lambda: [CosineAnnealing(interval="epoch")],
    "trapezoid": lambda: [WarmupStableDecay("1 epoch", "50%")],
    "steps by epoch": lambda: [StepDecay("1 epoch", gamma=0.5)],
    "restarts": lambda: [SGDR("1 epoch", T_mult=2)],
    "cycles": lambda: [CyclicalLR(0.001, 0.1, step_size_up="1 epoch")],
    "StepLR by step": lambda: [TorchScheduler(lr_scheduler.StepLR, step_size=5, gamma=0.5)],
    "StepLR by epoch": lambda: [TorchScheduler(lr_scheduler.StepLR, interval="epoch", step_size=1, gamma=0.5)],
    "a function by step": lambda: [LambdaFactor(shrink)],
    "a function by epoch": lambda: [LambdaFactor(shrink, interval="epoch")],
    "linear and plateau": lambda: [LinearDecay(), ReduceLROnPlateau("scripted", patience=0)],
}


@pytest.mark.parametrize("name", ["steps by epoch", "StepLR by epoch"])
def test_the_lr_halves_where_epochs_really_end(name):
    run = fit_growing(MAKE[name]())
    assert run.epochs == LENGTHS
    assert run.lrs == [0.1] * 4 + [0.05] * 8 + [0.025] * 12 + [0.0125] * 16


def test_a_line_is_a_quarter_down_at_the_end_of_each_of_four_epochs():
    run = fit_growing([LinearDecay()])
    assert run.lrs == close([0.1 * (1 - x / 4) for x in positions(LENGTHS)], abs=1e-15)
    assert [run.lrs[end] for end in (0, 4, 12, 24)] == close([0.1, 0.075, 0.05, 0.025])


def test_a_length_in_steps_is_counted_in_steps():
    run = fit_growing([Warmup(6, start_factor=0.0)])
    assert run.lrs == close([0.1 * min(t / 6, 1) for t in range(40)], abs=1e-15)


def test_a_run_of_max_steps_goes_by_its_steps():
    run = fit_growing([LinearDecay()], max_steps=20, max_epochs=-1)
    assert run.lrs == close([0.1 * (1 - t / 20) for t in range(20)], abs=1e-15)


class Shrinking(Growing):
    sizes = (16, 12, 2, 1)


def test_epochs_that_shrink_too():
    run = fit_growing([LinearDecay()], module=Shrinking())
    assert run.lrs == close([0.1 * (1 - x / 4) for x in positions([(0, 16), (1, 12), (2, 2), (3, 1)])], abs=1e-12)


@pytest.mark.filterwarnings("ignore:.*your dataloader is not resumable.*")
@pytest.mark.parametrize("name", MAKE)
def test_a_resume_from_any_third_moment_is_bit_equal(name, tmp_path):
    options = {} if "plateau" in name else {"limit_val_batches": 0}
    save = SaveEverywhere(tmp_path)
    full = fit_growing([*MAKE[name](), save], **options)
    compared = 0
    for path, count in save.saved[list(MAKE).index(name) % 3 :: 3]:  # each moment is another schedule's
        rest = fit_growing(MAKE[name](), ckpt_path=path, **options)
        # from the last batch of an epoch Lightning goes on with the loader of the epoch that is over
        if count + len(rest.lrs) == len(full.lrs):
            assert rest.lrs == full.lrs[count:], path
            compared += len(rest.lrs)
    assert compared > 170


class EndsEarly(Net):
    """Leaves the second epoch after 3 of 10 batches."""

    def on_train_batch_start(self, batch: object, batch_idx: int) -> int | None:
        return -1 if self.current_epoch == 1 and batch_idx == 3 else None


def test_an_epoch_that_is_left_early_is_over_on_the_axis_of_epochs():
    run = ran([StepDecay("1 epoch", gamma=0.5)], module=EndsEarly(sgd((0.1,))))
    assert run.epochs == [(0, 10), (1, 3), (2, 10), (3, 10)]
    assert run.lrs == [0.1] * 10 + [0.05] * 3 + [0.025] * 10 + [0.0125] * 10
    run = ran([LinearDecay()], module=EndsEarly(sgd((0.1,))))
    planned = [*range(13), *range(20, 40)]
    assert run.lrs == close([0.1 * (1 - t / 40) for t in planned], abs=1e-15)
