"""fvcore, detectron2, fastai and Lightning Bolts: their tests, and their formulas."""

from __future__ import annotations

import math
from typing import Any

import lr_callbacks as lc

from . import Case


def half(x: float) -> float:
    return (1 + math.cos(math.pi * min(max(x, 0), 1))) / 2


def stairs(values: list[float], at: list[Any]) -> list[Any]:
    return [lc.Piecewise([[0, values[0]], *[[t, v] for t, v in zip(at, values[1:], strict=True)]], "constant", True)]


def rescaled(*parts: Any) -> list[Any]:
    """fvcore's composite: each part takes its share of the run, and is as long as that."""
    return [lc.Sequential(list(parts[::2]), list(parts[1::2]))]


def points(*pairs: Any) -> Any:
    return lc.Piecewise([list(pair) for pair in pairs], absolute=True)


TEN = [1e-1, 1e-2, 1e-3, 1e-4]
COSINE = [0.0976, 0.0905, 0.0794, 0.0655, 0.05, 0.0345, 0.0206, 0.0095, 0.0024]
FVCORE = {
    "fvcore constant": Case([points([0, 0.1])], [0.1] * 10, 1.0),
    "fvcore cosine as_decay": Case([lc.CosineAnnealing()], [0.1, *COSINE], 0.1, abs=5e-5),
    "fvcore cosine as_warmup": Case(
        [lc.Warmup("100%", "cosine", start_factor=0.0)], [0.0, *reversed(COSINE)], 0.1, abs=5e-5
    ),
    "fvcore cosine warmup_decay_match": Case(
        [lc.Warmup(1000, "cosine", start_factor=0.0)], lambda t: 0.1 * (1 - half(t / 1000)), 0.1, 1000
    ),
    "fvcore exponential": Case(
        [lc.ExponentialDecay(0.1, step_size="100%")], [2.0 * 0.1 ** (t / 10) for t in range(10)], 2.0
    ),
    "fvcore linear": Case([points([0, 0.0], ["100%", 0.1])], [0.01 * t for t in range(10)]),
    "fvcore linear, falling": Case([points([0, 0.1], ["100%", 0.0])], [0.1 - 0.01 * t for t in range(10)]),
    "fvcore multi_step": Case(stairs(TEN, [4, 6, 8]), [0.1] * 4 + [0.01] * 2 + [0.001] * 2 + [1e-4] * 4),
    "fvcore multi_step, default milestones": Case(
        stairs(TEN, ["25%", "50%", "75%"]), [lr for lr in TEN for _ in range(3)]
    ),
    "fvcore multi_step, optional_args": Case(
        stairs([1, 0.1, 0.01], ["30 epochs", "60 epochs"]),
        {step: value for step, value in ((0, 1), (27, 1), (36, 0.1), (54, 0.1), (63, 0.01), (81, 0.01))},
        total=90,
        per_epoch=1,
    ),
    "fvcore multi_step, equivalent milestones": Case(
        [lc.MultiStepDecay([30, 60])], {0: 1, 27: 1, 36: 0.1, 54: 0.1, 63: 0.01, 81: 0.01}, total=90
    ),
    "fvcore step": Case(stairs(TEN, ["25%", "50%", "75%"]), [lr for lr in TEN for _ in range(3)], 0.1),
    "fvcore step, equal steps": Case([lc.StepDecay("25%")], [lr for lr in TEN for _ in range(3)], 0.1),
    "fvcore step_with_fixed_gamma": Case([lc.StepDecay("25%")], [10.0**-n for n in range(4) for _ in range(3)]),
    "fvcore polynomial": Case(
        [lc.PolynomialDecay(1.0)],
        [0.1, 0.09, 0.08, 0.07, 0.06, 0.05, 0.04, 0.03, 0.02, 0.01],
        0.1,
    ),
    "fvcore composite long": Case(
        rescaled(points([0, 0.1]), "20%", points([0, 0.2]), "60%", points([0, 0.3]), "70%", points([0, 0.4])),
        [0.1] * 2 + [0.2] * 4 + [0.3] + [0.4] * 3,
    ),
    "fvcore composite lengths_within_epsilon_of_one": Case(
        rescaled(points([0, 0.1]), "70%", points([0, 0.2])), [0.1] * 7 + [0.2] * 3
    ),
    "fvcore composite mixed, rescaled": Case(
        rescaled(stairs([0.1, 0.2, 0.3, 0.4, 0.5], [1, 2, 3, 4])[0], "50%", lc.CosineAnnealing(0.0001)),
        [0.1, 0.2, 0.3, 0.4, 0.5] + [0.0001 + (0.42 - 0.0001) * half(t / 5) for t in range(5)],
        0.42,
    ),
    "fvcore composite mixed, fixed": Case(
        rescaled(stairs([0.1, 0.2, 0.3, 0.4, 0.5], [2, 4, 6, 8])[0], "50%", lc.CosineAnnealing(0.0001, start=0)),
        [0.1, 0.1, 0.2, 0.2, 0.3] + [0.0001 + (0.42 - 0.0001) * half(t / 10) for t in range(5, 10)],
        0.42,
    ),
    "fvcore composite mixed, rescaled then fixed": Case(
        rescaled(stairs([0.1, 0.2, 0.3, 0.4, 0.5], [1, 2, 3, 4])[0], "50%", lc.CosineAnnealing(0.0001, start=0)),
        [0.1, 0.2, 0.3, 0.4, 0.5] + [0.0001 + (0.42 - 0.0001) * half(t / 10) for t in range(5, 10)],
        0.42,
    ),
    "fvcore composite linear_no_gaps, rescaled": Case(
        rescaled(points([0, 0.0], [5, 0.5]), "50%", points([0, 0.5], [5, 1.0])), [t / 10 for t in range(10)]
    ),
    "fvcore composite linear_no_gaps, fixed": Case([points([0, 0.0], [10, 0.5])], [t / 20 for t in range(10)]),
}


