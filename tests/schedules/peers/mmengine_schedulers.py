"""mmengine, ``tests/test_optim/test_scheduler``: LR 0.05 and 0.5, momentum 0.01; each case has the name of its test.

Its ``end`` is one after the last step of a schedule that has ``end - begin - 1`` steps.
"""

from __future__ import annotations

import math
from typing import Any

import lr_callbacks as lc

from . import Case

BASES = (0.05, 0.5)
EPOCH = 7


def cosine(x: float, low: float = 0.0) -> float:
    return low + (1 - low) * (1 + math.cos(math.pi * x)) / 2


def factors(callbacks: list[Any], expected: list[float], **options: Any) -> Case:
    return Case(callbacks, tuple([base * each for each in expected] for base in BASES), BASES, **options)


STAIRS = [1.0] * 3 + [0.1] * 3 + [0.01] * 3 + [0.001]
RAMP = [0.5, 0.625, 0.75, 0.875]
EXPONENTIAL = [0.9**x for x in range(5)]
AFTER = [0.9**4 * cosine(x / 5, 2e-9 / 0.9**4) for x in range(5)]


def poly(base: float, iters: int, steps: int) -> list[float]:
    return [0.001 + (base - 0.001) * (1 - min(i / iters, 1)) ** 0.9 for i in range(steps)]


def shapes(**options: Any) -> dict[str, tuple[list[Any], list[float]]]:
    """Callbacks and factors of what its tests of the LR and of the momentum have in common."""
    low = 2e-9 / 0.9**4
    return {
        "step": ([lc.StepDecay(3, **options)], STAIRS),
        "multi_step": ([lc.MultiStepDecay([2, 5, 9], **options)], [1] * 2 + [0.1] * 3 + [0.01] * 4 + [0.001]),
        "constant": ([lc.ConstantFactor(4, 0.5, **options)], [0.5] * 4 + [1.0] * 6),
        "linear": ([lc.LinearDecay(1.0, 0.5, 4, **options)], [*RAMP, *[1.0] * 6]),
        "effective_interval": (
            [lc.LinearDecay(1.0, 0.5, 4, start=1, outside="one", **options)],
            [1.0, *RAMP, *[1.0] * 5],
        ),
        "exp": ([lc.ExponentialDecay(0.9, **options)], [0.9**x for x in range(10)]),
        "cos_anneal": (
            [lc.CosineAnnealing("0.0000002%", 12, num_cycles=0.6, **options)],
            [cosine(x / 10, 2e-9) for x in range(12)],
        ),
        "cos_anneal, eta_min_ratio": (
            [lc.CosineAnnealing("0.1%", 12, num_cycles=0.6, **options)],
            [cosine(x / 10, 1e-3) for x in range(12)],
        ),
        "cosine_restart": (
            [lc.Restarts(lc.CosineAnnealing(), lengths=[4, 5], peaks=[1, 0.5], **options)],
            [cosine(x / 4) for x in range(4)] + [0.5 * cosine(x / 5) for x in range(5)],
        ),
        "cosine_restart, one period": (
            [lc.Restarts(lc.CosineAnnealing("10%"), lengths=[10], **options)],
            [cosine(x / 10, 0.1) for x in range(10)],
        ),
        "step, convert_iterbased": ([lc.StepDecay("2 epochs", **options)], [1.0] * 14 + [0.1] * 14),
        "multi_step, convert_iterbased": (
            [lc.MultiStepDecay(["2 epochs", "5 epochs", "9 epochs"], **options)],
            [1.0] * 14 + [0.1] * 21 + [0.01] * 28 + [0.001] * 7,
        ),
        "constant, convert_iterbased": ([lc.ConstantFactor(34, 0.5, **options)], [0.5] * 34 + [1.0] * 36),
        "linear, convert_iterbased": (
            [lc.LinearDecay(1.0, 0.5, 34, **options)],
            [0.5 + 0.5 * min(i / 34, 1) for i in range(70)],
        ),
        "exp, convert_iterbased": ([lc.ExponentialDecay(0.9, **options)], [0.9**x for x in range(70)]),
        "cos_anneal, convert_iterbased": (
            [lc.CosineAnnealing("0.0000002%", "10 epochs", **options)],
            [cosine(x / 70, 2e-9) for x in range(70)],
        ),
        "without_overlap_linear_multi_step": (
            [lc.LinearDecay(1.0, 0.5, 4, **options), lc.MultiStepDecay([3, 6], start=5, **options)],
            [*RAMP, *[1.0] * 4, *[0.1] * 3, 0.01],
        ),
        "without_overlap_exp_cosine": (
            [
                lc.ExponentialDecay(0.9, end=4, **options),
                lc.CosineAnnealing(f"{100 * low:.17f}%", 5, start=5, **options),
            ],
            EXPONENTIAL + AFTER,
        ),
        "with_overlap": (
            [lc.LinearDecay(1.0, 0.5, 4, **options), lc.MultiStepDecay([3, 6, 9], **options)],
            [*RAMP[:3], 0.0875, *[0.1] * 2, *[0.01] * 3, 0.001],
        ),
        "with_gap": (
            [
                lc.ExponentialDecay(0.9, end=4, **options),
                lc.CosineAnnealing(f"{100 * low:.17f}%", 5, start=10, **options),
            ],
            EXPONENTIAL + [0.9**4] * 5 + AFTER,
        ),
    }


