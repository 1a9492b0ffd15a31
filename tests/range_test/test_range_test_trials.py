"""Short trainings after the sweep: what they cost, what they find, and that they leave nothing behind."""

from __future__ import annotations

import csv
import json
import logging
import math
import os
import signal
import time
from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, Recorder, loader, sgd, trainer
from trace_support import Busy, BusyManual, plain, seed_all, shuffled

from lr_callbacks import CosineAnnealing, LRRangeTest, OneCycle, RangeTestResult, Warmup, lr_range_test
from lr_callbacks.range_test.settle import Trial, next_lr, settle
from lr_callbacks.range_test.trials import factors_of

SEEN: list[float] = []
"""LRs of all steps; here, not in a closure, because the test puts closures back."""


@pytest.fixture(autouse=True)
def _clean():
    SEEN.clear()
    seed_all()


class Noting(Net):
    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        optimizer.register_step_post_hook(lambda opt, *_: SEEN.append(float(opt.param_groups[0]["lr"])))
        return optimizer


def find(module=None, test=None, *callbacks, data=None, val=None, **options) -> RangeTestResult:
    return lr_range_test(
        trainer(*callbacks, **{"max_epochs": 10, **options}),
        module or Net(),
        train_dataloaders=loader(40, 8) if data is None else data,
        val_dataloaders=val,
        test=test or LRRangeTest(trials=5, trial_steps=60),
    )


# ---------------------------------------------------------------------- what is made
def test_trials_go_through_a_one_cycle_around_what_the_sweep_says():
    result = find(Noting())
    sweep = result.suggestions["blend"]
    assert [trial.lr for trial in result.trials[:3]] == pytest.approx([sweep, sweep / 10**0.5, sweep * 10**0.5])
    assert 3 <= len(result.trials) <= 5
    first = SEEN[len(result.lrs) : len(result.lrs) + 60]
    assert max(first) == pytest.approx(sweep, rel=0.01)
    assert first[0] == pytest.approx(sweep / 25)
    assert first[-1] < sweep / 1000
    assert len(SEEN) == len(result.lrs) + sum(trial.steps for trial in result.trials)


def test_all_trials_begin_with_the_same_weights_data_and_random_numbers():
    result = find(Busy(), LRRangeTest(1e-5, trials=3, trial_steps=60), data=shuffled())
    again = find(Busy(), LRRangeTest(1e-5, trials=3, trial_steps=60), data=shuffled())
    assert [trial.loss for trial in result.trials] != [trial.loss for trial in again.trials]  # other weights
    module = Busy()
    one, two = (find(module, LRRangeTest(1e-5, trials=3, trial_steps=60), data=shuffled(shuffle=False)) for _ in "ab")
    assert one == two


def test_the_schedule_of_a_trial_is_the_one_that_will_be_trained_with():
    cosine = factors_of([Warmup("10%"), CosineAnnealing()], 0, 100)
    assert cosine[10] == pytest.approx(1.0, abs=0.02)
    assert cosine[55] == pytest.approx(0.5, abs=0.02)
    assert factors_of([Warmup(5)], 0, 100) == factors_of([], 0, 100) == factors_of([OneCycle(total_steps=900)], 0, 100)


def test_trials_are_judged_on_validation_data_as_well_where_there_is_some():
    with_it = find(val=loader(5, 8))
    assert all(trial.validation_loss is not None for trial in with_it.trials)
    assert all(trial.validation_loss is None for trial in find().trials)


def test_a_trial_that_diverges_ends_at_once():
    class Explodes(Net):
        def training_step(self, batch, batch_idx):
            loss = super().training_step(batch, batch_idx)
            return loss * math.nan if max(float(p.detach().abs().max()) for p in self.parameters()) > 3 else loss

    result = find(Explodes(sgd((0.1,))), LRRangeTest(trials=5, trial_steps=200))
    diverged = [trial for trial in result.trials if trial.diverged]
    assert diverged
    assert all(trial.steps < 200 for trial in diverged)
    assert result.suggestion < min(trial.lr for trial in diverged)
    assert "Training diverged at " in result.verdict


