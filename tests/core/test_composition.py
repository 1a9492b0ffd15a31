"""Callbacks multiply, whatever their order, each on its own groups and optimizers, after the warm-up."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import BackboneFinetuning
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, Recorder, adam, fit, loader, sgd, trainer
from torch import nn

from lr_callbacks import SGDR, LRCallback, OneCycle, ReduceLROnPlateau, Warmup, WarmupStableDecay
from lr_callbacks.schedules import one_cycle_factor, sgdr_factor, warmup_factor

pytestmark = pytest.mark.oldest


def scripted(*metrics: float, reduce_by: float = 0.5, **kwargs: Any) -> ReduceLROnPlateau:
    return ReduceLROnPlateau("scripted", patience=0, factor=reduce_by, **kwargs)


def test_all_six_orders_of_warmup_sgdr_and_plateau_give_the_product_bit_for_bit():
    traces = []
    for order in itertools.permutations(range(3)):
        callbacks = [Warmup(25), SGDR(7, start=0), scripted(start=0, reduce_by=0.3)]
        module = Net(sgd((0.1, 0.03)), metrics=[1.0, 1.0, 1.0])
        traces.append(fit(*(callbacks[i] for i in order), module=module, batches=10, val=True, max_epochs=3).lrs[0])
    assert all(trace == traces[0] for trace in traces)
    for step, lrs in enumerate(traces[0]):
        reductions = 0.3 ** max(0, step // 10 - 1)  # judged at the end of epochs 0 (first value), 1 (bad), 2 (bad)
        factor = warmup_factor(step, duration=25) * sgdr_factor(step, T_0=7) * reductions
        assert lrs == pytest.approx([0.1 * factor, 0.03 * factor], rel=1e-12, abs=0)


@pytest.mark.parametrize("first", [True, False])
def test_a_schedule_begins_at_the_end_of_the_warmup_of_its_group(first):
    order = [Warmup("25%", start_factor=0.5), OneCycle()]
    recorder = fit(*(order if first else order[::-1]), module=Net(sgd((0.1,))), batches=20)
    ramp = [0.5 + 0.5 * t / 5 for t in range(5)]
    cycle = [one_cycle_factor(t, total_steps=15) for t in range(15)]
    expected = [r * cycle[0] for r in ramp] + cycle
    assert recorder.of_group() == pytest.approx([0.1 * f for f in expected], rel=1e-12)


def test_after_two_warmups_a_schedule_begins_at_the_end_of_the_longer_one():
    recorder = fit(Warmup(10), Warmup(2), SGDR(5), module=Net(sgd((0.1,))), batches=15)
    assert recorder.of_group()[10:] == pytest.approx([0.1 * sgdr_factor(t, T_0=5) for t in range(5)])


def test_start_zero_gives_the_overlapping_product():
    recorder = fit(Warmup(5), SGDR(10, start=0), module=Net(sgd((0.1,))), batches=10)
    expected = [0.1 * warmup_factor(t, duration=5) * sgdr_factor(t, T_0=10) for t in range(10)]
    assert recorder.of_group() == pytest.approx(expected, rel=1e-12)


def test_groups_are_driven_by_index_and_by_name_and_the_others_are_left_alone():
    def named(parts: list[nn.Module]) -> torch.optim.Optimizer:
        return torch.optim.SGD(
            [
                {"params": parts[0].parameters(), "lr": 0.1, "name": "body"},
                {"params": parts[1].parameters(), "lr": 0.2, "name": "head"},
            ]
        )

    recorder = fit(SGDR(5, groups="head"), module=Net(named), batches=10)
    assert recorder.of_group(0) == [0.1] * 10
    assert recorder.of_group(1) == pytest.approx([0.2 * sgdr_factor(t, T_0=5) for t in range(10)], rel=1e-12)
    recorder = fit(Warmup(5, groups=[0]), SGDR(5), module=Net(named), batches=10)
    assert recorder.of_group(0) == pytest.approx(
        [0.1 * warmup_factor(t, duration=5) * sgdr_factor(max(0, t - 5), T_0=5) for t in range(10)], rel=1e-12
    )
    assert recorder.of_group(1) == pytest.approx([0.2 * sgdr_factor(t, T_0=5) for t in range(10)], rel=1e-12)


@pytest.mark.parametrize("groups", ["tail", 2, ["head", 7]])
def test_a_group_that_does_not_exist_is_refused_with_those_that_do(groups):
    with pytest.raises(MisconfigurationException, match=r"in groups= is not a parameter group; SGD has 0, 1"):
        fit(SGDR(5, groups=groups), module=Net(sgd((0.1, 0.2))))


class Gan(LightningModule):
    """Two optimizers under manual optimization; the second steps on every other batch."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.critic = nn.Linear(4, 4), nn.Linear(4, 1)

    def training_step(self, batch: Any, batch_idx: int) -> None:
        first, second = self.optimizers()
        for optimizer in (first, second) if batch_idx % 2 == 0 else (first,):
            loss = self.critic(self.generator(batch[0])).square().mean()
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()

    def configure_optimizers(self) -> Any:
        return [
            torch.optim.Adam(self.generator.parameters(), lr=0.1),
            torch.optim.SGD(self.critic.parameters(), lr=0.2, momentum=0.9),
        ]


