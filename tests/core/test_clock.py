"""The clock counts real optimizer steps, and the length of the run is known or said to be unknown."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import GradientAccumulationScheduler, StochasticWeightAveraging
from lightning.pytorch.plugins import MixedPrecision
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, Recorder, fit, loader, sgd, trainer
from torch import nn
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, IterableDataset

from lr_callbacks import SGDR, ExponentialDecay, OneCycle, ReduceLROnPlateau, Warmup
from lr_callbacks.schedules import one_cycle_factor, sgdr_factor, warmup_factor

pytestmark = pytest.mark.oldest


class Overflowing(Net):
    """The gradients of the batches given are infinite, as fp16 makes them at times."""

    def __init__(self, bad: set[int], optimizer: Any = None) -> None:
        super().__init__(optimizer or sgd((0.1,)))
        self.bad = bad

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        loss = super().training_step(batch, batch_idx)
        return loss * torch.inf if batch_idx in self.bad else loss


@pytest.mark.needs(torch="2.3")
@pytest.mark.parametrize("fused", [False, True])
def test_steps_that_fp16_skips_do_not_advance_the_schedule(fused):
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0, growth_interval=10**6)
    precision = MixedPrecision("16-mixed", "cpu", scaler=scaler)
    module = Overflowing({2, 3, 6}, lambda parts: torch.optim.SGD(parts[0].parameters(), lr=0.1, fused=fused))
    callback = SGDR(5)
    seen = []

    class Look(Recorder):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            seen.append(callback.current_lr)

    fit(callback, Look(), module=module, batches=10, plugins=[precision])
    steps, expected = 0, []
    for batch in range(10):
        steps += batch not in module.bad
        expected.append(0.1 * sgdr_factor(steps, T_0=5))
    assert seen == pytest.approx(expected, rel=1e-12)


def test_accumulation_that_changes_over_the_epochs_is_counted_right():
    """Lightning's own estimate is 4 * 10 = 40 steps here."""
    schedule = GradientAccumulationScheduler({0: 5, 2: 1})
    recorder = fit(OneCycle(), schedule, module=Net(sgd((0.1,))), batches=10, max_epochs=4)
    assert recorder.of_group() == pytest.approx([0.1 * one_cycle_factor(t, total_steps=24) for t in range(24)])
    recorder = fit(Warmup("3 epochs"), GradientAccumulationScheduler({0: 5, 2: 1}), batches=10, max_epochs=4)
    assert recorder.of_group().index(0.1) == 14


@pytest.mark.parametrize(
    ("kwargs", "steps"),
    [
        ({"max_epochs": 2}, 20),
        ({"max_steps": 13, "max_epochs": -1}, 13),
        ({"max_steps": 13, "max_epochs": 5}, 13),
        ({"max_epochs": 2, "accumulate_grad_batches": 3}, 8),
        ({"max_epochs": 2, "limit_train_batches": 4}, 8),
        ({"max_epochs": 2, "limit_train_batches": 0.5}, 10),
        ({"max_epochs": 2, "overfit_batches": 3}, 6),
        ({"fast_dev_run": 1}, 1),
        ({"fast_dev_run": 5}, 5),
        ({"max_epochs": 2, "precision": "bf16-mixed"}, 20),
    ],
    ids=str,
)
def test_a_one_cycle_ends_with_the_run(kwargs, steps):
    recorder = fit(OneCycle(), module=Net(sgd((0.1,))), batches=10, **kwargs)
    assert recorder.of_group() == pytest.approx([0.1 * one_cycle_factor(t, total_steps=steps) for t in range(steps)])


class Endless(IterableDataset[Any]):
    def __init__(self, length: int | None = None) -> None:
        self.length = length

    def __iter__(self) -> Any:
        for number in range(self.length or 10**9):
            yield torch.full((4,), float(number % 3)), torch.zeros(1)


def fit_iterable(*callbacks: Any, length: int | None = None, **kwargs: Any) -> Recorder:
    recorder = Recorder()
    quiet = trainer(*callbacks, recorder, limit_val_batches=0, **kwargs)
    quiet.fit(Net(sgd((0.1,))), DataLoader(Endless(length), batch_size=2))
    return recorder


