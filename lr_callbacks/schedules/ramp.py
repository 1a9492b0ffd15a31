"""The ramps of a warm-up."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lr_callbacks.schedules.anneal import cosine_anneal
from lr_callbacks.schedules.arrays import Array, Times, Value, exp, lookahead, power, until

WarmupShape = Literal["linear", "exponential", "cosine", "1-sqrt", "1-exp", "constant"]
UntunedKind = Literal["linear", "exponential", "radam"]


@lookahead
def warmup_factor(
    t: Times, *, duration: float, shape: WarmupShape = "linear", start_factor: Value = 1 / 3, end_factor: float = 1.0
) -> Array:
    """Ramp from `start_factor` to `end_factor` over `duration`, then hold.

    With ``x = t / duration``, s = `start_factor` and e = `end_factor`: linear ``s + (e - s) * x``; exponential
    ``s * (e / s) ** x``; cosine ``e + (s - e) / 2 * (1 + cos(pi * x))``; 1-sqrt ``e + (s - e) * sqrt(1 - x)``; 1-exp
    ``e + (s - e) * exp(-x)``; constant ``s``. First step: `start_factor`. Reached: `end_factor` at ``t = duration``
    (one after the last of `duration` steps), at once where `duration` is 0; 1-exp has no end.

    Args:
        t: Time since the ramp began, >= 0: a number, or an array of any shape.
        duration: Length of the ramp, in the unit of `t`, >= 0; of 1-exp the time constant, > 0.
        shape: One of the six above.
        start_factor: Factor at time 0, above 0 for ``"exponential"``: a number, or a row with one for each group.
        end_factor: Factor from `duration` on.

    Returns:
        Factors: float64, of the shape that `t` and `start_factor` have when they are broadcast.

    Example:
        >>> warmup_factor(np.arange(6), duration=4, start_factor=0.0).tolist()
        [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]

    References:
        torch ``LinearLR`` and ``ConstantLR``; Goyal et al., Accurate, Large Minibatch SGD, 2017, arXiv:1706.02677, 2.2.
    """

    def ramp(t: NDArray[Any]) -> Any:
        if shape == "linear":
            return start_factor + (end_factor - start_factor) * t / duration
        if shape == "exponential":
            return start_factor * power(end_factor / start_factor, t / duration)
        if shape == "1-sqrt":
            return end_factor + (start_factor - end_factor) * np.sqrt(1.0 - t / duration)
        return cosine_anneal(start_factor, end_factor, t / duration) if shape == "cosine" else start_factor

    if shape == "1-exp":
        rest: Array = end_factor + (start_factor - end_factor) * exp(-np.asarray(t) / duration)
        return rest
    if np.ndim(start_factor) == 0:
        return until(duration, t, ramp, end_factor)
    t = np.asarray(t)
    return np.where(t < duration, ramp(np.minimum(t, duration)), end_factor) if duration else end_factor + 0.0 * t


@lookahead
def untuned_factor(t: Times, *, beta2: Value, kind: UntunedKind = "linear") -> Array:
    """Ramp over a length that follows from Adam's second beta, b: a warm-up with nothing to tune.

    Linear: ``min(1, (t + 1) / n)``, ``n = floor(2 / (1 - b))``. Exponential: ``1 - exp(-(t + 1) / n)``,
    ``n = floor(1 / (1 - b))``. RAdam: the rectification of RAdam,
    ``sqrt((r - 4) * (r - 2) * R / ((R - 4) * (R - 2) * r))`` with ``R = 2 / (1 - b) - 1`` and
    ``r = R - 2 * k * b ** k / (1 - b ** k)``, k counted from the first step at which r is above 4. First step: above 0.
    Linear reaches 1; the others have no end.

    Args:
        t: Time since the ramp began, >= 0: a number, or an array of any shape.
        beta2: The second beta, in (0, 1): a number, or a row with one for each group. RAdam needs more than 0.6.
        kind: ``"linear"``, ``"exponential"`` or ``"radam"``.

    Returns:
        Factors: float64, of the shape that `t` and `beta2` have when they are broadcast.

    Example:
        >>> untuned_factor(np.arange(5), beta2=0.5).tolist()
        [0.25, 0.5, 0.75, 1.0, 1.0]

    References:
        Ma & Yarats, On the Adequacy of Untuned Warmup for Adaptive Optimization, 2021, arXiv:1910.04209; Liu et al.,
        On the Variance of the Adaptive Learning Rate and Beyond, 2020, arXiv:1908.03265; ``pytorch_warmup``.
    """
    n = np.asarray(t) + 1
    if kind != "radam":
        length = np.floor((2.0 if kind == "linear" else 1.0) / (1.0 - np.asarray(beta2)))
        ramp: Array = np.minimum(1.0, n / length) if kind == "linear" else 1.0 - exp(-n / length)
        return ramp[()]
    limit = 2.0 / (1.0 - np.asarray(beta2)) - 1.0
    first = np.array([_first_of_radam(beta) for beta in np.ravel(beta2).tolist()]).reshape(np.shape(beta2))
    k = np.asarray(t) + first
    decay = power(beta2, k)
    r = limit - 2 * k * decay / (1 - decay)
    ratio: Array = np.sqrt((r - 4) * (r - 2) * limit / ((limit - 4) * (limit - 2) * r))
    return ratio[()]


def _first_of_radam(beta2: float) -> int:
    """The first step, from 1, at which RAdam rectifies."""
    limit, k = 2.0 / (1.0 - beta2) - 1.0, 1
    while limit - 2 * k * beta2**k / (1 - beta2**k) <= 4:
        k += 1
    return k