def test_two_optimizers_under_manual_optimization_each_follow_their_own_clock():
    recorder = fit(
        SGDR(6, optimizer=0), OneCycle(total_steps=10, optimizer=1), Warmup(3, optimizer=1), module=Gan(), batches=20
    )
    assert recorder.of_group(optimizer=0) == pytest.approx([0.1 * sgdr_factor(t, T_0=6) for t in range(20)], rel=1e-12)
    expected = [0.2 * warmup_factor(t, duration=3) * one_cycle_factor(max(0, t - 3), total_steps=10) for t in range(10)]
    assert recorder.of_group(optimizer=1) == pytest.approx(expected, rel=1e-12)


def test_two_optimizers_under_manual_optimization_each_end_a_schedule_of_the_whole_run_with_it():
    """The second steps on every other batch, which is known after the first epoch."""
    recorder = fit(OneCycle(), module=Gan(), batches=10, max_epochs=3)
    whole = [one_cycle_factor(t, total_steps=30) for t in range(30)]
    assert recorder.of_group(optimizer=0) == pytest.approx([0.1 * factor for factor in whole], rel=1e-12)
    expected = [0.2 * factor for factor in (*whole[:5], *whole[10::2])]
    assert recorder.of_group(optimizer=1) == pytest.approx(expected, rel=1e-12)


def test_an_optimizer_that_does_not_exist_is_refused():
    with pytest.raises(MisconfigurationException, match=r"optimizer=1 does not exist; the module has 1 optimizer"):
        fit(SGDR(5, optimizer=1))


def test_a_group_whose_lr_is_zero_stays_at_zero():
    recorder = fit(SGDR(5, eta_min=0.01), module=Net(sgd((0.1, 0.0))), batches=10)
    assert recorder.of_group(1) == [0.0] * 10
    assert recorder.of_group(0)[1] == pytest.approx(0.01 + 0.09 * sgdr_factor(1, T_0=5))


def test_a_float32_tensor_lr_stays_the_same_object_and_gets_the_value_in_place():
    lr = torch.tensor(0.1)
    module = Net(lambda parts: torch.optim.Adam(parts[0].parameters(), lr=lr, capturable=False, foreach=False))
    recorder = fit(SGDR(5), module=module, batches=5)
    optimizer = module.trainer.optimizers[0]
    assert optimizer.param_groups[0]["lr"] is lr
    assert recorder.of_group() == pytest.approx([0.1 * sgdr_factor(t, T_0=5) for t in range(5)], rel=1e-6)
    assert float(lr) == pytest.approx(0.1)


def test_momentum_is_given_back_at_the_end_and_left_alone_where_there_is_none():
    module = Net(sgd((0.1,)))
    fit(OneCycle(), module=module)
    assert module.trainer.optimizers[0].param_groups[0]["momentum"] == 0.9
    module = Net(adam((0.1,)))
    recorder = fit(OneCycle(), module=module)
    assert module.trainer.optimizers[0].param_groups[0]["betas"] == (0.9, 0.999)
    assert recorder.momenta[0][0] == [0.95]
    recorder = fit(OneCycle(), module=Net(lambda parts: torch.optim.SGD(parts[0].parameters(), lr=0.1)))
    assert set(itertools.chain(*recorder.momenta[0])) == {0.0}


