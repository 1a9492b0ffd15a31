"""composer, ``tests/optim/test_scheduler.py``: 1000 epochs, a ``scale_schedule_ratio``, and its tolerance of 0.001.

Its epochs have 1000 batches, here 10 or 100 where that gives the same shares. ``"0.002dur"`` is 0.2% here, and its
ratio a `StretchPlan` for the run that the lengths were written for: 1000 epochs.
"""

from __future__ import annotations

from typing import Any

import lr_callbacks as lc

from . import Case


def scaled(
    callbacks: list[Any], values: dict[int, float], ratio: float = 1.0, per_epoch: int = 10, scale_warmup: bool = False
) -> Case:
    """A run of 1000 epochs times the ratio; the step at its end is that before it."""
    total = round(1000 * ratio) * per_epoch
    plan = [] if ratio == 1 else [lc.StretchPlan("1000 epochs", keep_warmup=not scale_warmup)]
    expected = {min(step, total - 1): value for step, value in values.items()}
    return Case([*plan, *callbacks], expected, total=total, per_epoch=per_epoch, abs=1e-3)


def first(callbacks: list[Any], values: dict[int, float], ratio: float = 1.0) -> Case:
    """The first steps of a run in which nothing depends on its end: lengths in batches."""
    plan = [] if ratio == 1 else [lc.StretchPlan(400)]
    return Case([*plan, *callbacks], values, total=round(400 * ratio), abs=1e-3)


def ramp(length: Any, top: float = 1.0) -> Any:
    return lc.Warmup(length, start_factor=0.0, end_factor=top)


