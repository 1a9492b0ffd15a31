"""What holds whatever is given: durations, schedules one step past the end, plateau states, suggestions."""

from __future__ import annotations

import math
from dataclasses import asdict
from itertools import pairwise

import pytest
from battery_schedules import SCHEDULES
from hypothesis import assume, example, given
from hypothesis import strategies as st
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from terms import factors, term_of

import lr_callbacks as lc
from lr_callbacks.core.durations import LONGEST, WAYS_OUT, Duration
from lr_callbacks.core.run_length import RunLength
from lr_callbacks.core.wall_clock import TimeLimit
from lr_callbacks.range_test.curve import should_stop
from lr_callbacks.range_test.rules import RULES
from lr_callbacks.range_test.verdict import suggest
from lr_callbacks.schedules.plateau import PlateauRule, PlateauState, plateau_factor

# ---------------------------------------------------------------------- durations
numbers = st.one_of(
    st.integers(-(10**20), 10**20).map(str), st.floats(allow_nan=False).map(repr), st.from_regex(r"[-+0-9.eE]{1,8}")
)
units = st.sampled_from(["", "step", " steps", "epoch", " epochs", "%", " %", "s", " min", "h", "d", "parsecs", "H30M"])
texts = st.one_of(
    st.text(max_size=20),
    st.builds("{}{}".format, numbers, units),
    st.builds("{}{}{}{}".format, numbers, units, numbers, units),
)
RUN = RunLength(total_steps=450, epochs=((0, 50),))
BY_TIME = TimeLimit(total_steps=60_000)


@given(st.one_of(texts, st.integers(), st.none(), st.booleans(), st.floats(), st.binary(), st.lists(st.integers())))
@example("1e308 epochs")
@example("1e999 epochs")
@example(10**400)
@example("٣ epochs")
@example("24000000000000000H")
@example("0S")
@example("0%")
@example("3 samples")
def test_whatever_is_given_as_a_duration_is_one_or_is_refused_with_the_ways_out(value):
    try:
        duration = Duration.parse(value, name="length")
    except (TypeError, ValueError) as error:
        said = str(error)
    else:
        said = f"length must {WAYS_OUT}"
        assert 0 <= duration.value < LONGEST
        assert Duration.find(str(duration)) is not None
        if duration.unit in ("steps", "epochs", "percent"):
            assert RUN.steps(duration, "length") >= 0
        if duration.unit in ("seconds", "percent"):
            assert BY_TIME.steps(duration, "length") >= 0
    assert said.startswith("length ")
    assert said.endswith(WAYS_OUT)


@given(st.text(max_size=12))
def test_a_text_is_never_a_reason_to_fail_where_a_duration_is_looked_for(text):
    try:
        Duration.find(text)
    except ValueError as error:
        if WAYS_OUT not in str(error):
            raise


@given(st.one_of(st.integers(0, 10**6), st.floats(0, 100)), st.sampled_from(["steps", "epochs", "%", "s", "min", "h"]))
def test_a_duration_is_read_back_from_what_is_shown_of_it(number, unit):
    assume(unit != "steps" or float(number).is_integer())
    assume(unit != "%" or number <= 100)
    assume("e" not in str(number))
    duration = Duration.parse(f"{number} {unit}")
    again = Duration.parse(str(duration))
    assert again.unit == duration.unit
    assert again.value == pytest.approx(duration.value, rel=1e-3 if duration.unit == "seconds" else 1e-11)


@given(st.floats(0, 100), st.floats(0, 100), st.sampled_from(["epochs", "percent"]))
def test_a_longer_duration_never_has_fewer_steps(one, other, unit):
    short, long = sorted((one, other))
    uneven = RunLength(total_steps=28, epochs=((0, 4), (2, 10)))
    for run in (RUN, uneven):
        assert run.steps(Duration(short, unit), "x") <= run.steps(Duration(long, unit), "x")


# ---------------------------------------------------------------------- schedules
CURVES = {
    name: schedule
    for name, schedule in SCHEDULES.items()
    if schedule.drives and not schedule.evaluated and name[:5] != "Torch"
}


