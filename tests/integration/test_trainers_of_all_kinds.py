"""One battery: every public callback in every kind of Trainer, by the LRs that ``optimizer.step`` really saw."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from battery_modules import Unloved, one_param_group
from battery_schedules import SCHEDULES, Moment, Schedule, names_covered, public_callbacks
from battery_trainers import KINDS, Kind, with_a_scaler
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, StochasticWeightAveraging
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, loader, sgd, trainer
from torch.optim import Optimizer

from lr_callbacks.core import wall_clock


class Observer(Callback):
    """Writes down the LRs of each step that is really taken, and what Lightning says of the moment."""

    def __init__(self) -> None:
        self.seen: dict[int, list[tuple[int, int, list[float]]]] = {}
        self.bases: dict[int, list[float]] = {}
        self.evaluations = 0
        self.hooks: list[Any] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.evaluations = 0 if trainer.global_step == 0 else self.evaluations
        for index, optimizer in enumerate(trainer.optimizers):
            self.seen[index] = []
            self.bases[index] = [float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups]
            pre, post = self.recording(index)
            self.hooks += [optimizer.register_step_pre_hook(pre), optimizer.register_step_post_hook(post)]

    def recording(self, index: int) -> tuple[Any, Any]:
        before: list[float] = []

        def pre(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            before[:] = [float(group["lr"]) for group in optimizer.param_groups]

        def post(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            found = getattr(optimizer, "found_inf", None)
            if found is None or not bool(found):  # a fused optimizer decides inside whether to step
                self.seen[index].append((self.trainer.current_epoch, self.evaluations, list(before)))

        return pre, post

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.trainer = trainer

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.evaluations += not trainer.sanity_checking

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        while self.hooks:
            self.hooks.pop().remove()


@pytest.fixture(autouse=True)
def quiet_place(tmp_path, monkeypatch):
    """A folder to write in, and the clock on the wall as it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(wall_clock, "now", lambda: 0.0)


def build(kind: Kind, *callbacks: Callback) -> Trainer:
    theirs = kind.callbacks()
    options = {"max_epochs": 2, **kind.options}
    if options.get("plugins") == "scaler":
        options["plugins"] = with_a_scaler()
    saves = any(isinstance(callback, Checkpoint) for callback in callbacks)
    order = [*callbacks, *theirs] if kind.after else [*theirs, *callbacks]
    return trainer(*order, **{"enable_checkpointing": saves, **options})


def data(kind: Kind, schedule: Schedule) -> dict[str, Any]:
    val = {"val_dataloaders": loader(1)} if kind.val or schedule.evaluated else {}
    return {"train_dataloaders": kind.data(), **val}


@contextmanager
def allowed(kind: Kind) -> Iterator[None]:
    """Let a warning pass that it is right to give."""
    with warnings.catch_warnings():
        if kind.warns:
            warnings.filterwarnings("ignore", f".*{kind.warns}.*")
        yield


def fit(kind: Kind, schedule: Schedule) -> Observer:
    torch.manual_seed(0)
    observer = Observer()
    run, module = build(kind, *schedule.make(), observer), kind.module()
    with allowed(kind):
        run.fit(module, **data(kind, schedule))
    return observer


@pytest.fixture(autouse=True)
def files_of_an_earlier_fit_are_no_surprise():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*exists and is not empty.*")
        yield


def check(observer: Observer, kind: Kind, schedule: Schedule, first_step: int = 0) -> None:
    """Each step of each optimizer had the LR of the formula, and there were as many steps as there should be."""
    assert tuple(len(steps) for steps in observer.seen.values()) == kind.steps
    for index, steps in observer.seen.items():
        for number, (epoch, evaluations, lrs) in enumerate(steps, start=first_step):
            for group, lr in enumerate(lrs):
                bases = observer.bases[index]
                ratio, base = (1.0, bases[group]) if group < len(bases) else (0.1, bases[0])
                largest = max(bases)
                epoch = number // 4 if kind.skips else epoch
                position = kind.positions[index][number] if index in kind.positions else None
                moment = Moment(number, epoch, evaluations, largest, kind.planned, kind.tick, position)
                expected = base * schedule.factor(moment)
                assert lr == pytest.approx(ratio * expected, rel=kind.rel, abs=1e-15), (index, number, group)