def test_an_unsized_loader_needs_max_steps_or_a_length_in_steps():
    expected = [0.1 * one_cycle_factor(t, total_steps=7) for t in range(7)]
    assert fit_iterable(OneCycle(), max_steps=7).of_group() == pytest.approx(expected)
    assert fit_iterable(OneCycle(total_steps=7), max_epochs=1, length=14).of_group() == pytest.approx(expected)
    assert fit_iterable(OneCycle(), max_epochs=1, limit_train_batches=7).of_group() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("callback", "kwargs", "message"),
    [
        (OneCycle(), {"max_epochs": 2}, r"OneCycle: total_steps is not given .* train dataloader has no length"),
        (
            Warmup("5%"),
            {"max_epochs": 2},
            r"Warmup: duration='5%' needs the length of the run, which is not known here",
        ),
        (SGDR("2 epochs"), {"max_steps": 9}, r"SGDR: T_0='2 epochs' needs the length of an epoch"),
        (
            SGDR("2 epochs"),
            {"max_steps": 9},
            r"Ways out: give the length in optimizer steps \(500\), set Trainer\(max_steps",
        ),
    ],
)
def test_a_length_that_nobody_can_know_is_an_error_with_the_ways_out(callback, kwargs, message):
    with pytest.raises(MisconfigurationException, match=message):
        fit_iterable(callback, length=20, **kwargs)


def test_a_run_without_end_is_an_error_for_a_schedule_that_needs_one():
    with pytest.raises(MisconfigurationException, match=r"neither max_epochs nor max_steps is set"):
        fit(OneCycle(), max_epochs=-1)


def test_half_a_step_of_an_epoch_is_rounded_up():
    recorder = fit(Warmup("1.5 epochs"), module=Net(sgd((0.1,))), batches=5, max_epochs=2)
    assert recorder.of_group() == pytest.approx([0.1 * warmup_factor(t, duration=8) for t in range(10)])


class Manual(Net):
    def __init__(self, steps_per_batch: int = 1) -> None:
        super().__init__(sgd((0.1,)))
        self.automatic_optimization = False
        self.steps_per_batch = steps_per_batch

    def training_step(self, batch: Any, batch_idx: int) -> None:
        for _ in range(self.steps_per_batch):
            optimizer = self.optimizers()
            optimizer.zero_grad()
            self.manual_backward(super().training_step(batch, batch_idx))
            optimizer.step()


def test_under_manual_optimization_a_one_cycle_ends_with_the_run():
    recorder = fit(OneCycle(), module=Manual(), batches=5, max_epochs=2)
    assert recorder.of_group() == pytest.approx([0.1 * one_cycle_factor(t, total_steps=10) for t in range(10)])


def test_under_manual_optimization_the_steps_of_the_first_epoch_correct_the_length_of_the_run(caplog):
    """One step per batch is assumed until then; the LR waits for the epoch to end, and reaches its end with the run."""
    with caplog.at_level(logging.INFO, logger="lightning.pytorch.utilities.rank_zero"):
        recorder = fit(OneCycle(), module=Manual(steps_per_batch=2), batches=5, max_epochs=2)
    positions = [0, 1, 2, 3, *[4] * 6, *[5 + 0.5 * t for t in range(10)]]
    assert recorder.of_group() == pytest.approx([0.1 * one_cycle_factor(t, total_steps=10) for t in positions])
    assert "took 10 steps in the 5 batches of epoch 0" in caplog.text


def test_an_epoch_in_which_an_optimizer_rests_is_not_taken_for_a_wrong_length():
    class RestsInEverySecondEpoch(Manual):
        def training_step(self, batch: Any, batch_idx: int) -> None:
            self.steps_per_batch = 1 - self.trainer.current_epoch % 2
            super().training_step(batch, batch_idx)

    recorder = fit(SGDR(3), module=RestsInEverySecondEpoch(), batches=3, max_epochs=4)
    assert recorder.of_group() == pytest.approx([0.1 * sgdr_factor(t, T_0=3) for t in range(6)])


def test_an_epoch_that_is_stopped_in_the_middle_is_not_taken_for_a_wrong_length():
    class Stop(Callback):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            trainer.should_stop = trainer.global_step == 8

    recorder = fit(SGDR(3), Stop(), batches=5, max_epochs=4)
    assert len(recorder.lrs[0]) == 8


