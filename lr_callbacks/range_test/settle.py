"""From short trial trainings to an LR and the interval that trains about as well.

Pure: numbers in, numbers out. Losses are compared by the share of the gain (untrained loss - best loss) that they miss,
so that adding a constant to a loss or multiplying it by a positive one changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

APART = math.sqrt(10.0)
"""Ratio of the LRs of two neighbouring trials: half a decade."""
GOOD = 0.05
"""Share of the gain within which trials are as good as the best: the answer is the middle of that stretch."""
FAIR = 0.1
"""Share of the gain that bounds the interval."""
SWEEP, WHOLE = 0.5, 0.25
"""Weight of the sweep's LR in the answer, in log LR, beside trials of no length; none from a quarter of the run."""
TOO_HIGH = 1 / 3
"""Decades by which a run of a tenth of the steps likes LRs that are too high."""
LOWER, HIGHER = 0.7, 0.6
"""Decades by which the interval extends beyond that stretch: short runs know the best LR of long ones no better."""
WORST = 2.0
"""Share of the gain that counts as missed where a trial diverged."""

Confidence = Literal["guess", "low", "fair", "high"]


@dataclass(frozen=True)
class Trial:
    """A short training at one peak LR.

    Args:
        lr: The peak, of the group whose LR is largest.
        steps: Optimizer steps made; fewer than planned where it diverged.
        loss: Loss on the fixed training samples at its end; infinite where it diverged.
        validation_loss: Loss on validation samples at its end; None where there are none.
    """

    lr: float
    steps: int
    loss: float
    validation_loss: float | None = None

    @property
    def diverged(self) -> bool:
        """Whether it came to no finite loss."""
        return not math.isfinite(self.loss)


@dataclass(frozen=True)
class Settled:
    """What trials come to.

    Args:
        lr: The peak LR.
        interval: The LRs that train about as well.
        confidence: ``"high"`` where training and validation loss, and the sweep, agree within half a decade; ``"fair"``
            where one of them does not; ``"low"`` where both do not, or the best trial is the outermost one.
    """

    lr: float
    interval: tuple[float, float]
    confidence: Confidence


def next_lr(
    sweep_lr: float,
    trials: Sequence[Trial],
    untrained: Sequence[float | None],
    most: int,
    within: tuple[float, float] = (0.0, math.inf),
) -> float | None:
    """The peak LR to try next: the sweep's, half a decade below and above, and on while the best lies at an end.

    Args:
        sweep_lr: The sweep's suggestion.
        trials: Trials made so far.
        untrained: Loss on the fixed training samples, and on the validation samples (or None), before any training.
        most: Trials to be made at most.
        within: A range that must not be left.

    Returns:
        An LR; None where enough is known.

    Example:
        >>> made = [Trial(0.1, 50, 0.5), Trial(0.03, 50, 0.6), Trial(0.3, 50, 0.4)]
        >>> round(next_lr(0.1, made, [1.0, None], 5), 3)
        0.949
        >>> next_lr(0.1, made, [1.0, None], 3)
    """
    start = [lr for lr in (sweep_lr, sweep_lr / APART, sweep_lr * APART) if within[0] <= lr <= within[1]]
    if len(trials) < len(start):
        return start[len(trials)]
    if len(trials) >= most or not trials:
        return None
    missed = _missed(trials, untrained)
    by_lr = sorted(zip(trials, missed, strict=True), key=lambda pair: pair[0].lr)
    best = min(range(len(by_lr)), key=lambda i: by_lr[i][1])
    outward = {0: by_lr[0][0].lr / APART, len(by_lr) - 1: by_lr[-1][0].lr * APART}.get(best)
    return outward if outward is not None and within[0] <= outward <= within[1] else None


