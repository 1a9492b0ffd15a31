"""The benchmark of suggested learning rates: its yardstick, its problems, and that it runs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ENTRY = {"untrained": 2.0, "log10_lr": [-2.0, -1.75, -1.5], "losses": [[1.0, 0.5, None], [1.0, 0.5, 9.0]]}


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import suggestion

    return suggestion


@pytest.mark.parametrize(
    ("lr", "expected"),
    [
        (10**-1.75, 0.0),
        (10**-2.0, 0.5 / 1.5),
        (10**-1.875, 0.25 / 1.5),  # interpolated in log LR
        (1e-9, 0.5 / 1.5),  # below the grid: as its lowest LR
        (10**-1.5, 1.0),  # diverged in one seed, worse than untrained in the other
        (1.0, 1.0),
        (None, 1.0),
        (float("nan"), 1.0),
    ],
)
def test_regret_is_the_share_of_the_possible_gain_that_is_missed(bench, lr, expected):
    assert bench.regret(ENTRY, lr) == pytest.approx(expected)


def test_every_problem_has_a_ground_truth_with_its_optimum_inside_the_grid(bench):
    truth = json.loads(bench.TRUTH.read_text())
    assert set(truth) == set(bench.problems())
    for name, entry in truth.items():
        assert entry["log10_lr"] == bench.grid(bench.problems()[name])
        assert entry["log10_lr"][0] < bench.best(entry) < entry["log10_lr"][-1], name


def test_the_ground_truth_can_be_reproduced(bench):
    entry = json.loads(bench.TRUTH.read_text())["nll_sgd"]
    problem = bench.problems()["nll_sgd"]
    at = entry["log10_lr"].index(bench.best(entry))
    assert bench.train(problem, 10.0 ** bench.best(entry), 0) == pytest.approx(entry["losses"][0][at], abs=0.05)


def test_groups_keep_their_ratio_in_the_sweep(bench):
    optimizer = bench.problems()["groups_sgd"].optimizer(bench.problems()["groups_sgd"].model(0), 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.05]


def test_the_quick_run_prints_the_default_rule_ahead_of_lightnings_finder():
    command = [sys.executable, str(BENCHMARKS / "suggestion.py"), "--quick"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    means = {cells[1].strip(): float(cells[2]) for cells in (line.split("|") for line in lines[2:])}
    assert means["**blend (default)**"] < 0.2 < means["Lightning `lr_find`"]
