"""The queue of a sweep: who may run which trial, and which of them are dead."""

import math

import pytest
from optuna.trial import TrialState

from lr_callbacks.sweep.locks import JournalLock, cut_unfinished_line
from lr_callbacks.sweep.queue import Slot, TrialQueue
from lr_callbacks.sweep.storage import open_storage, open_study

SLOTS = [Slot({"lr": lr}, seed) for seed in (0, 1) for lr in (0.1, 0.2)]


def queue(folder, slots=SLOTS, locks="locks", storage="study.journal", **options):
    store = open_storage(storage if "://" in storage else str(folder / storage))
    study = open_study(store, {"mode": "min"}, study_name="test")
    return TrialQueue(study, store, slots, folder / locks, **options)


def numbers(trials):
    return [trial.number for trial in trials]


def states(made):
    return [trial.state.name for trial in made.study.get_trials()]


@pytest.fixture(params=["study.journal", "sqlite"])
def storage(request, tmp_path):
    return request.param if request.param != "sqlite" else f"sqlite:///{tmp_path}/study.db"


def test_filling_twice_queues_each_slot_once_in_order(tmp_path, storage):
    first, second = queue(tmp_path, storage=storage), queue(tmp_path, storage=storage)
    first.fill()
    second.fill()
    assert [trial.user_attrs["slot"] for trial in first.study.get_trials()] == [slot.key for slot in SLOTS]


def test_claims_go_through_the_slots_and_end_with_none(tmp_path, storage):
    made = queue(tmp_path, storage=storage)
    made.fill()
    claims = [made.claim() for _ in range(5)]
    assert [claim and claim.slot for claim in claims] == [*SLOTS, None]
    made.finish(claims[0], TrialState.COMPLETE, 0.5, epochs=2)
    made.finish(claims[1], TrialState.COMPLETE, math.inf)
    made.finish(claims[2], TrialState.FAIL)
    trials = queue(tmp_path, storage=storage).trials()
    assert [(trial.state.name, trial.value) for trial in trials.values()] == [
        ("COMPLETE", 0.5), ("COMPLETE", math.inf), ("RUNNING", None),
    ]  # fmt: skip
    assert trials[SLOTS[0].key].user_attrs["epochs"] == 2


def test_a_failed_slot_is_queued_again_behind_the_others_and_a_finished_one_is_not(tmp_path, storage):
    made = queue(tmp_path, storage=storage)
    made.fill()
    made.finish(made.claim(), TrialState.FAIL)
    made.finish(made.claim(), TrialState.COMPLETE, 1.0)
    made.fill()
    assert states(made) == ["FAIL", "COMPLETE", "WAITING", "WAITING", "WAITING"]
    assert [made.claim().slot for _ in range(3)] == [SLOTS[2], SLOTS[3], SLOTS[0]]


def test_a_trial_without_a_living_worker_is_buried(tmp_path, storage):
    made = queue(tmp_path, storage=storage)
    made.fill()
    made.claim().lock.release()  # as the system does it when a process dies
    assert numbers(queue(tmp_path, storage=storage).bury()) == [0]
    assert states(made)[0] == "FAIL"
    assert made.study.get_trials()[0].user_attrs["error"] == "its worker died"


def test_of_two_trials_that_two_machines_queued_for_one_slot_only_the_older_runs(tmp_path):
    here, there = queue(tmp_path, locks="here"), queue(tmp_path, locks="there")
    here.fill()
    for slot in SLOTS:  # as if the other machine had looked at the same moment
        there.study.enqueue_trial({}, user_attrs={"slot": slot.key, "seed": slot.seed})
    claims = [made.claim() for made in (here, there, here, there, here, there)]
    assert [claim and claim.trial.number for claim in claims] == [0, 1, 2, 3, None, None]


def test_a_worker_runs_only_what_its_own_grid_asks_for(tmp_path):
    queue(tmp_path).fill()
    small = queue(tmp_path, slots=SLOTS[2:3])
    small.fill()
    assert [claim and claim.slot for claim in (small.claim(), small.claim())] == [SLOTS[2], None]


@pytest.mark.parametrize(("before", "after"), [("a\nb\nhal", "a\nb\n"), ("a\n", "a\n"), ("", ""), ("hal", "")])
def test_what_a_killed_worker_had_half_written_is_cut_before_the_next_entry(tmp_path, before, after):
    path = tmp_path / "journal"
    path.write_text(before)
    lock = JournalLock(path)
    lock.acquire()
    lock.release()
    assert path.read_text() == after
    cut_unfinished_line(path)
    assert path.read_text() == after