class Crash(Recorder):
    def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
        if trainer.global_step == 4:
            raise RuntimeError("halfway")


def test_after_an_exception_no_hook_is_left_and_the_momentum_is_given_back():
    module = Net(sgd((0.1,)))
    with pytest.raises(RuntimeError, match="halfway"):
        fit(OneCycle(), Crash(), module=module)
    optimizer = module.trainer.optimizers[0]
    assert optimizer.param_groups[0]["momentum"] == 0.9
    lr = optimizer.param_groups[0]["lr"]
    optimizer.step()
    assert optimizer.param_groups[0]["lr"] == lr


class Backboned(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.head = nn.Linear(4, 4), nn.Linear(4, 1)

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return (self.head(self.backbone(batch[0])) - batch[1]).square().mean()

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.head.parameters(), lr=0.1)


def half(epoch: int) -> float:
    return 1.0


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("eta_min", [0.0, 0.001])
def test_backbone_finetuning_in_the_middle_of_a_cosine_keeps_the_asked_ratio_at_every_step(first, eta_min):
    finetuning = BackboneFinetuning(2, lambda_func=half, backbone_initial_ratio_lr=0.1, should_align=False)
    ours = SGDR("100%", eta_min=eta_min)
    module = Backboned()
    recorder = fit(*([ours, finetuning] if first else [finetuning, ours]), module=module, batches=5, max_epochs=3)
    lrs = recorder.lrs[0]
    assert [len(step) for step in lrs] == [1] * 10 + [2] * 5
    for step, groups in enumerate(lrs):
        expected = eta_min + (0.1 - eta_min) * sgdr_factor(step, T_0=15)
        assert groups[0] == pytest.approx(expected, rel=1e-12)
        assert len(groups) == 1 or groups[1] / groups[0] == pytest.approx(0.1, rel=1e-9)


def test_lrs_that_backbone_finetuning_rewrites_are_taken_over():
    def double(epoch: int) -> float:
        return 2.0

    finetuning = BackboneFinetuning(1, lambda_func=double, backbone_initial_ratio_lr=0.1, should_align=False)
    recorder = fit(Warmup(3), finetuning, module=Backboned(), batches=5, max_epochs=4)
    assert recorder.of_group(0)[5:] == [0.1] * 15
    assert recorder.of_group(1) == pytest.approx([0.01] * 5 + [0.02] * 5 + [0.04] * 5)


class Meddler(Recorder):
    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch > 0:
            trainer.optimizers[0].param_groups[0]["lr"] = 7.0


def test_an_lr_that_somebody_else_writes_is_told_once_with_both_values():
    with pytest.warns(UserWarning, match=r"The LR of group 0 .* was changed from 0.1 to 7 by other code") as told:
        recorder = fit(Warmup(1), Meddler(), module=Net(sgd((0.1,))), batches=4, max_epochs=3)
    assert len([w for w in told if "by other code" in str(w.message)]) == 1
    assert recorder.of_group() == pytest.approx([0.1 / 3, 0.1, 0.1, 0.1, 7.0, 0.1, 0.1, 0.1, 7.0, 0.1, 0.1, 0.1])


def test_the_plan_names_each_callback_with_the_steps_that_it_covers(caplog):
    import logging

    with caplog.at_level(logging.INFO, logger="lightning.pytorch.utilities.rank_zero"):
        fit(Warmup("10%"), SGDR("5 epochs"), batches=50, max_epochs=9)
    plan = next(r.message for r in caplog.records if r.message.startswith("LR plan"))
    assert "450 steps, 50 per epoch" in plan
    assert "Warmup 0-45" in plan
    assert "SGDR from 45" in plan
    assert "LR 0.0333 at step 0, 0.1 at step 45" in plan


