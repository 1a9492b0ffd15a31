"""A step must not feel us: guards with room for a busy machine; benchmarks/overhead.py has the numbers."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable

import pytest
import torch
from support import Net, fit, sgd
from torch.optim import Optimizer, lr_scheduler

from lr_callbacks import SGDR, OneCycle, ReduceLROnPlateau, Warmup
from lr_callbacks.driver import Driver
from lr_callbacks.horizon import Horizon


def optimizer(groups: int) -> Optimizer:
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(groups)], 0.1, momentum=0.9)


def ours(groups: int, *callbacks: object) -> Callable[[], None]:
    built = optimizer(groups)
    driver = Driver(built, 0, callbacks)
    driver.start(Horizon(10**8, ((0, 1000),)), resumed=False, finetuned=False, steps_if_not_restored=0)
    return lambda: driver._after_step(built)


def torchs(groups: int) -> Callable[[], None]:
    built = optimizer(groups)
    scheduler = lr_scheduler.OneCycleLR(built, max_lr=0.1, total_steps=10**8)
    built.step()
    return scheduler.step


def fastest(calls: int, *updates: Callable[[], None]) -> list[float]:
    best = [float("inf")] * len(updates)
    for _ in range(7):
        for number, update in enumerate(updates):
            gc.collect()
            begun = time.perf_counter()
            for _ in range(calls):
                update()
            best[number] = min(best[number], time.perf_counter() - begun)
    return best


@pytest.mark.parametrize(("groups", "calls", "most"), [(1, 2000, 1.5), (100, 50, 0.3), (1000, 5, 0.3)])
def test_an_update_costs_no_more_than_a_share_of_torch_one_cycle_lr(groups, calls, most):
    mine, theirs = fastest(calls, ours(groups, OneCycle()), torchs(groups))
    assert mine < most * theirs


def test_an_update_of_many_groups_is_linear():
    few, many = fastest(5, ours(500, SGDR(1000)), ours(5000, SGDR(1000)))
    assert many < 40 * few


def test_twenty_thousand_updates_keep_no_memory():
    update = ours(3, Warmup(100), SGDR(1000), ReduceLROnPlateau("val_loss"))
    for _ in range(1000):
        update()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(20_000):
        update()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 2000


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device to see whether a step waits for it")
def test_no_step_waits_for_the_gpu():
    seen = []

    class Strict(Net):
        def on_train_batch_start(self, batch: object, batch_idx: int) -> None:
            torch.cuda.set_sync_debug_mode("error" if 2 <= batch_idx < 9 else "default")

        def training_step(self, batch: object, batch_idx: int) -> torch.Tensor:
            return (self(batch[0]) - batch[1]).square().mean()

        def on_train_batch_end(self, outputs: object, batch: object, batch_idx: int) -> None:
            seen.append(batch_idx)
            torch.cuda.set_sync_debug_mode("default")

    def tensor_lr(parts: list[torch.nn.Module]) -> Optimizer:
        parameters = [parameter for part in parts for parameter in part.parameters()]
        return torch.optim.Adam(parameters, lr=torch.tensor(0.1, device="cuda"), capturable=True)

    for make in (sgd((0.1, 0.02)), tensor_lr):
        fit(Warmup(3), SGDR(4), OneCycle(start=0), module=Strict(make), batches=10, accelerator="gpu", devices=1)
    assert seen == list(range(10)) * 2
