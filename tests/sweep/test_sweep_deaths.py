"""Workers that die: how the living tell, what other machines can see, and points that kill whoever tries them."""

import os
import time
from pathlib import Path

import pytest
import torch
from lr_callbacks.sweep.alive import Pulse
from lr_callbacks.sweep.locks import FileLock
from lr_callbacks.sweep.queue import TrialQueue
from optuna.trial import TrialState
from support import Net, loader, sgd, trainer
from test_sweep_queue import SLOTS, numbers, queue, states

from lr_callbacks import grid_search
from lr_callbacks.sweep import alive
from lr_callbacks.sweep import queue as queue_module


def claimed(folder, **options):
    """A queue, and a trial of it that runs."""
    made = queue(folder, **options)
    made.fill()
    return made, made.claim()


@pytest.fixture
def elsewhere(monkeypatch):
    """Call it, and what is made then is on another machine."""

    def move():
        monkeypatch.setattr(queue_module, "machine", lambda: "another one")

    return move


@pytest.fixture
def no_patience(monkeypatch):
    monkeypatch.setattr(queue_module, "PATIENCE_SECONDS", 0.05)


def test_a_container_with_a_new_name_finds_its_dead(tmp_path, monkeypatch):
    _, claim = claimed(tmp_path)
    claim.lock.release()
    monkeypatch.setattr(queue_module.socket, "gethostname", lambda: "renamed")
    assert numbers(queue(tmp_path).bury()) == [0]


def test_a_folder_that_was_moved_still_tells_the_dead(tmp_path):
    (tmp_path / "before").mkdir()
    _, claim = claimed(tmp_path / "before")
    claim.lock.release()
    (tmp_path / "before").rename(tmp_path / "after")
    assert numbers(queue(tmp_path / "after").bury()) == [0]


def test_where_locks_do_not_reach_another_machine_its_sign_of_life_keeps_a_trial_alive(
    tmp_path, elsewhere, no_patience
):
    _, claim = claimed(tmp_path)
    claim.lock.release()  # as a file system without locks between machines shows it there
    elsewhere()
    there = queue(tmp_path)
    with Pulse(claim.lock.path, seconds=0.01):
        for _ in range(10):
            assert there.bury() == []
            time.sleep(0.02)
    time.sleep(0.05)
    assert there.bury() == []  # from here on it is still
    time.sleep(0.1)
    assert numbers(there.bury()) == [0]


def test_a_machine_that_was_started_again_finds_its_dead_after_a_while(tmp_path, elsewhere, no_patience):
    _, claim = claimed(tmp_path)
    claim.lock.release()
    elsewhere()
    restarted = queue(tmp_path)
    assert restarted.bury() == []
    assert claim.lock.path.exists()
    time.sleep(0.1)
    assert numbers(restarted.bury()) == [0]


def test_a_trial_whose_lock_cannot_be_seen_is_left_alone_unless_it_is_taken_over(tmp_path, no_patience):
    _, claim = claimed(tmp_path, locks="there")
    here = queue(tmp_path, locks="here")
    for made in (here, here):
        assert made.bury() == []
        time.sleep(0.1)
    claim.lock.release()
    assert numbers(here.bury(take_over=True)) == [0]


def test_a_trial_on_another_machine_that_holds_its_lock_is_alive_whatever_one_asks(tmp_path, elsewhere):
    _, claim = claimed(tmp_path)
    elsewhere()
    other = queue(tmp_path)
    child = os.fork()  # a lock excludes other processes only
    if child == 0:
        os._exit(len(other.bury(take_over=True)))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    claim.lock.release()


def test_looking_for_the_dead_makes_no_lock_file_and_a_deleted_one_proves_nothing(tmp_path, no_patience):
    made, claim = claimed(tmp_path)
    claim.lock.path.unlink()
    for _ in range(2):
        assert made.bury() == []
        assert not claim.lock.path.exists()
        time.sleep(0.1)
    assert numbers(made.bury(take_over=True)) == [0]


def test_a_worker_that_died_before_it_said_where_it_is_is_buried_after_a_while(tmp_path, no_patience):
    made = queue(tmp_path)
    made.fill()
    store = made._storage
    for trial in store.get_all_trials(0)[:2]:
        store.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
    made._lock_of(store.get_all_trials(0)[1]).path.touch()
    assert made.bury() == []  # they may be just about to say it
    time.sleep(0.1)
    assert numbers(made.bury()) == [0, 1]


def test_what_a_worker_that_was_taken_for_dead_brings_does_not_count(tmp_path):
    made, claim = claimed(tmp_path)
    assert numbers(queue(tmp_path, locks="elsewhere").bury(take_over=True)) == [0]
    assert made.finish(claim, TrialState.COMPLETE, 1.0, epochs=1) is False
    made.fill()
    assert states(made)[0] == "FAIL"
    assert [made.claim().slot for _ in range(4)] == [*SLOTS[1:], SLOTS[0]]


