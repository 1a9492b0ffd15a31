"""Warm-up, a long plateau, a short decay."""

from __future__ import annotations

import math
from typing import Literal

from lr_callbacks.schedules.anneal import cosine_anneal
from lr_callbacks.schedules.ramp import warmup_factor

DecayShape = Literal["linear", "cosine", "1-sqrt"]


def warmup_stable_decay_factor(
    step: int,
    *,
    total_steps: int,
    warmup_steps: int,
    decay_steps: int,
    decay_shape: DecayShape = "linear",
    start_factor: float = 0.0,
    end_factor: float = 0.0,
) -> float:
    """Ramp to 1 over `warmup_steps`, hold 1, and fall to `end_factor` over the last `decay_steps`.

    In the ramp: ``s + (1 - s) * step / warmup_steps``. In the decay, with ``x = (step - (total_steps - decay_steps)) /
    decay_steps``: ``e + (1 - e) * d(x)``, where d is linear ``1 - x``, cosine ``(1 + cos(pi x)) / 2`` or 1-sqrt
    ``1 - sqrt(x)``. First step: `start_factor` (1 without a ramp). Reached: `end_factor` at step `total_steps` (one
    after the last of them), and held.

    Args:
        step: Steps since the schedule began, >= 0.
        total_steps: Length in steps, at least ``warmup_steps + decay_steps``.
        warmup_steps: Steps of the ramp, >= 0.
        decay_steps: Steps of the decay, >= 0.
        decay_shape: ``"linear"``, ``"cosine"`` or ``"1-sqrt"``.
        start_factor: Factor s at the first step of the ramp.
        end_factor: Factor e from step `total_steps` on.

    Example:
        >>> [warmup_stable_decay_factor(t, total_steps=8, warmup_steps=2, decay_steps=4) for t in (0, 1, 2, 4, 5, 8)]
        [0.0, 0.5, 1.0, 1.0, 0.75, 0.0]

    References:
        Hu et al., MiniCPM, 2024, arXiv:2404.06395, section 4; Hägele et al., Scaling Laws and Compute-Optimal Training
        Beyond Fixed Training Durations, 2024, arXiv:2405.18392 (1-sqrt); transformers ``get_wsd_schedule``.
    """
    if step >= total_steps:
        return end_factor
    if step < warmup_steps:
        return warmup_factor(step, duration=warmup_steps, start_factor=start_factor)
    into_decay = step - (total_steps - decay_steps)
    if into_decay <= 0:
        return 1.0
    fraction = into_decay / decay_steps
    if decay_shape == "cosine":
        return cosine_anneal(1.0, end_factor, fraction)
    return end_factor + (1.0 - end_factor) * (1.0 - (math.sqrt(fraction) if decay_shape == "1-sqrt" else fraction))
