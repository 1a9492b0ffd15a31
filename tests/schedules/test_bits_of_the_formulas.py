"""Every schedule on an array of times: each entry has the bits of the formula for that time alone, typed out here."""

from __future__ import annotations

import math
from bisect import bisect_right
from functools import partial

import numpy as np
import pytest

from lr_callbacks import schedules as s
from lr_callbacks.schedules.plateau import plateau_factor

ROW = [0.0, 0.37, 0.013]
TIMES = [*range(200), 255, 256, 257, 997, 5000, 123_456]


def ramp(t, n, shape, start, end):
    if t >= n:
        return end
    if shape == "linear":
        return start + (end - start) * t / n
    if shape == "exponential":
        return start * (end / start) ** (t / n)
    return end + (start - end) / 2 * (1 + math.cos(math.pi * (t / n))) if shape == "cosine" else start


def polynomial(t, n, power, end):
    return end + (1 - end) * (1 - t / n) ** power if t < n else end


def cosine(t, n, low):
    return low + (1 - low) * (1 + math.cos(math.pi * t / n)) / 2 if t < n else low


def rex(t, n, end):
    return end + (1 - end) * (1 - t / n) / (0.5 + 0.5 * (1 - t / n)) if t < n else end


def stable(t, n, up, down, shape, start, end):
    if t >= n:
        return end
    if t < up:
        return start + (1 - start) * t / up
    x = (t - (n - down)) / down
    if x <= 0:
        return 1.0
    if shape == "cosine":
        return end + (1 - end) / 2 * (1 + math.cos(math.pi * x))
    return end + (1 - end) * (1 - (math.sqrt(x) if shape == "1-sqrt" else x))


def one_cycle(t, legs, values, strategy):
    """Through `values`, which lie at the ends of legs that are given as (begin, end)."""
    t = min(t, legs[-1][1])
    leg = next(number for number, (_, stops) in enumerate(legs) if t <= stops)
    (begins, stops), start, end = legs[leg], values[leg], values[leg + 1]
    x = (t - begins) / (stops - begins)
    return (end - start) * x + start if strategy == "linear" else end + (start - end) / 2 * (1 + math.cos(math.pi * x))


def cycle_factor(t, legs, strategy, peak, scale, div, final, three=False):
    values = [peak / div, peak, *([peak / div] if three else []), peak / div / final]
    return one_cycle(t, legs, values, strategy) * (scale / peak)


def height(t, up, down, mode, gamma):
    total, ratio = float(up + down), up / float(up + down)
    cycle = math.floor(1 + t / total)
    inside = 1 + t / total - cycle
    up_or_down = inside / ratio if inside <= ratio else (inside - 1) / (ratio - 1)
    return up_or_down * {"triangular": 1.0, "triangular2": 0.5 ** (cycle - 1), "exp_range": gamma**t}[mode]


def restart(t, first, mult):
    """Cycles that grow, one after the other."""
    cycle, length = 0, first
    while t >= length:
        t, cycle = t - length, cycle + 1
        length = math.floor(first * mult**cycle + 0.5)
    return cycle, t, length


def sgdr(t, low, first, mult, decay, up):
    cycle, t, length = restart(t, first, mult)
    fall = 1 + math.cos(math.pi * (t - up) / (length - up))
    if decay == 1:
        return low + (1 - low) * (t / up if t < up else fall / 2)
    peak = max(decay**cycle, low) if cycle else 1.0
    return low + (peak - low) * t / up if t < up else low + (peak - low) * fall / 2


def plateau(k, factor, low, eps):
    value = 1.0
    for _ in range(k):
        lower = max(value * factor, low)
        value = lower if value - lower > eps else value
    return value


TWO, THREE = [(0, 0.3 * 90 - 1), (0.3 * 90 - 1, 89)], [(0, 26.0), (26.0, 2 * 0.3 * 90 - 2), (2 * 0.3 * 90 - 2, 89)]
PEAKS = [0.1, 0.03, 0.007]
CYCLES = dict(total_steps=90, div_factor=7.0, final_div_factor=30.0)

