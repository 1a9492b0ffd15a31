"""An optimizer whose steps cannot be seen is told of within the first batches; wrappers of the usual kinds are seen."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, fit, loader, sgd, trainer
from timeline_fits import SaveOnce, ran
from torch import nn
from torch.optim import Optimizer, lr_scheduler

from lr_callbacks import LinearDecay, OneCycle, TorchScheduler, Warmup


class Seen:
    """The LRs that the inner optimizer really used."""

    def __init__(self) -> None:
        self.lrs: list[float] = []

    def inner(self, parts: list[nn.Module]) -> Optimizer:
        parameters = [parameter for part in parts for parameter in part.parameters()]
        optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.9)
        optimizer.register_step_pre_hook(lambda stepped, *_: self.lrs.append(stepped.param_groups[0]["lr"]))
        return optimizer


class SharpnessAware(Optimizer):
    """Two passes a step, by one call of ``step`` or by two methods; it was built as an optimizer."""

    def __init__(self, inner: Optimizer) -> None:
        super().__init__(inner.param_groups, dict(inner.defaults))
        self.inner = inner
        self.param_groups = inner.param_groups

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.inner.param_groups = self.param_groups

    def first_step(self) -> None:
        self.inner.zero_grad()

    def second_step(self) -> None:
        self.inner.step()

    def step(self, closure: Any = None) -> Any:  # type: ignore[override]
        with torch.enable_grad():
            loss = closure()
        self.first_step()
        with torch.enable_grad():
            closure()
        self.second_step()
        return loss


class KeepsSlowWeights(Optimizer):
    """Takes over the groups of the optimizer inside without being built as one; it has hooks for steps alone."""

    def __init__(self, inner: Optimizer) -> None:
        self._optimizer_step_pre_hooks: dict[int, Any] = OrderedDict()
        self._optimizer_step_post_hooks: dict[int, Any] = OrderedDict()
        self.inner, self.param_groups, self.defaults = inner, inner.param_groups, inner.defaults
        self.state = defaultdict(dict)

    def step(self, closure: Any = None) -> Any:  # type: ignore[override]
        return self.inner.step(closure)

    def state_dict(self) -> dict[str, Any]:
        return self.inner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.inner.load_state_dict(state)
        self.param_groups = self.inner.param_groups


class ChangesGradients(Optimizer):
    """Shows the groups of the optimizer inside as its own, and nests its state."""

    def __init__(self, inner: Optimizer) -> None:
        self._optimizer_step_pre_hooks: dict[int, Any] = {}
        self._optimizer_step_post_hooks: dict[int, Any] = {}
        self.inner = inner

    param_groups = property(lambda self: self.inner.param_groups)
    state = property(lambda self: self.inner.state)
    defaults = property(lambda self: self.inner.defaults)

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.inner.zero_grad(set_to_none)

    def step(self, closure: Any = None) -> Any:  # type: ignore[override]
        return self.inner.step(closure)

    def state_dict(self) -> dict[str, Any]:
        return {"inner": self.inner.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.inner.load_state_dict(state["inner"])


class OfItsOwn(Optimizer):
    """No optimizer inside, and not built as one."""

    def __init__(self, inner: Optimizer) -> None:
        self.param_groups, self.state, self.defaults = inner.param_groups, {}, {}

    def step(self, closure: Any = None) -> Any:  # type: ignore[override]
        return closure()


WRAPPERS: list[type[Any]] = [SharpnessAware, KeepsSlowWeights, ChangesGradients]


@pytest.mark.filterwarnings("ignore:.*your dataloader is not resumable.*")
@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: [LinearDecay()], [0.1 * (1 - t / 20) for t in range(20)]),
        (lambda: [Warmup(5, start_factor=0.0)], [0.1 * min(t / 5, 1) for t in range(20)]),
        (
            lambda: [TorchScheduler(lr_scheduler.StepLR, step_size=8, gamma=0.5)],
            [0.1 * 0.5 ** (t // 8) for t in range(20)],
        ),
    ],
)
def test_a_wrapper_is_followed_and_resumes_exactly(wrapper, make, expected, tmp_path):
    path, full, rest = str(tmp_path / "saved.ckpt"), Seen(), Seen()
    save = SaveOnce(path, "on_train_batch_end", 7, stop=False)
    train(Net(lambda parts: wrapper(full.inner(parts))), [*make(), save])
    assert full.lrs == pytest.approx(expected, abs=1e-15)
    train(Net(lambda parts: wrapper(rest.inner(parts))), make(), ckpt_path=path)
    assert rest.lrs == full.lrs[7:]


def train(module: Net, callbacks: list[Any], ckpt_path: str | None = None, **options: Any) -> None:
    """Without the recorder of the other tests, which hangs on the optimizer that the trainer knows."""
    trainer(*callbacks, **{"max_epochs": 2, **options}).fit(module, loader(10), ckpt_path=ckpt_path)


def test_what_has_neither_hooks_nor_an_optimizer_inside_is_refused_by_name():
    with pytest.raises(MisconfigurationException, match="OfItsOwn has no step hooks"):
        train(Net(lambda parts: OfItsOwn(Seen().inner(parts))), [OneCycle()])


class ByHand(Net):
    """Steps an optimizer of its own kind in each training step."""

    def __init__(self, make: Callable[..., Any], step: Callable[[Any, Any], None]) -> None:
        super().__init__(make)
        self.automatic_optimization = False
        self.do = step

    def training_step(self, batch: Any, batch_idx: int) -> None:
        optimizer = self.optimizers()
        self.manual_backward((self(batch[0]) - batch[1]).square().mean())
        self.do(self, optimizer)
        optimizer.zero_grad()


def two_passes(module: Net, optimizer: Any) -> None:
    optimizer.first_step()
    optimizer.second_step()


def update_by_hand(module: Net, optimizer: Any) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.grad is not None:
                parameter -= 0.1 * parameter.grad


class StopsAfter(Warmup):
    """Stops the fit once it has been told, or after 20 batches."""

    def __init__(self, batches: int) -> None:
        super().__init__(5)
        self.batches = batches

    def on_train_batch_end(self, trainer: Any, *arguments: Any) -> None:
        super().on_train_batch_end(trainer, *arguments)
        trainer.should_stop = trainer.fit_loop.total_batch_idx + 1 >= self.batches


def test_steps_of_the_optimizer_inside_are_named_after_the_first_batch():
    module = ByHand(lambda parts: SharpnessAware(Seen().inner(parts)), two_passes)
    words = r"optimizer 0 \(SharpnessAware\) did not step while SGD stepped on its parameters"
    with pytest.warns(UserWarning, match=words) as told:
        fit(StopsAfter(1), module=module, batches=30)
    assert sum("did not step" in str(each.message) for each in told) == 1


@pytest.mark.parametrize(("batches", "length"), [(16, 30), (10, 10)])
def test_updates_that_nobody_can_see_are_told_of_in_the_first_batches_or_at_the_end_of_a_short_epoch(batches, length):
    module = ByHand(sgd((0.1,)), update_by_hand)
    with pytest.warns(UserWarning, match=r"optimizer 0 \(SGD\) did not step in the first"):
        fit(StopsAfter(batches), module=module, batches=length)


class NeverSteps(Net):
    """Overrides `optimizer_step` with an update of its own."""

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, closure: Any) -> None:
        closure()
        update_by_hand(self, optimizer)


def test_an_overridden_optimizer_step_that_steps_elsewhere_is_told_of():
    with pytest.warns(UserWarning, match=r"optimizer 0 \(SGD\) did not step in the first"):
        fit(StopsAfter(16), module=NeverSteps(sgd((0.1,))), batches=30)


def test_a_resume_in_the_middle_of_an_epoch_is_no_optimizer_that_does_not_step(tmp_path, recwarn):
    path = str(tmp_path / "saved.ckpt")
    ran([Warmup(3), SaveOnce(path, "on_validation_end", 0)], val=True, val_check_interval=1.0)
    ran([Warmup(3)], val=True, max_epochs=1, ckpt_path=path)
    assert not [each for each in recwarn if "did not step" in str(each.message)]


def test_nothing_of_the_watch_is_left_behind():
    from torch.optim.optimizer import _global_optimizer_post_hooks as hooks

    before = dict(hooks)
    ran([Warmup(3)], max_epochs=1)
    assert dict(hooks) == before