def test_under_manual_optimization_trials_work_too():
    test = LRRangeTest(1e-5, optimizer=0, trials=3, trial_steps=60)
    result = find(BusyManual(), test, data=shuffled())
    assert result.suggestion is None or len(result.trials) == 3


# ---------------------------------------------------------------------- what is found
def test_the_verdict_has_an_interval_and_says_how_sure_it_is():
    result = find()
    low, high = result.interval
    assert low < result.suggestion < high
    assert result.confidence in ("low", "fair", "high")
    assert f"Interval {low:.1e} to {high:.1e}, confidence {result.confidence}." in result.verdict
    assert f"For a constant LR try {result.constant_lr:.1e}" in result.verdict


def test_without_trials_the_interval_is_a_guess_from_the_sweep():
    result = find(test=LRRangeTest())
    assert result.confidence == "guess"
    assert result.trials == []
    assert result.interval[0] <= result.suggestion <= result.interval[1]


def test_a_plain_sweep_with_thin_evidence_names_the_trials():
    thin = find(bounded(), test=LRRangeTest(max_lr=1.0, widen=False))
    assert ("trials=5" in thin.verdict) == ("no edge" in thin.verdict or "factor of" in thin.verdict)


def bounded():
    class Bounded(Net):
        def training_step(self, batch, batch_idx):
            return torch.tanh(super().training_step(batch, batch_idx))

    return Bounded()


def test_the_finding_is_applied_and_the_fit_peaks_there():
    test, recorder = LRRangeTest(trials=3, trial_steps=60), Recorder()
    trainer(test, OneCycle(), recorder, max_epochs=10).fit(Net(), loader(40, 8))
    assert max(recorder.of_group(0)) == pytest.approx(test.result.suggestion, rel=1e-3)
    assert test.result.suggestion != test.result.suggestions["blend"]


def test_a_hard_range_holds_for_trials_too():
    result = find(Noting(), LRRangeTest(1e-6, 3e-2, widen=False, trials=5, trial_steps=60))
    assert max(SEEN) <= 3e-2
    if result.suggestion is not None:
        assert result.suggestion <= 3e-2


# ---------------------------------------------------------------------- what they cost
@pytest.mark.parametrize(
    ("given", "options", "text"),
    [
        ("25%", {}, "up to 5 trials of 100 steps = 500, 125% of this fit (400 steps)"),
        ("1%", {}, "up to 5 trials of 50 steps = 250, 62% of this fit (400 steps)"),
        (60, {"max_epochs": -1, "max_steps": 1000}, "up to 5 trials of 60 steps = 300, 30% of this fit (1000 steps)"),
        ("2 epochs", {}, "up to 5 trials of 80 steps = 400, 100% of this fit (400 steps)"),
        ("2 epochs", {"accumulate_grad_batches": 3}, "up to 5 trials of 50 steps = 250, 179% of this fit (140 steps)"),
    ],
)
def test_the_cost_is_said_beforehand(given, options, text, caplog):
    with caplog.at_level(logging.INFO):
        find(test=LRRangeTest(trials=5, trial_steps=given, num_steps=60), **options)
    assert text in caplog.text


def test_trials_that_are_very_short_beside_the_run_are_warned_of():
    with pytest.warns(UserWarning, match=r"a trial of 50 steps is 2\.5% of this fit"):
        find(test=LRRangeTest(trials=3, trial_steps=50, num_steps=60), max_epochs=50)


def test_a_share_of_a_run_that_has_no_length_is_refused():
    with pytest.raises(MisconfigurationException, match=r"trial_steps='10%' needs the length of the fit"):
        find(test=LRRangeTest(trials=3, num_steps=60), max_epochs=-1, max_time="00:00:10:00")


