"""Schedules that reach their end after a given time: constant, linear, polynomial, cosine, REX."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lr_callbacks.schedules import arrays
from lr_callbacks.schedules.arrays import Array, Times, Value, between, cos, lookahead, until


@lookahead
def constant_factor(t: Times, *, total_steps: float, factor: float = 1 / 3) -> Array:
    """Hold `factor` until `total_steps`, then 1: ``factor if t < total_steps else 1``.

    First step: `factor`. Reached: 1 at ``t = total_steps`` (one after the last of the steps).

    Args:
        t: Time since the schedule began, >= 0: a number, or an array of any shape.
        total_steps: Length, in the unit of `t`, >= 0.
        factor: Factor until then.

    Returns:
        Factors: float64, of the shape of `t`.

    Example:
        >>> import numpy as np
        >>> constant_factor(np.arange(4), total_steps=2, factor=0.5).tolist()
        [0.5, 0.5, 1.0, 1.0]

    References:
        torch ``ConstantLR``.
    """
    return until(total_steps, t, lambda t: factor, 1.0)


@lookahead
def linear_factor(t: Times, *, total_steps: float, start_factor: float = 1.0, end_factor: float = 0.0) -> Array:
    """Go from `start_factor` to `end_factor` along a line: ``s + (e - s) * t / total_steps``.

    First step: `start_factor`, s. Reached: `end_factor`, e, at ``t = total_steps`` (one after the last of the steps),
    and held.

    Args:
        t: Time since the schedule began, >= 0: a number, or an array of any shape.
        total_steps: Length, in the unit of `t`, >= 0.
        start_factor: Factor s at time 0.
        end_factor: Factor e from `total_steps` on.

    Returns:
        Factors: float64, of the shape of `t`.

    Example:
        >>> import numpy as np
        >>> linear_factor(np.arange(6), total_steps=4).tolist()
        [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]

    References:
        torch ``LinearLR``.
    """
    return until(total_steps, t, lambda t: start_factor + (end_factor - start_factor) * t / total_steps, end_factor)


@lookahead
def polynomial_factor(
    t: Times,
    *,
    total_steps: float,
    power: float = 1.0,
    end_factor: Value = 0.0,
    k_decay: float = 1.0,
    cycle: bool = False,
) -> Array:
    """Fall along a power of the time that is left: ``e + (1 - e) * (1 - (t / T) ** k) ** power``.

    T is `total_steps`, k `k_decay`. First step: 1. Reached: `end_factor`, e, at ``t = T`` (one after the last of the
    steps), and held; with `cycle`, T becomes its next multiple there, so that it jumps up and falls again, with no end.

    Args:
        t: Time since the schedule began, >= 0: a number, or an array of any shape.
        total_steps: Length, in the unit of `t`, >= 0.
        power: Exponent, > 0: 1 is a line, above it falls faster at first.
        end_factor: Factor e from `total_steps` on: a number, or a row with one for each group.
        k_decay: Exponent k of the time that is done, > 0: above 1 it stays up for longer.
        cycle: Whether it begins again, each time twice, three times... as long and from less high.

    Returns:
        Factors: float64, of the shape that `t` and `end_factor` have when they are broadcast.

    Example:
        >>> import numpy as np
        >>> polynomial_factor(np.arange(6), total_steps=4, power=2.0).tolist()
        [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]

    References:
        torch ``PolynomialLR``; Keras ``PolynomialDecay``; Zhang & Li, k-decay, 2020, arXiv:2004.05909.
    """

    def left(t: Any, total: Any) -> Any:
        done = t / total
        return 1.0 - (done if k_decay == 1 else arrays.power(done, k_decay))

    if cycle:
        total = total_steps * np.maximum(np.ceil(np.asarray(t) / total_steps), 1)
        return between(end_factor, arrays.power(left(np.asarray(t), total), power))
    return between(end_factor, until(total_steps, t, lambda t: arrays.power(left(t, total_steps), power), 0.0))


@lookahead
def cosine_factor(
    t: Times,
    *,
    total_steps: float,
    eta_min: Value = 0.0,
    num_cycles: float = 0.5,
    power: float = 1.0,
    k_decay: float = 1.0,
) -> Array:
    """Anneal along half a cosine: ``eta_min + (1 - eta_min) * (1 + cos(pi * t / total_steps)) / 2``.

    In full, with c = `num_cycles`: ``eta_min + (1 - eta_min) * ((1 + cos(2 * pi * c * (t / T) ** k)) / 2) ** power``.
    First step: 1. Reached: `eta_min` (after whole waves: 1) at ``t = total_steps`` (one after the last of the steps),
    and held, where torch's rises again.

    Args:
        t: Time since the schedule began, >= 0: a number, or an array of any shape.
        total_steps: Length, in the unit of `t`, >= 0.
        eta_min: Lowest factor: a number, or a row with one for each group.
        num_cycles: Waves c: 0.5 is half a cosine, down once; 1.5 goes down, up and down.
        power: Exponent of the height, > 0: above 1 it falls faster at first.
        k_decay: Exponent k of the time that is done, > 0: above 1 it stays up for longer.

    Returns:
        Factors: float64, of the shape that `t` and `eta_min` have when they are broadcast.

    Example:
        >>> import numpy as np
        >>> cosine_factor(np.arange(6), total_steps=4).round(3).tolist()
        [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]

        A column of times and a row with an end for each of two groups give a table:

        >>> cosine_factor(np.array([[0], [2], [4]]), total_steps=4, eta_min=np.array([0.0, 0.5])).tolist()
        [[1.0, 1.0], [0.5, 0.75], [0.0, 0.5]]

    References:
        Loshchilov & Hutter, SGDR, 2017, arXiv:1608.03983, eq. 5 (without restarts); torch ``CosineAnnealingLR``;
        transformers ``get_cosine_schedule_with_warmup``; optax ``cosine_decay_schedule``; Zhang & Li, k-decay, 2020,
        arXiv:2004.05909.
    """

    def height(t: Any) -> Any:
        angle = math.pi * t / total_steps if k_decay == 1 else math.pi * arrays.power(t / total_steps, k_decay)
        high = (1 + cos(angle if num_cycles == 0.5 else 2 * num_cycles * angle)) / 2
        return high if power == 1 else arrays.power(high, power)

    end = 0.0 if num_cycles % 1 == 0.5 else float(arrays.power((1 + cos(2 * math.pi * num_cycles)) / 2, power))
    return between(eta_min, until(total_steps, t, height, end))


@lookahead
def tanh_factor(
    t: Times, *, total_steps: float, lower: float = -7.0, upper: float = 3.0, eta_min: Value = 0.0
) -> Array:
    """Fall along a hyperbolic tangent: ``eta_min + (1 - eta_min) * (1 - tanh(l * (1 - x) + u * x)) / 2``.

    Here ``x = t / total_steps``, l = `lower` and u = `upper`. First step: nearly 1 (within 1e-6 for -7). Reached:
    `eta_min` at ``t = total_steps`` (one after the last of the steps), and held; from nearly there (0.0025 above, for
    3) it is the last small jump.

    Args:
        t: Time since the schedule began, >= 0: a number, or an array of any shape.
        total_steps: Length, in the unit of `t`, >= 0.
        lower: Where on the tangent it begins.
        upper: Where on the tangent it ends, above `lower`.
        eta_min: Factor from `total_steps` on: a number, or a row with one for each group.

    Returns:
        Factors: float64, of the shape that `t` and `eta_min` have when they are broadcast.

    Example:
        >>> import numpy as np
        >>> tanh_factor(np.arange(6), total_steps=4).round(4).tolist()
        [1.0, 0.9999, 0.982, 0.2689, 0.0, 0.0]

    References:
        Hsueh et al., Stochastic Gradient Descent with Hyperbolic-Tangent Decay, 2019, arXiv:1806.01593; timm
        ``TanhLRScheduler``.
    """

    def height(t: Any) -> Any:
        x = t / total_steps
        return 0.5 * (1 - arrays.tanh(lower * (1.0 - x) + upper * x))

    return between(eta_min, until(total_steps, t, height, 0.0))


@lookahead
def rex_factor(t: Times, *, total_steps: float, end_factor: float = 0.0) -> Array:
    """Stay high for long and fall fast at the end: ``e + (1 - e) * (1 - x) / (1 - x / 2)``, ``x = t / total_steps``.

    First step: 1. Reached: `end_factor`, e, at ``t = total_steps`` (one after the last of the steps), and held.

    Args:
        t: Time since the schedule began, >= 0: a number, or an array of any shape.
        total_steps: Length, in the unit of `t`, >= 0.
        end_factor: Factor e from `total_steps` on.

    Returns:
        Factors: float64, of the shape of `t`.

    Example:
        >>> import numpy as np
        >>> rex_factor(np.arange(6), total_steps=4).round(4).tolist()
        [1.0, 0.8571, 0.6667, 0.4, 0.0, 0.0]

    References:
        Chen, Wolfe & Kyrillidis, REX: Revisiting Budgeted Training with an Improved Schedule, 2021, arXiv:2107.04197.
    """

    def falling(t: Array) -> Array:
        left = 1.0 - t / total_steps
        return end_factor + (1.0 - end_factor) * left / (0.5 + 0.5 * left)

    return until(total_steps, t, falling, end_factor)
