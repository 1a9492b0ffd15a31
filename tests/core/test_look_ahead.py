"""Values of the next steps are worked out at once; nobody can see that, whatever changes in the middle of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from driven import driven, lrs_of
from lightning.pytorch import Callback, LightningModule, Trainer
from support import Net, fit, sgd

import lr_callbacks as lc
from lr_callbacks.core import table
from lr_callbacks.core.schedule import lookahead
from lr_callbacks.core.wall_clock import WallClock

BATCHES = 100
LRS = (0.1, 0.43, 0.77)
OURS = [
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


def is_live(*callbacks: lc.LRCallback) -> bool:
    _, controller = driven(callbacks, LRS)
    values = controller.table_of("lr")
    assert values is not None
    return values.is_live


@pytest.mark.parametrize("callback", OURS, ids=repr)
def test_our_schedules_are_worked_out_ahead(callback):
    assert not is_live(callback)


@pytest.mark.parametrize("callback", STEP_BY_STEP, ids=lambda callback: type(callback).__name__)
def test_what_a_user_or_torch_has_written_is_asked_step_by_step_also_where_a_schedule_of_ours_multiplies_it(callback):
    assert is_live(callback)
    assert is_live(lc.Warmup(10), callback)


class Counts(lc.Rex):
    """Writes down for how many steps at once it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    @lookahead
    def factors(self, t: Any, time: Any, groups: Any) -> Any:
        self.asked.append(len(t))
        return super().factors(t, time, groups)

    def steps(self, number: int, lrs: tuple[float, ...] = LRS, clock: WallClock | None = None) -> list[int]:
        optimizer, _ = driven([self], lrs, clock=clock)
        self.asked.clear()
        for _ in range(number):
            optimizer.step()
        return self.asked


def test_a_method_that_is_marked_is_asked_for_many_steps_at_once():
    assert len(Counts().steps(200)) <= 1


def test_the_run_ends_where_the_values_of_later_steps_would_be_worked_out():
    (of_the_rest,) = [count for count in Counts().steps(1000) if count < table.ROWS]
    assert of_the_rest == 1001 % table.ROWS


def test_of_very_many_groups_no_more_values_are_kept_than_of_few(monkeypatch):
    monkeypatch.setattr(table, "NUMBERS", 1000)
    few, many, very_many = (max(Counts().steps(300, (0.1,) * groups)) for groups in (3, 100, 1500))
    assert few == table.ROWS
    assert many == 10
    assert very_many == 1


def test_by_the_wall_clock_no_later_values_are_worked_out_for_its_time_jumps():
    assert set(Counts().steps(20, clock=WallClock(0))) <= {1}


class Mine(lc.Rex):
    """A schedule of a user's, who thinks of one step only."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def factors(self, t: Any, time: Any, groups: Any) -> Any:
        self.asked += np.ravel(t).tolist()
        return super().factors(t, time, groups)


def test_an_override_in_a_users_subclass_is_asked_for_the_next_step_and_for_no_later_one():
    mine = Mine()

    class Looks(Callback):
        def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
            assert max(mine.asked) == trainer.global_step
            mine.asked.clear()

    expected = fit(lc.Rex(), batches=BATCHES)
    recorder = fit(mine, Looks(), batches=BATCHES)
    assert recorder.lrs == expected.lrs
    assert set(mine.asked) <= {BATCHES - 1}  # never for a step that is not taken


def test_an_argument_that_a_user_changes_in_the_middle_of_the_run_is_believed_at_the_next_step():
    class Floor(lc.LRCallback):
        level = 0.5

        def factors(self, t: Any, time: Any, groups: Any) -> Any:
            return np.full(t.shape, self.level)

    schedule = Floor()
    optimizer, _ = driven([schedule])
    for value in (0.5, 0.25, 0.75):
        schedule.level = value
        for _ in range(3):
            optimizer.step()
        assert lrs_of(optimizer) == [0.1 * value]


def test_a_state_that_brings_other_base_lrs_is_believed_at_once_and_from_then_on():
    optimizer, _ = driven([lc.SGDR(13, eta_min=1e-3)], LRS)
    reference, _ = driven([lc.SGDR(13, eta_min=1e-3)], [2 * lr for lr in LRS])
    state = optimizer.state_dict()
    for group in state["param_groups"]:
        group["initial_lr"] *= 2
    for _ in range(3):
        optimizer.step()
    optimizer.load_state_dict(state)
    for _ in range(5):
        assert lrs_of(optimizer) == pytest.approx(lrs_of(reference), rel=1e-12)
        optimizer.step()
        reference.step()
    assert [group["initial_lr"] for group in optimizer.param_groups] == [2 * lr for lr in LRS]


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
    "beside a function of a user's": lambda: [lc.Warmup(20), lc.LambdaFactor(lambda step: 1 / (1 + step)), lc.Rex()],
}


def disturbed(make: Any) -> Any:
    class Unsteady(Net):
        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            self.log("train_loss", torch.tensor(float(batch_idx)))  # never better: a reduction each 7 steps
            return (self(batch[0]) - batch[1]).square().mean()

    recorder = fit(*make(), Disturbs(), module=Unsteady(sgd((0.1, 0.03))), batches=BATCHES // 2, max_epochs=3)
    return recorder.lrs[0], recorder.momenta[0]


@pytest.mark.parametrize("rows", [1, 7])
@pytest.mark.parametrize("name", MADE)
def test_values_are_to_the_last_bit_those_of_a_run_that_looks_ahead_as_far_as_it_likes(name, rows, monkeypatch):
    ahead = disturbed(MADE[name])
    monkeypatch.setattr(table, "ROWS", rows)
    assert disturbed(MADE[name]) == ahead
    assert len({tuple(lrs) for lrs in ahead[0]}) > (2 if name == "by epoch" else 40)
