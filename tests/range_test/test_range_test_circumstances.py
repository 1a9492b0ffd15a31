"""The range test in fits that are not the first, on modules and under strategies that it cannot restore."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.strategies import SingleDeviceStrategy, Strategy
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, fit, loader, sgd, trainer
from torch import nn

from lr_callbacks import LRRangeTest, OneCycle, lr_range_test

SEEN: list[float] = []
"""Here, not in a closure, because the test puts closures back."""


def test_in_a_second_fit_it_sweeps_all_of_its_steps_although_the_global_step_is_not_0():
    module, run = Net(sgd((0.1,))), trainer(max_epochs=1)
    run.fit(module, loader(20))
    run.fit_loop.max_epochs = 2
    test = LRRangeTest(1e-5, 1e-2, num_steps=12)
    run.callbacks.append(test)
    run.fit(module, loader(20))
    assert run.global_step == 40
    assert test.result is not None
    assert len(test.result.lrs) >= 12


def test_a_module_is_tested_between_two_fits_with_the_weights_that_it_has():
    module, run = Net(sgd((0.05,))), trainer(max_epochs=3)
    fresh = lr_range_test(trainer(max_epochs=1), module, train_dataloaders=loader(20))
    run.fit(module, loader(20))
    weights = {name: value.clone() for name, value in module.state_dict().items()}
    trained = lr_range_test(trainer(max_epochs=1), module, train_dataloaders=loader(20))
    assert trained.losses[0] < 0.9 * fresh.losses[0]
    assert all(torch.equal(weights[name], value) for name, value in module.state_dict().items())


def test_a_checkpoint_is_tested_from_with_its_weights_and_momentum(tmp_path):
    def momentum(parts):
        return torch.optim.SGD([p for part in parts for p in part.parameters()], lr=0.05, momentum=0.9)

    class Looks(Net):
        def on_train_start(self):
            state = self.trainer.optimizers[0].state
            SEEN.append(sum(float(entry["momentum_buffer"].abs().sum()) for entry in state.values()))

    module, run = Looks(momentum), trainer(OneCycle(), max_epochs=3)
    run.fit(module, loader(20))
    run.save_checkpoint(tmp_path / "end.ckpt")
    fresh = Looks(momentum)
    before = {name: value.clone() for name, value in fresh.state_dict().items()}
    SEEN.clear()
    result = lr_range_test(trainer(max_epochs=1), fresh, train_dataloaders=loader(20), ckpt_path=tmp_path / "end.ckpt")
    expected = lr_range_test(trainer(max_epochs=1), module, train_dataloaders=loader(20))
    assert SEEN[0] > 0
    assert result.losses[0] == pytest.approx(expected.losses[0], rel=0.1)
    assert all(torch.equal(before[name], value) for name, value in fresh.state_dict().items())


class Lazy(Net):
    def __init__(self) -> None:
        super().__init__(lambda parts: torch.optim.SGD([p for part in parts for p in part.parameters()], lr=0.1))
        self.body = nn.LazyLinear(4)


def test_a_module_with_lazy_parameters_is_refused_with_the_way_out():
    with pytest.raises(MisconfigurationException, match=r"restore body\.weight.*\(a lazy module\)\. Run one batch"):
        fit(LRRangeTest(), module=Lazy(), batches=20)
    module = Lazy()
    module(torch.zeros(1, 4))
    assert fit(LRRangeTest(1e-5, 1e-2, num_steps=12), module=module, batches=20).of_group()


class Sharding(Strategy):
    """A strategy that is neither Lightning's for one device nor its DDP, as those that shard the weights."""

    def __init__(self) -> None:
        super().__init__(checkpoint_io=TorchCheckpointIO())

    root_device = torch.device("cpu")
    is_global_zero = True

    def model_to_device(self) -> None:
        """It is there."""

    def broadcast(self, obj: Any, src: int = 0) -> Any:
        return obj

    def all_gather(self, tensor: Any, group: Any = None, sync_grads: bool = False) -> Any:
        return tensor

    def reduce(self, tensor: Any, *args: Any, **kwargs: Any) -> Any:
        return tensor

    def barrier(self, name: str | None = None) -> None:
        """Nobody to wait for."""


def test_a_strategy_that_may_shard_the_weights_is_refused_by_its_name_before_the_first_step():
    with pytest.raises(MisconfigurationException, match=r"DDP.*not under Sharding: it may keep.*Run lr_range_test"):
        fit(LRRangeTest(), batches=20, strategy=Sharding())
    assert fit(LRRangeTest(1e-5, 1e-2, num_steps=12), batches=20, strategy=SingleDeviceStrategy("cpu")).of_group()
