"""A module that brings its own scheduler and cannot be edited: ReplaceSchedulers among the callbacks, and it trains."""

import functools
import re
import warnings
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, fit, loader, native, sgd, trainer
from torch.optim import lr_scheduler

from lr_callbacks import (
    LRMonitor,
    LRRangeTest,
    OneCycle,
    ReduceLROnPlateau,
    ReplaceSchedulers,
    StepDecay,
    TorchScheduler,
    Warmup,
    lr_range_test,
    preview,
)

STEP = functools.partial(lr_scheduler.StepLR, step_size=2, gamma=0.5)
OURS = preview([Warmup(3), OneCycle()], 0.1, total_steps=10)[:, 0].tolist()


class Packaged(Net):
    """Somebody's module: its optimizer and scheduler in the form that is asked for."""

    def __init__(self, form="list", scheduler=STEP, optimizer=None):
        super().__init__(optimizer)
        self.form, self.make_scheduler = form, scheduler

    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        scheduler = self.make_scheduler(optimizer)
        config = {"scheduler": scheduler, "interval": "step", "monitor": "train_loss"}
        return {
            "list": ([optimizer], [scheduler]),
            "configs": ([optimizer], [config]),
            "dict": {"optimizer": optimizer, "lr_scheduler": config},
            "bare dict": {"optimizer": optimizer, "lr_scheduler": scheduler, "monitor": "train_loss"},
            "tuple": ({"optimizer": optimizer, "lr_scheduler": config},),
        }[self.form]


FORMS = ("list", "configs", "dict", "bare dict", "tuple")
NATIVE = {
    "StepLR": STEP,
    "LinearLR": functools.partial(lr_scheduler.LinearLR, total_iters=5),
    "LambdaLR": functools.partial(lr_scheduler.LambdaLR, lr_lambda=lambda step: 1 / (step + 2)),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.ConstantLR(o, 0.1, 3), lr_scheduler.ExponentialLR(o, 0.9)], [3]
    ),
    "ReduceLROnPlateau": functools.partial(lr_scheduler.ReduceLROnPlateau, patience=0),
    "OneCycleLR": functools.partial(lr_scheduler.OneCycleLR, max_lr=3.0, total_steps=50),
    "CyclicLR": functools.partial(lr_scheduler.CyclicLR, base_lr=1e-3, max_lr=2.0, max_momentum=0.99),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("first", [True, False])
def test_every_form_trains_under_our_schedules_and_nothing_else(form, first):
    callbacks = [Warmup(3), OneCycle()]
    seen = fit(
        *([ReplaceSchedulers(), *callbacks] if first else [*callbacks, ReplaceSchedulers()]), module=Packaged(form)
    )
    assert seen.of_group() == pytest.approx(OURS, rel=1e-12)


@pytest.mark.parametrize("name", NATIVE)
def test_the_optimizer_is_as_it_was_before_its_scheduler_was_built(name):
    form = "dict" if name == "ReduceLROnPlateau" else "list"
    seen = fit(StepDecay(5, gamma=0.5), ReplaceSchedulers(), module=Packaged(form, NATIVE[name]))
    assert seen.of_group() == [0.1] * 5 + [0.05] * 5
    assert seen.momenta[0] == [[0.9]] * 10


def test_the_groups_of_an_optimizer_keep_their_own_lrs():
    module = Packaged("dict", NATIVE["LinearLR"], sgd((0.1, 0.02)))
    seen = fit(StepDecay(5, gamma=0.5), ReplaceSchedulers(), module=module)
    assert seen.lrs[0] == [[0.1, 0.02]] * 5 + [[0.05, 0.01]] * 5


def test_lrs_that_a_cycle_has_overwritten_for_good_are_asked_for():
    cycle = functools.partial(lr_scheduler.OneCycleLR, max_lr=[3.0, 1.0], total_steps=50)
    with pytest.raises(MisconfigurationException, match=r"OneCycleLR has over.* ReplaceSchedulers\(lr=\[...\]\)"):
        fit(OneCycle(), ReplaceSchedulers(), module=Packaged("dict", cycle, sgd((0.1, 0.02))))
    module = Packaged("dict", cycle, sgd((0.1, 0.02)))
    seen = fit(StepDecay(5, gamma=0.5), ReplaceSchedulers(lr=(0.1, 0.02)), module=module)
    assert seen.lrs[0][0] == [0.1, 0.02]
    with pytest.raises(MisconfigurationException, match=r"lr has 3 values, but optimizer 0 .* has 2 groups"):
        fit(OneCycle(), ReplaceSchedulers(lr=[1.0, 2.0, 3.0]), module=Packaged("dict", cycle, sgd((0.1, 0.02))))


@pytest.mark.parametrize("lr", [-1.0, float("nan"), [], "0.1", [0.1, None]])
def test_an_lr_that_is_none_is_refused(lr):
    with pytest.raises((TypeError, ValueError), match="lr must be"):
        ReplaceSchedulers(lr=lr)