def after_ramp(decay: Any, formula: Any, meets: bool = True) -> Case:
    """detectron2: 5 steps of warm-up by 0.001 to where the schedule then is, 20 in all."""
    ramp = lc.Warmup(5, start_factor=0.001)
    whole = lc.Sequential([ramp, decay], [5], join="meet" if meets else "jump")
    top = formula(5) if meets else 1
    return Case(
        [whole], [5 * (0.001 + (top - 0.001) * t / 5) for t in range(5)] + [5 * formula(t) for t in range(5, 20)], 5.0
    )


DETECTRON2 = {
    "detectron2 warmup_multistep": Case(
        [lc.Warmup(5, start_factor=0.001), lc.MultiStepDecay([10, 15, 20], start=0)],
        [0.005, 1.004, 2.003, 3.002, 4.001, *[5.0] * 5, *[0.5] * 5, *[0.05] * 5, *[0.005] * 10],
        5.0,
    ),
    "detectron2 warmup_multistep, as a step of a config": after_ramp(
        lc.MultiStepDecay([10, 15], start=0), lambda t: 0.1 ** sum(t >= at for at in (10, 15))
    ),
    "detectron2 warmup_cosine": after_ramp(lc.CosineAnnealing(total_steps=30, start=0), lambda t: half(t / 30)),
    "detectron2 warmup_cosine, default": after_ramp(lc.CosineAnnealing(start=0), lambda t: half(t / 20)),
    "detectron2 warmup_cosine, end value": after_ramp(
        lc.CosineAnnealing("10%", start=0), lambda t: 0.1 + 0.9 * half(t / 20)
    ),
    "detectron2 warmup_linear": after_ramp(lc.LinearDecay(start=0), lambda t: 1 - t / 20),
    "detectron2 warmup_exponential": after_ramp(lc.ExponentialDecay(0.9, start=0), lambda t: 0.9**t),
    "detectron2 warm-up method constant": Case(
        [lc.Warmup(5, "constant", start_factor=0.1), lc.MultiStepDecay([10], start=0)],
        [0.5] * 5 + [5.0] * 5 + [0.5] * 5,
        5.0,
    ),
}


def fastai(name: str, start: float, end: float, formula: Any, callback: Any) -> dict[str, Case]:
    expected = [formula(start, end, t / 20) for t in range(20)]
    return {f"fastai {name}, {start} to {end}": Case([callback], expected, start)}


def cos(a: float, b: float, x: float) -> float:
    return a + (1 + math.cos(math.pi * (1 - x))) * (b - a) / 2


FASTAI: dict[str, Case] = {}
for low, high in ((2.0, 1.0), (1.0, 2.0), (0.1, 1e-3)):
    ends = [[0, low], ["100%", high]]
    FASTAI |= fastai("SchedLin", low, high, lambda a, b, x: a + x * (b - a), lc.Piecewise(ends, absolute=True))
    FASTAI |= fastai("SchedCos", low, high, cos, lc.Piecewise(ends, "cosine", True))
    FASTAI |= fastai("SchedNo", low, high, lambda a, b, x: a, lc.Piecewise(ends, "constant", True))
    FASTAI |= fastai(
        "SchedExp", low, high, lambda a, b, x: a * (b / a) ** x, lc.ExponentialDecay(high / low, step_size="100%")
    )