def test_the_time_limit_is_kept():
    class Slow(Net):
        def training_step(self, batch, batch_idx):
            time.sleep(0.005)
            return super().training_step(batch, batch_idx)

    begin = time.monotonic()
    result = find(Slow(), LRRangeTest(trials=5, trial_steps=4000, num_steps=20, trial_limit="1 s"), max_epochs=1000)
    assert time.monotonic() - begin < 10
    assert len(result.trials) == 0
    assert any("trial_limit (1 s) was reached after 0 trials" in note for note in result.notes)
    assert result.suggestion == result.suggestions["blend"]


def test_the_progress_bar_says_which_trial_of_how_many_and_the_best_so_far(capsys):
    result = find(Net(), None, TQDMProgressBar(), enable_progress_bar=True)
    assert result.trials
    shown = capsys.readouterr().out
    assert "Trial 1 of up to 5 (LR " in shown
    assert "Trial 3 of up to 5" in shown
    assert "best so far" in shown


# ---------------------------------------------------------------------- nothing is left behind
@pytest.mark.parametrize("make", [Busy, BusyManual])
def test_the_fit_after_trials_is_the_fit_without_them(make):
    def train(*callbacks):
        seed_all()
        module = make()
        run = trainer(*callbacks, max_epochs=2)
        run.fit(module, shuffled(), shuffled(shuffle=False))
        return plain(module), plain([o.state_dict() for o in run.optimizers]), plain(torch.get_rng_state())

    test = LRRangeTest(1e-5, apply=False, trials=3, trial_steps=50, optimizer=0)
    assert train(test) == train()
    assert len(test.result.trials) == 3 or test.result.suggestion is None


@pytest.mark.parametrize("trial", [0, 1, 2])
def test_an_error_in_all_trials_is_raised_and_nothing_is_left_behind(trial):
    class Breaks(Net):
        steps = 0

        def training_step(self, batch, batch_idx):
            self.count = getattr(self, "count", 0) + 1
            if self.count == 150:
                raise ZeroDivisionError("sample 17")
            return super().training_step(batch, batch_idx)

    module = Breaks()
    before = plain(module)
    with pytest.raises(ZeroDivisionError, match="sample 17"):
        find(module, LRRangeTest(num_steps=30, trials=3, trial_steps=200))
    assert plain(module) == before


def test_a_signal_ends_the_test_and_is_handled_with_the_weights_as_before_it():
    class Signals(Net):
        def training_step(self, batch, batch_idx):
            self.count = getattr(self, "count", 0) + 1
            if self.count == 100 and not SEEN:
                os.kill(os.getpid(), signal.SIGUSR1)
            return super().training_step(batch, batch_idx)

    module, handled = Signals(), []
    before = plain(dict(module.state_dict()))

    def handle(number, frame):
        SEEN.append(number)
        handled.append(plain(dict(module.state_dict())) == before)

    previous = signal.signal(signal.SIGUSR1, handle)
    try:
        test = LRRangeTest(num_steps=30, trials=3, trial_steps=200)
        trainer(test, max_epochs=1).fit(module, loader(40, 8))
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert handled == [True]
    assert test.result is None


# ---------------------------------------------------------------------- what is kept of it
def test_other_loggers_get_the_outcome_as_one_entry(tmp_path):
    test, logger = LRRangeTest(num_steps=60), CSVLogger(tmp_path)
    trainer(test, max_epochs=1, logger=logger, log_every_n_steps=5).fit(Net(), loader(40, 8))
    rows = list(csv.DictReader((Path(logger.log_dir) / "metrics.csv").read_text().splitlines()))
    [row] = [row for row in rows if row["range_test/suggestion"]]
    assert float(row["range_test/suggestion"]) == pytest.approx(test.result.suggestion)
    assert float(row["range_test/low"]) <= float(row["range_test/suggestion"]) <= float(row["range_test/high"])


