"""optax, ``optax/schedules/_schedule_test.py`` and ``_join_test.py``; each case has the name of its test.

optax's ``decay_steps`` include the warm-up, as the run does here; "init" is the LR of the first step.
"""

from __future__ import annotations

import math

import lr_callbacks as lc

from . import Case

ONECYCLE_LINEAR = [[0, 0.1], ["30%", 1.0], ["70%", 0.1], ["100%", 0.001]]
ONECYCLE_COSINE = [[0, 0.1], ["40%", 1.0], ["100%", 0.001]]


def half(x: float) -> float:
    return (1 + math.cos(math.pi * min(x, 1))) / 2


def stairs(count: int, staircase: bool) -> float:
    return count // 2 if staircase else count / 2


def bounded(rate: float, end: float, staircase: bool) -> Case:
    """From step 3 on, every two steps times the rate; it ends at a floor, or a ceiling where it grows."""
    bound = {"floor": end} if rate < 1 else {"ceiling": end}
    values = [1.0] * 3 + [rate ** stairs(count, staircase) for count in range(11)]
    worst = max if rate < 1 else min
    callback = lc.ExponentialDecay(rate, step_size=2, staircase=staircase, start=3, **bound)
    return Case([callback], [worst(value, end) for value in values])


def warm_cosine(init: float, peak: float, end: float, warmup: int, total: int, values: dict[int, float]) -> Case:
    return Case([lc.Warmup(warmup, start_lr=init), lc.CosineAnnealing(end, total_steps=total - warmup)], values, peak)


