"""Cyclical learning rates: up and down along lines, again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from lr_callbacks.schedules.arrays import Array, Times, Value, lookahead, power

CyclicalMode = Literal["triangular", "triangular2", "exp_range"]
ScaleMode = Literal["cycle", "iterations"]
ScaleFunction = Callable[[int], float]


@lookahead
def cyclical_factor(
    t: Times,
    *,
    step_size_up: float,
    step_size_down: float,
    mode: CyclicalMode = "triangular",
    gamma: float = 1.0,
    base_factor: Value = 0.0,
    scale: Value = 1.0,
    scale_fn: ScaleFunction | None = None,
    scale_mode: ScaleMode = "cycle",
) -> Array:
    """Climb from `base_factor` to 1 over `step_size_up`, fall back over `step_size_down`, and again.

    ``(b + (1 - b) * h) * scale`` with b = `base_factor`. In each cycle h goes from 0 to 1 and back to 0, times 1
    (triangular), ``1 / 2 ** n`` in cycle n counted from 0 (triangular2), ``gamma ** t`` (exp_range), or what `scale_fn`
    says. First step:
    `base_factor` times `scale`. It has no end.

    Args:
        t: Time since the first cycle began, >= 0: a number, or an array of any shape.
        step_size_up: Length of the way up, in the unit of `t`, > 0.
        step_size_down: Length of the way down, > 0.
        mode: How the height of the cycles changes.
        gamma: For exp_range: what each step multiplies the height by, in (0, 1].
        base_factor: Factor b at the bottom: a number, or a row with one for each group.
        scale: What all is multiplied by at the end: a number, or a row with one for each group.
        scale_fn: A function that the height is multiplied by, instead of `mode`.
        scale_mode: What it is a function of: ``"cycle"``, counted from 1, or ``"iterations"``, the time.

    Returns:
        Factors: float64, of the shape that `t`, `base_factor` and `scale` have when they are broadcast.

    Example:
        >>> cyclical_factor(np.arange(6), step_size_up=2, step_size_down=2).tolist()
        [0.0, 0.5, 1.0, 0.5, 0.0, 0.5]
        >>> cyclical_factor(np.array([2, 6, 10]), step_size_up=2, step_size_down=2, mode="triangular2").tolist()
        [1.0, 0.5, 0.25]

    References:
        Smith, Cyclical Learning Rates for Training Neural Networks, 2017, arXiv:1506.01186; torch ``CyclicLR``.
    """
    height = _height(t, step_size_up, step_size_down, mode, gamma, scale_fn, scale_mode)
    return (base_factor + (1.0 - base_factor) * height) * scale


@lookahead
def cyclical_momentum(
    t: Times,
    *,
    step_size_up: float,
    step_size_down: float,
    mode: CyclicalMode = "triangular",
    gamma: float = 1.0,
    base_momentum: float = 0.8,
    max_momentum: float = 0.9,
    scale_fn: ScaleFunction | None = None,
    scale_mode: ScaleMode = "cycle",
) -> Array:
    """Cycle the momentum against the LR: `max_momentum` at the bottom, `base_momentum` at the first peak of the LR.

    ``max_momentum + (base_momentum - max_momentum) * h`` with h as in `cyclical_factor`. First step: `max_momentum`. It
    has no end.

    Args:
        t: Time since the first cycle began, >= 0: a number, or an array of any shape.
        step_size_up: Length of the way up of the LR, in the unit of `t`, > 0.
        step_size_down: Length of the way down of the LR, > 0.
        mode: How the height of the cycles changes.
        gamma: For exp_range: what each step multiplies the height by, in (0, 1].
        base_momentum: Momentum at the first peak of the LR, in [0, 1).
        max_momentum: Momentum at the bottom of the LR, in [0, 1).
        scale_fn: As in `cyclical_factor`.
        scale_mode: As in `cyclical_factor`.

    Returns:
        Momenta: float64, of the shape of `t`.

    Example:
        >>> cyclical_momentum(np.arange(5), step_size_up=2, step_size_down=2).round(4).tolist()
        [0.9, 0.85, 0.8, 0.85, 0.9]

    References:
        torch ``CyclicLR``.
    """
    height = _height(t, step_size_up, step_size_down, mode, gamma, scale_fn, scale_mode)
    return max_momentum + (base_momentum - max_momentum) * height


def _height(
    t: Times,
    step_size_up: float,
    step_size_down: float,
    mode: CyclicalMode,
    gamma: float,
    scale_fn: ScaleFunction | None,
    scale_mode: ScaleMode,
) -> Array:
    """How high in its cycle each time is, in [0, 1], in torch's order of operations."""
    total = float(step_size_up) + float(step_size_down)
    ratio = float(step_size_up) / total
    cycle = np.floor(1 + np.asarray(t) / total)
    inside = 1.0 + np.asarray(t) / total - cycle
    height: Array = np.where(inside <= ratio, inside / ratio, (inside - 1) / (ratio - 1))
    if scale_fn is not None:
        of = np.asarray(cycle if scale_mode == "cycle" else t)
        scales = [scale_fn(int(each)) for each in of.ravel().tolist()]
        return height * np.array(scales, dtype=np.float64).reshape(of.shape)
    if mode == "triangular2":
        return height * power(0.5, cycle - 1)
    return height * power(gamma, t) if mode == "exp_range" else height