class StepsItself(Net):
    """Builds a torch scheduler on its optimizer, at once or in the first step, and steps it in each batch."""

    def __init__(self, late: bool) -> None:
        super().__init__(sgd((0.1,)))
        self.late = late

    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        self.scheduler = None if self.late else lr_scheduler.StepLR(optimizer, 1)
        return optimizer

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.scheduler is None:
            self.scheduler = lr_scheduler.StepLR(self.trainer.optimizers[0], 1)
        elif batch_idx > 0:
            self.scheduler.step()
        return super().training_step(batch, batch_idx)


@pytest.mark.parametrize("late", [True, False])
def test_a_native_scheduler_that_lightning_does_not_know_is_named_when_it_writes(late):
    says = (
        r"The LR of group 0 of optimizer 0 \(SGD\) was changed .* by a torch scheduler that was built on the optimizer"
    )
    with pytest.warns(UserWarning, match=says) as told:
        fit(SGDR(30), module=StepsItself(late), batches=6)
    assert sum("by other code" in str(each.message) for each in told) == 1


def test_an_optimizer_without_step_hooks_is_refused_by_name():
    class Wrapper(torch.optim.Optimizer):
        def __init__(self, parameters: Any) -> None:
            self.inner = torch.optim.SGD(parameters, lr=0.1)
            self.param_groups, self.state, self.defaults = (
                self.inner.param_groups,
                self.inner.state,
                self.inner.defaults,
            )

        def step(self, closure: Any = None) -> Any:
            return self.inner.step(closure)

        def zero_grad(self, set_to_none: bool = True) -> None:
            self.inner.zero_grad(set_to_none)

    with pytest.raises(MisconfigurationException, match=r"Wrapper has no step hooks"):
        fit(SGDR(5), module=Net(lambda parts: Wrapper(parts[0].parameters())))


def test_an_optimizer_with_step_hooks_and_without_state_hooks_is_refused_by_name():
    class Lookahead(torch.optim.SGD):
        def register_state_dict_post_hook(self, hook: Any, prepend: bool = False) -> Any:
            raise AttributeError("no such hooks")

    with pytest.raises(MisconfigurationException, match=r"Lookahead has no state hooks .* cannot be kept; derive it"):
        fit(SGDR(5), module=Net(lambda parts: Lookahead(parts[0].parameters(), lr=0.1)))


def test_an_optimizer_that_steps_without_firing_its_hooks_is_an_error_and_not_a_frozen_lr():
    def bypassing(parts: list[nn.Module]) -> torch.optim.Optimizer:
        optimizer = torch.optim.SGD(parts[0].parameters(), lr=0.1)
        optimizer.step = lambda closure=None: closure() if closure else None
        return optimizer

    with pytest.raises(MisconfigurationException, match=r"SGD\) stepped without calling its step hooks"):
        fit(SGDR(5), module=Net(bypassing))


class NativeScheduler(Net):
    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        return [optimizer], [lr_scheduler.StepLR(optimizer, 1)]


def test_a_native_scheduler_is_refused_with_the_line_to_write_instead():
    says = (
        r"StepLR \(returned by .*\) and .* both set the LR of optimizer 0.*TorchScheduler\(torch.*lr_scheduler.StepLR"
    )
    with pytest.raises(MisconfigurationException, match=says):
        fit(Warmup(3), module=NativeScheduler(sgd((0.1,))))


def test_weight_averaging_with_its_own_lr_is_refused():
    with pytest.raises(
        MisconfigurationException,
        match=r"StochasticWeightAveraging \(which anneals to its own swa_lrs\) and SGDR both set",
    ):
        fit(SGDR(3), StochasticWeightAveraging(swa_lrs=0.1))


def test_two_callbacks_that_anneal_to_the_end_are_refused_on_one_group_and_allowed_on_two():
    with pytest.raises(
        MisconfigurationException, match=r"OneCycle\(\) and OneCycle\(max_lr=0.2\) conflict .* each of them anneals"
    ):
        fit(OneCycle(), OneCycle(max_lr=0.2))
    fit(OneCycle(groups=0), OneCycle(max_lr=0.2, groups=1), module=Net(sgd((0.1, 0.2))))


def test_two_callbacks_that_cycle_momentum_on_one_group_are_refused():
    class Second(OneCycle):
        fills_run = False

    with pytest.raises(MisconfigurationException, match=r"each of them sets the momentum \(cycle_momentum=False"):
        fit(OneCycle(), Second())
    fit(OneCycle(), Second(cycle_momentum=False))