CASES = {
    "constant": Case([lc.ConstantFactor(15, 1.0)], [10.0] * 15, 10.0),
    "polynomial, linear, that grows": Case([lc.LinearDecay(2.0, total_steps=10)], [*range(10, 20), *[20] * 5], 10.0),
    "polynomial, nonlinear": Case(
        [lc.PolynomialDecay(2, end_lr=10, total_steps=10)],
        [10 + 15 * (1 - n / 10) ** 2 for n in range(10)] + [10] * 5,
        25,
    ),
    "polynomial, with_decay_begin": Case(
        [lc.PolynomialDecay(2, end_lr=10, total_steps=10, start=4)],
        [30] * 4 + [10 + 20 * (1 - n / 10) ** 2 for n in range(10)] + [10] * 6,
        30,
    ),
    "piecewise_constant, positive": Case(
        [lc.Piecewise([[0, 0.1], [4, 0.2], [7, 0.1]], "constant", absolute=True)],
        [0.1] * 4 + [0.2] * 3 + [0.1] * 3,
    ),
    "exponential, constant": Case([lc.ExponentialDecay(1.0, step_size=15)], [1.0] * 15),
    "exponential, constant, staircase": Case([lc.ExponentialDecay(1.0, step_size=15, staircase=True)], [1.0] * 15),
    **{
        f"exponential, staircase={staircase}, transition_begin={begin}": Case(
            [lc.ExponentialDecay(2.0, step_size=2, staircase=staircase, start=begin)],
            [1.0] * begin + [2 ** stairs(count, staircase) for count in range(15)],
        )
        for staircase in (False, True)
        for begin in (0, 5)
    },
    **{
        f"exponential, decay_rate={rate}, end_value={end}, staircase={staircase}": bounded(rate, end, staircase)
        for rate, end in ((0.2, 0.1), (1.0, 0.1), (2.0, 3.0))
        for staircase in (False, True)
        if rate != 1.0
    },
    "exponential, immutable_count": Case([lc.ExponentialDecay(0.5)], [32, 16, 8, 4, 2], 32),
    "cosine, decay_count_smaller_count": Case(
        [lc.CosineAnnealing(total_steps=10)], [0.1 * half(t / 10) for t in range(10)], 0.1
    ),
    "cosine, decay_count_greater_count": Case(
        [lc.CosineAnnealing(total_steps=5)], [0.1 * half(t / 5) for t in range(12)], 0.1
    ),
    "cosine, greater_count_with_alpha": Case(
        [lc.CosineAnnealing("10%", total_steps=5)], [0.1 * (0.9 * half(t / 5) + 0.1) for t in range(12)], 0.1
    ),
    "cosine, with_exponent": Case(
        [lc.CosineAnnealing(total_steps=100, power=2)],
        {0: 0.1, 10: 0.09516553580760956, 50: 0.025, 75: 0.0021446612663567066, 100: 0.0},
        0.1,
        rel=1e-6,
    ),
    "cosine, with_giant_int_steps": Case(
        [lc.CosineAnnealing(total_steps=10**4)], {10**3: 975.52826}, 1000.0, 10**3 + 1, rel=1e-7
    ),
    "warmup_cosine, limits, with end value": warm_cosine(10, 0.5, 1e-4, 100, 1000, {0: 10, 100: 0.5, 1000: 1e-4}),
    "warmup_cosine, limits, without end value": warm_cosine(5, 3, 0.0, 100, 1000, {0: 5, 100: 3, 1000: 0.0}),
    "warmup_cosine, with_exponent, to a floor of 0": Case(
        [lc.Warmup(50, start_lr=0.2), lc.CosineAnnealing(power=2)],
        {0: 0.2, 10: 0.402, 50: 1.21, 75: 1.21 * 0.25},
        1.21,
        100,
    ),
    **{
        f"sgdr, limits, {name}": Case(
            [lc.Restarts(lc.CosineAnnealing(), lengths=[2000, 3000, 5000], peaks=peaks, cycle_warmup=500)],
            {0: 0.0, 500: 1.6, 2500: 1.6 * peaks[1], 5500: 1.6 * peaks[2]},
            1.6,
            10_000,
        )
        for name, peaks in (("with step decay", [1, 0.5, 0.25]), ("without step_decay", [1, 1, 1]))
    },
    "piecewise_interpolate, linear": Case(
        [lc.Piecewise([[0, 200], [5, 300], [10, 75]], absolute=True)],
        [200, 220, 240, 260, 280, 300, 255, 210, 165, 120, 75, 75, 75],
    ),
    "piecewise_interpolate, cosine": Case(
        [lc.Piecewise([[0, 400], [3, 240], [5, 288], [7, 288]], "cosine", absolute=True)],
        [400, 360, 280, 240, 264, 288, 288, 288, 288],
    ),
    "piecewise_interpolate, empty_dict": Case([lc.Piecewise([[0, 13]], absolute=True)], [13.0] * 5),
    "piecewise_interpolate, no_dict": Case([lc.Piecewise([[0, 17]], "cosine", absolute=True)], [17.0] * 3),
    "linear_onecycle": Case([lc.Piecewise(ONECYCLE_LINEAR)], [100, 400, 700, 1000, 775, 550, 325, 100, 67, 34], 1000.0),
    "linear_onecycle, beyond its end": Case(
        [lc.Piecewise([[0, 0.1], [3, 1.0], [7, 0.1], [10, 0.001]])],
        [100, 400, 700, 1000, 775, 550, 325, 100, 67, 34, 1, 1],
        1000.0,
    ),
    "cosine_onecycle": Case([lc.Piecewise(ONECYCLE_COSINE, "cosine")], [100, 550, 1000, 750.25, 250.75], 1000.0),
    "cosine_onecycle, beyond its end": Case(
        [lc.Piecewise([[0, 0.1], [2, 1.0], [5, 0.001]], "cosine")], [100, 550, 1000, 750.25, 250.75, 1, 1], 1000.0
    ),
    "join_schedules, 1 to 2 to 3": Case(
        [lc.Sequential([lc.Piecewise([[0, 1]]), lc.Piecewise([[0, 2]]), lc.Piecewise([[0, 1]])], [3, 6])],
        [1, 1, 1, 2, 2, 2, 1, 1, 1, 1],
    ),
    "warmup_exponential_decay_schedule": Case(
        [lc.Warmup(4, start_factor=0.1), lc.ExponentialDecay(0.5, step_size=3, floor=0.2)],
        [0.1 + 0.9 * t / 4 for t in range(4)] + [max(0.5 ** (t / 3), 0.2) for t in range(12)],
    ),
    "warmup_constant_schedule": Case([lc.Warmup(5, start_factor=0.2)], [0.2 + 0.8 * min(t / 5, 1) for t in range(9)]),
}
NOT_SAID = {
    "piecewise_constant, negative; warmup_cosine with end_value=-3": "an LR below 0 is refused: a factor is at least 0",
    "exponential, decay_rate=1 with end_value": "a rate of 1 has no end that it comes to; see the constant",
    "exponential, decay_rate=0; transition_steps of 0 or -1": "optax warns and holds; here they are refused",
    "warmup_cosine, zero_peak_value": "the peak is the LR of the optimizer, and a factor of 0 stays 0",
    "cosine with decay_steps=1e10": "the values of its steps are compared at 1e4 steps: a preview has a row for each",
}
