"""Keras, ``learning_rate_schedule_test.py``; each case has the names of its class and test."""

from __future__ import annotations

import math
from typing import Any

import lr_callbacks as lc

from . import Case

QUARTERS = range(0, 1500, 250)


def polynomial(step: int, expected: float, lr: float = 0.05, power: float = 1.0, **options: Any) -> Case:
    return Case([lc.PolynomialDecay(power, total_steps=10, **options)], {step: expected}, lr, 20)


def sqrt(step: int, expected: float, **options: Any) -> Case:
    return polynomial(step, expected, power=0.5, **options)


def cosine(step: int, alpha: float = 0.0, length: int = 1000) -> float:
    return (1 - alpha) * (1 + math.cos(math.pi * min(step, length) / length)) / 2 + alpha


def restarts(t_mul: float = 2.0, m_mul: float = 1.0, alpha: float = 0.0) -> Case:
    values = {}
    for step in range(0, 7000, 250):
        left, length, high = step, 1000.0, 1.0
        while left >= length:
            left, length, high = left - length, length * t_mul, high * m_mul  # type: ignore[assignment]
        values[step] = (1 - alpha) * high * (1 + math.cos(math.pi * left / length)) / 2 + alpha
    shape = lc.CosineAnnealing(alpha)
    return Case([lc.Restarts(shape, 1000, t_mul, cycle_decay=m_mul, scaled="span")], values)


def inverse(staircase: bool) -> Case:
    n = [(i // 10 if staircase else i / 10) for i in range(31)]
    return Case([lc.InversePower(10, 0.96, staircase=staircase)], [0.1 / (1 + 0.96 * each) for each in n], 0.1)


CASES = {
    "FitLRSchedulesFlow fit_lr_correctness": Case([lc.ExponentialDecay(0.9)], [0.05 * 0.9**t for t in range(12)], 0.05),
    "ExponentialDecay continuous": Case([lc.ExponentialDecay(0.96, step_size=10)], {5: 0.05 * 0.96**0.5}, 0.05),
    "ExponentialDecay staircase": Case(
        [lc.ExponentialDecay(0.96, step_size=3, staircase=True)], {1: 0.1, 2: 0.1, 100: 0.1 * 0.96**33}, 0.1
    ),
    "ExponentialDecay variables": Case([lc.StepDecay(3, 0.96)], {1: 0.1, 2: 0.1, 100: 0.1 * 0.96**33}, 0.1),
    "PiecewiseConstantDecay piecewise_values": Case(
        [lc.Piecewise([[0, 1.0], [101, 0.1], [111, 0.01], [121, 0.001]], "constant", absolute=True)],
        {0: 1.0, 100: 1.0, 105: 0.1, 110: 0.1, 120: 0.01, 999: 0.001},
    ),
    "PiecewiseConstantDecay boundary_values": Case(
        [lc.Piecewise([[0, 0.4], [2, 0.5], [3, 0.6], [4, 0.7]], "constant", absolute=True)],
        [0.4, 0.4, 0.5, 0.6, 0.7],
    ),
    "LinearDecay halfway": polynomial(5, 0.025),
    "LinearDecay end": polynomial(10, 0.001, end_lr=0.001),
    "LinearDecay halfway_with_end": polynomial(5, 0.0255, end_lr=0.001),
    "LinearDecay beyond_end": polynomial(15, 0.001, end_lr=0.001),
    "LinearDecay beyond_end_with_cycle": polynomial(15, 0.049 * 0.25 + 0.001, end_lr=0.001, cycle=True),
    "SqrtDecay halfway": sqrt(5, 0.05 * 0.5**0.5),
    "SqrtDecay end": sqrt(10, 0.001, end_lr=0.001),
    "SqrtDecay halfway_with_end": sqrt(5, 0.049 * 0.5**0.5 + 0.001, end_lr=0.001),
    "SqrtDecay beyond_end": sqrt(15, 0.001, end_lr=0.001),
    "SqrtDecay beyond_end_with_cycle": sqrt(15, 0.049 * 0.25**0.5 + 0.001, end_lr=0.001, cycle=True),
    "SqrtDecay begin_with_cycle": polynomial(0, 0.001, lr=0.001, end_lr=0.0001, cycle=True),
    "InverseTimeDecay decay": inverse(False),
    "InverseTimeDecay staircase": inverse(True),
    "CosineDecay decay": Case([lc.CosineAnnealing(total_steps=1000)], {t: cosine(t) for t in QUARTERS}),
    "CosineDecay alpha": Case([lc.CosineAnnealing("10%", 1000)], {t: cosine(t, 0.1) for t in QUARTERS}),
    "CosineDecay warmup": Case(
        [lc.Warmup(1500, start_factor=0.0), lc.CosineAnnealing(total_steps=10)],
        {t: 10 * t / 1500 for t in QUARTERS},
        10.0,
    ),
    "CosineDecay warmup_decay": Case(
        [lc.Warmup(2000, start_factor=0.0), lc.CosineAnnealing(total_steps=1000)],
        {t: 10 * t / 2000 if t <= 2000 else 10 * cosine(t - 2000) for t in range(0, 3000, 250)},
        10.0,
    ),
    "CosineDecayRestarts decay": restarts(),
    "CosineDecayRestarts alpha": restarts(alpha=0.1),
    "CosineDecayRestarts mmul": restarts(m_mul=0.9),
    "CosineDecayRestarts tmul": restarts(t_mul=1.0),
    "CosineDecayRestarts config: t_mul=3, m_mul=4": restarts(3.0, 4.0, 0.1),
    "PolynomialDecay config": Case([lc.PolynomialDecay(end_lr=0.005)], lambda t: 0.1 - 0.095 * t / 100, 0.1, 100),
    "ReduceLROnPlateau, factor=0.1, min_delta=10, patience=1": Case(
        [lc.ReduceLROnPlateau("loss", patience=0, threshold=10, threshold_mode="abs")],
        [0.1, 0.1, 0.01],
        0.1,
        per_epoch=1,
        more={"metrics": [2.0, 2.0]},
    ),
    "ReduceLROnPlateau, factor=0.1, min_delta=0, patience=2, cooldown": Case(
        [lc.ReduceLROnPlateau("loss", patience=1, threshold=0, cooldown=1)],
        [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01],
        1.0,
        per_epoch=1,
        more={"metrics": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5]},
        rel=1e-9,
    ),
}
NOT_SAID = {
    "*_config": "how an object is written into a Keras model; here it is the YAML of a Trainer",
    "*_float64": "all values are float64 here",
}
