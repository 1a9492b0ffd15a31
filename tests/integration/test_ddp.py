"""Two ranks on the CPU (gloo): the same LRs at every step on both, and those of one process."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from ddp_fits import GROWING, HALVED, KILLED_AFTER, OTHERS, PLATEAUS, RESUMED, SCHEDULES, fits_of_a_rank
from lightning.pytorch import Callback
from two_ranks import on_two_ranks, run_two_ranks

import lr_callbacks
from lr_callbacks import LRCallback

pytestmark = pytest.mark.filterwarnings("ignore:.*barrier.*", "ignore:.*mid-epoch.*")


def alone(fit, folder, **options):
    """What a single process sees that takes the same steps."""
    folder.mkdir(exist_ok=True)
    return json.loads(json.dumps(fit.run(folder, **options)))


def told(seen, words):
    """How often a rank was told something."""
    return sum(words in message for message in seen["warned"])


def test_every_callback_uses_the_same_lrs_on_both_ranks_as_in_one_process(tmp_path):
    first, second = on_two_ranks(tmp_path, fits_of_a_rank, "schedules")
    for name, fit in SCHEDULES.items():
        ours = alone(fit, tmp_path / "alone")
        assert first[name]["lrs"]["0"], name
        for what in ("lrs", "momenta", "paths", "reductions"):
            assert first[name][what] == second[name][what] == ours[what], f"{name}: {what}"
    assert len(first["SnapshotCheckpoint"]["paths"]) == 4
    assert first["Warmup, SGDR, ReduceLROnPlateau"]["reductions"] == [1]


def test_every_callback_that_drives_lrs_is_among_those():
    public = [getattr(lr_callbacks, name) for name in lr_callbacks.__all__]
    ours = {c.__name__ for c in public if isinstance(c, type) and issubclass(c, Callback) and c is not LRCallback}
    ours -= {"ReplaceSchedulers", "UntunedWarmup"}  # the one drives nothing, the other only optimizers like Adam
    fits = {**SCHEDULES, **PLATEAUS, **OTHERS}
    used = {type(callback).__name__ for fit in fits.values() for callback in fit.callbacks(Path())}
    assert ours <= used


def test_plateau_decisions_are_those_of_the_mean_on_all_ranks_where_the_metric_is_not_synchronised_and_it_says_so_once(
    tmp_path,
):
    first, second = on_two_ranks(tmp_path, fits_of_a_rank, "plateaus")
    for name, fit in PLATEAUS.items():
        ours = alone(fit, tmp_path / "alone")
        assert first[name]["lrs"] == second[name]["lrs"] == ours["lrs"], name
        assert first[name]["reductions"] == second[name]["reductions"] == ours["reductions"], name
        assert first[name]["weights"] == second[name]["weights"], name
        assert len({lrs[0] for lrs in first[name]["lrs"]["0"]}) > 1, name
        assert told(first[name], "differs between the ranks (spread") == 1, name
        assert told(second[name], "differs between the ranks") == 0, name


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    return on_two_ranks(tmp_path_factory.mktemp("others"), fits_of_a_rank, "others")


def test_a_metric_that_is_synchronised_is_not_complained_of(others, tmp_path):
    first, second = (each["synchronised"] for each in others)
    assert first["lrs"] == second["lrs"] == alone(OTHERS["synchronised"], tmp_path)["lrs"]
    assert not told(first, "is not synchronised")


def test_a_metric_that_one_rank_alone_logs_decides_on_both_and_nobody_waits_for_ever(others, tmp_path):
    first, second = (each["one rank alone"] for each in others)
    assert first["lrs"] == second["lrs"] == alone(PLATEAUS["validation"], tmp_path)["lrs"]
    assert told(first, "'val_metric' is logged on 1 of 2 ranks only") == 1


def test_ranks_whose_loaders_differ_in_length_use_the_lrs_of_rank_zero_and_are_told(others, tmp_path):
    first, second = (each["uneven numbers"] for each in others)
    assert first["lrs"] == second["lrs"] == alone(OTHERS["uneven numbers"], tmp_path)["lrs"]
    assert told(first, "The ranks have train dataloaders of different lengths") == 1


def test_the_range_test_finds_one_lr_for_both_ranks(others):
    first, second = (each["range test"] for each in others)
    assert first["found"] == second["found"]
    assert first["found"][0] == pytest.approx(max(lrs[0] for lrs in first["lrs"]["0"]))
    assert first["lrs"] == second["lrs"]


def test_epochs_that_grow_give_the_same_lrs_on_both_ranks_as_in_one_process(tmp_path):
    first, second = on_two_ranks(tmp_path, fits_of_a_rank, "growing")
    for name, fit in GROWING.items():
        ours = alone(fit, tmp_path / "alone")
        assert len(ours["lrs"]["0"]) == 3 + 4 + 5 + 6, name
        assert first[name]["lrs"] == second[name]["lrs"] == ours["lrs"], name


def test_another_number_of_devices_changes_the_length_of_an_epoch_and_the_schedule_still_ends_with_the_run(tmp_path):
    (tmp_path / "two").mkdir()
    first, second = (each["halved"]["lrs"]["0"] for each in on_two_ranks(tmp_path / "two", fits_of_a_rank, "halved"))
    assert first == second
    assert len(first) == 10
    by_one = alone(HALVED, tmp_path / "by one", resume=str(tmp_path / "two" / "half.ckpt"))["lrs"]["0"]
    left = [20 / 18 * (1 - t / 20) / 2 for t in range(20)]  # the warm-up took 2 of 20 steps
    assert [lrs[0] for lrs in by_one] == pytest.approx([0.1 * share for share in left])
    alone(HALVED, tmp_path / "one")
    (tmp_path / "by two").mkdir()
    both = on_two_ranks(tmp_path / "by two", fits_of_a_rank, "halved", str(tmp_path / "one" / "half.ckpt"))
    first, second = (each["halved"]["lrs"]["0"] for each in both)
    left = [40 / 36 * (1 - t / 10) / 2 for t in range(10)]
    assert first == second
    assert [lrs[0] for lrs in first] == pytest.approx([0.1 * share for share in left])


def test_a_run_of_two_ranks_is_resumed_by_one_process_and_the_other_way_round_without_a_jump(tmp_path):
    whole = alone(RESUMED, tmp_path / "whole", max_epochs=6)["lrs"]["0"]
    (tmp_path / "two").mkdir()
    first, second = on_two_ranks(tmp_path / "two", fits_of_a_rank, "resumed")
    by_one = alone(RESUMED, tmp_path / "by one", resume=str(tmp_path / "two" / "end.ckpt"), max_epochs=6)
    assert first["resumed"]["lrs"]["0"] == second["resumed"]["lrs"]["0"] == whole[:20]
    assert by_one["lrs"]["0"] == whole[20:]
    (tmp_path / "by two").mkdir()
    alone(RESUMED, tmp_path / "one", max_epochs=2)
    first, second = on_two_ranks(tmp_path / "by two", fits_of_a_rank, "resumed", str(tmp_path / "one" / "end.ckpt"))
    assert first["resumed"]["lrs"]["0"] == second["resumed"]["lrs"]["0"] == whole[10:20]


def test_a_run_of_which_one_rank_is_killed_in_the_middle_of_a_step_goes_on_on_both_without_a_jump(tmp_path):
    whole = alone(RESUMED, tmp_path / "whole")["lrs"]["0"]
    assert run_two_ranks(tmp_path, fits_of_a_rank, "killed")[1] == -signal.SIGKILL
    (tmp_path / "again").mkdir()
    first, second = on_two_ranks(tmp_path / "again", fits_of_a_rank, "resumed", str(tmp_path / "last.ckpt"))
    assert len(whole) == 20
    assert first["resumed"]["lrs"]["0"] == second["resumed"]["lrs"]["0"] == whole[KILLED_AFTER:]
