"""The shapes of the schedules, as pure functions of an integer step: no torch, no state, any step in any order.

A *factor* is dimensionless: the LR is the base LR times the factor. Each function holds its last value past its end,
and follows torch's order of operations where torch has the schedule, so that both agree to the last bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

WarmupShape = Literal["linear", "exponential", "cosine", "constant"]
AnnealStrategy = Literal["cos", "linear"]


def cosine_anneal(start: float, end: float, fraction: float) -> float:
    """Go from `start` to `end` along half a cosine: ``end + (start - end) / 2 * (1 + cos(pi * fraction))``.

    Example:
        >>> cosine_anneal(1.0, 0.0, 0.0), round(cosine_anneal(1.0, 0.0, 0.5), 12), cosine_anneal(1.0, 0.0, 1.0)
        (1.0, 0.5, 0.0)
    """
    return end + (start - end) / 2.0 * (1 + math.cos(math.pi * fraction))


def linear_anneal(start: float, end: float, fraction: float) -> float:
    """Go from `start` to `end` along a line: ``(end - start) * fraction + start``.

    Example:
        >>> linear_anneal(1.0, 0.0, 0.25)
        0.75
    """
    return (end - start) * fraction + start


_ANNEAL: dict[str, Callable[[float, float, float], float]] = {"cos": cosine_anneal, "linear": linear_anneal}


def warmup_factor(
    step: int, *, duration: int, shape: WarmupShape = "linear", start_factor: float = 1 / 3, end_factor: float = 1.0
) -> float:
    """Ramp from `start_factor` to `end_factor` over `duration` steps, then hold.

    With x = step / duration: linear ``s + (e - s) x``; exponential ``s (e / s) ** x``; cosine
    ``s + (e - s) (1 - cos(pi x)) / 2``; constant ``s`` before the end. First step: `start_factor`. Reached:
    `end_factor` at step `duration` (one after the last of `duration` steps); at once where `duration` is 0.

    Args:
        step: Optimizer steps since the ramp began, >= 0.
        duration: Length in optimizer steps, >= 0.
        shape: One of the four above.
        start_factor: Factor at step 0.
        end_factor: Factor from step `duration` on.

    Example:
        >>> [warmup_factor(t, duration=4, start_factor=0.0) for t in (0, 1, 2, 4, 9)]
        [0.0, 0.25, 0.5, 1.0, 1.0]

    References:
        torch ``LinearLR`` and ``ConstantLR``; Goyal et al., Accurate, Large Minibatch SGD, 2017, arXiv:1706.02677, 2.2.
    """
    if step >= duration:
        return end_factor
    if shape == "linear":
        return start_factor + (end_factor - start_factor) * step / duration
    if shape == "exponential":
        return float(start_factor * (end_factor / start_factor) ** (step / duration))
    if shape == "cosine":
        return cosine_anneal(start_factor, end_factor, step / duration)
    return start_factor


def one_cycle_phases(
    total_steps: int, *, pct_start: float, three_phase: bool
) -> tuple[tuple[float, Literal["up", "down", "out", "down and out"]], ...]:
    """Where the phases of a one-cycle end (step, possibly between two steps) and what each does.

    torch's own phase ends where these are sound. Cycles shorter than 4 steps (5 with three phases), and a `pct_start`
    so small that the way up has no length, would divide by zero there or never reach the peak; here the peak lies on a
    step: the last of one step, the first of two, the second of three.

    Example:
        >>> one_cycle_phases(100, pct_start=0.3, three_phase=False)
        ((29.0, 'up'), (99, 'down and out'))
        >>> one_cycle_phases(3, pct_start=0.3, three_phase=False)
        ((1.0, 'up'), (2, 'down and out'))
    """
    last = total_steps - 1
    if total_steps < (5 if three_phase else 4):
        peak = float(1 if total_steps > 2 else 0)
        back = 2 * peak
    else:
        peak = max(0.0, float(pct_start * total_steps) - 1)
        back = max(peak, float(2 * pct_start * total_steps) - 2)
    if three_phase and 0 < peak < back < last:
        return ((peak, "up"), (back, "down"), (last, "out"))
    return ((peak, "up"), (last, "down and out"))


def one_cycle_factor(
    step: int,
    *,
    total_steps: int,
    pct_start: float = 0.3,
    anneal_strategy: AnnealStrategy = "cos",
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    three_phase: bool = False,
    max_lr: float = 1.0,
) -> float:
    """Climb from ``1 / div_factor`` to 1, then anneal to ``1 / (div_factor * final_div_factor)``.

    Two phases: up until step ``pct_start * total_steps - 1``, down until ``total_steps - 1``. Three phases: up, down to
    ``1 / div_factor`` until ``2 * pct_start * total_steps - 2``, then out to the end value. First step (0):
    ``1 / div_factor``. End value: at step ``total_steps - 1``, the last of the cycle, and held from there on.

    Args:
        step: Optimizer steps since the cycle began, >= 0.
        total_steps: Length in optimizer steps.
        pct_start: Fraction of the cycle spent climbing, in [0, 1].
        anneal_strategy: ``"cos"`` or ``"linear"``.
        div_factor: Peak over first value.
        final_div_factor: First value over last value.
        three_phase: Whether to come back to the first value before the end.
        max_lr: The peak as an LR; changes nothing but the last bits: the values are rounded as torch rounds LRs.

    Example:
        >>> [round(one_cycle_factor(t, total_steps=10, div_factor=10.0), 4) for t in (0, 2, 9, 99)]
        [0.1, 1.0, 0.0, 0.0]

    References:
        torch ``OneCycleLR``; Smith & Topin, Super-Convergence, 2018, arXiv:1708.07120.
    """
    first = max_lr / div_factor
    final = first / final_div_factor
    ends = {"up": (first, max_lr), "down": (max_lr, first), "out": (first, final), "down and out": (max_lr, final)}
    return _one_cycle(step, total_steps, pct_start, anneal_strategy, three_phase, ends) / max_lr


def one_cycle_momentum(
    step: int,
    *,
    total_steps: int,
    pct_start: float = 0.3,
    anneal_strategy: AnnealStrategy = "cos",
    base_momentum: float = 0.85,
    max_momentum: float = 0.95,
    three_phase: bool = False,
) -> float:
    """Cycle the momentum against the LR: `max_momentum` at the ends, `base_momentum` at the peak of the LR.

    Same phases and arguments as `one_cycle_factor`. First and last step: `max_momentum`.

    Example:
        >>> [round(one_cycle_momentum(t, total_steps=10), 4) for t in (0, 2, 9, 99)]
        [0.95, 0.85, 0.95, 0.95]
    """
    high, low = max_momentum, base_momentum
    ends = {"up": (high, low), "down": (low, high), "out": (high, high), "down and out": (low, high)}
    return _one_cycle(step, total_steps, pct_start, anneal_strategy, three_phase, ends)


def _one_cycle(
    step: int,
    total_steps: int,
    pct_start: float,
    anneal_strategy: AnnealStrategy,
    three_phase: bool,
    ends: dict[str, tuple[float, float]],
) -> float:
    """Walk the phases: each goes from the first to the second of its two values."""
    anneal = _ANNEAL[anneal_strategy]
    step = min(step, total_steps - 1)
    begins = 0.0
    for phase_end, does in one_cycle_phases(total_steps, pct_start=pct_start, three_phase=three_phase):
        if step <= phase_end and phase_end > begins:
            return anneal(*ends[does], (step - begins) / (phase_end - begins))
        begins = phase_end
    return ends["up"][1]  # a cycle of at most one step is its peak


def restart_cycle(step: int, *, T_0: int, T_mult: float = 1.0) -> tuple[int, int, int]:
    """The cycle of warm restarts that a step is in: its number, the step within it, its length.

    Cycle n lasts ``T_0 * T_mult ** n`` steps, rounded to whole steps (halves up), so that each begins on a step.

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
    cycle, within, length = restart_cycle(step, T_0=T_0, T_mult=T_mult)
    peak = max(cycle_decay**cycle, eta_min) if cycle else 1.0
    if within < cycle_warmup:
        return eta_min + (peak - eta_min) * within / cycle_warmup
    return eta_min + (peak - eta_min) * (1 + math.cos(math.pi * (within - cycle_warmup) / (length - cycle_warmup))) / 2
