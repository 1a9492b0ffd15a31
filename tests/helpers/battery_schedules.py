"""Every public callback, each with the factor that it must give, typed out again: one half of the battery."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import references as ref
from lightning.pytorch import Callback
from support import native, sgd
from torch.optim import lr_scheduler

import lr_callbacks as lc


@dataclass(frozen=True)
class Moment:
    """What Lightning itself says of one optimizer step.

    Attributes:
        step: How often this optimizer has stepped before.
        epoch: ``trainer.current_epoch``.
        evaluations: Validations that have ended in this fit.
        base: Configured LR of the group.
        total: Steps that the run was to have, or has; None if nobody can know.
        tick: What a step is to a schedule that lasts to the end: 1, or 1000 where the run goes by milliseconds.
        position: Where in the planned run the step lies, if that is not `step`.
    """

    step: int
    epoch: int
    evaluations: int
    base: float
    total: int | None
    tick: int = 1
    position: int | None = None

    @property
    def now(self) -> int:
        """Where a schedule that lasts to the end is."""
        return (self.step if self.position is None else self.position) * self.tick

    @property
    def end(self) -> int:
        """Where it ends."""
        assert self.total is not None
        return self.total * self.tick


@dataclass(frozen=True)
class Schedule:
    """A callback, or several, and the factor that they give.

    Attributes:
        make: Builds the callbacks.
        factor: The factor at a moment.
        to_end: Whether it needs to know how long the run is.
        by_epoch: Whether it needs to know how long an epoch is.
        evaluated: Whether it listens to validations.
        drives: Whether it moves the LR.
    """

    make: Callable[[], list[Callback]]
    factor: Callable[[Moment], float]
    to_end: bool = False
    by_epoch: bool = False
    evaluated: bool = False
    drives: bool = True


def fade(step: int) -> float:
    return 4 / (4 + step)


def shrink(step: int) -> float:
    return 1 - 0.5 / step


def plateau() -> lc.ReduceLROnPlateau:
    """It never sees an improvement: the first evaluation is the best, and each one after it halves the LR."""
    return lc.ReduceLROnPlateau("scripted", patience=0, factor=0.5)


def halvings(moment: Moment) -> float:
    return 0.5 ** max(0, moment.evaluations - 1)


def restarts(step: int, first: int = 3, mult: int = 2) -> float:
    length = first
    while step >= length:
        step, length = step - length, length * mult
    return (1 + math.cos(math.pi * step / length)) / 2


def one_cycle(now: int, end: int) -> float:
    """torch's, and what a cycle too short for torch is said to be."""
    short = {1: [1.0], 2: [1.0, 1 / 25e4], 3: [1 / 25, 1.0, 1 / 25e4]}
    if now >= end:
        return 1 / 25e4
    return short[end][now] if end in short else torch_one_cycle(end)[now]


@lru_cache
def torch_one_cycle(end: int) -> list[float]:
    lrs, _ = native(lambda o: lr_scheduler.OneCycleLR(o, max_lr=1.0, total_steps=end), end, sgd((1.0,)))
    return [each[0] for each in lrs]


@lru_cache
def torch_restarts(steps: int) -> list[float]:
    lrs, _ = native(lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, T_0=3, eta_min=0.0), steps, sgd((1.0,)))
    return [each[0] for each in lrs]


def warmed(moment: Moment) -> float:
    ramp, after = 1 / 3 + 2 / 3 * min(moment.step, 2) / 2, replace(moment, step=max(0, moment.step - 2))
    return ramp * restarts(after.step) * halvings(moment)


def ramp_over_half(moment: Moment) -> float:
    half = math.floor(moment.end / 2 + 0.5)
    return 1 / 3 + 2 / 3 * min(moment.now, half) / half


def bounce(moment: Moment) -> float:
    return ref.cyclical(moment.step, 2, 2, "triangular", 1.0, 0.01 / moment.base)


