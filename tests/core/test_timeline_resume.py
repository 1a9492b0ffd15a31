"""A run that is resumed with another epoch length goes on from its LR, and what is left of it fills what is left."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from support import Net, sgd
from timeline_fits import SaveOnce, positions, ran
from torch.optim import lr_scheduler

from lr_callbacks import (
    CosineAnnealing,
    LinearDecay,
    MultiStepDecay,
    OneCycle,
    PolynomialDecay,
    ReduceLROnPlateau,
    Rex,
    StepDecay,
    TorchScheduler,
    Warmup,
    WarmupStableDecay,
)
from lr_callbacks.schedules import one_cycle_factor

EPOCHS = 4
close = pytest.approx


def cosine(x: float) -> float:
    return (1 + math.cos(math.pi * x)) / 2


def trapezoid(x: float) -> float:
    """Up over one of four epochs, down over the last half."""
    return min(4 * x, 1, 2 * (1 - x))


# factor as a function of the share of the run that is over, for four epochs
BY_SHARE: dict[str, tuple[Callable[[], list[Any]], Callable[[float], float]]] = {
    "linear": (lambda: [LinearDecay()], lambda x: 1 - x),
    "linear in percent": (lambda: [LinearDecay(total_steps="100%")], lambda x: 1 - x),
    "linear in epochs": (lambda: [LinearDecay(total_steps="4 epochs")], lambda x: 1 - x),
    "cosine": (lambda: [CosineAnnealing()], cosine),
    "cosine by epoch": (lambda: [CosineAnnealing(interval="epoch")], lambda x: cosine(math.floor(4 * x + 1e-9) / 4)),
    "polynomial": (lambda: [PolynomialDecay(power=2.0)], lambda x: (1 - x) ** 2),
    "rex": (lambda: [Rex()], lambda x: (1 - x) / (0.5 + 0.5 * (1 - x))),
    "trapezoid": (lambda: [WarmupStableDecay("1 epoch", "50%")], trapezoid),
    "steps": (lambda: [StepDecay("1 epoch", gamma=0.5)], lambda x: 0.5 ** math.floor(4 * x + 1e-9)),
    "milestones": (
        lambda: [MultiStepDecay(["25%", "75%"])],
        lambda x: 0.1 ** ((x >= 0.25 - 1e-9) + (x >= 0.75 - 1e-9)),
    ),
    "StepLR by epoch": (
        lambda: [TorchScheduler(lr_scheduler.StepLR, interval="epoch", step_size=1, gamma=0.5)],
        lambda x: 0.5 ** math.floor(4 * x + 1e-9),
    ),
    "beside a plateau": (
        lambda: [LinearDecay(), ReduceLROnPlateau("train_loss", patience=99)],
        lambda x: 1 - x,
    ),
}
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "twice the batch size": ({}, {"batches": 5}),
    "half the batch size": ({}, {"batches": 20}),
    "more data": ({}, {"batches": 13}),
    "accumulation": ({}, {"accumulate_grad_batches": 2}),
    "no accumulation any more": ({"accumulate_grad_batches": 5, "batches": 50}, {"batches": 50}),
    "a limit": ({}, {"limit_train_batches": 3}),
    "no limit any more": ({"limit_train_batches": 10, "batches": 40}, {"batches": 40}),
}
MOMENTS = [("on_train_epoch_end", 0), ("on_train_epoch_end", 2), ("on_train_batch_end", 7), ("on_train_batch_end", 10)]
# half of all combinations, like the black squares of a chess board: each schedule still meets half of the changes
HALF = [(name, change) for i, name in enumerate(BY_SHARE) for j, change in enumerate(CHANGES) if (i + j) % 2 == 0]
IN_THE_MIDDLE = [
    (name, batches, *moment)
    for i, name in enumerate(["linear", "linear in epochs", "cosine", "StepLR by epoch"])
    for j, batches in enumerate([1, 5, 7, 20])
    for k, moment in enumerate(MOMENTS)
    if (i + j + k) % 2 == 0
]


@pytest.mark.parametrize(("name", "change"), HALF)
def test_epochs_are_where_the_trainer_has_them_and_the_schedule_ends_with_the_run(name, change, tmp_path):
    make, factor = BY_SHARE[name]
    before, after = CHANGES[change]
    path = str(tmp_path / "saved.ckpt")
    first = ran([*make(), SaveOnce(path, "on_train_epoch_end", 1)], **before)
    assert first.lrs == close([0.1 * factor(step / 40) for step in range(20)], abs=1e-12)
    second = ran(make(), **after, ckpt_path=path)
    assert [epoch for epoch, _ in second.epochs] == [2, 3]
    assert second.lrs == close([0.1 * factor(x / EPOCHS) for x in positions(second.epochs)], abs=1e-12)


@pytest.mark.parametrize(("name", "batches", "hook", "when"), IN_THE_MIDDLE)
def test_from_the_middle_of_an_epoch_what_is_left_of_it_takes_the_steps_that_are_left(
    name, batches, hook, when, tmp_path
):
    make, factor = BY_SHARE[name]
    path = str(tmp_path / "saved.ckpt")
    first = ran([*make(), SaveOnce(path, hook, when)])
    second = ran(make(), batches=batches, ckpt_path=path)
    begin = len(first.lrs) / 10
    assert second.lrs == close([0.1 * factor(x / EPOCHS) for x in positions(second.epochs, begin=begin)], abs=1e-12)


def test_a_warmup_that_is_over_is_not_run_again_and_one_that_is_not_goes_on(tmp_path):
    path = str(tmp_path / "saved.ckpt")

    def make() -> list[Any]:
        return [Warmup("50%", start_factor=0.0), LinearDecay()]

    def lr(x: float) -> float:
        return 0.1 * min(2 * x, 2 * (1 - x))

    for moment in (0, 1, 2):
        ran([*make(), SaveOnce(path, "on_train_epoch_end", moment)])
        for batches in (5, 20):
            second = ran(make(), batches=batches, ckpt_path=path)
            assert second.lrs == close([lr(x / 4) for x in positions(second.epochs)], abs=1e-12), (moment, batches)


def test_lengths_in_steps_are_steps_whatever_an_epoch_is(tmp_path):
    path = str(tmp_path / "saved.ckpt")

    def make() -> list[Any]:
        return [Warmup(4, start_factor=0.0), StepDecay(10, gamma=0.5)]

    ran([*make(), SaveOnce(path, "on_train_epoch_end", 1)])
    for batches in (5, 20):
        second = ran(make(), batches=batches, ckpt_path=path)
        counts = range(20, 20 + len(second.lrs))
        assert second.lrs == close([0.1 * 0.5 ** ((count - 4) // 10) for count in counts], abs=1e-15)


@pytest.mark.parametrize("limits", [{"max_epochs": -1}, {"max_epochs": 6}], ids=["max_steps", "both"])
@pytest.mark.parametrize("batches", [5, 10, 20])
@pytest.mark.parametrize(("hook", "when"), [("on_train_epoch_end", 1), ("on_train_batch_end", 17)])
def test_in_a_run_of_max_steps_shares_are_shares_of_the_steps(limits, batches, hook, when, tmp_path):
    path = str(tmp_path / "saved.ckpt")
    options = {"max_steps": 40, **limits}

    def make() -> list[Any]:
        return [Warmup("10%", start_factor=0.0), LinearDecay()]

    full = ran([*make(), SaveOnce(path, hook, when, stop=False)], **options)
    assert full.lrs == close([0.1 * min(t / 4, (40 - t) / 36) for t in range(40)], abs=1e-12)
    second = ran(make(), batches=batches, ckpt_path=path, **options)
    begin = 20 if hook == "on_train_epoch_end" else 17
    assert second.lrs == full.lrs[begin : begin + len(second.lrs)]  # Lightning may end it before, by max_epochs


def test_both_limits_where_the_other_one_ends_the_run_after_a_resume(tmp_path):
    path = str(tmp_path / "saved.ckpt")
    options = {"max_steps": 50, "max_epochs": 4}  # 4 epochs of 10 steps end it; resumed with 20, the steps do
    ran([LinearDecay(), SaveOnce(path, "on_train_batch_end", 17)], **options)
    second = ran([LinearDecay()], batches=20, ckpt_path=path, **options)
    assert len(second.lrs) == 33
    assert second.lrs == close([0.1 * 23 / 40 * (1 - t / 33) for t in range(33)], abs=1e-12)


def test_under_a_gradient_accumulation_scheduler_too(tmp_path):
    path = str(tmp_path / "saved.ckpt")

    def make(scheduled: bool) -> list[Any]:
        return [LinearDecay(), *([GradientAccumulationScheduler({0: 1, 2: 2})] if scheduled else [])]

    # planned: 10 + 10 + 5 + 5 steps, so that two thirds are over after two epochs
    ran([*make(True), SaveOnce(path, "on_train_epoch_end", 1)])
    for scheduled, batches in ((True, 10), (True, 20), (True, 5), (False, 10), (False, 7)):
        second = ran(make(scheduled), batches=batches, ckpt_path=path)
        shares = [2 / 3 + x / 6 for x in positions([(epoch - 2, steps) for epoch, steps in second.epochs])]
        assert second.lrs == close([0.1 * (1 - share) for share in shares], abs=1e-12), (scheduled, batches)


def test_a_second_resume_on_top_of_the_first_and_back_to_the_first_length(tmp_path):
    one, two = str(tmp_path / "one.ckpt"), str(tmp_path / "two.ckpt")
    for name, (make, factor) in BY_SHARE.items():
        full = ran(make())
        ran([*make(), SaveOnce(one, "on_train_epoch_end", 0)])
        middle = ran([*make(), SaveOnce(two, "on_train_epoch_end", 1)], batches=5, ckpt_path=one)
        assert middle.lrs == close([0.1 * factor(x / 4) for x in positions([(1, 5)])], abs=1e-12), name
        for batches in (5, 20, 10):
            last = ran(make(), batches=batches, ckpt_path=two)
            assert last.lrs == close([0.1 * factor(x / 4) for x in positions(last.epochs)], abs=1e-12), name
        assert last.lrs == close(full.lrs[20:], abs=1e-12), name


def test_the_same_length_again_is_the_same_run_bit_for_bit(tmp_path):
    path = str(tmp_path / "saved.ckpt")
    for name, (make, _) in BY_SHARE.items():
        full = ran([*make(), SaveOnce(path, "on_train_batch_end", 17, stop=False)])
        assert ran(make(), ckpt_path=path).lrs == full.lrs[17:], name


def test_a_resume_of_a_run_with_knots_is_bit_equal_from_any_step(tmp_path):
    one = str(tmp_path / "one.ckpt")
    for name, (make, _) in BY_SHARE.items():
        ran([*make(), SaveOnce(one, "on_train_batch_end", 7)])
        for count in (9, 14, 21):
            two = str(tmp_path / f"{count}.ckpt")
            rest = ran([*make(), SaveOnce(two, "on_train_batch_end", count, stop=False)], batches=13, ckpt_path=one)
            assert ran(make(), batches=13, ckpt_path=two).lrs == rest.lrs[count - 7 :], (name, count)


def test_a_one_cycle_goes_on_in_its_place_with_the_momentum(tmp_path):
    path = str(tmp_path / "saved.ckpt")
    ran([OneCycle(), SaveOnce(path, "on_train_epoch_end", 1)])
    second = ran([OneCycle()], batches=5, ckpt_path=path)
    planned = [40 * x / 4 for x in positions(second.epochs)]
    expected = [0.1 * float(one_cycle_factor(t, total_steps=40)) for t in planned]
    assert second.lrs == close(expected, abs=1e-15)


def test_another_limit_is_another_wish_and_todays_wins_with_one_warning_in_two_lines(tmp_path):
    path = str(tmp_path / "saved.ckpt")
    ran([LinearDecay(), SaveOnce(path, "on_train_epoch_end", 1)])
    with pytest.warns(UserWarning, match="a different schedule than the checkpoint") as told:
        second = ran([LinearDecay()], batches=5, max_epochs=8, ckpt_path=path)
    assert second.lrs == close([0.1 * (1 - x / 8) for x in positions(second.epochs)], abs=1e-12)
    text = next(str(each.message) for each in told if "a different schedule than" in str(each.message)).splitlines()
    assert text[1] == "  checkpoint: LinearDecay() 0-40; LR 0.05"
    assert text[2] == "  now:        LinearDecay() 0-80; LR 0.075"
    assert "at step 20" in text[0]
    assert "max_epochs" in text[3]


def test_an_epoch_of_another_length_alone_is_no_other_plan_and_no_word_is_lost_on_it(tmp_path, recwarn):
    path = str(tmp_path / "saved.ckpt")
    make = lambda: [Warmup("10%"), LinearDecay()]  # noqa: E731
    ran([*make(), SaveOnce(path, "on_train_epoch_end", 1)])
    ran(make(), batches=5, ckpt_path=path)
    assert not [each for each in recwarn if "different schedule" in str(each.message)]


def test_the_plan_of_a_resumed_run_shows_where_it_ends_now(tmp_path, caplog):
    path = str(tmp_path / "saved.ckpt")
    ran([LinearDecay(), SaveOnce(path, "on_train_epoch_end", 1)])
    caplog.clear()
    ran([LinearDecay()], batches=5, ckpt_path=path)
    plan = next(record.message for record in caplog.records if record.message.startswith("LR plan"))
    assert "resumed at step 20" in plan
    assert "LinearDecay 0-30 (epochs 0-3)" in plan
    assert "0.005 at step 29" in plan


def test_an_lr_that_is_configured_anew_wins_beside_knots(tmp_path):
    path = str(tmp_path / "saved.ckpt")
    ran([LinearDecay(), SaveOnce(path, "on_train_epoch_end", 1)], module=Net(sgd((0.1,))))
    with pytest.warns(UserWarning, match="it was 0.1 in the checkpoint"):
        second = ran([LinearDecay()], batches=5, module=Net(sgd((0.2,))), ckpt_path=path)
    assert second.lrs == close([0.2 * (1 - x / 4) for x in positions(second.epochs)], abs=1e-12)
