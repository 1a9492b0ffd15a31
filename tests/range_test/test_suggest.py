"""Rules, verdicts and the stop rule of the range test, against definitions that are typed again here."""

import math
import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_callbacks.range_test.curve import read_curve, should_stop, smooth, still_falling
from lr_callbacks.range_test.rules import (
    RULES,
    blend,
    descent,
    edge,
    minimum,
    slide,
    smith,
    smith_bounds,
    steepest,
    valley,
)
from lr_callbacks.range_test.verdict import DEFAULT_RULE, suggest

STEPS = 100
LRS = [1e-7 * 1e8 ** (i / (STEPS - 1)) for i in range(STEPS)]


def curve(middle=1e-2, edge_lr=0.5, start=2.3, gain=2.0, width=0.3, top=None):
    """A descent that is half way at `middle` and explodes, or collapses to `top`, at `edge_lr`."""
    top = start + 5 * gain if top is None else top
    falls = [start - gain / (1 + math.exp(-(math.log10(lr) - math.log10(middle)) / width * 2)) for lr in LRS]
    return [loss if lr < edge_lr else top for loss, lr in zip(falls, LRS, strict=True)]


def noisy(losses, sigma, seed=0):
    source = random.Random(seed)
    return [loss + source.gauss(0, sigma) for loss in losses]


def decades(a, b):
    return abs(math.log10(a / b))


# ---------------------------------------------------------------- each rule against its definition


def lr_where_made(losses, share):
    """LR at which the running minimum has made a share of the gain, by log-linear interpolation."""
    turn = losses.index(min(losses))
    bar = losses[0] - share * (losses[0] - losses[turn])
    i = next(i for i in range(STEPS) if losses[i] <= bar)
    part = (losses[i - 1] - bar) / (losses[i - 1] - losses[i])
    return math.exp((1 - part) * math.log(LRS[i - 1]) + part * math.log(LRS[i]))


@pytest.mark.parametrize("width", [0.05, 0.3, 0.8])
def test_descent_is_where_70_percent_is_made_over_8_but_less_for_a_wide_descent(width):
    losses = curve(width=width, edge_lr=2.0)
    early, late = lr_where_made(losses, 0.1), lr_where_made(losses, 0.7)
    assert descent(LRS, losses).lr == pytest.approx(late * (late / early) ** 0.7 * (99 / 8) / 99, rel=1e-9)


@pytest.mark.parametrize("steps", [50, 100, 400])
def test_descent_is_larger_the_more_steps_there_are_per_decade_at_the_same_place(steps):
    lrs = [1e-7 * 1e8 ** (i / (steps - 1)) for i in range(steps)]
    losses = [2.3 - 2 / (1 + math.exp(-(math.log10(lr) + 2) / 0.15)) if lr < 2 else 9.0 for lr in lrs]
    per_step = descent(lrs, losses).lr / ((steps - 1) / 99)
    assert decades(per_step, descent(LRS, curve(edge_lr=2.0)).lr) < 0.05


def test_blend_is_the_mean_in_log_lr_of_four_parts_descent_and_one_each_of_edge_and_minimum():
    losses = curve()
    parts = [descent(LRS, losses).lr] * 4 + [edge(LRS, losses).lr, minimum(LRS, losses).lr]
    assert blend(LRS, losses).lr == pytest.approx(math.prod(parts) ** (1 / 6), rel=1e-12)
    flat = curve(middle=1e-3, edge_lr=20.0)
    parts = [descent(LRS, flat).lr] * 5 + [minimum(LRS, flat).lr]
    assert edge(LRS, flat) is None
    assert blend(LRS, flat).lr == pytest.approx(math.prod(parts) ** (1 / 6), rel=1e-12)


def test_descent_never_goes_beyond_the_lr_at_which_70_percent_is_made():
    losses = curve(middle=1e-3, width=2.5, edge_lr=5.0)
    early, late = lr_where_made(losses, 0.1), lr_where_made(losses, 0.7)
    assert (late / early) ** 0.7 > 8
    assert descent(LRS, losses).lr == pytest.approx(late, rel=1e-12)


