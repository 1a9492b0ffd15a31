"""pytorch, ``test/optim/test_lrscheduler.py``: cycles with their momenta, and reductions on a plateau.

Its momenta of 1 to 22 are no momenta: they are said here as a share that is below 1, which is the same line.
"""

from __future__ import annotations

import math
from typing import Any

import lr_callbacks as lc

from . import Case

TRIANGLE = [1.0, 2, 3, 4, 5, 4, 3, 2, 1, 2, 3]
TRIANGLE2 = [*TRIANGLE[:8], 1, 1.5, 2, 2.5, 3, 2.5, 2, 1.5, 1, 1.25, 1.5, 1.75, 2, 1.75]
UP_DOWN = [1.0, 2, 3, 4, 5, 13 / 3, 11 / 3, 3, 7 / 3, 5 / 3, 1]
UP_DOWN2 = [1.0, 3, 5, 13 / 3, 11 / 3, 3, 7 / 3, 5 / 3, 1, 2, 3, 8 / 3, 7 / 3, 2, 5 / 3, 4 / 3, 1, 1.5, 2, 11 / 6]
UP_DOWN2 += [10 / 6, 9 / 6, 8 / 6, 7 / 6]
HEIGHTS = [0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0, 0.25, 0.5, 0.75, 1]
EXPONENTIAL = [1 + 4 * high * 0.9**t for t, high in enumerate(HEIGHTS)]
HEIGHTS_UP_DOWN = [0, 0.5, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0, 0.5, 1, 5 / 6, 4 / 6]
EXPONENTIAL_UP_DOWN = [1 + 4 * high * 0.9**t for t, high in enumerate(HEIGHTS_UP_DOWN)]


def cyclic(bounds: list[tuple[float, float]], up: int = 4, down: int | None = None, **options: Any) -> list[Any]:
    """One callback for each group, with bounds of its own; momentum from 0.1 to 0.5 against it."""
    return [
        lc.CyclicalLR(low, high, up, down, base_momentum=0.1, max_momentum=0.5, groups=group, **options)
        for group, (low, high) in enumerate(bounds)
    ]


def both(name: str, callbacks: list[Any], lrs: tuple[list[float], ...]) -> dict[str, Case]:
    """The LRs, and the momenta that mirror those of the first group: 6 less the LR, of which a tenth."""
    base = [5.0] * len(lrs)
    momenta = [(6 - lr) / 10 for lr in lrs[0]]
    return {
        name: Case(callbacks, lrs, base),
        f"{name}, momentum": Case(callbacks, momenta, base, param="momentum"),
    }


ONE, TWO, THREE = [(1.0, 5.0)], [(1.0, 5.0), (2.0, 6.0)], [(1.0, 5.0), (3.0, 7.0)]
FIVE = [(1.0, 5.0), (5.0, 12.0)]
CYCLES = {
    **both("cycle_lr_triangular_mode_one_lr", cyclic(ONE), (TRIANGLE,)),
    "cycle_lr_triangular_mode_one_lr_no_momentum": Case(
        [lc.CyclicalLR(1, 5, 4, cycle_momentum=False)], [0.9] * 11, 5.0, param="momentum"
    ),
    **both("cycle_lr_triangular2_mode_one_lr", cyclic(ONE, mode="triangular2"), (TRIANGLE2,)),
    **both("cycle_lr_exp_range_mode_one_lr", cyclic(ONE, mode="exp_range", gamma=0.9), (EXPONENTIAL,)),
    **both("cycle_lr_triangular_mode", cyclic(TWO), (TRIANGLE, [lr + 1 for lr in TRIANGLE])),
    **both("cycle_lr_triangular2_mode", cyclic(THREE, mode="triangular2"), (TRIANGLE2, [lr + 2 for lr in TRIANGLE2])),
    **both(
        "cycle_lr_exp_range_mode",
        cyclic(FIVE, mode="exp_range", gamma=0.9),
        (EXPONENTIAL, [5 + 7 * high * 0.9**t for t, high in enumerate(HEIGHTS)]),
    ),
    **both("cycle_lr_triangular_mode_step_size_up_down", cyclic(ONE, 4, 6), (UP_DOWN,)),
    **both(
        "cycle_lr_triangular2_mode_step_size_up_down",
        cyclic(THREE, 2, 6, mode="triangular2"),
        (UP_DOWN2, [lr + 2 for lr in UP_DOWN2]),
    ),
    **both(
        "cycle_lr_exp_range_mode_step_size_up_down",
        cyclic(ONE, 2, 6, mode="exp_range", gamma=0.9),
        (EXPONENTIAL_UP_DOWN,),
    ),
}


def cos(start: float, end: float, x: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * x))


def one_cycle(**options: Any) -> list[Any]:
    return [lc.OneCycle(25.0, base_momentum=0.01, max_momentum=0.22, **options)]


LINEAR = {"final_div_factor": 2, "anneal_strategy": "linear"}
PHASES = {"final_div_factor": 4, "anneal_strategy": "linear", "pct_start": 0.4, "three_phase": True}
COSINE = [1, 13, 25, *[cos(25, 0.5, x / 7) for x in range(1, 7)], 0.5]
COSINE_MOMENTA = [0.22, 0.115, 0.01, *[cos(0.01, 0.22, x / 7) for x in range(1, 7)], 0.22]
LINEAR_LRS = [1, 13, 25, 21.5, 18, 14.5, 11, 7.5, 4, 0.5]
LINEAR_MOMENTA = [0.22, 0.115, 0.01, 0.04, 0.07, 0.10, 0.13, 0.16, 0.19, 0.22]
ONE_CYCLES = {
    "onecycle_lr_linear_annealing": Case(one_cycle(**LINEAR), LINEAR_LRS),
    "onecycle_lr_linear_annealing, momentum": Case(one_cycle(**LINEAR), LINEAR_MOMENTA, param="momentum"),
    "onecycle_lr_linear_annealing_three_phases": Case(
        one_cycle(**PHASES), [1, 9, 17, 25, 17, 9, 1, 0.75, 0.5, 0.25], 25.0
    ),
    "onecycle_lr_linear_annealing_three_phases, momentum": Case(
        one_cycle(**PHASES), [0.22, 0.15, 0.08, 0.01, 0.08, 0.15, 0.22, 0.22, 0.22, 0.22], param="momentum"
    ),
    "onecycle_lr_cosine_annealing": Case(one_cycle(final_div_factor=2), COSINE),
    "onecycle_lr_cosine_annealing, momentum": Case(one_cycle(final_div_factor=2), COSINE_MOMENTA, param="momentum"),
}


