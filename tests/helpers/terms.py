"""What a schedule does to the parameter groups of an optimizer, worked out without a Trainer."""

from __future__ import annotations

import numpy as np
import torch

import lr_callbacks as lc
from lr_callbacks.core.run_length import RunLength
from lr_callbacks.core.terms import Term, build_terms
from lr_callbacks.core.timeline import Timeline


def term_of(callback: lc.LRCallback, run: RunLength, lrs: tuple[float, ...] = (0.1,), warmup: int = 0) -> Term:
    """What a callback does to all groups of an optimizer with these LRs, after a warm-up of so many steps."""
    groups = [{"params": [torch.zeros(1)], "lr": lr, "initial_lr": lr} for lr in lrs]
    optimizer = torch.optim.SGD(groups, lr=lrs[0], momentum=0.9)
    warmups = [lc.Warmup(warmup)] if warmup and not isinstance(callback, lc.Warmup) else []
    return next(
        term for term in build_terms(optimizer, 0, [*warmups, callback], Timeline(run)) if term.schedule is callback
    )


def factors(term: Term, *steps: int) -> list[float]:
    """Its factors of the first group at some steps."""
    if term.live:
        return [float(np.ravel(term.at(step))[0]) for step in steps]
    return term.values(np.array(steps)[:, None])[:, 0].tolist()
