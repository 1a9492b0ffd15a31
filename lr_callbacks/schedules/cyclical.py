"""Cyclical learning rates: up and down along lines, again and again."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

from lr_callbacks.schedules.curve import Curve, Way

CyclicalMode = Literal["triangular", "triangular2", "exp_range"]


def cyclical_factor(
    step: int,
    *,
    step_size_up: int,
    step_size_down: int,
    mode: CyclicalMode = "triangular",
    gamma: float = 1.0,
    base_factor: float = 0.0,
) -> float:
    """Climb from `base_factor` to 1 over `step_size_up` steps, fall back over `step_size_down`, and again.

    ``b + (1 - b) * h * scale``, where h goes from 0 to 1 and back to 0 in each cycle, and scale is 1 (triangular),
    ``1 / 2 ** n`` in cycle n counted from 0 (triangular2), or ``gamma ** step`` (exp_range). First step: `base_factor`.
    It has no end.

    Args:
        step: Steps since the first cycle began, >= 0.
        step_size_up: Steps of the way up, >= 1.
        step_size_down: Steps of the way down, >= 1.
        mode: How the height of the cycles changes.
        gamma: For exp_range: what each step multiplies the height by, in (0, 1].
        base_factor: Factor b at the bottom.

    Example:
        >>> [cyclical_factor(t, step_size_up=2, step_size_down=2) for t in range(6)]
        [0.0, 0.5, 1.0, 0.5, 0.0, 0.5]
        >>> [cyclical_factor(t, step_size_up=2, step_size_down=2, mode="triangular2") for t in (2, 6, 10)]
        [1.0, 0.5, 0.25]

    References:
        Smith, Cyclical Learning Rates for Training Neural Networks, 2017, arXiv:1506.01186; torch ``CyclicLR``.
    """
    return cyclical_curve(step_size_up, step_size_down, mode, gamma, bottom=base_factor, top=1.0)(step)


def cyclical_momentum(
    step: int,
    *,
    step_size_up: int,
    step_size_down: int,
    mode: CyclicalMode = "triangular",
    gamma: float = 1.0,
    base_momentum: float = 0.8,
    max_momentum: float = 0.9,
) -> float:
    """Cycle the momentum against the LR: `max_momentum` at the bottom, `base_momentum` at the first peak of the LR.

    ``max_momentum - (max_momentum - base_momentum) * h * scale``, with h and scale as in `cyclical_factor`. First step:
    `max_momentum`. It has no end.

    Args:
        step: Steps since the first cycle began, >= 0.
        step_size_up: Steps of the way up of the LR, >= 1.
        step_size_down: Steps of the way down of the LR, >= 1.
        mode: How the height of the cycles changes.
        gamma: For exp_range: what each step multiplies the height by, in (0, 1].
        base_momentum: Momentum at the first peak of the LR, in [0, 1).
        max_momentum: Momentum at the bottom of the LR, in [0, 1).

    Example:
        >>> [round(cyclical_momentum(t, step_size_up=2, step_size_down=2), 4) for t in range(5)]
        [0.9, 0.85, 0.8, 0.85, 0.9]

    References:
        torch ``CyclicLR``.
    """
    return cyclical_curve(step_size_up, step_size_down, mode, gamma, bottom=max_momentum, top=base_momentum)(step)


@lru_cache(maxsize=64)
def cyclical_way(step_size_up: int, step_size_down: int, mode: CyclicalMode, gamma: float) -> Way:
    """The way of all values that cycle: their height, in [0, 1], times its scale, in torch's order of operations."""
    total = float(step_size_up) + float(step_size_down)
    ratio = float(step_size_up) / total

    @lru_cache(maxsize=32)  # LR and momentum are asked for at the same steps, which come some at a time
    def way(step: int) -> tuple[int, float]:
        cycle = math.floor(1 + step / total)
        inside = 1.0 + step / total - cycle
        height = inside / ratio if inside <= ratio else (inside - 1) / (ratio - 1)
        if mode == "triangular":
            return 0, height
        return 0, height * (0.5 ** (cycle - 1) if mode == "triangular2" else float(gamma**step))

    return way


def cyclical_curve(
    step_size_up: int,
    step_size_down: int,
    mode: CyclicalMode,
    gamma: float,
    *,
    bottom: float,
    top: float,
    scale: float = 1.0,
) -> Curve:
    """The curve from `bottom` to `top` and back, again and again: ``(bottom + (top - bottom) * h) * scale``.

    First step: `bottom`. It has no end. The height h is that of `cyclical_factor`.

    Args:
        step_size_up: Steps of the way up, >= 1.
        step_size_down: Steps of the way down, >= 1.
        mode: How the height of the cycles changes.
        gamma: For exp_range: what each step multiplies the height by, in (0, 1].
        bottom: Value at the bottom.
        top: Value at the first top.
        scale: What the values are multiplied by in the end.

    Example:
        >>> curve = cyclical_curve(2, 2, "triangular", 1.0, bottom=1.0, top=3.0)
        >>> [curve(step) for step in range(5)]
        [1.0, 2.0, 3.0, 2.0, 1.0]
    """
    return Curve(cyclical_way(step_size_up, step_size_down, mode, gamma), ((bottom, top - bottom),), scale)
