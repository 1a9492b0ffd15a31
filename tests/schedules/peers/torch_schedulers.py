"""pytorch, ``test/optim/test_lrscheduler.py``: two groups with 0.05 and 0.5; each case has the name of its test."""

from __future__ import annotations

import math
from typing import Any

import lr_callbacks as lc

from . import Case

BASES = (0.05, 0.5)


def factors(callbacks: list[Any], expected: list[float], bases: tuple[float, float] = BASES, **options: Any) -> Case:
    """A case in which both groups follow the same factors."""
    return Case(callbacks, tuple([base * factor for factor in expected] for base in bases), bases, **options)


def cosine(length: int, steps: int, eta_min: float = 1e-10) -> tuple[list[float], list[float]]:
    half = [(1 + math.cos(math.pi * x / length)) / 2 for x in range(steps)]
    return tuple([eta_min + (base - eta_min) * height for height in half] for base in BASES)  # type: ignore[return-value]


def times(values: tuple[list[float], ...], multipliers: list[float]) -> tuple[list[float], ...]:
    return tuple([value * by for value, by in zip(group, multipliers, strict=True)] for group in values)


def sequence(*parts: Any) -> list[Any]:
    """Parts and the milestones between them, in turn."""
    return [lc.Sequential(list(parts[::2]), list(parts[1::2]))]


def line(start: float, end: float, length: int, steps: int) -> list[float]:
    return [start + min(x / length, 1) * (end - start) for x in range(steps)]


