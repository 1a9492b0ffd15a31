"""Schedules that reach their end after a given number of steps: constant, linear, polynomial, cosine, REX."""

from __future__ import annotations

import math


def constant_factor(step: int, *, total_steps: int, factor: float = 1 / 3) -> float:
    """Hold `factor` for `total_steps` steps, then 1: ``factor if step < total_steps else 1``.

    First step: `factor`. Reached: 1 at step `total_steps` (one after the last of them).

    Args:
        step: Steps since the schedule began, >= 0.
        total_steps: Length in steps, >= 0.
        factor: Factor until then.

    Example:
        >>> [constant_factor(t, total_steps=2, factor=0.5) for t in range(4)]
        [0.5, 0.5, 1.0, 1.0]

    References:
        torch ``ConstantLR``.
    """
    return factor if step < total_steps else 1.0


def linear_factor(step: int, *, total_steps: int, start_factor: float = 1.0, end_factor: float = 0.0) -> float:
    """Go from `start_factor` to `end_factor` along a line: ``s + (e - s) * step / total_steps``.

    First step: `start_factor`. Reached: `end_factor` at step `total_steps` (one after the last of them), and held.

    Args:
        step: Steps since the schedule began, >= 0.
        total_steps: Length in steps, >= 0.
        start_factor: Factor s at step 0.
        end_factor: Factor e from step `total_steps` on.

    Example:
        >>> [linear_factor(t, total_steps=4) for t in (0, 1, 3, 4, 99)]
        [1.0, 0.75, 0.25, 0.0, 0.0]

    References:
        torch ``LinearLR``.
    """
    if step >= total_steps:
        return end_factor
    return start_factor + (end_factor - start_factor) * step / total_steps


def polynomial_factor(step: int, *, total_steps: int, power: float = 1.0, end_factor: float = 0.0) -> float:
    """Fall along a power of what is left: ``e + (1 - e) * (1 - step / total_steps) ** power``.

    First step: 1. Reached: `end_factor` at step `total_steps` (one after the last of them), and held.

    Args:
        step: Steps since the schedule began, >= 0.
        total_steps: Length in steps, >= 0.
        power: Exponent, > 0: 1 is a line, above it falls faster at first.
        end_factor: Factor e from step `total_steps` on.

    Example:
        >>> [polynomial_factor(t, total_steps=4, power=2.0) for t in (0, 1, 2, 4, 99)]
        [1.0, 0.5625, 0.25, 0.0, 0.0]

    References:
        torch ``PolynomialLR``; Keras ``PolynomialDecay``.
    """
    if step >= total_steps:
        return end_factor
    return float(end_factor + (1.0 - end_factor) * (1.0 - step / total_steps) ** power)


def cosine_factor(step: int, *, total_steps: int, eta_min: float = 0.0) -> float:
    """Anneal along half a cosine: ``eta_min + (1 - eta_min) * (1 + cos(pi * step / total_steps)) / 2``.

    First step: 1. Reached: `eta_min` at step `total_steps` (one after the last of them), and held, where torch's rises
    again.

    Args:
        step: Steps since the schedule began, >= 0.
        total_steps: Length in steps, >= 0.
        eta_min: Factor from step `total_steps` on.

    Example:
        >>> [round(cosine_factor(t, total_steps=4), 3) for t in (0, 1, 2, 4, 9)]
        [1.0, 0.854, 0.5, 0.0, 0.0]

    References:
        Loshchilov & Hutter, SGDR, 2017, arXiv:1608.03983, eq. 5 (without restarts); torch ``CosineAnnealingLR``.
    """
    if step >= total_steps:
        return eta_min
    return eta_min + (1.0 - eta_min) * (1 + math.cos(math.pi * step / total_steps)) / 2


def rex_factor(step: int, *, total_steps: int, end_factor: float = 0.0) -> float:
    """Hold up for long and fall fast at the end: ``e + (1 - e) * (1 - x) / (1 - x / 2)``, ``x = step / total_steps``.

    First step: 1. Reached: `end_factor` at step `total_steps` (one after the last of them), and held.

    Args:
        step: Steps since the schedule began, >= 0.
        total_steps: Length in steps, >= 0.
        end_factor: Factor e from step `total_steps` on.

    Example:
        >>> [round(rex_factor(t, total_steps=4), 4) for t in (0, 2, 3, 4, 99)]
        [1.0, 0.6667, 0.4, 0.0, 0.0]

    References:
        Chen, Wolfe & Kyrillidis, REX: Revisiting Budgeted Training with an Improved Schedule, 2021, arXiv:2107.04197.
    """
    if step >= total_steps:
        return end_factor
    left = 1.0 - step / total_steps
    return end_factor + (1.0 - end_factor) * left / (0.5 + 0.5 * left)
