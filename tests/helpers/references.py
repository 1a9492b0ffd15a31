"""The formulas of the schedules, typed out again from papers, tutorials and torch's documentation, without the package.

Each is a plain function of t (steps or epochs since the schedule began) that gives a factor.
"""

from __future__ import annotations

import math


def step_decay(t, d, s, offset):
    return d ** math.floor((offset + t) / s)


def multi_step(t, d, milestones):
    factor = 1.0
    for milestone in milestones:
        if t >= milestone:
            factor = factor * d
    return factor


def exponential(t, gamma, s=1, offset=0):
    return math.exp(math.log(gamma) * (t + offset) / s)


def natural_exponential(t, k, s=1, offset=0):
    return math.exp(-k * (t + offset) / s)


def staircase_exponential(t, k, s, offset):
    return math.exp(-k * math.floor((offset + t) / s))


def polynomial(t, total, p, end):
    left = 1 - min(t, total) / total
    return (1 - end) * left**p + end


def linear(t, total, start, end):
    x = min(t, total) / total
    return start * (1 - x) + end * x


def constant(t, total, factor):
    return 1.0 if t >= total else factor


def cosine(t, total, low):
    return low + (1 - low) * (1 + math.cos(math.pi * min(t, total) / total)) / 2


def inverse_sqrt(t, timescale):
    return math.sqrt(timescale / (timescale + t))


def rex(t, total, end):
    x = min(t, total) / total
    return end + (1 - end) * (1 - x) / (0.5 + 0.5 * (1 - x))


def warmup_stable_decay(t, total, warmup, decay, shape, start, end):
    if t < warmup:
        return start + (1 - start) * t / warmup
    if t < total - decay:
        return 1.0
    if t >= total:
        return end
    x = (t - total + decay) / decay
    falls = {"linear": 1 - x, "cosine": math.cos(math.pi * x / 2) ** 2, "1-sqrt": 1 - x**0.5}[shape]
    return end + (1 - end) * falls


def cyclical(t, up, down, mode, gamma, low):
    cycle, within = divmod(t, up + down)
    height = within / up if within <= up else (up + down - within) / down
    scale = {"triangular": 1.0, "triangular2": 1 / 2**cycle, "exp_range": gamma**t}[mode]
    return low + (1 - low) * height * scale