STAIRS = [1.0] * 3 + [0.1] * 3 + [0.01] * 3 + [0.001]
MILESTONES = [1.0] * 2 + [0.1] * 3 + [0.01] * 4 + [0.001]
NINE = [0.9**x for x in range(10)]
POLY = [(1 - x / 5) ** 0.9 for x in range(5)] + [0.0] * 5
SCHEDULES = {
    "step_lr": factors([lc.StepDecay(3)], STAIRS),
    "closed_form_step_lr": factors([lc.StepDecay(3)], [0.1 ** (x // 3) for x in range(20)]),
    "multi_step_lr": factors([lc.MultiStepDecay([2, 5, 9])], MILESTONES),
    "closed_form_multi_step_lr": factors([lc.MultiStepDecay([2, 5, 9])], [*MILESTONES, *[0.001] * 10]),
    "constantlr": factors([lc.ConstantFactor(5, 0.5)], [0.5] * 5 + [1.0] * 5),
    "closed_form_constantlr": factors([lc.ConstantFactor(4, 1 / 3)], [1 / 3] * 4 + [1.0] * 16),
    "linearlr": factors([lc.Warmup(4, start_factor=0.5)], line(0.5, 1, 4, 10)),
    "get_last_lr_linearlr": factors([lc.Warmup(4, start_factor=0.25, end_factor=0.6)], line(0.25, 0.6, 4, 10)),
    "closed_form_linearlr": factors([lc.Warmup(4, end_factor=0.7)], line(1 / 3, 0.7, 4, 20)),
    "exp_lr": factors([lc.ExponentialDecay(0.9)], NINE),
    "closed_form_exp_lr": factors([lc.ExponentialDecay(0.9)], [0.9**x for x in range(20)]),
    "poly_lr": factors([lc.PolynomialDecay(0.9, total_steps=5)], POLY),
    "closed_form_poly_lr": factors([lc.PolynomialDecay(0.9, total_steps=5)], [*POLY, *[0.0] * 10]),
    "cos_anneal_lr": Case([lc.CosineAnnealing(1e-10)], cosine(10, 10), BASES),
    "closed_form_cos_anneal_lr": Case([lc.CosineAnnealing(1e-10, num_cycles=2)], cosine(5, 20), BASES),
    "cos_anneal_lr_continue": Case(
        [lc.CosineAnnealing(0.01, total_steps=5)], tuple(each[:2] for each in cosine(5, 5, 0.01)), BASES
    ),
    "sequentiallr1": factors(
        sequence(lc.ExponentialDecay(0.8), 3, lc.StepDecay(4)), [1, 0.8, 0.64, *[0.1 ** (x // 4) for x in range(16)]]
    ),
    "sequentiallr2": factors(
        sequence(lc.ConstantFactor(3, 0.1), 3, lc.ExponentialDecay(0.9)), [0.1] * 3 + [0.9**x for x in range(10)]
    ),
    "sequentiallr3": factors(
        sequence(lc.ConstantFactor(3, 0.1), 3, lc.ExponentialDecay(0.8), 6, lc.StepDecay(2)),
        [0.1] * 3 + [1, 0.8, 0.64] + [1, 1, 0.1, 0.1, 0.01, 0.01],
    ),
    "sequentiallr4": factors(
        sequence(lc.ConstantFactor(5, 1.0), 10, lc.ConstantFactor(5, 0.1)), [1.0] * 10 + [0.1] * 5 + [1.0] * 3
    ),
    "sequentiallr5, of a chained scheduler": factors(
        sequence(lc.Piecewise([[0, 0.01], [5, 0.1]]), 5, lc.ConstantFactor(5, 0.5)),
        [0.01, 0.028, 0.046, 0.064, 0.082] + [0.5] * 5,
    ),
    "sequentiallr_no_warnings": factors(
        sequence(lc.LinearDecay(0.1, 0.5, 5), 5, lc.ExponentialDecay(0.9)),
        [0.5, 0.42, 0.34, 0.26, 0.18, *[0.9**x for x in range(6)]],
    ),
    "sequentiallr_does_not_alias_lr_and_initial_lr": Case(
        sequence(lc.LinearDecay(0.8, 0.1, 4), 4, lc.LinearDecay(0.1, 0.8, 4)),
        [0.2, 0.55, 0.9, 1.25, 1.6, 1.25, 0.9, 0.55],
        2.0,
    ),
    "chained_lr1": factors([lc.StepDecay(3)], [*STAIRS, 0.001, 0.001]),
    "chained_lr2": factors([lc.Warmup(3, start_factor=0.4)], [0.4, 0.6, 0.8] + [1.0] * 9),
    "chained_lr3": factors(
        [lc.Warmup(3, start_factor=0.4), lc.MultiStepDecay([4, 8, 10], start=0)],
        [0.4, 0.6, 0.8, 1.0] + [0.1] * 4 + [0.01] * 2 + [0.001] * 4,
    ),
    "chained_lr4": factors(
        [lc.ExponentialDecay(0.9), lc.ConstantFactor(4, 0.2), lc.StepDecay(3)],
        [0.9**x * (0.2 if x < 4 else 1) * 0.1 ** (x // 3) for x in range(9)],
    ),
    "chained_lr5": factors(
        [lc.PolynomialDecay(0.9, total_steps=5), lc.ConstantFactor(5, 0.1)], [0.1 * x for x in POLY]
    ),
    "compound_step_and_multistep_lr": factors(
        [lc.StepDecay(3), lc.MultiStepDecay([2, 5, 9])],
        [1, 1, 0.1, 0.01, 0.01, 1e-3, 1e-4, 1e-4, 1e-4, 1e-6],
    ),
    "compound_step_and_exp_lr": factors(
        [lc.StepDecay(3), lc.ExponentialDecay(0.9)], [a * b for a, b in zip(STAIRS, NINE, strict=True)]
    ),
    "compound_exp_and_multistep_lr": factors(
        [lc.MultiStepDecay([2, 5, 9]), lc.ExponentialDecay(0.9)], [a * b for a, b in zip(MILESTONES, NINE, strict=True)]
    ),
    "compound_exp_and_linearlr": factors(
        [lc.Warmup(4, start_factor=0.4, end_factor=0.9), lc.ExponentialDecay(0.9, start=0)],
        [a * b for a, b in zip(line(0.4, 0.9, 4, 10), NINE, strict=True)],
    ),
    "compound_step_and_constantlr": factors(
        [lc.StepDecay(3), lc.ConstantFactor(4, 0.4)], [0.4] * 3 + [0.04] + [0.1] * 2 + [0.01] * 3 + [0.001]
    ),
    "compound_linearlr_and_multistep_lr": factors(
        [lc.MultiStepDecay([2, 5, 9], start=0), lc.Warmup(4, start_factor=0.4)],
        [a * b for a, b in zip(line(0.4, 1, 4, 10), MILESTONES, strict=True)],
    ),
    "compound_cosanneal_and_step_lr": Case(
        [lc.CosineAnnealing(1e-10), lc.StepDecay(3)], times(cosine(10, 10), STAIRS), BASES
    ),
    "compound_cosanneal_and_multistep_lr": Case(
        [lc.CosineAnnealing(1e-10), lc.MultiStepDecay([2, 5, 9])], times(cosine(10, 10), MILESTONES), BASES
    ),
    "compound_cosanneal_and_linearlr": Case(
        [lc.Warmup(4, start_factor=0.4), lc.CosineAnnealing(1e-10, start=0)],
        times(cosine(10, 10), line(0.4, 1, 4, 10)),
        BASES,
    ),
    "compound_cosanneal_and_exp_lr": Case(
        [lc.CosineAnnealing(1e-10), lc.ExponentialDecay(0.1)],
        times(cosine(10, 10), [0.1**x for x in range(10)]),
        BASES,
    ),
    "lambda_lr": Case(
        [lc.LambdaFactor(lambda t: 0.9**t, groups=0), lc.LambdaFactor(lambda t: 0.8**t, groups=1)],
        ([0.05 * 0.9**x for x in range(10)], [0.4 * 0.8**x for x in range(10)]),
        (0.05, 0.4),
    ),
    "multiplicative_lr": Case(
        [lc.MultiplicativeFactor(lambda t: 0.9, groups=0), lc.MultiplicativeFactor(lambda t: 0.8, groups=1)],
        ([0.05 * 0.9**x for x in range(10)], [0.4 * 0.8**x for x in range(10)]),
        (0.05, 0.4),
    ),
    "swalr_no_anneal": Case(
        sequence(lc.ConstantFactor(6, 1.0), 6, lc.Piecewise([[0, 0.01]], absolute=True)),
        tuple([lr] * 6 + [0.01] * 4 for lr in BASES),
        BASES,
    ),
}


def swalr(strategy: str, length: int, after: tuple[float, float]) -> Case:
    """0.9 to the power of the step until step 5, then to an absolute LR along half a cosine or a line."""
    left = {
        "cos": lambda x: (1 + math.cos(math.pi * x)) / 2,
        "linear": lambda x: 1 - x,
    }[strategy]
    callbacks, expected = [], []
    for group, (base, lr) in enumerate(zip(BASES, after, strict=True)):
        floor = lr / 0.9**5  # the part goes on from 0.9 ** 5
        part = (
            lc.CosineAnnealing(floor, length)
            if strategy == "cos"
            else lc.PolynomialDecay(end_lr=floor, total_steps=length)
        )
        callbacks.append(lc.Sequential([lc.ExponentialDecay(0.9), part], [5], join="continue", groups=group))
        high, ways = base * 0.9**5, [left(min((t + 1) / length, 1)) for t in range(9)]
        expected.append([base * 0.9**t for t in range(6)] + [high * way + lr * (1 - way) for way in ways])
    return Case(callbacks, tuple(expected), BASES)


def warm_restarts(T_mult: int) -> list[float]:
    lengths, within, seen = 10, 0, []
    for _ in range(100):
        seen.append((1 + math.cos(math.pi * within / lengths)) / 2)
        within += 1
        if within >= lengths:
            within, lengths = 0, lengths * T_mult
    return seen


def tenth(step: int, T_mult: int) -> float:
    """The LR at a tenth of an epoch, of cycles of 10 and 10 * T_mult epochs."""
    within = (step % 100) / 100 if T_mult == 1 or step < 100 else (step - 100) / 100 / T_mult
    return 1e-10 + (0.05 - 1e-10) * (1 + math.cos(math.pi * within)) / 2


def at(values: dict[float, tuple[float, float]], per_epoch: int = 1) -> dict[int, float]:
    """Some epochs: how far into their cycle they are, and its length."""
    return {
        round(epoch * per_epoch): 1e-10 + (0.05 - 1e-10) * (1 + math.cos(math.pi * within / length)) / 2
        for epoch, (within, length) in values.items()
    }


RESTARTS = {
    "swalr_cosine_anneal_after_multiplicative": swalr("cos", 5, (0.01, 0.01)),
    "swalr_linear_anneal_after_multiplicative": swalr("linear", 4, (0.01, 0.02)),
    **{
        f"CosineAnnealingWarmRestarts_lr1, T_mult={T_mult}": Case(
            [lc.SGDR(10, T_mult, eta_min=1e-10)],
            tuple([1e-10 + (base - 1e-10) * high for high in warm_restarts(T_mult)] for base in BASES),
            BASES,
        )
        for T_mult in (1, 2, 4)
    },
    **{
        f"CosineAnnealingWarmRestarts_lr2, tenths of epochs, T_mult={T_mult}": Case(
            [lc.SGDR("10 epochs", T_mult, eta_min=1e-10)],
            lambda step, T_mult=T_mult: tenth(step, T_mult),
            0.05,
            300,
            10,
        )
        for T_mult in (1, 2, 4)
    },
    "CosineAnnealingWarmRestarts_lr3, T_mult=1": Case(
        [lc.SGDR(10, eta_min=1e-10)],
        at({1: (1, 10), 2: (2, 10), 3: (3, 10), 5: (5, 10), 12: (2, 10), 27: (7, 10), 6: (6, 10), 13: (3, 10)}),
        0.05,
    ),
    "CosineAnnealingWarmRestarts_lr3, T_mult=2": Case(
        [lc.SGDR(10, 2, eta_min=1e-10)],
        at({4: (4, 10), 25: (15, 20), 32: (2, 40), 33: (3, 40), 34: (4, 40), 80: (10, 80), 81: (11, 80), 3: (3, 10)}),
        0.05,
    ),
    "CosineAnnealingWarmRestarts_lr3, T_mult=3": Case(
        [lc.SGDR("10 epochs", 3, eta_min=1e-10)],
        at({0.1: (0.1, 10), 1.3: (1.3, 10), 17.5: (7.5, 30), 29.5: (19.5, 30), 31.5: (21.5, 30), 50: (10, 90)}, 10),
        0.05,
        510,
        10,
    ),
}
CASES = {**SCHEDULES, **RESTARTS}
