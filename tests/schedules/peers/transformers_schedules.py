"""transformers, ``tests/optimization/test_optimization.py`` (LR 10, 10 steps, 2 of warm-up), and its formulas.

The lists are those of its tests, to their tolerance of 0.01; the others are its formulas.
"""

from __future__ import annotations

import math
from typing import Any

import lr_callbacks as lc

from . import Case

WARM = [lc.Warmup(2, start_factor=0.0)]
WAYS = {
    "linear": lambda x: x,
    "cosine": lambda x: (1 - math.cos(math.pi * x)) / 2,
    "1-sqrt": lambda x: 1 - math.sqrt(1 - x),
}
ENDS = {
    "linear": lambda x: 1 - x,
    "cosine": lambda x: (1 + math.cos(math.pi * x)) / 2,
    "1-sqrt": lambda x: 1 - math.sqrt(x),
}


def typed(callbacks: list[Any], expected: list[float]) -> Case:
    return Case(callbacks, expected, 10.0, abs=1e-2)


def after(callbacks: list[Any], formula: Any, warmup: int = 2, steps: int = 10) -> Case:
    """A linear warm-up from 0, then a formula of the share of the rest."""
    values = [10 * t / warmup for t in range(warmup)]
    return Case(callbacks, values + [10 * formula((t - warmup) / (steps - warmup)) for t in range(warmup, steps)], 10.0)


def wsd(up: str, down: str, low: float, cycles: float = 0.5) -> Case:
    """3 steps up, 4 stable, 5 down, then 3 at the end."""
    values = [low + (1 - low) * WAYS[up](t / 3) for t in range(3)] + [1.0] * 4
    values += [low + (1 - low) * ENDS[down](t / 5) for t in range(5)] + [low] * 3
    options = {"start_factor": low, "end_factor": low, "warmup_shape": up}
    return Case([lc.WarmupStableDecay(3, 5, down, total_steps=12, **options)], values)  # type: ignore[arg-type]


def wave(cycles: float, low: float = 0.0) -> Any:
    return lambda x: low + (1 - low) * (1 + math.cos(2 * math.pi * cycles * x)) / 2


CASES = {
    "constant": Case([lc.ConstantFactor(10, 1.0)], [10.0] * 10, 10.0),
    "constant_with_warmup": typed([lc.Warmup(4, start_factor=0.0)], [0.0, 2.5, 5.0, 7.5, *[10.0] * 6]),
    "linear": typed([*WARM, lc.LinearDecay()], [0, 5, 10, 8.75, 7.5, 6.25, 5, 3.75, 2.5, 1.25]),
    "cosine": typed([*WARM, lc.CosineAnnealing()], [0, 5, 10, 9.61, 8.53, 6.91, 5, 3.08, 1.46, 0.38]),
    "cosine_with_hard_restarts": typed(
        [*WARM, lc.Restarts(lc.CosineAnnealing(), num_cycles=2)], [0, 5, 10, 8.53, 5, 1.46, 10, 8.53, 5, 1.46]
    ),
    "polynomial": typed(
        [*WARM, lc.PolynomialDecay(2.0, end_lr=1e-7)], [0, 5, 10, 7.656, 5.625, 3.906, 2.5, 1.406, 0.625, 0.156]
    ),
    "inverse_sqrt": typed([*WARM, lc.InverseSqrt()], [0, 5, 10, 8.165, 7.071, 6.325, 5.774, 5.345, 5.0, 4.714]),
    "wsd": typed(
        [lc.WarmupStableDecay(2, 3, "cosine", start_factor=0.1, end_factor=0.1, total_steps=7)],
        [1, 5.5, 10, 10, 10, 7.75, 3.25, 1, 1, 1],
    ),
    **{
        f"wsd, warmup_type={up}, decay_type={down}, min_lr_ratio={low}": wsd(up, down, low)
        for up in WAYS
        for down in ENDS
        for low in (0.0, 0.1)
    },
    **{
        f"cosine, num_cycles={cycles}": after([*WARM, lc.CosineAnnealing(num_cycles=cycles)], wave(cycles))
        for cycles in (0.5, 0.75, 1, 1.5, 2.5)
    },
    **{
        f"cosine_with_min_lr, min_lr_rate={low}, num_cycles={cycles}": after(
            [*WARM, lc.CosineAnnealing(f"{100 * low:g}%", num_cycles=cycles)], wave(cycles, low)
        )
        for low in (0.1, 0.25)
        for cycles in (0.5, 1.5)
    },
    "cosine_with_min_lr, min_lr=2": after([*WARM, lc.CosineAnnealing(2.0)], wave(0.5, 0.2)),
    **{
        f"cosine_with_hard_restarts, num_cycles={cycles}": after(
            [*WARM, lc.Restarts(lc.CosineAnnealing(), num_cycles=cycles, whole_steps=False)],
            lambda x, cycles=cycles: (1 + math.cos(math.pi * ((cycles * x) % 1))) / 2,
            steps=14,
        )
        for cycles in (1, 3, 5)
    },
    **{
        f"polynomial, power={power}, lr_end={end}": after(
            [*WARM, lc.PolynomialDecay(power, end_lr=end)],
            lambda x, power=power, end=end: (end + (10 - end) * (1 - x) ** power) / 10,
        )
        for power in (0.5, 1.0, 3.0)
        for end in (1e-7, 1.0)
    },
    **{
        f"inverse_sqrt, timescale={timescale}": after(
            [*WARM, lc.InverseSqrt(timescale)], lambda x, s=timescale: 1 / math.sqrt((8 * x + s) / s)
        )
        for timescale in (1, 2, 5, 100)
    },
    "cosine_warmup_with_min_lr: from a share, to a share": Case(
        [lc.Warmup(4, start_factor=0.05), lc.CosineAnnealing("20%")],
        [0.05 + 0.95 * t / 4 for t in range(4)] + [0.2 + 0.8 * (1 + math.cos(math.pi * t / 6)) / 2 for t in range(6)],
    ),
}
NOT_SAID = {"reduce_lr_on_plateau, greedy": "see ReduceLROnPlateau's tables; both also run through TorchScheduler"}
