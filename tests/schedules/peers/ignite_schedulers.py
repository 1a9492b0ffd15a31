"""ignite, ``tests/ignite/handlers/test_param_scheduler.py``; each case has the name of its test.

Its LRs are absolute, and so are the points here; a cycle there and back is a `Restarts` of such points.
"""

from __future__ import annotations

import math
from typing import Any

import lr_callbacks as lc

from . import Case


def triangle(start: float, end: float, size: int, mult: float = 1, starts: float = 1.0) -> Any:
    """There and back again along lines, in cycles."""
    return lc.Restarts(
        lc.Piecewise([[0, start], ["50%", end], ["100%", start]], absolute=True),
        size,
        mult,
        cycle_decay=starts,
        scaled="all",
    )


def wave(start: float, end: float, size: int, mult: float = 1, warmup: int = 0) -> Any:
    """From start to end along half a cosine, in cycles, with a ramp back in between."""
    shape = lc.Piecewise([[0, start], [size, end]], "cosine", absolute=True)
    if not warmup:
        return lc.Restarts(shape, size, mult)
    return lc.Restarts(
        lc.Piecewise([[0, start], [size, end], [size + warmup, start]], ["cosine", "linear"], True), size + warmup
    )


DOWN_UP = [1.0, 0.8, 0.6, 0.4, 0.2, 0.0, 0.2, 0.4, 0.6, 0.8]
SLOWER = [1 - 0.1 * abs(t) if t <= 10 else 0.1 * (t - 10) for t in range(20)]
COSINE = [0.0, 0.02447174185242318, 0.09549150281252627, 0.20610737385376332, 0.3454915028125263]
COSINE += [0.5, 0.6545084971874737, 0.7938926261462365, 0.9045084971874737, 0.9755282581475768]
FORTH = [1 - 0.1 * t for t in range(10)]
BACK = [0.2 * t for t in range(5)]
PIECES = [0.5] * 6 + [0.5 + 0.05 * t for t in range(1, 11)] + [1 - 0.1 * t for t in range(1, 11)]
PIECES += [0.1 * t for t in range(1, 11)] + [1 - 0.1 * t for t in range(1, 6)] + [0.5] * 9
POINTS = [[0, 0.5], [5, 0.5], [15, 1.0], [25, 0.0], [35, 1.0], [40, 0.5]]
MORE_POINTS = [[10, 0.5], [20, 0.45], [21, 0.3], [30, 0.1], [40, 0.1]]


def warmed(name: str, first: float, last: float | None, steps: int) -> Case:
    """The warm-up ends one step before the schedule begins, and may end elsewhere than that begins."""
    end = 0.2 if last is None else last
    ramp: Any = lc.Piecewise([[0, first], [steps - 1, end], [steps, end]], absolute=True)
    if name == "ExponentialLR":
        after, begins, values = lc.ExponentialDecay(0.98), 0.2, [0.2 * 0.98**t for t in range(20)]
    else:
        after, begins = triangle(0.8, 0.0, 10), 0.8
        values = [0.8 * abs(1 - (t % 10) / 5) for t in range(20)]
    if end == begins:  # ignite lets the last step of the ramp be the first of the schedule
        steps -= 1
        ramp = lc.Piecewise([[0, first], [steps, end]], absolute=True)
    expected = [first + (end - first) * t / max(steps - (end != begins), 1) for t in range(steps)] + values
    return Case([lc.Sequential([ramp, after], [steps])], expected, 0.2)


WARMED = [
    ("ExponentialLR", 0.01, 0.05, 10),
    ("ExponentialLR", 0.01, 0.05, 2),
    ("ExponentialLR", 0.01, 0.2, 10),
    ("ExponentialLR", 0.01, 0.2, 2),
    ("LinearCyclicalScheduler", 0.01, 0.05, 10),
    ("LinearCyclicalScheduler", 0.01, 0.05, 2),
    ("LinearCyclicalScheduler", 0.01, 0.8, 10),
    ("LinearCyclicalScheduler", 0.01, 0.8, 2),
    ("ExponentialLR", 0.01, None, 10),
]


def twice(values: list[float]) -> tuple[list[float], list[float]]:
    return values, values