@pytest.mark.parametrize(
    ("callbacks", "said"),
    [
        ([Warmup(2), OneCycle()], True),
        ([OneCycle()], False),
        ([Warmup(2), WarmupStableDecay(2, 4)], True),
        ([Warmup(2), WarmupStableDecay(0, 4)], False),
        ([Warmup(2, groups=[1]), OneCycle(groups=[0])], False),
    ],
)
def test_the_plan_says_that_a_warm_up_precedes_another(callbacks, said, caplog):
    with caplog.at_level("INFO", logger="lightning.pytorch.utilities.rank_zero"):
        fit(*callbacks, module=Net(sgd((0.1, 0.2))), batches=10)
    name = type(callbacks[-1]).__name__
    assert (f"{name} has a warm-up of its own, so there are two; remove Warmup unless" in caplog.text) is said


def test_each_callback_tells_its_current_lr_and_phase():
    seen = []

    class Ask(Recorder):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            seen.append((sgdr.current_lr, warmup.phase, sgdr.phase))

    warmup, sgdr = Warmup(2), SGDR(3)
    recorder = fit(Ask(), warmup, sgdr, batches=6)
    assert [lr for lr, _, _ in seen][:-1] == recorder.of_group()[1:]
    assert [(w, s) for _, w, s in seen] == [
        ("warm-up", "waiting"),
        ("done", "cycle 1"),
        ("done", "cycle 1"),
        ("done", "cycle 1"),
        ("done", "cycle 2"),
        ("done", "cycle 2"),
    ]
    assert warmup.current_lr is None
    assert warmup.phase is None


def test_a_callback_touches_nothing_when_it_is_built_and_keeps_its_arguments():
    groups = ["head"]
    callback = SGDR("2 epochs", T_mult=2, groups=groups)
    fit(SGDR(3), callback if False else Warmup(1))
    assert callback.groups == groups == ["head"]
    assert repr(callback) == "SGDR(T_0='2 epochs', T_mult=2, groups=['head'])"


def test_one_callback_object_serves_two_trainers():
    callback = OneCycle()
    first = fit(callback, module=Net(sgd((0.1,))), batches=10)
    second = fit(callback, module=Net(sgd((0.1,))), batches=20)
    assert second.of_group() == pytest.approx([0.1 * one_cycle_factor(t, total_steps=20) for t in range(20)])
    assert first.of_group() == pytest.approx([0.1 * one_cycle_factor(t, total_steps=10) for t in range(10)])


def test_an_optimizer_object_that_an_earlier_fit_has_annealed_starts_from_its_configured_lr(caplog):
    import logging

    module = Net()
    optimizer = sgd((0.1,))([module.body, module.head])
    module.make_optimizer = lambda parts: optimizer
    first = fit(OneCycle(), module=module)
    assert optimizer.param_groups[0]["lr"] < 1e-6
    with caplog.at_level(logging.INFO, logger="lightning.pytorch.utilities.rank_zero"):
        second = fit(OneCycle(), module=module)
    assert second.of_group() == first.of_group()
    assert "configured LR 0.1 is the base LR again" in caplog.text
    optimizer.param_groups[0]["lr"] = 0.5  # a user's own decision between two fits is believed
    assert max(fit(OneCycle(), module=module).of_group()) == pytest.approx(0.5 * max(first.of_group()) / 0.1)


def test_a_second_fit_of_one_trainer_goes_on_from_the_global_step_and_says_so(caplog):
    import logging

    module, recorder = Net(sgd((0.1,))), Recorder()
    t = trainer(SGDR(7), recorder, max_epochs=1, limit_val_batches=0)
    t.fit(module, loader(10))
    t.fit_loop.max_epochs = 2
    with caplog.at_level(logging.INFO, logger="lightning.pytorch.utilities.rank_zero"):
        t.fit(module, loader(10))
    assert recorder.of_group() == pytest.approx([0.1 * sgdr_factor(t, T_0=7) for t in range(10, 20)], rel=1e-12)
    assert "resumed at step 10" in caplog.text


class CriticFirst(Gan):
    """The optimizer that no callback drives steps before the one that they drive."""

    def training_step(self, batch: Any, batch_idx: int) -> None:
        for optimizer in self.optimizers()[::-1] if batch_idx else self.optimizers()[1:]:
            optimizer.zero_grad()
            self.manual_backward(self.critic(self.generator(batch[0])).square().mean())
            optimizer.step()


