"""The ramps of a warm-up."""

from __future__ import annotations

from typing import Literal

from lr_callbacks.schedules.anneal import cosine_anneal

WarmupShape = Literal["linear", "exponential", "cosine", "constant"]


def warmup_factor(
    step: int, *, duration: int, shape: WarmupShape = "linear", start_factor: float = 1 / 3, end_factor: float = 1.0
) -> float:
    """Ramp from `start_factor` to `end_factor` over `duration` steps, then hold.

    With x = step / duration: linear ``s + (e - s) x``; exponential ``s (e / s) ** x``; cosine
    ``s + (e - s) (1 - cos(pi x)) / 2``; constant ``s`` before the end. First step: `start_factor`. Reached:
    `end_factor` at step `duration` (one after the last of `duration` steps); at once where `duration` is 0.

    Args:
        step: Optimizer steps since the ramp began, >= 0.
        duration: Length in optimizer steps, >= 0.
        shape: One of the four above.
        start_factor: Factor at step 0.
        end_factor: Factor from step `duration` on.

    Example:
        >>> [warmup_factor(t, duration=4, start_factor=0.0) for t in (0, 1, 2, 4, 9)]
        [0.0, 0.25, 0.5, 1.0, 1.0]

    References:
        torch ``LinearLR`` and ``ConstantLR``; Goyal et al., Accurate, Large Minibatch SGD, 2017, arXiv:1706.02677, 2.2.
    """
    if step >= duration:
        return end_factor
    if shape == "linear":
        return start_factor + (end_factor - start_factor) * step / duration
    if shape == "exponential":
        return float(start_factor * (end_factor / start_factor) ** (step / duration))
    if shape == "cosine":
        return cosine_anneal(start_factor, end_factor, step / duration)
    return start_factor
