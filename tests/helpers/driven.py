"""Optimizers that are driven as in a fit, without one: each step is ``optimizer.step()``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.optim import Optimizer

import lr_callbacks as lc
from lr_callbacks.core.controller import Controller
from lr_callbacks.core.run_length import RunLength
from lr_callbacks.core.session import Session
from lr_callbacks.core.wall_clock import TimeLimit, WallClock


def driven(
    callbacks: Sequence[lc.LRCallback],
    lrs: Sequence[float] = (0.1,),
    *,
    kind: type[Optimizer] = torch.optim.SGD,
    run: RunLength | None = None,
    clock: WallClock | None = None,
    **options: Any,
) -> tuple[Optimizer, Controller]:
    """An optimizer with a group for each of these LRs, driven by callbacks through a run of 1000 steps."""
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in lrs]
    return drive(kind(groups, **options), callbacks, run=run, clock=clock)


def drive(
    optimizer: Optimizer,
    callbacks: Sequence[lc.LRCallback],
    *,
    run: RunLength | None = None,
    clock: WallClock | None = None,
) -> tuple[Optimizer, Controller]:
    """An optimizer that callbacks drive from now on."""
    controller = Controller(optimizer, 0, callbacks)
    session = Session([controller], list(callbacks))
    for callback in callbacks:
        callback._session = session
    run = run or (RunLength(1000, ((0, 100),)) if clock is None else TimeLimit(1000))
    controller.start(run, resumed=False, clock=clock)
    return optimizer, controller


def lrs_of(optimizer: Optimizer) -> list[float]:
    """The LRs that the next step will use."""
    return [float(group["lr"]) for group in optimizer.param_groups]
