"""Hooks stay hooks: of a subclass, on an object, in a class, in a copy, and in a callback that bundles others."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, fit, sgd

from lr_callbacks import SGDR, LinearDecay, LRCallback, OneCycle, ReduceLROnPlateau, Warmup

BATCHES, EPOCHS = 5, 2
HOOKS = [name for name in vars(Callback) if name.startswith("on_") or name in ("setup", "teardown")]


class Mine(OneCycle):
    """A user's own, with hooks that call the inherited ones."""

    def __init__(self) -> None:
        super().__init__()
        self.called: list[str] = []

    def on_before_zero_grad(self, *args: Any) -> None:
        super().on_before_zero_grad(*args)
        self.called.append("zero_grad")

    def on_train_batch_end(self, *args: Any) -> None:
        super().on_train_batch_end(*args)
        self.called.append("batch_end")


def test_the_hooks_of_a_users_subclass_are_called_at_each_step_and_may_call_ours():
    mine = Mine()
    recorder = fit(mine, batches=BATCHES, max_epochs=EPOCHS)
    assert mine.called == ["zero_grad", "batch_end"] * BATCHES * EPOCHS
    assert recorder.lrs == fit(OneCycle(), batches=BATCHES, max_epochs=EPOCHS).lrs


def test_a_hook_that_is_put_on_the_object_is_called_and_stays():
    seen = []
    cycle = OneCycle()
    cycle.on_after_backward = lambda trainer, pl_module: seen.append(trainer.global_step)  # type: ignore[method-assign]
    fit(cycle, batches=BATCHES)
    assert seen == list(range(BATCHES))
    assert callable(vars(cycle)["on_after_backward"])


@pytest.mark.parametrize("owner", [Callback, LRCallback, OneCycle])
def test_a_hook_that_is_put_into_a_class_is_called(owner, monkeypatch):
    seen = []
    monkeypatch.setattr(owner, "on_after_backward", lambda self, *_: seen.append(type(self)))
    fit(OneCycle(), batches=BATCHES)
    assert seen.count(OneCycle) == BATCHES


def pickled_sgd(parts: list[torch.nn.Module]) -> torch.optim.Optimizer:
    return sgd()(parts)


class Spy(Callback):
    """Looks at something in the middle of a fit."""

    def __init__(self, look: Any) -> None:
        self.look, self.found = look, None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.found = self.look()


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_a_copy_that_is_made_in_the_middle_of_a_fit_drives_a_fit_of_its_own(duplicate):
    cycle = OneCycle()
    spy = Spy(lambda: duplicate(cycle))
    module = Net(pickled_sgd)
    first = fit(cycle, spy, module=module, batches=BATCHES, max_epochs=EPOCHS)
    assert spy.found is not cycle
    assert fit(spy.found, batches=BATCHES, max_epochs=EPOCHS).lrs == first.lrs


class Bundle(Callback):
    """Several callbacks in one, which gets every hook and gives it to each of them."""

    def __init__(self, *inner: Callback) -> None:
        self.inner = inner


def _forward(name: str) -> Any:
    def hook(self: Bundle, *args: Any, **kwargs: Any) -> None:
        for callback in self.inner:
            getattr(callback, name)(*args, **kwargs)

    return hook


for _name in HOOKS:
    setattr(Bundle, _name, _forward(_name))


@pytest.mark.parametrize(
    "make",
    [
        lambda: [Warmup(4), LinearDecay()],
        lambda: [SGDR(4), Warmup(2)],
        lambda: [ReduceLROnPlateau("scripted", patience=0)],
    ],
)
def test_callbacks_that_another_one_bundles_drive_the_lr_as_if_they_stood_in_the_list(make):
    def run(*callbacks: Callback) -> Any:
        module = Net(sgd((0.1,)), metrics=[1.0] * 4)
        return fit(*callbacks, module=module, batches=BATCHES, max_epochs=4, val=True).lrs

    assert run(Bundle(*make())) == run(*make())
    assert run(make()[0], Bundle(*make()[1:])) == run(*make())


def test_a_callback_that_is_added_in_the_middle_of_a_fit_is_refused():
    class Late(Callback):
        def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            if trainer.current_epoch == 1:
                trainer.callbacks.append(LinearDecay())  # type: ignore[attr-defined]

    with pytest.raises(MisconfigurationException, match=r"LinearDecay\(\) was added .* after the fit had started"):
        fit(Warmup(4), Late(), batches=BATCHES, max_epochs=3)
