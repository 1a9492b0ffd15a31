"""Rules that read a maximum learning rate (LR) off a recorded range test.

Pure: every rule is a function of `lrs` and `losses` (lists of floats, one pair per step) that returns a `Suggestion`,
or None where the curve does not support one. All read the same `Curve` (see `curve.py`): NaN and infinities are
divergence, noise is averaged away, gains are differences. No rule suggests an LR outside of the range that was swept.
"""

from __future__ import annotations

import math
import sys
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lr_callbacks.range_test.curve import Curve, read_curve, smooth

EARLY, LATE, WIDENING, DENSITY = 0.1, 0.7, 0.7, 99.0
EDGE_SHARE, EDGE_DIVISOR = 0.1, 5.6
SLIDE_WINDOW, SLIDE_BEND = 0.15, 0.005


@dataclass(frozen=True)
class Suggestion:
    """An LR, and the recorded step nearest to the place on the curve that gave it (before any division).

    Args:
        index: Index into the recorded curve.
        lr: Suggested LR.
    """

    index: int
    lr: float


Rule = Callable[[Sequence[float], Sequence[float]], Suggestion | None]


def descent(lrs: Sequence[float], losses: Sequence[float]) -> Suggestion | None:
    """LR at which most of the first lasting descent is made, divided by more the narrower it is.

    `lr = lr70 * min(1, width ** 0.7 * density / 99)`. `lr10` and `lr70` are the LRs at which the running minimum of the
    loss has made 10 % and 70 % of the gain `start - turn`, interpolated in log LR between steps; `width = lr70 / lr10`;
    `density` is the number of steps per decade of LR there: 12.4 in a sweep of 100 steps over 8 decades, and then the
    formula is `lr70 * min(1, width ** 0.7 / 8)`.

    It rests on the whole descent: no explosion is needed, and one outlier does not move it. A narrow descent (a
    plateau, then a fall just before the edge) says that nothing was learned at smaller LRs, so that the sweep has not
    met the curvature that training will meet: there the distance is larger. A sparser sweep reaches the same place of
    the curve at a larger LR, because what counts for a descent is the sum of the LRs so far: hence the density.

    Source: measured by `benchmarks/suggestion.py`; the regret is flat around these constants.

    Example:
        >>> found = descent([1e-4, 1e-3, 1e-2, 1e-1, 1.0], [1.0, 0.9, 0.3, 0.0, 5.0])
        >>> found.index, f"{found.lr:.5f}"
        (2, '0.00051')
    """
    curve = read_curve(losses)
    if not curve.learned:
        return None
    late = _reached(curve, LATE)
    width = math.log10(_lr_at(lrs, late)) - math.log10(_lr_at(lrs, _reached(curve, EARLY)))
    after = math.ceil(late)
    decades_per_step = math.log10(lrs[after]) - math.log10(lrs[after - 1])
    return _within(lrs, late, max(1.0, DENSITY * decades_per_step * 10.0 ** (-WIDENING * width)))


def edge(lrs: Sequence[float], losses: Sequence[float]) -> Suggestion | None:
    """First LR past the minimum at which 10 % of the gain (start - minimum) is lost again, divided by 5.6.

    None where that never happens.

    Example:
        >>> edge([1e-3, 1e-2, 1e-1, 1.0, 10.0], [1.0, 0.5, 0.0, 0.05, 0.2])
        Suggestion(index=4, lr=1.7857142857142858)
    """
    curve = read_curve(losses)
    if not curve.learned:
        return None
    low = curve.losses.index(min(curve.losses))
    bar = curve.losses[low] + EDGE_SHARE * (curve.start - curve.losses[low])
    for i in range(low + 1, curve.finite):
        if curve.losses[i] >= bar:
            return _within(lrs, i, EDGE_DIVISOR)
    return _within(lrs, curve.finite, EDGE_DIVISOR) if curve.diverged else None


