"""NeMo and fairseq: their tests, and their formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import lr_callbacks as lc

from . import Case


def half(x: float) -> float:
    return (1 + math.cos(math.pi * min(max(x, 0), 1))) / 2


# ---------------------------------------------------------------------- NeMo, test_optimizers_schedulers.py: 10 steps
def nemo(
    name: str,
    callback: Callable[[], Any],
    formula: Callable[[float], float],
) -> dict[str, Case]:
    """Without a warm-up and with one of 5 steps, to a clip at 1e-3; by the step of the run."""
    lowest = 1e-3
    plain = callback()
    plain.floor = lowest
    warm = callback()
    warm.start = warm.start if warm.start is not None else 0
    whole = lc.Sequential([lc.Warmup(5, start_factor=1 / 6), warm], [6], floor=lowest)
    alone = [max(0.1 * formula(t), lowest) for t in range(10)]
    after = [0.1 * min((t + 1) / 6, 1) for t in range(6)]
    after += [max(0.1 * formula(t), lowest) for t in range(6, 10)]
    return {f"NeMo {name}": Case([plain], alone, 0.1), f"NeMo {name}, warmup_steps=5": Case([whole], after, 0.1)}


NEMO = {
    **nemo("WarmupPolicy", lambda: lc.ConstantFactor(20, 1.0), lambda t: 1.0),
    **nemo("SquareAnnealing", lambda: lc.PolynomialDecay(2.0, total_steps=10), lambda t: (1 - t / 10) ** 2),
    **nemo("SquareRootAnnealing", lambda: lc.PolynomialDecay(0.5, total_steps=10), lambda t: math.sqrt(1 - t / 10)),
    **nemo("CosineAnnealing", lambda: lc.CosineAnnealing(1e-3, 10), lambda t: 0.01 + 0.99 * half(t / 10)),
    "NeMo WarmupAnnealing": Case([lc.LinearDecay(floor=1e-3)], [0.1 * (1 - t / 10) for t in range(10)], 0.1),
    "NeMo WarmupAnnealing, warmup_steps=5": Case(
        [lc.Sequential([lc.Warmup(5, start_factor=1 / 6), lc.LinearDecay(start=5)], [6])],
        [0.1 * (t + 1) / 6 for t in range(6)] + [0.1 * (1 - t / 10) / 0.5 for t in range(6, 10)],
        0.1,
    ),
    "NeMo PolynomialDecayAnnealing, power=2": Case(
        [lc.PolynomialDecay(2.0, end_lr=1e-3)], [1e-3 + 0.099 * (1 - t / 10) ** 2 for t in range(10)], 0.1
    ),
    "NeMo PolynomialDecayAnnealing, warmup_steps=5": Case(
        [lc.Sequential([lc.Warmup(5, start_factor=1 / 6), lc.PolynomialDecay(end_lr=1e-3, start=5)], [6])],
        [0.1 * (t + 1) / 6 for t in range(6)] + [1e-3 + 0.099 * (1 - (t - 5) / 5) for t in range(6, 10)],
        0.1,
    ),
    "NeMo PolynomialHoldDecayAnnealing, warmup_steps=5, hold_steps=3": Case(
        [lc.Sequential([lc.Warmup(5, start_factor=1 / 6), lc.PolynomialDecay(2.0, end_lr=1e-3, start=8)], [9])],
        [0.1 * (t + 1) / 6 for t in range(6)] + [0.1] * 3 + [1e-3 + 0.099 * (1 - 1 / 2) ** 2],
        0.1,
    ),
    "NeMo InverseSquareRootAnnealing": Case([lc.InverseSqrt(1)], [0.1 / math.sqrt(t + 1) for t in range(10)], 0.1),
    "NeMo InverseSquareRootAnnealing, warmup_steps=5": Case(
        [lc.Sequential([lc.Warmup(5, start_factor=1 / 6), lc.InverseSqrt(6, start=5)], [6])],
        [0.1 * (t + 1) / 6 for t in range(6)] + [0.1 * math.sqrt(6 / (t + 1)) for t in range(6, 10)],
        0.1,
    ),
    "NeMo NoamAnnealing, normalised to its peak": Case(
        [lc.Warmup(4, start_factor=0.0), lc.InverseSqrt()],
        [0.1 * 2 * min(t * 4**-1.5, t**-0.5 if t else 0) for t in range(12)],
        0.1,
    ),
}


# ---------------------------------------------------------------------- fairseq, fairseq/optim/lr_scheduler
def fairseq_cosine(t_mult: int, shrink: float) -> Case:
    def lr(t: int) -> float:
        number, within, long = 0, t, 10
        while within >= long:
            number, within, long = number + 1, within - long, long * t_mult
        return shrink**number * (0.1 + 0.9 * half(within / long))

    return Case([lc.Restarts(lc.CosineAnnealing("10%"), 10, t_mult, cycle_decay=shrink, scaled="all")], lr, total=60)


def triangular(shrink: float, shrink_min: bool) -> Case:
    shape = lc.Piecewise([[0, 0.1], ["50%", 1.0], ["100%", 0.1]])
    scaled: Any = "all" if shrink_min else "peak"

    def lr(t: int) -> float:
        by = shrink ** (t // 10)
        low = 0.1 * by if shrink_min else 0.1
        return low + (by - low) * (1 - abs((t % 10) / 5 - 1))

    return Case([lc.Restarts(shape, 10, cycle_decay=shrink, scaled=scaled)], lr, total=30)


def tri_stage(first: float, last: float) -> Case:
    values = [first + (1 - first) * t / 4 for t in range(4)] + [1.0] * 6 + [last ** (t / 10) for t in range(10)]
    callback = lc.WarmupStableDecay(4, 10, "exponential", first, last, total_steps=20)
    return Case([callback], [*values, last, last])


FAIRSEQ = {
    **{
        f"fairseq cosine, t_mult={mult}, lr_shrink={shrink}": fairseq_cosine(mult, shrink)
        for mult in (1, 2)
        for shrink in (0.1, 0.5, 1.0)
    },
    **{
        f"fairseq triangular, lr_shrink={shrink}, shrink_min={low}": triangular(shrink, low)
        for shrink in (0.5, 1.0)
        for low in (False, True)
    },
    **{
        f"fairseq tri_stage, init_lr_scale={first}, final_lr_scale={last}": tri_stage(first, last)
        for first in (0.01, 0.5)
        for last in (0.01, 0.05)
    },
    "fairseq inverse_sqrt": Case(
        [lc.Warmup(4, start_lr=1e-7), lc.InverseSqrt()],
        [1e-7 + (0.5 - 1e-7) * t / 4 for t in range(4)] + [0.5 * math.sqrt(4 / t) for t in range(4, 20)],
        0.5,
    ),
    "fairseq polynomial_decay, warmup_updates=4, power=2": Case(
        [lc.Warmup(4, start_factor=0.0), lc.PolynomialDecay(2.0, end_lr=0.1)],
        [t / 4 for t in range(4)] + [0.1 + 0.9 * (1 - t / 16) ** 2 for t in range(16)],
    ),
    "fairseq fixed, force_anneal=3, lr_shrink=0.5": Case(
        [lc.ExponentialDecay(0.5, interval="epoch", start="2 epochs", offset=1, outside="one")],
        [1, 1, 1, 1, *[0.5 ** (epoch - 1) for epoch in range(2, 6) for _ in range(2)]],
        per_epoch=2,
    ),
    "fairseq manual, by update": Case(
        [lc.Piecewise([[0, 1.0], [3, 0.1], [6, 0.01]], "constant", absolute=True)], [1.0] * 3 + [0.1] * 3 + [0.01] * 3
    ),
    "fairseq manual, by epoch": Case(
        [lc.Piecewise([["0 epochs", 1.0], ["1 epoch", 0.1], ["3 epochs", 0.01]], "constant", True, interval="epoch")],
        [1.0] * 2 + [0.1] * 4 + [0.01] * 2,
        per_epoch=2,
    ),
    "fairseq step, lr_deacy_period=5, lr_decay=0.5": Case(
        [lc.Warmup(2, start_lr=0.2), lc.StepDecay(5, 0.5, start=2, floor=0.2)],
        [0.2, 0.6] + [max(0.5 ** (t // 5), 0.2) for t in range(20)],
    ),
    "fairseq reduce_lr_on_plateau, lr_shrink=0.1, patience 0": Case(
        [lc.ReduceLROnPlateau("loss", patience=0)],
        [1.0, 1.0, 0.1, 0.1, 0.01],
        per_epoch=1,
        more={"metrics": [3.0, 3.0, 2.0, 2.0]},
    ),
}
CASES = {**NEMO, **FAIRSEQ}
NOT_SAID = {
    "NeMo, the step behind the last": "NeMo falls to min_lr there; a step behind the last is not taken",
    "NeMo CosineAnnealing, constant_steps": "a floor that holds before the end is `total_steps` of the schedule",
    "fairseq pass_through": "gives the work to the optimizer",
}
