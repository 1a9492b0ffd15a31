"""Schedules made of others: one after another, one again and again, and through points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lr_callbacks.schedules.anneal import cosine_anneal
from lr_callbacks.schedules.arrays import Array, Times, Value, lookahead, power
from lr_callbacks.schedules.restarts import restart_cycle

Join = Literal["jump", "continue", "meet"]
Interpolation = Literal["linear", "cosine", "constant"]
Scaled = Literal["peak", "span", "all"]
Part = Callable[[NDArray[Any]], Value]
"""A function of times since the part began."""
Shape = Callable[[NDArray[Any], float], Value]
"""A function of times since a cycle began, and of the length of the cycle."""


@lookahead
def sequence_factor(t: Times, *, parts: Sequence[Part], milestones: Sequence[float], join: Join = "jump") -> Array:
    """Follow several functions, one after another: ``parts[k](t - milestones[k - 1])`` from that milestone on.

    ``"jump"``: as they are. ``"continue"``: each times the last values of those before it. ``"meet"``: each but the
    last is stretched so that it goes from its own first value to the first value of the next. First step: the first
    value of the first part. It ends as the last part does.

    Args:
        t: Time since the first part began, >= 0: a number, or an array of any shape.
        parts: Functions of an array of times since the part began.
        milestones: When each but the first begins, in the unit of `t` and in rising order.
        join: How one passes into the next.

    Returns:
        Factors: float64, of the shape that the parts give for `t`.

    Example:
        >>> down, up = (lambda t: 1 - t / 8), (lambda t: 0.5 + t / 8)
        >>> sequence_factor(np.arange(5), parts=[down, up], milestones=[2]).tolist()
        [1.0, 0.875, 0.5, 0.625, 0.75]
        >>> sequence_factor(np.arange(5), parts=[down, up], milestones=[2], join="meet").tolist()
        [1.0, 0.75, 0.5, 0.625, 0.75]

    References:
        torch ``SequentialLR``; optax ``join_schedules``; fvcore ``CompositeParamScheduler``.
    """
    t = np.asarray(t)
    starts = [0.0, *milestones]
    result: Any = None
    before: Any = 1.0
    for number, (part, start) in enumerate(zip(parts, starts, strict=True)):
        own: Any
        if number + 1 < len(parts):
            length = starts[number + 1] - start
            own = part(np.clip(t - start, 0, length))
            last = part(np.full_like(t[:1], length, dtype=np.float64) if t.ndim else np.asarray(length))
            if join == "meet":
                zero = np.zeros_like(t[:1]) if t.ndim else np.asarray(0)
                first, meets = part(zero), parts[number + 1](zero)
                way = np.asarray(last - first)
                own = first + (own - first) * np.divide(meets - first, way, out=np.ones_like(way), where=way != 0)
        else:
            own, last = part(np.maximum(t - start, 0)), 1.0
        own = own * before if join == "continue" else own
        before = before * last if join == "continue" else 1.0
        result = own if result is None else np.where(t >= start, own, result)
    return np.asarray(result, dtype=np.float64)[()]


@lookahead
def piecewise_factor(
    t: Times,
    *,
    times: Sequence[float],
    values: Sequence[Value],
    interpolation: Interpolation | Sequence[Interpolation] = "linear",
) -> Array:
    """Go through points: from ``values[k]`` at ``times[k]`` to ``values[k + 1]`` at ``times[k + 1]``.

    With x from 0 to 1 between two points, a and b: linear ``(b - a) * x + a``; cosine
    ``b + (a - b) / 2 * (1 + cos(pi * x))``; constant ``a`` until the next point. First step: the first value, which
    also holds before the first point. Reached: the last value, at the last time, and held.

    Args:
        t: Time since the schedule began, >= 0: a number, or an array of any shape.
        times: When each point is reached, in the unit of `t` and in rising order; at two equal ones it jumps.
        values: Factor at each point: a number, or a row with one for each group.
        interpolation: How it goes from one point to the next: one for all, or a list with one for each leg.

    Returns:
        Factors: float64, of the shape that `t` and `values` have when they are broadcast.

    Example:
        >>> piecewise_factor(np.arange(6), times=[0, 2, 4], values=[0.0, 1.0, 0.5]).tolist()
        [0.0, 0.5, 1.0, 0.75, 0.5, 0.5]
        >>> piecewise_factor(np.arange(4), times=[0, 2], values=[1.0, 0.1], interpolation="constant").tolist()
        [1.0, 1.0, 0.1, 0.1]

    References:
        ignite ``PiecewiseLinear``; optax ``piecewise_interpolate_schedule``; Keras ``PiecewiseConstantDecay``.
    """
    t = np.asarray(t)
    ways = [interpolation] * (len(times) - 1) if isinstance(interpolation, str) else list(interpolation)
    result: Any = values[0] + 0.0 * t
    for way, begins, ends, first, last in zip(ways, times, times[1:], values, values[1:], strict=False):
        if ends > begins and way != "constant":
            x = np.clip((t - begins) / (ends - begins), 0, 1)
            leg: Any = cosine_anneal(first, last, x) if way == "cosine" else (last - first) * x + first
            result = np.where(t >= begins, leg, result)
        result = np.where(t >= ends, last, result)
    return np.asarray(result, dtype=np.float64)[()]


@lookahead
def cycles_factor(
    t: Times,
    *,
    shape: Shape,
    T_0: float = 1,
    T_mult: float = 1.0,
    lengths: Sequence[float] | None = None,
    num_cycles: int | None = None,
    peaks: Sequence[float] | None = None,
    cycle_decay: float = 1.0,
    scaled: Scaled = "peak",
    cycle_warmup: float = 0,
    whole: bool = True,
) -> Array:
    """Repeat a shape in cycles: ``shape(t, T)`` with t since the cycle began and T its length.

    The peak of cycle n is p: ``cycle_decay ** n``, or ``peaks[n]``. With e, the last value of the shape: ``"peak"``:
    ``e + (f - e) * (max(p, e) - e) / (1 - e)``, so that the floor stays and 1 becomes p; ``"span"``:
    ``e + p * (f - e)``; ``"all"``: ``p * f``. A ramp of `cycle_warmup` goes from the floor to the peak along a line,
    and the shape fills the rest of the cycle. First step: the first value of the shape (with a ramp: its last). It has
    no end, unless the number of cycles is given: then the last value of the last cycle holds.

    Args:
        t: Time since the first cycle began, >= 0: a number, or an array of any shape.
        shape: A function of a column of times and of a length.
        T_0: Length of the first cycle, in the unit of `t`, > 0.
        T_mult: Length of each cycle over that of the one before, >= 1.
        lengths: Length of each cycle, instead of `T_0` and `T_mult`.
        num_cycles: Number of cycles; None for no end.
        peaks: Peak of each cycle, instead of `cycle_decay`; the last holds for further ones.
        cycle_decay: Peak of each cycle over that of the one before.
        scaled: What the peaks scale.
        cycle_warmup: Length of a linear ramp at the start of each cycle; less than each length.
        whole: Whether lengths are rounded to whole numbers.

    Returns:
        Factors: float64, of the shape that `shape` gives for `t`.

    Example:
        >>> line = lambda t, length: 1 - t / length
        >>> cycles_factor(np.arange(6), shape=line, T_0=2, T_mult=2).tolist()
        [1.0, 0.5, 1.0, 0.75, 0.5, 0.25]
        >>> cycles_factor(np.arange(6), shape=line, T_0=2, num_cycles=2, cycle_decay=0.5).tolist()
        [1.0, 0.5, 0.5, 0.25, 0.0, 0.0]

    References:
        Loshchilov & Hutter, SGDR, 2017, arXiv:1608.03983; Keras ``CosineDecayRestarts``; timm ``CosineLRScheduler``.
    """
    t = np.asarray(t)
    column = t.reshape(-1, 1)
    number, within, length = (
        restart_cycle(column, T_0=T_0, T_mult=T_mult, whole=whole) if lengths is None else _listed(column, lengths)
    )
    if num_cycles is not None:
        over = number >= num_cycles
        final = restart_cycle(_starts_of(num_cycles - 1, T_0, T_mult, whole), T_0=T_0, T_mult=T_mult, whole=whole)[2]
        number, length = np.where(over, num_cycles - 1, number), np.where(over, final, length)
        within = np.where(over, final, within)
    if peaks is None:
        peak = power(cycle_decay, number)
    else:
        peak = np.asarray(peaks, dtype=np.float64)[np.minimum(number, len(peaks) - 1)]
    result: Any = None
    for each in np.unique(length).tolist():
        rows = (length == each)[:, 0]
        times, high = within[rows], peak[rows]
        fall = each - cycle_warmup
        own: Any = shape(np.maximum(times - cycle_warmup, 0), fall)
        first, last = (np.asarray(shape(np.array([[at]]), fall))[:1] for at in (0, fall))
        low: Any = high * last if scaled == "all" else last
        room = np.broadcast_to(1 - last, np.broadcast_shapes(high.shape, last.shape))
        stretch: Any = high
        if scaled == "peak":
            stretch = np.divide(np.maximum(high, last) - last, room, out=np.ones_like(room) * high, where=room != 0)
        own = np.where(high == 1, own, low + (own - last) * stretch)
        if cycle_warmup:
            own = np.where(times < cycle_warmup, low + (first - last) * stretch * times / cycle_warmup, own)
        if result is None:
            result = np.empty((len(column), np.shape(own)[-1]))
        result[rows] = own
    factors: Array = result.reshape(t.shape) if result.shape[-1] == 1 else result
    return factors[()]


def _listed(t: NDArray[Any], lengths: Sequence[float]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Number, time within and length of the cycle of each time, of cycles that are listed; the last one's end holds."""
    starts = np.cumsum([0.0, *lengths])
    number = np.minimum(np.searchsorted(starts, t, side="right") - 1, len(lengths) - 1)
    length = np.asarray(lengths, dtype=np.float64)[number]
    return number, np.minimum(t - starts[number], length), length


def _starts_of(number: int, T_0: float, T_mult: float, whole: bool) -> NDArray[Any]:
    """When a cycle begins."""
    grown = [T_0 * T_mult**n for n in range(number)]
    return np.asarray(sum(np.floor(each + 0.5) if whole and T_mult != 1 else each for each in grown))
