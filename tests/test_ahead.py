"""LRs of the next steps are worked out at once; nobody may tell, whatever changes in the middle of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from support import Net, fit, sgd

import lr_callbacks as lc
from lr_callbacks import writer
from lr_callbacks.ahead import Ahead
from lr_callbacks.callbacks.base import ScheduleCallback
from lr_callbacks.driver import Driver
from lr_callbacks.horizon import Horizon
from lr_callbacks.segment import Group, Segment
from lr_callbacks.wall_clock import TimeHorizon, WallClock

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


def test_a_run_by_the_wall_clock_is_not_for_its_time_jumps():
    assert not looks_ahead(driven([lc.Rex()], WallClock(0)))


def test_of_very_many_groups_no_more_lrs_are_kept_than_of_few():
    assert looks_ahead(driven([lc.SGDR(7, eta_min=1e-3)], groups=1000))
    assert not looks_ahead(driven([lc.SGDR(7, eta_min=1e-3)], groups=5000))


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
