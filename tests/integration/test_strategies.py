"""Strategies that shard, on two ranks on the CPU: the README's table of compatibility."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from battery_schedules import one_cycle
from lightning.pytorch.strategies import SingleDeviceStrategy
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, fit

from lr_callbacks import SGDR, LRRangeTest


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("strategies")
    helpers = Path(__file__).parents[1] / "helpers"
    paths = os.pathsep.join([str(helpers.parents[1]), str(helpers), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(helpers / "strategy_fits.py"), str(folder)],
        env={**os.environ, "PYTHONPATH": paths},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads((folder / f"rank{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.parametrize("strategy", ["zero", "sharded", "fsdp"])
def test_sharded_state_or_weights_are_trained_with_the_lrs_of_one_process_and_resume_exactly(strategy, ranks):
    expected = [0.1 * one_cycle(step, 8) for step in range(8)]
    for seen in ranks:
        assert seen[strategy]["lrs"] == pytest.approx(expected, rel=1e-12)
        assert seen[f"{strategy}, resumed"]["lrs"] == seen[strategy]["lrs"][6:]


def test_a_range_test_works_where_only_the_optimizers_state_is_sharded_and_is_refused_where_weights_are(ranks):
    for seen in ranks:
        assert seen["zero, tested"]["lrs"] == [0.1] * 8
        assert "not under ModelParallelStrategy, which shards them" in seen["sharded, tested"]["error"]
        assert "not under OnCPU, which shards them" in seen["fsdp, tested"]["error"]


class DeepSpeedLike(SingleDeviceStrategy):
    """DeepSpeed itself is not at hand; it is known by its name."""


@pytest.mark.parametrize("callback", [SGDR(3), LRRangeTest(num_steps=10)], ids=["SGDR", "LRRangeTest"])
def test_an_engine_that_steps_the_optimizer_itself_is_refused(callback):
    with pytest.raises(
        MisconfigurationException, match=r"DeepSpeedLike steps the optimizer inside its own engine, .*Use another str"
    ):
        fit(callback, SGDR(4), module=Net(), strategy=DeepSpeedLike("cpu"))