def plateau(
    metrics: list[float], expected: tuple[list[float], ...], *others: Any, base: Any = 0.5, **options: Any
) -> Case:
    """torch looks at the LR after the metric: it is that of the next step."""
    callbacks = [lc.ReduceLROnPlateau("loss", **options), *others]
    return Case(callbacks, tuple([lrs[0], *lrs] for lrs in expected), base, per_epoch=1, more={"metrics": metrics})


FALLING = [10 - i * 0.0165 for i in range(22)]
GROWING = [1.5 * 1.025**i for i in range(20)]
SLOWLY = [1.5 * 1.005**i for i in range(20)]
FLAT_MAX = [-0.8] * 2 + [-0.234] * 20
ABS = {"threshold_mode": "abs"}
PATIENT = {"patience": 5, "cooldown": 5}
STAIRS2 = [0.5] * 6 + [0.05] * 7 + [0.005] * 7 + [0.0005] * 2
STAIRS3 = [0.5] * 8 + [0.05] * 11 + [0.005] * 3
STAIRS5 = [0.5] * 6 + [0.05] * 11 + [0.005] * 3


def with_other(metrics: list[float], reduced: list[float], other: Any, factors: list[float], **options: Any) -> Case:
    """A reduction and a schedule, whose factors are those at the step after each metric."""
    expected = [reduced[0] * factors[0]]
    expected += [lr * factor for lr, factor in zip(reduced[: len(metrics)], factors[1:], strict=False)]
    return Case([lc.ReduceLROnPlateau("loss", **options), other], expected, 0.5, per_epoch=1, more={"metrics": metrics})


PLATEAUS = {
    "reduce_lr_on_plateau1": plateau(
        [10 - i * 0.0167 for i in range(20)], ([0.5] * 20,), threshold=0.01, **PATIENT, **ABS
    ),
    "reduce_lr_on_plateau2": plateau(FALLING, (STAIRS2,), patience=5, threshold=0.1, **ABS),
    "reduce_lr_on_plateau3": plateau(FLAT_MAX, (STAIRS3,), mode="max", **PATIENT, **ABS),
    "reduce_lr_on_plateau4": plateau(GROWING, ([0.5] * 20,), mode="max", patience=3, threshold=0.1),
    "reduce_lr_on_plateau5": plateau(SLOWLY, (STAIRS5,), mode="max", threshold=0.1, **PATIENT),
    "reduce_lr_on_plateau6": plateau([1.5 * 0.85**i for i in range(20)], ([0.5] * 20,), threshold=0.1),
    "reduce_lr_on_plateau7": plateau([1] * 7 + [0.6] + [0.5] * 12, (STAIRS5,), threshold=0.1, **PATIENT),
    "reduce_lr_on_plateau8": plateau(
        SLOWLY,
        ([0.5] * 6 + [0.4] * 14, [0.5] * 6 + [0.3] * 14),
        base=(0.5, 0.5),
        mode="max",
        min_lr=[0.4, 0.3],
        threshold=0.1,
        **PATIENT,
    ),
    "compound_reduce_lr_on_plateau1": with_other(
        [10 - i * 0.0167 for i in range(20)],
        [0.5] * 20,
        lc.StepDecay(3),
        [0.1 ** (i // 3) for i in range(21)],
        threshold=0.01,
        **PATIENT,
        **ABS,
    ),
    "compound_reduce_lr_on_plateau2": with_other(
        FALLING,
        STAIRS2,
        lc.MultiStepDecay([3, 8, 12]),
        [1] * 3 + [0.1] * 5 + [0.01] * 4 + [0.001] * 11,
        patience=5,
        threshold=0.1,
        **ABS,
    ),
    "compound_reduce_lr_on_plateau3": with_other(
        FLAT_MAX, STAIRS3, lc.ExponentialDecay(0.1), [0.1**i for i in range(23)], mode="max", eps=0.0, **PATIENT, **ABS
    ),
    "compound_reduce_lr_on_plateau4": with_other(
        GROWING[:9],
        [0.5] * 9,
        lc.CosineAnnealing(1e-10),
        [2e-10 + (1 - 2e-10) * (1 + math.cos(math.pi * x / 10)) / 2 for x in range(10)],
        mode="max",
        patience=3,
        threshold=0.1,
    ),
    "compound_reduce_lr_on_plateau5": with_other(
        FALLING,
        STAIRS2,
        lc.LinearDecay(1.0, 0.4, 4),
        [0.4, 0.55, 0.7, 0.85] + [1.0] * 19,
        patience=5,
        threshold=0.1,
        **ABS,
    ),
}
CASES = {**CYCLES, **ONE_CYCLES, **PLATEAUS}
NOT_SAID = {
    "cycle_lr_*, momenta of 1 and more": "no optimizer has them; the same lines are tested with momenta below 1",
    "*_invalid_*, *_fail_*, *_state_dict, *_picklable, T_cur_reset": "no values of a schedule",
}
