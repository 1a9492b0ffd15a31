"""Schedules that reach their end after a given time: constant, linear, polynomial, cosine, REX."""

from __future__ import annotations

import math

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
def polynomial_factor(t: Times, *, total_steps: float, power: float = 1.0, end_factor: Value = 0.0) -> Array:
    """Fall along a power of the time that is left: ``e + (1 - e) * (1 - t / total_steps) ** power``.

    First step: 1. Reached: `end_factor`, e, at ``t = total_steps`` (one after the last of the steps), and held.

    Args:
        t: Time since the schedule began, >= 0: a number, or an array of any shape.
        total_steps: Length, in the unit of `t`, >= 0.
        power: Exponent, > 0: 1 is a line, above it falls faster at first.
        end_factor: Factor e from `total_steps` on: a number, or a row with one for each group.

    Returns:
        Factors: float64, of the shape that `t` and `end_factor` have when they are broadcast.

    Example:
        >>> import numpy as np
        >>> polynomial_factor(np.arange(6), total_steps=4, power=2.0).tolist()
        [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]

    References:
        torch ``PolynomialLR``; Keras ``PolynomialDecay``.
    """
    return between(end_factor, until(total_steps, t, lambda t: arrays.power(1.0 - t / total_steps, power), 0.0))


@lookahead
def cosine_factor(t: Times, *, total_steps: float, eta_min: Value = 0.0) -> Array:
    """Anneal along half a cosine: ``eta_min + (1 - eta_min) * (1 + cos(pi * t / total_steps)) / 2``.

    First step: 1. Reached: `eta_min` at ``t = total_steps`` (one after the last of the steps), and held, where torch's
    rises again.

    Args:
        t: Time since the schedule began, >= 0: a number, or an array of any shape.
        total_steps: Length, in the unit of `t`, >= 0.
        eta_min: Factor from `total_steps` on: a number, or a row with one for each group.

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
        Loshchilov & Hutter, SGDR, 2017, arXiv:1608.03983, eq. 5 (without restarts); torch ``CosineAnnealingLR``.
    """
    return between(eta_min, until(total_steps, t, lambda t: (1 + cos(math.pi * t / total_steps)) / 2, 0.0))


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