# name -> (function of times, formula of one time) or (function of times and a row, formula of one time and one number)
ALONE = {
    **{
        f"warm-up, {shape}": (
            partial(s.warmup_factor, duration=97, shape=shape, start_factor=0.03, end_factor=0.9),
            lambda t, shape=shape: ramp(t, 97, shape, 0.03, 0.9),
        )
        for shape in ("linear", "exponential", "cosine", "constant")
    },
    "constant": (partial(s.constant_factor, total_steps=60, factor=0.3), lambda t: 0.3 if t < 60 else 1.0),
    "linear": (
        partial(s.linear_factor, total_steps=97, start_factor=0.8, end_factor=0.07),
        lambda t: ramp(t, 97, "linear", 0.8, 0.07),
    ),
    "rex": (partial(s.rex_factor, total_steps=97, end_factor=0.07), lambda t: rex(t, 97, 0.07)),
    "step": (partial(s.step_decay_factor, step_size=7, gamma=0.93, offset=1), lambda t: 0.93 ** ((t + 1) // 7)),
    "multi-step": (
        partial(s.multi_step_factor, milestones=[5, 60, 60, 900], gamma=0.3),
        lambda t: 0.3 ** bisect_right([5, 60, 60, 900], t),
    ),
    "exponential": (partial(s.exponential_factor, gamma=0.7, step_size=9), lambda t: 0.7 ** (t / 9)),
    "natural": (partial(s.natural_exponential_factor, rate=0.3, step_size=9), lambda t: math.exp(-0.3 * (t / 9))),
    "stairs": (
        partial(s.natural_exponential_factor, rate=0.3, step_size=9, offset=1, staircase=True),
        lambda t: math.exp(-0.3 * ((t + 1) // 9)),
    ),
    "inverse square root": (partial(s.inverse_sqrt_factor, timescale=13), lambda t: 1 / math.sqrt((t + 13) / 13)),
    **{
        f"warm-up stable decay, {shape}": (
            partial(
                s.warmup_stable_decay_factor,
                total_steps=150,
                warmup_steps=40,
                decay_steps=60,
                decay_shape=shape,
                start_factor=0.1,
                end_factor=0.03,
            ),
            lambda t, shape=shape: stable(t, 150, 40, 60, shape, 0.1, 0.03),
        )
        for shape in ("linear", "cosine", "1-sqrt")
    },
    **{
        f"momentum of a one-cycle, {strategy}": (
            partial(s.one_cycle_momentum, total_steps=90, anneal_strategy=strategy),
            lambda t, strategy=strategy: one_cycle(t, TWO, [0.95, 0.85, 0.95], strategy),
        )
        for strategy in ("cos", "linear")
    },
    **{
        f"momentum of cycles, {mode}": (
            partial(s.cyclical_momentum, step_size_up=20, step_size_down=33, mode=mode, gamma=0.99),
            lambda t, mode=mode: 0.9 + (0.8 - 0.9) * height(t, 20, 33, mode, 0.99),
        )
        for mode in ("triangular", "triangular2", "exp_range")
    },
}
IN_ROWS = {
    "polynomial": (
        lambda t, row: s.polynomial_factor(t, total_steps=97, power=1.7, end_factor=row),
        lambda t, low: polynomial(t, 97, 1.7, low),
    ),
    "cosine": (lambda t, row: s.cosine_factor(t, total_steps=97, eta_min=row), lambda t, low: cosine(t, 97, low)),
    **{
        f"cycles, {mode}": (
            lambda t, row, mode=mode: s.cyclical_factor(
                t, step_size_up=20, step_size_down=33, mode=mode, gamma=0.99, base_factor=row, scale=1.7
            ),
            lambda t, low, mode=mode: (low + (1 - low) * height(t, 20, 33, mode, 0.99)) * 1.7,
        )
        for mode in ("triangular", "triangular2", "exp_range")
    },
    **{
        f"restarts, {mult} and {decay}, ramp of {up}": (
            lambda t, row, mult=mult, decay=decay, up=up: s.sgdr_factor(
                t, T_0=11, T_mult=mult, eta_min=row, cycle_decay=decay, cycle_warmup=up
            ),
            lambda t, low, mult=mult, decay=decay, up=up: sgdr(t, low, 11, mult, decay, up),
        )
        for mult in (1, 1.3, 2)
        for decay in (1.0, 0.8)
        for up in (0, 5)
    },
}
EVERY = {**{name: partial(lambda f, t, row: f(t), ours) for name, (ours, _) in ALONE.items()}}
EVERY.update({name: ours for name, (ours, _) in IN_ROWS.items()})


def column(times):
    return np.array(times)[:, None]


@pytest.mark.parametrize("name", ALONE)
def test_each_time_has_the_bits_of_its_formula(name):
    ours, formula = ALONE[name]
    for times in (TIMES, [t + 0.37 for t in TIMES]):
        assert ours(column(times))[:, 0].tolist() == [formula(t) for t in times]


@pytest.mark.parametrize("name", IN_ROWS)
def test_each_time_and_group_has_the_bits_of_its_formula(name):
    ours, formula = IN_ROWS[name]
    assert ours(column(TIMES), np.array(ROW)).tolist() == [[formula(t, low) for low in ROW] for t in TIMES]
    assert ours(column(TIMES), 0.37)[:, 0].tolist() == [formula(t, 0.37) for t in TIMES]


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize(("legs", "three"), [(TWO, False), (THREE, True)], ids=["two phases", "three phases"])
def test_each_time_and_group_of_a_one_cycle_is_rounded_as_an_lr(strategy, legs, three):
    factors = s.one_cycle_factor(
        column(TIMES), anneal_strategy=strategy, three_phase=three, max_lr=np.array(PEAKS), scale=1.7, **CYCLES
    )
    expected = [[cycle_factor(t, legs, strategy, lr, 1.7, 7.0, 30.0, three) for lr in PEAKS] for t in TIMES]
    assert factors.tolist() == expected


@pytest.mark.parametrize("mult", [1, 1.0, 1.3, 2, 7.5])
def test_the_cycle_of_each_time_is_the_one_that_is_found_by_walking_there(mult):
    found = np.stack(s.restart_cycle(np.array(TIMES), T_0=3, T_mult=mult), axis=1)
    assert found.tolist() == [list(restart(t, 3, mult)) for t in TIMES]


@pytest.mark.parametrize("reductions", [0, 1, 2, 5, 60])
@pytest.mark.parametrize("eps", [0.0, 1e-8, 0.05])
def test_each_group_is_reduced_to_its_own_floor(reductions, eps):
    ours = partial(plateau_factor, reductions, factor=0.6, eps=eps)
    assert ours(min_factor=np.array(ROW)).tolist() == [plateau(reductions, 0.6, low, eps) for low in ROW]
    assert ours(min_factor=0.013) == plateau(reductions, 0.6, 0.013, eps)


@pytest.mark.parametrize("name", EVERY)
def test_a_value_depends_neither_on_its_neighbours_nor_on_the_kind_of_number(name):
    ours = partial(EVERY[name], row=0.37)
    all_at_once = ours(np.array(TIMES))
    assert all_at_once.dtype == np.float64
    assert [type(ours(t)) for t in (0, 3.0)] == [np.float64] * 2
    assert [ours(t) for t in TIMES] == all_at_once.tolist()
    assert ours(np.array(TIMES, dtype=np.float64)).tolist() == all_at_once.tolist()
    assert ours(np.array(TIMES[:200]).reshape(4, 50)).ravel().tolist() == all_at_once[:200].tolist()
    assert ours(np.empty((0, 1), dtype=np.int64)).shape == (0, 1)
    assert ours(np.array(7)) == all_at_once[7]


@pytest.mark.parametrize("name", IN_ROWS)
def test_a_value_does_not_depend_on_the_other_groups(name):
    ours, _ = IN_ROWS[name]
    together = ours(column(TIMES), np.array(ROW))
    for place, low in enumerate(ROW):
        assert ours(column(TIMES), np.array([low]))[:, 0].tolist() == together[:, place].tolist()


@pytest.mark.parametrize("name", EVERY)
def test_times_are_left_as_they_are(name):
    times = column(TIMES)
    EVERY[name](times, 0.37)
    assert times[:, 0].tolist() == TIMES