def steepest(lrs: Sequence[float], losses: Sequence[float]) -> Suggestion | None:
    """LR at which the loss falls fastest per decade, before its turn.

    `lr[argmin_i (loss[i+1] - loss[i-1]) / (u[i+1] - u[i-1])]` with `u = log lr` and `0 < i < turn`: in log LR, because
    a slope per unit of LR would favour the low end, where a step of LR is tiny and noise is not.

    Example:
        >>> steepest([1e-4, 1e-3, 1e-2, 1e-1, 1.0], [1.0, 0.9, 0.3, 0.1, 5.0])
        Suggestion(index=2, lr=0.01)
    """
    curve = read_curve(losses)
    if not curve.learned:
        return None
    u = [math.log(lr) for lr in lrs]
    fall = {
        i: (curve.losses[i - 1] - curve.losses[i + 1]) / max(u[i + 1] - u[i - 1], sys.float_info.epsilon)
        for i in range(1, min(max(curve.turn, 2), curve.finite - 1))
    }
    return _within(lrs, max(fall, key=lambda i: fall[i]), 1.0) if fall else None


def minimum(lrs: Sequence[float], losses: Sequence[float]) -> Suggestion | None:
    """LR at the lowest loss, divided by 10 (fastai's `minimum`).

    Example:
        >>> minimum([1e-3, 1e-2, 1e-1, 1.0], [1.0, 0.5, 0.1, 5.0])
        Suggestion(index=2, lr=0.01)
    """
    curve = read_curve(losses)
    if not curve.learned:
        return None
    return _within(lrs, curve.losses.index(min(curve.losses)), 10.0)


