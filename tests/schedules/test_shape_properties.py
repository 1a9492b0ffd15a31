"""What holds for every closed-form schedule, whatever its arguments: bounds, direction, period, joins, the end."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terms import factors, term_of

import lr_callbacks as lc
from lr_callbacks import schedules as s
from lr_callbacks.core.run_length import RunLength

lengths = st.integers(1, 2000)
steps = st.integers(0, 6000)
fractions = st.floats(0, 1)
gammas = st.floats(0.001, 1)

FALLING = {
    "linear": lambda t, n, end: s.linear_factor(t, total_steps=n, end_factor=end),
    "polynomial": lambda t, n, end: s.polynomial_factor(t, total_steps=n, power=1.5, end_factor=end),
    "polynomial below 1": lambda t, n, end: s.polynomial_factor(t, total_steps=n, power=0.3, end_factor=end),
    "cosine": lambda t, n, end: s.cosine_factor(t, total_steps=n, eta_min=end),
    "rex": lambda t, n, end: s.rex_factor(t, total_steps=n, end_factor=end),
    **{
        shape: lambda t, n, end, shape=shape: s.warmup_stable_decay_factor(
            t, total_steps=n, warmup_steps=0, decay_steps=n // 2, decay_shape=shape, end_factor=end
        )
        for shape in ("linear", "cosine", "1-sqrt")
    },
}
ENDLESS = {
    "step": lambda t, n, gamma: s.step_decay_factor(t, step_size=n, gamma=gamma),
    "step from 1": lambda t, n, gamma: s.step_decay_factor(t, step_size=n, gamma=gamma, offset=1),
    "multi-step": lambda t, n, gamma: s.multi_step_factor(t, milestones=(n, 2 * n), gamma=gamma),
    "exponential": lambda t, n, gamma: s.exponential_factor(t, gamma=gamma, step_size=n),
    "natural": lambda t, n, gamma: s.natural_exponential_factor(t, rate=gamma, step_size=n),
    "stairs": lambda t, n, gamma: s.natural_exponential_factor(t, rate=gamma, step_size=n, staircase=True),
    "inverse square root": lambda t, n, gamma: s.inverse_sqrt_factor(t, timescale=n),
}


@pytest.mark.parametrize("name", FALLING)
@given(step=steps, length=lengths, end=fractions)
def test_a_schedule_with_an_end_falls_from_1_to_its_end_and_stays_there(name, step, length, end):
    factor = FALLING[name]
    here, after = factor(step, length, end), factor(step + 1, length, end)
    assert factor(0, length, end) == pytest.approx(1.0, rel=1e-15)
    assert end - 1e-15 <= after <= here + 1e-15 <= 1 + 2e-15
    assert factor(length + step, length, end) == end


@pytest.mark.parametrize("name", ENDLESS)
@given(step=steps, length=lengths, gamma=gammas)
def test_a_schedule_without_end_never_rises_and_never_turns_negative(name, step, length, gamma):
    factor = ENDLESS[name]
    assert 0 <= factor(step + 1, length, gamma) <= factor(step, length, gamma) * (1 + 1e-15) <= 1 + 1e-15
    assert factor(10**9, length, gamma) >= 0


@given(step=steps, length=lengths, gamma=gammas)
def test_step_decay_is_the_staircase_of_exponential_decay(step, length, gamma):
    stairs = s.step_decay_factor(step, step_size=length, gamma=gamma)
    assert stairs == s.exponential_factor(step // length * length, gamma=gamma, step_size=length)


@given(step=steps, length=lengths, gamma=gammas)
def test_counting_from_1_is_one_step_ahead_of_counting_from_0(step, length, gamma):
    ahead = s.step_decay_factor(step, step_size=length, gamma=gamma, offset=1)
    assert ahead == s.step_decay_factor(step + 1, step_size=length, gamma=gamma)


@given(total=st.integers(2, 500), up=fractions, down=fractions, step=st.integers(0, 600), start=fractions)
def test_warm_up_stable_decay_rises_then_stays_then_falls(total, up, down, step, start):
    ramp = int(up * total)
    decay = int(down * (total - ramp))

    def factor(t):
        return s.warmup_stable_decay_factor(
            t, total_steps=total, warmup_steps=ramp, decay_steps=decay, start_factor=start
        )

    if step + 1 < ramp:
        assert factor(step) <= factor(step + 1) + 1e-15
    elif ramp <= step <= total - decay and step < total:
        assert factor(step) == 1
    elif step >= ramp:
        assert factor(step + 1) <= factor(step) + 1e-15
    assert 0 <= factor(step) <= 1


@given(step=st.integers(0, 2000), up=st.integers(1, 300), down=st.integers(1, 300), low=fractions)
def test_triangular_cycles_stay_within_their_bounds_and_come_again_after_each_period(step, up, down, low):
    def factor(t, mode="triangular"):
        return s.cyclical_factor(t, step_size_up=up, step_size_down=down, mode=mode, gamma=0.99, base_factor=low)

    assert low - 1e-12 <= factor(step) <= 1 + 1e-12
    assert factor(step + up + down) == pytest.approx(factor(step), abs=1e-9)
    assert factor(up) == pytest.approx(1.0, abs=1e-12)
    for mode in ("triangular2", "exp_range"):
        assert low - 1e-12 <= factor(step, mode) <= factor(step) + 1e-12
    rises = step % (up + down) < up
    assert (factor(step + 1) >= factor(step) - 1e-12) if rises else (factor(step + 1) <= factor(step) + 1e-12)


RUN = RunLength(total_steps=200, epochs=((0, 20),))
ALL = [
    lc.Warmup(30, shape="cosine"),
    lc.OneCycle(0.2),
    lc.SGDR("10%", T_mult=1.5, eta_min=0.001, cycle_decay=0.9),
    lc.StepDecay("10%", gamma=0.5),
    lc.MultiStepDecay(["50%", 120, "7 epochs"]),
    lc.ExponentialDecay(gamma=0.99),
    lc.ExponentialDecay(rate=0.1, step_size="1 epoch", staircase=True),
    lc.PolynomialDecay(power=2.0, end_lr=0.001),
    lc.LinearDecay(),
    lc.CosineAnnealing(eta_min=0.001),
    lc.Rex(),
    lc.InverseSqrt(50),
    lc.WarmupStableDecay(0, 1),
    lc.LambdaFactor("math.exp"),
    lc.MultiplicativeFactor("math.tanh"),
    lc.ConstantFactor("10%"),
    lc.CyclicalLR(0.01, step_size_up="1 epoch"),
]
RISING = lc.Warmup | lc.OneCycle | lc.ConstantFactor | lc.CyclicalLR
ENDS = [c for c in ALL if c.fills_run and not isinstance(c, lc.OneCycle)]


@pytest.mark.parametrize("callback", [c for c in ALL if not isinstance(c, RISING)], ids=repr)
@given(warmup=st.integers(0, 199))
def test_a_schedule_joins_the_warm_up_without_a_jump(callback, warmup):
    term = term_of(callback, RUN, warmup=warmup)
    assert term.start == warmup
    assert factors(term, warmup) == pytest.approx([1.0], rel=1e-15)


@pytest.mark.parametrize("callback", ENDS, ids=repr)
@given(warmup=st.integers(0, 199), beyond=st.integers(0, 10_000))
def test_a_schedule_that_anneals_to_the_end_is_there_at_the_end_of_the_run_and_stays(callback, warmup, beyond):
    term = term_of(callback, RUN, warmup=warmup)
    assert term.end == 200
    assert factors(term, 200 + beyond) == pytest.approx([0.01 if "0.001" in repr(callback) else 0.0], rel=1e-12)


@pytest.mark.parametrize("callback", ALL, ids=repr)
def test_a_callback_survives_pickling_with_its_arguments_and_its_lrs(callback):
    copy = pickle.loads(pickle.dumps(callback))
    assert repr(copy) == repr(callback)
    ours, theirs = (lc.preview([each], 0.1, total_steps=60, steps_per_epoch=20) for each in (callback, copy))
    assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize("callback", ALL, ids=repr)
def test_a_factor_can_be_asked_for_any_step_in_any_order(callback):
    forward, backward, steps = term_of(callback, RUN), term_of(callback, RUN), (20, 7, 13, 0, 19, 3)
    expected = {step: factors(backward, step) for step in steps}
    assert {step: factors(forward, step) for step in sorted(steps)} == expected
    if not forward.live:
        assert factors(forward, *steps) == [expected[step][0] for step in steps]


@pytest.mark.parametrize("callback", ALL, ids=repr)
def test_a_group_whose_lr_is_0_stays_there(callback):
    lrs = lc.preview([callback], [0.1, 0.0], total_steps=200, steps_per_epoch=20)
    assert lrs[:, 1].tolist() == [0.0] * 200


@pytest.mark.parametrize("callback", ALL, ids=repr)
def test_the_plan_has_one_short_line_about_it(callback):
    line = callback.describe()
    assert 5 < len(line) < 110
    assert "\n" not in line
