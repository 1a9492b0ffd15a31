"""Noise that is a pure function of the step and a seed, so that a resumed run has the same."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lr_callbacks.schedules.arrays import Array, Times, lookahead

Distribution = Literal["normal", "uniform"]


@lookahead
def noise_factor(
    t: Times, *, amount: float = 0.67, seed: int = 42, distribution: Distribution = "normal", std: float = 1.0
) -> Array:
    """Draw a factor for each step: ``1 + z``, z in ``(-amount, amount)``, by the seed and the step alone.

    Uniform, or normal with the deviation `std`, cut off at the bounds. First step: the draw for 0. It has no end.

    Args:
        t: Time since the noise began, >= 0, rounded down: a number, or an array of any shape.
        amount: Largest relative change, in [0, 1).
        seed: Another seed is other noise.
        distribution: ``"normal"`` or ``"uniform"``.
        std: Deviation of the normal distribution before it is cut off, > 0.

    Returns:
        Factors: float64, of the shape of `t`.

    Example:
        >>> noise_factor(np.arange(4), amount=0.1).round(4).tolist()
        [0.9385, 0.999, 1.0328, 0.9299]
        >>> float(noise_factor(3, amount=0.1).round(4))
        0.9299

    References:
        timm ``Scheduler`` (``noise_range_t``); Steele et al., Fast Splittable Pseudorandom Number Generators, 2014
        (the mixing of bits).
    """
    share = _uniform(np.floor(np.asarray(t)), seed)
    if distribution == "uniform":
        return 1.0 + (2.0 * share - 1.0) * amount
    bell = NormalDist(0.0, std)
    low = bell.cdf(-amount)
    span = bell.cdf(amount) - low
    draws = [bell.inv_cdf(low + each * span) for each in np.ravel(share).tolist()] if amount else [0.0] * share.size
    return 1.0 + np.array(draws).reshape(share.shape)[()]


def _uniform(steps: Any, seed: int) -> Array:
    """A number in (0, 1) for each step: the bits of step and seed, mixed three times."""
    bits: NDArray[Any] = np.atleast_1d(steps).astype(np.uint64)
    bits = (bits + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed * 0xD1342543DE82EF95 % 2**64)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits = bits ^ (bits >> np.uint64(31))
    return (((bits >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52).reshape(np.shape(steps))
