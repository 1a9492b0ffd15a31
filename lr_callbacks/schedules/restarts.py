"""Cosine annealing with warm restarts."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lr_callbacks.schedules.arrays import Array, Times, Value, between, cos, lookahead, power

EDGE = 1e-9
"""How close to the start of a cycle a time counts as being there, where cycles are no whole numbers."""


def restart_cycle(
    t: Times, *, T_0: float, T_mult: float = 1.0, whole: bool = True
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Find the cycle of warm restarts that each time is in: its number, the time within it, its length.

    Cycle n lasts ``T_0 * T_mult ** n``, rounded to whole numbers (halves up), so that each begins on a step; or, if not
    `whole`, just that.

    Args:
        t: Time since the first cycle began, >= 0: a number, or an array of any shape.
        T_0: Length of the first cycle, in the unit of `t`, > 0.
        T_mult: Length of each cycle over that of the one before, >= 1.
        whole: Whether lengths are rounded to whole numbers.

    Returns:
        Number of the cycle, counted from 0; time since it began; its length. Each has the shape of `t`.

    Example:
        >>> number, within, length = restart_cycle(np.arange(7), T_0=2, T_mult=2)
        >>> number.tolist(), within.tolist(), length.tolist()
        ([0, 0, 1, 1, 1, 1, 2], [0, 1, 0, 1, 2, 3, 0], [2, 2, 4, 4, 4, 4, 8])

    References:
        Loshchilov & Hutter, SGDR, 2017, arXiv:1608.03983.
    """
    t = np.asarray(t)
    if T_mult == 1:
        if whole:
            return t // T_0, t % T_0, np.full(t.shape, T_0)
        number = np.floor(t / T_0 + EDGE)
        return number, np.maximum(t - number * T_0, 0), np.full(t.shape, T_0)
    starts = _starts(T_0, T_mult, int(t.max(initial=0)).bit_length(), whole)
    number = np.searchsorted(starts, t if whole else t + EDGE, side="right") - 1
    return number, np.maximum(t - starts[number], 0), starts[number + 1] - starts[number]


@lru_cache(maxsize=64)
def _starts(T_0: float, T_mult: float, bits: int, whole: bool) -> NDArray[Any]:
    """When cycles begin, up to the first that begins at ``2 ** bits`` or later."""
    starts: list[float] = [0]
    length = T_0
    while starts[-1] < 2**bits:
        starts.append(starts[-1] + length)
        length = T_0 * T_mult ** (len(starts) - 1)
        length = math.floor(length + 0.5) if whole else length
    return np.array(starts)


@lookahead
def sgdr_factor(
    t: Times,
    *,
    T_0: float,
    T_mult: float = 1.0,
    eta_min: Value = 0.0,
    cycle_decay: float = 1.0,
    cycle_warmup: float = 0,
) -> Array:
    """Anneal along half a cosine again and again, each time from the peak: cosine annealing with warm restarts.

    In cycle n, t after its start, with its length T_i, its peak p and w = `cycle_warmup`:
    ``eta_min + (p - eta_min) * (1 + cos(pi * (t - w) / (T_i - w))) / 2`` for t >= w, and
    ``eta_min + (p - eta_min) * t / w`` before. The peak is 1, and ``max(cycle_decay ** n, eta_min)`` for n > 0 where
    `cycle_decay` is not 1. First step of a cycle: the peak (with a ramp: `eta_min`). `eta_min` itself would be reached
    one step after the last of a cycle, where the next begins. It has no end.

    Args:
        t: Time since the first cycle began, >= 0: a number, or an array of any shape.
        T_0: Length of the first cycle, in the unit of `t`, > 0.
        T_mult: Length of each cycle over that of the one before, >= 1; lengths are rounded to whole numbers.
        eta_min: Lowest factor: a number, or a row with one for each group.
        cycle_decay: Peak of each cycle over that of the one before, > 0.
        cycle_warmup: Length of a linear ramp at the start of each cycle; less than `T_0`.

    Returns:
        Factors: float64, of the shape that `t` and `eta_min` have when they are broadcast.

    Example:
        >>> sgdr_factor(np.arange(6), T_0=4).round(4).tolist()
        [1.0, 0.8536, 0.5, 0.1464, 1.0, 0.8536]
        >>> sgdr_factor(np.arange(8), T_0=4, cycle_decay=0.5, cycle_warmup=2).round(4).tolist()
        [0.0, 0.5, 1.0, 0.5, 0.0, 0.25, 0.5, 0.25]

    References:
        torch ``CosineAnnealingWarmRestarts``; Loshchilov & Hutter, SGDR, 2017, arXiv:1608.03983, eq. 5.
    """
    number, within, length = restart_cycle(t, T_0=T_0, T_mult=T_mult)
    ramp = cycle_warmup or 1
    fall = 1 + cos(math.pi * (within - cycle_warmup) / (length - cycle_warmup))
    if cycle_decay == 1:
        return between(eta_min, np.where(within < cycle_warmup, within / ramp, fall / 2))
    peak = np.where(number == 0, 1.0, np.maximum(power(cycle_decay, number), eta_min))
    span = peak - eta_min
    return eta_min + np.where(within < cycle_warmup, span * within / ramp, span * fall / 2)
