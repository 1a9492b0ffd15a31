"""One after another, through points, in cycles, in a window: the values of other libraries, typed from their formulas.

Each case names the library whose schedule it is.
"""

from __future__ import annotations

import math

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch.optim import lr_scheduler

import lr_callbacks as lc

PI = math.pi


def lrs(*callbacks, base=1.0, total=10, per_epoch=None, param="lr"):
    return lc.preview(list(callbacks), base, total, per_epoch, param=param)[:, 0].tolist()


def cosine(x, low=0.0, high=1.0):
    return low + (high - low) * (1 + math.cos(PI * x)) / 2


def torch_lrs(make, total, base=1.0):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=base)
    scheduler, seen = make(optimizer), []
    for _ in range(total):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


def torch_sequence(optimizer):
    parts = [lr_scheduler.ConstantLR(optimizer, 0.1, 20), lr_scheduler.ExponentialLR(optimizer, 0.9)]
    return lr_scheduler.SequentialLR(optimizer, parts, [20])


CASES = {
    "torch SequentialLR, constant then exponential": (
        [lc.Sequential([lc.ConstantFactor(21, 0.1), lc.ExponentialDecay(0.9)], [20])],
        [0.1] * 20 + [0.9**t for t in range(10)],
    ),
    "optax join_schedules": (
        [lc.Sequential([lc.LinearDecay(0.0, total_steps=4), lc.Piecewise([[0, 0.7]])], [3])],
        [1.0, 0.75, 0.5, 0.7, 0.7],
    ),
    "ignite ConcatScheduler: a line to a half, then a cosine from there": (
        [lc.Sequential([lc.LinearDecay(0.5, total_steps=5), lc.CosineAnnealing()], join="continue")],
        [1 - 0.1 * t for t in range(5)] + [0.5 * cosine(t / 5) for t in range(5)],
    ),
    "fvcore CompositeParamScheduler, fixed: each goes by the time of the whole": (
        [lc.Sequential([lc.LinearDecay(total_steps=10), lc.CosineAnnealing(start=0)], [5])],
        [1 - 0.1 * t for t in range(5)] + [cosine(t / 10) for t in range(5, 10)],
    ),
    "detectron2 WarmupParamScheduler: to the value that the schedule then has": (
        [lc.Sequential([lc.Warmup(4, start_factor=0.1), lc.CosineAnnealing(start=0)], join="meet")],
        [0.1 + (cosine(0.4) - 0.1) * t / 4 for t in range(4)] + [cosine(t / 10) for t in range(4, 10)],
    ),
    "timm, warmup_prefix=False": (
        [lc.Sequential([lc.Warmup(4, start_factor=0.1), lc.CosineAnnealing(start=0)])],
        [0.1 + 0.9 * t / 4 for t in range(4)] + [cosine(t / 10) for t in range(4, 10)],
    ),
    "OLMo SequentialScheduler; falling, then annealed from there": (
        [lc.LinearDecay(0.5, total_steps=5), lc.CosineAnnealing(start=5)],
        [1 - 0.1 * t for t in range(5)] + [0.5 * cosine(t / 5) for t in range(5)],
    ),
    "mmengine LinearLR(begin=2, end=6)": (
        [lc.LinearDecay(start_factor=0.5, end_factor=1.0, start=2, end=6, outside="one")],
        [1, 1, 0.5, 0.625, 0.75, 0.875, 1, 1],
    ),
    "mmengine ConstantLR(begin=2, end=5)": (
        [lc.Piecewise([[0, 0.25]], start=2, end=5, outside="one")],
        [1, 1, 0.25, 0.25, 0.25, 1, 1],
    ),
    "mmengine ExponentialLR(begin=1, end=4)": (
        [lc.ExponentialDecay(0.5, start=1, end=4)],
        [1, 1, 0.5, 0.25, 0.125, 0.125],
    ),
    "ignite PiecewiseLinear": (
        [lc.Piecewise([[2, 0.5], [4, 0.45], [6, 0.3], [8, 0.1], [9, 0.1]], absolute=True)],
        [0.5, 0.5, 0.5, 0.475, 0.45, 0.375, 0.3, 0.2, 0.1, 0.1],
    ),
    "optax piecewise_interpolate_schedule, cosine": (
        [lc.Piecewise([[0, 1.0], [4, 2.0], [8, 0.5]], "cosine")],
        [1 + (1 - math.cos(PI * t / 4)) / 2 for t in range(4)]
        + [2 - 1.5 * (1 - math.cos(PI * t / 4)) / 2 for t in range(4)]
        + [0.5],
    ),
    "optax piecewise_constant_schedule; fairseq manual": (
        [lc.Piecewise([[0, 0.1], [3, 0.2], [5, 1.0]], "constant")],
        [0.1, 0.1, 0.1, 0.2, 0.2, 1.0, 1.0],
    ),
    "Keras PiecewiseConstantDecay: a boundary is the last step of its value": (
        [lc.Piecewise([[0, 1.0], [4, 0.5], [7, 0.1]], "constant", absolute=True)],
        [1.0] * 4 + [0.5] * 3 + [0.1],
    ),
    "optax exponential_decay, end_value": (
        [lc.ExponentialDecay(0.5, floor=0.2)],
        [1, 0.5, 0.25, 0.2, 0.2],
    ),
    "optax exponential_decay that grows, end_value": (
        [lc.Piecewise([[0, 1.0], [4, 5.0]], ceiling=3.0)],
        [1, 2, 3, 3, 3],
    ),
    "NeMo min_lr: a clip": ([lc.LinearDecay(floor=0.35)], [max(1 - t / 10, 0.35) for t in range(10)]),
    "transformers cosine_with_hard_restarts, 3 cycles in 10 steps": (
        [lc.Restarts(lc.CosineAnnealing(), num_cycles=3, whole_steps=False)],
        [cosine((3 * t / 10) % 1) for t in range(10)],
    ),
    "timm CosineLRScheduler(cycle_mul=2, cycle_decay=0.5, cycle_limit=2, lr_min=0.1)": (
        [lc.Restarts(lc.CosineAnnealing(eta_min=0.1), 3, T_mult=2, cycle_decay=0.5, num_cycles=2)],
        [cosine(t / 3, 0.1) for t in range(3)] + [cosine(t / 6, 0.1, 0.5) for t in range(6)] + [0.1, 0.1],
    ),
    "timm PolyLRScheduler(cycle_decay=0.5, cycle_limit=3)": (
        [lc.Restarts(lc.PolynomialDecay(0.5, end_lr=0.1), 3, cycle_decay=0.5, num_cycles=3)],
        [0.1 + (0.5**n - 0.1) * (1 - t / 3) ** 0.5 for n in range(3) for t in range(3)] + [0.1],
    ),
    "Keras CosineDecayRestarts(t_mul=1, m_mul=0.5, alpha=0.1)": (
        [lc.Restarts(lc.CosineAnnealing(eta_min=0.1), 4, cycle_decay=0.5, scaled="span")],
        [0.1 + 0.9 * 0.5**n * cosine(t / 4) for n in range(2) for t in range(4)],
    ),
    "Keras CosineDecayRestarts(m_mul=1.5): peaks that grow": (
        [lc.Restarts(lc.CosineAnnealing(), 4, cycle_decay=1.5)],
        [1.5**n * cosine(t / 4) for n in range(2) for t in range(4)],
    ),
    "fairseq cosine, lr_shrink: floors that shrink": (
        [lc.Restarts(lc.CosineAnnealing(eta_min=0.2), 4, cycle_decay=0.5, scaled="all")],
        [0.5**n * cosine(t / 4, 0.2) for n in range(2) for t in range(4)],
    ),
    "mmengine CosineRestartLR(periods=[2, 3], restart_weights=[1, 0.5])": (
        [lc.Restarts(lc.CosineAnnealing(), lengths=[2, 3], peaks=[1, 0.5])],
        [1, 0.5] + [0.5 * cosine(t / 3) for t in range(3)] + [0, 0],
    ),
    "optax sgdr_schedule: a list of cycles with a warm-up each": (
        [
            lc.Sequential(
                [
                    lc.Restarts(lc.CosineAnnealing(eta_min=0.1), lengths=[5], cycle_warmup=2),
                    lc.Restarts(lc.CosineAnnealing(eta_min=0.2), lengths=[4], cycle_warmup=1, peaks=[0.5]),
                ]
            )
        ],
        [0.1, 0.55] + [cosine(t / 3, 0.1) for t in range(3)] + [0.2] + [cosine(t / 3, 0.2, 0.5) for t in range(3)],
    ),
    "OLMo WSDS: stable and decay again and again, without a new warm-up": (
        [lc.Warmup(2, start_factor=0.0), lc.Restarts(lc.WarmupStableDecay(0, 2), lengths=[4, 6])],
        [0, 0.5, 1, 1, 1, 0.5, 1, 1, 1, 1],
    ),
    "ignite LinearCyclicalScheduler, a saw-tooth": (
        [lc.Restarts(lc.LinearDecay(0.5), 4)],
        [1 - 0.125 * (t % 4) for t in range(9)],
    ),
    "ignite start_value_mult and cycle_mult, triangles that grow": (
        [lc.Restarts(lc.Piecewise([[0, 0.5], ["50%", 1.0], ["100%", 0.5]]), 10, T_mult=1, cycle_decay=2, scaled="all")],
        [0.5 + 0.1 * t for t in range(5)] + [1 - 0.1 * t for t in range(5)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_values_are_those_of(name):
    callbacks, expected = CASES[name]
    assert lrs(*callbacks, total=10 if len(expected) <= 10 else len(expected))[: len(expected)] == pytest.approx(
        expected, rel=1e-9, abs=1e-12
    )


def test_a_sequence_is_that_of_torch_run_beside_it():
    ours = lrs(lc.Sequential([lc.ConstantFactor(20, 0.1), lc.ExponentialDecay(0.9)]), total=40)
    assert ours == pytest.approx(torch_lrs(torch_sequence, 40), rel=1e-12)


def test_floors_as_shares_are_those_of_each_group():
    lrs = lc.preview([lc.ExponentialDecay(0.1, floor="5%", ceiling="50%")], [0.1, 0.2], 4)
    assert lrs.tolist() == [pytest.approx([0.1 * factor, 0.2 * factor], rel=1e-12) for factor in (0.5, 0.1, 0.05, 0.05)]


def test_momentum_of_a_part_holds_its_ends_outside_of_it():
    sequence = lc.Sequential([lc.Warmup(3), lc.OneCycle(total_steps=4, pct_start=0.5)])
    momenta = lc.preview([sequence], 0.1, 9, param="momentum")[:, 0].tolist()
    assert momenta == pytest.approx([0.95, 0.95, 0.95, 0.95, 0.85, 0.9, 0.95, 0.95, 0.95])


def test_a_function_of_the_users_own_may_be_a_part():
    seen = lrs(lc.Sequential([lc.LambdaFactor(lambda t: 1 / (1 + t)), lc.Rex()], [2]), total=4)
    assert seen[:3] == pytest.approx([1, 0.5, 1])


def test_each_part_holds_over_epochs_where_all_do():
    sequence = lc.Sequential(
        [lc.StepDecay("1 epoch", 0.5, interval="epoch"), lc.LinearDecay(interval="epoch")],
        ["2 epochs"],
        interval="epoch",
    )
    assert lrs(sequence, total=8, per_epoch=2) == [1, 1, 0.5, 0.5, 1, 1, 0.5, 0.5]


@pytest.mark.parametrize(
    ("callback", "said"),
    [
        (lc.Sequential([lc.ExponentialDecay(0.9), lc.Rex()]), "has no length of its own; give milestones"),
        (lc.Sequential([lc.Rex(), lc.Rex()]), "has no length of its own; give milestones"),
        (lc.Sequential([lc.Rex()] * 3, [8, 4]), "milestones must be in rising order, got 8 steps, 4 steps"),
        (lc.Piecewise([[5, 1], [2, 1]]), "points must be in rising order"),
        (lc.Rex(start=5, end=5), "end=5 .* must be after its start"),
        (lc.Restarts(lc.Rex(), 3, cycle_warmup=3), "must be shorter than each cycle"),
        (lc.Restarts(lc.Rex(), lengths=[5, 2], cycle_warmup=2), "must be shorter than each cycle"),
    ],
    ids=repr,
)
def test_what_cannot_be_placed_in_the_run_is_refused(callback, said):
    with pytest.raises(MisconfigurationException, match=said):
        lrs(callback)


def shrink(cycle):
    return 0.7 ** (cycle - 1)


def fade(step):
    return 1 / (1 + step / 10)


@pytest.mark.parametrize(("function", "of"), [(shrink, "cycle"), (fade, "iterations")])
def test_cycles_of_a_height_of_ones_own_are_those_of_torch(function, of):
    ours = lc.CyclicalLR(0.1, step_size_up=3, step_size_down=4, scale_fn=function, scale_mode=of)

    def theirs(optimizer):
        return lr_scheduler.CyclicLR(optimizer, 0.1, 1.0, 3, 4, scale_fn=function, scale_mode=of, cycle_momentum=False)

    assert lrs(ours, total=40) == pytest.approx(torch_lrs(theirs, 40), rel=1e-12)
    assert not ours.looks_ahead
    momenta = lrs(ours, total=40, param="momentum")
    heights = [(lr - 0.1) / 0.9 for lr in lrs(ours, total=40)]
    assert momenta == pytest.approx([0.9 - 0.1 * height for height in heights], rel=1e-9)
