"""Others who write the LR, or replace the optimizer, are seen at the next step and named with both values, once."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, fit, sgd

from lr_callbacks import CosineAnnealing, LinearDecay, Warmup

PLAN = [0.1 * (1 - t / 20) for t in range(20)]


class Writes(Net):
    """Writes the LR in a hook when the count is in a range."""

    def __init__(self, hook: str, lr: float, counts: range) -> None:
        super().__init__(sgd((0.1, 0.1)))
        self.lr, self.counts = lr, counts
        setattr(self, hook, self._write)

    def _write(self, *arguments: Any) -> None:
        if self.trainer.global_step in self.counts:
            for group in self.trainer.optimizers[0].param_groups:
                group["lr"] = self.lr


class WritesInItsStep(Net):
    """The warm-up of Lightning's documentation: `optimizer_step` sets the LR by hand."""

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, closure: Any) -> None:
        if self.trainer.global_step < 5:
            for group in optimizer.param_groups:
                group["lr"] = 0.01 * (self.trainer.global_step + 1)
        optimizer.step(closure=closure)


@pytest.mark.parametrize(("hook", "count"), [("on_train_batch_start", 7), ("on_train_batch_end", 8)])
def test_in_the_middle_of_an_epoch_it_is_named_with_both_values_once_and_holds_for_one_step(hook, count):
    with pytest.warns(UserWarning, match="was changed from .* by other code") as told:
        recorder = fit(LinearDecay(), module=Writes(hook, 0.5, range(count, count + 1)), max_epochs=2)
    said = [str(each.message) for each in told if "by other code" in str(each.message)]
    assert len(said) == 1
    at = recorder.of_group().index(0.5)
    assert f"was changed from {PLAN[at]:g} to 0.5" in said[0]
    assert recorder.of_group() == pytest.approx([0.5 if t == at else PLAN[t] for t in range(20)])


def test_at_the_end_of_an_epoch_too():
    with pytest.warns(UserWarning, match=r"from 0\.05 to 0\.005"):
        recorder = fit(LinearDecay(), module=Writes("on_train_epoch_end", 0.005, range(10, 11)), max_epochs=2)
    assert recorder.of_group()[10:12] == pytest.approx([0.005, 0.045])


def test_a_warm_up_in_optimizer_step_is_seen_after_its_first_step():
    with pytest.warns(UserWarning, match=r"from 0\.1 to 0\.01") as told:
        recorder = fit(CosineAnnealing(), module=WritesInItsStep(sgd((0.1,))), max_epochs=2)
    assert recorder.of_group()[:5] == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.05])
    assert sum("by other code" in str(each.message) for each in told) == 1


def test_a_run_that_nobody_writes_in_says_nothing(recwarn):
    fit(Warmup(3), CosineAnnealing(), module=Net(sgd((0.1, 0.2))), max_epochs=3)
    assert not [each for each in recwarn if "by other code" in str(each.message)]


class Switches(Net):
    """Puts another optimizer in the place of the first one, in a hook of the third epoch."""

    def __init__(self, hook: str) -> None:
        super().__init__(sgd((0.1,)))
        self.steps_of_second = 0
        setattr(self, hook, self._switch)

    def _switch(self, *arguments: Any) -> None:
        if self.current_epoch == 2 and not self.steps_of_second:
            other = torch.optim.Adam(self.parameters(), lr=0.1)
            other.register_step_post_hook(self._count)
            self.trainer.optimizers = [other]

    def _count(self, *arguments: Any) -> None:
        self.steps_of_second += 1


@pytest.mark.parametrize("hook", ["on_train_epoch_start", "on_train_batch_start", "on_before_zero_grad"])
def test_an_optimizer_that_replaces_another_is_refused_before_its_first_step(hook):
    module = Switches(hook)
    with pytest.raises(MisconfigurationException, match="Adam has replaced an optimizer in the middle of the fit"):
        fit(LinearDecay(), module=module, max_epochs=5)
    assert module.steps_of_second == 0
