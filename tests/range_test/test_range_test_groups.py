"""A range and a rule for each parameter group: one test for each, one after another."""

from __future__ import annotations

import csv

import pytest
import torch
from battery_schedules import one_cycle
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, Recorder, loader, sgd, trainer

from lr_callbacks import LRRangeTest, OneCycle, lr_range_test


class Looks(Net):
    """Records the LRs of both groups in each step of a test."""

    seen: list[list[float]] = []  # noqa: RUF012
    looks = False

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure):
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        SEEN.append([group["lr"] for group in optimizer.param_groups])


SEEN: list[list[float]] = []
"""Here, not in the module, because the test restores the module."""


def fit(*callbacks, optimizer=None, **options):
    SEEN.clear()
    torch.manual_seed(0)
    run = trainer(*callbacks, recorder := Recorder(), max_epochs=2, **options)
    run.fit(Looks(optimizer or sgd((0.05, 0.1))), loader(10))
    return recorder


def test_only_the_named_groups_are_swept_and_the_others_keep_their_lr():
    fit(LRRangeTest(1e-4, 1e-2, 11, groups=1, apply=False, judge="training"))
    swept = [1e-4 * 100.0 ** (step / 10) for step in range(11)]
    assert [lrs[1] for lrs in SEEN[:11]] == pytest.approx(swept, rel=1e-12)
    assert {lrs[0] for lrs in SEEN[:11]} == {0.05}


def test_each_group_gets_its_own_range_rule_and_peak():
    tests = [LRRangeTest(1e-5, 1.0, 20, groups=0, rule="minimum"), LRRangeTest(1e-4, 2.0, 30, groups=[1])]
    recorder = fit(*tests, OneCycle())
    for group, (test, low, rule) in enumerate(zip(tests, (1e-5, 1e-4), ("minimum", "blend"), strict=True)):
        assert test.result.lrs[0] == low
        assert test.result.rule == rule
        assert max(recorder.of_group(group)) == pytest.approx(test.result.suggestion, rel=0.05)
    ratio = tests[0].result.suggestion / tests[1].result.suggestion
    pairs = zip(recorder.of_group(0), recorder.of_group(1), strict=True)
    assert all(one / other == pytest.approx(ratio, rel=1e-9) for one, other in pairs)


def test_in_trials_the_other_groups_go_through_the_schedule_at_their_own_peak():
    fit(LRRangeTest(1e-5, 1.0, 20, groups=1, trials=3, apply=False), OneCycle())
    trial = SEEN[20:40]  # as long as the fit
    peak = max(other for _, other in trial)
    assert peak != pytest.approx(0.1)
    for step, (one, other) in enumerate(trial):
        assert one / 0.05 == pytest.approx(other / peak, rel=1e-6)
        assert one == pytest.approx(0.05 * one_cycle(step, 20), rel=1e-6)


def test_groups_are_found_by_their_name():
    def named(parts):
        groups = [{"params": list(part.parameters()), "name": name} for part, name in zip(parts, "ab", strict=True)]
        return torch.optim.SGD(groups, lr=0.1)

    recorder = fit(test := LRRangeTest(1e-5, 1.0, 20, groups="b*"), optimizer=named)
    assert set(recorder.of_group(0)) == {0.1}
    assert set(recorder.of_group(1)) == {test.result.suggestion}


def test_a_group_that_does_not_exist_is_rejected_with_those_that_do():
    with pytest.raises(MisconfigurationException, match=r"7 in groups= is not a parameter group; SGD has 0, 1"):
        fit(LRRangeTest(groups=7))


def test_an_absolute_peak_of_other_groups_is_no_conflict():
    recorder = fit(test := LRRangeTest(1e-5, 1.0, 20, groups=1), OneCycle(max_lr=0.3, groups=0), OneCycle(groups=1))
    assert max(recorder.of_group(0)) == pytest.approx(0.3, rel=0.05)
    assert max(recorder.of_group(1)) == pytest.approx(test.result.suggestion, rel=0.05)
    with pytest.raises(MisconfigurationException, match="both set the peak LR of SGD"):
        fit(LRRangeTest(groups=0), OneCycle(max_lr=0.3, groups=0))


def test_each_result_has_its_own_name_in_the_loggers(tmp_path):
    logger = CSVLogger(tmp_path, name="", version="")
    fit(LRRangeTest(1e-5, 1.0, 20, groups=0), LRRangeTest(1e-5, 1.0, 20, groups=1), logger=logger)
    assert {file.name for file in tmp_path.glob("range_test*.csv")} == {
        "range_test_group_0.csv",
        "range_test_group_1.csv",
    }
    with (tmp_path / "metrics.csv").open() as file:
        row = next(csv.DictReader(file))
    assert row["range_test_group_0/suggestion"] != row["range_test_group_1/suggestion"]


def test_one_call_sweeps_groups_as_well():
    result = lr_range_test(
        trainer(max_epochs=1),
        Looks(sgd((0.05, 0.1))),
        train_dataloaders=loader(20),
        test=LRRangeTest(1e-4, 1e-2, 12, groups=1),
    )
    assert result.lrs[0] == 1e-4
    assert {lrs[0] for lrs in SEEN[-12:]} == {0.05}
