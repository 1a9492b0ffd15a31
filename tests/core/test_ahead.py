"""LRs of the next steps are worked out at once; nobody may tell, whatever changes in the middle of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial, wraps
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from support import Net, fit, sgd

import lr_callbacks as lc
from lr_callbacks.callbacks.base import ScheduleCallback
from lr_callbacks.core import writer
from lr_callbacks.core.ahead import Ahead, is_pure
from lr_callbacks.core.driver import Driver
from lr_callbacks.core.horizon import Horizon
from lr_callbacks.core.segment import Group, Segment
from lr_callbacks.core.wall_clock import TimeHorizon, WallClock
from lr_callbacks.schedules import Curve, linear_factor, multi_step_factor, rex_factor
from lr_callbacks.schedules.curve import OneLeg, stand

BATCHES = 100
PURE = [
    lc.Warmup(10),
    lc.OneCycle(),
    lc.OneCycle(max_lr=0.3, anneal_strategy="linear", three_phase=True),
    lc.SGDR(7, eta_min=1e-3),
    lc.SGDR("1 epoch", T_mult=2, cycle_warmup=3, cycle_decay=0.5),
    lc.ConstantFactor(5),
    lc.CosineAnnealing(eta_min=1e-3, interval="epoch"),
    lc.CyclicalLR(base_lr=0.01, step_size_up=7),
    lc.CyclicalLR(base_lr=0.01, step_size_up=7, mode="exp_range", gamma=0.99),
    lc.ExponentialDecay(0.99, interval="epoch"),
    lc.ExponentialDecay(rate=0.1, step_size=10),
    lc.InverseSqrt(10),
    lc.PolynomialDecay(power=2.0, end_lr=1e-3),
    lc.LinearDecay(),
    lc.Rex(),
    lc.StepDecay("1 epoch", interval="epoch"),
    lc.MultiStepDecay([10, 30]),
    lc.WarmupStableDecay("10%", "20%"),
    lc.ReduceLROnPlateau("val_loss"),
]
STEP_BY_STEP = [
    lc.LambdaFactor(lambda step: 1 / (1 + step)),
    lc.MultiplicativeFactor(lambda step: 0.99),
    lc.TorchScheduler(torch.optim.lr_scheduler.ExponentialLR, gamma=0.99),
]


def driven(callbacks: list[Any], clock: WallClock | None = None, groups: int = 3) -> Driver:
    weights = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.1 + n / groups} for n in range(groups)]
    driver = Driver(torch.optim.SGD(weights, lr=0.1, momentum=0.9), 0, callbacks)
    horizon = Horizon(1000, ((0, 100),)) if clock is None else TimeHorizon(1000)
    driver.start(horizon, resumed=False, finetuned=False, steps_if_not_restored=0, clock=clock)
    return driver


def looks_ahead(driver: Driver) -> bool:
    return any(isinstance(each._values, Ahead) for each in driver._writers)


@pytest.mark.parametrize("callback", PURE, ids=repr)
def test_our_shapes_are_worked_out_ahead(callback):
    assert looks_ahead(driven([callback]))


@pytest.mark.parametrize("callback", STEP_BY_STEP, ids=lambda callback: type(callback).__name__)
def test_what_a_user_or_torch_has_written_is_not_even_where_a_shape_of_ours_multiplies_it(callback):
    assert not looks_ahead(driven([callback]))
    assert not looks_ahead(driven([lc.Warmup(10), callback]))


@wraps(rex_factor)
def dressed_up(step: int, **kwargs: Any) -> float:
    """A user's own, which says of itself that it is ours."""
    return rex_factor(step, **kwargs)


class OwnCurve(Curve):
    def __call__(self, step: int) -> float:
        return 1.0


class OwnPartial(partial):  # type: ignore[type-arg]
    def __call__(self, *args: Any, **kwargs: Any) -> float:
        return 1.0


LOOKS_LIKE_OURS: dict[str, Callable[[int], float]] = {
    "wrapped": dressed_up,
    "wrapped and called with arguments": partial(dressed_up, total_steps=10),
    "wrapped and cached": lru_cache(dressed_up),
    "a curve of a user's class": OwnCurve.standing(0.5),
    "a curve that goes a user's way": Curve(lambda step: (0, 1.0), ((0.0, 1.0),)),
    "a curve over a user's function": Curve(OneLeg(lambda step: 1.0), ((0.0, 1.0),)),
    "a curve whose legs may change": Curve(stand, [[1.0, 0.0]]),  # type: ignore[arg-type, list-item]
    "a curve whose scale may change": Curve(stand, ((1.0, 0.0),), np.array(0.5)),  # type: ignore[arg-type]
    "a partial of a user's class": OwnPartial(rex_factor, total_steps=10),
    "a list among the arguments": partial(multi_step_factor, milestones=[5, 6]),
    "an array among the arguments": partial(linear_factor, total_steps=10, end_factor=np.array(0.5)),
    "a tuple with a list": partial(multi_step_factor, milestones=(5, [6])),
}


@pytest.mark.parametrize("name", LOOKS_LIKE_OURS)
def test_what_only_looks_like_a_shape_of_ours_is_not_taken_for_one(name):
    assert not is_pure(LOOKS_LIKE_OURS[name])


