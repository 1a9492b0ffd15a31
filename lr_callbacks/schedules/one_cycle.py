"""One-cycle: the LR up and down once, the momentum against it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from lr_callbacks.schedules.anneal import AnnealStrategy, cosine_anneal, linear_anneal
from lr_callbacks.schedules.arrays import Array, Times, Value, lookahead

Way = Literal["up", "down", "out", "down and out"]


def one_cycle_phases(
    total_steps: float, *, pct_start: float, three_phase: bool, pct_final: float | None = None
) -> list[tuple[float, float, Way]]:
    """Find the phases of a one-cycle: from when to when (possibly between two steps), and which way each goes.

    torch's own phases where these are sound. Cycles shorter than 4 steps (5 with three phases), and a `pct_start` so
    small that the way up has no length, would divide by zero there or never reach the peak; here the peak lies on a
    step: the last of one step, the first of two, the second of three.

    Args:
        total_steps: Length of the cycle, >= 1.
        pct_start: Fraction of the cycle spent climbing, in [0, 1].
        three_phase: Whether to come back to the first value before the end.
        pct_final: Fraction of the cycle after which it is back there; None for twice `pct_start`.

    Returns:
        Begin, end and way of each phase that has a length: the first begins at 0, the last ends at ``total_steps - 1``.

    Example:
        >>> one_cycle_phases(100, pct_start=0.3, three_phase=False)
        [(0.0, 29.0, 'up'), (29.0, 99, 'down and out')]
        >>> one_cycle_phases(2, pct_start=0.3, three_phase=False)
        [(0.0, 1, 'down and out')]

    References:
        torch ``OneCycleLR``.
    """
    last = total_steps - 1
    if total_steps < (5 if three_phase else 4):
        peak = float(1 if total_steps > 2 else 0)
        back = 2 * peak
    else:
        peak = max(0.0, float(pct_start * total_steps) - 1)
        back = max(peak, float(2 * pct_start * total_steps) - 2)
        if pct_final is not None:
            back = max(peak, float(pct_final * total_steps) - 1)
    phases: list[tuple[float, float, Way]] = [(0.0, peak, "up"), (peak, last, "down and out")]
    if three_phase and 0 < peak < back < last:
        phases = [(0.0, peak, "up"), (peak, back, "down"), (back, last, "out")]
    return [phase for phase in phases if phase[0] < phase[1]]


@lookahead
def one_cycle_factor(
    t: Times,
    *,
    total_steps: float,
    pct_start: float = 0.3,
    anneal_strategy: AnnealStrategy = "cos",
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    three_phase: bool = False,
    max_lr: Value = 1.0,
    scale: Value = 1.0,
    pct_final: float | None = None,
) -> Array:
    """Climb from ``1 / div_factor`` to 1, then anneal to ``1 / (div_factor * final_div_factor)``.

    Two phases: up until ``pct_start * total_steps - 1``, down until ``total_steps - 1``. Three phases: up, down to
    ``1 / div_factor`` until ``2 * pct_start * total_steps - 2`` (or ``pct_final * total_steps - 1``), then out to the
    end value. In each, from a to b and with x from 0 to 1: ``b + (a - b) / 2 * (1 + cos(pi * x))`` or
    ``(b - a) * x + a``. First step: ``1 / div_factor``. End value: at ``t = total_steps - 1``, the last step of the
    cycle, and held. All times `scale`.

    Args:
        t: Time since the cycle began, >= 0: a number, or an array of any shape.
        total_steps: Length of the cycle, in the unit of `t`, >= 1.
        pct_start: Fraction of the cycle spent climbing, in [0, 1].
        anneal_strategy: ``"cos"`` or ``"linear"``.
        div_factor: Peak over first value.
        final_div_factor: First value over last value.
        three_phase: Whether to come back to the first value before the end.
        max_lr: The LR at the peak: a number, or a row with one for each group. It changes only the last bits: the
            values are worked out as LRs, rounded as torch rounds them, and divided by it.
        scale: What all is multiplied by at the end: a number, or a row with one for each group.
        pct_final: With three phases: fraction of the cycle after which it is back at the first value; None for twice
            `pct_start`.

    Returns:
        Factors: float64, of the shape that `t`, `max_lr` and `scale` have when they are broadcast.

    Example:
        >>> one_cycle_factor(np.arange(6), total_steps=5, pct_start=0.4, div_factor=10.0).round(4).tolist()
        [0.1, 1.0, 0.75, 0.25, 0.0, 0.0]

    References:
        torch ``OneCycleLR``; Smith & Topin, Super-Convergence, 2018, arXiv:1708.07120.
    """
    first = max_lr / div_factor
    values = (first, max_lr, first, first / final_div_factor)
    return _through(values, t, total_steps, pct_start, anneal_strategy, three_phase, pct_final) * (scale / max_lr)


@lookahead
def one_cycle_momentum(
    t: Times,
    *,
    total_steps: float,
    pct_start: float = 0.3,
    anneal_strategy: AnnealStrategy = "cos",
    base_momentum: float = 0.85,
    max_momentum: float = 0.95,
    three_phase: bool = False,
    pct_final: float | None = None,
    final_momentum: float | None = None,
) -> Array:
    """Cycle the momentum against the LR: `max_momentum` at the ends, `base_momentum` at the peak of the LR.

    In each phase of `one_cycle_factor`, from a to b and with x from 0 to 1: ``b + (a - b) / 2 * (1 + cos(pi * x))`` or
    ``(b - a) * x + a``. First and last step: `max_momentum` (last: `final_momentum`, if given), held from there on.

    Args:
        t: Time since the cycle began, >= 0: a number, or an array of any shape.
        total_steps: Length of the cycle, in the unit of `t`, >= 1.
        pct_start: Fraction of the cycle in which the LR climbs, in [0, 1].
        anneal_strategy: ``"cos"`` or ``"linear"``.
        base_momentum: Momentum at the peak of the LR, in [0, 1).
        max_momentum: Momentum at both ends, in [0, 1).
        three_phase: Whether to come back to `max_momentum` before the LR goes to its end value.
        pct_final: As in `one_cycle_factor`.
        final_momentum: Momentum at the end, in [0, 1); None for `max_momentum`.

    Returns:
        Momenta: float64, of the shape of `t`.

    Example:
        >>> one_cycle_momentum(np.arange(6), total_steps=5, pct_start=0.4).round(4).tolist()
        [0.95, 0.85, 0.875, 0.925, 0.95, 0.95]

    References:
        torch ``OneCycleLR``; Smith & Topin, Super-Convergence, 2018, arXiv:1708.07120.
    """
    last = max_momentum if final_momentum is None else final_momentum
    values = (max_momentum, base_momentum, max_momentum, last)
    return _through(values, t, total_steps, pct_start, anneal_strategy, three_phase, pct_final)


def _through(
    values: tuple[Value, Value, Value, Value],
    t: Times,
    total_steps: float,
    pct_start: float,
    anneal_strategy: AnnealStrategy,
    three_phase: bool,
    pct_final: float | None,
) -> Array:
    """Go through four values: the first, at the peak, when the way down is done (three phases), and the last."""
    first, peak, back, last = values
    ends = {"up": (first, peak), "down": (peak, back), "out": (back, last), "down and out": (peak, last)}
    t = np.minimum(t, total_steps - 1)
    start, end, x = peak, peak, np.zeros(t.shape)
    phases = one_cycle_phases(total_steps, pct_start=pct_start, three_phase=three_phase, pct_final=pct_final)
    for begins, stops, way in reversed(phases):
        here = t <= stops
        x = np.where(here, (t - begins) / (stops - begins), x)
        start, end = np.where(here, ends[way][0], start), np.where(here, ends[way][1], end)
    return (cosine_anneal if anneal_strategy == "cos" else linear_anneal)(start, end, x)
