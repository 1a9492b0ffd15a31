"""Cosine annealing with warm restarts."""

from __future__ import annotations

import math


def restart_cycle(step: int, *, T_0: int, T_mult: float = 1.0) -> tuple[int, int, int]:
    """The cycle of warm restarts that a step is in: its number, the step within it, its length.

    Cycle n lasts ``T_0 * T_mult ** n`` steps, rounded to whole steps (halves up), so that each begins on a step.

    Args:
        step: Optimizer steps since the first cycle began, >= 0.
        T_0: Length of the first cycle in optimizer steps, >= 1.
        T_mult: Each cycle is so many times as long as the one before, >= 1.

    Returns:
        Number of the cycle, counted from 0; steps since it began; its length in steps.

    Example:
        >>> [restart_cycle(t, T_0=2, T_mult=2) for t in (0, 1, 2, 5, 6)]
        [(0, 0, 2), (0, 1, 2), (1, 0, 4), (1, 3, 4), (2, 0, 8)]
    """
    if T_mult == 1:
        return step // T_0, step % T_0, T_0
    cycle, length = 0, T_0
    while step >= length:
        step -= length
        cycle += 1
        length = math.floor(T_0 * T_mult**cycle + 0.5)
    return cycle, step, length


def sgdr_factor(
    step: int,
    *,
    T_0: int,
    T_mult: float = 1.0,
    eta_min: float = 0.0,
    cycle_decay: float = 1.0,
    cycle_warmup: int = 0,
) -> float:
    """Anneal along half a cosine again and again, each time from the peak: cosine annealing with warm restarts.

    In cycle n, with peak ``p = max(cycle_decay ** n, eta_min)``, t steps into its T_i steps, and w = `cycle_warmup`:
    ``eta_min + (p - eta_min) * (1 + cos(pi * (t - w) / (T_i - w))) / 2`` for t >= w, and ``eta_min + (p - eta_min) * t
    / w`` before. First step of a cycle: the peak (with a ramp: `eta_min`). `eta_min` itself would be reached one step
    after a cycle's last, where the next begins. It has no end.

    Args:
        step: Optimizer steps since the first cycle began, >= 0.
        T_0: Length of the first cycle in optimizer steps, >= 1.
        T_mult: Each cycle is so many times as long as the one before, >= 1.
        eta_min: Lowest factor.
        cycle_decay: Each peak is so many times as high as the one before.
        cycle_warmup: Steps of a linear ramp at the start of each cycle; less than `T_0`.

    Example:
        >>> [round(sgdr_factor(t, T_0=4), 4) for t in range(6)]
        [1.0, 0.8536, 0.5, 0.1464, 1.0, 0.8536]
        >>> [round(sgdr_factor(t, T_0=4, cycle_decay=0.5, cycle_warmup=2), 4) for t in (0, 1, 2, 3, 4, 6)]
        [0.0, 0.5, 1.0, 0.5, 0.0, 0.5]

    References:
        torch ``CosineAnnealingWarmRestarts``; Loshchilov & Hutter, SGDR, 2017, arXiv:1608.03983, eq. 5.
    """
    if T_mult == 1:
        (cycle, within), length = divmod(step, T_0), T_0
    else:
        cycle, within, length = restart_cycle(step, T_0=T_0, T_mult=T_mult)
    peak = 1.0 if not cycle or eta_min <= cycle_decay == 1 else max(cycle_decay**cycle, eta_min)
    if within < cycle_warmup:
        return eta_min + (peak - eta_min) * within / cycle_warmup
    return eta_min + (peak - eta_min) * (1 + math.cos(math.pi * (within - cycle_warmup) / (length - cycle_warmup))) / 2