def test_edge_is_the_lr_at_which_a_tenth_of_the_gain_is_lost_again_over_5_6():
    losses = curve()
    low = losses.index(min(losses))
    bar = losses[low] + 0.1 * (losses[0] - losses[low])
    i = next(i for i in range(low, STEPS) if losses[i] >= bar)
    assert (edge(LRS, losses).index, edge(LRS, losses).lr) == (i, LRS[i] / 5.6)


def test_edge_counts_nan_as_lost():
    losses = [loss if i < 80 else math.nan for i, loss in enumerate(curve(edge_lr=20.0))]
    assert edge(LRS, losses).lr == LRS[80] / 5.6


def test_steepest_is_the_greatest_fall_per_log_lr():
    losses = curve()
    turn = losses.index(min(losses))
    slopes = {
        i: (losses[i + 1] - losses[i - 1]) / (math.log(LRS[i + 1]) - math.log(LRS[i - 1])) for i in range(1, turn)
    }
    assert steepest(LRS, losses).lr == LRS[min(slopes, key=slopes.get)]


def test_steepest_is_not_drawn_to_the_low_end_of_the_range():
    losses = [loss - 1e-4 * (i == 2) for i, loss in enumerate(curve(middle=1e-2))]
    assert decades(steepest(LRS, losses).lr, 1e-2) < 0.1


def test_minimum_is_a_tenth_of_the_lr_at_the_lowest_loss():
    losses = curve()
    assert minimum(LRS, losses).lr == LRS[losses.index(min(losses))] / 10


