"""Plateau reduction: torch's decisions, judged once per evaluation, at the right moments, on the right metric."""

from __future__ import annotations

import logging
import math
import random
from typing import Any

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, fit, sgd
from torch import nn
from torch.optim import lr_scheduler

from lr_callbacks import ConstantFactor, ReduceLROnPlateau, Warmup
from lr_callbacks.schedules.plateau import PlateauRule, PlateauState

pytestmark = pytest.mark.oldest


class Scripted(Net):
    """Logs the next of the given values at each validation."""

    def __init__(self, values: list[float], lrs: tuple[float, ...] = (0.1, 0.02)) -> None:
        super().__init__(sgd(lrs))
        self.values = iter(values)

    def on_validation_epoch_end(self) -> None:
        if not self.trainer.sanity_checking:
            self.log("metric", torch.tensor(next(self.values), dtype=torch.float64))


def lrs_of_torch(values: list[float], lrs: tuple[float, ...], **options: Any) -> list[list[float]]:
    optimizer = sgd(lrs)([nn.Linear(1, 1) for _ in lrs])
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, **options)
    trace = []
    for value in values:
        trace.append([group["lr"] for group in optimizer.param_groups])
        scheduler.step(value)
    return trace


OPTIONS: list[dict[str, Any]] = [
    {"patience": 0},
    {"patience": 2, "factor": 0.5},
    {"mode": "max", "patience": 1},
    {"patience": 1, "cooldown": 2, "factor": 0.3},
    {"patience": 0, "min_lr": 0.003},
    {"patience": 0, "min_lr": [0.03, 0.001]},
    {"patience": 0, "eps": 0.015},
    {"patience": 1, "threshold": 0.2},
    {"patience": 1, "threshold": 0.2, "mode": "max"},
    {"patience": 1, "threshold": 0.3, "threshold_mode": "abs"},
    {"patience": 1, "threshold": 0.3, "threshold_mode": "abs", "mode": "max"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_decisions_are_those_of_torch_in_a_real_trainer(options):
    rng = random.Random(repr(options))
    values = [rng.choice([0.5, 0.8, 0.9, 1.0, 1.1, 1.5]) for _ in range(12)]
    expected = lrs_of_torch(values, (0.1, 0.02), **options)
    assert len({tuple(lrs) for lrs in expected}) > 1
    recorder = fit(ReduceLROnPlateau("metric", **options), module=Scripted(values), batches=1, max_epochs=12, val=True)
    for ours, theirs in zip(recorder.lrs[0], expected, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-12, abs=0)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
def test_the_decisions_are_those_of_torch_over_many_random_series(mode, threshold_mode):
    rng = random.Random(0)
    for patience in (0, 1, 3):
        values = [abs(rng.gauss(1.0, 0.3)) for _ in range(300)]
        options = {
            "mode": mode,
            "threshold_mode": threshold_mode,
            "patience": patience,
            "cooldown": 1,
            "threshold": 0.01,
        }
        expected = lrs_of_torch(values, (1.0,), factor=0.99, eps=0.0, **options)
        state, rule, trace = PlateauState(), PlateauRule(**options), []
        for value in values:
            trace.append(0.99**state.num_reductions)
            state = state.update(value, rule)
        assert trace == pytest.approx([lrs[0] for lrs in expected], rel=1e-12)


def test_with_a_negative_metric_a_worse_value_is_worse_where_torch_takes_it_for_better():
    values = [-1.0, -0.9999999, -0.9999998, -0.9999997]
    assert len({tuple(lrs) for lrs in lrs_of_torch([*values, -0.9], (0.1,), patience=0, threshold=0.2)}) == 1
    recorder = fit(
        ReduceLROnPlateau("metric", patience=0, threshold=0.2),
        module=Scripted(values),
        batches=1,
        max_epochs=4,
        val=True,
    )
    assert recorder.of_group() == pytest.approx([0.1, 0.1, 0.01, 0.001])


def test_nan_and_infinite_metrics_are_evaluations_without_improvement():
    values = [1.0, math.nan, -math.inf, 0.5, 0.4]
    recorder = fit(ReduceLROnPlateau("metric", patience=1), module=Scripted(values), batches=1, max_epochs=5, val=True)
    assert recorder.of_group() == pytest.approx([0.1, 0.1, 0.1, 0.01, 0.01])
    callback = ReduceLROnPlateau("metric", patience=1)
    fit(callback, module=Scripted([math.nan] * 3), batches=1, max_epochs=3, val=True)
    assert callback.state == PlateauState(None, 1, 0, 1, 3)


@pytest.mark.parametrize(("interval", "per_epoch"), [(0.25, 4), (0.5, 2), (1.0, 1)])
def test_it_judges_once_per_validation_however_often_one_runs(interval, per_epoch):
    callback = ReduceLROnPlateau("metric", patience=100)
    fit(callback, module=Scripted([1.0] * 99), batches=4, max_epochs=3, val=True, val_check_interval=interval)
    assert callback.state.num_evaluations == 3 * per_epoch


def test_it_judges_only_in_epochs_with_a_validation():
    callback = ReduceLROnPlateau("metric", patience=100)
    fit(callback, module=Scripted([1.0] * 99), batches=2, max_epochs=6, val=True, check_val_every_n_epoch=3)
    assert callback.state.num_evaluations == 2


def test_it_does_not_judge_in_the_sanity_check():
    seen = []

    class Sanity(Scripted):
        def on_validation_epoch_end(self) -> None:
            seen.append(self.trainer.sanity_checking)
            self.log("metric", 1.0)

    callback = ReduceLROnPlateau("metric")
    fit(callback, module=Sanity([]), batches=2, max_epochs=2, val=True, num_sanity_val_steps=1)
    assert seen == [True, False, False]
    assert callback.state.num_evaluations == 2


def test_it_does_not_judge_before_the_warmup_ends():
    values = [1.0] * 6
    recorder = fit(
        Warmup(5), ReduceLROnPlateau("metric", patience=0), module=Scripted(values), batches=2, max_epochs=6, val=True
    )
    assert recorder.of_group()[5:] == pytest.approx([0.1] * 3 + [0.01] * 2 + [0.001] * 2)


class Training(Net):
    """Logs a training metric, in the way given."""

    def __init__(self, how: str) -> None:
        super().__init__(sgd((0.1,)))
        self.how = how

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.how == "epoch":
            self.log("metric", 1.0, on_step=False, on_epoch=True)
        if self.how == "step":
            self.log("metric", 1.0)
        if self.how == "first epoch only" and self.trainer.current_epoch == 0:
            self.log("metric", 1.0, on_step=False, on_epoch=True)
        return super().training_step(batch, batch_idx)

    def on_train_epoch_end(self) -> None:
        if self.how == "at the end":
            self.log("metric", 1.0)


@pytest.mark.parametrize("val", [True, False])
@pytest.mark.parametrize(
    ("how", "evaluations"), [("epoch", 4), ("step", 4), ("at the end", 4), ("first epoch only", 1)]
)
def test_a_training_metric_is_judged_when_its_epoch_ends_and_only_if_it_is_this_epochs(how, evaluations, val):
    callback = ReduceLROnPlateau("metric", patience=0)
    recorder = fit(callback, module=Training(how), batches=2, max_epochs=4, val=val)
    assert callback.state.num_evaluations == evaluations
    if evaluations == 4:
        assert recorder.of_group() == pytest.approx([0.1] * 4 + [0.01] * 2 + [0.001] * 2)


def test_it_judges_every_n_optimizer_steps_under_accumulation():
    callback = ReduceLROnPlateau("metric", patience=0, every_n_steps=2)
    recorder = fit(callback, module=Training("step"), batches=18, accumulate_grad_batches=3)
    assert callback.state.num_evaluations == 3
    assert recorder.of_group() == pytest.approx([0.1] * 4 + [0.01] * 2)


@pytest.mark.parametrize("options", [{}, {"every_n_steps": 2}], ids=str)
def test_a_metric_that_nobody_logs_is_an_error_that_lists_what_was(options):
    with pytest.raises(
        MisconfigurationException,
        match=r"ReduceLROnPlateau\(monitor='typo'.*\): no metric 'typo' was logged. Logged: .*metric",
    ):
        fit(ReduceLROnPlateau("typo", **options), module=Training("step"), batches=2, max_epochs=2, val=True)


def test_each_reduction_is_told_with_the_old_and_the_new_lr(caplog):
    with caplog.at_level(logging.INFO, logger="lightning.pytorch.utilities.rank_zero"):
        fit(ReduceLROnPlateau("metric", patience=0), module=Scripted([1.0, 2.0]), batches=2, max_epochs=2, val=True)
    assert "ReduceLROnPlateau: metric 2 has not improved on 1 for 1 evaluation; LR 0.1 -> 0.01 (step " in caplog.text
    assert "LR 0.1, 0.02 -> 0.01, 0.002 at step 4" in caplog.text


def test_the_floors_are_those_of_the_groups_that_it_drives_in_their_order():
    def three(parts: list[Any]) -> torch.optim.Optimizer:
        own = [[parts[0].weight], [parts[0].bias], list(parts[1].parameters())]
        return torch.optim.SGD([{"params": parameters} for parameters in own], lr=0.1)

    plateau = ReduceLROnPlateau("scripted", patience=0, factor=0.1, min_lr=[0.05, 0.001], groups=[1, 2])
    recorder = fit(ConstantFactor(1), plateau, module=Net(three, [1.0]), batches=2, max_epochs=3, val=True)
    assert recorder.lrs[0][-1] == pytest.approx([0.1, 0.05, 0.01])


def test_two_instances_in_one_trainer_both_work():
    one, two = ReduceLROnPlateau("metric", patience=0), ReduceLROnPlateau("metric", patience=0, factor=0.5, name="two")
    recorder = fit(one, two, module=Scripted([1.0] * 3), batches=1, max_epochs=3, val=True)
    assert recorder.of_group() == pytest.approx([0.1, 0.1, 0.005])


def test_a_second_fit_with_the_same_object_begins_anew():
    callback = ReduceLROnPlateau("metric", patience=0)
    fit(callback, module=Scripted([1.0] * 3), batches=1, max_epochs=3, val=True)
    recorder = fit(callback, module=Scripted([1.0] * 3), batches=1, max_epochs=3, val=True)
    assert recorder.of_group() == pytest.approx([0.1, 0.1, 0.01])


@pytest.mark.parametrize(
    "damage",
    [
        {"best": "low"},
        {"best": math.nan},
        {"num_reductions": -1},
        {"num_reductions": 1.5},
        {"num_bad_evaluations": True},
        {"surprise": 1},
        {"validation_due": 1},
    ],
    ids=str,
)
def test_a_damaged_state_is_refused_when_it_is_loaded(damage):
    callback = ReduceLROnPlateau("metric")
    with pytest.raises(ValueError, match=r"state of a plateau reduction"):
        callback.load_state_dict(callback.state_dict() | damage)