def test_a_slot_that_kills_its_workers_comes_last_and_is_given_up_after_three_deaths(tmp_path):
    for death in range(1, 4):
        made = queue(tmp_path)
        made.fill()
        claims = [made.claim() for _ in range(4)]
        (poison,) = [claim for claim in claims if claim.slot == SLOTS[0]]
        assert claims.index(poison) == (0 if death == 1 else 3)
        for claim in claims:
            if claim is poison:
                claim.lock.release()
            else:
                made.finish(claim, TrialState.FAIL if death < 3 else TrialState.COMPLETE, 1.0)
        made.bury()
        assert made.deaths()[SLOTS[0].key] == death
    made = queue(tmp_path)
    made.fill()
    assert made.claim() is None
    assert list(made.given_up()) == [SLOTS[0].key]
    patient = queue(tmp_path, max_deaths=4)
    assert patient.given_up() == {}
    patient.fill()
    made = queue(tmp_path)  # for which one that waits is given up all the same
    assert made.claim() is None
    assert list(made.given_up()) == [SLOTS[0].key]
    assert patient.claim().slot == SLOTS[0]


class Killed(BaseException):
    """The end of a process, as the storage sees it: nothing is written down, and the lock is free."""


@pytest.fixture
def poisoned(monkeypatch, tmp_path):
    """A sweep of four rates whose second one kills the process; each call is a process."""
    finish = TrialQueue.finish

    def die(self, claim, state, value=None, **facts):
        if facts.get("error", "").startswith("Killed"):
            claim.lock.release()
            return True
        return finish(self, claim, state, value, **facts)

    monkeypatch.setattr(TrialQueue, "finish", die)
    built = []

    def build(point):
        built.append(point["lr"])
        if point["lr"] == 0.02:
            raise Killed
        return trainer(max_epochs=1), Net(sgd([point["lr"]])), loader(4), loader(2)

    def run(**options):
        built.clear()
        return grid_search(build, {"lr": [0.01, 0.02, 0.03, 0.04]}, folder=tmp_path / "sweep", **options), built

    return run


def test_a_point_that_kills_its_process_does_not_keep_the_others_from_being_trained_and_is_shown(poisoned, capsys):
    for trained in ([0.01, 0.02], [0.03, 0.04, 0.02], [0.02]):
        with pytest.raises(Killed):
            poisoned()
        said = capsys.readouterr().out
        assert [float(line.split()[1].rstrip(",")) for line in said.splitlines() if " epoch" in line] == [
            lr for lr in trained if lr != 0.02
        ]
    table, built = poisoned()
    assert built == []
    said = capsys.readouterr().out
    assert "lr 0.02, seed 0: the process was killed here 3 times; it is given up" in said
    assert [row.state for row in table.rows] == ["complete"] * 3 + ["dead"]
    assert table.rows[-1].point == {"lr": 0.02}
    assert str(table).splitlines()[-1].endswith("died 3 times")
    assert table.verdict().endswith("\nWithout a result: lr 0.02, died 3 times.\nTo try it again: max_deaths 4.")
    with pytest.raises(Killed):
        poisoned(max_deaths=4)
    assert poisoned(max_deaths=1)[0].rows[-1].deaths == 4


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory."), MemoryError(), RuntimeError("alloc: can't allocate memory: 1 TB")],
)
def test_a_point_without_enough_memory_is_tried_three_times_and_does_not_stop_the_sweep(tmp_path, error, capsys):
    built = []

    def build(point):
        built.append(point["width"])
        if point["width"] == 64:
            raise error
        return trainer(max_epochs=1), Net(sgd([0.01])), loader(2), loader(2)

    table = grid_search(build, {"width": [64, 4]}, folder=tmp_path)
    assert built == [64, 4, 64, 64]
    assert [(row.point["width"], row.state) for row in table.rows] == [(4, "complete"), (64, "dead")]
    said = capsys.readouterr().out
    assert "width 64, seed 0: out of memory once; tried again after the others, up to 3 times" in said
    assert "width 64, seed 0: out of memory 3 times; it is given up" in said


def test_a_sweep_that_killed_its_process_at_every_point_has_no_best(tmp_path, poisoned):
    for _ in range(3):
        with pytest.raises(Killed):
            poisoned(max_deaths=3, seeds=[5])
    table, _ = poisoned(seeds=[5])
    assert table.rows[-1].deaths == 3
    lost = type(table)(table.metric, table.mode, table.rows[-1:])
    with pytest.raises(ValueError, match="must have a point that was trained to the end, got 1 dead"):
        _ = lost.best


def test_a_folder_without_locks_is_named(tmp_path, monkeypatch):
    def take(handle, wait):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("lr_callbacks.sweep.locks._take", take)
    with pytest.raises(ValueError, match=r"must be on a file system with locks, got .*\(Operation not supported\)"):
        FileLock(tmp_path / "a.lock").acquire()


def test_a_pulse_touches_its_file_and_ends_with_its_block(tmp_path):
    path = tmp_path / "a.lock"
    path.touch()
    os.utime(path, (1, 1))
    with Pulse(path, seconds=0.01):
        deadline = time.monotonic() + 10
        while path.stat().st_mtime == 1:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    path.unlink()  # after which nothing makes it again
    time.sleep(0.05)
    assert not path.exists()


def test_every_process_is_a_machine_of_its_own_where_the_system_says_nothing(monkeypatch):
    def missing(*_):
        raise FileNotFoundError

    assert alive.machine() == alive.machine() != ""
    monkeypatch.setattr(Path, "read_text", missing)
    assert alive.machine() == alive._process