CASES = {
    "linear_scheduler": Case([triangle(1.0, 0.0, 10)], DOWN_UP * 2),
    "linear_scheduler, cycle_mult=2": Case([triangle(1.0, 0.0, 10, 2)], DOWN_UP + SLOWER),
    "linear_scheduler_warmup_duration": Case(
        [lc.Restarts(lc.Piecewise([[0, 1.0], [10, 0.0], [15, 1.0]]), 15)], FORTH + BACK + FORTH[:5]
    ),
    "linear_scheduler_warmup_duration, cycle_mult=2": Case(
        [
            lc.Sequential(
                [
                    lc.Piecewise([[0, 1.0], [10, 0.0], [15, 1.0]]),
                    lc.Piecewise([[0, 1.0], [20, 0.0], [25, 1.0]]),
                ]
            )
        ],
        FORTH + BACK + [1 - 0.05 * t for t in range(15)],
    ),
    "linear_scheduler_cycle_size_two": Case([triangle(1.0, 0.0, 2)], [1.0, 0.0] * 10),
    "cosine_annealing_scheduler": Case([wave(0.0, 1.0, 10)], COSINE * 2),
    "cosine_annealing_scheduler, cyclic_warmup": Case([wave(0.0, 1.0, 10, warmup=2)], [*COSINE, 1.0, 0.5, *COSINE]),
    "cosine_annealing_scheduler, cycle_mult=2": Case(
        [lc.Restarts(lc.Piecewise([[0, 0.0], ["100%", 1.0]], "cosine"), 10, 2)],
        COSINE + [(1 - math.cos(math.pi * t / 20)) / 2 for t in range(20)],
    ),
    "concat_scheduler_two_schedulers": Case(
        [lc.Sequential([triangle(1.0, 0.0, 10), wave(0.0, 1.0, 10)], [10])], DOWN_UP + COSINE
    ),
    "concat_scheduler_two_linear": Case(
        [lc.Sequential([triangle(0.0, 0.1, 2), triangle(0.2, 1.0, 2)], [5])],
        [0, 0.1, 0, 0.1, 0, *([0.2, 1.0] * 7), 0.2],
    ),
    "concat_scheduler_3_schedulers": Case(
        [lc.Sequential([triangle(1.0, 0.5, 20), triangle(0.5, 0.45, 10), triangle(0.5, 0.0, 20)], [10, 15])],
        [1 - 0.05 * t for t in range(10)] + [0.5 - 0.01 * t for t in range(5)] + [0.5 - 0.05 * t for t in range(5)],
    ),
    "lr_scheduler, ExponentialLR": Case([lc.ExponentialDecay(0.78)], [0.01 * 0.78**t for t in range(20)], 0.01),
    "lr_scheduler, MultiplicativeLR": Case(
        [lc.MultiplicativeFactor(lambda t: 0.95)], [0.01 * 0.95**t for t in range(20)], 0.01
    ),
    "lr_scheduler, StepLR": Case([lc.StepDecay(5, 0.5)], [0.01 * 0.5 ** (t // 5) for t in range(20)], 0.01),
    "piecewiselinear": Case([lc.Piecewise(POINTS, absolute=True)], PIECES),
    "simulate_values, LinearCyclicalScheduler": Case([triangle(1.0, 0.0, 10)], DOWN_UP * 2, 0.1),
    "simulate_values, CosineAnnealingScheduler": Case([wave(1.0, 0.0, 10)], [1 - low for low in COSINE] * 2, 0.1),
    "simulate_values, ExponentialLR": Case([lc.ExponentialDecay(0.5)], [0.1 * 0.5**t for t in range(20)], 0.1),
    "simulate_values, ConcatScheduler of linear and cosine": Case(
        [lc.Sequential([triangle(1.0, 0.0, 20), wave(0.0, 1.0, 10)], [10])], FORTH + COSINE, 0.1
    ),
    "simulate_values, ConcatScheduler of a rate of 1.5 and linear": Case(
        [lc.Sequential([lc.ExponentialDecay(1.5), triangle(0.1, 0.0, 10)], [10])],
        [0.001 * 1.5**t for t in range(10)] + [0.1 * high for high in DOWN_UP],
        0.001,
    ),
    "simulate_values, PiecewiseLinear": Case(
        [lc.Piecewise(MORE_POINTS, absolute=True)],
        [0.5] * 10 + [0.5 - 0.005 * t for t in range(10)],
        0.001,
    ),
    **{
        f"create_lr_scheduler_with_warmup, {name}, from {first} to {last} in {steps}": warmed(name, first, last, steps)
        for name, first, last, steps in WARMED
    },
    "create_lr_scheduler_with_warmup_on_combined_scheduler": Case(
        [lc.Piecewise([[0, 0.0], [639, 0.4], [2559, 0.36], [2560, 0.4], [3200, 0.0]], absolute=True)],
        {0: 0.0, 213: 0.4 / 3, 639: 0.4, 1599: 0.38, 2560: 0.4, 2880: 0.2},
        0.001,
        3200,
    ),
    "create_lr_scheduler_with_warmup_with_real_model": Case(
        [lc.Sequential([lc.Piecewise([[0, 0.0], [4, 0.02]], absolute=True), lc.StepDecay(2, 0.97)], [5])],
        {0: 0.0, 4: 0.02, 5: 0.01, 7: 0.0097},
        0.01,
    ),
    "param_group_scheduler": Case([triangle(1.0, 0.0, 10)], twice(DOWN_UP * 2), (0.1, 0.1)),
    "scheduler_with_param_groups, LinearCyclicalScheduler": Case(
        [triangle(1.0, 0.0, 10)], twice(DOWN_UP * 2), (0.1, 0.2)
    ),
    "scheduler_with_param_groups, PiecewiseLinear": Case(
        [lc.Piecewise(POINTS, absolute=True)], twice(PIECES), (0.1, 0.2)
    ),
    "scheduler_with_param_groups, CosineAnnealingScheduler": Case([wave(0.0, 1.0, 10)], twice(COSINE), (0.1, 0.2)),
    "scheduler_with_param_groups, ExponentialLR": Case(
        [lc.ExponentialDecay(0.98)], twice([0.1 * 0.98**t for t in range(20)]), (0.1, 0.1)
    ),
    "scheduler_with_param_groups, StepLR": Case(
        [lc.StepDecay(50, 0.5)], twice([0.1 * 0.5 ** (t // 50) for t in range(200)]), (0.1, 0.1)
    ),
    "lr_scheduling_on_non_torch_optimizers": Case(
        [lc.Piecewise([[5, 0.5], [15, 1.0]], absolute=True)],
        [0.5] * 6 + [0.5 + 0.05 * t for t in range(1, 11)] + [1.0] * 4,
    ),
}
NOT_SAID = {
    "an LR of the optimizer of 0 under absolute values": "a group that is configured with an LR of 0 stays there; the"
    " cases are said with an LR above 0, which absolute values replace",
    "*_asserts, *_state_dict, save_param_history, plot_values": "no values of a schedule",
}