SCHEDULES: dict[str, Schedule] = {
    "Warmup": Schedule(lambda: [lc.Warmup(3)], lambda m: 1 / 3 + 2 / 3 * min(m.step, 3) / 3),
    "Warmup of a share": Schedule(lambda: [lc.Warmup("50%")], ramp_over_half, to_end=True),
    "OneCycle": Schedule(lambda: [lc.OneCycle()], lambda m: one_cycle(m.now, m.end), to_end=True),
    "SGDR": Schedule(lambda: [lc.SGDR(3, T_mult=2)], lambda m: restarts(m.step)),
    "ReduceLROnPlateau": Schedule(lambda: [plateau()], halvings, evaluated=True),
    "CyclicalLR": Schedule(lambda: [lc.CyclicalLR(0.01, step_size_up=2)], bounce),
    "StepDecay": Schedule(lambda: [lc.StepDecay(3, gamma=0.5)], lambda m: ref.step_decay(m.step, 0.5, 3, 0)),
    "StepDecay by epoch": Schedule(
        lambda: [lc.StepDecay("1 epoch", gamma=0.5, interval="epoch")], lambda m: 0.5**m.epoch, by_epoch=True
    ),
    "MultiStepDecay": Schedule(lambda: [lc.MultiStepDecay([2, 5])], lambda m: ref.multi_step(m.step, 0.1, [2, 5])),
    "ExponentialDecay": Schedule(lambda: [lc.ExponentialDecay(0.9)], lambda m: ref.exponential(m.step, 0.9)),
    "PolynomialDecay": Schedule(
        lambda: [lc.PolynomialDecay(power=2.0)], lambda m: ref.polynomial(m.now, m.end, 2.0, 0.0), to_end=True
    ),
    "LinearDecay": Schedule(lambda: [lc.LinearDecay()], lambda m: ref.linear(m.now, m.end, 1.0, 0.0), to_end=True),
    "CosineAnnealing": Schedule(lambda: [lc.CosineAnnealing()], lambda m: ref.cosine(m.now, m.end, 0.0), to_end=True),
    "InverseSqrt": Schedule(lambda: [lc.InverseSqrt(4)], lambda m: ref.inverse_sqrt(m.step, 4)),
    "WarmupStableDecay": Schedule(
        lambda: [lc.WarmupStableDecay("10%", "40%")],
        lambda m: ref.warmup_stable_decay(
            m.now, m.end, math.floor(m.end / 10 + 0.5), math.floor(m.end * 0.4 + 0.5), "linear", 0.0, 0.0
        ),
        to_end=True,
    ),
    "Rex": Schedule(lambda: [lc.Rex()], lambda m: ref.rex(m.now, m.end, 0.0), to_end=True),
    "ConstantFactor": Schedule(lambda: [lc.ConstantFactor(3, 0.2)], lambda m: ref.constant(m.step, 3, 0.2)),
    "LambdaFactor": Schedule(lambda: [lc.LambdaFactor(fade)], lambda m: 4 / (4 + m.step)),
    "MultiplicativeFactor": Schedule(
        lambda: [lc.MultiplicativeFactor(shrink)], lambda m: math.prod(1 - 0.5 / t for t in range(1, m.step + 1))
    ),
    "TorchScheduler": Schedule(
        lambda: [lc.TorchScheduler(lr_scheduler.CosineAnnealingWarmRestarts, T_0=3)],
        lambda m: torch_restarts(40)[m.step],
    ),
    "TorchScheduler by epoch": Schedule(
        lambda: [lc.TorchScheduler(lr_scheduler.ExponentialLR, interval="epoch", gamma=0.5)], lambda m: 0.5**m.epoch
    ),
    "TorchScheduler of a metric": Schedule(
        lambda: [lc.TorchScheduler(lr_scheduler.ReduceLROnPlateau, monitor="scripted", patience=0, factor=0.5)],
        halvings,
        evaluated=True,
    ),
    "three that multiply": Schedule(lambda: [plateau(), lc.SGDR(3, T_mult=2), lc.Warmup(2)], warmed, evaluated=True),
    "SnapshotCheckpoint": Schedule(
        lambda: [lc.SnapshotCheckpoint(save_weights_only=True), lc.SGDR(3, T_mult=2)], lambda m: restarts(m.step)
    ),
    "ReplaceSchedulers": Schedule(lambda: [lc.ReplaceSchedulers()], lambda m: 1.0, drives=False),
    "StretchPlan": Schedule(lambda: [lc.StretchPlan(20)], lambda m: 1.0, to_end=True, drives=False),
    "LRMonitor": Schedule(lambda: [lc.LRMonitor()], lambda m: 1.0, drives=False),
    "LRRangeTest": Schedule(lambda: [lc.LRRangeTest(num_steps=10, apply=False)], lambda m: 1.0, drives=False),
    "Sequential": Schedule(
        lambda: [lc.Sequential([lc.LinearDecay(0.5, total_steps=3), lc.SGDR(3, T_mult=2)])],
        lambda m: ref.linear(m.step, 3, 1.0, 0.5) if m.step < 3 else restarts(m.step - 3),
    ),
    "Piecewise": Schedule(
        lambda: [lc.Piecewise([[0, 0.2], [4, 1.0], [8, 0.1]])],
        lambda m: 0.2 + 0.2 * m.step if m.step < 4 else 1.0 - 0.225 * min(m.step - 4, 4),
    ),
    "Restarts": Schedule(lambda: [lc.Restarts(lc.CosineAnnealing(), 3, T_mult=2)], lambda m: restarts(m.step)),
    "TanhDecay": Schedule(
        lambda: [lc.TanhDecay()],
        lambda m: (1 - math.tanh(-7 + 10 * m.now / m.end)) / 2 if m.now < m.end else 0.0,
        to_end=True,
    ),
    "Noise": Schedule(lambda: [lc.Noise(0.0)], lambda m: 1.0),
    "InversePower": Schedule(lambda: [lc.InversePower(3, rate=0.5)], lambda m: 1 / (1 + 0.5 * m.step / 3)),
    "GreedyLR": Schedule(
        lambda: [lc.GreedyLR("scripted", patience=0, factor=0.5)],
        lambda m: max(2.0 * halvings(m), 0.01) if m.evaluations else 1.0,
        evaluated=True,
    ),
    "FinalDecay": Schedule(
        lambda: [lc.StepDecay(2, gamma=0.5), lc.FinalDecay(4, end_factor=0.2, start=5)],
        lambda m: 0.5 ** (min(m.step, 5) // 2) * ref.linear(max(m.step - 5, 0), 4, 1.0, 0.2),
    ),
}


ELSEWHERE = (
    lc.LRCallback,
    lc.UntunedWarmup,  # only for Adam's family: tests/schedules/test_peers_shapes.py
)


def names_covered() -> set[str]:
    """The public callbacks that are in the table."""
    return {type(callback).__name__ for schedule in SCHEDULES.values() for callback in schedule.make()}


def public_callbacks() -> set[str]:
    """The public callbacks that there are."""
    held: dict[str, Any] = {name: getattr(lc, name) for name in lc.__all__}
    return {n for n, c in held.items() if isinstance(c, type) and issubclass(c, Callback) and c not in ELSEWHERE}