@pytest.mark.parametrize("name", CURVES)
@given(total=st.sampled_from([0, 1, 2, 3, 4, 5, 17, 1000]), warm=st.integers(0, 1100), beyond=st.integers(0, 5000))
def test_a_schedule_on_a_run_of_any_length_is_finite_bounded_and_holds_past_its_end(name, total, warm, beyond):
    run = RunLength(total, ((0, max(1, total // 3)),))
    for callback in CURVES[name].make():
        if not isinstance(callback, lc.LRCallback):
            continue
        try:
            term = term_of(callback, run, warmup=warm)
            seen = factors(term, 0, 1, 2, 3, max(total - 1, 0), total, total + 1, total + beyond, warm)
        except MisconfigurationException as error:
            too_short = " is 0 steps of " in str(error) or "together longer than" in str(error)
            if not too_short:
                raise
            continue
        assert all(math.isfinite(factor) and 0 <= factor <= 1 + 1e-12 for factor in seen)
        if term.end is not None:
            assert len(set(factors(term, term.end, term.end + 1, term.end + beyond))) == 1


@pytest.mark.parametrize("name", [name for name in CURVES if "Cycl" in name])
@given(total=st.integers(4, 1000))
def test_a_cycle_moves_the_momentum_within_its_bounds_from_the_highest(name, total):
    (callback,) = CURVES[name].make()
    momenta = lc.preview([callback], 0.1, total_steps=total, param="momentum")[:, 0]
    assert 0.79 <= float(momenta.min()) < float(momenta.max()) == float(momenta[0]) <= 0.96


@pytest.mark.parametrize(
    "name", ["LinearDecay", "CosineAnnealing", "PolynomialDecay", "Rex", "OneCycle", "Warmup of a share"]
)
@given(total=st.integers(40, 3000))
def test_a_smooth_schedule_has_no_jump(name, total):
    (callback,) = CURVES[name].make()
    values = factors(term_of(callback, RunLength(total, ((0, 10),))), *range(total + 3))
    assert max(abs(one - other) for one, other in pairwise(values)) < 12 / total


# ---------------------------------------------------------------------- plateau reduction
rules = st.builds(
    PlateauRule,
    mode=st.sampled_from(["min", "max"]),
    patience=st.integers(0, 5),
    threshold=st.floats(0, 1),
    threshold_mode=st.sampled_from(["rel", "abs"]),
    cooldown=st.integers(0, 5),
)


@given(rule=rules, metrics=st.lists(st.floats(), max_size=60))
def test_a_plateau_state_counts_each_evaluation_and_comes_back_from_its_dict(rule, metrics):
    state = PlateauState()
    for metric in metrics:
        after = state.update(metric, rule)
        assert after.num_evaluations == state.num_evaluations + 1
        assert after.num_reductions - state.num_reductions in (0, 1)
        assert 0 <= after.num_bad_evaluations <= rule.patience
        assert 0 <= after.cooldown_counter <= rule.cooldown
        assert after.best is None or math.isfinite(after.best)
        state = PlateauState.from_dict(asdict(after))
        assert state == after
    finite = [metric for metric in metrics if math.isfinite(metric)]
    assert state.best is None or min(finite) <= state.best <= max(finite)
    assert state.num_reductions * (rule.patience + 1) <= len(metrics)


@given(reductions=st.integers(0, 2000), factor=st.floats(0.01, 0.99), lowest=st.floats(0, 1), eps=st.floats(0, 0.1))
def test_a_reduction_never_raises_the_factor_and_never_goes_below_the_floor(reductions, factor, lowest, eps):
    here = plateau_factor(reductions, factor=factor, min_factor=lowest, eps=eps)
    after = plateau_factor(reductions + 1, factor=factor, min_factor=lowest, eps=eps)
    assert lowest <= after <= here <= 1


# ---------------------------------------------------------------------- the range test's suggestion
def lrs_for(losses: list[float]) -> list[float]:
    return [1e-6 * 1e7 ** (i / max(1, len(losses) - 1)) for i in range(len(losses))]


small_wholes = st.lists(st.integers(-100, 100).map(float), min_size=12, max_size=60)


@example(losses=[71.0] * 2 + [0.0] * 10, power=0, shift=-256.0)
@given(losses=small_wholes, power=st.integers(-8, 8), shift=st.sampled_from([-256.0, -1.0, 0.5, 1024.0]))
def test_neither_the_scale_nor_the_zero_of_the_loss_changes_a_suggestion(losses, power, shift):
    """Powers of two and whole numbers, so that nothing is rounded."""
    plain = suggest(lrs_for(losses), losses)
    other = suggest(lrs_for(losses), [loss * 2.0**power + shift * 2.0**power for loss in losses])
    assert other.reason == plain.reason
    for rule in RULES:
        one, two = plain.suggestions[rule], other.suggestions[rule]
        assert (one is None) == (two is None), rule
        assert one is None or two == pytest.approx(one, rel=1e-6), rule
    assert should_stop(losses) == should_stop([loss * 2.0**power for loss in losses])
