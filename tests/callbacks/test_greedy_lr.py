"""GreedyLR: the published rule, typed again, against what `optimizer.step` saw; bounds, resets, resumes."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import fit
from test_feedback import ByHand, Logs

import lr_callbacks as lc


def rule(
    values: list[float],
    lrs: tuple[float, ...],
    *,
    mode: str = "min",
    factor: float = 0.95,
    patience: int = 10,
    threshold: float = 1e-6,
    threshold_mode: str = "abs",
    cooldown: int = 0,
    warmup: int = 0,
    min_lr: float | list[float] = 1e-3,
    max_lr: float | list[float] = 1.0,
    eps: float = 1e-8,
    smooth: int = 1,
    reset_start: int | None = 500,
) -> list[list[float]]:
    """The rule of transformers' ``GreedyLR`` (optimization.py of 5.24), in its units; LRs before each evaluation."""
    low = min_lr if isinstance(min_lr, list) else [min_lr] * len(lrs)
    high = max_lr if isinstance(max_lr, list) else [max_lr] * len(lrs)
    sign, now, seen = (1 if mode == "min" else -1), list(lrs), []
    best, good, bad, wait, at_min, window = math.inf, 0, 0, 0, 0, []
    for value in values:
        seen.append(list(now))
        window = [*window, value][-smooth:]
        judged = sign * sum(window) / len(window)
        if wait:
            wait, good, bad = wait - 1, 0, 0
            continue
        margin = threshold if threshold_mode == "abs" else (0.0 if best == math.inf else threshold * abs(best))
        if judged < best - margin:
            best, good, bad = judged, good + 1, 0
        else:
            good, bad = 0, bad + 1
        if good > patience:
            up = [min(lr / factor, top) for lr, top in zip(now, high, strict=True)]
            now = [new if new - old > eps else old for new, old in zip(up, now, strict=True)]
            good, wait, at_min = 0, warmup, 0
        elif bad > patience:
            down = [max(lr * factor, bottom) for lr, bottom in zip(now, low, strict=True)]
            now = [new if old - new > eps else old for new, old in zip(down, now, strict=True)]
            bad, wait = 0, cooldown
            at_min += all(lr <= bottom for lr, bottom in zip(now, low, strict=True))
            if reset_start is not None and at_min >= reset_start:
                now, best, good, bad, at_min, window = list(lrs), math.inf, 0, 0, 0, []
    return seen


OPTIONS: list[dict[str, Any]] = [
    {"patience": 0, "factor": 0.5},
    {"patience": 1, "factor": 0.8},
    {"patience": 0, "factor": 0.5, "mode": "max"},
    {"patience": 0, "factor": 0.7, "cooldown": 2, "warmup": 1},
    {"patience": 0, "factor": 0.5, "min_lr": [0.04, 0.001], "max_lr": [0.15, 0.5]},
    {"patience": 0, "factor": 0.5, "min_lr": 0.03, "reset_start": 2},
    {"patience": 0, "factor": 0.5, "min_lr": 0.03, "reset_start": 2, "cooldown": 1},
    {"patience": 0, "factor": 0.5, "min_lr": 0.03, "reset_start": 1, "smooth": 3},
    {"patience": 0, "factor": 0.5, "eps": 0.03},
    {"patience": 0, "factor": 0.9, "threshold": 0.1, "threshold_mode": "rel"},
    {"patience": 0, "factor": 0.9, "threshold": 0.05, "smooth": 4},
    {"patience": 0, "factor": 0.5, "min_lr": 0.05, "max_lr": 0.09},  # both groups begin outside
]


def series(seed: object, length: int = 30) -> list[float]:
    """A loss that falls with noise, and stalls."""
    rng = random.Random(repr(seed))
    return [max(0.2, 2.0 * 0.93**n) + rng.gauss(0, 0.15) for n in range(length)]


def run(callback: Any, module: Any, **options: Any) -> Any:
    settings = {"batches": 2, "val": True, "max_epochs": 30, "num_sanity_val_steps": 0} | options
    return fit(callback, module=module, **settings)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_lrs_are_those_of_the_published_rule(options):
    values = series(options)
    expected = rule(values, (0.1, 0.02), **options)
    assert len({tuple(row) for row in expected}) > 2
    lrs = run(lc.GreedyLR("metric", **{"min_lr": 1e-3, "max_lr": 1.0} | options), Logs(metric=values)).lrs[0]
    for ours, theirs in zip(lrs[::2], expected, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-12)


def test_under_manual_optimization_all_optimizers_move():
    values, options = series("by hand"), {"patience": 0, "factor": 0.5, "min_lr": 0.01, "max_lr": 0.5}
    expected = rule(values, (0.1, 0.02), **options)
    lrs = run(lc.GreedyLR("metric", **options), ByHand(metric=values)).lrs
    together = [[a, b] for (a,), (b,) in zip(lrs[0][::2], lrs[1][::2], strict=True)]
    assert together == [pytest.approx(row) for row in expected]


def test_shares_are_of_each_groups_own_lr():
    values = series("shares")
    options = {"patience": 0, "factor": 0.5, "reset_start": None}
    expected = rule(values, (0.1, 0.02), min_lr=[0.05, 0.01], max_lr=[0.4, 0.08], **options)
    lrs = run(lc.GreedyLR("metric", min_lr="50%", max_lr="400%", **options), Logs(metric=values)).lrs[0]
    assert lrs[::2] == [pytest.approx(row) for row in expected]
    assert {row[0] for row in lrs} >= {0.05, 0.4}