def refusal(name: str, kind_name: str) -> str | None:
    """What a pair that makes no sense is told; None for one that does."""
    schedule, kind = SCHEDULES[name], KINDS[kind_name]
    if name == "SnapshotCheckpoint" and kind_name == "barebones":
        return r"`Trainer\(barebones=True, enable_checkpointing=True\)` was passed"  # Lightning's own
    if name == "LRRangeTest" and len(kind.steps) > 1:
        return r"the module has \d optimizers\. Select one with optimizer=0"
    if schedule.to_end and kind.planned is None:
        return r"not given|needs the length of the run, which is not known here: .* (Ways|The way) out: give "
    if schedule.by_epoch and (not kind.knows_epochs or kind.planned is None):
        return r"interval='epoch' needs the length of an epoch, which is not known here: .* (Ways|The way) out"
    if schedule.evaluated and not kind.logs:
        return r"nothing logged a metric 'scripted'. Logged: nothing"
    return None


CORE = ("OneCycle", "three that multiply", "TorchScheduler by epoch", "LRRangeTest")
"""Of the callbacks, those that find out most: they meet every kind of Trainer in every run of the suite."""


def some(pairs: list[tuple[str, str]]) -> list[Any]:
    """All pairs; outside the nightly run, all of the core and every fourth of the rest, so that each meets many."""
    names, others = list(SCHEDULES), list(dict.fromkeys(other for _, other in pairs))
    return [
        pytest.param(
            name,
            other,
            marks=() if name in CORE or (names.index(name) + others.index(other)) % 4 == 0 else pytest.mark.nightly,
        )
        for name, other in pairs
    ]


@pytest.mark.filterwarnings("ignore:.*the run has ended without a validation")
@pytest.mark.parametrize(("name", "kind"), some([(name, kind) for name in SCHEDULES for kind in KINDS]))
def test_each_step_uses_the_lr_of_the_formula_or_the_pair_is_refused(name, kind):
    message = refusal(name, kind)
    if message is None:
        check(fit(KINDS[kind], SCHEDULES[name]), KINDS[kind], SCHEDULES[name])
    else:
        with pytest.raises((MisconfigurationException, ValueError), match=message):
            fit(KINDS[kind], SCHEDULES[name])


def test_every_public_callback_stands_in_the_battery():
    assert names_covered() == public_callbacks()


# ---------------------------------------------------------------------- more than one fit
PLAIN = KINDS["two epochs"]


@pytest.mark.filterwarnings("ignore:.*with a different schedule")
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_second_fit_of_one_trainer_goes_on_with_the_steps_and_the_evaluations_of_the_first(name):
    schedule, observer = SCHEDULES[name], Observer()
    run, module = build(PLAIN, *schedule.make(), observer), PLAIN.module()
    run.fit(module, **data(PLAIN, schedule))
    check(observer, PLAIN, schedule)
    run.fit_loop.max_epochs = 4
    with allowed(replace(PLAIN, warns="The LR plan of optimizer 0 .* has changed" if schedule.to_end else "")):
        run.fit(module, **data(PLAIN, schedule))
    check(observer, replace(PLAIN, planned=16), schedule, first_step=8)


@pytest.mark.parametrize("name", SCHEDULES)
def test_one_object_in_two_trainers_begins_anew_in_each(name):
    schedule = SCHEDULES[name]
    callbacks = schedule.make()
    for kind in (KINDS["max_steps alone"], KINDS["two groups"]):
        observer = Observer()
        build(kind, *callbacks, observer).fit(kind.module(), **data(kind, schedule))
        check(observer, kind, schedule)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_validation_before_the_fit_changes_nothing(name):
    schedule, observer = SCHEDULES[name], Observer()
    run, module = build(PLAIN, *schedule.make(), observer), PLAIN.module()
    run.validate(module, loader(1), verbose=False)
    run.fit(module, **data(PLAIN, schedule))
    check(observer, PLAIN, schedule)