def test_the_result_holds_the_trials_through_checkpoints_and_json(tmp_path):
    test = LRRangeTest(trials=3, trial_steps=60)
    run = trainer(test, max_epochs=10, limit_train_batches=40)
    run.fit(Net(), loader(40, 8), loader(5, 8))
    run.save_checkpoint(tmp_path / "end.ckpt")
    held = torch.load(tmp_path / "end.ckpt", weights_only=True)["callbacks"][test.state_key]
    assert RangeTestResult.from_dict(held["result"]) == test.result
    assert RangeTestResult.from_dict(json.loads(test.result.to_json())) == test.result
    figure = test.result.plot(tmp_path / "trials.png")
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"trials: training samples", "trials: validation", "interval"} <= set(labels)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"trials": 2}, ValueError, r"trials must be 0 \(none\) or at least 3, got 2"),
        ({"trials": 3.0}, TypeError, "trials must be an int, got 3.0"),
        ({"trial_steps": "5 min"}, ValueError, "trial_steps must be steps, epochs or a share of the run, got '5 min'"),
        ({"trial_steps": 0}, ValueError, "trial_steps must be positive"),
        ({"trial_limit": 30}, ValueError, "trial_limit must be a time, such as '5 min', or None, got 30"),
        ({"widen": 1}, TypeError, "widen must be True or False, got 1"),
        ({"offload": "cpu"}, TypeError, "offload must be True or False, got 'cpu'"),
    ],
)
def test_a_wrong_argument_is_named_with_its_rule(arguments, error, message):
    with pytest.raises(error, match=message):
        LRRangeTest(**arguments)


# ---------------------------------------------------------------------- pure: from trials to an answer
def made_of(losses, validation=None):
    lrs = [0.1 * 10 ** (0.5 * place) for place in range(len(losses))]
    validation = validation or [None] * len(losses)
    return [Trial(lr, 50, loss, other) for lr, loss, other in zip(lrs, losses, validation, strict=True)]


def test_the_answer_is_never_the_bare_minimum_and_does_not_depend_on_the_losses_scale():
    losses = [0.5, 0.31, 0.3, 0.32, math.inf]
    found = settle(0.5, made_of(losses), [1.0, None], 0.25)
    scaled = settle(0.5, made_of([32 * loss - 7 for loss in losses]), [25.0, None], 0.25)
    assert found.lr == pytest.approx(scaled.lr)
    assert found.interval[0] < found.lr < found.interval[1]
    assert found.lr < 1.0


def test_short_trials_are_corrected_more_than_long_ones():
    lrs = [settle(1.0, made_of([0.5, 0.31, 0.3, 0.32]), [1.0, None], share).lr for share in (0.05, 0.25, 1.0)]
    assert lrs == sorted(lrs)


def test_over_fitting_is_seen_by_validation_alone():
    training = settle(1.0, made_of([0.5, 0.3, 0.1, 0.0]), [1.0, None], 0.25)
    both = settle(1.0, made_of([0.5, 0.3, 0.1, 0.0], [0.5, 0.3, 0.9, 2.0]), [1.0, 1.0], 0.25)
    assert both.lr < training.lr
    assert both.confidence != "high"


def test_trials_that_learn_nothing_settle_nothing():
    assert settle(1.0, made_of([1.0, 1.5, math.inf]), [1.0, None], 0.25) is None


def test_trials_go_on_outward_while_the_best_is_at_an_end_and_no_further():
    made = [Trial(lr, 50, lr) for lr in (0.1, 0.1 / 10**0.5, 0.1 * 10**0.5)]
    assert next_lr(0.1, made, [1.0, None], 5) == pytest.approx(0.01)
    assert next_lr(0.1, made, [1.0, None], 5, within=(0.02, 1.0)) is None
    best_inside = [Trial(0.1, 50, 0.1), Trial(0.03, 50, 0.5), Trial(0.3, 50, 0.5)]
    assert next_lr(0.1, best_inside, [1.0, None], 5) is None
