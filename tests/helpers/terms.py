"""What a schedule does to the parameter groups of an optimizer, worked out without a Trainer."""

from __future__ import annotations

import numpy as np
import torch

import lr_callbacks as lc
from lr_callbacks.core.run_length import RunLength
from lr_callbacks.core.terms import Term, build_terms
from lr_callbacks.core.timeline import Timeline


def terms_of(callback: lc.LRCallback, run: RunLength, lrs: tuple[float, ...] = (0.1,), warmup: int = 0) -> list[Term]:
    """What a callback does to all groups of an optimizer with these LRs, after a warm-up of so many steps.

    The factor comes first; momentum that the callback moves, if it does, after it.
    """
    groups = [{"params": [torch.zeros(1)], "lr": lr, "initial_lr": lr} for lr in lrs]
    optimizer = torch.optim.SGD(groups, lr=lrs[0], momentum=0.9)
    warmups = [lc.Warmup(warmup)] if warmup and not isinstance(callback, lc.Warmup) else []
    terms = build_terms(optimizer, 0, [*warmups, callback], Timeline(run))
    return [term for term in terms if term.schedule is callback]


def term_of(callback: lc.LRCallback, run: RunLength, lrs: tuple[float, ...] = (0.1,), warmup: int = 0) -> Term:
    """By which factor a callback multiplies the LR of these groups."""
    return terms_of(callback, run, lrs, warmup)[0]


def factors(term: Term, *steps: int, group: int = 0) -> list[float]:
    """Its factors (or values) of one group at some steps."""
    if term.live:
        rows = [np.atleast_1d(term.at(step)) for step in steps]
    else:
        rows = list(term.values(np.array(steps)[:, None]))
    return [float(row[group if len(row) > 1 else 0]) for row in rows]
