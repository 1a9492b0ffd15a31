"""Cyclical learning rates: up and down along lines, again and again."""

from __future__ import annotations

import math
from typing import Literal

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
    height, scale = _height(step, step_size_up, step_size_down, mode, gamma)
    return base_factor + (1.0 - base_factor) * height * scale


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
    height, scale = _height(step, step_size_up, step_size_down, mode, gamma)
    return max_momentum - (max_momentum - base_momentum) * height * scale


def _height(step: int, up: int, down: int, mode: CyclicalMode, gamma: float) -> tuple[float, float]:
    """Height within the cycle, in [0, 1], and the scale of this cycle or step, in torch's order of operations."""
    total, ratio = float(up) + float(down), float(up) / (float(up) + float(down))
    cycle = math.floor(1 + step / total)
    inside = 1.0 + step / total - cycle
    height = inside / ratio if inside <= ratio else (inside - 1) / (ratio - 1)
    if mode == "triangular2":
        return height, 0.5 ** (cycle - 1)
    return height, float(gamma**step) if mode == "exp_range" else 1.0