BAD_ARGUMENTS: list[tuple[Any, type[Exception], str]] = [
    (
        lambda: Warmup(0.1),
        TypeError,
        r"duration must be an int or a string with a unit, got 0.1. Did you mean '10%' of the run\?",
    ),
    (lambda: Warmup(True), TypeError, r"duration must be an int or a string with a unit, got True"),
    (lambda: Warmup("5 parsecs"), ValueError, r"duration has an unknown unit, got '5 parsecs'; write 500"),
    (lambda: Warmup("120%"), ValueError, r"duration must be at most 100% of the run, got '120%'"),
    (
        lambda: Warmup(-3),
        ValueError,
        r"duration must not be negative, got -3; write 500 \(optimizer steps\), '2 epochs'",
    ),
    (lambda: Warmup("1.5"), ValueError, r"duration must be a whole number of steps, got '1.5'"),
    (
        lambda: Warmup(5, shape="quadratic"),
        ValueError,
        r"shape must be one of 'linear', 'exponential', .* got 'quadratic'",
    ),
    (lambda: Warmup(5, start_factor=-0.5), ValueError, r"start_factor must be at least 0, got -0.5"),
    (lambda: Warmup(5, start_factor="1"), TypeError, r"start_factor must be a number, got '1'"),
    (lambda: Warmup(5, shape="exponential", start_factor=0), ValueError, r"start_factor must be above 0 for the exp"),
    (lambda: Warmup(5, end_factor=0), ValueError, r"end_factor must be above 0, got 0"),
    (lambda: Warmup(5, optimizer=-1), ValueError, r"optimizer must be at least 0, got -1"),
    (lambda: Warmup(5, groups=[]), ValueError, r"groups must be an index, a name or a list of them"),
    (lambda: OneCycle(max_lr=0), ValueError, r"max_lr must be above 0 \(None for the optimizer's own LR\), got 0"),
    (lambda: OneCycle(max_lr=float("nan")), ValueError, r"max_lr must be finite, got nan"),
    (lambda: OneCycle(total_steps=0), ValueError, r"total_steps must be positive, got 0"),
    (lambda: OneCycle(total_steps=1.0), TypeError, r"total_steps must be an int or a string with a unit, got 1.0"),
    (lambda: OneCycle(pct_start=1.5), ValueError, r"pct_start must be between 0 and 1, got 1.5"),
    (lambda: OneCycle(pct_start=0.6, three_phase=True), ValueError, r"pct_start must be at most 0.5 with three_phase"),
    (
        lambda: OneCycle(anneal_strategy="cosine"),
        ValueError,
        r"anneal_strategy must be one of 'cos', 'linear', got 'co",
    ),
    (lambda: OneCycle(base_momentum=1.0), ValueError, r"base_momentum must be at least 0 and below 1, got 1.0"),
    (lambda: OneCycle(max_momentum=-0.1), ValueError, r"max_momentum must be at least 0 and below 1, got -0.1"),
    (lambda: OneCycle(div_factor=0), ValueError, r"div_factor must be above 0, got 0"),
    (lambda: OneCycle(final_div_factor=-1), ValueError, r"final_div_factor must be above 0, got -1"),
    (lambda: OneCycle(start="-5%"), ValueError, r"start must not be negative, got '-5%'"),
    (lambda: SGDR(0), ValueError, r"T_0 must be positive, got 0; write 500 \(optimizer steps\)"),
    (lambda: SGDR(5, T_mult=0.5), ValueError, r"T_mult must be at least 1, got 0.5"),
    (lambda: SGDR(5, eta_min=-1), ValueError, r"eta_min must be at least 0, got -1"),
    (lambda: SGDR(5, cycle_decay=0), ValueError, r"cycle_decay must be above 0, got 0"),
    (lambda: SGDR(5, cycle_warmup=0.1), TypeError, r"cycle_warmup must be an int or a string with a unit, got 0.1"),
    (lambda: ReduceLROnPlateau(""), ValueError, r"monitor must be .*, or a list of names, got ''"),
    (lambda: ReduceLROnPlateau("x", mode="low"), ValueError, r"mode must be one of 'min', 'max', got 'low'"),
    (lambda: ReduceLROnPlateau("x", factor=10), ValueError, r"factor must be above 0 and below 1 .*, got 10"),
    (lambda: ReduceLROnPlateau("x", patience=-1), ValueError, r"patience must be at least 0, got -1"),
    (lambda: ReduceLROnPlateau("x", patience=1.5), TypeError, r"patience must be an int, got 1.5"),
    (lambda: ReduceLROnPlateau("x", threshold=-1), ValueError, r"threshold must be at least 0, got -1"),
    (lambda: ReduceLROnPlateau("x", threshold_mode="x"), ValueError, r"threshold_mode must be one of 'rel', 'abs'"),
    (lambda: ReduceLROnPlateau("x", cooldown=-1), ValueError, r"cooldown must be at least 0, got -1"),
    (lambda: ReduceLROnPlateau("x", min_lr=-1), ValueError, r"min_lr must be at least 0, got -1"),
    (lambda: ReduceLROnPlateau("x", eps=-1), ValueError, r"eps must be at least 0, got -1"),
    (lambda: ReduceLROnPlateau("x", every_n_steps=0), ValueError, r"every_n_steps must be at least 1, got 0"),
]


