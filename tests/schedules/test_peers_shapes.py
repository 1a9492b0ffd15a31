"""Shapes and warm-ups of other libraries, their values typed from their formulas. Each case names the library."""

from __future__ import annotations

import math

import numpy as np
import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, adam, fit, sgd

import lr_callbacks as lc
from lr_callbacks import schedules

PI = math.pi


def lrs(*callbacks, total=10, base=1.0, param="lr"):
    return lc.preview(list(callbacks), base, total_steps=total, param=param)[:, 0].tolist()


def half(x):
    return (1 + math.cos(PI * x)) / 2


def anneal(a, b, x):
    return b + (a - b) * half(x)


CASES = {
    "timm CosineLRScheduler(k_decay=1.5, lr_min=0.1)": (
        [lc.CosineAnnealing(eta_min=0.1, k_decay=1.5)],
        [0.1 + 0.9 * half(t**1.5 / 10**1.5) for t in range(10)],
    ),
    "timm PolyLRScheduler(power=0.5, k_decay=2)": (
        [lc.PolynomialDecay(0.5, end_lr=0.1, k_decay=2.0)],
        [0.1 + 0.9 * (1 - t**2 / 100) ** 0.5 for t in range(10)],
    ),
    "timm TanhLRScheduler(lb=-6, ub=4, lr_min=0.1)": (
        [lc.TanhDecay(eta_min=0.1, lower=-6.0, upper=4.0)],
        [0.1 + 0.45 * (1 - math.tanh(-6 + t)) for t in range(10)],
    ),
    "timm TanhLRScheduler(cycle_decay=0.5)": (
        [lc.Restarts(lc.TanhDecay(eta_min=0.1), 5, cycle_decay=0.5)],
        [0.1 + 0.5 * (0.5**n - 0.1) * (1 - math.tanh(-7 + 2 * t)) for n in range(2) for t in range(5)],
    ),
    "timm WSD, decay_fn=exp, decay_ratio=0.1": (
        [lc.WarmupStableDecay(0, 5, "exponential", decay_ratio=0.1)],
        [1.0] * 5 + [(0.1 ** (t / 5) - 0.1) / 0.9 for t in range(5)],
    ),
    "timm WSD, stable_fn=power": (
        [lc.WarmupStableDecay(0, 4), lc.InversePower(3, power=0.7)],
        [(1 + t / 3) ** -0.7 * min(1, 1 - (t - 6) / 4) for t in range(10)],
    ),
    "Megatron, WSD, exponential": (
        [lc.WarmupStableDecay(0, 5, "exponential", end_factor=0.1, decay_ratio=0.5)],
        [1.0] * 5 + [0.1 + 0.9 * (2 * 0.5 ** (t / 5) - 1) for t in range(5)],
    ),
    "Megatron, WSD, minus_sqrt": (
        [lc.WarmupStableDecay(0, 5, "1-sqrt", end_factor=0.1)],
        [1.0] * 5 + [0.1 + 0.9 * (1 - math.sqrt(t / 5)) for t in range(5)],
    ),
    "fairseq tri_stage": (
        [lc.WarmupStableDecay(2, 5, "exponential", start_factor=0.01, end_factor=0.05)],
        [0.01, 0.505, 1, 1, 1] + [math.exp(math.log(0.05) * t / 5) for t in range(5)],
    ),
    "transformers get_cosine_schedule_with_warmup(num_cycles=1.5)": (
        [lc.Warmup(2, start_factor=0.0), lc.CosineAnnealing(num_cycles=1.5)],
        [0, 0.5] + [(1 + math.cos(PI * 3 * t / 8)) / 2 for t in range(8)],
    ),
    "transformers get_cosine_with_min_lr_schedule_with_warmup(min_lr_rate=0.1)": (
        [lc.Warmup(2, start_factor=0.0), lc.CosineAnnealing(eta_min="10%")],
        [0, 0.5] + [0.1 + 0.9 * half(t / 8) for t in range(8)],
    ),
    "transformers get_wsd_schedule(warmup_type=1-sqrt, decay_type=1-sqrt, min_lr_ratio=0.1)": (
        [lc.WarmupStableDecay(3, 4, "1-sqrt", start_factor=0.1, end_factor=0.1, warmup_shape="1-sqrt")],
        [0.1 + 0.9 * (1 - math.sqrt(1 - t / 3)) for t in range(3)]
        + [1] * 3
        + [0.1 + 0.9 * (1 - math.sqrt(t / 4)) for t in range(4)],
    ),
    "transformers get_wsd_schedule(warmup_type=cosine, decay_type=cosine)": (
        [lc.WarmupStableDecay(3, 4, "cosine", warmup_shape="cosine")],
        [(1 - math.cos(PI * t / 3)) / 2 for t in range(3)] + [1] * 3 + [half(t / 4) for t in range(4)],
    ),
    "optax cosine_decay_schedule(exponent=2, alpha=0.1)": (
        [lc.CosineAnnealing(eta_min="10%", power=2.0)],
        [0.9 * half(t / 10) ** 2 + 0.1 for t in range(10)],
    ),
    "optax warmup_cosine_decay_schedule with a falling ramp": (
        [lc.Warmup(4, start_factor=3.0), lc.CosineAnnealing()],
        [3 - 0.5 * t for t in range(4)] + [half(t / 6) for t in range(6)],
    ),
    "optax polynomial_schedule(transition_begin=3)": (
        [lc.PolynomialDecay(3.0, end_factor=0.1, start=3, end=8)],
        [1.0] * 3 + [0.1 + 0.9 * (1 - t / 5) ** 3 for t in range(5)] + [0.1, 0.1],
    ),
    "optax linear_onecycle_schedule(pct_start=0.3, pct_final=0.85, div=25, final_div=1e4)": (
        [lc.Piecewise([[0, 0.04], [6, 1.0], [17, 0.04], [20, 0.04 / 1e4]])],
        [0.04 + 0.96 * t / 6 for t in range(6)]
        + [1 - 0.96 * t / 11 for t in range(11)]
        + [0.04 + (0.04 / 1e4 - 0.04) * t / 3 for t in range(3)],
    ),
    "optax cosine_onecycle_schedule": (
        [lc.Piecewise([[0, 0.04], ["30%", 1.0], ["100%", 1e-4]], "cosine")],
        [anneal(0.04, 1, t / 3) for t in range(3)] + [anneal(1, 1e-4, t / 7) for t in range(7)],
    ),
    "fastai combined_cos(0.3, 0.1, 1, 0.01)": (
        [lc.Piecewise([[0, 0.1], ["30%", 1.0], ["100%", 0.01]], "cosine")],
        [anneal(0.1, 1, t / 3) for t in range(3)] + [anneal(1, 0.01, t / 7) for t in range(7)],
    ),
    "fastai SchedPoly(1, 0.2, power=3)": (
        [lc.PolynomialDecay(end_factor=0.2, k_decay=3.0)],
        [1 - 0.8 * (t / 10) ** 3 for t in range(10)],
    ),
    "fastai SchedExp(1, 0.1)": ([lc.ExponentialDecay(0.1, step_size="100%")], [0.1 ** (t / 10) for t in range(10)]),
    "Keras InverseTimeDecay(decay_steps=3, decay_rate=0.5)": (
        [lc.InversePower(3, rate=0.5)],
        [1 / (1 + 0.5 * t / 3) for t in range(10)],
    ),
    "Keras InverseTimeDecay(staircase=True)": (
        [lc.InversePower(3, rate=0.5, staircase=True)],
        [1 / (1 + 0.5 * (t // 3)) for t in range(10)],
    ),
    "Keras PolynomialDecay(cycle=True, end_learning_rate=0.1)": (
        [lc.PolynomialDecay(0.5, end_lr=0.1, total_steps=3, cycle=True)],
        [0.1 + 0.9 * (1 - t / (3 * max(1, math.ceil(t / 3)))) ** 0.5 for t in range(10)],
    ),
    "Keras CosineDecay(warmup_target=1, alpha=0.1), from 0.25": (
        [lc.Warmup(3, start_factor=0.25), lc.CosineAnnealing(eta_min="10%")],
        [0.25 + 0.25 * t for t in range(3)] + [0.1 + 0.9 * half(t / 7) for t in range(7)],
    ),
    "OLMo InvSqrtWithWarmup; Noam, normalized to its peak": (
        [lc.Warmup(4, start_factor=0.0), lc.InverseSqrt()],
        [t / 4 for t in range(4)] + [math.sqrt(4 / t) for t in range(4, 10)],
    ),
    "NeMo SquareRootAnnealing with min_lr": (
        [lc.PolynomialDecay(0.5, floor=0.3)],
        [max(0.3, math.sqrt(1 - t / 10)) for t in range(10)],
    ),
    "pytorch_warmup LinearWarmup(period=4)": (
        [lc.Warmup(3, start_factor=0.25)],
        [min(1, (t + 1) / 4) for t in range(10)],
    ),
    "pytorch_warmup ExponentialWarmup(period=4)": (
        [lc.Warmup(4, shape="1-exp", start_factor=1 - math.exp(-1 / 4)), lc.CosineAnnealing()],
        [(1 - math.exp(-(t + 1) / 4)) * half(t / 10) for t in range(10)],
    ),
    "composer: a constant above 1, then 1": ([lc.ConstantFactor(3, 2.5)], [2.5] * 3 + [1.0] * 7),
}


@pytest.mark.parametrize("name", CASES)
def test_the_values_are_those_of(name):
    callbacks, expected = CASES[name]
    assert lrs(*callbacks, total=len(expected)) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("shape", ["linear", "cosine", "1-sqrt", "1-exp", "exponential", "constant"])
def test_a_ramp_from_an_absolute_lr_is_in_each_group_the_ramp_from_its_share_of_it(shape):
    both = lc.preview([lc.Warmup(4, shape, start_lr=0.01, end_factor=0.9)], [0.1, 0.2], 7)
    for group, share in enumerate((0.1, 0.05)):
        alone = lc.preview([lc.Warmup(4, shape, share, 0.9)], [0.1, 0.2], 7)
        assert both[:, group].tolist() == pytest.approx(alone[:, group].tolist(), rel=1e-12)


def test_a_one_cycle_with_free_ends_place_of_the_last_phase_and_three_momenta():
    cycle = lc.OneCycle(
        pct_start="20%",
        pct_final=0.8,
        three_phase=True,
        anneal_strategy="linear",
        div_factor=2.0,
        final_div_factor=5.0,
        final_momentum=0.9,
    )
    points = [[0, 0.5], [3, 1.0], [15, 0.5], [19, 0.1]]
    assert lrs(cycle, total=20) == pytest.approx(lrs(lc.Piecewise(points), total=20), rel=1e-12)
    momenta = lrs(cycle, total=20, param="momentum")
    assert [momenta[t] for t in (0, 3, 15, 19)] == pytest.approx([0.95, 0.85, 0.95, 0.9])


def test_a_share_is_the_same_as_a_fraction():
    assert lrs(lc.OneCycle(pct_start="30%")) == lrs(lc.OneCycle(pct_start=0.3))


# Values of pytorch_warmup 0.2.0 for the first steps, rounded to 12 digits.
@pytest.mark.parametrize(
    ("kind", "beta2", "expected"),
    [
        ("linear", 0.75, [0.125 * (t + 1) for t in range(8)] + [1.0, 1.0]),
        ("linear", 0.7, [(t + 1) / 6 for t in range(6)] + [1.0] * 4),
        ("linear", 0.9, [(t + 1) / 20 for t in range(10)]),
        ("linear", 0.999, [(t + 1) / 1999 for t in range(10)]),  # int(2 / (1 - 0.999)), as there
        ("exponential", 0.7, [1 - math.exp(-(t + 1) / 3) for t in range(10)]),
        ("exponential", 0.99, [1 - math.exp(-(t + 1) / 99) for t in range(10)]),  # int(1 / (1 - 0.99)), likewise
        ("exponential", 0.75, [1 - math.exp(-(t + 1) / 4) for t in range(10)]),
    ],
)
def test_an_untuned_warm_up_takes_its_length_from_the_second_beta(kind, beta2, expected):
    module = Net(adam((0.1,), betas=(0.9, beta2)))
    seen = fit(lc.UntunedWarmup(kind), module=module, batches=10).of_group()
    assert seen == pytest.approx([0.1 * factor for factor in expected], rel=1e-12)


def test_the_rectification_of_radam_comes_near_one_and_is_that_of_the_paper():
    k = np.arange(5, 205)  # the first step at which the length is above 4, for 0.999
    limit = 2 / 0.001 - 1
    r = limit - 2 * k * 0.999**k / (1 - 0.999**k)
    assert (r > 4).all()
    assert limit - 8 * 0.999**4 / (1 - 0.999**4) <= 4
    expected = np.sqrt((r - 4) * (r - 2) * limit / ((limit - 4) * (limit - 2) * r))
    assert schedules.untuned_factor(np.arange(200), beta2=0.999, kind="radam") == pytest.approx(expected, rel=1e-9)


def test_an_optimizer_without_a_second_beta_is_refused_with_the_way_out():
    with pytest.raises(MisconfigurationException, match="has no beta2; use Warmup"):
        fit(lc.UntunedWarmup(), module=Net(sgd((0.1,))), batches=3)


def test_each_group_may_have_a_second_beta_of_its_own():
    table = schedules.untuned_factor(np.arange(4)[:, None], beta2=np.array([0.5, 0.75]))
    assert table.tolist() == [[0.25, 0.125], [0.5, 0.25], [0.75, 0.375], [1.0, 0.5]]


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_noise_keeps_its_bounds_and_depends_on_nothing_but_seed_and_step(distribution):
    z = schedules.noise_factor(np.arange(20_000), amount=0.5, seed=1, distribution=distribution) - 1
    assert np.abs(z).max() < 0.5
    assert abs(z.mean()) < 0.01
    assert abs(np.corrcoef(z[1:], z[:-1])[0, 1]) < 0.03
    assert schedules.noise_factor(777, amount=0.5, seed=1, distribution=distribution) - 1 == z[777]
    other = schedules.noise_factor(np.arange(20_000), amount=0.5, seed=2, distribution=distribution) - 1
    assert abs(np.corrcoef(z, other)[0, 1]) < 0.03


def test_noise_is_drawn_once_an_epoch_in_its_window_and_is_one_outside():
    noise = lc.Noise(0.5, interval="epoch", start="1 epoch", end="3 epochs")
    lrs = lc.preview([noise], 1.0, total_steps=12, steps_per_epoch=3)[:, 0].tolist()
    assert lrs[:3] == lrs[9:] == [1.0] * 3
    assert len(set(lrs[3:6])) == len(set(lrs[6:9])) == 1
    assert len({1.0, lrs[3], lrs[6]}) == 3
    seen = fit(noise, module=Net(adam((1.0,))), batches=3, max_epochs=4).of_group()
    assert seen == lrs