STEPS = {
    "Step, 10ba": first([lc.StepDecay(10)], {5: 1.0, 15: 0.1, 35: 0.001}),
    "Step, 0.002dur": scaled([lc.StepDecay("0.2%", 0.8)], {10: 1.0, 30: 0.8, 70: 0.512}),
    "Step, 1ep": scaled([lc.StepDecay("1 epoch", 0.5)], {5: 1.0, 15: 0.5, 35: 0.125}),
    "Step, 10ba, ratio 0.5": first([lc.StepDecay(10, 0.5)], {3: 1.0, 8: 0.5, 18: 0.125}, 0.5),
    "MultiStep, in batches": first([lc.MultiStepDecay([10, 30, 70])], {5: 1.0, 20: 0.1, 50: 0.01, 100: 0.001}),
    "MultiStep, 100ba, 1ep, 0.01dur": scaled(
        [lc.MultiStepDecay([10, "1 epoch", "1%"], 0.5)], {5: 1, 50: 0.5, 500: 0.25, 5000: 0.125}, per_epoch=100
    ),
    "MultiStep, 100ba, 1ep, 0.01dur, ratio 4": scaled(
        [lc.MultiStepDecay([1, "1 epoch", "1%"], 0.5)], {2: 1, 20: 0.5, 200: 0.25, 2000: 0.125}, 4.0
    ),
    "Exponential, 1ep": scaled([lc.ExponentialDecay(0.5, step_size="1 epoch")], {10: 0.5, 20: 0.25, 40: 0.0625}),
    "Exponential, 1ep, ratio 2": scaled(
        [lc.ExponentialDecay(0.5, step_size="1 epoch")], {20: 0.5, 40: 0.25, 80: 0.0625}, 2.0
    ),
    "Exponential, by epochs, ratio 2": scaled(
        [lc.ExponentialDecay(0.5, interval="epoch")], {20: 0.5, 40: 0.25, 80: 0.0625}, 2.0
    ),
}
SHAPES = {
    "Linear": scaled([lc.LinearDecay()], {1000: 0.9, 2000: 0.8, 4000: 0.6}),
    "Linear, 0 to 2": scaled([lc.LinearDecay(2.0, 0.0)], {1000: 0.2, 2000: 0.4, 4000: 0.8}),
    "Linear, t_max=0.25dur": scaled([lc.LinearDecay(1.0, 0.0, "25%")], {1000: 0.4, 2000: 0.8, 4000: 1.0}),
    "Linear, t_max=0.25dur, ratio 2": scaled([lc.LinearDecay(1.0, 0.0, "25%")], {1000: 0.2, 2000: 0.4, 4000: 0.8}, 2.0),
    "CosineAnnealing": scaled([lc.CosineAnnealing()], {0: 1, 3333: 0.75, 5000: 0.5, 6667: 0.25, 10_000: 0.0}),
    "CosineAnnealing, t_max=30ba, alpha_f=0.5": first(
        [lc.CosineAnnealing("50%", 30)], {0: 1, 10: 0.875, 15: 0.75, 20: 0.625, 30: 0.5, 50: 0.5}
    ),
    "CosineAnnealing, t_max=30ba, alpha_f=0.5, ratio 0.2": first(
        [lc.CosineAnnealing("50%", 30)], {0: 1, 2: 0.875, 3: 0.75, 4: 0.625, 6: 0.5, 10: 0.5}, 0.2
    ),
    "CosineAnnealingWarmRestarts, t_0=30ba": first([lc.SGDR(30)], {0: 1, 10: 0.75, 15: 0.5, 20: 0.25, 30: 1, 40: 0.75}),
    "CosineAnnealingWarmRestarts, t_0=0.003dur, t_mult=1.5": scaled(
        [lc.SGDR("0.3%", 1.5)], {0: 1, 100: 0.75, 300: 1, 450: 0.75, 750: 1, 1425: 1}, per_epoch=100
    ),
    "CosineAnnealingWarmRestarts, t_0=30ep, t_mult=2, ratio 0.5": scaled(
        [lc.SGDR("30 epochs", 2.0, "50%")], {0: 1, 50: 0.875, 150: 1, 250: 0.875}, 0.5
    ),
    "Polynomial, power=2": scaled([lc.PolynomialDecay(2.0)], {0: 1, 1000: 0.81, 2000: 0.64, 5000: 0.25}),
    "Polynomial, t_max=100ba, alpha_f=0.5": first(
        [lc.PolynomialDecay(2.0, 0.5, total_steps=100)], {0: 1, 10: 0.905, 20: 0.82, 50: 0.625}
    ),
    "Polynomial, t_max=100ba, alpha_f=0.5, ratio 0.5": first(
        [lc.PolynomialDecay(2.0, 0.5, total_steps=100)], {0: 1, 10: 0.82, 20: 0.68, 50: 0.5}, 0.5
    ),
}
COSINE = {0: 0, 4500: 0.5, 9000: 1, 9333: 0.875, 9500: 0.75}
POLYNOMIAL = {0: 0, 4500: 0.5, 9000: 1, 9134: 0.875, 9293: 0.75}
WARM = {
    "MultiStepWithWarmup": first(
        [ramp(10), lc.MultiStepDecay([20, 40], start=0)], {0: 0, 5: 0.5, 15: 1, 25: 0.1, 45: 0.01}
    ),
    "MultiStepWithWarmup, ratio 0.5": scaled(
        [ramp(10), lc.MultiStepDecay(["2 epochs", "4 epochs"], 0.5, start=0)],
        {0: 0, 5: 0.5, 15: 1, 150: 0.5, 250: 0.25},
        0.5,
        per_epoch=100,
    ),
    "MultiStepWithWarmup, ratio 0.5, scale_warmup": scaled(
        [ramp(10), lc.MultiStepDecay(["2 epochs", "4 epochs"], 0.5, start=0)],
        {0: 0, 5: 1, 15: 1, 150: 0.5, 250: 0.25},
        0.5,
        per_epoch=100,
        scale_warmup=True,
    ),
    "MultiStepWithWarmup, t_warmup=1000ep": scaled([ramp("1000 epochs")], {0: 0, 1000: 0.1, 10_000: 1}),
    "ConstantWithWarmup": scaled([ramp("500 epochs")], {0: 0, 2500: 0.5, 5000: 1, 7500: 1, 10_000: 1}),
    "ConstantWithWarmup, alpha=3": scaled([ramp("500 epochs", 3.0)], {0: 0, 2500: 1.5, 5000: 3, 5005: 3, 5020: 3}),
    "ConstantWithWarmup, 0.0005dur": scaled([ramp("0.05%")], {0: 0, 25: 0.5, 50: 1, 49_975: 1}, per_epoch=100),
    "ConstantWithWarmup, alpha=3, ratio 0.5": scaled([ramp("500 epochs", 3.0)], {0: 0, 2500: 1.5, 4999: 3}, 0.5),
    "LinearWithWarmup": scaled(
        [ramp("500 epochs"), lc.LinearDecay()], {0: 0, 2500: 0.5, 5000: 1, 7500: 0.5, 10_000: 0.0}
    ),
    "LinearWithWarmup, 3 to 2, t_max=1002ep, ratio 0.5": Case(
        [
            lc.StretchPlan("1006 epochs", keep_warmup=True),
            lc.Warmup("500 epochs", start_factor=0.0, end_factor=1.0),
            lc.LinearDecay(2.0, 3.0, end="1002 epochs"),
        ],
        {0: 0, 2500: 1.5, 5000: 3, 5005: 2.5, 5010: 2, 5020: 2},
        total=5030,
        per_epoch=10,
        abs=1e-3,
    ),
    "LinearWithWarmup, 0.0005dur": scaled(
        [ramp("0.05%"), lc.LinearDecay()], {0: 0, 25: 0.5, 50: 1, 50_025: 0.5}, per_epoch=100
    ),
    "LinearWithWarmup, 500ba, ratio 0.5": scaled(
        [ramp(50), lc.LinearDecay()], {0: 0, 25: 0.5, 50: 1, 25_025: 0.5}, 0.5, 100
    ),
    "LinearWithWarmup, 500ba, ratio 0.5, scale_warmup": scaled(
        [ramp(50), lc.LinearDecay()], {0: 0, 13: 0.52, 25: 1, 25_013: 0.5}, 0.5, 100, True
    ),
    "LinearWithWarmup, t_warmup=1000ep": scaled([ramp("1000 epochs"), lc.LinearDecay()], {0: 0, 1000: 0.1}),
    "CosineAnnealingWithWarmup, 0.9dur": scaled(
        [ramp("90%"), lc.CosineAnnealing()], {0: 0, 4500: 0.5, 9000: 1, 9333: 0.75, 9500: 0.5, 10_000: 0.0}
    ),
    "CosineAnnealingWithWarmup, 0.9dur, alpha_f=0.5, ratio 0.01": scaled(
        [ramp("90%"), lc.CosineAnnealing("50%")], COSINE, 0.01, 1000
    ),
    "CosineAnnealingWithWarmup, 0.9dur, alpha_f=0.5, ratio 0.01, scale_warmup": scaled(
        [ramp("90%"), lc.CosineAnnealing("50%")], COSINE, 0.01, 1000, True
    ),
    "CosineAnnealingWithWarmup, 1000ep": scaled([ramp("1000 epochs"), lc.CosineAnnealing()], {0: 0, 1000: 0.1}),
    "PolynomialWithWarmup, 0.9dur": scaled(
        [ramp("90%"), lc.PolynomialDecay(2.0)], {0: 0, 4500: 0.5, 9000: 1, 9134: 0.75, 9293: 0.5, 10_000: 0}
    ),
    "PolynomialWithWarmup, 0.9dur, alpha_f=0.5, ratio 0.01": scaled(
        [ramp("90%"), lc.PolynomialDecay(2.0, 0.5)], POLYNOMIAL, 0.01, 1000
    ),
    "PolynomialWithWarmup, 0.9dur, alpha_f=0.5, ratio 0.01, scale_warmup": scaled(
        [ramp("90%"), lc.PolynomialDecay(2.0, 0.5)], POLYNOMIAL, 0.01, 1000, True
    ),
    "PolynomialWithWarmup, 1000ep": scaled([ramp("1000 epochs"), lc.PolynomialDecay(2.0)], {0: 0, 1000: 0.1}),
}