def per_epoch(name: str) -> int | None:
    return EPOCH if "iterbased" in name else None


def plateau(metrics: list[float], reduced: tuple[float, float] = (0.005, 0.05), **options: Any) -> Case:
    callback = lc.ReduceLROnPlateau("loss", patience=2, cooldown=1, **options)
    expected = tuple([base] * 8 + [low] * 2 for base, low in zip(BASES, reduced, strict=True))
    return Case([callback], expected, BASES, per_epoch=1, more={"metrics": metrics})


LOSS = [10.0, 9, 8, 7, 6, 6, 6, 6, 6, 6]
SCORE = [1.0, 2, 3, 4, 5, 5, 5, 5, 5, 5]
CASES = {
    **{
        f"lr, {name}": factors(callbacks, expected, per_epoch=per_epoch(name))
        for name, (callbacks, expected) in shapes().items()
    },
    **{
        f"momentum, {name}": Case(
            callbacks,
            [0.01 * each for each in expected],
            param="momentum",
            per_epoch=per_epoch(name),
            more={"base_values": {"momentum": 0.01}},
        )
        for name, (callbacks, expected) in shapes(param="momentum").items()
    },
    "lr, cos_anneal, eta_min": Case(
        [lc.CosineAnnealing(5e-3, 12, num_cycles=0.6)],
        tuple([base * cosine(x / 10, 5e-3 / base) for x in range(12)] for base in BASES),
        BASES,
    ),
    "lr, poly": Case(
        [lc.PolynomialDecay(0.9, end_lr=0.001, total_steps=4)], tuple(poly(base, 4, 10) for base in BASES), BASES
    ),
    "lr, poly, convert_iterbased": Case(
        [lc.PolynomialDecay(0.9, end_lr=0.001, total_steps=54)],
        tuple(poly(base, 54, 110) for base in BASES),
        BASES,
        per_epoch=11,
    ),
    "momentum, poly": Case(
        [lc.PolynomialDecay(0.9, end_lr=0.001, total_steps=4, param="momentum")],
        poly(0.01, 4, 10),
        param="momentum",
        more={"base_values": {"momentum": 0.01}},
    ),
    "lr, cosine_restart, its typed values": Case(
        [lc.Restarts(lc.CosineAnnealing(), lengths=[4, 5], peaks=[1, 0.5])],
        [0.05, 0.0426776, 0.025, 0.00732233, 0.025, 0.022612712, 0.01636271, 0.0086372, 0.0023872],
        0.05,
        abs=1e-5,
    ),
    "weight_decay, step": Case(
        [lc.StepDecay(3, param="weight_decay")],
        [5e-4 * each for each in STAIRS],
        param="weight_decay",
        more={"base_values": {"weight_decay": 5e-4}},
    ),
    "plateau, less, rel": plateau(LOSS, threshold=0.01),
    "plateau, less, abs": plateau(LOSS, threshold=0.9, threshold_mode="abs"),
    "plateau, greater, rel": plateau(SCORE, threshold=0.01, mode="max"),
    "plateau, greater, abs": plateau(SCORE, threshold=0.9, threshold_mode="abs", mode="max"),
    "plateau, min_value": plateau(LOSS, (0.01, 0.05), threshold=0.01, min_lr=0.01),
}
NOT_SAID = {
    "cosine_restart, step 9 of periods=[4, 5]": "mmengine repeats the value of step 8; here it is the end",
    "*_state_dict, test_resume by last_step": "no values of a schedule",
}
