"""Decays that go on for ever: by steps, exponential, inverse square root."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence


def step_decay_factor(step: int, *, step_size: int, gamma: float = 0.1, offset: int = 0) -> float:
    """Multiply by `gamma` every `step_size` steps: ``gamma ** floor((step + offset) / step_size)``.

    First step: 1 (with ``offset=1`` and ``step_size=1``: `gamma`). It has no end.

    Args:
        step: Steps since the schedule began, >= 0.
        step_size: Steps between two decays, >= 1.
        gamma: What each decay multiplies by, in (0, 1].
        offset: 0 as torch ``StepLR`` counts; 1 as tutorials write it, each decay one step earlier.

    Example:
        >>> [step_decay_factor(t, step_size=2, gamma=0.5) for t in range(5)]
        [1.0, 1.0, 0.5, 0.5, 0.25]
        >>> [step_decay_factor(t, step_size=2, gamma=0.5, offset=1) for t in range(5)]
        [1.0, 0.5, 0.5, 0.25, 0.25]

    References:
        torch ``StepLR``.
    """
    return float(gamma ** ((step + offset) // step_size))


def multi_step_factor(step: int, *, milestones: Sequence[int], gamma: float = 0.1) -> float:
    """Multiply by `gamma` at each milestone: ``gamma ** (number of milestones <= step)``.

    First step: 1, unless 0 is a milestone. End: `gamma` to the number of milestones, from the last of them on.

    Args:
        step: Steps since the schedule began, >= 0.
        milestones: Steps at which it decays, in rising order; one that stands there twice counts twice.
        gamma: What each milestone multiplies by, in (0, 1].

    Example:
        >>> [multi_step_factor(t, milestones=[2, 3], gamma=0.5) for t in (0, 1, 2, 3, 99)]
        [1.0, 1.0, 0.5, 0.25, 0.25]

    References:
        torch ``MultiStepLR``.
    """
    return float(gamma ** bisect_right(milestones, step))


def exponential_factor(step: int, *, gamma: float, step_size: int = 1, offset: int = 0) -> float:
    """Multiply by `gamma` over every `step_size` steps, evenly: ``gamma ** ((step + offset) / step_size)``.

    First step: 1 (with ``offset=1``: ``gamma ** (1 / step_size)``). It has no end.

    Args:
        step: Steps since the schedule began, >= 0.
        gamma: What `step_size` steps multiply by, in (0, 1].
        step_size: Steps in which it falls by `gamma`, >= 1.
        offset: Added to the step.

    Example:
        >>> [exponential_factor(t, gamma=0.25, step_size=2) for t in (0, 1, 2, 4)]
        [1.0, 0.5, 0.25, 0.0625]

    References:
        torch ``ExponentialLR``; Keras ``ExponentialDecay`` (``decay_steps``).
    """
    return float(gamma ** ((step + offset) / step_size))


def natural_exponential_factor(
    step: int, *, rate: float, step_size: int = 1, offset: int = 0, staircase: bool = False
) -> float:
    """Decay with a rate: ``exp(-rate * n)`` with ``n = (step + offset) / step_size``, rounded down with `staircase`.

    First step: 1 (with ``offset=1``: less, unless `staircase` and ``step_size > 1``). It has no end.

    Args:
        step: Steps since the schedule began, >= 0.
        rate: Decay rate k over `step_size` steps, >= 0.
        step_size: Steps in which it falls by ``exp(-rate)``, >= 1.
        offset: Added to the step.
        staircase: Whether it falls only every `step_size` steps.

    Example:
        >>> [round(natural_exponential_factor(t, rate=0.5, step_size=2), 4) for t in range(4)]
        [1.0, 0.7788, 0.6065, 0.4724]
        >>> [round(natural_exponential_factor(t, rate=0.5, step_size=2, offset=1, staircase=True), 4) for t in range(4)]
        [1.0, 0.6065, 0.6065, 0.3679]

    References:
        TensorFlow ``natural_exp_decay``.
    """
    count = (step + offset) // step_size if staircase else (step + offset) / step_size
    return math.exp(-rate * count)


def inverse_sqrt_factor(step: int, *, timescale: int) -> float:
    """Fall as one over the square root: ``1 / sqrt((step + timescale) / timescale)``.

    First step: 1. It has no end: a half is reached at step ``3 * timescale``.

    Args:
        step: Steps since the schedule began, >= 0.
        timescale: Steps in which it falls to ``1 / sqrt(2)``, >= 1; the length of the warm-up gives the original's LRs.

    Example:
        >>> [round(inverse_sqrt_factor(t, timescale=100), 4) for t in (0, 100, 300)]
        [1.0, 0.7071, 0.5]

    References:
        Vaswani et al., Attention Is All You Need, 2017, arXiv:1706.03762, eq. 3 (the part after the warm-up);
        transformers ``get_inverse_sqrt_schedule``.
    """
    return 1.0 / math.sqrt((step + timescale) / timescale)