def test_the_plan_says_it(caplog):
    with caplog.at_level("INFO"):
        fit(OneCycle(), ReplaceSchedulers(), module=Packaged("list"))
    assert "StepLR(step_size=2, gamma=0.5), returned by configure_optimizers, taken out of the run; base LR 0.1" in (
        caplog.text
    )


class Manual(Packaged):
    """Steps its scheduler itself, and asks it things."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        optimizer, scheduler = self.optimizers(), self.lr_schedulers()
        optimizer.zero_grad()
        self.manual_backward(super().training_step(batch, batch_idx))
        optimizer.step()
        scheduler.step()
        self.log("lr", scheduler.get_last_lr()[0])
        assert scheduler.step_size == 2


def test_a_module_that_steps_its_scheduler_itself_goes_on_doing_so():
    seen = fit(Warmup(3), OneCycle(), ReplaceSchedulers(), module=Manual())
    assert seen.of_group() == pytest.approx(OURS, rel=1e-12)


class Two(Net):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        for optimizer, scheduler in zip(self.optimizers(), self.lr_schedulers(), strict=True):
            optimizer.zero_grad()
            self.manual_backward((self(batch[0]) - batch[1]).square().mean())
            optimizer.step()
            scheduler.step()

    def configure_optimizers(self):
        optimizers = [torch.optim.SGD(part.parameters(), lr=0.1) for part in (self.body, self.head)]
        return optimizers, [STEP(optimizer) for optimizer in optimizers]


def test_of_two_optimizers_the_one_that_nothing_else_drives_keeps_its_scheduler():
    seen = fit(StepDecay(5, gamma=0.5, optimizer=1), ReplaceSchedulers(), module=Two())
    assert seen.of_group(optimizer=0) == pytest.approx([0.1 * 0.5 ** (step // 2) for step in range(10)])
    assert seen.of_group(optimizer=1) == [0.1] * 5 + [0.05] * 5
    seen = fit(StepDecay(5, gamma=0.5), ReplaceSchedulers(), module=Two())
    assert seen.lrs[0] == seen.lrs[1] == [[0.1]] * 5 + [[0.05]] * 5


def test_where_no_callback_sets_an_lr_nothing_is_taken_out_and_that_is_said():
    with pytest.warns(UserWarning, match="takes nothing out of the run"):
        seen = fit(ReplaceSchedulers(), module=Packaged("configs"))
    assert seen.of_group() == pytest.approx([0.1 * 0.5 ** (step // 2) for step in range(10)])


@pytest.mark.parametrize("name", ["StepLR", "OneCycleLR", "LinearLR"])
@pytest.mark.parametrize("with_it", [True, False])
def test_a_run_resumes_from_checkpoints_with_and_without_it(name, with_it, tmp_path):
    kind = NATIVE[name]

    def ours():
        return [StepDecay(4, gamma=0.5), ReplaceSchedulers()]

    checkpoint = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=6, save_top_k=-1)
    before = [*ours(), checkpoint] if with_it else [checkpoint]
    fit(*before, module=Packaged("configs", kind), enable_checkpointing=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rest = fit(*ours(), module=Packaged("configs", kind), ckpt_path=str(tmp_path / "step=6.ckpt"))
    assert rest.of_group() == [0.05, 0.05, 0.025, 0.025]
    assert rest.momenta[0] == [[0.9]] * 4


def test_the_range_test_sweeps_and_applies():
    test = LRRangeTest(num_steps=20, max_lr=1.0)
    seen = fit(test, OneCycle(), ReplaceSchedulers(), module=Packaged("configs"), batches=30)
    assert test.result.suggestion is not None
    assert max(seen.of_group()) == pytest.approx(test.result.suggestion)
    alone = fit(LRRangeTest(num_steps=20, max_lr=1.0), ReplaceSchedulers(), module=Packaged("configs"), batches=30)
    assert alone.of_group() == pytest.approx([test.result.suggestion] * 30)


def test_the_range_test_on_its_own_takes_such_a_module_as_it_is():
    result = lr_range_test(
        trainer(max_epochs=1), Packaged("configs"), train_dataloaders=loader(30), test=LRRangeTest(num_steps=20)
    )
    assert len(result.lrs) >= 10


@pytest.mark.parametrize("monitor", [LRMonitor, LearningRateMonitor])
def test_monitors_log_the_lrs_that_are_used(monitor, tmp_path):
    from lightning.pytorch.loggers import CSVLogger

    logger = CSVLogger(tmp_path)
    fit(OneCycle(), ReplaceSchedulers(), monitor(), module=Packaged("configs"), logger=logger, log_every_n_steps=1)
    rows = (tmp_path / "lightning_logs" / "version_0" / "metrics.csv").read_text(encoding="utf-8").splitlines()
    place = rows[0].split(",").index("lr/SGD" if monitor is LRMonitor else "lr-SGD")
    logged = [float(row.split(",")[place]) for row in rows[1:] if row.split(",")[place]]
    assert logged == pytest.approx(preview([OneCycle()], 0.1, total_steps=10)[:, 0].tolist(), rel=1e-6)


def test_a_second_fit_of_the_same_trainer_and_module_is_like_the_first():
    module, callbacks = Packaged("configs", NATIVE["OneCycleLR"]), (StepDecay(5, gamma=0.5), ReplaceSchedulers())
    first = fit(*callbacks, module=module)
    again = fit(*callbacks, module=module)
    assert first.lrs == again.lrs


# ---------------------------------------------------------------------- the refusal and its line
def refusal(form, scheduler, *callbacks):
    with pytest.raises(MisconfigurationException) as refused:
        fit(*(callbacks or (OneCycle(),)), module=Packaged(form, scheduler))
    return str(refused.value)


def test_the_refusal_names_both_ways_out():
    text = refusal("list", STEP)
    assert "add ReplaceSchedulers() to the callbacks, which takes StepLR out of the run" in text
    assert "TorchScheduler(torch.optim.lr_scheduler.StepLR, interval='epoch', step_size=2, gamma=0.5)" in text


def test_for_torchs_plateau_reduction_the_line_is_our_own():
    plateau = functools.partial(lr_scheduler.ReduceLROnPlateau, mode="max", factor=0.5, patience=3, min_lr=1e-5)
    line = "ReduceLROnPlateau('train_loss', mode='max', factor=0.5, patience=3, min_lr=1e-05)"
    assert line in refusal("bare dict", plateau)
    assert line.replace(")", ", every_n_steps=1)") in refusal("dict", plateau)


def line_of(text):
    """The replacement line in a refusal, with the brackets closed."""
    return re.search(r"also add ((?:TorchScheduler|ReduceLROnPlateau)\(.*\))\.", text)[1]


def flat(step):
    return 0.5 + 0.1 * (step % 3)


LINES = {
    "StepLR": functools.partial(lr_scheduler.StepLR, step_size=3),
    "MultiStepLR": functools.partial(lr_scheduler.MultiStepLR, milestones=[2, 2, 7], gamma=0.3),
    "ConstantLR": functools.partial(lr_scheduler.ConstantLR, factor=0.2, total_iters=4),
    "LinearLR": functools.partial(lr_scheduler.LinearLR, start_factor=0.2, end_factor=0.8, total_iters=6),
    "ExponentialLR": functools.partial(lr_scheduler.ExponentialLR, gamma=0.9),
    "PolynomialLR": functools.partial(lr_scheduler.PolynomialLR, total_iters=8, power=2.0),
    "CosineAnnealingLR": functools.partial(lr_scheduler.CosineAnnealingLR, T_max=8, eta_min=0.01),
    "CosineAnnealingWarmRestarts": functools.partial(lr_scheduler.CosineAnnealingWarmRestarts, T_0=3, T_mult=2),
    "CyclicLR": functools.partial(lr_scheduler.CyclicLR, base_lr=0.01, max_lr=0.1, step_size_up=3, step_size_down=2),
    "CyclicLR exp": functools.partial(
        lr_scheduler.CyclicLR, base_lr=0.01, max_lr=0.1, step_size_up=3, mode="exp_range", gamma=0.9
    ),
    "OneCycleLR": functools.partial(
        lr_scheduler.OneCycleLR, max_lr=0.3, total_steps=11, pct_start=0.4, div_factor=10.0
    ),
    "OneCycleLR 3": functools.partial(
        lr_scheduler.OneCycleLR, max_lr=0.3, epochs=3, steps_per_epoch=4, anneal_strategy="linear", three_phase=True
    ),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, 0.1, total_iters=4), lr_scheduler.ExponentialLR(o, 0.9)], [4]
    ),
    "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.LinearLR(o, 0.1, total_iters=4), lr_scheduler.ExponentialLR(o, 0.9)], o
    ),
}


@pytest.mark.parametrize("name", LINES)
def test_the_line_of_the_refusal_does_what_the_scheduler_did(name):
    line = line_of(refusal("configs", LINES[name]))
    callback = eval(line, {"torch": torch, "functools": functools, "TorchScheduler": TorchScheduler})
    seen = fit(callback, ReplaceSchedulers(), module=Packaged("configs", LINES[name]))
    lrs, momenta = native(LINES[name], 10)
    assert seen.of_group() == pytest.approx([row[0] for row in lrs], rel=1e-9)
    assert [row[0] for row in seen.momenta[0]] == pytest.approx([row[0] for row in momenta], rel=1e-9)


def test_a_function_in_a_scheduler_cannot_be_read_off_and_is_left_open():
    text = refusal("configs", NATIVE["LambdaLR"])
    assert "TorchScheduler(torch.optim.lr_scheduler.LambdaLR, lr_lambda=...)" in text


def test_the_plateau_line_reduces_as_torch_did():
    config = SimpleNamespace(
        scheduler=lr_scheduler.ReduceLROnPlateau(sgd()([torch.nn.Linear(1, 1)]), patience=0, factor=0.5),
        monitor="train_loss",
        interval="epoch",
        frequency=1,
    )
    from lr_callbacks.core.replacement_lines import replacement_line

    line = replacement_line(config)
    assert eval(line).arguments() == ReduceLROnPlateau("train_loss", patience=0, factor=0.5).arguments()