def fastai_valley(lrs, losses):
    """fastai's O(n^2) dynamic programme, on its own window and smoothing."""
    average, smoothed = 0.0, []
    for i, loss in enumerate(losses):
        average = 0.98 * average + 0.02 * loss
        smoothed.append(average / (1 - 0.98 ** (i + 1)))
    lrs, smoothed = lrs[len(losses) // 10 : -5], smoothed[len(losses) // 10 : -5]
    longest = [1] * len(smoothed)
    end = start = 0
    for i in range(1, len(smoothed)):
        for j in range(i):
            if smoothed[i] < smoothed[j] and longest[i] < longest[j] + 1:
                longest[i] = longest[j] + 1
            if longest[end] < longest[i]:
                end = i
                start = end - longest[end]
    sections = (end - start) / 3
    return lrs[start + int(sections) + int(sections / 2)]


@pytest.mark.parametrize("seed", range(5))
def test_valley_is_fastais(seed):
    losses = noisy(curve(), 0.1, seed)
    assert valley(LRS, losses).lr == fastai_valley(LRS, losses)


def test_smith_is_the_largest_lr_before_the_loss_turns_up():
    losses = curve()
    turn = losses.index(min(losses))
    assert (smith(LRS, losses).index, smith(LRS, losses).lr) == (turn, LRS[turn])


def test_smith_sees_no_turn_where_the_loss_only_flattens():
    assert smith(LRS, curve(edge_lr=20.0)) is None


def test_smith_bounds_are_a_quarter_and_a_tenth_to_a_twenty_fifth():
    assert smith_bounds(0.5) == {"base_lr": 0.5 / 4, "one_cycle_start_low": 0.5 / 25, "one_cycle_start_high": 0.5 / 10}


def test_smoothing_is_a_weighted_mean_of_the_past():
    losses, beta = [3.0, -1.0, 4.0, 1.0], 0.9
    weights = [[beta ** (i - k) for k in range(i + 1)] for i in range(4)]
    expected = [sum(w * x for w, x in zip(row, losses, strict=False)) / sum(row) for row in weights]
    assert smooth(losses, beta) == pytest.approx(expected, rel=1e-12)


def test_smoothing_leaves_a_constant_loss_where_it_is_from_the_first_value_on():
    assert smooth([0.7] * 30, 0.98) == pytest.approx([0.7] * 30, rel=1e-12)


# ---------------------------------------------------------------- what no loss may break

anything = st.floats(allow_nan=True, allow_infinity=True)
moderate = st.floats(-1e3, 1e3, allow_nan=False)
some_losses = st.lists(anything, min_size=1, max_size=40)


def rising_lrs(count):
    return [1e-7 * 1e8 ** (i / max(1, count - 1)) for i in range(count)]


@settings(deadline=None, max_examples=300)
@given(losses=some_losses | st.lists(moderate, min_size=1, max_size=120))
def test_no_losses_make_it_raise_or_leave_the_range(losses):
    lrs = rising_lrs(len(losses))
    verdict = suggest(lrs, losses, losses)
    for name, rule in RULES.items():
        found = rule(lrs, losses)
        assert found is None or (lrs[0] <= found.lr <= lrs[-1] and 0 <= found.index < len(lrs)), name
    assert (verdict.suggestion is None) == (verdict.reason != "found")
    assert verdict.text.startswith("No suggestion: ") == (verdict.suggestion is None)
    assert isinstance(should_stop(losses), bool)


@settings(deadline=None, max_examples=100)
@given(
    lrs=st.lists(st.floats(0, exclude_min=True, allow_infinity=False), min_size=1, max_size=40, unique=True),
    data=st.data(),
)
def test_no_rising_lrs_make_it_raise_or_leave_the_range(lrs, data):
    lrs.sort()
    losses = data.draw(st.lists(moderate, min_size=len(lrs), max_size=len(lrs)))
    found = [lr for lr in suggest(lrs, losses).suggestions.values() if lr is not None]
    assert all(lrs[0] <= lr <= lrs[-1] for lr in found)


@pytest.mark.parametrize("losses", [[5e-324, 0.0, 0.0], [1e-320, 5e-321, 1.0], [1.0, 1.0 - 2**-53, 1.0]])
def test_a_gain_of_the_last_bits_is_none(losses):
    assert suggest([1.0, 2.0, 3.0], losses).suggestion is None


@settings(deadline=None, max_examples=60)
@given(
    middle=st.floats(-5, -0.5),
    edge_at=st.floats(0.3, 2),
    seed=st.integers(0, 99),
    sigma=st.sampled_from([0.0, 0.01, 0.1]),
    power=st.integers(-10, 10),
    shift=st.integers(-50, 50),
)
def test_scaling_and_shifting_the_losses_changes_nothing(middle, edge_at, seed, sigma, power, shift):
    losses = noisy(curve(10.0**middle, 10.0 ** (middle + edge_at)), sigma, seed)
    same = [2.0**power * (loss + shift) for loss in losses]
    before, after = suggest(LRS, losses), suggest(LRS, same)
    assert before.reason == after.reason
    for name, lr in before.suggestions.items():
        if name != "valley" or sigma > 0:  # without noise the last bits of the flat part decide the longest subsequence
            assert after.suggestions[name] == (None if lr is None else pytest.approx(lr, rel=1e-6)), name
    assert should_stop(losses) == should_stop(same)


def test_negative_losses_are_losses():
    assert suggest(LRS, [loss - 100 for loss in curve()]).suggestion == pytest.approx(suggest(LRS, curve()).suggestion)


@pytest.mark.parametrize(("sigma", "bound"), [(0.02, 0.1), (0.1, 1 / 3), (0.3, 0.8)])
def test_noise_moves_the_default_by_little(sigma, bound):
    clean = descent(LRS, curve()).lr
    found = [descent(LRS, noisy(curve(), sigma, seed)) for seed in range(20)]
    assert all(s is not None and decades(s.lr, clean) < bound for s in found)


def test_pure_noise_is_no_descent():
    flat = [suggest(LRS, noisy([2.3] * STEPS, 0.3, seed)).suggestion for seed in range(200)]
    assert statistics.fmean(lr is not None for lr in flat) < 0.03


def test_an_outlier_moves_the_default_by_less_than_a_step():
    losses = curve()
    losses[30] = 40.0
    assert decades(descent(LRS, losses).lr, descent(LRS, curve()).lr) < 0.1


def test_the_default_ignores_a_second_deeper_dip_after_the_collapse():
    dip = [loss if lr < 1.0 else 0.2 for loss, lr in zip(curve(top=2.3, edge_lr=0.1), LRS, strict=True)]
    assert decades(descent(LRS, dip).lr, descent(LRS, curve(top=2.3, edge_lr=0.1)).lr) < 0.1


def test_a_collapse_to_chance_is_as_good_an_edge_as_an_explosion():
    assert descent(LRS, curve(top=2.3)) == descent(LRS, curve(top=1e9))


def test_a_loss_that_flattens_and_never_rises_gets_a_suggestion_that_says_so():
    verdict = suggest(LRS, curve(middle=1e-3, edge_lr=20.0))
    assert verdict.suggestion == pytest.approx(blend(LRS, curve(middle=1e-3, edge_lr=20.0)).lr)
    assert "(the loss flattens and does not rise up to 1.0e+01)" in verdict.text


# ---------------------------------------------------------------- verdicts


def test_the_verdict_names_its_rule_and_holds_what_all_rules_say():
    verdict = suggest(LRS, curve())
    assert (verdict.rule, verdict.reason, verdict.widen) == (DEFAULT_RULE, "found", None)
    assert verdict.text == (
        "Suggested peak LR: 9.2e-03 (the loss falls until 4.2e-01, then rises).\n"
        "Interval 2.9e-03 to 5.1e-01, a guess from the sweep. For a constant LR try 4.6e-03."
    )
    assert "(rule edge; the loss falls until" in suggest(LRS, curve(), rule="edge").text
    assert list(verdict.suggestions) == list(RULES)
    assert verdict.suggestions["descent"] == pytest.approx(3.5e-3, rel=0.02)
    assert verdict.suggestions["edge"] == pytest.approx(9.1e-2, rel=0.02)


def test_slide_is_read_off_the_end_of_the_descent_whatever_the_losses_scale():
    found = slide(LRS, curve())
    assert found is not None
    assert 1e-3 < found.lr < 1.0
    assert slide(LRS, [1024 * loss - 7 for loss in curve()]).lr == pytest.approx(found.lr)
    assert slide(LRS, [1.0] * len(LRS)) is None


def test_another_rule_can_decide():
    verdict = suggest(LRS, curve(), rule="edge")
    assert (verdict.rule, verdict.suggestion) == ("edge", edge(LRS, curve()).lr)


def test_valley_reads_the_training_losses_where_there_are_any():
    training = noisy(curve(), 0.05)
    assert suggest(LRS, curve(), training).suggestions["valley"] == valley(LRS, training).lr


NAN = math.nan
NO_SUGGESTION = {
    "nan from the first step": (
        [NAN] * STEPS,
        "diverged at once",
        None,
        "No suggestion: the loss is not finite at the first step (LR 1.0e-07). Check the loss and the data for NaN, "
        "or set min_lr far below 1.0e-07.",
    ),
    "flat": (
        [0.7] * STEPS,
        "flat",
        "up",
        "No suggestion: the loss does not fall by more than its noise between LR 1.0e-07 and 1.0e+01. Set max_lr above "
        "1.0e+01, use larger batches or more probe_samples, and check that the optimizer has the parameters.",
    ),
    "only rising": (
        [float(i) for i in range(STEPS)],
        "no descent",
        "down",
        "No suggestion: the loss only rises between LR 1.0e-07 and 1.0e+01. Set min_lr far below 1.0e-07; if it still "
        "only rises, check the sign of the loss.",
    ),
    "flat, then nan": ([0.7] * 50 + [NAN] * 50, "no descent", "down", None),
    "still falling": (
        curve(middle=5.0, edge_lr=20.0),
        "still falling",
        "up",
        "No suggestion: the loss is still falling at 1.0e+01, the end of the range. Set max_lr above 1.0e+01.",
    ),
    "falling from the first step": (
        [1.0, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.0] + [9.0] * (STEPS - 10),
        "range starts too high",
        "down",
        "No suggestion: the loss falls at the very start of the range, so rule 'blend' would be below it. "
        "Set min_lr below 1.0e-07.",
    ),
}


@pytest.mark.parametrize("case", NO_SUGGESTION)
def test_it_says_no_and_what_to_change(case):
    losses, reason, widen, text = NO_SUGGESTION[case]
    verdict = suggest(LRS, losses)
    assert (verdict.suggestion, verdict.reason, verdict.widen) == (None, reason, widen)
    assert text is None or verdict.text == text


def test_a_rule_that_needs_a_rise_says_so():
    verdict = suggest(LRS, curve(middle=1e-3, edge_lr=20.0), rule="edge")
    assert (verdict.suggestion, verdict.reason, verdict.widen) == (None, "no edge", "up")
    assert verdict.text == (
        "No suggestion: the loss does not rise up to LR 1.0e+01, which rule 'edge' needs. "
        "Set max_lr above 1.0e+01, or use rule='blend'."
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((LRS, [1.0] * STEPS, None, "best"), "rule must be one of blend, descent, edge, .* got 'best'"),
        (([], []), "got 0 LRs and 0 losses"),
        ((LRS, [1.0]), "got 100 LRs and 1 losses"),
        ((LRS, [1.0] * STEPS, [1.0]), "training_losses must be as many as losses; got 1 and 100"),
        (([0.0, 1.0], [1.0, 1.0]), "lrs must be positive, finite and rising; got 0.0 to 1.0"),
        (([1.0, 0.5], [1.0, 1.0]), "lrs must be positive, finite and rising; got 1.0 to 0.5"),
        (([1.0, math.inf], [1.0, 1.0]), "lrs must be positive, finite and rising"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        suggest(*arguments)


# ---------------------------------------------------------------- reading and stopping


def test_gain_and_turn_belong_to_the_first_lasting_descent():
    losses = [1.0, 1.0, 0.5, 0.4, 0.9, 0.9, 0.3, 0.9]
    found = read_curve(losses)
    assert (found.turn, found.edge, found.gain) == (3, 4, pytest.approx(0.6))


def test_a_small_first_dip_is_not_the_descent():
    losses = [1.0, 0.9, 1.0, 0.5, 0.1, 0.0, 2.0]
    assert (read_curve(losses).turn, read_curve(losses).edge) == (5, 6)


def test_losses_that_are_about_to_overflow_count_as_divergence():
    assert read_curve([1.0, 0.5, 1e300, -1e300]).finite == 2


def test_still_falling_asks_for_a_tenth_of_the_gain_in_the_last_half_decade():
    assert still_falling(read_curve(curve(middle=5.0, edge_lr=20.0)), LRS)
    assert not still_falling(read_curve(curve(middle=1e-2, edge_lr=20.0)), LRS)
    assert not still_falling(read_curve(curve()), LRS)


@pytest.mark.parametrize("offset", [0.0, -50.0])
@pytest.mark.parametrize("top", [2.3, 100.0])
def test_the_sweep_stops_25_steps_into_an_explosion_or_a_collapse(top, offset):
    losses = [loss + offset for loss in curve(middle=1e-3, edge_lr=0.01, top=top)]
    first_bad = next(i for i, lr in enumerate(LRS) if lr >= 0.01)
    assert next(n for n in range(1, STEPS + 1) if should_stop(losses[:n])) == first_bad + 25


def test_the_sweep_stops_at_nan():
    assert should_stop([1.0, 1.0, math.nan])


def test_the_sweep_does_not_stop_while_it_learns_or_has_not_begun_or_for_one_outlier():
    rising = curve(edge_lr=20.0)
    assert not any(should_stop(rising[:n]) for n in range(1, STEPS + 1))
    assert not any(should_stop([0.7 + 0.1 * i for i in range(n)]) for n in range(1, STEPS + 1))
    outlier = [*rising[:70], 1e6, *rising[71:]]
    assert not any(should_stop(outlier[:n]) for n in range(1, STEPS + 1))


@pytest.mark.parametrize("seed", range(5))
def test_the_sweep_does_not_stop_for_noise(seed):
    losses = noisy([2.3] * STEPS, 0.3, seed)
    assert not any(should_stop(losses[:n]) for n in range(1, STEPS + 1))


def test_stopping_early_does_not_change_the_suggestion():
    losses = curve(middle=1e-3, edge_lr=0.01)
    stop = next(n for n in range(1, STEPS + 1) if should_stop(losses[:n]))
    assert stop < STEPS
    assert descent(LRS[:stop], losses[:stop]) == descent(LRS, losses)
