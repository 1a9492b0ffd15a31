"""OLMo-core and Megatron-LM: their tests, with fewer steps where the numbers are large, and their formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import lr_callbacks as lc

from . import Case

Share = Callable[[float], float]


def half(x: float) -> float:
    return (1 + math.cos(math.pi * min(max(x, 0), 1))) / 2


# ---------------------------------------------------------------------- OLMo-core, src/test/optim/scheduler_test.py
RAMP = lc.Warmup(300, start_lr=4.0)
RISING = {0: 4.0, 100: 6.0, 300: 10.0}


def wsds(periods: int, length: int = 1000, low: float = 0.0, first: float = 0.0) -> Case:
    """A period ends with the step of its length, at the lowest LR; the next step is at the peak."""
    warmup, decay = length // 10, length // 5
    parts = [lc.WarmupStableDecay(0, decay, total_steps=length, end_factor=low)]
    parts += [lc.WarmupStableDecay(0, decay, total_steps=length - 1, end_factor=low) for _ in range(periods - 1)]
    milestones: list[Any] = [length * n + 1 for n in range(1, periods)]
    expected = {0: first, warmup: 1.0, length // 2: 1.0, length * 8 // 10 - 1: 1.0, length * 9 // 10: (1 + low) / 2}
    for n in range(periods):
        expected |= {length * (n + 1): low, length * n + length // 2: 1.0}
        expected |= {length * n + 1: 1.0} if n else {}
    return Case([lc.Warmup(warmup, start_factor=first), lc.Sequential(parts, milestones, start=0)], expected)  # type: ignore[arg-type]


FIRST_END = 5 + 5 * math.sqrt(100 / 250)
SECOND_END = FIRST_END * (0.1 + 0.9 * half(1))
OLMO = {
    "OLMo constant_with_warmup": Case([RAMP], {**RISING, 500: 10.0, 999: 10.0}, 10.0),
    "OLMo linear_with_warmup": Case([RAMP, lc.LinearDecay(0.2)], {**RISING, 500: 10 - 8 * 2 / 7}, 10.0, 1000),
    "OLMo inv_sqrt_with_warmup": Case(
        [RAMP, lc.InverseSqrt(eta_min="20%")],
        {**RISING, 500: 2 + 8 * math.sqrt(0.6), 1000: 2 + 8 * math.sqrt(0.3)},
        10.0,
    ),
    "OLMo cos_with_warmup": Case([RAMP, lc.CosineAnnealing("20%")], {**RISING, 500: 2 + 8 * half(2 / 7)}, 10.0, 1000),
    "OLMo sequential": Case(
        [
            lc.Sequential(
                [
                    lc.Warmup(100, start_factor=0.0),
                    lc.InverseSqrt(100, "50%"),
                    lc.CosineAnnealing("10%"),
                    lc.LinearDecay(0.1, total_steps=300),
                ],
                [100, 250, 650],
                join="continue",
            )
        ],
        {
            100: 10.0,
            400: FIRST_END * (0.1 + 0.9 * half(150 / 400)),
            750: SECOND_END * (1 - 0.9 * 100 / 300),
            1500: SECOND_END * 0.1,
        },
        10.0,
        2000,
    ),
    "OLMo exponential, a range test": Case(
        [lc.Warmup(1000, "exponential", start_lr=1e-9)],
        {0: 1e-9, 100: 1e-9 * 1e10**0.1, 500: math.sqrt(1e-8), 800: 1e-9 * 1e10**0.8, 1000: 10.0},
        10.0,
    ),
    "OLMo exponential, integration": Case(
        [lc.Warmup(100, "exponential", start_lr=1e-5)], [1e-5 * 1e5 ** (t / 100) for t in range(101)]
    ),
    "OLMo WSDS basic_single_period": wsds(1),
    "OLMo WSDS multiple_periods_with_reset": wsds(2),
    "OLMo WSDS non_zero_decay_min_lr": wsds(1, low=0.1),
    "OLMo WSDS non_zero_warmup_min_lr": wsds(1, first=0.1),
    "OLMo WSDS variable_period_counts, 5": wsds(5),
    "OLMo WSDS variable_period_lengths, 100": wsds(1, 100),
    "OLMo WSDS variable_period_lengths, 10000": wsds(1, 10_000),
    "OLMo WSDS warmup_fraction, decay_fraction": Case(
        [lc.WarmupStableDecay("10%", "20%")], {0: 0.0, 100: 1.0, 500: 1.0, 900: 0.5, 999: 1 / 200}, total=1000
    ),
    "OLMo WSDS decay_fraction": Case(
        [lc.WarmupStableDecay(50, "30%")], {50: 1.0, 699: 1.0, 700: 1.0, 701: 1 - 1 / 300}, total=1000
    ),
    "OLMo WSDS beyond_all_periods": Case(
        [lc.WarmupStableDecay(100, 200, total_steps=1000)], {1000: 0.0, 1001: 0.0, 5000: 0.0}
    ),
    "OLMo WSDS no_warmup_in_subsequent_periods, as cycles": Case(
        [lc.Warmup(10, start_factor=0.0), lc.Restarts(lc.WarmupStableDecay(0, "20%"), 100, start=0)],
        {0: 0.0, 10: 1.0, 90: 0.5, 99: 0.05, 100: 1.0, 150: 1.0, 190: 0.5},
    ),
}

# ---------------------------------------------------------------------- Megatron-LM, test_optimizer_param_scheduler.py
LOW, HIGH = 0.001, 0.1


def to_min(fall: Share, start: int = 100, end: int = 1000) -> dict[int, float]:
    steps = {50: 0.01 + 0.09 * 0.5, 100: HIGH}
    return steps | {t: LOW + (HIGH - LOW) * fall((t - start) / (end - start)) for t in (300, 500, 999)}


def wd(callback: Any, values: dict[int, float]) -> Case:
    return Case([callback], values, param="weight_decay", total=1001, more={"base_values": {"weight_decay": 0.1}})


def wsd(name: str, shape: Any, fall: Share, **options: Any) -> dict[str, Case]:
    """100 steps of warm-up, 1000 in all, of which the last 200 decay."""
    callbacks = [lc.Warmup(100, start_lr=0.01), lc.WarmupStableDecay(0, 200, shape, end_factor=0.01, **options)]
    values = {50: 0.055, 100: HIGH, 800: HIGH} | {
        t: LOW + (HIGH - LOW) * fall((t - 800) / 200) for t in (801, 900, 999)
    }
    return {f"Megatron WSD, {name}": Case(callbacks, values, HIGH, 1000)}


UP = lc.Warmup(100, start_lr=0.01)
DOWN = lc.PolynomialDecay(end_lr=LOW, total_steps=900)
RISE = lc.LinearDecay(1.0, 0.0, 1000, param="weight_decay")
MEGATRON = {
    "Megatron get_wd_constant": wd(lc.ConstantFactor(1000, 1.0, param="weight_decay"), {0: 0.1, 500: 0.1}),
    "Megatron get_wd_linear": wd(
        lc.LinearDecay(1.0, 0.0, 1000, param="weight_decay"), {100: 0.01, 500: 0.05, 1000: 0.1}
    ),
    "Megatron get_wd_cosine": wd(
        lc.Piecewise([[0, 0.0], [1000, 1.0]], "cosine", param="weight_decay"), {250: 0.1 * (1 - half(0.25)), 500: 0.05}
    ),
    "Megatron get_lr_linear": Case([UP, DOWN], {**to_min(lambda x: 1 - x), 1001: LOW}, HIGH),
    "Megatron get_lr_cosine": Case([UP, lc.CosineAnnealing(LOW, 900)], {**to_min(half), 1001: LOW}, HIGH),
    "Megatron step_function": Case([UP, DOWN], {100: HIGH}, HIGH, 1000),
    "Megatron step_updates_empty_param_groups": Case(
        [UP, DOWN],
        ([0.01 + 0.19 * t / 100 for t in range(101)], [0.01 + 0.09 * t / 100 for t in range(101)]),
        (0.2, 0.1),
        1000,
    ),
    "Megatron inverse-square-root": Case(
        [UP, lc.InverseSqrt(floor=LOW)], {100: HIGH} | {t: HIGH * math.sqrt(100 / t) for t in (101, 400, 999)}, HIGH
    ),
    "Megatron constant": Case([UP], {50: 0.055, 100: HIGH, 999: HIGH}, HIGH),
    **wsd("linear", "linear", lambda x: 1 - x),
    **wsd("cosine", "cosine", half),
    **wsd("exponential", "exponential", lambda x: 2 * 0.5**x - 1, decay_ratio=0.5),
    **wsd("minus_sqrt", "1-sqrt", lambda x: 1 - math.sqrt(x)),
}


CASES = {**OLMO, **MEGATRON}
NOT_SAID = {"Megatron get_canonical_lr_for_logging, OLMo *_error_*": "no values of a schedule"}