# ---------------------------------------------------------------------- what is refused as a whole
DRIVING = [name for name, schedule in SCHEDULES.items() if schedule.drives]


class WithoutHooks(torch.optim.Optimizer):
    """Wraps another without calling ``Optimizer.__init__``, as older libraries do."""

    def __init__(self, parameters: Any) -> None:
        self.inner = torch.optim.SGD(parameters, lr=0.1)
        self.param_groups, self.state, self.defaults = self.inner.param_groups, self.inner.state, self.inner.defaults

    def step(self, closure: Any = None) -> Any:
        return self.inner.step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.inner.zero_grad(set_to_none)


def bypassing(parts: list[Any]) -> torch.optim.Optimizer:
    optimizer = one_param_group(parts)
    optimizer.step = lambda closure=None: closure() if closure else None
    return optimizer


class WithoutLR(torch.optim.Optimizer):
    """Has no learning rate, as ``transformers``' Adafactor in its own mode."""

    def __init__(self, parameters: Any, **defaults: Any) -> None:
        super().__init__(parameters, defaults)

    def step(self, closure: Any = None) -> Any:
        return closure() if closure else None


class Native(Net):
    """Returns a native scheduler beside its optimizer."""

    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 2)]


def with_optimizer(make: Any) -> Any:
    return lambda: Net(lambda parts: make(torch.nn.ModuleList(parts).parameters()), [1.0])


FOR_DRIVERS = ("StochasticWeightAveraging", "an optimizer that passes its hooks by", "a native scheduler")
"""What the range test does not mind where it applies nothing."""
REFUSED = {
    "StochasticWeightAveraging": (
        replace(PLAIN, callbacks=lambda: [StochasticWeightAveraging(swa_lrs=0.1)]),
        r"StochasticWeightAveraging \(which anneals .*\) and .* both set .*Use Lightning's WeightAveraging",
    ),
    "an optimizer without step hooks": (
        replace(PLAIN, module=with_optimizer(WithoutHooks)),
        r"WithoutHooks has no step hooks .* [dD]erive it from torch.optim.Optimizer",
    ),
    "an optimizer that passes its hooks by": (
        replace(PLAIN, module=lambda: Net(bypassing, [1.0])),
        r"optimizer 0 \(SGD\) stepped without calling its step hooks",
    ),
    "a native scheduler": (
        replace(PLAIN, module=lambda: Native(sgd((0.1,)), [1.0])),
        r"StepLR \(returned by .*\) and .* both set the LR of optimizer 0.*TorchScheduler\(torch.*lr_scheduler.StepLR",
    ),
    "no optimizer": (
        replace(PLAIN, module=Unloved, warns="this fit will run with no optimizer"),
        r"configure_optimizers returned no optimizer, so there is no LR to drive; return one, or remove",
    ),
    "an optimizer without an LR": (
        replace(PLAIN, module=with_optimizer(WithoutLR)),
        r"group 0 of optimizer 0 \(WithoutLR\) has no LR .* got None; give it one",
    ),
    "an optimizer that finds its LR itself": (
        replace(PLAIN, module=with_optimizer(lambda parameters: WithoutLR(parameters, lr=None))),
        r"group 0 of optimizer 0 \(WithoutLR\) has no LR .* got None; give it one",
    ),
}


PAIRS = [(name, case) for name in DRIVING for case in REFUSED]
PAIRS += [("LRRangeTest", case) for case in REFUSED if case not in FOR_DRIVERS]


@pytest.mark.parametrize(("name", "case"), some(PAIRS))
def test_what_cannot_be_driven_is_refused_before_the_second_step(name, case):
    kind, message = REFUSED[case]
    observer, schedule = Observer(), SCHEDULES[name]
    run, module = build(kind, *schedule.make(), observer), kind.module()
    with allowed(kind), pytest.raises(MisconfigurationException, match=message):
        run.fit(module, **data(kind, schedule))
    assert run.global_step <= 1
