"""One-cycle: the LR up and down once, the momentum against it."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

from lr_callbacks.schedules.anneal import AnnealStrategy
from lr_callbacks.schedules.curve import Curve, Way


def one_cycle_phases(
    total_steps: int, *, pct_start: float, three_phase: bool
) -> tuple[tuple[float, Literal["up", "down", "out", "down and out"]], ...]:
    """Where the phases of a one-cycle end (step, possibly between two steps) and what each does.

    torch's own phase ends where these are sound. Cycles shorter than 4 steps (5 with three phases), and a `pct_start`
    so small that the way up has no length, would divide by zero there or never reach the peak; here the peak lies on a
    step: the last of one step, the first of two, the second of three.

    Args:
        total_steps: Length in optimizer steps, >= 1.
        pct_start: Fraction of the cycle spent climbing, in [0, 1].
        three_phase: Whether to come back to the first value before the end.

    Returns:
        For each phase that has a length: the step at which it ends, and what it does.

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


@lru_cache(maxsize=64)
def one_cycle_way(spans: tuple[tuple[float, float], ...], cosine: bool, last: int) -> Way:
    """The way of all values that go through a one-cycle.

    Args:
        spans: First and last step of each phase that has a length.
        cosine: Whether a phase is half a cosine, ``1 + cos(pi * fraction)``, or a line, ``fraction``.
        last: The last step of the cycle; past it the value holds.
    """

    @lru_cache(maxsize=32)  # LR and momentum are asked for at the same steps, which come some at a time
    def way(step: int) -> tuple[int, float]:
        if step > last:
            step = last
        for leg, (begins, ends) in enumerate(spans):
            if step <= ends:
                fraction = (step - begins) / (ends - begins)
                return leg, 1 + math.cos(math.pi * fraction) if cosine else fraction
        return 0, 0.0

    return way


@lru_cache(maxsize=64)
def one_cycle_curve(
    total_steps: int,
    pct_start: float,
    anneal_strategy: AnnealStrategy,
    three_phase: bool,
    values: tuple[float, float, float, float],
    scale: float = 1.0,
) -> Curve:
    """The curve through four values: first, at the peak, when the way down is done (three phases), and last.

    Each phase goes from its first to its last value in torch's order of operations: a line is ``(end - start) *
    fraction + start``, half a cosine ``end + (start - end) / 2 * (1 + cos(pi * fraction))``.

    Args:
        total_steps: Length in optimizer steps, >= 1.
        pct_start: Fraction of the cycle spent climbing, in [0, 1].
        anneal_strategy: ``"cos"`` or ``"linear"``.
        three_phase: Whether to come back to the third value before the end.
        values: The four values, in that order; the third plays no part with two phases.
        scale: What the values are multiplied by in the end.

    Example:
        >>> curve = one_cycle_curve(5, 0.4, "linear", False, (0.0, 1.0, 0.0, 0.0))
        >>> [round(curve(step), 4) for step in range(6)]
        [0.0, 1.0, 0.6667, 0.3333, 0.0, 0.0]
    """
    first, peak, back, final = values
    ways = {"up": (first, peak), "down": (peak, back), "out": (back, final), "down and out": (peak, final)}
    cosine, begins = anneal_strategy == "cos", 0.0
    spans: list[tuple[float, float]] = []
    legs: list[tuple[float, float]] = []
    for ends, does in one_cycle_phases(total_steps, pct_start=pct_start, three_phase=three_phase):
        if ends > begins:
            start, end = ways[does]
            spans.append((begins, ends))
            legs.append((end, (start - end) / 2.0) if cosine else (start, end - start))
        begins = ends
    return Curve(one_cycle_way(tuple(spans), cosine, total_steps - 1), tuple(legs) or ((peak, 0.0),), scale)


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
    ends = (first, max_lr, first, first / final_div_factor)
    return one_cycle_curve(total_steps, pct_start, anneal_strategy, three_phase, ends)(step) / max_lr


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

    In each phase of `one_cycle_factor`, from a to b and with x from 0 to 1: ``b + (a - b) * (1 + cos(pi * x)) / 2`` or
    ``a + (b - a) * x``. First and last step: `max_momentum`, which is held from there on.

    Args:
        step: Optimizer steps since the cycle began, >= 0.
        total_steps: Length in optimizer steps, >= 1.
        pct_start: Fraction of the cycle in which the LR climbs, in [0, 1].
        anneal_strategy: ``"cos"`` or ``"linear"``.
        base_momentum: Momentum at the peak of the LR, in [0, 1).
        max_momentum: Momentum at both ends, in [0, 1).
        three_phase: Whether to come back to `max_momentum` before the LR goes to its end value.

    Example:
        >>> [round(one_cycle_momentum(t, total_steps=10), 4) for t in (0, 2, 9, 99)]
        [0.95, 0.85, 0.95, 0.95]

    References:
        torch ``OneCycleLR``; Smith & Topin, Super-Convergence, 2018, arXiv:1708.07120.
    """
    ends = (max_momentum, base_momentum, max_momentum, max_momentum)
    return one_cycle_curve(total_steps, pct_start, anneal_strategy, three_phase, ends)(step)