def test_a_floor_above_the_ceiling_is_refused():
    with pytest.raises(ValueError, match=r"min_lr must be at most max_lr=0\.1, got 0\.5"):
        lc.GreedyLR("metric", min_lr=0.5, max_lr=0.1)


def test_the_message_of_a_new_start_counts_moves_and_not_evaluations(caplog):
    options = {"patience": 1, "factor": 0.5, "min_lr": 0.05, "reset_start": 2}
    with caplog.at_level("INFO"):
        run(lc.GreedyLR("metric", **options), Logs(metric=[1.0] * 6), max_epochs=6)
    # after the first value: down to 0.05 at the third, at min again at the fifth
    assert "metric 1 has not improved, and 2 moves down in a row have ended at min_lr, so that it starts" in caplog.text


def test_a_metric_that_is_nan_is_no_improvement():
    lrs = run(lc.GreedyLR("metric", patience=0, factor=0.5), Logs(metric=[1.0, math.nan, 0.5, math.inf]), max_epochs=4)
    assert lrs.of_group()[::2] == pytest.approx([0.1, 0.2, 0.1, 0.2])


def test_a_group_of_lr_0_stays_and_does_not_keep_the_others_from_starting_again():
    values, options = [1.0] * 8, {"patience": 0, "factor": 0.5, "min_lr": 0.05, "reset_start": 2}
    module = Logs((0.1, 0.0), metric=values)
    lrs = run(lc.GreedyLR("metric", **options), module, max_epochs=8).lrs[0]
    # up at the first value, then down to 0.1, 0.05; at min twice: start again
    assert [row[0] for row in lrs[::2]] == pytest.approx([0.1, 0.2, 0.1, 0.05, 0.1, 0.2, 0.1, 0.05])
    assert {row[1] for row in lrs} == {0.0}


def test_it_waits_for_the_warmup_and_multiplies_with_other_schedules():
    values = [2.0 - 0.1 * n for n in range(6)]
    greedy = lc.GreedyLR("metric", patience=0, factor=0.5, max_lr="200%")
    lrs = fit(
        lc.Warmup(5, start_factor=0.5),
        lc.LinearDecay(start=0),
        greedy,
        module=Logs(metric=values),
        batches=2,
        val=True,
        max_epochs=6,
        num_sanity_val_steps=0,
    ).of_group()
    ramp = [min(1.0, 0.5 + 0.1 * t) for t in range(12)]
    # evaluations come after steps 2, 4, 6, ...: the first that counts is that after step 6
    expected = [0.1 * ramp[t] * (1 - t / 12) * (2.0 if t >= 6 else 1.0) for t in range(12)]
    assert lrs == pytest.approx(expected)


def test_it_moves_another_entry():
    values = [1.0, 0.9, 0.9]
    module = Logs(metric=values)
    lrs = run(lc.GreedyLR("metric", patience=0, factor=0.5, param="momentum", max_lr=0.95), module, max_epochs=3)
    assert [row[0] for row in lrs.momenta[0]][::2] == pytest.approx([0.9, 0.95, 0.95])
    assert set(lrs.of_group()) == {0.1}


@pytest.mark.filterwarnings("ignore:Using ModelCheckpoint with manual optimization")
@pytest.mark.parametrize("make", [Logs, ByHand])
def test_a_resumed_run_goes_on_bit_for_bit(make, tmp_path):
    values = series("resume", 12)

    def callback() -> Any:
        return lc.GreedyLR("metric", factor=0.7, patience=0, warmup=1, ema_decay=0.3, min_lr=0.03, reset_start=2)

    save = ModelCheckpoint(tmp_path, "{step}", save_top_k=-1, every_n_train_steps=1)
    options = {"max_epochs": 12}
    first = callback()
    whole = fit(
        first,
        save,
        module=make(metric=values),
        batches=2,
        val=True,
        num_sanity_val_steps=0,
        **options,
        enable_checkpointing=True,
    )
    assert len({row[0] for row in whole.lrs[0]}) > 4
    per_step = 2 if make is ByHand else 1
    for step in (2, 5, 8, 13, 16):
        again = callback()
        file = tmp_path / f"step={step * per_step}.ckpt"
        rest = run(again, make(metric=values), ckpt_path=str(file), **options)
        for optimizer, lrs in whole.lrs.items():
            assert rest.lrs[optimizer] == lrs[step:]
        assert again.state == first.state


def test_a_second_fit_begins_anew():
    callback = lc.GreedyLR("metric", patience=0, factor=0.5)
    for _ in range(2):
        assert run(callback, Logs(metric=[1.0, 0.9]), max_epochs=2).of_group()[::2] == pytest.approx([0.1, 0.2])


def test_fewer_bounds_than_groups_are_refused():
    with pytest.raises(
        MisconfigurationException, match=r"GreedyLR: max_lr has 1 value, but optimizer 0 .* has 2 groups"
    ):
        run(lc.GreedyLR("metric", max_lr=[1.0]), Logs(metric=[1.0] * 30))


@pytest.mark.parametrize(
    "damage",
    [{"best": "low"}, {"waits": -1}, {"surprise": 1}, {"factors": {"0": [math.nan]}}, {"factors": {"x": [1.0]}}],
    ids=str,
)
def test_a_damaged_state_is_refused(damage):
    callback = lc.GreedyLR("metric")
    with pytest.raises(ValueError, match="state of GreedyLR"):
        callback.load_state_dict(callback.state_dict() | damage)
