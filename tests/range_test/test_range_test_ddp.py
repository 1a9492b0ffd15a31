"""Two gloo processes on the CPU: every rank finds the same, the losses are averaged, the caller gets the result."""

from __future__ import annotations

import itertools
import time
import warnings

import pytest
import torch
from ddp_scripts import Exact, RankBusy, Suggestions, whole_numbers
from support import trainer
from trace_support import seed_all, shuffled

from lr_callbacks.range_test import runner
from lr_callbacks.range_test.call import lr_range_test
from lr_callbacks.range_test.callback import LRRangeTest

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*sync_dist.*", "ignore:.*barrier.*")


def fit(folder, strategy, *tests, module=None, data=None):
    folder.mkdir(exist_ok=True)
    seed_all()
    run = trainer(*tests, Suggestions(str(folder)), strategy=strategy, devices=2, max_epochs=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run.fit(module or RankBusy(momentum=0.9), data or shuffled())
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in (0, 1)]


def test_ranks_agree_and_the_result_reaches_the_caller_of_spawned_processes(tmp_path):
    test = LRRangeTest(num_steps=25, min_lr=1e-5)
    first, second = fit(tmp_path, "ddp_spawn", test)
    assert first["results"] == second["results"]
    assert first["lr"] == second["lr"]
    assert test.result is not None
    assert test.result.to_dict() == first["results"][0]
    assert len(test.result.lrs) >= 10


def test_losses_are_averaged_over_the_ranks(tmp_path):
    found = LRRangeTest(num_steps=10, min_lr=1e-9, max_lr=1e-8)
    fit(tmp_path, "ddp_fork", found)
    # cross entropy of two classes, plus 0 on one rank and 1 on the other
    assert found.result.losses[0] == pytest.approx(0.7 + 0.5, abs=0.3)
    assert found.result.training_losses[0] == pytest.approx(0.7 + 0.5, abs=0.4)


@pytest.mark.parametrize("milestones", [None, [1]])
def test_a_fit_on_two_ranks_is_the_fit_without_the_test(tmp_path, milestones):
    test = LRRangeTest(1e-6, 1e-2, num_steps=25, apply=False, milestones=milestones)
    tested = fit(tmp_path / "tested", "ddp_fork", test, module=Exact(), data=whole_numbers())
    plain = fit(tmp_path / "plain", "ddp_fork", module=Exact(), data=whole_numbers())
    for ours, theirs in zip(tested, plain, strict=True):
        assert ours["losses"] == theirs["losses"]
        assert len(set(ours["losses"])) > 10
        assert len(ours["results"][0]["lrs"]) > 10
        assert torch.equal(ours["rng"], theirs["rng"])
        for name, weight in theirs["weights"].items():
            assert torch.equal(ours["weights"][name], weight), name


def test_all_ranks_make_the_same_trials_and_a_resumed_fit_gives_their_result_to_the_caller(tmp_path):
    test = LRRangeTest(1e-5, num_steps=40, trials=3, trial_steps=50)
    first, second = fit(tmp_path / "first", "ddp_fork", test)
    assert first["results"] == second["results"]
    assert first["lr"] == second["lr"]
    assert test.result.to_dict() == first["results"][0]
    assert len(test.result.trials) == 3


def test_all_ranks_end_their_trials_together_where_the_clock_of_each_says_something_else(tmp_path, monkeypatch):
    class EarlyOnRankOne:
        """The time that only the second rank has left behind it."""

        @staticmethod
        def monotonic():
            late = torch.distributed.is_initialized() and torch.distributed.get_rank() == 1
            return time.monotonic() + (next(ticks) if late else 0)

    ticks = itertools.count(step=10**6)
    monkeypatch.setattr(runner, "time", EarlyOnRankOne)
    test = LRRangeTest(1e-5, num_steps=20, trials=3, trial_steps=60, trial_limit="1 h")
    first, second = fit(tmp_path, "ddp_fork", test)
    assert first["results"] == second["results"]
    assert first["lr"] == second["lr"]
    assert "trial_limit (1 h) was reached after 0 trials" in str(test.result)


def test_a_resumed_fit_in_forked_processes_gives_the_result_of_its_checkpoint_to_the_caller(tmp_path):
    seed_all()
    first, again = (LRRangeTest(1e-5, num_steps=20) for _ in "ab")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = trainer(first, max_epochs=1)
        run.fit(RankBusy(), shuffled())
        run.save_checkpoint(tmp_path / "one.ckpt")
        resumed = trainer(again, strategy="ddp_fork", devices=2, max_epochs=2)
        resumed.fit(RankBusy(), shuffled(), ckpt_path=tmp_path / "one.ckpt")
    assert again.result == first.result


@pytest.mark.parametrize("strategy", ["ddp_fork", "ddp_spawn"])
def test_one_call_gives_the_result_of_other_processes(strategy):
    seed_all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run, module = trainer(strategy=strategy, devices=2, max_epochs=1), RankBusy()
        result = lr_range_test(run, module, train_dataloaders=shuffled(), test=LRRangeTest(num_steps=12))
        assert result.lrs
        assert run.lightning_module is None
        run.fit(module, shuffled())
    assert module.steps_seen == 0  # the fit was in other processes; and the test left nothing here either