@pytest.mark.parametrize(("build", "error", "message"), BAD_ARGUMENTS, ids=[m[:40] for _, _, m in BAD_ARGUMENTS])
def test_a_bad_argument_is_refused_at_once_with_name_rule_and_value(build, error, message):
    with pytest.raises(error, match=message):
        build()


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (SGDR("1%"), r"SGDR: T_0='1%' is 0 steps of 10 steps, 10 per epoch; make it longer"),
        (SGDR(5, cycle_warmup=5), r"cycle_warmup=5 \(5 steps\) must be shorter than T_0=5 \(5 steps\)"),
        (
            ReduceLROnPlateau("x", min_lr=[0.1]),
            r"min_lr has 1 value, but optimizer 0 \(SGD\) has 2 groups; give one for each",
        ),
        (OneCycle(max_lr=1.0, groups=1), r"max_lr=1.0 cannot scale groups with LRs of 0"),
    ],
)
def test_what_only_the_run_can_show_is_refused_before_the_first_step(callback, message):
    module = Net(sgd((0.1, 0.0)))
    with pytest.raises(MisconfigurationException, match=message):
        fit(callback, module=module)
    assert module.trainer.global_step == 0


class TakesTheSecondStep(Net):
    """Its first batch only adds to the gradients; it decides so in its own ``optimizer_step``."""

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        if batch_idx:
            optimizer.step(closure=optimizer_closure)
        else:
            optimizer_closure()


def test_a_module_that_leaves_out_its_first_step_is_not_taken_for_an_optimizer_without_hooks(caplog):
    with caplog.at_level(logging.INFO, logger="lightning.pytorch.utilities.rank_zero"):
        recorder = fit(SGDR(3), module=TakesTheSecondStep(sgd((0.1,))), batches=4, max_epochs=2)
    assert recorder.of_group() == pytest.approx([0.1 * sgdr_factor(t, T_0=3) for t in range(6)])
    assert "optimizer 0 (SGD) took 3 steps in the 4 batches of epoch 0" in caplog.text


def test_a_module_that_never_lets_its_optimizer_step_is_told_after_the_first_epoch():
    class Never(TakesTheSecondStep):
        def optimizer_step(self, *args: Any, optimizer_closure: Any = None) -> None:
            args[-1]()

    with pytest.warns(UserWarning, match=r"optimizer 0 \(SGD\) did not step in the first epoch"):
        fit(SGDR(3), module=Never(sgd((0.1,))), batches=2, max_epochs=2)


@pytest.mark.parametrize("ends", ["at its end", "by an exception"])
def test_after_a_fit_nothing_of_ours_hangs_on_the_optimizer(ends):
    class Ends(Callback):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            if ends == "by an exception" and trainer.global_step == 3:
                raise RuntimeError("in the middle")

    module, run = Net(sgd((0.1,))), trainer(ExponentialDecay(0.9), Ends(), max_epochs=1)
    if ends == "by an exception":
        with pytest.raises(RuntimeError, match="in the middle"):
            run.fit(module, loader(5))
    else:
        run.fit(module, loader(5))
    (optimizer,) = run.optimizers
    assert [len(hooks) for name, hooks in vars(optimizer).items() if name.endswith("_hooks")] == [0] * 6
    lr = optimizer.param_groups[0]["lr"]
    assert lr == pytest.approx(0.1 * 0.9 ** (3 if ends == "by an exception" else 5))
    optimizer.step()
    assert optimizer.param_groups[0]["lr"] == lr