def test_an_optimizer_that_is_not_driven_may_step_before_the_one_that_is():
    recorder = fit(Warmup(2, optimizer=0), module=CriticFirst(), batches=4)
    assert recorder.of_group(optimizer=0) == pytest.approx([0.1 / 3, 0.2 / 3, 0.1])
    assert recorder.of_group(optimizer=1) == [0.2] * 4


def test_groups_that_nobody_drives_belong_to_the_user():
    class Mine(Recorder):
        def on_train_batch_start(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            trainer.optimizers[0].param_groups[1]["lr"] = 0.5 + trainer.global_step

    recorder = fit(Warmup(2, groups=0), Mine(), module=Net(sgd((0.1, 0.2))), batches=4)
    assert recorder.of_group(1) == [0.5, 1.5, 2.5, 3.5]


def test_a_tensor_lr_that_torch_shares_between_groups_is_given_to_each_where_only_one_is_driven():
    def shared(parts: list[nn.Module]) -> torch.optim.Optimizer:
        return torch.optim.Adam([{"params": part.parameters()} for part in parts], lr=torch.tensor(0.1), foreach=False)

    recorder = fit(Warmup(4, start_factor=0.0, groups=0), module=Net(shared), batches=5)
    assert recorder.of_group(0) == pytest.approx([0.0, 0.025, 0.05, 0.075, 0.1], rel=1e-6)
    assert recorder.of_group(1) == pytest.approx([0.1] * 5, rel=1e-6)


def test_a_tensor_beta_that_groups_share_is_cycled_only_where_a_schedule_cycles_it():
    def shared(parts: list[nn.Module]) -> torch.optim.Optimizer:
        groups = [{"params": part.parameters()} for part in parts]
        return torch.optim.Adam(groups, lr=0.1, betas=(torch.tensor(0.9), torch.tensor(0.99)), foreach=False)

    recorder = fit(OneCycle(groups=0), module=Net(shared), batches=8)
    assert min(momenta[0] for momenta in recorder.momenta[0]) < 0.86
    assert [momenta[1] for momenta in recorder.momenta[0]] == pytest.approx([0.9] * 8)


def test_a_group_that_is_added_with_lr_zero_is_told():
    finetuning = BackboneFinetuning(1, lambda_func=half, backbone_initial_ratio_lr=0.1, should_align=False)
    with pytest.warns(UserWarning, match=r"Group 1 was added to optimizer 0 \(SGD\) with LR 0 and stays there"):
        fit(SGDR(5, cycle_warmup=2), finetuning, module=Backboned(), batches=5, max_epochs=2)


def test_a_state_loaded_by_hand_brings_back_its_configured_lr_unless_the_user_sets_another(caplog):
    import logging

    first = Net(adam((0.1,)))
    fit(OneCycle(), module=first)
    state = first.trainer.optimizers[0].state_dict()

    class Loaded(Net):
        lr: float | None = None

        def configure_optimizers(self) -> Any:
            optimizer = super().configure_optimizers()
            optimizer.load_state_dict(state)
            if self.lr is not None:
                optimizer.param_groups[0]["lr"] = self.lr
            return optimizer

    with caplog.at_level(logging.INFO, logger="lightning.pytorch.utilities.rank_zero"):
        recorder = fit(Warmup(1), module=Loaded(adam((0.1,))), batches=3)
    assert recorder.of_group()[1:] == [0.1, 0.1]
    assert recorder.momenta[0] == [[0.9]] * 3
    assert "configured LR 0.1 is the base LR again" in caplog.text
    mine = Loaded(adam((0.1,)))
    mine.lr = 0.001
    assert fit(Warmup(1), module=mine, batches=3).of_group()[1:] == [0.001, 0.001]


def test_a_state_of_the_middle_of_a_cycle_that_is_loaded_by_hand_brings_back_the_configured_momentum():
    class Keep(Recorder):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            if trainer.global_step == 4:
                self.state = copy.deepcopy(trainer.optimizers[0].state_dict())

    class Loads(Net):
        def configure_optimizers(self) -> Any:
            optimizer = super().configure_optimizers()
            optimizer.load_state_dict(keep.state)
            return optimizer

    keep, module = Keep(), Loads(sgd((0.1,)))
    first = fit(OneCycle(), keep, module=Net(sgd((0.1,))), batches=8)
    again = fit(OneCycle(), module=module, batches=8)
    assert keep.state["param_groups"][0]["momentum"] < 0.9
    assert again.momenta[0] == first.momenta[0]
    assert module.trainer.optimizers[0].param_groups[0]["momentum"] == 0.9


@pytest.mark.parametrize("removed", [0, 1])
def test_a_group_that_is_removed_in_mid_training_leaves_the_other_on_its_way(removed):
    class Remove(Recorder):
        def on_train_batch_start(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            if trainer.global_step == 2:
                del trainer.optimizers[0].param_groups[removed]

    recorder = fit(SGDR(5, eta_min=0.01), Remove(), module=Net(sgd((0.1, 0.2))), batches=5)
    lr = (0.2, 0.1)[removed]
    left = [lrs[1 - removed if step < 2 else 0] for step, lrs in enumerate(recorder.lrs[0])]
    assert left == pytest.approx([0.01 + (lr - 0.01) * sgdr_factor(t, T_0=5) for t in range(5)])


@pytest.mark.parametrize("replaced", [slice(1, 2), slice(None)], ids=["one of two groups", "all groups"])
@pytest.mark.parametrize("low", [0.0, 0.01])
def test_groups_that_take_the_places_of_others_in_mid_training_go_on_from_the_lrs_that_they_come_with(low, replaced):
    class Regroup(Recorder):
        def on_train_batch_start(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            if trainer.global_step == 2:
                optimizer = trainer.optimizers[0]
                gone = optimizer.param_groups[replaced]
                del optimizer.param_groups[replaced]
                for group in gone:
                    optimizer.add_param_group({"params": group["params"], "lr": 0.5 * group["lr"]})

    recorder = fit(SGDR(5, eta_min=low), Regroup(), module=Net(sgd((0.1, 0.2))), batches=5)
    for group, base in enumerate((0.1, 0.2)):
        share = 0.5 if group in range(2)[replaced] else 1.0
        reference = 0.1 if share == 0.5 else base
        factors = [sgdr_factor(t, T_0=5, eta_min=low / (base if t < 2 else reference)) for t in range(5)]
        now = sgdr_factor(2, T_0=5, eta_min=low / base) / factors[2] * share * base
        assert recorder.of_group(group) == pytest.approx([f * (base if t < 2 else now) for t, f in enumerate(factors)])


def test_a_state_that_is_loaded_in_mid_training_takes_the_clock_back():
    class Rewind(Recorder):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            if trainer.global_step == 2:
                self.state = trainer.optimizers[0].state_dict()
            if trainer.global_step == 4:
                trainer.optimizers[0].load_state_dict(self.state)

    recorder = fit(SGDR(6), Rewind(), module=Net(sgd((0.1,))), batches=6)
    assert recorder.of_group() == pytest.approx([0.1 * sgdr_factor(t, T_0=6) for t in (0, 1, 2, 3, 2, 3)])


def test_a_state_of_before_the_first_step_that_is_loaded_in_mid_training_takes_the_clock_back_to_zero():
    class BackToTheBeginning(Recorder):
        def on_train_batch_start(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            if trainer.global_step == 0:
                self.state = trainer.optimizers[0].state_dict()
            if trainer.global_step == 4:
                trainer.optimizers[0].load_state_dict(self.state)

    recorder = fit(SGDR(6), BackToTheBeginning(), module=Net(sgd((0.1,))), batches=6)
    assert recorder.of_group() == pytest.approx([0.1 * sgdr_factor(t, T_0=6) for t in (0, 1, 2, 3, 0, 1)])


def test_a_state_without_anything_of_ours_that_is_loaded_in_mid_training_changes_neither_clock_nor_base_lr():
    class LoadsAForeignState(Recorder):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            if trainer.global_step == 4:
                trainer.optimizers[0].load_state_dict(pl_module.configure_optimizers().state_dict())

    recorder = fit(SGDR(6), LoadsAForeignState(), module=Net(sgd((0.1,))), batches=6)
    assert recorder.of_group() == pytest.approx([0.1 * sgdr_factor(t, T_0=6) for t in range(6)])


class Adds(Recorder):
    """Adds a group with LR 0.05 before a step."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def on_train_batch_start(self, trainer: Any, pl_module: Any, *args: Any) -> None:
        if trainer.global_step == self.step:
            group = {"params": [nn.Parameter(torch.zeros(1))], "lr": 0.05}
            trainer.optimizers[0].add_param_group(group)


def test_a_group_that_is_added_where_the_factor_is_zero_has_its_own_lr_as_its_base():
    recorder = fit(Warmup(4, start_factor=0.0), Adds(0), module=Net(sgd((0.1,))), batches=6)
    assert recorder.of_group(1) == pytest.approx([0.05, 0.0125, 0.025, 0.0375, 0.05, 0.05])


def test_a_group_that_is_added_beside_groups_of_several_schedules_follows_that_of_all():
    callbacks = [Warmup(4, start_factor=0.2), SGDR(5, groups=0, start=0)]
    recorder = fit(*callbacks, Adds(2), module=Net(sgd((0.1, 0.2))), batches=6)
    assert recorder.of_group(1) == pytest.approx([0.04, 0.08, 0.12, 0.16, 0.2, 0.2])
    assert recorder.of_group(2) == pytest.approx([0.05 * share / 0.6 for share in (0.6, 0.8, 1.0, 1.0)])


def test_an_optimizer_that_is_replaced_in_mid_training_is_an_error():
    class Replace(Recorder):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            trainer.strategy.optimizers = [pl_module.configure_optimizers()]

    with pytest.raises(
        MisconfigurationException, match=r"SGD has replaced an optimizer in the middle of the fit, so its LR"
    ):
        fit(SGDR(5), Replace(), batches=2, max_epochs=2)


def test_one_object_twice_in_the_list_is_refused():
    callback = Warmup(3)
    with pytest.raises(MisconfigurationException, match=r"Warmup\(duration=3\) appears twice"):
        fit(callback, callback)


def test_a_subclass_that_forgets_to_call_super_does_not_silence_the_others():
    class Forgetful(Warmup):
        def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
            pass

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            pass

    recorder = fit(Forgetful(2), SGDR(4, start=0), module=Net(sgd((0.1,))), batches=4)
    expected = [0.1 * warmup_factor(t, duration=2) * sgdr_factor(t, T_0=4) for t in range(4)]
    assert recorder.of_group() == pytest.approx(expected)


@pytest.mark.parametrize("factor", [-1.0, float("nan"), float("inf")])
def test_a_factor_that_no_schedule_may_have_is_refused(factor):
    class Wrong(LRCallback):
        def factors(self, t: Any, time: Any, groups: Any) -> Any:
            return np.full_like(t, factor, dtype=float)

    with pytest.raises(MisconfigurationException, match=r"Wrong\(\): a factor must be finite and at least 0"):
        fit(Wrong())


@pytest.mark.needs(torch="2.4")
def test_a_compiled_step_with_a_tensor_lr_is_compiled_as_often_with_a_schedule_as_without():
    import torch._dynamo
    from torch._dynamo.testing import CompileCounter

    counts = []
    for callbacks in ([], [Warmup(4)]):
        torch._dynamo.reset()
        counter = CompileCounter()

        def compiled(parts: list[nn.Module], counter: Any = counter) -> torch.optim.Optimizer:
            optimizer = torch.optim.SGD(parts[0].parameters(), lr=torch.tensor(0.1), foreach=False)
            step = torch.compile(optimizer.step, backend=counter, dynamic=False)
            optimizer.step = lambda closure=None: (closure() if closure else None, step())[0]  # type: ignore[method-assign]
            return optimizer

        fit(*callbacks, module=Net(compiled), batches=8)
        counts.append(counter.frame_count)
    assert counts[0] == counts[1]
    assert counts[0] >= 1
