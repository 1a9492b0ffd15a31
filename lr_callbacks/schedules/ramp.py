"""The ramps of a warm-up."""

from __future__ import annotations

from typing import Any, Literal

from numpy.typing import NDArray

from lr_callbacks.schedules.anneal import cosine_anneal
from lr_callbacks.schedules.arrays import Array, Times, Value, lookahead, power, until

WarmupShape = Literal["linear", "exponential", "cosine", "constant"]


@lookahead
def warmup_factor(
    t: Times, *, duration: float, shape: WarmupShape = "linear", start_factor: float = 1 / 3, end_factor: float = 1.0
) -> Array:
    """Ramp from `start_factor` to `end_factor` over `duration`, then hold.

    With ``x = t / duration``, s = `start_factor` and e = `end_factor`: linear ``s + (e - s) * x``; exponential
    ``s * (e / s) ** x``; cosine ``e + (s - e) / 2 * (1 + cos(pi * x))``; constant ``s``. First step: `start_factor`.
    Reached: `end_factor` at ``t = duration`` (one after the last of `duration` steps); at once where `duration` is 0.

    Args:
        t: Time since the ramp began, >= 0: a number, or an array of any shape.
        duration: Length of the ramp, in the unit of `t`, >= 0.
        shape: One of the four above.
        start_factor: Factor at time 0; above 0 for ``"exponential"``.
        end_factor: Factor from `duration` on.

    Returns:
        Factors: float64, of the shape of `t`.

    Example:
        >>> import numpy as np
        >>> warmup_factor(np.arange(6), duration=4, start_factor=0.0).tolist()
        [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]

    References:
        torch ``LinearLR`` and ``ConstantLR``; Goyal et al., Accurate, Large Minibatch SGD, 2017, arXiv:1706.02677, 2.2.
    """

    def ramp(t: NDArray[Any]) -> Value:
        if shape == "linear":
            return start_factor + (end_factor - start_factor) * t / duration
        if shape == "exponential":
            return start_factor * power(end_factor / start_factor, t / duration)
        return cosine_anneal(start_factor, end_factor, t / duration) if shape == "cosine" else start_factor

    return until(duration, t, ramp, end_factor)