def settle(sweep_lr: float, trials: Sequence[Trial], untrained: Sequence[float | None], share: float) -> Settled | None:
    """What the trials come to; None where none of them learned anything.

    With a the middle, in log LR, of the stretch around the best trial that misses at most 5 % of the gain, s the
    sweep's LR and q the trials' share of the run: ``log10 lr = (1 - w) * a + w * s - b`` with ``w = 0.5 * (1 - q /
    0.25)``, at least 0, and ``b = log10(1 / q) / 3``. The interval is the stretch that misses at most 10 %,
    made wider by 0.7 decades below and 0.6 above. What is missed is the mean over training and validation samples.

    Args:
        sweep_lr: The sweep's suggestion.
        trials: At least one trial.
        untrained: Loss on the fixed training samples, and on the validation samples (or None), before any training.
        share: Length of a trial as a share of the run, above 0 and at most 1.

    Example:
        >>> made = [Trial(0.1, 50, 0.2), Trial(0.03, 50, 0.6), Trial(0.3, 50, math.inf)]
        >>> found = settle(0.1, made, [1.0, None], 0.25)
        >>> f"{found.lr:.3f}", found.confidence
        ('0.060', 'high')
    """
    missed = _missed(trials, untrained)
    if min(missed) >= 1.0:
        return None
    weight, down = SWEEP * max(0.0, 1 - share / WHOLE), TOO_HIGH * math.log10(1 / share)
    low, high = _stretch(trials, missed, GOOD)
    decade = (1 - weight) * (low + high) / 2 + weight * math.log10(sweep_lr) - down
    low, high = _stretch(trials, missed, FAIR)
    low, high = min(low - LOWER, decade), max(high + HIGHER, decade)
    return Settled(10**decade, (10**low, 10**high), _confidence(sweep_lr, trials, untrained, missed))


def _confidence(
    sweep_lr: float, trials: Sequence[Trial], untrained: Sequence[float | None], missed: list[float]
) -> Confidence:
    lrs = sorted(trial.lr for trial in trials)
    best = trials[missed.index(min(missed))].lr
    at_the_end = best in (lrs[0], lrs[-1])
    bests = [trials[each.index(min(each))].lr for each in _missed_of_each(trials, untrained)]
    judges_agree = max(bests) / min(bests) < 1.01 * APART
    sweep_agrees = max(best / sweep_lr, sweep_lr / best) < 1.01 * APART
    if at_the_end or not (judges_agree or sweep_agrees):
        return "low"
    return "high" if judges_agree and sweep_agrees else "fair"


def _missed(trials: Sequence[Trial], untrained: Sequence[float | None]) -> list[float]:
    """Share of the gain that each trial misses, from 0 (the best) to 2, averaged over what it is judged on."""
    each = _missed_of_each(trials, untrained)
    return [sum(shares) / len(shares) for shares in zip(*each, strict=True)]


def _missed_of_each(trials: Sequence[Trial], untrained: Sequence[float | None]) -> list[list[float]]:
    columns: list[tuple[list[float], float]] = [([trial.loss for trial in trials], untrained[0] or 0.0)]
    if untrained[1] is not None:
        losses = [math.inf if trial.validation_loss is None else trial.validation_loss for trial in trials]
        columns.append((losses, untrained[1]))
    return [_shares(losses, start) for losses, start in columns]


def _shares(losses: list[float], start: float) -> list[float]:
    best = min(losses)
    if not best < start:
        return [1.0 if math.isfinite(loss) else WORST for loss in losses]
    return [min((loss - best) / (start - best), WORST) if math.isfinite(loss) else WORST for loss in losses]


def _stretch(trials: Sequence[Trial], missed: list[float], share: float) -> tuple[float, float]:
    """The decades around the best trial in which at most `share` of the gain is missed, on lines between trials."""
    points = sorted((math.log10(trial.lr), miss) for trial, miss in zip(trials, missed, strict=True))
    best = min(range(len(points)), key=lambda i: points[i][1])
    bar = points[best][1] + share
    return _end(points[best::-1], bar), _end(points[best:], bar)


def _end(points: list[tuple[float, float]], bar: float) -> float:
    place, miss = points[0]
    for next_place, next_miss in points[1:]:
        if next_miss > bar:
            return place + (next_place - place) * (bar - miss) / (next_miss - miss)
        place, miss = next_place, next_miss
    return place
