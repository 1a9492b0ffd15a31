"""Warm-up, a long plateau, a short decay."""

from __future__ import annotations

from typing import Literal

import numpy as np

from lr_callbacks.schedules.anneal import cosine_anneal
from lr_callbacks.schedules.arrays import Array, Times, lookahead, power, until
from lr_callbacks.schedules.ramp import WarmupShape, warmup_factor

DecayShape = Literal["linear", "cosine", "1-sqrt", "exponential"]


@lookahead
def warmup_stable_decay_factor(
    t: Times,
    *,
    total_steps: float,
    warmup_steps: float,
    decay_steps: float,
    decay_shape: DecayShape = "linear",
    start_factor: float = 0.0,
    end_factor: float = 0.0,
    warmup_shape: WarmupShape = "linear",
    decay_ratio: float | None = None,
) -> Array:
    """Ramp to 1 over `warmup_steps`, hold 1, and fall to `end_factor` over the last `decay_steps`.

    In the ramp: ``s + (1 - s) * t / warmup_steps``, or another shape of `warmup_factor`. In the decay, with
    ``x = (t - (total_steps - decay_steps)) / decay_steps``: ``e + (1 - e) * d(x)``, where d is linear ``1 - x``, cosine
    ``(1 + cos(pi * x)) / 2``, 1-sqrt ``1 - sqrt(x)`` or exponential ``(r ** x - r) / (1 - r)``, which is ``e ** x`` for
    the whole where r is e. First step: `start_factor`, s (1 without a ramp). Reached: `end_factor`, e, at
    ``t = total_steps`` (one after the last of the steps), and held.

    Args:
        t: Time since the schedule began, >= 0: a number, or an array of any shape.
        total_steps: Length, in the unit of `t`, at least ``warmup_steps + decay_steps``.
        warmup_steps: Length of the ramp, >= 0.
        decay_steps: Length of the decay, >= 0.
        decay_shape: ``"linear"``, ``"cosine"``, ``"1-sqrt"`` or ``"exponential"``.
        start_factor: Factor s at the start of the ramp.
        end_factor: Factor e from `total_steps` on.
        warmup_shape: Shape of the ramp.
        decay_ratio: Ratio r of the exponential decay, in (0, 1); None for `end_factor`, which must then be above 0.

    Returns:
        Factors: float64, of the shape of `t`.

    Example:
        >>> import numpy as np
        >>> warmup_stable_decay_factor(np.arange(9), total_steps=8, warmup_steps=2, decay_steps=4).tolist()
        [0.0, 0.5, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]

    References:
        Hu et al., MiniCPM, 2024, arXiv:2404.06395, section 4; Hägele et al., Scaling Laws and Compute-Optimal Training
        Beyond Fixed Training Durations, 2024, arXiv:2405.18392 (1-sqrt); transformers ``get_wsd_schedule``.
    """

    def decay(t: Array) -> Array:
        x = (t - (total_steps - decay_steps)) / decay_steps
        if decay_shape == "exponential":
            ratio = end_factor if decay_ratio is None else decay_ratio
            return end_factor + (1.0 - end_factor) * (power(ratio, x) - ratio) / (1.0 - ratio)
        if decay_shape == "cosine":
            return cosine_anneal(1.0, end_factor, x)
        return end_factor + (1.0 - end_factor) * (1.0 - (np.sqrt(x) if decay_shape == "1-sqrt" else x))

    def before_end(t: Array) -> Array:
        level = warmup_factor(t, duration=warmup_steps, shape=warmup_shape, start_factor=start_factor)
        falls = (t >= warmup_steps) & (t > total_steps - decay_steps)
        level[falls] = decay(t[falls])
        return level

    return until(total_steps, t, before_end, end_factor)
