"""Every closed-form schedule against a formula typed out again, at lengths 1 to 1000 and beyond the end."""

from __future__ import annotations

import pytest
import references as ref
from lightning.pytorch.utilities.exceptions import MisconfigurationException

import lr_callbacks as lc
from lr_callbacks import schedules as s

LENGTHS = [1, 2, 3, 10, 1000]
GRID = {
    "step": (
        lambda t, n: s.step_decay_factor(t, step_size=n, gamma=0.7, offset=0),
        lambda t, n: ref.step_decay(t, 0.7, n, 0),
    ),
    "step, counted from 1": (
        lambda t, n: s.step_decay_factor(t, step_size=n, gamma=0.7, offset=1),
        lambda t, n: ref.step_decay(t, 0.7, n, 1),
    ),
    "multi-step": (
        lambda t, n: s.multi_step_factor(t, milestones=(n, n, 2 * n), gamma=0.3),
        lambda t, n: ref.multi_step(t, 0.3, (2 * n, n, n)),
    ),
    "exponential": (
        lambda t, n: s.exponential_factor(t, gamma=0.9, step_size=n, offset=1),
        lambda t, n: ref.exponential(t, 0.9, n, 1),
    ),
    "natural exponential": (
        lambda t, n: s.natural_exponential_factor(t, rate=0.3, step_size=n),
        lambda t, n: ref.natural_exponential(t, 0.3, n),
    ),
    "staircase exponential": (
        lambda t, n: s.natural_exponential_factor(t, rate=0.3, step_size=n, offset=1, staircase=True),
        lambda t, n: ref.staircase_exponential(t, 0.3, n, 1),
    ),
    "polynomial": (
        lambda t, n: s.polynomial_factor(t, total_steps=n, power=2.5, end_factor=0.01),
        lambda t, n: ref.polynomial(t, n, 2.5, 0.01),
    ),
    "linear": (
        lambda t, n: s.linear_factor(t, total_steps=n, start_factor=0.9, end_factor=0.05),
        lambda t, n: ref.linear(t, n, 0.9, 0.05),
    ),
    "constant": (
        lambda t, n: s.constant_factor(t, total_steps=n, factor=0.2),
        lambda t, n: ref.constant(t, n, 0.2),
    ),
    "cosine": (
        lambda t, n: s.cosine_factor(t, total_steps=n, eta_min=0.02),
        lambda t, n: ref.cosine(t, n, 0.02),
    ),
    "inverse square root": (
        lambda t, n: s.inverse_sqrt_factor(t, timescale=n),
        lambda t, n: ref.inverse_sqrt(t, n),
    ),
    "rex": (
        lambda t, n: s.rex_factor(t, total_steps=n, end_factor=0.02),
        lambda t, n: ref.rex(t, n, 0.02),
    ),
    **{
        f"warm-up stable decay, {shape}": (
            lambda t, n, shape=shape: s.warmup_stable_decay_factor(
                t,
                total_steps=n,
                warmup_steps=n // 4,
                decay_steps=n // 3,
                decay_shape=shape,
                start_factor=0.1,
                end_factor=0.02,
            ),
            lambda t, n, shape=shape: ref.warmup_stable_decay(t, n, n // 4, n // 3, shape, 0.1, 0.02),
        )
        for shape in ("linear", "cosine", "1-sqrt")
    },
    **{
        f"cyclical, {mode}": (
            lambda t, n, mode=mode: s.cyclical_factor(
                t, step_size_up=n, step_size_down=2 * n, mode=mode, gamma=0.99, base_factor=0.1
            ),
            lambda t, n, mode=mode: ref.cyclical(t, n, 2 * n, mode, 0.99, 0.1),
        )
        for mode in ("triangular", "triangular2", "exp_range")
    },
}


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", GRID)
def test_a_shape_equals_its_formula_up_to_and_beyond_its_end(name, length):
    ours, formula = GRID[name]
    for t in [*range(3 * length + 3), 10 * length]:
        assert ours(t, length) == pytest.approx(formula(t, length), rel=1e-12, abs=1e-300), t
    far = 1e-9 if "cyclical" in name else 1e-12  # torch's own rounding of where in the cycle it is
    assert ours(1_000_000, length) == pytest.approx(formula(1_000_000, length), rel=far, abs=1e-300)


@pytest.mark.parametrize("mode", ["triangular", "triangular2", "exp_range"])
def test_the_momentum_of_a_cycle_mirrors_the_factor(mode):
    options = {"step_size_up": 7, "step_size_down": 5, "mode": mode, "gamma": 0.99}
    for t in range(60):
        height = ref.cyclical(t, 7, 5, mode, 0.99, 0.0)
        momentum = s.cyclical_momentum(t, **options, base_momentum=0.7, max_momentum=0.95)
        assert momentum == pytest.approx(0.95 - 0.25 * height, rel=1e-12)


def test_triangular2_goes_on_where_two_to_the_power_of_the_cycle_has_no_float():
    assert s.cyclical_factor(2 * 5000 + 1, step_size_up=1, step_size_down=1, mode="triangular2", base_factor=0.1) == 0.1


def test_a_rate_above_one_grows_to_its_ceiling_and_is_refused_where_it_has_no_float():
    assert s.exponential_factor(2000, gamma=2.0) == float("inf")
    lrs = lc.preview([lc.ExponentialDecay(2.0, ceiling=8.0)], 1.0, 2000)[:, 0].tolist()
    assert lrs == [min(2.0**t, 8.0) for t in range(5)] + [8.0] * 1995
    with pytest.raises(MisconfigurationException, match="a factor must be finite and at least 0, got inf"):
        lc.preview([lc.StepDecay(1, 2.0)], 1.0, 2000)


@pytest.mark.parametrize("factor", [s.linear_factor, s.polynomial_factor, s.cosine_factor, s.rex_factor])
def test_a_schedule_of_no_length_is_at_its_end(factor):
    assert factor(0, total_steps=0) == 0.0
