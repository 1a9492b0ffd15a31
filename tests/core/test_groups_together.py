"""Groups whose base LRs differ are worked out together; each must get just what it would get alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from driven import drive, driven, lrs_of
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, fit, native, sgd
from torch.optim import lr_scheduler

from lr_callbacks import (
    SGDR,
    CosineAnnealing,
    CyclicalLR,
    LRCallback,
    OneCycle,
    PolynomialDecay,
    ReduceLROnPlateau,
    Warmup,
    preview,
)
from lr_callbacks.core.param_groups import get_value
from lr_callbacks.core.run_length import RunLength

LRS = [0.1, 0.07, 0.1, 0.0, 0.013, 0.0004]
METRICS = [1.0, 1.0, 1.0, 1.0]


def plateau() -> ReduceLROnPlateau:
    return ReduceLROnPlateau("val_loss", patience=0, factor=0.5, min_lr=0.003)


@pytest.mark.parametrize(
    "make",
    [
        lambda: [CosineAnnealing(eta_min=1e-3)],
        lambda: [CosineAnnealing(eta_min=1e-3, interval="epoch")],
        lambda: [SGDR(7, eta_min=1e-3, cycle_warmup=2)],
        lambda: [SGDR(7, eta_min=1e-2, cycle_decay=0.3)],
        lambda: [PolynomialDecay(power=2.0, end_lr=1e-3)],
        lambda: [OneCycle(anneal_strategy="linear")],
        lambda: [OneCycle(anneal_strategy="linear", three_phase=True)],
        lambda: [plateau()],
        lambda: [Warmup(6), SGDR(7, eta_min=1e-3), plateau()],
        lambda: [Warmup(6), PolynomialDecay(end_lr=1e-3, start=0), SGDR(5, eta_min=1e-3, start=0)],
    ],
)
def test_the_lrs_of_a_group_are_bit_for_bit_those_that_it_would_have_alone(make: object) -> None:
    together = preview(make(), LRS, 40, 10, metrics=METRICS)
    for group, lr in enumerate(LRS):
        alone = preview(make(), lr, 40, 10, metrics=METRICS)
        assert torch.equal(together[:, group], alone[:, 0])


@pytest.mark.parametrize(
    ("ours", "torchs"),
    [
        (
            lambda: OneCycle(anneal_strategy="linear"),
            lambda o: lr_scheduler.OneCycleLR(o, [0.1, 0.0004], total_steps=30, anneal_strategy="linear"),
        ),
        (lambda: CosineAnnealing(eta_min=1e-4), lambda o: lr_scheduler.CosineAnnealingLR(o, 30, eta_min=1e-4)),
        (lambda: SGDR(7, eta_min=1e-4), lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 7, eta_min=1e-4)),
    ],
)
def test_two_groups_of_different_lrs_equal_torch_in_a_trainer(ours, torchs):
    lrs, momenta = native(torchs, 30, sgd((0.1, 0.0004)))
    run = fit(ours(), module=Net(sgd((0.1, 0.0004))), batches=30)
    for step in range(30):
        assert run.lrs[0][step] == pytest.approx(lrs[step], rel=1e-12, abs=0)
        assert run.momenta[0][step] == pytest.approx(momenta[step], rel=1e-12, abs=0)


@pytest.mark.parametrize("callback", [CosineAnnealing(eta_min=1e-4), OneCycle(), SGDR(5, eta_min=1e-4), plateau()])
def test_the_plan_gives_the_lrs_of_each_group_of_different_lrs(callback: LRCallback, caplog):
    fit(callback, module=Net(sgd((0.1, 0.02))), batches=30, val=True)
    assert "group 0: LR" in caplog.text
    assert "group 1: LR" in caplog.text


def test_a_plan_of_many_groups_does_not_list_them_all(caplog):
    def many(parts):
        return torch.optim.SGD([{"params": [p], "lr": 0.1 * (1 + i)} for i, p in enumerate(_parameters(parts, 30))])

    fit(CosineAnnealing(eta_min=1e-4), module=Net(many), batches=3)
    assert "... and 26 more groups" in caplog.text
    assert "group 29" not in caplog.text


def test_the_momentum_of_a_cycle_is_that_of_its_lr_though_both_come_from_one_evaluation():
    run = fit(CyclicalLR(base_lr=0.02, step_size_up=4), module=Net(sgd((0.1,))), batches=20)
    expected = native(lambda o: lr_scheduler.CyclicLR(o, 0.02, 0.1, step_size_up=4), 20, sgd((0.02,)))
    assert run.of_group() == pytest.approx([lr[0] for lr in expected[0]], rel=1e-12)
    assert [m[0] for m in run.momenta[0]] == pytest.approx([m[0] for m in expected[1]], rel=1e-12)


def _parameters(parts, number):
    parameters = [parameter for part in parts for parameter in part.parameters()]
    return parameters + [torch.nn.Parameter(torch.zeros(1)) for _ in range(number - len(parameters))]


class Floored(LRCallback):
    """A schedule as a user may write it, with a floor that is another factor in each group."""

    def factors(self, t, time, groups):
        return np.maximum(groups.factor_of(1e-3), 1 - t / 20)


def test_a_schedule_of_ones_own_with_an_absolute_lr_goes_to_it_in_each_group():
    lrs = preview([Floored()], [0.1, 0.02, 0.1], 40)
    for step in range(40):
        expected = [max(1e-3, lr * (1 - step / 20)) for lr in (0.1, 0.02, 0.1)]
        assert lrs[step].tolist() == pytest.approx(expected, rel=1e-12)


FLOORED = [
    CosineAnnealing(eta_min=1e-3, total_steps=40),
    OneCycle(anneal_strategy="linear", total_steps=40),
    Warmup(40),
]


RUN = RunLength(40, ((0, 10),))


@pytest.mark.parametrize("callback", FLOORED)
def test_a_tensor_that_takes_the_place_of_an_lr_in_mid_training_stays_and_is_filled(callback):
    optimizer, _ = driven([callback], LRS, run=RUN)
    reference, _ = driven([callback], LRS, run=RUN)
    for step in range(40):
        if step == 5:
            put = torch.tensor(optimizer.param_groups[1]["lr"], dtype=torch.float64)
            optimizer.param_groups[1]["lr"] = put
        optimizer.step()
        reference.step()
        assert lrs_of(optimizer) == lrs_of(reference)
        assert step < 5 or optimizer.param_groups[1]["lr"] is put
        assert all(type(group["lr"]) is float for group in optimizer.param_groups[2:])


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
def test_momentum_moves_in_the_groups_that_have_one_and_nowhere_else(kind):
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.1 * (1 + i)} for i in range(4)]
    if kind is torch.optim.SGD:
        for group, momentum in zip(groups, (0.9, 0.0, 0.8, 0.0), strict=True):
            group["momentum"] = momentum
    optimizer, controller = drive(kind(groups), [OneCycle(anneal_strategy="linear")], run=RUN)
    seen = []
    for _ in range(40):
        optimizer.step()
        seen.append([get_value(group, "momentum") for group in optimizer.param_groups])
    still = (1, 3) if kind is torch.optim.SGD else ()
    for place in range(4):
        values = [of_step[place] for of_step in seen]
        assert values == ([None] * 40 if place in still else [of_step[0] for of_step in seen])
    assert min(of_step[0] for of_step in seen) == pytest.approx(0.85)
    controller.end()
    assert [get_value(group, "momentum") for group in optimizer.param_groups] == (
        [0.9, None, 0.8, None] if kind is torch.optim.SGD else [0.9] * 4
    )


@pytest.mark.parametrize("callback", FLOORED)
def test_a_group_that_is_added_in_mid_training_keeps_its_ratio_to_the_first(callback):
    optimizer, _ = driven([callback], [0.1, 0.3], run=RUN)
    for _ in range(5):
        optimizer.step()
    lr = optimizer.param_groups[0]["lr"] / 4
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr})
    for _ in range(20):
        optimizer.step()
        first, _, added = (group["lr"] for group in optimizer.param_groups)
        assert added == pytest.approx(first / 4, rel=1e-12)


@pytest.mark.parametrize("floor", [0.0, 1e-3])
def test_a_group_that_is_added_before_a_reduction_and_the_next_step_is_taken_up_by_the_reduction(floor):
    callback = ReduceLROnPlateau("val_loss", patience=0, factor=0.5, min_lr=floor)
    optimizer, _ = driven([callback], [0.1, 0.02], run=RUN)
    optimizer.step()
    callback.judge(1.0)
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.3})
    callback.judge(1.0)
    optimizer.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.05, 0.01, 0.3])
    callback.judge(1.0)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.025, 0.005, 0.15])


class Sunk(LRCallback):
    """A schedule whose factor is below 0 in groups of a small LR."""

    def factors(self, t, time, groups):
        return 1 - np.full(t.shape, 1.0) * groups.factor_of(0.05)


def test_a_factor_below_0_is_refused_in_whatever_group_it_is():
    with pytest.raises(MisconfigurationException, match=r"a factor must be finite and at least 0, got -1\.5"):
        fit(Sunk(), module=Net(sgd((0.1, 0.02))), batches=2)