for power in (0.5, 2.0, 3.0):
    FASTAI |= fastai(
        f"SchedPoly {power}",
        1.0,
        0.2,
        lambda a, b, x, p=power: a + (b - a) * x**p,
        lc.PolynomialDecay(end_factor=0.2, k_decay=power),
    )


def one_cycle(pct: float, div: float, final: float) -> Case:
    """``fit_one_cycle``: ``combined_cos(pct, lr / div, lr, lr / final)`` of the share that is done."""
    up = round(100 * pct)
    values = [cos(1 / div, 1, t / up) for t in range(up)]
    values += [cos(1, 1 / final, t / (100 - up)) for t in range(100 - up)]
    return Case([lc.Piecewise([[0, 1 / div], [up, 1.0], ["100%", 1 / final]], "cosine")], values)


FASTAI |= {
    f"fastai fit_one_cycle, pct_start={pct}, div={div}, div_final={final:g}": one_cycle(pct, div, final)
    for pct, div, final in ((0.25, 25.0, 1e5), (0.3, 10.0, 100.0), (0.5, 25.0, 1e4))
}
FASTAI |= {
    "fastai fit_flat_cos, pct_start=0.75": Case(
        [lc.CosineAnnealing("0.001%", start="75%")],
        [1.0] * 15 + [1e-5 + (1 - 1e-5) * half(t / 5) for t in range(5)],
    ),
    "fastai fit_sgdr, 3 cycles of 1 epoch, cycle_mult=2": Case(
        [lc.SGDR("1 epoch", 2)], [half(t / n) for n in (2, 4, 8) for t in range(n)], per_epoch=2
    ),
    "fastai combine_scheds [0.3, 0.7], two cosines": Case(
        [lc.Sequential([points([0, 0.3], [6, 0.6]), lc.CosineAnnealing(0.2)], ["30%"])],
        [0.3 + 0.3 * t / 6 for t in range(6)] + [0.2 + 0.4 * half(t / 14) for t in range(14)],
        0.6,
    ),
    "fastai fit_one_cycle, moms": Case(
        [lc.Piecewise([[0, 0.95], ["25%", 0.85], ["100%", 0.95]], "cosine", True, param="momentum")],
        [cos(0.95, 0.85, t / 5) for t in range(5)] + [cos(0.85, 0.95, t / 15) for t in range(15)],
        param="momentum",
    ),
}


def bolts(warmup: int, total: int, start: float, floor: float, base: float = 0.2) -> Case:
    """Up along a line that ends with step ``warmup_epochs - 1``, then half a cosine from there to ``max_epochs``."""
    up = max(warmup - 1, 1)
    values = [start + (base - start) * t / up for t in range(warmup - 1)]
    long = total - warmup
    values += [base] + [floor + (base - floor) * half(t / long) for t in range(long)]
    callbacks = [lc.Warmup(up, start_lr=start), lc.CosineAnnealing(floor, total_steps=long, start=warmup)]
    return Case(callbacks, values, base)


BOLTS = {
    f"bolts LinearWarmupCosineAnnealingLR, warmup_epochs={warmup}, max_epochs={total}, from {start}, to {floor}": bolts(
        warmup, total, start, floor
    )
    for warmup, total, start, floor in (
        (5, 20, 0.0, 0.0),
        (2, 25, 0.02, 0.0),
        (10, 50, 0.1, 0.001),
        (15, 50, 0.0, 0.05),
    )
}
BOLTS |= {
    "bolts linear_warmup_decay, cosine": Case(
        [lc.Warmup(5, start_factor=0.0), lc.CosineAnnealing()],
        [t / 5 for t in range(5)] + [half(t / 15) for t in range(15)],
    ),
    "bolts linear_warmup_decay, linear": Case(
        [lc.Warmup(5, start_factor=0.0), lc.LinearDecay()], [t / 5 for t in range(5)] + [1 - t / 15 for t in range(15)]
    ),
}
CASES = {**FVCORE, **DETECTRON2, **FASTAI, **BOLTS}
NOT_SAID = {
    "fvcore *_invalid_config, detectron2 build_*": "no values of a schedule",
    "fastai ParamScheduler from a batch in the middle of a resumed epoch": "a resume is tested with real checkpoints",
}