def test_a_users_factor_that_is_false_is_not_overlooked():
    class Values(list):  # type: ignore[type-arg]
        def __call__(self, step: int) -> float:
            return 0.9

    class Mine(ScheduleCallback):
        def segment(self, horizon: Horizon, group: Group) -> Segment:
            return Segment(0, partial(rex_factor, total_steps=10), momentum=Values())

    assert not looks_ahead(driven([Mine()]))


def test_an_argument_that_a_user_changes_in_the_middle_of_the_run_is_believed_at_the_next_step():
    floor = np.array(0.5)

    class Mine(ScheduleCallback):
        def segment(self, horizon: Horizon, group: Group) -> Segment:
            return Segment(0, partial(linear_factor, total_steps=2, start_factor=0.5, end_factor=floor))  # type: ignore[arg-type]

    optimizer = driven([Mine()], groups=1).optimizer
    for value in (0.5, 0.25, 0.75):
        floor.fill(value)
        for _ in range(3):
            optimizer.step()
        assert optimizer.param_groups[0]["lr"] == 0.1 * value


def test_curves_of_a_users_class_have_their_own_values_also_where_groups_differ():
    class Mine(ScheduleCallback):
        def segment(self, horizon: Horizon, group: Group) -> Segment:
            return Segment(0, OwnCurve.standing(group.base_lr))

    groups = driven([Mine()]).optimizer.param_groups
    assert [group["lr"] for group in groups] == [group["initial_lr"] for group in groups]


def test_a_run_by_the_wall_clock_is_not_for_its_time_jumps():
    assert not looks_ahead(driven([lc.Rex()], WallClock(0)))


def test_of_very_many_groups_no_more_lrs_are_kept_than_of_few():
    assert looks_ahead(driven([lc.SGDR(7, eta_min=1e-3)], groups=1000))
    assert not looks_ahead(driven([lc.SGDR(7, eta_min=1e-3)], groups=5000))


def test_a_state_that_brings_other_base_lrs_is_believed_at_once_and_from_then_on():
    driver = driven([lc.SGDR(13, eta_min=1e-3)])
    optimizer = driver.optimizer
    state = optimizer.state_dict()
    for group in state["param_groups"]:
        group["initial_lr"] *= 2
    for _ in range(3):
        optimizer.step()
    optimizer.load_state_dict(state)
    for _ in range(5):
        groups, (lane,) = optimizer.param_groups, driver.lanes
        due = [
            group["initial_lr"] * factor
            for group, factor in zip(groups, lane.factors_of_groups(driver.step), strict=True)
        ]
        assert [group["lr"] for group in groups] == due
        optimizer.step()
    assert [group["initial_lr"] for group in groups] == [group["initial_lr"] for group in state["param_groups"]]


def test_the_factor_of_a_users_own_callback_is_asked_for_the_next_step_and_for_no_later_one():
    asked: list[int] = []

    class Mine(ScheduleCallback):
        def segment(self, horizon: Horizon, group: Group) -> Segment:
            return Segment(0, lambda step: asked.append(step) or 1.0)  # type: ignore[func-returns-value]

    class Looks(Callback):
        def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
            assert max(asked) == trainer.global_step
            asked.clear()

        def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            asked[:] = [0]  # the plan looks to the end

    fit(Mine(), Looks(), batches=BATCHES, max_epochs=1)
    assert set(asked) <= {BATCHES}


class Disturbs(Callback):
    """Adds a group, and loads a state of the optimizer of some steps ago."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        optimizer, step = trainer.optimizers[0], trainer.global_step
        if step == 40:
            self.more = torch.nn.Parameter(torch.zeros(1))
            optimizer.add_param_group({"params": [self.more], "lr": 0.02})
        if step == 45:
            self.state = optimizer.state_dict()
        if step in (55, 95):
            optimizer.load_state_dict(self.state)


MADE = {
    "absolute LRs": lambda: [lc.SGDR(13, eta_min=1e-3, cycle_decay=0.7)],
    "momentum": lambda: [lc.OneCycle(max_lr=0.5)],
    "all together": lambda: [
        lc.Warmup(20),
        lc.PolynomialDecay(power=2.0, end_lr=1e-3),
        lc.ReduceLROnPlateau("train_loss", patience=0, factor=0.5, every_n_steps=7, min_lr=1e-4),
        lc.CyclicalLR(0.001, step_size_up=9, groups=1),
    ],
    "by epoch": lambda: [lc.CosineAnnealing(interval="epoch", eta_min=1e-3)],
}


def disturbed(make: Any) -> Any:
    class Unsteady(Net):
        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            self.log("train_loss", torch.tensor(float(batch_idx)))  # never better: a reduction each 7 steps
            return (self(batch[0]) - batch[1]).square().mean()

    recorder = fit(*make(), Disturbs(), module=Unsteady(sgd((0.1, 0.03))), batches=BATCHES // 2, max_epochs=3)
    return recorder.lrs[0], recorder.momenta[0]


@pytest.mark.parametrize("name", MADE)
def test_lrs_and_momenta_are_to_the_last_bit_those_of_a_run_that_looks_one_step_ahead(name, monkeypatch):
    ahead = disturbed(MADE[name])
    monkeypatch.setattr(writer, "STEPS_AHEAD", 1)
    assert disturbed(MADE[name]) == ahead
    assert len({tuple(lrs) for lrs in ahead[0]}) > (2 if name == "by epoch" else 40)
