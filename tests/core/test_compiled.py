"""Our code causes no recompilation: neither a compiled module nor, with a tensor LR, a compiled step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch._dynamo
from battery_modules import adam_with
from battery_schedules import SCHEDULES
from lightning.pytorch import Callback
from support import Net, loader, sgd, trainer
from torch._dynamo.testing import CompileCounter

from lr_callbacks import LRRangeTest


class Quiet(Net):
    """Logs outside of the steps: torch cannot compile ``self.log``."""

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return (self(batch[0]) - batch[1]).square().mean()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        (self(batch[0]) - batch[1]).square().mean()

    def on_validation_epoch_end(self) -> None:
        self.log("scripted", torch.tensor(1.0))


def graphs(callbacks: list[Callback], optimizer: Any) -> int:
    """How many graphs are compiled in a fit of a compiled module, with validations and an incomplete last batch."""
    torch._dynamo.reset()
    counter = CompileCounter()
    module = torch.compile(Quiet(optimizer), backend=counter, dynamic=False)
    run = trainer(*callbacks, max_epochs=3, accumulate_grad_batches=2)
    run.fit(module, loader(5), loader(1))
    assert run.global_step == 9
    return int(counter.frame_count)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(
    "optimizer",
    [sgd((0.1, 0.02)), adam_with(lr=torch.tensor(0.1), foreach=False)],
    ids=["two groups", "a tensor LR"],
)
def test_a_compiled_module_is_compiled_as_often_with_schedules_as_without(optimizer):
    without = graphs([], optimizer)
    assert without >= 1
    for name in ("OneCycle", "three that multiply", "TorchScheduler by epoch"):
        assert graphs(SCHEDULES[name].make(), optimizer) == without, name


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_range_test_adds_the_one_graph_of_its_probe_however_many_steps_it_takes():
    tests = [LRRangeTest(num_steps=steps, apply=False) for steps in (10, 25)]
    assert [graphs([test], sgd((0.1,))) for test in tests] == [graphs([], sgd((0.1,))) + 1] * 2
