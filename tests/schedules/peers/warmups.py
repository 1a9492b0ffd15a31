"""pytorch_warmup, the LR finders, Lightning and finetuning-scheduler: their tests, and their formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import lr_callbacks as lc

from . import Case

BASES = (0.5, 0.1)


def both(callbacks: list[Any], factor: Callable[[int], float], steps: int = 10) -> Case:
    return Case(callbacks, tuple([base * factor(t) for t in range(steps)] for base in BASES), BASES)


def linear(period: int, **options: Any) -> Any:
    """pytorch_warmup counts from 1, so that its first step is not 0."""
    return lc.Warmup(period - 1, start_factor=1 / period, **options)


def exponential(period: int, **options: Any) -> Any:
    return lc.Warmup(period, "1-exp", start_factor=1 - math.exp(-1 / period), **options)


def rising(period: int) -> Callable[[int], float]:
    return lambda t: min(1.0, (t + 1) / period)


def nearing(period: int) -> Callable[[int], float]:
    return lambda t: 1 - math.exp(-(t + 1) / period)


def chained(t: int) -> float:
    return 0.9**t * 0.1 ** (t // 3)


CHAIN = [lc.ExponentialDecay(0.9, start=0), lc.StepDecay(3, start=0)]
PERIODS = (1, 2, 3, 4, 5, 7, 10, 20)
PYTORCH_WARMUP = {
    **{f"pytorch_warmup linear, period {n}": both([linear(n)], rising(n), 25) for n in PERIODS},
    **{f"pytorch_warmup exponential, period {n}": both([exponential(n)], nearing(n), 25) for n in PERIODS},
    "pytorch_warmup linear_chaining": both([linear(5), *CHAIN], lambda t: rising(5)(t) * chained(t)),
    "pytorch_warmup exponential, chained": both([exponential(5), *CHAIN], lambda t: nearing(5)(t) * chained(t)),
    **{
        f"pytorch_warmup {name}, a period for each group": Case(
            [make(5, groups=0), make(10, groups=1)],
            ([0.5 * factor(5)(t) for t in range(12)], [0.1 * factor(10)(t) for t in range(12)]),
            BASES,
        )
        for name, make, factor in (("linear", linear, rising), ("exponential", exponential, nearing))
    },
    **{
        f"pytorch_warmup {name} of a cosine with restarts": both(
            [make(8), lc.SGDR(10, start=0)],
            lambda t, f=factor: f(8)(t) * (1 + math.cos(math.pi * (t % 10) / 10)) / 2,
            25,
        )
        for name, make, factor in (("linear", linear, rising), ("exponential", exponential, nearing))
    },
}


def finder(name: str, low: float, high: float, steps: int, way: str, whole: int) -> dict[str, Case]:
    """A sweep of LRs from the lowest to the highest, which is reached after `whole` steps."""

    def lr(t: int) -> float:
        return low * (high / low) ** (t / whole) if way == "exp" else low + (high - low) * t / whole

    ramp = lc.Warmup(whole, "exponential" if way == "exp" else "linear", start_lr=low)
    return {f"{name}, {way}, {low:g} to {high:g} in {steps}": Case([ramp], [lr(t) for t in range(steps)], high)}


FINDERS: dict[str, Case] = {}
for way_of in ("exp", "linear"):
    for lowest, highest, many in ((1e-7, 10.0, 100), (1e-5, 1.0, 20), (1e-4, 1e-2, 200)):
        FINDERS |= finder("torch-lr-finder", lowest, highest, many, way_of, many - 1)
        FINDERS |= finder("Lightning lr_find", lowest, highest, many, way_of, many)
FINDERS |= finder("ignite FastaiLRFinder", 1e-6, 10.0, 50, "exp", 49)
FINDERS |= finder("ignite FastaiLRFinder", 1e-6, 10.0, 50, "linear", 49)
FINDERS |= finder("fastai lr_find", 1e-7, 10.0, 100, "exp", 100)

EPOCH = 4


def by_epoch(callbacks: list[Any], factors: list[float], base: float = 0.1) -> Case:
    return Case(callbacks, [base * each for each in factors for _ in range(EPOCH)], base, per_epoch=EPOCH)


LIGHTNING = {
    "Lightning optimizer_with_scheduling, StepLR by epoch": by_epoch(
        [lc.StepDecay("1 epoch", 0.1, interval="epoch")], [1, 0.1, 0.01]
    ),
    "Lightning reducelronplateau_scheduling, on val_loss": Case(
        [lc.ReduceLROnPlateau("val_loss", patience=0)],
        [0.1] * 8 + [0.01] * 4,
        0.1,
        per_epoch=EPOCH,
        more={"metrics": [1.0, 1.0, 1.0]},
    ),
    "Lightning step_scheduling, interval=step": Case(
        [lc.StepDecay(1, 0.1)], [0.1 * 0.1**t for t in range(8)], 0.1, per_epoch=EPOCH
    ),
    "Lightning scheduling, frequency=2": by_epoch([lc.StepDecay("2 epochs", 0.1, interval="epoch")], [1, 1, 0.1, 0.1]),
    "Lightning lr_scheduler with OneCycleLR of estimated_stepping_batches": Case(
        [lc.OneCycle(anneal_strategy="linear", pct_start=0.5, div_factor=2, final_div_factor=5)],
        {0: 0.05, 5: 0.1, 11: 0.01},
        0.1,
        12,
        EPOCH,
    ),
    "Lightning LearningRateMonitor, param groups": Case(
        [lc.StepDecay("1 epoch", 0.5, interval="epoch")],
        ([0.1] * 4 + [0.05] * 4, [0.2] * 4 + [0.1] * 4),
        (0.1, 0.2),
        per_epoch=EPOCH,
    ),
    "Lightning LearningRateMonitor, momentum of OneCycleLR": Case(
        [lc.OneCycle(anneal_strategy="linear", pct_start=0.5)], {0: 0.95, 5: 0.85, 11: 0.95}, 0.1, 12, param="momentum"
    ),
    "Lightning LearningRateMonitor, weight decay": Case(
        [lc.StepDecay(1, 0.5, param="weight_decay")],
        [0.01 * 0.5**t for t in range(4)],
        param="weight_decay",
        more={"base_values": {"weight_decay": 0.01}},
    ),
    "Lightning docs, warm-up in optimizer_step": Case(
        [lc.Warmup(499, start_factor=1 / 500)], lambda t: 0.1 * min(1.0, (t + 1) / 500), 0.1, 600
    ),
    "Lightning LambdaLR by epoch": by_epoch(
        [lc.LambdaFactor(lambda epoch: 0.65**epoch, interval="epoch")], [0.65**n for n in range(4)]
    ),
    "Lightning ChainedScheduler of a warm-up and a decay": Case(
        [lc.Warmup(4, start_factor=0.25), lc.ExponentialDecay(0.9, start=0)],
        [0.1 * (0.25 + 0.75 * min(t / 4, 1)) * 0.9**t for t in range(12)],
        0.1,
    ),
}
PHASES = ["2 epochs", "4 epochs"]
FINETUNING = {
    "finetuning-scheduler, one LambdaLR over three phases": by_epoch(
        [lc.LambdaFactor(lambda epoch: 0.7**epoch, interval="epoch")], [0.7**n for n in range(6)], 1e-3
    ),
    "finetuning-scheduler, a new schedule in each phase": by_epoch(
        [
            lc.Sequential(
                [
                    lc.StepDecay("1 epoch", 0.7, interval="epoch"),
                    lc.CosineAnnealing("10%", "2 epochs", interval="epoch"),
                    lc.StepDecay("1 epoch", 0.5, interval="epoch"),
                ],
                PHASES,  # type: ignore[arg-type]
                interval="epoch",
            )
        ],
        [1, 0.7, 1, 0.55, 1, 0.5],
        1e-3,
    ),
    "finetuning-scheduler, a new schedule that goes on from the LR": by_epoch(
        [
            lc.Sequential(
                [lc.StepDecay("1 epoch", 0.7, interval="epoch"), lc.StepDecay("1 epoch", 0.5, interval="epoch")],
                ["2 epochs"],
                join="continue",
                interval="epoch",
            )
        ],
        [1, 0.7, 0.49, 0.245],
        1e-3,
    ),
    "finetuning-scheduler, groups of later phases, each from its LR": Case(
        [
            lc.StepDecay("1 epoch", 0.5, interval="epoch", groups=0),
            lc.StepDecay("1 epoch", 0.5, interval="epoch", groups=1, start="2 epochs"),
        ],
        (
            [1e-3 * 0.5**n for n in range(4) for _ in range(EPOCH)],
            [1e-5] * 8 + [1e-5 * 0.5**n for n in range(2) for _ in range(EPOCH)],
        ),
        (1e-3, 1e-5),
        per_epoch=EPOCH,
    ),
    "finetuning-scheduler, a warm-up for each phase's group": Case(
        [
            lc.Warmup("1 epoch", start_factor=0.0, groups=0),
            lc.Warmup("1 epoch", start_factor=0.0, groups=1, start="1 epoch"),
        ],
        ([t / 4 for t in range(4)] + [1.0] * 8, [0.0] * 4 + [t / 4 for t in range(4)] + [1.0] * 4),
        (1.0, 1.0),
        per_epoch=EPOCH,
    ),
}
CASES = {**PYTORCH_WARMUP, **FINDERS, **LIGHTNING, **FINETUNING}
NOT_SAID = {
    "pytorch_warmup untuned and RAdam": "their lengths follow from the optimizer: tested with a real one beside",
    "the suggestions of LR finders": "another rule on purpose; `LRRangeTest` has its own tests",
    "Lightning, several optimizers with a scheduler each": "tested in real fits: a preview is of one optimizer",
    "finetuning-scheduler, `new_incoming_lr_scheduler` decided by early stopping": "when a phase ends is not known",
}