def valley(lrs: Sequence[float], losses: Sequence[float]) -> Suggestion | None:
    """LR near the middle of the longest decreasing subsequence of the smoothed losses (fastai's `valley`).

    With the subsequence's last index `e` and its length `n`: `lr[e - n + n // 3 + n // 6]`. As in fastai the losses are
    smoothed (0.98, debiased) and, where there are 20 or more, the first tenth and the last five are left out. It is
    meant for the losses of training batches, and gives a good constant LR, low as the maximum of a schedule.

    Example:
        >>> valley([10.0 ** (i - 6) for i in range(7)], [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 90.0])
        Suggestion(index=2, lr=0.0001)
    """
    finite = read_curve(losses).finite
    smoothed = smooth([loss - losses[0] for loss in losses[:finite]])  # equal losses at the start stay equal
    first, last = (finite // 10, finite - 5) if finite >= 20 else (0, finite)
    tails: list[
        float
    ] = []  # tails[k]: the greatest negated loss at which a decreasing subsequence of k + 1 losses can end
    end, length = 0, 0
    for i in range(first, last):
        k = bisect_left(tails, -smoothed[i])
        tails[k : k + 1] = [-smoothed[i]]
        if k + 1 > length:
            end, length = i, k + 1
    return _within(lrs, max(0, end - length + length // 3 + length // 6), 1.0) if length > 1 else None


def slide(lrs: Sequence[float], losses: Sequence[float]) -> Suggestion | None:
    """LR where a window that slides down from the end of the curve first finds it bending no more (fastai's `slide`).

    The window's two ends are 15 % of the steps apart. It slides towards lower LRs while the slopes of the smoothed loss
    (0.98, debiased), per step, differ there by more than 0.5 % of its fall; the answer is the LR at its left end. As
    `valley` it is meant for the losses of training batches.

    Example:
        >>> slide([10.0 ** (i - 6) for i in range(7)], [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 90.0])
        Suggestion(index=3, lr=0.001)
    """
    curve = read_curve(losses)
    if not curve.learned:
        return None
    values = smooth([loss - curve.start for loss in curve.losses])
    last, fall = len(values) - 1, values[0] - min(values)
    slopes = [
        (values[min(i + 1, last)] - values[max(i - 1, 0)]) / max(1, min(i + 1, last) - max(i - 1, 0))
        for i in range(last + 1)
    ]
    width = max(1, round(SLIDE_WINDOW * curve.recorded))
    left = max(0, last - width)
    while left > 0 and abs(slopes[min(left + width, last)] - slopes[left]) > SLIDE_BEND * fall:
        left -= 1
    return _within(lrs, left, 1.0)


def smith(lrs: Sequence[float], losses: Sequence[float]) -> Suggestion | None:
    """LR at which the metric turns: the largest one before the loss goes up again (Smith 2018, arXiv:1803.09820).

    See `smith_bounds` for what to do with it.

    Example:
        >>> smith([1e-3, 1e-2, 1e-1, 1.0], [1.0, 0.5, 0.1, 5.0])
        Suggestion(index=2, lr=0.1)
    """
    curve = read_curve(losses)
    return _within(lrs, curve.turn, 1.0) if curve.learned and curve.edge is not None else None


def smith_bounds(max_lr: float) -> dict[str, float]:
    """Return the LRs that Smith derives from the maximum.

    `base_lr = max_lr / 4` for cyclical schedules (2015, arXiv:1506.01186); one-cycle starts between `max_lr / 25`
    (torch) and `max_lr / 10` (2018, arXiv:1803.09820).

    Example:
        >>> smith_bounds(1.0)
        {'base_lr': 0.25, 'one_cycle_start_low': 0.04, 'one_cycle_start_high': 0.1}
    """
    return {"base_lr": max_lr / 4, "one_cycle_start_low": max_lr / 25, "one_cycle_start_high": max_lr / 10}


def blend(lrs: Sequence[float], losses: Sequence[float]) -> Suggestion | None:
    """Mean, in log LR, of three places of the curve: `descent` (4 parts), `edge` and `minimum` (1 each). The default.

    `lr = (descent ** 4 * edge * minimum) ** (1 / 6)`; where there is no edge, `descent` stands in for it. The three
    err at different curves: where the loss falls early and stays low, `descent` is too low and the others see the edge;
    where there is no rise, or a late and noisy minimum, it is the other way round. Their mean in log LR is never worse
    than the worst of them, and in most of the problems measured close to the best.

    None where `descent` has no LR within the range.

    Source: measured by `benchmarks/suggestion.py`; 3 to 6 parts of `descent` do as well.

    Example:
        >>> found = blend([1e-4, 1e-3, 1e-2, 1e-1, 1.0], [1.0, 0.9, 0.3, 0.0, 5.0])
        >>> found.index, f"{found.lr:.5f}"
        (2, '0.00221')
    """
    main = descent(lrs, losses)
    if main is None:
        return None
    parts = [main.lr] * 4 + [(rule(lrs, losses) or main).lr for rule in (edge, minimum)]
    lr = math.exp(math.fsum(map(math.log, parts)) / len(parts))
    return Suggestion(main.index, min(max(lr, lrs[0]), lrs[-1]))


RULES: dict[str, Rule] = {
    "blend": blend,
    "descent": descent,
    "edge": edge,
    "steepest": steepest,
    "minimum": minimum,
    "valley": valley,
    "slide": slide,
    "smith": smith,
}
DEFAULT_RULE = "blend"


def _reached(curve: Curve, share: float) -> float:
    """Return the place (fractional index) at which the running minimum first has made `share` of the gain."""
    bar = curve.start - share * curve.gain
    i = next(i for i, loss in enumerate(curve.losses) if loss <= bar)
    before = min(curve.losses[:i])
    return i - 1 + (before - bar) / (before - curve.losses[i])


def _lr_at(lrs: Sequence[float], place: float) -> float:
    """Return the LR at a fractional index, interpolated in log LR; the last one beyond the end."""
    i = min(int(place), len(lrs) - 1)
    part = place - i if i + 1 < len(lrs) else 0.0
    return lrs[i] ** (1.0 - part) * lrs[i + 1] ** part if part > 0.0 else lrs[i]


def _within(lrs: Sequence[float], place: float, divisor: float) -> Suggestion | None:
    """Return the LR at a fractional index, divided; None where that is below the range."""
    lr = min(_lr_at(lrs, place) / divisor, lrs[-1])
    return Suggestion(min(round(place), len(lrs) - 1), lr) if lr >= lrs[0] else None
