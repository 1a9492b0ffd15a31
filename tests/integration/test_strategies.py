"""Strategies that shard, on two ranks on the CPU: the README's table of compatibility."""

from __future__ import annotations

import pytest
from battery_schedules import one_cycle
from lightning.pytorch.strategies import SingleDeviceStrategy
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from strategy_fits import fits_of_a_rank
from support import Net, fit
from two_ranks import on_two_ranks

from lr_callbacks import SGDR, LRRangeTest


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    return on_two_ranks(tmp_path_factory.mktemp("strategies"), fits_of_a_rank)


@pytest.mark.parametrize("strategy", ["zero", "sharded", "fsdp"])
def test_sharded_state_or_weights_are_trained_with_the_lrs_of_one_process_and_resume_exactly(strategy, ranks):
    expected = [0.1 * one_cycle(step, 8) for step in range(8)]
    for seen in ranks:
        assert seen[strategy]["lrs"] == pytest.approx(expected, rel=1e-12)
        assert seen[f"{strategy}, resumed"]["lrs"] == seen[strategy]["lrs"][6:]


@pytest.mark.parametrize("strategy", ["zero", "sharded"])
def test_a_fit_after_a_range_test_is_the_fit_without_it(strategy, ranks):
    for seen in ranks:
        assert seen[f"{strategy}, suggested"] == ranks[0][f"{strategy}, suggested"] > 0
        assert seen[f"{strategy}, tested"] == seen[f"{strategy}, untested"]
        assert seen[f"{strategy}, tested"]["lrs"] == [0.1] * 8


def test_a_range_test_is_rejected_where_weights_cannot_be_restored(ranks):
    for seen in ranks:
        assert "not under OnCPU: it may keep them in buffers of its own" in seen["fsdp, tested"]["error"]
        assert "cannot undo what ModelParallelStrategy does to a module" in seen["one call"]


class DeepSpeedLike(SingleDeviceStrategy):
    """DeepSpeed itself is not at hand; it is known by its name."""


@pytest.mark.parametrize("callback", [SGDR(3), LRRangeTest(num_steps=10)], ids=["SGDR", "LRRangeTest"])
def test_an_engine_that_steps_the_optimizer_itself_is_refused(callback):
    with pytest.raises(
        MisconfigurationException, match=r"DeepSpeedLike steps the optimizer inside its own engine, .*Use another str"
    ):
        fit(callback, SGDR(4), module=Net(), strategy=DeepSpeedLike("cpu"))
