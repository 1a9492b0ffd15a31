"""timm, ``tests/test_scheduler.py`` and its formulas: LR 0.1, an LR of 0.001 at the start of a warm-up of 5."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import lr_callbacks as lc

from . import Case

BASE, LOW, STEPS = 0.1, 0.001, 60
Height = Callable[[float, float], float]
"""Of a time and the length of its cycle: from 1 to 0."""


def half(t: float, length: float) -> float:
    return (1 + math.cos(math.pi * t / length)) / 2


def cycles(height: Height, length: int, mul: int = 1, decay: float = 1.0, limit: int = 1) -> Callable[[int], float]:
    """The LR, in cycles, and the lowest after the last of them."""

    def lr(step: int) -> float:
        number, within, long = 0, step, length
        while within >= long:
            number, within, long = number + 1, within - long, long * mul
        return LOW + (BASE * decay**number - LOW) * height(within, long) if number < limit else LOW

    return lr


def warm(callback: Any, lr: Callable[[int], float], prefix: bool | None) -> Case:
    """Without a warm-up; before the schedule (a prefix); or instead of its first steps."""
    ramp = lc.Warmup(5, start_lr=LOW)
    if prefix is None:
        return Case([callback], lr, BASE, STEPS)
    if prefix:
        callback.outside = "one"  # the ramp goes to the base LR, also where the schedule begins a little below it
        return Case([ramp, callback], lambda t: LOW + (BASE - LOW) * t / 5 if t < 5 else lr(t - 5), BASE, STEPS)
    callback.start = 0
    tanh = isinstance(getattr(callback, "schedule", None), lc.TanhDecay)  # timm's ramp meets it, and no other
    top = lr(5) if tanh else BASE
    sequence = lc.Sequential([ramp, callback], join="meet" if tanh else "jump")
    return Case([sequence], lambda t: LOW + (top - LOW) * t / 5 if t < 5 else lr(t), BASE, STEPS)


SHAPES: dict[str, tuple[Callable[[], Any], Height]] = {
    "cosine": (lambda: lc.CosineAnnealing(LOW), half),
    "cosine, k_decay=0.5": (
        lambda: lc.CosineAnnealing(LOW, k_decay=0.5),
        lambda t, n: (1 + math.cos(math.pi * t**0.5 / n**0.5)) / 2,
    ),
    "cosine, k_decay=2": (
        lambda: lc.CosineAnnealing(LOW, k_decay=2),
        lambda t, n: (1 + math.cos(math.pi * t**2 / n**2)) / 2,
    ),
    "tanh": (lambda: lc.TanhDecay(LOW), lambda t, n: (1 - math.tanh(-7 * (1 - t / n) + 3 * t / n)) / 2),
    "tanh, lb=-6, ub=4": (
        lambda: lc.TanhDecay(LOW, lower=-6, upper=4),
        lambda t, n: (1 - math.tanh(-6 * (1 - t / n) + 4 * t / n)) / 2,
    ),
    "poly, power=0.5": (lambda: lc.PolynomialDecay(0.5, end_lr=LOW), lambda t, n: (1 - t / n) ** 0.5),
    "poly, power=1": (lambda: lc.PolynomialDecay(1.0, end_lr=LOW), lambda t, n: 1 - t / n),
    "poly, power=2, k_decay=1.5": (
        lambda: lc.PolynomialDecay(2, end_lr=LOW, k_decay=1.5),
        lambda t, n: (1 - t**1.5 / n**1.5) ** 2,
    ),
}
CYCLES = {"one": {}, "two": {"limit": 2}, "mul": {"mul": 2, "limit": 3}, "decay": {"mul": 2, "decay": 0.5, "limit": 2}}


def cyclic(shape: str, of: str, prefix: bool | None) -> Case:
    make, height = SHAPES[shape]
    options: dict[str, Any] = CYCLES[of]
    callback = lc.Restarts(
        make(), 10, options.get("mul", 1), cycle_decay=options.get("decay", 1.0), num_cycles=options.get("limit", 1)
    )
    return warm(callback, cycles(height, 10, **options), prefix)


WORDS = {None: "", True: ", warmup_t=5, warmup_prefix", False: ", warmup_t=5"}
GRID = {
    f"{shape}, {of} cycle{'' if of == 'one' else 's'}{WORDS[prefix]}": cyclic(shape, of, prefix)
    for shape, of, prefix in product(SHAPES, CYCLES, (None, True))
}
GRID |= {f"{shape}, one cycle{WORDS[False]}": cyclic(shape, "one", False) for shape in SHAPES}


def wsd(stable: str, decay: str) -> Case:
    """5 steps of warm-up, 30 in all after it, of which the last 10 decay."""
    power = {"constant": 0.0, "rsqrt": 0.5, "power": 0.7}[stable]
    falls: dict[str, Callable[[float], float]] = {
        "linear": lambda x: 1 - x,
        "cosine": lambda x: (1 + math.cos(math.pi * x)) / 2,
        "1-sqrt": lambda x: 1 - math.sqrt(x),
        "exp": lambda x: (0.1**x - 0.1) / 0.9,
    }
    shape: Any = {"exp": "exponential"}.get(decay, decay)
    callbacks: list[Any] = [
        lc.Warmup(5, start_lr=LOW),
        lc.WarmupStableDecay(0, 10, shape, total_steps=30, decay_ratio=0.1 if decay == "exp" else None),
    ]
    if power:
        callbacks.append(lc.InversePower(8, power=power))

    def lr(t: int) -> float:
        high = BASE * (1 + (t - 5) / 8) ** -power
        x = (t - 5 - 20) / 10
        return LOW + (BASE - LOW) * t / 5 if t < 5 else high if x <= 0 else high * falls[decay](min(x, 1))

    return Case(callbacks, lr, BASE, 35)


STAIRS = {
    **{
        f"step, decay_t=10, decay_rate=0.5{WORDS[prefix]}": warm(
            lc.StepDecay(10, 0.5), lambda t: BASE * 0.5 ** (t // 10), prefix
        )
        for prefix in WORDS
    },
    **{
        f"multistep, decay_t=[10, 20, 30], decay_rate=0.5{WORDS[prefix]}": warm(
            lc.MultiStepDecay([10, 20, 30], 0.5), lambda t: BASE * 0.5 ** sum(t >= at for at in (10, 20, 30)), prefix
        )
        for prefix in WORDS
    },
    "multistep_decay_boundary": Case([lc.MultiStepDecay([10, 20], 0.5)], {9: 0.1, 10: 0.05, 19: 0.05, 20: 0.025}, BASE),
    "step, by epochs of 3 updates": Case(
        [lc.StepDecay("10 epochs", 0.5, interval="epoch")], lambda t: BASE * 0.5 ** (t // 30), BASE, 100, 3
    ),
    "cosine, by epochs of 3 updates": Case(
        [lc.CosineAnnealing(LOW, interval="epoch")], lambda t: LOW + (BASE - LOW) * half(t // 3, 20), BASE, 60, 3
    ),
    "cosine, three parameter groups": Case(
        [lc.CosineAnnealing(LOW)],
        tuple([LOW + (lr - LOW) * half(t, 20) for t in range(20)] for lr in (0.1, 0.2, 0.3)),
        (0.1, 0.2, 0.3),
    ),
    "plateau, patience_t=2, decay_rate=0.5": Case(
        [lc.ReduceLROnPlateau("loss", factor=0.5, patience=2)],
        [0.1] * 4 + [0.05] * 3 + [0.025] * 3,
        BASE,
        per_epoch=1,
        more={"metrics": [1.0] * 10},
    ),
    "plateau, cooldown_t=2, lr_min=0.04": Case(
        [lc.ReduceLROnPlateau("loss", factor=0.5, patience=0, cooldown=2, min_lr=0.04)],
        [0.1] * 2 + [0.05] * 3 + [0.04] * 3,
        BASE,
        per_epoch=1,
        more={"metrics": [1.0] * 8},
    ),
}
WSD = {
    f"wsd, stable_fn={stable}, decay_fn={decay}": wsd(stable, decay)
    for stable in ("constant", "rsqrt", "power")
    for decay in ("linear", "cosine", "1-sqrt", "exp")
}
CASES = {**GRID, **STAIRS, **WSD}
NOT_SAID = {
    "lr_noise": "its draws are those of another generator; here `Noise` draws from the seed and the step",
    "get_cycle_length, test_scheduler_init, *_state_dict": "no values of a schedule",
}
