"""Hooks that do nothing are not called: they would cost more than the schedule itself, at each step."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.profilers import SimpleProfiler
from support import Net, Recorder, loader, trainer

from lr_callbacks import SGDR, LRCallback, LRRangeTest, OneCycle, ReduceLROnPlateau, Warmup
from lr_callbacks.core import lightning_internals as lightning_private
from lr_callbacks.core.lightning_internals import HOOKS_OF_A_BATCH

BATCHES, EPOCHS = 5, 2


def calls(*callbacks: Callback) -> dict[str, int]:
    """How often Lightning called each hook of a batch in a fit with validations."""
    profiler = SimpleProfiler()
    run = trainer(*callbacks, profiler=profiler, max_epochs=EPOCHS, num_sanity_val_steps=0)
    run.fit(Net(), loader(BATCHES), loader(2))
    called = {name: len(times) for name, times in profiler.recorded_durations.items() if name.startswith("[Callback]")}
    return {name: number for name, number in called.items() if name.rpartition(".")[2] in HOOKS_OF_A_BATCH}


def left_out(callback: Callback) -> list[str]:
    return [name for name in HOOKS_OF_A_BATCH if not callable(getattr(callback, name))]


class Spy(Callback):
    """Keeps what a function finds in the middle of the fit."""

    def __init__(self, look: Any) -> None:
        self.look, self.found = look, None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.found = self.look()


@pytest.mark.oldest
def test_lightning_passes_over_what_cannot_be_called():
    assert lightning_private.leaves_out_what_cannot_be_called()


@pytest.mark.oldest
def test_of_schedules_one_hook_is_called_until_a_step_has_been_seen_and_then_none():
    assert calls(Warmup(3), SGDR(4)) == {"[Callback]Warmup.on_train_batch_end": 1}


def test_a_range_test_is_called_no_more_when_it_is_over():
    test = LRRangeTest(num_steps=10)
    assert calls(test, OneCycle()) == {f"[Callback]{test.state_key}.on_train_batch_end": 1}
    assert calls(LRRangeTest(num_steps=10)) == {}


def test_a_callback_that_has_something_to_do_is_called():
    plateau = ReduceLROnPlateau("val_loss")
    assert calls(plateau) == {f"[Callback]{plateau.state_key}.on_train_batch_end": BATCHES * EPOCHS}


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
    called = calls(mine)
    assert set(called) == {"[Callback]Mine.on_before_zero_grad", "[Callback]Mine.on_train_batch_end"}
    assert set(called.values()) == {BATCHES * EPOCHS}
    assert mine.called == ["zero_grad", "batch_end"] * BATCHES * EPOCHS


def test_a_hook_that_is_put_on_the_object_is_called_and_stays():
    seen = []
    cycle = OneCycle()
    cycle.on_after_backward = lambda trainer, pl_module: seen.append(trainer.global_step)  # type: ignore[method-assign]
    calls(cycle)
    assert seen == list(range(BATCHES * EPOCHS))
    assert callable(vars(cycle)["on_after_backward"])


@pytest.mark.parametrize("owner", [Callback, LRCallback, OneCycle])
@pytest.mark.parametrize("name", ["on_after_backward", "on_train_batch_end"])
def test_a_hook_that_is_put_into_a_class_is_called(owner, name, monkeypatch):
    seen = []
    monkeypatch.setattr(owner, name, lambda self, *_: seen.append(type(self)))
    calls(OneCycle())
    overridden = owner is Callback and name == "on_train_batch_end"
    assert seen == ([] if overridden else [OneCycle] * BATCHES * EPOCHS)


def test_the_hooks_are_back_after_the_fit_and_a_second_fit_is_the_same():
    cycle = OneCycle()
    spy = Spy(lambda: left_out(cycle))
    first, second = calls(cycle, spy), calls(cycle, spy)
    assert spy.found == list(HOOKS_OF_A_BATCH)
    assert left_out(cycle) == []
    assert not set(HOOKS_OF_A_BATCH) & set(vars(cycle))
    assert {name: n for name, n in first.items() if "Spy" not in name} == {"[Callback]OneCycle.on_train_batch_end": 1}
    assert first == second


def test_the_hooks_are_back_after_a_fit_that_failed():
    class Fails(Net):
        def on_train_epoch_end(self) -> None:
            raise RuntimeError("as planned")

    cycle = OneCycle()
    with pytest.raises(RuntimeError, match="as planned"):
        trainer(cycle, max_epochs=EPOCHS).fit(Fails(), loader(BATCHES))
    assert left_out(cycle) == []


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_copy_that_is_made_in_the_middle_of_a_fit_has_its_hooks(duplicate):
    cycle = OneCycle()
    spy = Spy(lambda: duplicate(cycle))
    calls(cycle, spy)
    assert isinstance(spy.found, LRCallback)
    assert left_out(spy.found) == []


def test_where_lightning_would_not_leave_them_out_they_stay_and_the_lrs_are_the_same(monkeypatch):
    def lrs() -> Any:
        recorder = Recorder()
        trainer(Warmup(3), SGDR(4), recorder, max_epochs=EPOCHS).fit(Net(), loader(BATCHES))
        return recorder.of_group()

    without = lrs()
    monkeypatch.setattr(lightning_private, "leaves_out_what_cannot_be_called", lambda: False)
    assert lrs() == without
    called = calls(Warmup(3), SGDR(4))
    assert {name.partition(".")[2] for name in called} == set(HOOKS_OF_A_BATCH)
    assert called["[Callback]SGDR.on_train_batch_end"] == BATCHES * EPOCHS