def in_units(unit: str, share: float) -> Any:
    """A length of a run of 4 epochs of 32 batches of 16 samples of 8 tokens, as its ``test_warmup_schedulers`` has."""
    batches = 128 * share
    return {
        "ba": round(batches),
        "sp": f"{round(16 * batches)} samples",
        "tok": f"{round(128 * batches)} tokens",
        "ep": f"{4 * share:g} epochs",
        "dur": f"{100 * share:g}%",
    }[unit]


UNITS = ("ba", "tok", "sp", "ep", "dur")
FALLS = {
    "Cosine": (lambda end: lc.CosineAnnealing(end=end), lambda x: 0.5),
    "Linear": (lambda end: lc.LinearDecay(end=end), lambda x: 0.5),
    "Polynomial": (lambda end: lc.PolynomialDecay(2.0, end=end), lambda x: 0.25),
}
IN_UNITS = {
    f"{name}WithWarmup, t_warmup in {warmup}, t_max in {end}": Case(
        [ramp(in_units(warmup, 0.25)), make(in_units(end, 0.75))],
        {0: 0, 16: 0.5, 32: 1, 64: middle(0.5), 96: 0, 127: 0},
        total=128,
        per_epoch=32,
        more={"samples_per_step": 16, "tokens_per_step": 128},
    )
    for name, (make, middle) in FALLS.items()
    for warmup in UNITS
    for end in UNITS
}
CASES = {**STEPS, **SHAPES, **WARM, **IN_UNITS}
NOT_SAID = {
    "scheduler_trains, a function of the state and the ratio": "a function of the user's own has no length to stretch:"
    " refused, as composer refuses one without a ratio",
    "warmup_schedulers_fail_fast, t_max of 1.25 of the run": "a share above 100% is refused",
}
