"""Decays without an end: by steps, exponential, inverse square root."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from lr_callbacks.schedules.arrays import Array, Times, Value, between, exp, lookahead, power
from lr_callbacks.schedules.arrays import power as power_of


@lookahead
def step_decay_factor(t: Times, *, step_size: float, gamma: float = 0.1, offset: Literal[0, 1] = 0) -> Array:
    """Multiply by `gamma` every `step_size` steps: ``gamma ** floor((t + offset) / step_size)``.

    First step: 1 (with ``offset=1`` and ``step_size=1``: `gamma`). It has no end.

    Args:
        t: Time since the schedule began, >= 0: a number, or an array of any shape.
        step_size: Time between two decays, in the unit of `t`, > 0.
        gamma: What each decay multiplies by, above 0; above 1 it grows.
        offset: 0 as torch ``StepLR`` counts; 1 as tutorials write it, each decay one step earlier.

    Returns:
        Factors: float64, of the shape of `t`.

    Example:
        >>> step_decay_factor(np.arange(5), step_size=2, gamma=0.5).tolist()
        [1.0, 1.0, 0.5, 0.5, 0.25]
        >>> step_decay_factor(np.arange(5), step_size=2, gamma=0.5, offset=1).tolist()
        [1.0, 0.5, 0.5, 0.25, 0.25]

    References:
        torch ``StepLR``.
    """
    return power(gamma, (np.asarray(t) + offset) // step_size)


@lookahead
def multi_step_factor(t: Times, *, milestones: Sequence[float], gamma: float = 0.1) -> Array:
    """Multiply by `gamma` at each milestone: ``gamma ** (number of milestones <= t)``.

    First step: 1, unless 0 is a milestone. End: `gamma` to the number of milestones, from the last of them on.

    Args:
        t: Time since the schedule began, >= 0: a number, or an array of any shape.
        milestones: When it decays, in the unit of `t` and in rising order; one that appears twice counts twice.
        gamma: What each milestone multiplies by, above 0; above 1 it grows.

    Returns:
        Factors: float64, of the shape of `t`.

    Example:
        >>> multi_step_factor(np.arange(5), milestones=[2, 3], gamma=0.5).tolist()
        [1.0, 1.0, 0.5, 0.25, 0.25]

    References:
        torch ``MultiStepLR``.
    """
    return power(gamma, np.searchsorted(milestones, t, side="right"))


@lookahead
def exponential_factor(t: Times, *, gamma: float, step_size: float = 1, offset: Literal[0, 1] = 0) -> Array:
    """Multiply by `gamma` over every `step_size` steps, evenly: ``gamma ** ((t + offset) / step_size)``.

    First step: 1 (with ``offset=1``: ``gamma ** (1 / step_size)``). It has no end.

    Args:
        t: Time since the schedule began, >= 0: a number, or an array of any shape.
        gamma: What a time of `step_size` multiplies by, above 0; above 1 it grows.
        step_size: Time in which it falls by `gamma`, in the unit of `t`, > 0.
        offset: Added to the time.

    Returns:
        Factors: float64, of the shape of `t`.

    Example:
        >>> exponential_factor(np.arange(5), gamma=0.25, step_size=2).tolist()
        [1.0, 0.5, 0.25, 0.125, 0.0625]

    References:
        torch ``ExponentialLR``; Keras ``ExponentialDecay`` (``decay_steps``).
    """
    return power(gamma, (np.asarray(t) + offset) / step_size)


@lookahead
def natural_exponential_factor(
    t: Times, *, rate: float, step_size: float = 1, offset: Literal[0, 1] = 0, staircase: bool = False
) -> Array:
    """Decay with a rate: ``exp(-rate * n)`` with ``n = (t + offset) / step_size``, rounded down with `staircase`.

    First step: 1 (with ``offset=1``: less, unless `staircase` and ``step_size > 1``). It has no end.

    Args:
        t: Time since the schedule began, >= 0: a number, or an array of any shape.
        rate: Decay rate over a time of `step_size`, >= 0.
        step_size: Time in which it falls by ``exp(-rate)``, in the unit of `t`, > 0.
        offset: Added to the time.
        staircase: Whether it falls only every `step_size` steps.

    Returns:
        Factors: float64, of the shape of `t`.

    Example:
        >>> natural_exponential_factor(np.arange(4), rate=0.5, step_size=2).round(4).tolist()
        [1.0, 0.7788, 0.6065, 0.4724]
        >>> natural_exponential_factor(np.arange(4), rate=0.5, step_size=2, staircase=True).round(4).tolist()
        [1.0, 1.0, 0.6065, 0.6065]

    References:
        TensorFlow ``natural_exp_decay``.
    """
    moved = np.asarray(t) + offset
    return exp(-rate * (moved // step_size if staircase else moved / step_size))


@lookahead
def inverse_sqrt_factor(t: Times, *, timescale: float, eta_min: Value = 0.0) -> Array:
    """Fall as one over the square root: ``eta_min + (1 - eta_min) / sqrt((t + timescale) / timescale)``.

    First step: 1. It has no end: half way to `eta_min` is reached at ``t = 3 * timescale``.

    Args:
        t: Time since the schedule began, >= 0: a number, or an array of any shape.
        timescale: Time in which it falls to ``1 / sqrt(2)``, in the unit of `t`, > 0; the length of the warm-up gives
            the original's LRs.
        eta_min: The factor that it comes ever nearer to: a number, or a row with one for each group.

    Returns:
        Factors: float64, of the shape that `t` and `eta_min` have when they are broadcast.

    Example:
        >>> inverse_sqrt_factor(np.array([0, 100, 300]), timescale=100).round(4).tolist()
        [1.0, 0.7071, 0.5]

    References:
        Vaswani et al., Attention Is All You Need, 2017, arXiv:1706.03762, eq. 3 (the part after the warm-up);
        transformers ``get_inverse_sqrt_schedule``.
    """
    root: Array = np.sqrt((np.asarray(t) + timescale) / timescale)
    return between(eta_min, 1.0 / root)


@lookahead
def inverse_power_factor(
    t: Times, *, step_size: float, rate: float = 1.0, power: float = 1.0, staircase: bool = False
) -> Array:
    """Fall as a power of one over time: ``1 / (1 + rate * n) ** power``, ``n = t / step_size``.

    First step: 1. It has no end. With `staircase` n is rounded down. ``power=0.5`` is `inverse_sqrt_factor`.

    Args:
        t: Time since the schedule began, >= 0: a number, or an array of any shape.
        step_size: Unit of the time, in the unit of `t`, > 0.
        rate: How fast it falls, >= 0.
        power: Exponent, > 0.
        staircase: Whether it falls only every `step_size` steps.

    Returns:
        Factors: float64, of the shape of `t`.

    Example:
        >>> inverse_power_factor(np.arange(5), step_size=2, rate=0.5).round(4).tolist()
        [1.0, 0.8, 0.6667, 0.5714, 0.5]

    References:
        Keras ``InverseTimeDecay``; Shen et al., Power Scheduler, 2024, arXiv:2408.13359.
    """
    n = np.asarray(t) // step_size if staircase else np.asarray(t) / step_size
    below: Array = np.asarray(1.0 + rate * n)
    return (1.0 / (below if power == 1 else power_of(below, power)))[()]
